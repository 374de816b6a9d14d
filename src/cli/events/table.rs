//! What people read of a scan of events.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Loaded;
use super::scan::rate;
use crate::events::detection::Detection;
use crate::events::ruleset::{Gravity, Issue, RuleInfo};
use crate::events::scan::Scanned;
use crate::events::source::Report;
use crate::report::printable;
use crate::report::screen::{Paint, Screen};
use crate::scan::sources::Sources;

/// Detections of a rule that are shown.
const SHOWN: usize = 3;

/// Detections by rule. It holds a few of each, however many there are.
#[derive(Debug, Default)]
pub(super) struct Table {
    rules: BTreeMap<String, Row>,
}

#[derive(Debug)]
struct Row {
    rule: Arc<RuleInfo>,
    count: u64,
    first: Vec<Line>,
}

/// One detection on one line.
#[derive(Debug)]
struct Line {
    time: Option<Timestamp>,
    account: Option<String>,
    region: Option<String>,
    output: String,
}

impl Table {
    pub(super) fn add(&mut self, detection: &Detection) {
        let row = self.rules.entry(detection.rule.id.clone()).or_insert_with(|| Row {
            rule: Arc::clone(&detection.rule),
            count: 0,
            first: Vec::new(),
        });
        row.count += 1;
        if row.first.len() < SHOWN {
            row.first.push(Line {
                time: detection.facts.time,
                account: detection.facts.account().map(str::to_owned),
                region: detection.facts.region().map(str::to_owned),
                output: detection.output.clone(),
            });
        }
    }

    /// The rules that matched, the gravest first, each with its first detections.
    pub(super) fn print(&self, width: usize, color: bool) -> String {
        let mut screen = Screen::new(width, color);
        let mut rows: Vec<&Row> = self.rules.values().collect();
        rows.sort_by(|a, b| {
            (b.rule.severity, b.count)
                .cmp(&(a.rule.severity, a.count))
                .then_with(|| a.rule.name.cmp(&b.rule.name))
        });
        let total: u64 = rows.iter().map(|row| row.count).sum();
        screen.line([(Paint::Bold, format!("{total} detections by {} rules", rows.len()).as_str())]);
        for row in rows {
            screen.blank();
            let severity = format!("{:<13}", row.rule.severity.to_string());
            let count = format!("{:>7}  ", row.count);
            screen.line([
                (Paint::of(row.rule.severity), severity.as_str()),
                (Paint::Plain, count.as_str()),
                (Paint::Bold, row.rule.name.as_str()),
            ]);
            let attack: Vec<&str> = row
                .rule
                .attack
                .tactics
                .iter()
                .chain(row.rule.attack.techniques.iter())
                .map(String::as_str)
                .collect();
            if !attack.is_empty() {
                screen.paragraph("    ATT&CK: ", &attack.join(", "));
            }
            for line in &row.first {
                let unknown = || "-".to_owned();
                let place = format!(
                    "    {}  {} {}  ",
                    line.time.map_or_else(unknown, |time| time.to_string()),
                    line.account.clone().unwrap_or_else(unknown),
                    line.region.clone().unwrap_or_else(unknown),
                );
                // The text of a Sigma rule begins with its title, which stands above.
                let output = line.output.strip_prefix(&row.rule.name).unwrap_or(&line.output).trim_start();
                screen.line([(Paint::Dim, place.as_str()), (Paint::Plain, output)]);
            }
            let more = row.count - u64::try_from(row.first.len()).unwrap_or(row.count);
            if more > 0 {
                screen.line([(Paint::Dim, format!("    and {more} more").as_str())]);
            }
        }
        screen.into_text()
    }
}

/// What is wrong with rule files. Notes on rules of other sources are kept to a count.
pub(super) fn issues(issues: &[Issue]) -> String {
    let mut text = String::new();
    for issue in issues.iter().filter(|issue| issue.gravity > Gravity::Note) {
        let word = if issue.gravity == Gravity::Error { "not run" } else { "warning" };
        let _ = writeln!(text, "{word}: {}", printable(&issue.to_string()));
    }
    text
}

/// What could not be read of the inputs.
pub(super) fn problems(unread: &[Report], found: u64) -> String {
    let mut text = String::new();
    let mut told = 0;
    for report in unread {
        for problem in &report.problems {
            let _ =
                writeln!(text, "not read: {}: {}", printable(&report.name), printable(&problem.to_string()));
            told += 1;
        }
    }
    if found > told {
        let _ = writeln!(text, "not read: and {} problems more", found - told);
    }
    text
}

/// What was read, and what became of it.
pub(super) fn summary(
    loaded: &Loaded,
    sources: &Sources<'_>,
    scanned: &Scanned,
    elapsed: Duration,
) -> String {
    let mut text = String::new();
    let counts = &scanned.counts;
    let rules = loaded.set.rules().iter().filter(|rule| rule.is_reported).count();
    let _ = writeln!(
        text,
        "{rules} rules and {} correlations, {} left out",
        loaded.set.correlations().count(),
        loaded.left_out()
    );
    let _ = writeln!(
        text,
        "{} events in {:.1?}, {} events/s, {} MB read, {} MB after decompression",
        counts.events,
        elapsed,
        rate(counts.events, elapsed),
        counts.bytes_read / 1_000_000,
        counts.bytes_inflated / 1_000_000
    );
    if counts.pointers > 0 {
        let _ = writeln!(text, "{} objects announced by messages", counts.pointers);
    }
    let others = [
        (counts.duplicates, "delivered twice"),
        (counts.outside, "outside the times"),
        (counts.insights, "Insights"),
        (counts.digests, "digests"),
        (counts.control, "test messages"),
        (counts.unrelated, "no events"),
        (counts.rejected, "unreadable"),
        (sources.other(), "other files"),
        (sources.not_asked_for(), "files not asked for"),
        (scanned.correlations.late, "too late for a correlation"),
        (scanned.correlations.forgotten_groups, "groups of correlations forgotten"),
    ];
    let others: Vec<String> = others
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    if !others.is_empty() {
        let _ = writeln!(text, "left out: {}", others.join(", "));
    }
    text
}
