//! `report.csv`: one finding per row, for spreadsheets.
//!
//! The file is UTF-8 with a byte order mark, without which Excel takes names for another encoding, and lines end
//! with CRLF as RFC 4180 asks. Programs that do not expect the mark read it as `utf-8-sig`, or read
//! `report.jsonl`. Account ids are digits: import their column as text where leading zeros matter.
//!
//! Nothing is left out silently. What was not observed and hides no finding is a row with the verdict
//! `not_observed`, and an account that was left out on purpose is one with the verdict `skipped`.
//!
//! A spreadsheet runs a cell that starts like a formula, so such a cell gets a `'` in front; so does what follows
//! a `;` in it, since that is where spreadsheets of many languages begin the next cell. Characters that do not
//! show themselves are written out, such as `\n` or `\u{202e}`.

use std::io::{self, Write};

use csv::{Terminator, WriterBuilder};

use super::advice::paragraph;
use super::index::Index;
use super::{ControlRow, Gap, Report, WriteError, advice, printable};
use crate::controls::VerdictKind;
use crate::events::authors::LastChange;
use crate::findings::Finding;
use crate::inventory::{Account, AccountState, Unseen};

/// Names of the columns.
const COLUMNS: [&str; 24] = [
    "run",
    "verdict",
    "severity",
    "control",
    "title",
    "account",
    "account_name",
    "region",
    "service",
    "resource_type",
    "resource_name",
    "resource_arn",
    "tags",
    "reason",
    "evidence",
    "not_observed_operation",
    "not_observed_code",
    "not_observed_message",
    "remedy",
    "frameworks",
    "finding",
    "waived",
    "risk",
    "changed_by",
];

/// What a spreadsheet takes for the start of a formula, full-width forms included.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Writes the report as CSV.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    let index = Index::of(report);
    out.write_all("\u{feff}".as_bytes())?;
    let mut rows = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    rows.write_record(COLUMNS).map_err(refused)?;
    for finding in &report.findings {
        rows.write_record(of_finding(finding, report, &index)).map_err(refused)?;
    }
    for gap in report.gaps.iter().filter(|gap| gap.findings == 0) {
        rows.write_record(of_gap(gap, report, &index)).map_err(refused)?;
    }
    for account in &report.accounts {
        if let AccountState::Skipped { reason } = &account.state {
            rows.write_record(of_skipped(account, reason, report)).map_err(refused)?;
        }
    }
    Ok(rows.flush()?)
}

fn refused(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn of_finding(finding: &Finding, report: &Report, index: &Index<'_>) -> [String; COLUMNS.len()] {
    let control = index.control(&finding.control);
    let unseen = finding.unseen.as_ref().filter(|_| finding.verdict == VerdictKind::Unknown);
    let of_unseen = |part: fn(&Unseen) -> &str| unseen.map_or("", part);
    let tags: Vec<String> = finding.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    [
        report.run.id.as_str(),
        finding.verdict.as_str(),
        finding.severity.as_str(),
        &finding.control,
        control.map_or("", |control| &control.title),
        &finding.account,
        index.account_name(&finding.account),
        &finding.region,
        control.map_or("", |control| &control.service),
        &finding.resource_type,
        &finding.subject(),
        finding.own_arn().unwrap_or_default(),
        &tags.join("; "),
        &finding.reason,
        &evidence(finding),
        of_unseen(|unseen| &unseen.operation),
        of_unseen(|unseen| &unseen.code),
        of_unseen(|unseen| &unseen.message),
        &paragraph(&advice::steps(finding, control)),
        &control.map_or(String::new(), frameworks),
        &finding.id,
        &waived(finding),
        &finding.risk.as_ref().map_or(String::new(), |risk| risk.score.to_string()),
        &changed_by(finding, report),
    ]
    .map(cell)
}

fn of_gap(gap: &Gap, report: &Report, index: &Index<'_>) -> [String; COLUMNS.len()] {
    let unseen = &gap.unseen;
    let mut row = [""; COLUMNS.len()];
    let reason = format!("Not observed: {unseen}");
    for (column, value) in [
        ("run", report.run.id.as_str()),
        ("verdict", "not_observed"),
        ("account", &unseen.account),
        ("account_name", index.account_name(&unseen.account)),
        ("region", &unseen.region),
        ("service", unseen.operation.split(':').next().unwrap_or_default()),
        ("reason", &reason),
        ("not_observed_operation", &unseen.operation),
        ("not_observed_code", &unseen.code),
        ("not_observed_message", &unseen.message),
        ("remedy", &gap.remedy),
    ] {
        set(&mut row, column, value);
    }
    row.map(cell)
}

fn of_skipped(account: &Account, reason: &str, report: &Report) -> [String; COLUMNS.len()] {
    let mut row = [""; COLUMNS.len()];
    for (column, value) in [
        ("run", report.run.id.as_str()),
        ("verdict", "skipped"),
        ("account", &account.id),
        ("account_name", &account.name),
        ("reason", reason),
    ] {
        set(&mut row, column, value);
    }
    row.map(cell)
}

fn set<'a>(row: &mut [&'a str], column: &str, value: &'a str) {
    for (name, cell) in COLUMNS.iter().zip(row) {
        if *name == column {
            *cell = value;
        }
    }
}

/// By whom a failure is accepted, until when and why; empty where it is not.
fn waived(finding: &Finding) -> String {
    finding.waived.as_ref().map_or(String::new(), |waived| {
        let ticket = waived.ticket.as_ref().map_or(String::new(), |ticket| format!(" ({ticket})"));
        format!("until {} by {}{ticket}: {}", waived.expires, waived.author, waived.reason)
    })
}

/// Who made the latest change of the resource since the earlier run; empty where nobody was seen to.
fn changed_by(finding: &Finding, report: &Report) -> String {
    let changes = report.changes.as_ref();
    let change = changes.and_then(|changes| changes.last_change(&finding.id));
    change.map(LastChange::words).unwrap_or_default()
}

/// What the control read, as JSON; empty where it read nothing.
fn evidence(finding: &Finding) -> String {
    match finding.evidence.as_slice() {
        [] => String::new(),
        read => serde_json::to_value(read).map_or(String::new(), |json| json.to_string()),
    }
}

/// `cis-aws-3.0 1.5; cis-aws-3.0 1.6`.
fn frameworks(control: &ControlRow) -> String {
    let requirements = control
        .requirements
        .iter()
        .flat_map(|(framework, ids)| ids.iter().map(move |id| format!("{framework} {id}")));
    requirements.collect::<Vec<_>>().join("; ")
}

/// The text on one line, and never a formula.
fn cell(text: &str) -> String {
    let text = printable(text);
    let mut cell = String::with_capacity(text.len());
    let mut starts = true;
    for c in text.chars() {
        if starts && FORMULA.contains(&c) {
            cell.push('\'');
        }
        starts = c == ';' || (starts && (c.is_whitespace() || c == '"'));
        cell.push(c);
    }
    cell
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::sample;
    use crate::report::text::is_hidden;

    fn written(report: &Report) -> String {
        let mut out = Vec::new();
        write(report, &mut out).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    /// Every row as column → cell, read by the library.
    fn rows(report: &Report) -> Vec<std::collections::HashMap<String, String>> {
        let text = written(report);
        let mut reader = csv::Reader::from_reader(text.strip_prefix('\u{feff}').expect("a mark").as_bytes());
        reader.deserialize().map(|row| row.expect("a row")).collect()
    }

    #[test]
    fn there_is_a_row_for_each_finding_and_for_each_skipped_account() {
        let report = sample::report();
        let rows = rows(&report);
        assert_eq!(rows.len(), report.findings.len() + 1);
        for (row, finding) in rows.iter().zip(&report.findings) {
            assert_eq!(row["finding"], finding.id);
            assert_eq!(row["verdict"], finding.verdict.as_str());
            let said = !row["not_observed_operation"].is_empty();
            assert_eq!(said, finding.verdict == VerdictKind::Unknown, "{row:#?}");
        }
        let skipped = rows.last().expect("a row");
        assert_eq!(skipped["account"], sample::CLOSED);
        assert_eq!(
            (skipped["verdict"].as_str(), skipped["reason"].as_str()),
            ("skipped", "the account is suspended")
        );
    }

    #[test]
    fn a_gap_that_hides_no_finding_is_a_row() {
        let mut report = sample::clean();
        let mut gap = sample::report().gaps.swap_remove(0);
        gap.findings = 0;
        report.gaps.push(gap);
        let row = rows(&report).pop().expect("a row");
        assert_eq!(row["verdict"], "not_observed");
        assert_eq!(row["not_observed_operation"], "sts:AssumeRole");
        assert!(row["remedy"].contains("creates the member role"), "{row:#?}");
    }

    #[test]
    fn what_starts_like_a_formula_is_text() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2", "'-2"),
            ("+49", "'+49"),
            ("＝1", "'＝1"),
            (" =1", " '=1"),
            ("a;=cmd|' /C calc'!A0", "a;'=cmd|' /C calc'!A0"),
            ("a; \"=1", "a; \"'=1"),
            ("\t=1", "\\t=1"),
            ("\r=1", "\\r=1"),
            ("a-b=c", "a-b=c"),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn hostile_names_stay_in_their_cell() {
        let mut report = sample::report();
        for (finding, name) in report.findings.iter_mut().zip(["=1+1", "a\",\"b\r\nc", "\u{feff}@x", "a;=b"])
        {
            finding.resource_name = name.to_owned();
            finding.resource_arn = format!("arn:{name}");
        }
        let names: Vec<String> =
            rows(&report).into_iter().take(4).map(|row| row["resource_name"].clone()).collect();
        assert_eq!(names, ["'=1+1", "a\",\"b\\r\\nc", "\\u{feff}@x", "a;'=b"]);
        let text = written(&report).replace("\r\n", "\n");
        let shown = text.strip_prefix('\u{feff}').expect("a mark");
        assert!(!shown.chars().any(|c| c != '\n' && is_hidden(c)));
        assert_eq!(shown.lines().count(), 2 + report.findings.len());
    }

    proptest! {
        #[test]
        fn no_cell_is_a_formula_or_two_lines(text in any::<String>()) {
            let cell = cell(&text);
            prop_assert!(!cell.chars().any(is_hidden));
            for part in cell.split(';') {
                let start = part.trim_start_matches(|c: char| c.is_whitespace() || c == '"');
                prop_assert!(!start.starts_with(FORMULA), "{cell}");
            }
        }
    }

    #[test]
    fn the_rows_look_like_this() {
        let report = sample::report();
        insta::assert_snapshot!(written(&report).replace("\r\n", "\n"));
    }

    #[test]
    fn a_report_without_findings_is_the_names_of_the_columns() {
        assert_eq!(written(&sample::empty()), format!("\u{feff}{}\r\n", COLUMNS.join(",")));
    }

    #[test]
    fn a_broken_report_is_not_written() {
        let mut report = sample::report();
        report.totals.fail += 1;
        let mut out = Vec::new();
        assert!(matches!(write(&report, &mut out), Err(WriteError::Inconsistent(_))));
        assert!(out.is_empty());
    }

    #[test]
    fn a_row_has_the_severity_of_its_finding() {
        let rows = rows(&sample::with_a_worse_failure());
        let failing = rows
            .iter()
            .filter(|row| row["control"] == "s3-bucket-secure-transport" && row["verdict"] == "fail");
        let (worse, others): (Vec<_>, Vec<_>) = failing.partition(|row| row["severity"] == "critical");
        assert_eq!((worse.len(), others.len()), (1, 6));
        assert!(others.iter().all(|row| row["severity"] == "medium"));
    }
}
