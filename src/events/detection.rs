//! What is told when a rule matches an event.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::attack::Attack;
pub use super::facts::{Actor, EventFacts, TouchedResource};
use super::json::Json;
use super::record::Record;
use super::ruleset::RuleInfo;
use crate::hex::hex;

/// A rule that matched an event.
#[derive(Debug, Clone)]
pub struct Detection {
    /// Made of the rule's id and the event's, so that the same event delivered twice is one detection.
    ///
    /// 64 hexadecimal digits: SHA-256.
    pub id: String,
    /// The rule that matched.
    pub rule: Arc<RuleInfo>,
    /// What the event is; all its detections share it.
    pub facts: Arc<EventFacts>,
    /// The rule's text, with the event's values in it.
    pub output: String,
    /// For a correlation: how many events it is about and which they are; empty for a single event's rule.
    pub related_events: Vec<String>,
    /// The record itself.
    pub event: EventText,
}

impl Detection {
    /// Describes a match of a rule with an event.
    #[must_use]
    pub(super) fn new(rule: Arc<RuleInfo>, record: &Record<'_>, about: &About, output: String) -> Self {
        let About { facts, event } = about;
        Self {
            id: detection_id(&rule.id, facts.event_id().unwrap_or_else(|| record.raw())),
            rule,
            facts: Arc::clone(facts),
            output,
            related_events: Vec::new(),
            event: event.clone(),
        }
    }
}

/// What all detections of an event have in common.
#[derive(Debug)]
pub(super) struct About {
    pub(super) facts: Arc<EventFacts>,
    event: EventText,
}

impl About {
    pub(super) fn of(record: &Record<'_>) -> Self {
        Self { facts: Arc::new(EventFacts::of(record)), event: EventText::of(record) }
    }
}

/// A detection as its JSON has it.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    id: Cow<'a, str>,
    rule: Arc<RuleInfo>,
    time: Option<Timestamp>,
    account: Option<Cow<'a, str>>,
    region: Option<Cow<'a, str>>,
    event_source: Option<Cow<'a, str>>,
    event_name: Option<Cow<'a, str>>,
    event_id: Option<Cow<'a, str>>,
    error_code: Option<Cow<'a, str>>,
    actor: Actor,
    source_address: Option<Cow<'a, str>>,
    resources: Cow<'a, [TouchedResource]>,
    output: Cow<'a, str>,
    /// Tactics and techniques of MITRE ATT&CK, which are the rule's.
    attack: Attack,
    #[serde(default, skip_serializing_if = "is_empty")]
    related_events: Cow<'a, [String]>,
    event: EventText,
}

#[expect(clippy::ptr_arg, reason = "serde hands it so")]
fn is_empty(related_events: &Cow<'_, [String]>) -> bool {
    related_events.is_empty()
}

impl Serialize for Detection {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let facts = &self.facts;
        let written = Written {
            id: Cow::Borrowed(&self.id),
            rule: Arc::clone(&self.rule),
            time: facts.time,
            account: facts.account().map(Cow::Borrowed),
            region: facts.region().map(Cow::Borrowed),
            event_source: facts.event_source().map(Cow::Borrowed),
            event_name: facts.event_name().map(Cow::Borrowed),
            event_id: facts.event_id().map(Cow::Borrowed),
            error_code: facts.error_code().map(Cow::Borrowed),
            actor: facts.actor(),
            source_address: facts.source_address().map(Cow::Borrowed),
            resources: Cow::Borrowed(&facts.resources),
            output: Cow::Borrowed(&self.output),
            attack: self.rule.attack.clone(),
            related_events: Cow::Borrowed(&self.related_events),
            event: self.event.clone(),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Detection {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let actor = &written.actor;
        let facts = EventFacts::packed(
            written.time,
            written.resources.into_owned(),
            &[
                written.account.as_deref(),
                written.region.as_deref(),
                written.event_source.as_deref(),
                written.event_name.as_deref(),
                written.event_id.as_deref(),
                written.error_code.as_deref(),
                written.source_address.as_deref(),
                actor.kind.as_deref(),
                actor.name.as_deref(),
                actor.arn.as_deref(),
                actor.account_id.as_deref(),
                actor.session_name.as_deref(),
                actor.access_key_id.as_deref(),
                actor.invoked_by.as_deref(),
            ],
        );
        Ok(Self {
            id: written.id.into_owned(),
            rule: written.rule,
            facts: Arc::new(facts),
            output: written.output.into_owned(),
            related_events: written.related_events.into_owned(),
            event: written.event,
        })
    }
}

/// The id of what a rule has to say about an event: SHA-256 of both ids, in hexadecimal.
#[must_use]
pub fn detection_id(rule_id: &str, event_id: &str) -> String {
    let mut hash = Sha256::new();
    // The lengths keep `ab` + `c` from being `a` + `bc`.
    hash.update(rule_id.len().to_be_bytes());
    hash.update(rule_id);
    hash.update(event_id);
    hex(&hash.finalize())
}

/// The JSON of a record on one line, which all detections of an event share.
// INVARIANT: one JSON value that `serde_json` accepted. A `RawValue` would say so too, but one is made of text only
// by checking the text again, which for a record of a detection takes as long as all the rest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventText(Arc<str>);

impl EventText {
    /// The text of a record.
    pub(super) fn of(record: &Record<'_>) -> Self {
        Self(record.compact().into())
    }

    /// The JSON.
    #[must_use]
    pub fn get(&self) -> &str {
        &self.0
    }
}

impl From<Box<RawValue>> for EventText {
    fn from(value: Box<RawValue>) -> Self {
        Self(Json::checked(value.get()).compact().into())
    }
}

impl Serialize for EventText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EventText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_json_is_read_as_it_was_written() {
        let event = r#"{"eventID":"e","recipientAccountId":"1","requestParameters":{"bucketName":"b"},"big":12345678901234567890}"#;
        let record = Record::parse(event.as_bytes()).unwrap();
        let mut loader = crate::events::ruleset::Loader::new(crate::events::ruleset::Options::default());
        let rule = "title: T\nid: i\ntags: [attack.persistence]\nlogsource: {product: aws}\ndetection: {s: {eventID: e}, condition: s}";
        loader.text(std::path::Path::new("f.yml"), rule);
        let (rules, issues) = loader.finish();
        assert!(issues.is_empty(), "{issues:?}");
        let about = About::of(&record);
        let mut detection =
            Detection::new(Arc::clone(&rules.rules()[0].info), &record, &about, "told".to_owned());
        for related in [vec![], vec!["x".to_owned()]] {
            detection.related_events = related;
            let written = serde_json::to_string(&detection).unwrap();
            assert_eq!(written.contains("related_events"), !detection.related_events.is_empty());
            assert!(
                written.contains(event) && written.contains(r#""attack":{"tactics":["Persistence"]"#),
                "{written}"
            );
            let read: Detection = serde_json::from_str(&written).unwrap();
            assert_eq!(read.facts, detection.facts);
            assert_eq!(serde_json::to_string(&read).unwrap(), written);
        }
    }

    #[test]
    fn the_id_depends_on_where_the_rule_ends_and_the_event_begins() {
        assert_ne!(detection_id("ab", "c"), detection_id("a", "bc"));
        assert_eq!(detection_id("a", "b"), detection_id("a", "b"));
        assert_eq!(detection_id("a", "b").len(), 64);
    }
}
