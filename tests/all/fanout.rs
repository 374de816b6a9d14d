//! `upright fanout` and `upright scan --by-account`: a scan account by account, by many processes or one, is what a scan
//! of all at once is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};
use upright_testkit::{Answer, Fault, Match, Run, Server, World, sign_in};

use crate::common::{self, plain, written};

/// What every step shares, beside what [`common::SCAN`] asks for.
const ARCHIVE: &[&str] = &["--archive", "upright-data"];

/// Exit code: something was not done for want of AWS or the machine.
const COULD_NOT: i32 = 5;

/// The steps of one run against a server.
struct Steps<'a> {
    world: &'a World,
    server: &'a Server,
}

impl Steps<'_> {
    fn step(&self, step: &[&str]) -> Run {
        let arguments = [&["fanout"], step, &common::SCAN[1..], ARCHIVE].concat();
        self.world.run(&plain(self.server.env()), &arguments).unwrap()
    }

    /// The run, and the accounts to scan.
    fn plan(&self, more: &[&str]) -> (String, Vec<String>) {
        let planned = self.step(&[&["plan"], more].concat());
        let said = planned.json().unwrap_or_else(|error| panic!("{error}: {planned}"));
        let run = said["run"].as_str().unwrap().to_owned();
        let list = self.world.read(&format!("upright-data/runs/{run}/accounts.json")).unwrap();
        let list: Vec<Value> = serde_json::from_str(&list).unwrap();
        assert_eq!(said["accounts"], list.len(), "{planned}");
        (run, list.iter().map(|account| account["id"].as_str().unwrap().to_owned()).collect())
    }

    fn scan(&self, run: &str, account: &str) -> Run {
        self.step(&["scan-account", account, "--run", run])
    }

    /// All steps in one process, which `more` may say more to.
    fn all(&self, more: &[&str]) -> Run {
        let arguments = [common::SCAN, ARCHIVE, more].concat();
        self.world.run(&plain(self.server.env()), &arguments).unwrap()
    }

    fn report(&self) -> Value {
        written(self.world)
    }

    fn finish(&self, run: &str) -> Value {
        let finished = self.step(&["finish", "--run", run]);
        assert!(finished.stderr.contains(&format!("Kept as run {run}.")), "{finished}");
        self.report()
    }
}

/// What a report says, without what depends on when and how it was made.
fn said(report: &Value) -> BTreeMap<&'static str, Value> {
    let mut said = BTreeMap::new();
    for part in ["totals", "findings", "frameworks", "controls", "accounts", "gaps"] {
        said.insert(part, report[part].clone());
    }
    said
}

/// That both say the same.
fn assert_same(found: &Value, expected: &Value) {
    let (found, expected) = (said(found), said(expected));
    for (part, expected) in &expected {
        if let (Some(expected), Some(found)) = (expected.as_array(), found[part].as_array()) {
            for (expected, found) in expected.iter().zip(found) {
                assert_eq!(found, expected, "{part}");
            }
        }
        assert_eq!(found[part], *expected, "{part}");
    }
}

/// The calls of a report by operation, without who asked for credentials, which each process does.
fn calls(report: &Value) -> BTreeMap<&str, u64> {
    let calls = report["run"]["calls"].as_array().unwrap().iter();
    let calls = calls.map(|call| (call["operation"].as_str().unwrap(), call["requests"].as_u64().unwrap()));
    calls.filter(|(operation, _)| !operation.starts_with("sts:")).collect()
}

#[test]
fn many_processes_find_what_one_finds() {
    let server = common::replay().start().unwrap();
    let (alone, run) = common::run(&server, common::SCAN);
    let alone: Value =
        serde_json::from_str(&alone.read("out/report.json").unwrap_or_else(|_| panic!("{run}"))).unwrap();

    let world = World::new(common::UPRIGHT).unwrap();
    let steps = Steps { world: &world, server: &server };
    let (run, accounts) = steps.plan(&[]);
    // In another order than that of the report.
    for account in accounts.iter().rev() {
        let scanned = steps.scan(&run, account);
        assert!(matches!(scanned.code, Some(0 | 3)), "{scanned}");
        assert_eq!(scanned.json().unwrap()["account"], account.as_str());
    }
    let together = steps.finish(&run);
    assert_eq!(together["run"]["id"], run);
    assert_same(&together, &alone);
    assert_eq!(calls(&together), calls(&alone));
    assert!(alone["findings"].as_array().unwrap().iter().any(|f| f["verdict"] == "unknown"), "some are open");
}

#[test]
fn one_process_finds_account_by_account_what_it_finds_at_once() {
    let server = common::replay().start().unwrap();
    let world = World::new(common::UPRIGHT).unwrap();
    let steps = Steps { world: &world, server: &server };
    let run = steps.all(&[]);
    assert_eq!(run.code, Some(common::FAILED_AND_INCOMPLETE), "{run}");
    let alone = steps.report();
    let run = steps.all(&["--by-account"]);
    assert_eq!(run.code, Some(common::FAILED_AND_INCOMPLETE), "{run}");
    let by_account = steps.report();
    assert_same(&by_account, &alone);
    assert_eq!(calls(&by_account), calls(&alone));
    assert!(run.stdout.contains("0 new, 0 resolved"), "{run}");
    let id = by_account["run"]["id"].as_str().unwrap();
    assert!(run.stderr.contains(&format!("Kept as run {id}.")), "{run}");
    // Either is compared with the other.
    let changes = |report: &Value| {
        let changes = &report["changes"];
        let count = |what: &str| changes[what].as_array().unwrap().len();
        (changes["since_run"].clone(), count("new"), count("resolved"), count("newly_judged"))
    };
    assert_eq!(changes(&by_account), (alone["run"]["id"].clone(), 0, 0, 0));

    // So does what was detected raise the risk of both.
    let mut findings = alone["findings"].as_array().unwrap().iter();
    let is_bucket = |f: &&Value| f["verdict"] == "fail" && f["resource_type"] == "aws.s3.bucket";
    let failing = findings.find(is_bucket).unwrap();
    let mut event = sign_in(1, "No");
    event["eventTime"] = jiff::Timestamp::now().to_string().into();
    event["resources"] = json!([{ "ARN": failing["resource_arn"], "accountId": failing["account"] }]);
    world.write("logs/today.json", &json!({ "Records": [event] }).to_string()).unwrap();
    steps.all(&["--events", "logs"]);
    let at_once = steps.report();
    assert_eq!(changes(&at_once), (id.into(), 0, 0, 0));
    let risk = |report: &Value| {
        let mut findings = report["findings"].as_array().unwrap().iter();
        findings.find(|finding| finding["id"] == failing["id"]).unwrap()["risk"]["score"].as_u64().unwrap()
    };
    assert!(risk(&at_once) > risk(&alone), "{}", at_once["detections"]);
    steps.all(&["--events", "logs", "--by-account"]);
    assert_same(&steps.report(), &at_once);
}

#[test]
fn a_scan_account_by_account_that_was_broken_off_goes_on() {
    let server = common::replay().start().unwrap();
    let world = World::new(common::UPRIGHT).unwrap();
    let steps = Steps { world: &world, server: &server };
    let (run, accounts) = steps.plan(&[]);
    let (scanned, rest) = accounts.split_first().unwrap();
    steps.scan(&run, scanned);
    // One account cannot be written: it is said, and what is written stays.
    let folder = world.dir().join("upright-data/runs").join(&run);
    let in_the_way = folder.join(format!("{}.inventory.json.zst", rest[0]));
    fs::create_dir_all(in_the_way.join("full")).unwrap();
    let failed = steps.all(&["--by-account", "--resume", &run]);
    assert_eq!(failed.code, Some(COULD_NOT), "{failed}");
    assert!(failed.stderr.contains(&format!("run {run} is not finished")), "{failed}");
    assert!(folder.join(format!("{scanned}.part.json")).is_file());

    fs::remove_dir_all(in_the_way).unwrap();
    let before = server.requests().len();
    let resumed = steps.all(&["--resume", &run]);
    assert!(resumed.stderr.contains(&format!("Kept as run {run}.")), "{resumed}");
    // Whose credentials it has is asked where it begins.
    let asked: BTreeSet<String> = server
        .requests()
        .split_off(before)
        .into_iter()
        .map(|request| request.call)
        .filter(|call| !call.operation.starts_with("sts:"))
        .map(|call| call.account)
        .collect();
    assert!(asked.contains(&rest[0]) && !asked.contains(scanned), "{asked:?}");
    let report = steps.report();
    assert!(!report["gaps"].to_string().contains("did not come to its end"));

    // Finished, it stays as it is, whatever of it is there to go on from.
    let part = folder.join(format!("{scanned}.part.json"));
    fs::remove_file(&part).unwrap();
    let asked = server.requests().len();
    let committed = steps.all(&["--resume", &run]);
    assert_eq!(committed.code, resumed.code, "{committed}");
    assert!(!committed.stderr.contains("Kept as run"), "{committed}");
    assert!(server.requests().len() == asked && !part.exists(), "it was scanned again");
    let none = steps.all(&["--resume", "20260101T000000Z-00000000"]);
    assert!(none.code == Some(2) && none.stderr.contains("has no plan"), "{none}");
}

#[test]
fn a_scan_account_by_account_needs_an_archive_and_no_earlier_report() {
    let world = World::new(common::UPRIGHT).unwrap();
    world.write("upright.yaml", "by_account: true\n").unwrap();
    let refused = common::offline(&world, &["scan"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("none is named"), "{refused}");
    let kept = ["scan", "--archive", "kept", "--save-inventory", "state.zst"];
    let refused = common::offline(&world, &kept);
    assert!(refused.code == Some(2) && refused.stderr.contains("need all accounts at once"), "{refused}");
}

#[test]
fn what_is_done_is_not_done_again_and_what_is_missing_is_unknown() {
    let server = common::replay().start().unwrap();
    let world = World::new(common::UPRIGHT).unwrap();
    let steps = Steps { world: &world, server: &server };
    let (run, accounts) = steps.plan(&["--execution", "night/1"]);
    assert_eq!(steps.plan(&["--execution", "night/1"]), (run.clone(), accounts.clone()));
    assert_ne!(steps.plan(&["--execution", "night/2"]).0, run);
    let (missing, scanned) = accounts.split_first().unwrap();
    for account in scanned {
        steps.scan(&run, account);
    }
    let asked = server.requests().len();
    let again = steps.scan(&run, &scanned[0]);
    assert_eq!(again.json().unwrap()["seconds"], 0.0, "{again}");
    assert_eq!(server.requests().len(), asked, "it was scanned");
    let stranger = steps.scan(&run, "000000000001");
    assert!(stranger.code == Some(2) && stranger.stderr.contains("none of the plan"), "{stranger}");

    let report = steps.finish(&run);
    let of = |account: &str| -> BTreeSet<String> {
        let findings = report["findings"].as_array().unwrap().iter();
        let verdicts =
            findings.filter(|f| f["account"] == account).map(|f| f["verdict"].as_str().unwrap().to_owned());
        verdicts.collect()
    };
    assert_eq!(of(missing), BTreeSet::from(["unknown".to_owned()]), "{missing}");
    assert!(of(&scanned[0]).contains("pass"));
    let reason = "the scan of the account did not come to its end";
    assert!(report["gaps"].to_string().contains(reason));
    // Each account's own report is kept, and so are all findings as columns.
    let folder = world.dir().join("upright-data/runs").join(&run);
    for account in &accounts {
        assert!(folder.join(format!("{account}.report.json.zst")).is_file(), "{account}");
    }
    assert!(folder.join("findings-0001.parquet").is_file());
    let day = format!("day={}-{}-{}", &run[..4], &run[4..6], &run[6..8]);
    let published = world.dir().join("upright-data/findings").join(day).join(format!("{run}-0001.parquet"));
    assert_eq!(fs::read(published).unwrap(), fs::read(folder.join("findings-0001.parquet")).unwrap());

    // A run that is finished stays as it is.
    let late = steps.scan(&run, missing);
    assert_eq!(late.code, Some(2), "{late}");
    let again = steps.step(&["finish", "--run", &run]);
    assert!(!again.stderr.contains("Kept as run"), "{again}");

    // The next run is compared with it, account by account.
    let (next, accounts) = steps.plan(&[]);
    for account in &accounts {
        steps.scan(&next, account);
    }
    let report = steps.finish(&next);
    let changes = &report["changes"];
    assert_eq!(changes["since_run"], run);
    assert_eq!(
        (changes["new"].as_array().unwrap().len(), changes["resolved"].as_array().unwrap().len()),
        (0, 0)
    );
    assert!(!changes["newly_judged"].as_array().unwrap().is_empty(), "the account that was missing");
    assert_eq!(report["trend"].as_array().unwrap().len(), 2);
}

#[test]
fn findings_that_cannot_be_sent_are_kept_and_those_of_other_accounts_are_sent() {
    let management = common::recording().management().to_owned();
    let taken = json!({ "FailedCount": 0, "FailedFindings": [], "SuccessCount": 1 });
    let server = common::replay()
        .fault(
            Match::service("securityhub").account(&management),
            Fault::error(401, "InvalidAccessException"),
        )
        .answer(Match::operation("securityhub:GetFindings"), Answer::json(&json!({ "Findings": [] })))
        .answer(Match::operation("securityhub:BatchImportFindings"), Answer::json(&taken))
        .start()
        .unwrap();
    let world = World::new(common::UPRIGHT).unwrap();
    let steps = Steps { world: &world, server: &server };
    let (run, accounts) = steps.plan(&[]);
    for account in &accounts {
        steps.scan(&run, account);
    }
    let finished = steps.step(&["finish", "--run", &run, "--send", "securityhub"]);
    assert_eq!(finished.code, Some(COULD_NOT), "{finished}");
    for said in [format!("enable Security Hub in account {management}"), format!("Kept as run {run}.")] {
        assert!(finished.stderr.contains(&said), "`{said}` is not said: {finished}");
    }
    let sent: BTreeSet<String> = server
        .requests()
        .into_iter()
        .map(|request| request.call)
        .filter(|call| call.operation == "securityhub:BatchImportFindings" && call.account != management)
        .map(|call| call.account)
        .collect();
    assert!(sent.len() > 1, "{sent:?}");
    // The next run tells what this one could not.
    let (next, _) = steps.plan(&[]);
    let report = steps.finish(&next);
    assert!(report["undelivered"].to_string().contains("Security Hub"), "{}", report["undelivered"]);
}
