use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::controls::VerdictKind;
use crate::findings::Finding;
use crate::inventory::{Account, AccountState, Facet, Inventory, Resource, Unseen};
use crate::report::{Report, sample};

const TODAY: Date = date(2026, 11, 24);

fn waiver(selector: Selector) -> Waiver {
    Waiver {
        line: 7,
        selector,
        reason: "accepted".to_owned(),
        author: "Ann".to_owned(),
        ticket: None,
        date: date(2026, 1, 1),
        expires: date(2026, 12, 31),
        evidence: None,
    }
}

fn of_control(control: &str) -> Waiver {
    waiver(Selector { control: Some(control.to_owned()), ..Selector::default() })
}

/// The sample's buckets with their tags, in its accounts as `change` leaves them.
fn inventory(change: impl Fn(&mut Account)) -> Inventory {
    let report = sample::report();
    let mut accounts = report.accounts.clone();
    accounts.iter_mut().for_each(change);
    let bucket = |finding: &Finding, tags| Resource {
        kind: finding.resource_type.clone(),
        arn: finding.resource_arn.clone(),
        account: finding.account.clone(),
        region: finding.region.clone(),
        name: finding.resource_name.clone(),
        fields: [("tags".to_owned(), tags)].into(),
    };
    let buckets = report.findings.iter().filter(|f| f.resource_type == "aws.s3.bucket").map(|finding| {
        let tags = match finding.resource_name.as_str() {
            "acme-logs" => Facet::Known(json!({ "env": "prod", "team": "logs" })),
            "acme-website" => Facet::Unknown(Unseen::denied(
                sample::PROD,
                "eu-west-1",
                "s3:GetBucketTagging",
                "AccessDenied",
                "no",
            )),
            _ => Facet::Known(json!({})),
        };
        bucket(finding, tags)
    });
    Inventory::new(Timestamp::UNIX_EPOCH, accounts, buckets.collect(), Vec::new(), Vec::new())
}

fn applied_to(inventory: &Inventory, waivers: &[Waiver], day: Date) -> (Report, Vec<WaiverRow>) {
    let mut report = sample::report();
    let ran: BTreeSet<String> = report.controls.iter().map(|control| control.id.clone()).collect();
    let mut known = ran.clone();
    known.insert("left-out".to_owned());
    let run = Run { inventory, ran: &ran, known: &known, day };
    let rows = waive(&mut report.findings, waivers, run);
    (report, rows)
}

fn applied(waivers: &[Waiver]) -> (Report, Vec<WaiverRow>) {
    applied_to(&inventory(|_| ()), waivers, TODAY)
}

fn waived(report: &Report) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.waived.is_some()).collect()
}

#[test]
fn only_failures_are_waived_and_no_verdict_changes() {
    let (report, rows) = applied(&[of_control("s3-bucket-not-public"), of_control("iam-root-mfa")]);
    let before = sample::report();
    for (finding, before) in report.findings.iter().zip(&before.findings) {
        assert_eq!(finding.verdict, before.verdict);
        let concerned = ["s3-bucket-not-public", "iam-root-mfa"].contains(&finding.control.as_str());
        assert_eq!(
            finding.waived.is_some(),
            concerned && finding.verdict == VerdictKind::Fail,
            "{}",
            finding.id
        );
        assert_eq!(finding.waiver_ended, None);
    }
    assert_eq!(rows.iter().map(|row| row.failing).collect::<Vec<_>>(), [1, 2]);
    assert!(rows.iter().all(|row| row.effect == Effect::Waives));
}

#[test]
fn everything_that_is_given_must_match() {
    let full = |change: fn(&mut Selector)| {
        let mut selector = Selector {
            control: Some("s3-bucket-secure-transport".to_owned()),
            account: Some(sample::PROD.to_owned()),
            unit: Some("Workloads".to_owned()),
            region: Some("eu-west-1".to_owned()),
            resource: Some(Glob::new("arn:aws:s3:::acme-l?g*").unwrap()),
            tags: [
                ("env".to_owned(), vec!["dev".to_owned(), "prod".to_owned()]),
                ("team".to_owned(), Vec::new()),
            ]
            .into(),
            finding: None,
        };
        change(&mut selector);
        waived(&applied(&[waiver(selector)]).0).len()
    };
    assert_eq!(full(|_| ()), 1);
    assert_eq!(full(|s| s.control = Some("s3-bucket-not-public".to_owned())), 0);
    assert_eq!(full(|s| s.account = Some(sample::DEV.to_owned())), 0);
    assert_eq!(full(|s| s.unit = Some("Core".to_owned())), 0);
    assert_eq!(full(|s| s.unit = Some("Root".to_owned())), 1, "units above count");
    assert_eq!(full(|s| s.region = Some("eu-central-1".to_owned())), 0);
    assert_eq!(full(|s| s.resource = Some(Glob::new("arn:aws:s3:::acme-l?g").unwrap())), 0, "the whole ARN");
    assert_eq!(full(|s| drop(s.tags.insert("env".to_owned(), vec!["dev".to_owned()]))), 0);
    assert_eq!(full(|s| drop(s.tags.insert("cost".to_owned(), Vec::new()))), 0);
    assert_eq!(full(|s| s.finding = Some("000000000000".to_owned())), 0);
}

#[test]
fn units_match_by_id_and_where_they_were_not_read_nothing_is_waived() {
    let mut by_unit = of_control("iam-root-mfa");
    by_unit.selector.unit = Some("ou-ab12-prod".to_owned());
    let with_ids = inventory(|account| {
        account.unit_ids = Some(vec!["r-ab12".to_owned(), format!("ou-ab12-{}", &account.name[5..].trim())]);
    });
    let (report, _) = applied_to(&with_ids, std::slice::from_ref(&by_unit), TODAY);
    assert_eq!(waived(&report).iter().map(|f| f.account.as_str()).collect::<Vec<_>>(), [sample::PROD]);
    let unread = inventory(|account| account.units = None);
    let (report, rows) = applied_to(&unread, &[by_unit], TODAY);
    assert_eq!(waived(&report).len(), 0);
    assert_eq!(rows[0].effect, Effect::NotObserved);
    assert!(rows[0].note.contains("organizational units"), "{}", rows[0].note);
}

#[test]
fn tags_that_were_not_observed_waive_nothing_and_that_is_said() {
    let mut tagged = of_control("s3-bucket-not-public");
    tagged.selector.tags = [("env".to_owned(), Vec::new())].into();
    let (report, rows) = applied(&[tagged.clone()]);
    assert_eq!(waived(&report).len(), 0);
    assert_eq!(rows[0].effect, Effect::NotObserved);
    assert!(rows[0].note.contains("s3:GetBucketTagging"), "{}", rows[0].note);
    // The account has no tags facet at all.
    tagged.selector.control = Some("iam-root-mfa".to_owned());
    let (report, rows) = applied(&[tagged]);
    assert_eq!((waived(&report).len(), rows[0].effect), (0, Effect::NotObserved));
    assert!(rows[0].note.contains("not collected"), "{}", rows[0].note);
}

#[test]
fn a_waiver_holds_through_its_last_day_and_then_its_findings_are_back() {
    let all = [of_control("iam-root-mfa")];
    let on = |day| applied_to(&inventory(|_| ()), &all, day);
    for (day, state, days) in [
        (date(2026, 12, 16), WaiverState::Active, 15),
        (date(2026, 12, 17), WaiverState::Expiring, 14),
        (date(2026, 12, 31), WaiverState::Expiring, 0),
        (date(2027, 1, 1), WaiverState::Expired, -1),
    ] {
        let (report, rows) = on(day);
        assert_eq!((rows[0].state, rows[0].days_left), (state, days), "{day}");
        let is_over = state == WaiverState::Expired;
        assert_eq!(waived(&report).len(), if is_over { 0 } else { 2 });
        let back: Vec<_> = report.findings.iter().filter_map(|f| f.waiver_ended.as_ref()).collect();
        assert_eq!(back.len(), if is_over { 2 } else { 0 });
        assert!(back.iter().all(|end| end.words() == "waiver expired on 2026-12-31"), "{back:?}");
    }
}

#[test]
fn of_two_waivers_the_one_that_holds_longer_is_noted_in_either_order() {
    let mut longer = of_control("iam-root-mfa");
    longer.expires = date(2027, 1, 1);
    longer.line = 9;
    let mut over = of_control("iam-root-mfa");
    over.expires = date(2026, 2, 1);
    for waivers in [
        [longer.clone(), of_control("iam-root-mfa"), over.clone()],
        [over.clone(), of_control("iam-root-mfa"), longer.clone()],
    ] {
        let (report, _) = applied(&waivers);
        assert!(waived(&report).iter().all(|f| f.waived.as_ref().unwrap().line == 9));
        assert!(report.findings.iter().all(|finding| finding.waiver_ended.is_none()));
    }
}

#[test]
fn a_waiver_until_evidence_changes_ends_when_it_does() {
    let report = sample::report();
    let finding = report
        .findings
        .iter()
        .find(|f| f.control == "iam-root-mfa" && f.verdict == VerdictKind::Fail)
        .unwrap();
    let mut snoozed = of_control("iam-root-mfa");
    snoozed.selector.finding = Some(finding.id.clone());
    snoozed.evidence = Some(evidence_digest(&finding.evidence)[..DIGEST_DIGITS].to_owned());
    let (same, rows) = applied(&[snoozed.clone()]);
    assert_eq!((waived(&same).len(), rows[0].effect), (1, Effect::Waives));
    snoozed.evidence = Some("0".repeat(DIGEST_DIGITS));
    let (changed, rows) = applied(&[snoozed]);
    assert_eq!((waived(&changed).len(), rows[0].effect), (0, Effect::EvidenceChanged));
    let ended: Vec<_> = changed.findings.iter().filter_map(|f| f.waiver_ended.as_ref()).collect();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].ending, Ending::EvidenceChanged);
}

#[test]
fn a_waiver_that_does_nothing_says_why() {
    let mut elsewhere = of_control("iam-root-mfa");
    let effect = |waiver: &Waiver| {
        let row = applied(std::slice::from_ref(waiver)).1.remove(0);
        (row.effect, row.note)
    };
    assert_eq!(
        effect(&of_control("s3-bucket-mfa-delete")).0,
        Effect::NotObserved,
        "one account was not entered"
    );
    elsewhere.selector.account = Some(sample::MANAGEMENT.to_owned());
    assert_eq!(effect(&elsewhere), (Effect::NothingFails, String::new()));
    elsewhere.selector.account = Some("999988887777".to_owned());
    assert_eq!(
        effect(&elsewhere),
        (Effect::NotObserved, "account 999988887777 was not part of the run".to_owned())
    );
    elsewhere.selector.account = Some(sample::LOCKED.to_owned());
    assert!(effect(&elsewhere).1.ends_with("could not be entered"));
    elsewhere.selector.account = Some(sample::CLOSED.to_owned());
    assert!(effect(&elsewhere).1.contains("was left out: the account is suspended"));
    assert_eq!(
        effect(&of_control("iam-rot-mfa")),
        (Effect::Nothing, "there is no control `iam-rot-mfa`".to_owned())
    );
    assert_eq!(effect(&of_control("left-out")).1, "control `left-out` did not run");
    let mut region = of_control("s3-bucket-not-public");
    region.selector.region = Some("us-east-1".to_owned());
    assert_eq!(effect(&region).1, "region us-east-1 was not part of the run");
    let mut gone = of_control("s3-bucket-not-public");
    gone.selector.account = Some(sample::MANAGEMENT.to_owned());
    gone.selector.resource = Some(Glob::new("arn:aws:s3:::gone").unwrap());
    assert_eq!(effect(&gone), (Effect::Nothing, String::new()));
    let mut unseen = of_control("s3-bucket-not-public");
    unseen.selector.resource = Some(Glob::new("arn:aws:s3:::acme-vault").unwrap());
    unseen.selector.account = Some(sample::PROD.to_owned());
    let (effect, note) = effect(&unseen);
    assert_eq!(effect, Effect::NotObserved);
    assert_eq!(note, "1 finding is unknown, which no waiver changes");
}

#[test]
fn an_account_that_is_skipped_or_failed_is_told_apart_from_one_that_is_not_there() {
    let states: Vec<bool> = sample::report()
        .accounts
        .iter()
        .map(|account| matches!(account.state, AccountState::Scanned))
        .collect();
    assert_eq!(states, [true, true, true, false, false]);
}

/// The pattern by definition: every way to spread the text over the wildcards.
fn by_definition(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(('*', rest)), _) => (0..=text.len()).any(|n| by_definition(rest, &text[n..])),
        (Some(('?', rest)), Some((_, others))) => by_definition(rest, others),
        (Some((one, rest)), Some((other, others))) => one == other && by_definition(rest, others),
        (Some(_), None) => false,
    }
}

#[test]
fn a_glob_made_to_be_slow_is_not() {
    let glob = Glob::new(&format!("arn:{}b", "*a".repeat(1_000))).unwrap();
    assert!(!glob.matches(&format!("arn:{}", "a".repeat(2_000))));
    assert_eq!(Glob::new(&"*".repeat(2_049)), Err(TooBroad::TooLong));
}

proptest! {
    #[test]
    fn a_glob_matches_as_by_definition(pattern in "[*?a.\\[\\\\+/:]{0,7}", text in "[ab.\\[\\\\+/:*?]{0,9}") {
        let pattern = format!("arn:{pattern}");
        let text = format!("arn:{text}");
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(
            Glob::new(&pattern).unwrap().matches(&text),
            by_definition(&chars(&pattern), &chars(&text)),
            "{} {}", pattern, text
        );
    }
}
