//! Reading JSON values that must have a promised shape.

use serde_json::{Map, Value};

use super::Mistake;

/// The list that a value must be.
pub(super) fn list<'a>(value: &'a Value, what: &str) -> Result<&'a [Value], Mistake> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(what, "a list", value))
}

/// The text that a value must be.
pub(super) fn text<'a>(value: &'a Value, what: &str) -> Result<&'a str, Mistake> {
    value.as_str().ok_or_else(|| wrong(what, "a text", value))
}

/// The bool that a value must be.
pub(super) fn boolean(value: &Value, what: &str) -> Result<bool, Mistake> {
    value.as_bool().ok_or_else(|| wrong(what, "a bool", value))
}

/// The whole number that a value must be.
pub(super) fn integer(value: &Value, what: &str) -> Result<i64, Mistake> {
    value.as_i64().ok_or_else(|| wrong(what, "a whole number", value))
}

/// The map that a value must be.
pub(super) fn map<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, Mistake> {
    value.as_object().ok_or_else(|| wrong(what, "a map", value))
}

/// The list of texts that a value must be.
pub(super) fn texts<'a>(value: &'a Value, what: &str) -> Result<Vec<&'a str>, Mistake> {
    list(value, what)?.iter().map(|one| text(one, what)).collect()
}

/// A member that must be there; it may be null.
pub(super) fn member<'a>(
    members: &'a Map<String, Value>,
    key: &str,
    what: &str,
) -> Result<&'a Value, Mistake> {
    members.get(key).ok_or_else(|| Mistake::new(format!("{what} has no `{key}`")))
}

/// A member that may be left out or null.
pub(super) fn optional<'a>(members: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    members.get(key).filter(|value| !value.is_null())
}

fn wrong(what: &str, wanted: &str, value: &Value) -> Mistake {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    Mistake::new(format!("{what} must be {wanted} but is {found}"))
}
