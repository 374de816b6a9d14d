//! CloudWatch Logs: metric filters.
//!
//! Calls: [`DescribeMetricFilters`](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeMetricFilters.html)
//! in every region, without a log group, so that one list serves all of them.
//!
//! Quirks: a metric filter has no ARN, and its name is its own in its log group only. The one made up here is the
//! log group's with the filter behind it.

use std::collections::BTreeMap;

use aws_sdk_cloudwatchlogs::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Scope};
use crate::aws::Call;
use crate::inventory::{Resource, Unseen};

static DESCRIBE_METRIC_FILTERS: Call = Call::list("logs", "DescribeMetricFilters", "metricFilters");

/// The resource type of metric filters.
pub static METRIC_FILTER: Kind = Kind {
    name: "aws.logs.metric_filter",
    collection: "metric_filters",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_METRIC_FILTERS],
    facets: &[],
    events: &[
        Change {
            source: "logs.amazonaws.com",
            names: &["DeleteMetricFilter", "PutMetricFilter"],
            target: Target::In(
                "log-group:{}:metric-filter:{}",
                &["requestParameters.logGroupName", "requestParameters.filterName"],
            ),
        },
        Change {
            source: "logs.amazonaws.com",
            names: &["DeleteLogGroup"],
            target: Target::In(":log-group:{}:metric-filter:", &["requestParameters.logGroupName"]),
        },
    ],
    schema: MetricFilter::json_schema,
};

/// A metric filter of a log group.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MetricFilter {
    /// Name of its log group.
    log_group: String,
    /// ARN of its log group with `:*` behind it, as trails name theirs.
    log_group_arn: String,
    /// Which events it counts.
    pattern: String,
    /// The metrics that it counts them in.
    metrics: Vec<Metric>,
    /// A condition on the account and region that events come from; null when it takes all.
    field_selection: Option<String>,
    /// Whether it looks at events after the log group's transformer changed them.
    is_on_transformed: bool,
}

impl Observed for MetricFilter {
    const KIND: &'static Kind = &METRIC_FILTER;
}

/// A metric that a filter counts in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Metric {
    /// Its namespace.
    namespace: String,
    /// Its name.
    name: String,
    /// What is added to it for each event, such as `1`.
    value: String,
    /// Names of its dimensions. Each combination of their values is a metric of its own.
    dimensions: Vec<String>,
}

/// Collects the metric filters of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&METRIC_FILTER) {
        return Collected::nothing();
    }
    let client = ask.place.logs();
    let open = || client.describe_metric_filters().into_paginator().send();
    let listed = ask.place.pages(&DESCRIBE_METRIC_FILTERS, open, |page| page.metric_filters).await;
    let mut end = listed.end.map(|_| ());
    let mut resources = Vec::new();
    for filter in listed.items {
        match read_filter(ask, filter) {
            Ok(resource) => resources.push(resource),
            Err(unseen) => end = end.and(Err(unseen)),
        }
    }
    Collected::of(ask.place, &METRIC_FILTER, resources, end)
}

fn read_filter(ask: Ask<'_>, filter: sdk::MetricFilter) -> Result<Resource, Unseen> {
    let missing =
        |field: &str| ask.place.malformed(&DESCRIBE_METRIC_FILTERS, &format!("a filter has no `{field}`"));
    let name = filter.filter_name.ok_or_else(|| missing("filterName"))?;
    let log_group = filter.log_group_name.ok_or_else(|| missing("logGroupName"))?;
    let metrics = filter.metric_transformations.ok_or_else(|| missing("metricTransformations"))?;
    // Names that are system fields become dimensions as well.
    let system = filter.emit_system_field_dimensions.unwrap_or_default();
    let metrics =
        metrics.into_iter().map(|metric| read_metric(metric, &system).ok_or_else(|| missing("metricName")));
    let group_arn = ask.arn("logs", ask.place.region(), &format!("log-group:{log_group}"));
    let observed = MetricFilter {
        log_group_arn: format!("{group_arn}:*"),
        log_group,
        pattern: filter.filter_pattern.ok_or_else(|| missing("filterPattern"))?,
        metrics: metrics.collect::<Result<_, _>>()?,
        field_selection: filter.field_selection_criteria.filter(|criteria| !criteria.is_empty()),
        is_on_transformed: filter.apply_on_transformed_logs,
    };
    Ok(ask.resource(format!("{group_arn}:metric-filter:{name}"), name, &observed))
}

/// `None` when the metric has no name or namespace: the SDK gives an empty text for a required member that is
/// missing.
fn read_metric(metric: sdk::MetricTransformation, system: &[String]) -> Option<Metric> {
    if metric.metric_name.is_empty() || metric.metric_namespace.is_empty() {
        return None;
    }
    let own: BTreeMap<String, String> = metric.dimensions.into_iter().flatten().collect();
    Some(Metric {
        namespace: metric.metric_namespace,
        name: metric.metric_name,
        value: metric.metric_value,
        dimensions: own.into_keys().chain(system.iter().cloned()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transformation(name: &str, namespace: &str) -> sdk::MetricTransformation {
        sdk::MetricTransformation::builder()
            .metric_name(name)
            .metric_namespace(namespace)
            .metric_value("1")
            .dimensions("Who", "$.userIdentity.arn")
            .build()
            .unwrap()
    }

    #[test]
    fn a_metric_without_its_name_or_namespace_is_no_metric() {
        assert!(read_metric(transformation("", "CIS"), &[]).is_none());
        assert!(read_metric(transformation("Root", ""), &[]).is_none());
    }

    #[test]
    fn system_fields_are_dimensions_too() {
        let metric = read_metric(transformation("Root", "CIS"), &["@aws.account".to_owned()]).unwrap();
        assert_eq!(metric.dimensions, ["Who", "@aws.account"]);
    }
}
