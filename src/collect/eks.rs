//! EKS: clusters, by name alone.
//!
//! Calls: [`ListClusters`](https://docs.aws.amazon.com/eks/latest/APIReference/API_ListClusters.html) in every region.
//! It gives names, of which the ARN is made as AWS
//! [documents it](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html).

use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Scope};
use crate::aws::Call;

static LIST_CLUSTERS: Call = Call::list("eks", "ListClusters", "clusters");

/// The resource type of EKS clusters.
pub static CLUSTER: Kind = Kind {
    name: "aws.eks.cluster",
    collection: "eks_clusters",
    single: false,
    scope: Scope::Regional,
    list: &[&LIST_CLUSTERS],
    facets: &[],
    events: &[Change {
        source: "eks.amazonaws.com",
        names: &["CreateCluster", "DeleteCluster"],
        target: Target::At(&["requestParameters.name"]),
    }],
    schema: EksCluster::json_schema,
};

/// A cluster; nothing beyond its name is read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EksCluster {}

impl Observed for EksCluster {
    const KIND: &'static Kind = &CLUSTER;
}

/// Collects the clusters of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&CLUSTER) {
        return Collected::nothing();
    }
    let client = ask.place.eks();
    let open = || client.list_clusters().into_paginator().send();
    let listed = ask.place.pages(&LIST_CLUSTERS, open, |page| page.clusters).await;
    let read = listed.items.into_iter().map(|name| {
        let arn = ask.arn("eks", ask.place.region(), &format!("cluster/{name}"));
        Ok(Some(ask.resource(arn, name, &EksCluster {})))
    });
    Collected::of_items(ask.place, &CLUSTER, listed.end.map(|_| ()), read)
}
