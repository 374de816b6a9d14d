//! Who is scanned: the caller's own account, accounts by id, or the organization's.
//!
//! This module finds the accounts and says how each is entered; it enters none and reads nothing in them
//! but the list of enabled regions. An account that is left out is told of with the reason, and one of
//! which cannot be known whether it belongs is unknown: no account vanishes.

mod error;
mod organization;
mod region;
mod role;
mod selector;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::aws::{ASSUME_ROLE, Call, Caller, GET_CALLER_IDENTITY, Session};
use crate::collect::Wanted;
use crate::inventory::{Account, AccountState, Facet, Unseen};

pub use error::DiscoverError;
pub(crate) use organization::{
    DESCRIBE_ORGANIZATION, LIST_ACCOUNTS_OF_UNIT, LIST_ROOTS, LIST_UNITS, has_ended, is_active,
};
pub use region::{Regions, enabled_regions, regions};
pub use role::RoleSettings;
pub use selector::Selector;

use organization::{Lifecycle, Member, Organization};
use selector::Choice;

/// What is to be scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Whether the accounts of the caller's organization are scanned.
    pub organization: bool,
    /// Accounts by id, twelve digits each. With `organization` they are scanned besides, whether `include`
    /// matches them or not.
    pub accounts: Vec<String>,
    /// Which accounts of the organization are scanned; all of them when it is empty.
    pub include: Selector,
    /// Which accounts are not scanned. It wins over everything else.
    pub exclude: Selector,
    /// The role by which accounts other than the caller's own are entered.
    pub role: RoleSettings,
    /// The regions to scan; every enabled region of each account when it is empty.
    pub regions: Vec<String>,
    /// Whether the organizational units of accounts are read although no selector names one: a waiver does.
    pub reads_units: bool,
    /// Whether the tags of the organization's accounts are read though no selector needs them.
    pub account_tags: bool,
}

impl Scope {
    /// The caller's own account, in all its regions: what is scanned when nothing is configured.
    #[must_use]
    pub fn own() -> Self {
        Self {
            organization: false,
            accounts: Vec::new(),
            include: Selector::empty(),
            exclude: Selector::empty(),
            role: RoleSettings::standard(),
            regions: Vec::new(),
            reads_units: false,
            account_tags: false,
        }
    }

    /// Whether accounts other than the caller's own may be scanned.
    #[must_use]
    pub fn enters_others(&self) -> bool {
        self.organization || !self.accounts.is_empty()
    }

    fn selects_units(&self) -> bool {
        !(self.include.units.is_empty() && self.exclude.units.is_empty())
    }

    /// Whether the units of accounts must be known; outside an organization there are none.
    fn needs_units(&self) -> bool {
        self.selects_units() || (self.organization && self.reads_units)
    }

    fn selects_tags(&self) -> bool {
        !(self.include.tags.is_empty() && self.exclude.tags.is_empty())
    }

    fn reads_tags(&self) -> bool {
        self.selects_tags() || (self.organization && self.account_tags)
    }

    /// Finds what AWS would refuse in every account, before it does.
    fn check(&self) -> Result<(), DiscoverError> {
        let lists = [
            ("accounts", &self.accounts),
            ("include.accounts", &self.include.accounts),
            ("exclude.accounts", &self.exclude.accounts),
        ];
        for (setting, ids) in lists {
            if let Some(id) = ids.iter().find(|id| !is_account_id(id)) {
                return Err(DiscoverError::setting(setting, id, "an account id is twelve digits"));
            }
        }
        if !self.organization && (self.selects_units() || self.selects_tags() || !self.include.is_empty()) {
            return Err(DiscoverError::SelectorNeedsOrganization);
        }
        self.role.check()
    }
}

/// Whether it is the id of an account: twelve digits, which lead nowhere else in a path.
pub(crate) fn is_account_id(id: &str) -> bool {
    id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())
}

/// How often a call of [`CALLS`] is made, and with whose credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// Once in a run, by the scanner.
    Once,
    /// Once for each organizational unit, by the scanner.
    PerUnit,
    /// Once for each account, by the scanner.
    PerAccount,
    /// Once in each account, by the role there.
    InAccount,
}

/// A call that finds or enters accounts.
#[derive(Debug)]
pub struct ScopeCall {
    /// The call.
    pub call: &'static Call,
    /// How often, and by whom.
    pub made: Made,
    /// Whether a scan of that scope makes it.
    pub needed: fn(&Scope, &Wanted) -> bool,
}

/// The calls of this module, beside those of the collectors in [`Wanted::calls`].
pub static CALLS: &[ScopeCall] = &[
    ScopeCall { call: &GET_CALLER_IDENTITY, made: Made::Once, needed: |_, _| true },
    ScopeCall { call: &organization::LIST_ACCOUNTS, made: Made::Once, needed: |scope, _| scope.organization },
    ScopeCall {
        call: &organization::DESCRIBE_ORGANIZATION,
        made: Made::Once,
        needed: |scope, _| scope.organization,
    },
    ScopeCall { call: &organization::LIST_ROOTS, made: Made::Once, needed: |scope, _| scope.needs_units() },
    ScopeCall {
        call: &organization::LIST_UNITS,
        made: Made::PerUnit,
        needed: |scope, _| scope.needs_units(),
    },
    ScopeCall {
        call: &organization::LIST_ACCOUNTS_OF_UNIT,
        made: Made::PerUnit,
        needed: |scope, _| scope.needs_units(),
    },
    ScopeCall {
        call: &organization::LIST_TAGS,
        made: Made::PerAccount,
        needed: |scope, _| scope.reads_tags(),
    },
    ScopeCall { call: &ASSUME_ROLE, made: Made::PerAccount, needed: |scope, _| scope.enters_others() },
    ScopeCall {
        call: &region::DESCRIBE_REGIONS,
        made: Made::InAccount,
        needed: |_, wanted| wanted.needs_regions(),
    },
];

/// An account to scan.
#[derive(Debug, Clone)]
pub struct Target {
    /// What is known of it so far; its regions are not yet.
    pub account: Account,
    /// Its session, not yet entered.
    pub session: Arc<Session>,
}

/// The accounts of a run.
#[derive(Debug)]
pub struct Discovery {
    /// Those to scan, by id.
    pub targets: Vec<Target>,
    /// Those that are not scanned: skipped on purpose, or failed because it cannot be known whether they
    /// belong. By id.
    pub left_out: Vec<Account>,
    /// Why the organization's id and management account are not known, when they were asked for.
    pub unseen: Option<Unseen>,
}

/// Finds the accounts to scan. `own` is the session of the `caller`.
///
/// # Errors
/// When the settings contradict AWS's rules, when the organization's accounts cannot be listed (a scan of
/// less than was asked for would pass for the whole), when a selector names a unit that does not exist, or
/// when no account is left.
pub async fn discover(
    caller: &Caller,
    own: &Arc<Session>,
    scope: &Scope,
) -> Result<Discovery, DiscoverError> {
    scope.check()?;
    let discovery = if scope.organization {
        let organization = organization::read(own, scope).await?;
        tracing::info!(accounts = organization.members.len(), "organization listed");
        sort_out(caller, own, scope, organization)?
    } else {
        by_id(caller, own, scope)
    };
    let is_unknown = |account: &Account| matches!(account.state, AccountState::Failed { .. });
    if discovery.targets.is_empty() && !discovery.left_out.iter().any(is_unknown) {
        return Err(DiscoverError::NothingLeft { skipped: discovery.left_out.len() });
    }
    Ok(discovery)
}

/// Without the organization: the accounts of the list, or the caller's own.
fn by_id(caller: &Caller, own: &Arc<Session>, scope: &Scope) -> Discovery {
    let ids: BTreeSet<&str> = if scope.accounts.is_empty() {
        BTreeSet::from([caller.account.as_str()])
    } else {
        scope.accounts.iter().map(String::as_str).collect()
    };
    let mut discovery = Discovery { targets: Vec::new(), left_out: Vec::new(), unseen: None };
    for id in ids {
        let account = bare_account(id, &caller.partition);
        let choice = match scope.exclude.matches_id(id) {
            Some(why) => Choice::Skip(format!("excluded: {why}")),
            None => Choice::Scan,
        };
        discovery.add(caller, own, scope, account, choice);
    }
    discovery
}

/// With the organization: each of its accounts is scanned, skipped or unknown, and so are those of the
/// list that are not in it.
fn sort_out(
    caller: &Caller,
    own: &Arc<Session>,
    scope: &Scope,
    organization: Organization,
) -> Result<Discovery, DiscoverError> {
    organization.check_units(scope)?;
    let (about, unseen) = match organization.about {
        Facet::Known(about) => (Some(about), None),
        Facet::Unknown(unseen) => (None, Some(unseen)),
    };
    let mut discovery = Discovery { targets: Vec::new(), left_out: Vec::new(), unseen };
    let known: BTreeSet<String> = organization.members.iter().map(|m| m.id.clone()).collect();
    for member in organization.members {
        let choice = choose(scope, &member);
        let mut account = bare_account(&member.id, &caller.partition);
        account.is_management = about.as_ref().map(|about| about.management_account == member.id);
        account.organization = about.as_ref().map(|about| about.id.clone());
        account.name = member.name;
        if let Facet::Known(path) = &member.units {
            account.units = Some(organization::names(path));
            account.unit_ids = Some(path.iter().map(|unit| unit.id.clone()).collect());
        }
        if let Facet::Known(tags) = member.tags {
            account.tags = Some(tags);
        }
        discovery.add(caller, own, scope, account, choice);
    }
    let outside = |id: &&String| !known.contains(id.as_str());
    for id in scope.accounts.iter().filter(outside).collect::<BTreeSet<_>>() {
        let choice = match scope.exclude.matches_id(id) {
            Some(why) => Choice::Skip(format!("excluded: {why}")),
            None => Choice::Scan,
        };
        discovery.add(caller, own, scope, bare_account(id, &caller.partition), choice);
    }
    let listed = |id: &&String| outside(id) && !scope.accounts.contains(id);
    for id in scope.include.accounts.iter().filter(listed).collect::<BTreeSet<_>>() {
        let choice = Choice::Skip("named in `include`, but not in the organization".to_owned());
        discovery.add(caller, own, scope, bare_account(id, &caller.partition), choice);
    }
    discovery.targets.sort_by(|a, b| a.account.id.cmp(&b.account.id));
    discovery.left_out.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(discovery)
}

/// What is done with an account of the organization. What is decided does not wait for what is unknown.
fn choose(scope: &Scope, member: &Member) -> Choice {
    if let Lifecycle::Ended(reason) = &member.lifecycle {
        return Choice::Skip(reason.clone());
    }
    let excluded = scope.exclude.matches(member);
    if let Ok(Some(why)) = excluded {
        return Choice::Skip(format!("excluded: {why}"));
    }
    let is_listed = scope.accounts.contains(&member.id);
    if !is_listed && !scope.include.is_empty() {
        match scope.include.matches(member) {
            Ok(Some(_)) => {}
            Ok(None) => return Choice::Skip("not included".to_owned()),
            Err(unseen) => return Choice::Unknown(unseen),
        }
    }
    match excluded {
        Ok(_) => Choice::Scan,
        Err(unseen) => Choice::Unknown(unseen),
    }
}

/// An account with the session by which it is entered: that of the caller, or one in the role there.
#[must_use]
pub fn target(caller: &Caller, own: &Arc<Session>, role: &RoleSettings, account: Account) -> Target {
    let session = if account.id == caller.account {
        Arc::clone(own)
    } else {
        Session::in_role(own, &account.id, role.request(&account.id, caller))
    };
    Target { account, session }
}

impl Discovery {
    fn add(
        &mut self,
        caller: &Caller,
        own: &Arc<Session>,
        scope: &Scope,
        mut account: Account,
        choice: Choice,
    ) {
        match choice {
            Choice::Scan => {
                self.targets.push(target(caller, own, &scope.role, account));
            }
            Choice::Skip(reason) => {
                account.state = AccountState::Skipped { reason };
                self.left_out.push(account);
            }
            Choice::Unknown(unseen) => {
                account.state = AccountState::Failed { unseen };
                self.left_out.push(account);
            }
        }
    }
}

/// An account of which nothing but the id is known.
fn bare_account(id: &str, partition: &str) -> Account {
    Account {
        id: id.to_owned(),
        name: String::new(),
        partition: partition.to_owned(),
        is_management: None,
        organization: None,
        units: None,
        unit_ids: None,
        tags: None,
        regions: Vec::new(),
        state: AccountState::Scanned,
    }
}
