//! What several formats count in a report: each walks the findings once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::{ControlRow, Counts, FrameworkRow, Report, text};
use crate::controls::RequirementStatus;
use crate::controls::{Severity, VerdictKind};
use crate::findings::Finding;

/// The findings of a report, sorted out.
#[derive(Debug)]
pub(super) struct Figures<'a> {
    /// Failing findings by severity, worst first.
    pub(super) failing: [(Severity, u64); 5],
    findings: HashMap<&'a str, Vec<&'a Finding>>,
    accounts: HashMap<&'a str, AccountFigures<'a>>,
}

/// The verdicts in one account, as a whole and by control.
#[derive(Debug, Clone)]
pub(super) struct AccountFigures<'a> {
    pub(super) counts: Counts,
    pub(super) controls: BTreeMap<&'a str, Counts>,
}

impl AccountFigures<'_> {
    const fn none() -> Self {
        Self { counts: Counts::zero(), controls: BTreeMap::new() }
    }
}

impl<'a> Figures<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let mut failing = Severity::WORST_FIRST.map(|severity| (severity, 0));
        let mut findings: HashMap<&str, Vec<&Finding>> = HashMap::new();
        let mut accounts: HashMap<&str, AccountFigures<'_>> = HashMap::new();
        for finding in &report.findings {
            findings.entry(&finding.control).or_default().push(finding);
            let account = accounts.entry(&finding.account).or_insert_with(AccountFigures::none);
            account.counts.add(finding);
            account.controls.entry(&finding.control).or_insert(Counts::zero()).add(finding);
            if finding.verdict == VerdictKind::Fail {
                for (severity, count) in &mut failing {
                    *count += u64::from(*severity == finding.severity);
                }
            }
        }
        if let Some(left_out) = &report.left_out {
            for (severity, count) in &mut failing {
                *count += left_out.failing.get(severity).copied().unwrap_or(0);
            }
            for (account, counts) in &left_out.accounts {
                let account = accounts.entry(account).or_insert_with(AccountFigures::none);
                account.counts = account.counts.plus(*counts);
            }
        }
        // Where only some can be shown, these are the ones to see; others of a control are all equally bad.
        for of_control in findings.values_mut() {
            of_control.sort_by_key(|finding| (Reverse(finding.risk_score()), Reverse(finding.severity)));
        }
        Self { failing, findings, accounts }
    }

    /// The findings of a control with that verdict, the greatest risk first, then the worst, and otherwise in the order of the report.
    pub(super) fn findings(
        &self,
        control: &str,
        verdict: VerdictKind,
    ) -> impl Iterator<Item = &'a Finding> + use<'a, '_> {
        self.findings
            .get(control)
            .into_iter()
            .flatten()
            .copied()
            .filter(move |finding| finding.verdict == verdict)
    }

    /// How bad a control is in this report: its worst failure, or without any what its file says.
    pub(super) fn severity(&self, control: &ControlRow) -> Severity {
        let failing = self.findings(&control.id, VerdictKind::Fail);
        failing.map(|finding| finding.severity).max().unwrap_or(control.severity)
    }

    /// The greatest risk of a control's failures, those that nobody accepts if there are any; 0 without any.
    pub(super) fn risk(&self, control: &ControlRow) -> u8 {
        let failing = || self.findings(&control.id, VerdictKind::Fail);
        let open = failing().filter(|finding| finding.waived.is_none()).map(Finding::risk_score).max();
        open.or_else(|| failing().map(Finding::risk_score).max()).unwrap_or(0)
    }

    /// How many failures of a control are how bad, worst first, where they differ: `1 critical, 4 high`.
    pub(super) fn severities(&self, control: &ControlRow) -> Option<String> {
        let counted = Severity::WORST_FIRST.map(|severity| {
            let failing = self.findings(&control.id, VerdictKind::Fail);
            (severity, failing.filter(|finding| finding.severity == severity).count() as u64)
        });
        let words: Vec<String> = counted
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(severity, count)| format!("{} {severity}", text::thousands(count)))
            .collect();
        (words.len() > 1).then(|| words.join(", "))
    }

    /// What was found in an account.
    pub(super) fn account(&self, id: &str) -> AccountFigures<'a> {
        self.accounts.get(id).cloned().unwrap_or(AccountFigures::none())
    }
}

/// The controls, those that matter most first: failing before waived before undecided before the others, then by
/// risk, then by severity, then by whether it is about public access, then by how often.
pub(super) fn worst_first<'r>(report: &'r Report, figures: &Figures<'_>) -> Vec<&'r ControlRow> {
    let mut controls: Vec<&ControlRow> = report.controls.iter().collect();
    controls.sort_by_key(|control| {
        let Counts { pass, fail, unknown, .. } = control.totals;
        let kind = match (control.totals.open_failures(), fail, unknown, pass) {
            (1.., _, _, _) => 0,
            (0, 1.., _, _) => 1,
            (0, 0, 1.., _) => 2,
            (0, 0, 0, 1..) => 3,
            (0, 0, 0, 0) => 4,
        };
        let exposed = control.is_about_public_access();
        (
            kind,
            Reverse(figures.risk(control)),
            Reverse(figures.severity(control)),
            Reverse(exposed),
            Reverse(fail),
            Reverse(unknown),
            control.id.as_str(),
        )
    });
    controls
}

/// How many requirements came out which way, in the order of [`RequirementStatus::ALL`].
pub(super) fn statuses(framework: &FrameworkRow) -> [(RequirementStatus, u64); RequirementStatus::ALL.len()] {
    let mut counted = RequirementStatus::ALL.map(|status| (status, 0));
    for requirement in &framework.requirements {
        for (status, count) in &mut counted {
            *count += u64::from(*status == requirement.status);
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn figures_add_up_to_the_totals() {
        let report = sample::report();
        let figures = Figures::of(&report);
        assert_eq!(figures.failing.iter().map(|(_, n)| n).sum::<u64>(), report.totals.fail);
        let over_accounts = report
            .accounts
            .iter()
            .map(|account| figures.account(&account.id).counts)
            .fold(Counts::zero(), Counts::plus);
        assert_eq!(over_accounts, report.totals);
        for control in &report.controls {
            let failing = figures.findings(&control.id, VerdictKind::Fail).count();
            assert_eq!(failing as u64, control.totals.fail, "{}", control.id);
        }
        for framework in &report.frameworks {
            let requirements: u64 = statuses(framework).iter().map(|(_, n)| n).sum();
            assert_eq!(requirements, framework.requirements.len() as u64);
        }
    }

    #[test]
    fn the_worst_comes_first() {
        let report = sample::report();
        let order = worst_first(&report, &Figures::of(&report));
        let fails: Vec<_> = order.iter().map(|c| c.totals.fail > 0).collect();
        assert!(fails.is_sorted_by(|a, b| a >= b), "{fails:?}");
        assert_eq!(order[0].severity, Severity::Critical);
        assert_eq!(order.len(), report.controls.len());
    }

    #[test]
    fn of_the_same_severity_what_is_about_public_access_comes_before_what_fails_more_often() {
        let mut report = sample::report();
        for control in &mut report.controls {
            control.tags.retain(|tag| tag != "public-access");
        }
        let critical = |report: &Report| {
            let order = worst_first(report, &Figures::of(report));
            order.into_iter().take(2).map(|c| c.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(critical(&report), ["iam-root-mfa", "s3-bucket-not-public"], "two fail, one fails");
        for control in report.controls.iter_mut().filter(|c| c.service == "s3") {
            control.tags.push("public-access".to_owned());
        }
        assert_eq!(critical(&report), ["s3-bucket-not-public", "iam-root-mfa"]);
    }

    #[test]
    fn a_control_is_as_bad_as_its_worst_failure() {
        let of = |report: &Report| {
            let id = "s3-bucket-secure-transport";
            let control = report.controls.iter().find(|control| control.id == id).expect("in the sample");
            let figures = Figures::of(report);
            let first = figures.findings(id, VerdictKind::Fail).next().expect("it fails").severity;
            let place = worst_first(report, &figures).iter().position(|c| c.id == id).expect("it is there");
            (figures.severity(control), figures.severities(control), first, place, figures.failing[0].1)
        };
        let (severity, severities, first, place, critical) = of(&sample::report());
        assert_eq!((severity, severities, first), (Severity::Medium, None, Severity::Medium));
        let worse = of(&sample::with_a_worse_failure());
        assert_eq!((worse.0, worse.2), (Severity::Critical, Severity::Critical));
        assert_eq!(worse.1.as_deref(), Some("1 critical, 6 medium"));
        assert!(worse.3 < place, "{} is not before {place}", worse.3);
        assert_eq!(worse.4, critical + 1);
    }
}
