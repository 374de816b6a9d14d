//! VPC peering connections.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::touch::{Change, Target};
use super::super::{Ask, Collected, Kind, Observed, Scope};
use super::lists::{DESCRIBE_VPC_PEERING_CONNECTIONS, Lists};
use super::{Missing, must};
use crate::inventory::Resource;

const PEERING: &str = "a VPC peering connection";

/// The resource type of VPC peering connections.
pub static VPC_PEERING: Kind = Kind {
    name: "aws.ec2.vpc_peering",
    collection: "vpc_peerings",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_VPC_PEERING_CONNECTIONS],
    facets: &[],
    events: &[
        Change {
            source: "ec2.amazonaws.com",
            names: &[
                "AcceptVpcPeeringConnection",
                "DeleteVpcPeeringConnection",
                "RejectVpcPeeringConnection",
            ],
            target: Target::At(&["requestParameters.vpcPeeringConnectionId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateVpcPeeringConnection"],
            target: Target::At(&["responseElements.vpcPeeringConnection.vpcPeeringConnectionId"]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["ModifyVpcPeeringConnectionOptions"],
            target: Target::At(&[
                "requestParameters.ModifyVpcPeeringConnectionOptionsRequest.VpcPeeringConnectionId|requestParameters.vpcPeeringConnectionId",
            ]),
        },
        Change {
            source: "ec2.amazonaws.com",
            names: &["CreateTags", "DeleteTags"],
            target: Target::Starting("pcx-", &["requestParameters.resourcesSet.items.*.resourceId"]),
        },
    ],
    schema: VpcPeering::json_schema,
};

/// A VPC peering connection, as one of its two sides sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VpcPeering {
    /// Such as `pcx-0123456789abcdef0`.
    id: String,
    /// Such as `active`, `pending-acceptance` or `deleted`.
    status: String,
    /// The two VPCs that it connects.
    vpcs: Vec<PeeredVpc>,
    /// Its tags on this side.
    tags: BTreeMap<String, String>,
}

impl Observed for VpcPeering {
    const KIND: &'static Kind = &VPC_PEERING;
}

/// One side of a VPC peering connection.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct PeeredVpc {
    /// `requester` or `accepter`.
    role: PeeringRole,
    /// Account that owns the VPC.
    account: Option<String>,
    /// Region of the VPC.
    region: Option<String>,
    /// Id of the VPC.
    vpc_id: Option<String>,
    /// All its address ranges; empty as long as the connection is not accepted and AWS does not tell.
    cidrs: Vec<String>,
}

/// Who asked for a peering, and who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeeringRole {
    /// Asked for it.
    Requester,
    /// Was asked.
    Accepter,
}

pub(super) fn collect(ask: Ask<'_>, lists: &Lists) -> Collected {
    super::resources(ask, &VPC_PEERING, &lists.peerings, |peering| resource(ask, peering))
}

/// Both sides see the connection under the same id; each has an ARN of its own for it, and so may be
/// another region's.
pub(super) fn arn(ask: Ask<'_>, id: &str) -> String {
    super::arn(ask, None, &format!("vpc-peering-connection/{id}"))
}

fn resource(ask: Ask<'_>, peering: &sdk::VpcPeeringConnection) -> Result<Resource, Missing> {
    let id = must(peering.vpc_peering_connection_id.clone(), PEERING, "vpcPeeringConnectionId")?;
    let tags = super::tags(peering.tags.as_deref())?;
    let name = super::name(&tags, &id);
    let arn = arn(ask, &id);
    let status = must(peering.status.as_ref().and_then(|status| status.code.as_ref()), PEERING, "status")?;
    let observed = VpcPeering { status: status.as_str().to_owned(), vpcs: vpcs(peering, status)?, tags, id };
    Ok(ask.resource(arn, name, &observed))
}

fn vpcs(
    peering: &sdk::VpcPeeringConnection,
    status: &sdk::VpcPeeringConnectionStateReasonCode,
) -> Result<Vec<PeeredVpc>, Missing> {
    let requester = must(peering.requester_vpc_info.as_ref(), PEERING, "requesterVpcInfo")?;
    let accepter = must(peering.accepter_vpc_info.as_ref(), PEERING, "accepterVpcInfo")?;
    let vpcs = vec![peered(PeeringRole::Requester, requester), peered(PeeringRole::Accepter, accepter)];
    let is_active = *status == sdk::VpcPeeringConnectionStateReasonCode::Active;
    if is_active && vpcs.iter().any(|vpc| vpc.cidrs.is_empty()) {
        return Err(Missing { of: "a side of an active VPC peering connection", member: "cidrBlock" });
    }
    Ok(vpcs)
}

fn peered(role: PeeringRole, vpc: &sdk::VpcPeeringConnectionVpcInfo) -> PeeredVpc {
    let more_ipv4 = vpc.cidr_block_set().iter().filter_map(|block| block.cidr_block.as_ref());
    let ipv6 = vpc.ipv6_cidr_block_set().iter().filter_map(|block| block.ipv6_cidr_block.as_ref());
    let cidrs: BTreeSet<&String> = vpc.cidr_block.iter().chain(more_ipv4).chain(ipv6).collect();
    PeeredVpc {
        role,
        account: vpc.owner_id.clone(),
        region: vpc.region.clone(),
        vpc_id: vpc.vpc_id.clone(),
        cidrs: cidrs.into_iter().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdk::VpcPeeringConnectionStateReasonCode as Status;

    fn between(
        requester: sdk::builders::VpcPeeringConnectionVpcInfoBuilder,
        accepter: sdk::builders::VpcPeeringConnectionVpcInfoBuilder,
    ) -> sdk::VpcPeeringConnection {
        sdk::VpcPeeringConnection::builder()
            .requester_vpc_info(requester.build())
            .accepter_vpc_info(accepter.build())
            .build()
    }

    fn side() -> sdk::builders::VpcPeeringConnectionVpcInfoBuilder {
        sdk::VpcPeeringConnectionVpcInfo::builder()
    }

    #[test]
    fn a_side_has_all_its_ranges_once() {
        let requester = side()
            .cidr_block("10.0.0.0/16")
            .cidr_block_set(sdk::CidrBlock::builder().cidr_block("10.0.0.0/16").build())
            .cidr_block_set(sdk::CidrBlock::builder().cidr_block("10.1.0.0/16").build())
            .ipv6_cidr_block_set(sdk::Ipv6CidrBlock::builder().ipv6_cidr_block("2001:db8::/56").build());
        let vpcs = vpcs(&between(requester, side().cidr_block("10.2.0.0/16")), &Status::Active).unwrap();
        assert_eq!(vpcs[0].cidrs, ["10.0.0.0/16", "10.1.0.0/16", "2001:db8::/56"]);
        assert_eq!(vpcs[1].role, PeeringRole::Accepter);
    }

    #[test]
    fn only_a_connection_that_waits_may_hide_the_other_side() {
        let peering = between(side().cidr_block("10.0.0.0/16"), side());
        assert!(vpcs(&peering, &Status::PendingAcceptance).is_ok());
        assert!(vpcs(&peering, &Status::Active).is_err());
    }
}
