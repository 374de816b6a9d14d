use std::collections::BTreeMap;

use super::*;
use crate::config::{AccountId, When};
use crate::controls::Severity;
use crate::report::{Changes, sample};

const NOBODY: Wording<'_> = Wording { name: None, report_url: None };

/// The tags of a rule without any.
static NO_TAGS: BTreeMap<String, Vec<String>> = BTreeMap::new();

fn everything() -> Rule<'static> {
    Rule { when: When::Always, min_severity: None, accounts: &[], tags: &NO_TAGS, frameworks: &[] }
}

/// The sample a day later: the bucket is closed, a root user is no longer looked at, another lost its MFA.
fn changed() -> Report {
    let earlier = sample::report();
    let mut now = sample::report();
    for time in [&mut now.run.started_at, &mut now.run.observed_at] {
        *time = time.replace("2026-11-24", "2026-11-25");
    }
    for finding in &mut now.findings {
        match (finding.control.as_str(), finding.account.as_str(), finding.verdict) {
            ("s3-bucket-not-public", sample::PROD, VerdictKind::Fail) => finding.verdict = VerdictKind::Pass,
            ("iam-root-mfa", sample::DEV, VerdictKind::Fail) => finding.verdict = VerdictKind::Unknown,
            ("iam-root-mfa", sample::MANAGEMENT, VerdictKind::Pass) => finding.verdict = VerdictKind::Fail,
            _ => {}
        }
    }
    now.changes = Changes::between(&earlier, &now);
    now
}

fn digest(report: &Report, rule: Rule<'_>) -> Digest {
    Digest::of(report, rule, NOBODY).expect("it is due")
}

fn ids(digest: &Digest) -> Vec<&str> {
    digest.sections.iter().map(|section| section.id).collect()
}

#[test]
fn the_subject_tells_the_outcome() {
    let failing = sample::report().totals.fail;
    assert_eq!(
        digest(&sample::report(), everything()).subject,
        format!("[Upright] {failing} failures (3 critical), 12 not observed: 5 accounts, 2026-11-24")
    );
    assert_eq!(
        digest(&changed(), everything()).subject,
        "[Upright] 1 new failure (1 critical), 1 resolved, 1 no longer observed, 13 not observed: 5 accounts, 2026-11-25"
    );
    assert_eq!(
        digest(&sample::clean(), everything()).subject,
        "[Upright] nothing fails: acme-prod, 2026-11-24"
    );
    assert_eq!(
        digest(&sample::empty(), everything()).subject,
        "[Upright] nothing was judged: 0 accounts, 2026-11-24"
    );
}

#[test]
fn a_name_cannot_add_a_line_or_outgrow_the_subject() {
    let name = format!("ACME\r\nBcc: x@evil.example\u{1b}[2J\u{202e}{}", "x".repeat(10_000));
    let wording = Wording { name: Some(&name), report_url: None };
    for digest in [
        Digest::of(&sample::report(), everything(), wording).expect("due"),
        Digest::of_failure(&name, "2026-11-24T03:00:00Z", wording),
    ] {
        assert!(digest.subject.chars().count() <= 201, "{}", digest.subject);
        assert!(digest.subject.contains("ACME\\r\\nBcc: x@evil"), "{}", digest.subject);
        let all = serde_json::to_string(&digest).expect("JSON");
        assert!(!all.contains("\\u001b") && !all.contains('\u{202e}') && !all.contains("\\n\""), "{all}");
    }
    assert_eq!(ascii("new: größe – \u{1f600}", 99), "new: gr??e ? ?");
    assert_eq!(ascii(&"x".repeat(300), 99).len(), 99);
}

#[test]
fn what_changed_comes_first_and_what_does_not_apply_is_left_out() {
    assert_eq!(ids(&digest(&sample::report(), everything())), ["worst", "not_observed", "frameworks"]);
    let digest = digest(&changed(), everything());
    assert_eq!(
        ids(&digest),
        ["new", "worst", "resolved", "no_longer_observed", "not_observed", "frameworks"]
    );
    let new = &digest.sections[0].rows;
    assert_eq!(new.len(), 1);
    assert_eq!(new[0].severity, "critical");
    assert_eq!(new[0].cells[0].text, "The root user signs in with MFA");
    assert_eq!(new[0].cells[1].note, "acme-management (111122223333), global");
    assert_eq!(digest.sections[2].rows[0].cells[1].text, "acme-website");
    assert_eq!(ids(&self::digest(&sample::clean(), everything())), ["frameworks"]);
    let numbers = digest.numbers.changes.expect("changes");
    assert_eq!(
        (numbers.new, numbers.resolved, numbers.no_longer_observed, numbers.newly_judged),
        (1, 1, 1, 0)
    );
}

#[test]
fn a_rule_limits_what_it_is_about() {
    let report = changed();
    let accounts: [AccountId; 1] = [sample::PROD.parse().expect("account")];
    let digest = digest(&report, Rule { accounts: &accounts, ..everything() });
    assert_eq!(ids(&digest), ["worst", "resolved", "not_observed"], "a score is over all accounts");
    let all = serde_json::to_string(&digest.sections).expect("JSON");
    for other in [sample::MANAGEMENT, sample::DEV, sample::LOCKED, "acme-management"] {
        assert!(!all.contains(other), "{other}: {all}");
    }
    let severe = self::digest(&report, Rule { min_severity: Some(Severity::Critical), ..everything() });
    assert_eq!(severe.numbers.failing, severe.numbers.critical);
    let tags = BTreeMap::from([("owner".to_owned(), vec!["nobody".to_owned()])]);
    let none = Digest::of(&report, Rule { tags: &tags, when: When::Failures, ..everything() }, NOBODY);
    assert_eq!(none, None, "no account has the tag");
    let tags = BTreeMap::from([("owner".to_owned(), Vec::new())]);
    assert!(
        Digest::of(&report, Rule { tags: &tags, when: When::Failures, ..everything() }, NOBODY).is_some()
    );
    let mut unseen = report.clone();
    unseen.accounts.iter_mut().for_each(|account| account.tags = None);
    let seen = Digest::of(&unseen, Rule { tags: &tags, when: When::Failures, ..everything() }, NOBODY);
    assert!(seen.is_some(), "tags that were not read silence nothing");
    let frameworks = ["cis-aws-3.0".to_owned()];
    let cis = self::digest(&report, Rule { frameworks: &frameworks, ..everything() });
    assert_eq!(cis.sections.last().expect("scores").rows.len(), 1);
    let others = ["pci".to_owned()];
    let none =
        Digest::of(&report, Rule { frameworks: &others, when: When::Failures, ..everything() }, NOBODY);
    assert_eq!(none, None);
}

#[test]
fn nothing_to_tell_is_not_told_except_always() {
    let is_due = |report: &Report, when| Digest::of(report, Rule { when, ..everything() }, NOBODY).is_some();
    let mut same = changed();
    if let Some(changes) = &mut same.changes {
        changes.new.clear();
        changes.resolved.clear();
        changes.no_longer_observed.clear();
    }
    for (report, always, on_changes, failures) in [
        (&sample::clean(), true, false, false),
        (&sample::report(), true, true, true),
        (&changed(), true, true, true),
        (&same, true, false, true),
    ] {
        assert_eq!(is_due(report, When::Always), always);
        assert_eq!(is_due(report, When::Changed), on_changes);
        assert_eq!(is_due(report, When::Failures), failures);
    }
}

#[test]
fn what_was_detected_is_told_rule_by_rule_with_what_was_not_read() {
    let report = crate::report::detected::report();
    let told = digest(&report, everything());
    let section = told.sections.iter().find(|section| section.id == "detections").expect("the section");
    let found = report.detections.as_ref().expect("detections").totals.total();
    assert_eq!(told.numbers.detections, found);
    assert!(told.headline.contains(&format!("{found} detections in events")), "{}", told.headline);
    assert!(
        told.notice.contains("Not all events were looked at: 1 event rule did not run"),
        "{}",
        told.notice
    );
    let severities: Vec<&str> = section.rows.iter().map(|row| row.severity).collect();
    assert_eq!(severities, ["critical", "high"], "the gravest first");
    assert!(section.rows[0].cells[1].note.starts_with("last 2026-"), "{:?}", section.rows[0]);

    // Some accounts, a severity, and controls of a framework.
    let accounts = [sample::PROD.parse::<AccountId>().expect("account")];
    let some = digest(&report, Rule { accounts: &accounts, ..everything() }).numbers.detections;
    assert!(some > 0 && some < found, "{some} of {found}");
    let critical = Rule { min_severity: Some(Severity::Critical), ..everything() };
    let grave = digest(&report, critical).numbers.detections;
    assert!(grave > 0 && grave < found, "{grave} of {found}");
    let frameworks = ["cis-aws-3.0".to_owned()];
    assert_eq!(digest(&report, Rule { frameworks: &frameworks, ..everything() }).numbers.detections, 0);
}

#[test]
fn what_is_waived_is_counted_apart_and_waivers_that_end_are_told() {
    let report = sample::waived();
    let told = digest(&report, everything());
    let failing =
        report.findings.iter().filter(|finding| finding.verdict == VerdictKind::Fail).count() as u64;
    assert_eq!(told.numbers.waived, 1);
    assert_eq!(told.numbers.failing, failing - 1);
    assert!(told.headline.contains("1 waived"), "{}", told.headline);
    let section = told.sections.iter().find(|section| section.id == "waivers").expect("the section");
    assert!(section.rows.iter().any(|row| row.cells[0].text.contains("expired 1 day ago")), "{section:?}");
    let accounts = [sample::PROD.parse::<AccountId>().expect("account")];
    let some = digest(&report, Rule { accounts: &accounts, ..everything() });
    assert!(!ids(&some).contains(&"waivers"), "they are about all accounts");
}
