//! One test for each modifier, by its name.

use rsigma_parser::parse_sigma_yaml;

use super::*;
use crate::events::engine::{Engine, Scratch};
use crate::events::record::Record;

fn compiled(item: &str) -> Result<Predicate, String> {
    let rule = format!(
        "title: t\nlogsource: {{product: aws}}\ndetection:\n  sel:\n    {}\n  condition: sel\n",
        item.replace('\n', "\n    ")
    );
    let parsed = parse_sigma_yaml(&rule).unwrap();
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    let placeholders = Placeholders::from([("who".to_owned(), vec!["a*".to_owned(), "b".to_owned()])]);
    selection(&parsed.rules[0].detection.named["sel"], &placeholders)
}

/// Whether an item holds of a record whose `requestParameters` are these.
fn holds(item: &str, parameters: &str) -> bool {
    let predicate = compiled(item).unwrap_or_else(|error| panic!("{item}: {error}"));
    let record = format!(r#"{{"requestParameters":{parameters}}}"#);
    !Engine::new(&[predicate])
        .matches(&Record::parse(record.as_bytes()).unwrap(), &mut Scratch::default())
        .is_empty()
}

/// Whether `f` holds, with this value for it, of records whose `f` is each of these JSON values.
fn of(modifiers: &str, value: &str, yes: &[&str], no: &[&str]) {
    let item = format!("requestParameters.f{modifiers}: {value}");
    for (texts, expected) in [(yes, true), (no, false)] {
        for text in texts {
            assert_eq!(holds(&item, &format!(r#"{{"f":{text}}}"#)), expected, "{item} of {text}");
        }
    }
    assert!(!holds(&item, "{}") && !holds(&item, "null"), "{item} of what is absent");
}

#[test]
fn no_modifier() {
    of("", "Abc", &[r#""abc""#, r#"["x","ABC"]"#], &[r#""abcd""#, "null", "1"]);
    of("", "'a*c'", &[r#""aXXc""#, r#""AC""#], &[r#""acd""#]);
    of("", "'a?c'", &[r#""axc""#], &[r#""ac""#]);
    of("", r"'a\*c'", &[r#""a*c""#], &[r#""abc""#]);
    of("", "[a, b]", &[r#""a""#, r#""B""#], &[r#""c""#]);
    of("", "''", &[r#""""#], &[r#""x""#, "null"]);
    of("", "'*'", &[r#""""#, "{}", "0", "[0]"], &["null", "[]", "[null]"]);
    of("", "22", &["22", r#""22""#, "22.0"], &["222", r#""x""#]);
    of("", "'22'", &["22", r#""22""#], &["222"]);
    of("", "1.5", &["1.5", r#""1.50""#], &["1"]);
    of("", "false", &["false", r#""False""#], &["true"]);
    of("", "'true'", &["true"], &["false"]);
}

#[test]
fn null() {
    let item = "requestParameters.f: null";
    assert!(holds(item, "{}") && holds(item, "null") && holds(item, r#"{"f":null}"#));
    assert!(!holds(item, r#"{"f":""}"#) && !holds(item, r#"{"f":[]}"#));
    assert!(
        holds("requestParameters.f: [null, x]", "{}")
            && holds("requestParameters.f: [null, x]", r#"{"f":"x"}"#)
    );
}

#[test]
fn contains() {
    of("|contains", "B", &[r#""abc""#, r#"[["xbx"]]"#], &[r#""ac""#]);
    of("|contains", "'b*d'", &[r#""abcde""#], &[r#""dcb""#]);
    of("|contains", "22", &["1223"], &["2"]);
    of("|contains", r#"'"k":'"#, &[r#"{"k": 1}"#], &[r#"{"j":"k"}"#]);
    of("|contains", "'*'", &["[{}]", "{}", r#""""#], &["null", "[]"]);
}

#[test]
fn startswith() {
    of("|startswith", "aB", &[r#""abc""#], &[r#""xab""#]);
}

#[test]
fn endswith() {
    of("|endswith", "[bC, x]", &[r#""abc""#, r#""ax""#], &[r#""bcd""#]);
}

#[test]
fn all() {
    of("|contains|all", "[a, b]", &[r#""xbax""#, r#"["a","b"]"#], &[r#""a""#]);
}

#[test]
fn cased() {
    of("|cased", "Ab", &[r#""Ab""#], &[r#""ab""#]);
    of("|contains|cased", "Ab", &[r#""xAbx""#], &[r#""xabx""#]);
    of("|startswith|cased", "'A?c'", &[r#""Abcd""#], &[r#""abcd""#]);
}

#[test]
fn re() {
    of("|re", "'b+$'", &[r#""abb""#], &[r#""ABB""#, r#""abbc""#]);
    of("|re|i", "'^AB'", &[r#""abb""#], &[r#""xab""#]);
    of("|re|m", "'^b$'", &[r#""a\nb\nc""#], &[r#""ab""#]);
    of("|re|s", "'a.b'", &[r#""a\nb""#], &[r#""ab""#]);
    of("|re", "'a.b'", &[r#""axb""#], &[r#""a\nb""#]);
    assert!(compiled("f|re: 'a('").unwrap_err().contains("unclosed group"));
}

#[test]
fn cidr() {
    of("|cidr", "10.0.0.0/8", &[r#""10.1.2.3""#], &[r#""11.0.0.1""#, r#""AWS Internal""#]);
    of("|cidr", "'2001:db8::/32'", &[r#""2001:db8::1""#], &[r#""2001:db9::1""#]);
    of("|cidr", "[10.1.2.3, 10.9.9.9/8]", &[r#""10.1.2.3""#, r#""10.0.0.1""#], &[r#""11.1.2.3""#]);
    assert!(compiled("f|cidr: x").unwrap_err().contains("`x` is no network"));
}

#[test]
fn exists() {
    of("|exists", "true", &[r#""""#, "[]", "false"], &["null"]);
    let item = "requestParameters.f|exists: false";
    assert!(holds(item, "{}") && holds(item, r#"{"f":null}"#) && !holds(item, r#"{"f":0}"#));
    assert!(compiled("f|exists: maybe").unwrap_err().contains("`maybe`"));
}

#[test]
fn fieldref() {
    let related = |modifiers: &str, f: &str, g: &str| {
        holds(
            &format!("requestParameters.f|fieldref{modifiers}: requestParameters.g"),
            &format!(r#"{{"f":{f},"g":{g}}}"#),
        )
    };
    assert!(
        related("", r#""Ab""#, r#""aB""#)
            && related("", "1", r#""1""#)
            && related("", r#"["x","y"]"#, r#""y""#)
    );
    assert!(!related("", r#""a""#, r#""b""#) && !related("", "null", "null"));
    assert!(!related("|cased", r#""Ab""#, r#""aB""#));
    assert!(related("|contains", r#""xABx""#, r#""ab""#) && !related("|contains", r#""ab""#, r#""xabx""#));
    assert!(related("|startswith", r#""abx""#, r#""AB""#) && related("|endswith", r#""xab""#, r#""ab""#));
}

#[test]
fn lt_lte_gt_gte() {
    of("|lt", "5", &["4", r#""4.9""#], &["5", r#""x""#]);
    of("|lte", "5", &["5"], &["6"]);
    of("|gt", "5", &["5.5"], &["5"]);
    of("|gte", "'5'", &["5", "[1, 7]"], &["4"]);
    assert!(compiled("f|gt: many").unwrap_err().contains("`many` is no number"));
}

#[test]
fn neq() {
    let item = "requestParameters.f|neq: a";
    assert!(holds(item, r#"{"f":"b"}"#) && holds(item, "{}") && !holds(item, r#"{"f":"A"}"#));
    let list = "requestParameters.f|neq: [a, b]";
    assert!(!holds(list, r#"{"f":"b"}"#) && holds(list, r#"{"f":"c"}"#));
}

#[test]
fn windash() {
    of(
        "|windash|contains",
        "' -f'",
        &[r#""x -f""#, r#""x /f""#, "\"x \u{2013}f\"", "\"x \u{2014}f\"", "\"x \u{2015}f\""],
        &[r#""x f""#],
    );
}

#[test]
fn base64_and_base64offset() {
    of("|base64", "curl", &[r#""Y3VybA==""#], &[r#""curl""#]);
    of("|base64offset|contains", "'curl http'", &[r#""eHhjdXJsIGh0dHA6""#], &[r#""curl http""#]);
    assert!(compiled("f|base64offset: x").unwrap_err().contains("`x` is too short to be encoded"));
    assert!(compiled("f|base64: 'a*'").unwrap_err().contains("a wildcard can't be encoded"));
}

#[test]
fn wide_utf16le_utf16be_and_utf16() {
    of("|wide|base64", "ab", &[r#""YQBiAA==""#], &[]);
    of("|utf16le|base64", "ab", &[r#""YQBiAA==""#], &[]);
    of("|utf16be|base64", "ab", &[r#""AGEAYg==""#], &[]);
    of("|utf16|base64", "ab", &[r#""//5hAGIA""#], &[]);
    of("|wide", "ab", &[r#""a\u0000b\u0000""#], &[r#""ab""#]);
    assert!(compiled("f|utf16: ab").unwrap_err().contains("add `base64`"));
}

#[test]
fn expand() {
    of("|expand", "'x%who%'", &[r#""xabc""#, r#""xb""#], &[r#""x%who%""#, r#""xc""#]);
    assert!(compiled("f|expand: '%nobody%'").unwrap_err().contains("`%nobody%`"));
    of("", "'%who%'", &[r#""%who%""#], &[r#""b""#]);
}

#[test]
fn minute_hour_day_week_month_and_year() {
    for (part, value) in [("minute", 8), ("hour", 7), ("day", 6), ("week", 19), ("month", 5), ("year", 2024)]
    {
        of(
            &format!("|{part}"),
            &value.to_string(),
            &[r#""2024-05-06T07:08:09Z""#],
            &[r#""2023-12-31T23:59:09Z""#, r#""x""#],
        );
    }
}

#[test]
fn keywords() {
    let any = "- alpha\n- 'b*a'";
    assert!(
        holds(any, r#"{"x":["ALPHA"]}"#)
            && holds(any, r#"{"x":{"y":"xbeta"}}"#)
            && !holds(any, r#"{"alpha":1}"#)
    );
    let all = "'|all':\n  - one\n  - two";
    assert!(holds(all, r#"{"x":"one","y":"two"}"#) && !holds(all, r#"{"x":"one"}"#));
}

#[test]
fn what_is_empty_or_unknown_is_refused() {
    assert!(compiled("f: []").unwrap_err().contains("no values"));
    assert!(compiled("{}").unwrap_err().contains("empty"));
    let parsed = parse_sigma_yaml(
        "title: t\nlogsource: {product: aws}\ndetection: {sel: {'f|not': x}, condition: sel}",
    )
    .unwrap();
    assert!(parsed.rules.is_empty() && !parsed.errors.is_empty());
}
