//! The accounts: how each was scanned, what fails there, and how the calls went.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{Link, Piece, pieces};
use crate::inventory::{Account, AccountState, Coverage, CoverageState};
use crate::report::figures::Figures;
use crate::report::{ControlRow, Counts, Report};

/// All accounts, as a table; the sections follow one by one.
#[derive(Serialize)]
pub(super) struct Accounts<'a> {
    lines: Vec<Line<'a>>,
    #[serde(skip)]
    coverage: BTreeMap<&'a str, Vec<&'a Coverage>>,
    #[serde(skip)]
    controls: HashMap<&'a str, &'a ControlRow>,
    #[serde(skip)]
    absent: &'a BTreeMap<String, Vec<String>>,
}

/// An account in the table.
#[derive(Clone, Serialize)]
struct Line<'a> {
    link: Link,
    name: &'a str,
    state: &'static str,
    class: &'static str,
    /// Why it was skipped or could not be entered.
    why: String,
    is_scanned: bool,
    counts: Counts,
    #[serde(skip)]
    account: Option<&'a Account>,
    #[serde(skip)]
    controls: BTreeMap<&'a str, Counts>,
}

/// An account's own section.
#[derive(Serialize)]
pub(super) struct Section<'a> {
    #[serde(flatten)]
    line: Line<'a>,
    facts: Vec<Fact>,
    absent: String,
    remedy: Vec<Piece>,
    controls: Vec<InControl<'a>>,
    coverage: Vec<Called<'a>>,
    calls: u64,
    unanswered: u64,
}

/// A line of what is known about an account.
#[derive(Serialize)]
struct Fact {
    what: &'static str,
    value: String,
}

/// A control that fails or is unknown in the account.
#[derive(Serialize)]
struct InControl<'a> {
    link: Link,
    title: &'a str,
    severity: &'static str,
    counts: Counts,
}

/// How the calls of one operation went in one region.
#[derive(Serialize)]
struct Called<'a> {
    operation: String,
    region: &'a str,
    state: &'static str,
    class: &'static str,
    answered: u64,
    unanswered: u64,
    gone: u64,
    errors: Vec<String>,
}

impl<'a> Accounts<'a> {
    pub(super) fn of(report: &'a Report, figures: &Figures<'a>) -> Self {
        let mut coverage: BTreeMap<&str, Vec<&Coverage>> = BTreeMap::new();
        for row in &report.coverage {
            coverage.entry(&row.account).or_default().push(row);
        }
        let mut lines: Vec<Line<'_>> =
            report.accounts.iter().map(|account| Line::of(account, figures)).collect();
        for id in coverage.keys() {
            if !report.accounts.iter().any(|account| account.id == *id) {
                lines.push(Line::on_the_way(id));
            }
        }
        Self {
            lines,
            coverage,
            controls: report.controls.iter().map(|control| (control.id.as_str(), control)).collect(),
            absent: &report.run.absent_regions,
        }
    }

    /// The sections, one for each line of the table.
    pub(super) fn sections(&self) -> impl Iterator<Item = Section<'a>> + use<'a, '_> {
        self.lines.iter().map(|line| self.section(line))
    }

    fn section(&self, line: &Line<'a>) -> Section<'a> {
        let id = line.link.words.as_str();
        let coverage: Vec<Called<'a>> =
            self.coverage.get(id).into_iter().flatten().map(|row| Called::of(row)).collect();
        let mut controls: Vec<(&ControlRow, Counts)> = line
            .controls
            .iter()
            .filter(|(_, counts)| counts.fail + counts.unknown > 0)
            .filter_map(|(control, counts)| Some((*self.controls.get(control)?, *counts)))
            .collect();
        controls.sort_by(|(a, a_counts), (b, b_counts)| {
            ((b_counts.fail > 0), b.severity, b_counts.fail)
                .cmp(&(a_counts.fail > 0, a.severity, a_counts.fail))
                .then_with(|| a.id.cmp(&b.id))
        });
        Section {
            facts: line.account.map_or(Vec::new(), facts),
            absent: self.absent.get(id).map_or(String::new(), |regions| regions.join(", ")),
            remedy: match line.account.map(|account| &account.state) {
                Some(AccountState::Failed { unseen }) => pieces(&unseen.remedy()),
                _ => Vec::new(),
            },
            controls: controls
                .into_iter()
                .map(|(control, counts)| InControl {
                    link: Link::to_control(&control.id),
                    title: &control.title,
                    severity: control.severity.as_str(),
                    counts,
                })
                .collect(),
            calls: coverage.iter().map(|row| row.answered + row.unanswered + row.gone).sum(),
            unanswered: coverage.iter().map(|row| row.unanswered).sum(),
            coverage,
            line: line.clone(),
        }
    }
}

impl<'a> Line<'a> {
    fn of(account: &'a Account, figures: &Figures<'a>) -> Self {
        let found = figures.account(&account.id);
        let (state, class, why) = match &account.state {
            AccountState::Scanned => ("scanned", "plain", String::new()),
            AccountState::Skipped { reason } => ("skipped", "manual", reason.clone()),
            AccountState::Failed { unseen } => ("not entered", "unknown", unseen.to_string()),
        };
        Self {
            link: Link::to_account(&account.id),
            name: &account.name,
            state,
            class,
            why,
            is_scanned: account.state == AccountState::Scanned,
            counts: found.counts,
            account: Some(account),
            controls: found.controls,
        }
    }

    /// An account that is not part of the scan and was asked for something, such as the caller's own.
    fn on_the_way(id: &str) -> Self {
        Self {
            link: Link::to_account(id),
            name: "",
            state: "not scanned",
            class: "manual",
            why: "Only asked for what the scan of the other accounts needs.".to_owned(),
            is_scanned: false,
            counts: Counts::zero(),
            account: None,
            controls: BTreeMap::new(),
        }
    }
}

/// What is known about an account beside its name; what was not asked or not seen is said.
fn facts(account: &Account) -> Vec<Fact> {
    let tags: Vec<String> =
        account.tags.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    [
        ("Partition", account.partition.clone()),
        ("Regions", account.regions.join(", ")),
        ("Organization", account.organization.clone().unwrap_or_else(|| "not known".to_owned())),
        ("Organizational units", account.units.as_deref().unwrap_or_default().join(" / ")),
        (
            "Management account",
            match account.is_management {
                Some(true) => "yes",
                Some(false) => "no",
                None => "not known",
            }
            .to_owned(),
        ),
        ("Tags", tags.join(", ")),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(what, value)| Fact { what, value })
    .collect()
}

impl<'a> Called<'a> {
    fn of(row: &'a Coverage) -> Self {
        let (state, class) = match row.state {
            CoverageState::Ok => ("answered", "plain"),
            CoverageState::Partial => ("partly", "unknown"),
            CoverageState::Failed => ("not answered", "unknown"),
        };
        Self {
            operation: format!("{}:{}", row.service, row.operation),
            region: &row.region,
            state,
            class,
            answered: row.answered,
            unanswered: row.unanswered,
            gone: row.gone,
            errors: row
                .errors
                .iter()
                .map(|error| match error.count {
                    1 => error.unseen.to_string(),
                    n => format!("{n} times: {}", error.unseen),
                })
                .collect(),
        }
    }
}
