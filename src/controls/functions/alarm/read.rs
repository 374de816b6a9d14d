//! Reading what the steps of the way are made of.

use serde_json::Value;

use super::super::records_management_events;
use crate::collect::cloudtrail;
use crate::inventory::{AccountState, Cause, Facet, Inventory, Resource, Unseen};

/// A field of a resource, or why it is not known.
pub(super) fn field<'a>(resource: &'a Resource, name: &str) -> Result<&'a Value, Unseen> {
    match resource.fields.get(name) {
        Some(Facet::Known(value)) => Ok(value),
        Some(Facet::Unknown(unseen)) => Err(unseen.clone()),
        None => Err(Unseen::without_call(
            &resource.account,
            &resource.region,
            Cause::NotCollected,
            format!("`{name}` of {} was not asked for", resource.name),
        )),
    }
}

fn shape<'a, T>(
    resource: &'a Resource,
    name: &str,
    as_promised: impl Fn(&'a Value) -> Option<T>,
) -> Result<T, Unseen> {
    as_promised(field(resource, name)?).ok_or_else(|| {
        let message = format!("`{name}` of {} is not what it should be", resource.name);
        Unseen::without_call(&resource.account, &resource.region, Cause::ControlError, message)
    })
}

pub(super) fn text<'a>(resource: &'a Resource, name: &str) -> Result<&'a str, Unseen> {
    shape(resource, name, Value::as_str)
}

pub(super) fn boolean(resource: &Resource, name: &str) -> Result<bool, Unseen> {
    shape(resource, name, Value::as_bool)
}

pub(super) fn list<'a>(resource: &'a Resource, name: &str) -> Result<&'a [Value], Unseen> {
    shape(resource, name, |value| value.as_array().map(Vec::as_slice))
}

pub(super) fn texts<'a>(resource: &'a Resource, name: &str) -> Result<Vec<&'a str>, Unseen> {
    shape(resource, name, |value| value.as_array()?.iter().map(Value::as_str).collect())
}

/// Whether the resources of a type in a region of an account were all seen; where they lie outside the scan, the
/// reason names the place.
pub(super) fn listed(world: &Inventory, account: &str, region: &str, kind: &str) -> Result<(), Unseen> {
    if let Some(listing) = world.listings_of(account, kind).find(|listing| listing.region == region) {
        return match &listing.count {
            Facet::Known(_) => Ok(()),
            Facet::Unknown(unseen) => Err(unseen.clone()),
        };
    }
    if let Some(AccountState::Failed { unseen }) = world.account(account).map(|account| &account.state) {
        return Err(unseen.clone());
    }
    // Where the regions of an account are not known, that is the reason that stands in their place.
    if let Some(Facet::Unknown(unseen)) =
        world.listings_of(account, kind).map(|listing| &listing.count).next()
        && world.account(account).is_some_and(|account| account.regions.is_empty())
    {
        return Err(unseen.clone());
    }
    let message = format!("`{kind}` of account {account} in {region} is not among what was scanned");
    Err(Unseen::without_call(account, region, Cause::OutOfScope, message))
}

/// A trail, as the account sees it and as its owner does: an organization's trail is visible in its members, where
/// not every call about it answers.
pub(super) struct Trail<'a> {
    own: &'a Resource,
    owners: Option<&'a Resource>,
}

impl<'a> Trail<'a> {
    pub(super) fn of(world: &'a Inventory, own: &'a Resource) -> Self {
        let owner = own.arn.split(':').nth(4).unwrap_or_default();
        let owners = world
            .find(cloudtrail::TRAIL.name, &own.arn, owner)
            .map(AsRef::as_ref)
            .filter(|seen| seen.account == owner && owner != own.account);
        Self { own, owners }
    }

    /// The first answer to a question, or why there is none.
    fn ask<T>(&self, question: impl Fn(&'a Resource) -> Result<T, Unseen>) -> Result<T, Unseen> {
        question(self.own).or_else(|unseen| match self.owners {
            Some(owners) => question(owners),
            None => Err(unseen),
        })
    }

    fn is_multi_region(&self) -> Result<bool, Unseen> {
        self.ask(|trail| boolean(trail, "is_multi_region"))
    }

    fn is_logging(&self) -> Result<bool, Unseen> {
        self.ask(|trail| shape(trail, "status", |status| status.get("is_logging").and_then(Value::as_bool)))
    }

    fn records_everything(&self) -> Result<bool, Unseen> {
        self.ask(|trail| {
            let selectors = field(trail, "event_selectors")?;
            records_management_events(selectors).map_err(|mistake| {
                Unseen::without_call(&trail.account, &trail.region, Cause::ControlError, mistake.to_string())
            })
        })
    }

    /// Why no event can come by this trail, where that is known.
    pub(super) fn broken(&self) -> Option<&'static str> {
        let no = |answer: Result<bool, Unseen>| answer.is_ok_and(|holds| !holds);
        if no(self.is_multi_region()) {
            return Some("records one region only");
        }
        if no(self.is_logging()) {
            return Some("is not logging");
        }
        if no(self.records_everything()) {
            return Some("does not record all management events");
        }
        let has_none = matches!(self.log_group_as_seen(), Ok(None));
        has_none.then_some("delivers to no CloudWatch log group")
    }

    /// Why it is not known whether events come by this trail.
    pub(super) fn doubt(&self) -> Option<Unseen> {
        [self.is_multi_region(), self.is_logging(), self.records_everything()]
            .into_iter()
            .find_map(Result::err)
    }

    /// ARN of the log group that it delivers to.
    pub(super) fn log_group(&self) -> Result<&'a str, Unseen> {
        self.log_group_as_seen()?.ok_or_else(|| self.is_told_by_its_owner())
    }

    fn log_group_as_seen(&self) -> Result<Option<&'a str>, Unseen> {
        let seen = |trail| {
            shape(trail, "log_group", |group| match group {
                Value::Null => Some(None),
                group => group.as_str().map(Some),
            })
        };
        let own = seen(self.own)?;
        match self.owners {
            None if own.is_none() && !boolean(self.own, "is_owned")? => Err(self.is_told_by_its_owner()),
            Some(owners) if own.is_none() => seen(owners),
            _ => Ok(own),
        }
    }

    /// That a member sees no log group does not mean that the organization has none.
    fn is_told_by_its_owner(&self) -> Unseen {
        let message =
            format!("the log group of trail `{}` is seen in the account that owns it only", self.own.arn);
        Unseen::without_call(&self.own.account, &self.own.region, Cause::OutOfScope, message)
    }
}
