//! What was observed in the accounts of one run, and what was not.
//!
//! Everything downstream (controls, findings, reports) reads an [`Inventory`]; nothing downstream
//! calls AWS. The module knows no AWS service and no control: it holds [`Resource`]s made of
//! [`Facet`]s, the [`Listing`]s that say which lists were read completely, and the coverage.
//!
//! The one rule that everything hangs on: a value that was not read is [`Facet::Unknown`] with an
//! [`Unseen`] that says why. There is no default to fall back on.

mod facet;
mod file;
mod unseen;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use facet::{FACET, Facet};
pub use file::{InventoryFileError, load, read, save, write};
pub(crate) use unseen::NO_CONNECTION;
pub use unseen::{Cause, Denial, Unseen};

/// The region that stands for services without one (IAM, Organizations, the bucket list).
pub const GLOBAL: &str = "global";

/// One thing in an account: identity, and the fields that were or were not observed.
///
/// Field names and types are those of the resource type's Rust struct in `collect/`, as published by
/// `upright controls schema`. A field that no call of this run was meant to fill is absent here and
/// reads as [`Cause::NotCollected`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resource {
    /// Resource type, such as `aws.s3.bucket`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Full ARN, unique for its kind within an account.
    pub arn: String,
    /// Account that was looked at; a trail of the organization is seen from many.
    pub account: String,
    /// Region, or [`GLOBAL`].
    pub region: String,
    /// What people call it: bucket name, user name, group name.
    pub name: String,
    /// Fields by name.
    pub fields: BTreeMap<String, Facet<Value>>,
}

/// Whether the resources of one type in one account and region could all be listed.
///
/// A claim that something does not exist may rest only on listings that are known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listing {
    /// Account that was asked.
    pub account: String,
    /// Region that was asked, or [`GLOBAL`].
    pub region: String,
    /// Resource type that was listed.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many were found, or why the list could not be read.
    pub count: Facet<usize>,
}

/// An account of the run, or one that was left out of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// Name in the organization; empty when the scan had no access to Organizations.
    pub name: String,
    /// `aws`, `aws-us-gov`, `aws-cn`, …
    pub partition: String,
    /// Whether this is the organization's management account; `None` when that was not asked or not seen.
    pub is_management: Option<bool>,
    /// Organization id (`o-…`), when known.
    pub organization: Option<String>,
    /// Names of the organizational units from the root to the account; `None` when they were not asked for
    /// or not seen.
    pub units: Option<Vec<String>>,
    /// Ids of the same units, with that of the root (`r-…`) first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_ids: Option<Vec<String>>,
    /// Tags of the account in Organizations; `None` when they were not asked for or not seen.
    pub tags: Option<BTreeMap<String, String>>,
    /// Regions that were scanned.
    pub regions: Vec<String>,
    /// Whether and how it was scanned.
    pub state: AccountState,
}

impl Account {
    /// Whether controls have verdicts on it: also when it could not be entered, not when it was left out.
    #[must_use]
    pub const fn is_judged(&self) -> bool {
        !matches!(self.state, AccountState::Skipped { .. })
    }
}

/// What became of an account in this run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AccountState {
    /// It was entered; single calls may still have failed, see the coverage.
    Scanned,
    /// It was left out on purpose: suspended, or excluded by the configuration.
    Skipped {
        /// Why, in words.
        reason: String,
    },
    /// It could not be entered: every control is unknown in it.
    Failed {
        /// What AWS said.
        unseen: Unseen,
    },
}

/// How the calls of one operation in one account and region went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Account that was asked.
    pub account: String,
    /// Region that was asked, or `global`.
    pub region: String,
    /// Service prefix, such as `s3`.
    pub service: String,
    /// Operation, such as `GetBucketPolicy`.
    pub operation: String,
    /// `ok`: every call answered. `partial`: some did. `failed`: none did.
    pub state: CoverageState,
    /// Calls that answered (a list's pages count as one).
    pub answered: u64,
    /// Calls that did not.
    pub unanswered: u64,
    /// Resources that were deleted between the list and the call; they are no gap.
    pub gone: u64,
    /// The failures, one of each kind with the resources they concern.
    pub errors: Vec<CoverageError>,
}

/// State of one row of [`Coverage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CoverageState {
    /// Every call answered.
    Ok,
    /// Some calls answered.
    Partial,
    /// No call answered.
    Failed,
}

/// One kind of failure of one operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CoverageError {
    /// What AWS, or the network, said.
    pub unseen: Unseen,
    /// Times it happened.
    pub count: u64,
}

/// Everything observed in one run, indexed.
///
/// INVARIANT: `resources` is sorted by account, kind, region and ARN, and holds no such key twice, so
/// that whatever is derived from it has a fixed order.
#[derive(Debug)]
pub struct Inventory {
    /// When collection started. Ages in controls are measured against it, so that a saved inventory
    /// gives the same findings later.
    pub observed_at: Timestamp,
    /// The accounts, by id.
    pub accounts: Vec<Account>,
    /// Which regions a user asked for and some account does not have: account id → region names.
    pub absent_regions: BTreeMap<String, Vec<String>>,
    /// How the calls went.
    pub coverage: Vec<Coverage>,
    resources: Vec<Arc<Resource>>,
    listings: Vec<Listing>,
    by_place: HashMap<(String, String), Vec<usize>>,
    by_arn: HashMap<(String, String), Vec<usize>>,
    missed: Mutex<Missed>,
}

/// What was looked for in an inventory and lies in accounts that are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missed {
    /// The accounts.
    pub accounts: BTreeSet<String>,
    /// ARNs that name no account, as those of buckets.
    pub arns: BTreeSet<String>,
}

impl Inventory {
    /// Sorts and indexes what was collected. Of two resources with the same identity the first stays.
    #[must_use]
    pub fn new(
        observed_at: Timestamp,
        mut accounts: Vec<Account>,
        resources: Vec<Resource>,
        listings: Vec<Listing>,
        mut coverage: Vec<Coverage>,
    ) -> Self {
        accounts.sort_by(|a, b| a.id.cmp(&b.id));
        sort_coverage(&mut coverage);
        let resources = resources.into_iter().map(Arc::new).collect();
        Self::indexed(observed_at, accounts, resources, listings, coverage)
    }

    /// Adds how other calls went.
    pub fn add_coverage(&mut self, coverage: Vec<Coverage>) {
        self.coverage.extend(coverage);
        sort_coverage(&mut self.coverage);
    }

    /// The same accounts with other resources and listings.
    #[must_use]
    pub fn with(&self, resources: Vec<Arc<Resource>>, listings: Vec<Listing>) -> Self {
        let (accounts, coverage) = (self.accounts.clone(), self.coverage.clone());
        let mut inventory = Self::indexed(self.observed_at, accounts, resources, listings, coverage);
        inventory.absent_regions.clone_from(&self.absent_regions);
        inventory
    }

    fn indexed(
        observed_at: Timestamp,
        accounts: Vec<Account>,
        mut resources: Vec<Arc<Resource>>,
        mut listings: Vec<Listing>,
        coverage: Vec<Coverage>,
    ) -> Self {
        resources.sort_by(|a, b| identity(a).cmp(&identity(b)));
        resources.dedup_by(|b, a| identity(a) == identity(b));
        listings.sort_by(|a, b| (&a.account, &a.kind, &a.region).cmp(&(&b.account, &b.kind, &b.region)));
        let mut by_place: HashMap<_, Vec<usize>> = HashMap::new();
        let mut by_arn: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, resource) in resources.iter().enumerate() {
            by_place.entry((resource.account.clone(), resource.kind.clone())).or_default().push(index);
            by_arn.entry((resource.kind.clone(), resource.arn.clone())).or_default().push(index);
        }
        Self {
            observed_at,
            accounts,
            absent_regions: BTreeMap::new(),
            coverage,
            resources,
            listings,
            by_place,
            by_arn,
            missed: Mutex::default(),
        }
    }

    /// What was looked for so far and lies in accounts that are not part of it: with those accounts, what is derived
    /// from it might be different.
    #[must_use]
    pub fn missed(&self) -> Missed {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that something is looked for in an account.
    fn looks_in(&self, account: &str) {
        if self.account(account).is_none() {
            let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
            if !missed.accounts.contains(account) {
                missed.accounts.insert(account.to_owned());
            }
        }
    }

    /// Its resources and listings, without the indexes.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Resource>, Vec<Listing>) {
        let resources = self.resources.into_iter().map(Arc::unwrap_or_clone);
        (resources.collect(), self.listings)
    }

    /// Every resource, in the order of the invariant.
    #[must_use]
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// Every listing, by account, type and region.
    #[must_use]
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// The resources of one type seen in one account.
    pub fn of_kind<'a>(&'a self, account: &str, kind: &str) -> impl Iterator<Item = &'a Arc<Resource>> {
        self.by_place
            .get(&(account.to_owned(), kind.to_owned()))
            .into_iter()
            .flatten()
            .filter_map(|index| self.resources.get(*index))
    }

    /// The listings of one type in one account, one for each region that was asked.
    pub fn listings_of<'a>(&'a self, account: &'a str, kind: &'a str) -> impl Iterator<Item = &'a Listing> {
        self.looks_in(account);
        let start =
            self.listings.partition_point(|l| (l.account.as_str(), l.kind.as_str()) < (account, kind));
        self.listings
            .get(start..)
            .unwrap_or(&[])
            .iter()
            .take_while(move |l| l.account == account && l.kind == kind)
    }

    /// Why resources of one type in one account may exist that were not seen: one reason for each place
    /// whose list could not be read, was not asked for, or belongs to an account that was not entered.
    /// A claim that something is absent needs this to be empty.
    #[must_use]
    pub fn holes(&self, account: &str, kind: &str, is_global: bool) -> Vec<Unseen> {
        let Some(seen) = self.account(account) else {
            let message = "the account is not among what was scanned".to_owned();
            return vec![Unseen::without_call(account, GLOBAL, Cause::OutOfScope, message)];
        };
        if let AccountState::Failed { unseen } = &seen.state {
            return vec![unseen.clone()];
        }
        let failed = self.listings_of(account, kind).filter_map(|listing| match &listing.count {
            Facet::Known(_) => None,
            Facet::Unknown(unseen) => Some(unseen.clone()),
        });
        let mut holes: Vec<Unseen> = failed.collect();
        let global = [GLOBAL.to_owned()];
        // Without regions nothing was looked for in any; that is no sign that there is nothing.
        let places: &[String] =
            if is_global || (seen.regions.is_empty() && holes.is_empty()) { &global } else { &seen.regions };
        for place in places {
            if !self.listings_of(account, kind).any(|listing| listing.region == *place) {
                let message = format!("`{kind}` was not listed there");
                holes.push(Unseen::without_call(account, place, Cause::NotCollected, message));
            }
        }
        holes
    }

    /// Resolves a reference to another resource. `from` is the account that looks: where several
    /// accounts see the same ARN, its own view comes first.
    #[must_use]
    pub fn find(&self, kind: &str, arn: &str, from: &str) -> Option<&Arc<Resource>> {
        let seen = self.by_arn.get(&(kind.to_owned(), arn.to_owned()));
        // The account that it lies in may see more of it than others.
        match arn.split(':').nth(4) {
            Some(owner) if !owner.is_empty() => self.looks_in(owner),
            _ if seen.is_none() => {
                let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
                missed.arns.insert(arn.to_owned());
            }
            _ => {}
        }
        let seen = seen?;
        let at = |index: &usize| self.resources.get(*index);
        seen.iter().filter_map(at).find(|r| r.account == from).or_else(|| seen.iter().find_map(at))
    }

    /// An account by id.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts
            .binary_search_by(|a| a.id.as_str().cmp(id))
            .ok()
            .and_then(|index| self.accounts.get(index))
    }
}

fn sort_coverage(coverage: &mut [Coverage]) {
    coverage.sort_by(|a, b| {
        (&a.account, &a.service, &a.operation, &a.region).cmp(&(
            &b.account,
            &b.service,
            &b.operation,
            &b.region,
        ))
    });
}

fn identity(r: &Resource) -> (&str, &str, &str, &str) {
    (&r.account, &r.kind, &r.region, &r.arn)
}
