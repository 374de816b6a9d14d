//! Everything else that can go wrong with calls: throttling, errors, broken connections and bodies, silence.
//! Each scan ends in bounded time and claims nothing that the undisturbed one does not.

use std::time::Duration;

use serde_json::Value;
use upright_testkit::{Answer, Fault, Match};

use crate::common::{
    self,
    disturbed::{HASTY, Scan, text, whole_demo},
};

/// Far more than any of these takes, and far less than a pool of calls that wait one after the other.
const BOUND: Duration = Duration::from_secs(90);

/// One operation for each way of asking and answering, each of which decides something in the demo.
const OF_EACH_PROTOCOL: &[&str] = &[
    "cloudtrail:GetTrailStatus",
    "ec2:DescribeVpcs",
    "iam:ListUsers",
    "s3:GetBucketVersioning",
    "s3control:GetPublicAccessBlock",
];

fn number(scan: &Scan, key: &str) -> u64 {
    scan.report["run"][key].as_u64().unwrap()
}
#[test]
fn throttling_at_thirty_percent_is_counted_retried_and_changes_no_verdict() {
    let undisturbed = Scan::undisturbed();
    let server = whole_demo().fault(Match::any().share(30), Fault::Throttle).start().unwrap();
    let scan = Scan::of(&server);
    assert!(scan.run.wall < BOUND, "{}", scan.run);
    let difference = scan.against(&undisturbed);
    difference.assert_nothing_wrong();
    // Nothing is given up before its eighth attempt.
    for lost in &difference.lost {
        let of = |key: &str| text(&lost["unseen"], key).to_owned();
        let (operation, account, region) = (of("operation"), of("account"), of("region"));
        let requests = server.requests();
        let attempts = requests.iter().filter(|request| {
            (&request.call.operation, &request.call.account) == (&operation, &account)
                && (region == "global" || request.call.region == region)
                && request.is_faulted
        });
        assert!(attempts.count() >= 8, "{lost}");
    }
    assert!(difference.lost.len() * 50 < scan.findings.len(), "{} lost", difference.lost.len());
    assert!(number(&scan, "throttles") > 100, "{}", scan.report["run"]);
    assert!(number(&scan, "retries") > 100, "{}", scan.report["run"]);
}

#[test]
fn what_a_retry_repairs_leaves_no_trace_in_the_verdicts() {
    let undisturbed = Scan::undisturbed();
    // Not `Shortened`: half an error answer is an error of another name, and half a policy is found out only by
    // whoever reads it. Both are unknown.
    for fault in [Fault::ServerError, Fault::Reset, Fault::CutOff, Fault::Garbled, Fault::Empty] {
        let server = whole_demo().fault(Match::any().attempts(1).share(20), fault.clone()).start().unwrap();
        let scan = Scan::of(&server);
        let difference = scan.against(&undisturbed);
        difference.assert_nothing_wrong();
        assert_eq!(difference.lost, Vec::<Value>::new(), "{fault:?}");
        // A broken body is asked for once more as a new call; the SDK retries what failed by its status.
        if matches!(fault, Fault::ServerError) {
            assert!(number(&scan, "retries") > 20, "{}", scan.report["run"]);
        }
        assert_eq!(scan.run.code, Some(common::FAILED), "{fault:?}: {}", scan.run);
    }
}

#[test]
fn faults_that_retries_do_not_repair_are_told_and_never_decide() {
    let undisturbed = Scan::undisturbed();
    for fault in
        [Fault::ServerError, Fault::Reset, Fault::CutOff, Fault::Garbled, Fault::Empty, Fault::Shortened]
    {
        // By what is asked and not by the attempt: the same calls fail until they are given up.
        let server = OF_EACH_PROTOCOL
            .iter()
            .fold(whole_demo(), |server, operation| server.fault(Match::operation(operation), fault.clone()));
        let scan = Scan::configured(&server.start().unwrap(), "max_attempts: 2\n");
        assert!(scan.run.wall < BOUND, "{fault:?}: {}", scan.run);
        let difference = scan.against(&undisturbed);
        difference.assert_nothing_wrong();
        assert_told(&scan);
        for operation in OF_EACH_PROTOCOL {
            let of_it = |unseen: &Value| text(unseen, "operation") == *operation;
            assert!(scan.gaps().iter().any(|gap| of_it(&gap["unseen"])), "{fault:?}: no gap of {operation}");
            assert!(
                difference.lost.iter().any(|f| of_it(&f["unseen"])),
                "{fault:?}: nothing lost of {operation}"
            );
        }
    }
}

#[test]
fn faults_all_over_claim_nothing_wrong() {
    let undisturbed = Scan::undisturbed();
    for fault in
        [Fault::ServerError, Fault::Reset, Fault::CutOff, Fault::Garbled, Fault::Empty, Fault::Shortened]
    {
        let which = Match::any().except("sts").except("organizations").share(30);
        let server = whole_demo().fault(which, fault.clone()).start().unwrap();
        let scan = Scan::configured(&server, "max_attempts: 2\n");
        assert!(scan.run.wall < BOUND, "{fault:?}: {}", scan.run);
        let difference = scan.against(&undisturbed);
        difference.assert_nothing_wrong();
        assert!(!difference.lost.is_empty(), "{fault:?}");
        assert_told(&scan);
    }
}

#[test]
fn an_operation_that_hangs_costs_its_time_limit_and_what_it_reads() {
    let undisturbed = Scan::undisturbed();
    for operation in ["ec2:DescribeVpcs", "iam:ListUsers", "s3:GetBucketVersioning"] {
        let server = whole_demo().fault(Match::operation(operation), Fault::Hang).start().unwrap();
        let scan = Scan::configured(&server, HASTY);
        assert!(scan.run.wall < Duration::from_secs(30), "{operation}: {}", scan.run);
        let difference = scan.against(&undisturbed);
        difference.assert_nothing_wrong();
        assert!(difference.lost.iter().all(|f| text(&f["unseen"], "operation") == operation));
        assert!(!difference.lost.is_empty());
        assert_told(&scan);
    }
}

#[test]
fn a_dead_region_costs_one_time_out_and_its_own_findings() {
    let undisturbed = Scan::undisturbed();
    let server = whole_demo().fault(Match::any().region("eu-west-1"), Fault::Hang).start().unwrap();
    let scan = Scan::configured(&server, HASTY);
    assert!(scan.run.wall < Duration::from_secs(30), "{}", scan.run);
    let difference = scan.against(&undisturbed);
    difference.assert_nothing_wrong();
    assert_told(&scan);
    for lost in &difference.lost {
        assert_eq!(text(&lost["unseen"], "region"), "eu-west-1", "{lost}");
    }
    // Whatever is of the region alone is unknown, whoever's it is.
    let regional =
        |f: &&Value| text(f, "region") == "eu-west-1" && text(f, "resource_type").starts_with("aws.ec2.");
    for finding in scan.findings.values().filter(regional) {
        assert_eq!(text(finding, "verdict"), "unknown", "{finding}");
    }
}

#[test]
fn an_expired_session_is_renewed_and_the_scan_is_complete() {
    let undisturbed = Scan::undisturbed();
    let server = whole_demo().expire_after(10).start().unwrap();
    let scan = Scan::of(&server);
    let difference = scan.against(&undisturbed);
    difference.assert_nothing_wrong();
    assert_eq!(difference.lost, Vec::<Value>::new());
    assert_eq!(scan.run.code, Some(common::FAILED), "{}", scan.run);
    assert!(server.count("sts:AssumeRole") > 3, "{:?}", server.counts());
}

#[test]
fn an_account_that_is_throttled_without_end_leaves_the_others_alone() {
    let undisturbed = Scan::undisturbed();
    let dev = common::demo().seeded.account("dev").unwrap().id.clone();
    let which = Match::any().except("sts").account(&dev);
    let server = whole_demo().fault(which, Fault::Throttle).start().unwrap();
    let scan = Scan::configured(&server, "call_timeout_seconds: 10\nmax_attempts: 3\n");
    assert!(scan.run.wall < BOUND, "{}", scan.run);
    let difference = scan.against(&undisturbed);
    difference.assert_nothing_wrong();
    for lost in &difference.lost {
        // In another account only a verdict that rests on what the throttled one has.
        assert_eq!(text(&lost["unseen"], "account"), dev, "{lost}");
        assert_eq!(lost["unseen"]["cause"]["kind"], "throttled", "{lost}");
    }
    assert!(!difference.lost.is_empty());
    let at_all = scan.gaps().iter().find(|gap| text(gap, "remedy").contains("--max-rate"));
    assert!(at_all.is_some(), "{:#?}", scan.gaps());
}

/// The SDK takes a repeated token for the end of the list.
#[test]
fn a_list_that_gives_the_same_token_twice_is_not_complete() {
    let undisturbed = Scan::undisturbed();
    let stuck = "<ListUsersResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListUsersResult>\
                 <IsTruncated>true</IsTruncated><Marker>stuck</Marker><Users/></ListUsersResult>\
                 </ListUsersResponse>";
    let server = whole_demo()
        .fault(Match::operation("iam:ListUsers"), Fault::Answer(Answer::xml(stuck)))
        .start()
        .unwrap();
    let scan = Scan::of(&server);
    let difference = scan.against(&undisturbed);
    difference.assert_nothing_wrong();
    assert!(difference.lost.iter().any(|f| text(f, "control") == "iam-user-mfa"));
    assert!(difference.lost.iter().all(|f| text(&f["unseen"], "code") == "MalformedResponse"));
    assert_told(&scan);
}

/// What was not observed is in the exit code, and its first gap on the terminal.
fn assert_told(scan: &Scan) {
    let Some(gap) = scan.gaps().first() else {
        assert_eq!(scan.run.code, Some(common::FAILED), "{}", scan.run);
        return;
    };
    assert_eq!(scan.report["run"]["complete"], false);
    let code = scan.run.code.unwrap();
    // What fails may be among what was not seen.
    assert!([3, common::FAILED_AND_INCOMPLETE].contains(&code), "{}", scan.run);
    assert!(
        scan.shows(&gap["unseen"]),
        "{}
{}",
        gap["unseen"],
        scan.run
    );
}
