//! [`DiscoverError`]: why it is not known which accounts to scan.

use crate::inventory::{Cause, Unseen};

/// Why the accounts to scan could not be found. The run does not start: it could not say what it covers.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// A setting that AWS would refuse.
    #[error("`{setting}` is `{value}`; {rule}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// `include`, or a unit or tag of `exclude`, without the organization.
    #[error(
        "`include`, and units and tags in `exclude`, choose among the accounts of an organization, which is not \
         scanned; scan the organization, or name the accounts in `accounts`"
    )]
    SelectorNeedsOrganization,
    /// The caller's account is not in an organization.
    #[error("account {account} is in no organization; scan it alone, or name the accounts in `accounts`")]
    NoOrganization {
        /// Account of the caller.
        account: String,
    },
    /// The list of accounts could not be read, or not to its end.
    #[error("the accounts of the organization could not be listed: {unseen}; {}", list_remedy(.unseen))]
    Accounts {
        /// What AWS said.
        unseen: Unseen,
    },
    /// A selector names a unit that the organization does not have.
    #[error("`{setting}` names `{unit}`, and the organization has no such unit{}", hint(.similar.as_deref()))]
    UnknownUnit {
        /// Name of the setting.
        setting: &'static str,
        /// Id or name of the unit.
        unit: String,
        /// The name that comes closest.
        similar: Option<String>,
    },
    /// Every account was skipped.
    #[error(
        "no account is left to scan: all {skipped} are suspended, excluded or not included; loosen `include` and \
         `exclude`"
    )]
    NothingLeft {
        /// How many there were.
        skipped: usize,
    },
}

impl DiscoverError {
    pub(super) fn setting(setting: &'static str, value: &str, rule: &'static str) -> Self {
        Self::Setting { setting, value: value.to_owned(), rule }
    }
}

/// Only the management account and delegated administrators may list accounts, and no policy in another
/// account can change that
/// ([ListAccounts](https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html)).
fn list_remedy(unseen: &Unseen) -> String {
    match unseen.cause {
        Cause::Denied { .. } => format!(
            "scan from the organization's management account or a delegated administrator, with `{}` allowed; or \
             name the accounts in `accounts`",
            unseen.operation
        ),
        _ => unseen.remedy(),
    }
}

fn hint(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
