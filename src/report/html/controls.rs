//! The controls: a list, and a section for each with why it matters and what to do.

use serde::Serialize;

use super::pages::Role;
use super::start::reach;
use super::{Link, Piece, anchor, pieces};
use crate::controls::VerdictKind;
use crate::findings::Finding;
use crate::report::figures::Figures;
use crate::report::{ControlRow, Counts, Report};

/// More failing resources than this are only among the findings.
const FAILING: usize = 3;

/// All controls, the worst first.
#[derive(Serialize)]
pub(super) struct List<'a> {
    controls: Vec<Line<'a>>,
    totals: Counts,
}

#[derive(Serialize)]
struct Line<'a> {
    link: Link,
    title: &'a str,
    severity: &'static str,
    totals: Counts,
}

/// One control.
#[derive(Serialize)]
pub(super) struct Control<'a> {
    anchor: String,
    id: &'a str,
    title: &'a str,
    severity: &'static str,
    service: &'a str,
    resource_type: &'a str,
    rationale: Vec<Piece>,
    evidence_only: bool,
    pass_only: bool,
    is_about_public_access: bool,
    remediation: Vec<Piece>,
    cli: &'a str,
    terraform: &'a str,
    references: Vec<Reference<'a>>,
    tags: String,
    requirements: Vec<Link>,
    counted: Vec<Counted>,
    totals: Counts,
    reach: String,
    failing: Vec<Failing<'a>>,
    /// Failing resources that are not among these.
    more: u64,
    all_failing: String,
}

/// How many findings have a verdict, and where they are.
#[derive(Serialize)]
struct Counted {
    class: &'static str,
    words: &'static str,
    count: u64,
    href: String,
}

/// A page to read; only a web address becomes a link.
#[derive(Serialize)]
struct Reference<'a> {
    address: &'a str,
    is_link: bool,
}

/// A resource that fails.
#[derive(Serialize)]
struct Failing<'a> {
    /// How bad it is; empty where all that fail the control are equally bad.
    severity: &'static str,
    href: String,
    resource: String,
    account: &'a str,
    region: &'a str,
}

impl<'a> List<'a> {
    pub(super) fn of(report: &Report, figures: &Figures<'_>, controls: &[&'a ControlRow]) -> Self {
        Self {
            controls: controls
                .iter()
                .map(|control| Line {
                    link: Link::to_control(&control.id),
                    title: &control.title,
                    severity: figures.severity(control).as_str(),
                    totals: control.totals,
                })
                .collect(),
            totals: report.totals,
        }
    }
}

impl<'a> Control<'a> {
    pub(super) fn of(
        control: &'a ControlRow,
        report: &'a Report,
        figures: &Figures<'a>,
        role: Role<'_>,
    ) -> Self {
        let are_equally_bad = figures.severities(control).is_none();
        let failing: Vec<Failing<'a>> = figures
            .findings(&control.id, VerdictKind::Fail)
            .take(FAILING)
            .map(|finding| Failing::of(finding, are_equally_bad, role))
            .collect();
        Self {
            anchor: anchor("control", &control.id),
            id: &control.id,
            title: &control.title,
            severity: figures.severity(control).as_str(),
            service: &control.service,
            resource_type: &control.resource_type,
            rationale: pieces(&control.rationale),
            evidence_only: control.evidence_only,
            pass_only: control.pass_only,
            is_about_public_access: control.is_about_public_access(),
            remediation: pieces(&control.remediation),
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
            counted: counted(control, role),
            totals: control.totals,
            reach: reach(control, figures),
            more: control.totals.fail.saturating_sub(failing.len() as u64),
            all_failing: role.filtered(&[("control", &control.id), ("verdict", "fail")]),
            failing,
        }
    }
}

fn counted(control: &ControlRow, role: Role<'_>) -> Vec<Counted> {
    let Counts { pass, fail, unknown, not_applicable, .. } = control.totals;
    [
        ("fail", "fail", fail),
        ("unknown", "unknown", unknown),
        ("pass", "pass", pass),
        ("not_applicable", "not applicable", not_applicable),
    ]
    .into_iter()
    .filter(|(_, _, count)| *count > 0)
    .map(|(class, words, count)| Counted {
        class,
        words,
        count,
        href: role.filtered(&[("control", &control.id), ("verdict", class)]),
    })
    .collect()
}

impl<'a> Reference<'a> {
    fn of(address: &'a str) -> Self {
        Self { address, is_link: address.starts_with("https://") || address.starts_with("http://") }
    }
}

impl<'a> Failing<'a> {
    fn of(finding: &'a Finding, are_equally_bad: bool, role: Role<'_>) -> Self {
        Self {
            severity: if are_equally_bad { "" } else { finding.severity.as_str() },
            href: role.finding(finding),
            resource: finding.subject().into_owned(),
            account: &finding.account,
            region: &finding.region,
        }
    }
}
