//! What every rule becomes, whatever it was written in.

use super::text::{Comparison, Number, TextTest};
use crate::events::falco;
use crate::events::json::Json;
use crate::events::record::{Key, Record};
use crate::events::sigma;

/// What a rule asks of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicate {
    /// Always so, or never.
    Constant(bool),
    /// One question about one field.
    Test(Test),
    /// All of these.
    And(Vec<Predicate>),
    /// At least one of these.
    Or(Vec<Predicate>),
    /// Not this.
    Not(Box<Predicate>),
    /// At least this many of these.
    AtLeast(usize, Vec<Predicate>),
}

impl Predicate {
    /// All of these; one alone stands for itself.
    #[must_use]
    pub fn all(parts: Vec<Self>) -> Self {
        Self::join(parts, Self::And)
    }

    /// At least one of these; one alone stands for itself.
    #[must_use]
    pub fn any(parts: Vec<Self>) -> Self {
        Self::join(parts, Self::Or)
    }

    fn join(mut parts: Vec<Self>, all: fn(Vec<Self>) -> Self) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            Some(last) => {
                parts.push(last);
                all(parts)
            }
            None => all(parts),
        }
    }

    /// Not this.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// A question about a field.
    #[must_use]
    pub const fn test(field: Field, check: Check) -> Self {
        Self::Test(Test { field, check })
    }
}

/// One question about one field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Test {
    /// Where the values come from.
    pub field: Field,
    /// What is asked of them.
    pub check: Check,
}

/// Where the values of a test come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// A field as Falco reads it: at most one value, or a list.
    Falco(falco::Field),
    /// A field as Sigma reads it: any of several values.
    Sigma(sigma::Path),
    /// Every text of the event, as Sigma's keywords want it.
    Anywhere,
}

impl Field {
    /// The top-level key that the field is, when it is nothing else.
    #[must_use]
    pub fn top_level(&self) -> Option<Key> {
        match self {
            Self::Falco(field) => field.top_level(),
            Self::Sigma(path) => path.top_level(),
            Self::Anywhere => None,
        }
    }

    /// Hands the texts that the field has to `test`, until it says yes.
    pub fn any_text(&self, record: &Record<'_>, number: u64, mut test: impl FnMut(&str) -> bool) -> bool {
        match self {
            Self::Falco(field) => field.text(record, number).is_some_and(|text| test(&text)),
            Self::Sigma(path) => path.any_text(record, &mut test),
            Self::Anywhere => sigma::any_leaf(record.json(), &mut test),
        }
    }
}

/// What is asked of the values of a field. A field without a value answers every question by no.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Check {
    /// Is there one? For Sigma `null` is none.
    Exists,
    /// Does one of the texts satisfy this?
    Text(TextTest),
    /// Does the number of a Falco field compare so with this one?
    Number(Comparison, Number),
    /// Do all elements of a Falco list satisfy this?
    EveryElement(TextTest),
    /// Does one element of a Falco list satisfy this?
    AnyElement(TextTest),
    /// Does the value compare so with that of another Falco field?
    FalcoField(TextRelation, falco::Field),
    /// Does one of the values relate so to one of another Sigma field, and in any case?
    SigmaField(TextRelation, sigma::Path, bool),
}

/// How two texts that an event holds relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the operators")]
pub enum TextRelation {
    Compare(Comparison),
    Contains,
    ContainsFolded,
    StartsWith,
    EndsWith,
}

impl TextRelation {
    /// Whether the first text stands so to the second.
    #[must_use]
    pub fn holds(self, text: &str, other: &str) -> bool {
        match self {
            Self::Compare(comparison) => comparison.holds(text.cmp(other)),
            Self::Contains => text.contains(other),
            Self::ContainsFolded => text.to_ascii_lowercase().contains(&other.to_ascii_lowercase()),
            Self::StartsWith => text.starts_with(other),
            Self::EndsWith => text.ends_with(other),
        }
    }
}

impl Test {
    /// Asks it of a record, which is the `number`th that was read.
    #[must_use]
    pub fn holds(&self, record: &Record<'_>, number: u64) -> bool {
        match (&self.check, &self.field) {
            (Check::Text(test), field) => field.any_text(record, number, |text| test.holds(text)),
            (Check::Exists, Field::Falco(field)) => field.exists(record, number),
            (Check::Exists, Field::Sigma(path)) => path.exists(record),
            (Check::Number(comparison, sought), Field::Falco(field)) => field
                .number(record, number)
                .and_then(|value| value.order(*sought))
                .is_some_and(|order| comparison.holds(order)),
            (Check::EveryElement(test), Field::Falco(field)) => {
                field.list(record).is_some_and(|list| list.iter().all(|element| test.holds(element)))
            }
            (Check::AnyElement(test), Field::Falco(field)) => {
                field.list(record).is_some_and(|list| list.iter().any(|element| test.holds(element)))
            }
            (Check::FalcoField(relation, other), Field::Falco(field)) => {
                field.relates(*relation, other, record, number)
            }
            (Check::SigmaField(relation, other, fold), Field::Sigma(path)) => {
                path.relates(*relation, other, *fold, record)
            }
            // No rule compiles to these; without a value there is nothing to answer but no.
            (_, Field::Anywhere | Field::Falco(_) | Field::Sigma(_)) => false,
        }
    }
}

/// The text of a value that is one text or number or the like, and no object or array.
#[must_use]
pub fn scalar_text(value: Json<'_>) -> Option<std::borrow::Cow<'_, str>> {
    use crate::events::json::Kind;
    match value.kind() {
        Kind::String => value.as_str(),
        Kind::Number | Kind::Boolean => Some(value.text().into()),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}
