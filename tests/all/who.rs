//! Who made the change: the local log files of a night name the actor of a new failure, in every format a person reads.

use std::process::Command;

use jiff::Timestamp;
use serde_json::{Value, json};
use upright_testkit::{Emulator, Run, World, workspace};

use crate::common::{self, FAILED, UPRIGHT, plain, receivers::Receivers};

const BUCKET: &str = "opened-by-somebody";
const SCAN: &[&str] = &[
    "scan",
    "--regions",
    "us-east-1",
    "--enable",
    "s3-bucket-not-public",
    "--archive",
    "kept",
    "--out",
    "out",
    "--format",
    "json,html,markdown,csv,jsonl",
];

fn change(emulator: &Emulator, what: &str) {
    let root = workspace().unwrap();
    let mut command = Command::new(root.join(".venv/bin/python"));
    command.arg(root.join("tests/support/nights.py")).args([what, BUCKET]);
    emulator.env().apply(&mut command);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{what}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A record of the bucket, now. The emulator keeps no history of its own.
fn record(account: &str, id: u64, name: &str, session: &str, agent: &str, more: &Value) -> Value {
    let mut record = json!({
        "eventVersion": "1.11", "eventID": format!("00000000-0000-4000-8000-{id:012}"), "eventType": "AwsApiCall",
        "eventTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "eventSource": "s3.amazonaws.com",
        "eventName": name, "awsRegion": "us-east-1", "recipientAccountId": account, "readOnly": false,
        "managementEvent": true, "sourceIPAddress": "203.0.113.7", "userAgent": agent,
        "requestParameters": { "bucketName": BUCKET },
        "userIdentity": {
            "type": "AssumedRole", "accountId": account,
            "arn": format!("arn:aws:sts::{account}:assumed-role/Admin/{session}"),
            "sessionContext": { "sessionIssuer": { "userName": "Admin", "arn": format!("arn:aws:iam::{account}:role/Admin") } },
        },
    });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

fn account(report: &Value) -> String {
    report["accounts"][0]["id"].as_str().unwrap().to_owned()
}

/// A bucket that was closed in the first run and is open in the second, whose events are those of `records`.
fn opened(records: impl FnOnce(&str) -> Vec<Value>, config: &str) -> (World, Run, Value) {
    let (emulator, world) = (Emulator::start().unwrap(), World::new(UPRIGHT).unwrap());
    let env = plain(emulator.env());
    change(&emulator, "make");
    let first = world.run(&env, SCAN).unwrap();
    assert_eq!(first.code, Some(0), "the bucket is closed: {first}");
    let account = account(&world.report().unwrap());
    change(&emulator, "open");
    let lines: Vec<String> = records(&account).iter().map(Value::to_string).collect();
    world.write("logs/trail.json", &lines.join("\n")).unwrap();
    world.write("upright.yaml", config).unwrap();
    let run = world.run(&env, &[SCAN, &["--events", "logs", "--fail-on", "critical"]].concat()).unwrap();
    let report = world.report().unwrap();
    (world, run, report)
}

#[test]
fn a_new_failure_names_who_made_it_in_every_report() {
    let receivers = Receivers::start(&["--clear"]);
    let to = "      - addresses: [ann@example.com]\n";
    let records = |account: &str| {
        vec![
            record(account, 1, "PutBucketPolicy", "alice", "aws-cli/2.30", &json!({})),
            // Later, and about something else or without effect.
            record(account, 2, "PutBucketTagging", "bob", "console", &json!({})),
            record(
                account,
                3,
                "DeleteBucketPolicy",
                "carol",
                "console",
                &json!({ "errorCode": "AccessDenied" }),
            ),
            record("444455556666", 4, "PutBucketPolicy", "dave", "console", &json!({})),
        ]
    };
    let (world, run, report) = opened(records, &receivers.mailing("none", "", to));
    assert_eq!(run.code, Some(FAILED), "{run}");
    let changes = &report["changes"];
    assert_eq!(changes["new"].as_array().unwrap().len(), 1, "{changes}");
    let call = &changes["authors"]["calls"][changes["new"][0].as_str().unwrap()];
    assert_eq!(
        (&call["event_name"], &call["actor"]["session_name"]),
        (&json!("PutBucketPolicy"), &json!("alice"))
    );
    assert_eq!((&call["actor"]["name"], &call["source_address"]), (&json!("Admin"), &json!("203.0.113.7")));
    assert_eq!(changes["authors"]["events_read"], true);
    assert_eq!(changes["authors"]["looked_up"], 0, "nobody asked for that");

    let words = "by alice (session of role Admin) from 203.0.113.7, PutBucketPolicy, ";
    assert!(run.stdout.contains(words), "{run}");
    for file in ["out/report.html", "out/report.csv"] {
        assert!(world.read(file).unwrap().contains(words), "{file}");
    }
    assert!(
        world.read("out/report.md").unwrap().contains("by alice"),
        "{}",
        world.read("out/report.md").unwrap()
    );
    assert!(world.read("out/report.jsonl").unwrap().contains("\"last_change\":{"));
    let mails = receivers.taken("mail");
    let parts = mails.last().unwrap()["parts"].as_array().unwrap();
    for part in &parts[..2] {
        assert!(part["text"].as_str().unwrap().contains("by alice (session of role Admin)"), "{part}");
    }
    // What is told of a run is told of it later as well.
    let id = changes["new"][0].as_str().unwrap();
    let explained = common::offline(&world, &["explain", id, "--from", "out/report.json"]);
    assert!(explained.stdout.contains(words), "{explained}");
}

#[test]
fn whatever_an_event_says_of_itself_stays_text() {
    let (session, agent) = ("<b>x\u{1b}[31m\n=1", "</script><script>owned()</script>\u{202e}");
    let hostile = |account: &str| vec![record(account, 1, "PutBucketPolicy", session, agent, &json!({}))];
    let (world, run, report) = opened(hostile, "");
    let changes = &report["changes"];
    let call = &changes["authors"]["calls"][changes["new"][0].as_str().unwrap()];
    assert_eq!(call["user_agent"], agent, "for programs it is what it was");
    assert!(run.stdout.contains("by <b>x"), "{run}");
    let page = world.read("out/report.html").unwrap();
    assert!(!page.contains("<b>x") && !page.contains("<script>owned"), "markup");
    for text in
        [&run.stdout, &page, &world.read("out/report.csv").unwrap(), &world.read("out/report.md").unwrap()]
    {
        let text = text.trim_start_matches('\u{feff}');
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:.200}");
    }
}

#[test]
fn where_no_event_tells_nobody_is_named() {
    let (_, run, report) = opened(|_| Vec::new(), "");
    assert_eq!(
        report["changes"]["authors"],
        json!({
            "events_read": true, "looked_up": 0, "not_looked_up": 0, "calls": {}
        })
    );
    assert!(!run.stdout.contains("by "), "{run}");
}
