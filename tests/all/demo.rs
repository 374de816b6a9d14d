//! The demo organization, judged: every verdict is the one that `expected_demo.csv`, written by hand from
//! the seeder, asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::common;

/// What the table calls a resource: account alias, region, name.
type Named = (String, String, String);

#[test]
fn every_seeded_resource_gets_the_verdict_of_the_table() {
    let world = common::DemoScan::run();
    let expected = table();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for finding in world.findings() {
        let control = text(finding, "control");
        let Some(named) = world.name_of(finding) else { continue };
        let key = (control.to_owned(), named);
        let verdict = text(finding, "verdict");
        match expected.get(&key) {
            Some(expected) if expected.as_str() == verdict => {}
            Some(expected) => {
                wrong.push(format!("{key:?} is {verdict}, not {expected}: {}", text(finding, "reason")))
            }
            // What the table leaves out by its own rules, which seed.py lists.
            None if verdict == "not_applicable" => {}
            None if control == "iam-policy-no-admin-star"
                && text(finding, "resource_arn").contains(":iam::aws:") => {}
            None => wrong.push(format!("{key:?} is {verdict}, and is not in the table")),
        }
        seen.insert(key);
    }
    for key in expected.keys().filter(|key| !seen.contains(*key)) {
        wrong.push(format!("{key:?} has no finding"));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Both have a public address; only one has an open group in a subnet that leads to the internet.
#[test]
fn a_public_database_is_critical_only_where_the_internet_reaches_it() {
    let world = common::DemoScan::run();
    let severities: BTreeMap<&str, &str> = world
        .findings()
        .iter()
        .filter(|finding| finding["control"] == "rds-instance-not-public" && finding["verdict"] == "fail")
        .map(|finding| (text(finding, "resource_name"), text(finding, "severity")))
        .collect();
    assert_eq!(severities, BTreeMap::from([("reachable", "critical"), ("scratch", "high")]));
}

/// Whatever a resource looks like, AWS's own largest policies among them, a control can judge it.
#[test]
fn no_control_gives_up_on_a_resource() {
    let world = common::DemoScan::run();
    let given_up: Vec<&Value> =
        world.findings().iter().filter(|f| f["unseen"]["cause"]["kind"] == "control_error").collect();
    assert!(given_up.is_empty(), "{given_up:#?}");
    let judged = world.findings().iter().any(|f| {
        f["control"] == "iam-policy-no-admin-star"
            && text(f, "resource_arn").ends_with(":policy/ReadOnlyAccess")
            && f["verdict"] == "pass"
    });
    assert!(judged, "ReadOnlyAccess, which the demo has attached, was not judged");
}

/// (control, resource) → verdict. `manual` is what the table calls an evidence-only control that does not fail.
fn table() -> BTreeMap<(String, Named), String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected_demo.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let named = (row[0].to_owned(), row[1].to_owned(), row[3].to_owned());
        let verdict = if &row[4] == "manual" { "not_applicable" } else { &row[4] };
        ((row[2].to_owned(), named), verdict.to_owned())
    });
    rows.collect()
}

fn text<'a>(finding: &'a Value, key: &str) -> &'a str {
    finding[key].as_str().unwrap()
}
