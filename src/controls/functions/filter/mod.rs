//! Filter patterns of CloudWatch Logs, decided by what they match and not by how they are written.
//!
//! The benchmarks ask for metric filters over the events of CloudTrail and print one pattern for each. The
//! [language](https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html) has many
//! ways to say the same, so a pattern is [read](parse) and [tried](evaluate) on sample [events].
//!
//! INVARIANT: where AWS does not say what a pattern does, the answer is [`Match::Undecided`], never a guess.

mod evaluate;
mod events;
mod parse;
mod print;

use serde_json::Value;

use self::events::{Requirement, Version};
use super::{Mistake, shape};

/// The sample events of a requirement that none of the patterns matches, by the names that the requirement
/// lists; empty when the patterns cover it. Several filters may share the work.
///
/// The requirements are named as in [`Requirement::NAMES`]; the version is that of the CIS AWS Foundations
/// Benchmark, such as `5.0`.
///
/// # Errors
///
/// The patterns are not a list of texts, the requirement or the version is not known, or an event is matched
/// by no pattern while it cannot be decided about one of them.
pub(crate) fn missed_events(
    patterns: &Value,
    requirement: &str,
    version: &str,
) -> Result<Vec<&'static str>, Mistake> {
    let samples = Requirement::parse(requirement)?.samples(Version::parse(version)?);
    let patterns: Vec<Result<Pattern, Unreadable>> =
        shape::texts(patterns, "the filter patterns")?.into_iter().map(str::parse).collect();
    let mut missed = Vec::new();
    for sample in samples {
        let outcome = Match::any(patterns.iter().map(|pattern| match pattern {
            Ok(pattern) => pattern.matches(&sample.event),
            Err(_) => Match::Undecided("it cannot be read"),
        }));
        match outcome {
            Match::Yes => {}
            // The samples of a name follow each other.
            Match::No if missed.last() == Some(&sample.name) => {}
            Match::No => missed.push(sample.name),
            Match::Undecided(why) => {
                return Err(undecided(why, patterns.iter().find_map(|p| p.as_ref().err())));
            }
        }
    }
    Ok(missed)
}

/// Whether a pattern matches every event, so that its alarm says nothing: among others the one that the
/// versions 1.5 to 3.0 of the benchmark print for unauthorized calls, in which `||` joins the exceptions.
///
/// It is tried on everyday events that no requirement asks for.
///
/// # Errors
///
/// The pattern cannot be read, or it cannot be decided.
pub(crate) fn matches_every_event(pattern: &str) -> Result<bool, Mistake> {
    let pattern: Pattern = pattern.parse().map_err(|why: Unreadable| Mistake::new(why.to_string()))?;
    match Match::all(events::everyday().iter().map(|event| pattern.matches(event))) {
        Match::Yes => Ok(true),
        Match::No => Ok(false),
        Match::Undecided(why) => Err(undecided(why, None)),
    }
}

fn undecided(why: &str, unreadable: Option<&Unreadable>) -> Mistake {
    match unreadable {
        Some(unreadable) => Mistake::new(unreadable.to_string()),
        None => Mistake::new(format!("a filter pattern cannot be decided: {why}")),
    }
}

/// A pattern that this module cannot read. AWS checks patterns when they are made, so it is more likely that
/// AWS knows more than that the pattern is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Unreadable {
    /// Longer than any pattern can be.
    #[error("a filter pattern is longer than AWS allows")]
    TooLong,
    /// Something else stands at a place than what may stand there.
    #[error("a filter pattern cannot be read: expected {expected} at character {at}")]
    Syntax {
        /// Position, from 1.
        at: usize,
        /// What may stand there.
        expected: String,
    },
}

/// What is known about a pattern and an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    /// The pattern matches the event.
    Yes,
    /// It does not.
    No,
    /// Nobody knows, and why.
    Undecided(&'static str),
}

impl Match {
    fn of(fact: bool) -> Self {
        if fact { Self::Yes } else { Self::No }
    }

    const fn negated(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            undecided @ Self::Undecided(_) => undecided,
        }
    }

    /// Whether one of them is so; one that is outweighs those that are undecided.
    fn any(outcomes: impl Iterator<Item = Self>) -> Self {
        outcomes.fold(Self::No, |all, one| match (all, one) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, other) | (other, _) => other,
        })
    }

    /// Whether all of them are so; one that is not outweighs those that are undecided.
    fn all(outcomes: impl Iterator<Item = Self>) -> Self {
        Self::any(outcomes.map(Self::negated)).negated()
    }
}

/// A filter pattern.
#[derive(Debug, Clone, PartialEq)]
enum Pattern {
    /// The empty pattern, which matches every event.
    Everything,
    /// Words to look for in the text of an event.
    Terms(Vec<Term>),
    /// `{ ... }`: a condition on the properties of a JSON event.
    Json(Condition),
    /// `[ ... ]`: names for the columns of a text. What it does with JSON is not documented.
    Columns(String),
}

/// A word to look for.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    role: Role,
    sought: Sought,
}

/// What becomes of an event in which a term stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// All of these must stand in the event.
    Required,
    /// `?`: one of these must. Beside terms of another kind they
    /// [have no effect](https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-unstructured-log-events.html).
    Alternative,
    /// `-`: none of these may.
    Excluded,
}

#[derive(Debug, Clone, PartialEq)]
enum Sought {
    Phrase(String),
    Expression(Expression),
}

/// A condition on the properties of an event. `&&` binds tighter than `||`.
///
/// INVARIANT: lists have at least two members, and none is a list of the same kind.
#[derive(Debug, Clone, PartialEq)]
enum Condition {
    /// Joined with `||`.
    Any(Vec<Condition>),
    /// Joined with `&&`.
    All(Vec<Condition>),
    /// About one property.
    Test(Selector, Predicate),
}

/// The way to a property, from the top of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Selector(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Property(String),
    Element(usize),
    /// `.*`
    EveryProperty,
    /// `[*]`
    EveryElement,
}

/// What must be true of a property.
#[derive(Debug, Clone, PartialEq)]
enum Predicate {
    /// `=`
    Equals(Wanted),
    /// `!=`
    Differs(Wanted),
    /// `<`, `<=`, `>` and `>=`
    Compares(Order, Number),
    /// `IS NULL`
    IsNull,
    /// `IS TRUE` and `IS FALSE`
    Is(bool),
    /// `NOT EXISTS`
    NotExists,
}

/// What a property is compared with.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    /// Text in which `*` stands for any text. Case matters. Whether it was in quotation marks does not.
    Text(String),
    /// A number without quotation marks.
    Number(Number),
    /// A regular expression that is found anywhere in the value.
    Expression(Expression),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A number, and how it was written: `=` compares it also with texts.
#[derive(Debug, Clone, PartialEq)]
struct Number {
    text: String,
    value: f64,
}

/// A regular expression between `%`.
#[derive(Debug, Clone)]
struct Expression(regex::Regex);

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

#[cfg(test)]
mod tests;
