//! How the numbers went from run to run: a line for each, drawn and in words.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::controls::Severity;
use crate::report::{Report, TrendPoint, text};

/// The drawing's size, in its own units.
const WIDTH: u64 = 1000;
const HEIGHT: u64 = 100;
/// Accounts that are drawn: those that fail most now.
const ACCOUNTS: usize = 10;

#[derive(Serialize)]
pub(super) struct TrendPart {
    runs: usize,
    first: String,
    last: String,
    groups: Vec<Group>,
}

/// Lines that share a scale.
#[derive(Serialize)]
struct Group {
    caption: &'static str,
    what: &'static str,
    lines: Vec<Line>,
}

/// One number over the runs.
#[derive(Serialize)]
struct Line {
    words: String,
    /// What people call it, where that is something else.
    name: String,
    /// Class of the badge that the words are in; empty for plain words.
    class: &'static str,
    then: String,
    now: String,
    /// The corners of the drawn lines, one line for each unbroken row of runs that have the number.
    drawn: Vec<String>,
    title: String,
}

impl TrendPart {
    /// `None` where there is no run before to compare with.
    pub(super) fn of(report: &Report) -> Option<Self> {
        let (first, last) = (report.trend.first()?, report.trend.last()?);
        if report.trend.len() < 2 {
            return None;
        }
        let groups = [severities(&report.trend), frameworks(report), accounts(report, last)];
        Some(Self {
            runs: report.trend.len(),
            first: text::time(&first.observed_at),
            last: text::time(&last.observed_at),
            groups: groups.into_iter().filter(|group| !group.lines.is_empty()).collect(),
        })
    }
}

fn severities(trend: &[TrendPoint]) -> Group {
    let mut lines: Vec<(Severity, Vec<Option<u64>>)> = Severity::WORST_FIRST
        .into_iter()
        .map(|severity| {
            let of = |point: &TrendPoint| Some(point.failing.get(&severity).copied().unwrap_or(0));
            (severity, trend.iter().map(of).collect())
        })
        .collect();
    lines.retain(|(_, values)| values.iter().flatten().any(|value| *value > 0));
    let most = lines.iter().flat_map(|(_, values)| values).flatten().copied().max().unwrap_or(0);
    let line = |(severity, values): (Severity, Vec<Option<u64>>)| Line {
        class: severity.as_str(),
        ..Line::of(severity.as_str(), "", &values, most, "")
    };
    Group {
        caption: "Failing findings by severity, run by run",
        what: "Severity",
        lines: lines.into_iter().map(line).collect(),
    }
}

fn frameworks(report: &Report) -> Group {
    let line = |id: &str, title: &str| {
        let of = |point: &TrendPoint| point.frameworks.get(id).and_then(|score| score.percent());
        Line::of(id, title, &report.trend.iter().map(of).collect::<Vec<_>>(), 100, " %")
    };
    Group {
        caption: "Requirements that pass, of those decided, run by run",
        what: "Framework",
        lines: report.frameworks.iter().map(|row| line(&row.id, &row.title)).collect(),
    }
}

fn accounts(report: &Report, last: &TrendPoint) -> Group {
    let names: BTreeMap<&str, &str> =
        report.accounts.iter().map(|account| (account.id.as_str(), account.name.as_str())).collect();
    let mut worst: Vec<(&String, &u64)> = last.accounts.iter().collect();
    worst.sort_by_key(|(id, count)| (std::cmp::Reverse(**count), (*id).clone()));
    worst.truncate(ACCOUNTS);
    let values: Vec<(&str, Vec<Option<u64>>)> = worst
        .into_iter()
        .map(|(id, _)| {
            (id.as_str(), report.trend.iter().map(|point| point.accounts.get(id).copied()).collect())
        })
        .collect();
    let most = values.iter().flat_map(|(_, values)| values).flatten().copied().max().unwrap_or(0);
    let line = |(id, values): (&str, Vec<Option<u64>>)| {
        Line::of(id, names.get(id).copied().unwrap_or_default(), &values, most, "")
    };
    Group {
        caption: "Failing findings by account, run by run",
        what: "Account",
        lines: values.into_iter().map(line).collect(),
    }
}

impl Line {
    /// A line over the runs on a scale from 0 to `most`; runs without the number are a gap.
    fn of(words: &str, name: &str, values: &[Option<u64>], most: u64, unit: &str) -> Self {
        let known = || values.iter().flatten().copied();
        let end =
            |value: Option<u64>| value.map_or("–".to_owned(), |n| format!("{}{unit}", text::thousands(n)));
        let (then, now) = (end(known().next()), end(values.last().copied().flatten()));
        let (least, highest) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
        let title = format!("{words}: {then} at first, {now} now, between {least}{unit} and {highest}{unit}");
        Self {
            words: words.to_owned(),
            name: name.to_owned(),
            class: "",
            then,
            now,
            drawn: drawn(values, most),
            title,
        }
    }
}

/// The corners of the lines through the known values, as `points` of a `polyline`.
fn drawn(values: &[Option<u64>], most: u64) -> Vec<String> {
    let last = u64::try_from(values.len().saturating_sub(1)).unwrap_or(u64::MAX).max(1);
    let x = |place: usize| u64::try_from(place).unwrap_or(u64::MAX).saturating_mul(WIDTH) / last;
    let y = |value: u64| HEIGHT - value.min(most).saturating_mul(HEIGHT) / most.max(1);
    let mut lines: Vec<Vec<String>> = vec![Vec::new()];
    for (place, value) in values.iter().enumerate() {
        match (value, lines.last_mut()) {
            (Some(value), Some(line)) => line.push(format!("{},{}", x(place), y(*value))),
            (None, Some(line)) if !line.is_empty() => lines.push(Vec::new()),
            _ => {}
        }
    }
    let lines = lines.into_iter().filter(|line| !line.is_empty());
    lines
        .map(|mut line| {
            // A line needs two ends: a single run between gaps is a dot.
            if let [only] = line.as_slice() {
                line.push(only.clone());
            }
            line.join(" ")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn lines_go_from_edge_to_edge_and_break_where_a_run_has_no_number() {
        assert_eq!(drawn(&[Some(0), Some(5), Some(10)], 10), ["0,100 500,50 1000,0"]);
        assert_eq!(drawn(&[Some(10), None, None, Some(0), Some(0)], 10), ["0,0 0,0", "750,100 1000,100"]);
        assert!(drawn(&[None, None], 10).is_empty());
        assert_eq!(drawn(&[Some(0), Some(0)], 0), ["0,100 1000,100"]);
    }

    #[test]
    fn two_runs_are_a_trend_and_one_is_none() {
        let mut report = sample::report();
        report.carry_on(None);
        assert!(TrendPart::of(&report).is_none());
        let earlier = report.clone();
        report.carry_on(Some(&earlier));
        let part = TrendPart::of(&report).expect("a trend");
        assert_eq!(part.runs, 2);
        let [severities, frameworks, accounts] = part.groups.as_slice() else { panic!("three groups") };
        assert_eq!(frameworks.lines.len(), report.frameworks.len());
        assert!(severities.lines.iter().all(|line| line.then == line.now && line.drawn.len() == 1));
        assert!(!accounts.lines.is_empty() && accounts.lines.len() <= ACCOUNTS);
    }
}
