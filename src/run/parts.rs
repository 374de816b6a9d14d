//! The accounts of a run one by one: each is collected by itself, and joined with what it must know of the others. One
//! process does it for all of them, or as many processes as there are accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Job, Outcome, collect_account};
use crate::accounts::{Scope, Target};
use crate::aws::{Aws, Metered, OperationCount};
use crate::collect::{Collected, Wanted, accessanalyzer, across};
use crate::inventory::{Account, Inventory, Listing, Resource, Unseen};

/// What was observed in an account, and what that took.
#[derive(Debug)]
pub struct Observed {
    /// The account and what is in it. What rests on several accounts is open until [`join`].
    pub inventory: Inventory,
    /// Calls by operation.
    pub calls: Vec<OperationCount>,
}

impl Observed {
    pub(super) fn of(outcome: Outcome, Metered { calls, coverage }: Metered) -> Self {
        let Outcome { observed_at, account, collected, absent_regions } = outcome;
        let id = account.id.clone();
        let Collected { resources, listings } = collected;
        let mut inventory = Inventory::new(observed_at, vec![account], resources, listings, coverage);
        if !absent_regions.is_empty() {
            inventory.absent_regions.insert(id, absent_regions);
        }
        Self { inventory, calls }
    }
}

/// Collects what is `wanted` of one account, by a connection that is there for nothing else. Never fails, as
/// [`super::collect`] does not.
pub async fn collect_one(aws: &Arc<Aws>, target: Target, wanted: &Wanted, scope: &Scope) -> Observed {
    let job = Job { wanted: wanted.clone(), asked_regions: scope.regions.clone() };
    let outcome = collect_account(target, Arc::new(job)).await;
    Observed::of(outcome, aws.meters.take(None))
}

/// What the accounts of a run must know of each other: a few resources of each.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    resources: Vec<Resource>,
    listings: Vec<Listing>,
}

impl Facts {
    /// What the others must know of the accounts of an inventory.
    #[must_use]
    pub fn of(inventory: &Inventory) -> Self {
        let kind = accessanalyzer::REGION.name;
        let resources = inventory.resources().iter().filter(|resource| resource.kind == kind);
        // Why an account's regions are not known stands in its listings, whatever their type.
        let listings = inventory.listings().iter().filter(|listing| listing.kind == kind);
        Self {
            resources: resources.map(|resource| Resource::clone(resource)).collect(),
            listings: listings.cloned().collect(),
        }
    }

    /// Adds those of another account.
    pub fn add(&mut self, other: Self) {
        self.resources.extend(other.resources);
        self.listings.extend(other.listings);
    }

    /// Fills in what rests on several accounts, when those of all are there.
    pub fn complete(&mut self, accounts: &[Account], unseen: Option<&Unseen>) {
        let mut collected = Collected {
            resources: std::mem::take(&mut self.resources),
            listings: std::mem::take(&mut self.listings),
        };
        across::complete(&mut collected, accounts, true, unseen);
        self.resources = collected.resources;
        self.resources.sort_by(|a, b| (&a.account, &a.region).cmp(&(&b.account, &b.region)));
        self.listings = collected.listings;
    }

    /// Those of an account.
    fn of_account(&self, id: &str) -> &[Resource] {
        let start = self.resources.partition_point(|resource| resource.account.as_str() < id);
        let end = self.resources.partition_point(|resource| resource.account.as_str() <= id);
        self.resources.get(start..end).unwrap_or_default()
    }
}

/// The inventories of some accounts as one, with what rests on several accounts filled in from the completed facts. The
/// other accounts of the run are left out of it. The time is that of the first.
#[must_use]
pub fn join(inventories: Vec<Inventory>, facts: &Facts, every_region: bool) -> Inventory {
    let observed_at = inventories.first().map_or(Timestamp::UNIX_EPOCH, |first| first.observed_at);
    let (mut accounts, mut coverage, mut absent_regions) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut collected = Collected::nothing();
    for mut inventory in inventories {
        accounts.append(&mut inventory.accounts);
        coverage.append(&mut inventory.coverage);
        absent_regions.append(&mut inventory.absent_regions);
        let (resources, listings) = inventory.into_parts();
        collected.extend(Collected { resources, listings });
    }
    across::complete(&mut collected, &accounts, every_region, None);
    collected.resources.retain(|resource| resource.kind != accessanalyzer::REGION.name);
    for account in &accounts {
        collected.resources.extend(facts.of_account(&account.id).iter().cloned());
    }
    let Collected { resources, listings } = collected;
    let mut inventory = Inventory::new(observed_at, accounts, resources, listings, coverage);
    inventory.absent_regions = absent_regions;
    inventory
}
