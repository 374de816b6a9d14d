//! A report with something of everything, hostile names among it, for the tests of every format.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    ControlRow, Counts, FrameworkRow, Gap, Report, RequirementRow, RunInfo, SCHEMA_VERSION, Waivers,
};
use crate::aws::OperationCount;
use crate::controls::{Evidence, Severity, VerdictKind};
use crate::controls::{Relation, RequirementStatus};
use crate::findings::waiver::{Effect, Ending, Selector, WaiverState};
use crate::findings::{Finding, Identity, Waived, WaiverEnd, WaiverRow};
use crate::inventory::{Account, AccountState, Cause, Coverage, CoverageError, CoverageState, Unseen};

use RequirementStatus as Status;
use VerdictKind::{Fail, NotApplicable, Pass, Unknown};

pub(crate) const MANAGEMENT: &str = "111122223333";
pub(crate) const PROD: &str = "222233334444";
pub(crate) const DEV: &str = "333344445555";
pub(crate) const LOCKED: &str = "444455556666";
pub(crate) const CLOSED: &str = "555566667777";

/// What an attacker can put into a name, a tag or a policy.
pub(crate) const HOSTILE: [&str; 8] = [
    "</script><img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "{{ 7*7 }}{% include \"page.css\" %}",
    "invoice\u{202e}fdp.exe",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "two\r\nlines\u{85}",
    "&lt;b&gt;\u{200b}\u{feff}<!-- -->",
];

/// The report of a run over five accounts that saw some of everything.
pub(crate) fn report() -> Report {
    of(findings())
}

/// The sample, in which one failure is waived, for a hostile reason and until tomorrow, and that of another account
/// was until yesterday.
pub(crate) fn waived() -> Report {
    let waived = |line, expires: &str| Waived {
        line,
        reason: HOSTILE[0].to_owned(),
        author: HOSTILE[5].to_owned(),
        ticket: Some("SEC-1".to_owned()),
        expires: expires.to_owned(),
        until_evidence_changes: false,
    };
    let (holds, over) = (waived(3, "2026-11-25"), waived(12, "2026-11-23"));
    let mut findings = findings();
    for finding in findings.iter_mut().filter(|f| f.control == "iam-root-mfa" && f.verdict == Fail) {
        if finding.account == PROD {
            finding.waived = Some(holds.clone());
        } else {
            finding.waiver_ended = Some(WaiverEnd { ending: Ending::Expired, waiver: over.clone() });
        }
    }
    let row = |waiver: Waived, account: &str, state, days_left| WaiverRow {
        waiver,
        date: "2026-11-01".to_owned(),
        selector: Selector {
            control: Some("iam-root-mfa".to_owned()),
            account: Some(account.to_owned()),
            ..Selector::default()
        },
        state,
        days_left,
        effect: Effect::Waives,
        note: String::new(),
        failing: 1,
    };
    let rows = vec![row(holds, PROD, WaiverState::Expiring, 1), row(over, DEV, WaiverState::Expired, -1)];
    let mut report = of(findings);
    report.waivers = Some(Waivers { file: "waivers.yaml".to_owned(), rows });
    report
}

fn of(findings: Vec<Finding>) -> Report {
    let controls = controls(&findings);
    let frameworks = vec![cis(&controls, &findings), acme(&controls, &findings)];
    Report {
        schema_version: SCHEMA_VERSION,
        run: run(),
        changes: None,
        trend: Vec::new(),
        undelivered: None,
        totals: count(&findings, |_| true),
        waivers: None,
        gaps: gaps(&findings),
        coverage: coverage(),
        accounts: accounts(),
        controls,
        frameworks,
        findings,
        detections: None,
    }
}

/// The sample, in which one failure was seen to be worse: the last of the seven of `s3-bucket-secure-transport`, a
/// control of medium severity, is critical.
pub(crate) fn with_a_worse_failure() -> Report {
    let mut report = report();
    let mut failing = report
        .findings
        .iter_mut()
        .filter(|finding| finding.control == "s3-bucket-secure-transport" && finding.verdict == Fail);
    failing.next_back().expect("the sample has it").severity = Severity::Critical;
    report
}

/// The report of a run in which everything was seen and everything passes.
pub(crate) fn clean() -> Report {
    let mut report = report();
    report.findings.retain(|f| f.account == PROD && f.control == "iam-password-min-length");
    report.totals = count(&report.findings, |_| true);
    report.accounts.retain(|account| account.id == PROD);
    report.controls = controls(&report.findings);
    report.controls.retain(|control| control.id == "iam-password-min-length");
    report.frameworks = vec![cis(&report.controls, &report.findings)];
    for requirement in &mut report.frameworks[0].requirements {
        requirement.accounts.retain(|account, _| account == PROD);
    }
    report.frameworks[0]
        .requirements
        .retain(|r| r.controls.iter().all(|control| control == "iam-password-min-length"));
    report.gaps.clear();
    report.coverage.retain(|row| row.account == PROD && row.state == CoverageState::Ok);
    report.run.complete = true;
    report.run.absent_regions.clear();
    report
}

/// The report of a run that found no account and judged nothing.
pub(crate) fn empty() -> Report {
    let mut report = clean();
    report.findings.clear();
    report.accounts.clear();
    report.controls.clear();
    report.frameworks.clear();
    report.coverage.clear();
    report.totals = Counts::zero();
    report
}

fn run() -> RunInfo {
    let call = |operation: &str, requests, retries, throttles, busy_ms| OperationCount {
        operation: operation.to_owned(),
        requests,
        retries,
        throttles,
        busy_ms,
    };
    RunInfo {
        id: "20261124T030000Z-7f3a".to_owned(),
        version: "0.1.0".to_owned(),
        started_at: "2026-11-24T03:00:00Z".to_owned(),
        finished_at: "2026-11-24T03:00:12.345Z".to_owned(),
        duration_ms: 12_345,
        observed_at: "2026-11-24T03:00:00Z".to_owned(),
        complete: false,
        requests: 1_312,
        retries: 7,
        throttles: 3,
        calls: vec![
            call("iam:GetAccountSummary", 3, 0, 0, 410),
            call("iam:ListUsers", 4, 0, 0, 620),
            call("s3:GetBucketPolicy", 1_301, 7, 3, 96_400),
            call("sts:AssumeRole", 4, 0, 0, 512),
        ],
        absent_regions: BTreeMap::from([(DEV.to_owned(), vec!["me-south-1".to_owned()])]),
    }
}

fn accounts() -> Vec<Account> {
    let account = |id: &str, name: &str, unit: &str, state| Account {
        id: id.to_owned(),
        name: name.to_owned(),
        partition: "aws".to_owned(),
        is_management: Some(id == MANAGEMENT),
        organization: Some("o-a1b2c3d4e5".to_owned()),
        units: Some(vec!["Root".to_owned(), unit.to_owned()]),
        unit_ids: None,
        tags: Some(BTreeMap::from([("owner".to_owned(), HOSTILE[0].to_owned())])),
        regions: vec!["eu-central-1".to_owned(), "eu-west-1".to_owned()],
        state,
    };
    let mut closed = account(
        CLOSED,
        "acme-old",
        "Suspended",
        AccountState::Skipped { reason: "the account is suspended".to_owned() },
    );
    closed.regions.clear();
    closed.is_management = None;
    vec![
        account(MANAGEMENT, "acme-management", "Core", AccountState::Scanned),
        account(PROD, "acme-prod", "Workloads", AccountState::Scanned),
        account(DEV, HOSTILE[1], "Workloads", AccountState::Scanned),
        account(LOCKED, "acme-legacy", "Workloads", AccountState::Failed { unseen: not_entered() }),
        closed,
    ]
}

fn not_entered() -> Unseen {
    Unseen {
        account: LOCKED.to_owned(),
        region: "global".to_owned(),
        operation: "sts:AssumeRole".to_owned(),
        cause: Cause::NotEntered,
        code: "AccessDenied".to_owned(),
        message: format!(
            "User: arn:aws:iam::{MANAGEMENT}:user/upright is not authorized to perform: sts:AssumeRole"
        ),
    }
}

fn policy_denied() -> Unseen {
    Unseen::denied(
        PROD,
        "eu-west-1",
        "s3:GetBucketPolicy",
        "AccessDenied",
        &format!(
            "User: arn:aws:sts::{PROD}:assumed-role/UprightScanner/upright is not authorized to perform: \
             s3:GetBucketPolicy on resource: \"arn:aws:s3:::acme-vault\" with an explicit deny in a resource-based policy"
        ),
    )
}

fn users_denied() -> Unseen {
    Unseen::denied(
        DEV,
        "global",
        "iam:ListUsers",
        "AccessDenied",
        &format!(
            "User: arn:aws:sts::{DEV}:assumed-role/UprightScanner/upright is not authorized to perform: \
             iam:ListUsers on resource: \"arn:aws:iam::{DEV}:user/\" because no identity-based policy allows it"
        ),
    )
}

fn unreachable() -> Unseen {
    Unseen {
        account: MANAGEMENT.to_owned(),
        region: "eu-central-1".to_owned(),
        operation: "cloudtrail:DescribeTrails".to_owned(),
        cause: Cause::Unreachable,
        code: "Timeout".to_owned(),
        message: HOSTILE[5].to_owned(),
    }
}

fn gaps(findings: &[Finding]) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = [not_entered(), policy_denied(), users_denied(), unreachable()]
        .into_iter()
        .map(|unseen| {
            let mut controls: Vec<String> = findings
                .iter()
                .filter(|f| f.unseen.as_ref() == Some(&unseen))
                .map(|f| f.control.clone())
                .collect();
            let findings = controls.len() as u64;
            controls.dedup();
            Gap { findings, controls, remedy: unseen.remedy(), statement: unseen.statement(), unseen }
        })
        .collect();
    gaps.sort_by_key(|gap| std::cmp::Reverse(gap.findings));
    gaps
}

fn coverage() -> Vec<Coverage> {
    let row = |account: &str, region: &str, operation: &str, answered, errors: Vec<CoverageError>| {
        let (service, operation) = operation.split_once(':').expect("service:Operation");
        let unanswered = errors.iter().map(|error| error.count).sum();
        Coverage {
            account: account.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            operation: operation.to_owned(),
            state: match (answered, unanswered) {
                (_, 0) => CoverageState::Ok,
                (0, _) => CoverageState::Failed,
                _ => CoverageState::Partial,
            },
            answered,
            unanswered,
            gone: u64::from(answered > 5),
            errors,
        }
    };
    let error = |unseen, count| vec![CoverageError { unseen, count }];
    vec![
        row(MANAGEMENT, "eu-central-1", "cloudtrail:DescribeTrails", 0, error(unreachable(), 1)),
        row(MANAGEMENT, "global", "iam:GetAccountSummary", 1, Vec::new()),
        row(PROD, "global", "iam:GetAccountSummary", 1, Vec::new()),
        row(PROD, "eu-west-1", "s3:GetBucketPolicy", 6, error(policy_denied(), 2)),
        row(DEV, "global", "iam:ListUsers", 0, error(users_denied(), 1)),
        row(LOCKED, "global", "sts:AssumeRole", 0, error(not_entered(), 1)),
        row("999988887777", "global", "organizations:ListAccounts", 1, Vec::new()),
    ]
}

/// Findings as they are written down here: control, account, region, name, verdict, evidence.
type Told<'a> = (&'a str, &'a str, &'a str, &'a str, VerdictKind, Value);

fn findings() -> Vec<Finding> {
    let summary = |mfa: bool| json!({ "path": "resource.summary.root_mfa_enabled", "value": mfa });
    let policy = |value: Value| json!({ "path": "resource.policy", "value": value });
    let mut told: Vec<Told<'_>> = vec![
        ("iam-root-mfa", MANAGEMENT, "global", "", Pass, summary(true)),
        ("iam-root-mfa", PROD, "global", "", Fail, summary(false)),
        ("iam-root-mfa", DEV, "global", "", Fail, summary(false)),
        ("s3-bucket-not-public", PROD, "eu-west-1", "acme-vault", Unknown, Value::Null),
        ("s3-bucket-not-public", PROD, "eu-west-1", "acme-logs", Pass, policy(Value::Null)),
        (
            "s3-bucket-not-public",
            PROD,
            "eu-central-1",
            "acme-website",
            Fail,
            policy(
                json!({ "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme-website/*" }] }),
            ),
        ),
        ("s3-bucket-not-public", DEV, "eu-west-1", "acme-dev-uploads", Pass, policy(Value::Null)),
        ("s3-bucket-not-public", MANAGEMENT, "global", "", NotApplicable, Value::Null),
        (
            "iam-user-mfa",
            MANAGEMENT,
            "global",
            "ann",
            Pass,
            json!({ "path": "resource.mfa_devices", "value": 1 }),
        ),
        (
            "iam-user-mfa",
            PROD,
            "global",
            "deploy",
            Pass,
            json!({ "path": "resource.has_password", "value": false }),
        ),
        ("iam-user-mfa", DEV, "global", "", Unknown, Value::Null),
        ("cloudtrail-multi-region", MANAGEMENT, "eu-central-1", "", Unknown, Value::Null),
        (
            "cloudtrail-multi-region",
            MANAGEMENT,
            "global",
            "",
            Pass,
            json!({ "path": "account.trails", "value": ["organization-trail"] }),
        ),
        (
            "cloudtrail-multi-region",
            PROD,
            "global",
            "",
            Pass,
            json!({ "path": "account.trails", "value": ["organization-trail"] }),
        ),
        (
            "cloudtrail-multi-region",
            DEV,
            "global",
            "",
            Fail,
            json!({ "path": "account.trails", "value": [] }),
        ),
        ("s3-bucket-secure-transport", PROD, "eu-west-1", "acme-vault", Unknown, Value::Null),
        ("s3-bucket-secure-transport", PROD, "eu-west-1", "acme-logs", Fail, policy(Value::Null)),
        ("s3-bucket-secure-transport", MANAGEMENT, "global", "", NotApplicable, Value::Null),
        (
            "iam-password-min-length",
            MANAGEMENT,
            "global",
            "",
            Pass,
            json!({ "path": "resource.password_policy.minimum_length", "value": 14 }),
        ),
        (
            "iam-password-min-length",
            PROD,
            "global",
            "",
            Pass,
            json!({ "path": "resource.password_policy.minimum_length", "value": 16 }),
        ),
        (
            "iam-password-min-length",
            DEV,
            "global",
            "",
            Fail,
            json!({ "path": "resource.password_policy.minimum_length", "value": 8 }),
        ),
        (
            "iam-central-identity",
            MANAGEMENT,
            "global",
            "",
            NotApplicable,
            json!({ "path": "account.saml_providers", "value": [] }),
        ),
        (
            "iam-central-identity",
            PROD,
            "global",
            "",
            NotApplicable,
            json!({ "path": "account.saml_providers", "value": ["corp"] }),
        ),
        (
            "iam-central-identity",
            DEV,
            "global",
            "",
            Fail,
            json!({ "path": "account.saml_providers", "value": [] }),
        ),
        (
            "s3-bucket-mfa-delete",
            PROD,
            "eu-west-1",
            "acme-logs",
            Pass,
            json!({ "path": "resource.versioning.mfa_delete", "value": true }),
        ),
        (
            "s3-bucket-mfa-delete",
            DEV,
            "eu-west-1",
            "acme-dev-uploads",
            Pass,
            json!({ "path": "resource.versioning.mfa_delete", "value": true }),
        ),
        ("s3-bucket-mfa-delete", MANAGEMENT, "global", "", NotApplicable, Value::Null),
    ];
    for (index, hostile) in HOSTILE.iter().enumerate() {
        let verdict = if index % 4 == 3 { Pass } else { Fail };
        told.push((
            "s3-bucket-secure-transport",
            DEV,
            "eu-west-1",
            hostile,
            verdict,
            policy(json!({ *hostile: hostile })),
        ));
    }
    for (control, ..) in CONTROLS {
        told.push((control, LOCKED, "global", "", Unknown, Value::Null));
    }
    let mut findings: Vec<Finding> = told.into_iter().map(finding).collect();
    findings.sort_by(|a, b| {
        (&a.account, &a.control, &a.region, &a.resource_arn).cmp(&(
            &b.account,
            &b.control,
            &b.region,
            &b.resource_arn,
        ))
    });
    findings
}

fn finding((control, account, region, name, verdict, evidence): Told<'_>) -> Finding {
    let (_, severity, resource_type, _) =
        CONTROLS.into_iter().find(|(id, ..)| *id == control).expect("a control of the sample");
    let arn = match (name, resource_type) {
        ("", _) => String::new(),
        (name, "aws.s3.bucket") => format!("arn:aws:s3:::{name}"),
        (name, _) => format!("arn:aws:iam::{account}:user/{name}"),
    };
    let unseen = (verdict == Unknown).then(|| match (account, control) {
        (LOCKED, _) => not_entered(),
        (_, "iam-user-mfa") => users_denied(),
        (_, "cloudtrail-multi-region") => unreachable(),
        _ => policy_denied(),
    });
    let identity = Identity { control, account, region, resource_type, resource_arn: &arn };
    Finding {
        id: identity.id(),
        control: control.to_owned(),
        severity,
        verdict,
        reason: match verdict {
            Pass => "What is wanted was seen to hold.".to_owned(),
            Fail => "It was seen not to hold.".to_owned(),
            Unknown => "It depends on something that was not observed.".to_owned(),
            NotApplicable => "There is nothing of this kind in the account.".to_owned(),
        },
        account: account.to_owned(),
        region: region.to_owned(),
        resource_type: resource_type.to_owned(),
        resource_name: name.to_owned(),
        resource_arn: arn,
        tags: if name.is_empty() {
            BTreeMap::new()
        } else {
            BTreeMap::from([("Name".to_owned(), name.to_owned()), (name.to_owned(), "x".to_owned())])
        },
        evidence: match evidence.get("path").and_then(Value::as_str) {
            Some(path) => vec![Evidence {
                path: path.to_owned(),
                value: evidence["value"].clone(),
                cut: verdict == Fail && name == "acme-website",
            }],
            None => Vec::new(),
        },
        unseen,
        waived: None,
        waiver_ended: None,
        risk: None,
    }
}

/// Id, severity, resource type, title.
const CONTROLS: [(&str, Severity, &str, &str); 8] = [
    (
        "cloudtrail-multi-region",
        Severity::High,
        "aws.account",
        "A trail records management events in all regions",
    ),
    (
        "iam-central-identity",
        Severity::Informational,
        "aws.account",
        "People sign in through a central identity provider",
    ),
    (
        "iam-password-min-length",
        Severity::Medium,
        "aws.iam.account",
        "Passwords of IAM users have at least 14 characters",
    ),
    ("iam-root-mfa", Severity::Critical, "aws.iam.account", "The root user signs in with MFA"),
    ("iam-user-mfa", Severity::High, "aws.iam.user", "IAM users with a password sign in with MFA"),
    (
        "s3-bucket-mfa-delete",
        Severity::Low,
        "aws.s3.bucket",
        "Versions of S3 objects can only be deleted with MFA",
    ),
    ("s3-bucket-not-public", Severity::Critical, "aws.s3.bucket", "S3 buckets are not open to everyone"),
    (
        "s3-bucket-secure-transport",
        Severity::Medium,
        "aws.s3.bucket",
        "S3 buckets refuse requests without TLS",
    ),
];

fn controls(findings: &[Finding]) -> Vec<ControlRow> {
    CONTROLS
        .into_iter()
        .map(|(id, severity, resource_type, title)| ControlRow {
            id: id.to_owned(),
            title: title.to_owned(),
            severity,
            service: id.split('-').next().unwrap_or(id).to_owned(),
            resource_type: resource_type.to_owned(),
            rationale: "Whoever gets hold of a password alone should get nowhere. A second factor, \
                        or a rule that does not depend on people, keeps a mistake from being an incident."
                .to_owned(),
            evidence_only: id == "iam-central-identity",
            pass_only: false,
            rule: format!("rule of {id}"),
            remediation:
                "1. Open the console, and the settings of the resource.\n2. Choose Edit.\n3. Set it as the \
                          title says, and save.\n"
                    .to_owned(),
            remediation_cli:
                "aws s3api put-bucket-policy --bucket ${name} \\\n  --policy file://policy.json\n".to_owned(),
            remediation_terraform:
                "resource \"aws_s3_bucket_policy\" \"this\" {\n  bucket = \"${name}\"\n}\n".to_owned(),
            references: vec![
                "https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html"
                    .to_owned(),
                "javascript:alert(1)".to_owned(),
            ],
            tags: vec!["identity".to_owned(), "public-access".to_owned()],
            requirements: REQUIREMENTS.into_iter().filter(|(_, _, controls, _)| controls.contains(&id)).fold(
                BTreeMap::new(),
                |mut all: BTreeMap<String, Vec<String>>, (requirement, ..)| {
                    all.entry("cis-aws-3.0".to_owned()).or_default().push(requirement.to_owned());
                    all
                },
            ),
            totals: count(findings, |f| f.control == id),
        })
        .collect()
}

/// Id, title, controls, planned controls.
const REQUIREMENTS: [(&str, &str, &[&str], &[&str]); 9] = [
    ("1.1", "Primary account contact is filled in and current", &[], &["account-contact-details"]),
    ("1.5", "Root user has MFA", &["iam-root-mfa"], &[]),
    ("1.8", "Passwords have at least 14 characters", &["iam-password-min-length"], &[]),
    ("1.10", "IAM users with a console password have MFA", &["iam-user-mfa"], &[]),
    ("1.21", "People sign in through a central identity provider", &["iam-central-identity"], &[]),
    ("2.1.1", "S3 buckets refuse requests without TLS", &["s3-bucket-secure-transport"], &[]),
    ("2.1.2", "Versions of S3 objects can only be deleted with MFA", &["s3-bucket-mfa-delete"], &[]),
    ("2.1.3", "Data in S3 is known, classified and protected", &[], &[]),
    ("3.1", "A trail records all regions", &["cloudtrail-multi-region"], &["cloudtrail-organization"]),
];

fn cis(controls: &[ControlRow], findings: &[Finding]) -> FrameworkRow {
    FrameworkRow {
        id: "cis-aws-3.0".to_owned(),
        title: "CIS AWS Foundations Benchmark 3.0".to_owned(),
        version: "3.0".to_owned(),
        relation: Relation::Decides,
        note: String::new(),
        covers: String::new(),
        level: None,
        requirements: REQUIREMENTS
            .into_iter()
            .map(|(id, title, deciding, planned)| {
                let totals = controls
                    .iter()
                    .filter(|control| deciding.contains(&control.id.as_str()))
                    .fold(Counts::zero(), |sum, control| sum.plus(control.totals));
                let status = status(totals, deciding, planned);
                let in_account = |account: &str| {
                    let here = |f: &Finding| f.account == account && deciding.contains(&f.control.as_str());
                    (account.to_owned(), self::status(count(findings, here), deciding, planned))
                };
                RequirementRow {
                    id: id.to_owned(),
                    title: title.to_owned(),
                    section: match id.split('.').next() {
                        Some("1") => "1 IAM",
                        Some("2") => "2 Storage",
                        _ => "3 Logging",
                    }
                    .to_owned(),
                    level: Some(if id == "2.1.2" { 2 } else { 1 }),
                    assessment: if deciding.is_empty() { "manual" } else { "automated" }.to_owned(),
                    controls: deciding.iter().map(|&c| c.to_owned()).collect(),
                    planned: planned.iter().map(|&c| c.to_owned()).collect(),
                    set_otherwise: Vec::new(),
                    look_at: String::new(),
                    attestation: None,
                    status,
                    accounts: [MANAGEMENT, PROD, DEV, LOCKED].map(in_account).into(),
                    totals,
                }
            })
            .collect(),
    }
}

/// A framework without levels, with a control that did not run.
fn acme(controls: &[ControlRow], findings: &[Finding]) -> FrameworkRow {
    let mut framework = cis(controls, findings);
    framework.id = "acme baseline/2".to_owned();
    framework.title = format!("Acme baseline {}", HOSTILE[0]);
    framework.version = "2".to_owned();
    framework.requirements.truncate(2);
    for requirement in &mut framework.requirements {
        requirement.level = None;
        requirement.controls.push("acme-did-not-run".to_owned());
    }
    framework
}

fn status(totals: Counts, deciding: &[&str], planned: &[&str]) -> Status {
    match (totals, deciding, planned) {
        (Counts { fail: 1.., .. }, ..) => Status::Fail,
        (_, [], []) => Status::Manual,
        (_, [], [_, ..]) | (Counts { unknown: 0, .. }, _, [_, ..]) => Status::NotCovered,
        (Counts { unknown: 1.., .. }, ..) => Status::Unknown,
        (Counts { pass: 1.., .. }, ..) => Status::Pass,
        _ => Status::NotApplicable,
    }
}

fn count(findings: &[Finding], counts: impl Fn(&Finding) -> bool) -> Counts {
    let mut totals = Counts::zero();
    findings.iter().filter(|f| counts(f)).for_each(|f| totals.add(f));
    totals
}
