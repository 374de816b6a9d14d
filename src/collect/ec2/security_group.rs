//! Security groups, their rules, and what uses them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::touch::{Change, Target};
use super::super::{Ask, Collected, Kind, Observed, Per, Row, Scope};
use super::lists::{DESCRIBE_NETWORK_INTERFACES, DESCRIBE_SECURITY_GROUPS, Index, Lists};
use super::prefix_list::{GET_MANAGED_PREFIX_LIST_ENTRIES, PrefixLists};
use super::{Missing, must};
use crate::inventory::{Facet, Resource};

/// The resource type of security groups.
pub static SECURITY_GROUP: Kind = Kind {
    name: "aws.ec2.security_group",
    collection: "security_groups",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_SECURITY_GROUPS],
    facets: &[
        Row { field: "interfaces", calls: &[&DESCRIBE_NETWORK_INTERFACES], per: Per::Place },
        Row { field: "prefix_lists", calls: &[&GET_MANAGED_PREFIX_LIST_ENTRIES], per: Per::Resource },
    ],
    events: &[
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "AuthorizeSecurityGroupEgress",
                "AuthorizeSecurityGroupIngress",
                "DeleteSecurityGroup",
                "RevokeSecurityGroupEgress",
                "RevokeSecurityGroupIngress",
            ],
            target: Target::At(&["requestParameters.groupId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["ModifySecurityGroupRules"],
            target: Target::At(&[
                "requestParameters.ModifySecurityGroupRulesRequest.GroupId|requestParameters.groupId",
            ]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateSecurityGroup"],
            target: Target::At(&["responseElements.groupId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateDefaultVpc", "CreateVpc", "DeleteVpc"],
            target: Target::Any("the event does not name the default group of the VPC"),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "CreateNetworkInterface",
                "DeleteNetworkInterface",
                "ModifyInstanceAttribute",
                "ModifyNetworkInterfaceAttribute",
                "RunInstances",
                "TerminateInstances",
            ],
            target: Target::Any("the event does not say which groups an interface has or had"),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["DeleteManagedPrefixList", "ModifyManagedPrefixList", "RestoreManagedPrefixListVersion"],
            target: Target::Any("the event does not say whose rules name the prefix list"),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateTags", "DeleteTags"],
            target: Target::Starting("sg-", &["requestParameters.resourcesSet.items.*.resourceId"]),
        },
    ],
    schema: SecurityGroup::json_schema,
};

/// A security group.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SecurityGroup {
    /// Such as `sg-0123456789abcdef0`.
    id: String,
    /// Its name within the VPC.
    group_name: String,
    /// What it was made for.
    description: String,
    /// Id of the VPC that it belongs to.
    vpc_id: Option<String>,
    /// Whether it is the group that came with the VPC. The name `default` is reserved for it.
    is_default: bool,
    /// Which traffic may come in.
    ingress: Vec<Rule>,
    /// Which traffic may go out.
    egress: Vec<Rule>,
    /// Its tags.
    tags: BTreeMap<String, String>,
    /// Ids of the network interfaces that use it.
    interfaces: Facet<Vec<String>>,
    /// Address ranges of the prefix lists that its rules name, by the id of the list.
    prefix_lists: Facet<BTreeMap<String, Vec<String>>>,
}

impl Observed for SecurityGroup {
    const KIND: &'static Kind = &SECURITY_GROUP;
}

/// A rule of a security group: everything that it lists may pass.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `-1` for all, or a protocol number.
    protocol: String,
    /// First port; for ICMP the type, `-1` for all. Null where all ports are meant.
    from_port: Option<i32>,
    /// Last port; for ICMP the code, `-1` for all. Null where all ports are meant.
    to_port: Option<i32>,
    /// IPv4 ranges on the other side.
    ipv4: Vec<String>,
    /// IPv6 ranges on the other side, spelt as they were entered.
    ipv6: Vec<String>,
    /// Ids of prefix lists on the other side.
    prefix_lists: Vec<String>,
    /// Ids of security groups on the other side.
    groups: Vec<String>,
}

pub(super) fn collect(ask: Ask<'_>, lists: &Lists, prefix_lists: &PrefixLists) -> Collected {
    let interfaces = Index::of(
        ask,
        &SECURITY_GROUP,
        "interfaces",
        &lists.interfaces,
        |interface: &sdk::NetworkInterface| {
            let id =
                must(interface.network_interface_id.as_ref(), "a network interface", "networkInterfaceId")?;
            let groups = interface.groups().iter().filter_map(|group| group.group_id.clone());
            Ok(groups.map(|group| (group, id.clone())).collect())
        },
    );
    super::resources(ask, &SECURITY_GROUP, &lists.security_groups, |group| {
        resource(ask, group, &interfaces, prefix_lists)
    })
}

fn resource(
    ask: Ask<'_>,
    group: &sdk::SecurityGroup,
    interfaces: &Index<String>,
    prefix_lists: &PrefixLists,
) -> Result<Resource, Missing> {
    const GROUP: &str = "a security group";
    let id = must(group.group_id.clone(), GROUP, "groupId")?;
    let group_name = must(group.group_name.clone(), GROUP, "groupName")?;
    let tags = super::tags(group.tags.as_deref())?;
    let name = super::name(&tags, &group_name);
    let arn = super::arn(ask, group.owner_id.as_deref(), &format!("security-group/{id}"));
    let observed = SecurityGroup {
        is_default: group_name == "default",
        group_name,
        description: must(group.description.clone(), GROUP, "groupDescription")?,
        vpc_id: group.vpc_id.clone(),
        ingress: rules(must(group.ip_permissions.as_deref(), GROUP, "ipPermissions")?)?,
        egress: rules(must(group.ip_permissions_egress.as_deref(), GROUP, "ipPermissionsEgress")?)?,
        tags,
        interfaces: interfaces.get(&id),
        prefix_lists: prefix_lists.facet(ask, &SECURITY_GROUP, prefix_list_ids(group).into_iter()),
        id,
    };
    Ok(ask.resource(arn, name, &observed))
}

/// The prefix lists that the rules of a group name.
pub(super) fn prefix_list_ids(group: &sdk::SecurityGroup) -> BTreeSet<&str> {
    group
        .ip_permissions()
        .iter()
        .chain(group.ip_permissions_egress())
        .flat_map(sdk::IpPermission::prefix_list_ids)
        .filter_map(sdk::PrefixListId::prefix_list_id)
        .collect()
}

fn rules(permissions: &[sdk::IpPermission]) -> Result<Vec<Rule>, Missing> {
    permissions.iter().map(rule).collect()
}

fn rule(permission: &sdk::IpPermission) -> Result<Rule, Missing> {
    const RULE: &str = "a rule of a security group";
    Ok(Rule {
        protocol: must(permission.ip_protocol.clone(), RULE, "ipProtocol")?,
        from_port: permission.from_port,
        to_port: permission.to_port,
        ipv4: permission
            .ip_ranges()
            .iter()
            .map(|range| must(range.cidr_ip.clone(), RULE, "cidrIp"))
            .collect::<Result<_, _>>()?,
        ipv6: permission
            .ipv6_ranges()
            .iter()
            .map(|range| must(range.cidr_ipv6.clone(), RULE, "cidrIpv6"))
            .collect::<Result<_, _>>()?,
        prefix_lists: permission
            .prefix_list_ids()
            .iter()
            .map(|list| must(list.prefix_list_id.clone(), RULE, "prefixListId"))
            .collect::<Result<_, _>>()?,
        groups: permission
            .user_id_group_pairs()
            .iter()
            .map(|pair| must(pair.group_id.clone().or_else(|| pair.group_name.clone()), RULE, "groupId"))
            .collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(id: &str) -> sdk::PrefixListId {
        sdk::PrefixListId::builder().prefix_list_id(id).build()
    }

    #[test]
    fn a_rule_keeps_every_kind_of_source() {
        let permission = sdk::IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(22)
            .to_port(25)
            .ip_ranges(sdk::IpRange::builder().cidr_ip("0.0.0.0/1").build())
            .ipv6_ranges(sdk::Ipv6Range::builder().cidr_ipv6("0::/0").build())
            .prefix_list_ids(list("pl-1"))
            .user_id_group_pairs(sdk::UserIdGroupPair::builder().group_id("sg-1").build())
            .build();
        let expected = Rule {
            protocol: "tcp".to_owned(),
            from_port: Some(22),
            to_port: Some(25),
            ipv4: vec!["0.0.0.0/1".to_owned()],
            ipv6: vec!["0::/0".to_owned()],
            prefix_lists: vec!["pl-1".to_owned()],
            groups: vec!["sg-1".to_owned()],
        };
        assert_eq!(rule(&permission), Ok(expected));
    }

    #[test]
    fn all_protocols_have_no_ports() {
        let all = rule(&sdk::IpPermission::builder().ip_protocol("-1").build()).unwrap();
        assert_eq!((all.from_port, all.to_port), (None, None));
    }

    #[test]
    fn a_range_without_an_address_is_not_understood() {
        let broken = sdk::IpPermission::builder()
            .ip_protocol("tcp")
            .ip_ranges(sdk::IpRange::builder().description("office").build())
            .build();
        assert!(rule(&broken).is_err());
    }

    #[test]
    fn lists_are_asked_for_once_whichever_direction_names_them() {
        let naming = |id: &str| sdk::IpPermission::builder().prefix_list_ids(list(id)).build();
        let group = sdk::SecurityGroup::builder()
            .ip_permissions(naming("pl-1"))
            .ip_permissions(naming("pl-2"))
            .ip_permissions_egress(naming("pl-1"))
            .build();
        assert_eq!(prefix_list_ids(&group), BTreeSet::from(["pl-1", "pl-2"]));
    }
}
