use std::collections::HashMap;

use aws_sdk_securityhub::types::{RecordState, SeverityLabel, WorkflowStatus};

use super::*;
use crate::controls::VerdictKind::{NotApplicable, Unknown};
use crate::inventory::Cause;
use crate::report::asff::REGION_FIELD;
use crate::report::sample;

const REGION: &str = "eu-central-1";

fn sending(report: &Report) -> Sending<'_> {
    Sending { report, findings: Findings::of(report).expect("a time"), region: REGION }
}

fn account<'a>(report: &'a Report, id: &str) -> &'a Account {
    report.accounts.iter().find(|account| account.id == id).expect("account")
}

/// A finding that a run before the sample's sent and that the sample does not report.
fn earlier(account: &str, control: &str, region: &str) -> AwsSecurityFinding {
    AwsSecurityFinding::builder()
        .id(format!("{PREFIX}{control}-{region}"))
        .generator_id(format!("{PREFIX}{control}"))
        .product_arn(asff::product_arn("aws", REGION, account))
        .aws_account_id(account)
        .created_at("2026-01-01T00:00:00.000Z")
        .updated_at("2026-11-23T03:00:00.000Z")
        .record_state(RecordState::Active)
        .product_fields(REGION_FIELD, region)
        .build()
}

fn gone(report: &Report, known: &AwsSecurityFinding) -> bool {
    let id = known.aws_account_id.as_deref().expect("account");
    Looked::at(report, account(report, id)).is_gone(known)
}

#[test]
fn what_was_looked_for_and_is_not_there_is_gone() {
    let report = sample::report();
    assert!(gone(&report, &earlier(sample::PROD, "s3-bucket-not-public", "eu-west-1")));
    assert!(gone(&report, &earlier(sample::PROD, "iam-user-mfa", "global")));
}

#[test]
fn what_was_not_looked_at_stays() {
    let report = sample::report();
    let stays = |why: &str, known: AwsSecurityFinding| assert!(!gone(&report, &known), "{why}");
    stays("the region was not scanned", earlier(sample::PROD, "s3-bucket-not-public", "us-west-2"));
    stays("the control did not run", earlier(sample::PROD, "ec2-instance-imdsv2", "eu-west-1"));
    stays("the users could not be listed", earlier(sample::DEV, "iam-user-mfa", "global"));
    stays("the account was not entered", earlier(sample::LOCKED, "iam-root-mfa", "global"));
    let hidden_region = earlier(sample::MANAGEMENT, "cloudtrail-multi-region", "eu-central-1");
    stays("trails could not be listed in the region", hidden_region);

    let mut known = earlier(sample::PROD, "iam-user-mfa", "global");
    known.record_state = Some(RecordState::Archived);
    stays("it is archived already", known);
    let mut known = earlier(sample::PROD, "iam-user-mfa", "global");
    known.updated_at = Some("2026-11-25T00:00:00Z".to_owned());
    stays("it is newer than the observation", known);
    let mut known = earlier(sample::PROD, "iam-user-mfa", "global");
    known.product_fields = None;
    stays("it does not say where it is", known);
    let reported = report.findings.iter().find(|f| f.account == sample::PROD).expect("finding");
    let mut known = earlier(sample::PROD, &reported.control, "global");
    known.id = Some(asff::finding_id(reported));
    stays("it is reported", known);
}

#[test]
fn every_verdict_is_sent_and_what_does_not_apply_only_where_it_did() {
    let report = sample::report();
    let sending = sending(&report);
    let management = account(&report, sample::MANAGEMENT);
    let of_management: Vec<_> = report.findings.iter().filter(|f| f.account == management.id).collect();
    let news = of_management.iter().filter(|f| f.verdict != NotApplicable).count();
    assert!(news < of_management.len() && of_management.iter().any(|f| f.verdict == Unknown));
    assert_eq!(sending.parcels(management, &HashMap::new()).len(), news);

    let did = of_management.iter().find(|f| f.verdict == NotApplicable).expect("does not apply");
    let known = earlier(sample::MANAGEMENT, &did.control, "global");
    let known = HashMap::from([(asff::finding_id(did), known)]);
    let parcels = sending.parcels(management, &known);
    let told = parcels.iter().find(|p| p.finding.id == Some(asff::finding_id(did))).expect("told");
    assert_eq!(told.finding.record_state, Some(RecordState::Archived));
    assert_eq!(told.finding.created_at.as_deref(), Some("2026-01-01T00:00:00.000Z"));
    assert_eq!(told.finding.updated_at.as_deref(), Some("2026-11-24T03:00:00.000Z"));
}

#[test]
fn what_belongs_to_whoever_works_on_a_finding_is_left_alone() {
    let mut known = earlier(sample::PROD, "iam-user-mfa", "global");
    known.severity = Some(aws_sdk_securityhub::types::Severity::builder().label(SeverityLabel::Low).build());
    known.workflow =
        Some(aws_sdk_securityhub::types::Workflow::builder().status(WorkflowStatus::Suppressed).build());
    let fields = known.product_fields.get_or_insert_default();
    fields.insert("aws/securityhub/FindingId".to_owned(), "x".to_owned());
    let archived = convert::archived(&known, "2026-11-24T03:00:00.000Z");
    assert_eq!((archived.severity, archived.workflow, archived.note), (None, None, None));
    assert_eq!(archived.record_state, Some(RecordState::Archived));
    assert_eq!(archived.product_fields.expect("fields").len(), 1);

    let report = sample::report();
    for parcel in sending(&report).parcels(account(&report, sample::PROD), &HashMap::new()) {
        assert_eq!((parcel.finding.severity, parcel.finding.workflow), (None, None));
        assert!(parcel.finding.finding_provider_fields.is_some());
    }
}

#[test]
fn batches_hold_a_hundred_findings_and_six_megabytes() {
    let parcels = |count: usize, bytes: usize| -> Vec<usize> {
        let parcel = || Parcel { finding: AwsSecurityFinding::builder().build(), bytes, is_archived: false };
        batches((0..count).map(|_| parcel()).collect()).iter().map(Vec::len).collect()
    };
    assert_eq!(parcels(0, 1), [0; 0]);
    assert_eq!(parcels(201, 2_000), [100, 100, 1]);
    assert_eq!(parcels(50, MAX_FINDING_BYTES), [24, 24, 2]);
}

#[test]
fn refusals_say_what_to_do_and_cannot_steer_the_terminal() {
    let unseen = Unseen {
        account: sample::PROD.to_owned(),
        region: REGION.to_owned(),
        operation: GET_FINDINGS.name(),
        cause: Cause::Failed,
        code: "InvalidAccessException".to_owned(),
        message: sample::HOSTILE[5].to_owned(),
    };
    let refusal = Refusal::Account { account: sample::PROD.to_owned(), left: 3, unseen };
    let text = refusal.to_string();
    assert!(text.contains("3 findings were not sent") && !text.contains('\u{1b}'), "{text}");
    assert!(text.ends_with(
        "enable Security Hub in account 222233334444 in eu-central-1, or send to another region with `--home-region`"
    ));
    let finding = Refusal::Finding {
        account: sample::PROD.to_owned(),
        id: "upright/1".to_owned(),
        code: "InvalidInput".to_owned(),
        message: sample::HOSTILE[6].to_owned(),
    };
    assert_eq!(
        finding.to_string(),
        "account 222233334444: finding `upright/1` was refused (InvalidInput): two\\r\\nlines\\u{85}"
    );
    let many = refused(&Sent::default(), &vec![finding; 25]);
    assert!(many.lines().count() == 22 && many.ends_with("and 5 more"), "{many}");
}
