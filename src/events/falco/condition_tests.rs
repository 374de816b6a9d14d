use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Condition {
    Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    Condition::parse(text).expect_err(text).to_string()
}

fn is(name: &str, value: &str) -> Condition {
    Condition::Check(
        Operand { transformers: Vec::new(), name: name.to_owned(), argument: None },
        Relation::Text(TextOperator::Equal, Value::Literal(value.to_owned())),
    )
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    let expected = Condition::Or(vec![
        is("a.b", "1"),
        Condition::And(vec![Condition::Not(Box::new(is("a.c", "2"))), Condition::Macro("m".to_owned())]),
    ]);
    assert_eq!(read("a.b=1 or not a.c = 2 and m"), expected);
}

#[test]
fn brackets_hug_and_nots_cancel_out() {
    assert_eq!(read("(a.b=1)or(a.c=2)"), read("a.b = 1 or a.c = 2"));
    assert_eq!(read("not not a.b=1"), is("a.b", "1"));
    assert_eq!(read("not\n not not(a.b=1)"), Condition::Not(Box::new(is("a.b", "1"))));
    assert_eq!(read("m and(notable)"), read("m and notable"));
}

#[test]
fn every_operator_is_read() {
    for operator in
        ["=", "!=", "==", "glob", "iglob", "contains", "icontains", "startswith", "endswith", "regex"]
    {
        read(&format!("a.b {operator} x"));
        read(&format!("a.b {operator} 'x y'"));
        read(&format!("a.b {operator} val(c.d)"));
        for quantifier in ["oneof", "anyof", "allof"] {
            read(&format!("a.b {operator} {quantifier} (x, \"y z\")"));
        }
    }
    for operator in ["<", "<=", ">", ">="] {
        read(&format!("a.b {operator} 0x1f and a.b{operator}-1.5e3"));
    }
    for operator in ["in", "intersects", "pmatch"] {
        read(&format!(
            "a.b {operator} (x,y) and a.b {operator}(x) and a.b {operator} val(c.d) and a.b {operator} ()"
        ));
    }
    read("a.b exists and not a.b[0] exists and a.b[/x/y] exists and a.b[\"x ]\"] exists");
    read("tolower(toupper( a.b )) = x and len(a.b[1]) > 3");
}

#[test]
fn escapes_are_those_of_the_language() {
    assert_eq!(read(r#"a.b="x\"\\\/\n\x41\ y""#), is("a.b", "x\"\\/\nA\\y"));
    assert_eq!(read(r"a.b='it\'s'"), is("a.b", "it's"));
    assert!(refused(r#"a.b="\q""#).contains("a known escape"));
    assert!(refused(r#"a.b='\"'"#).contains("a known escape"));
    assert!(refused(r#"a.b="\xff""#).contains("UTF-8"));
    assert!(refused(r#"a.b="x"#).contains("closing quotation mark"));
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(refused("a.b"), "expected an operator where the condition ends");
    assert_eq!(refused("a.b = "), "expected a value where the condition ends");
    assert_eq!(refused("a.b like x"), "expected an operator in the condition before `like x`");
    assert_eq!(refused("(a.b = x"), "expected `and`, `or` or `)` where the condition ends");
    assert_eq!(
        refused("a.b = x y.z = 1"),
        "expected `and`, `or` or the end in the condition before `y.z = 1`"
    );
    assert_eq!(refused(""), "expected a check, a macro or `(` where the condition ends");
    assert!(refused("a.b = x and").contains("before `and`"));
    assert!(refused("a.b in").contains("a list in parentheses"));
    assert!(refused("tolower(a.b = x").contains("`)`"));
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let nested = |depth: usize| format!("{}a.b=1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(read(&nested(100)), is("a.b", "1"));
    assert!(refused(&nested(101)).contains("fewer parentheses"));
    assert!(refused(&nested(200_000)).contains("fewer parentheses"));
    assert!(refused(&"not(".repeat(100_000)).contains("fewer parentheses"));
    assert!(refused(&"tolower(".repeat(100_000)).contains("a field"));
    assert!(Condition::parse(&"not ".repeat(200_000)).is_err());
    assert_eq!(refused(&"x".repeat((1 << 20) + 1)), "the condition is longer than 1048576 bytes");
}

proptest! {
    #[test]
    fn no_text_panics(text in r#"[a-c. ()"'\\=<>!,\[\]]{0,40}|(\(|not |and |or |a\.b|=|in|x|"|\)| ){0,30}"#) {
        let _ = Condition::parse(&text);
    }

    #[test]
    fn what_is_printed_reads_as_the_same(condition in any_condition()) {
        let printed = condition.to_string();
        prop_assert_eq!(Condition::parse(&printed), Ok(condition), "{}", printed);
    }
}

fn any_operand() -> impl Strategy<Value = Operand> {
    let transformers =
        prop::collection::vec(prop::sample::select(vec!["tolower".to_owned(), "len".to_owned()]), 0..3);
    let name = "[a-z]{1,3}(\\.[a-z][a-z0-9_]{0,3}){1,2}";
    (transformers, name, prop::option::of(r#"[ -~]{1,6}"#))
        .prop_map(|(transformers, name, argument)| Operand { transformers, name, argument })
}

fn any_relation() -> impl Strategy<Value = Relation> {
    let text = || r#"[ -~é\n\t]{0,6}"#.prop_map(String::from);
    let field = || {
        any_operand().prop_map(|mut operand| {
            operand.transformers.insert(0, "val".to_owned());
            operand
        })
    };
    let value = || prop_oneof![text().prop_map(Value::Literal), field().prop_map(Value::Field)];
    let texts = || prop::collection::vec(text(), 0..3);
    let operator = || {
        prop::sample::select(vec![
            TextOperator::Equal,
            TextOperator::NotEqual,
            TextOperator::IGlob,
            TextOperator::Regex,
        ])
    };
    let set = || prop::sample::select(vec![SetOperator::In, SetOperator::Intersects, SetOperator::PMatch]);
    prop_oneof![
        Just(Relation::Exists),
        value().prop_map(|value| Relation::Order(Comparison::LessOrEqual, value)),
        (operator(), value()).prop_map(|(operator, value)| Relation::Text(operator, value)),
        (operator(), texts()).prop_map(|(operator, items)| Relation::Quantified(
            operator,
            Quantifier::AllOf,
            items
        )),
        (set(), texts()).prop_map(|(operator, items)| Relation::Set(operator, items)),
        (set(), field()).prop_map(|(operator, field)| Relation::SetField(operator, field)),
    ]
}

/// Conditions as the parser makes them: no connective of one, no double negation.
fn any_condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        "[a-z]{2,4}_m".prop_map(Condition::Macro),
        (any_operand(), any_relation()).prop_map(|(operand, relation)| Condition::Check(operand, relation)),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let parts = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            parts.clone().prop_map(Condition::And),
            parts.prop_map(Condition::Or),
            inner.prop_map(|part| match part {
                Condition::Not(_) => part,
                part => Condition::Not(Box::new(part)),
            }),
        ]
    })
}
