//! `report.jsonl`: one JSON object per line, for programs that stream.
//!
//! `record` says what a line is. The lines come in this order:
//!
//! | `record` | how many | holds |
//! |---|---|---|
//! | `run` | 1 | `schema_version`, `run`, `totals`, `changes` and `undelivered` where there are any, and how many lines of each kind follow: `accounts`, `findings`, `gaps` |
//! | `account` | `accounts` | an account as in `report.json`, skipped and failed ones included |
//! | `finding` | `findings` | a finding as in `report.json`, with `title` of its control, `account_name`, and `last_change` where a call was seen to change the resource since the earlier run |
//! | `gap` | `gaps` | what was not observed, as in `report.json` |
//! | `event_rule` | `event_rules` | an event rule as in `report.json`; none where no events were read |
//! | `detection` | `detections` | a detection as in `report.json`, with `rule_name`, `rule_author` and `rule_license`, `tactics` and `techniques` |
//!
//! The first line has `events` (what was read for event rules) and `detection_totals` where events were read.
//!
//! A file with fewer lines than its first one promises was cut off. Coverage, frameworks and the text of the
//! controls are only in `report.json`. A line ends with `\n` and holds no other character that any reader takes
//! for a line break: those, and whatever steers a terminal or hides, are written as `\uXXXX`.

use std::collections::HashMap;
use std::io::{BufWriter, Write};

use serde::Serialize;

use super::index::Index;
use super::{
    AttackName, Changes, Counts, DetectionRow, Detections, EventRuleRow, EventsRead, Gap, Report, RunInfo,
    SeverityCounts, Undelivered, WriteError, json_text,
};
use crate::events::authors::LastChange;
use crate::findings::Finding;
use crate::inventory::Account;

/// A line.
#[derive(Serialize)]
#[serde(tag = "record", rename_all = "snake_case")]
enum Record<'a> {
    Run {
        schema_version: u32,
        run: &'a RunInfo,
        totals: Counts,
        #[serde(skip_serializing_if = "Option::is_none")]
        changes: Option<&'a Changes>,
        #[serde(skip_serializing_if = "Option::is_none")]
        undelivered: Option<&'a Undelivered>,
        accounts: usize,
        findings: usize,
        gaps: usize,
        #[serde(flatten)]
        events: Option<Events<'a>>,
    },
    Account(&'a Account),
    Finding {
        title: &'a str,
        account_name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_change: Option<&'a LastChange>,
        #[serde(flatten)]
        finding: &'a Finding,
    },
    Gap(&'a Gap),
    EventRule(&'a EventRuleRow),
    Detection {
        rule_name: &'a str,
        rule_author: Option<&'a str>,
        rule_license: Option<&'a str>,
        tactics: &'a [AttackName],
        techniques: &'a [AttackName],
        #[serde(flatten)]
        detection: &'a DetectionRow,
    },
}

/// What the first line says of events.
#[derive(Serialize)]
struct Events<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<&'a EventsRead>,
    detection_totals: SeverityCounts,
    event_rules: usize,
    detections: usize,
}

impl<'a> Events<'a> {
    const fn of(detections: &'a Detections) -> Self {
        Self {
            events: detections.read.as_ref(),
            detection_totals: detections.totals,
            event_rules: detections.rules.len(),
            detections: detections.detections.len(),
        }
    }
}

/// The lines of event rules and of what they found.
fn detected(detections: &Detections) -> impl Iterator<Item = Record<'_>> {
    let rules: HashMap<&str, &EventRuleRow> =
        detections.rules.iter().map(|rule| (rule.id.as_str(), rule)).collect();
    let rows = detections.detections.iter().filter_map(move |detection| {
        // INVARIANT: `Report::check` found the rule of every detection.
        let rule = rules.get(detection.rule.as_str())?;
        Some(Record::Detection {
            rule_name: &rule.name,
            rule_author: rule.author.as_deref(),
            rule_license: rule.license.as_deref(),
            tactics: &rule.tactics,
            techniques: &rule.techniques,
            detection,
        })
    });
    detections.rules.iter().map(Record::EventRule).chain(rows)
}

/// Writes the report as JSON Lines.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    let index = Index::of(report);
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let first = Record::Run {
        schema_version: report.schema_version,
        run: &report.run,
        totals: report.totals,
        changes: report.changes.as_ref(),
        undelivered: report.undelivered.as_ref(),
        accounts: report.accounts.len(),
        findings: report.findings.len(),
        gaps: report.gaps.len(),
        events: report.detections.as_ref().map(Events::of),
    };
    let findings = report.findings.iter().map(|finding| Record::Finding {
        title: index.control(&finding.control).map_or("", |control| control.title.as_str()),
        account_name: index.account_name(&finding.account),
        last_change: report.changes.as_ref().and_then(|changes| changes.last_change(&finding.id)),
        finding,
    });
    let records = std::iter::once(first)
        .chain(report.accounts.iter().map(Record::Account))
        .chain(findings)
        .chain(report.gaps.iter().map(Record::Gap))
        .chain(report.detections.iter().flat_map(detected));
    for record in records {
        json_text::write_line(&record, &mut out)?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::sample;

    fn written(report: &Report) -> String {
        let mut out = Vec::new();
        write(report, &mut out).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    fn records(text: &str) -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    #[test]
    fn every_line_is_one_line_whoever_splits_it() {
        let mut report = sample::report();
        report.findings[0].resource_name = "a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f".to_owned();
        let text = written(&report);
        let lines = text.lines().count();
        let breaks = ['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];
        assert_eq!(text.split(breaks).filter(|line| !line.is_empty()).count(), lines);
        assert_eq!(lines, 1 + report.accounts.len() + report.findings.len() + report.gaps.len());
    }

    #[test]
    fn the_first_line_promises_what_follows_and_findings_stay_exact() {
        let report = sample::report();
        let records = records(&written(&report));
        let of = |kind: &str| -> Vec<&Value> { records.iter().filter(|r| r["record"] == kind).collect() };
        assert_eq!(records[0]["record"], "run");
        for (kind, count) in [("account", "accounts"), ("finding", "findings"), ("gap", "gaps")] {
            assert_eq!(records[0][count], of(kind).len(), "{kind}");
        }
        for (line, finding) in of("finding").into_iter().zip(&report.findings) {
            assert_eq!(&serde_json::from_value::<Finding>(line.clone()).expect("a finding"), finding);
        }
        let dev = of("finding").into_iter().find(|f| f["account"] == sample::DEV).expect("a finding");
        assert_eq!(dev["account_name"], sample::HOSTILE[1]);
        assert_eq!(dev["title"], "A trail records management events in all regions");
    }

    #[test]
    fn detections_are_lines_of_their_own_and_as_many_as_the_first_line_says() {
        let report = crate::report::detections::sample::report();
        let text = written(&report);
        let records = records(&text);
        let of = |kind: &str| records.iter().filter(|r| r["record"] == kind).count();
        assert_eq!(records[0]["detections"], of("detection"));
        assert_eq!(records[0]["event_rules"], of("event_rule"));
        assert_eq!((of("detection"), of("event_rule")), (10, 3));
        assert_eq!(records[0]["detection_totals"]["critical"], 9);
        let known = report.detections.expect("the sample has them");
        for (line, row) in records.iter().filter(|r| r["record"] == "detection").zip(&known.detections) {
            assert_eq!(
                &serde_json::from_value::<DetectionRow>(line.clone()).expect("a detection").actor,
                &row.actor
            );
        }
        // The events are kept as they were written, and still steer no terminal.
        let hidden = |c: char| c != '\n' && crate::report::text::is_hidden(c);
        assert!(!text.contains(hidden), "{:?}", text.find(hidden));
        assert!(text.contains("12345678901234567890"), "a large number stays exact");
    }

    #[test]
    fn the_lines_look_like_this() {
        insta::assert_snapshot!(written(&sample::clean()));
    }

    #[test]
    fn a_report_without_findings_says_so() {
        let records = records(&written(&sample::empty()));
        assert_eq!(records.len(), 1, "{records:#?}");
        assert_eq!(records[0]["findings"], 0);
    }

    #[test]
    fn a_broken_report_is_not_written() {
        let mut report = sample::report();
        report.totals.fail += 1;
        let mut out = Vec::new();
        assert!(matches!(write(&report, &mut out), Err(WriteError::Inconsistent(_))));
        assert!(out.is_empty());
    }
}
