//! The steps in a row, by one process: its memory is that of the accounts in flight, and what `finish` takes.

use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::sync::Notify;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::super::keeping::failed;
use super::super::threads::block_on;
use super::super::{Asked, Failed, Scan, Stopped, Until, connect, could_not, day, watched};
use super::Fanout;
use super::part::part_name;
use super::plan::Plan;
use crate::accounts::target;
use crate::archive::RunId;
use crate::aws::Metered;
use crate::inventory::Account;
use crate::report::Report;
use crate::run::{Observed, Progress, collect_each};
use crate::scan::settings::Waivers;

/// Accounts that are packed and written to the archive at once.
const WRITERS: usize = 4;

/// Plans a run or goes on with one, scans its accounts and finishes it.
///
/// # Errors
/// When there is no archive, something is asked for that needs all accounts in memory, or a step fails.
pub(in super::super) fn perform(scan: &Scan<'_>, until: &mut Until) -> Result<Report, Failed> {
    let Some(archive) = scan.archive else {
        return Err(Stopped::usage(miette::miette!(
            help = "name it with `--archive` or the key `archive`",
            "a scan account by account keeps each in an archive until the last is scanned, and none is named"
        ))
        .into());
    };
    if scan.save_inventory.is_some() || scan.since.is_some() {
        return Err(Stopped::usage(miette::miette!(
            "`--save-inventory` and `--since` need all accounts at once, and this scan goes account by account"
        ))
        .into());
    }
    let fanout = Fanout {
        config: scan.config,
        controls: scan.controls,
        attestations: scan.attestations,
        archive,
        deadline: scan.deadline,
        audience: scan.audience,
    };
    let run = match scan.resume {
        Some(run) => run.clone(),
        None => fanout.plan(None, scan.started_at)?.run,
    };
    // A run that is finished stays as it is, also where an account of it was never scanned.
    let besides = if archive.is_committed(&run).map_err(|error| failed(&error))? {
        Metered::default()
    } else {
        scan.audience.say(&format!("Run {run} has begun; broken off, it goes on with `--resume {run}`."));
        fanout.scan_accounts(&run, until)?
    };
    fanout.finish(&run, besides, until)
}

impl Fanout<'_> {
    /// Scans all accounts of a run that are not scanned yet, and puts each into the run as soon as it is. The calls that
    /// are about none of them are given back. An account that cannot be entered is unknown, whatever the reason.
    ///
    /// # Errors
    /// When there are no credentials, or the archive cannot be read or written: what was put there stays. `until` may end
    /// it before it is done.
    fn scan_accounts(&self, run: &RunId, until: &mut Until) -> Result<Metered, Stopped> {
        let Plan { started_at, accounts } = self.planned(run)?;
        let there = self.archive.parts(run).map_err(|error| failed(&error))?;
        let mut to_scan = accounts.to_scan;
        to_scan.retain(|account| !there.contains(&part_name(&account.id)));
        if to_scan.is_empty() {
            return Ok(Metered::default());
        }
        let waivers = Waivers::read(self.config, day(started_at))?;
        let asked = Asked::of(self.controls, self.config, waivers.as_ref());
        let (put, observed) = mpsc::channel(1);
        let (observed, failed) = (Mutex::new(observed), Notify::new());
        thread::scope(|scope| {
            let write = || self.put_each(run, &observed).inspect_err(|_| failed.notify_one());
            let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
            let besides = block_on(self.observe_each(to_scan, &asked, put, &failed), until.comes());
            for writer in writers {
                writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            besides
        })
    }

    /// Gives each account to `put` when it is observed. It ends early where one could not be kept.
    async fn observe_each(
        &self,
        accounts: Vec<Account>,
        asked: &Asked,
        put: Sender<Observed>,
        failed: &Notify,
    ) -> Result<Metered, Stopped> {
        let Asked { wanted, scope } = asked;
        let aws = connect(self.config, self.deadline).await?;
        let (caller, own) = aws.caller().await.map_err(|error| could_not(&error))?;
        let targets =
            accounts.into_iter().map(|account| target(&caller, &own, &scope.role, account)).collect();
        let progress = Progress::start();
        let work = collect_each(&aws, targets, wanted, scope, &progress, async |observed| {
            // It fails when no writer is left: they say why.
            put.send(observed).await.ok();
        });
        tokio::select! {
            () = watched(work, self.audience, &progress, &aws) => {}
            () = failed.notified() => {}
        }
        Ok(aws.meters.take(None))
    }

    /// Puts accounts into the run until there are no more, or one cannot be put there.
    fn put_each(&self, run: &RunId, observed: &Mutex<Receiver<Observed>>) -> Result<(), Stopped> {
        let next = || observed.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        while let Some(observed) = next() {
            self.put(run, observed)
                .map_err(|stopped| failed(&format!("run {run} is not finished: {stopped}")))?;
        }
        Ok(())
    }
}
