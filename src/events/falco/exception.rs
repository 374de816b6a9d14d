//! Exceptions: what a rule leaves out, as a table of values.

use std::fmt::Write as _;

use super::condition::{is_bare, quote};
use crate::events::yaml::{Node, Value};

/// One exception of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exception {
    pub(super) name: String,
    pub(super) fields: Fields,
    pub(super) values: Vec<Item>,
}

/// The fields of an exception, each with its operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fields {
    /// One field, whose values are a flat list.
    One(String, String),
    /// Several fields, whose values are rows.
    Several(Vec<(String, String)>),
}

/// A value of an exception.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Text(String),
    List(Vec<Item>),
}

/// What an item of `exceptions` says.
pub(super) struct Written {
    pub(super) name: String,
    pub(super) fields: Option<Fields>,
    pub(super) values: Vec<Item>,
}

/// Operators that take a list.
const LIST_OPERATORS: [&str; 3] = ["in", "pmatch", "intersects"];

/// Reads an item of `exceptions`.
///
/// # Errors
/// With what is wrong.
pub(super) fn read(node: &Node) -> Result<Written, String> {
    let name = node.get("name").and_then(Node::text).ok_or("an exception has no `name`")?;
    let comps = node.get("comps");
    let fields = match node.get("fields").map(|fields| &fields.value) {
        None if comps.is_some() => return Err(format!("exception `{name}` has `comps` and no `fields`")),
        None => None,
        Some(Value::Scalar(field, _)) => {
            let operator = match comps {
                None => "in",
                Some(comps) => comps
                    .text()
                    .ok_or_else(|| format!("exception `{name}` has one field and a list of `comps`"))?,
            };
            if !LIST_OPERATORS.contains(&operator) {
                return Err(format!(
                    "exception `{name}` compares one field with a list, which `{operator}` can't"
                ));
            }
            Some(Fields::One(field.clone(), operator.to_owned()))
        }
        Some(Value::Sequence(fields)) => Some(Fields::Several(several(name, fields, comps)?)),
        Some(Value::Mapping(_)) => {
            return Err(format!("`fields` of exception `{name}` is no field and no list of fields"));
        }
    };
    let values = node.get("values").map_or(&[][..], Node::elements).iter().map(item).collect::<Option<_>>();
    let values = values.ok_or_else(|| format!("a value of exception `{name}` is no text and no list"))?;
    Ok(Written { name: name.to_owned(), fields, values })
}

fn several(name: &str, fields: &[Node], comps: Option<&Node>) -> Result<Vec<(String, String)>, String> {
    let texts = |nodes: &[Node], key| {
        let texts: Option<Vec<String>> = nodes.iter().map(|node| node.text().map(str::to_owned)).collect();
        texts.ok_or_else(|| format!("`{key}` of exception `{name}` holds what is no text"))
    };
    let fields = texts(fields, "fields")?;
    let comps = match comps {
        None => vec!["=".to_owned(); fields.len()],
        Some(comps) => texts(comps.elements(), "comps")?,
    };
    if comps.len() != fields.len() {
        return Err(format!("exception `{name}` has {} fields and {} `comps`", fields.len(), comps.len()));
    }
    Ok(fields.into_iter().zip(comps).collect())
}

fn item(node: &Node) -> Option<Item> {
    match &node.value {
        Value::Scalar(text, _) => Some(Item::Text(text.clone())),
        Value::Sequence(items) => items.iter().map(item).collect::<Option<_>>().map(Item::List),
        Value::Mapping(_) => None,
    }
}

impl Exception {
    /// The condition with this left out.
    ///
    /// # Errors
    /// When a row has not as many values as there are fields.
    pub(super) fn apply(&self, condition: &str) -> Result<String, String> {
        if self.values.is_empty() {
            return Ok(condition.to_owned());
        }
        let excepted = match &self.fields {
            Fields::One(field, operator) => {
                let items: Vec<String> = self.values.iter().map(Item::written).collect();
                format!("{field} {operator} ({})", items.join(", "))
            }
            Fields::Several(fields) => self.rows(fields)?,
        };
        Ok(format!("({condition}) and not ({excepted})"))
    }

    fn rows(&self, fields: &[(String, String)]) -> Result<String, String> {
        let mut rows = String::new();
        for row in &self.values {
            let Item::List(values) = row else {
                return Err(format!("a row of exception `{}` is no list", self.name));
            };
            if values.len() != fields.len() {
                return Err(format!(
                    "a row of exception `{}` has {} values for {} fields",
                    self.name,
                    values.len(),
                    fields.len()
                ));
            }
            let checks: Vec<String> = fields
                .iter()
                .zip(values)
                .map(|((field, operator), value)| {
                    let written = match value {
                        Item::Text(_) if LIST_OPERATORS.contains(&operator.as_str()) => {
                            format!("({})", value.written())
                        }
                        _ => value.written(),
                    };
                    format!("{field} {operator} {written}")
                })
                .collect();
            let or = if rows.is_empty() { "" } else { " or " };
            let _ = write!(rows, "{or}({})", checks.join(" and "));
        }
        Ok(rows)
    }
}

impl Item {
    fn written(&self) -> String {
        match self {
            Self::Text(text) => literal(text),
            Self::List(items) => {
                format!("({})", items.iter().map(Self::written).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// An item as it stands in a condition: in quotation marks when it needs them and has none.
pub(super) fn literal(text: &str) -> String {
    let quoted = |mark: char| text.len() > 1 && text.starts_with(mark) && text.ends_with(mark);
    if quoted('"') || quoted('\'') || (!text.is_empty() && text.chars().all(is_bare)) {
        text.to_owned()
    } else {
        quote(text)
    }
}
