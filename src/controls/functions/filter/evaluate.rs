//! Whether a pattern matches an event.

use serde_json::Value;

use super::events::VARIABLE;
use super::{
    Condition, Match, Number, Order, Pattern, Predicate, Role, Selector, Sought, Step, Term, Wanted,
};

impl Pattern {
    /// Whether the pattern matches an event.
    pub(super) fn matches(&self, event: &Value) -> Match {
        match self {
            Self::Everything => Match::Yes,
            Self::Terms(terms) => all_terms(terms, &Text::of(event)),
            Self::Json(condition) => condition.matches(event),
            Self::Columns(_) => Match::Undecided("it names the columns of a text, and an event is JSON"),
        }
    }
}

impl Condition {
    fn matches(&self, event: &Value) -> Match {
        match self {
            Self::Any(parts) => Match::any(parts.iter().map(|part| part.matches(event))),
            Self::All(parts) => Match::all(parts.iter().map(|part| part.matches(event))),
            Self::Test(selector, predicate) => {
                let found = selector.find(event);
                if found.iter().any(|value| matches!(value, Found::Unknown)) {
                    return DEPENDS;
                }
                let found: Vec<&Value> = found.into_iter().filter_map(Found::value).collect();
                if selector.is_wildcard() {
                    predicate.is_true_of_some(&found)
                } else {
                    predicate.is_true_of(found.first().copied())
                }
            }
        }
    }
}

impl Selector {
    fn is_wildcard(&self) -> bool {
        self.0.iter().any(|step| matches!(step, Step::EveryProperty | Step::EveryElement))
    }

    fn find<'a>(&self, event: &'a Value) -> Vec<Found<'a>> {
        self.0.iter().fold(vec![Found::Value(event)], |found, step| {
            found.into_iter().flat_map(|found| found.step(step)).collect()
        })
    }
}

/// Where a selector leads to.
#[derive(Clone, Copy)]
enum Found<'a> {
    Value(&'a Value),
    /// Into something that is another in each event, such as the parameters of a call.
    Unknown,
}

impl<'a> Found<'a> {
    fn value(self) -> Option<&'a Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unknown => None,
        }
    }

    fn step(self, step: &Step) -> Vec<Self> {
        let Self::Value(value) = self else {
            return vec![self];
        };
        let members = value.as_object();
        let elements = value.as_array();
        match step {
            _ if is_variable(value) => vec![Self::Unknown],
            Step::Property(name) => members.and_then(|m| m.get(name)).map(Self::Value).into_iter().collect(),
            Step::Element(index) => {
                elements.and_then(|e| e.get(*index)).map(Self::Value).into_iter().collect()
            }
            Step::EveryProperty => members.into_iter().flat_map(|m| m.values()).map(Self::Value).collect(),
            Step::EveryElement => elements.into_iter().flatten().map(Self::Value).collect(),
        }
    }
}

const DEPENDS: Match =
    Match::Undecided("it depends on a value that is another one in each event, such as a name");

fn is_variable(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(VARIABLE),
        Value::Object(members) => members.contains_key(VARIABLE),
        _ => false,
    }
}

impl Predicate {
    /// About the property that a selector leads to, if there is one.
    ///
    /// Nothing but `NOT EXISTS` is true of a property that is not there, not even `!=`, as
    /// [people found out](https://github.com/DataBiosphere/azul/issues/5884). Of an array or an object
    /// [neither `=` nor `!=` is true](https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html).
    fn is_true_of(&self, value: Option<&Value>) -> Match {
        let Some(value) = value else {
            return Match::of(*self == Self::NotExists);
        };
        match (self, value) {
            (Self::NotExists, _) => Match::No,
            (Self::IsNull | Self::Is(_), _) if is_variable(value) => DEPENDS,
            (Self::IsNull, _) => Match::of(value.is_null()),
            (Self::Is(wanted), Value::String(text)) if text.eq_ignore_ascii_case(&wanted.to_string()) => {
                Match::Undecided("it asks whether a text is a bool")
            }
            (Self::Is(wanted), _) => Match::of(value.as_bool() == Some(*wanted)),
            (_, Value::Array(_) | Value::Object(_)) => Match::No,
            (Self::Equals(wanted), _) => wanted.equals(value),
            (Self::Differs(_), Value::Null | Value::Bool(_)) => {
                Match::Undecided("it compares a bool or null with a text")
            }
            (Self::Differs(wanted), _) => wanted.equals(value).negated(),
            (Self::Compares(order, number), _) => number.compares(*order, value),
        }
    }

    /// About the properties that a selector with a wildcard leads to. One is enough for `=`; AWS does not say
    /// how many it takes to differ.
    fn is_true_of_some(&self, values: &[&Value]) -> Match {
        let outcomes = || values.iter().map(|value| self.is_true_of(Some(value)));
        match self {
            Self::NotExists => Match::Undecided("it asks whether none of several properties is there"),
            Self::Differs(_) if !values.is_empty() && Match::any(outcomes()) != Match::all(outcomes()) => {
                Match::Undecided("it asks whether several properties differ from one value")
            }
            _ => Match::any(outcomes()),
        }
    }
}

impl Wanted {
    /// Whether it is the value, which is no array and no object.
    fn equals(&self, value: &Value) -> Match {
        match (self, value) {
            (Self::Text(wanted), _) if wanted.chars().all(|c| c == '*') && wanted.contains('*') => {
                match value {
                    Value::String(_) | Value::Number(_) => Match::Yes,
                    _ => Match::Undecided("it compares a bool or null with a text"),
                }
            }
            _ if is_variable(value) => DEPENDS,
            (Self::Text(wanted), Value::String(text)) => fits(wanted, text),
            (Self::Text(wanted), Value::Number(number)) => match fits(wanted, &number.to_string()) {
                // `4*` is documented for numbers, `"404"` is not.
                Match::Yes if !wanted.contains('*') => Match::Undecided("it compares a number with a text"),
                decided => decided,
            },
            (Self::Number(wanted), Value::Number(number)) => Match::of(number.as_f64() == Some(wanted.value)),
            (Self::Number(wanted), Value::String(text)) => wanted.equals_text(text),
            (Self::Expression(wanted), Value::String(text)) => Match::of(wanted.0.is_match(text)),
            (Self::Expression(wanted), Value::Number(number)) => {
                Match::of(wanted.0.is_match(&number.to_string()))
            }
            (wanted, other) => match wanted.matches_word(&other.to_string()) {
                true => Match::Undecided("it compares a bool or null with a text"),
                false => Match::No,
            },
        }
    }

    /// Whether it would be the word `true`, `false` or `null`.
    fn matches_word(&self, word: &str) -> bool {
        match self {
            Self::Text(text) => fits(text, word) != Match::No,
            Self::Number(_) => false,
            Self::Expression(expression) => expression.0.is_match(word),
        }
    }
}

impl Number {
    /// An account number is a text in CloudTrail, and written like a number in patterns.
    fn equals_text(&self, text: &str) -> Match {
        if text == self.text {
            Match::Yes
        } else if text.parse() == Ok(self.value) {
            Match::Undecided("it compares a number with a text")
        } else {
            Match::No
        }
    }

    fn compares(&self, order: Order, value: &Value) -> Match {
        match value {
            Value::Number(number) => Match::of(number.as_f64().is_some_and(|number| match order {
                Order::Less => number < self.value,
                Order::AtMost => number <= self.value,
                Order::More => number > self.value,
                Order::AtLeast => number >= self.value,
            })),
            _ if is_variable(value) => DEPENDS,
            Value::String(text) if text.parse::<f64>().is_ok() => {
                Match::Undecided("it compares a number with a text")
            }
            _ => Match::No,
        }
    }
}

/// Whether a pattern with `*` fits a text.
///
/// Of an asterisk between other characters AWS's guide said until 2022 that it
/// [stands for itself](https://github.com/awsdocs/amazon-cloudwatch-logs-user-guide/blob/1487b9496d8366bf7039a1efbeeb3a0702b42c50/doc_source/FilterAndPatternSyntax.md);
/// since then it says only that asterisks are wildcards. What fits only as a wildcard is therefore undecided.
fn fits(pattern: &str, text: &str) -> Match {
    if !fits_with_wildcards(pattern, text) {
        Match::No
    } else if pattern.trim_matches('*').contains('*') {
        Match::Undecided("it has a `*` in the middle of a text")
    } else {
        Match::Yes
    }
}

fn fits_with_wildcards(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    let Some(mut rest) = rest.strip_suffix(last) else {
        return false;
    };
    parts.all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// An event as text: whole, and the names and values in it.
struct Text {
    whole: String,
    pieces: Vec<String>,
    /// Whether some of the values are others in each event.
    varies: bool,
}

impl Text {
    fn of(event: &Value) -> Self {
        let mut pieces = Vec::new();
        collect(event, &mut pieces);
        let varies = pieces.iter().any(|piece| piece.contains(VARIABLE));
        Self { whole: event.to_string(), pieces, varies }
    }
}

fn collect(value: &Value, pieces: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                pieces.push(name.clone());
                collect(member, pieces);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, pieces)),
        Value::String(text) => pieces.push(text.clone()),
        other => pieces.push(other.to_string()),
    }
}

fn all_terms(terms: &[Term], text: &Text) -> Match {
    let of =
        |role| terms.iter().filter(move |term| term.role == role).map(|term| term.sought.stands_in(text));
    if terms.iter().all(|term| term.role == Role::Alternative) {
        return Match::any(of(Role::Alternative));
    }
    let excluded = of(Role::Excluded).map(|outcome| match outcome {
        // It may stand where events differ.
        Match::No if text.varies => DEPENDS,
        other => other.negated(),
    });
    Match::all(of(Role::Required).chain(excluded))
}

impl Sought {
    /// Whether it stands in a name or in a value. What reaches from one into the next depends on the order of
    /// the properties and on spaces, which are not known.
    fn stands_in(&self, text: &Text) -> Match {
        const UNKNOWN: Match = Match::Undecided("it depends on how the event is written as JSON");
        match self {
            // `" "` is documented to match every event.
            Self::Phrase(phrase) if phrase.trim().is_empty() => Match::Yes,
            Self::Phrase(phrase) => {
                if text.pieces.iter().any(|piece| piece.contains(phrase.as_str())) {
                    Match::Yes
                } else if phrase.contains(['"', '\\', ':', ',', '{', '}', '[', ']']) {
                    UNKNOWN
                } else {
                    Match::No
                }
            }
            Self::Expression(expression) => {
                let in_a_piece = text.pieces.iter().any(|piece| expression.0.is_match(piece));
                if in_a_piece == expression.0.is_match(&text.whole) { Match::of(in_a_piece) } else { UNKNOWN }
            }
        }
    }
}
