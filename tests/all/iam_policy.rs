//! `upright iam-policy`: what it grants is what a scan calls, no more and no less.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};
use upright::collect::{Wanted, kind};
use upright::controls::ControlSet;
use upright_testkit::Server;

use crate::common::{self, everything};

/// Runs `upright iam-policy`, which needs no AWS.
fn iam_policy(arguments: &[&str]) -> Value {
    let server = Server::canned(|_| None).start().unwrap();
    let (_, run) = common::run(&server, &[&["iam-policy"], arguments].concat());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run}");
    assert_eq!(server.requests(), [], "printing a policy asks nothing");
    run.json().unwrap()
}

fn statements(policy: &Value) -> &Vec<Value> {
    assert_eq!(policy["Version"], "2012-10-17");
    policy["Statement"].as_array().unwrap()
}

/// Allowed action → resource.
fn allowed(policy: &Value) -> BTreeMap<String, String> {
    let mut allowed = BTreeMap::new();
    for statement in statements(policy) {
        assert_eq!(statement["Effect"], "Allow");
        // One resource as a text; several as the JSON that they are.
        let resource =
            statement["Resource"].as_str().map_or_else(|| statement["Resource"].to_string(), str::to_owned);
        let actions = match &statement["Action"] {
            Value::Array(actions) => actions.clone(),
            action => vec![action.clone()],
        };
        for action in actions {
            allowed.insert(action.as_str().unwrap().to_owned(), resource.clone());
        }
    }
    allowed
}

/// The actions that each control needs in an account, from the call table.
fn needs() -> BTreeMap<String, BTreeSet<String>> {
    let controls = ControlSet::builtin().unwrap();
    let needs = controls.controls().map(|control| {
        let mut wanted = Wanted::nothing();
        for (name, field) in control.reads() {
            wanted.add(kind(name).unwrap(), field);
        }
        let actions = wanted.calls().iter().filter_map(|planned| planned.call.iam_action()).collect();
        (control.id.clone(), actions)
    });
    needs.collect()
}

#[test]
fn every_call_of_the_demo_scan_is_allowed_and_every_grant_is_used() {
    let server = common::replay().start().unwrap();
    common::DemoScan::against(&server);
    let actions: BTreeMap<String, Option<String>> =
        everything::table().into_iter().map(|call| (call.name(), call.iam_action())).collect();
    let scanner = allowed(&iam_policy(&["--organization", "--role", "scanner"]));
    let member = allowed(&iam_policy(&["--organization", "--role", "member"]));
    let management = common::recording().management().to_owned();

    let mut used: BTreeSet<String> = BTreeSet::new();
    for request in server.requests() {
        let call = &request.call;
        let Some(action) = &actions[&call.operation] else {
            assert_eq!(call.operation, "sts:GetCallerIdentity", "it alone needs no permission");
            continue;
        };
        let is_own = call.account == management;
        let policy = if is_own { &scanner } else { &member };
        let resource = policy.get(action).unwrap_or_else(|| unreachable!("{call}: {action} is not allowed"));
        if call.operation == "sts:AssumeRole" {
            let (before, after) = resource.split_once('*').unwrap();
            let role = call.param("RoleArn").unwrap();
            assert!(role.starts_with(before) && role.ends_with(after), "{role} is not {resource}");
        } else if action == "apigateway:GET" {
            let (_, kind) = call.operation.split_once(':').unwrap();
            let (list, stages) = if call.service() == "apigateway" {
                ("/restapis", "/restapis/*/stages")
            } else {
                ("/apis", "/apis/*/stages")
            };
            let path = if kind == "GetStages" { stages } else { list };
            assert!(resource.contains(&format!("arn:aws:apigateway:*::{path}\"")), "{call}: {resource}");
        } else {
            assert_eq!(resource, "*", "{action}");
        }
        used.insert(action.clone());
    }
    // An account may have nothing to ask a grant for; over all of them, each is for something.
    let granted: BTreeSet<String> = scanner.into_keys().chain(member.into_keys()).collect();
    assert_eq!(used, granted, "what is used and what is granted");
}

#[test]
fn a_control_that_is_disabled_takes_along_the_actions_that_it_alone_needs() {
    let needs = needs();
    let whole: BTreeSet<String> = allowed(&iam_policy(&[])).into_keys().collect();
    let mut tried = 0;
    for (control, own) in &needs {
        let others: BTreeSet<&String> =
            needs.iter().filter(|(id, _)| *id != control).flat_map(|(_, actions)| actions).collect();
        let alone: BTreeSet<String> = own.iter().filter(|action| !others.contains(action)).cloned().collect();
        if alone.is_empty() {
            continue;
        }
        tried += 1;
        let left: BTreeSet<String> = allowed(&iam_policy(&["--disable", control])).into_keys().collect();
        assert_eq!(left, whole.difference(&alone).cloned().collect(), "{control} alone needs {alone:?}");
    }
    assert!(tried >= 10, "only {tried} controls need an action of their own");
}

#[test]
fn the_readme_shows_the_policy_of_all_controls() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, shown) = readme.split_once("<!-- upright iam-policy -->\n\n```json\n").unwrap();
    let (shown, _) = shown.split_once("\n```\n\n<!-- end -->").unwrap();
    let shown: Value = serde_json::from_str(shown).unwrap();
    let printed = iam_policy(&[]);
    let printed = serde_json::to_string_pretty(&printed).unwrap();
    assert_eq!(
        serde_json::to_string_pretty(&shown).unwrap(),
        printed,
        "the appendix of README.md should be:\n{printed}"
    );
}

#[test]
fn no_data_can_be_read_with_it() {
    let all = everything::arguments();
    // Without `scan` and what only a scan has.
    let selectors = all.iter().skip_while(|argument| *argument != "--controls").map(String::as_str);
    let selectors: Vec<&str> = selectors.collect();
    for role in ["scanner", "member"] {
        let policy = iam_policy(&[&["--organization", "--role", role], selectors.as_slice()].concat());
        for action in allowed(&policy).keys() {
            assert!(!action.contains(['*', '?']), "{action} grants more than one operation");
            let (_, name) = action.split_once(':').unwrap();
            let reads = ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
            assert!(
                reads
                    || ["apigateway:GET", "iam:GenerateCredentialReport", "sts:AssumeRole"]
                        .contains(&&**action),
                "{action}"
            );
            for data in [
                "cloudtrail:LookupEvents",
                "ec2:GetConsoleOutput",
                "lambda:GetFunction",
                "logs:GetLogEvents",
                "s3:GetObject",
                "s3:ListBucket",
                "secretsmanager:GetSecretValue",
            ] {
                assert_ne!(action, data);
            }
        }
    }
}

#[test]
fn without_other_accounts_nothing_is_entered_and_there_is_no_member() {
    let own = allowed(&iam_policy(&["--enable", "iam-root-mfa"]));
    assert_eq!(own, BTreeMap::from([("iam:GetAccountSummary".to_owned(), "*".to_owned())]));
    let server = Server::canned(|_| None).start().unwrap();
    let (_, run) = common::run(&server, &["iam-policy", "--role", "member"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
    assert!(run.stderr.contains("--organization"), "it says what to do: {run}");
}

#[test]
fn roles_are_entered_in_their_partition_and_by_their_name() {
    let arguments = ["--organization", "--role-name", "audit/Reader", "--partition", "aws-us-gov"];
    let scanner = allowed(&iam_policy(&arguments));
    assert_eq!(scanner["sts:AssumeRole"], "arn:aws-us-gov:iam::*:role/audit/Reader");
}

#[test]
fn the_trust_policy_lets_the_scanner_in_and_nobody_else() {
    let statement = |principal: &str| {
        json!({
            "Sid": "LetUprightIn",
            "Effect": "Allow",
            "Principal": { "AWS": principal },
            "Action": "sts:AssumeRole",
        })
    };
    let account = iam_policy(&["--trust", "111122223333", "--partition", "aws-cn"]);
    assert_eq!(statements(&account), &[statement("arn:aws-cn:iam::111122223333:root")]);

    let role = "arn:aws:iam::111122223333:role/audit/Upright";
    let mut with_id = statement(role);
    with_id["Condition"] = json!({ "StringEquals": { "sts:ExternalId": "s3cret" } });
    assert_eq!(statements(&iam_policy(&["--trust", role, "--external-id", "s3cret"])), &[with_id]);

    // What `aws sts get-caller-identity` prints for a role cannot be a principal of a policy that lasts.
    let session = "arn:aws:sts::111122223333:assumed-role/Upright/i-0abc";
    let mut by_session = statement("arn:aws:iam::111122223333:root");
    by_session["Condition"] = json!({ "ArnLike": { "aws:PrincipalArn": [
        "arn:aws:iam::111122223333:role/Upright",
        "arn:aws:iam::111122223333:role/*/Upright",
    ] } });
    assert_eq!(statements(&iam_policy(&["--trust", session])), &[by_session]);
}

#[test]
fn the_archive_of_the_configuration_is_in_the_policy_of_the_scanner_alone() {
    let world = upright_testkit::World::new(common::UPRIGHT).unwrap();
    world.write("upright.yaml", "archive: s3://acme-audit/upright\norganization: true\n").unwrap();
    let of = |role: &str| common::offline(&world, &["iam-policy", "--role", role]).json().unwrap();
    let scanner = allowed(&of("scanner"));
    assert_eq!(scanner["s3:PutObject"], "arn:aws:s3:::acme-audit/upright/*");
    assert_eq!(scanner["s3:ListBucket"], "arn:aws:s3:::acme-audit");
    assert!(!allowed(&of("member")).contains_key("s3:PutObject"));
}
