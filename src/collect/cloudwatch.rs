//! CloudWatch: alarms on metrics, and composite alarms.
//!
//! Calls: [`DescribeAlarms`](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html)
//! in every region.
//!
//! Quirks: without `AlarmTypes` AWS leaves composite alarms out. An alarm on one metric names it at the top, one on
//! metric math has a list of metrics and expressions instead, of which each metric may lie in
//! [another account](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Cross-Account-Cross-Region.html).

use aws_sdk_cloudwatch::types as sdk;
use schemars::JsonSchema;
use serde::Serialize;

use super::schema::Link;
use super::sns::Topic;
use super::touch::{Change, Target};
use super::{Ask, Collected, Kind, Observed, Scope};
use crate::aws::Call;
use crate::inventory::{Resource, Unseen};

static DESCRIBE_ALARMS: Call = Call::list("cloudwatch", "DescribeAlarms", "MetricAlarms");

/// The resource type of alarms.
pub static ALARM: Kind = Kind {
    name: "aws.cloudwatch.alarm",
    collection: "alarms",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_ALARMS],
    facets: &[],
    events: &[
        Change {
            source: "monitoring.amazonaws.com",
            names: &["PutCompositeAlarm", "PutMetricAlarm"],
            target: Target::At(&["requestParameters.alarmName"]),
        },
        Change {
            source: "monitoring.amazonaws.com",
            names: &["DeleteAlarms", "DisableAlarmActions", "EnableAlarmActions"],
            target: Target::At(&["requestParameters.alarmNames.*"]),
        },
    ],
    schema: Alarm::json_schema,
};

/// An alarm, on metrics or on other alarms.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Alarm {
    /// Whether it does anything when its state changes.
    actions_enabled: bool,
    /// ARNs of what it does when it goes off.
    alarm_actions: Vec<String>,
    /// Those of them that are SNS topics.
    topics: Vec<Link<Topic>>,
    /// The metrics that it watches, alone or in metric math.
    metrics: Vec<WatchedMetric>,
    /// The expressions of metric math, and queries.
    expressions: Vec<String>,
    /// What a composite alarm says of other alarms; null for an alarm on metrics.
    rule: Option<String>,
}

impl Observed for Alarm {
    const KIND: &'static Kind = &ALARM;
}

/// A metric that an alarm watches.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WatchedMetric {
    /// Account that it lies in; null when it is the alarm's.
    account: Option<String>,
    /// Its namespace.
    namespace: String,
    /// Its name.
    name: String,
    /// Names of the dimensions by which it is chosen.
    dimensions: Vec<String>,
}

/// Alarms of both kinds come in one list.
enum Listed {
    Metric(Box<sdk::MetricAlarm>),
    Composite(Box<sdk::CompositeAlarm>),
}

/// Collects the alarms of one region.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&ALARM) {
        return Collected::nothing();
    }
    let client = ask.place.cloudwatch();
    let open = || {
        client
            .describe_alarms()
            .alarm_types(sdk::AlarmType::MetricAlarm)
            .alarm_types(sdk::AlarmType::CompositeAlarm)
            .into_paginator()
            .send()
    };
    let listed = ask
        .place
        .pages(&DESCRIBE_ALARMS, open, |page| {
            let composites = page.composite_alarms.into_iter().flatten().map(Box::new).map(Listed::Composite);
            Some(
                page.metric_alarms?.into_iter().map(Box::new).map(Listed::Metric).chain(composites).collect(),
            )
        })
        .await;
    let mut end = listed.end.map(|_| ());
    let mut resources = Vec::new();
    for alarm in listed.items {
        let read = match alarm {
            Listed::Metric(alarm) => metric_alarm(ask, *alarm),
            Listed::Composite(alarm) => composite_alarm(ask, *alarm),
        };
        match read {
            Ok(resource) => resources.push(resource),
            Err(unseen) => end = end.and(Err(unseen)),
        }
    }
    Collected::of(ask.place, &ALARM, resources, end)
}

fn missing(ask: Ask<'_>, field: &str) -> Unseen {
    ask.place.malformed(&DESCRIBE_ALARMS, &format!("an alarm has no `{field}`"))
}

fn metric_alarm(ask: Ask<'_>, alarm: sdk::MetricAlarm) -> Result<Resource, Unseen> {
    let name = alarm.alarm_name.ok_or_else(|| missing(ask, "AlarmName"))?;
    let arn = alarm.alarm_arn.ok_or_else(|| missing(ask, "AlarmArn"))?;
    let mut metrics = Vec::new();
    let mut expressions = Vec::new();
    if let Some(metric) = alarm.metric_name {
        let namespace = alarm.namespace.ok_or_else(|| missing(ask, "Namespace"))?;
        let dimensions = dimensions(alarm.dimensions).ok_or_else(|| missing(ask, "Dimensions.Name"))?;
        metrics.push(WatchedMetric { account: None, namespace, name: metric, dimensions });
    }
    for query in alarm.metrics.into_iter().flatten() {
        if let Some(metric) = query.metric_stat {
            let read = watched_metric(metric, query.account_id);
            metrics.push(read.ok_or_else(|| missing(ask, "Metrics.MetricStat.Metric"))?);
        }
        expressions.extend(query.expression);
    }
    let actions_enabled = alarm.actions_enabled.ok_or_else(|| missing(ask, "ActionsEnabled"))?;
    let alarm_actions = alarm.alarm_actions.unwrap_or_default();
    let topics = topics(&alarm_actions);
    let observed = Alarm { actions_enabled, alarm_actions, topics, metrics, expressions, rule: None };
    Ok(ask.resource(arn, name, &observed))
}

fn composite_alarm(ask: Ask<'_>, alarm: sdk::CompositeAlarm) -> Result<Resource, Unseen> {
    let name = alarm.alarm_name.ok_or_else(|| missing(ask, "AlarmName"))?;
    let arn = alarm.alarm_arn.ok_or_else(|| missing(ask, "AlarmArn"))?;
    let alarm_actions = alarm.alarm_actions.unwrap_or_default();
    let observed = Alarm {
        actions_enabled: alarm.actions_enabled.ok_or_else(|| missing(ask, "ActionsEnabled"))?,
        topics: topics(&alarm_actions),
        alarm_actions,
        metrics: Vec::new(),
        expressions: Vec::new(),
        rule: Some(alarm.alarm_rule.ok_or_else(|| missing(ask, "AlarmRule"))?),
    };
    Ok(ask.resource(arn, name, &observed))
}

fn watched_metric(stat: sdk::MetricStat, account: Option<String>) -> Option<WatchedMetric> {
    let metric = stat.metric?;
    Some(WatchedMetric {
        account,
        namespace: metric.namespace?,
        name: metric.metric_name?,
        dimensions: dimensions(metric.dimensions)?,
    })
}

/// The names of dimensions; `None` when one is missing.
fn dimensions(dimensions: Option<Vec<sdk::Dimension>>) -> Option<Vec<String>> {
    dimensions.into_iter().flatten().map(|dimension| dimension.name).collect()
}

fn topics(actions: &[String]) -> Vec<Link<Topic>> {
    let is_topic = |action: &&String| action.split(':').nth(2) == Some("sns");
    actions.iter().filter(is_topic).map(Link::to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_are_topics() {
        let actions = [
            "arn:aws:sns:us-east-1:111122223333:alarms",
            "arn:aws:lambda:us-east-1:111122223333:function:sns",
            "arn:aws:automate:us-east-1:ec2:stop",
        ];
        let found = topics(&actions.map(str::to_owned));
        assert_eq!(
            serde_json::to_value(found).unwrap(),
            serde_json::json!(["arn:aws:sns:us-east-1:111122223333:alarms"])
        );
    }

    #[test]
    fn a_metric_without_its_namespace_is_no_metric() {
        let metric = sdk::Metric::builder().metric_name("Root");
        let stat = |metric| sdk::MetricStat::builder().metric(metric).build();
        assert!(watched_metric(stat(metric.clone().build()), None).is_none());
        assert!(watched_metric(stat(metric.namespace("CIS").build()), None).is_some());
    }
}
