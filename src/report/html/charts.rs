//! Bars: a table whose rows end in a drawing of their numbers, and the bar of a framework.
//!
//! The numbers are in the table, so that the drawing says nothing that cannot be read.

use std::collections::BTreeMap;

use serde::Serialize;

use super::pages::Role;
use crate::controls::{RequirementStatus, Severity};
use crate::report::figures::Figures;
use crate::report::{Counts, Report, text};

/// Width of the longest bar, in its own units.
const BAR: u64 = 1000;

/// What is there at all is as wide as this, so that it can be seen.
const LEAST: u64 = 8;

/// More accounts than this are summed up.
const ACCOUNTS: usize = 20;

/// A table of bars.
#[derive(Serialize)]
pub(super) struct Chart {
    caption: &'static str,
    /// What the rows are.
    what: &'static str,
    bars: Vec<Bar>,
}

/// One row.
#[derive(Serialize)]
struct Bar {
    words: String,
    /// What people call it, where that is something else.
    name: String,
    /// Class of the badge that the words are in; empty for plain words.
    class: &'static str,
    href: String,
    /// The drawing in words.
    title: String,
    counts: Counts,
    segments: Vec<Segment>,
}

/// A part of a bar.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Segment {
    class: &'static str,
    x: u64,
    width: u64,
}

impl Chart {
    pub(super) fn by_severity(report: &Report, role: Role<'_>) -> Self {
        let mut counts = Severity::WORST_FIRST.map(|severity| (severity, Counts::zero()));
        for finding in &report.findings {
            for (severity, counts) in &mut counts {
                if *severity == finding.severity {
                    counts.add(finding);
                }
            }
        }
        let used = counts.into_iter().filter(|(_, counts)| counts.total() > 0);
        let bars = used.map(|(severity, counts)| {
            let word = severity.as_str();
            let href = role.filtered(&[("severity", word), ("verdict", verdicts(counts))]);
            Bar { class: word, ..Bar::of(word, "", href, counts) }
        });
        // Only failures are counted by severity where they are not listed.
        let caption =
            if report.left_out.is_some() { "Listed findings by severity" } else { "Verdicts by severity" };
        Self::of(caption, "Severity", bars.collect())
    }

    pub(super) fn by_service(report: &Report, role: Role<'_>) -> Self {
        let mut services: BTreeMap<&str, Counts> = BTreeMap::new();
        for control in &report.controls {
            let counts = services.entry(&control.service).or_insert(Counts::zero());
            *counts = counts.plus(control.totals);
        }
        let mut bars: Vec<Bar> = services
            .into_iter()
            .map(|(service, counts)| {
                let href = role.filtered(&[("service", service), ("verdict", verdicts(counts))]);
                Bar::of(service, "", href, counts)
            })
            .collect();
        bars.sort_by_key(Bar::rank);
        Self::of("Verdicts by service", "Service", bars)
    }

    pub(super) fn by_account(report: &Report, figures: &Figures<'_>, role: Role<'_>) -> Self {
        let mut bars: Vec<Bar> = report
            .accounts
            .iter()
            .filter(|account| account.is_judged())
            .map(|account| {
                let counts = figures.account(&account.id).counts;
                let href = role.filtered(&[("account", &account.id), ("verdict", verdicts(counts))]);
                Bar::of(&account.id, &account.name, href, counts)
            })
            .collect();
        bars.sort_by_key(Bar::rank);
        // One more is not summed up: the sum would take the same line.
        if bars.len() > ACCOUNTS + 1 {
            let rest = bars.split_off(ACCOUNTS);
            let sum = rest.iter().fold(Counts::zero(), |sum, bar| sum.plus(bar.counts));
            let words = text::count(rest.len() as u64, "other account", "other accounts");
            bars.push(Bar::of(&format!("{words} together"), "", "#accounts".to_owned(), sum));
        }
        Self::of("Verdicts by account", "Account", bars)
    }

    /// Draws the bars, the longest over the whole width.
    fn of(caption: &'static str, what: &'static str, mut bars: Vec<Bar>) -> Self {
        let most = bars.iter().map(|bar| drawn(bar.counts)).max().unwrap_or(0);
        for bar in &mut bars {
            let Counts { fail, unknown, pass, .. } = bar.counts;
            bar.segments = segments(&[("fail", fail), ("unknown", unknown), ("pass", pass)], most);
        }
        Self { caption, what, bars }
    }

    pub(super) fn has_several(&self) -> bool {
        self.bars.len() > 1
    }
}

impl Bar {
    fn of(words: &str, name: &str, href: String, counts: Counts) -> Self {
        Self {
            words: words.to_owned(),
            name: name.to_owned(),
            class: "",
            href,
            title: format!("{words}: {counts}"),
            counts,
            segments: Vec::new(),
        }
    }

    /// What fails most comes first.
    fn rank(&self) -> (std::cmp::Reverse<(u64, u64)>, String) {
        (std::cmp::Reverse((self.counts.fail, self.counts.unknown)), self.words.clone())
    }
}

/// The bar of a framework: requirements by status.
pub(super) fn of_statuses(statuses: &[(RequirementStatus, u64)]) -> Vec<Segment> {
    let parts: Vec<(&'static str, u64)> =
        statuses.iter().map(|(status, count)| (super::frameworks::class(*status), *count)).collect();
    segments(&parts, parts.iter().map(|(_, count)| count).sum())
}

/// What a bar shows: where a control does not apply there is nothing to draw.
const fn drawn(counts: Counts) -> u64 {
    counts.fail + counts.unknown + counts.pass
}

/// The verdicts that someone who follows a bar wants to see.
const fn verdicts(counts: Counts) -> &'static str {
    match counts {
        Counts { fail: 1.., .. } => "fail",
        Counts { unknown: 1.., .. } => "unknown",
        _ => "pass,not_applicable",
    }
}

fn segments(parts: &[(&'static str, u64)], most: u64) -> Vec<Segment> {
    let mut x = 0;
    parts
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(class, n)| {
            let width = (n.saturating_mul(BAR) / most.max(1)).max(LEAST);
            let segment = Segment { class, x, width };
            x += width;
            segment
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn every_chart_adds_up_to_the_totals() {
        let report = sample::report();
        let figures = Figures::of(&report);
        for chart in [
            Chart::by_severity(&report, Role::Whole),
            Chart::by_service(&report, Role::Whole),
            Chart::by_account(&report, &figures, Role::Whole),
        ] {
            let sum = chart.bars.iter().fold(Counts::zero(), |sum, bar| sum.plus(bar.counts));
            assert_eq!(sum, report.totals, "{}", chart.caption);
        }
    }

    #[test]
    fn many_accounts_are_summed_up_and_none_is_lost() {
        let mut report = sample::report();
        for n in 0..30 {
            let mut account = report.accounts[0].clone();
            account.id = format!("9000000000{n:02}");
            report.accounts.push(account);
        }
        let figures = Figures::of(&report);
        let chart = Chart::by_account(&report, &figures, Role::Whole);
        assert_eq!(chart.bars.len(), ACCOUNTS + 1);
        let last = chart.bars.last().expect("the rest");
        assert_eq!((last.words.as_str(), last.href.as_str()), ("14 other accounts together", "#accounts"));
        let sum = chart.bars.iter().fold(Counts::zero(), |sum, bar| sum.plus(bar.counts));
        assert_eq!(sum, report.totals);
    }

    #[test]
    fn what_is_there_at_all_can_be_seen_and_nothing_overlaps() {
        let segments = segments(&[("fail", 1), ("unknown", 0), ("pass", 99_999)], 100_000);
        assert_eq!(
            segments,
            [Segment { class: "fail", x: 0, width: LEAST }, Segment { class: "pass", x: LEAST, width: 999 }]
        );
        assert!(super::segments(&[("fail", 0)], 0).is_empty());
    }

    #[test]
    fn a_bar_leads_to_the_worst_that_it_shows() {
        let counts = |fail, unknown, pass| Counts { fail, waived: 0, unknown, pass, not_applicable: 1 };
        assert_eq!(verdicts(counts(1, 1, 1)), "fail");
        assert_eq!(verdicts(counts(0, 1, 1)), "unknown");
        assert_eq!(verdicts(counts(0, 0, 1)), "pass,not_applicable");
    }
}
