//! One control with its findings.

use std::collections::HashMap;

use serde::Serialize;

use super::{Link, Piece, pieces};
use crate::controls::{Evidence, VerdictKind};
use crate::findings::Finding;
use crate::inventory::GLOBAL;
use crate::report::figures::Figures;
use crate::report::{ControlRow, Counts, Report};

#[derive(Serialize)]
pub(super) struct Control<'a> {
    link: Link,
    title: &'a str,
    severity: &'static str,
    service: &'a str,
    resource_type: &'a str,
    rationale: &'a str,
    evidence_only: bool,
    remediation: &'a str,
    cli: &'a str,
    terraform: &'a str,
    references: Vec<Reference<'a>>,
    tags: String,
    requirements: Vec<Link>,
    totals: Counts,
    failing: Vec<Row<'a>>,
    unknown: Vec<Row<'a>>,
    passing: Vec<Row<'a>>,
    not_applicable: Vec<Row<'a>>,
}

/// A page to read; only a web address becomes a link.
#[derive(Serialize)]
struct Reference<'a> {
    address: &'a str,
    is_link: bool,
}

/// A finding.
#[derive(Serialize)]
struct Row<'a> {
    anchor: String,
    resource: String,
    arn: &'a str,
    account: Link,
    account_name: &'a str,
    region: &'a str,
    reason: &'a str,
    tags: Vec<String>,
    evidence: Vec<Read>,
    /// What was not observed; empty unless the verdict is unknown.
    unseen: String,
    remedy: Vec<Piece>,
}

/// A value that the control read.
#[derive(Serialize)]
struct Read {
    path: String,
    value: String,
    cut: bool,
}

impl<'a> Control<'a> {
    pub(super) fn of(control: &'a ControlRow, report: &'a Report, figures: &Figures<'a>) -> Self {
        let names: HashMap<&str, &str> =
            report.accounts.iter().map(|account| (account.id.as_str(), account.name.as_str())).collect();
        let rows = |verdict| {
            figures.findings(&control.id, verdict).map(|finding| Row::of(finding, &names)).collect()
        };
        Self {
            link: Link::to_control(&control.id),
            title: &control.title,
            severity: control.severity.as_str(),
            service: &control.service,
            resource_type: &control.resource_type,
            rationale: &control.rationale,
            evidence_only: control.evidence_only,
            remediation: &control.remediation,
            cli: &control.remediation_cli,
            terraform: &control.remediation_terraform,
            references: control.references.iter().map(|address| Reference::of(address)).collect(),
            tags: control.tags.join(", "),
            requirements: control
                .requirements
                .iter()
                .filter(|(id, _)| report.frameworks.iter().any(|framework| framework.id == **id))
                .flat_map(|(framework, ids)| ids.iter().map(|id| Link::to_requirement(framework, id)))
                .collect(),
            totals: control.totals,
            failing: rows(VerdictKind::Fail),
            unknown: rows(VerdictKind::Unknown),
            passing: rows(VerdictKind::Pass),
            not_applicable: rows(VerdictKind::NotApplicable),
        }
    }
}

impl<'a> Reference<'a> {
    fn of(address: &'a str) -> Self {
        Self { address, is_link: address.starts_with("https://") || address.starts_with("http://") }
    }
}

impl<'a> Row<'a> {
    fn of(finding: &'a Finding, names: &HashMap<&str, &'a str>) -> Self {
        let unseen = finding.unseen.as_ref();
        Self {
            anchor: super::anchor("finding", &finding.id),
            resource: resource(finding),
            arn: &finding.resource_arn,
            account: Link::to_account(&finding.account),
            account_name: names.get(finding.account.as_str()).copied().unwrap_or_default(),
            region: &finding.region,
            reason: &finding.reason,
            tags: finding.tags.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            evidence: finding.evidence.iter().map(Read::of).collect(),
            unseen: unseen.map_or(String::new(), ToString::to_string),
            remedy: unseen.map_or(Vec::new(), |unseen| pieces(&unseen.remedy())),
        }
    }
}

/// What people call it, or the place where the verdict is about a whole one.
fn resource(finding: &Finding) -> String {
    let name = finding.resource_name.as_str();
    let is_place = name.is_empty() || name == finding.account || name == finding.region;
    if !is_place {
        name.to_owned()
    } else if name.is_empty() && !finding.resource_arn.is_empty() {
        finding.resource_arn.clone()
    } else if finding.region == GLOBAL {
        "Whole account".to_owned()
    } else {
        format!("Region {}", finding.region)
    }
}

impl Read {
    fn of(evidence: &Evidence) -> Self {
        Self { path: evidence.path.clone(), value: evidence.value.to_string(), cut: evidence.cut }
    }
}
