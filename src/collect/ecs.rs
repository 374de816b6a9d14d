//! ECS: clusters, by name alone.
//!
//! Calls: [`ListClusters`](https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListClusters.html) in every
//! region. It gives ARNs and nothing else.

use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Scope};
use crate::aws::Call;

static LIST_CLUSTERS: Call = Call::list("ecs", "ListClusters", "clusterArns");

/// The resource type of ECS clusters.
pub static CLUSTER: Kind = Kind {
    name: "aws.ecs.cluster",
    collection: "ecs_clusters",
    single: false,
    scope: Scope::Regional,
    list: &[&LIST_CLUSTERS],
    facets: &[],
    events: &[Change {
        source: "ecs.amazonaws.com",
        names: &["CreateCluster", "DeleteCluster"],
        target: Target::At(&[
            "responseElements.cluster.clusterArn|requestParameters.clusterName|requestParameters.cluster",
        ]),
    }],
    schema: EcsCluster::json_schema,
};

/// A cluster; nothing beyond its name is read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EcsCluster {}

impl Observed for EcsCluster {
    const KIND: &'static Kind = &CLUSTER;
}

/// Collects the clusters of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&CLUSTER) {
        return Collected::nothing();
    }
    let client = ask.place.ecs();
    let open = || client.list_clusters().into_paginator().send();
    let listed = ask.place.pages(&LIST_CLUSTERS, open, |page| page.cluster_arns).await;
    let read = listed.items.into_iter().map(|arn| {
        let name = arn.rsplit('/').next().filter(|name| !name.is_empty() && *name != arn).map(str::to_owned);
        let name =
            name.ok_or_else(|| ask.place.malformed(&LIST_CLUSTERS, "the ARN of a cluster has no name"))?;
        Ok(Some(ask.resource(arn, name, &EcsCluster {})))
    });
    Collected::of_items(ask.place, &CLUSTER, listed.end.map(|_| ()), read)
}
