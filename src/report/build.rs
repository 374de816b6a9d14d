//! From a run to its [`Report`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::AttestationRow;
use super::document::{
    ControlRow, Counts, FrameworkRow, Gap, Report, RequirementRow, RunInfo, SCHEMA_VERSION,
};
use crate::aws::{OperationCount, Tally};
use crate::controls::{Assessment, Control, ControlOutcome, ControlSet, Framework, Relation, Requirement};
use crate::controls::{RequirementStatus, VerdictKind};
use crate::findings::Finding;
use crate::inventory::{Account, CoverageState, Inventory, Unseen};

/// What a report is made of, beside the findings.
#[derive(Debug, Clone, Copy)]
pub struct Ran<'a> {
    /// When the run started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What was observed.
    pub inventory: &'a Inventory,
    /// What it was judged by.
    pub controls: &'a ControlSet,
    /// Calls by operation.
    pub calls: &'a [OperationCount],
}

impl Report {
    /// Sums up a run.
    #[must_use]
    pub fn of(ran: Ran<'_>, findings: Vec<Finding>) -> Self {
        let mut totals = Counts::zero();
        let mut by_control: HashMap<&str, Counts> = HashMap::new();
        for finding in &findings {
            totals.add(finding);
            by_control.entry(&finding.control).or_insert_with(Counts::zero).add(finding);
        }
        let controls = ran.controls.controls().map(|control| {
            let totals = by_control.get(control.id.as_str()).copied().unwrap_or_else(Counts::zero);
            control_row(ran.controls, control, totals)
        });
        let controls = controls.collect();
        let sums = Sums::of(&findings);
        let frameworks =
            ran.controls.frameworks().map(|framework| framework_row(framework, ran, &sums)).collect();
        let gaps = gaps(ran.inventory, &findings);
        Self {
            schema_version: SCHEMA_VERSION,
            run: run_info(ran, totals.unknown == 0 && gaps.is_empty()),
            changes: None,
            trend: Vec::new(),
            undelivered: None,
            totals,
            waivers: None,
            gaps,
            coverage: ran.inventory.coverage.clone(),
            accounts: ran.inventory.accounts.clone(),
            controls,
            frameworks,
            findings,
            left_out: None,
            detections: None,
        }
    }
}

fn run_info(ran: Ran<'_>, complete: bool) -> RunInfo {
    let duration = ran.started_at.duration_until(ran.finished_at);
    let tally = Tally::of(ran.calls);
    RunInfo {
        id: ran.started_at.strftime("%Y%m%dT%H%M%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: ran.started_at.to_string(),
        finished_at: ran.finished_at.to_string(),
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(0),
        observed_at: ran.inventory.observed_at.to_string(),
        complete,
        requests: tally.requests,
        retries: tally.retries,
        throttles: tally.throttles,
        calls: ran.calls.to_vec(),
        absent_regions: ran.inventory.absent_regions.clone(),
    }
}

pub(super) fn control_row(set: &ControlSet, control: &Control, totals: Counts) -> ControlRow {
    ControlRow {
        id: control.id.clone(),
        title: control.title.clone(),
        severity: control.severity,
        service: control.service().to_owned(),
        resource_type: control.kind.name.to_owned(),
        rationale: control.rationale.clone(),
        evidence_only: control.evidence_only,
        pass_only: control.pass_only,
        rule: control.rule_hash(),
        remediation: control.remediation.text.clone(),
        remediation_cli: control.remediation.cli.clone(),
        remediation_terraform: control.remediation.terraform.clone(),
        references: control.references.clone(),
        tags: control.tags.clone(),
        requirements: set.requirements_of(&control.id),
        totals,
    }
}

/// Verdicts by control and account.
pub(super) struct Sums<'a>(pub(super) HashMap<(&'a str, &'a str), Counts>);

impl<'a> Sums<'a> {
    fn of(findings: &'a [Finding]) -> Self {
        let mut sums: HashMap<(&str, &str), Counts> = HashMap::new();
        for finding in findings {
            let key = (finding.control.as_str(), finding.account.as_str());
            sums.entry(key).or_insert_with(Counts::zero).add(finding);
        }
        Self(sums)
    }

    fn get(&self, control: &str, account: &str) -> Counts {
        self.0.get(&(control, account)).copied().unwrap_or_else(Counts::zero)
    }
}

pub(super) fn framework_row(framework: &Framework, ran: Ran<'_>, sums: &Sums<'_>) -> FrameworkRow {
    FrameworkRow {
        id: framework.id.clone(),
        title: framework.title.clone(),
        version: framework.version.clone(),
        relation: framework.relation,
        note: framework.relation.note().to_owned(),
        covers: framework.covers.clone(),
        level: framework.level,
        requirements: framework
            .requirements
            .iter()
            .map(|requirement| requirement_row(framework.relation, requirement, ran, sums))
            .collect(),
    }
}

fn requirement_row(
    relation: Relation,
    requirement: &Requirement,
    ran: Ran<'_>,
    sums: &Sums<'_>,
) -> RequirementRow {
    let (counted, otherwise): (Vec<&Control>, Vec<&Control>) =
        requirement.controls.iter().filter_map(|id| ran.controls.control(id)).partition(|control| {
            requirement.parameters.get(&control.id).is_none_or(|values| control.judges_with(values))
        });
    let judged: Vec<&Account> = ran.inventory.accounts.iter().filter(|a| a.is_judged()).collect();
    let of = |accounts: &[&Account]| {
        let outcomes = counted.iter().map(|control| outcome(control, accounts, sums));
        requirement.status(relation, &outcomes.collect::<Vec<_>>())
    };
    let mut totals = Counts::zero();
    for account in &judged {
        for control in &counted {
            totals = totals.plus(sums.get(&control.id, &account.id));
        }
    }
    let status = of(&judged);
    let asks_a_person = requirement.assessment == Assessment::Manual || status == RequirementStatus::Manual;
    RequirementRow {
        id: requirement.id.clone(),
        title: requirement.title.clone(),
        section: requirement.section.clone(),
        level: requirement.level,
        assessment: requirement.assessment.as_str().to_owned(),
        controls: requirement.controls.clone(),
        planned: requirement.planned.clone(),
        set_otherwise: otherwise.into_iter().map(|control| control.id.clone()).collect(),
        look_at: requirement.look_at.clone(),
        attestation: asks_a_person.then(AttestationRow::open),
        status,
        accounts: judged.iter().map(|account| (account.id.clone(), of(&[*account]))).collect(),
        totals,
    }
}

fn outcome(control: &Control, accounts: &[&Account], sums: &Sums<'_>) -> ControlOutcome {
    let counts = accounts
        .iter()
        .fold(Counts::zero(), |counts, account| counts.plus(sums.get(&control.id, &account.id)));
    ControlOutcome {
        evidence_only: control.evidence_only || (control.pass_only && counts.pass == 0),
        failed: counts.fail > 0,
        unknown: counts.unknown > 0,
        passed: counts.pass > 0,
    }
}

/// What was not observed, by what was asked and where; the gap that hides the most first.
fn gaps(inventory: &Inventory, findings: &[Finding]) -> Vec<Gap> {
    let mut hidden: BTreeMap<String, Hidden> = BTreeMap::new();
    // A failed call is a gap also where every verdict could do without it.
    let failed = inventory.coverage.iter().filter(|row| row.state != CoverageState::Ok);
    for error in failed.flat_map(|row| &row.errors) {
        Hidden::of(&mut hidden, &error.unseen);
    }
    for finding in findings.iter().filter(|f| f.verdict == VerdictKind::Unknown) {
        let Some(unseen) = &finding.unseen else { continue };
        let gap = Hidden::of(&mut hidden, unseen);
        gap.findings += 1;
        gap.controls.insert(&finding.control);
    }
    let mut gaps: Vec<Gap> = hidden
        .into_values()
        .map(|Hidden { unseen, findings, controls }| Gap {
            remedy: unseen.remedy(),
            statement: unseen.statement(),
            unseen,
            findings,
            controls: controls.into_iter().map(str::to_owned).collect(),
        })
        .collect();
    gaps.sort_by_key(|gap| std::cmp::Reverse(gap.findings));
    gaps
}

/// A gap that is being added up.
struct Hidden<'a> {
    unseen: Unseen,
    findings: u64,
    controls: BTreeSet<&'a str>,
}

impl<'a> Hidden<'a> {
    /// The gap that a reason belongs to. A call that fails in the same way for many resources of a place is one
    /// gap, whose message is that of one of them.
    fn of<'m>(hidden: &'m mut BTreeMap<String, Self>, unseen: &Unseen) -> &'m mut Self {
        let gap = hidden.entry(unseen.obstacle()).or_insert_with(|| Self {
            unseen: unseen.clone(),
            findings: 0,
            controls: BTreeSet::new(),
        });
        gap.unseen.widen(unseen);
        gap
    }
}
