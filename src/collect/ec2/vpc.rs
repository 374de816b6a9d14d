//! VPCs, with their flow logs, endpoints and route tables.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::schema::Link;
use super::super::touch::{Change, Target};
use super::super::{Ask, Collected, Kind, Observed, Per, Row, Scope};
use super::lists::{
    DESCRIBE_FLOW_LOGS, DESCRIBE_NETWORK_INTERFACES, DESCRIBE_ROUTE_TABLES, DESCRIBE_VPC_ENDPOINTS,
    DESCRIBE_VPCS, Index, Lists,
};
use super::{Missing, RouteTable, must, route};
use crate::inventory::{Facet, Resource};

/// The resource type of VPCs.
pub static VPC: Kind = Kind {
    name: "aws.ec2.vpc",
    collection: "vpcs",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_VPCS],
    facets: &[
        Row { field: "flow_logs", calls: &[&DESCRIBE_FLOW_LOGS], per: Per::Place },
        Row { field: "endpoints", calls: &[&DESCRIBE_VPC_ENDPOINTS], per: Per::Place },
        Row { field: "interface_count", calls: &[&DESCRIBE_NETWORK_INTERFACES], per: Per::Place },
        Row { field: "route_tables", calls: &[&DESCRIBE_ROUTE_TABLES], per: Per::Place },
    ],
    events: &[
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateDefaultVpc", "CreateVpc"],
            target: Target::At(&["responseElements.vpc.vpcId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["DeleteVpc"],
            target: Target::At(&["requestParameters.vpcId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "CreateFlowLogs",
                "CreateVpcEndpoint",
                "DeleteFlowLogs",
                "DeleteVpcEndpoints",
                "ModifyVpcEndpoint",
            ],
            target: Target::Any(
                "the event does not name the VPC in a way that all versions of the API share",
            ),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "CreateNetworkInterface",
                "DeleteNetworkInterface",
                "RunInstances",
                "TerminateInstances",
            ],
            target: Target::Any("the event does not say which VPC an interface is in"),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "AssociateRouteTable",
                "CreateRoute",
                "CreateRouteTable",
                "DeleteRoute",
                "DeleteRouteTable",
                "DisassociateRouteTable",
                "ReplaceRoute",
                "ReplaceRouteTableAssociation",
            ],
            target: Target::Any("the event does not name the VPC of the route table"),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateTags", "DeleteTags"],
            target: Target::Starting("vpc-", &["requestParameters.resourcesSet.items.*.resourceId"]),
        },
    ],
    schema: Vpc::json_schema,
};

/// A VPC: the account's own, or one that another account shares with it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Vpc {
    /// Such as `vpc-0123456789abcdef0`.
    id: String,
    /// Whether it is the one that AWS made for the region.
    is_default: bool,
    /// Account that owns it.
    owner: String,
    /// Whether this account owns it.
    is_owned: bool,
    /// All its address ranges.
    cidrs: Vec<String>,
    /// Its tags.
    tags: BTreeMap<String, String>,
    /// Flow logs of the VPC as a whole; those of its subnets and interfaces are not among them.
    flow_logs: Facet<Vec<FlowLog>>,
    /// Its endpoints.
    endpoints: Facet<Vec<Endpoint>>,
    /// Number of its network interfaces.
    interface_count: Facet<usize>,
    /// Its route tables.
    route_tables: Facet<Vec<Link<RouteTable>>>,
}

impl Observed for Vpc {
    const KIND: &'static Kind = &VPC;
}

/// A flow log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct FlowLog {
    /// Such as `fl-0123456789abcdef0`.
    id: String,
    /// `ACTIVE` when it is in place.
    status: String,
    /// `ACCEPT`, `REJECT` or `ALL`.
    traffic_type: String,
    /// `SUCCESS`, or `FAILED` when the records do not arrive; null before the first attempt.
    deliver_status: Option<String>,
    /// ARN of the bucket, delivery stream or log group, or the name of the log group.
    destination: Option<String>,
}

/// A VPC endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Endpoint {
    /// Such as `vpce-0123456789abcdef0`.
    id: String,
    /// `Gateway`, `Interface`, `GatewayLoadBalancer`, `Resource` or `ServiceNetwork`.
    #[serde(rename = "type")]
    kind: String,
    /// Name of the service, such as `com.amazonaws.us-east-1.s3`; null for resources and service networks.
    service_name: Option<String>,
    /// The same without the part that all services of the region share, such as `s3`.
    service: Option<String>,
    /// State in lower case, such as `available` or `pending`.
    state: String,
    /// Ids of the route tables that lead to it; a gateway endpoint serves only their subnets.
    route_tables: Vec<String>,
    /// Ids of the subnets that it has network interfaces in.
    subnets: Vec<String>,
}

/// What the other lists of the region say about VPCs.
struct About {
    flow_logs: Index<FlowLog>,
    endpoints: Index<Endpoint>,
    interfaces: Index<()>,
    route_tables: Index<String>,
}

pub(super) fn collect(ask: Ask<'_>, lists: &Lists) -> Collected {
    let about = About {
        flow_logs: Index::of(ask, &VPC, "flow_logs", &lists.flow_logs, flow_log),
        endpoints: Index::of(ask, &VPC, "endpoints", &lists.endpoints, |of| endpoint(of, ask.place.region())),
        interfaces: Index::of(ask, &VPC, "interface_count", &lists.interfaces, |interface| {
            Ok(vec![(must(interface.vpc_id.clone(), "a network interface", "vpcId")?, ())])
        }),
        route_tables: Index::of(ask, &VPC, "route_tables", &lists.route_tables, |table| {
            let id = must(table.route_table_id.as_deref(), "a route table", "routeTableId")?;
            let vpc = must(table.vpc_id.clone(), "a route table", "vpcId")?;
            Ok(vec![(vpc, route::arn(ask, table.owner_id.as_deref(), id))])
        }),
    };
    super::resources(ask, &VPC, &lists.vpcs, |vpc| resource(ask, vpc, &about))
}

const A_VPC: &str = "a VPC";

fn resource(ask: Ask<'_>, vpc: &sdk::Vpc, about: &About) -> Result<Resource, Missing> {
    let id = must(vpc.vpc_id.clone(), A_VPC, "vpcId")?;
    let owner = must(vpc.owner_id.clone(), A_VPC, "ownerId")?;
    let tags = super::tags(vpc.tags.as_deref())?;
    let name = super::name(&tags, &id);
    let arn = super::arn(ask, Some(&owner), &format!("vpc/{id}"));
    let observed = Vpc {
        is_default: must(vpc.is_default, A_VPC, "isDefault")?,
        is_owned: owner == ask.place.account(),
        owner,
        cidrs: cidrs(vpc)?,
        tags,
        flow_logs: about.flow_logs.get(&id),
        endpoints: about.endpoints.get(&id),
        interface_count: about.interfaces.get(&id).map(|interfaces| interfaces.len()),
        route_tables: about.route_tables.get(&id).map(|arns| arns.into_iter().map(Link::to).collect()),
        id,
    };
    Ok(ask.resource(arn, name, &observed))
}

/// The address ranges in use; one that was taken away is still listed for a while.
fn cidrs(vpc: &sdk::Vpc) -> Result<Vec<String>, Missing> {
    let in_use = |state: &Option<sdk::VpcCidrBlockState>| {
        let code = state.as_ref().and_then(|state| state.state.as_ref());
        code == Some(&sdk::VpcCidrBlockStateCode::Associated)
    };
    let first = must(vpc.cidr_block.as_ref(), A_VPC, "cidrBlock")?;
    let ipv4 = vpc.cidr_block_association_set().iter().filter(|block| in_use(&block.cidr_block_state));
    let ipv6 =
        vpc.ipv6_cidr_block_association_set().iter().filter(|block| in_use(&block.ipv6_cidr_block_state));
    let all: BTreeSet<&String> = std::iter::once(first)
        .chain(ipv4.filter_map(|block| block.cidr_block.as_ref()))
        .chain(ipv6.filter_map(|block| block.ipv6_cidr_block.as_ref()))
        .collect();
    Ok(all.into_iter().cloned().collect())
}

/// A flow log under the resource that it logs. Those of transit gateways have no traffic type, and are
/// about no VPC.
fn flow_log(log: &sdk::FlowLog) -> Result<Vec<(String, FlowLog)>, Missing> {
    const LOG: &str = "a flow log";
    let logged = must(log.resource_id.clone(), LOG, "resourceId")?;
    if !logged.starts_with("vpc-") {
        return Ok(Vec::new());
    }
    let flow_log = FlowLog {
        id: must(log.flow_log_id.clone(), LOG, "flowLogId")?,
        status: must(log.flow_log_status.clone(), LOG, "flowLogStatus")?,
        traffic_type: must(log.traffic_type.as_ref(), LOG, "trafficType")?.as_str().to_owned(),
        deliver_status: log.deliver_logs_status.clone(),
        destination: log.log_destination.clone().or_else(|| log.log_group_name.clone()),
    };
    Ok(vec![(logged, flow_log)])
}

/// What a service is called within its region: `com.amazonaws.us-east-1.s3` is `s3`.
fn short_name(service: &str, region: &str) -> String {
    let short = match service.split_once(&format!(".{region}.")) {
        Some((_, rest)) => rest,
        None => service.strip_prefix("com.amazonaws.").unwrap_or(service),
    };
    short.to_owned()
}

/// An endpoint of this region under its VPC. Its service can be another region's.
fn endpoint(of: &sdk::VpcEndpoint, region: &str) -> Result<Vec<(String, Endpoint)>, Missing> {
    const ENDPOINT: &str = "a VPC endpoint";
    let kind = must(of.vpc_endpoint_type.as_ref(), ENDPOINT, "vpcEndpointType")?;
    let route_tables = match kind {
        sdk::VpcEndpointType::Gateway => must(of.route_table_ids.clone(), ENDPOINT, "routeTableIdSet")?,
        _ => of.route_table_ids().to_vec(),
    };
    let endpoint = Endpoint {
        id: must(of.vpc_endpoint_id.clone(), ENDPOINT, "vpcEndpointId")?,
        kind: kind.as_str().to_owned(),
        service: of
            .service_name
            .as_deref()
            .map(|name| short_name(name, of.service_region.as_deref().unwrap_or(region))),
        service_name: of.service_name.clone(),
        // The reference has `Available`, the answers have `available`.
        state: must(of.state.as_ref(), ENDPOINT, "state")?.as_str().to_lowercase(),
        route_tables,
        subnets: of.subnet_ids().to_vec(),
    };
    Ok(vec![(must(of.vpc_id.clone(), ENDPOINT, "vpcId")?, endpoint)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(of: &str) -> sdk::builders::FlowLogBuilder {
        sdk::FlowLog::builder()
            .resource_id(of)
            .flow_log_id("fl-1")
            .flow_log_status("ACTIVE")
            .traffic_type(sdk::TrafficType::All)
    }

    #[test]
    fn only_a_log_of_the_vpc_itself_is_about_it() {
        assert_eq!(flow_log(&log("subnet-1").build()), Ok(Vec::new()));
        assert_eq!(flow_log(&log("tgw-1").set_traffic_type(None).build()), Ok(Vec::new()));
        let about = flow_log(&log("vpc-1").log_group_name("flows").build()).unwrap();
        assert_eq!(about.len(), 1);
        assert_eq!(about[0].0, "vpc-1");
        assert_eq!(about[0].1.destination.as_deref(), Some("flows"));
        assert_eq!(about[0].1.deliver_status, None);
    }

    #[test]
    fn a_log_that_does_not_say_what_it_records_is_not_understood() {
        assert!(flow_log(&log("vpc-1").set_traffic_type(None).build()).is_err());
        assert!(flow_log(&log("vpc-1").set_flow_log_status(None).build()).is_err());
        assert!(flow_log(&log("vpc-1").set_resource_id(None).build()).is_err());
    }

    fn associated(cidr: &str, state: sdk::VpcCidrBlockStateCode) -> sdk::VpcCidrBlockAssociation {
        let state = sdk::VpcCidrBlockState::builder().state(state).build();
        sdk::VpcCidrBlockAssociation::builder().cidr_block(cidr).cidr_block_state(state).build()
    }

    #[test]
    fn ranges_that_were_taken_away_do_not_count() {
        let vpc = sdk::Vpc::builder()
            .cidr_block("10.0.0.0/16")
            .cidr_block_association_set(associated("10.0.0.0/16", sdk::VpcCidrBlockStateCode::Associated))
            .cidr_block_association_set(associated("10.1.0.0/16", sdk::VpcCidrBlockStateCode::Associated))
            .cidr_block_association_set(associated("10.2.0.0/16", sdk::VpcCidrBlockStateCode::Disassociated))
            .build();
        assert_eq!(cidrs(&vpc).unwrap(), ["10.0.0.0/16", "10.1.0.0/16"]);
        assert!(cidrs(&sdk::Vpc::builder().build()).is_err());
    }

    #[test]
    fn a_gateway_endpoint_must_say_which_tables_lead_to_it() {
        let of = |kind| {
            sdk::VpcEndpoint::builder()
                .vpc_endpoint_id("vpce-1")
                .vpc_id("vpc-1")
                .vpc_endpoint_type(kind)
                .service_name("com.amazonaws.us-east-1.s3")
                .state("available".into())
        };
        let read = |of: &sdk::VpcEndpoint| endpoint(of, "us-east-1");
        assert!(read(&of(sdk::VpcEndpointType::Gateway).build()).is_err());
        let gateway = of(sdk::VpcEndpointType::Gateway).route_table_ids("rtb-1").build();
        let about = read(&gateway).unwrap();
        assert_eq!((about[0].1.state.as_str(), about[0].1.kind.as_str()), ("available", "Gateway"));
        assert!(read(&of(sdk::VpcEndpointType::Interface).build()).is_ok());
        let capital = of(sdk::VpcEndpointType::Interface).state(sdk::State::Available).build();
        assert_eq!(read(&capital).unwrap()[0].1.state, "available");
    }

    #[test]
    fn a_service_has_a_short_name_in_its_region() {
        let cases = [
            ("com.amazonaws.us-east-1.s3", "s3"),
            ("com.amazonaws.us-east-1.ecr.api", "ecr.api"),
            ("cn.com.amazonaws.us-east-1.sts", "sts"),
            ("com.amazonaws.s3-global.accesspoint", "s3-global.accesspoint"),
            ("com.amazonaws.vpce.us-east-1.vpce-svc-1.s3", "vpce-svc-1.s3"),
        ];
        for (name, short) in cases {
            assert_eq!(short_name(name, "us-east-1"), short);
        }
    }
}
