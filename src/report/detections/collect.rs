//! [`Collector`]: from what a scan of events tells to [`Detections`], in bounded memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::{
    DetectionRow, Detections, EventJson, EventRuleRow, EventsRead, RuleIssue, SeverityCounts, UnreadInput,
};
use crate::controls::Severity;
use crate::events::detection::Detection;
use crate::events::ruleset::{Gravity, Issue, RuleInfo, RuleSet};
use crate::events::scan::{Scanned, Told};
use crate::events::source::seen::{EventId, Seen};
use crate::events::source::{self, Options};

/// How much of what is detected is kept in full. All of it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Detections in all.
    pub detections: usize,
    /// Detections of one rule, so that a noisy one does not take the room of the others.
    pub of_a_rule: usize,
    /// Bytes of all detections together.
    pub bytes: usize,
    /// Bytes of an event; a larger one is left out of its detection. CloudTrail's own limit is 256 KB.
    pub event_bytes: usize,
    /// Inputs with problems, and problems of rule files, that are named.
    pub named: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { detections: 5_000, of_a_rule: 500, bytes: 32 << 20, event_bytes: 64 << 10, named: 200 }
    }
}

/// Ids of events that are kept for a correlation.
const MOST_RELATED: usize = 100;

/// The place of a detection: the worst first, then the newest, then by id.
type Place = (Reverse<Severity>, Reverse<Option<Timestamp>>, String);

/// A rule, and the places of those of its detections that are kept.
#[derive(Debug)]
struct OfRule {
    row: EventRuleRow,
    places: BTreeSet<Place>,
}

/// Takes what a scan tells, counts all of it and keeps what matters most.
#[derive(Debug)]
pub struct Collector {
    limits: Limits,
    seen: Seen,
    rules: HashMap<String, OfRule>,
    kept: BTreeMap<Place, (DetectionRow, usize)>,
    kept_bytes: usize,
    inputs: u64,
    unread_inputs: u64,
    unread: Vec<UnreadInput>,
    unfetched: u64,
}

impl Collector {
    /// Nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            seen: Seen::default(),
            rules: HashMap::new(),
            kept: BTreeMap::new(),
            kept_bytes: 0,
            inputs: 0,
            unread_inputs: 0,
            unread: Vec::new(),
            unfetched: 0,
        }
    }

    /// Takes what a scan tells. An object that is announced is for the caller to fetch, and to count by
    /// [`Collector::unfetched`] where that fails.
    pub fn take(&mut self, told: &Told) {
        match told {
            Told::Detection(detection) => self.detection(detection),
            Told::Input(report) => self.input(report),
            Told::Pointer { .. } => {}
        }
    }

    /// Takes objects that messages announced, and that were not fetched.
    pub fn unfetched(&mut self, objects: u64) {
        self.unfetched += objects;
    }

    /// Takes a source that could not be read at all, with the reason.
    pub fn unread(&mut self, name: &str, problem: &str) {
        self.inputs += 1;
        self.unread_inputs += 1;
        if self.unread.len() < self.limits.named {
            let problems = vec![problem.to_owned()];
            self.unread.push(UnreadInput { name: name.to_owned(), problems_found: 1, problems });
        }
    }

    /// Takes an input that was read.
    pub fn input(&mut self, report: &source::Report) {
        self.inputs += 1;
        if report.problems_found == 0 {
            return;
        }
        self.unread_inputs += 1;
        if self.unread.len() < self.limits.named {
            self.unread.push(UnreadInput {
                name: report.name.clone(),
                problems_found: report.problems_found,
                problems: report.problems.iter().map(ToString::to_string).collect(),
            });
        }
    }

    /// Takes a detection. One that was taken before, of the last two million, is the same one.
    pub fn detection(&mut self, detection: &Detection) {
        let rule = self.rules.entry(detection.rule.id.clone()).or_insert_with(|| OfRule::of(&detection.rule));
        let severity = rule.row.severity;
        let place = (Reverse(severity), Reverse(detection.facts.time), detection.id.clone());
        if !self.seen.insert(EventId::of(&detection.id)) || self.kept.contains_key(&place) {
            return;
        }
        rule.row.found += 1;
        let is_too_late = |last: Option<&Place>| last.is_some_and(|last| *last < place);
        let is_full = rule.places.len() >= self.limits.of_a_rule && is_too_late(rule.places.last())
            || self.kept.len() >= self.limits.detections
                && is_too_late(self.kept.last_key_value().map(|(place, _)| place));
        if is_full {
            return;
        }
        let row = DetectionRow::of(detection, severity, &self.limits);
        let bytes = size(&row);
        rule.places.insert(place.clone());
        let over = (rule.places.len() > self.limits.of_a_rule).then(|| rule.places.last().cloned()).flatten();
        self.kept_bytes += bytes;
        self.kept.insert(place, (row, bytes));
        if let Some(over) = over {
            self.forget(&over);
        }
        while self.kept.len() > self.limits.detections || self.kept_bytes > self.limits.bytes {
            let Some(last) = self.kept.last_key_value().map(|(place, _)| place.clone()) else { break };
            self.forget(&last);
        }
    }

    /// Keeps a detection no longer; it stays counted.
    fn forget(&mut self, place: &Place) {
        let Some((row, bytes)) = self.kept.remove(place) else { return };
        self.kept_bytes -= bytes;
        if let Some(rule) = self.rules.get_mut(&row.rule) {
            rule.places.remove(place);
        }
    }

    /// What a scan came to.
    #[must_use]
    pub fn finish(
        mut self,
        scanned: &Scanned,
        rules: &RuleSet,
        issues: &[Issue],
        options: &Options,
    ) -> Detections {
        let reported = rules.rules().iter().filter(|rule| rule.is_reported).map(|rule| &rule.info);
        for rule in reported.chain(rules.correlations()) {
            self.rules.entry(rule.id.clone()).or_insert_with(|| OfRule::of(rule));
        }
        let told = issues.iter().filter(|issue| issue.gravity > Gravity::Note);
        let left_out = issues.iter().filter(|issue| issue.gravity == Gravity::Error);
        let read = EventsRead {
            since: options.since.map(|time| time.to_string()),
            until: options.until.map(|time| time.to_string()),
            inputs: self.inputs,
            counts: scanned.counts.into(),
            unread_inputs: self.unread_inputs,
            unread: std::mem::take(&mut self.unread),
            unfetched: self.unfetched,
            correlations: scanned.correlations.into(),
            rules_left_out: left_out.count() as u64,
            issues: told.take(self.limits.named).map(RuleIssue::from).collect(),
        };
        self.into_detections(Some(read))
    }

    /// The detections alone, where nothing is known of what was read.
    #[must_use]
    pub fn finish_without_source(self) -> Detections {
        self.into_detections(None)
    }

    fn into_detections(self, read: Option<EventsRead>) -> Detections {
        let mut totals = SeverityCounts::zero();
        let mut rules: Vec<EventRuleRow> = self
            .rules
            .into_values()
            .map(|of| EventRuleRow { kept: of.places.len() as u64, ..of.row })
            .collect();
        for rule in &rules {
            totals.add(rule.severity, rule.found);
        }
        sort_rules(&mut rules);
        Detections { read, totals, rules, detections: self.kept.into_values().map(|(row, _)| row).collect() }
    }
}

/// The gravest first, then those that found the most, then by name.
pub(super) fn sort_rules(rules: &mut [EventRuleRow]) {
    rules.sort_by(|a, b| {
        (b.severity, b.found)
            .cmp(&(a.severity, a.found))
            .then_with(|| (&a.name, &a.id).cmp(&(&b.name, &b.id)))
    });
}

impl OfRule {
    fn of(rule: &RuleInfo) -> Self {
        Self { row: EventRuleRow::of(rule), places: BTreeSet::new() }
    }
}

impl DetectionRow {
    fn of(detection: &Detection, severity: Severity, limits: &Limits) -> Self {
        let bytes = detection.event.get().len();
        let facts = &detection.facts;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            id: detection.id.clone(),
            rule: detection.rule.id.clone(),
            severity,
            time: facts.time.map(|time| time.to_string()),
            account: owned(facts.account()),
            region: owned(facts.region()),
            event_source: owned(facts.event_source()),
            event_name: owned(facts.event_name()),
            event_id: owned(facts.event_id()),
            error_code: owned(facts.error_code()),
            actor: facts.actor(),
            source_address: owned(facts.source_address()),
            resources: facts.resources.clone(),
            output: detection.output.clone(),
            related_event_count: detection.related_events.len() as u64,
            related_events: detection.related_events.iter().take(MOST_RELATED).cloned().collect(),
            findings: Vec::new(),
            event_bytes: bytes as u64,
            event: (bytes <= limits.event_bytes).then(|| EventJson::of(detection.event.get())).flatten(),
        }
    }
}

/// About how many bytes a detection takes.
fn size(row: &DetectionRow) -> usize {
    let actor = &row.actor;
    let optional = [
        &row.time,
        &row.account,
        &row.region,
        &row.event_source,
        &row.event_name,
        &row.event_id,
        &row.error_code,
        &row.source_address,
        &actor.kind,
        &actor.name,
        &actor.arn,
        &actor.account_id,
        &actor.session_name,
        &actor.access_key_id,
        &actor.invoked_by,
    ];
    let optional: usize = optional.into_iter().flatten().map(String::len).sum();
    let resources: usize = row
        .resources
        .iter()
        .map(|one| {
            one.arn.len()
                + one.kind.as_ref().map_or(0, String::len)
                + one.account.as_ref().map_or(0, String::len)
        })
        .sum();
    let related: usize = row.related_events.iter().map(String::len).sum();
    let event = row.event.as_ref().map_or(0, |event| event.text().len());
    size_of::<DetectionRow>()
        + row.id.len()
        + row.rule.len()
        + row.output.len()
        + optional
        + resources
        + related
        + event
}
