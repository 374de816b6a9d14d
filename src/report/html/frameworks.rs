//! The frameworks with every requirement and how it came out.

use std::collections::HashSet;

use serde::Serialize;

use super::charts::{self, Segment};
use super::pages::Role;
use super::{Link, requirement_anchor};
use crate::controls::{Relation, RequirementStatus};
use crate::report::figures::statuses;
use crate::report::{
    self, AttestationRow, AttestationState, Counts, FrameworkRow, Report, RequirementRow, text,
};

/// All frameworks of the run.
#[derive(Serialize)]
pub(super) struct Frameworks<'a> {
    frameworks: Vec<Framework<'a>>,
    /// The run that a framework's pages are evidence of, once they are printed by themselves.
    run: &'a str,
    observed: String,
    accounts: String,
}

#[derive(Serialize)]
struct Framework<'a> {
    anchor: String,
    id: &'a str,
    title: &'a str,
    version: &'a str,
    /// Empty where the run was not limited to a profile level.
    level: String,
    note: &'a str,
    covers: &'a str,
    contributes: bool,
    score: Score,
    bar: Vec<Segment>,
    bar_words: String,
    statuses: Vec<Counted>,
    sections: Vec<Section<'a>>,
}

/// How many of the decided requirements pass. What was not observed is not decided, and counts neither way.
/// Where controls only contribute evidence nothing is decided: then it is how many have no failing evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Score {
    /// `83 %`, rounded down so that only all is 100 %; empty where nothing is decided.
    percent: String,
    passed: u64,
    decided: u64,
    open: u64,
    contributes: bool,
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
    /// ` (2 waived)`, or empty.
    waived: String,
    judged: bool,
    href: String,
    controls: Vec<Link>,
    not_run: String,
    planned: String,
    /// Controls that judged by other values than it asks for.
    set_otherwise: Vec<Link>,
    look_at: &'a str,
    /// At most one.
    attestation: Vec<Attestation<'a>>,
    /// Whether the script can say how it came out in each account.
    by_account: bool,
}

/// What a person says about a requirement.
#[derive(Serialize)]
struct Attestation<'a> {
    class: &'static str,
    state: &'static str,
    /// Empty, like the others, while nobody has said anything.
    statement: &'a str,
    author: &'a str,
    date: &'a str,
    expires: &'a str,
}

impl<'a> Attestation<'a> {
    fn of(row: &'a AttestationRow) -> Self {
        let said = row.said.as_ref();
        Self {
            class: match row.state {
                AttestationState::Attested => "pass",
                AttestationState::Expired => "unknown",
                AttestationState::Open => "manual",
            },
            state: row.state.as_str(),
            statement: said.map_or("", |said| &said.statement),
            author: said.map_or("", |said| &said.author),
            date: said.map_or("", |said| &said.date),
            expires: said.map_or("", |said| &said.expires),
        }
    }
}

impl<'a> Frameworks<'a> {
    pub(super) fn of(report: &'a Report, role: Role<'_>) -> Self {
        let ran: HashSet<&str> = report.controls.iter().map(|control| control.id.as_str()).collect();
        let judged = report.accounts.iter().filter(|account| account.is_judged()).count();
        Self {
            frameworks: report.frameworks.iter().map(|row| Framework::of(row, &ran, role)).collect(),
            run: &report.run.id,
            observed: text::time(&report.run.observed_at),
            accounts: match report.accounts.as_slice() {
                [only] => format!("account {}", only.id),
                _ => text::count(judged as u64, "account", "accounts"),
            },
        }
    }
}

impl<'a> Framework<'a> {
    fn of(framework: &'a FrameworkRow, ran: &HashSet<&str>, role: Role<'_>) -> Self {
        let mut sections: Vec<Section<'a>> = Vec::new();
        for row in &framework.requirements {
            let requirement = Requirement::of(framework, row, ran, role);
            match sections.last_mut() {
                Some(section) if section.title == row.section => section.requirements.push(requirement),
                _ => sections.push(Section { title: &row.section, requirements: vec![requirement] }),
            }
        }
        let statuses: Vec<(RequirementStatus, u64)> =
            statuses(framework).into_iter().filter(|(_, count)| *count > 0).collect();
        let words: Vec<String> =
            statuses.iter().map(|(status, count)| format!("{count} {}", status.words())).collect();
        Self {
            anchor: super::anchor("framework", &framework.id),
            id: &framework.id,
            title: &framework.title,
            version: &framework.version,
            level: framework.level.map_or(String::new(), |level| level.to_string()),
            note: &framework.note,
            covers: &framework.covers,
            contributes: framework.relation == Relation::Contributes,
            score: Score::of(framework),
            bar: charts::of_statuses(&statuses),
            bar_words: words.join(", "),
            statuses: statuses
                .into_iter()
                .map(|(status, count)| Counted { class: class(status), words: status.words(), count })
                .collect(),
            sections,
        }
    }
}

impl Score {
    /// The score in words: the percentage, or that there is none, and what it is of.
    pub(crate) fn words(&self) -> (String, String) {
        let Self { percent, passed, decided, open, contributes } = self;
        let percent = if percent.is_empty() { "none".to_owned() } else { percent.clone() };
        let of = if *contributes {
            format!("{passed} of {decided} requirements with evidence have none that fails; {open} without")
        } else {
            format!("{passed} of {decided} decided requirements pass; {open} not decided")
        };
        (percent, of)
    }

    pub(crate) fn of(framework: &FrameworkRow) -> Self {
        let score = report::Score::of(framework);
        Self {
            percent: score.percent().map_or(String::new(), |n| format!("{n} %")),
            passed: score.passed,
            decided: score.decided,
            open: framework.requirements.len() as u64 - score.decided,
            contributes: framework.relation == Relation::Contributes,
        }
    }
}

impl<'a> Requirement<'a> {
    fn of(framework: &FrameworkRow, row: &'a RequirementRow, ran: &HashSet<&str>, role: Role<'_>) -> Self {
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
            waived: match row.totals.waived {
                0 => String::new(),
                n => format!(" ({} waived)", text::thousands(n)),
            },
            judged: row.totals.total() > 0,
            href: role.filtered(&[("requirement", &format!("{}/{}", framework.id, row.id))]),
            // Without a control it is the same everywhere.
            by_account: role.has_findings() && !run.is_empty() && row.accounts.len() > 1,
            controls: run.into_iter().map(|id| Link::to_control(id)).collect(),
            set_otherwise: row.set_otherwise.iter().map(|id| Link::to_control(id)).collect(),
            look_at: &row.look_at,
            attestation: row.attestation.iter().map(Attestation::of).collect(),
            not_run: join(&not_run),
            planned: row.planned.join(", "),
        }
    }
}

fn join(ids: &[&String]) -> String {
    ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ")
}

pub(super) const fn class(status: RequirementStatus) -> &'static str {
    match status {
        RequirementStatus::Fail | RequirementStatus::FailingEvidence => "fail",
        RequirementStatus::Unknown => "unknown",
        RequirementStatus::Pass => "pass",
        RequirementStatus::Manual | RequirementStatus::NoFailingEvidence => "manual",
        RequirementStatus::NotCovered => "not_covered",
        RequirementStatus::NotApplicable => "not_applicable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_score_counts_only_what_was_decided() {
        let mut framework = sample::report().frameworks.remove(0);
        let statuses = [
            RequirementStatus::Pass,
            RequirementStatus::Pass,
            RequirementStatus::Fail,
            RequirementStatus::Unknown,
            RequirementStatus::Manual,
            RequirementStatus::NotCovered,
            RequirementStatus::NotApplicable,
        ];
        framework.requirements.truncate(statuses.len());
        for (requirement, status) in framework.requirements.iter_mut().zip(statuses) {
            requirement.status = status;
        }
        let score = Score { percent: "66 %".to_owned(), passed: 2, decided: 3, open: 4, contributes: false };
        assert_eq!(Score::of(&framework), score);
        framework.requirements.retain(|r| r.status == RequirementStatus::Unknown);
        let none = Score { percent: String::new(), passed: 0, decided: 0, open: 1, contributes: false };
        assert_eq!(Score::of(&framework), none, "nothing observed is neither 0 % nor 100 %");
    }

    #[test]
    fn evidence_decides_nothing_and_is_counted_by_itself() {
        let mut framework = sample::report().frameworks.remove(0);
        framework.relation = Relation::Contributes;
        framework.requirements.truncate(2);
        framework.requirements[0].status = RequirementStatus::NoFailingEvidence;
        framework.requirements[1].status = RequirementStatus::FailingEvidence;
        let score = Score { percent: "50 %".to_owned(), passed: 1, decided: 2, open: 0, contributes: true };
        assert_eq!(Score::of(&framework), score);
    }
}
