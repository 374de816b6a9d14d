//! A run: entering the accounts and collecting what is wanted of them, all at once and bounded.
//!
//! A failure costs what it hides and nothing else: an account that cannot be entered, a region that does
//! not answer, a call that is denied. Whatever was obtained stays. This module prints nothing; it keeps
//! the [`Progress`] for whoever shows it.

mod parts;
mod plan;
mod policy;
mod progress;

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use jiff::Timestamp;
use tokio::task::{Id, JoinSet};
use tracing::Instrument;

use crate::accounts::{Discovery, Regions, Scope, Target, regions};
use crate::aws::{Aws, OperationCount, Place};
use crate::collect::{self, Ask, Collected, Wanted};
use crate::inventory::{Account, AccountState, Cause, Facet, GLOBAL, Inventory, Listing, Unseen};

pub use parts::{Facts, Observed, collect_one, join};
pub use plan::{Plan, PlanRow, Where, plan};
pub use policy::{Policies, policies, trust_policy};
pub use progress::{Display, Progress, Snapshot, follow};

/// Accounts that are worked on at once. The calls in flight are bounded by [`crate::aws::Limits`]; this
/// bounds what waits for them, and the roles assumed at once.
const MAX_ACCOUNTS_IN_FLIGHT: usize = 32;

/// What every account of the run needs.
#[derive(Debug)]
struct Job {
    wanted: Wanted,
    asked_regions: Vec<String>,
}

/// What one account came to.
#[derive(Debug)]
struct Outcome {
    /// When it was begun.
    observed_at: Timestamp,
    account: Account,
    collected: Collected,
    absent_regions: Vec<String>,
}

/// Collects what is `wanted` of every account. Never fails: what could not be read is in the inventory, as
/// accounts that failed, listings that are unknown, and coverage. Beside the inventory, the calls by operation.
pub async fn collect(
    aws: &Arc<Aws>,
    discovery: Discovery,
    wanted: &Wanted,
    scope: &Scope,
    progress: &Progress,
) -> (Inventory, Vec<OperationCount>) {
    let Discovery { targets, left_out, unseen } = discovery;
    let left_out = Inventory::new(Timestamp::now(), left_out, Vec::new(), Vec::new(), Vec::new());
    let mut calls = Vec::new();
    let mut parts = vec![left_out];
    collect_each(aws, targets, wanted, scope, progress, async |observed| {
        calls.push(observed.calls);
        parts.push(observed.inventory);
    })
    .await;
    let others = aws.meters.take(None);
    calls.push(others.calls);
    let mut facts = Facts::default();
    parts.iter().for_each(|part| facts.add(Facts::of(part)));
    let accounts: Vec<Account> = parts.iter().flat_map(|part| part.accounts.iter().cloned()).collect();
    facts.complete(&accounts, unseen.as_ref());
    let mut inventory = join(parts, &facts, scope.regions.is_empty());
    inventory.add_coverage(others.coverage);
    (inventory, OperationCount::summed(calls.into_iter().flatten()))
}

/// Collects what is `wanted` of every account, a bounded number of them at once, each in a task of its own, and gives
/// each to `take` when it is done. While that takes its time, no other account is begun.
pub async fn collect_each(
    aws: &Arc<Aws>,
    targets: Vec<Target>,
    wanted: &Wanted,
    scope: &Scope,
    progress: &Progress,
    mut take: impl AsyncFnMut(Observed),
) {
    progress.begin(targets.len());
    let job = Arc::new(Job { wanted: wanted.clone(), asked_regions: scope.regions.clone() });
    // Dropped when the run is cancelled, which ends the tasks.
    let mut tasks: JoinSet<Outcome> = JoinSet::new();
    let mut running: HashMap<Id, Account> = HashMap::new();
    let mut waiting = targets.into_iter();
    loop {
        while tasks.len() < MAX_ACCOUNTS_IN_FLIGHT
            && let Some(target) = waiting.next()
        {
            let account = target.account.clone();
            let span = tracing::info_span!("account", id = %account.id);
            let task = tasks.spawn(collect_account(target, Arc::clone(&job)).instrument(span));
            running.insert(task.id(), account);
        }
        let Some(ended) = tasks.join_next_with_id().await else { return };
        let outcome = match ended {
            Ok((id, outcome)) => {
                running.remove(&id);
                Some(outcome)
            }
            // A fault in a collector costs the account it met, not the run.
            Err(error) => {
                let account = running.remove(&error.id());
                account.map(|account| Outcome::broken(account, &error.to_string()))
            }
        };
        if let Some(outcome) = outcome {
            let metered = aws.meters.take(Some(&outcome.account.id));
            take(Observed::of(outcome, metered)).await;
        }
        progress.end_one();
    }
}

async fn collect_account(target: Target, job: Arc<Job>) -> Outcome {
    let observed_at = Timestamp::now();
    let Target { account, session } = target;
    if let Err(unseen) = session.enter().await {
        tracing::warn!(account = %account.id, code = %unseen.code, "account not entered; everything in it is unknown");
        return Outcome::failed(account, unseen);
    }
    let home = session.home();
    let found = found_regions(&home, &job);
    let names = found.clone().map(|found| found.scanned.map(Arc::from)).boxed().shared();
    let ask =
        Ask { place: &home, wanted: &job.wanted, regions: &[], partition: &account.partition, only: None };
    let (mut collected, (in_regions, found)) = futures::join!(
        Box::pin(collect::global(ask, &account.name, &names)),
        collect_in_regions(&home, &job, &account, found)
    );
    collected.extend(in_regions);
    let Regions { scanned, absent: absent_regions } = found;
    Outcome {
        observed_at,
        account: Account { regions: scanned.unwrap_or_else(|_| Vec::new()), ..account },
        collected,
        absent_regions,
    }
}

/// The regions of the account, which are asked for when somebody awaits them first.
fn found_regions(home: &Place, job: &Arc<Job>) -> Shared<BoxFuture<'static, Regions>> {
    let (session, job) = (Arc::clone(home.session()), Arc::clone(job));
    async move { regions(&session, &job.asked_regions).await }.boxed().shared()
}

/// Collects what lies in the regions, from all of them at once.
async fn collect_in_regions(
    home: &Place,
    job: &Job,
    account: &Account,
    found: Shared<BoxFuture<'static, Regions>>,
) -> (Collected, Regions) {
    if !job.wanted.needs_regions() {
        return (Collected::nothing(), Regions { scanned: Ok(Vec::new()), absent: Vec::new() });
    }
    let found = found.await;
    let names = match &found.scanned {
        Ok(names) => names,
        Err(unseen) => return (all_unknown(&job.wanted, &account.id, unseen), found),
    };
    let places: Vec<Place> = names.iter().map(|region| home.session().region(region)).collect();
    let ask =
        |place| Ask { place, wanted: &job.wanted, regions: names, partition: &account.partition, only: None };
    let in_each = places.iter().map(|place| collect::regional(ask(place)).boxed());
    (Collected::together(in_each).await, found)
}

/// No region is known, so nothing can be said of what lies in them: neither that it is there nor that it is not.
fn all_unknown(wanted: &Wanted, account: &str, unseen: &Unseen) -> Collected {
    let listings = wanted
        .iter()
        .filter(|(kind, _)| kind.scope == collect::Scope::Regional)
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
            observed_at: Timestamp::now(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::RoleSettings;
    use crate::aws::{Limits, RoleRequest, Session};
    use crate::collect::{account, cloudtrail};

    const OWN: &str = "111111111111";
    const MEMBER: &str = "222222222222";

    fn target(id: &str, session: Arc<Session>) -> Target {
        let account = Account {
            id: id.to_owned(),
            name: String::new(),
            partition: "aws".to_owned(),
            is_management: None,
            organization: None,
            units: None,
            unit_ids: None,
            tags: None,
            regions: Vec::new(),
            state: AccountState::Scanned,
        };
        Target { account, session }
    }

    /// Collects accounts and trails while nothing listens where AWS should be.
    async fn collect_without_aws(scope: &Scope) -> Inventory {
        let aws = Aws::at("http://127.0.0.1:9", &Limits { max_attempts: 1, ..Limits::standard() });
        let own = aws.own_session(OWN);
        let role = RoleRequest {
            arn: RoleSettings::standard().arn("aws", MEMBER),
            external_id: None,
            session_name: "upright".to_owned(),
            duration: std::time::Duration::from_secs(3600),
        };
        let member = Session::in_role(&own, MEMBER, role);
        let targets = vec![target(MEMBER, member), target(OWN, own)];
        let discovery = Discovery { targets, left_out: Vec::new(), unseen: None };
        let mut wanted = Wanted::nothing();
        wanted.add(&account::ACCOUNT, None);
        wanted.add(&cloudtrail::TRAIL, None);
        let progress = Progress::start();
        let (inventory, _) = collect(&aws, discovery, &wanted, scope, &progress).await;
        let snapshot = progress.snapshot(&aws);
        assert_eq!((snapshot.accounts, snapshot.done), (2, 2));
        inventory
    }

    fn unseen_of<'a>(inventory: &'a Inventory, region: &str) -> &'a Unseen {
        let trails = inventory.listings_of(OWN, "aws.cloudtrail.trail").collect::<Vec<_>>();
        let [Listing { region: at, count: Facet::Unknown(unseen), .. }] = trails.as_slice() else {
            panic!("{trails:?}");
        };
        assert_eq!(at, region);
        unseen
    }

    #[tokio::test]
    async fn an_account_that_cannot_be_entered_fails_and_takes_no_other_along() {
        let inventory = collect_without_aws(&Scope::own()).await;
        let state = &inventory.account(MEMBER).unwrap().state;
        let AccountState::Failed { unseen } = state else { panic!("{state:?}") };
        assert_eq!((unseen.cause.clone(), unseen.account.as_str()), (Cause::NotEntered, MEMBER));
        assert!(inventory.listings().iter().all(|listing| listing.account == OWN));
        assert_eq!(inventory.of_kind(OWN, "aws.account").count(), 1);
    }

    #[tokio::test]
    async fn without_a_list_of_regions_what_lies_in_them_is_unknown() {
        let inventory = collect_without_aws(&Scope::own()).await;
        assert_eq!(unseen_of(&inventory, GLOBAL).operation, "ec2:DescribeRegions");
        assert_eq!(inventory.account(OWN).unwrap().regions, [""; 0]);
    }

    #[tokio::test]
    async fn regions_that_were_asked_for_are_tried_all_the_same() {
        let scope = Scope { regions: vec!["eu-west-1".to_owned()], ..Scope::own() };
        let inventory = collect_without_aws(&scope).await;
        assert_eq!(unseen_of(&inventory, "eu-west-1").operation, "cloudtrail:DescribeTrails");
        assert_eq!(inventory.account(OWN).unwrap().regions, ["eu-west-1"]);
    }
}
