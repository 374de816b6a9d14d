//! [`TrendPoint`]: the numbers of one run, carried from report to report so that a trend needs no history.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FrameworkRow, Report};
use crate::controls::{Relation, RequirementStatus, Severity, VerdictKind};

/// Runs that a report carries at most, itself included.
pub const MAX_POINTS: usize = 90;
/// Accounts that a point has at most: those with the most failures.
const MAX_ACCOUNTS: usize = 50;

/// The numbers of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrendPoint {
    /// Id of the run.
    pub run: String,
    /// When the state was observed, RFC 3339, UTC.
    pub observed_at: String,
    /// Whether everything that the controls asked for was observed.
    pub complete: bool,
    /// Failing findings by severity.
    pub failing: BTreeMap<Severity, u64>,
    /// Findings that could not be decided.
    pub unknown: u64,
    /// Frameworks by id.
    pub frameworks: BTreeMap<String, Score>,
    /// Failing findings by account; of many accounts the fifty with the most.
    pub accounts: BTreeMap<String, u64>,
}

/// How much of a framework passes, of what was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// Requirements that pass; of a framework that controls only contribute to, those without failing evidence.
    pub passed: u64,
    /// Those and the ones that fail.
    pub decided: u64,
}

impl Score {
    /// The score of a framework: what is not decided counts neither way.
    pub(super) fn of(framework: &FrameworkRow) -> Self {
        let with = |status| framework.requirements.iter().filter(|r| r.status == status).count() as u64;
        let (good, bad) = if framework.relation == Relation::Contributes {
            (RequirementStatus::NoFailingEvidence, RequirementStatus::FailingEvidence)
        } else {
            (RequirementStatus::Pass, RequirementStatus::Fail)
        };
        let passed = with(good);
        Self { passed, decided: passed + with(bad) }
    }

    /// Whole percent; `None` where nothing was decided.
    pub(super) fn percent(self) -> Option<u64> {
        (self.passed * 100).checked_div(self.decided)
    }
}

impl TrendPoint {
    /// The numbers of a report.
    fn of(report: &Report) -> Self {
        let mut failing: BTreeMap<Severity, u64> = BTreeMap::new();
        let mut accounts: BTreeMap<String, u64> = report
            .accounts
            .iter()
            .filter(|account| account.is_judged())
            .map(|account| (account.id.clone(), 0))
            .collect();
        for finding in report.findings.iter().filter(|finding| finding.verdict == VerdictKind::Fail) {
            *failing.entry(finding.severity).or_insert(0) += 1;
            *accounts.entry(finding.account.clone()).or_insert(0) += 1;
        }
        for (severity, count) in report.left_out.iter().flat_map(|left_out| &left_out.failing) {
            *failing.entry(*severity).or_insert(0) += count;
        }
        for (account, counts) in report.left_out.iter().flat_map(|left_out| &left_out.accounts) {
            *accounts.entry(account.clone()).or_insert(0) += counts.fail;
        }
        let mut most: Vec<(String, u64)> = accounts.into_iter().collect();
        most.sort_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
        most.truncate(MAX_ACCOUNTS);
        Self {
            run: report.run.id.clone(),
            observed_at: report.run.observed_at.clone(),
            complete: report.run.complete,
            failing,
            unknown: report.totals.unknown,
            frameworks: report.frameworks.iter().map(|row| (row.id.clone(), Score::of(row))).collect(),
            accounts: most.into_iter().collect(),
        }
    }
}

impl Report {
    /// Carries on the trend of the run before, or begins one. The oldest runs make room for the newest.
    pub fn carry_on(&mut self, earlier: Option<&Self>) {
        let mut trend = match earlier {
            // A report that was not kept is a point as well.
            Some(earlier) if earlier.trend.is_empty() => vec![TrendPoint::of(earlier)],
            Some(earlier) => earlier.trend.clone(),
            None => Vec::new(),
        };
        trend.push(TrendPoint::of(self));
        let surplus = trend.len().saturating_sub(MAX_POINTS);
        self.trend = trend.split_off(surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_point_has_the_numbers_of_its_report() {
        let mut report = sample::report();
        report.carry_on(None);
        let [point] = report.trend.as_slice() else { panic!("{:?}", report.trend) };
        assert_eq!(point.failing.values().sum::<u64>(), report.totals.fail);
        assert_eq!(point.accounts.values().sum::<u64>(), report.totals.fail);
        assert_eq!((point.unknown, &point.run), (report.totals.unknown, &report.run.id));
        assert_eq!(point.frameworks.len(), report.frameworks.len());
        report.check().expect("it adds up");
    }

    #[test]
    fn a_trend_is_carried_on_and_bounded() {
        let mut before = sample::report();
        for n in 0..200 {
            let mut now = sample::report();
            now.run.id = format!("run-{n}");
            now.carry_on(Some(&before));
            before = now;
        }
        assert_eq!(before.trend.len(), MAX_POINTS);
        assert_eq!(before.trend.first().map(|point| point.run.as_str()), Some("run-110"));
        assert_eq!(before.trend.last().map(|point| point.run.as_str()), Some("run-199"));
        // A report of before trends is the first point.
        let mut now = sample::report();
        now.carry_on(Some(&sample::report()));
        assert_eq!(now.trend.len(), 2);
    }

    #[test]
    fn of_many_accounts_those_with_the_most_failures_are_kept() {
        let mut report = sample::report();
        for n in 0..100 {
            let mut account = report.accounts[0].clone();
            account.id = format!("9000000000{n:02}");
            report.accounts.push(account);
        }
        report.carry_on(None);
        let accounts = &report.trend[0].accounts;
        assert_eq!(accounts.len(), MAX_ACCOUNTS);
        assert_eq!(accounts.values().sum::<u64>(), report.totals.fail);
    }
}
