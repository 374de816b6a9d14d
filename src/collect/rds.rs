//! RDS: database instances, with the clusters that they are members of.
//!
//! Calls: `DescribeDBInstances` and `DescribeDBClusters`, each once for a region.
//!
//! Quirks:
//! - The lists hold the instances of [Neptune and DocumentDB](https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBInstances.html)
//!   too; `engine` tells them apart.
//! - A member of an Aurora cluster says that it is in one zone even when its
//!   [cluster](https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBCluster.html) is in several; a
//!   Multi-AZ DB cluster, which is one of another engine, has minor upgrades and public access as settings of its
//!   own. So an instance has what its cluster says beside its own.

use std::collections::BTreeMap;

use aws_sdk_rds::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::ec2::SecurityGroup;
use super::schema::Link;
use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Per, Row, Scope};
use crate::aws::Call;
use crate::inventory::{Facet, Resource, Unseen};

static DESCRIBE_DB_INSTANCES: Call = Call::list("rds", "DescribeDBInstances", "<DBInstances");
static DESCRIBE_DB_CLUSTERS: Call = Call::list("rds", "DescribeDBClusters", "<DBClusters");

/// Items in a page, the most that RDS gives.
const PAGE_SIZE: i32 = 100;

/// The resource type of database instances.
pub static INSTANCE: Kind = Kind {
    name: "aws.rds.instance",
    collection: "db_instances",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_DB_INSTANCES],
    facets: &[Row { field: "cluster", calls: &[&DESCRIBE_DB_CLUSTERS], per: Per::Place }],
    events: &[
        Change {
            source: "rds.amazonaws.com",
            names: &[
                "CreateDBInstance",
                "CreateDBInstanceReadReplica",
                "DeleteDBInstance",
                "ModifyDBInstance",
                "PromoteReadReplica",
                "RebootDBInstance",
                "RestoreDBInstanceFromDBSnapshot",
                "RestoreDBInstanceFromS3",
                "StartDBInstance",
                "StopDBInstance",
            ],
            target: Target::At(&[
                "requestParameters.dBInstanceIdentifier",
                "requestParameters.newDBInstanceIdentifier",
            ]),
        },
        Change {
            source: "rds.amazonaws.com",
            names: &["RestoreDBInstanceToPointInTime"],
            target: Target::At(&["requestParameters.targetDBInstanceIdentifier"]),
        },
        Change {
            source: "rds.amazonaws.com",
            names: &[
                "CreateDBCluster",
                "DeleteDBCluster",
                "FailoverDBCluster",
                "ModifyDBCluster",
                "PromoteReadReplicaDBCluster",
                "RestoreDBClusterFromSnapshot",
                "RestoreDBClusterToPointInTime",
                "SwitchoverReadReplica",
            ],
            target: Target::Any("the event does not name the instances of the cluster"),
        },
    ],
    schema: DbInstance::json_schema,
};

/// A database instance.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DbInstance {
    /// Such as `postgres`, `aurora-mysql`, `custom-oracle-ee`; `neptune` and `docdb` are not RDS.
    engine: String,
    /// Such as `available`, `creating` or `deleting`.
    status: String,
    /// Whether its storage is encrypted; that of a member of a cluster is the cluster's.
    is_encrypted: bool,
    /// ARN of the KMS key; null when the storage is not encrypted.
    kms_key: Option<String>,
    /// Whether minor versions are installed by themselves.
    auto_minor_version_upgrade: bool,
    /// Whether its name leads to a public address.
    is_publicly_accessible: bool,
    /// Whether it has a standby in another zone; false for the members of a cluster.
    is_multi_az: bool,
    /// Whether it copies another instance or cluster.
    is_read_replica: bool,
    /// Port that it answers on; null while it is being made.
    port: Option<i32>,
    /// `IPV4`, or `DUAL` when it has IPv6 addresses as well; null where AWS does not say.
    network_type: Option<String>,
    /// Id of its VPC; null when it is in none.
    vpc_id: Option<String>,
    /// Ids of the subnets that it may be in.
    subnets: Vec<String>,
    /// Its security groups.
    security_groups: Vec<Link<SecurityGroup>>,
    /// Id of the cluster that it is a member of.
    cluster_id: Option<String>,
    /// Tags.
    tags: BTreeMap<String, String>,
    /// What its cluster says; null when it is not a member of one.
    cluster: Facet<Option<Cluster>>,
}

impl Observed for DbInstance {
    const KIND: &'static Kind = &INSTANCE;
}

/// What a cluster says about its members.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Cluster {
    /// Whether it is a Multi-AZ DB cluster, and not one of Aurora, Neptune or DocumentDB.
    is_multi_az_db_cluster: bool,
    /// Whether its members are in several zones.
    is_multi_az: bool,
    /// Whether it copies another cluster.
    is_read_replica: bool,
    /// Whether minor versions are installed by themselves; null where each member has its own setting.
    auto_minor_version_upgrade: Option<bool>,
    /// Whether its name leads to a public address; null where each member has its own setting.
    is_publicly_accessible: Option<bool>,
}

/// Collects the database instances of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&INSTANCE) {
        return Collected::nothing();
    }
    let client = ask.place.rds();
    let open = || client.describe_db_instances().into_paginator().page_size(PAGE_SIZE).send();
    let (listed, clusters) = futures::join!(
        ask.place.pages(&DESCRIBE_DB_INSTANCES, open, |page| page.db_instances),
        read_clusters(ask, &client),
    );
    let read = listed.items.into_iter().map(|instance| {
        read_instance(ask, instance, &clusters).map(Some).map_err(|member| {
            ask.place.malformed(&DESCRIBE_DB_INSTANCES, &format!("an instance has no `{member}`"))
        })
    });
    Collected::of_items(ask.place, &INSTANCE, listed.end.map(|_| ()), read)
}

/// The clusters of the region by their ids. One that is not understood is unknown to its members alone.
type Clusters = Facet<BTreeMap<String, Result<Cluster, Unseen>>>;

async fn read_clusters(ask: Ask<'_>, client: &aws_sdk_rds::Client) -> Clusters {
    if !ask.wanted.field(&INSTANCE, "cluster") {
        return Facet::Unknown(ask.not_collected());
    }
    let open = || client.describe_db_clusters().into_paginator().page_size(PAGE_SIZE).send();
    let listed = ask.place.pages(&DESCRIBE_DB_CLUSTERS, open, |page| page.db_clusters).await;
    let malformed =
        |member: &str| ask.place.malformed(&DESCRIBE_DB_CLUSTERS, &format!("a cluster has no `{member}`"));
    let by_id = listed.items.iter().map(|cluster| {
        let id = cluster.db_cluster_identifier.clone().ok_or_else(|| malformed("DBClusterIdentifier"))?;
        Ok((id, Cluster::of(cluster).map_err(malformed)))
    });
    Facet::from(by_id.collect::<Result<_, Unseen>>().and_then(|known| listed.end.map(|_| known)))
}

fn read_instance(
    ask: Ask<'_>,
    instance: sdk::DbInstance,
    clusters: &Clusters,
) -> Result<Resource, &'static str> {
    let arn = instance.db_instance_arn.clone().ok_or("DBInstanceArn")?;
    let name = instance.db_instance_identifier.clone().ok_or("DBInstanceIdentifier")?;
    let cluster = match instance.db_cluster_identifier.as_deref() {
        Some(id) => cluster_of(ask, id, clusters),
        None if ask.wanted.field(&INSTANCE, "cluster") => Facet::Known(None),
        None => Facet::Unknown(ask.not_collected()),
    };
    let group = |id: &str| Link::to(ask.arn("ec2", ask.place.region(), &format!("security-group/{id}")));
    let observed = DbInstance::of(instance, cluster, group)?;
    Ok(ask.resource(arn, name, &observed))
}

fn cluster_of(ask: Ask<'_>, id: &str, clusters: &Clusters) -> Facet<Option<Cluster>> {
    let Facet::Known(by_id) = clusters else {
        return clusters.as_ref().map(|_| None);
    };
    let listed = by_id.get(id).cloned().unwrap_or_else(|| {
        let message = "the cluster of an instance is not in the list of clusters";
        Err(ask.place.malformed(&DESCRIBE_DB_CLUSTERS, message))
    });
    Facet::from(listed.map(Some))
}

impl DbInstance {
    /// What AWS says, or the member that is missing.
    fn of(
        instance: sdk::DbInstance,
        cluster: Facet<Option<Cluster>>,
        group: impl Fn(&str) -> Link<SecurityGroup>,
    ) -> Result<Self, &'static str> {
        let groups = instance.vpc_security_groups.unwrap_or_default();
        let network = instance.db_subnet_group;
        let subnets = network.as_ref().map(sdk::DbSubnetGroup::subnets).unwrap_or_default();
        // While an instance is being made its endpoint is not known; that of a cluster's member has the port.
        let port = instance.endpoint.and_then(|endpoint| endpoint.port);
        Ok(Self {
            engine: instance.engine.ok_or("Engine")?,
            status: instance.db_instance_status.ok_or("DBInstanceStatus")?,
            is_encrypted: instance.storage_encrypted.ok_or("StorageEncrypted")?,
            kms_key: instance.kms_key_id,
            auto_minor_version_upgrade: instance
                .auto_minor_version_upgrade
                .ok_or("AutoMinorVersionUpgrade")?,
            is_publicly_accessible: instance.publicly_accessible.ok_or("PubliclyAccessible")?,
            is_multi_az: instance.multi_az.ok_or("MultiAZ")?,
            is_read_replica: instance.read_replica_source_db_instance_identifier.is_some()
                || instance.read_replica_source_db_cluster_identifier.is_some(),
            port,
            network_type: instance.network_type,
            vpc_id: network.as_ref().and_then(|network| network.vpc_id.clone()),
            subnets: subnets.iter().filter_map(|subnet| subnet.subnet_identifier.clone()).collect(),
            security_groups: groups
                .iter()
                .map(|of| of.vpc_security_group_id.as_deref().map(&group).ok_or("VpcSecurityGroupId"))
                .collect::<Result<_, _>>()?,
            cluster_id: instance.db_cluster_identifier,
            tags: tags(instance.tag_list),
            cluster,
        })
    }
}

/// A tag always has a key, and may have no value.
fn tags(of: Option<Vec<sdk::Tag>>) -> BTreeMap<String, String> {
    let pair = |tag: sdk::Tag| Some((tag.key?, tag.value.unwrap_or_default()));
    of.into_iter().flatten().filter_map(pair).collect()
}

impl Cluster {
    /// What AWS says, or the member that is missing. Two settings are those of Multi-AZ DB clusters, which always
    /// have them; of others AWS may repeat them, and they decide nothing there.
    fn of(cluster: &sdk::DbCluster) -> Result<Self, &'static str> {
        let engine = cluster.engine.as_deref().ok_or("Engine")?;
        let is_multi_az_db_cluster = !engine.starts_with("aurora") && !["neptune", "docdb"].contains(&engine);
        let own = |setting: Option<bool>, member| match setting {
            Some(value) if is_multi_az_db_cluster => Ok(Some(value)),
            None if is_multi_az_db_cluster => Err(member),
            _ => Ok(None),
        };
        Ok(Self {
            is_multi_az_db_cluster,
            is_multi_az: cluster.multi_az.ok_or("MultiAZ")?,
            is_read_replica: cluster.replication_source_identifier.as_deref().is_some_and(|s| !s.is_empty()),
            auto_minor_version_upgrade: own(cluster.auto_minor_version_upgrade, "AutoMinorVersionUpgrade")?,
            is_publicly_accessible: own(cluster.publicly_accessible, "PubliclyAccessible")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> sdk::builders::DbInstanceBuilder {
        sdk::DbInstance::builder()
            .engine("postgres")
            .db_instance_status("available")
            .storage_encrypted(true)
            .auto_minor_version_upgrade(true)
            .publicly_accessible(false)
            .multi_az(true)
    }

    fn read(of: sdk::builders::DbInstanceBuilder) -> Result<DbInstance, &'static str> {
        DbInstance::of(of.build(), Facet::Known(None), |id| Link::to(id))
    }

    #[test]
    fn a_setting_that_is_missing_is_not_made_up() {
        assert!(read(instance()).is_ok());
        for (of, member) in [
            (instance().set_storage_encrypted(None), "StorageEncrypted"),
            (instance().set_publicly_accessible(None), "PubliclyAccessible"),
            (instance().set_auto_minor_version_upgrade(None), "AutoMinorVersionUpgrade"),
            (instance().set_multi_az(None), "MultiAZ"),
            (instance().set_engine(None), "Engine"),
        ] {
            assert_eq!(read(of).unwrap_err(), member);
        }
    }

    #[test]
    fn a_replica_of_an_instance_or_of_a_cluster_is_one() {
        assert!(!read(instance()).unwrap().is_read_replica);
        assert!(read(instance().read_replica_source_db_instance_identifier("a")).unwrap().is_read_replica);
        assert!(read(instance().read_replica_source_db_cluster_identifier("a")).unwrap().is_read_replica);
    }

    #[test]
    fn only_a_multi_az_db_cluster_has_settings_of_its_own() {
        let cluster = |engine: &str| sdk::DbCluster::builder().engine(engine).multi_az(true);
        let aurora = cluster("aurora-mysql").auto_minor_version_upgrade(false).build();
        assert_eq!(Cluster::of(&aurora).unwrap().auto_minor_version_upgrade, None);
        assert_eq!(Cluster::of(&cluster("docdb").build()).unwrap().is_publicly_accessible, None);
        let own = cluster("mysql").auto_minor_version_upgrade(false).publicly_accessible(true);
        let own = Cluster::of(&own.build()).unwrap();
        assert!(own.is_multi_az_db_cluster);
        assert_eq!((own.auto_minor_version_upgrade, own.is_publicly_accessible), (Some(false), Some(true)));
        assert_eq!(Cluster::of(&cluster("mysql").build()).unwrap_err(), "AutoMinorVersionUpgrade");
    }
}
