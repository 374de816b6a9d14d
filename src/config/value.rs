//! The values that a configuration is made of, parsed once.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::accounts::is_account_id;

/// A text that was checked when it was read. `$check` says what is wrong with it.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $check:path, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}
pub(super) use checked;

/// Id of an AWS account: twelve digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AccountId(String);

/// It is not twelve digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an account id, which has twelve digits")]
pub struct BadAccountId(String);

impl AccountId {
    /// The twelve digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = BadAccountId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_account_id(text) { Ok(Self(text.to_owned())) } else { Err(BadAccountId(text.to_owned())) }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An id without quotes, which looks like a number, is read as the text that stands in the file, so that
/// a leading zero stays.
impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for AccountId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("AccountId")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]{12}$" })
    }
}

/// Name of a region, such as `eu-west-1`. It becomes part of host names, so that it may hold nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RegionName(String);

/// It does not look like the name of a region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a region, such as `eu-west-1`")]
pub struct BadRegionName(String);

impl RegionName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RegionName {
    type Err = BadRegionName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split('-');
        let number = words.next_back();
        let names: Vec<&str> = words.collect();
        let is_number = number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        let are_names = names.len() >= 2
            && names.iter().all(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()));
        if is_number && are_names && text.len() <= 32 {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadRegionName(text.to_owned()))
        }
    }
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for RegionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for RegionName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("RegionName")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z]+(-[a-z]+)+-[0-9]+$" })
    }
}

/// Value of a control's parameter: a whole number, a bool, a text, or a list of those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ParameterValue(Value);

impl ParameterValue {
    /// The value as JSON.
    #[must_use]
    pub const fn as_json(&self) -> &Value {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ParameterValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let is_fine = match &value {
            Value::Array(items) => items.iter().all(is_scalar),
            value => is_scalar(value),
        };
        if is_fine {
            Ok(Self(value))
        } else {
            Err(D::Error::custom("a parameter is a whole number, a bool, a text, or a list of those"))
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    match value {
        Value::Bool(_) | Value::String(_) => true,
        // Expressions know 64-bit numbers with a sign.
        Value::Number(number) => number.is_i64(),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

impl JsonSchema for ParameterValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("ParameterValue")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": ["integer", "boolean", "string", "array"],
            "items": { "type": ["integer", "boolean", "string"] },
        })
    }
}

/// A whole number from `MIN` to `MAX`.
pub(super) fn within<'de, D, N, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    let number = u64::deserialize(deserializer)?;
    let fits = (MIN..=MAX).contains(&number);
    N::try_from(number)
        .ok()
        .filter(|_| fits)
        .ok_or_else(|| D::Error::custom(format!("`{number}` is not from {MIN} to {MAX}")))
}

/// A whole number of calls that is not 0, or nothing.
pub(super) fn at_least_one<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<NonZeroU32>, D::Error> {
    not_zero(deserializer, "`0` would make no call; leave the key out for no limit")
}

/// A whole number of runs or days that is not 0, or nothing.
pub(super) fn something_kept<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<NonZeroU32>, D::Error> {
    not_zero(deserializer, "`0` would keep nothing; leave the key out for no limit")
}

fn not_zero<'de, D: Deserializer<'de>>(
    deserializer: D,
    otherwise: &'static str,
) -> Result<Option<NonZeroU32>, D::Error> {
    let Some(number) = Option::<u32>::deserialize(deserializer)? else {
        return Ok(None);
    };
    NonZeroU32::new(number).map(Some).ok_or_else(|| D::Error::custom(otherwise))
}
