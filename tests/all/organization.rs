//! Who is scanned: the caller's own account, an organization's, or those that are named; in which regions and
//! in which partition. No account vanishes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use upright_testkit::{Answer, Call, Fault, Match, Run, Seeded, Server, World};

use crate::common::{self, everything};

/// A control of one call for each account, so that scans are quick.
const CONTROL: &[&str] = &["--enable", "iam-password-reuse"];
const SCAN: &[&str] = &["scan", "--role-name", "UprightScanner", "--out", "out", "--format", "json"];

/// A scan of the recorded organization with the accounts that `arguments` choose.
struct Chosen {
    seeded: Seeded,
    run: Run,
    report: Value,
}

impl Chosen {
    fn by(arguments: &[&str]) -> Self {
        Self::with_file("", |_| arguments.iter().map(|argument| (*argument).to_owned()).collect())
    }

    /// The ids that arguments need are known only once the organization is seeded.
    fn by_ids(arguments: impl FnOnce(&Seeded) -> Vec<String>) -> Self {
        Self::with_file("", arguments)
    }

    fn with_file(file: &str, arguments: impl FnOnce(&Seeded) -> Vec<String>) -> Self {
        let shared = everything::recorded();
        let server = Server::replay(&shared.recording).start().unwrap();
        let world = World::new(common::UPRIGHT).unwrap();
        if !file.is_empty() {
            world.write("upright.yaml", file).unwrap();
        }
        let arguments = arguments(&shared.seeded);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let run = world.run(&server.env(), &[SCAN, CONTROL, &arguments].concat()).unwrap();
        assert_eq!(server.unexpected(), Vec::<String>::new(), "{run}");
        let report = world.report().unwrap_or_else(|error| unreachable!("{error:#}\n{run}"));
        Self { seeded: shared.seeded, run, report }
    }

    /// Aliases of the accounts that were scanned.
    fn scanned(&self) -> BTreeSet<&str> {
        self.in_state("scanned").into_keys().collect()
    }

    /// Why accounts were skipped, by alias.
    fn skipped(&self) -> BTreeMap<&str, String> {
        let reason = |account: &Value| account["state"]["reason"].as_str().unwrap().to_owned();
        self.in_state("skipped").into_iter().map(|(alias, account)| (alias, reason(account))).collect()
    }

    fn in_state(&self, state: &str) -> BTreeMap<&str, &Value> {
        let accounts = self.report["accounts"].as_array().unwrap().iter();
        let found = accounts.filter(|account| account["state"]["state"] == state);
        found.map(|account| (alias(&self.seeded, account["id"].as_str().unwrap()), account)).collect()
    }
}

fn alias<'a>(seeded: &'a Seeded, id: &str) -> &'a str {
    seeded.accounts.iter().find(|(_, account)| account.id == id).unwrap().0
}

fn id<'a>(seeded: &'a Seeded, alias: &str) -> &'a str {
    &seeded.account(alias).unwrap().id
}

fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

fn set<'a>(aliases: &[&'a str]) -> BTreeSet<&'a str> {
    aliases.iter().copied().collect()
}

/// Totals of the report, from its findings: verdict → number.
fn counted<'a>(findings: impl Iterator<Item = &'a Value>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for verdict in ["pass", "fail", "unknown", "not_applicable"] {
        counts.insert(verdict.to_owned(), 0);
    }
    for finding in findings {
        *counts.get_mut(finding["verdict"].as_str().unwrap()).unwrap() += 1;
    }
    counts
}

fn totals(of: &Value) -> BTreeMap<String, u64> {
    serde_json::from_value(of.clone()).unwrap()
}

#[test]
fn without_configuration_only_the_callers_own_account_is_scanned() {
    let server = common::replay().start().unwrap();
    let (world, run) = common::run(&server, &["scan", "--enable", "iam-password-reuse"]);
    assert_eq!(run.code, Some(common::FAILED), "{run}");
    let report = world.report().unwrap();
    let accounts = report["accounts"].as_array().unwrap();
    let ids: Vec<&str> = accounts.iter().map(|account| account["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [common::recording().management()]);
    let made: Vec<String> = server.counts().into_keys().collect();
    assert_eq!(made, ["iam:GetAccountPasswordPolicy", "sts:GetCallerIdentity"]);
}

#[test]
fn an_organization_is_scanned_whole_and_its_suspended_account_is_skipped_with_the_reason() {
    let whole = Chosen::by(&["--organization"]);
    assert_eq!(whole.scanned(), set(&["management", "prod", "dev", "sandbox"]));
    let suspended = "suspended in the organization".to_owned();
    assert_eq!(whole.skipped(), BTreeMap::from([("old", suspended.clone())]));
    let old = id(&whole.seeded, "old");
    let line = whole.run.stdout.lines().find(|line| line.contains(old)).unwrap();
    assert!(line.contains(&format!("skipped: {suspended}")), "{line}");
    assert!(!whole.report["findings"].to_string().contains(old), "nothing is said of what is in it");
    for account in whole.report["accounts"].as_array().unwrap() {
        assert_eq!(account["organization"], whole.seeded.organization.id.as_str());
        assert_eq!(account["is_management"], account["id"] == id(&whole.seeded, "management"));
    }
}

#[test]
fn accounts_are_included_and_excluded_by_id() {
    let seeded = everything::recorded().seeded;
    let file = format!(
        "organization: true\ninclude:\n  accounts: ['{}', '{}']\n",
        id(&seeded, "dev"),
        id(&seeded, "prod")
    );
    let included = Chosen::with_file(&file, |_| Vec::new());
    assert_eq!(included.scanned(), set(&["dev", "prod"]));
    assert_eq!(included.skipped()["sandbox"], "not included");

    let excluded =
        Chosen::by_ids(|seeded| words(&["--organization", "--exclude-accounts", id(seeded, "dev")]));
    assert_eq!(excluded.scanned(), set(&["management", "prod", "sandbox"]));
    assert_eq!(excluded.skipped()["dev"], "excluded: by its id");

    let both = Chosen::with_file(&file, |seeded| words(&["--exclude-accounts", id(seeded, "dev")]));
    assert_eq!(both.scanned(), set(&["prod"]), "what is excluded is not scanned, whatever includes it");
}

#[test]
fn an_organizational_unit_selects_what_is_below_it_by_name_and_by_id() {
    let workloads = set(&["prod", "dev", "sandbox"]);
    let by_name = Chosen::by(&["--organization", "--include-units", "Workloads"]);
    assert_eq!(by_name.scanned(), workloads, "units nested in it are below it");
    assert_eq!(by_name.skipped()["management"], "not included");
    let unit = |seeded: &Seeded, name: &str| seeded.organization.units[name].clone();
    let by_id = Chosen::by_ids(|seeded| {
        vec!["--organization".to_owned(), "--include-units".to_owned(), unit(seeded, "Workloads")]
    });
    assert_eq!(by_id.scanned(), workloads);
    let nested = Chosen::by(&["--organization", "--include-units", "Production,Development"]);
    assert_eq!(nested.scanned(), set(&["prod", "dev"]));
    let prod = nested.in_state("scanned")["prod"];
    assert_eq!(prod["units"], serde_json::json!(["Workloads", "Production"]));

    let less =
        Chosen::by(&["--organization", "--include-units", "Workloads", "--exclude-units", "Production"]);
    assert_eq!(less.scanned(), set(&["dev", "sandbox"]));
    let production = unit(&less.seeded, "Production");
    assert_eq!(
        less.skipped()["prod"],
        format!("excluded: by its organizational unit Production ({production})")
    );
}

#[test]
fn a_unit_that_does_not_exist_stops_the_scan_with_a_suggestion() {
    let server = Server::replay(&everything::recorded().recording).start().unwrap();
    let (world, run) =
        common::run(&server, &[SCAN, &["--organization", "--exclude-units", "Producton"]].concat());
    assert_eq!(run.code, Some(5), "{run}");
    let said = run.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    assert!(said.contains("`exclude.units` names `Producton`"), "{run}");
    assert!(said.contains("did you mean `Production`?"), "{run}");
    assert!(world.report().is_err(), "no report passes for one of the whole");
}

#[test]
fn tags_of_accounts_select_them() {
    let included = Chosen::by(&["--organization", "--include-tags", "env=prod,env=sandbox"]);
    assert_eq!(included.scanned(), set(&["prod", "sandbox"]));
    assert_eq!(included.in_state("scanned")["prod"]["tags"]["cost-center"], "1001");
    let excluded = Chosen::by(&["--organization", "--exclude-tags", "env=dev"]);
    assert_eq!(excluded.scanned(), set(&["management", "prod", "sandbox"]));
    assert_eq!(excluded.skipped()["dev"], "excluded: by its tag env=dev");
    let any =
        Chosen::with_file("organization: true\ninclude: { tags: { cost-center: [] } }\n", |_| Vec::new());
    assert_eq!(any.scanned(), set(&["prod"]), "an empty list stands for any value");
}

#[test]
fn accounts_that_are_named_are_scanned_without_asking_the_organization() {
    let shared = everything::recorded();
    let server = Server::replay(&shared.recording).start().unwrap();
    let named = format!("{},{}", id(&shared.seeded, "dev"), id(&shared.seeded, "sandbox"));
    let (world, run) = common::run(&server, &[SCAN, CONTROL, &["--accounts", &named]].concat());
    assert_eq!(run.code, Some(common::FAILED), "{run}");
    let report = world.report().unwrap();
    let scanned: BTreeSet<&str> = report["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| alias(&shared.seeded, account["id"].as_str().unwrap()))
        .collect();
    assert_eq!(scanned, set(&["dev", "sandbox"]));
    assert!(server.counts().keys().all(|operation| !operation.starts_with("organizations:")));
}

#[test]
fn an_account_that_cannot_be_entered_is_unknown_and_every_account_has_every_control() {
    let shared = common::demo();
    let dev = id(&shared.seeded, "dev");
    let undisturbed = common::DemoScan::run();
    let server =
        common::replay().fault(Match::operation("sts:AssumeRole").account(dev), Fault::Deny).start().unwrap();
    let scan = common::DemoScan::against(&server);
    assert_eq!(scan.run.code, Some(common::FAILED_AND_INCOMPLETE), "{}", scan.run);
    assert_eq!(server.unexpected(), Vec::<String>::new());

    let controls: BTreeSet<&str> =
        scan.report["controls"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for finding in scan.findings() {
        let account = finding["account"].as_str().unwrap();
        seen.entry(account).or_default().insert(finding["control"].as_str().unwrap());
        if account == dev {
            assert_eq!(finding["verdict"], "unknown", "{finding:#}");
            assert_eq!(finding["unseen"]["operation"], "sts:AssumeRole");
            assert_eq!(finding["unseen"]["code"], "AccessDenied");
            assert_eq!(finding["unseen"]["cause"]["kind"], "not_entered");
        }
    }
    assert_eq!(seen.len(), 4);
    for (account, of_account) in seen {
        assert_eq!(of_account, controls, "{account}");
    }
    // The other accounts' findings are what they were, except for what rests on the lost account.
    let resting: BTreeSet<&str> = scan
        .findings()
        .iter()
        .filter(|finding| finding["account"] != dev && finding["unseen"]["account"] == dev)
        .map(|finding| finding["id"].as_str().unwrap())
        .collect();
    let elsewhere = |scan: &common::DemoScan| -> BTreeMap<String, String> {
        let is_other = |finding: &&Value| {
            finding["account"] != dev && !resting.contains(finding["id"].as_str().unwrap())
        };
        let others = scan.findings().iter().filter(is_other);
        let pair = |finding: &Value| {
            (finding["id"].as_str().unwrap().to_owned(), finding["verdict"].as_str().unwrap().to_owned())
        };
        others.map(pair).collect()
    };
    assert_eq!(elsewhere(&scan), elsewhere(&undisturbed));

    assert_eq!(totals(&scan.report["totals"]), counted(scan.findings().iter()));
    for control in scan.report["controls"].as_array().unwrap() {
        let own = scan.findings().iter().filter(|finding| finding["control"] == control["id"]);
        assert_eq!(totals(&control["totals"]), counted(own), "{}", control["id"]);
    }
    let line = scan.run.stdout.lines().find(|line| line.contains(dev)).unwrap();
    assert!(line.ends_with("not entered"), "{line}");
    assert!(scan.run.stdout.contains("sts:AssumeRole"), "{}", scan.run);
}

#[test]
fn a_region_that_is_not_enabled_is_said_so() {
    let shared = common::demo();
    let server = common::replay().start().unwrap();
    let arguments = ["--organization", "--regions", "eu-west-1,me-south-1", "--out", "out"];
    let control = ["--enable", "ec2-ebs-default-encryption"];
    let (world, run) = common::run(&server, &[&["scan"], &arguments[..], &control].concat());
    let report = world.report().unwrap();
    let absent: BTreeMap<String, Vec<String>> =
        serde_json::from_value(report["run"]["absent_regions"].clone()).unwrap();
    let expected = shared.seeded.accounts.values().filter(|account| account.scanned);
    let expected: BTreeMap<String, Vec<String>> =
        expected.map(|account| (account.id.clone(), vec!["me-south-1".to_owned()])).collect();
    assert_eq!(absent, expected);
    let line = run.stdout.lines().find(|line| line.contains("me-south-1")).unwrap();
    assert!(line.contains("4 accounts"), "{run}");
    let regions: BTreeSet<&str> = server
        .requests()
        .iter()
        .filter(|request| request.call.operation == "ec2:GetEbsEncryptionByDefault")
        .map(|request| if request.call.region == "eu-west-1" { "asked for" } else { "another" })
        .collect();
    assert_eq!(regions, set(&["asked for"]), "--regions narrows the scan");
    for finding in report["findings"].as_array().unwrap() {
        assert_eq!(finding["region"], "eu-west-1");
    }
}

#[test]
fn all_enabled_regions_are_scanned_when_none_is_named() {
    let regions = |status: &str| {
        let item = |name: &str, status: &str| {
            format!("<item><regionName>{name}</regionName><optInStatus>{status}</optInStatus></item>")
        };
        let items = [item("us-east-1", "opt-in-not-required"), item("eu-west-1", status)].concat();
        Answer::xml(&format!(
            "<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
        ))
    };
    for (status, expected) in
        [("opted-in", &["eu-west-1", "us-east-1"][..]), ("not-opted-in", &["us-east-1"])]
    {
        let server = common::replay()
            .answer(Match::operation("ec2:DescribeRegions"), regions(status))
            .start()
            .unwrap();
        let (world, run) = common::run(&server, &["scan", "--enable", "ec2-ebs-default-encryption"]);
        let report = world.report().unwrap();
        assert_eq!(report["accounts"][0]["regions"], serde_json::json!(expected), "{run}");
        assert_eq!(server.count("ec2:GetEbsEncryptionByDefault"), expected.len());
        assert_eq!(server.unexpected(), Vec::<String>::new());
    }
}

#[test]
fn a_bucket_in_an_account_outside_the_scan_is_unknown_and_not_missing() {
    let shared = common::demo();
    let server = common::replay().start().unwrap();
    let prod = id(&shared.seeded, "prod");
    let arguments = ["scan", "--accounts", prod, "--regions", "us-east-1,eu-west-1", "--out", "out"];
    let controls = ["--enable", "cloudtrail-bucket-not-public,cloudtrail-bucket-access-logging"];
    let (world, run) = common::run(&server, &[&arguments[..], &controls].concat());
    assert!([Some(3), Some(4)].contains(&run.code), "{run}");
    let report = world.report().unwrap();
    let trail = shared.seeded.resource("prod", "trails", "prod-eu-trail").unwrap();
    let found: Vec<&Value> =
        report["findings"].as_array().unwrap().iter().filter(|of| of["resource_arn"] == trail).collect();
    assert_eq!(found.len(), 2, "{run}");
    for finding in found {
        // Its bucket is the management account's, and with that account scanned both pass.
        assert_eq!(finding["verdict"], "unknown", "{finding:#}");
        assert_eq!(finding["unseen"]["cause"]["kind"], "out_of_scope", "{finding:#}");
    }
}

/// AWS in another partition, with an account that has one bucket and one more to enter.
fn in_partition(partition: &'static str, region: &'static str) -> Server {
    let answer = move |call: &Call| match call.operation.as_str() {
        "sts:GetCallerIdentity" => Some(Answer::xml(&format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult>\
             <Arn>arn:{partition}:iam::123456789012:user/scanner</Arn><UserId>AIDA</UserId>\
             <Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
        ))),
        "ec2:DescribeRegions" => Some(Answer::xml(&format!(
            "<DescribeRegionsResponse><regionInfo><item><regionName>{region}</regionName></item></regionInfo>\
             </DescribeRegionsResponse>"
        ))),
        "ec2:GetEbsEncryptionByDefault" => Some(Answer::xml(
            "<GetEbsEncryptionByDefaultResponse><ebsEncryptionByDefault>true</ebsEncryptionByDefault>\
             </GetEbsEncryptionByDefaultResponse>",
        )),
        "ec2:DescribeSecurityGroups" => Some(Answer::xml(&format!(
            "<DescribeSecurityGroupsResponse><securityGroupInfo><item><ownerId>{}</ownerId><groupId>sg-1</groupId>\
             <groupName>default</groupName><groupDescription>d</groupDescription><vpcId>vpc-1</vpcId>\
             <ipPermissions/><ipPermissionsEgress/></item></securityGroupInfo></DescribeSecurityGroupsResponse>",
            call.account
        ))),
        "s3:ListBuckets" => Some(Answer::xml(
            "<ListAllMyBucketsResult><Buckets><Bucket><Name>b</Name>\
             <CreationDate>2026-01-01T00:00:00Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>",
        )),
        "s3:GetBucketLocation" => Some(Answer::xml(&format!(
            "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{region}</LocationConstraint>"
        ))),
        "s3:GetBucketTagging" => Some(Answer::error(call, 404, "NoSuchTagSet", "The TagSet does not exist")),
        "s3:GetBucketVersioning" => Some(Answer::xml(
            "<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>\
             </VersioningConfiguration>",
        )),
        _ => None,
    };
    Server::canned(answer).start().unwrap()
}

#[test]
fn other_partitions_have_their_own_arns_and_roles() {
    for (partition, region) in [("aws-us-gov", "us-gov-west-1"), ("aws-cn", "cn-north-1")] {
        let server = in_partition(partition, region);
        let env = server.env().with("AWS_REGION", region).with("AWS_DEFAULT_REGION", region);
        let world = World::new(common::UPRIGHT).unwrap();
        let accounts = "123456789012,222222222222";
        let controls = "s3-bucket-mfa-delete,ec2-default-sg-closed,ec2-ebs-default-encryption";
        let arguments = ["scan", "--accounts", accounts, "--enable", controls, "--role-name", "sec/Audit"];
        let run = world.run(&env, &arguments).unwrap();
        assert_eq!(run.code, Some(0), "{run}");
        assert_eq!(server.unexpected(), Vec::<String>::new());

        let requests = server.requests();
        let roles: Vec<&str> = requests.iter().filter_map(|request| request.call.param("RoleArn")).collect();
        assert_eq!(roles, [format!("arn:{partition}:iam::222222222222:role/sec/Audit")]);
        for request in &requests {
            assert_eq!(request.call.region, region, "{}", request.call);
        }
        let report = world.report().unwrap();
        let findings = report["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 6, "{run}");
        for finding in findings {
            let arn = finding["resource_arn"].as_str().unwrap();
            assert!(arn.is_empty() || arn.starts_with(&format!("arn:{partition}:")), "{arn}");
        }
        let arns: BTreeSet<&str> =
            findings.iter().map(|finding| finding["resource_arn"].as_str().unwrap()).collect();
        assert!(arns.contains(&*format!("arn:{partition}:s3:::b")), "{arns:?}");
        let group = format!("arn:{partition}:ec2:{region}:222222222222:security-group/sg-1");
        assert!(arns.contains(&*group), "{arns:?}");
    }
}
