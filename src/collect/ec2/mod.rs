//! stub
use crate::collect::{Ask, Collected, Kind, Observed, Scope};
use schemars::JsonSchema;
use serde::Serialize;
pub async fn collect(_ask: Ask<'_>) -> Collected {
    Collected::nothing()
}

pub static INSTANCE: Kind = Kind {
    name: "aws.ec2.instance",
    collection: "instances",
    single: false,
    scope: Scope::Regional,
    list: &[],
    facets: &[],
    schema: Instance::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct Instance {}
impl Observed for Instance {
    const KIND: &'static Kind = &INSTANCE;
}

pub static NETWORK_ACL: Kind = Kind {
    name: "aws.ec2.network_acl",
    collection: "network_acls",
    single: false,
    scope: Scope::Regional,
    list: &[],
    facets: &[],
    schema: NetworkAcl::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct NetworkAcl {}
impl Observed for NetworkAcl {
    const KIND: &'static Kind = &NETWORK_ACL;
}

pub static REGION_SETTINGS: Kind = Kind {
    name: "aws.ec2.region_settings",
    collection: "ec2_settings",
    single: true,
    scope: Scope::Regional,
    list: &[],
    facets: &[],
    schema: RegionSettings::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct RegionSettings {}
impl Observed for RegionSettings {
    const KIND: &'static Kind = &REGION_SETTINGS;
}

pub static ROUTE_TABLE: Kind = Kind {
    name: "aws.ec2.route_table",
    collection: "route_tables",
    single: false,
    scope: Scope::Regional,
    list: &[],
    facets: &[],
    schema: RouteTable::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct RouteTable {}
impl Observed for RouteTable {
    const KIND: &'static Kind = &ROUTE_TABLE;
}

pub static SECURITY_GROUP: Kind = Kind {
    name: "aws.ec2.security_group",
    collection: "security_groups",
    single: false,
    scope: Scope::Regional,
    list: &[],
    facets: &[],
    schema: SecurityGroup::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct SecurityGroup {}
impl Observed for SecurityGroup {
    const KIND: &'static Kind = &SECURITY_GROUP;
}

pub static VPC: Kind = Kind {
    name: "aws.ec2.vpc",
    collection: "vpcs",
    single: false,
    scope: Scope::Regional,
    list: &[],
    facets: &[],
    schema: Vpc::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct Vpc {}
impl Observed for Vpc {
    const KIND: &'static Kind = &VPC;
}

pub static VPC_PEERING: Kind = Kind {
    name: "aws.ec2.vpc_peering",
    collection: "vpc_peerings",
    single: false,
    scope: Scope::Regional,
    list: &[],
    facets: &[],
    schema: VpcPeering::json_schema,
};
#[derive(Debug, Serialize, JsonSchema)]
pub struct VpcPeering {}
impl Observed for VpcPeering {
    const KIND: &'static Kind = &VPC_PEERING;
}
