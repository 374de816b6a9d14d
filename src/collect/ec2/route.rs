//! Route tables and their routes.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::schema::Link;
use super::super::touch::{Change, Target};
use super::super::{Ask, Collected, Kind, Observed, Per, Row, Scope};
use super::lists::{DESCRIBE_ROUTE_TABLES, Lists};
use super::prefix_list::{GET_MANAGED_PREFIX_LIST_ENTRIES, PrefixLists};
use super::{Missing, VpcPeering, must, peering};
use crate::inventory::{Facet, Resource};

/// The resource type of route tables.
pub static ROUTE_TABLE: Kind = Kind {
    name: "aws.ec2.route_table",
    collection: "route_tables",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_ROUTE_TABLES],
    facets: &[Row { field: "prefix_lists", calls: &[&GET_MANAGED_PREFIX_LIST_ENTRIES], per: Per::Resource }],
    events: &[
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "AssociateRouteTable",
                "CreateRoute",
                "DeleteRoute",
                "DeleteRouteTable",
                "DisableVgwRoutePropagation",
                "EnableVgwRoutePropagation",
                "ReplaceRoute",
            ],
            target: Target::At(&["requestParameters.routeTableId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateRouteTable"],
            target: Target::At(&["responseElements.routeTable.routeTableId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "CreateDefaultVpc",
                "CreateVpc",
                "CreateVpcEndpoint",
                "DeleteVpc",
                "DeleteVpcEndpoints",
                "DisassociateRouteTable",
                "ModifyVpcEndpoint",
                "ReplaceRouteTableAssociation",
            ],
            target: Target::Any("the event does not name the route table"),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["DeleteManagedPrefixList", "ModifyManagedPrefixList", "RestoreManagedPrefixListVersion"],
            target: Target::Any("the event does not say whose routes name the prefix list"),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateTags", "DeleteTags"],
            target: Target::Starting("rtb-", &["requestParameters.resourcesSet.items.*.resourceId"]),
        },
    ],
    schema: RouteTable::json_schema,
};

/// A route table.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RouteTable {
    /// Such as `rtb-0123456789abcdef0`.
    id: String,
    /// Id of the VPC that it belongs to.
    vpc_id: String,
    /// Whether it is the one that subnets without another get.
    is_main: bool,
    /// Ids of the subnets that it is given to by name; those that get the main table are not listed.
    subnets: Vec<String>,
    /// Its routes.
    routes: Vec<Route>,
    /// Its tags.
    tags: BTreeMap<String, String>,
    /// Address ranges of the prefix lists that its routes lead to a target other than an endpoint, by the id
    /// of the list.
    prefix_lists: Facet<BTreeMap<String, Vec<String>>>,
}

impl Observed for RouteTable {
    const KIND: &'static Kind = &ROUTE_TABLE;
}

/// A route.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Route {
    /// Address range that it is for, or the id of a prefix list (`pl-...`).
    destination: String,
    /// `active`, or `blackhole` when the target is gone or not ready.
    state: String,
    /// What kind of thing it leads to.
    target_kind: TargetKind,
    /// What it leads to: an id, an ARN or `local`.
    target: Option<String>,
    /// The peering connection that it leads to.
    peering: Option<Link<VpcPeering>>,
}

/// What kind of thing a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// The VPC itself.
    Local,
    /// An internet gateway.
    InternetGateway,
    /// An egress-only internet gateway, for IPv6.
    EgressOnlyInternetGateway,
    /// A NAT gateway.
    NatGateway,
    /// A VPC peering connection.
    Peering,
    /// A transit gateway.
    TransitGateway,
    /// A virtual private gateway, for VPN and Direct Connect.
    VirtualPrivateGateway,
    /// A gateway endpoint or a Gateway Load Balancer endpoint.
    Endpoint,
    /// A network interface; of an instance when that routes.
    NetworkInterface,
    /// A carrier gateway of a Wavelength zone.
    CarrierGateway,
    /// A local gateway of an Outpost.
    LocalGateway,
    /// A core network of Cloud WAN.
    CoreNetwork,
    /// Something else.
    Other,
}

pub(super) fn collect(ask: Ask<'_>, lists: &Lists, prefix_lists: &PrefixLists) -> Collected {
    super::resources(ask, &ROUTE_TABLE, &lists.route_tables, |table| resource(ask, table, prefix_lists))
}

/// ARN of a route table.
pub(super) fn arn(ask: Ask<'_>, owner: Option<&str>, id: &str) -> String {
    super::arn(ask, owner, &format!("route-table/{id}"))
}

/// The prefix lists that the routes of a table name. Those of gateway endpoints are AWS's own and left out.
pub(super) fn prefix_list_ids(table: &sdk::RouteTable) -> BTreeSet<&str> {
    table
        .routes()
        .iter()
        .filter(|route| target(route).0 != TargetKind::Endpoint)
        .filter_map(sdk::Route::destination_prefix_list_id)
        .collect()
}

fn resource(ask: Ask<'_>, table: &sdk::RouteTable, prefix_lists: &PrefixLists) -> Result<Resource, Missing> {
    const TABLE: &str = "a route table";
    let id = must(table.route_table_id.clone(), TABLE, "routeTableId")?;
    let tags = super::tags(table.tags.as_deref())?;
    let name = super::name(&tags, &id);
    let arn = arn(ask, table.owner_id.as_deref(), &id);
    let associations = must(table.associations.as_deref(), TABLE, "associationSet")?;
    let routes = must(table.routes.as_deref(), TABLE, "routeSet")?;
    let observed = RouteTable {
        vpc_id: must(table.vpc_id.clone(), TABLE, "vpcId")?,
        is_main: associations.iter().any(|association| association.main == Some(true)),
        subnets: associations.iter().filter_map(|association| association.subnet_id.clone()).collect(),
        routes: routes.iter().map(|of| route(ask, of)).collect::<Result<_, _>>()?,
        tags,
        prefix_lists: prefix_lists.facet(ask, &ROUTE_TABLE, prefix_list_ids(table).into_iter()),
        id,
    };
    Ok(ask.resource(arn, name, &observed))
}

fn route(ask: Ask<'_>, of: &sdk::Route) -> Result<Route, Missing> {
    let (target_kind, target) = target(of);
    Ok(Route {
        destination: destination(of)?.to_owned(),
        state: must(of.state.as_ref(), ROUTE, "state")?.as_str().to_owned(),
        target_kind,
        target: target.map(str::to_owned),
        peering: of.vpc_peering_connection_id.as_deref().map(|id| Link::to(peering::arn(ask, id))),
    })
}

const ROUTE: &str = "a route";

fn destination(of: &sdk::Route) -> Result<&str, Missing> {
    let destination = of
        .destination_cidr_block()
        .or_else(|| of.destination_ipv6_cidr_block())
        .or_else(|| of.destination_prefix_list_id());
    must(destination, ROUTE, "destinationCidrBlock")
}

/// A route has one target; only one that leads to an instance names its network interface too.
fn target(of: &sdk::Route) -> (TargetKind, Option<&str>) {
    if let Some(gateway) = of.gateway_id() {
        let kind = match gateway.split('-').next() {
            Some("local") => TargetKind::Local,
            Some("igw") => TargetKind::InternetGateway,
            Some("vgw") => TargetKind::VirtualPrivateGateway,
            Some("vpce") => TargetKind::Endpoint,
            _ => TargetKind::Other,
        };
        return (kind, Some(gateway));
    }
    [
        (TargetKind::NatGateway, of.nat_gateway_id()),
        (TargetKind::Peering, of.vpc_peering_connection_id()),
        (TargetKind::TransitGateway, of.transit_gateway_id()),
        (TargetKind::EgressOnlyInternetGateway, of.egress_only_internet_gateway_id()),
        (TargetKind::NetworkInterface, of.network_interface_id()),
        (TargetKind::NetworkInterface, of.instance_id()),
        (TargetKind::CarrierGateway, of.carrier_gateway_id()),
        (TargetKind::LocalGateway, of.local_gateway_id()),
        (TargetKind::CoreNetwork, of.core_network_arn()),
        (TargetKind::Other, of.odb_network_arn()),
    ]
    .into_iter()
    .find(|(_, id)| id.is_some())
    .unwrap_or((TargetKind::Other, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> sdk::builders::RouteBuilder {
        sdk::Route::builder()
    }

    #[test]
    fn the_id_says_what_a_gateway_is() {
        let cases = [
            ("local", TargetKind::Local),
            ("igw-1", TargetKind::InternetGateway),
            ("vgw-1", TargetKind::VirtualPrivateGateway),
            ("vpce-1", TargetKind::Endpoint),
            ("new-1", TargetKind::Other),
        ];
        for (id, kind) in cases {
            assert_eq!(target(&route().gateway_id(id).build()), (kind, Some(id)));
        }
    }

    #[test]
    fn other_targets_have_members_of_their_own() {
        assert_eq!(target(&route().nat_gateway_id("nat-1").build()), (TargetKind::NatGateway, Some("nat-1")));
        let instance = route().instance_id("i-1").network_interface_id("eni-1").build();
        assert_eq!(target(&instance), (TargetKind::NetworkInterface, Some("eni-1")));
        let peering = route().vpc_peering_connection_id("pcx-1").build();
        assert_eq!(target(&peering), (TargetKind::Peering, Some("pcx-1")));
        assert_eq!(target(&route().build()), (TargetKind::Other, None));
    }

    #[test]
    fn a_destination_is_an_address_range_or_a_prefix_list() {
        let of = |route: sdk::builders::RouteBuilder| destination(&route.build()).map(str::to_owned);
        assert_eq!(of(route().destination_cidr_block("0.0.0.0/0")), Ok("0.0.0.0/0".to_owned()));
        assert_eq!(of(route().destination_ipv6_cidr_block("::/0")), Ok("::/0".to_owned()));
        assert_eq!(of(route().destination_prefix_list_id("pl-1")), Ok("pl-1".to_owned()));
        assert!(of(route()).is_err());
    }

    #[test]
    fn the_lists_of_gateway_endpoints_are_not_asked_for() {
        let table = sdk::RouteTable::builder()
            .routes(route().destination_prefix_list_id("pl-s3").gateway_id("vpce-1").build())
            .routes(route().destination_prefix_list_id("pl-own").vpc_peering_connection_id("pcx-1").build())
            .build();
        assert_eq!(prefix_list_ids(&table), BTreeSet::from(["pl-own"]));
    }
}
