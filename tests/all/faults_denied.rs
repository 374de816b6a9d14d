//! Every operation of the call table denied, one at a time: what depended on it is unknown, all else is as it
//! was, and terminal, report and exit code say which call, where and why.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use upright::accounts::Scope;
use upright::collect::kind;
use upright::controls::ControlSet;
use upright::run::plan;
use upright_testkit::{Fault, Match, Request, Server};

use crate::common::{
    self,
    disturbed::{Filled, Scan, filled_by, name, readers, text, whole_demo},
};

/// Operations that find the accounts and regions. What their denial does has tests of its own.
const FINDING: &[&str] = &[
    "ec2:DescribeRegions",
    "organizations:DescribeOrganization",
    "organizations:ListAccounts",
    "sts:AssumeRole",
    "sts:GetCallerIdentity",
];

/// Services whose other operations are denied in [`each_denial`].
const SERVICES: &[&str] = &[
    "access-analyzer",
    "account",
    "apigateway",
    "apigatewayv2",
    "cloudfront",
    "cloudtrail",
    "cloudwatch",
    "config",
    "ec2",
    "ecs",
    "eks",
    "elasticfilesystem",
    "elasticloadbalancing",
    "events",
    "glacier",
    "iam",
    "kms",
    "lambda",
    "logs",
    "macie2",
    "organizations",
    "rds",
    "s3",
    "s3control",
    "secretsmanager",
    "securityhub",
    "sns",
    "sqs",
    "sso",
];

/// Operations without which every verdict of the demo stands.
const SPARE: &[(&str, &str)] = &[
    ("iam:ListVirtualMFADevices", "tells a hardware device of root from a virtual one; the demo's have none"),
    ("s3:GetBucketTagging", "chooses buckets only where the parameter `only_tag` is set"),
];

/// What a scan of the demo plans to call.
fn planned() -> BTreeSet<String> {
    let wanted = ControlSet::builtin().unwrap().wanted();
    let regions = ["us-east-1", "eu-west-1"].map(str::to_owned).to_vec();
    let scope = Scope { organization: true, regions, ..Scope::own() };
    plan(&wanted, &scope, None).calls.into_iter().map(|row| row.operation).collect()
}

#[test]
fn the_demo_makes_every_planned_call_and_every_one_is_denied_in_a_test() {
    let server = whole_demo().start().unwrap();
    Scan::of(&server);
    let made: BTreeSet<String> = server.counts().into_keys().collect();
    assert_eq!(made, planned());
    for operation in &made {
        let (service, _) = operation.split_once(':').unwrap();
        assert!(SERVICES.contains(&service) || FINDING.contains(&operation.as_str()), "{operation}");
    }
}

#[test]
fn each_denied_call_to_iam_is_told_and_decides_nothing() {
    each_denial("iam");
}

#[test]
fn each_denied_call_to_s3_is_told_and_decides_nothing() {
    each_denial("s3");
    each_denial("s3control");
}

#[test]
fn each_denied_call_to_ec2_is_told_and_decides_nothing() {
    each_denial("ec2");
}

#[test]
fn each_denied_call_to_cloudtrail_kms_and_identity_center_is_told_and_decides_nothing() {
    for service in ["cloudtrail", "kms", "sso"] {
        each_denial(service);
    }
}

#[test]
fn each_denied_call_to_what_holds_data_is_told_and_decides_nothing() {
    for service in ["elasticfilesystem", "glacier", "rds", "secretsmanager"] {
        each_denial(service);
    }
}

#[test]
fn each_denied_call_to_what_governs_accounts_is_told_and_decides_nothing() {
    for service in ["access-analyzer", "account", "config", "macie2", "organizations", "securityhub"] {
        each_denial(service);
    }
}

#[test]
fn each_denied_call_on_the_way_of_an_alarm_and_to_queues_and_buses_is_told_and_decides_nothing() {
    for service in ["cloudwatch", "events", "logs", "sns", "sqs"] {
        each_denial(service);
    }
}

#[test]
fn each_denied_call_to_front_ends_is_told_and_decides_nothing() {
    for service in
        ["apigateway", "apigatewayv2", "cloudfront", "ecs", "eks", "elasticloadbalancing", "lambda"]
    {
        each_denial(service);
    }
}

fn each_denial(service: &str) {
    let undisturbed = Scan::undisturbed();
    let planned = planned();
    let operations: Vec<&String> = planned
        .iter()
        .filter(|operation| operation.starts_with(&format!("{service}:")))
        .filter(|operation| !FINDING.contains(&operation.as_str()))
        .collect();
    assert!(!operations.is_empty());
    let complaints: Vec<String> =
        operations.iter().flat_map(|operation| Denial::of(operation).complaints(&undisturbed)).collect();
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// A scan with one operation denied everywhere.
struct Denial<'a> {
    operation: &'a str,
    code: &'static str,
    scan: Scan,
    denied: Vec<Request>,
}

impl<'a> Denial<'a> {
    fn of(operation: &'a str) -> Self {
        let server = whole_demo().fault(Match::operation(operation), Fault::Deny).start().unwrap();
        let scan = Scan::of(&server);
        assert_eq!(server.unexpected(), Vec::<String>::new());
        let asked = server.requests().into_iter().filter(|request| request.call.operation == operation);
        let code = match operation.split_once(':').unwrap().0 {
            "ec2" => "UnauthorizedOperation",
            "cloudfront" | "elasticloadbalancing" | "iam" | "rds" | "s3" | "s3control" | "sns" | "sts" => {
                "AccessDenied"
            }
            _ => "AccessDeniedException",
        };
        Self { operation, code, scan, denied: asked.collect() }
    }

    /// Everything that is not as it must be.
    fn complaints(&self, undisturbed: &Scan) -> Vec<String> {
        let filled = filled_by(self.operation);
        let readers = readers(&filled);
        let difference = self.scan.against(undisturbed);
        let mut complaints = difference.wrong;
        for finding in &difference.lost {
            if !readers.contains_key(text(finding, "control")) {
                complaints.push(format!("{} does not depend on it, and is unknown", name(finding)));
            }
            let unseen = &finding["unseen"];
            if text(unseen, "operation") != self.operation || text(unseen, "code") != self.code {
                complaints.push(format!("{} is unknown because of {unseen}", name(finding)));
            }
        }
        let is_spare = SPARE.iter().any(|(operation, _)| *operation == self.operation);
        if difference.lost.is_empty() != is_spare {
            complaints.push(format!("{} findings depend on it", difference.lost.len()));
        }
        complaints.extend(self.claims(&readers));
        complaints.extend(self.untold());
        complaints.into_iter().map(|complaint| format!("{}: {complaint}", self.operation)).collect()
    }

    /// Verdicts that rest on what was not read.
    fn claims(&self, readers: &BTreeMap<String, BTreeSet<Filled>>) -> Vec<String> {
        let mut claims = Vec::new();
        for finding in self.scan.findings.values() {
            let Some(read) = readers.get(text(finding, "control")) else { continue };
            if !["pass", "fail"].contains(&text(finding, "verdict")) {
                continue;
            }
            for evidence in finding["evidence"].as_array().unwrap() {
                let path = text(evidence, "path");
                // An instance says itself that it is in no cluster, without the list of clusters.
                if path == "resource.cluster" && evidence["value"].is_null() && self.is_no_member(finding) {
                    continue;
                }
                if read.iter().any(|filled| self.is_of(finding, path, *filled)) {
                    claims.push(format!("{} is {}, with {evidence}", name(finding), finding["verdict"]));
                }
            }
        }
        claims
    }

    /// Whether the finding is about a database instance that the demo has in no cluster.
    fn is_no_member(&self, finding: &Value) -> bool {
        let members = ["archive-a", "ledger-a", "ledger-b"];
        text(finding, "resource_type") == "aws.rds.instance"
            && !members.contains(&text(finding, "resource_name"))
    }

    /// Whether the path leads to what the denied call would have filled.
    fn is_of(&self, finding: &Value, path: &str, (of, field): Filled) -> bool {
        let collection = kind(of).unwrap().collection;
        let account = text(finding, "account");
        let Some(field) = field else {
            return path.starts_with(&format!("account.{collection}"));
        };
        let own = of == text(finding, "resource_type");
        let leads = |start: &str| {
            path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if own && leads(&format!("resource.{field}")) {
            return self.was_asked(account, &[text(finding, "resource_name"), text(finding, "resource_arn")]);
        }
        let Some(rest) = path.strip_prefix(&format!("account.{collection}")) else { return false };
        match rest.strip_prefix("[\"").and_then(|rest| rest.split_once("\"]")) {
            Some((named, rest)) => {
                rest.starts_with(&format!(".{field}")) && self.was_asked(account, &[named])
            }
            None => rest.starts_with(&format!(".{field}")) && self.was_asked(account, &[]),
        }
    }

    /// Whether the call was denied for a resource of one of these names, or without saying for which.
    fn was_asked(&self, account: &str, names: &[&str]) -> bool {
        self.denied.iter().filter(|request| request.call.account == account).any(|request| {
            let named = ["Bucket", "UserName", "PolicyArn", "Name", "TrailName"];
            let asked: Vec<&str> = named.iter().filter_map(|name| request.call.param(name)).collect();
            asked.is_empty() || asked.iter().any(|asked| names.contains(asked))
        })
    }

    /// Places of the denial that the exit code, the report or the terminal keep to themselves.
    fn untold(&self) -> Vec<String> {
        let mut untold = Vec::new();
        if self.scan.run.code != Some(common::FAILED_AND_INCOMPLETE) {
            untold.push(format!("exit code {:?}", self.scan.run.code));
        }
        if self.scan.report["run"]["complete"] != false {
            untold.push("the run is called complete".to_owned());
        }
        let accounts: BTreeSet<&str> =
            self.denied.iter().map(|request| request.call.account.as_str()).collect();
        for account in accounts {
            let gap = self.scan.gaps().iter().find(|gap| {
                let unseen = &gap["unseen"];
                text(unseen, "operation") == self.operation && text(unseen, "account") == account
            });
            let Some(gap) = gap else {
                untold.push(format!("no gap in {account}"));
                continue;
            };
            let region = text(&gap["unseen"], "region");
            if text(&gap["unseen"], "code") != self.code
                || region.is_empty()
                || text(gap, "remedy").is_empty()
            {
                untold.push(format!("a gap without code, region or remedy: {gap}"));
            }
            if gap["statement"]["Action"].is_null() {
                untold.push(format!("a gap without the statement to add: {gap}"));
            }
            if !self.scan.shows(&gap["unseen"]) {
                untold.push(format!("the terminal does not say {}", gap["unseen"]));
            }
            let failed = |row: &Value| {
                text(row, "state") == "failed" && text(&row["errors"][0]["unseen"], "code") == self.code
            };
            if !self.scan.coverage(self.operation, account).all(failed) {
                untold.push(format!("coverage of {account} does not say that it failed"));
            }
            if self.scan.coverage(self.operation, account).next().is_none() {
                untold.push(format!("no coverage in {account}"));
            }
        }
        untold
    }
}

#[test]
fn without_the_list_of_accounts_there_is_no_scan_and_the_error_says_what_to_do() {
    for (operation, says) in [
        ("organizations:ListAccounts", &["AccessDeniedException", "delegated administrator"][..]),
        ("sts:GetCallerIdentity", &["AccessDenied", "aws sts get-caller-identity"][..]),
    ] {
        let server = whole_demo().fault(Match::operation(operation), Fault::Deny).start().unwrap();
        let (world, run) = Scan::try_run(&server, "", common::SCAN);
        assert_eq!(run.code, Some(5), "{run}");
        assert!(world.report().is_err(), "{operation}");
        let words = run.stderr.replace(['│', '\n'], " ");
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in [&[operation][..], says].concat() {
            assert!(words.contains(said), "{said}: {run}");
        }
    }
}

/// With `--regions` the regions are known without asking, and only what the organization decides asks for it.
#[test]
fn what_describes_accounts_costs_only_the_verdicts_that_rest_on_it_and_is_told() {
    let undisturbed = Scan::undisturbed();
    for operation in ["organizations:DescribeOrganization", "ec2:DescribeRegions"] {
        let scan = Scan::of(&denying(Match::operation(operation)));
        let difference = scan.against(&undisturbed);
        difference.assert_nothing_wrong();
        let readers = readers(&filled_by(operation));
        for lost in &difference.lost {
            assert!(readers.contains_key(text(lost, "control")), "{}", name(lost));
        }
        assert_eq!(difference.lost.is_empty(), readers.is_empty(), "{operation}");
        assert_eq!(scan.run.code, Some(common::FAILED_AND_INCOMPLETE));
        let others: Vec<&Value> =
            scan.gaps().iter().filter(|gap| text(&gap["unseen"], "operation") != operation).collect();
        assert_eq!(others, Vec::<&Value>::new(), "{operation}");
        assert!(scan.gaps().iter().all(|gap| scan.shows(&gap["unseen"])), "{}", scan.run);
    }
}

#[test]
fn without_regions_what_lies_in_them_is_unknown_and_nothing_else() {
    let asked = ["scan", "--organization", "--role-name", "UprightScanner", "--out", "out"];
    let server = denying(Match::operation("ec2:DescribeRegions"));
    let (world, run) = Scan::try_run(&server, "", &asked);
    assert_eq!(run.code, Some(common::FAILED_AND_INCOMPLETE), "{run}");
    let report = world.report().unwrap();
    let undisturbed = Scan::undisturbed();
    let mut known = 0;
    for finding in report["findings"].as_array().unwrap() {
        match undisturbed.findings.get(text(finding, "id")) {
            Some(before) if text(finding, "verdict") != "unknown" => {
                assert_eq!(finding["verdict"], before["verdict"], "{}", name(finding));
                known += 1;
            }
            _ => {
                assert_eq!(text(finding, "verdict"), "unknown", "{}", name(finding));
                assert_eq!(text(&finding["unseen"], "operation"), "ec2:DescribeRegions", "{}", name(finding));
            }
        }
    }
    assert!(known > 0);
}

#[test]
fn an_account_that_cannot_be_entered_is_unknown_in_every_control_and_the_others_are_as_before() {
    let undisturbed = Scan::undisturbed();
    let dev = common::demo().seeded.account("dev").unwrap().id.clone();
    let scan = Scan::of(&denying(Match::operation("sts:AssumeRole").account(&dev)));
    scan.against(&undisturbed).assert_nothing_wrong();
    let controls: BTreeSet<&str> = undisturbed.findings.values().map(|f| text(f, "control")).collect();
    let mut unknown = BTreeSet::new();
    for (id, finding) in &scan.findings {
        if text(finding, "account") == dev {
            assert_eq!(text(finding, "verdict"), "unknown", "{}", name(finding));
            assert_eq!(text(&finding["unseen"], "operation"), "sts:AssumeRole");
            unknown.insert(text(finding, "control"));
        } else {
            let before = undisturbed.findings.get(id).map(|f| &f["verdict"]);
            let rests_on_dev =
                text(finding, "verdict") == "unknown" && text(&finding["unseen"], "account") == dev;
            assert!(before == Some(&finding["verdict"]) || rests_on_dev, "{finding}");
        }
    }
    assert_eq!(unknown, controls);
    // The refusal is about the member in every part of the report, and is told once.
    let [gap] = scan.gaps().as_slice() else { panic!("{:#?}", scan.gaps()) };
    assert_eq!(text(&gap["unseen"], "account"), dev);
    assert_eq!(
        scan.coverage("sts:AssumeRole", &dev).map(|row| text(row, "state")).collect::<Vec<_>>(),
        ["failed"]
    );
    assert!(scan.shows(&gap["unseen"]), "{}", scan.run);
    assert!(text(gap, "remedy").contains("upright iam-policy --trust"), "{gap}");
}

#[test]
fn the_policy_that_denied_decides_who_is_told_to_change_it() {
    let operation = "s3:GetBucketPolicy";
    let user = "User: arn:aws:sts::111122223333:assumed-role/UprightScanner/upright is not authorized to perform: \
                s3:GetBucketPolicy on resource: \"arn:aws:s3:::b\"";
    for (because, remedy, is_allowed_by_a_statement) in [
        (
            "because no identity-based policy allows the s3:GetBucketPolicy action",
            "in the scanner's role",
            true,
        ),
        (
            "with an explicit deny in a service control policy",
            "the organization's administrator exempts",
            false,
        ),
        (
            "with an explicit deny in a resource-based policy",
            "removes the deny of `s3:GetBucketPolicy`",
            false,
        ),
        (
            "because no permissions boundary allows the s3:GetBucketPolicy action",
            "to the permissions boundary of the scanner's role",
            false,
        ),
        ("because no session policy allows the s3:GetBucketPolicy action", "to its session policy", false),
    ] {
        let denial = Fault::DenyWith(format!("{user} {because}"));
        let server = whole_demo().fault(Match::operation(operation), denial).start().unwrap();
        let scan = Scan::of(&server);
        for gap in scan.gaps() {
            assert!(text(gap, "remedy").contains(remedy), "{gap}");
            assert_eq!(gap["statement"]["Action"] == operation, is_allowed_by_a_statement, "{gap}");
        }
        let shown = scan.run.stdout.split_once("NOT OBSERVED").unwrap().1;
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(remedy), "{}", scan.run);
    }
}

#[test]
fn a_bucket_deleted_meanwhile_is_gone_and_no_gap() {
    let undisturbed = Scan::undisturbed();
    let of_bucket = |finding: &&Value| text(finding, "resource_type") == "aws.s3.bucket";
    // One that no trail delivers to: a trail without its bucket is another story.
    let victim = undisturbed.findings.values().filter(of_bucket).map(|f| text(f, "resource_name"));
    let victim = victim.filter(|name| !name.contains("trail")).min().unwrap().to_owned();
    let server = whole_demo()
        .fault(Match::service("s3").param("Bucket", &victim), Fault::error(404, "NoSuchBucket"))
        .start()
        .unwrap();
    let scan = Scan::of(&server);
    assert_eq!(scan.run.code, Some(common::FAILED), "{}", scan.run);
    assert_eq!(scan.report["run"]["complete"], true);
    let left: BTreeSet<&String> = scan.findings.keys().collect();
    for (id, before) in &undisturbed.findings {
        assert_eq!(!left.contains(id), text(before, "resource_name") == victim, "{}", name(before));
    }
    assert_eq!(scan.against(&undisturbed).lost, Vec::<Value>::new());
}

#[test]
fn when_page_two_is_denied_what_page_one_named_is_judged_and_the_place_is_unknown() {
    let undisturbed = Scan::undisturbed();
    let whole = whole_demo().paged(3).start().unwrap();
    Scan::of(&whole).against(&undisturbed).assert_nothing_wrong();
    for operation in ["iam:ListUsers", "ec2:DescribeSecurityGroups"] {
        let server =
            whole_demo().paged(3).fault(Match::operation(operation).page(2), Fault::Deny).start().unwrap();
        let scan = Scan::of(&server);
        let difference = scan.against(&undisturbed);
        difference.assert_nothing_wrong();
        let list = filled_by(operation);
        let (listed, _) = list.first().unwrap();
        let of_list = |f: &&Value| text(f, "resource_type") == *listed;
        let kept = scan.findings.values().filter(of_list).filter(|f| text(f, "verdict") != "unknown").count();
        let all = undisturbed.findings.values().filter(of_list).count();
        assert!(0 < kept && kept < all, "{operation}: {kept} of {all}");
        let places = difference.lost.iter().filter(|f| text(&f["unseen"], "operation") == operation);
        assert!(places.count() > 0);
        assert_eq!(scan.run.code, Some(common::FAILED_AND_INCOMPLETE));
    }
}

fn denying(which: Match) -> Server {
    whole_demo().fault(which, Fault::Deny).start().unwrap()
}
