//! [`Seeded`]: what `seed.py` made, as it prints it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The seeded organization. Aliases are `management`, `prod`, `dev`, `sandbox` and `old`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeded {
    /// Regions that hold resources.
    pub regions: Vec<String>,
    /// The organization.
    pub organization: Organization,
    /// Roles that every account has.
    pub roles: Roles,
    /// Accounts by alias.
    pub accounts: BTreeMap<String, Account>,
    /// Alias → kind → symbolic name → id or ARN.
    pub resources: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
    /// Id or ARN → what `expected_demo.csv` calls it.
    pub names: BTreeMap<String, Named>,
}

/// The organization's own ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Such as `o-2kjfn8ljvu`.
    pub id: String,
    /// The root.
    pub root: String,
    /// Organizational units by name.
    pub units: BTreeMap<String, String>,
}

/// Names of the roles that every account has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// The role that Organizations makes.
    pub admin: String,
    /// The role for scanning.
    pub scanner: String,
}

/// An account of the organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Twelve digits.
    pub id: String,
    /// As ListAccounts says.
    pub name: String,
    /// As ListAccounts says.
    pub email: String,
    /// As ListAccounts says.
    pub status: String,
    /// Name of the organizational unit that it is in.
    pub ou: String,
    /// Whether it is to be scanned: the closed account is not.
    pub scanned: bool,
}

/// What `expected_demo.csv` calls a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The symbolic name.
    pub name: String,
    /// Alias of the account.
    pub account: String,
    /// The region, or `global`.
    pub region: String,
    /// The resource type, such as `aws.s3.bucket`.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Seeded {
    /// An account by its alias.
    ///
    /// # Errors
    /// When there is none of that alias.
    pub fn account(&self, alias: &str) -> Result<&Account> {
        self.accounts.get(alias).with_context(|| format!("no account `{alias}` was seeded"))
    }

    /// The id or ARN of a seeded resource, such as `("prod", "buckets", "upright-demo-prod-data")`.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn resource(&self, account: &str, kind: &str, name: &str) -> Result<&str> {
        let found = self.resources.get(account).and_then(|kinds| kinds.get(kind)?.get(name));
        found.map(String::as_str).with_context(|| format!("no {kind} `{name}` was seeded in `{account}`"))
    }
}
