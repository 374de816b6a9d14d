//! Managed prefix lists: the address ranges behind the ids that rules and routes name.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use futures::future::join_all;

use super::super::{Ask, Kind};
use super::lists::{Lists, PAGE_SIZE_OF_ROUTES};
use super::{Missing, ROUTE_TABLE, SECURITY_GROUP, must, route, security_group};
use crate::aws::{Call, Reply};
use crate::inventory::{Facet, Unseen};

/// A list that is not found is not an empty one: AWS deletes none that a rule still names
/// ([sharing](https://docs.aws.amazon.com/vpc/latest/userguide/sharing-perms.html)), so its owner has stopped
/// sharing it, and what it opens cannot be seen.
pub(super) static GET_MANAGED_PREFIX_LIST_ENTRIES: Call =
    Call::list("ec2", "GetManagedPrefixListEntries", "entrySet");

/// The entries of the prefix lists that are named in a region, each read once.
pub(super) struct PrefixLists(BTreeMap<String, Result<Vec<String>, Unseen>>);

impl PrefixLists {
    /// Reads every list that something wanted names.
    pub async fn read(ask: Ask<'_>, ec2: &Client, lists: &Lists) -> Self {
        let mut named = BTreeSet::new();
        if ask.wanted.field(&SECURITY_GROUP, "prefix_lists") {
            named.extend(lists.security_groups.items.iter().flat_map(security_group::prefix_list_ids));
        }
        if ask.wanted.field(&ROUTE_TABLE, "prefix_lists") {
            named.extend(lists.route_tables.items.iter().flat_map(route::prefix_list_ids));
        }
        let entries = named.into_iter().map(|id| async move { (id.to_owned(), entries(ask, ec2, id).await) });
        Self(join_all(entries).await.into_iter().collect())
    }

    /// The lists of these ids as the facet of a resource that names them: known only when all are.
    pub fn facet<'a>(
        &self,
        ask: Ask<'_>,
        kind: &Kind,
        ids: impl Iterator<Item = &'a str>,
    ) -> Facet<BTreeMap<String, Vec<String>>> {
        if !ask.wanted.field(kind, "prefix_lists") {
            return Facet::Unknown(ask.not_collected());
        }
        Facet::from(self.all(ids, || ask.not_collected()))
    }

    fn all<'a>(
        &self,
        ids: impl Iterator<Item = &'a str>,
        unread: impl Fn() -> Unseen,
    ) -> Result<BTreeMap<String, Vec<String>>, Unseen> {
        ids.map(|id| match self.0.get(id) {
            Some(Ok(entries)) => Ok((id.to_owned(), entries.clone())),
            Some(Err(unseen)) => Err(unseen.clone()),
            None => Err(unread()),
        })
        .collect()
    }
}

async fn entries(ask: Ask<'_>, ec2: &Client, id: &str) -> Result<Vec<String>, Unseen> {
    let call = &GET_MANAGED_PREFIX_LIST_ENTRIES;
    let listed = ask
        .place
        .pages(
            call,
            || {
                ec2.get_managed_prefix_list_entries()
                    .prefix_list_id(id)
                    .into_paginator()
                    .page_size(PAGE_SIZE_OF_ROUTES)
                    .send()
            },
            |page| page.entries,
        )
        .await;
    let Reply::Answer(entries) = listed.complete()? else {
        return Err(ask.place.malformed(call, "a prefix list that is named has no entries"));
    };
    entries
        .into_iter()
        .map(|entry| must(entry.cidr, "an entry of a prefix list", "cidr"))
        .collect::<Result<_, Missing>>()
        .map_err(|missing| missing.unseen(ask.place, call))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Cause;

    #[test]
    fn the_lists_of_a_group_are_known_only_together() {
        let unseen = |cause| Unseen::without_call("111122223333", "us-east-1", cause, String::new());
        let lists = PrefixLists(BTreeMap::from([
            ("pl-1".to_owned(), Ok(vec!["10.0.0.0/8".to_owned()])),
            ("pl-2".to_owned(), Err(unseen(Cause::Throttled))),
        ]));
        let all = |ids: &[&'static str]| lists.all(ids.iter().copied(), || unseen(Cause::NotCollected));
        assert_eq!(all(&[]), Ok(BTreeMap::new()));
        assert_eq!(all(&["pl-1"]).map(|known| known.len()), Ok(1));
        assert_eq!(all(&["pl-1", "pl-2"]), Err(unseen(Cause::Throttled)));
        assert_eq!(all(&["pl-3"]), Err(unseen(Cause::NotCollected)));
    }
}
