//! [`Attestation`]: what a person says about a requirement that no call to AWS can decide.

use std::borrow::Cow;

use jiff::ToSpan;
use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

/// A statement about a requirement. It is printed beside the status of the requirement and never changes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Attestation {
    framework: String,
    requirement: String,
    statement: String,
    author: String,
    date: Date,
    expires: Date,
}

/// A statement about a requirement that no call to AWS can decide. It is printed beside the status of the
/// requirement and never changes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Id of the framework, such as `cis-aws-5.0`.
    framework: String,
    /// Id of the requirement in it, such as `"1.1"`.
    requirement: String,
    /// What was looked at and found, on one line.
    statement: String,
    /// Who says it.
    author: String,
    /// Day of the statement, such as `2026-11-24`.
    #[serde(deserialize_with = "day")]
    #[schemars(with = "String", extend("format" = "date"))]
    date: Date,
    /// Last day on which it holds, at most a year later.
    #[serde(deserialize_with = "day")]
    #[schemars(with = "String", extend("format" = "date"))]
    expires: Date,
}

fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a day, such as `2026-11-24`")))
}

impl JsonSchema for Attestation {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Attestation")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

/// Why an attestation is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadAttestation {
    #[error("the attestation of requirement `{0}` has no {1}")]
    Empty(String, &'static str),
    #[error("the {1} in the attestation of requirement `{0}` is more than one line of text")]
    Lines(String, &'static str),
    #[error("the attestation of requirement `{0}` expires on {1}, before its date {2}")]
    Backwards(String, Date, Date),
    #[error("the attestation of requirement `{0}` holds from {1} to {2}, longer than a year")]
    TooLong(String, Date, Date),
}

impl TryFrom<Written> for Attestation {
    type Error = BadAttestation;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { framework, requirement, statement, author, date, expires } = written;
        for (name, text) in [("statement", &statement), ("author", &author)] {
            if text.trim().is_empty() {
                return Err(BadAttestation::Empty(requirement, name));
            }
            if text.trim().contains(char::is_control) {
                return Err(BadAttestation::Lines(requirement, name));
            }
        }
        if expires < date {
            return Err(BadAttestation::Backwards(requirement, expires, date));
        }
        if date.checked_add(1.year()).is_ok_and(|last| expires > last) {
            return Err(BadAttestation::TooLong(requirement, date, expires));
        }
        let (statement, author) = (statement.trim().to_owned(), author.trim().to_owned());
        Ok(Self { framework, requirement, statement, author, date, expires })
    }
}

impl Attestation {
    /// Id of the framework.
    #[must_use]
    pub fn framework(&self) -> &str {
        &self.framework
    }

    /// Id of the requirement in it.
    #[must_use]
    pub fn requirement(&self) -> &str {
        &self.requirement
    }

    /// What was looked at and found: one line, not empty.
    #[must_use]
    pub fn statement(&self) -> &str {
        &self.statement
    }

    /// Who says it: one line, not empty.
    #[must_use]
    pub fn author(&self) -> &str {
        &self.author
    }

    /// Day of the statement.
    #[must_use]
    pub const fn date(&self) -> Date {
        self.date
    }

    /// Last day on which it holds: not before its date, and at most a year after it.
    #[must_use]
    pub const fn expires(&self) -> Date {
        self.expires
    }
}
