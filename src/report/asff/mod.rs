//! `report.asff.json`: the findings in the [AWS Security Finding
//! Format](https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html), as one JSON
//! array: what `aws securityhub batch-import-findings --findings file://…` takes, which imports up to a hundred
//! findings of one account and region at a time. `--send securityhub` does that for all of them.
//!
//! How verdicts are told, in `Compliance.Status`: `PASSED`, `FAILED`, and `NOT_AVAILABLE` for what was not observed,
//! with the reason. Where a control does not apply it is `NOT_AVAILABLE` as well, as in [Security Hub's own
//! controls](https://docs.aws.amazon.com/securityhub/latest/userguide/controls-overall-status.html), and archived,
//! since nobody has anything to do.
//!
//! Without history `CreatedAt` is the time of the run; sending keeps that of a finding which is there already.

mod kind;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufWriter, Write};

use serde::Serialize;

use super::ocsf::{account_arn, is_web, observed_at, one_line};
use super::{ControlRow, Report, WriteError};
use crate::controls::{Severity, VerdictKind};
use crate::findings::Finding;
use crate::inventory::{Account, GLOBAL};
use text::{is_tag_text, limited};

/// What the ids of all findings of Upright, and the ids of what generates them, begin with.
pub const PREFIX: &str = "upright/";
/// Key of the product field that holds the region as Upright says it, `global` included.
pub const REGION_FIELD: &str = "upright/region";

const SCHEMA_VERSION: &str = "2018-10-08";
const TYPES: &str = "Software and Configuration Checks/AWS Security Best Practices";
const STANDARD_TYPES: &str = "Software and Configuration Checks/Industry and Regulatory Standards";

/// A finding as Security Hub takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AsffFinding {
    /// Version of the format.
    pub schema_version: &'static str,
    /// The same in every run.
    pub id: String,
    /// The account's own product in the region that it is sent to.
    pub product_arn: String,
    /// The control.
    pub generator_id: String,
    /// Twelve digits.
    pub aws_account_id: String,
    /// Namespace, category and classifier.
    pub types: Vec<&'static str>,
    /// When the run observed it.
    pub created_at: String,
    /// When the run observed it. Security Hub ignores what is older than what it has.
    pub updated_at: String,
    /// When the run observed it.
    pub first_observed_at: String,
    /// When the run observed it.
    pub last_observed_at: String,
    /// How bad it is now.
    pub severity: AsffSeverity,
    /// Title of the control.
    pub title: String,
    /// Why, and why it matters.
    pub description: String,
    /// What to do about a failure, or about what was not observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    /// Evidence, and what the format has no member for.
    pub product_fields: BTreeMap<String, String>,
    /// The one resource.
    pub resources: Vec<AsffResource>,
    /// The verdict.
    pub compliance: Compliance,
    /// `ACTIVE` or `ARCHIVED`.
    pub record_state: &'static str,
    /// Severity and types again, where a provider says them so that a customer's own values stay.
    pub finding_provider_fields: ProviderFields,
}

/// How bad a finding is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AsffSeverity {
    /// `INFORMATIONAL`, `LOW`, `MEDIUM`, `HIGH` or `CRITICAL`.
    pub label: &'static str,
    /// Severity of the finding, whatever its verdict.
    pub original: &'static str,
}

/// What the provider of a finding says, whatever a customer changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProviderFields {
    /// How bad it is now.
    pub severity: AsffSeverity,
    /// Namespace, category and classifier.
    pub types: Vec<&'static str>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Remediation {
    /// The recommendation.
    pub recommendation: Recommendation,
}

/// What to do, and where to read about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Recommendation {
    /// In words.
    pub text: String,
    /// A page of AWS about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AsffResource {
    /// Security Hub's name of the type.
    pub r#type: &'static str,
    /// ARN, or what Security Hub calls an account.
    pub id: String,
    /// Partition of AWS.
    pub partition: String,
    /// Region; global resources have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Compliance {
    /// `PASSED`, `FAILED` or `NOT_AVAILABLE`.
    pub status: &'static str,
    /// Why there is no verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status_reasons: Vec<StatusReason>,
    /// Requirements of the frameworks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related_requirements: Vec<String>,
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StatusReason {
    /// For programs.
    pub reason_code: &'static str,
    /// For people.
    pub description: String,
}

/// Writes the report. In the file the product is that of the finding's own region, and for global services that of
/// the partition's main region.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    let findings = Findings::of(report)?;
    let mut out = BufWriter::with_capacity(1 << 16, out);
    out.write_all(b"[")?;
    for (index, finding) in report.findings.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        let region = match finding.region.as_str() {
            GLOBAL => main_region(findings.partition(finding)),
            region => region,
        };
        serde_json::to_writer(&mut out, &findings.asff(finding, region)).map_err(std::io::Error::from)?;
    }
    out.write_all(b"\n]\n")?;
    Ok(out.flush()?)
}

fn main_region(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}

/// ARN of an account's own product, under which it imports findings of its own making.
#[must_use]
pub fn product_arn(partition: &str, region: &str, account: &str) -> String {
    format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default")
}

/// What the findings of one report share.
#[derive(Debug)]
pub struct Findings<'a> {
    observed_at: String,
    controls: HashMap<&'a str, &'a ControlRow>,
    accounts: HashMap<&'a str, &'a Account>,
}

impl<'a> Findings<'a> {
    /// Prepares the findings of a report.
    ///
    /// # Errors
    /// When the report says of its time something that is none.
    pub fn of(report: &'a Report) -> Result<Self, WriteError> {
        Ok(Self {
            observed_at: observed_at(report)?.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            controls: report.controls.iter().map(|control| (control.id.as_str(), control)).collect(),
            accounts: report.accounts.iter().map(|account| (account.id.as_str(), account)).collect(),
        })
    }

    /// When it was observed, as the format writes times.
    #[must_use]
    pub fn observed_at(&self) -> &str {
        &self.observed_at
    }

    fn partition(&self, finding: &Finding) -> &'a str {
        self.accounts.get(finding.account.as_str()).map_or("aws", |account| account.partition.as_str())
    }

    /// The finding, for Security Hub in `hub_region` of the finding's account.
    #[must_use]
    pub fn asff(&self, finding: &Finding, hub_region: &str) -> AsffFinding {
        let control = self.controls.get(finding.control.as_str()).copied();
        let partition = self.partition(finding);
        let is_of_standard = control.is_some_and(|control| !control.requirements.is_empty());
        let types = if is_of_standard { vec![TYPES, STANDARD_TYPES] } else { vec![TYPES] };
        let severity = AsffSeverity { label: label(finding), original: finding.severity.as_str() };
        let rationale = control.map_or_else(String::new, |control| one_line(&control.rationale));
        AsffFinding {
            schema_version: SCHEMA_VERSION,
            id: finding_id(finding),
            product_arn: product_arn(partition, hub_region, &finding.account),
            generator_id: limited(&format!("{PREFIX}{}", finding.control), 512),
            aws_account_id: finding.account.clone(),
            types: types.clone(),
            created_at: self.observed_at.clone(),
            updated_at: self.observed_at.clone(),
            first_observed_at: self.observed_at.clone(),
            last_observed_at: self.observed_at.clone(),
            severity: severity.clone(),
            title: limited(control.map_or(&finding.control, |control| &control.title), 256),
            description: limited(format!("{} {rationale}", finding.reason).trim(), 1024),
            remediation: remediation(finding, control),
            product_fields: product_fields(finding),
            resources: vec![resource(finding, partition)],
            compliance: compliance(finding, control),
            record_state: match finding.verdict {
                VerdictKind::NotApplicable => "ARCHIVED",
                VerdictKind::Pass | VerdictKind::Fail | VerdictKind::Unknown => "ACTIVE",
            },
            finding_provider_fields: ProviderFields { severity, types },
        }
    }
}

/// The id of a finding in Security Hub.
#[must_use]
pub fn finding_id(finding: &Finding) -> String {
    format!("{PREFIX}{}", finding.id)
}

/// Whether the finding is about an account, or about what has no ARN of its own, such as a place whose resources
/// could not be listed: it then carries the ARN of its account, or none.
#[must_use]
pub fn is_about_account(finding: &Finding, partition: &str) -> bool {
    finding.resource_arn.is_empty() || finding.resource_arn == account_arn(partition, &finding.account)
}

fn label(finding: &Finding) -> &'static str {
    if matches!(finding.verdict, VerdictKind::Pass | VerdictKind::NotApplicable) {
        return "INFORMATIONAL";
    }
    match finding.severity {
        Severity::Informational => "INFORMATIONAL",
        Severity::Low => "LOW",
        Severity::Medium => "MEDIUM",
        Severity::High => "HIGH",
        Severity::Critical => "CRITICAL",
    }
}

/// What to do: about the resource for a failure, about the scan for what was not observed, and nothing else.
fn remediation(finding: &Finding, control: Option<&ControlRow>) -> Option<Remediation> {
    let recommendation = match (finding.verdict, &finding.unseen, control) {
        (VerdictKind::Fail, _, Some(control)) => Recommendation {
            text: limited(&one_line(&control.remediation), 512),
            url: control.references.iter().find(|url| is_web(url)).map(|url| limited(url, 512)),
        },
        (VerdictKind::Unknown, Some(unseen), _) => {
            Recommendation { text: limited(&unseen.remedy(), 512), url: None }
        }
        _ => return None,
    };
    // Security Hub refuses an empty text.
    (!recommendation.text.is_empty()).then_some(Remediation { recommendation })
}

/// At most 50 fields of 128 and 2048 characters are taken; these stay far below 240 KB.
fn product_fields(finding: &Finding) -> BTreeMap<String, String> {
    let evidence = finding.evidence.iter().take(20).map(|evidence| {
        let key = limited(&format!("upright/evidence/{}", evidence.path), 128);
        (key, limited(&evidence.value.to_string(), 1024))
    });
    let mut fields: BTreeMap<String, String> = evidence.collect();
    for (key, value) in [
        ("upright/verdict", finding.verdict.as_str()),
        (REGION_FIELD, finding.region.as_str()),
        ("upright/resource_type", finding.resource_type.as_str()),
        ("upright/resource_name", finding.resource_name.as_str()),
    ] {
        // An empty value is refused.
        if !value.is_empty() {
            fields.insert(key.to_owned(), limited(value, 1024));
        }
    }
    fields
}

fn resource(finding: &Finding, partition: &str) -> AsffResource {
    let is_account = is_about_account(finding, partition);
    let id =
        if is_account { format!("AWS::::Account:{}", finding.account) } else { finding.resource_arn.clone() };
    AsffResource {
        r#type: if is_account { kind::ACCOUNT } else { kind::of(&finding.resource_type) },
        id: limited(&id, 512),
        partition: partition.to_owned(),
        region: Some(finding.region.clone()).filter(|region| region != GLOBAL),
        // A tag that breaks AWS's rules would have the whole finding refused.
        tags: finding
            .tags
            .iter()
            .filter(|(key, value)| is_tag_text(key, 128) && is_tag_text(value, 256) && !key.is_empty())
            .take(50)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    }
}

fn compliance(finding: &Finding, control: Option<&ControlRow>) -> Compliance {
    let because =
        |reason_code| vec![StatusReason { reason_code, description: limited(&finding.reason, 1024) }];
    let (status, status_reasons) = match finding.verdict {
        VerdictKind::Pass => ("PASSED", Vec::new()),
        VerdictKind::Fail => ("FAILED", Vec::new()),
        VerdictKind::Unknown => ("NOT_AVAILABLE", because("UPRIGHT_NOT_OBSERVED")),
        VerdictKind::NotApplicable => ("NOT_AVAILABLE", because("UPRIGHT_NOT_APPLICABLE")),
    };
    let requirements = control.into_iter().flat_map(|control| &control.requirements);
    let requirements = requirements
        .flat_map(|(framework, ids)| ids.iter().map(move |id| limited(&format!("{framework} {id}"), 64)));
    Compliance { status, status_reasons, related_requirements: requirements.take(32).collect() }
}

#[cfg(test)]
mod tests;
