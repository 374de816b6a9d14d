//! `report.md`: the summary, for pull requests, chat and the step summaries of GitHub Actions.
//!
//! It stays below 60,000 bytes, so that a comment on GitHub (65,536 characters) holds it. Whatever is left out for
//! that is counted where it would stand. Names and messages from AWS are code, and other text is escaped: nothing
//! of it is markup, a link, a mention or a cell of a table.

mod detections;
mod escape;
mod sections;

use std::io::Write;

use super::figures::Figures;
use super::index::Index;
use super::{Counts, Report, Undelivered, WriteError, text};
use crate::inventory::AccountState;

use escape::escape;
pub(super) use escape::{code_block, prose};

/// Bytes of the whole page at most.
const LIMIT: usize = 60_000;

/// Messages of the earlier run, which were not delivered, that are named.
const MAX_UNDELIVERED: usize = 5;

/// Kept free of rows, for headings and for what is said about rows that are left out.
const RESERVE: usize = 6_000;

/// Writes the report's summary as Markdown.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    let (figures, index) = (Figures::of(report), Index::of(report));
    let mut page = Page { text: String::new() };
    page.line(&format!("# Upright: {}", headline(report.totals)));
    for warning in warnings(report) {
        page.line(&format!("> [!WARNING]\n> {warning}"));
    }
    page.line(&facts(report, &figures));
    sections::absent_regions(&mut page, report);
    sections::changes(&mut page, report, &index);
    detections::section(&mut page, report, &index);
    sections::controls(&mut page, report, &figures);
    sections::gaps(&mut page, report);
    sections::waivers(&mut page, report);
    sections::frameworks(&mut page, report);
    sections::accounts(&mut page, report, &figures);
    sections::resources(&mut page, report, &figures, &index);
    out.write_all(page.text.trim_end().as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// The page as far as it is written.
#[derive(Debug)]
struct Page {
    text: String,
}

impl Page {
    /// A block of its own.
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push_str("\n\n");
    }

    /// Whether that many bytes more fit.
    const fn has_room(&self, bytes: usize) -> bool {
        self.text.len() + bytes <= LIMIT - RESERVE
    }

    /// A table of the first `most` rows, as far as they fit. Returns how many rows were left out.
    fn table<const N: usize>(
        &mut self,
        columns: [&str; N],
        mut rows: impl Iterator<Item = [String; N]>,
        most: usize,
    ) -> u64 {
        self.text.push_str(&format!("| {} |\n|{}\n", columns.join(" | "), " --- |".repeat(N)));
        let mut left_out = 0;
        for row in rows.by_ref().take(most) {
            let row = format!("| {} |\n", row.join(" | "));
            if !self.has_room(row.len()) {
                left_out += 1;
                break;
            }
            self.text.push_str(&row);
        }
        left_out += rows.count() as u64;
        self.text.push('\n');
        left_out
    }

    /// Says how many were left out, if any.
    fn left_out(&mut self, n: u64, one: &str, many: &str) {
        if n > 0 {
            let verb = if n == 1 { "is" } else { "are" };
            self.line(&format!(
                "{} {verb} left out here.",
                text::count(n, &format!("more {one}"), &format!("more {many}"))
            ));
        }
    }
}

fn headline(totals: Counts) -> String {
    let Counts { pass, fail, waived, unknown, not_applicable } = totals;
    let waived =
        if waived > 0 { format!(" ({} of them waived)", text::thousands(waived)) } else { String::new() };
    let [pass, fail, unknown, not_applicable] = [pass, fail, unknown, not_applicable].map(text::thousands);
    format!("{fail} failed{waived}, {unknown} not observed, {pass} passed, {not_applicable} not applicable")
}

/// What a reader has to know before a number.
fn warnings(report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    if !report.run.complete || !report.gaps.is_empty() {
        warnings.push(format!(
            "**Incomplete.** {} could not be decided, because of {}. They neither pass nor fail.",
            text::count(report.totals.unknown, "finding", "findings"),
            text::count(
                report.gaps.len() as u64,
                "thing that was not observed",
                "things that were not observed"
            ),
        ));
    }
    let missed = report.detections.iter().flat_map(|detections| detections.missed());
    let missed: Vec<String> = missed.collect();
    if !missed.is_empty() {
        warnings.push(format!("**Not all events were looked at.** {}.", missed.join("; ")));
    }
    let undelivered = report.undelivered.iter().flat_map(Undelivered::lines).take(MAX_UNDELIVERED);
    warnings.extend(undelivered.map(|line| escape(&format!("{line}."))));
    if report.totals.total() == 0 {
        warnings.push("**Nothing was judged.** This run has no findings.".to_owned());
    }
    warnings
}

/// What was scanned, when, and how bad the failures are.
fn facts(report: &Report, figures: &Figures<'_>) -> String {
    let count = |is: fn(&AccountState) -> bool| {
        report.accounts.iter().filter(|account| is(&account.state)).count() as u64
    };
    let mut accounts = vec![format!(
        "{} scanned",
        text::count(count(|state| matches!(state, AccountState::Scanned)), "account", "accounts")
    )];
    let others = [
        (count(|state| matches!(state, AccountState::Failed { .. })), "not entered"),
        (count(|state| matches!(state, AccountState::Skipped { .. })), "skipped"),
    ];
    accounts.extend(
        others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", text::thousands(*n))),
    );
    let failing = figures.failing.iter().filter(|(_, n)| *n > 0);
    let failing: Vec<String> =
        failing.map(|(severity, n)| format!("{} {severity}", text::thousands(*n))).collect();
    let run = &report.run;
    let mut facts = vec![
        accounts.join(", "),
        format!("observed {}", escape::code(&text::time(&run.observed_at))),
        format!("took {}", text::duration(run.duration_ms)),
        format!("Upright {}, run {}", escape(&run.version), escape::code(&run.id)),
    ];
    if !failing.is_empty() {
        facts.insert(0, format!("**Failed: {}**", failing.join(", ")));
    }
    facts.join(" · ")
}

#[cfg(test)]
mod tests;
