use super::*;
use crate::report::sample;

fn shown(report: &Report, width: usize, verbosity: Verbosity) -> String {
    let options = TerminalOptions { color: false, width, verbosity };
    summary(report, options, &[Path::new("out/report.html"), Path::new("out/report.json")])
}

#[test]
fn normal_at_80_columns() {
    insta::assert_snapshot!(shown(&sample::report(), 80, Verbosity::Normal));
}

#[test]
fn normal_at_120_columns() {
    insta::assert_snapshot!(shown(&sample::report(), 120, Verbosity::Normal));
}

#[test]
fn verbose_at_80_columns() {
    insta::assert_snapshot!(shown(&sample::report(), 80, Verbosity::Verbose));
}

#[test]
fn quiet_is_the_headline_and_the_files() {
    insta::assert_snapshot!(shown(&sample::report(), 80, Verbosity::Quiet));
}

#[test]
fn nothing_failed_and_everything_was_seen() {
    insta::assert_snapshot!(shown(&sample::clean(), 80, Verbosity::Normal));
}

#[test]
fn no_line_is_wider_than_the_terminal_and_nothing_hostile_gets_through() {
    let report = sample::report();
    for width in [1, 20, 40, 79, 80, 81, 120, 200] {
        for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose] {
            let text = shown(&report, width, verbosity);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert!(!line.contains(text::is_hidden), "{line:?}");
                assert_eq!(line.trim_end(), line, "trailing space");
            }
        }
    }
}

#[test]
fn colours_are_all_that_colour_adds() {
    let report = sample::report();
    let options = TerminalOptions { color: true, width: 80, verbosity: Verbosity::Normal };
    let colored = summary(&report, options, &[]);
    let escapes = regex::Regex::new("\u{1b}\\[[0-9;]+m").expect("pattern");
    assert!(escapes.is_match(&colored));
    let plain = summary(&report, TerminalOptions { color: false, ..options }, &[]);
    assert_eq!(escapes.replace_all(&colored, ""), plain);
}

#[test]
fn long_lists_are_cut_and_say_so() {
    let mut report = sample::report();
    let gap = report.gaps[0].clone();
    report.gaps.extend((0..20).map(|n| {
        let mut gap = gap.clone();
        gap.unseen.operation = format!("s3:Operation{n}");
        gap
    }));
    assert!(shown(&report, 80, Verbosity::Normal).contains("  … and 14 more; --verbose shows them"));
    assert!(!shown(&report, 80, Verbosity::Verbose).contains(" more"));

    let failing = report.findings.iter().find(|f| f.verdict == VerdictKind::Fail).expect("one").clone();
    report.findings.extend(std::iter::repeat_n(failing.clone(), 60));
    for control in report.controls.iter_mut().filter(|control| control.id == failing.control) {
        control.totals.fail += 60;
    }
    assert!(shown(&report, 80, Verbosity::Verbose).contains("… and 12 more; the reports have them all"));
}
