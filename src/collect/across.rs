//! What no account or region can say by itself: it is filled in when all of them were read.
//!
//! No call is made for it. Of an organization's accounts that were not all looked at, nothing is said to be
//! absent; what one of them has is there whatever the others have.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Collected, accessanalyzer, config};
use crate::accounts::has_ended;
use crate::inventory::{Account, AccountState, Cause, Facet, GLOBAL, Listing, Resource, Unseen};

/// Fills in what rests on several accounts or regions. `every_region` says whether all enabled regions of the
/// accounts were to be read, `unseen` why it is not known which of them form an organization.
pub fn complete(
    collected: &mut Collected,
    accounts: &[Account],
    every_region: bool,
    unseen: Option<&Unseen>,
) {
    let analyzers = organization_analyzers(collected, accounts, unseen);
    let global_types = global_types_recorded(collected, every_region);
    for resource in &mut collected.resources {
        let place = (resource.account.clone(), resource.region.clone());
        if resource.kind == accessanalyzer::REGION.name {
            fill(resource, "organization_analyzer", analyzers.get(&place));
        } else if resource.kind == config::REGION.name {
            fill(resource, "global_types_recorded", global_types.get(&place));
        }
    }
}

/// Account and region.
type PlaceName = (String, String);

/// Only what is wanted has a field to fill.
fn fill(resource: &mut Resource, field: &str, value: Option<&Facet<Value>>) {
    if let (Some(facet), Some(value)) = (resource.fields.get_mut(field), value) {
        *facet = value.clone();
    }
}

fn of_kind<'a>(collected: &'a Collected, kind: &'static str) -> impl Iterator<Item = &'a Resource> {
    collected.resources.iter().filter(move |resource| resource.kind == kind)
}

/// For each place, the analyzer in another account that covers the organization there.
fn organization_analyzers(
    collected: &Collected,
    accounts: &[Account],
    not_told: Option<&Unseen>,
) -> BTreeMap<PlaceName, Facet<Value>> {
    let kind = accessanalyzer::REGION.name;
    let at: BTreeMap<(&str, &str), &Resource> =
        of_kind(collected, kind).map(|r| ((r.account.as_str(), r.region.as_str()), r)).collect();
    let analyzer = |account: &str, region: &str| {
        let Some(own) = accounts.iter().find(|candidate| candidate.id == account) else {
            return Err(not_scanned(account, region));
        };
        if own.organization.is_none() {
            return Err(not_told.map_or_else(|| not_scanned(account, region), Clone::clone));
        }
        let peers = accounts.iter().filter(|peer| peer.organization == own.organization && peer.id != own.id);
        let mut unseen = None;
        for peer in peers {
            let regional = at.get(&(peer.id.as_str(), region)).copied();
            match analyzer_for_all(peer, region, regional, &collected.listings) {
                Ok(None) => {}
                Ok(Some(arn)) => return Ok(Value::from(arn)),
                Err(reason) => unseen = unseen.or(Some(reason)),
            }
        }
        unseen.map_or(Ok(Value::Null), Err)
    };
    at.keys()
        .map(|(account, region)| {
            (((*account).to_owned(), (*region).to_owned()), Facet::from(analyzer(account, region)))
        })
        .collect()
}

fn not_scanned(account: &str, region: &str) -> Unseen {
    let message = "whether another account has an analyzer for the whole organization was not looked at; \
                   scan with `--organization`";
    Unseen::without_call(account, region, Cause::OutOfScope, message.to_owned())
}

/// The active analyzer that an account has for its organization in a region.
fn analyzer_for_all(
    account: &Account,
    region: &str,
    regional: Option<&Resource>,
    listings: &[Listing],
) -> Result<Option<String>, Unseen> {
    match &account.state {
        // An account that is closed or suspended runs nothing.
        AccountState::Skipped { reason } if has_ended(reason) => return Ok(None),
        AccountState::Skipped { .. } => return Err(not_scanned(&account.id, region)),
        AccountState::Failed { unseen } => return Err(unseen.clone()),
        AccountState::Scanned => {}
    }
    match regional.and_then(|resource| resource.fields.get("analyzers")) {
        Some(Facet::Known(analyzers)) => Ok(active_for_all(analyzers)),
        Some(Facet::Unknown(unseen)) => Err(unseen.clone()),
        // Without its resource the region is not enabled in that account, or no region of it is known.
        None => match unknown_listing(&account.id, listings) {
            Some(unseen) => Err(unseen.clone()),
            None => Ok(None),
        },
    }
}

fn active_for_all(analyzers: &Value) -> Option<String> {
    let is =
        |analyzer: &Value, key: &str, value: &str| analyzer.get(key).and_then(Value::as_str) == Some(value);
    let found = analyzers
        .as_array()?
        .iter()
        .find(|analyzer| is(analyzer, "type", "ORGANIZATION") && is(analyzer, "status", "ACTIVE"))?;
    found.get("arn").and_then(Value::as_str).map(str::to_owned)
}

fn unknown_listing<'a>(account: &str, listings: &'a [Listing]) -> Option<&'a Unseen> {
    listings
        .iter()
        .filter(|l| l.account == account && l.kind == accessanalyzer::REGION.name && l.region == GLOBAL)
        .find_map(|listing| match &listing.count {
            Facet::Unknown(unseen) => Some(unseen),
            Facet::Known(_) => None,
        })
}

/// For each place, whether a recorder in any region of its account records global types.
fn global_types_recorded(collected: &Collected, every_region: bool) -> BTreeMap<PlaceName, Facet<Value>> {
    let mut regions: BTreeMap<&str, Vec<&Resource>> = BTreeMap::new();
    for resource in of_kind(collected, config::REGION.name) {
        regions.entry(resource.account.as_str()).or_default().push(resource);
    }
    let mut recorded = BTreeMap::new();
    for (account, regions) in regions {
        let known = in_any_region(account, &regions, every_region);
        for region in regions {
            recorded.insert((account.to_owned(), region.region.clone()), Facet::from(known.clone()));
        }
    }
    recorded
}

fn in_any_region(account: &str, regions: &[&Resource], every_region: bool) -> Result<Value, Unseen> {
    let mut unseen = None;
    for region in regions {
        match region.fields.get("recorder") {
            Some(Facet::Known(recorder)) => {
                let includes = recorder.get("includes_global_types").and_then(Value::as_bool);
                if includes == Some(true) {
                    return Ok(Value::Bool(true));
                }
            }
            Some(Facet::Unknown(reason)) => unseen = unseen.or_else(|| Some(reason.clone())),
            None => {}
        }
    }
    if !every_region {
        let message = "a region that was not scanned may record global types".to_owned();
        unseen = unseen.or(Some(Unseen::without_call(account, GLOBAL, Cause::OutOfScope, message)));
    }
    unseen.map_or(Ok(Value::Bool(false)), Err)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OWN: &str = "111111111111";
    const OTHER: &str = "222222222222";
    const REGION: &str = "eu-west-1";

    fn account(id: &str, organization: Option<&str>, state: AccountState) -> Account {
        Account {
            id: id.to_owned(),
            name: String::new(),
            partition: "aws".to_owned(),
            is_management: None,
            organization: organization.map(str::to_owned),
            units: None,
            unit_ids: None,
            tags: None,
            regions: vec![REGION.to_owned()],
            state,
        }
    }

    fn resource(kind: &str, account: &str, region: &str, fields: &[(&str, Facet<Value>)]) -> Resource {
        Resource {
            kind: kind.to_owned(),
            arn: String::new(),
            account: account.to_owned(),
            region: region.to_owned(),
            name: region.to_owned(),
            fields: fields.iter().map(|(name, facet)| ((*name).to_owned(), facet.clone())).collect(),
        }
    }

    fn denied() -> Unseen {
        Unseen::denied(OTHER, REGION, "access-analyzer:ListAnalyzers", "AccessDeniedException", "no")
    }

    fn later() -> Facet<Value> {
        Facet::Unknown(Unseen::without_call(OWN, REGION, Cause::OutOfScope, String::new()))
    }

    /// What the own account, which has no analyzer, is told of the analyzers of another.
    fn told(other: Account, analyzers: Option<Facet<Value>>) -> Facet<Value> {
        let kind = accessanalyzer::REGION.name;
        let own = [("analyzers", Facet::Known(json!([]))), ("organization_analyzer", later())];
        let mut resources = vec![resource(kind, OWN, REGION, &own)];
        resources.extend(analyzers.map(|found| resource(kind, OTHER, REGION, &[("analyzers", found)])));
        let mut collected = Collected { resources, listings: Vec::new() };
        let accounts = [account(OWN, Some("o-1"), AccountState::Scanned), other];
        complete(&mut collected, &accounts, true, None);
        collected.resources[0].fields["organization_analyzer"].clone()
    }

    fn analyzers(kind: &str, status: &str) -> Option<Facet<Value>> {
        Some(Facet::Known(json!([{ "arn": "arn:a", "type": kind, "status": status }])))
    }

    #[test]
    fn an_analyzer_of_the_organization_covers_its_accounts_and_no_other() {
        let scanned = |organization| account(OTHER, organization, AccountState::Scanned);
        let whole = || analyzers("ORGANIZATION", "ACTIVE");
        assert_eq!(told(scanned(Some("o-1")), whole()), Facet::Known(json!("arn:a")));
        for (other, analyzers) in [
            (scanned(Some("o-2")), whole()),
            (scanned(None), whole()),
            (scanned(Some("o-1")), analyzers("ORGANIZATION", "CREATING")),
            (scanned(Some("o-1")), analyzers("ACCOUNT", "ACTIVE")),
            (scanned(Some("o-1")), analyzers("ORGANIZATION_UNUSED_ACCESS", "ACTIVE")),
            // The region is not enabled there.
            (scanned(Some("o-1")), None),
        ] {
            assert_eq!(told(other, analyzers), Facet::Known(Value::Null));
        }
    }

    #[test]
    fn nothing_is_absent_from_an_account_that_was_not_looked_at() {
        let other = |state| account(OTHER, Some("o-1"), state);
        let skipped = |reason: &str| other(AccountState::Skipped { reason: reason.to_owned() });
        assert!(matches!(told(skipped("excluded: tag"), None), Facet::Unknown(_)));
        assert_eq!(told(skipped("suspended in the organization"), None), Facet::Known(Value::Null));
        let failed = other(AccountState::Failed { unseen: denied() });
        assert_eq!(told(failed, None), Facet::Unknown(denied()));
        let unread = Some(Facet::Unknown(denied()));
        assert_eq!(told(other(AccountState::Scanned), unread), Facet::Unknown(denied()));
    }

    #[test]
    fn alone_an_account_is_told_nothing_of_its_organization() {
        let kind = accessanalyzer::REGION.name;
        let own = [("analyzers", Facet::Known(json!([]))), ("organization_analyzer", later())];
        let resources = vec![resource(kind, OWN, REGION, &own)];
        let mut collected = Collected { resources, listings: Vec::new() };
        complete(&mut collected, &[account(OWN, None, AccountState::Scanned)], true, None);
        let Facet::Unknown(unseen) = &collected.resources[0].fields["organization_analyzer"] else {
            panic!("{collected:?}");
        };
        assert!(unseen.message.contains("--organization"), "{unseen:?}");
    }

    fn global_types(recorders: &[Facet<Value>], every_region: bool) -> Facet<Value> {
        let regions = recorders.iter().enumerate().map(|(index, recorder)| {
            let fields = [("recorder", recorder.clone()), ("global_types_recorded", later())];
            resource(config::REGION.name, OWN, &format!("r-{index}"), &fields)
        });
        let mut collected = Collected { resources: regions.collect(), listings: Vec::new() };
        complete(&mut collected, &[account(OWN, None, AccountState::Scanned)], every_region, None);
        collected.resources[0].fields["global_types_recorded"].clone()
    }

    #[test]
    fn one_region_that_records_global_types_is_enough_and_none_is_none_only_when_all_were_read() {
        let includes = |is: bool| Facet::Known(json!({ "includes_global_types": is }));
        let unread = Facet::Unknown(denied());
        let (yes, no) = (Facet::Known(json!(true)), Facet::Known(json!(false)));
        assert_eq!(global_types(&[includes(false), includes(true)], false), yes);
        assert_eq!(global_types(&[unread.clone(), includes(true)], true), yes);
        assert_eq!(global_types(&[includes(false), Facet::Known(Value::Null)], true), no);
        assert_eq!(global_types(&[includes(false), unread.clone()], true), unread);
        assert!(matches!(global_types(&[includes(false)], false), Facet::Unknown(_)));
    }
}
