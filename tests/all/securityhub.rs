//! `--send securityhub`: what Security Hub has after one scan and after the next, and what is said when it does not
//! take something.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use upright_testkit::{Answer, Emulator, Fault, Match, Run, Server, Setup, World, workspace};

use crate::common::{self, FAILED, FAILED_AND_INCOMPLETE, SCAN, UPRIGHT};

const CONTROLS: &str = "iam-password-min-length,iam-user-mfa,s3-bucket-secure-transport";
const CLEAN: i32 = 0;
const COULD_NOT_SEND: i32 = 5;

/// The emulated organization, whose `prod` account the tests change.
///
/// Moto takes findings whether or not Security Hub is enabled, from whichever account, and lists all of an account's
/// findings whatever the filter; the refusals are tested with answers of our own below.
struct Hub {
    emulator: Emulator,
    world: World,
    prod: String,
}

impl Hub {
    fn start() -> Self {
        let emulator = Emulator::start().unwrap();
        let world = World::new(UPRIGHT).unwrap().limit(Duration::from_secs(240));
        let prod = emulator.seeded().account("prod").unwrap().id.clone();
        Self { emulator, world, prod }
    }

    /// Does something as the role in `prod`.
    fn act(&self, action: &str) -> String {
        let root = workspace().unwrap();
        let mut command = Command::new(root.join(".venv/bin/python"));
        command.arg(root.join("tests/support/hub.py"));
        command.args([&self.prod, &self.emulator.seeded().roles.admin, action]);
        self.emulator.env().apply(&mut command);
        let ended = command.output().unwrap();
        assert!(ended.status.success(), "{action}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    }

    /// Scans both accounts and sends what it finds.
    fn scan(&self, regions: &str, more: &[&str]) -> Run {
        let management = &self.emulator.seeded().account("management").unwrap().id;
        let accounts = format!("{},{management}", self.prod);
        let arguments = [
            &["scan", "--accounts", &accounts, "--regions", regions, "--enable", CONTROLS],
            &["--out", "out", "--format", "json", "--send", "securityhub"] as &[&str],
            more,
        ];
        let run = self.world.run(&self.emulator.env(), &arguments.concat()).unwrap();
        assert!([CLEAN, FAILED].map(Some).contains(&run.code), "{run}");
        assert!(run.stderr.contains("Security Hub in us-east-1: "), "{run}");
        run
    }

    /// What is in the Security Hub of `prod`, by the name of the control and the end of the ARN.
    fn findings(&self) -> BTreeMap<(String, String), Value> {
        let found: Vec<Value> = serde_json::from_str(&self.act("findings")).unwrap();
        let count = found.len();
        let by_name: BTreeMap<_, _> = found
            .into_iter()
            .map(|finding| {
                let control = text(&finding, "/GeneratorId").trim_start_matches("upright/").to_owned();
                let resource =
                    text(&finding, "/Resources/0/Id").rsplit([':', '/']).next().unwrap().to_owned();
                ((control, resource), finding)
            })
            .collect();
        assert_eq!(by_name.len(), count, "each is there once");
        by_name
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| unreachable!("no {pointer} in {value}"))
}

#[test]
fn a_finding_is_sent_once_then_updated_and_archived_when_what_it_is_about_is_gone() {
    let hub = Hub::start();
    hub.act("make");
    hub.scan("us-east-1,eu-west-1", &[]);
    let first = hub.findings();
    let password = ("iam-password-min-length".to_owned(), hub.prod.clone());
    let user = ("iam-user-mfa".to_owned(), "hub-user".to_owned());
    let bucket = |name: &str| ("s3-bucket-secure-transport".to_owned(), name.to_owned());
    let (here, there) = (bucket("hub-bucket-here"), bucket("hub-bucket-there"));
    assert_eq!(text(&first[&password], "/Compliance/Status"), "FAILED");
    assert_eq!(text(&first[&here], "/Resources/0/Type"), "AwsS3Bucket");
    for finding in first.values() {
        assert_eq!(text(finding, "/AwsAccountId"), hub.prod, "each account sends its own");
        let product = format!("arn:aws:securityhub:us-east-1:{0}:product/{0}/default", hub.prod);
        assert_eq!(text(finding, "/ProductArn"), product);
    }

    // The same again: no finding is doubled, and none changes but for its time.
    hub.scan("us-east-1,eu-west-1", &[]);
    let again = hub.findings();
    assert_eq!(again.keys().collect::<Vec<_>>(), first.keys().collect::<Vec<_>>());
    for (name, finding) in &again {
        assert_eq!(finding["CreatedAt"], first[name]["CreatedAt"], "{name:?}");
        assert!(text(finding, "/UpdatedAt") > text(&first[name], "/UpdatedAt"), "{name:?}");
        assert_eq!(finding["RecordState"], first[name]["RecordState"], "{name:?}");
    }

    // Fixed, taken away, and taken away where the next scan does not look.
    hub.act("change");
    let run = hub.scan("us-east-1", &[]);
    let changed = hub.findings();
    assert_eq!(text(&changed[&password], "/Compliance/Status"), "PASSED");
    assert_eq!(text(&changed[&password], "/RecordState"), "ACTIVE");
    assert_eq!(text(&changed[&user], "/RecordState"), "ARCHIVED");
    assert_eq!(text(&changed[&here], "/RecordState"), "ARCHIVED", "{run}");
    assert_eq!(text(&changed[&there], "/RecordState"), "ACTIVE", "eu-west-1 was not looked at");
    assert_eq!(text(&changed[&user], "/CreatedAt"), text(&first[&user], "/CreatedAt"));

    // A control that does not run says nothing about what it said before.
    hub.scan("us-east-1,eu-west-1", &["--disable", "s3-bucket-secure-transport"]);
    assert_eq!(text(&hub.findings()[&there], "/RecordState"), "ACTIVE", "the control did not run");
    hub.scan("us-east-1,eu-west-1", &[]);
    assert_eq!(text(&hub.findings()[&there], "/RecordState"), "ARCHIVED");
}

/// The recorded demo with a Security Hub that has nothing and takes everything.
fn taking() -> Setup {
    let none = Answer::json(&json!({ "Findings": [] }));
    let all = Answer::json(&json!({ "FailedCount": 0, "FailedFindings": [], "SuccessCount": 1 }));
    common::replay()
        .answer(Match::operation("securityhub:GetFindings"), none)
        .answer(Match::operation("securityhub:BatchImportFindings"), all)
}

fn send(server: &Server) -> (World, Run) {
    common::run(server, &[SCAN, &["--send", "securityhub"]].concat())
}

/// The findings of every import, with the account that sent them.
fn imported(server: &Server) -> Vec<(String, Value)> {
    let requests = server.requests().into_iter().map(|request| request.call);
    requests
        .filter(|call| call.operation == "securityhub:BatchImportFindings")
        .map(|call| (call.account.clone(), serde_json::from_str(call.param("Findings").unwrap()).unwrap()))
        .collect()
}

#[test]
fn each_account_sends_its_own_in_batches_of_a_hundred() {
    let server = taking().start().unwrap();
    let (world, run) = send(&server);
    assert!([FAILED, FAILED_AND_INCOMPLETE].map(Some).contains(&run.code), "{run}");
    assert_eq!(server.unexpected(), [""; 0]);
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for (account, findings) in imported(&server) {
        let findings = findings.as_array().unwrap();
        assert!((1..=100).contains(&findings.len()), "{}", findings.len());
        *sent.entry(account.clone()).or_default() += findings.len();
        for finding in findings {
            assert_eq!(text(finding, "/AwsAccountId"), account);
            assert!(finding.get("Workflow").is_none() && finding.get("Severity").is_none(), "{finding}");
        }
    }
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    for finding in world.report().unwrap()["findings"].as_array().unwrap() {
        if finding["verdict"] != "not_applicable" {
            *expected.entry(text(finding, "/account").to_owned()).or_default() += 1;
        }
    }
    assert_eq!(sent, expected, "passed, failed and unknown are sent");
}

#[test]
fn without_being_told_to_nothing_is_sent() {
    let server = taking().start().unwrap();
    common::run(&server, SCAN);
    assert_eq!(server.count("securityhub:BatchImportFindings") + server.count("securityhub:GetFindings"), 0);
}

#[test]
fn a_finding_that_is_there_keeps_when_it_was_made_also_when_it_is_on_the_second_page() {
    let server = taking().start().unwrap();
    send(&server);
    let (account, findings) = imported(&server).swap_remove(0);
    let mut known = findings[0].clone();
    known["CreatedAt"] = json!("2025-01-01T00:00:00.000Z");
    let page =
        |findings: Value, next: Value| Answer::json(&json!({ "Findings": findings, "NextToken": next }));
    let get = || Match::operation("securityhub:GetFindings").account(&account);
    let server = common::replay()
        .answer(get().param("NextToken", "two"), page(json!([known]), Value::Null))
        .answer(get(), page(json!([]), json!("two")))
        .answer(Match::operation("securityhub:GetFindings"), page(json!([]), Value::Null))
        .answer(
            Match::operation("securityhub:BatchImportFindings"),
            Answer::json(&json!({ "FailedCount": 0, "FailedFindings": [], "SuccessCount": 1 })),
        )
        .start()
        .unwrap();
    let (_, run) = send(&server);
    let sent = imported(&server).into_iter().flat_map(|(_, findings)| findings.as_array().unwrap().clone());
    let old: Vec<Value> = sent.filter(|f| f["CreatedAt"] == "2025-01-01T00:00:00.000Z").collect();
    assert_eq!(old.iter().map(|f| &f["Id"]).collect::<Vec<_>>(), [&known["Id"]], "{run}");
}

#[test]
fn throttling_is_waited_for() {
    let server = taking().fault(Match::service("securityhub").attempts(1), Fault::Throttle).start().unwrap();
    let (_, run) = send(&server);
    assert!([FAILED, FAILED_AND_INCOMPLETE].map(Some).contains(&run.code), "{run}");
}

/// Everything of what failed is said, and the reports are there.
fn refused(setup: Setup, said: &[&str]) {
    let server = setup.start().unwrap();
    let (world, run) = send(&server);
    assert_eq!(run.code, Some(COULD_NOT_SEND), "{run}");
    for said in said {
        assert!(run.stderr.contains(said), "`{said}` is not said: {run}");
    }
    assert!(!run.stderr.contains('\u{1b}'), "{run}");
    world.report().unwrap();
}

#[test]
fn findings_that_are_refused_are_named_with_the_reason() {
    let failed = json!({
        "FailedCount": 1,
        "SuccessCount": 99,
        "FailedFindings": [
            { "Id": "upright/0123", "ErrorCode": "InvalidInput", "ErrorMessage": "bad \u{1b}[2J title" },
        ],
    });
    let setup = common::replay()
        .answer(Match::operation("securityhub:GetFindings"), Answer::json(&json!({ "Findings": [] })))
        .answer(Match::operation("securityhub:BatchImportFindings"), Answer::json(&failed));
    refused(setup, &["finding `upright/0123` was refused (InvalidInput): bad \\u{1b}[2J title"]);
}

#[test]
fn a_denied_import_says_which_action_is_missing_and_how_to_get_it() {
    let denied = Match::operation("securityhub:BatchImportFindings");
    let said = ["securityhub:BatchImportFindings", "findings were not sent", "iam-policy --send securityhub"];
    refused(taking().fault(denied, Fault::Deny), &said);
}

#[test]
fn where_security_hub_is_not_enabled_it_says_so_and_the_other_accounts_send() {
    let management = common::recording().management().to_owned();
    let not_enabled = Match::service("securityhub").account(&management);
    let said = format!("enable Security Hub in account {management} in us-east-1");
    let fault = Fault::error(401, "InvalidAccessException");
    refused(taking().fault(not_enabled, fault), &[&said, "InvalidAccessException"]);
}

#[test]
fn the_policy_for_sending_has_two_actions_more() {
    let server = Server::canned(|_| None).start().unwrap();
    let actions = |more: &[&str]| {
        let (_, run) = common::run(&server, &[&["iam-policy", "--enable", "iam-root-mfa"], more].concat());
        let policy = run.json().unwrap();
        let statements = policy["Statement"].as_array().unwrap().clone();
        statements.iter().map(|s| s["Action"].to_string()).collect::<Vec<_>>()
    };
    let without = actions(&[]);
    let with = actions(&["--send", "securityhub"]);
    assert_eq!(with[..without.len()], without);
    let more = ["\"securityhub:BatchImportFindings\"", "\"securityhub:GetFindings\""];
    assert_eq!(with[without.len()..], more);
}
