//! CloudFront: distributions, and where their logs go.
//!
//! Calls: `ListDistributions` once for an account, `GetDistributionConfig` for each distribution, and
//! `logs:DescribeDeliverySources` and `logs:DescribeDeliveries` once for an account that has distributions.
//!
//! Quirks: there are three kinds of logs. [Standard logging, legacy](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging-legacy-s3.html)
//! and [real-time logs](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/real-time-logs.html) stand in
//! the configuration of the distribution.
//! [Standard logging (v2)](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging.html)
//! does not: it is a delivery of CloudWatch Logs in us-east-1, whose source names the distribution.

use std::collections::BTreeMap;

use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::types::{DistributionConfig, DistributionList, DistributionSummary};
use aws_sdk_cloudwatchlogs::types as logs;
use futures::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope, missing};
use crate::aws::{Call, Place, Reply};
use crate::inventory::{Facet, Resource, Unseen};

static LIST_DISTRIBUTIONS: Call = Call::list("cloudfront", "ListDistributions", "DistributionList");
static GET_DISTRIBUTION_CONFIG: Call =
    Call::one("cloudfront", "GetDistributionConfig", "DistributionConfig").gone(&["NoSuchDistribution"]);
static DESCRIBE_DELIVERY_SOURCES: Call = Call::list("logs", "DescribeDeliverySources", "deliverySources");
static DESCRIBE_DELIVERIES: Call = Call::list("logs", "DescribeDeliveries", "deliveries");

/// Where CloudFront keeps its deliveries, whatever is scanned.
const REGION: &str = "us-east-1";

/// The resource type of distributions.
pub static DISTRIBUTION: Kind = Kind {
    name: "aws.cloudfront.distribution",
    collection: "distributions",
    single: false,
    scope: Scope::Global,
    list: &[&LIST_DISTRIBUTIONS],
    facets: &[
        Row { field: "logging", calls: &[&GET_DISTRIBUTION_CONFIG], per: Per::Resource },
        Row {
            field: "deliveries",
            calls: &[&DESCRIBE_DELIVERY_SOURCES, &DESCRIBE_DELIVERIES],
            per: Per::Place,
        },
    ],
    events: &[
        Change {
            source: "cloudfront.amazonaws.com",
            names: &[
                "CopyDistribution",
                "CreateDistribution",
                "CreateDistributionWithTags",
                "DeleteDistribution",
                "UpdateDistribution",
                "UpdateDistributionWithStagingConfig",
            ],
            target: Target::At(&["responseElements.distribution.id|requestParameters.id"]),
        },
        Change {
            source: "logs.amazonaws.com",
            names: &["CreateDelivery", "DeleteDelivery", "DeleteDeliverySource", "PutDeliverySource"],
            target: Target::Any("the event does not say whose logs are delivered"),
        },
    ],
    schema: Distribution::json_schema,
};

/// A distribution.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Distribution {
    /// Name in the domain `cloudfront.net`.
    domain_name: String,
    /// Whether it answers requests.
    is_enabled: bool,
    /// What its configuration says about logs.
    logging: Facet<Logging>,
    /// Deliveries of its logs by CloudWatch Logs, which are standard logging (v2).
    deliveries: Facet<Vec<Delivery>>,
}

impl Observed for Distribution {
    const KIND: &'static Kind = &DISTRIBUTION;
}

/// The logs that stand in a distribution's configuration.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Logging {
    /// Whether legacy standard logging is on.
    is_standard: bool,
    /// Bucket of the standard logs, as a domain name; null when they are off.
    bucket: Option<String>,
    /// ARNs of the real-time log configurations of its behaviours.
    realtime: Vec<String>,
}

/// A delivery of logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Delivery {
    /// What is delivered, such as `ACCESS_LOGS`.
    log_type: String,
    /// ARN of where it goes.
    destination: Option<String>,
}

/// Collects the distributions of an account.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&DISTRIBUTION) {
        return Collected::nothing();
    }
    let client = ask.place.cloudfront();
    let listed = ask
        .place
        .pages(
            &LIST_DISTRIBUTIONS,
            || client.list_distributions().into_paginator().send(),
            |page| page.distribution_list.and_then(items),
        )
        .await;
    let mut end = listed.end.map(|_| ());
    let summaries = listed.items.into_iter().filter(|of| ask.takes(&DISTRIBUTION, &of.arn, &of.id));
    let summaries: Vec<_> = summaries.collect();
    let is_asked = !summaries.is_empty() && ask.wanted.field(&DISTRIBUTION, "deliveries");
    let logging = summaries
        .iter()
        .map(|summary| ask.facet(&DISTRIBUTION, "logging", read_logging(ask.place, &client, &summary.id)));
    let (logging, deliveries) = futures::join!(join_all(logging), read_deliveries(ask, is_asked));
    let mut resources = Vec::new();
    for (summary, logging) in summaries.into_iter().zip(logging) {
        match logging.map(|logging| distribution(ask, summary, logging, &deliveries)) {
            Ok(Ok(resource)) => resources.push(resource),
            Ok(Err(unseen)) => end = end.and(Err(unseen)),
            Err(Gone) => {}
        }
    }
    Collected::of(ask.place, &DISTRIBUTION, resources, end)
}

/// AWS leaves the items out of a list that has none.
fn items(list: DistributionList) -> Option<Vec<DistributionSummary>> {
    match (list.items, list.quantity) {
        (None, 0) => Some(Vec::new()),
        (items, _) => items,
    }
}

/// The SDK gives an empty text for a required member that is missing.
fn distribution(
    ask: Ask<'_>,
    summary: DistributionSummary,
    logging: Facet<Logging>,
    deliveries: &Result<Vec<(String, Delivery)>, Unseen>,
) -> Result<Resource, Unseen> {
    if summary.id.is_empty() || summary.arn.is_empty() {
        return Err(ask.place.malformed(&LIST_DISTRIBUTIONS, "a distribution has no `Id` or no `ARN`"));
    }
    let own = deliveries.as_ref().map_err(Unseen::clone).map(|all| {
        all.iter().filter(|(arn, _)| *arn == summary.arn).map(|(_, delivery)| delivery.clone()).collect()
    });
    let observed = Distribution {
        domain_name: summary.domain_name,
        is_enabled: summary.enabled,
        logging,
        deliveries: Facet::from(own),
    };
    Ok(ask.resource(summary.arn, summary.id, &observed))
}

async fn read_logging(place: &Place, client: &Client, id: &str) -> Result<Reply<Logging>, Unseen> {
    let call = &GET_DISTRIBUTION_CONFIG;
    let reply = place.call(call, || client.get_distribution_config().id(id).send()).await?;
    reply.and_then(|output| {
        let config = output.distribution_config;
        logging(config).map_err(|member| place.malformed(call, &format!("`{member}` is missing")))
    })
}

/// What a configuration says about logs, or the member that it lacks.
fn logging(config: Option<DistributionConfig>) -> Result<Logging, &'static str> {
    let config = config.ok_or("DistributionConfig")?;
    let default = config.default_cache_behavior.ok_or("DefaultCacheBehavior")?;
    let others = config.cache_behaviors.and_then(|behaviors| behaviors.items).into_iter().flatten();
    let realtime = others.map(|behavior| behavior.realtime_log_config_arn);
    let realtime = std::iter::once(default.realtime_log_config_arn).chain(realtime).flatten();
    let standard = config.logging.filter(|logging| logging.enabled);
    Ok(Logging {
        is_standard: standard.is_some(),
        bucket: standard.map(|logging| logging.bucket).filter(|bucket| !bucket.is_empty()),
        realtime: realtime.filter(|arn| !arn.is_empty()).collect(),
    })
}

/// The deliveries of the account, each with the ARN of a resource whose logs it delivers.
async fn read_deliveries(ask: Ask<'_>, is_asked: bool) -> Result<Vec<(String, Delivery)>, Unseen> {
    if !is_asked {
        return Err(ask.not_collected());
    }
    let place = ask.place.session().region(REGION);
    let client = place.logs();
    let (sources, deliveries) = futures::join!(
        place.pages(
            &DESCRIBE_DELIVERY_SOURCES,
            || client.describe_delivery_sources().into_paginator().send(),
            |page| page.delivery_sources,
        ),
        place.pages(
            &DESCRIBE_DELIVERIES,
            || client.describe_deliveries().into_paginator().send(),
            |page| page.deliveries,
        ),
    );
    let (Reply::Answer(sources), Reply::Answer(deliveries)) = (sources.complete()?, deliveries.complete()?)
    else {
        return Err(place.malformed(&DESCRIBE_DELIVERIES, "AWS says that there is no list of deliveries"));
    };
    delivered(&sources, &deliveries).map_err(|(call, member)| missing(&place, call, member))
}

/// A source delivers nothing by itself: a delivery must name it. Without the names or the type of the logs nobody
/// can tell what is delivered; the error is the call that left a member out, and the member.
fn delivered(
    sources: &[logs::DeliverySource],
    deliveries: &[logs::Delivery],
) -> Result<Vec<(String, Delivery)>, (&'static Call, &'static str)> {
    let mut by_source: BTreeMap<&str, Vec<&logs::Delivery>> = BTreeMap::new();
    for delivery in deliveries {
        let source = delivery.delivery_source_name().ok_or((&DESCRIBE_DELIVERIES, "deliverySourceName"))?;
        by_source.entry(source).or_default().push(delivery);
    }
    let mut found = Vec::new();
    for source in sources {
        let name = source.name().ok_or((&DESCRIBE_DELIVERY_SOURCES, "name"))?;
        let log_type = source.log_type().ok_or((&DESCRIBE_DELIVERY_SOURCES, "logType"))?;
        for delivery in by_source.get(name).into_iter().flatten() {
            for arn in source.resource_arns() {
                let destination = delivery.delivery_destination_arn.clone();
                found.push((arn.clone(), Delivery { log_type: log_type.to_owned(), destination }));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudfront::types::{DefaultCacheBehavior, LoggingConfig};

    use super::*;

    fn config(logging: Option<LoggingConfig>, realtime: Option<&str>) -> DistributionConfig {
        let behavior = DefaultCacheBehavior::builder()
            .target_origin_id("o")
            .viewer_protocol_policy("https-only".into())
            .set_realtime_log_config_arn(realtime.map(str::to_owned))
            .build()
            .unwrap();
        DistributionConfig::builder()
            .caller_reference("r")
            .comment("")
            .enabled(true)
            .default_cache_behavior(behavior)
            .set_logging(logging)
            .build()
            .unwrap()
    }

    #[test]
    fn logs_that_are_off_are_none() {
        let off =
            LoggingConfig::builder().enabled(false).include_cookies(false).bucket("").prefix("").build();
        let none = Logging { is_standard: false, bucket: None, realtime: Vec::new() };
        assert_eq!(logging(Some(config(Some(off), Some("")))), Ok(none));
    }

    #[test]
    fn standard_and_realtime_logs_are_told_apart() {
        let on = LoggingConfig::builder()
            .enabled(true)
            .include_cookies(false)
            .bucket("logs.s3.amazonaws.com")
            .prefix("")
            .build();
        let found =
            logging(Some(config(Some(on), Some("arn:aws:cloudfront::1:realtime-log-config/r")))).unwrap();
        assert!(found.is_standard);
        assert_eq!(found.bucket.as_deref(), Some("logs.s3.amazonaws.com"));
        assert_eq!(found.realtime, ["arn:aws:cloudfront::1:realtime-log-config/r"]);
    }

    #[test]
    fn a_configuration_without_behaviour_is_not_understood() {
        assert_eq!(logging(None), Err("DistributionConfig"));
    }

    #[test]
    fn a_list_that_counts_items_and_has_none_is_not_understood() {
        let list = |quantity| {
            let list = DistributionList::builder().marker("").max_items(100).is_truncated(false);
            list.quantity(quantity).build().unwrap()
        };
        assert_eq!(items(list(0)).map(|items| items.len()), Some(0));
        assert!(items(list(2)).is_none());
    }

    #[test]
    fn only_a_source_with_a_delivery_delivers() {
        let source = |name: &str, arn: &str| {
            logs::DeliverySource::builder().name(name).resource_arns(arn).log_type("ACCESS_LOGS").build()
        };
        let delivery =
            logs::Delivery::builder().delivery_source_name("a").delivery_destination_arn("arn:d").build();
        let found = delivered(&[source("a", "arn:1"), source("b", "arn:2")], &[delivery]);
        let expected = Delivery { log_type: "ACCESS_LOGS".to_owned(), destination: Some("arn:d".to_owned()) };
        assert_eq!(found, Ok(vec![("arn:1".to_owned(), expected)]));
    }

    #[test]
    fn a_delivery_that_does_not_say_of_what_it_is_one_is_not_understood() {
        let source =
            || logs::DeliverySource::builder().name("a").resource_arns("arn:1").log_type("ACCESS_LOGS");
        let delivery = || logs::Delivery::builder().delivery_source_name("a");
        let member = |source: logs::builders::DeliverySourceBuilder,
                      delivery: logs::builders::DeliveryBuilder| {
            delivered(&[source.build()], &[delivery.build()]).map_err(|(_, member)| member).unwrap_err()
        };
        assert_eq!(member(source().set_name(None), delivery()), "name");
        assert_eq!(member(source().set_log_type(None), delivery()), "logType");
        assert_eq!(member(source(), delivery().set_delivery_source_name(None)), "deliverySourceName");
    }
}
