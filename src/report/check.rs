//! [`Report::check`]: a report whose numbers do not add up is not written.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{ControlRow, Counts, FrameworkRow, Report, RequirementRow};
use crate::controls::{Relation, RequirementStatus, VerdictKind};
use crate::findings::Finding;
use crate::findings::waiver::WaiverState;

/// Verdicts of what does not fail any more.
const RESOLVED: &[VerdictKind] = &[VerdictKind::Pass, VerdictKind::NotApplicable];

/// What does not add up in a report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistent {
    /// Totals are not what the findings give.
    #[error("the totals of {of} are {stated}, but its findings are {found}")]
    Totals {
        /// The run, a control or a requirement.
        of: String,
        /// What the report states.
        stated: Counts,
        /// What its findings add up to.
        found: Counts,
    },
    /// Two findings have the same id.
    #[error("finding `{id}` is there twice")]
    RepeatedFinding {
        /// The id.
        id: String,
    },
    /// Two controls, accounts or requirements have the same id.
    #[error("{what} `{id}` is there twice")]
    Repeated {
        /// `control`, `account`, …
        what: &'static str,
        /// The id.
        id: String,
    },
    /// A finding is about a control or an account that the report does not list.
    #[error("finding `{finding}` is about {what} `{id}`, which the report does not list")]
    Stray {
        /// Id of the finding.
        finding: String,
        /// `control` or `account`.
        what: &'static str,
        /// The id that is not listed.
        id: String,
    },
    /// A finding is unknown and does not say why.
    #[error("finding `{id}` is unknown without saying what was not observed")]
    WithoutReason {
        /// Id of the finding.
        id: String,
    },
    /// An account was looked at, or should have been, and a control says nothing about it.
    #[error("control `{control}` says nothing about account `{account}`")]
    Silent {
        /// The control.
        control: String,
        /// The account.
        account: String,
    },
    /// The status of a requirement is not what the verdicts of its controls allow.
    #[error("requirement `{requirement}` of `{framework}` is stated as {status:?} with {totals}")]
    Status {
        /// The framework.
        framework: String,
        /// The requirement.
        requirement: String,
        /// What the report states.
        status: RequirementStatus,
        /// The verdicts of its controls.
        totals: Counts,
    },
    /// What is said to have changed is not what the findings give.
    #[error("the changes since run `{since}` do not fit the findings: {what}")]
    Changes {
        /// The earlier run.
        since: String,
        /// What does not fit.
        what: String,
    },
    /// Detections do not add up.
    #[error("the detections do not add up: {what}")]
    Detections {
        /// What does not fit.
        what: String,
    },
    /// A finding is waived that does not fail, or by no waiver of the report.
    #[error("finding `{id}` is stated as waived, and {what}")]
    Waiver {
        /// Id of the finding.
        id: String,
        /// What does not fit.
        what: &'static str,
    },
    /// A risk is not the sum of its parts, or that of something that does not fail.
    #[error("the risk of finding `{id}` does not add up")]
    Risk {
        /// Id of the finding.
        id: String,
    },
    /// A requirement is stated as attested without a statement, or as open with one.
    #[error("the attestation of requirement `{requirement}` of `{framework}` is not what its state says")]
    Attestation {
        /// The framework.
        framework: String,
        /// The requirement.
        requirement: String,
    },
}

impl Report {
    /// Checks that totals are the sum of the findings, and that no control is silent about an account.
    ///
    /// Accounts that were skipped need no findings; those that could not be entered do.
    ///
    /// # Errors
    /// The first thing that does not add up.
    pub fn check(&self) -> Result<(), Inconsistent> {
        unique("account", self.accounts.iter().map(|account| account.id.as_str()))?;
        unique("control", self.controls.iter().map(|control| control.id.as_str()))?;
        let found = self.add_up()?;
        let mut all = Counts::zero();
        for control in &self.controls {
            let counts = found.get(control.id.as_str()).copied().unwrap_or(Counts::zero());
            same(|| format!("control `{}`", control.id), control.totals, counts)?;
            all = all.plus(counts);
        }
        same(|| "the run".to_owned(), self.totals, all)?;
        self.check_silence()?;
        self.check_changes()?;
        if let Some(detections) = &self.detections {
            detections.check(&self.findings).map_err(|what| Inconsistent::Detections { what })?;
        }
        self.check_waivers()?;
        unique("framework", self.frameworks.iter().map(|framework| framework.id.as_str()))?;
        let controls: HashMap<&str, &ControlRow> =
            self.controls.iter().map(|control| (control.id.as_str(), control)).collect();
        self.frameworks.iter().try_for_each(|framework| check_framework(framework, &controls))
    }

    /// Checks each finding by itself, and counts them by control.
    fn add_up(&self) -> Result<HashMap<&str, Counts>, Inconsistent> {
        let accounts: HashSet<&str> = self.accounts.iter().map(|account| account.id.as_str()).collect();
        let mut found: HashMap<&str, Counts> =
            self.controls.iter().map(|control| (control.id.as_str(), Counts::zero())).collect();
        let mut ids = HashSet::with_capacity(self.findings.len());
        for finding in &self.findings {
            if !ids.insert(finding.id.as_str()) {
                return Err(Inconsistent::RepeatedFinding { id: finding.id.clone() });
            }
            if !accounts.contains(finding.account.as_str()) {
                return Err(stray(finding, "account", &finding.account));
            }
            let fails = finding.verdict == VerdictKind::Fail;
            if finding.risk.as_ref().is_some_and(|risk| !fails || !risk.adds_up()) {
                return Err(Inconsistent::Risk { id: finding.id.clone() });
            }
            if finding.verdict == VerdictKind::Unknown && finding.unseen.is_none() {
                return Err(Inconsistent::WithoutReason { id: finding.id.clone() });
            }
            match found.get_mut(finding.control.as_str()) {
                Some(counts) => counts.add(finding),
                None => return Err(stray(finding, "control", &finding.control)),
            }
        }
        Ok(found)
    }

    /// Each failure is new, newly judged or still there; what does not fail any more does not fail.
    fn check_changes(&self) -> Result<(), Inconsistent> {
        let Some(changes) = &self.changes else { return Ok(()) };
        let wrong = |what: String| Err(Inconsistent::Changes { since: changes.since_run.clone(), what });
        let verdicts: HashMap<&str, VerdictKind> =
            self.findings.iter().map(|finding| (finding.id.as_str(), finding.verdict)).collect();
        unique("changed finding", changes.new.iter().chain(&changes.newly_judged).map(String::as_str))?;
        for id in changes.new.iter().chain(&changes.newly_judged) {
            if verdicts.get(id.as_str()) != Some(&VerdictKind::Fail) {
                return wrong(format!("finding `{id}` is called new and does not fail"));
            }
        }
        for id in changes.authors.iter().flat_map(|authors| authors.calls.keys()) {
            if verdicts.get(id.as_str()) != Some(&VerdictKind::Fail) {
                return wrong(format!(
                    "somebody is said to have changed finding `{id}`, which does not fail"
                ));
            }
        }
        let come = (changes.new.len() + changes.newly_judged.len()) as u64;
        let stated = come.saturating_add(changes.still_failing);
        if stated != self.totals.fail {
            return wrong(format!("{stated} failures are counted, and there are {}", self.totals.fail));
        }
        let past = || [&changes.resolved, &changes.no_longer_observed, &changes.no_longer_judged];
        unique("past finding", past().into_iter().flatten().map(|past| past.id.as_str()))?;
        for (list, may_be) in past().into_iter().zip([RESOLVED, &[VerdictKind::Unknown], &[]]) {
            for past in list {
                // By another rule a resource passes that failed, and is not resolved.
                let by_another_rule = may_be.is_empty() && changes.scope.has_another_rule(&past.control);
                let may_be = if by_another_rule { RESOLVED } else { may_be };
                if let Some(now) = verdicts.get(past.id.as_str()).filter(|now| !may_be.contains(now)) {
                    return wrong(format!(
                        "finding `{}` is listed among those of the past, and is {now}",
                        past.id
                    ));
                }
            }
        }
        Ok(())
    }

    /// Only a failure is waived, by a waiver that is listed and holds.
    fn check_waivers(&self) -> Result<(), Inconsistent> {
        let rows = self.waivers.as_ref().map_or(&[][..], |waivers| &waivers.rows);
        // Several can begin on the same line; one that holds is enough.
        let mut holds: HashMap<u64, bool> = HashMap::new();
        for row in rows {
            *holds.entry(row.waiver.line).or_default() |= row.state != WaiverState::Expired;
        }
        let has_any = |finding: &&Finding| finding.waived.is_some() || finding.waiver_ended.is_some();
        for finding in self.findings.iter().filter(has_any) {
            let wrong = |what| Err(Inconsistent::Waiver { id: finding.id.clone(), what });
            if finding.verdict != VerdictKind::Fail {
                return wrong("does not fail");
            }
            let line = match (&finding.waived, &finding.waiver_ended) {
                (Some(_), Some(_)) => return wrong("its waiver has ended"),
                (Some(waived), None) => waived.line,
                (None, end) => end.as_ref().map_or(0, |end| end.waiver.line),
            };
            match holds.get(&line) {
                None => return wrong("its waiver is not listed"),
                Some(false) if finding.waived.is_some() => return wrong("its waiver has expired"),
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn check_silence(&self) -> Result<(), Inconsistent> {
        let spoken: HashSet<(&str, &str)> =
            self.findings.iter().map(|f| (f.account.as_str(), f.control.as_str())).collect();
        for account in &self.accounts {
            if !account.is_judged() {
                continue;
            }
            for control in &self.controls {
                if !spoken.contains(&(account.id.as_str(), control.id.as_str())) {
                    return Err(Inconsistent::Silent {
                        control: control.id.clone(),
                        account: account.id.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

fn check_framework(
    framework: &FrameworkRow,
    controls: &HashMap<&str, &ControlRow>,
) -> Result<(), Inconsistent> {
    unique("requirement", framework.requirements.iter().map(|requirement| requirement.id.as_str()))?;
    for requirement in &framework.requirements {
        // A control that did not run this time has no findings to add.
        let found = requirement
            .controls
            .iter()
            .filter(|id| !requirement.set_otherwise.contains(id))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .filter_map(|id| controls.get(id.as_str()))
            .fold(Counts::zero(), |sum, control| sum.plus(control.totals));
        let of = || format!("requirement `{}` of `{}`", requirement.id, framework.id);
        same(of, requirement.totals, found)?;
        if !status_fits(framework.relation, requirement) {
            return Err(Inconsistent::Status {
                framework: framework.id.clone(),
                requirement: requirement.id.clone(),
                status: requirement.status,
                totals: requirement.totals,
            });
        }
        if let Some(attestation) = &requirement.attestation
            && !attestation.is_consistent()
        {
            return Err(Inconsistent::Attestation {
                framework: framework.id.clone(),
                requirement: requirement.id.clone(),
            });
        }
    }
    Ok(())
}

/// A failure is never hidden behind another status, nothing passes that was not observed, and evidence alone
/// meets nothing.
fn status_fits(relation: Relation, requirement: &RequirementRow) -> bool {
    let Counts { pass, fail, unknown, .. } = requirement.totals;
    let status = requirement.status;
    let in_accounts = || requirement.accounts.values().copied();
    status.is_of(relation)
        && in_accounts().all(|status| status.is_of(relation))
        && status.is_failing() == (fail > 0)
        && status.is_failing() == in_accounts().any(RequirementStatus::is_failing)
        && match status {
            RequirementStatus::Pass => unknown == 0 && pass > 0 && requirement.planned.is_empty(),
            RequirementStatus::NoFailingEvidence => unknown == 0 && pass > 0,
            RequirementStatus::NotApplicable => unknown == 0 && pass == 0,
            RequirementStatus::Fail
            | RequirementStatus::FailingEvidence
            | RequirementStatus::Unknown
            | RequirementStatus::NotCovered
            | RequirementStatus::Manual => true,
        }
}

fn unique<'a>(what: &'static str, ids: impl Iterator<Item = &'a str>) -> Result<(), Inconsistent> {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(Inconsistent::Repeated { what, id: id.to_owned() });
        }
    }
    Ok(())
}

fn same(of: impl Fn() -> String, stated: Counts, found: Counts) -> Result<(), Inconsistent> {
    if stated == found { Ok(()) } else { Err(Inconsistent::Totals { of: of(), stated, found }) }
}

fn stray(finding: &Finding, what: &'static str, id: &str) -> Inconsistent {
    Inconsistent::Stray { finding: finding.id.clone(), what, id: id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    /// The sample report after `break_it`, checked.
    fn broken(break_it: impl Fn(&mut Report)) -> Inconsistent {
        let mut report = sample::report();
        break_it(&mut report);
        report.check().expect_err("it is broken")
    }

    fn status(report: &mut Report, id: &str, status: RequirementStatus) {
        let requirement = report.frameworks[0].requirements.iter_mut().find(|r| r.id == id);
        requirement.expect("the sample has it").status = status;
    }

    #[test]
    fn the_sample_adds_up() {
        sample::report().check().expect("consistent");
        sample::clean().check().expect("consistent");
    }

    #[test]
    fn totals_are_the_sum_of_the_findings() {
        let run = broken(|r| r.totals.pass += 1);
        assert!(matches!(&run, Inconsistent::Totals { of, .. } if of == "the run"), "{run}");
        let control = broken(|r| r.controls[2].totals.fail -= 1);
        assert!(
            matches!(&control, Inconsistent::Totals { of, .. } if of.starts_with("control")),
            "{control}"
        );
        let requirement = broken(|r| r.frameworks[0].requirements[1].totals.unknown += 1);
        assert!(requirement.to_string().contains("requirement `1.5` of `cis-aws-3.0`"), "{requirement}");
    }

    #[test]
    fn a_finding_that_vanishes_is_missed() {
        let gone = broken(|r| {
            r.findings.pop();
        });
        assert!(matches!(gone, Inconsistent::Totals { .. }), "{gone}");
    }

    #[test]
    fn a_control_that_is_silent_about_an_account_is_named() {
        let silent = broken(|r| {
            let at = r.findings.iter().position(|f| f.verdict == VerdictKind::NotApplicable).expect("one");
            let finding = r.findings.remove(at);
            r.totals.not_applicable -= 1;
            for control in r.controls.iter_mut().filter(|c| c.id == finding.control) {
                control.totals.not_applicable -= 1;
            }
            for framework in &mut r.frameworks {
                for requirement in &mut framework.requirements {
                    if requirement.controls.contains(&finding.control) {
                        requirement.totals.not_applicable -= 1;
                    }
                }
            }
        });
        assert!(matches!(silent, Inconsistent::Silent { .. }), "{silent}");
        let never_entered = broken(|r| {
            let mut account = r.accounts[0].clone();
            account.id = "999900001111".to_owned();
            r.accounts.push(account);
        });
        assert!(never_entered.to_string().contains("999900001111"), "{never_entered}");
    }

    #[test]
    fn ids_are_unique_and_lead_somewhere() {
        let twice = broken(|r| r.findings[1].id = r.findings[0].id.clone());
        assert!(matches!(twice, Inconsistent::RepeatedFinding { .. }), "{twice}");
        let account = broken(|r| r.findings[3].account = "000000000000".to_owned());
        assert!(matches!(account, Inconsistent::Stray { what: "account", .. }), "{account}");
        let control = broken(|r| r.findings[3].control = "no-such-control".to_owned());
        assert!(matches!(control, Inconsistent::Stray { what: "control", .. }), "{control}");
        let listed = broken(|r| r.controls[1].id = r.controls[0].id.clone());
        assert!(matches!(listed, Inconsistent::Repeated { what: "control", .. }), "{listed}");
    }

    #[test]
    fn a_waiver_and_a_risk_are_those_of_a_failure() {
        sample::waived().check().expect("consistent");
        type Break = fn(&mut Report);
        let breaks: [Break; 6] = [
            |r| r.waivers = None,
            |r| {
                r.waivers
                    .as_mut()
                    .expect("some")
                    .rows
                    .iter_mut()
                    .for_each(|row| row.state = WaiverState::Expired)
            },
            |r| r.totals.waived = 0,
            |r| r.findings.iter_mut().for_each(|f| f.waived = None),
            |r| {
                let ended = r.findings.iter().find_map(|f| f.waiver_ended.clone());
                r.findings
                    .iter_mut()
                    .filter(|f| f.waived.is_some())
                    .for_each(|f| f.waiver_ended.clone_from(&ended));
            },
            |r| {
                let waived = r.findings.iter().find_map(|f| f.waived.clone());
                r.findings.iter_mut().filter(|f| f.verdict == VerdictKind::Unknown).for_each(|f| {
                    f.waived.clone_from(&waived);
                });
            },
        ];
        for (at, break_it) in breaks.into_iter().enumerate() {
            let mut report = sample::waived();
            break_it(&mut report);
            assert!(report.check().is_err(), "{at}");
        }
        let part = |why: &str, points| crate::findings::RiskPart { why: why.to_owned(), points };
        let risk = |score| crate::findings::Risk { score, parts: vec![part("a", 40), part("b", 20)] };
        let at = |r: &Report, is| r.findings.iter().position(|f| f.verdict == is).expect("one");
        for (verdict, score, is_fine) in
            [(VerdictKind::Fail, 60, true), (VerdictKind::Fail, 61, false), (VerdictKind::Pass, 60, false)]
        {
            let mut report = sample::report();
            let at = at(&report, verdict);
            report.findings[at].risk = Some(risk(score));
            assert_eq!(report.check().is_ok(), is_fine, "{verdict} {score}");
        }
    }

    #[test]
    fn unknown_says_why() {
        let silent = broken(|r| r.findings.iter_mut().for_each(|f| f.unseen = None));
        assert!(matches!(silent, Inconsistent::WithoutReason { .. }), "{silent}");
    }

    #[test]
    fn no_status_hides_a_failure_or_what_was_not_observed() {
        // In the sample 1.5 fails and 1.10 is unknown; in the clean one 1.8 passes.
        for (id, stated) in [
            ("1.5", RequirementStatus::Pass),
            ("1.5", RequirementStatus::Manual),
            ("1.5", RequirementStatus::NotCovered),
            ("1.10", RequirementStatus::Pass),
            ("1.10", RequirementStatus::NotApplicable),
            ("1.10", RequirementStatus::Fail),
        ] {
            let wrong = broken(|r| status(r, id, stated));
            assert!(
                matches!(&wrong, Inconsistent::Status { requirement, .. } if requirement == id),
                "{id} {stated:?}: {wrong}"
            );
        }
        for stated in [RequirementStatus::Fail, RequirementStatus::NotApplicable] {
            let mut report = sample::clean();
            status(&mut report, "1.8", stated);
            assert!(matches!(report.check(), Err(Inconsistent::Status { .. })), "{stated:?}");
        }
    }
    #[test]
    fn evidence_neither_meets_nor_fails_a_requirement() {
        let mut report = sample::report();
        report.frameworks.truncate(1);
        report.frameworks[0].relation = Relation::Contributes;
        assert!(matches!(report.check(), Err(Inconsistent::Status { .. })), "decided by evidence");
        let contributed = |status: RequirementStatus| match status {
            RequirementStatus::Fail => RequirementStatus::FailingEvidence,
            RequirementStatus::Pass => RequirementStatus::NoFailingEvidence,
            other => other,
        };
        for row in &mut report.frameworks[0].requirements {
            row.status = contributed(row.status);
            row.accounts.values_mut().for_each(|status| *status = contributed(*status));
        }
        report.check().expect("it adds up");
        for (id, stated) in [
            ("1.5", RequirementStatus::NoFailingEvidence),
            ("1.10", RequirementStatus::NoFailingEvidence),
            ("1.10", RequirementStatus::FailingEvidence),
        ] {
            let mut wrong = report.clone();
            status(&mut wrong, id, stated);
            assert!(matches!(wrong.check(), Err(Inconsistent::Status { .. })), "{id} {stated:?}");
        }
        report.frameworks[0].relation = Relation::Decides;
        assert!(matches!(report.check(), Err(Inconsistent::Status { .. })), "evidence in what is decided");
    }

    #[test]
    fn a_control_that_ran_otherwise_is_not_counted() {
        let mut report = sample::report();
        let row =
            report.frameworks[0].requirements.iter_mut().find(|row| row.id == "1.5").expect("it is there");
        row.set_otherwise.clone_from(&row.controls);
        assert!(matches!(report.check(), Err(Inconsistent::Totals { .. })));
        let row =
            report.frameworks[0].requirements.iter_mut().find(|row| row.id == "1.5").expect("it is there");
        row.totals = Counts::zero();
        row.status = RequirementStatus::NotCovered;
        row.accounts.values_mut().for_each(|status| *status = RequirementStatus::NotCovered);
        report.check().expect("it adds up");
    }
}
