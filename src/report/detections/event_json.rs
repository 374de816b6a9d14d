//! [`EventJson`]: a record as it was, in a report.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::events::record::Record;

/// A CloudTrail record: its own JSON, on one line, with its numbers and the order of its members as they were.
///
/// It is not taken apart into values: a record may be nested deeper than most readers of JSON go.
#[derive(Debug, Clone)]
pub struct EventJson(Box<RawValue>);

impl EventJson {
    /// The JSON on one line.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl From<Box<RawValue>> for EventJson {
    /// Text that another program wrote on many lines comes to stand on one.
    fn from(raw: Box<RawValue>) -> Self {
        let compact = match Record::read(raw.get()) {
            Ok((record, _)) => record.json().compact().into_owned(),
            // What is no object is no event; it stays what it is.
            Err(_) => return Self(raw),
        };
        Self(RawValue::from_string(compact).unwrap_or(raw))
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
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
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
