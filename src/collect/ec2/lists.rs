//! The lists of one region: each is read at most once, whichever resource types need it.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types as sdk;
use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::super::{Ask, Kind};
use super::{Missing, TYPES};
use crate::aws::Call;
use crate::inventory::{Facet, Unseen};

pub(super) static DESCRIBE_FLOW_LOGS: Call = Call::list("ec2", "DescribeFlowLogs", "flowLogSet");
pub(super) static DESCRIBE_INSTANCES: Call = Call::list("ec2", "DescribeInstances", "reservationSet");
pub(super) static DESCRIBE_NETWORK_ACLS: Call = Call::list("ec2", "DescribeNetworkAcls", "networkAclSet");
pub(super) static DESCRIBE_NETWORK_INTERFACES: Call =
    Call::list("ec2", "DescribeNetworkInterfaces", "networkInterfaceSet");
pub(super) static DESCRIBE_ROUTE_TABLES: Call = Call::list("ec2", "DescribeRouteTables", "routeTableSet");
pub(super) static DESCRIBE_SECURITY_GROUPS: Call =
    Call::list("ec2", "DescribeSecurityGroups", "securityGroupInfo");
pub(super) static DESCRIBE_VPC_ENDPOINTS: Call = Call::list("ec2", "DescribeVpcEndpoints", "vpcEndpointSet");
pub(super) static DESCRIBE_VPC_PEERING_CONNECTIONS: Call =
    Call::list("ec2", "DescribeVpcPeeringConnections", "vpcPeeringConnectionSet");
pub(super) static DESCRIBE_VPCS: Call = Call::list("ec2", "DescribeVpcs", "vpcSet");

/// Items in a page. Without a size AWS tries to answer everything at once, which is throttled first and times
/// out in large accounts ([pagination](https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-pagination.html)).
const PAGE_SIZE: i32 = 1000;
/// The most that `DescribeRouteTables` and `GetManagedPrefixListEntries` take.
pub(super) const PAGE_SIZE_OF_ROUTES: i32 = 100;

/// A list, as far as it was read.
pub(super) struct List<I> {
    /// The call that reads it.
    pub call: &'static Call,
    /// What was read before the end or the failure.
    pub items: Vec<I>,
    /// Whether that is everything.
    pub end: Result<(), Unseen>,
}

/// An instance with the account that owns it, which only its reservation names.
pub(super) struct Reserved {
    pub owner: Option<String>,
    pub instance: sdk::Instance,
}

/// The lists of one region. One that nothing wants is not read, and says so.
pub(super) struct Lists {
    pub endpoints: List<sdk::VpcEndpoint>,
    pub flow_logs: List<sdk::FlowLog>,
    pub instances: List<Reserved>,
    pub interfaces: List<sdk::NetworkInterface>,
    pub network_acls: List<sdk::NetworkAcl>,
    pub peerings: List<sdk::VpcPeeringConnection>,
    pub route_tables: List<sdk::RouteTable>,
    pub security_groups: List<sdk::SecurityGroup>,
    pub vpcs: List<sdk::Vpc>,
}

impl Lists {
    /// Reads what is wanted, all at once.
    pub async fn read(ask: Ask<'_>, ec2: &Client) -> Self {
        macro_rules! list {
            ($call:ident, $operation:ident, $take:expr) => {
                list!($call, $operation, $take, PAGE_SIZE)
            };
            ($call:ident, $operation:ident, $take:expr, $page_size:expr) => {
                read(ask, &$call, || ec2.$operation().into_paginator().page_size($page_size).send(), $take)
            };
        }
        let (
            endpoints,
            flow_logs,
            instances,
            interfaces,
            network_acls,
            peerings,
            route_tables,
            security_groups,
            vpcs,
        ) = futures::join!(
            list!(DESCRIBE_VPC_ENDPOINTS, describe_vpc_endpoints, |page| page.vpc_endpoints),
            list!(DESCRIBE_FLOW_LOGS, describe_flow_logs, |page| page.flow_logs),
            list!(DESCRIBE_INSTANCES, describe_instances, |page| reserved(page.reservations?)),
            list!(DESCRIBE_NETWORK_INTERFACES, describe_network_interfaces, |page| page.network_interfaces),
            list!(DESCRIBE_NETWORK_ACLS, describe_network_acls, |page| page.network_acls),
            list!(DESCRIBE_VPC_PEERING_CONNECTIONS, describe_vpc_peering_connections, |page| page
                .vpc_peering_connections),
            list!(
                DESCRIBE_ROUTE_TABLES,
                describe_route_tables,
                |page| page.route_tables,
                PAGE_SIZE_OF_ROUTES
            ),
            list!(DESCRIBE_SECURITY_GROUPS, describe_security_groups, |page| page.security_groups),
            list!(DESCRIBE_VPCS, describe_vpcs, |page| page.vpcs),
        );
        Self {
            endpoints,
            flow_logs,
            instances,
            interfaces,
            network_acls,
            peerings,
            route_tables,
            security_groups,
            vpcs,
        }
    }
}

async fn read<P, I, E>(
    ask: Ask<'_>,
    call: &'static Call,
    open: impl Fn() -> PaginationStream<Result<P, SdkError<E, HttpResponse>>>,
    take: impl Fn(P) -> Option<Vec<I>>,
) -> List<I>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    if !is_wanted(ask, call) {
        return List { call, items: Vec::new(), end: Err(ask.not_collected()) };
    }
    let listed = ask.place.pages(call, open, take).await;
    List { call, items: listed.items, end: listed.end.map(|_| ()) }
}

/// Whether a wanted type or facet has the call in its row of the table.
fn is_wanted(ask: Ask<'_>, call: &Call) -> bool {
    TYPES.iter().filter(|kind| ask.wanted.kind(kind)).any(|kind| {
        kind.list.contains(&call)
            || kind.facets.iter().any(|row| row.calls.contains(&call) && ask.wanted.field(kind, row.field))
    })
}

/// The instances of a page of reservations; `None` when one has no list of them.
fn reserved(reservations: Vec<sdk::Reservation>) -> Option<Vec<Reserved>> {
    let mut all = Vec::new();
    for reservation in reservations {
        let owner = reservation.owner_id;
        let instances = reservation.instances?.into_iter();
        all.extend(instances.map(|instance| Reserved { owner: owner.clone(), instance }));
    }
    Some(all)
}

/// What a list says about other resources, by their ids. A list with a hole says nothing about any of them.
pub(super) struct Index<T>(Facet<BTreeMap<String, Vec<T>>>);

impl<T: Clone + Ord> Index<T> {
    /// Reads a list for a facet, if that is wanted. `about` gives the ids that an item is about, and what
    /// it says.
    pub fn of<I>(
        ask: Ask<'_>,
        kind: &Kind,
        field: &str,
        list: &List<I>,
        about: impl Fn(&I) -> Result<Vec<(String, T)>, Missing>,
    ) -> Self {
        if !ask.wanted.field(kind, field) {
            return Self(Facet::Unknown(ask.not_collected()));
        }
        let grouped = list.end.clone().and_then(|()| {
            group(list.items.iter().map(about)).map_err(|missing| missing.unseen(ask.place, list.call))
        });
        Self(Facet::from(grouped))
    }

    /// What was said about one resource, in a fixed order.
    pub fn get(&self, id: &str) -> Facet<Vec<T>> {
        self.0.as_ref().map(|by_id| by_id.get(id).into_iter().flatten().cloned().collect())
    }
}

fn group<T: Ord>(
    items: impl Iterator<Item = Result<Vec<(String, T)>, Missing>>,
) -> Result<BTreeMap<String, Vec<T>>, Missing> {
    let mut by_id: BTreeMap<String, Vec<T>> = BTreeMap::new();
    for item in items {
        for (id, said) in item? {
            by_id.entry(id).or_default().push(said);
        }
    }
    by_id.values_mut().for_each(|said| said.sort());
    Ok(by_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Cause;

    #[test]
    fn reservations_give_their_owner_to_each_instance() {
        let instance = |id: &str| sdk::Instance::builder().instance_id(id).build();
        let reservation = sdk::Reservation::builder()
            .owner_id("111122223333")
            .instances(instance("i-1"))
            .instances(instance("i-2"))
            .build();
        let all = reserved(vec![reservation]).unwrap();
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|one| one.owner.as_deref() == Some("111122223333")));
    }

    #[test]
    fn a_reservation_without_its_instances_breaks_the_page() {
        let whole = sdk::Reservation::builder().set_instances(Some(Vec::new())).build();
        let broken = sdk::Reservation::builder().build();
        assert!(reserved(vec![whole, broken]).is_none());
    }

    #[test]
    fn a_complete_index_knows_that_nothing_was_said() {
        let said = [("vpc-1", "b"), ("vpc-2", "c"), ("vpc-1", "a")];
        let items = said.into_iter().map(|(id, what)| Ok(vec![(id.to_owned(), what)]));
        let index = Index(Facet::Known(group(items).unwrap()));
        assert_eq!(index.get("vpc-1"), Facet::Known(vec!["a", "b"]));
        assert_eq!(index.get("vpc-3"), Facet::Known(Vec::new()));
    }

    #[test]
    fn an_unread_list_is_unknown_and_never_empty() {
        let unseen = Unseen::without_call("111122223333", "us-east-1", Cause::Throttled, String::new());
        let index: Index<String> = Index(Facet::Unknown(unseen.clone()));
        assert_eq!(index.get("vpc-1"), Facet::Unknown(unseen));
    }

    #[test]
    fn one_broken_item_spoils_the_index() {
        let broken = Missing { of: "a flow log", member: "resourceId" };
        let items = [Ok(vec![("vpc-1".to_owned(), 1)]), Err(broken)];
        assert!(group(items.into_iter()).is_err());
    }
}
