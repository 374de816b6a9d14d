//! `report.ocsf.json`, validated against the schema that OCSF publishes.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use upright_testkit::workspace;

use crate::common;

/// What the validator finds wrong, a line each. It fails where the validator is not there: `make venv` makes it.
fn wrong(events: &Value) -> Vec<String> {
    let root = workspace().unwrap();
    let python = root.join(".venv/bin/python");
    let mut validator = Command::new(&python)
        .arg(root.join("tests/support/validate_ocsf.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| unreachable!("{}: {error}; run `make venv`", python.display()));
    validator.stdin.take().unwrap().write_all(events.to_string().as_bytes()).unwrap();
    let ended = validator.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&ended.stderr);
    let count = events.as_array().unwrap().len();
    assert!(stderr.contains(&format!("{count} events, ")), "it did not read them all: {stderr}");
    let lines: Vec<String> = String::from_utf8_lossy(&ended.stdout).lines().map(str::to_owned).collect();
    assert_eq!(ended.status.success(), lines.is_empty(), "{stderr}");
    lines
}

/// The events of the unit tests' report, hostile names among them, as their snapshot has them.
fn sample() -> Value {
    snapshot("src/report/snapshots")
}

/// What the snapshot of OCSF in that folder has.
fn snapshot(folder: &str) -> Value {
    let folder = workspace().unwrap().join(folder);
    let snapshot = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().contains("ocsf__"))
        .unwrap();
    let text = std::fs::read_to_string(snapshot).unwrap();
    let (_, body) = text.trim_start_matches("---").split_once("\n---\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[test]
fn every_event_of_the_demo_is_valid() {
    let server = common::replay().start().unwrap();
    let arguments = [common::SCAN, &["--format", "json,ocsf"]].concat();
    let (world, run) = common::run(&server, &arguments);
    let events: Value = serde_json::from_str(&world.read("out/report.ocsf.json").unwrap()).unwrap();
    let findings = world.report().unwrap()["findings"].as_array().unwrap().len();
    assert_eq!(events.as_array().unwrap().len(), findings, "{run}");
    assert_eq!(wrong(&events), [""; 0]);
}

#[test]
fn events_with_hostile_names_are_valid() {
    let events = sample();
    assert!(events.as_array().unwrap().len() >= 5);
    assert_eq!(wrong(&events), [""; 0]);
}

#[test]
fn detections_of_hostile_events_are_valid() {
    let events = snapshot("src/report/ocsf/snapshots");
    assert!(events.as_array().unwrap().len() >= 10);
    assert!(events.as_array().unwrap().iter().all(|event| event["class_uid"] == 2004));
    assert_eq!(wrong(&events), [""; 0]);
}

#[test]
fn the_validator_refuses_what_is_not_ocsf() {
    let breaks = [
        ("/severity_id", json!(7), "severity_id"),
        ("/time", json!("2026-11-24T03:00:00Z"), "time"),
        ("/compliance/status_id", json!(4), "status_id"),
        ("/cloud/provider", Value::Null, "provider"),
        ("/resources/0/surprise", json!(1), "surprise"),
        ("/finding_info/uid", json!(12), "uid"),
    ];
    for (pointer, value, named) in breaks {
        let mut events = json!([sample()[0]]);
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        events[0].pointer_mut(parent).unwrap()[member] = value;
        let wrong = wrong(&events);
        assert!(!wrong.is_empty() && wrong[0].contains(named), "{pointer}: {wrong:?}");
    }
}
