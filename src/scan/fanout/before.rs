//! [`Before`]: the run that the accounts are compared with.

use jiff::Timestamp;

use super::super::keeping::{find_earlier, read_report_object, undelivered};
use super::part::report_name;
use crate::archive::{Archive, Manifest, REPORT};
use crate::report::{Report, Undelivered};

/// An earlier run, done by one process or by many.
pub(super) struct Before<'a> {
    archive: &'a Archive,
    manifest: Manifest,
    /// Its report of all accounts.
    pub(super) whole: Report,
}

impl<'a> Before<'a> {
    /// The last run before `now` that was asked the same, or else the last one that has an account in common.
    pub(super) fn find(
        archive: &'a Archive,
        asked: &str,
        now: Timestamp,
        accounts: &[&str],
    ) -> Result<Option<Self>, String> {
        let Some(manifest) = find_earlier(archive, asked, (now, now), accounts)? else { return Ok(None) };
        let whole = read_report_object(archive, &manifest, REPORT)?;
        Ok(Some(Self { archive, manifest, whole }))
    }

    /// What it says of one account; without findings where it does not know the account.
    pub(super) fn account(&self, id: &str) -> Result<Report, String> {
        let name = report_name(id);
        if self.manifest.objects.iter().any(|object| object.name == name) {
            read_report_object(self.archive, &self.manifest, &name)
        } else {
            Ok(self.whole.of_account(id))
        }
    }

    /// What it could not deliver.
    pub(super) fn undelivered(&self) -> Option<Undelivered> {
        undelivered(&self.manifest)
    }

    /// The accounts that it judged.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &str> {
        let judged = self.whole.accounts.iter().filter(|account| account.is_judged());
        judged.map(|account| account.id.as_str())
    }
}
