//! What a scan prints when it is done: the answer for a tired person, in as many lines as it needs.

mod changes;
mod detections;
mod explain;
mod names;
#[cfg(test)]
mod tests;
mod timings;
mod waivers;

use std::collections::BTreeMap;
use std::path::Path;

use super::figures::{Figures, statuses, worst_first};
use super::gaps::Group;
use super::screen::{Paint, Screen, columns, padded};
use super::{ControlRow, Report, printable, text};
use crate::controls::{Relation, RequirementStatus, VerdictKind};
use crate::findings::Finding;
use crate::inventory::{Account, AccountState};
pub use explain::{candidates, explanation};
use names::{Named, Names, listed};

/// How the summary is shown.
#[derive(Debug, Clone, Copy)]
pub struct TerminalOptions {
    /// With ANSI colours.
    pub color: bool,
    /// Columns of the terminal; no line is wider.
    pub width: usize,
    /// How much is shown.
    pub verbosity: Verbosity,
}

/// How much the summary shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// The headline, and where the reports are.
    Quiet,
    /// What failed, what was not observed, accounts and frameworks.
    Normal,
    /// The same with every account and gap, and with many more resources.
    Verbose,
}

/// How many failing resources of a control are listed if more is asked for.
const RESOURCES: usize = 50;

/// How many of each are shown unless more is asked for.
const ACCOUNTS: usize = 20;
const GAPS: usize = 10;
const PLACES: usize = 8;
const NEW: usize = 20;

/// A terminal with fewer columns has no room for the names of accounts beside their numbers.
const NARROW: usize = 60;

/// The summary of a run. `written` are the files that its reports are in.
#[must_use]
pub fn summary(report: &Report, options: TerminalOptions, written: &[&Path]) -> String {
    let figures = Figures::of(report);
    let screen = Screen::new(options.width, options.color);
    let names = Names::of(&report.accounts);
    let mut summary = Summary { report, figures, names, options, screen };
    summary.headline();
    if options.verbosity > Verbosity::Quiet {
        summary.new_failures();
        summary.failed();
        summary.detections();
        summary.accounts();
        summary.frameworks();
        summary.absent_regions();
        summary.not_observed();
        summary.waivers();
        summary.past_failures();
    }
    if options.verbosity == Verbosity::Verbose {
        summary.timings();
    }
    summary.written(written);
    summary.screen.into_text()
}

struct Summary<'a> {
    report: &'a Report,
    figures: Figures<'a>,
    names: Names<'a>,
    options: TerminalOptions,
    screen: Screen,
}

impl<'a> Summary<'a> {
    /// At most so many, or all when nothing is to be left out.
    fn most(&self, usually: usize) -> usize {
        if self.options.verbosity == Verbosity::Verbose { usize::MAX } else { usually }
    }

    /// Says how many were left out.
    fn left_out(&mut self, left_out: usize) {
        if left_out > 0 {
            let words = format!("  … and {left_out} more; --verbose shows them, and so do the reports");
            self.screen.line([(Paint::Dim, words.as_str())]);
        }
    }

    fn headline(&mut self) {
        let totals = self.report.totals;
        let waived = match totals.waived {
            0 => String::new(),
            n => format!(" ({} of them waived)", text::thousands(n)),
        };
        let numbers = [
            (Paint::BoldRed.if_any(totals.fail), format!("{} failed{waived}", text::thousands(totals.fail))),
            (
                Paint::Yellow.if_any(totals.unknown),
                format!("{} not observed", text::thousands(totals.unknown)),
            ),
            (Paint::Green.if_any(totals.pass), format!("{} passed", text::thousands(totals.pass))),
            (Paint::Dim, format!("{} not applicable", text::thousands(totals.not_applicable))),
        ];
        self.screen.list(&numbers);
        self.changed();
        self.undelivered();
        let severities: Vec<(Paint, String)> = self
            .figures
            .failing
            .iter()
            .filter(|(_, fail)| *fail > 0)
            .enumerate()
            .map(|(index, (severity, fail))| {
                let lead = if index == 0 { "failed: " } else { "" };
                (Paint::Plain, format!("{lead}{} {severity}", text::thousands(*fail)))
            })
            .collect();
        if !severities.is_empty() {
            self.screen.list(&severities);
        }
        if let Some(detections) = &self.report.detections {
            self.screen.paragraph("", &detections.headline());
        }
        let run = &self.report.run;
        self.screen.list(&[
            (Paint::Dim, accounts(&self.report.accounts)),
            (Paint::Dim, text::duration(run.duration_ms)),
            (Paint::Dim, text::count(run.requests, "API call", "API calls")),
        ]);
    }

    fn failed(&mut self) {
        let failing: Vec<&ControlRow> =
            worst_first(self.report, &self.figures).into_iter().filter(|c| c.totals.fail > 0).collect();
        if failing.is_empty() {
            return;
        }
        self.screen.heading("Failed, worst first");
        let counts: Vec<String> = failing.iter().map(|c| text::thousands(c.totals.fail)).collect();
        let wide = counts.iter().map(|count| count.len()).max().unwrap_or(0);
        for (control, count) in failing.into_iter().zip(&counts) {
            let severity = self.figures.severity(control);
            self.screen.line([
                (Paint::Plain, "  "),
                (Paint::of(severity), &padded(severity.as_str(), 13)),
                (Paint::Plain, &format!(" {count:>wide$}  ")),
                (Paint::Bold, &control.id),
                (Paint::Plain, "  "),
                (Paint::Dim, &control.title),
            ]);
            self.failing_resources(control, 2 + 13 + 1 + wide + 2);
        }
    }

    fn failing_resources(&mut self, control: &ControlRow, margin: usize) {
        let margin = " ".repeat(margin);
        let failing: Vec<&Finding> = self.figures.findings(&control.id, VerdictKind::Fail).collect();
        if let Some(severities) = self.figures.severities(control) {
            self.screen.line([(Paint::Plain, margin.as_str()), (Paint::Dim, &severities)]);
        }
        if self.options.verbosity == Verbosity::Verbose {
            for finding in failing.iter().take(RESOURCES) {
                let waived = if finding.waived.is_some() { " (waived)" } else { "" };
                let place = format!(" in {} {}{waived}", finding.account, finding.region);
                let name = self.names.resource(finding);
                self.screen.line([(Paint::Plain, &*margin), (Paint::Plain, name), (Paint::Dim, &place)]);
            }
            let more = control.totals.fail.saturating_sub(RESOURCES as u64);
            if more > 0 {
                let words = format!("… and {} more; the reports have them all", text::thousands(more));
                self.screen.line([(Paint::Plain, &*margin), (Paint::Dim, &words)]);
            }
            return;
        }
        let room = self.screen.width().saturating_sub(margin.len());
        let (names, more) = as_many_as_fit(&self.names.with_places(&failing), room);
        self.screen.line([(Paint::Plain, &*margin), (Paint::Plain, &*names), (Paint::Dim, &*more)]);
    }

    fn accounts(&mut self) {
        let mut accounts: Vec<(&Account, _)> = self
            .report
            .accounts
            .iter()
            .map(|account| (account, self.figures.account(&account.id).counts))
            .collect();
        accounts.sort_by_key(|(account, counts)| {
            (std::cmp::Reverse((counts.fail, counts.unknown)), account.id.as_str())
        });
        let longest = accounts.iter().map(|(account, _)| columns(&printable(&account.name))).max();
        // Two spaces, twelve digits, two spaces, and 23 columns of numbers; names only where they have room.
        let room = self.screen.width().saturating_sub(2 + 12 + 2 + 2 + 23 + "  not entered".len() - 1);
        let is_narrow = self.screen.width() < NARROW;
        let name_width = if is_narrow { 0 } else { longest.unwrap_or(0).min(room).max(8) };
        let margin = 2 + 12 + 2 + if is_narrow { 0 } else { name_width + 2 };
        self.screen.heading(&format!("{}  fail  unknown    pass", padded("Accounts", margin)));
        let most = self.most(ACCOUNTS);
        for (account, counts) in accounts.iter().take(most) {
            let id = format!("  {}  ", account.id);
            let id = if is_narrow { id } else { format!("{id}{}  ", padded(&account.name, name_width)) };
            let mut spans = vec![(Paint::Plain, id)];
            if let AccountState::Skipped { reason } = &account.state {
                spans.push((Paint::Dim, format!("skipped: {reason}")));
            } else {
                spans.push((Paint::Red.if_any(counts.fail), format!("{:>6}", text::thousands(counts.fail))));
                let unknown = format!("{:>9}", text::thousands(counts.unknown));
                spans.push((Paint::Yellow.if_any(counts.unknown), unknown));
                spans
                    .push((Paint::Green.if_any(counts.pass), format!("{:>8}", text::thousands(counts.pass))));
            }
            if matches!(account.state, AccountState::Failed { .. }) {
                spans.push((Paint::Yellow, "  not entered".to_owned()));
            }
            self.screen.line(spans.iter().map(|(paint, words)| (*paint, words.as_str())));
        }
        self.left_out(accounts.len().saturating_sub(most));
    }

    /// Decisions and evidence in a table each: they share few columns, and must not be taken for one another.
    fn frameworks(&mut self) {
        let frameworks = &self.report.frameworks;
        for (relation, heading) in
            [(Relation::Decides, "Frameworks"), (Relation::Contributes, "Evidence for frameworks")]
        {
            let of: Vec<_> = frameworks
                .iter()
                .filter(|framework| framework.relation == relation)
                .map(|framework| (framework.title.as_str(), statuses(framework)))
                .collect();
            if !of.is_empty() {
                self.framework_table(heading, relation, &of);
            }
        }
    }

    fn framework_table(
        &mut self,
        heading: &str,
        relation: Relation,
        of: &[(&str, [(RequirementStatus, u64); 8])],
    ) {
        let shown: Vec<RequirementStatus> = RequirementStatus::ALL
            .into_iter()
            .filter(|status| status.is_of(relation))
            .filter(|status| {
                *status != RequirementStatus::NotApplicable
                    || of.iter().any(|(_, counts)| counts.iter().any(|(s, n)| s == status && *n > 0))
            })
            .collect();
        let numbers: usize = shown.iter().map(|status| status.words().len() + 2).sum();
        if numbers + 2 + 10 > self.screen.width() {
            return self.frameworks_one_below_the_other(heading, of);
        }
        let titles = of.iter().map(|(title, _)| columns(&printable(title))).chain([columns(heading)]);
        let longest = titles.max().unwrap_or(0);
        let title_width = longest.min(self.screen.width().saturating_sub(numbers + 2)).max(10);
        let header: String = shown.iter().map(|status| format!("  {}", status.words())).collect();
        self.screen.heading(&format!("{}{header}", padded(heading, title_width + 2)));
        for (title, counts) in of {
            let mut spans = vec![(Paint::Plain, format!("  {}", padded(title, title_width)))];
            for (status, count) in counts.iter().filter(|(status, _)| shown.contains(status)) {
                let wide = status.words().len() + 2;
                spans.push((paint(*status).if_any(*count), format!("{count:>wide$}")));
            }
            self.screen.line(spans.iter().map(|(paint, words)| (*paint, words.as_str())));
        }
    }

    fn frameworks_one_below_the_other(
        &mut self,
        heading: &str,
        of: &[(&str, [(RequirementStatus, u64); 8])],
    ) {
        self.screen.heading(heading);
        for (title, counts) in of {
            self.screen.paragraph("  ", title);
            let counts = counts.iter().filter(|(_, count)| *count > 0);
            let words: Vec<String> =
                counts.map(|(status, count)| format!("{count} {}", status.words())).collect();
            self.screen.paragraph("    ", &words.join(", "));
        }
    }

    /// What lies in a region that was asked for and is not enabled is not there; that nothing failed there
    /// must not be taken for more.
    fn absent_regions(&mut self) {
        let mut absent: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (account, regions) in &self.report.run.absent_regions {
            for region in regions {
                absent.entry(region).or_default().push(account);
            }
        }
        if absent.is_empty() {
            return;
        }
        self.screen.heading("Regions that are not enabled");
        for (region, accounts) in absent {
            let of = text::count(accounts.len() as u64, "account", "accounts");
            let accounts = format!(" in {of}: {}", accounts.join(", "));
            self.screen.line([(Paint::Plain, "  "), (Paint::Yellow, region), (Paint::Plain, &accounts)]);
        }
    }

    fn not_observed(&mut self) {
        let gaps = &self.report.gaps;
        if gaps.is_empty() {
            return;
        }
        self.screen.heading("NOT OBSERVED");
        let groups = Group::of(gaps);
        let most = self.most(GAPS);
        for group in groups.iter().take(most) {
            self.gap(group);
        }
        self.left_out(groups.len().saturating_sub(most));
    }

    fn gap(&mut self, group: &Group<'_>) {
        let lead = format!("  {} ", group.asked());
        let leaves = text::count(group.findings(), "finding", "findings");
        let places = group.places();
        let most = self.most(PLACES);
        let shown = places.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match places.len().saturating_sub(most) {
            0 => String::new(),
            more => format!(" and {}", text::count(more as u64, "other place", "other places")),
        };
        let words = format!("in {shown}{more}: {} ({leaves})", group.error());
        self.screen.wrapped((Paint::Yellow, &lead), 4, &words);
        self.screen.paragraph("  → ", group.remedy());
    }

    fn written(&mut self, written: &[&Path]) {
        if written.is_empty() {
            return;
        }
        self.screen.heading("Reports");
        for path in written {
            self.screen.line([(Paint::Plain, "  "), (Paint::Plain, &path.display().to_string())]);
        }
    }
}

/// `3 accounts (1 not entered, 1 skipped)`.
fn accounts(accounts: &[Account]) -> String {
    let (mut scanned, mut failed, mut skipped) = (0, 0, 0);
    for account in accounts {
        match account.state {
            AccountState::Scanned => scanned += 1,
            AccountState::Failed { .. } => failed += 1,
            AccountState::Skipped { .. } => skipped += 1,
        }
    }
    let others: Vec<String> = [(failed, "not entered"), (skipped, "skipped")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", text::thousands(n)))
        .collect();
    let accounts = text::count(scanned, "account", "accounts");
    if others.is_empty() { accounts } else { format!("{accounts} ({})", others.join(", ")) }
}

/// As many resources as the columns hold, at least one, and how many more there are.
fn as_many_as_fit(resources: &[Named], room: usize) -> (String, String) {
    let more = |shown: usize| match resources.len().saturating_sub(shown) {
        0 => String::new(),
        left => format!(" and {} more", text::thousands(left as u64)),
    };
    let lines = (1..=resources.len()).map(|n| (listed(resources.get(..n).unwrap_or(resources)), more(n)));
    let fits = |line: &(String, String)| columns(&line.0) + columns(&line.1) <= room;
    // More of them can fit than fewer: the last loses its place to the next one there, and "more" may go.
    if let Some(longest) = lines.take_while(|line| columns(&line.0) <= 2 * room).filter(fits).last() {
        return longest;
    }
    // The name gives way to the number of those that are not named.
    let first = listed(resources.get(..1).unwrap_or(resources));
    let rest = more(1);
    (padded(&first, room.saturating_sub(columns(&rest))).trim_end().to_owned(), rest)
}

const fn paint(status: RequirementStatus) -> Paint {
    match status {
        RequirementStatus::Fail | RequirementStatus::FailingEvidence => Paint::Red,
        RequirementStatus::Unknown => Paint::Yellow,
        RequirementStatus::Pass => Paint::Green,
        RequirementStatus::Manual
        | RequirementStatus::NotCovered
        | RequirementStatus::NoFailingEvidence
        | RequirementStatus::NotApplicable => Paint::Plain,
    }
}
