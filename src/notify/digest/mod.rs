//! [`Digest`]: what one receiver is told about a run, the same whichever way it is sent.
//!
//! It is bounded whatever the report holds: every section has some rows at most and says how many more there are,
//! and every text is cut. All of it is on one line each and holds nothing that steers a terminal or hides.

mod sections;
mod subject;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::about::About;
use crate::config::Rule;
use crate::controls::VerdictKind;
use crate::inventory::AccountState;
use crate::report::{Report, Undelivered, printable};

pub(super) use subject::ascii;

/// Rows of a section.
const MAX_ROWS: usize = 20;
/// Characters of a name, a title or a message.
const MAX_CHARS: usize = 120;

/// Messages of the earlier run, which were not delivered, that are named.
const MAX_UNDELIVERED: usize = 3;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Digest {
    /// The subject of a mail, at most 200 characters.
    pub(super) subject: String,
    /// The outcome in one line, such as `3 new failures (1 critical), 2 resolved`.
    pub(super) headline: String,
    /// What has to be known before the rest; empty where there is nothing.
    pub(super) notice: String,
    /// Where the full report is; empty where that is not said.
    pub(super) link: String,
    /// About the run, name and value.
    pub(super) facts: Vec<Fact>,
    /// The rest, the most urgent first. A section without rows is left out.
    pub(super) sections: Vec<Section>,
    /// Numbers, for programs.
    pub(super) numbers: Numbers,
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
}

/// A heading with a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Section {
    /// What it is, for programs: `new`, `worst`, `resolved`, …
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// A sentence before the table; empty where there is none.
    pub(super) note: String,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Row>,
    /// Rows that are left out.
    pub(super) more: u64,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    /// Severity; empty where it has none.
    pub(super) severity: &'static str,
    pub(super) cells: Vec<Cell>,
}

/// A cell: a text, and below it a lesser one, which may be empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) note: String,
}

/// What the receiver's part of the report adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Numbers {
    /// Findings that fail and that nobody accepts.
    pub(super) failing: u64,
    /// Of those, critical ones.
    pub(super) critical: u64,
    /// Findings that fail and that a waiver accepts.
    pub(super) waived: u64,
    /// Findings that could not be decided.
    pub(super) not_observed: u64,
    /// What event rules found.
    pub(super) detections: u64,
    /// What changed; none where there is no earlier run.
    pub(super) changes: Option<ChangeNumbers>,
}

/// Failures by what became of them since the earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct ChangeNumbers {
    /// They did not fail then.
    pub(super) new: u64,
    /// Of the new ones, critical ones.
    pub(super) new_critical: u64,
    /// They fail, and were not looked at then.
    pub(super) newly_judged: u64,
    /// They failed then and do not any more.
    pub(super) resolved: u64,
    /// They failed then and could not be looked at now.
    pub(super) no_longer_observed: u64,
}

impl ChangeNumbers {
    const fn is_something(self) -> bool {
        self.new + self.newly_judged + self.resolved + self.no_longer_observed > 0
    }
}

/// What all messages of a run have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wording<'a> {
    /// What is scanned, as the configuration calls it.
    pub(super) name: Option<&'a str>,
    /// Address of the full report.
    pub(super) report_url: Option<&'a str>,
}

impl Digest {
    /// What the rule asks to be told about the report; `None` where that is nothing.
    pub(super) fn of(report: &Report, rule: Rule<'_>, wording: Wording<'_>) -> Option<Self> {
        let about = About::of(report, rule);
        let parts = sections::Parts::of(report, &about);
        let numbers = parts.numbers();
        let has_changes = numbers.changes.map(ChangeNumbers::is_something);
        if !about.is_due(numbers.failing + numbers.detections > 0, numbers.not_observed > 0, has_changes) {
            return None;
        }
        let name = wording.name.map_or_else(|| scope(report), |name| shown(name, 60));
        let date = report.run.started_at.split('T').next().unwrap_or_default();
        let headline = subject::headline(numbers, report.totals.total());
        Some(Self {
            subject: shown(&format!("[Upright] {headline}: {name}, {date}"), 200),
            headline,
            notice: notice(report, &about),
            link: wording.report_url.unwrap_or_default().to_owned(),
            facts: facts(report, &about, &name),
            sections: parts.sections(),
            numbers,
        })
    }

    /// What is told of a scan that could not run.
    pub(super) fn of_failure(why: &str, at: &str, wording: Wording<'_>) -> Self {
        let name = wording.name.map_or_else(|| "AWS".to_owned(), |name| shown(name, 60));
        let date = at.split('T').next().unwrap_or_default();
        let headline = "the scan could not run".to_owned();
        Self {
            subject: shown(&format!("[Upright] {headline}: {name}, {date}"), 200),
            headline,
            notice: format!("Nothing was judged, and there is no report. {}", shown(why, 1_000)),
            link: String::new(),
            facts: vec![
                Fact { name: "Scope", value: name },
                Fact { name: "Started", value: shown(at, MAX_CHARS) },
                Fact { name: "Upright", value: env!("CARGO_PKG_VERSION").to_owned() },
            ],
            sections: Vec::new(),
            numbers: Numbers {
                failing: 0,
                critical: 0,
                waived: 0,
                not_observed: 0,
                detections: 0,
                changes: None,
            },
        }
    }

    /// The same with fewer rows in each section.
    pub(super) fn with_rows(mut self, most: usize) -> Self {
        for section in &mut self.sections {
            section.more += section.rows.len().saturating_sub(most) as u64;
            section.rows.truncate(most);
        }
        self
    }
}

/// What is scanned, where the configuration has no name for it.
fn scope(report: &Report) -> String {
    match report.accounts.as_slice() {
        [only] if only.name.is_empty() => format!("account {}", shown(&only.id, 20)),
        [only] => shown(&only.name, 60),
        accounts => format!("{} accounts", accounts.len()),
    }
}

fn notice(report: &Report, about: &About<'_>) -> String {
    let mut notice = notice_of_findings(report).to_owned();
    let missed = report.detections.as_ref().map(|detections| detections.missed()).unwrap_or_default();
    if !missed.is_empty() {
        notice.push_str(if notice.is_empty() { "" } else { " " });
        notice.push_str(&shown(&format!("Not all events were looked at: {}.", missed.join("; ")), 500));
    }
    // Addresses of others are in it.
    for line in report
        .undelivered
        .iter()
        .filter(|_| !about.is_limited())
        .flat_map(Undelivered::lines)
        .take(MAX_UNDELIVERED)
    {
        notice.push_str(if notice.is_empty() { "" } else { " " });
        notice.push_str(&shown(&format!("{line}."), 500));
    }
    notice
}

fn notice_of_findings(report: &Report) -> &'static str {
    if report.totals.total() == 0 {
        "Nothing was judged: this run has no findings."
    } else if !report.run.complete || !report.gaps.is_empty() {
        "Not everything was observed. What was not neither passes nor fails; see below what is missing."
    } else {
        ""
    }
}

fn facts(report: &Report, about: &About<'_>, name: &str) -> Vec<Fact> {
    let count = |is: fn(&AccountState) -> bool| {
        report
            .accounts
            .iter()
            .filter(|account| about.takes_account(&account.id) && is(&account.state))
            .count()
    };
    let scanned = count(|state| matches!(state, AccountState::Scanned));
    let others = [
        (count(|state| matches!(state, AccountState::Failed { .. })), "not entered"),
        (count(|state| matches!(state, AccountState::Skipped { .. })), "skipped"),
    ];
    let mut accounts = vec![format!("{scanned} scanned")];
    accounts.extend(others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    let run = &report.run;
    let passed = about.findings(VerdictKind::Pass).count();
    let mut facts = vec![
        Fact { name: "Scope", value: name.to_owned() },
        Fact { name: "Accounts", value: accounts.join(", ") },
        Fact { name: "Passed", value: passed.to_string() },
        Fact { name: "Observed", value: time(&run.observed_at) },
        Fact { name: "Run", value: shown(&format!("{}, Upright {}", run.id, run.version), MAX_CHARS) },
    ];
    if let Some(changes) = &report.changes {
        let value = format!("run {}, {}", shown(&changes.since_run, 60), time(&changes.since));
        facts.push(Fact { name: "Compared with", value });
    }
    if about.is_limited() {
        facts.push(Fact { name: "Limited to", value: shown(&about.words(), MAX_CHARS) });
    }
    facts
}

fn time(rfc3339: &str) -> String {
    shown(&crate::report::time(rfc3339), MAX_CHARS)
}

/// Text of others on one line, without anything that steers or hides, and cut.
pub(super) fn shown(text: &str, max_chars: usize) -> String {
    // Cut first: what follows grows with it.
    let mut letters = text.trim().chars();
    let cut: String = letters.by_ref().take(max_chars).collect();
    let has_more = letters.next().is_some();
    let safe = printable(&cut);
    let mut letters = safe.chars();
    let mut shown: String = letters.by_ref().take(max_chars).collect();
    if has_more || letters.next().is_some() {
        shown.push('…');
    }
    shown
}
