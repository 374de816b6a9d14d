//! [`Explanation`]: all that is known about one finding, in one place.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ControlRow, Report, remediation};
use crate::controls::{Control, ControlSet, Severity, VerdictKind};
use crate::events::authors::LastChange;
use crate::findings::Finding;

/// How few digits of an id are looked up.
pub const MIN_PREFIX: usize = 4;

/// A finding with its control, its rule and the way out.
#[derive(Debug, Serialize)]
pub struct Explanation<'a> {
    /// The finding.
    pub finding: &'a Finding,
    /// Title of the control.
    pub title: &'a str,
    /// Why it matters.
    pub rationale: &'a str,
    /// Name of the account, where it has one.
    pub account_name: &'a str,
    /// The rule, where this program knows the control.
    pub rule: Option<Rule<'a>>,
    /// Who can change that it was not observed, and how.
    pub remedy: Option<String>,
    /// The statement to add to the scanner's role, where that would help.
    pub statement: Option<serde_json::Value>,
    /// The latest call that was seen to change the resource since the earlier run, where anybody looked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change: Option<&'a LastChange>,
    /// What to do about it.
    pub remediation: Advice<'a>,
    /// Requirements that the control serves: framework id → requirement ids.
    pub requirements: &'a BTreeMap<String, Vec<String>>,
    /// AWS's pages about it.
    pub references: &'a [String],
}

/// What a control asks for, as its file says it.
#[derive(Debug, Serialize)]
pub struct Rule<'a> {
    /// Where the control applies; everywhere where it is not said.
    pub when: Option<&'a str>,
    /// What must hold.
    pub pass: &'a str,
    /// What makes a failure worse than the control's severity, by how bad it then is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub severity_if: &'a BTreeMap<Severity, String>,
    /// Values that it compares with.
    pub parameters: BTreeMap<&'a str, &'a serde_json::Value>,
}

/// What puts it right.
#[derive(Debug, Serialize)]
pub struct Advice<'a> {
    /// In the console.
    pub text: &'a str,
    /// On the command line, with the resource's own values.
    pub command: String,
    /// In Terraform, with the resource's own values.
    pub terraform: String,
    /// Placeholders in them that are to be filled by hand.
    pub by_hand: Vec<&'static str>,
}

/// Why no finding is meant.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotFound<'a> {
    /// It is no beginning of an id.
    #[error(
        "`{0}` is no finding id: an id is 32 hexadecimal digits, of which the first {MIN_PREFIX} are enough"
    )]
    NoId(String),
    /// No id begins like that.
    #[error("no finding has an id that begins with `{id}`; there are {count} findings")]
    Unknown {
        /// What was looked up.
        id: String,
        /// How many findings there are.
        count: usize,
    },
    /// Several ids begin like that.
    #[error("{} findings have ids that begin with `{id}`", candidates.len())]
    Ambiguous {
        /// What was looked up.
        id: String,
        /// The findings.
        candidates: Vec<&'a Finding>,
    },
}

impl Report {
    /// The finding with that id, or the only one whose id begins like that.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find(&self, id: &str) -> Result<&Finding, NotFound<'_>> {
        let id = id.to_ascii_lowercase();
        if id.len() < MIN_PREFIX || !id.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(NotFound::NoId(id));
        }
        let candidates: Vec<&Finding> = self.findings.iter().filter(|f| f.id.starts_with(&id)).collect();
        match candidates.as_slice() {
            [] => Err(NotFound::Unknown { id, count: self.findings.len() }),
            [one] => Ok(one),
            _ => Err(NotFound::Ambiguous { id, candidates }),
        }
    }

    /// Explains a finding of this report, with the rules of `set`; `None` where its control is not in the report.
    #[must_use]
    pub fn explain<'a>(&'a self, finding: &'a Finding, set: &'a ControlSet) -> Option<Explanation<'a>> {
        let control: &ControlRow = self.controls.iter().find(|control| control.id == finding.control)?;
        let account = self.accounts.iter().find(|account| account.id == finding.account);
        let gap = finding.unseen.as_ref();
        Some(Explanation {
            finding,
            title: &control.title,
            rationale: &control.rationale,
            account_name: account.map_or("", |account| &account.name),
            rule: set.control(&finding.control).map(Rule::of),
            remedy: gap.map(crate::inventory::Unseen::remedy),
            statement: gap.and_then(crate::inventory::Unseen::statement),
            last_change: self.changes.as_ref().and_then(|changes| changes.last_change(&finding.id)),
            remediation: Advice::of(control, finding),
            requirements: &control.requirements,
            references: &control.references,
        })
    }
}

impl<'a> Rule<'a> {
    fn of(control: &'a Control) -> Self {
        Self {
            when: control.expressions.when.as_deref(),
            pass: &control.expressions.pass,
            severity_if: &control.expressions.severity_if,
            parameters: control.parameters.iter().map(|(name, of)| (name.as_str(), &of.value)).collect(),
        }
    }
}

impl<'a> Advice<'a> {
    fn of(control: &'a ControlRow, finding: &Finding) -> Self {
        let command = remediation::command(&control.remediation_cli, finding);
        let terraform = remediation::terraform(&control.remediation_terraform, finding);
        let mut by_hand = command.by_hand;
        by_hand.extend(terraform.by_hand);
        by_hand.sort_unstable();
        by_hand.dedup();
        Self { text: &control.remediation, command: command.text, terraform: terraform.text, by_hand }
    }
}

impl Explanation<'_> {
    /// Whether there is something to put right on the resource, or to find out about it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.finding.verdict, VerdictKind::Fail | VerdictKind::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_finding_is_found_by_the_beginning_of_its_id() {
        let report = sample::report();
        for finding in &report.findings {
            assert_eq!(report.find(&finding.id).map(|f| &f.id), Ok(&finding.id));
            assert_eq!(report.find(&finding.id[..12].to_uppercase()).map(|f| &f.id), Ok(&finding.id));
        }
    }

    #[test]
    fn what_is_not_found_says_why() {
        let mut report = sample::report();
        for id in ["abc", "", "zzzz", "\u{1b}[2J", "ffff "] {
            assert!(matches!(report.find(id), Err(NotFound::NoId(_))), "{id:?}");
        }
        report.findings[0].id = "abcd1".to_owned();
        report.findings[1].id = "abcd2".to_owned();
        let Err(NotFound::Ambiguous { candidates, .. }) = report.find("abcd") else {
            panic!("two are meant")
        };
        assert_eq!(candidates.len(), 2);
        let count = report.findings.len();
        assert_eq!(report.find("abcd3"), Err(NotFound::Unknown { id: "abcd3".to_owned(), count }));
    }

    #[test]
    fn the_rule_is_there_where_the_control_is_known() {
        let report = sample::report();
        let set = ControlSet::builtin().expect("controls");
        for finding in &report.findings {
            let explained = report.explain(finding, &set).expect("its control is in the report");
            assert_eq!(explained.rule.is_some(), set.control(&finding.control).is_some());
            assert_eq!(explained.remedy.is_some(), finding.verdict == VerdictKind::Unknown);
        }
    }
}
