//! Waivers as a user meets them: the file, what a scan makes of it, and `upright waive`.

use std::fs;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use upright_testkit::{Run, World};

use crate::common::{self, offline, said, written};

const ACCOUNT: &str = "111122223333";
const CONTROL: &str = "s3-bucket-secure-transport";

fn today() -> Date {
    Timestamp::now().to_zoned_datetime(TimeZone::UTC).date()
}

fn in_days(days: i64) -> Date {
    today().checked_add(days.days()).unwrap()
}

/// A directory with the saved inventory of an account: of its buckets `logs` and `web` have no policy, that of
/// `vault` was not observed, and the tags of `web` were not either.
fn world() -> World {
    let account = json!({
        "id": ACCOUNT, "name": "acme", "partition": "aws", "is_management": null, "organization": null,
        "units": ["Workloads"], "unit_ids": ["r-ab12", "ou-ab12-11111111"], "tags": null,
        "regions": ["eu-west-1"], "state": { "state": "scanned" },
    });
    let unseen = |operation: &str| {
        json!({ "unknown": {
            "account": ACCOUNT, "region": "eu-west-1", "operation": operation, "cause": { "kind": "throttled" },
            "code": "SlowDown", "message": "no",
        } })
    };
    let bucket = |name: &str, policy: Value, tags: Value| {
        json!({ "resource": {
            "type": "aws.s3.bucket", "arn": format!("arn:aws:s3:::{name}"), "account": ACCOUNT,
            "region": "eu-west-1", "name": name, "fields": { "policy": policy, "tags": tags },
        } })
    };
    let none = json!({ "known": null });
    let lines = [
        json!({ "listing": {
            "account": ACCOUNT, "region": "global", "type": "aws.s3.bucket", "count": { "known": 3 },
        } }),
        bucket("logs", none.clone(), json!({ "known": { "env": "prod" } })),
        bucket("vault", unseen("s3:GetBucketPolicy"), json!({ "known": {} })),
        bucket("web", none, unseen("s3:GetBucketTagging")),
    ];
    let header = json!({
        "upright_inventory": 1, "observed_at": "2026-11-24T03:00:00Z", "lines": lines.len(),
        "accounts": [account], "absent_regions": {},
    });
    let text: String = std::iter::once(&header).chain(&lines).map(|line| format!("{line}\n")).collect();
    let world = World::new(common::UPRIGHT).unwrap();
    fs::write(world.dir().join("state.zst"), zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    world
}

fn waivers(world: &World, text: &str) {
    fs::write(world.dir().join("waivers.yaml"), text).unwrap();
}

/// An entry about these keys that holds from today.
fn entry(keys: &str, expires: Date) -> String {
    format!("- {keys}\n  reason: accepted\n  author: Ann\n  date: {}\n  expires: {expires}\n", today())
}

fn scan(world: &World, more: &[&str]) -> Run {
    offline(
        world,
        &[&["scan", "--inventory", "state.zst", "--enable", CONTROL, "--out", "out"], more].concat(),
    )
}

fn finding(report: &Value, name: &str) -> Value {
    let findings = report["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["resource_name"] == name).unwrap().clone()
}

#[test]
fn a_waived_failure_still_fails_and_does_not_fail_the_run() {
    let world = world();
    let run = scan(&world, &[]);
    assert_eq!(run.code, Some(4), "{run}");
    waivers(&world, &entry(&format!("control: {CONTROL}"), in_days(30)));
    let run = scan(&world, &["--format", "json,html,markdown,csv,junit,sarif,jsonl,ocsf,asff"]);
    assert_eq!(run.code, Some(3), "what was not observed is not waived: {run}");
    assert!(run.stdout.contains("2 failed (2 of them waived)"), "{run}");
    let report = written(&world);
    assert_eq!((&report["totals"]["fail"], &report["totals"]["waived"]), (&json!(2), &json!(2)));
    for name in ["logs", "web"] {
        let finding = finding(&report, name);
        assert_eq!(finding["verdict"], "fail");
        assert_eq!(finding["waived"]["author"], "Ann");
        assert_eq!(finding["waived"]["line"], 1);
    }
    assert_eq!(finding(&report, "vault")["verdict"], "unknown");
    assert!(finding(&report, "vault").get("waived").is_none());
    assert_eq!(report["waivers"]["rows"][0]["effect"], "waives");
    let statuses: Vec<&Value> = report["frameworks"][0]["requirements"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|requirement| requirement["totals"]["waived"] == 2)
        .map(|requirement| &requirement["status"])
        .collect();
    assert_eq!(statuses, ["fail"], "a waiver changes no status");
    assert!(world.read("out/report.html").unwrap().contains("all of them are waived"));
    assert!(world.read("out/report.md").unwrap().contains("2 failed (2 of them waived)"));
    assert!(world.read("out/report.csv").unwrap().contains("by Ann: accepted"));
    assert!(world.read("out/report.junit.xml").unwrap().contains("Fails, waived until"));
    assert!(world.read("out/report.sarif").unwrap().contains("\"suppressions\":[{\"kind\":\"external\""));
}

#[test]
fn an_expired_waiver_gives_its_findings_back_as_new() {
    let world = world();
    let both = entry(&format!("control: {CONTROL}"), in_days(0));
    waivers(&world, &both);
    scan(&world, &[]);
    fs::rename(world.dir().join("out/report.json"), world.dir().join("before.json")).unwrap();
    let yesterday = in_days(-1);
    waivers(&world, &both.replace(&today().to_string(), &yesterday.to_string()));
    let run = scan(&world, &["--since", "before.json"]);
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stdout.contains(&format!("waiver expired on {yesterday}")), "{run}");
    assert!(run.stdout.contains("waivers.yaml:1 expired 1 day ago; its findings are back"), "{run}");
    let report = written(&world);
    assert_eq!(report["changes"]["new"].as_array().unwrap().len(), 2);
    assert_eq!(finding(&report, "logs")["waiver_ended"]["ending"], "expired");
    assert_eq!(report["totals"].get("waived"), None);
}

#[test]
fn selectors_by_unit_and_tag_rest_on_what_was_observed() {
    let world = world();
    let all = [
        entry(
            "control: s3-bucket-secure-transport\n  unit: ou-ab12-11111111\n  tags: { env: [prod] }",
            in_days(30),
        ),
        entry("resource: arn:aws:s3:::va?lt", in_days(30)),
        entry("control: s3-bucket-mfa-delet", in_days(30)),
        entry("control: s3-bucket-mfa-delete", in_days(30)),
        entry(&format!("control: {CONTROL}\n  account: '222233334444'"), in_days(30)),
    ];
    waivers(&world, &all.concat());
    let run = scan(&world, &[]);
    assert_eq!(run.code, Some(4), "{run}");
    let report = written(&world);
    assert_eq!(finding(&report, "logs")["waived"]["author"], "Ann");
    assert!(finding(&report, "web").get("waived").is_none(), "its tags were not observed");
    let told: Vec<(&str, &str)> = report["waivers"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["effect"].as_str().unwrap(), row["note"].as_str().unwrap_or_default()))
        .collect();
    assert!(told[0].1.contains("s3:GetBucketTagging"), "{told:?}");
    assert_eq!(told[0].0, "waives");
    assert_eq!(told[1], ("not_observed", "1 finding is unknown, which no waiver changes"));
    assert_eq!(told[2], ("nothing", "there is no control `s3-bucket-mfa-delet`"));
    assert_eq!(told[3], ("not_observed", "control `s3-bucket-mfa-delete` did not run"));
    assert_eq!(told[4], ("not_observed", "account 222233334444 was not part of the run"));
}

#[test]
fn a_wrong_file_stops_the_scan_with_place_and_suggestion() {
    let world = world();
    for (text, expected) in [
        (
            entry("contol: x", in_days(1)),
            "waivers.yaml:1:3: there is no key `contol` here help: did you mean `control`?",
        ),
        (entry("account: '111122223333'", in_days(1)), "waivers.yaml:1:3: this would waive every control"),
        (entry("control: x", in_days(367)), "longer than 366 days"),
        (
            entry("control: x", in_days(9))
                .replace(&format!("date: {}", today()), &format!("date: {}", in_days(2))),
            "waivers.yaml:1: the waiver is dated",
        ),
    ] {
        waivers(&world, &text);
        let run = scan(&world, &[]);
        assert_eq!(run.code, Some(2), "{run}");
        let frames = said(&run);
        let without = frames.split(" ╭─").next().unwrap_or_default();
        let found = frames.contains(expected) || expected.split(" help: ").all(|part| frames.contains(part));
        assert!(found, "{text}: {without}\n{frames}");
        assert!(!world.dir().join("out").exists());
    }
    let run = scan(&world, &["--waivers", "nowhere.yaml"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(said(&run).contains("waivers file `nowhere.yaml` cannot be read"), "{run}");
}

#[test]
fn a_finding_is_waived_by_its_id_and_the_file_keeps_what_it_had() {
    let world = world();
    let old = format!("# ours\n{}# the end", entry("control: iam-root-mfa   # why not", in_days(5)));
    waivers(&world, &old);
    scan(&world, &[]);
    let id = finding(&written(&world), "logs")["id"].as_str().unwrap().to_owned();
    let hostile = "it's: \"so\" # \n- \u{1b}[2J {{ }}";
    let run = offline(
        &world,
        &[
            "waive",
            &id[..8],
            "--reason",
            hostile,
            "--author",
            "Ann",
            "--ticket",
            "SEC-1",
            "--from",
            "out/report.json",
        ],
    );
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.starts_with(&format!("waivers.yaml:8: waived until {}", in_days(90))), "{run}");
    assert!(!run.stdout.contains('\u{1b}'), "{run}");
    let text = world.read("waivers.yaml").unwrap();
    assert!(text.starts_with(&format!("{old}\n- control: ")), "{text}");
    let run = scan(&world, &[]);
    assert_eq!(run.code, Some(4), "`web` fails still: {run}");
    assert!(!run.stdout.contains('\u{1b}'), "{run}");
    let waived = &finding(&written(&world), "logs")["waived"];
    assert_eq!(
        (&waived["reason"], &waived["ticket"], &waived["line"]),
        (&json!(hostile), &json!("SEC-1"), &json!(8))
    );
    let explained = offline(&world, &["explain", &id, "--from", "out/report.json"]);
    assert!(explained.stdout.contains("Waived, which changes no verdict"), "{explained}");
}

#[test]
fn a_snoozed_finding_wakes_up_when_its_evidence_changes() {
    let world = world();
    scan(&world, &[]);
    let id = finding(&written(&world), "logs")["id"].as_str().unwrap().to_owned();
    let snooze = [
        "waive",
        &id,
        "--reason",
        "r",
        "--author",
        "a",
        "--until-evidence-changes",
        "--from",
        "out/report.json",
    ];
    let until = in_days(10).to_string();
    let run = offline(&world, &[&snooze[..], &["--snooze-until", &until]].concat());
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains(&format!("waived until {until}")), "{run}");
    scan(&world, &[]);
    assert_eq!(finding(&written(&world), "logs")["waived"]["until_evidence_changes"], true);
    let text = world.read("waivers.yaml").unwrap();
    let (before, digest) = text.split_once("evidence: ").unwrap();
    assert_eq!(digest.trim().trim_matches(['\'', '"']).len(), 16);
    waivers(&world, &format!("{before}evidence: '0000000000000000'\n"));
    let run = scan(&world, &[]);
    assert!(run.stdout.contains("what was read changed, and its findings are back"), "{run}");
    assert_eq!(finding(&written(&world), "logs")["waiver_ended"]["ending"], "evidence_changed");
}

#[test]
fn only_a_failure_is_waived_and_never_for_longer_than_allowed() {
    let world = world();
    scan(&world, &[]);
    let id = |name: &str| finding(&written(&world), name)["id"].as_str().unwrap().to_owned();
    let waive = |id: &str, more: &[&str]| {
        let fixed = ["waive", id, "--reason", "r", "--author", "a", "--from", "out/report.json"];
        offline(&world, &[&fixed[..], more].concat())
    };
    for (run, expected) in [
        (waive(&id("vault"), &[]), "was not observed, and nobody knows what would be accepted"),
        (waive(&id("logs"), &["--days", "400"]), "longer than 366 days"),
        (waive(&id("logs"), &["--expires", "2020-01-01"]), "before its date"),
        (waive("ffffffffffff", &[]), "no finding has an id"),
        (waive(&id("logs"), &["--waivers", "no/such/folder/w.yaml"]), "cannot be written"),
    ] {
        assert_eq!(run.code, Some(2), "{run}");
        assert!(said(&run).contains(expected), "{expected}: {run}");
    }
    assert!(!world.dir().join("waivers.yaml").exists(), "nothing was written");
    waivers(&world, "[]\n");
    let run = waive(&id("logs"), &[]);
    assert_eq!((run.code, world.read("waivers.yaml").unwrap().as_str()), (Some(2), "[]\n"), "{run}");
    assert!(said(&run).contains("add this by hand"), "{run}");
}
