//! Scans that a schedule starts.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is missing"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Answer, Gate, Pass, World};
use serde_json::{Value, json};

const CONTROLS: &str = "enable: [s3-bucket-not-public, iam-password-min-length]\n";

/// As a rule of EventBridge with a schedule sends it.
fn scheduled(time: &str) -> Value {
    json!({ "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
        "source": "aws.events", "account": "123456789012", "time": time, "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:123456789012:rule/nightly"], "detail": {} })
}

fn run_of(answer: &Answer) -> String {
    answer.done()["run"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

fn manifests(world: &World) -> Vec<String> {
    world
        .objects("runs/")
        .into_iter()
        .map(|(key, _)| key)
        .filter(|key| key.ends_with("/manifest.json"))
        .collect()
}

#[test]
fn a_schedule_scans_once_however_often_it_is_delivered() {
    let world = World::new(&format!("{CONTROLS}schedule: [{{ name: nightly, cron: \"30 2 * * *\" }}]\n"));
    let mut function = world.function();
    let first = function.invoke(&scheduled("2026-11-30T02:30:00Z"));
    let run = run_of(&first);
    assert_eq!(first.done()["complete"], true, "{first:?}");
    assert_eq!(manifests(&world), [format!("upright/runs/{run}/manifest.json")]);
    assert_eq!(world.subjects().len(), 1);
    let again = function.invoke(&scheduled("2026-11-30T02:30:00Z"));
    assert!(again.done()["nothing"].as_str().unwrap().contains("was done"), "{again:?}");
    assert_eq!(manifests(&world).len(), 1);

    let job = function.invoke(&json!({ "task": "scan", "job": "nightly" }));
    assert_ne!(run_of(&job), run);
    assert_eq!(manifests(&world).len(), 2);
    let unknown = function.invoke(&json!({ "task": "scan", "job": "weekly" }));
    assert!(unknown.failed().1.contains("there is nightly"), "{unknown:?}");
}

#[test]
fn a_scan_that_runs_out_of_time_keeps_what_it_saw_and_says_what_it_did_not() {
    let world = World::new(CONTROLS);
    let gate = Gate::before(world.moto.port(), |_, body| {
        if body.contains("Action=GetAccountPasswordPolicy") { Pass::Held } else { Pass::Through }
    });
    let mut function = world.function_at(&gate.env(world.moto.env()), &[]);
    // A quarter is left for judging and keeping, which a debug build on a busy machine needs.
    let limit = Duration::from_secs(30);
    let answer = function.invoke_within(&json!({ "task": "scan" }).to_string(), limit);
    let run = run_of(&answer);
    assert_eq!(answer.done()["complete"], false, "{answer:?}");
    assert!(
        answer.done()["pass"].as_u64().unwrap() + answer.done()["fail"].as_u64().unwrap() > 0,
        "{answer:?}"
    );
    assert!(answer.took < limit, "{answer:?}");
    let manifest = world.objects(&format!("runs/{run}/manifest.json"));
    let manifest: Value = serde_json::from_str(manifest.values().next().unwrap().as_str().unwrap()).unwrap();
    assert_eq!(
        (&manifest["complete"], &manifest["findings"]["unknown"]),
        (&json!(false), &json!(1)),
        "{manifest}"
    );
    let alerts = world.alerts();
    assert_eq!(alerts.len(), 1);
    let text = alerts[0]["Message"].as_str().unwrap();
    assert!(text.contains("iam:GetAccountPasswordPolicy") && text.contains("out of time"), "{text}");
}

#[test]
fn a_run_that_cannot_be_committed_is_an_error_and_the_next_one_is_kept() {
    let world = World::new(&format!("{CONTROLS}max_attempts: 2\n"));
    let is_broken = Arc::new(AtomicBool::new(true));
    let broken = Arc::clone(&is_broken);
    let gate = Gate::before(world.moto.port(), move |line, _| {
        let is_commit = line.starts_with("PUT ") && line.contains("manifest.json");
        if is_commit && broken.load(Ordering::SeqCst) { Pass::Refused(503) } else { Pass::Through }
    });
    let mut function = world.function_at(&gate.env(world.moto.env()), &[]);
    let due = scheduled("2026-11-30T02:30:00Z");
    let answer = function.invoke(&due);
    let (kind, why) = answer.failed();
    assert!(kind == "CouldNotRun" && why.contains("the run is not kept"), "{answer:?}");
    assert_eq!(manifests(&world), [""; 0]);
    is_broken.store(false, Ordering::SeqCst);
    // As Lambda does after a minute.
    let run = run_of(&function.invoke(&due));
    assert_eq!(manifests(&world), [format!("upright/runs/{run}/manifest.json")]);
}

#[test]
fn a_wrong_control_is_an_error_of_the_scan_and_people_are_told() {
    let world = World::new("enable: [s3-bucket-not-publik]\n");
    let answer = world.function().invoke(&json!({ "task": "scan" }));
    let (kind, why) = answer.failed();
    assert!(kind == "Configuration" && why.contains("s3-bucket-not-public"), "{answer:?}");
    let subjects = world.subjects();
    assert!(subjects.len() == 1 && subjects[0].contains("the scan could not run"), "{subjects:?}");
}

#[test]
fn the_tasks_of_the_state_machine_are_a_run() {
    let world = World::new(CONTROLS);
    let mut function = world.function();
    let planned = function.invoke(&json!({ "task": "plan", "execution": "nightly-1" }));
    let run = run_of(&planned);
    assert_eq!(planned.done()["accounts"], 1, "{planned:?}");
    let items = &planned.done()["items"];
    assert_eq!(items["bucket"], common::ARCHIVE);
    let key = items["key"].as_str().unwrap().strip_prefix("upright/").unwrap();
    let accounts: Value =
        serde_json::from_str(world.objects(key).values().next().unwrap().as_str().unwrap()).unwrap();
    // The state machine may do it again.
    assert_eq!(run_of(&function.invoke(&json!({ "task": "plan", "execution": "nightly-1" }))), run);

    // In another process.
    let scanned =
        world.function().invoke(&json!({ "task": "scan-account", "run": run, "account": accounts[0] }));
    assert_eq!(
        (&scanned.done()["account"], &scanned.done()["state"]),
        (&json!("123456789012"), &json!("scanned"))
    );
    assert!(scanned.done()["seconds"].is_number(), "{scanned:?}");
    let finished = function.invoke(&json!({ "task": "finish", "run": run }));
    assert_eq!(
        (&finished.done()["run"], &finished.done()["summary"]["complete"]),
        (&json!(run), &json!(true))
    );
    assert_eq!(manifests(&world), [format!("upright/runs/{run}/manifest.json")]);
    assert_eq!(world.subjects().len(), 1);

    let unknown = function.invoke(&json!({ "task": "finish", "run": "../../x" }));
    assert!(unknown.failed().1.contains("not the id of a run"), "{unknown:?}");
}
