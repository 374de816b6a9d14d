//! A run: entering the accounts and collecting what is wanted of them, all at once and bounded.
//!
//! A failure costs what it hides and nothing else: an account that cannot be entered, a region that does
//! not answer, a call that is denied. Whatever was obtained stays. This module prints nothing; it keeps
//! the [`Progress`] for whoever shows it.

mod plan;
mod policy;
mod progress;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::{Id, JoinSet};
use tracing::Instrument;

use crate::accounts::{Discovery, Regions, Scope, Target, regions};
use crate::aws::{Aws, Place};
use crate::collect::{self, Ask, Collected, Wanted};
use crate::inventory::{Account, AccountState, Cause, Facet, GLOBAL, Inventory, Listing, Unseen};

pub use plan::{Plan, PlanRow, Where, plan};
pub use policy::{Policies, policies, trust_policy};
pub use progress::{Progress, Snapshot};

/// Accounts that are worked on at once. The calls in flight are bounded by [`crate::aws::Limits`]; this
/// bounds what waits for them, and the roles assumed at once.
const MAX_ACCOUNTS_IN_FLIGHT: usize = 32;

/// What every account of the run needs.
#[derive(Debug)]
struct Job {
    /// Wanted without knowing the regions.
    at_once: Wanted,
    /// Wanted of regions, or lying in them.
    in_regions: Wanted,
    asked_regions: Vec<String>,
}

/// What one account came to.
#[derive(Debug)]
struct Outcome {
    account: Account,
    collected: Collected,
    absent_regions: Vec<String>,
}

/// Collects what is `wanted` of every account. Never fails: what could not be read is in the inventory, as
/// accounts that failed, listings that are unknown, and coverage.
pub async fn collect(
    aws: &Arc<Aws>,
    discovery: Discovery,
    wanted: &Wanted,
    scope: &Scope,
    progress: &Progress,
) -> Inventory {
    let observed_at = Timestamp::now();
    let job = Arc::new(Job {
        at_once: wanted.only(|kind| !kind.needs_regions()),
        in_regions: wanted.only(collect::Kind::needs_regions),
        asked_regions: scope.regions.clone(),
    });
    progress.begin(discovery.targets.len());
    let mut accounts = discovery.left_out;
    let mut collected = Collected::nothing();
    let mut absent_regions = BTreeMap::new();
    for outcome in collect_all(discovery.targets, &job, progress).await {
        if !outcome.absent_regions.is_empty() {
            absent_regions.insert(outcome.account.id.clone(), outcome.absent_regions);
        }
        accounts.push(outcome.account);
        collected.extend(outcome.collected);
    }
    let coverage = aws.meters.coverage();
    let mut inventory =
        Inventory::new(observed_at, accounts, collected.resources, collected.listings, coverage);
    inventory.absent_regions = absent_regions;
    inventory
}

/// Works on a bounded number of accounts, each in a task of its own.
async fn collect_all(targets: Vec<Target>, job: &Arc<Job>, progress: &Progress) -> Vec<Outcome> {
    // Dropped when the run is cancelled, which ends the tasks.
    let mut tasks: JoinSet<Outcome> = JoinSet::new();
    let mut running: HashMap<Id, Account> = HashMap::new();
    let mut outcomes = Vec::new();
    let mut waiting = targets.into_iter();
    loop {
        while tasks.len() < MAX_ACCOUNTS_IN_FLIGHT
            && let Some(target) = waiting.next()
        {
            let account = target.account.clone();
            let span = tracing::info_span!("account", id = %account.id);
            let task = tasks.spawn(collect_account(target, Arc::clone(job)).instrument(span));
            running.insert(task.id(), account);
        }
        let Some(ended) = tasks.join_next_with_id().await else {
            return outcomes;
        };
        match ended {
            Ok((id, outcome)) => {
                running.remove(&id);
                outcomes.push(outcome);
            }
            // A fault in a collector costs the account it met, not the run.
            Err(error) => {
                if let Some(account) = running.remove(&error.id()) {
                    outcomes.push(Outcome::broken(account, &error.to_string()));
                }
            }
        }
        progress.end_one();
    }
}

async fn collect_account(target: Target, job: Arc<Job>) -> Outcome {
    let Target { account, session } = target;
    if let Err(unseen) = session.enter().await {
        tracing::warn!(account = %account.id, code = %unseen.code, "account not entered; everything in it is unknown");
        return Outcome::failed(account, unseen);
    }
    let home = session.home();
    let at_once = async {
        if job.at_once.is_empty() {
            return Collected::nothing();
        }
        let ask = Ask { place: &home, wanted: &job.at_once, regions: &[], partition: &account.partition };
        collect::global(ask, &account.name).await
    };
    let (mut collected, (in_regions, found)) =
        futures::join!(at_once, collect_in_regions(&home, &job, &account));
    collected.extend(in_regions);
    let Regions { scanned, absent: absent_regions } = found;
    Outcome {
        account: Account { regions: scanned.unwrap_or_else(|_| Vec::new()), ..account },
        collected,
        absent_regions,
    }
}

/// Finds the regions, and collects what lies in them from all of them at once.
async fn collect_in_regions(home: &Place, job: &Job, account: &Account) -> (Collected, Regions) {
    if job.in_regions.is_empty() {
        return (Collected::nothing(), Regions { scanned: Ok(Vec::new()), absent: Vec::new() });
    }
    let found = regions(home.session(), &job.asked_regions).await;
    let names = match &found.scanned {
        Ok(names) => names,
        Err(unseen) => return (all_unknown(&job.in_regions, &account.id, unseen), found),
    };
    let places: Vec<Place> = names.iter().map(|region| home.session().region(region)).collect();
    let ask = |place| Ask { place, wanted: &job.in_regions, regions: names, partition: &account.partition };
    let (mut collected, regional) = futures::join!(
        collect::global(ask(home), &account.name),
        futures::future::join_all(places.iter().map(|place| collect::regional(ask(place)))),
    );
    for part in regional {
        collected.extend(part);
    }
    (collected, found)
}

/// No region is known, so nothing can be said of what lies in them: neither that it is there nor that it is not.
fn all_unknown(wanted: &Wanted, account: &str, unseen: &Unseen) -> Collected {
    let listings = wanted
        .iter()
        .map(|(kind, _)| Listing {
            account: account.to_owned(),
            region: GLOBAL.to_owned(),
            kind: kind.name.to_owned(),
            count: Facet::Unknown(unseen.clone()),
        })
        .collect();
    Collected { resources: Vec::new(), listings }
}

impl Outcome {
    fn failed(account: Account, unseen: Unseen) -> Self {
        Self {
            account: Account { state: AccountState::Failed { unseen }, ..account },
            collected: Collected::nothing(),
            absent_regions: Vec::new(),
        }
    }

    fn broken(account: Account, message: &str) -> Self {
        tracing::error!(account = %account.id, message, "account lost to a fault in this program");
        let unseen = Unseen::without_call(
            &account.id,
            GLOBAL,
            Cause::Failed,
            format!("a fault in Upright ended the scan of the account: {message}"),
        );
        Self::failed(account, unseen)
    }
}
