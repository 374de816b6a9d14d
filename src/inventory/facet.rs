//! [`Facet`]: a value that was observed, or the reason why it was not.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::Unseen;

/// What one API call says about a resource: known, or unknown with the reason.
///
/// Known-and-empty is `Known(None)` or `Known(vec![])`, never `Unknown`. There is no `Default` and no
/// way to reach the value without meeting `Unknown`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facet<T> {
    /// The value as AWS gave it.
    Known(T),
    /// Why there is none.
    Unknown(Unseen),
}

impl<T> Facet<T> {
    /// Applies `f` to a known value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Facet<U> {
        match self {
            Self::Known(value) => Facet::Known(f(value)),
            Self::Unknown(unseen) => Facet::Unknown(unseen),
        }
    }

    /// Borrows the value.
    pub fn as_ref(&self) -> Facet<&T> {
        match self {
            Self::Known(value) => Facet::Known(value),
            Self::Unknown(unseen) => Facet::Unknown(unseen.clone()),
        }
    }
}

impl<T> From<Result<T, Unseen>> for Facet<T> {
    fn from(result: Result<T, Unseen>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(unseen) => Self::Unknown(unseen),
        }
    }
}

/// Schema keyword of a field that a call of its own fills.
pub const FACET: &str = "x-upright-facet";

/// To a control a facet looks like the value it holds, so its schema is the value's, marked as a facet's.
impl<T: JsonSchema> JsonSchema for Facet<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        schema.insert(FACET.to_owned(), true.into());
        schema
    }
}
