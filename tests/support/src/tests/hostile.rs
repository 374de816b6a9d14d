use std::collections::BTreeSet;

use serde_json::Value;

use crate::{hostile_account, hostile_report, hostile_strings, shown};

#[test]
fn there_are_two_hundred_hostile_strings_and_no_two_are_the_same() {
    let strings = hostile_strings();
    let distinct: BTreeSet<&String> = strings.iter().collect();
    assert!(strings.len() >= 200, "{}", strings.len());
    assert_eq!(distinct.len(), strings.len());
    assert!(strings.iter().any(|text| text.len() >= 10_000));
}

#[test]
fn a_hostile_report_has_each_string_in_every_place() {
    let report: Value = hostile_report().unwrap();
    let text =
        |pointer: String| report.pointer(&pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    for (n, hostile) in hostile_strings().iter().enumerate() {
        assert_eq!(text(format!("/accounts/{n}/id")), hostile_account(n));
        for place in [
            format!("/accounts/{n}/name"),
            format!("/accounts/{n}/units/1"),
            format!("/gaps/{n}/unseen/message"),
            format!("/findings/{}/resource_name", 2 * n),
            format!("/findings/{}/tags/Name", 2 * n),
            format!("/findings/{}/evidence/0/value/Statement/0/Sid", 2 * n),
            format!("/findings/{}/unseen/message", 2 * n + 1),
        ] {
            assert_eq!(&text(place.clone()), hostile, "{place}");
        }
    }
}

#[test]
fn what_is_shown_is_one_line_that_hides_nothing() {
    for text in hostile_strings() {
        assert!(!shown(&text).chars().any(char::is_control), "{text:?}");
    }
    assert_eq!(shown("a\r\n\u{202e}\u{1b}[2J"), "a\\r\\n\\u{202e}\\u{1b}[2J");
}
