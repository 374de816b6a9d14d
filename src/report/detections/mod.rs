//! Event rules in a report: what they found, what they read, and what they could not.
//!
//! A report without [`Detections`] says nothing about what happened: no events were read for it.

mod check;
mod collect;
mod event_json;
mod lines;
mod links;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::controls::Severity;
use crate::events::attack::{Attack, tactic_id};
use crate::events::detection::{Actor, TouchedResource};
use crate::events::ruleset::{Gravity, Issue, Language, RuleInfo};
use crate::events::sigma::correlation::Tally;
use crate::events::source;
use crate::events::techniques::technique_name;
use crate::findings::Finding;

pub use collect::{Collector, Limits};
pub use event_json::EventJson;
pub use lines::{LinesError, read_lines};
pub(super) use words::NONE_READ;

/// What event rules found, and what they were asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Detections {
    /// What was read. Absent where only the detections are known, as those of a file: then nothing is claimed about
    /// what else was read or which other rules ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<EventsRead>,
    /// Everything that was detected, kept in full or not.
    pub totals: SeverityCounts,
    /// The rules that ran, the gravest first; where `read` is absent only those that found something.
    pub rules: Vec<EventRuleRow>,
    /// Detections that are kept in full: the worst first, then the newest.
    pub detections: Vec<DetectionRow>,
}

/// What was read for event rules, and what could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventsRead {
    /// Start of the time asked for, RFC 3339, UTC; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// End of the time asked for, RFC 3339, UTC; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Files, objects and streams that were read.
    pub inputs: u64,
    /// What was in them.
    pub counts: EventCounts,
    /// Inputs that could not be read, or not to their end.
    pub unread_inputs: u64,
    /// What was wrong with them, in the order of the inputs; of many only the first.
    pub unread: Vec<UnreadInput>,
    /// Objects that messages announced, and that were not fetched.
    pub unfetched: u64,
    /// What correlations counted, and what they may have missed.
    pub correlations: CorrelationCounts,
    /// Rules, and whole rule files, that did not run.
    pub rules_left_out: u64,
    /// Why they did not, and what else is wrong with rule files; of many only the first.
    pub issues: Vec<RuleIssue>,
}

impl EventsRead {
    /// Whether every input was read to its end, every rule ran and no correlation lost count.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.unread_inputs == 0
            && self.unfetched == 0
            && self.rules_left_out == 0
            && self.correlations.late == 0
            && self.correlations.forgotten_groups == 0
    }
}

/// What was in the inputs, by what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventCounts {
    /// Bytes as they were stored or sent.
    pub bytes_read: u64,
    /// Events that rules were asked about.
    pub events: u64,
    /// Events that had been delivered already.
    pub duplicates: u64,
    /// Events outside the time asked for.
    pub outside: u64,
    /// What is well-formed and no API event: CloudTrail Insights, digests, test messages, other JSON.
    pub skipped: u64,
    /// What could not be read: broken, cut short, too large.
    pub rejected: u64,
}

impl From<source::Counts> for EventCounts {
    fn from(counts: source::Counts) -> Self {
        Self {
            bytes_read: counts.bytes_read,
            events: counts.events,
            duplicates: counts.duplicates,
            outside: counts.outside,
            skipped: counts.skipped(),
            rejected: counts.rejected,
        }
    }
}

/// An input with problems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnreadInput {
    /// Its name: a path, the address of an object, `standard input`.
    pub name: String,
    /// How many problems it has.
    pub problems_found: u64,
    /// The first of them.
    pub problems: Vec<String>,
}

/// What correlations made of the events that they were about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CorrelationCounts {
    /// Events that were counted.
    pub counted: u64,
    /// Events that came when later ones had been counted: a correlation may have missed something.
    pub late: u64,
    /// Groups that were forgotten because there were too many: a correlation may have missed something.
    pub forgotten_groups: u64,
}

impl From<Tally> for CorrelationCounts {
    fn from(tally: Tally) -> Self {
        Self { counted: tally.counted, late: tally.late, forgotten_groups: tally.forgotten_groups }
    }
}

/// Something that is wrong with a rule file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleIssue {
    /// `error` where the rule, or the whole file, did not run.
    pub gravity: Gravity,
    /// The file.
    pub file: String,
    /// The line in it, counted from 1.
    pub line: u64,
    /// The rule, where it has a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl From<&Issue> for RuleIssue {
    fn from(issue: &Issue) -> Self {
        Self {
            gravity: issue.gravity,
            file: issue.file.display().to_string(),
            line: issue.line as u64,
            rule: issue.rule.clone(),
            message: issue.message.clone(),
        }
    }
}

/// Detections by severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeverityCounts {
    /// Those of critical rules.
    pub critical: u64,
    /// Those of rules of high severity.
    pub high: u64,
    /// Those of rules of medium severity.
    pub medium: u64,
    /// Those of rules of low severity.
    pub low: u64,
    /// Those of informational rules.
    pub informational: u64,
}

impl SeverityCounts {
    /// None yet.
    #[must_use]
    pub const fn zero() -> Self {
        Self { critical: 0, high: 0, medium: 0, low: 0, informational: 0 }
    }

    /// Counts more of one severity.
    pub const fn add(&mut self, severity: Severity, count: u64) {
        let of = match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Informational => &mut self.informational,
        };
        *of = of.saturating_add(count);
    }

    /// The counts with their severities, the worst first.
    #[must_use]
    pub const fn worst_first(&self) -> [(Severity, u64); 5] {
        [
            (Severity::Critical, self.critical),
            (Severity::High, self.high),
            (Severity::Medium, self.medium),
            (Severity::Low, self.low),
            (Severity::Informational, self.informational),
        ]
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.worst_first().iter().map(|(_, count)| count).sum()
    }
}

/// An event rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventRuleRow {
    /// What tells it from every other rule: a Sigma rule's id, else its name.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// What it was written in.
    pub language: Language,
    /// How bad a match is.
    pub severity: Severity,
    /// The priority or level as the file has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// What it looks for, in its author's words.
    pub description: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The licence that the rule names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Where to read more.
    pub references: Vec<String>,
    /// Tactics of MITRE ATT&CK, in the order of the matrix.
    pub tactics: Vec<AttackName>,
    /// Techniques of MITRE ATT&CK, by id.
    pub techniques: Vec<AttackName>,
    /// The file that it came from.
    pub file: String,
    /// The line in it where the rule begins, counted from 1.
    pub line: u64,
    /// What it detected in all.
    pub found: u64,
    /// How many of these are kept in full; the others are only counted.
    pub kept: u64,
}

impl EventRuleRow {
    /// A rule that has found nothing yet.
    #[must_use]
    pub fn of(rule: &RuleInfo) -> Self {
        let Attack { tactics, techniques } = &rule.attack;
        let tactic = |name: &String| AttackName {
            id: tactic_id(name).unwrap_or_default().to_owned(),
            name: name.clone(),
        };
        let technique = |id: &String| AttackName {
            id: id.clone(),
            name: technique_name(id).unwrap_or_default().to_owned(),
        };
        Self {
            id: rule.id.clone(),
            name: rule.name.clone(),
            language: rule.language,
            severity: rule.severity,
            level: rule.level.clone(),
            description: rule.description.trim_end().to_owned(),
            author: rule.author.clone(),
            license: rule.license.clone(),
            references: rule.references.clone(),
            tactics: tactics.iter().map(tactic).collect(),
            techniques: techniques.iter().map(technique).collect(),
            file: rule.file.display().to_string(),
            line: rule.line as u64,
            found: 0,
            kept: 0,
        }
    }
}

/// A tactic or technique of MITRE ATT&CK.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttackName {
    /// Such as `TA0001` or `T1078.004`.
    pub id: String,
    /// Such as `Initial Access`; empty where the program does not know it.
    pub name: String,
}

/// A rule that matched an event, or several together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectionRow {
    /// 64 hexadecimal digits, made of the rule and the event: the same in every report.
    pub id: String,
    /// Id of the rule.
    pub rule: String,
    /// How bad it is: the rule's severity.
    pub severity: Severity,
    /// When it happened, RFC 3339, UTC; null when the event says no readable time.
    pub time: Option<String>,
    /// The account that it happened in.
    pub account: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The service that was called, such as `s3.amazonaws.com`.
    pub event_source: Option<String>,
    /// The call.
    pub event_name: Option<String>,
    /// Id of the event.
    pub event_id: Option<String>,
    /// Why the call was refused or failed; null when it was not.
    pub error_code: Option<String>,
    /// Who did it.
    pub actor: Actor,
    /// The address that it came from, or the name of an AWS service.
    pub source_address: Option<String>,
    /// What it was done to.
    pub resources: Vec<TouchedResource>,
    /// The rule's text, with the event's values in it.
    pub output: String,
    /// For a correlation, how many events it is about; 0 for a single event's rule.
    pub related_event_count: u64,
    /// Ids of these events; of many only the first.
    pub related_events: Vec<String>,
    /// Ids of the findings about the resources that it was done to.
    pub findings: Vec<String>,
    /// Bytes of the event.
    pub event_bytes: u64,
    /// The event itself; null when it is too large to be kept here.
    pub event: Option<EventJson>,
}

impl DetectionRow {
    /// A name for who did it: the user, role or service, else its ARN, else nothing.
    #[must_use]
    pub fn actor_name(&self) -> &str {
        self.actor.name.as_deref().or(self.actor.arn.as_deref()).unwrap_or_default()
    }

    /// When it happened; `None` where that is no readable time.
    pub(crate) fn timestamp(&self) -> Option<jiff::Timestamp> {
        self.time.as_ref()?.parse().ok()
    }
}

impl Detections {
    /// Something that takes detections one by one, and keeps no more of them than `limits` say.
    #[must_use]
    pub fn collect(limits: Limits) -> Collector {
        Collector::new(limits)
    }

    /// Detections that are counted and not kept in full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.rules.iter().map(|rule| rule.found.saturating_sub(rule.kept)).sum()
    }

    /// The rule with that id; [`Report::check`](super::Report::check) sees to it that every detection has one.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&EventRuleRow> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// The part that is about one account, or about the given findings of it. What is counted there is what is kept
    /// in full: what was dropped is not known by account.
    pub(super) fn of_account(&self, account: &str, findings: &[Finding]) -> Self {
        let here: HashSet<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
        let is_here = |id: &&String| here.contains(id.as_str());
        let is_of_account = |row: &&DetectionRow| {
            row.account.as_deref() == Some(account) || row.findings.iter().any(|id| is_here(&id))
        };
        let detections: Vec<DetectionRow> = self
            .detections
            .iter()
            .filter(is_of_account)
            .map(|row| DetectionRow {
                findings: row.findings.iter().filter(is_here).cloned().collect(),
                ..row.clone()
            })
            .collect();
        let mut totals = SeverityCounts::zero();
        let mut kept: HashMap<&str, u64> = HashMap::new();
        for row in &detections {
            totals.add(row.severity, 1);
            *kept.entry(&row.rule).or_insert(0) += 1;
        }
        let mut rules = self.rules.clone();
        for rule in &mut rules {
            rule.kept = kept.get(rule.id.as_str()).copied().unwrap_or(0);
            rule.found = rule.kept;
        }
        if self.read.is_none() {
            rules.retain(|rule| rule.found > 0);
        }
        collect::sort_rules(&mut rules);
        Self { read: self.read.clone(), totals, rules, detections }
    }
}
