//! [`Progress`]: how far a run is, for whoever shows it.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::aws::{Aws, Tally};

/// How many accounts there are and how many are done. Shared between the run and who shows it.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    accounts: AtomicUsize,
    done: AtomicUsize,
}

/// Progress at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Time since the start.
    pub elapsed: Duration,
    /// Accounts to scan; 0 until they are known.
    pub accounts: usize,
    /// Accounts that are done, failed ones included.
    pub done: usize,
    /// Calls so far.
    pub calls: Tally,
}

impl Progress {
    /// At the start of a run.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now(), accounts: AtomicUsize::new(0), done: AtomicUsize::new(0) }
    }

    /// How far the run is.
    #[must_use]
    pub fn snapshot(&self, aws: &Aws) -> Snapshot {
        Snapshot {
            elapsed: self.started.elapsed(),
            accounts: self.accounts.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
            calls: aws.meters.tally(),
        }
    }

    pub(super) fn begin(&self, accounts: usize) {
        self.accounts.store(accounts, Ordering::Relaxed);
    }

    pub(super) fn end_one(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Something that shows progress. Dropping it takes away what should not stay.
pub trait Display: Send {
    /// How often there is something new to show.
    fn interval(&self) -> Duration;
    /// Shows it.
    fn show(&mut self, snapshot: &Snapshot);
}

/// Shows the progress until it is dropped; to be raced against the run with `select!`.
pub async fn follow(progress: &Progress, aws: &Aws, display: &mut dyn Display) -> Infallible {
    loop {
        tokio::time::sleep(display.interval()).await;
        display.show(&progress.snapshot(aws));
    }
}
