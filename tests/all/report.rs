//! `upright report`, `explain`, `completions` and `man`, and what `--since` says, as a user runs them.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use upright_testkit::{Server, World};

use crate::common::{self, offline, plain, said};

/// A directory in which the demo was scanned: `out/report.json`, and the inventory in `state.zst`.
fn scanned(arguments: &[&str]) -> World {
    let server = common::replay().start().unwrap();
    let world = World::new(common::UPRIGHT).unwrap();
    let scan = [common::SCAN, &["--format", "json", "--save-inventory", "state.zst"], arguments].concat();
    let run = world.run(&plain(server.env()), &scan).unwrap();
    assert!(world.dir().join("out/report.json").is_file(), "{run}");
    world
}

fn json(world: &World, path: &str) -> Value {
    serde_json::from_str(&world.read(path).unwrap()).unwrap()
}

#[test]
fn a_report_is_converted_to_stdout_and_into_a_folder() {
    let world = scanned(&["--enable", "iam-root-mfa"]);
    let report = world.read("out/report.json").unwrap();
    let same = offline(&world, &["report", "--from", "out/report.json", "--format", "json"]);
    assert_eq!((same.code, same.stderr.as_str()), (Some(0), ""), "{same}");
    assert_eq!(same.stdout, report, "JSON from JSON is the same");
    let page = offline(&world, &["report", "--from", "out/report.json", "--format", "html"]);
    assert_eq!(page.code, Some(0), "{page}");
    assert!(
        page.stdout.starts_with("<!DOCTYPE html>") || page.stdout.starts_with("<!doctype html>"),
        "{page}"
    );
    for formats in [&["--format", "json,html"][..], &["--format", "json", "--format", "html"]] {
        let convert = [&["report", "--from", "out/report.json", "--out", "again"], formats].concat();
        let run = offline(&world, &convert);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (Some(0), "again/report.json\nagain/report.html\n"),
            "{run}"
        );
        assert_eq!(world.read("again/report.json").unwrap(), report);
        assert_eq!(world.read("again/report.html").unwrap(), page.stdout);
        fs::remove_dir_all(world.dir().join("again")).unwrap();
    }
}

#[test]
fn a_report_is_read_from_stdin() {
    let world = scanned(&["--enable", "iam-root-mfa"]);
    let report = world.read("out/report.json").unwrap();
    let convert = |text: &str| {
        let mut child = Command::new(common::UPRIGHT)
            .args(["report", "--from", "-", "--format", "json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output = convert(&report);
    assert_eq!((output.status.code(), output.stdout), (Some(0), report.into_bytes()));
    let output = convert("{");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stdin"));
}

#[test]
fn what_cannot_be_converted_is_named_with_the_file() {
    let world = scanned(&["--enable", "iam-root-mfa"]);
    let mut wrong = json(&world, "out/report.json");
    wrong["totals"]["pass"] = 1000.into();
    world.write("sums.json", &wrong.to_string()).unwrap();
    world.write("text.json", "{ \"schema_version\": 1,\n  oops").unwrap();
    world.write("later.json", "{ \"schema_version\": 7 }").unwrap();
    let from = |path: &'static str| vec!["report", "--from", path, "--format", "json"];
    for (arguments, says) in [
        (from("missing.json"), "`missing.json`"),
        (from("text.json"), "`text.json`: key must be a string at line 2 column 3"),
        (from("later.json"), "`later.json` has schema version 7, this program reads 1"),
        (from("sums.json"), "`sums.json` does not add up: the totals of the run"),
        (vec!["report", "--from", "out/report.json", "--format", "json,html"], "add --out DIR"),
        (vec!["report", "--from", "out/report.json", "--format", "xml"], "xml"),
        (vec!["report", "--from", "out/report.json"], "--format"),
        (vec!["report", "--format", "json"], "--from"),
        (vec!["report"], "--from"),
        (vec!["report", "schema", "--from", "out/report.json"], "schema"),
        (
            vec!["report", "--from", "out/report.json", "--format", "json", "--out", "out/report.json/x"],
            "out/report.json/x",
        ),
    ] {
        let run = offline(&world, &arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{arguments:?}: {run}");
        assert!(said(&run).contains(says), "{says}: {run}");
    }
}

#[test]
fn names_in_errors_do_not_steer_the_terminal() {
    let world = World::new(common::UPRIGHT).unwrap();
    let hostile = "\u{1b}[2Jinvoice\u{202e}fdp\u{7}";
    for arguments in [
        &["report", "--from", hostile, "--format", "json"][..],
        &["report", "--from", "x", "--format", hostile],
        &["explain", hostile],
        &["explain", "abcd", "--from", hostile],
        &["scan", "--accounts", hostile],
        &["scan", "--config", hostile],
        &["scan", "--inventory", hostile],
        &["scan", "--since", hostile],
        &["scan", "--enable", hostile],
        &["controls", "list", "--controls", hostile],
        &["controls", "show", hostile],
        &["controls", "new", hostile],
        &[hostile],
    ] {
        let run = offline(&world, arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!run.stderr.contains(steers), "{arguments:?}: {:?}", run.stderr);
    }
}

#[test]
fn a_reader_that_has_enough_of_a_report_is_no_error() {
    let (world, server) = (scanned(&[]), Server::canned(|_| None).start().unwrap());
    for format in ["json", "html"] {
        let from = ["report", "--from", "out/report.json", "--format", format];
        common::run_for_nobody(&world, &plain(server.env()), &from);
    }
}

#[test]
fn a_scan_says_what_changed_since_an_earlier_one() {
    let world = scanned(&["--enable", "iam-password-reuse,iam-root-mfa"]);
    let judge_again = ["scan", "--inventory", "state.zst", "--format", "json", "--out", "before"];
    offline(&world, &[&judge_again[..], &["--enable", "iam-password-reuse"]].concat());
    let judge = |arguments: &[&str]| {
        let scan = ["scan", "--inventory", "state.zst", "--format", "json", "--out", "out"];
        let since = ["--since", "before/report.json"];
        offline(&world, &[&scan[..], &since, arguments].concat())
    };
    let same = judge(&["--enable", "iam-password-reuse"]);
    let changes = json(&world, "out/report.json")["changes"].clone();
    let failing = json(&world, "before/report.json")["totals"]["fail"].clone();
    assert_eq!((&changes["still_failing"], &changes["new"]), (&failing, &Value::Array(Vec::new())), "{same}");
    assert!(same.stdout.lines().nth(1).unwrap().starts_with("since "), "{same}");

    // Fewer passwords are asked for now: what passes by that is not resolved, for nothing changed in the accounts.
    world.write("easy.yaml", "parameters:\n  iam-password-reuse: { remembered: 1 }\n").unwrap();
    let easy = judge(&["--enable", "iam-password-reuse", "--config", "easy.yaml"]);
    let changes = json(&world, "out/report.json")["changes"].clone();
    assert_eq!(changes["scope"]["controls_changed"], serde_json::json!(["iam-password-reuse"]), "{easy}");
    assert!(!changes["no_longer_judged"].as_array().unwrap().is_empty(), "{easy}");
    assert_eq!(changes["resolved"], serde_json::json!([]), "{easy}");
    assert!(easy.stdout.contains("no longer judged"), "{easy}");

    let other = judge(&["--enable", "iam-root-mfa"]);
    let changes = json(&world, "out/report.json")["changes"].clone();
    let left = changes["no_longer_judged"].as_array().unwrap().len();
    assert_eq!(
        (left as u64, changes["new"].as_array().unwrap().len()),
        (failing.as_u64().unwrap(), 0),
        "{other}"
    );
    assert!(!changes["newly_judged"].as_array().unwrap().is_empty(), "{other}");

    // Converted, the changes stay; and two reports are compared later on.
    let convert = ["report", "--from", "out/report.json", "--format", "json"];
    assert_eq!(offline(&world, &convert).json().unwrap()["changes"], changes);
    let compared = offline(&world, &[&convert[..], &["--since", "before/report.json"]].concat());
    assert_eq!(compared.json().unwrap()["changes"], changes, "{compared}");
    let turned = ["report", "--from", "before/report.json", "--since", "out/report.json", "--format", "json"];
    let turned = offline(&world, &turned);
    assert_eq!(turned.code, Some(2), "{turned}");
    assert!(said(&turned).contains("`out/report.json` is not earlier: its run "), "{turned}");
}

#[test]
fn a_file_that_is_no_report_stops_a_scan_before_it_asks_anything() {
    let world = World::new(common::UPRIGHT).unwrap();
    world.write("old.json", "[]").unwrap();
    let run = offline(&world, &["scan", "--since", "old.json"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(said(&run).contains("`old.json`"), "{run}");
}

#[test]
fn a_finding_is_explained_with_its_rule_and_the_way_out() {
    let world = scanned(&["--enable", "iam-root-mfa,iam-root-not-used"]);
    let report = json(&world, "out/report.json");
    let findings = report["findings"].as_array().unwrap();
    let of = |verdict: &str| findings.iter().find(|f| f["verdict"] == verdict).unwrap();
    let failing = of("fail");
    let id = failing["id"].as_str().unwrap();
    let from = ["--from", "out/report.json"];
    let text = offline(&world, &[&["explain", &id[..12]], &from[..]].concat());
    assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""), "{text}");
    for part in [
        "FAIL  critical  iam-root-mfa",
        "resource.summary.root_mfa_enabled",
        "What would make it pass",
        "cis-aws-7.0: 2.5",
        failing["account"].as_str().unwrap(),
        id,
    ] {
        assert!(text.stdout.contains(part), "{part}: {text}");
    }
    let explained = offline(&world, &[&["explain", id, "--json"], &from[..]].concat()).json().unwrap();
    assert_eq!(&explained["finding"], failing);
    assert!(explained["rule"]["pass"].as_str().unwrap().contains("root_mfa_enabled"));
    let unknown = of("unknown")["id"].as_str().unwrap();
    let text = offline(&world, &[&["explain", unknown], &from[..]].concat());
    for part in ["NOT OBSERVED", "  → "] {
        assert!(text.stdout.contains(part), "{part}: {text}");
    }
    // Where the configuration says that reports go, they are looked up.
    world.write("upright.yaml", "out: out\n").unwrap();
    assert_eq!(offline(&world, &["explain", id]).code, Some(0));
}

#[test]
fn a_finding_that_is_not_there_is_answered_with_where_the_ids_are() {
    let world = scanned(&["--enable", "iam-root-mfa"]);
    let count = json(&world, "out/report.json")["findings"].as_array().unwrap().len();
    let explain = |id: &str| offline(&world, &["explain", id, "--from", "out/report.json"]);
    for (id, says) in [
        ("abc", "`abc` is no finding id".to_owned()),
        ("iam-root-mfa", "`iam-root-mfa` is no finding id".to_owned()),
        ("00000000000000", format!("there are {count} findings")),
    ] {
        let run = explain(id);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
        assert!(said(&run).contains(&says), "{says}: {run}");
        assert!(said(&run).contains("upright report --from out/report.json --format csv"), "{run}");
    }
    let missing = offline(&world, &["explain", "abcd"]);
    assert!(said(&missing).contains("`upright-report/report.json`"), "{missing}");
    // Two ids that begin alike: both are named.
    let mut report = world.read("out/report.json").unwrap();
    let parsed = json(&world, "out/report.json");
    let ids = [0, 1].map(|at: usize| parsed["findings"][at]["id"].as_str().unwrap().to_owned());
    let alike = ["abcdef01", "abcdef02"];
    for (id, alike) in ids.iter().zip(alike) {
        report = report.replace(id.as_str(), alike);
    }
    world.write("alike.json", &report).unwrap();
    let run = offline(&world, &["explain", "abcd", "--from", "alike.json"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(alike.iter().all(|id| said(&run).contains(id)), "{run}");
}

#[test]
fn shells_take_their_completions() {
    let world = World::new(common::UPRIGHT).unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = offline(&world, &["completions", shell]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run}");
        for word in ["iam-policy", "explain", "since"] {
            assert!(run.stdout.contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            world.write("upright.bash", &run.stdout).unwrap();
            let checked =
                Command::new("bash").args(["-n", "upright.bash"]).current_dir(world.dir()).output().unwrap();
            assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        }
    }
    assert_eq!(offline(&world, &["completions", "cmd"]).code, Some(2));
}

#[test]
fn the_manual_has_every_command_and_the_exit_codes() {
    let world = World::new(common::UPRIGHT).unwrap();
    let commands = [
        "scan",
        "serve",
        "events",
        "controls",
        "iam-policy",
        "config",
        "report",
        "runs",
        "waive",
        "explain",
        "man",
    ];
    let page = offline(&world, &["man"]);
    assert_eq!((page.code, page.stderr.as_str()), (Some(0), ""), "{page}");
    let text = page.stdout.replace('\\', "");
    for command in commands {
        assert!(text.contains(&format!("upright-{command}(1)")), "{command}: {text}");
    }
    assert!(text.contains("Exit codes:"), "{text}");
    for code in ["0  everything was observed", "4  as with 1, and something", "5  it could not run"] {
        assert!(text.contains(code), "{code}: {text}");
    }
    let all = offline(&world, &["man", "--out", "man1"]);
    assert_eq!(all.code, Some(0), "{all}");
    for page in commands.map(|command| format!("upright-{command}")).iter().chain([&"upright".to_owned()]) {
        let text = world.read(&format!("man1/{page}.1")).unwrap();
        assert!(text.contains("Examples:"), "{page}");
    }
    assert!(world.dir().join("man1/upright-controls-list.1").is_file());
}

#[test]
fn every_format_is_in_the_help_with_what_it_is_for() {
    let world = World::new(common::UPRIGHT).unwrap();
    for command in ["scan", "report"] {
        let help = offline(&world, &[command, "--help"]);
        for format in upright::report::Format::ALL {
            assert!(help.stdout.contains(&format!("- {format}:")), "{format}: {help}");
            assert!(help.stdout.contains(format.about()), "{format}: {help}");
        }
    }
}

#[test]
fn what_is_listed_is_also_json() {
    let world = World::new(common::UPRIGHT).unwrap();
    let shown = offline(&world, &["controls", "show", "iam-root-mfa", "--json"]).json().unwrap();
    assert_eq!((&shown["id"], &shown["severity"]), (&"iam-root-mfa".into(), &"critical".into()));
    assert!(shown["pass"].as_str().unwrap().contains("root_mfa_enabled"));
    assert!(!shown["calls"].as_array().unwrap().is_empty());
    let tested = offline(&world, &["controls", "test", "--json"]).json().unwrap();
    assert_eq!(tested["wrong"], Value::Array(Vec::new()));
    assert!(tested["passed"].as_u64().unwrap() > tested["controls"].as_u64().unwrap());
}

#[test]
fn detections_of_a_file_stand_beside_the_findings_and_a_bad_line_is_named() {
    let world = scanned(&["--enable", "iam-root-mfa"]);
    let event = serde_json::json!({
        "eventVersion": "1.11", "eventID": "00000000-0000-4000-8000-000000000001",
        "eventTime": "2026-11-24T03:00:00Z", "eventType": "AwsApiCall", "eventSource": "cloudtrail.amazonaws.com",
        "eventName": "StopLogging", "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.7",
        "recipientAccountId": "111122223333", "requestParameters": { "name": "=cmd|' /C calc'!A0\u{1b}[2J" },
        "userIdentity": { "type": "IAMUser", "userName": "</script><img src=x onerror=alert(1)>" },
    });
    world.write("trail.json", &event.to_string()).unwrap();
    let found = offline(&world, &["events", "scan", "trail.json", "--json", "--quiet"]);
    assert_eq!(found.code, Some(1), "{found}");
    world.write("found.jsonl", &found.stdout).unwrap();

    let formats = "json,html,jsonl,markdown,ocsf,csv,junit,sarif,asff";
    let from = ["report", "--from", "out/report.json", "--detections", "found.jsonl"];
    let run = offline(&world, &[&from[..], &["--format", formats, "--out", "both"]].concat());
    assert_eq!(run.code, Some(0), "{run}");
    let report = json(&world, "both/report.json");
    let one = &report["detections"]["detections"][0];
    assert_eq!(one["event"], event);
    assert_eq!(one["id"], serde_json::from_str::<Value>(&found.stdout).unwrap()["id"]);
    assert_eq!(report["detections"]["totals"]["high"], 1);
    let read = report["detections"].get("read");
    assert_eq!(read, None, "a file of detections does not tell what was read");
    assert_eq!(report["findings"], json(&world, "out/report.json")["findings"]);
    for (file, says) in [
        ("report.html", "1 detection by 1 rule: 1 high"),
        ("report.jsonl", "\"record\":\"detection\""),
        ("report.md", "## Detections"),
        ("report.ocsf.json", "\"class_uid\":2004"),
    ] {
        let text = world.read(&format!("both/{file}")).unwrap();
        assert!(text.contains(says), "{file}");
        assert!(!text.contains('\u{1b}') && !text.contains("<img src=x onerror=alert(1)>\n"), "{file}");
    }
    // Those formats have only findings: they are the same with detections and without.
    let alone =
        offline(&world, &["report", "--from", "out/report.json", "--format", formats, "--out", "alone"]);
    assert_eq!(alone.code, Some(0), "{alone}");
    for file in ["report.csv", "report.junit.xml", "report.sarif", "report.asff.json"] {
        let read = |folder: &str| world.read(&format!("{folder}/{file}")).unwrap();
        assert_eq!(read("both"), read("alone"), "{file}");
    }

    world.write("found.jsonl", &format!("{}not read: a\u{1b}[2J\n", found.stdout)).unwrap();
    let run = offline(&world, &[&from[..], &["--format", "json"]].concat());
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
    assert!(said(&run).contains("detections `found.jsonl` line 2: expected ident"), "{run}");
    let missing = offline(
        &world,
        &["report", "--from", "out/report.json", "--detections", "none.jsonl", "--format", "json"],
    );
    assert_eq!(missing.code, Some(2), "{missing}");
    assert!(said(&missing).contains("detections `none.jsonl`"), "{missing}");
}
