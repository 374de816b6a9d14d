//! Rules about several events together, by the time of the events.
//!
//! What matches a rule that a correlation is about is noted as an [`Observation`]; a [`Correlator`] puts them in order
//! of event time and counts. Files are not delivered in that order, so observations wait until there is no room for
//! more; what comes too late then is counted, and so is every group that had to be forgotten.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rsigma_parser::{ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, WindowMode};
use sha2::{Digest, Sha256};

use super::Path;
use crate::events::detection::{Detection, detection_id};
use crate::events::record::Record;
use crate::events::ruleset::RuleInfo;
use crate::hex::hex;

/// Events that a condition may ask for: so many are kept for each group.
const MOST_EVENTS: u64 = 10_000;
/// Bytes of an event that are kept with an observation.
const LARGEST_EVENT: usize = 4_096;

/// The values of the fields that tell the groups of a correlation apart.
type GroupValues = Box<[Box<str>]>;

/// What a correlation counts, and when it alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    kind: Kind,
    /// The rules it is about, by name, id or title.
    pub rules: Vec<String>,
    group_by: Vec<String>,
    /// For an alias in `group_by` the field of each rule.
    aliases: BTreeMap<String, BTreeMap<String, String>>,
    timespan: SignedDuration,
    trigger: Trigger,
    /// Whether matches of the rules are told beside the correlation.
    pub generate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    EventCount,
    ValueCount(String),
    Temporal,
    TemporalOrdered,
}

/// When a window alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trigger {
    /// As soon as there are so many.
    Reached(u64),
    /// When the window closes, if its number satisfies all of these.
    Closed(Vec<(ConditionOperator, u64)>),
}

impl Definition {
    /// Reads what `rsigma-parser` made of a file.
    ///
    /// # Errors
    /// Naming the construct that can't be run.
    pub(super) fn of(rule: &CorrelationRule) -> Result<Self, String> {
        if rule.window != WindowMode::Sliding {
            return Err(format!("the window `{}` is not supported; leave it out", rule.window.as_str()));
        }
        let (predicates, field) = match &rule.condition {
            CorrelationCondition::Threshold { predicates, field, .. } => (predicates.clone(), field.clone()),
            CorrelationCondition::Extended(expression) => {
                return Err(format!("the condition `{expression}` of a correlation is not supported"));
            }
        };
        let kind = match rule.correlation_type {
            CorrelationType::EventCount => Kind::EventCount,
            CorrelationType::ValueCount => match field.as_deref() {
                Some([field]) => Kind::ValueCount(field.clone()),
                Some(_) => return Err("a `value_count` of several fields is not supported".to_owned()),
                None => return Err("a `value_count` needs `field` in its `condition`".to_owned()),
            },
            CorrelationType::Temporal => Kind::Temporal,
            CorrelationType::TemporalOrdered => Kind::TemporalOrdered,
            other => return Err(format!("the correlation type `{}` is not supported", other.as_str())),
        };
        let aliases = rule.aliases.iter().map(|alias| {
            (
                alias.alias.clone(),
                alias.mapping.iter().map(|(rule, field)| (rule.clone(), field.clone())).collect(),
            )
        });
        let timespan =
            i64::try_from(rule.timespan.seconds).map_err(|_| "the timespan is too long".to_owned())?;
        Ok(Self {
            trigger: trigger(predicates, &kind, rule.rules.len())?,
            kind,
            rules: rule.rules.clone(),
            group_by: rule.group_by.clone(),
            aliases: aliases.collect(),
            timespan: SignedDuration::from_secs(timespan),
            generate: rule.generate,
        })
    }

    /// How a rule takes part that stands at this place among [`Definition::rules`] and has these names.
    pub(in crate::events) fn member(&self, names: &[&str]) -> Member {
        let of_alias = |name: &String| {
            self.aliases
                .get(name)
                .and_then(|fields| names.iter().find_map(|name| fields.get(*name)))
                .map_or_else(|| Path::new(name), |field| Path::new(field))
        };
        let value = match &self.kind {
            Kind::ValueCount(field) => Some(of_alias(field)),
            _ => None,
        };
        Member { group_by: self.group_by.iter().map(of_alias).collect(), value }
    }
}

fn trigger(predicates: Vec<(ConditionOperator, u64)>, kind: &Kind, rules: usize) -> Result<Trigger, String> {
    if predicates.iter().any(|(_, number)| *number > MOST_EVENTS) {
        return Err(format!("a condition of more than {MOST_EVENTS} is not supported"));
    }
    let mut least = Some(1);
    for (operator, number) in &predicates {
        least = match operator {
            ConditionOperator::Gte => least.map(|least| least.max(*number)),
            ConditionOperator::Gt => least.map(|least| least.max(*number + 1)),
            ConditionOperator::Lt
            | ConditionOperator::Lte
            | ConditionOperator::Eq
            | ConditionOperator::Neq => None,
        };
    }
    let whole = u64::try_from(rules).unwrap_or(u64::MAX);
    match (least, kind) {
        // Without a condition, which the parser takes for `gte: 1`, all rules have to match.
        (Some(1), Kind::Temporal | Kind::TemporalOrdered) => Ok(Trigger::Reached(whole)),
        (Some(least), Kind::TemporalOrdered) if least < whole => {
            Err("a `temporal_ordered` of fewer rules than it names is not supported".to_owned())
        }
        (Some(least), Kind::Temporal | Kind::TemporalOrdered) => Ok(Trigger::Reached(least.min(whole))),
        (Some(least), _) => Ok(Trigger::Reached(least)),
        (None, Kind::Temporal | Kind::TemporalOrdered) => {
            Err("a temporal correlation can ask for `gte` or `gt` only".to_owned())
        }
        (None, _) => Ok(Trigger::Closed(predicates)),
    }
}

/// How a rule's matches take part in a correlation.
#[derive(Debug)]
pub(in crate::events) struct Member {
    group_by: Vec<Path>,
    value: Option<Path>,
}

impl Member {
    /// The values that tell groups apart, and the value that is counted; `None` when the event lacks one.
    pub(in crate::events) fn read(&self, record: &Record<'_>) -> Option<(GroupValues, Option<Box<str>>)> {
        let group = self
            .group_by
            .iter()
            .map(|path| path.first_text(record).map(|text| text.into()))
            .collect::<Option<GroupValues>>()?;
        let value = match &self.value {
            Some(path) => Some(path.first_text(record)?.into()),
            None => None,
        };
        Some((group, value))
    }
}

/// A match of a rule that a correlation is about.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The number of the correlation in its rule set.
    pub(in crate::events) correlation: usize,
    /// The place of the rule among those of the correlation.
    pub(in crate::events) member: usize,
    pub(in crate::events) time: Timestamp,
    pub(in crate::events) group: GroupValues,
    pub(in crate::events) value: Option<Box<str>>,
    /// What would be told of the event alone.
    pub(in crate::events) detection: Arc<Detection>,
}

impl Observation {
    /// About how many bytes it takes.
    fn size(&self) -> usize {
        let texts: usize = self.group.iter().chain(&self.value).map(|text| text.len() + 16).sum();
        1_024 + texts + self.detection.event.get().len() + self.detection.output.len()
    }

    fn event_id(&self) -> &str {
        self.detection.facts.event_id().unwrap_or(&self.detection.id)
    }
}

/// What a detection is kept as while it waits: a large event is left out.
pub(in crate::events) fn kept(mut detection: Detection) -> Arc<Detection> {
    if detection.event.get().len() > LARGEST_EVENT {
        let brief = serde_json::value::to_raw_value(&serde_json::json!({
            "eventID": detection.facts.event_id(),
            "eventSource": detection.facts.event_source(),
            "eventName": detection.facts.event_name(),
            "eventTime": detection.facts.time,
        }))
        .unwrap_or_else(|_| serde_json::value::RawValue::NULL.to_owned());
        detection.event = brief.into();
    }
    Arc::new(detection)
}

/// How much a correlator may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of observations that wait for earlier ones.
    pub max_waiting_bytes: usize,
    /// Groups that are counted at the same time.
    pub max_groups: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_waiting_bytes: 48 << 20, max_groups: 50_000 }
    }
}

/// What became of the observations: the last three say that a correlation may have missed something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Observations that were counted.
    pub counted: u64,
    /// Observations that were there already: the same event, delivered twice.
    pub repeated: u64,
    /// Observations that came when later ones had been counted.
    pub late: u64,
    /// Groups that were forgotten because there were too many.
    pub forgotten_groups: u64,
}

/// A correlation of a rule set, ready to count.
#[derive(Debug)]
pub(in crate::events) struct Bound {
    pub(in crate::events) info: Arc<RuleInfo>,
    pub(in crate::events) definition: Definition,
}

/// Counts observations.
#[derive(Debug)]
pub struct Correlator<'r> {
    correlations: &'r [Bound],
    limits: Limits,
    waiting: Vec<Observation>,
    waiting_bytes: usize,
    /// The time of the last observation that was counted.
    counted_until: Option<Timestamp>,
    groups: HashMap<(usize, GroupValues), Group>,
    detections: Vec<Detection>,
    tally: Tally,
}

/// The window of one group of one correlation.
#[derive(Debug, Default)]
struct Group {
    entries: VecDeque<Entry>,
    /// Until then the window that alerted goes on.
    quiet_until: Option<Timestamp>,
    last: Option<Observation>,
}

#[derive(Debug)]
struct Entry {
    time: Timestamp,
    member: usize,
    event_id: Box<str>,
    value: Option<Box<str>>,
}

impl<'r> Correlator<'r> {
    pub(in crate::events) fn new(correlations: &'r [Bound], limits: Limits) -> Self {
        Self {
            correlations,
            limits,
            waiting: Vec::new(),
            waiting_bytes: 0,
            counted_until: None,
            groups: HashMap::new(),
            detections: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Takes an observation, in any order.
    pub fn observe(&mut self, observation: Observation) {
        if self.counted_until.is_some_and(|until| observation.time < until) {
            self.tally.late += 1;
            return;
        }
        self.waiting_bytes += observation.size();
        self.waiting.push(observation);
        if self.waiting_bytes > self.limits.max_waiting_bytes {
            self.count(self.waiting.len().div_ceil(2));
        }
    }

    /// Counts what is left, and tells what was found, in order of event time.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Detection>, Tally) {
        self.count(self.waiting.len());
        let open: Vec<(usize, Group)> =
            self.groups.drain().map(|((correlation, _), group)| (correlation, group)).collect();
        for (correlation, group) in open {
            self.close(correlation, group);
        }
        self.detections
            .sort_by(|a, b| (a.facts.time, &a.rule.id, &a.id).cmp(&(b.facts.time, &b.rule.id, &b.id)));
        (self.detections, self.tally)
    }

    /// Counts the earliest observations.
    fn count(&mut self, number: usize) {
        // The order of equal times is that of ids, so that it does not depend on the order of files.
        self.waiting.sort_by(|a, b| {
            let key = |one: &Observation| (one.time, one.correlation, one.member);
            key(a).cmp(&key(b)).then_with(|| a.event_id().cmp(b.event_id()))
        });
        let rest = self.waiting.split_off(number.min(self.waiting.len()));
        let counted = std::mem::replace(&mut self.waiting, rest);
        self.waiting_bytes = self.waiting.iter().map(Observation::size).sum();
        let mut previous: Option<(usize, usize, Timestamp, String)> = None;
        for observation in counted {
            let identity = (
                observation.correlation,
                observation.member,
                observation.time,
                observation.event_id().to_owned(),
            );
            if previous.as_ref() == Some(&identity) {
                self.tally.repeated += 1;
                continue;
            }
            previous = Some(identity);
            self.counted_until = Some(observation.time);
            self.tally.counted += 1;
            self.step(observation);
        }
    }

    fn step(&mut self, observation: Observation) {
        let Some(bound) = self.correlations.get(observation.correlation) else { return };
        if self.groups.len() >= self.limits.max_groups {
            self.make_room(observation.time);
        }
        let key = (observation.correlation, observation.group.clone());
        let mut group = self.groups.remove(&key).unwrap_or_default();
        let definition = &bound.definition;
        let first = group.entries.front().map(|entry| entry.time);
        let is_over = first.is_some_and(|first| observation.time.duration_since(first) > definition.timespan);
        if is_over && matches!(definition.trigger, Trigger::Closed(_)) {
            self.close(observation.correlation, std::mem::take(&mut group));
        }
        if group.quiet_until.is_none_or(|until| observation.time > until) {
            group.quiet_until = None;
            if let Some(alert) = group.take(definition, observation) {
                self.detections.push(alert.detection(&bound.info, definition));
            }
        }
        self.groups.insert(key, group);
    }

    /// Judges a window that no event can be added to any more.
    fn close(&mut self, correlation: usize, group: Group) {
        let Some(bound) = self.correlations.get(correlation) else { return };
        let Trigger::Closed(predicates) = &bound.definition.trigger else { return };
        let number = group.number(&bound.definition.kind);
        let holds = |(operator, wanted): &(ConditionOperator, u64)| match operator {
            ConditionOperator::Lt => number < *wanted,
            ConditionOperator::Lte => number <= *wanted,
            ConditionOperator::Gt => number > *wanted,
            ConditionOperator::Gte => number >= *wanted,
            ConditionOperator::Eq => number == *wanted,
            ConditionOperator::Neq => number != *wanted,
        };
        if predicates.iter().all(holds)
            && let Some(last) = group.last
        {
            let events = group.entries.into_iter().map(|entry| entry.event_id.into()).collect();
            self.detections.push(Alert { last, events, number }.detection(&bound.info, &bound.definition));
        }
    }

    /// Closes the windows that are over; when that frees too little, forgets those that are longest without an event.
    fn make_room(&mut self, now: Timestamp) {
        let is_over = |correlation: usize, group: &Group| {
            let Some(bound) = self.correlations.get(correlation) else { return true };
            let last = group.entries.back().map(|entry| entry.time).or(group.quiet_until);
            last.is_none_or(|last| now.duration_since(last) > bound.definition.timespan)
        };
        let over: Vec<_> = self
            .groups
            .iter()
            .filter(|(key, group)| is_over(key.0, group))
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            if let Some(group) = self.groups.remove(&key) {
                self.close(key.0, group);
            }
        }
        if self.groups.len() < self.limits.max_groups {
            return;
        }
        let age = |group: &Group| group.entries.back().map(|entry| entry.time);
        let mut by_age: Vec<_> = self.groups.iter().map(|(key, group)| (age(group), key.clone())).collect();
        by_age.sort();
        for (_, key) in by_age.into_iter().take(self.limits.max_groups.div_ceil(10)) {
            self.groups.remove(&key);
            self.tally.forgotten_groups += 1;
        }
    }
}

impl Group {
    /// Adds an observation, and says whether the window alerts by it.
    fn take(&mut self, definition: &Definition, observation: Observation) -> Option<Alert> {
        if let Trigger::Reached(_) = definition.trigger {
            while self
                .entries
                .front()
                .is_some_and(|entry| observation.time.duration_since(entry.time) > definition.timespan)
            {
                self.entries.pop_front();
            }
        }
        if self.entries.len() > usize::try_from(MOST_EVENTS).unwrap_or(usize::MAX) {
            match definition.trigger {
                Trigger::Reached(_) => drop(self.entries.pop_front()),
                // No condition tells this number from a larger one.
                Trigger::Closed(_) => return None,
            }
        }
        // What is there already adds nothing to the number, but its time is the later one.
        if let Some(place) = self.entries.iter().position(|entry| match definition.kind {
            Kind::ValueCount(_) => entry.value == observation.value,
            Kind::Temporal => entry.member == observation.member,
            Kind::EventCount | Kind::TemporalOrdered => false,
        }) && matches!(definition.trigger, Trigger::Reached(_))
        {
            self.entries.remove(place);
        }
        self.entries.push_back(Entry {
            time: observation.time,
            member: observation.member,
            event_id: observation.event_id().into(),
            value: observation.value.clone(),
        });
        let Trigger::Reached(wanted) = definition.trigger else {
            self.last = Some(observation);
            return None;
        };
        let events = match definition.kind {
            Kind::TemporalOrdered => self.in_order(definition.rules.len())?,
            _ if self.number(&definition.kind) < wanted => return None,
            _ => self.entries.iter().map(|entry| entry.event_id.to_string()).collect(),
        };
        let number = u64::try_from(events.len()).unwrap_or(u64::MAX);
        let first = self.entries.front().map_or(observation.time, |entry| entry.time);
        self.quiet_until = first.checked_add(definition.timespan).ok();
        self.entries.clear();
        Some(Alert { last: observation, events, number })
    }

    /// What is compared with the condition.
    fn number(&self, kind: &Kind) -> u64 {
        let number = match kind {
            Kind::EventCount | Kind::TemporalOrdered => self.entries.len(),
            Kind::ValueCount(_) => self
                .entries
                .iter()
                .filter_map(|entry| entry.value.as_deref())
                .collect::<std::collections::HashSet<_>>()
                .len(),
            Kind::Temporal => {
                self.entries.iter().map(|entry| entry.member).collect::<std::collections::HashSet<_>>().len()
            }
        };
        u64::try_from(number).unwrap_or(u64::MAX)
    }

    /// Events of all rules, one each, in the order in which the correlation names them.
    fn in_order(&self, rules: usize) -> Option<Vec<String>> {
        let mut events = Vec::new();
        for entry in &self.entries {
            if entry.member == events.len() {
                events.push(entry.event_id.to_string());
            }
        }
        (events.len() == rules).then_some(events)
    }
}

/// A window that alerts.
struct Alert {
    last: Observation,
    events: Vec<String>,
    number: u64,
}

impl Alert {
    fn detection(self, info: &Arc<RuleInfo>, definition: &Definition) -> Detection {
        let groups = definition.group_by.iter().zip(&self.last.group);
        let group: Vec<String> = groups.map(|(field, value)| format!("{field}={value}")).collect();
        let counted = match &definition.kind {
            Kind::ValueCount(field) => format!("{} values of {field}", self.number),
            _ => format!("{} events", self.number),
        };
        let group = if group.is_empty() { String::new() } else { format!(" ({})", group.join(", ")) };
        let mut hash = Sha256::new();
        for event in &self.events {
            hash.update(event.len().to_be_bytes());
            hash.update(event);
        }
        let identity = hex(&hash.finalize());
        Detection {
            id: detection_id(&info.id, &identity),
            output: format!("{}: {counted} within {} s{group}", info.name, definition.timespan.as_secs()),
            related_events: self.events,
            rule: Arc::clone(info),
            ..Detection::clone(&self.last.detection)
        }
    }
}

#[cfg(test)]
#[path = "correlation_tests.rs"]
mod tests;
