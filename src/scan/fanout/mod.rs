//! A scan account by account: one process plans it, one scans each account, and one finishes it; or one does it all.
//!
//! The archive is all that they share. [`Fanout::plan`] begins a run and puts the accounts into it, [`Fanout::scan_account`]
//! puts what it observed beside them, and [`Fanout::finish`] judges account by account, adds up, compares, reports and
//! commits. Each can be done again: what is there already is not done twice, so that a run that was broken off goes on
//! where it was. A scan whose configuration says [`Config::by_account`] does them in a row.
//!
//! ```text
//! runs/<run id>/plan.json                     who is scanned and who is left out
//! runs/<run id>/accounts.json                 the accounts to scan as a list, for the state machine
//! runs/<run id>/<account>.inventory.json.zst  what was observed in an account
//! runs/<run id>/<account>.part.json           written after it: the account is scanned; and what the others must know
//! runs/<run id>/<account>.report.json.zst     the report of the account
//! runs/<run id>/findings-<number>.parquet     findings of some accounts
//! ```
//!
//! INVARIANT: the verdicts are those of a scan by one process. Where a control looks into another account of the run,
//! [`Inventory::missed`](crate::inventory::Inventory::missed) tells, and the account is judged again beside that one.

mod before;
mod finish;
mod here;
mod part;
mod plan;

use std::time::Instant;

use serde::Serialize;

pub(super) use here::perform;
pub use part::Part;
pub use plan::Accounts;

use super::Audience;
use crate::archive::{Archive, RunId};
use crate::config::{Attestation, Config};
use crate::controls::ControlSet;

/// A scan account by account, as one of its processes sees it. Its settings have been looked at, and are the same for all.
pub struct Fanout<'a> {
    /// What is to be done.
    pub config: &'a Config,
    /// The controls that the configuration asks for.
    pub controls: &'a ControlSet,
    /// What people say of requirements, none of it of a day to come.
    pub attestations: &'a [Attestation],
    /// What the processes share.
    pub archive: &'a Archive,
    /// When collecting ends: what was not observed of an account by then is unknown for want of time. `None` for no limit.
    pub deadline: Option<Instant>,
    /// Who follows it.
    pub audience: &'a dyn Audience,
}

/// A run that is planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Its id.
    pub run: RunId,
    /// Accounts to scan.
    pub accounts: usize,
    /// The list of them in S3, each an input of [`Fanout::scan_account`]; none where the archive is a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Items>,
}

/// An object of S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Items {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// What became of one account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scanned {
    /// Twelve digits.
    pub account: String,
    /// Whether it could be entered; single calls may have failed all the same.
    pub state: State,
    /// Why not, where it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Requests that were sent.
    pub requests: u64,
    /// How long it took; nothing where it had been scanned before.
    pub seconds: f64,
}

/// Whether an account could be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was scanned.
    Scanned,
    /// It could not be entered.
    Failed,
}
