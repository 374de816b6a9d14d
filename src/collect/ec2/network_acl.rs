//! Network ACLs.

use std::collections::BTreeMap;

use aws_sdk_ec2::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::touch::{Change, Target};
use super::super::{Ask, Collected, Kind, Observed, Scope};
use super::lists::{DESCRIBE_NETWORK_ACLS, Lists};
use super::{Missing, must};
use crate::inventory::Resource;

/// The resource type of network ACLs.
pub static NETWORK_ACL: Kind = Kind {
    name: "aws.ec2.network_acl",
    collection: "network_acls",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_NETWORK_ACLS],
    facets: &[],
    events: &[
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "CreateNetworkAclEntry",
                "DeleteNetworkAcl",
                "DeleteNetworkAclEntry",
                "ReplaceNetworkAclEntry",
            ],
            target: Target::At(&["requestParameters.networkAclId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateNetworkAcl"],
            target: Target::At(&["responseElements.networkAcl.networkAclId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "CreateDefaultVpc",
                "CreateSubnet",
                "CreateVpc",
                "DeleteSubnet",
                "DeleteVpc",
                "ReplaceNetworkAclAssociation",
            ],
            target: Target::Any("the event does not name the network ACL"),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateTags", "DeleteTags"],
            target: Target::Starting("acl-", &["requestParameters.resourcesSet.items.*.resourceId"]),
        },
    ],
    schema: NetworkAcl::json_schema,
};

/// A network ACL.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NetworkAcl {
    /// Such as `acl-0123456789abcdef0`.
    id: String,
    /// Id of the VPC that it belongs to.
    vpc_id: String,
    /// Whether it is the one that subnets without another get.
    is_default: bool,
    /// Its entries, with the deny at the end that AWS adds (number 32767), by direction and number.
    entries: Vec<Entry>,
    /// Ids of the subnets that it guards.
    subnets: Vec<String>,
    /// Its tags.
    tags: BTreeMap<String, String>,
}

impl Observed for NetworkAcl {
    const KIND: &'static Kind = &NETWORK_ACL;
}

/// An entry of a network ACL. Of those that match, the one with the lowest number decides.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Entry {
    /// Place in the order.
    number: i32,
    /// Whether it is about traffic that leaves the subnet.
    egress: bool,
    /// `allow` or `deny`.
    action: String,
    /// Number of the protocol, such as `6` for TCP and `17` for UDP; `-1` for all.
    protocol: String,
    /// First port; null where all ports are meant.
    from_port: Option<i32>,
    /// Last port; null where all ports are meant.
    to_port: Option<i32>,
    /// IPv4 range on the other side.
    ipv4: Option<String>,
    /// IPv6 range on the other side.
    ipv6: Option<String>,
}

pub(super) fn collect(ask: Ask<'_>, lists: &Lists) -> Collected {
    super::resources(ask, &NETWORK_ACL, &lists.network_acls, |acl| resource(ask, acl))
}

fn resource(ask: Ask<'_>, acl: &sdk::NetworkAcl) -> Result<Resource, Missing> {
    const ACL: &str = "a network ACL";
    let id = must(acl.network_acl_id.clone(), ACL, "networkAclId")?;
    let tags = super::tags(acl.tags.as_deref())?;
    let name = super::name(&tags, &id);
    let arn = super::arn(ask, acl.owner_id.as_deref(), &format!("network-acl/{id}"));
    let associations = must(acl.associations.as_deref(), ACL, "associationSet")?;
    let observed = NetworkAcl {
        vpc_id: must(acl.vpc_id.clone(), ACL, "vpcId")?,
        is_default: must(acl.is_default, ACL, "default")?,
        entries: entries(must(acl.entries.as_deref(), ACL, "entrySet")?)?,
        subnets: associations.iter().filter_map(|association| association.subnet_id.clone()).collect(),
        tags,
        id,
    };
    Ok(ask.resource(arn, name, &observed))
}

fn entries(of: &[sdk::NetworkAclEntry]) -> Result<Vec<Entry>, Missing> {
    let mut entries = of.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|entry| (entry.egress, entry.number));
    Ok(entries)
}

fn entry(of: &sdk::NetworkAclEntry) -> Result<Entry, Missing> {
    const ENTRY: &str = "an entry of a network ACL";
    let (ipv4, ipv6) = (of.cidr_block.clone(), of.ipv6_cidr_block.clone());
    if ipv4.is_none() && ipv6.is_none() {
        return Err(Missing { of: ENTRY, member: "cidrBlock" });
    }
    Ok(Entry {
        number: must(of.rule_number, ENTRY, "ruleNumber")?,
        egress: must(of.egress, ENTRY, "egress")?,
        action: must(of.rule_action.as_ref(), ENTRY, "ruleAction")?.as_str().to_owned(),
        protocol: must(of.protocol.clone(), ENTRY, "protocol")?,
        from_port: of.port_range.as_ref().and_then(|range| range.from),
        to_port: of.port_range.as_ref().and_then(|range| range.to),
        ipv4,
        ipv6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(number: i32) -> sdk::builders::NetworkAclEntryBuilder {
        sdk::NetworkAclEntry::builder()
            .rule_number(number)
            .egress(false)
            .rule_action(sdk::RuleAction::Allow)
            .protocol("6")
            .cidr_block("0.0.0.0/0")
    }

    #[test]
    fn entries_are_in_the_order_in_which_they_decide() {
        let range = sdk::PortRange::builder().from(22).to(25).build();
        let of =
            [builder(100).egress(true).build(), builder(200).build(), builder(90).port_range(range).build()];
        let entries = entries(&of).unwrap();
        let order: Vec<_> = entries.iter().map(|entry| (entry.egress, entry.number)).collect();
        assert_eq!(order, [(false, 90), (false, 200), (true, 100)]);
        assert_eq!((entries[0].from_port, entries[0].to_port), (Some(22), Some(25)));
        assert_eq!((entries[1].from_port, entries[1].to_port), (None, None));
        assert_eq!(entries[0].action, "allow");
    }

    #[test]
    fn an_entry_without_an_address_or_action_is_not_understood() {
        assert!(entry(&builder(1).set_cidr_block(None).build()).is_err());
        assert!(entry(&builder(1).set_cidr_block(None).ipv6_cidr_block("::/0").build()).is_ok());
        assert!(entry(&builder(1).set_rule_action(None).build()).is_err());
    }
}
