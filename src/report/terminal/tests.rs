use super::*;
use crate::events::authors::LastChange;
use crate::events::detection::Actor;
use crate::report::{Authors, Changes, UnansweredPlace, Undelivered, sample};

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
fn waivers_at_80_columns() {
    let text = shown(&sample::waived(), 80, Verbosity::Normal);
    assert!(text.lines().next().is_some_and(|line| line.contains("(1 of them waived)")), "{text}");
    let part = text.split("\nWaivers to look at\n").nth(1).expect("the part");
    insta::assert_snapshot!(part.split("\n\n").next().expect("its lines"));
}

#[test]
fn quiet_is_the_headline_and_the_files() {
    insta::assert_snapshot!(shown(&sample::report(), 80, Verbosity::Quiet));
}

#[test]
fn nothing_failed_and_everything_was_seen() {
    insta::assert_snapshot!(shown(&sample::clean(), 80, Verbosity::Normal));
}

/// The sample a day after another run, with an account and a control that are looked at for the first time, and with what
/// somebody with a hostile name made fail.
fn authored() -> Report {
    let (mut earlier, mut now) = (sample::report(), sample::report());
    for time in [&mut earlier.run.started_at, &mut earlier.run.observed_at] {
        *time = time.replace("2026-11-24", "2026-11-23");
    }
    earlier.controls.retain(|control| control.id != "iam-root-mfa");
    earlier.findings.retain(|finding| finding.control != "iam-root-mfa" && finding.account != sample::DEV);
    earlier.accounts.retain(|account| account.id != sample::DEV);
    let failing = earlier.findings.iter_mut().filter(|finding| finding.verdict == VerdictKind::Fail);
    failing.take(2).for_each(|finding| finding.verdict = VerdictKind::Pass);
    let mut changes = Changes::between(&earlier, &now).expect("it is later");
    let change = LastChange {
        time: "2026-11-23T22:10:00Z".to_owned(),
        actor: Actor {
            name: Some("Admin".to_owned()),
            session_name: Some("\u{1b}[31malice\r\n".to_owned()),
            ..Actor::default()
        },
        source_address: Some("203.0.113.7".to_owned()),
        user_agent: None,
        event_source: "s3.amazonaws.com".to_owned(),
        event_name: "PutBucketPolicy".to_owned(),
        event_id: None,
        region: None,
    };
    let place = UnansweredPlace {
        account: sample::PROD.to_owned(),
        region: "eu-west-1".to_owned(),
        resources: 2,
        why: "denied; allow `cloudtrail:LookupEvents` on `*`".to_owned(),
    };
    changes.authors = Some(Authors {
        events_read: true,
        looked_up: 50,
        not_looked_up: 3,
        unanswered: vec![place],
        calls: changes.new.iter().take(1).map(|id| (id.clone(), change.clone())).collect(),
    });
    now.changes = Some(changes);
    now.undelivered = Some(Undelivered {
        run: "20261123T030000Z-abc".to_owned(),
        started_at: "2026-11-23T03:00:00Z".to_owned(),
        messages: vec!["mail to ann@example.com not sent: 550 no such user".to_owned()],
    });
    now.check().expect("it adds up");
    now
}

#[test]
fn changes_tell_who_made_them_and_what_changed_in_the_scope() {
    let text = shown(&authored(), 100, Verbosity::Normal);
    let until = text.find("Failed, worst first").expect("the next heading");
    insta::assert_snapshot!(&text[..until]);
}

#[test]
fn no_line_is_wider_than_the_terminal_and_nothing_hostile_gets_through() {
    let reports = [crate::report::detections::sample::report(), sample::waived(), authored()];
    let widths = [1, 20, 40, 79, 80, 81, 120, 200];
    for (report, width) in reports.iter().flat_map(|report| widths.map(|width| (report, width))) {
        for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose] {
            let text = shown(report, width, verbosity);
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert!(!line.contains(text::is_hidden), "{line:?}");
                assert_eq!(line.trim_end(), line, "trailing space");
            }
        }
    }
}

#[test]
fn detections_stand_beside_what_failed() {
    let report = crate::report::detections::sample::report();
    let text = shown(&report, 80, Verbosity::Normal);
    let from = text.find("Detected in events").expect("the heading");
    let until = text.find("Accounts").expect("the next heading");
    insta::assert_snapshot!(&text[from..until]);
    // The shortest summary has them too.
    assert!(shown(&report, 80, Verbosity::Quiet).contains("10 detections by 2 rules: 9 critical, 1 high"));
    assert!(!shown(&sample::report(), 80, Verbosity::Verbose).contains("detection"));
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

#[test]
fn on_narrow_terminals_no_number_is_lost() {
    for width in [40, 60, 80] {
        let text = shown(&sample::report(), width, Verbosity::Verbose);
        insta::assert_snapshot!(format!("narrow_{width}"), text);
        let totals = sample::report().totals;
        assert!(text.contains(&format!("{} failed", totals.fail)), "{text}");
        assert!(text.contains(&format!("{} not applicable", totals.not_applicable)), "{text}");
    }
}

/// The sample with changes since the day before.
fn changed() -> Report {
    let now = sample::report();
    let mut earlier = sample::report();
    for time in [&mut earlier.run.started_at, &mut earlier.run.observed_at] {
        *time = time.replace("2026-11-24", "2026-11-23");
    }
    for finding in &mut earlier.findings {
        finding.verdict = match (finding.control.as_str(), finding.verdict) {
            ("iam-root-mfa", VerdictKind::Fail) => VerdictKind::Pass,
            ("iam-user-mfa", _) => VerdictKind::Fail,
            ("s3-bucket-secure-transport", VerdictKind::Fail) => VerdictKind::Unknown,
            (_, verdict) => verdict,
        };
    }
    let changes = crate::report::Changes::between(&earlier, &now);
    let report = Report { changes, ..now };
    report.check().expect("consistent");
    report
}

#[test]
fn what_changed_comes_first() {
    for width in [40, 100] {
        insta::assert_snapshot!(format!("changes_{width}"), shown(&changed(), width, Verbosity::Normal));
    }
    let quiet = shown(&changed(), 100, Verbosity::Quiet);
    assert!(
        quiet.lines().nth(1).expect("two lines").starts_with("since 2026-11-23 03:00:00 UTC: "),
        "{quiet}"
    );
}

#[test]
fn the_operation_that_was_waited_for_longest_comes_first() {
    let text = shown(&sample::report(), 80, Verbosity::Verbose);
    let (_, calls) = text.split_once("\nCalls ").expect("the table");
    let operations: Vec<&str> =
        calls.lines().skip(1).take(4).filter_map(|line| line.split_whitespace().next()).collect();
    let slowest_first = ["s3:GetBucketPolicy", "iam:ListUsers", "sts:AssumeRole", "iam:GetAccountSummary"];
    assert_eq!(operations, slowest_first);
    // 96,400 ms over 1,301 requests.
    assert!(calls.contains("1 min 36 s") && calls.contains("74 ms"), "{calls}");
    assert!(!shown(&sample::report(), 80, Verbosity::Normal).contains("\nCalls "));
}

#[test]
fn a_finding_is_explained() {
    let report = sample::report();
    let set = crate::controls::ControlSet::builtin().expect("controls");
    let pick = |control: &str, verdict: VerdictKind| {
        let finding = report.findings.iter().find(|f| f.control == control && f.verdict == verdict);
        report.explain(finding.expect("the sample has it"), &set).expect("its control is listed")
    };
    for (name, explained, width) in [
        ("fail", pick("s3-bucket-not-public", VerdictKind::Fail), 100),
        ("unknown", pick("iam-user-mfa", VerdictKind::Unknown), 60),
        ("hostile", pick("s3-bucket-secure-transport", VerdictKind::Fail), 40),
    ] {
        let options = TerminalOptions { color: false, width, verbosity: Verbosity::Normal };
        insta::assert_snapshot!(format!("explained_{name}"), explanation(&explained, options));
    }
}

#[test]
fn no_explanation_lets_anything_hostile_through() {
    let report = sample::report();
    let set = crate::controls::ControlSet::builtin().expect("controls");
    for finding in &report.findings {
        let explained = report.explain(finding, &set).expect("its control is listed");
        for width in [1, 40, 100] {
            let options = TerminalOptions { color: false, width, verbosity: Verbosity::Normal };
            let text = explanation(&explained, options) + &candidates(&[finding], options);
            for line in text.lines() {
                assert!(!line.contains(text::is_hidden), "{line:?}");
            }
        }
    }
}

#[test]
fn a_control_with_a_worse_failure_is_as_bad_as_that_and_says_how_many_are() {
    let text = shown(&sample::with_a_worse_failure(), 100, Verbosity::Normal);
    assert!(text.contains("\nfailed: 4 critical, 1 high, 7 medium"), "{text}");
    let mut lines = text.lines().skip_while(|line| !line.contains("  s3-bucket-secure-transport  "));
    let control = lines.next().expect("the control");
    assert!(control.starts_with("  critical      7  "), "{control}");
    assert_eq!(lines.next().map(str::trim), Some("1 critical, 6 medium"));
    let (worse, others) = text.split_once(control).expect("it is there");
    assert!(!worse.contains("  medium  ") && others.contains("\n  medium  "), "worst first: {text}");
}

#[test]
fn what_makes_a_failure_worse_is_part_of_its_rule() {
    let report = sample::report();
    let control = "id: s3-bucket-not-public\ntitle: t\nseverity: low\nresource: aws.s3.bucket\nrationale: r\n\
                   severity_if: { high: resource.name == 'a', medium: resource.name == 'b' }\n\
                   pass: resource.name == 'c'\nfail_message: f\nremediation: { text: t }\n";
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("s3-bucket-not-public.yaml"), control).expect("written");
    let set = crate::controls::ControlSet::load(&[folder.path().to_owned()]).expect("controls");
    let finding =
        report.findings.iter().find(|f| f.control == "s3-bucket-not-public").expect("in the sample");
    let options = TerminalOptions { color: false, width: 100, verbosity: Verbosity::Normal };
    let text = explanation(&report.explain(finding, &set).expect("its control is listed"), options);
    let worse = text.find("A failure is high when\n  resource.name == 'a'\n").expect("the worst");
    assert!(text[worse..].contains("A failure is medium when\n  resource.name == 'b'\n"), "{text}");
    let json = serde_json::to_value(report.explain(finding, &set)).expect("JSON");
    assert_eq!(json["rule"]["severity_if"]["high"], "resource.name == 'a'");
}
