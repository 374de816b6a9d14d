//! From a metric to a person: the alarms on it, the composite alarms on those, and the topics that they tell.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Step;
use super::read::{boolean, field, list, listed, text, texts};
use super::rule::Rule;
use crate::collect::{cloudwatch, sns};
use crate::inventory::{Cause, Inventory, Resource, Unseen};

/// How far a way goes that has this step.
const METRIC: u8 = 1;
const DIVIDED: u8 = 2;
const ALARM: u8 = 3;
const ACTION: u8 = 4;
const TOPIC: u8 = 5;

/// The alarms that may watch the metrics of one region of an account.
pub(super) struct Alarms<'a> {
    world: &'a Inventory,
    owner: &'a str,
    alarms: Vec<&'a Resource>,
    /// Why the owner may have more of them.
    hole: Option<Unseen>,
}

impl<'a> Alarms<'a> {
    /// Those of the account itself, and those that others have in the region.
    pub(super) fn of(world: &'a Inventory, owner: &'a str, region: &str) -> Self {
        let kind = cloudwatch::ALARM.name;
        let alarms = world.accounts.iter().flat_map(|account| world.of_kind(&account.id, kind));
        Self {
            world,
            owner,
            alarms: alarms.map(AsRef::as_ref).filter(|alarm: &&Resource| alarm.region == region).collect(),
            hole: listed(world, owner, region, kind).err(),
        }
    }

    /// What becomes of a metric.
    pub(super) fn on(&self, metric: &Value) -> Result<Step, Unseen> {
        let namespace = member(metric, "namespace");
        let name = member(metric, "name");
        let called = format!("metric {:?}", format!("{namespace}/{name}"));
        let is_divided = metric.get("dimensions").and_then(Value::as_array).is_none_or(|all| !all.is_empty());
        let mut ways = Vec::new();
        for alarm in &self.alarms {
            if list(alarm, "metrics")?.iter().any(|watched| self.is_watched(alarm, watched, namespace, name))
            {
                let step = if is_divided {
                    Step::Broken(
                        DIVIDED,
                        format!("{called} is divided by dimensions, and no alarm watches all of it"),
                    )
                } else {
                    self.goes_off(alarm)?
                };
                ways.push(step);
            } else if alarm.account == self.owner && queries(alarm, name)? {
                ways.push(Step::Doubt(undecided(alarm, "its query is not evaluated")));
            }
        }
        let none = Step::Broken(METRIC, format!("no alarm watches {called}"));
        Ok(Step::best(ways, none).unless(self.hole.clone()))
    }

    /// Whether an alarm watches the metric, all of it: namespace and name must both be right.
    fn is_watched(&self, alarm: &Resource, watched: &Value, namespace: &str, name: &str) -> bool {
        let account = watched.get("account").and_then(Value::as_str).unwrap_or(&alarm.account);
        let is_whole = watched.get("dimensions").and_then(Value::as_array).is_some_and(Vec::is_empty);
        is_whole
            && account == self.owner
            && member(watched, "namespace") == namespace
            && member(watched, "name") == name
    }

    /// What happens when an alarm goes off: what it does itself, and what alarms on it do.
    fn goes_off(&self, alarm: &'a Resource) -> Result<Step, Unseen> {
        let mut best = self.acts(alarm)?;
        let mut off = BTreeSet::from([alarm.arn.as_str(), alarm.name.as_str()]);
        let mut waiting: Vec<&Resource> = self
            .alarms
            .iter()
            .copied()
            .filter(|other| {
                other.account == alarm.account && field(other, "rule").is_ok_and(Value::is_string)
            })
            .collect();
        // Composite alarms may be about composite alarms. Each round takes out at least one of them.
        loop {
            let before = waiting.len();
            let mut still = Vec::new();
            for composite in waiting {
                match rule(composite)?.goes_off(&off) {
                    Some(true) => {
                        best = Step::best([self.acts(composite)?], best);
                        off.extend([composite.arn.as_str(), composite.name.as_str()]);
                    }
                    _ => still.push(composite),
                }
            }
            waiting = still;
            if waiting.len() == before {
                break;
            }
        }
        for composite in waiting {
            let is_undecided = rule(composite)?.goes_off(&off).is_none() && rule(composite)?.names_any(&off);
            if is_undecided && !matches!(self.acts(composite)?, Step::Broken(..)) {
                let doubt = Step::Doubt(undecided(composite, "its rule depends on other alarms"));
                best = Step::best([doubt], best);
            }
        }
        Ok(best)
    }

    /// Whom an alarm tells.
    fn acts(&self, alarm: &Resource) -> Result<Step, Unseen> {
        let called = format!("alarm {:?}", alarm.name);
        if !boolean(alarm, "actions_enabled")? {
            return Ok(Step::Broken(ALARM, format!("the actions of {called} are switched off")));
        }
        let mut ways = Vec::new();
        for topic in texts(alarm, "topics")? {
            ways.push(match self.reaches(topic)? {
                Step::Holds(rest) => Step::Holds(format!("{called} → {rest}")),
                Step::Broken(far, why) => Step::Broken(far, format!("{called}: {why}")),
                doubt @ Step::Doubt(_) => doubt,
            });
        }
        Ok(Step::best(ways, Step::Broken(ACTION, format!("{called} tells no SNS topic"))))
    }

    /// Whether somebody hears what a topic is told.
    fn reaches(&self, arn: &str) -> Result<Step, Unseen> {
        let kind = sns::TOPIC.name;
        let mut parts = arn.splitn(6, ':').skip(3);
        let (region, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let Some(topic) = self.world.find(kind, arn, owner) else {
            return Ok(match listed(self.world, owner, region, kind) {
                Ok(()) => Step::Broken(TOPIC, format!("topic {arn:?} does not exist")),
                Err(mut unseen) => {
                    if unseen.cause == Cause::OutOfScope {
                        unseen.message = format!("topic `{arn}` is not among what was scanned");
                    }
                    Step::Doubt(unseen)
                }
            });
        };
        Ok(match list(topic, "subscriptions") {
            Ok(subscriptions) => {
                let is_confirmed =
                    |one: &Value| one.get("is_confirmed").and_then(Value::as_bool) == Some(true);
                if subscriptions.iter().any(is_confirmed) {
                    Step::Holds(format!("topic {arn:?}"))
                } else {
                    Step::Broken(TOPIC, format!("topic {arn:?} has no confirmed subscription"))
                }
            }
            Err(unseen) => Step::Doubt(unseen),
        })
    }
}

fn member<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn rule(composite: &Resource) -> Result<Rule<'_>, Unseen> {
    text(composite, "rule").map(Rule::read)
}

/// Whether an expression of the alarm is a query of
/// [Metrics Insights](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-metrics-insights-querylanguage.html)
/// that names the metric.
fn queries(alarm: &Resource, metric: &str) -> Result<bool, Unseen> {
    let is_query = |expression: &str| {
        let start = expression.trim_start().get(..6).unwrap_or_default();
        start.eq_ignore_ascii_case("select") && expression.contains(metric)
    };
    Ok(texts(alarm, "expressions")?.into_iter().any(is_query))
}

fn undecided(alarm: &Resource, why: &str) -> Unseen {
    let message = format!("alarm {:?}: {why}", alarm.name);
    Unseen::without_call(&alarm.account, &alarm.region, Cause::ControlError, message)
}
