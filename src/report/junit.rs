//! `report.junit.xml`: one test case per finding, for CI servers.
//!
//! A control is a test suite, worst first, since that is how CI servers fold a list of tests and compare it with
//! the run before. A case is called by its resource, account and region, with the ARN where there is one, so that
//! no two cases of a suite share a name; its class is `service.control`.
//!
//! | Verdict | Case |
//! |---|---|
//! | `fail` | `failure`: why, what was read, what to do; while it is waived `skipped`, with the waiver, as it stops no pipeline |
//! | `unknown` | `error`: what was not observed and who can change that. Never `skipped`, which CI servers show green. |
//! | `pass` | nothing more |
//! | `not_applicable` | `skipped`, with the reason |
//!
//! What was not observed and hides no finding is an `error` in the suite `not-observed`; an account that was left
//! out on purpose is `skipped` in the suite `accounts`. The format has no standard; the elements are those that
//! CI servers agree on, and a case has no time, as a finding takes none of its own. Characters that XML cannot hold, and those that do not show themselves, are written out.

use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::figures::{Figures, worst_first};
use super::index::Index;
use super::{ControlRow, Gap, Report, WriteError, advice, printable};
use crate::controls::VerdictKind;
use crate::findings::Finding;
use crate::inventory::AccountState;

/// Writes the report as JUnit XML.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    let mut document = quick_junit::Report::new("Upright");
    document.timestamp = report.run.started_at.parse().ok();
    document.set_time(Duration::from_millis(report.run.duration_ms));
    let (figures, index) = (Figures::of(report), Index::of(report));
    for control in worst_first(report, &figures) {
        document.add_test_suite(of_control(control, report, &figures, &index));
    }
    for suite in [of_gaps(report), of_skipped(report)] {
        if !suite.test_cases.is_empty() {
            document.add_test_suite(suite);
        }
    }
    // Into memory first: the library's error does not say what `out` said.
    let text = document.to_string().map_err(io::Error::other)?;
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn suite(name: &str, report: &Report) -> TestSuite {
    let mut suite = TestSuite::new(shown(name));
    suite.timestamp = report.run.started_at.parse().ok();
    suite
}

fn of_control(control: &ControlRow, report: &Report, figures: &Figures<'_>, index: &Index<'_>) -> TestSuite {
    let mut suite = suite(&control.id, report);
    let requirements = control.requirements.iter().flat_map(|(framework, ids)| {
        ids.iter().map(move |id| ("requirement".to_owned(), format!("{framework} {id}")))
    });
    let known = [
        ("run".to_owned(), report.run.id.clone()),
        ("title".to_owned(), control.title.clone()),
        ("severity".to_owned(), control.severity.to_string()),
    ];
    for (name, value) in known.into_iter().chain(requirements) {
        suite.add_property((name, shown(&value)));
    }
    for verdict in VerdictKind::ALL {
        for finding in figures.findings(&control.id, verdict) {
            suite.add_test_case(of_finding(finding, control, index));
        }
    }
    suite
}

fn of_finding(finding: &Finding, control: &ControlRow, index: &Index<'_>) -> TestCase {
    let mut status = match finding.verdict {
        VerdictKind::Fail if finding.waived.is_some() => TestCaseStatus::skipped(),
        VerdictKind::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        VerdictKind::Unknown => TestCaseStatus::non_success(NonSuccessKind::Error),
        VerdictKind::NotApplicable => TestCaseStatus::skipped(),
        VerdictKind::Pass => TestCaseStatus::success(),
    };
    let why = advice::why(finding);
    status.set_message(shown(&match &finding.waived {
        Some(waived) => format!("Fails, {}; {why}", waived.words()),
        None => why,
    }));
    match finding.verdict {
        VerdictKind::Fail => {
            status.set_type(finding.severity.as_str()).set_description(details(finding, control, index));
        }
        VerdictKind::Unknown => {
            let kind = finding.unseen.as_ref().map_or(String::new(), |unseen| unseen.cause.to_string());
            status.set_type(shown(&kind)).set_description(details(finding, control, index));
        }
        VerdictKind::Pass | VerdictKind::NotApplicable => {}
    }
    let mut case = TestCase::new(shown(&name(finding)), status);
    case.set_classname(shown(&format!("{}.{}", control.service, control.id)));
    case
}

/// `acme-logs, 222233334444 eu-west-1, arn:aws:s3:::acme-logs`.
fn name(finding: &Finding) -> String {
    let place = format!("{}, {} {}", finding.subject(), finding.account, finding.region);
    finding.own_arn().map_or(place.clone(), |arn| format!("{place}, {arn}"))
}

/// The text of a failure or an error: where, what was read, what to do.
fn details(finding: &Finding, control: &ControlRow, index: &Index<'_>) -> String {
    let mut lines = vec![
        shown(&format!("{}: {}", finding.severity, control.title)),
        shown(&format!("Account {} {}", finding.account, index.account_name(&finding.account))),
        shown(&format!("Region {}", finding.region)),
        shown(&format!("Resource {} {}", finding.resource_type, finding.subject())),
    ];
    lines.extend(finding.own_arn().map(|arn| shown(&format!("ARN {arn}"))));
    if let Some(unseen) = &finding.unseen {
        lines.push(shown(&format!("Message {}", unseen.message)));
    }
    for read in &finding.evidence {
        let cut = if read.cut { " (cut)" } else { "" };
        lines.push(shown(&format!("Read {} = {}{cut}", read.path, read.value)));
    }
    let steps = advice::steps(finding, Some(control));
    let command = advice::command(finding, Some(control));
    for (title, part) in [("What to do:", steps), ("Command or policy:", command)] {
        if !part.is_empty() {
            lines.push(title.to_owned());
            lines.extend(part.iter().map(|line| format!("  {}", shown(line))));
        }
    }
    lines.push(format!("Finding {}", shown(&finding.id)));
    lines.join("\n")
}

fn of_gaps(report: &Report) -> TestSuite {
    let mut suite = suite("not-observed", report);
    for gap in report.gaps.iter().filter(|gap| gap.findings == 0) {
        suite.add_test_case(of_gap(gap));
    }
    suite
}

fn of_gap(gap: &Gap) -> TestCase {
    let unseen = &gap.unseen;
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status
        .set_message(shown(&format!("Not observed: {unseen}")))
        .set_type(shown(&unseen.cause.to_string()))
        .set_description(format!(
            "Message {}\nWhat to do:\n  {}",
            shown(&unseen.message),
            shown(&gap.remedy)
        ));
    let name = format!("{}, {} {}", unseen.operation, unseen.account, unseen.region);
    let mut case = TestCase::new(shown(&name), status);
    case.set_classname("upright.not-observed");
    case
}

fn of_skipped(report: &Report) -> TestSuite {
    let mut suite = suite("accounts", report);
    for account in &report.accounts {
        if let AccountState::Skipped { reason } = &account.state {
            let mut status = TestCaseStatus::skipped();
            status.set_message(shown(reason));
            let mut case = TestCase::new(shown(&format!("{} {}", account.id, account.name)), status);
            case.set_classname("upright.accounts");
            suite.add_test_case(case);
        }
    }
    suite
}

/// The text on one line, with what does not show itself and what XML 1.0 has no way to hold written out.
fn shown(text: &str) -> String {
    let text = printable(text.trim_end());
    if !text.contains(['\u{fffe}', '\u{ffff}']) {
        return text.into_owned();
    }
    text.replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::report::sample;

    fn written(report: &Report) -> String {
        let mut out = Vec::new();
        write(report, &mut out).expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    fn parsed(report: &Report) -> quick_junit::Report {
        quick_junit::Report::deserialize_from_str(&written(report)).expect("JUnit")
    }

    #[test]
    fn every_finding_is_a_case_of_its_control_with_its_verdict() {
        let report = sample::report();
        let read = parsed(&report);
        assert_eq!(read.failures as u64, report.totals.fail);
        assert_eq!(read.errors as u64, report.totals.unknown);
        assert_eq!(read.skipped as u64, report.totals.not_applicable + 1, "and the skipped account");
        assert_eq!(read.tests as u64, report.totals.total() + 1);
        for control in &report.controls {
            let suite = read.test_suites.iter().find(|s| s.name.as_str() == control.id).expect("a suite");
            assert_eq!(suite.failures as u64, control.totals.fail, "{}", control.id);
            assert_eq!(suite.errors as u64, control.totals.unknown, "{}", control.id);
            let names: HashSet<&str> = suite.test_cases.iter().map(|case| case.name.as_str()).collect();
            assert_eq!(names.len(), suite.tests, "names of {} repeat", control.id);
        }
    }

    #[test]
    fn what_was_not_observed_is_an_error_even_where_it_hides_no_finding() {
        let mut report = sample::clean();
        let mut gap = sample::report().gaps.swap_remove(0);
        gap.findings = 0;
        report.gaps.push(gap);
        let read = parsed(&report);
        assert_eq!((read.tests, read.errors), (2, 1));
        let suite = read.test_suites.last().expect("a suite");
        assert_eq!(suite.name.as_str(), "not-observed");
        assert!(suite.test_cases[0].name.as_str().starts_with("sts:AssumeRole, 444455556666"));
    }

    #[test]
    fn hostile_names_are_text_and_the_document_holds_only_what_xml_can() {
        let mut report = sample::report();
        let hostile = "]]><failure/>&#0;\u{0}\u{b}\u{fffe}\u{ffff}\u{1b}[31m\u{85}\u{2028}";
        let finding = &mut report.findings[0];
        finding.resource_name = hostile.to_owned();
        finding.resource_arn = format!("arn:{hostile}");
        finding.reason = hostile.to_owned();
        let text = written(&report);
        assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))));
        let read = parsed(&report);
        assert_eq!(read.tests as u64, report.totals.total() + 1);
        let cases = read.test_suites.iter().flat_map(|suite| &suite.test_cases);
        let expected = "]]><failure/>&#0;\\u{0}\\u{b}\\u{fffe}\\u{ffff}\\u{1b}[31m\\u{85}\\u{2028}, ";
        assert_eq!(cases.filter(|case| case.name.as_str().starts_with(expected)).count(), 1);
    }

    #[test]
    fn the_document_looks_like_this() {
        insta::assert_snapshot!(written(&sample::report()));
    }

    #[test]
    fn a_report_without_findings_has_no_suite() {
        let read = parsed(&sample::empty());
        assert_eq!((read.tests, read.test_suites.len()), (0, 0));
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
    fn a_failure_has_a_severity_of_its_own_and_the_worst_comes_first() {
        let text = written(&sample::with_a_worse_failure());
        let (_, suite) =
            text.split_once("<testsuite name=\"s3-bucket-secure-transport\"").expect("the suite");
        let (suite, _) = suite.split_once("</testsuite>").expect("its end");
        let failures = suite.split("<failure ").skip(1).filter_map(|failure| failure.split_once(" type=\""));
        let types: Vec<&str> = failures.filter_map(|(_, rest)| rest.split('"').next()).collect();
        assert_eq!(types, ["critical", "medium", "medium", "medium", "medium", "medium", "medium"]);
        assert!(
            suite.contains("<property name=\"severity\" value=\"medium\""),
            "that of the control: {suite}"
        );
    }
}
