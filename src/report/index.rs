//! [`Index`]: controls and names of accounts by id, for formats whose findings stand alone.

use std::collections::HashMap;

use super::{ControlRow, Report};

/// What a finding refers to, by id.
#[derive(Debug)]
pub(super) struct Index<'a> {
    controls: HashMap<&'a str, &'a ControlRow>,
    account_names: HashMap<&'a str, &'a str>,
}

impl<'a> Index<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        Self {
            controls: report.controls.iter().map(|control| (control.id.as_str(), control)).collect(),
            account_names: report
                .accounts
                .iter()
                .map(|account| (account.id.as_str(), account.name.as_str()))
                .collect(),
        }
    }

    /// The control with that id; [`Report::check`] sees to it that every finding has one.
    pub(super) fn control(&self, id: &str) -> Option<&'a ControlRow> {
        self.controls.get(id).copied()
    }

    /// Name of the account; empty where it has none or is not listed.
    pub(super) fn account_name(&self, id: &str) -> &'a str {
        self.account_names.get(id).copied().unwrap_or_default()
    }
}
