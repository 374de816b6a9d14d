//! [`Merger`]: from the reports of single accounts to one of all of them.
//!
//! Its memory does not grow with the findings of the accounts: it counts them all, and keeps those that matter most.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::build::{Sums, control_row, framework_row};
use super::document::{Counts, Gap, LeftOut, Report, RunInfo, SCHEMA_VERSION, Waivers};
use super::{Changes, Past, Ran, ScopeChanges};
use crate::aws::{Metered, OperationCount, Tally};
use crate::controls::{ControlSet, Severity, VerdictKind};
use crate::findings::Finding;
use crate::inventory::{Account, Coverage, CoverageState, Inventory};

/// Gaps that are kept, and rows of the coverage of calls that failed.
const MAX_ROWS: usize = 2_000;
/// Failures of the earlier run that are kept of each kind.
const MAX_PAST: usize = 5_000;

/// Adds up reports, each of one account. All of them are judged by the same controls.
pub struct Merger<'a> {
    controls: &'a ControlSet,
    max_findings: usize,
    /// Each account with its counts, in the order of the controls.
    accounts: Vec<(Account, Vec<Counts>)>,
    absent_regions: BTreeMap<String, Vec<String>>,
    failing: BTreeMap<Severity, u64>,
    /// The findings that matter most, by their rank, and those that came later before the others of the same.
    listed: BTreeMap<(u64, Reverse<u64>), Finding>,
    findings: u64,
    gaps: BTreeMap<String, Gap>,
    gaps_left_out: u64,
    coverage: Vec<Coverage>,
    changes: Option<Changes>,
    past_left_out: u64,
    calls: BTreeMap<String, OperationCount>,
    waivers: Option<Waivers>,
    observed_at: Option<String>,
    is_complete: bool,
}

/// What is known of the run as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Whole<'a> {
    /// Id of the run.
    pub run: &'a str,
    /// When it started.
    pub started_at: Timestamp,
    /// When the last account was judged.
    pub finished_at: Timestamp,
    /// The report of the run that the accounts were compared with, as a whole.
    pub earlier: Option<&'a Report>,
}

impl<'a> Merger<'a> {
    /// Nothing yet. The report will list so many findings at most.
    #[must_use]
    pub fn new(controls: &'a ControlSet, max_findings: usize) -> Self {
        Self {
            controls,
            max_findings,
            accounts: Vec::new(),
            absent_regions: BTreeMap::new(),
            failing: BTreeMap::new(),
            listed: BTreeMap::new(),
            findings: 0,
            gaps: BTreeMap::new(),
            gaps_left_out: 0,
            coverage: Vec::new(),
            changes: None,
            past_left_out: 0,
            calls: BTreeMap::new(),
            waivers: None,
            observed_at: None,
            is_complete: true,
        }
    }

    /// Adds the report of one account; or of none that is judged, which adds what the earlier run knew of it.
    pub fn add(&mut self, report: Report) {
        let totals: HashMap<&str, Counts> =
            report.controls.iter().map(|control| (control.id.as_str(), control.totals)).collect();
        let counts = self.controls.controls();
        let is_judged = report.accounts.iter().any(Account::is_judged);
        let counts: Vec<Counts> =
            counts.map(|control| totals.get(control.id.as_str()).copied().unwrap_or_default()).collect();
        self.accounts.extend(report.accounts.into_iter().map(|account| (account, counts.clone())));
        self.absent_regions.extend(report.run.absent_regions);
        self.is_complete &= report.run.complete;
        self.add_calls(report.run.calls);
        // The state of all accounts is known as of when the first was looked at.
        if is_judged && self.observed_at.as_ref().is_none_or(|earlier| report.run.observed_at < *earlier) {
            self.observed_at = Some(report.run.observed_at);
        }
        self.add_coverage(report.coverage);
        for gap in report.gaps {
            self.add_gap(gap);
        }
        if let Some(waivers) = report.waivers {
            self.add_waivers(waivers);
        }
        let new: HashSet<&str> =
            report.changes.iter().flat_map(|changes| &changes.new).map(String::as_str).collect();
        for finding in report.findings {
            if finding.verdict == VerdictKind::Fail {
                *self.failing.entry(finding.severity).or_insert(0) += 1;
            }
            let rank = rank(&finding, new.contains(finding.id.as_str()));
            self.list(rank, finding);
        }
        if let Some(changes) = report.changes {
            self.add_changes(changes);
        }
    }

    fn list(&mut self, rank: u64, finding: Finding) {
        self.findings += 1;
        self.listed.insert((rank, Reverse(self.findings)), finding);
        if self.listed.len() > self.max_findings {
            self.listed.pop_first();
        }
    }

    /// Adds calls that are part of no report.
    pub fn add_metered(&mut self, metered: Metered) {
        self.add_calls(metered.calls);
        self.add_coverage(metered.coverage);
    }

    /// Adds how calls went, as far as they failed.
    fn add_coverage(&mut self, coverage: Vec<Coverage>) {
        let failed = coverage.into_iter().filter(|row| row.state != CoverageState::Ok);
        self.coverage.extend(failed.take(MAX_ROWS.saturating_sub(self.coverage.len())));
    }

    fn add_calls(&mut self, calls: Vec<OperationCount>) {
        for call in calls {
            match self.calls.get_mut(&call.operation) {
                Some(sum) => sum.add(&call),
                None => {
                    self.calls.insert(call.operation.clone(), call);
                }
            }
        }
    }

    fn add_gap(&mut self, gap: Gap) {
        let obstacle = gap.unseen.obstacle();
        if let Some(known) = self.gaps.get_mut(&obstacle) {
            known.unseen.widen(&gap.unseen);
            known.findings += gap.findings;
            known.controls.extend(gap.controls);
            known.controls.sort_unstable();
            known.controls.dedup();
        } else if self.gaps.len() < MAX_ROWS {
            self.gaps.insert(obstacle, gap);
        } else {
            self.gaps_left_out += 1;
        }
    }

    /// The same waivers in each account, which add up what they do there.
    fn add_waivers(&mut self, waivers: Waivers) {
        let Some(known) = &mut self.waivers else {
            self.waivers = Some(waivers);
            return;
        };
        for (known, row) in known.rows.iter_mut().zip(waivers.rows) {
            known.add(row);
        }
    }

    fn add_changes(&mut self, mut changes: Changes) {
        let Some(sum) = &mut self.changes else {
            self.past_left_out += cut(&mut changes);
            self.changes = Some(changes);
            return;
        };
        sum.new.append(&mut changes.new);
        sum.newly_judged.append(&mut changes.newly_judged);
        sum.resolved.append(&mut changes.resolved);
        sum.no_longer_observed.append(&mut changes.no_longer_observed);
        sum.no_longer_judged.append(&mut changes.no_longer_judged);
        sum.still_failing += changes.still_failing;
        sum.failing_since.append(&mut changes.failing_since);
        sum.changed_evidence.append(&mut changes.changed_evidence);
        self.past_left_out += cut(sum);
        // What is not listed now will not be; looked at now and then, not for each account.
        let held = sum.failing_since.len().max(sum.changed_evidence.len());
        if held / 2 < self.max_findings {
            return;
        }
        let listed: HashSet<&str> = self.listed.values().map(|finding| finding.id.as_str()).collect();
        sum.failing_since.retain(|id, _| listed.contains(id.as_str()));
        sum.changed_evidence.retain(|id| listed.contains(id.as_str()));
    }

    /// The report of all accounts.
    #[must_use]
    pub fn finish(self, whole: Whole<'_>) -> Report {
        let mut findings: Vec<Finding> = self.listed.into_values().collect();
        let order: HashMap<&str, usize> =
            self.controls.controls().enumerate().map(|(at, control)| (control.id.as_str(), at)).collect();
        findings.sort_by(|a, b| {
            let at = |finding: &Finding| order.get(finding.control.as_str()).copied();
            (&a.account, at(a), &a.region, &a.resource_arn).cmp(&(
                &b.account,
                at(b),
                &b.region,
                &b.resource_arn,
            ))
        });
        let mut sums: HashMap<(&str, &str), Counts> = HashMap::new();
        let mut totals: BTreeMap<&str, Counts> = BTreeMap::new();
        for (account, counts) in &self.accounts {
            for (control, counts) in self.controls.controls().zip(counts) {
                sums.insert((&control.id, &account.id), *counts);
                let total = totals.entry(&control.id).or_default();
                *total = total.plus(*counts);
            }
        }
        let left_out = left_out(&findings, &self.accounts, &totals, &self.failing);
        let of = |id: &str| totals.get(id).copied().unwrap_or_default();
        let controls: Vec<_> = self
            .controls
            .controls()
            .map(|control| control_row(self.controls, control, of(&control.id)))
            .collect();
        let all = totals.values().fold(Counts::zero(), |sum, counts| sum.plus(*counts));
        let observed_at = self.observed_at.unwrap_or_else(|| whole.started_at.to_string());
        let accounts: Vec<Account> = self.accounts.iter().map(|(account, _)| account.clone()).collect();
        // What requirements are told by: the accounts, and the counts in them.
        let seen = Inventory::new(whole.started_at, accounts.clone(), Vec::new(), Vec::new(), Vec::new());
        let calls: Vec<OperationCount> = self.calls.into_values().collect();
        let ran = Ran {
            started_at: whole.started_at,
            finished_at: whole.finished_at,
            inventory: &seen,
            controls: self.controls,
            calls: &calls,
        };
        let sums = Sums(sums);
        let frameworks = self.controls.frameworks().map(|row| framework_row(row, ran, &sums)).collect();
        let mut gaps: Vec<Gap> = self.gaps.into_values().collect();
        gaps.sort_by_key(|gap| Reverse(gap.findings));
        let mut report = Report {
            schema_version: SCHEMA_VERSION,
            run: run_info(ran, whole.run, observed_at, self.is_complete, self.absent_regions),
            changes: None,
            trend: Vec::new(),
            undelivered: None,
            totals: all,
            waivers: self.waivers,
            gaps,
            coverage: self.coverage,
            accounts: seen.accounts.clone(),
            controls,
            frameworks,
            findings,
            left_out: Some(left_out),
            detections: None,
        };
        if let Some(changes) = self.changes {
            report.put_changes(changes, whole.earlier);
        }
        if let Some(left_out) = &mut report.left_out {
            left_out.gaps = self.gaps_left_out;
            left_out.past = self.past_left_out;
        }
        report.drop_empty_left_out();
        report
    }
}

/// How much a finding matters: a new failure most, then other failures by their risk, then what was not observed.
fn rank(finding: &Finding, is_new: bool) -> u64 {
    let risk = finding.risk.as_ref().map_or(0, |risk| u64::from(risk.score));
    match finding.verdict {
        VerdictKind::Fail if is_new => 4_000_000 + risk,
        VerdictKind::Fail if finding.waived.is_none() => 3_000_000 + risk,
        VerdictKind::Fail => 2_000_000 + risk,
        VerdictKind::Unknown => 1_000_000,
        VerdictKind::Pass | VerdictKind::NotApplicable => 0,
    }
}

/// Cuts the lists of the past to what is kept of them, and says how many were cut off.
fn cut(changes: &mut Changes) -> u64 {
    let lists: [&mut Vec<Past>; 3] =
        [&mut changes.resolved, &mut changes.no_longer_observed, &mut changes.no_longer_judged];
    let mut gone = 0;
    for list in lists {
        gone += list.len().saturating_sub(MAX_PAST) as u64;
        list.truncate(MAX_PAST);
    }
    gone
}

/// What the findings are short of the counts.
fn left_out(
    findings: &[Finding],
    accounts: &[(Account, Vec<Counts>)],
    totals: &BTreeMap<&str, Counts>,
    failing: &BTreeMap<Severity, u64>,
) -> LeftOut {
    let mut by_control: HashMap<&str, Counts> = HashMap::new();
    let mut by_account: HashMap<&str, Counts> = HashMap::new();
    let mut left = LeftOut { failing: failing.clone(), ..LeftOut::default() };
    for finding in findings {
        by_control.entry(&finding.control).or_default().add(finding);
        by_account.entry(&finding.account).or_default().add(finding);
        if finding.verdict == VerdictKind::Fail
            && let Some(count) = left.failing.get_mut(&finding.severity)
        {
            *count = count.saturating_sub(1);
        }
    }
    left.failing.retain(|_, count| *count > 0);
    let rest = |all: Counts, listed: Option<&Counts>| all.minus(listed.copied().unwrap_or_default());
    for (control, all) in totals {
        left.controls.insert((*control).to_owned(), rest(*all, by_control.get(control)));
    }
    for (account, counts) in accounts {
        let all = counts.iter().fold(Counts::zero(), |sum, counts| sum.plus(*counts));
        left.accounts.insert(account.id.clone(), rest(all, by_account.get(account.id.as_str())));
    }
    left.controls.retain(|_, counts| counts.total() > 0);
    left.accounts.retain(|_, counts| counts.total() > 0);
    left
}

fn run_info(
    ran: Ran<'_>,
    id: &str,
    observed_at: String,
    complete: bool,
    absent_regions: BTreeMap<String, Vec<String>>,
) -> RunInfo {
    let duration = ran.started_at.duration_until(ran.finished_at);
    let tally = Tally::of(ran.calls);
    RunInfo {
        id: id.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: ran.started_at.to_string(),
        finished_at: ran.finished_at.to_string(),
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(0),
        observed_at,
        complete,
        requests: tally.requests,
        retries: tally.retries,
        throttles: tally.throttles,
        calls: ran.calls.to_vec(),
        absent_regions,
    }
}

impl Report {
    /// Puts in what changed, as far as it is about findings that are listed; the others are counted.
    fn put_changes(&mut self, mut changes: Changes, earlier: Option<&Self>) {
        let listed: HashSet<&str> = self.findings.iter().map(|finding| finding.id.as_str()).collect();
        let is_listed = |id: &String| listed.contains(id.as_str());
        let all = [changes.new.len(), changes.newly_judged.len()];
        changes.new.retain(is_listed);
        changes.newly_judged.retain(is_listed);
        changes.changed_evidence.retain(is_listed);
        changes.failing_since.retain(|id, _| listed.contains(id.as_str()));
        if let Some(left_out) = &mut self.left_out {
            left_out.new = all[0].saturating_sub(changes.new.len()) as u64;
            left_out.newly_judged = all[1].saturating_sub(changes.newly_judged.len()) as u64;
        }
        if let Some(earlier) = earlier {
            changes.scope = ScopeChanges::between(earlier, self);
        }
        self.changes = Some(changes);
    }

    /// A report that lists everything says nothing about what it leaves out.
    fn drop_empty_left_out(&mut self) {
        if self.left_out.as_ref().is_some_and(|left_out| *left_out == LeftOut::default()) {
            self.left_out = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Destination, Format, sample, terminal, text, write_files};

    /// The sample's accounts, each as a report of its own, as one report again.
    fn merged(max_findings: usize) -> (Report, Report) {
        let whole = sample::report();
        let ids: Vec<String> = whole.controls.iter().map(|row| row.id.clone()).collect();
        let controls =
            ControlSet::builtin().expect("fine").select(&[], &ids, &[]).expect("they are built in");
        let mut merger = Merger::new(&controls, max_findings);
        for account in &whole.accounts {
            merger.add(whole.of_account(&account.id));
        }
        let started_at: Timestamp = whole.run.started_at.parse().expect("a time");
        let finished_at = whole.run.finished_at.parse().expect("a time");
        let merged = merger.finish(Whole { run: "r", started_at, finished_at, earlier: None });
        (whole, merged)
    }

    #[test]
    fn with_room_for_all_nothing_is_left_out() {
        let (whole, merged) = merged(usize::MAX);
        assert_eq!(merged.left_out, None);
        assert_eq!((merged.totals, merged.findings.len()), (whole.totals, whole.findings.len()));
        assert_eq!(merged.accounts, whole.accounts);
        assert_eq!(merged.gaps.len(), whole.gaps.len());
        assert_eq!(merged.check(), Ok(()));
    }

    #[test]
    fn what_matters_most_is_listed_and_everything_is_counted() {
        let (whole, merged) = merged(5);
        assert_eq!((merged.totals, merged.findings.len()), (whole.totals, 5));
        assert!(merged.findings.iter().all(|finding| finding.verdict == VerdictKind::Fail));
        let left_out = merged.left_out.as_ref().expect("most of it");
        assert_eq!(left_out.findings() + 5, whole.totals.total());
        let by_account = left_out.accounts.values().fold(Counts::zero(), |sum, counts| sum.plus(*counts));
        assert_eq!(by_account.total(), left_out.findings());
        assert_eq!(left_out.failing.values().sum::<u64>() + 5, whole.totals.fail);
        assert_eq!(merged.check(), Ok(()), "its numbers add up all the same");
        let words = left_out.words(&merged);
        assert!(
            words.contains(&format!("Of {} findings 5 are listed", text::thousands(whole.totals.total())))
        );
        let options =
            terminal::TerminalOptions { color: false, width: 400, verbosity: terminal::Verbosity::Normal };
        assert!(terminal::summary(&merged, options, &[]).contains(&words));
        // More than a page takes are counted, and one page lists what is listed.
        let folder = tempfile::TempDir::new().expect("a folder");
        let to = Destination { folder: folder.path(), formats: &[Format::Html], html_max_findings: 6 };
        let files = write_files(&merged, to).expect("it is written");
        assert_eq!(files, [folder.path().join("report.html")]);
        let page = std::fs::read_to_string(&files[0]).expect("a page");
        assert!(page.contains(&format!("Of {} findings 5 are listed", whole.totals.total())));
        // A count that is off is found.
        let mut wrong = merged.clone();
        wrong.left_out = None;
        assert!(wrong.check().is_err());
    }

    #[test]
    fn new_failures_are_listed_before_all_others() {
        let controls = ControlSet::builtin().expect("fine");
        let mut whole = sample::report();
        let (account, id) = {
            let fails = |finding: &&Finding| finding.verdict == VerdictKind::Fail;
            let least = whole.findings.iter().filter(fails).min_by_key(|finding| finding.risk_score());
            least.map(|finding| (finding.account.clone(), finding.id.clone())).expect("one fails")
        };
        let mut earlier = whole.of_account(&account);
        for time in [&mut earlier.run.started_at, &mut earlier.run.observed_at] {
            *time = time.replace("2026-11-24", "2026-11-23");
        }
        for finding in earlier.findings.iter_mut().filter(|finding| finding.id == id) {
            finding.verdict = VerdictKind::Pass;
        }
        whole = whole.of_account(&account);
        whole.changes = Changes::between(&earlier, &whole);
        let mut merger = Merger::new(&controls, 1);
        let started_at = whole.run.started_at.parse().expect("a time");
        merger.add(whole);
        let merged =
            merger.finish(Whole { run: "r", started_at, finished_at: started_at, earlier: Some(&earlier) });
        assert_eq!(merged.findings.iter().map(|finding| &finding.id).collect::<Vec<_>>(), [&id]);
        assert_eq!(merged.changes.as_ref().map(|changes| changes.new.clone()), Some(vec![id]));
        assert_eq!(merged.check(), Ok(()));
    }
}
