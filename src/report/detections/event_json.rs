//! [`EventJson`]: a record as it was, in a report.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::events::record::Record;

/// A CloudTrail record: its own JSON, on one line, with its numbers and the order of its members as they were.
///
/// It is not taken apart into values: a record may be nested deeper than most readers of JSON go.
#[derive(Debug, Clone)]
pub struct EventJson(Box<RawValue>);

impl EventJson {
    /// The event on one line, on however many it was written; `None` for what is no JSON object.
    #[must_use]
    pub fn of(event: &str) -> Option<Self> {
        let (record, _) = Record::read(event).ok()?;
        RawValue::from_string(record.json().compact().into_owned()).ok().map(Self)
    }

    /// The JSON on one line.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for EventJson {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Serialize for EventJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EventJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::of(raw.get()).ok_or_else(|| D::Error::custom("an event that is no JSON object"))
    }
}

impl JsonSchema for EventJson {
    fn schema_name() -> Cow<'static, str> {
        "EventJson".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A CloudTrail record, as it was.", "type": "object" })
    }
}
