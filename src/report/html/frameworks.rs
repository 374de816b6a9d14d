//! The frameworks with every requirement and how it came out.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::{Link, requirement_anchor};
use crate::controls::RequirementStatus;
use crate::report::figures::statuses;
use crate::report::{Counts, FrameworkRow, Report, RequirementRow};

#[derive(Serialize)]
pub(super) struct Framework<'a> {
    anchor: String,
    title: &'a str,
    version: &'a str,
    statuses: Vec<Counted>,
    sections: Vec<Section<'a>>,
}

/// A status and how many requirements have it.
#[derive(Serialize)]
struct Counted {
    class: &'static str,
    words: &'static str,
    count: u64,
}

#[derive(Serialize)]
struct Section<'a> {
    title: &'a str,
    requirements: Vec<Requirement<'a>>,
}

#[derive(Serialize)]
struct Requirement<'a> {
    anchor: String,
    id: &'a str,
    title: &'a str,
    /// Empty where the framework has no levels.
    level: String,
    assessment: &'a str,
    class: &'static str,
    status: &'static str,
    totals: Counts,
    judged: bool,
    controls: Vec<Link>,
    not_run: String,
    planned: String,
    accounts: Vec<InAccounts>,
}

/// The accounts in which a requirement came out one way.
#[derive(Serialize)]
struct InAccounts {
    class: &'static str,
    words: &'static str,
    accounts: Vec<Link>,
}

impl<'a> Framework<'a> {
    pub(super) fn of(framework: &'a FrameworkRow, report: &'a Report) -> Self {
        let ran: HashSet<&str> = report.controls.iter().map(|control| control.id.as_str()).collect();
        let mut sections: Vec<Section<'a>> = Vec::new();
        for row in &framework.requirements {
            let requirement = Requirement::of(framework, row, &ran);
            match sections.last_mut() {
                Some(section) if section.title == row.section => section.requirements.push(requirement),
                _ => sections.push(Section { title: &row.section, requirements: vec![requirement] }),
            }
        }
        Self {
            anchor: super::anchor("framework", &framework.id),
            title: &framework.title,
            version: &framework.version,
            statuses: statuses(framework)
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(status, count)| Counted { class: class(status), words: status.words(), count })
                .collect(),
            sections,
        }
    }
}

impl<'a> Requirement<'a> {
    fn of(framework: &FrameworkRow, row: &'a RequirementRow, ran: &HashSet<&str>) -> Self {
        let (run, not_run): (Vec<&String>, Vec<&String>) =
            row.controls.iter().partition(|id| ran.contains(id.as_str()));
        Self {
            anchor: requirement_anchor(&framework.id, &row.id),
            id: &row.id,
            title: &row.title,
            level: row.level.map_or(String::new(), |level| level.to_string()),
            assessment: &row.assessment,
            class: class(row.status),
            status: row.status.words(),
            totals: row.totals,
            judged: row.totals.total() > 0,
            controls: run.into_iter().map(|id| Link::to_control(id)).collect(),
            not_run: join(&not_run),
            planned: row.planned.join(", "),
            // Without a control it is the same everywhere.
            accounts: if row.controls.is_empty() { Vec::new() } else { in_accounts(&row.accounts) },
        }
    }
}

fn in_accounts(accounts: &BTreeMap<String, RequirementStatus>) -> Vec<InAccounts> {
    RequirementStatus::ALL
        .into_iter()
        .map(|status| InAccounts {
            class: class(status),
            words: status.words(),
            accounts: accounts
                .iter()
                .filter(|(_, of)| **of == status)
                .map(|(id, _)| Link::to_account(id))
                .collect(),
        })
        .filter(|group| !group.accounts.is_empty())
        .collect()
}

fn join(ids: &[&String]) -> String {
    ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ")
}

const fn class(status: RequirementStatus) -> &'static str {
    match status {
        RequirementStatus::Fail | RequirementStatus::FailingEvidence => "fail",
        RequirementStatus::Unknown => "unknown",
        RequirementStatus::Pass => "pass",
        RequirementStatus::Manual | RequirementStatus::NoFailingEvidence => "manual",
        RequirementStatus::NotCovered => "not_covered",
        RequirementStatus::NotApplicable => "not_applicable",
    }
}
