//! The benchmark's larger organization is the demo with more of the same, so that its figures mean something.

use std::collections::BTreeMap;

use serde_json::Value;
use upright_testkit::Server;

use crate::common;

/// Types of which an account or a region has exactly one, which therefore do not grow.
const SINGLE: &[&str] = &[
    "aws.accessanalyzer.region",
    "aws.account",
    "aws.config.region",
    "aws.ec2.region_settings",
    "aws.iam.account",
    "aws.macie.region",
    "aws.organizations.organization",
    "aws.s3.account",
    "aws.securityhub.region",
    "aws.sso.instance",
];

/// Types that the larger organization has as many of as the demo: their lists name them by addresses, or by words that
/// mean something elsewhere, such as `default`.
const UNSCALED: &[&str] = &[
    "aws.apigateway.stage",
    "aws.apigatewayv2.stage",
    "aws.cloudfront.distribution",
    "aws.events.bus",
    "aws.sns.topic",
    "aws.sqs.queue",
];

#[test]
fn twice_the_resources_have_twice_the_findings_with_the_same_verdicts_and_no_call_is_repeated() {
    let once = by_verdict(&common::DemoScan::run());
    let server = Server::replay(&common::recording().scaled(2).unwrap()).start().unwrap();
    let twice = by_verdict(&common::DemoScan::against(&server));
    assert_eq!(server.unexpected(), Vec::<String>::new());
    // The caller's account is asked to find the accounts, and as one of the accounts that are looked at.
    let is_of_both = |operation: &str| operation == "organizations:DescribeOrganization";
    let repeated: Vec<_> = server
        .requests()
        .into_iter()
        .filter(|request| request.attempt > 1 && !is_of_both(&request.call.operation))
        .collect();
    assert_eq!(repeated, []);

    assert!(once.keys().any(|what| what.is_multiplied && what.verdict == "fail"));
    let count = |of: &BTreeMap<What, usize>, what: &What| of.get(what).copied().unwrap_or(0);
    let wrong: Vec<String> = once
        .keys()
        .chain(twice.keys())
        .map(|what| (what, count(&once, what), count(&twice, what)))
        .filter(|(what, once, twice)| *twice != if what.is_multiplied { 2 * once } else { *once })
        .map(|(what, once, twice)| format!("{what:?}: {once} became {twice}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What findings are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct What {
    account: String,
    control: String,
    verdict: String,
    is_multiplied: bool,
}

fn by_verdict(scan: &common::DemoScan) -> BTreeMap<What, usize> {
    let mut counts = BTreeMap::new();
    for finding in scan.findings() {
        *counts.entry(What::of(finding)).or_insert(0) += 1;
    }
    counts
}

impl What {
    fn of(finding: &Value) -> Self {
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        let arn = text("resource_arn");
        let is_of_aws = arn.contains(":iam::aws:");
        // A verdict on a place, or on what an account has one of, carries the account's ARN.
        let is_of_account = arn.ends_with(":root");
        let of_type = text("resource_type");
        let is_left = [SINGLE, UNSCALED].concat().contains(&of_type.as_str());
        Self {
            account: text("account"),
            control: text("control"),
            verdict: text("verdict"),
            is_multiplied: !is_of_account && !is_of_aws && !is_left,
        }
    }
}
