//! A report that is too large for one page: an index, and a page for each account.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{anchor, write_page};
use crate::accounts::is_account_id;
use crate::report::files::{FileError, whole_file};
use crate::report::{Counts, Format, Report};

/// The folder of the pages of accounts, beside the index.
const FOLDER: &str = "report-accounts";

/// What a page is in its report.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role<'a> {
    /// The one page: all of it.
    Whole,
    /// Everything but the findings, which are on these pages.
    Index(&'a [AccountPage]),
    /// One account, with its findings.
    Account,
}

impl Role<'_> {
    /// Whether the findings are in the page.
    pub(super) const fn has_findings(self) -> bool {
        matches!(self, Self::Whole | Self::Account)
    }
}

/// The page of an account.
#[derive(Debug, Clone)]
pub(super) struct AccountPage {
    account: String,
    totals: Counts,
}

impl AccountPage {
    /// Its address, seen from the index.
    pub(super) fn address(account: &str) -> String {
        format!("{FOLDER}/{}", Self::file_name(account))
    }

    /// A name that cannot lead out of the folder, whatever the report calls the account.
    fn file_name(account: &str) -> String {
        if is_account_id(account) {
            format!("{account}.html")
        } else {
            format!("{}.html", anchor("account", account))
        }
    }
}

/// What the index says about the pages.
#[derive(Serialize)]
pub(super) struct Contents<'a> {
    total: u64,
    pages: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    address: String,
    account: &'a str,
    name: &'a str,
    total: u64,
    counts: Counts,
}

impl<'a> Contents<'a> {
    pub(super) fn of(report: &'a Report, pages: &'a [AccountPage]) -> Self {
        Self {
            total: report.totals.total(),
            pages: pages
                .iter()
                .map(|page| Entry {
                    address: AccountPage::address(&page.account),
                    account: &page.account,
                    name: report
                        .accounts
                        .iter()
                        .find(|account| account.id == page.account)
                        .map_or("", |account| &account.name),
                    total: page.totals.total(),
                    counts: page.totals,
                })
                .collect(),
        }
    }
}

/// Writes the report as one page, or, with more than `max_findings`, as an index and a page for each account
/// that has any. Names what it wrote, the page to open first before the others.
///
/// Pages that an earlier run left in the folder of the accounts are removed: they would be taken for this one's.
///
/// # Errors
/// When the report does not add up, or a file cannot be written.
pub(in crate::report) fn write_pages(
    report: &Report,
    folder: &Path,
    max_findings: u64,
) -> Result<Vec<PathBuf>, FileError> {
    let first = folder.join(Format::Html.file_name());
    let accounts = folder.join(FOLDER);
    let failed = |path: &Path, source: io::Error| FileError { path: path.to_owned(), source: source.into() };
    // A report that lists a part of what it counts has few findings, and each account's own report is elsewhere.
    if report.left_out.is_some() || report.totals.total() <= max_findings {
        whole_file(&first, |out| write_page(report, Role::Whole, out))?;
        remove_others(&accounts, &[]).map_err(|error| failed(&accounts, error))?;
        return Ok(vec![first]);
    }
    // Before the first file, so that nothing is left of a report that is broken.
    report.check().map_err(|source| FileError { path: first.clone(), source: source.into() })?;
    fs::create_dir_all(&accounts).map_err(|error| failed(&accounts, error))?;
    let mut pages = Vec::new();
    let mut written = vec![first.clone()];
    for account in &report.accounts {
        let part = report.of_account(&account.id);
        if part.findings.is_empty() {
            continue;
        }
        let path = accounts.join(AccountPage::file_name(&account.id));
        whole_file(&path, |out| write_page(&part, Role::Account, out))?;
        pages.push(AccountPage { account: account.id.clone(), totals: part.totals });
        written.push(path);
    }
    whole_file(&first, |out| write_page(report, Role::Index(&pages), out))?;
    remove_others(&accounts, &written).map_err(|error| failed(&accounts, error))?;
    Ok(written)
}

/// Removes the pages of accounts that are not among `kept`, and the folder where nothing is left in it. Files
/// with other names are somebody else's.
fn remove_others(folder: &Path, kept: &[PathBuf]) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let is_page = entry.file_type()?.is_file() && entry.file_name().to_str().is_some_and(is_page_name);
        if is_page && !kept.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    // It stays where something is in it, and an empty one that cannot be removed misleads nobody.
    let _ = fs::remove_dir(folder);
    Ok(())
}

fn is_page_name(name: &str) -> bool {
    name.strip_suffix(".html").is_some_and(is_account_id)
}
