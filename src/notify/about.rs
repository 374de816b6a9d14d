//! [`About`]: what of a report one receiver is told, by its rule.

use std::collections::{BTreeMap, HashSet};

use crate::config::{Rule, When};
use crate::controls::{Severity, VerdictKind};
use crate::findings::Finding;
use crate::inventory::Account;
use crate::report::{Past, Report};

/// A rule, applied to the accounts and controls of a report.
#[derive(Debug)]
pub(super) struct About<'a> {
    report: &'a Report,
    rule: Rule<'a>,
    accounts: Option<HashSet<&'a str>>,
    controls: Option<HashSet<&'a str>>,
}

impl<'a> About<'a> {
    pub(super) fn of(report: &'a Report, rule: Rule<'a>) -> Self {
        let limits_accounts = !(rule.accounts.is_empty() && rule.tags.is_empty());
        let accounts = limits_accounts.then(|| {
            let wanted = report.accounts.iter().filter(|account| is_wanted(account, rule));
            wanted.map(|account| account.id.as_str()).collect()
        });
        let controls = (!rule.frameworks.is_empty()).then(|| {
            let serves = |id: &String| rule.frameworks.contains(id);
            let wanted = report.controls.iter().filter(|control| control.requirements.keys().any(serves));
            wanted.map(|control| control.id.as_str()).collect()
        });
        Self { report, rule, accounts, controls }
    }

    /// Whether anything is left out.
    pub(super) fn is_limited(&self) -> bool {
        self.rule.min_severity.is_some() || self.controls.is_some() || self.limits_accounts()
    }

    /// Whether accounts are left out.
    pub(super) const fn limits_accounts(&self) -> bool {
        self.accounts.is_some()
    }

    pub(super) fn takes_account(&self, account: &str) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.contains(account))
    }

    pub(super) fn takes_framework(&self, id: &str) -> bool {
        self.rule.frameworks.is_empty() || self.rule.frameworks.iter().any(|wanted| wanted == id)
    }

    /// Whether it is told what an event rule of that severity found. Frameworks are about controls, not about events.
    pub(super) fn takes_rule(&self, severity: Severity) -> bool {
        self.rule.min_severity.is_none_or(|least| severity >= least) && self.rule.frameworks.is_empty()
    }

    fn takes(&self, control: &str, severity: Severity, account: &str) -> bool {
        self.rule.min_severity.is_none_or(|least| severity >= least)
            && self.takes_account(account)
            && self.controls.as_ref().is_none_or(|controls| controls.contains(control))
    }

    /// The findings that it is about, with that verdict, in the order of the report.
    pub(super) fn findings(&self, verdict: VerdictKind) -> impl Iterator<Item = &'a Finding> + use<'a, '_> {
        let all = self.report.findings.iter().filter(move |finding| finding.verdict == verdict);
        all.filter(|finding| self.takes(&finding.control, finding.severity, &finding.account))
    }

    /// The failures of the earlier run that it is about.
    pub(super) fn past<'p>(&self, past: &'p [Past]) -> Vec<&'p Past> {
        past.iter().filter(|past| self.takes(&past.control, past.severity, &past.account)).collect()
    }

    /// What the rule leaves out, in words; empty where it leaves nothing out.
    pub(super) fn words(&self) -> String {
        let mut words = Vec::new();
        if let Some(severity) = self.rule.min_severity {
            words.push(format!("severity {severity} and above"));
        }
        if let Some(accounts) = &self.accounts {
            words.push(match accounts.len() {
                1 => "1 account".to_owned(),
                n => format!("{n} accounts"),
            });
        }
        if !self.rule.frameworks.is_empty() {
            words.push(format!("controls of {}", self.rule.frameworks.join(", ")));
        }
        words.join("; ")
    }

    /// Whether the rule asks for a message, given what there is to tell.
    pub(super) fn is_due(&self, has_failures: bool, has_unknown: bool, has_changes: Option<bool>) -> bool {
        match self.rule.when {
            When::Always => true,
            When::Failures => has_failures,
            When::Changed => has_changes.unwrap_or(has_failures || has_unknown),
        }
    }
}

/// Whether a rule names the account, by its id or a tag. One whose tags were not seen is rather told about than
/// kept silent.
fn is_wanted(account: &Account, rule: Rule<'_>) -> bool {
    names(&account.id, account.tags.as_ref(), rule)
}

/// The same for the account with this id and these tags.
pub(super) fn names(account: &str, tags: Option<&BTreeMap<String, String>>, rule: Rule<'_>) -> bool {
    let by_id = rule.accounts.iter().any(|id| id.as_str() == account);
    let by_tag = match tags {
        None => !rule.tags.is_empty(),
        Some(tags) => has_tag(tags, rule.tags),
    };
    by_id || by_tag
}

fn has_tag(tags: &BTreeMap<String, String>, wanted: &BTreeMap<String, Vec<String>>) -> bool {
    tags.iter().any(|(key, value)| {
        wanted.get(key).is_some_and(|values| values.is_empty() || values.iter().any(|one| one == value))
    })
}
