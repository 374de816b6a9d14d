//! Tests of the page as a whole.

use super::*;
use crate::controls::{Severity, VerdictKind};
use crate::report::text::is_hidden;
use crate::report::{Changes, Past, sample};

fn written(report: &Report) -> String {
    let mut out = Vec::new();
    write(report, &mut out).expect("written");
    String::from_utf8(out).expect("UTF-8")
}

/// A report in which every failure is there `times` over, with the name that `name` makes.
fn repeated(times: usize, name: impl Fn(usize) -> String) -> Report {
    let mut report = sample::report();
    let failing: Vec<_> =
        report.findings.iter().filter(|f| f.verdict == VerdictKind::Fail).cloned().collect();
    report.frameworks.clear();
    for number in 0..times {
        for mut finding in failing.iter().cloned() {
            finding.id = format!("{}-{number}", finding.id);
            finding.resource_name = name(number);
            finding.resource_arn = format!("arn:aws:s3:::{}", name(number));
            report.totals.add(&finding);
            for control in report.controls.iter_mut().filter(|control| control.id == finding.control) {
                control.totals.add(&finding);
            }
            report.findings.push(finding);
        }
    }
    report
}

/// The rows of the tables as cells, heads included.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn an_incomplete_run_says_so_first() {
    let page = written(&sample::report());
    let start: Vec<&str> = page.lines().filter(|line| !line.is_empty()).take(3).collect();
    assert_eq!(start[0], "# Upright: 13 failed, 12 not observed, 13 passed, 5 not applicable");
    assert_eq!(start[1], "> [!WARNING]");
    assert!(start[2].starts_with("> **Incomplete.** 12 findings could not be decided"), "{}", start[2]);
    assert!(!written(&sample::clean()).contains("WARNING"));
    assert!(written(&sample::empty()).contains("**Nothing was judged.**"));
}

#[test]
fn hostile_text_adds_no_cell_no_line_and_no_markup() {
    let hostile = "x` | <b onclick=a>@acme/team</b> \\| [a](http://b) |\r\n# h\u{202e}</details>";
    let mut report = repeated(1, |_| hostile.to_owned());
    for account in &mut report.accounts {
        account.name = hostile.to_owned();
    }
    for gap in &mut report.gaps {
        gap.remedy = hostile.to_owned();
        gap.unseen.operation = hostile.to_owned();
    }
    for control in &mut report.controls {
        control.title = hostile.to_owned();
    }
    let page = written(&report);
    assert!(!page.chars().any(|c| c != '\n' && is_hidden(c)));
    let mut columns = 0;
    for line in page.lines() {
        if !line.starts_with('|') {
            columns = 0;
            continue;
        }
        let cells = line.matches('|').count();
        assert!(columns == 0 || cells == columns, "{line}");
        columns = cells;
    }
    let outside_code = page.split('`').step_by(2).collect::<String>();
    for markup in ["<b", "@acme", "](", "http:"] {
        assert!(!outside_code.contains(markup), "{markup} in {outside_code}");
    }
    assert_eq!(outside_code.matches("<details>").count(), outside_code.matches("</details>").count());
}

#[test]
fn a_large_report_stays_below_the_limit_and_says_what_it_leaves_out() {
    let report = repeated(400, |number| format!("{}{number}", "@|`:".repeat(60)));
    let page = written(&report);
    assert!(page.len() < LIMIT, "{} bytes", page.len());
    assert!(page.contains("more failing resources are left out here."));
    assert_eq!(page.matches("<details>").count(), page.matches("</details>").count());
    let mut shown = 0;
    for row in rows(&page).into_iter().filter(|row| row.len() == 4 && row[0].starts_with('`')) {
        shown += 1;
        assert!(row[1].contains("3344") || row[1].contains("2222"), "{row:?}");
    }
    let said: u64 = page
        .lines()
        .filter(|line| line.ends_with("left out here.") && line.contains("failing resource"))
        .filter_map(|line| {
            line.split(" with ").last()?.split(' ').next()?.replace(',', "").parse::<u64>().ok()
        })
        .sum();
    assert_eq!(shown + said, report.totals.fail);
}

#[test]
fn many_accounts_and_controls_stay_below_the_limit() {
    let mut report = sample::report();
    for number in 0..5_000 {
        let mut account = report.accounts[4].clone();
        account.id = format!("{number:012}");
        account.name = "<&|`@".repeat(60);
        report.accounts.push(account);
        let mut gap = report.gaps[0].clone();
        gap.unseen.account = format!("{number:012}");
        gap.unseen.operation = format!("s3:{}{number}", "|@".repeat(100));
        gap.remedy = "@:#".repeat(100);
        report.gaps.push(gap);
    }
    let page = written(&report);
    assert!(page.len() < LIMIT, "{} bytes", page.len());
    assert!(page.contains(" more accounts are left out here."));
    assert!(page.contains(" more kinds of gaps are left out here."));
}

#[test]
fn changes_are_said_with_what_is_no_longer_observed() {
    let mut report = sample::report();
    let failing = report.findings.iter().find(|f| f.verdict == VerdictKind::Fail).expect("a failure");
    let past = Past {
        id: "past".to_owned(),
        control: "iam-user-mfa".to_owned(),
        severity: Severity::High,
        account: sample::PROD.to_owned(),
        region: "global".to_owned(),
        resource_arn: "arn:aws:iam::222233334444:user/a|b".to_owned(),
        resource_name: "a|b".to_owned(),
    };
    report.changes = Some(Changes {
        since_run: "20261123T030000Z-1111".to_owned(),
        failing_since: Default::default(),
        changed_evidence: Vec::new(),
        authors: None,
        scope: Default::default(),
        since: "2026-11-23T03:00:00Z".to_owned(),
        new: vec![failing.id.clone()],
        resolved: Vec::new(),
        no_longer_observed: vec![past],
        newly_judged: Vec::new(),
        no_longer_judged: Vec::new(),
        still_failing: 12,
    });
    let page = written(&report);
    assert!(page.contains("1 new, 0 resolved, 1 failed then and not observed now"), "{page}");
    assert!(
        page.contains("| not observed | high | `iam-user-mfa` | `acme-prod` `222233334444` | `a\\u{7c}b` |"),
        "{page}"
    );
}

#[test]
fn the_page_looks_like_this() {
    insta::assert_snapshot!(written(&sample::report()));
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
fn failures_of_a_control_are_told_by_severity_where_it_differs() {
    let report = sample::with_a_worse_failure();
    let page = written(&report);
    let row =
        rows(&page).into_iter().find(|row| row.len() == 4 && row[1].contains("s3-bucket-secure-transport"));
    assert_eq!(row.map(|row| (row[0], row[2])), Some(("1 critical, 6 medium", "7")));
    assert!(
        page.contains("<summary>critical s3") && page.contains("(7: 1 critical, 6 medium)</summary>"),
        "{page}"
    );
    assert!(!written(&sample::report()).contains("1 critical, 6 medium"));
}

#[test]
fn detections_have_a_section_with_the_rules_and_the_worst_of_them() {
    let page = written(&crate::report::detections::sample::report());
    let from = page.find("## Detections").expect("the section");
    let until = page[from + 2..].find("\n## ").map_or(page.len(), |at| from + 2 + at);
    insta::assert_snapshot!(&page[from..until]);
    assert!(
        page.contains("**Not all events were looked at.** 1 event rule did not run; 1 of 2 inputs"),
        "{page}"
    );
    assert!(!page.contains(|c| c != '\n' && is_hidden(c)));
    assert!(!written(&sample::report()).contains("Detections"));
}

#[test]
fn waivers_are_told_and_nothing_in_them_is_markup() {
    let page = written(&sample::waived());
    assert!(page.lines().next().is_some_and(|line| line.contains("(1 of them waived)")), "{page}");
    let part = page.split("## Waivers to look at").nth(1).and_then(|rest| rest.split("\n## ").next());
    let part = part.expect("the part");
    assert!(part.contains("expired 1 day ago; its findings are back"), "{part}");
    assert!(page.contains("waived until 2026-11-25"), "{page}");
    assert!(!part.contains('\u{1b}'), "{part}");
}
