//! A saved inventory: judged again it gives the same findings, offline and in whatever order it is read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use upright_testkit::{Run, Server, World};

use crate::common;

/// What a judgement depends on nothing but the inventory for.
const JUDGED: &[&str] = &["findings", "totals", "gaps", "coverage", "accounts", "controls", "frameworks"];

/// A scan of the demo that kept its inventory, and its report.
struct Saved {
    inventory: Vec<u8>,
    report: Value,
}

static SAVED: LazyLock<Saved> = LazyLock::new(|| {
    let server = common::replay().start().unwrap();
    let (world, run) = common::run(&server, &[common::SCAN, &["--save-inventory", "state.zst"]].concat());
    assert_eq!(run.code, Some(common::FAILED_AND_INCOMPLETE), "{run}");
    Saved { inventory: fs::read(world.dir().join("state.zst")).unwrap(), report: world.report().unwrap() }
});

/// Judges an inventory where there is no AWS.
fn judge(inventory: &[u8]) -> (World, Run) {
    let server = Server::canned(|_| None).start().unwrap();
    let world = World::new(common::UPRIGHT).unwrap();
    fs::write(world.dir().join("state.zst"), inventory).unwrap();
    let run = world.run(&server.env(), &["scan", "--inventory", "state.zst", "--format", "json"]).unwrap();
    assert_eq!(server.requests(), [], "{run}");
    (world, run)
}

fn judged(inventory: &[u8]) -> Value {
    let (world, run) = judge(inventory);
    assert_eq!(run.code, Some(common::FAILED_AND_INCOMPLETE), "{run}");
    world.report().unwrap()
}

fn lines(inventory: &[u8]) -> Vec<String> {
    let text = String::from_utf8(zstd::decode_all(inventory).unwrap()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn packed(lines: &[String]) -> Vec<u8> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

/// The sections of a report that only the inventory decides, as text.
fn text(report: &Value) -> Vec<String> {
    JUDGED.iter().map(|section| serde_json::to_string_pretty(&report[section]).unwrap()).collect()
}

#[test]
fn a_saved_inventory_judged_offline_gives_the_findings_of_the_scan() {
    let report = judged(&SAVED.inventory);
    assert_eq!(text(&report), text(&SAVED.report));
    assert_eq!(report["run"]["observed_at"], SAVED.report["run"]["observed_at"]);
    assert_eq!(report["run"]["requests"], 0);
    assert_eq!(report["run"]["calls"], serde_json::json!([]));
}

#[test]
fn other_controls_can_judge_it_and_what_was_not_collected_is_unknown_to_them() {
    let server = common::replay().start().unwrap();
    let arguments = [common::SCAN, &["--enable", "iam-root-mfa", "--save-inventory", "state.zst"]].concat();
    let (scanned, run) = common::run(&server, &arguments);
    assert_eq!(run.code, Some(common::FAILED), "{run}");
    let (world, run) = judge(&fs::read(scanned.dir().join("state.zst")).unwrap());
    assert_eq!(run.code, Some(common::FAILED_AND_INCOMPLETE), "{run}");
    let report = world.report().unwrap();
    let verdicts = |control: &str| -> BTreeSet<&str> {
        let findings = report["findings"].as_array().unwrap().iter();
        let own = findings.filter(|finding| finding["control"] == control);
        own.map(|finding| finding["verdict"].as_str().unwrap()).collect()
    };
    assert_eq!(verdicts("iam-root-mfa"), BTreeSet::from(["fail"]));
    // Of the same resource type, so that it is there, and of another, of which there is nothing.
    for control in ["iam-password-reuse", "s3-bucket-mfa-delete", "vpc-flow-logs"] {
        assert_eq!(verdicts(control), BTreeSet::from(["unknown"]), "{control}");
    }
}

#[test]
fn no_two_findings_share_an_id_and_the_same_inventory_gives_the_same_ids() {
    let ids = |report: &Value| -> Vec<String> {
        let findings = report["findings"].as_array().unwrap().iter();
        findings.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect()
    };
    let scanned = ids(&SAVED.report);
    let distinct: BTreeSet<&String> = scanned.iter().collect();
    assert!(scanned.len() > 400, "{} findings", scanned.len());
    assert_eq!(distinct.len(), scanned.len());
    assert_eq!(ids(&judged(&SAVED.inventory)), scanned);
    assert_eq!(ids(&judged(&SAVED.inventory)), scanned);
}

#[test]
fn the_order_of_the_file_changes_nothing() {
    let all = lines(&SAVED.inventory);
    let (header, rest) = all.split_first().unwrap();
    let config = Config { cases: 4, failure_persistence: None, ..Config::default() };
    let expected = text(&SAVED.report);
    TestRunner::new(config)
        .run(&Just(rest.to_vec()).prop_shuffle(), |shuffled| {
            let lines: Vec<String> = std::iter::once(header.clone()).chain(shuffled).collect();
            prop_assert_eq!(&text(&judged(&packed(&lines))), &expected);
            Ok(())
        })
        .unwrap();
}

/// The file is refused: exit code 2, no report, and stderr says all of this.
fn refused(inventory: &[u8], says: &[&str]) {
    let (world, run) = judge(inventory);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
    // Long lines are broken and marked at the margin.
    let said = run.stderr.replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["`state.zst`"].iter().chain(says) {
        assert!(said.contains(words), "{words}:\n{run}");
    }
    assert!(world.report().is_err(), "{run}");
}

#[test]
fn a_file_that_is_cut_off_is_refused() {
    let inventory = &SAVED.inventory;
    refused(&inventory[..inventory.len() / 2], &["line", "save it again"]);
    let all = lines(inventory);
    let lost = all.len() - 2;
    let found = format!("{lost} of {} lines", all.len() - 1);
    refused(&packed(&all[..all.len() - 1]), &[&found, "save it again"]);
    let mut half = all.clone();
    let last = half.last_mut().unwrap();
    last.truncate(last.len() / 2);
    refused(&packed(&half), &[&format!("line {}", all.len())]);
}

#[test]
fn what_is_no_inventory_is_refused() {
    refused(b"", &["line 1"]);
    refused(b"this is no inventory", &["line 1"]);
    refused(&packed(&["{\"a\": 1}".to_owned()]), &["line 1", "upright_inventory"]);
    let mut all = lines(&SAVED.inventory);
    all[2] = "{\"surprise\": {}}".to_owned();
    refused(&packed(&all), &["line 3", "surprise"]);
}

#[test]
fn a_file_of_another_version_is_refused_as_that_whatever_else_is_in_it() {
    let mut all = lines(&SAVED.inventory);
    let mut header: Value = serde_json::from_str(&all[0]).unwrap();
    header["upright_inventory"] = 999.into();
    header["of_the_future"] = true.into();
    all[0] = header.to_string();
    refused(&packed(&all), &["line 1", "version 999", "this program reads 1"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let world = World::new(common::UPRIGHT).unwrap();
    let server = Server::canned(|_| None).start().unwrap();
    let missing: PathBuf = Path::new("no").join("such.zst");
    let run = world.run(&server.env(), &["scan", "--inventory", missing.to_str().unwrap()]).unwrap();
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.stderr.contains("no/such.zst") && run.stderr.contains("No such file"), "{run}");
}
