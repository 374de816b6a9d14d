//! How bad a failure is: control files with `severity_if`, and what they make of a bucket.

use std::path::Path;

use crate::controls::{Control, Severity, SourceError, VerdictKind};

/// A control on buckets that fails where `ownership` is `x`, with these keys and this one example.
fn parse(keys: &str, example: &str) -> Result<Control, SourceError> {
    let text = format!(
        "id: c\ntitle: t\nseverity: low\nresource: aws.s3.bucket\nrationale: r\n{keys}\n\
         pass: resource.ownership != 'x'\nfail_message: f\nremediation: {{ text: t }}\n\
         examples:\n  - {{ name: e, {example} }}"
    );
    Control::parse(Path::new("c.yaml"), &text)
}

/// What the control says of a bucket whose `ownership` is `x`, and whose `tags` were not observed.
fn severity(severity_if: &str) -> Severity {
    let control = parse(severity_if, "resource: { ownership: x }, verdict: fail, severity: low").unwrap();
    let answer = control.run_examples().remove(0).got.unwrap();
    assert_eq!(answer.verdict, VerdictKind::Fail, "{severity_if}");
    answer.severity.unwrap()
}

#[test]
fn a_failure_has_the_worst_severity_that_is_known_to_be_true() {
    use Severity::{Critical, High, Low, Medium};
    let (yes, no, unseen) =
        ("resource.ownership == 'x'", "resource.ownership == 'y'", "'k' in resource.tags");
    for (expressions, expected) in [
        (vec![], Low),
        (vec![("high", yes)], High),
        (vec![("high", no)], Low),
        (vec![("high", unseen)], Low),
        (vec![("medium", yes), ("critical", yes)], Critical),
        (vec![("critical", yes), ("medium", yes)], Critical),
        (vec![("medium", yes), ("high", no), ("critical", unseen)], Medium),
        (vec![("medium", unseen), ("high", yes)], High),
    ] {
        let lines = expressions.iter().map(|(severity, source)| format!("\n  {severity}: \"{source}\""));
        let key = if expressions.is_empty() { "" } else { "severity_if:" };
        let written = format!("{key}{}", lines.collect::<String>());
        assert_eq!(severity(&written), expected, "{written}");
    }
    // An error of the expression is no answer either.
    assert_eq!(severity("severity_if: { high: \"cidr_covers(resource.ownership, '::/0')\" }"), Low);
}

#[test]
fn only_failures_are_worse() {
    for (resource, verdict) in [("{ ownership: y }", VerdictKind::Pass), ("{}", VerdictKind::Unknown)] {
        let example = format!("resource: {resource}, verdict: {verdict}");
        let control = parse("severity_if: { critical: 'true' }", &example).unwrap();
        let outcome = control.run_examples().remove(0);
        assert!(outcome.is_right(), "{outcome:?}");
        assert_eq!(outcome.got.unwrap().severity, None, "{resource}");
    }
}

#[test]
fn what_makes_it_worse_is_read_as_well() {
    let key = "severity_if: { high: resource.logging == null }";
    let control =
        parse(key, "resource: { ownership: x, logging: null }, verdict: fail, severity: high").unwrap();
    assert!(control.run_examples().remove(0).is_right());
    let reads: Vec<_> = control.reads().filter_map(|(_, field)| field).collect();
    assert!(reads.contains(&"logging") && reads.contains(&"ownership"), "{reads:?}");
}

#[test]
fn an_example_holds_only_with_the_severity_that_it_names() {
    let key = "severity_if: { high: resource.logging == null }";
    for (asked, logging, is_right) in [
        ("high", "null", true),
        ("low", "null", false),
        ("low", "{ target_bucket: b, target_prefix: '' }", true),
        ("high", "{ target_bucket: b, target_prefix: '' }", false),
    ] {
        let example =
            format!("resource: {{ ownership: x, logging: {logging} }}, verdict: fail, severity: {asked}");
        let outcome = parse(key, &example).unwrap().run_examples().remove(0);
        assert_eq!(outcome.is_right(), is_right, "{asked} {outcome:?}");
        assert_eq!(outcome.expected.to_string(), format!("fail ({asked})"));
    }
    // Another verdict than the failure that was asked for is told as such.
    let outcome = parse(key, "resource: { ownership: y }, verdict: fail, severity: low").unwrap();
    assert_eq!(outcome.run_examples().remove(0).got.unwrap().to_string(), "pass");
}

#[test]
fn mistakes_are_told_where_they_are() {
    let fails = "resource: { ownership: x }, verdict: fail";
    for (keys, example, place, message) in [
        (
            "severity_if:\n  high: 'true'\n  low: 'true'",
            fails,
            "c.yaml:8:8",
            "`low` in `severity_if` is not worse than the severity of the control, `low`",
        ),
        (
            "severity_if: { informational: 'true' }",
            fails,
            "c.yaml:6:31",
            "`informational` in `severity_if` is not worse than the severity of the control, `low`",
        ),
        (
            "severity_if: { high: resource.polcy == null }",
            fails,
            "c.yaml:6:30",
            "unknown field `polcy` on `aws.s3.bucket`",
        ),
        (
            "severity_if: { high: resource.name }",
            fails,
            "c.yaml:6:30",
            "the expression gives string, not a bool",
        ),
        ("severity_if: { worse: 'true' }", fails, "c.yaml:6:16", "`worse` is not known here"),
        ("severity_if: { high: 'true', high: 'false' }", fails, "c.yaml:6:30", "key `high` is given twice"),
        (
            "severity_if: { high: 'true' }\npass_only: true",
            fails,
            "c.yaml:6:22",
            "`severity_if` is about failures, and with `pass_only` nothing fails",
        ),
        (
            "severity_if: { high: 'true' }",
            "verdict: pass, severity: high",
            "c.yaml:11:41",
            "example `e` has a severity and the verdict `pass`: only failures have one",
        ),
    ] {
        let error = parse(keys, example).unwrap_err();
        assert_eq!((error.place().as_str(), error.message.as_str()), (place, message), "{keys}");
        assert!(error.help.is_some() || message.starts_with("the expression"), "{message}");
    }
}
