//! [`Report::of_account`]: the part of a report that is about one account.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Changes, ControlRow, Counts, FrameworkRow, Gap, LeftOut, Report, RequirementRow, Waivers};
use crate::controls::{RequirementStatus, VerdictKind};
use crate::findings::{Finding, WaiverRow};

impl Report {
    /// The report as if only this account had been scanned: its findings, and every total, status and gap
    /// that follows from them.
    ///
    /// The parts of all accounts add up to the whole, and each passes [`check`](Self::check). What only the run
    /// as a whole has stays as it is: its times, and the requests that it sent. Nothing is in it for an account
    /// that the report does not list.
    #[must_use]
    pub fn of_account(&self, id: &str) -> Self {
        let findings: Vec<Finding> = self.findings.iter().filter(|f| f.account == id).cloned().collect();
        let controls = controls(&self.controls, &findings);
        let totals = controls.iter().fold(Counts::zero(), |sum, control| sum.plus(control.totals));
        let gaps = gaps(&self.gaps, id, &findings);
        let mut run = self.run.clone();
        run.complete = totals.unknown == 0 && gaps.is_empty();
        run.absent_regions.retain(|account, _| account == id);
        Self {
            schema_version: self.schema_version,
            run,
            // It is that of the whole run.
            trend: Vec::new(),
            undelivered: None,
            changes: self.changes.as_ref().map(|changes| changes_of(changes, id, &findings)),
            totals,
            waivers: self.waivers.as_ref().map(|waivers| waivers_of(waivers, &findings)),
            gaps,
            coverage: self.coverage.iter().filter(|row| row.account == id).cloned().collect(),
            accounts: self.accounts.iter().filter(|account| account.id == id).cloned().collect(),
            frameworks: self.frameworks.iter().map(|row| framework(row, id, &controls)).collect(),
            controls,
            detections: self.detections.as_ref().map(|detections| detections.of_account(id, &findings)),
            left_out: self.left_out.as_ref().map(|_| LeftOut::default()),
            findings,
        }
    }
}

fn controls(rows: &[ControlRow], findings: &[Finding]) -> Vec<ControlRow> {
    let mut found: HashMap<&str, Counts> = HashMap::new();
    for finding in findings {
        found.entry(&finding.control).or_insert(Counts::zero()).add(finding);
    }
    rows.iter()
        .map(|row| ControlRow {
            totals: found.get(row.id.as_str()).copied().unwrap_or(Counts::zero()),
            ..row.clone()
        })
        .collect()
}

fn framework(row: &FrameworkRow, account: &str, controls: &[ControlRow]) -> FrameworkRow {
    FrameworkRow {
        requirements: row.requirements.iter().map(|r| requirement(r, account, controls)).collect(),
        ..row.clone()
    }
}

fn requirement(row: &RequirementRow, account: &str, controls: &[ControlRow]) -> RequirementRow {
    let deciding: BTreeSet<&str> = row.controls.iter().map(String::as_str).collect();
    let totals = controls
        .iter()
        .filter(|control| deciding.contains(control.id.as_str()))
        .fold(Counts::zero(), |sum, control| sum.plus(control.totals));
    let in_account = row.accounts.get(account).copied();
    // An account that was left out of the scan has no status: no control said anything about it.
    let nothing_said = if row.controls.is_empty() && row.planned.is_empty() {
        RequirementStatus::Manual
    } else {
        RequirementStatus::NotCovered
    };
    RequirementRow {
        status: in_account.unwrap_or(nothing_said),
        accounts: in_account.map(|status| (account.to_owned(), status)).into_iter().collect(),
        totals,
        ..row.clone()
    }
}

/// The gaps that lie in the account or leave something in it undecided, with what they leave there. A trail's
/// bucket can lie in another account than what is judged by it.
fn gaps(gaps: &[Gap], account: &str, findings: &[Finding]) -> Vec<Gap> {
    let mut hidden: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for finding in findings.iter().filter(|f| f.verdict == VerdictKind::Unknown) {
        if let Some(unseen) = &finding.unseen {
            hidden.entry(unseen.obstacle()).or_default().push(&finding.control);
        }
    }
    let mut kept: Vec<Gap> = gaps
        .iter()
        .filter_map(|gap| {
            let controls = hidden.get(&gap.unseen.obstacle());
            (controls.is_some() || gap.unseen.account == account).then(|| {
                let controls = controls.map_or(&[][..], Vec::as_slice);
                let once: BTreeSet<&str> = controls.iter().copied().collect();
                Gap {
                    findings: controls.len() as u64,
                    controls: once.into_iter().map(str::to_owned).collect(),
                    ..gap.clone()
                }
            })
        })
        .collect();
    kept.sort_by_key(|gap| std::cmp::Reverse(gap.findings));
    kept
}

/// The waivers that some of the findings have or had.
fn waivers_of(waivers: &Waivers, findings: &[Finding]) -> Waivers {
    let mut used: HashMap<u64, u64> = HashMap::new();
    for finding in findings {
        let ended = finding.waiver_ended.as_ref().map(|end| &end.waiver);
        if let Some(waived) = finding.waived.as_ref().or(ended) {
            *used.entry(waived.line).or_default() += 1;
        }
    }
    let rows = waivers.rows.iter().filter_map(|row| {
        let failing = *used.get(&row.waiver.line)?;
        Some(WaiverRow { failing, ..row.clone() })
    });
    Waivers { file: waivers.file.clone(), rows: rows.collect() }
}

fn changes_of(changes: &Changes, account: &str, findings: &[Finding]) -> Changes {
    let failing: HashSet<&str> =
        findings.iter().filter(|f| f.verdict == VerdictKind::Fail).map(|f| f.id.as_str()).collect();
    let mut here = changes.clone();
    for ids in [&mut here.new, &mut here.newly_judged] {
        ids.retain(|id| failing.contains(id.as_str()));
    }
    for past in [&mut here.resolved, &mut here.no_longer_observed, &mut here.no_longer_judged] {
        past.retain(|past| past.account == account);
    }
    // Whatever fails now is new, newly judged or failed before.
    here.failing_since.retain(|id, _| failing.contains(id.as_str()));
    here.changed_evidence.retain(|id| failing.contains(id.as_str()));
    here.authors = here.authors.map(|authors| authors.of_account(account, |id| failing.contains(id)));
    let since_then = here.new.len() + here.newly_judged.len();
    here.still_failing = failing.len().saturating_sub(since_then) as u64;
    here
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::{Past, ScopeChanges};

    /// What another finding of the same place was in the earlier run.
    fn past(which: &str, finding: &Finding) -> Past {
        Past {
            id: format!("{which}{}", finding.id.get(which.len()..).unwrap_or_default()),
            control: finding.control.clone(),
            severity: finding.severity,
            account: finding.account.clone(),
            region: finding.region.clone(),
            resource_arn: finding.resource_arn.clone(),
            resource_name: finding.resource_name.clone(),
        }
    }

    /// The sample with changes: of its failures every third is new and one is newly judged.
    fn changed() -> Report {
        let mut report = sample::report();
        let failing: Vec<Finding> =
            report.findings.iter().filter(|f| f.verdict == VerdictKind::Fail).cloned().collect();
        let new: Vec<String> = failing.iter().step_by(3).map(|f| f.id.clone()).collect();
        let newly_judged = vec![failing[1].id.clone()];
        report.changes = Some(Changes {
            since_run: "20261123T030000Z".to_owned(),
            since: "2026-11-23T03:00:00Z".to_owned(),
            still_failing: (failing.len() - new.len() - 1) as u64,
            new,
            newly_judged,
            resolved: failing.iter().map(|f| past("x0", f)).collect(),
            no_longer_observed: failing.iter().take(2).map(|f| past("x1", f)).collect(),
            no_longer_judged: failing.iter().rev().take(3).map(|f| past("x2", f)).collect(),
            failing_since: BTreeMap::from([(failing[2].id.clone(), "2026-11-01T03:00:00Z".to_owned())]),
            changed_evidence: vec![failing[2].id.clone()],
            authors: None,
            scope: ScopeChanges::default(),
        });
        report
    }

    fn parts(report: &Report) -> Vec<Report> {
        report.accounts.iter().map(|account| report.of_account(&account.id)).collect()
    }

    #[test]
    fn the_parts_of_all_accounts_add_up_to_the_whole() {
        let report = changed();
        let parts = parts(&report);
        for part in &parts {
            part.check().expect("a part adds up by itself");
        }
        let totals = parts.iter().map(|part| part.totals).fold(Counts::zero(), Counts::plus);
        assert_eq!(totals, report.totals);
        for (at, control) in report.controls.iter().enumerate() {
            let sum = parts.iter().map(|part| part.controls[at].totals).fold(Counts::zero(), Counts::plus);
            assert_eq!(sum, control.totals, "{}", control.id);
        }
        for (f, framework) in report.frameworks.iter().enumerate() {
            for (r, requirement) in framework.requirements.iter().enumerate() {
                let sum = parts
                    .iter()
                    .map(|part| part.frameworks[f].requirements[r].totals)
                    .fold(Counts::zero(), Counts::plus);
                assert_eq!(sum, requirement.totals, "{} {}", framework.id, requirement.id);
            }
        }
        let mut ids: Vec<&str> =
            parts.iter().flat_map(|part| &part.findings).map(|f| f.id.as_str()).collect();
        let mut all: Vec<&str> = report.findings.iter().map(|f| f.id.as_str()).collect();
        ids.sort_unstable();
        all.sort_unstable();
        assert_eq!(ids, all, "every finding is in exactly one part");
    }

    #[test]
    fn gaps_and_changes_are_told_apart_by_account_and_lose_nothing() {
        let report = changed();
        let parts = parts(&report);
        for gap in &report.gaps {
            let sum: u64 = parts
                .iter()
                .flat_map(|part| &part.gaps)
                .filter(|of| of.unseen.obstacle() == gap.unseen.obstacle())
                .map(|of| of.findings)
                .sum();
            assert_eq!(sum, gap.findings, "{}", gap.unseen);
        }
        let changes = report.changes.expect("changes");
        let sum =
            |of: fn(&Changes) -> u64| parts.iter().filter_map(|p| p.changes.as_ref()).map(of).sum::<u64>();
        assert_eq!(sum(|c| c.still_failing), changes.still_failing);
        assert_eq!(sum(|c| c.new.len() as u64), changes.new.len() as u64);
        assert_eq!(sum(|c| c.newly_judged.len() as u64), changes.newly_judged.len() as u64);
        assert_eq!(sum(|c| c.resolved.len() as u64), changes.resolved.len() as u64);
        assert_eq!(sum(|c| c.no_longer_observed.len() as u64), 2);
        assert_eq!(sum(|c| c.no_longer_judged.len() as u64), 3);
    }

    #[test]
    fn each_account_has_the_waivers_of_its_own_failures() {
        let report = sample::waived();
        let parts = parts(&report);
        assert_eq!(parts.iter().map(|part| part.totals.waived).sum::<u64>(), report.totals.waived);
        for (account, line) in [(sample::PROD, 3), (sample::DEV, 12)] {
            let part = report.of_account(account);
            part.check().expect("adds up");
            let rows: Vec<u64> = part.waivers.expect("some").rows.iter().map(|row| row.waiver.line).collect();
            assert_eq!(rows, [line], "{account}");
        }
    }

    #[test]
    fn an_account_is_complete_only_where_all_of_it_was_observed() {
        let report = sample::report();
        for (account, complete) in [
            (sample::MANAGEMENT, false),
            (sample::PROD, false),
            (sample::LOCKED, false),
            (sample::CLOSED, true),
        ] {
            assert_eq!(report.of_account(account).run.complete, complete, "{account}");
        }
        let mut seen = report;
        seen.gaps.retain(|gap| gap.unseen.account != sample::MANAGEMENT);
        seen.findings.retain(|f| f.account != sample::MANAGEMENT || f.unseen.is_none());
        assert!(seen.of_account(sample::MANAGEMENT).run.complete);
    }

    #[test]
    fn nothing_passes_in_an_account_that_was_left_out() {
        let part = sample::report().of_account(sample::CLOSED);
        part.check().expect("adds up");
        assert_eq!(part.totals.total(), 0);
        assert_eq!(part.accounts.len(), 1);
        for requirement in part.frameworks.iter().flat_map(|f| &f.requirements) {
            assert!(
                matches!(requirement.status, RequirementStatus::Manual | RequirementStatus::NotCovered),
                "{} is {:?}",
                requirement.id,
                requirement.status
            );
        }
    }

    #[test]
    fn of_an_account_that_is_not_listed_there_is_nothing() {
        let part = sample::report().of_account("000000000000");
        part.check().expect("adds up");
        assert!(part.accounts.is_empty() && part.findings.is_empty() && part.coverage.is_empty());
    }
}
