//! Elastic Load Balancing: application, network and gateway load balancers.
//!
//! Calls: `DescribeLoadBalancers` in every region, then `DescribeLoadBalancerAttributes` for each. The IAM prefix
//! and the endpoint are `elasticloadbalancing`, the SDK's name is `elbv2`. Classic load balancers are another API.
//!
//! Quirks: attributes are texts, `"true"` for true, and which there are depends on the type
//! ([`LoadBalancerAttribute`](https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html)):
//! application and network load balancers always have `access_logs.s3.enabled`, gateway load balancers never.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{LoadBalancer as Described, LoadBalancerAttribute};
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::aws::{Call, Place, Reply};
use crate::inventory::{Facet, Resource, Unseen};

static DESCRIBE_LOAD_BALANCERS: Call =
    Call::list("elasticloadbalancing", "DescribeLoadBalancers", "LoadBalancers");
static DESCRIBE_LOAD_BALANCER_ATTRIBUTES: Call =
    Call::one("elasticloadbalancing", "DescribeLoadBalancerAttributes", "Attributes")
        .gone(&["LoadBalancerNotFound"]);

/// The resource type of load balancers.
pub static LOAD_BALANCER: Kind = Kind {
    name: "aws.elbv2.load_balancer",
    collection: "load_balancers",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_LOAD_BALANCERS],
    facets: &[Row { field: "access_logs", calls: &[&DESCRIBE_LOAD_BALANCER_ATTRIBUTES], per: Per::Resource }],
    events: &[Change {
        source: "elasticloadbalancing.amazonaws.com",
        names: &["CreateLoadBalancer", "DeleteLoadBalancer", "ModifyLoadBalancerAttributes"],
        target: Target::Starting(
            "arn:",
            &["responseElements.loadBalancers.*.loadBalancerArn|requestParameters.loadBalancerArn"],
        ),
    }],
    schema: LoadBalancer::json_schema,
};

/// A load balancer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LoadBalancer {
    /// `application`, `network` or `gateway`.
    #[serde(rename = "type")]
    kind: String,
    /// `internet-facing` or `internal`; null for gateway load balancers, which have neither.
    scheme: Option<String>,
    /// Where its access logs go; null for a type that has no access logs.
    access_logs: Facet<Option<AccessLogs>>,
}

impl Observed for LoadBalancer {
    const KIND: &'static Kind = &LOAD_BALANCER;
}

/// Access logs of a load balancer.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AccessLogs {
    /// Whether they are written.
    is_enabled: bool,
    /// Name of the bucket; null when none is set.
    bucket: Option<String>,
}

/// Collects the load balancers of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&LOAD_BALANCER) {
        return Collected::nothing();
    }
    let client = ask.place.elasticloadbalancing();
    let listed = ask
        .place
        .pages(
            &DESCRIBE_LOAD_BALANCERS,
            || client.describe_load_balancers().into_paginator().send(),
            |page| page.load_balancers,
        )
        .await;
    let mut end = listed.end.map(|_| ());
    let mut resources = Vec::new();
    let is_asked = |found: &Described| {
        let (arn, name) = (found.load_balancer_arn.as_deref(), found.load_balancer_name.as_deref());
        ask.takes_listed(&LOAD_BALANCER, arn, name)
    };
    let asked = listed.items.into_iter().filter(is_asked);
    for read in join_all(asked.map(|found| read(ask, &client, found))).await {
        match read {
            Ok(resource) => resources.extend(resource),
            Err(unseen) => end = end.and(Err(unseen)),
        }
    }
    Collected::of(ask.place, &LOAD_BALANCER, resources, end)
}

async fn read(ask: Ask<'_>, client: &Client, found: Described) -> Result<Option<Resource>, Unseen> {
    let missing = |member: &str| {
        let message = format!("a load balancer has no `{member}`");
        ask.place.malformed(&DESCRIBE_LOAD_BALANCERS, &message)
    };
    let arn = found.load_balancer_arn.ok_or_else(|| missing("LoadBalancerArn"))?;
    let name = found.load_balancer_name.ok_or_else(|| missing("LoadBalancerName"))?;
    let kind = found.r#type.ok_or_else(|| missing("Type"))?.as_str().to_owned();
    let logs = read_access_logs(ask.place, client, &arn, &kind);
    let Ok(access_logs) = ask.optional(&LOAD_BALANCER, "access_logs", logs).await.map_err(|Gone| ()) else {
        return Ok(None);
    };
    let scheme = found.scheme.map(|scheme| scheme.as_str().to_owned());
    Ok(Some(ask.resource(arn, name, &LoadBalancer { kind, scheme, access_logs })))
}

async fn read_access_logs(
    place: &Place,
    client: &Client,
    arn: &str,
    kind: &str,
) -> Result<Reply<AccessLogs>, Unseen> {
    let call = &DESCRIBE_LOAD_BALANCER_ATTRIBUTES;
    let ask = || client.describe_load_balancer_attributes().load_balancer_arn(arn).send();
    let attributes = match place.call(call, ask).await? {
        Reply::Answer(output) => {
            output.attributes.ok_or_else(|| place.malformed(call, "`Attributes` is missing"))?
        }
        Reply::Absent => return Ok(Reply::Absent),
        Reply::Gone => return Ok(Reply::Gone),
    };
    match access_logs(&attributes).map_err(|wrong| place.malformed(call, &wrong))? {
        Some(logs) => Ok(Reply::Answer(logs)),
        None if kind == "gateway" => Ok(Reply::Absent),
        None => Err(place.malformed(call, &format!("`{ENABLED}` is missing"))),
    }
}

const ENABLED: &str = "access_logs.s3.enabled";
const BUCKET: &str = "access_logs.s3.bucket";

/// What the attributes say of access logs; `None` when they say nothing.
fn access_logs(attributes: &[LoadBalancerAttribute]) -> Result<Option<AccessLogs>, String> {
    let value = |key: &str| {
        let found = attributes.iter().find(|attribute| attribute.key.as_deref() == Some(key));
        found.and_then(|attribute| attribute.value.as_deref())
    };
    let is_enabled = match value(ENABLED) {
        Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(format!("`{ENABLED}` is neither true nor false")),
        None => return Ok(None),
    };
    let bucket = value(BUCKET).filter(|bucket| !bucket.is_empty()).map(str::to_owned);
    Ok(Some(AccessLogs { is_enabled, bucket }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> Vec<LoadBalancerAttribute> {
        pairs
            .iter()
            .map(|(key, value)| LoadBalancerAttribute::builder().key(*key).value(*value).build())
            .collect()
    }

    #[test]
    fn attributes_are_texts() {
        let on = attributes(&[("deletion_protection.enabled", "false"), (ENABLED, "true"), (BUCKET, "logs")]);
        let logs = AccessLogs { is_enabled: true, bucket: Some("logs".to_owned()) };
        assert_eq!(access_logs(&on), Ok(Some(logs)));
        let off = AccessLogs { is_enabled: false, bucket: None };
        assert_eq!(access_logs(&attributes(&[(ENABLED, "false"), (BUCKET, "")])), Ok(Some(off)));
        assert_eq!(access_logs(&attributes(&[("routing.http2.enabled", "true")])), Ok(None));
    }

    #[test]
    fn another_text_is_not_understood() {
        assert!(access_logs(&attributes(&[(ENABLED, "True")])).is_err());
        assert!(access_logs(&attributes(&[(ENABLED, "")])).is_err());
    }
}
