//! What is true of all patterns and events.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "eventName", "c.d"]).prop_map(str::to_owned)
}

fn selector() -> impl Strategy<Value = Selector> {
    let step = prop_oneof![
        4 => name().prop_map(Step::Property),
        1 => (0..2usize).prop_map(Step::Element),
        1 => Just(Step::EveryProperty),
        1 => Just(Step::EveryElement),
    ];
    (name(), prop::collection::vec(step, 0..3)).prop_map(|(first, mut steps)| {
        steps.insert(0, Step::Property(first));
        Selector(steps)
    })
}

fn wanted() -> impl Strategy<Value = String> {
    prop_oneof![
        "[abx]{1,2}\\*?",
        "\\*?[abx]{0,2}",
        Just("1".to_owned()),
        Just("-2.5e1".to_owned()),
        Just("%^a%".to_owned()),
        Just(r#""a \" \\ *""#.to_owned()),
        Just(r#""""#.to_owned()),
    ]
    .prop_map(|text| if text.is_empty() { "*".to_owned() } else { text })
}

/// A condition as somebody may write it, with more parentheses and spaces than needed.
fn condition() -> impl Strategy<Value = String> {
    let test = (selector(), wanted(), 0..8u8).prop_map(|(selector, wanted, kind)| match kind {
        0 => format!("{selector} NOT EXISTS"),
        1 => format!("{selector} IS NULL"),
        2 => format!("{selector} IS TRUE"),
        3 => format!("{selector}<1e0"),
        4 | 5 => format!("{selector} != {wanted}"),
        _ => format!("{selector}={wanted}"),
    });
    test.prop_recursive(4, 24, 3, |inner| {
        (prop::collection::vec(inner, 1..4), any::<bool>(), any::<bool>()).prop_map(|(parts, any, bare)| {
            let joined = parts.join(if any { " || " } else { "&&" });
            if bare { joined } else { format!("( {joined})") }
        })
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3..3i64).prop_map(Value::from),
        "[abx1]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map(name(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::hash_map(name(), value(), 0..4)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same(condition in condition()) {
        let pattern = read(&format!("{{{condition}}}"));
        prop_assert_eq!(read(&pattern.to_string()), pattern);
    }

    #[test]
    fn terms_read_back_as_the_same(phrases in prop::collection::vec((any::<String>(), 0..3usize), 1..4)) {
        let roles = [Role::Required, Role::Alternative, Role::Excluded];
        let terms = phrases.into_iter().map(|(phrase, role)| Term { role: roles[role], sought: Sought::Phrase(phrase) });
        let pattern = Pattern::Terms(terms.collect());
        prop_assert_eq!(read(&pattern.to_string()), pattern);
    }

    #[test]
    fn one_more_alternative_never_misses_more(one in condition(), other in condition(), event in object()) {
        let alone = read(&format!("{{ {one} }}")).matches(&event);
        let both = read(&format!("{{ ({one}) || ({other}) }}")).matches(&event);
        prop_assert!(alone != Match::Yes || both == Match::Yes);
        prop_assert!(both != Match::No || alone == Match::No);
    }

    #[test]
    fn one_more_condition_never_matches_more(one in condition(), other in condition(), event in object()) {
        let alone = read(&format!("{{ {one} }}")).matches(&event);
        let both = read(&format!("{{ ({one}) && ({other}) }}")).matches(&event);
        prop_assert!(alone != Match::No || both == Match::No);
        prop_assert!(both != Match::Yes || alone == Match::Yes);
    }

    #[test]
    fn order_and_parentheses_do_not_matter(one in condition(), other in condition(), event in object()) {
        for operator in ["&&", "||"] {
            let known = |pattern: String| match read(&pattern).matches(&event) {
                Match::Undecided(_) => None,
                decided => Some(decided),
            };
            prop_assert_eq!(
                known(format!("{{ ({one}) {operator} ({other}) }}")),
                known(format!("{{ (({other})) {operator} (({one})) }}"))
            );
        }
    }

    /// Where properties are there and are texts, `!=` is the opposite of `=`.
    #[test]
    fn de_morgan(a in "[ab]{1,2}", b in "[ab]{1,2}", wanted in prop::array::uniform2("\\*?[ab]{1,2}\\*?")) {
        let event = json!({ "a": a, "b": b });
        let [one, other] = wanted;
        let either = read(&format!("{{ $.a = {one} || $.b = {other} }}")).matches(&event);
        let neither = read(&format!("{{ $.a != {one} && $.b != {other} }}")).matches(&event);
        prop_assert_eq!(either, neither.negated());
    }

    #[test]
    fn wildcards_agree_with_regular_expressions(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
        let expression = regex::Regex::new(&format!("^{}$", pattern.replace('*', ".*"))).unwrap();
        let outcome = read(&format!("{{ $.a = \"{pattern}\" }}")).matches(&json!({ "a": text }));
        prop_assert_eq!(outcome != Match::No, expression.is_match(&text));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), inside in "[ $.a=!<>()&|\"\\\\%*\\[\\]{}?-]{0,40}", event in value()) {
        for pattern in [text, format!("{{{inside}}}"), inside] {
            if let Ok(pattern) = pattern.parse::<Pattern>() {
                let _ = pattern.matches(&event);
                prop_assert_eq!(read(&pattern.to_string()), pattern);
            }
        }
    }
}
