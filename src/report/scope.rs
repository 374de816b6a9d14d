//! [`ScopeChanges`]: what a run looked at otherwise than an earlier one, which says nothing about the accounts.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Report, text};

/// What was looked at otherwise than in the earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ScopeChanges {
    /// Accounts that are judged now and were not then, by id.
    pub accounts_added: Vec<String>,
    /// Accounts that were judged then and are not now.
    pub accounts_removed: Vec<String>,
    /// Controls that ran now and did not then, by id.
    pub controls_added: Vec<String>,
    /// Controls that ran then and did not now.
    pub controls_removed: Vec<String>,
    /// Controls that judge by another rule than then: another expression, or another value of a parameter.
    pub controls_changed: Vec<String>,
}

impl ScopeChanges {
    /// Compares what two runs looked at.
    pub(super) fn between(earlier: &Report, now: &Report) -> Self {
        let ((then, then_rules), (today, rules)) = (scope(earlier), scope(now));
        let changed = rules.iter().filter(|(id, rule)| {
            // Reports of before have no hashes, and do not say that anything changed.
            then_rules.get(*id).is_some_and(|then| then != *rule && !then.is_empty() && !rule.is_empty())
        });
        Self {
            accounts_added: only_in(&today, &then),
            accounts_removed: only_in(&then, &today),
            controls_added: only_in(&ids(&rules), &ids(&then_rules)),
            controls_removed: only_in(&ids(&then_rules), &ids(&rules)),
            controls_changed: changed.map(|(id, _)| (*id).to_owned()).collect(),
        }
    }

    /// Whether the same was looked at.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.accounts_added.is_empty()
            && self.accounts_removed.is_empty()
            && self.controls_added.is_empty()
            && self.controls_removed.is_empty()
            && self.controls_changed.is_empty()
    }

    /// Whether a control judges by another rule than then.
    #[must_use]
    pub fn has_another_rule(&self, control: &str) -> bool {
        self.controls_changed.iter().any(|id| id == control)
    }

    /// A line for each kind of change, for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines_naming(10)
    }

    /// The same, each with so many ids at most.
    pub(super) fn lines_naming(&self, most: usize) -> Vec<String> {
        let (account, accounts, control, controls) = ("account", "accounts", "control", "controls");
        let lists = [
            (account, accounts, "looked at for the first time", &self.accounts_added),
            (account, accounts, "not looked at any more", &self.accounts_removed),
            ("new control", "new controls", "", &self.controls_added),
            (control, controls, "left out", &self.controls_removed),
            (control, controls, "with another rule", &self.controls_changed),
        ];
        let lists = lists.into_iter().filter(|(.., ids)| !ids.is_empty());
        let line = |(one, many, words, ids): (&str, &str, &str, &Vec<String>)| {
            let named = ids.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if ids.len() > most { ", …" } else { "" };
            let count = text::count(ids.len() as u64, one, many);
            let space = if words.is_empty() { "" } else { " " };
            format!("{count}{space}{words}: {named}{more}")
        };
        lists.map(line).collect()
    }
}

type Ids<'a> = BTreeSet<&'a str>;

/// The accounts of a run, and its controls with their rules.
fn scope(report: &Report) -> (Ids<'_>, BTreeMap<&str, &str>) {
    let accounts = report.accounts.iter().filter(|account| account.is_judged());
    let rules = report.controls.iter().map(|control| (control.id.as_str(), control.rule.as_str()));
    (accounts.map(|account| account.id.as_str()).collect(), rules.collect())
}

fn ids<'a>(rules: &BTreeMap<&'a str, &'a str>) -> Ids<'a> {
    rules.keys().copied().collect()
}

fn only_in(one: &Ids<'_>, other: &Ids<'_>) -> Vec<String> {
    one.difference(other).map(|id| (*id).to_owned()).collect()
}
