//! [`Selector`]: which accounts of an organization are meant.

use std::collections::BTreeMap;

use super::organization::Member;
use crate::inventory::{Facet, Unseen};

/// Accounts by id, by place in the organization and by tag. An account matches when any entry does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Account ids.
    pub accounts: Vec<String>,
    /// Organizational units by id (`ou-…`) or name, or a root by id (`r-…`). Everything below them matches;
    /// a name matches every unit that is called so.
    pub units: Vec<String>,
    /// Tag keys, each with the values that match; any value when there are none.
    pub tags: BTreeMap<String, Vec<String>>,
}

impl Selector {
    /// Without entries: everything when it includes, nothing when it excludes.
    #[must_use]
    pub const fn empty() -> Self {
        Self { accounts: Vec::new(), units: Vec::new(), tags: BTreeMap::new() }
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.units.is_empty() && self.tags.is_empty()
    }

    /// Why the account matches by its id, in words.
    pub(super) fn matches_id(&self, id: &str) -> Option<String> {
        self.accounts.iter().any(|account| account == id).then(|| "by its id".to_owned())
    }

    /// Why the account matches, in words; `None` when it does not. An entry that matches decides, whatever
    /// is not known for the others.
    ///
    /// # Errors
    /// Why it is not known whether it matches.
    pub(super) fn matches(&self, member: &Member) -> Result<Option<String>, Unseen> {
        if let Some(why) = self.matches_id(&member.id) {
            return Ok(Some(why));
        }
        let by_unit = self.matches_unit(member);
        if let Ok(Some(_)) = by_unit {
            return by_unit;
        }
        let by_tag = self.matches_tag(member);
        if let Ok(Some(_)) = by_tag {
            return by_tag;
        }
        by_unit.and(by_tag)
    }

    fn matches_unit(&self, member: &Member) -> Result<Option<String>, Unseen> {
        if self.units.is_empty() {
            return Ok(None);
        }
        let path = match &member.units {
            Facet::Known(path) => path,
            Facet::Unknown(unseen) => return Err(unseen.clone()),
        };
        let found = path.iter().find(|unit| self.units.iter().any(|wanted| unit.is_called(wanted)));
        Ok(found.map(|unit| format!("by its organizational unit {} ({})", unit.name, unit.id)))
    }

    fn matches_tag(&self, member: &Member) -> Result<Option<String>, Unseen> {
        if self.tags.is_empty() {
            return Ok(None);
        }
        let tags = match &member.tags {
            Facet::Known(tags) => tags,
            Facet::Unknown(unseen) => return Err(unseen.clone()),
        };
        let is_wanted = |(key, value): &(&String, &String)| {
            self.tags.get(*key).is_some_and(|values| values.is_empty() || values.contains(*value))
        };
        Ok(tags.iter().find(is_wanted).map(|(key, value)| format!("by its tag {key}={value}")))
    }
}

/// What is done with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// It is scanned.
    Scan,
    /// It is not, for this reason.
    Skip(String),
    /// It cannot be known.
    Unknown(Unseen),
}
