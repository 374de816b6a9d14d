use proptest::prelude::*;
use rsigma_eval::{Engine as Oracle, JsonEvent};
use serde_json::{Value, json};

use super::*;
use crate::events::engine::{Engine, Scratch};
use crate::events::record::Record;
use crate::events::yaml;

fn load(text: &str) -> Library {
    let mut library = Library::default();
    if let Ok(documents) = yaml::documents(text) {
        library.load(FilePath::new("f.yml"), text, &documents);
    }
    library
}

fn file(detection: &str) -> String {
    format!("title: T\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n{detection}\n")
}

fn error(text: &str) -> String {
    let library = load(text);
    assert!(library.rules.is_empty() && library.correlations.is_empty());
    let [issue] = library.issues.as_slice() else { panic!("{:?}", library.issues) };
    assert_eq!(issue.gravity, Gravity::Error);
    issue.to_string()
}

#[test]
fn documents_are_told_apart_and_know_their_lines() {
    let text = format!(
        "# head\n---\n{}---\n{}",
        file("  s: {a: b}\n  condition: s"),
        file("  s: {a: b}\n  condition: t")
    );
    let library = load(&text);
    assert_eq!(library.rules.len(), 1);
    assert_eq!(library.rules[0].info.line, 3);
    assert_eq!(library.issues[0].to_string(), "f.yml:9: `T`: there is no selection `t`");
}

#[test]
fn documents_with_actions_build_on_each_other() {
    let text = "action: global\nlogsource: {product: aws}\n---\ntitle: A\ndetection: {s: {a: b}, condition: s}\n---\ntitle: B\ndetection: {s: {a: b}, condition: s}\n";
    let library = load(text);
    assert_eq!(library.rules.iter().map(|rule| rule.info.name.as_str()).collect::<Vec<_>>(), ["A", "B"]);
}

#[test]
fn what_cannot_run_is_told_by_its_construct() {
    for (detection, expected) in [
        (
            "  s: {a: b}\n  condition: s | count() > 3",
            "the aggregation `| count() > 3` in the condition is not supported",
        ),
        ("  s: {a: b}\n  timeframe: 5m\n  condition: s", "`timeframe` relates several events"),
        ("  s: {a: b}\n  condition: 1 of t*", "`1 of t*` names no selection"),
        ("  s: {a|foo: b}\n  condition: s", "nknown modifier `foo`"),
        ("  s: {'a|re': '('}\n  condition: s", "in `s`: `a`: `(`: unclosed group"),
        ("  s: {a: b}", "issing required field `condition`"),
        ("  s: {a: b}\n  condition: s and", "ondition"),
    ] {
        let error = error(&file(detection));
        assert!(error.starts_with("f.yml:1: `T`: ") && error.contains(expected), "{error}");
    }
    assert!(
        error("title: T\nfilter: {rules: any, s: {a: b}, condition: s}\nlogsource: {product: aws}")
            .contains("filter")
    );
}

#[test]
fn conditions_that_nest_deep_are_refused_and_not_followed() {
    for condition in [
        format!("{}s{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("{}s", "not ".repeat(20_000)),
        format!("{}s{}", "not (".repeat(100), ")".repeat(100)),
        vec!["s"; 3_000].join(" and "),
    ] {
        assert!(
            error(&file(&format!("  s: {{a: b}}\n  condition: '{condition}'")))
                .contains("too long or nests too deep")
        );
    }
}

#[test]
fn rules_for_other_log_sources_are_left_out_with_a_note() {
    for source in [
        "{product: windows}",
        "{product: aws, service: route53}",
        "{category: process_creation}",
        "{product: aws, category: x}",
    ] {
        let library =
            load(&format!("title: T\nlogsource: {source}\ndetection: {{s: {{a: b}}, condition: s}}"));
        assert!(library.rules.is_empty());
        assert!(
            matches!(&*library.issues, [issue] if issue.gravity == Gravity::Note),
            "{:?}",
            library.issues
        );
    }
}

#[test]
fn names_that_begin_with_an_underscore_are_not_them() {
    let library = load(&file("  a: {eventName: x}\n  _b: {eventName: y}\n  condition: all of them"));
    let engine = Engine::new(&[library.rules[0].predicate.clone()]);
    let record = Record::parse(br#"{"eventName":"X"}"#).unwrap();
    assert_eq!(engine.matches(&record, &mut Scratch::default()), [0]);
}

#[test]
fn a_correlation_is_read_or_refused_by_its_construct() {
    let correlation =
        |body: &str| format!("title: C\ncorrelation:\n  rules: [r]\n  timespan: 5m\n  group-by: a\n{body}\n");
    assert_eq!(load(&correlation("  type: event_count\n  condition: {gte: 3}")).correlations.len(), 1);
    for (body, expected) in [
        ("  type: value_count\n  condition: {gte: 3}", "`value_count`"),
        ("  type: value_sum\n  condition: {gte: 3, field: x}", "`value_sum` is not supported"),
        ("  type: event_count\n  condition: {gte: 300000}", "more than 10000"),
        ("  type: event_count\n  window: tumbling\n  condition: {gte: 3}", "`tumbling` is not supported"),
        ("  type: temporal\n  condition: {lt: 3}", "`gte` or `gt` only"),
        ("  type: sometimes\n  condition: {gte: 3}", "sometimes"),
    ] {
        let error = error(&correlation(body));
        assert!(error.starts_with("f.yml:1: `C`: ") && error.contains(expected), "{error}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(title|detection|condition|sel|a\\|re|: |\n|  |- |[*?\\[\\]{}'\"|&()]|not |1 of |---\n){0,40}") {
        let _ = load(&text);
    }

    /// `rsigma-eval` reads the same rules; what it means by them is the same wherever no list or object is met, and
    /// nothing is `null`.
    #[test]
    fn rules_mean_what_they_mean_to_rsigma(selections in prop::collection::vec(any_selection(), 1..4), condition in any_condition(), event in any_event()) {
        let mut detection = String::new();
        for number in 0..3 {
            let items = selections.get(number % selections.len()).cloned().unwrap_or_default();
            detection.push_str(&format!("  s{number}:\n"));
            for (field, value) in items {
                detection.push_str(&format!("    {field}: {value}\n"));
            }
        }
        let text = file(&format!("{detection}  condition: {condition}"));
        let library = load(&text);
        prop_assert!(library.issues.is_empty(), "{:?}", library.issues);
        let record = event.to_string();
        let own = !Engine::new(&[library.rules[0].predicate.clone()])
            .matches(&Record::parse(record.as_bytes()).unwrap(), &mut Scratch::default())
            .is_empty();
        let mut oracle = Oracle::new();
        oracle.add_rule(&parse_sigma_yaml(&text).unwrap().rules[0]).unwrap();
        let theirs = !oracle.evaluate(&JsonEvent::borrow(&event)).is_empty();
        prop_assert_eq!(own, theirs, "{} {}", text, record);
    }
}

fn any_text() -> impl Strategy<Value = String> {
    r#"[aAbB.é-]{0,4}"#.prop_map(String::from)
}

fn any_selection() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    let field = prop::sample::select(vec!["eventName", "errorCode", "userIdentity.type", "userIdentity.n"]);
    let modifier = prop::sample::select(vec![
        "",
        "|contains",
        "|startswith",
        "|endswith",
        "|cased",
        "|contains|cased",
        "|contains|all",
        "|base64",
        "|base64offset|contains",
        "|wide|base64",
    ]);
    let text =
        prop_oneof![any_text(), Just("a*".to_owned()), Just("*b*a".to_owned()), Just("a?b".to_owned())];
    let texts =
        (field.clone(), modifier, prop::collection::vec(text, 1..4)).prop_map(|(field, modifier, values)| {
            let encodes = modifier.contains("base64");
            // With a wildcard in it `rsigma` looks for the value of `startswith` and `endswith` anywhere.
            let plain = encodes || modifier.contains("with");
            // One value under `all` is an error to `rsigma`, and itself to us.
            let modifier = if values.len() == 1 { modifier.trim_end_matches("|all") } else { modifier };
            let values: Vec<String> = values
                .iter()
                .map(|value| {
                    if plain {
                        format!("{}{}", if encodes { "xy" } else { "" }, value.replace(['*', '?'], "x"))
                    } else {
                        value.clone()
                    }
                })
                .map(|value| format!("'{value}'"))
                .collect();
            (format!("'{field}{modifier}'"), format!("[{}]", values.join(", ")))
        });
    let exists = (field.clone(), any::<bool>())
        .prop_map(|(field, wanted)| (format!("'{field}|exists'"), wanted.to_string()));
    let number = (field.clone(), prop::sample::select(vec!["|gt", "|gte", "|lt", "|lte"]), -2_i64..5)
        .prop_map(|(field, modifier, number)| (format!("'{field}{modifier}'"), number.to_string()));
    let expression = (field, prop::sample::select(vec!["^a", "b$", "A.", "[ab]{2}"]), any::<bool>())
        .prop_map(|(field, expression, fold)| {
            (format!("'{field}|re{}'", if fold { "|i" } else { "" }), format!("'{expression}'"))
        });
    prop::collection::btree_map(
        prop_oneof![4 => texts, 1 => exists, 1 => number, 1 => expression].prop_map(|pair| pair),
        Just(()),
        1..3,
    )
    .prop_map(|pairs| pairs.into_keys().collect())
}

fn any_condition() -> impl Strategy<Value = String> {
    let leaf =
        prop::sample::select(vec!["s0", "s1", "s2", "1 of s*", "all of them", "2 of them", "any of s*"])
            .prop_map(str::to_owned);
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} or {b}")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Value> {
    let text = || prop::option::of(any_text());
    (text(), text(), text(), prop::option::of(-2_i64..5)).prop_map(|(name, error, kind, number)| {
        let mut event = json!({"userIdentity": {}});
        for (key, value) in [("eventName", name), ("errorCode", error)] {
            if let Some(value) = value {
                event[key] = value.into();
            }
        }
        if let Some(kind) = kind {
            event["userIdentity"]["type"] = kind.into();
        }
        if let Some(number) = number {
            event["userIdentity"]["n"] = number.into();
        }
        event
    })
}
