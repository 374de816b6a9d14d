//! Reading the organization: its accounts, and what selectors ask about them.
//!
//! Calls, all with the scanner's own credentials, from the management account or a delegated administrator:
//! `ListAccounts` and `DescribeOrganization`; `ListRoots`, `ListOrganizationalUnitsForParent` and
//! `ListAccountsForParent` when a selector names units; `ListTagsForResource` for each account when one names
//! tags. The tree is read from its root: there are fewer units than accounts.
//!
//! Quirks: `Status` of an account is
//! [being retired](https://docs.aws.amazon.com/organizations/latest/APIReference/API_Account.html) for `State`,
//! which tells a closed account from a suspended one. Organizations allows few calls a second, so only a few
//! are made at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_organizations::Client;
use aws_sdk_organizations::types as sdk;
use futures::StreamExt;
use futures::stream;

use super::{DiscoverError, Scope};
use crate::aws::{Call, Place, Reply, Session};
use crate::inventory::{Cause, Facet, GLOBAL, Unseen};

/// Calls to Organizations in flight at once.
const CONCURRENCY: usize = 8;
/// A unit is suggested for a name that is at least this much like it.
const SIMILAR: f64 = 0.7;
/// Why accounts that are not in use are skipped.
const SUSPENDED: &str = "suspended in the organization";
const BEING_CLOSED: &str = "being closed";
const CLOSED: &str = "closed";
const NOT_ACTIVATED: &str = "not activated yet";

pub(super) static LIST_ACCOUNTS: Call = Call::list("organizations", "ListAccounts", "Accounts");
pub(crate) static DESCRIBE_ORGANIZATION: Call =
    Call::one("organizations", "DescribeOrganization", "Organization")
        .absent(&["AWSOrganizationsNotInUseException"]);
pub(crate) static LIST_ROOTS: Call = Call::list("organizations", "ListRoots", "Roots");
pub(crate) static LIST_UNITS: Call =
    Call::list("organizations", "ListOrganizationalUnitsForParent", "OrganizationalUnits")
        .gone(&["ParentNotFoundException"]);
pub(crate) static LIST_ACCOUNTS_OF_UNIT: Call =
    Call::list("organizations", "ListAccountsForParent", "Accounts").gone(&["ParentNotFoundException"]);
pub(super) static LIST_TAGS: Call =
    Call::list("organizations", "ListTagsForResource", "Tags").gone(&["TargetNotFoundException"]);

/// What the organization says of itself and of its accounts.
#[derive(Debug)]
pub(super) struct Organization {
    /// Its id and its management account.
    pub about: Facet<About>,
    /// Its accounts.
    pub members: Vec<Member>,
    /// Its units, roots included, if all of them were read.
    units: Option<Vec<Unit>>,
}

/// The organization itself.
#[derive(Debug)]
pub(super) struct About {
    /// `o-…`.
    pub id: String,
    /// Account id of the management account.
    pub management_account: String,
}

/// An account of the organization.
#[derive(Debug)]
pub(super) struct Member {
    /// Twelve digits.
    pub id: String,
    /// Name, for people; the id when it has none.
    pub name: String,
    /// Whether it can be entered.
    pub lifecycle: Lifecycle,
    /// Where it is, from the root down; the root is the first.
    pub units: Facet<Vec<Unit>>,
    /// Its tags.
    pub tags: Facet<BTreeMap<String, String>>,
}

/// Whether an account is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// It is, as far as the organization says.
    InUse,
    /// It cannot be entered, for this reason.
    Ended(String),
}

/// A root or an organizational unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// `r-…` or `ou-…`.
    pub id: String,
    /// Its name; not unique.
    pub name: String,
}

impl Unit {
    /// Whether a selector's entry means this unit.
    pub fn is_called(&self, wanted: &str) -> bool {
        self.id == wanted || self.name == wanted
    }

    fn is_root(&self) -> bool {
        self.id.starts_with("r-")
    }
}

/// Names of the units on a path, without the root, which is always called the same.
pub(super) fn names(path: &[Unit]) -> Vec<String> {
    path.iter().filter(|unit| !unit.is_root()).map(|unit| unit.name.clone()).collect()
}

impl Organization {
    /// Refuses a selector that names a unit which does not exist: it would scan other accounts than meant.
    pub fn check_units(&self, scope: &Scope) -> Result<(), DiscoverError> {
        let Some(units) = &self.units else {
            return Ok(());
        };
        for (setting, wanted) in
            [("include.units", &scope.include.units), ("exclude.units", &scope.exclude.units)]
        {
            for name in wanted {
                if !units.iter().any(|unit| unit.is_called(name)) {
                    return Err(DiscoverError::UnknownUnit {
                        setting,
                        unit: name.clone(),
                        similar: most_similar(name, units),
                    });
                }
            }
        }
        Ok(())
    }
}

fn most_similar(name: &str, units: &[Unit]) -> Option<String> {
    units
        .iter()
        .map(|unit| (strsim::jaro_winkler(&name.to_lowercase(), &unit.name.to_lowercase()), &unit.name))
        .filter(|(likeness, _)| *likeness >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.clone())
}

/// Reads what the scope needs to know of the organization.
pub(super) async fn read(own: &Arc<Session>, scope: &Scope) -> Result<Organization, DiscoverError> {
    let place = own.home();
    let client = place.organizations();
    let tree = async { if scope.needs_units() { Some(read_tree(&place, &client).await) } else { None } };
    let (about, accounts, tree) =
        futures::join!(read_about(&place, &client), read_accounts(&place, &client), tree);
    let mut members = accounts?;
    if let Some(tree) = &tree {
        for member in &mut members {
            member.units = tree.path(&member.id, &place);
        }
    }
    if scope.reads_tags() {
        members = read_all_tags(&place, &client, members).await;
    }
    let units = tree.filter(|tree| tree.unseen.is_none()).map(|tree| tree.units);
    Ok(Organization { about: Facet::from(about), members, units })
}

async fn read_about(place: &Place, client: &Client) -> Result<About, Unseen> {
    let missing = |member: &str| place.malformed(&DESCRIBE_ORGANIZATION, &format!("`{member}` is missing"));
    let reply = place.call(&DESCRIBE_ORGANIZATION, || client.describe_organization().send()).await?;
    let Reply::Answer(output) = reply else {
        return Err(missing("Organization"));
    };
    let organization = output.organization.ok_or_else(|| missing("Organization"))?;
    Ok(About {
        id: organization.id.ok_or_else(|| missing("Id"))?,
        management_account: organization.master_account_id.ok_or_else(|| missing("MasterAccountId"))?,
    })
}

async fn read_accounts(place: &Place, client: &Client) -> Result<Vec<Member>, DiscoverError> {
    let listed = place
        .pages(&LIST_ACCOUNTS, || client.list_accounts().into_paginator().send(), |page| page.accounts)
        .await;
    let accounts = match listed.complete() {
        Ok(Reply::Answer(accounts)) if !accounts.is_empty() => accounts,
        Ok(_) => {
            let unseen = place.malformed(&LIST_ACCOUNTS, "no account is listed, and the caller's own is one");
            return Err(DiscoverError::Accounts { unseen });
        }
        Err(unseen) if unseen.code == "AWSOrganizationsNotInUseException" => {
            return Err(DiscoverError::NoOrganization { account: place.account().to_owned() });
        }
        Err(unseen) => return Err(DiscoverError::Accounts { unseen }),
    };
    accounts
        .into_iter()
        .map(|account| member(place, account))
        .collect::<Result<_, _>>()
        .map_err(|unseen| DiscoverError::Accounts { unseen })
}

fn member(place: &Place, account: sdk::Account) -> Result<Member, Unseen> {
    let not_asked = || {
        Unseen::without_call(
            place.account(),
            GLOBAL,
            Cause::NotCollected,
            "no selector asks for it".to_owned(),
        )
    };
    let id = account.id.ok_or_else(|| place.malformed(&LIST_ACCOUNTS, "an account has no `Id`"))?;
    Ok(Member {
        lifecycle: lifecycle(account.state.as_ref(), account.status.as_ref()),
        // The name is for people; a scan must not fail for want of it.
        name: account.name.unwrap_or_else(|| id.clone()),
        id,
        units: Facet::Unknown(not_asked()),
        tags: Facet::Unknown(not_asked()),
    })
}

/// An account whose state AWS does not tell, or tells in a word that is not known here, is entered: that
/// shows whether it can be.
fn lifecycle(state: Option<&sdk::AccountState>, status: Option<&sdk::AccountStatus>) -> Lifecycle {
    let reason = match (state, status) {
        (Some(sdk::AccountState::Suspended), _) | (None, Some(sdk::AccountStatus::Suspended)) => SUSPENDED,
        (Some(sdk::AccountState::PendingClosure), _) | (None, Some(sdk::AccountStatus::PendingClosure)) => {
            BEING_CLOSED
        }
        (Some(sdk::AccountState::Closed), _) => CLOSED,
        (Some(sdk::AccountState::PendingActivation), _) => NOT_ACTIVATED,
        _ => return Lifecycle::InUse,
    };
    Lifecycle::Ended(reason.to_owned())
}

/// Whether an account that was skipped for this reason is one that nothing can run in.
pub(crate) fn has_ended(reason: &str) -> bool {
    [SUSPENDED, BEING_CLOSED, CLOSED, NOT_ACTIVATED].contains(&reason)
}

/// Whether an account is in use, as far as Organizations says.
pub(crate) fn is_active(account: &sdk::Account) -> bool {
    lifecycle(account.state.as_ref(), account.status.as_ref()) == Lifecycle::InUse
}

/// The units of the organization, as far as they were read.
#[derive(Debug)]
struct Tree {
    units: Vec<Unit>,
    paths: HashMap<String, Vec<Unit>>,
    unseen: Option<Unseen>,
}

/// What is directly in a unit.
struct Children {
    units: Vec<Unit>,
    accounts: Vec<String>,
    unseen: Option<Unseen>,
}

impl Tree {
    fn path(&self, account: &str, place: &Place) -> Facet<Vec<Unit>> {
        match (self.paths.get(account), &self.unseen) {
            (Some(path), _) => Facet::Known(path.clone()),
            (None, Some(unseen)) => Facet::Unknown(unseen.clone()),
            (None, None) => Facet::Unknown(place.malformed(
                &LIST_ACCOUNTS_OF_UNIT,
                &format!("account {account} is in no organizational unit; it may have been moved meanwhile"),
            )),
        }
    }
}

async fn read_tree(place: &Place, client: &Client) -> Tree {
    let (roots, unseen) = read_roots(place, client).await;
    let mut tree = Tree { units: Vec::new(), paths: HashMap::new(), unseen };
    let mut level: Vec<Vec<Unit>> = roots.into_iter().map(|root| vec![root]).collect();
    while !level.is_empty() {
        tree.units.extend(level.iter().filter_map(|path| path.last().cloned()));
        let read: Vec<(Vec<Unit>, Children)> = stream::iter(level)
            .map(|path| async move {
                let children = read_children(place, client, path.last()).await;
                (path, children)
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        level = Vec::new();
        for (path, children) in read {
            for account in children.accounts {
                tree.paths.insert(account, path.clone());
            }
            for unit in children.units {
                level.push(path.iter().cloned().chain([unit]).collect());
            }
            tree.unseen = tree.unseen.or(children.unseen);
        }
    }
    tree
}

async fn read_roots(place: &Place, client: &Client) -> (Vec<Unit>, Option<Unseen>) {
    let listed =
        place.pages(&LIST_ROOTS, || client.list_roots().into_paginator().send(), |page| page.roots).await;
    let unseen = listed.end.err();
    units_of(place, &LIST_ROOTS, unseen, listed.items.into_iter().map(|root| (root.id, root.name)))
}

async fn read_children(place: &Place, client: &Client, parent: Option<&Unit>) -> Children {
    let Some(parent) = parent else {
        return Children { units: Vec::new(), accounts: Vec::new(), unseen: None };
    };
    let id = parent.id.as_str();
    let (units, accounts) = futures::join!(
        place.pages(
            &LIST_UNITS,
            || client.list_organizational_units_for_parent().parent_id(id).into_paginator().send(),
            |page| page.organizational_units,
        ),
        place.pages(
            &LIST_ACCOUNTS_OF_UNIT,
            || client.list_accounts_for_parent().parent_id(id).into_paginator().send(),
            |page| page.accounts,
        ),
    );
    let (units, unseen) = units_of(
        place,
        &LIST_UNITS,
        units.end.err(),
        units.items.into_iter().map(|unit| (unit.id, unit.name)),
    );
    Children {
        units,
        accounts: accounts.items.into_iter().filter_map(|account| account.id).collect(),
        unseen: unseen.or(accounts.end.err()),
    }
}

/// Units out of an answer, and the first thing that is wrong with them.
fn units_of(
    place: &Place,
    call: &Call,
    mut unseen: Option<Unseen>,
    listed: impl Iterator<Item = (Option<String>, Option<String>)>,
) -> (Vec<Unit>, Option<Unseen>) {
    let mut units = Vec::new();
    for (id, name) in listed {
        match (id, name) {
            (Some(id), Some(name)) => units.push(Unit { id, name }),
            _ => {
                unseen.get_or_insert_with(|| place.malformed(call, "a unit has no `Id` or no `Name`"));
            }
        }
    }
    (units, unseen)
}

async fn read_all_tags(place: &Place, client: &Client, members: Vec<Member>) -> Vec<Member> {
    stream::iter(members)
        .map(|mut member| async move {
            if member.lifecycle == Lifecycle::InUse {
                match read_tags(place, client, &member.id).await {
                    Ok(Reply::Answer(tags)) => member.tags = Facet::Known(tags),
                    Ok(Reply::Absent | Reply::Gone) => {
                        member.lifecycle = Lifecycle::Ended("it left the organization meanwhile".to_owned());
                    }
                    Err(unseen) => member.tags = Facet::Unknown(unseen),
                }
            }
            member
        })
        .buffered(CONCURRENCY)
        .collect()
        .await
}

async fn read_tags(
    place: &Place,
    client: &Client,
    account: &str,
) -> Result<Reply<BTreeMap<String, String>>, Unseen> {
    let listed = place
        .pages(
            &LIST_TAGS,
            || client.list_tags_for_resource().resource_id(account).into_paginator().send(),
            |page| page.tags,
        )
        .await;
    listed.complete()?.and_then(|tags| Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Organization {
        /// One of which not all units were read.
        pub(in crate::accounts) fn partly_read(about: Facet<About>, members: Vec<Member>) -> Self {
            Self { about, members, units: None }
        }
    }

    fn unit(id: &str, name: &str) -> Unit {
        Unit { id: id.to_owned(), name: name.to_owned() }
    }

    fn ended(reason: &str) -> Lifecycle {
        Lifecycle::Ended(reason.to_owned())
    }

    #[test]
    fn state_decides_and_status_stands_in_for_it() {
        use sdk::{AccountState, AccountStatus};
        let cases = [
            (Some(AccountState::Active), Some(AccountStatus::Suspended), Lifecycle::InUse),
            (Some(AccountState::Suspended), None, ended("suspended in the organization")),
            (Some(AccountState::PendingClosure), None, ended("being closed")),
            // A closed account has `Status: SUSPENDED`.
            (Some(AccountState::Closed), Some(AccountStatus::Suspended), ended("closed")),
            (Some(AccountState::PendingActivation), None, ended("not activated yet")),
            (None, Some(AccountStatus::Active), Lifecycle::InUse),
            (None, Some(AccountStatus::Suspended), ended("suspended in the organization")),
            (None, Some(AccountStatus::PendingClosure), ended("being closed")),
            (None, None, Lifecycle::InUse),
            (Some(AccountState::from("NEW")), None, Lifecycle::InUse),
        ];
        for (state, status, expected) in cases {
            assert_eq!(lifecycle(state.as_ref(), status.as_ref()), expected, "{state:?} {status:?}");
        }
    }

    #[test]
    fn a_unit_that_does_not_exist_is_an_error_with_a_suggestion() {
        let mut organization = Organization {
            about: Facet::Known(About { id: "o-1".to_owned(), management_account: "1".to_owned() }),
            members: Vec::new(),
            units: Some(vec![unit("r-1", "Root"), unit("ou-1-a", "Workloads"), unit("ou-1-b", "Production")]),
        };
        let mut scope = Scope { organization: true, ..Scope::own() };
        scope.include.units = vec!["ou-1-a".to_owned(), "r-1".to_owned(), "Production".to_owned()];
        assert!(organization.check_units(&scope).is_ok());
        scope.exclude.units = vec!["Porduction".to_owned()];
        assert_eq!(
            organization.check_units(&scope).unwrap_err().to_string(),
            "`exclude.units` names `Porduction`, and the organization has no such unit; did you mean `Production`?"
        );
        // Not all units were read: the name may be among the others.
        organization.units = None;
        assert!(organization.check_units(&scope).is_ok());
    }

    #[test]
    fn unit_names_leave_out_the_root() {
        assert_eq!(names(&[unit("r-1", "Root"), unit("ou-1-a", "Prod")]), ["Prod"]);
    }
}
