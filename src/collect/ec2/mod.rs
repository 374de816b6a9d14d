//! EC2: instances, security groups, network ACLs, VPCs, route tables, peerings, and the settings of a region.
//!
//! Calls, each at most once for an account and region: `DescribeInstances`, `DescribeSecurityGroups`,
//! `DescribeNetworkAcls`, `DescribeVpcs`, `DescribeRouteTables`, `DescribeVpcPeeringConnections`,
//! `DescribeFlowLogs`, `DescribeVpcEndpoints`, `DescribeNetworkInterfaces`, `GetEbsEncryptionByDefault`; and
//! `GetManagedPrefixListEntries` once for each prefix list that a rule or route names.
//!
//! Quirks: one list serves several types (network interfaces tell what uses a group and whether a VPC is
//! used at all), so [`lists`] reads them all first. A [shared VPC](https://docs.aws.amazon.com/vpc/latest/userguide/vpc-sharing.html)
//! is listed in the accounts that it is shared with as well; ARNs carry the account that owns the resource.

mod instance;
mod lists;
mod network_acl;
mod peering;
mod prefix_list;
mod route;
mod security_group;
mod settings;
mod vpc;

use std::collections::BTreeMap;

use aws_sdk_ec2::types as sdk;

use super::{Ask, Collected, Kind};
use crate::aws::{Call, Place};
use crate::inventory::{Resource, Unseen};

pub use instance::{INSTANCE, Instance, Metadata};
pub use network_acl::{Entry, NETWORK_ACL, NetworkAcl};
pub use peering::{PeeredVpc, PeeringRole, VPC_PEERING, VpcPeering};
pub use route::{ROUTE_TABLE, Route, RouteTable, TargetKind};
pub use security_group::{Rule, SECURITY_GROUP, SecurityGroup};
pub use settings::{REGION_SETTINGS, RegionSettings};
pub use vpc::{Endpoint, FlowLog, VPC, Vpc};

use lists::{List, Lists};
use prefix_list::PrefixLists;

/// The types of this service.
static TYPES: &[&Kind] =
    &[&INSTANCE, &NETWORK_ACL, &REGION_SETTINGS, &ROUTE_TABLE, &SECURITY_GROUP, &VPC, &VPC_PEERING];

/// Collects what is wanted of one region's EC2.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !TYPES.iter().any(|kind| ask.wanted.kind(kind)) {
        return Collected::nothing();
    }
    let ec2 = ask.place.ec2();
    let (lists, settings) = futures::join!(Lists::read(ask, &ec2), settings::collect(ask, &ec2));
    let prefix_lists = PrefixLists::read(ask, &ec2, &lists).await;

    let mut collected = settings;
    collected.extend(instance::collect(ask, &lists));
    collected.extend(network_acl::collect(ask, &lists));
    collected.extend(peering::collect(ask, &lists));
    collected.extend(route::collect(ask, &lists, &prefix_lists));
    collected.extend(security_group::collect(ask, &lists, &prefix_lists));
    collected.extend(vpc::collect(ask, &lists));
    collected
}

/// A member that every answer has is not in this one.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    of: &'static str,
    member: &'static str,
}

impl Missing {
    fn unseen(&self, place: &Place, call: &Call) -> Unseen {
        place.malformed(call, &format!("{} has no `{}`", self.of, self.member))
    }
}

/// The value of a member that must be there.
fn must<T>(value: Option<T>, of: &'static str, member: &'static str) -> Result<T, Missing> {
    value.ok_or(Missing { of, member })
}

/// The resources of a list. One that lacks a member that it must have is left out, and the list is then
/// not complete.
fn resources<I>(
    ask: Ask<'_>,
    kind: &Kind,
    list: &List<I>,
    make: impl Fn(&I) -> Result<Resource, Missing>,
) -> Collected {
    if !ask.wanted.kind(kind) {
        return Collected::nothing();
    }
    let mut end = list.end.clone();
    let mut made = Vec::new();
    for item in &list.items {
        match make(item) {
            Ok(resource) => made.push(resource),
            Err(missing) => end = end.and_then(|()| Err(missing.unseen(ask.place, list.call))),
        }
    }
    Collected::of(ask.place, kind, made, end)
}

/// ARN of something in this region, in the account that owns it: the one that looks, where AWS names none.
fn arn(ask: Ask<'_>, owner: Option<&str>, rest: &str) -> String {
    let owner = owner.unwrap_or_else(|| ask.place.account());
    format!("arn:{}:ec2:{}:{owner}:{rest}", ask.partition, ask.place.region())
}

/// The tags of a resource; AWS leaves the member out where there are none.
fn tags(of: Option<&[sdk::Tag]>) -> Result<BTreeMap<String, String>, Missing> {
    of.into_iter()
        .flatten()
        .map(|tag| {
            let key = must(tag.key.clone(), "a tag", "key")?;
            let value = must(tag.value.clone(), "a tag", "value")?;
            Ok((key, value))
        })
        .collect()
}

/// What people call it: its `Name` tag, or else what AWS calls it.
fn name(tags: &BTreeMap<String, String>, otherwise: &str) -> String {
    tags.get("Name").filter(|name| !name.is_empty()).map_or_else(|| otherwise.to_owned(), Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> sdk::Tag {
        sdk::Tag::builder().key(key).value(value).build()
    }

    #[test]
    fn the_name_is_the_tag_or_the_id() {
        let named = tags(Some(&[tag("Name", "web"), tag("env", "")])).unwrap();
        assert_eq!(name(&named, "vpc-1"), "web");
        assert_eq!(named.get("env").map(String::as_str), Some(""));
        assert_eq!(name(&tags(Some(&[tag("Name", "")])).unwrap(), "vpc-1"), "vpc-1");
        assert_eq!(name(&tags(None).unwrap(), "vpc-1"), "vpc-1");
    }

    #[test]
    fn a_tag_without_a_key_is_not_understood() {
        let broken = sdk::Tag::builder().value("web").build();
        assert_eq!(tags(Some(&[broken])), Err(Missing { of: "a tag", member: "key" }));
    }
}
