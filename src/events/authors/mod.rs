//! Who changed a resource: the latest call that did, out of events that are read or looked up.
//!
//! An [`Index`] is made of what is sought and asked about every event that passes by; [`Latest`] keeps the best answer
//! for each. Nothing is guessed: a call counts where it succeeded, changes something, was made in the account and region
//! of the resource, and names it. Of several the one that speaks of what the control read is preferred, then the latest.
//! That a call is the latest does not prove that the resource fails because of it.

mod index;
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use index::{Index, Question, Sighting};

use super::detection::Actor;
use super::record::{Key, Record};

/// Characters that are kept of a text of an event; AWS's own names are shorter.
const MAX_CHARS: usize = 512;

/// A resource whose latest change is sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// What the answer is kept under: the id of a finding.
    pub key: String,
    /// Type of the resource, such as `aws.s3.bucket`.
    pub resource_type: String,
    /// ARN of the resource; `None` for the settings of an account or a region.
    pub arn: Option<String>,
    /// Account that it was seen in, twelve digits.
    pub account: String,
    /// Region, or `global`.
    pub region: String,
    /// Fields of the resource that the control read, such as `public_access_block`.
    pub fields: BTreeSet<String>,
}

/// A call that changed a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastChange {
    /// When, RFC 3339, UTC.
    pub time: String,
    /// Who made it.
    pub actor: Actor,
    /// The address that it came from, or the name of an AWS service.
    pub source_address: Option<String>,
    /// The program that it was made with, as that calls itself.
    pub user_agent: Option<String>,
    /// The service that was called, such as `s3.amazonaws.com`.
    pub event_source: String,
    /// The call, such as `PutBucketPolicy`.
    pub event_name: String,
    /// Id of the event.
    pub event_id: Option<String>,
    /// The region that it was made in.
    pub region: Option<String>,
}

impl LastChange {
    /// What an event says; `None` where it has no readable time or no name.
    fn of(record: &Record<'_>) -> Option<Self> {
        let text = |key| record.text(key).map(|text| cut(&text));
        let mut actor = Actor::of(record);
        let parts = [
            &mut actor.kind,
            &mut actor.name,
            &mut actor.arn,
            &mut actor.account_id,
            &mut actor.session_name,
            &mut actor.access_key_id,
            &mut actor.invoked_by,
        ];
        parts.into_iter().flatten().for_each(|text| *text = cut(text));
        Some(Self {
            time: record.timestamp()?.to_string(),
            actor,
            source_address: text(Key::SourceIpAddress),
            user_agent: text(Key::UserAgent),
            event_source: text(Key::EventSource)?,
            event_name: text(Key::EventName)?,
            event_id: text(Key::EventId),
            region: text(Key::AwsRegion),
        })
    }

    /// Who made it: `alice`, `alice (session of role Admin)`, `the root user`.
    #[must_use]
    pub fn who(&self) -> String {
        let Actor { kind, name, arn, session_name, invoked_by, .. } = &self.actor;
        let name = name.as_deref().or(arn.as_deref());
        let mut who = match (kind.as_deref(), session_name.as_deref(), name) {
            (Some("Root"), ..) => "the root user".to_owned(),
            (_, Some(session), Some(role)) => format!("{session} (session of role {role})"),
            (_, Some(session), None) => session.to_owned(),
            (_, None, Some(name)) => name.to_owned(),
            (_, None, None) => "an unknown actor".to_owned(),
        };
        // A service that calls by itself is the actor already.
        if let Some(service) = invoked_by.as_deref().filter(|service| name != Some(*service)) {
            who.push_str(&format!(" through {service}"));
        }
        who
    }

    /// `by alice (session of role Admin) from 203.0.113.7, PutBucketPolicy, 2026-11-29 22:10 UTC`. What was chosen by
    /// others stands in it as it is: whoever shows it makes it printable.
    #[must_use]
    pub fn words(&self) -> String {
        let from =
            self.source_address.as_deref().filter(|from| Some(*from) != self.actor.invoked_by.as_deref());
        let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
        let time: Option<Timestamp> = self.time.parse().ok();
        let time =
            time.map_or_else(|| self.time.clone(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string());
        format!("by {}{from}, {}, {time}", self.who(), self.event_name)
    }
}

/// The best sighting of each resource so far; as many as are sought, whatever passes by.
#[derive(Debug, Default)]
pub struct Latest(BTreeMap<usize, Sighting>);

impl Latest {
    /// Takes a sighting. The order in which they come does not matter, nor that one comes twice.
    pub fn take(&mut self, sighting: Sighting) {
        match self.0.get_mut(&sighting.sought) {
            Some(known) if known.rank >= sighting.rank => {}
            Some(known) => *known = sighting,
            None => {
                self.0.insert(sighting.sought, sighting);
            }
        }
    }

    /// Whether a call was seen for what is sought under that number.
    #[must_use]
    pub fn has(&self, sought: usize) -> bool {
        self.0.contains_key(&sought)
    }

    /// The calls, by the keys of what was sought.
    #[must_use]
    pub fn into_calls(self, index: &Index) -> BTreeMap<String, LastChange> {
        let calls = self.0.into_iter();
        calls.filter_map(|(at, sighting)| Some((index.key(at)?.to_owned(), sighting.change))).collect()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_CHARS).collect()
}
