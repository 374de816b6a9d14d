//! [`Changes`]: what is different from an earlier run.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Authors, Report, ScopeChanges};
use crate::collect::{self, Scope};
use crate::controls::{Severity, VerdictKind};
use crate::findings::Finding;
use crate::inventory::{Account, AccountState, GLOBAL};

/// What changed since an earlier run. Posture (what got better or worse) is told apart from scope (what was not
/// looked at then, or is not now).
///
/// Every failure of either run is counted once: those of then are [`Self::still_failing`], resolved, no longer
/// observed or no longer judged; those of now are new, newly judged or still failing. One that was waived then and
/// is no longer is back, and so among the new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// Id of the earlier run.
    pub since_run: String,
    /// When it started, RFC 3339, UTC.
    pub since: String,
    /// Ids of findings that fail now and did not fail then, though their control, account and region were looked
    /// at; and of those that were waived then and are no longer.
    pub new: Vec<String>,
    /// Failed then; pass now, do not apply any more, or the resource is gone.
    pub resolved: Vec<Past>,
    /// Failed then, and could not be looked at now. Not the same as resolved.
    pub no_longer_observed: Vec<Past>,
    /// Ids of findings that fail now and that nothing can be said about for then: their control, account or
    /// region was left out, could not be observed, or the control judged by another rule.
    pub newly_judged: Vec<String>,
    /// Failed then; their control, account or region was left out of this run, or the control judges by another
    /// rule now.
    pub no_longer_judged: Vec<Past>,
    /// Findings that fail now and failed then, but for those whose waiver has ended.
    pub still_failing: u64,
    /// Since when each of those fails without a break: when the first run of an unbroken row of failures saw it,
    /// RFC 3339, UTC. It is carried from run to run, as far back as runs were compared. Finding id → time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failing_since: BTreeMap<String, String>,
    /// Ids of those that fail with other evidence than then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed_evidence: Vec<String>,
    /// Who made the changes; absent where nobody looked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authors: Option<Authors>,
    /// What was looked at otherwise than then.
    #[serde(default, skip_serializing_if = "ScopeChanges::is_empty")]
    pub scope: ScopeChanges,
}

/// A finding of the earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Past {
    /// Its id.
    pub id: String,
    /// Id of the control.
    pub control: String,
    /// Severity then.
    pub severity: Severity,
    /// Account, twelve digits.
    pub account: String,
    /// Region, or `global`.
    pub region: String,
    /// ARN of the resource.
    pub resource_arn: String,
    /// What people call the resource.
    pub resource_name: String,
}

impl Changes {
    /// Compares two runs; `None` where `now` is not the later one: it observed an earlier state, or the same
    /// state and did not start later.
    #[must_use]
    pub fn between(earlier: &Report, now: &Report) -> Option<Self> {
        if time_of(now)? <= time_of(earlier)? {
            return None;
        }
        let (then, today) = (Seen::of(earlier), Seen::of(now));
        let mut changes = Self {
            since_run: earlier.run.id.clone(),
            since: earlier.run.started_at.clone(),
            new: Vec::new(),
            resolved: Vec::new(),
            no_longer_observed: Vec::new(),
            newly_judged: Vec::new(),
            no_longer_judged: Vec::new(),
            still_failing: 0,
            failing_since: BTreeMap::new(),
            changed_evidence: Vec::new(),
            // They are those of the changes since this very run.
            authors: now
                .changes
                .as_ref()
                .filter(|changes| changes.since_run == earlier.run.id)
                .and_then(|changes| changes.authors.clone()),
            scope: ScopeChanges::between(earlier, now),
        };
        let failed: HashMap<&str, &Finding> =
            failing(earlier).map(|finding| (finding.id.as_str(), finding)).collect();
        for finding in failing(now) {
            if let Some(then) = failed.get(finding.id.as_str()) {
                // What nobody accepts any more comes back as new.
                if then.waived.is_some() && finding.waived.is_none() {
                    changes.new.push(finding.id.clone());
                } else {
                    changes.still_fails(finding, then, earlier);
                }
                continue;
            }
            match then.verdict_on(finding) {
                _ if changes.scope.has_another_rule(&finding.control) => {
                    changes.newly_judged.push(finding.id.clone());
                }
                Sight::Judged(_) | Sight::Gone => changes.new.push(finding.id.clone()),
                Sight::Hidden | Sight::LeftOut => changes.newly_judged.push(finding.id.clone()),
            }
        }
        for finding in failing(earlier) {
            let list = match today.verdict_on(finding) {
                Sight::Judged(VerdictKind::Fail) => continue,
                // Perhaps the resource is as it was, and would have passed then as well.
                Sight::Judged(_) if changes.scope.has_another_rule(&finding.control) => {
                    &mut changes.no_longer_judged
                }
                Sight::Judged(_) | Sight::Gone => &mut changes.resolved,
                Sight::Hidden => &mut changes.no_longer_observed,
                Sight::LeftOut => &mut changes.no_longer_judged,
            };
            list.push(Past::of(finding));
        }
        Some(changes)
    }

    /// Notes a finding that fails in both runs.
    fn still_fails(&mut self, now: &Finding, then: &Finding, earlier: &Report) {
        self.still_failing += 1;
        let before = earlier.changes.as_ref().and_then(|changes| changes.failing_since.get(&now.id));
        let since = before.unwrap_or(&earlier.run.observed_at);
        self.failing_since.insert(now.id.clone(), since.clone());
        if now.evidence != then.evidence {
            self.changed_evidence.push(now.id.clone());
        }
    }

    /// Since when a finding of this run fails, where that is known to be before this run.
    #[must_use]
    pub fn fails_since(&self, id: &str) -> Option<&str> {
        self.failing_since.get(id).map(String::as_str)
    }
}

impl Past {
    fn of(finding: &Finding) -> Self {
        Self {
            id: finding.id.clone(),
            control: finding.control.clone(),
            severity: finding.severity,
            account: finding.account.clone(),
            region: finding.region.clone(),
            resource_arn: finding.resource_arn.clone(),
            resource_name: finding.resource_name.clone(),
        }
    }
}

fn failing(report: &Report) -> impl Iterator<Item = &Finding> {
    report.findings.iter().filter(|finding| finding.verdict == VerdictKind::Fail)
}

/// When the state was observed and then when the run began: a saved inventory may be judged long afterwards.
fn time_of(report: &Report) -> Option<(Timestamp, Timestamp)> {
    Some((report.run.observed_at.parse().ok()?, report.run.started_at.parse().ok()?))
}

/// What a run says about a finding of another run.
enum Sight {
    /// It has the finding, with a verdict other than unknown.
    Judged(VerdictKind),
    /// It looked where the resource was, and saw no such resource.
    Gone,
    /// It could not observe the resource, or the list that the resource would be in.
    Hidden,
    /// It did not ask: the control, the account or the region was not part of it.
    LeftOut,
}

/// What a run saw, by what findings of another run ask for.
struct Seen<'a> {
    verdicts: HashMap<&'a str, VerdictKind>,
    controls: HashSet<&'a str>,
    accounts: HashMap<&'a str, &'a Account>,
    /// Control and account → regions whose resources could not be listed.
    hidden: HashMap<(&'a str, &'a str), Vec<&'a str>>,
}

impl<'a> Seen<'a> {
    fn of(report: &'a Report) -> Self {
        let mut hidden: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        for finding in &report.findings {
            if finding.verdict == VerdictKind::Unknown && finding.is_about_a_place() {
                hidden.entry((&finding.control, &finding.account)).or_default().push(&finding.region);
            }
        }
        let judged = report.accounts.iter().filter(|account| account.is_judged());
        Self {
            verdicts: report.findings.iter().map(|f| (f.id.as_str(), f.verdict)).collect(),
            controls: report.controls.iter().map(|control| control.id.as_str()).collect(),
            accounts: judged.map(|account| (account.id.as_str(), account)).collect(),
            hidden,
        }
    }

    fn verdict_on(&self, finding: &Finding) -> Sight {
        match self.verdicts.get(finding.id.as_str()) {
            Some(VerdictKind::Unknown) => return Sight::Hidden,
            Some(verdict) => return Sight::Judged(*verdict),
            None => {}
        }
        let account = self.accounts.get(finding.account.as_str());
        let Some(account) = account.filter(|_| self.controls.contains(finding.control.as_str())) else {
            return Sight::LeftOut;
        };
        // First: where the account was not entered, its regions are not known either.
        if matches!(account.state, AccountState::Failed { .. }) || self.is_hidden(finding) {
            return Sight::Hidden;
        }
        let asks_everywhere = finding.region == GLOBAL || lists_all_regions(finding);
        if asks_everywhere || account.regions.contains(&finding.region) {
            Sight::Gone
        } else {
            Sight::LeftOut
        }
    }

    /// Whether a list was not seen that the finding's resource may be in.
    fn is_hidden(&self, finding: &Finding) -> bool {
        let Some(places) = self.hidden.get(&(finding.control.as_str(), finding.account.as_str())) else {
            return false;
        };
        lists_all_regions(finding)
            || finding.region == GLOBAL
            || places.iter().any(|place| *place == GLOBAL || *place == finding.region)
    }
}

/// Whether one call lists the resources of this type in all regions.
fn lists_all_regions(finding: &Finding) -> bool {
    collect::kind(&finding.resource_type).is_some_and(|kind| kind.scope == Scope::Global)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::findings::Identity;
    use crate::report::{Inconsistent, sample};

    /// The sample, a day later.
    fn later() -> Report {
        let mut report = sample::report();
        for time in [&mut report.run.started_at, &mut report.run.observed_at] {
            *time = time.replace("2026-11-24", "2026-11-25");
        }
        report
    }

    fn between(earlier: &Report, now: &Report) -> Changes {
        Changes::between(earlier, now).expect("the second is later")
    }

    fn first_failing(report: &Report, control: &str) -> usize {
        let at = report.findings.iter().position(|f| f.control == control && f.verdict == VerdictKind::Fail);
        at.expect("the sample has one")
    }

    fn ids(past: &[Past]) -> Vec<&str> {
        past.iter().map(|past| past.id.as_str()).collect()
    }

    #[test]
    fn nothing_changes_where_nothing_changed() {
        let changes = between(&sample::report(), &later());
        assert_eq!(changes.still_failing, sample::report().totals.fail);
        assert_eq!(changes.since_run, sample::report().run.id);
        assert_eq!(changes.since, "2026-11-24T03:00:00Z");
        assert!(changes.new.is_empty() && changes.newly_judged.is_empty());
        assert!(changes.resolved.is_empty() && changes.no_longer_observed.is_empty());
        assert!(changes.no_longer_judged.is_empty());
    }

    #[test]
    fn only_a_later_run_is_compared() {
        assert_eq!(Changes::between(&later(), &sample::report()), None);
        assert_eq!(Changes::between(&sample::report(), &sample::report()), None);
        let mut again = sample::report();
        again.run.started_at = "2026-11-26T00:00:00Z".to_owned();
        assert!(Changes::between(&sample::report(), &again).is_some(), "a saved inventory, judged again");
        assert_eq!(Changes::between(&later(), &again), None, "what it judged is older");
        let mut broken = later();
        broken.run.observed_at = "tomorrow".to_owned();
        assert_eq!(Changes::between(&sample::report(), &broken), None);
    }

    #[test]
    fn a_verdict_that_changed_is_resolved_or_no_longer_observed() {
        for (verdict, resolved) in
            [(VerdictKind::Pass, true), (VerdictKind::NotApplicable, true), (VerdictKind::Unknown, false)]
        {
            let mut now = later();
            let at = first_failing(&now, "iam-root-mfa");
            now.findings[at].verdict = verdict;
            let id = now.findings[at].id.clone();
            let changes = between(&sample::report(), &now);
            let (is, is_not) = if resolved {
                (&changes.resolved, &changes.no_longer_observed)
            } else {
                (&changes.no_longer_observed, &changes.resolved)
            };
            assert_eq!((ids(is), is_not.len()), (vec![id.as_str()], 0), "{verdict}");
            // And the other way round: what was not observed then is not said to be worse now.
            let mut earlier = sample::report();
            earlier.findings[at].verdict = verdict;
            let changes = between(&earlier, &later());
            let (is, is_not) = if resolved {
                (&changes.new, &changes.newly_judged)
            } else {
                (&changes.newly_judged, &changes.new)
            };
            assert_eq!((is.as_slice(), is_not.len()), (&[id][..], 0), "{verdict}");
        }
    }

    #[test]
    fn a_failure_that_got_worse_is_still_failing_and_one_of_the_past_is_as_bad_as_it_was() {
        let mut worse = sample::with_a_worse_failure();
        for time in [&mut worse.run.started_at, &mut worse.run.observed_at] {
            *time = time.replace("2026-11-24", "2026-11-25");
        }
        let changes = between(&sample::report(), &worse);
        assert_eq!((changes.still_failing, changes.new.len()), (worse.totals.fail, 0));

        let mut now = later();
        let earlier = sample::with_a_worse_failure();
        let is_worse =
            |f: &&Finding| f.severity == Severity::Critical && f.control == "s3-bucket-secure-transport";
        let id = earlier.findings.iter().find(is_worse).expect("one").id.clone();
        for finding in now.findings.iter_mut().filter(|finding| finding.id == id) {
            finding.verdict = VerdictKind::Pass;
        }
        let resolved = between(&earlier, &now).resolved;
        assert_eq!(resolved.iter().map(|past| past.severity).collect::<Vec<_>>(), [Severity::Critical]);
    }

    #[test]
    fn a_failure_whose_waiver_ended_comes_back_as_new() {
        let waived = crate::findings::Waived {
            line: 1,
            reason: "r".to_owned(),
            author: "a".to_owned(),
            ticket: None,
            expires: "2026-11-24".to_owned(),
            until_evidence_changes: false,
        };
        let mut earlier = sample::report();
        let at = first_failing(&earlier, "iam-root-mfa");
        earlier.findings[at].waived = Some(waived.clone());
        let mut now = later();
        let changes = between(&earlier, &now);
        assert_eq!(changes.new, [now.findings[at].id.as_str()]);
        assert_eq!(changes.still_failing, now.totals.fail - 1);
        now.findings[at].waived = Some(waived);
        let changes = between(&earlier, &now);
        assert_eq!((changes.new.len(), changes.still_failing), (0, now.totals.fail));
    }

    #[test]
    fn a_resource_that_is_gone_is_resolved_only_where_the_list_was_seen() {
        let control = "s3-bucket-not-public";
        let mut now = later();
        let at = first_failing(&now, control);
        let gone = now.findings.remove(at);
        assert_eq!(ids(&between(&sample::report(), &now).resolved), [gone.id.as_str()]);
        assert_eq!(between(&now_as_earlier(&now), &later()).new, [gone.id.as_str()]);
        // The buckets of the account could not be listed.
        let mut place =
            now.findings.iter().find(|f| f.account == sample::LOCKED && f.control == control).cloned();
        let place = place.as_mut().expect("the account was not entered");
        place.account.clone_from(&gone.account);
        place.id = Identity {
            control,
            account: &gone.account,
            region: GLOBAL,
            resource_type: &gone.resource_type,
            resource_arn: "",
        }
        .id();
        now.findings.push(place.clone());
        let changes = between(&sample::report(), &now);
        assert_eq!((ids(&changes.no_longer_observed), changes.resolved.len()), (vec![gone.id.as_str()], 0));
        assert_eq!(between(&now_as_earlier(&now), &later()).newly_judged, [gone.id]);
    }

    #[test]
    fn what_is_left_out_is_not_resolved() {
        let earlier = sample::report();
        let failing_in = |what: &dyn Fn(&Finding) -> bool| {
            failing(&earlier).filter(|f| what(f)).map(|f| f.id.as_str()).collect::<Vec<_>>()
        };
        let mut now = later();
        now.controls.retain(|control| control.id != "iam-root-mfa");
        now.findings.retain(|finding| finding.control != "iam-root-mfa");
        let changes = between(&earlier, &now);
        assert_eq!(ids(&changes.no_longer_judged), failing_in(&|f| f.control == "iam-root-mfa"));
        assert!(changes.resolved.is_empty());

        let mut now = later();
        now.accounts.retain(|account| account.id != sample::PROD);
        now.findings.retain(|finding| finding.account != sample::PROD);
        let changes = between(&earlier, &now);
        assert_eq!(ids(&changes.no_longer_judged), failing_in(&|f| f.account == sample::PROD));
        assert!(changes.resolved.is_empty());
        let back = between(&now_as_earlier(&now), &later());
        assert_eq!((back.newly_judged.len(), back.new.len()), (changes.no_longer_judged.len(), 0));
    }

    #[test]
    fn a_region_that_is_left_out_is_not_resolved() {
        let instance = |report: &mut Report| {
            let at = first_failing(report, "s3-bucket-not-public");
            report.findings[at].resource_type = "aws.ec2.instance".to_owned();
            report.findings[at].region = "eu-central-1".to_owned();
            at
        };
        let (mut earlier, mut now) = (sample::report(), later());
        instance(&mut earlier);
        let at = instance(&mut now);
        let gone = now.findings.remove(at);
        assert_eq!(ids(&between(&earlier, &now).resolved), [gone.id.as_str()]);
        for account in &mut now.accounts {
            account.regions.retain(|region| *region != gone.region);
        }
        assert_eq!(ids(&between(&earlier, &now).no_longer_judged), [gone.id.as_str()]);
    }

    /// The sample on a day of November 2026.
    fn on(day: &str) -> Report {
        let mut report = sample::report();
        for time in [&mut report.run.started_at, &mut report.run.observed_at] {
            *time = time.replace("2026-11-24", day);
        }
        report
    }

    #[test]
    fn since_when_it_fails_is_carried_from_run_to_run_and_a_break_begins_anew() {
        let first = on("2026-11-01");
        let at = first_failing(&first, "iam-root-mfa");
        let id = first.findings[at].id.clone();
        let mut second = on("2026-11-02");
        let mut changes = between(&first, &second);
        assert_eq!(changes.failing_since.len() as u64, changes.still_failing);
        assert_eq!(changes.fails_since(&id), Some(first.run.observed_at.as_str()));
        second.changes = Some(changes);
        let mut third = on("2026-11-03");
        changes = between(&second, &third);
        assert_eq!(changes.fails_since(&id), Some(first.run.observed_at.as_str()), "two runs before");
        third.changes = Some(changes);
        // Not observed for a day: it may have been right in between.
        let mut hidden = on("2026-11-04");
        hidden.findings[at].verdict = VerdictKind::Unknown;
        hidden.changes = Some(between(&third, &hidden));
        let mut back = on("2026-11-05");
        changes = between(&hidden, &back);
        assert_eq!((changes.fails_since(&id), changes.newly_judged.contains(&id)), (None, true));
        back.changes = Some(changes);
        let after = between(&back, &on("2026-11-06"));
        assert_eq!(after.fails_since(&id), Some(back.run.observed_at.as_str()));
        let other = failing(&first).find(|finding| finding.id != id).expect("another");
        assert_eq!(after.fails_since(&other.id), Some(first.run.observed_at.as_str()));
    }

    #[test]
    fn other_evidence_of_the_same_failure_is_told() {
        let mut now = later();
        let at = first_failing(&now, "s3-bucket-not-public");
        assert!(between(&sample::report(), &now).changed_evidence.is_empty());
        now.findings[at].evidence.clear();
        let changes = between(&sample::report(), &now);
        assert_eq!(changes.changed_evidence, [now.findings[at].id.as_str()]);
        assert_eq!(changes.still_failing, sample::report().totals.fail);
    }

    #[test]
    fn what_another_rule_decides_is_no_change_of_the_accounts() {
        let (mut earlier, mut now) = (sample::report(), later());
        let at = first_failing(&now, "iam-root-mfa");
        let id = now.findings[at].id.clone();
        for control in now.controls.iter_mut().filter(|control| control.id == "iam-root-mfa") {
            control.rule = "stricter".to_owned();
        }
        earlier.findings[at].verdict = VerdictKind::Pass;
        let stricter = between(&earlier, &now);
        assert_eq!(stricter.scope.controls_changed, ["iam-root-mfa"]);
        assert_eq!((stricter.new.len(), stricter.newly_judged.as_slice()), (0, &[id.clone()][..]));
        // And the other way round: a rule that asks for less resolves nothing.
        let mut laxer = now.clone();
        laxer.findings[at].verdict = VerdictKind::Pass;
        let changes = between(&sample::report(), &laxer);
        assert_eq!((changes.resolved.len(), ids(&changes.no_longer_judged)), (0, vec![id.as_str()]));
        // A report of before has no hashes: nothing is said about rules then.
        for control in &mut earlier.controls {
            control.rule.clear();
        }
        assert!(between(&earlier, &now).scope.is_empty());
    }

    #[test]
    fn accounts_and_controls_that_come_and_go_are_changes_of_the_scope() {
        let mut now = later();
        now.controls.retain(|control| control.id != "iam-root-mfa");
        now.findings.retain(|finding| finding.control != "iam-root-mfa" && finding.account != sample::PROD);
        now.accounts.retain(|account| account.id != sample::PROD);
        let scope = between(&sample::report(), &now).scope;
        assert_eq!(
            (scope.controls_removed.as_slice(), scope.accounts_removed.as_slice()),
            (&["iam-root-mfa".to_owned()][..], &[sample::PROD.to_owned()][..])
        );
        assert_eq!(scope.lines().len(), 2);
        let back = between(&now_as_earlier(&now), &later()).scope;
        assert_eq!(
            (back.controls_added, back.accounts_added),
            (scope.controls_removed, scope.accounts_removed)
        );
        assert!(between(&sample::report(), &later()).scope.is_empty());
    }

    /// The run as if it had been the day before the sample.
    fn now_as_earlier(now: &Report) -> Report {
        let mut report = now.clone();
        for time in [&mut report.run.started_at, &mut report.run.observed_at] {
            *time = time.replace("2026-11-25", "2026-11-23");
        }
        report
    }

    #[test]
    fn changes_are_checked_before_they_are_written() {
        let mut now = later();
        now.changes = Some(between(&sample::report(), &now));
        now.check().expect("they add up");
        let passing = now.findings.iter().find(|f| f.verdict == VerdictKind::Pass).expect("one").id.clone();
        let past = Past::of(failing(&now).next().expect("one"));
        let breaks: [&dyn Fn(&mut Changes); 5] = [
            &|c| c.still_failing += 1,
            &|c| c.new.push(passing.clone()),
            &|c| c.newly_judged.push("0000".to_owned()),
            &|c| c.resolved.push(past.clone()),
            &|c| c.no_longer_judged.push(past.clone()),
        ];
        for (at, break_it) in breaks.iter().enumerate() {
            let mut report = now.clone();
            report.changes.as_mut().into_iter().for_each(break_it);
            let error = report.check().expect_err(&at.to_string());
            assert!(matches!(error, Inconsistent::Changes { .. }), "{at}: {error}");
        }
    }

    fn verdict() -> impl Strategy<Value = Option<VerdictKind>> {
        prop_oneof![
            Just(None),
            Just(Some(VerdictKind::Fail)),
            Just(Some(VerdictKind::Pass)),
            Just(Some(VerdictKind::Unknown)),
            Just(Some(VerdictKind::NotApplicable)),
        ]
    }

    /// The sample with these verdicts, without findings that have none, and without some controls and accounts.
    fn altered(mut report: Report, verdicts: &[Option<VerdictKind>], left_out: (usize, usize)) -> Report {
        let mut verdicts = verdicts.iter();
        report.findings.retain_mut(|finding| match verdicts.next() {
            Some(Some(verdict)) => {
                finding.verdict = *verdict;
                true
            }
            _ => false,
        });
        let (control, account) = (report.controls.get(left_out.0), report.accounts.get(left_out.1));
        let control = control.map(|control| control.id.clone());
        let account = account.map(|account| account.id.clone());
        report
            .findings
            .retain(|f| Some(&f.control) != control.as_ref() && Some(&f.account) != account.as_ref());
        report.controls.retain(|c| Some(&c.id) != control.as_ref());
        report.accounts.retain(|a| Some(&a.id) != account.as_ref());
        report
    }

    proptest! {
        #[test]
        fn every_failure_is_counted_once(
            then in proptest::collection::vec(verdict(), 60),
            now in proptest::collection::vec(verdict(), 60),
            left_then in (0..12_usize, 0..8_usize),
            left_now in (0..12_usize, 0..8_usize),
        ) {
            let (then, now) = (altered(sample::report(), &then, left_then), altered(later(), &now, left_now));
            let changes = between(&then, &now);
            let gone = changes.resolved.len() + changes.no_longer_observed.len() + changes.no_longer_judged.len();
            let come = changes.new.len() + changes.newly_judged.len();
            prop_assert_eq!(failing(&then).count() as u64, changes.still_failing + gone as u64);
            prop_assert_eq!(failing(&now).count() as u64, changes.still_failing + come as u64);
        }
    }
}
