//! From a condition to the predicate that every language compiles to.

use super::condition::{Condition, Operand, Quantifier, Relation, SetOperator, TextOperator, Value};
use super::field::{Field, FieldError, FieldKind};
use crate::events::engine::predicate::{self, Check, Predicate, TextRelation};
use crate::events::engine::text::{Comparison, Expression, Number, TextTest, path_prefix};

/// Parts that a predicate may have once its macros are written out.
const MOST_PARTS: usize = 100_000;
/// Parts in parts that a predicate may have; evaluating it takes room on the stack.
const DEEPEST: usize = 400;

/// A predicate and how large it is.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) predicate: Predicate,
    parts: usize,
    depth: usize,
}

/// Why a condition can't be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CompileError {
    #[error(transparent)]
    Field(#[from] FieldError),
    #[error("there is no macro `{0}` before this")]
    UnknownMacro(String),
    #[error("operator `{operator}` can't be used with `{operand}`, which is {kind}")]
    Operator { operator: String, operand: String, kind: &'static str },
    #[error("`{value}` is no number, which `{operand}` is compared with")]
    NoNumber { value: String, operand: String },
    #[error("`{pattern}` can't be used: {reason}")]
    Pattern { pattern: String, reason: String },
    #[error("`{0}` is not supported")]
    Unsupported(String),
    #[error("the condition is too large once its macros are written out")]
    TooLarge,
}

impl Compiled {
    fn leaf(predicate: Predicate) -> Self {
        Self { predicate, parts: 1, depth: 1 }
    }

    fn joined(parts: Vec<Self>, join: fn(Vec<Predicate>) -> Predicate) -> Result<Self, CompileError> {
        let count = parts.iter().fold(1_usize, |count, part| count.saturating_add(part.parts));
        let depth = parts.iter().map(|part| part.depth).max().unwrap_or(0) + 1;
        if count > MOST_PARTS || depth > DEEPEST {
            return Err(CompileError::TooLarge);
        }
        let predicate = join(parts.into_iter().map(|part| part.predicate).collect());
        Ok(Self { predicate, parts: count, depth })
    }
}

/// Compiles a condition; `macros` knows those that it may use.
pub(super) fn compile(
    condition: &Condition,
    macros: &dyn Fn(&str) -> Option<Compiled>,
) -> Result<Compiled, CompileError> {
    let all =
        |parts: &[Condition]| parts.iter().map(|part| compile(part, macros)).collect::<Result<Vec<_>, _>>();
    match condition {
        Condition::And(parts) => Compiled::joined(all(parts)?, Predicate::all),
        Condition::Or(parts) => Compiled::joined(all(parts)?, Predicate::any),
        Condition::Not(part) => {
            let inner = compile(part, macros)?;
            Ok(Compiled { predicate: inner.predicate.negated(), depth: inner.depth + 1, ..inner })
        }
        Condition::Macro(name) => macros(name).ok_or_else(|| CompileError::UnknownMacro(name.clone())),
        Condition::Check(operand, relation) => check(operand, relation).map(Compiled::leaf),
    }
}

fn resolve(operand: &Operand) -> Result<Field, FieldError> {
    Field::named(&operand.name, operand.argument.as_deref())?
        .transformed(&operand.name, &operand.transformers)
}

fn check(operand: &Operand, relation: &Relation) -> Result<Predicate, CompileError> {
    let field = resolve(operand)?;
    let kind = field.kind();
    let subject = Subject { operand, field: field.clone(), kind };
    match relation {
        Relation::Exists => Ok(subject.asks(Check::Exists)),
        Relation::Order(comparison, Value::Literal(value)) => subject.order(*comparison, value),
        Relation::Order(comparison, Value::Field(other)) => {
            subject.relates(TextRelation::Compare(*comparison), other, "<")
        }
        Relation::Text(operator, Value::Literal(value)) => subject.text(*operator, value),
        Relation::Text(operator, Value::Field(other)) => {
            let relation = match operator {
                TextOperator::Equal => TextRelation::Compare(Comparison::Equal),
                TextOperator::NotEqual => TextRelation::Compare(Comparison::NotEqual),
                TextOperator::Contains => TextRelation::Contains,
                TextOperator::IContains => TextRelation::ContainsFolded,
                TextOperator::StartsWith => TextRelation::StartsWith,
                TextOperator::EndsWith => TextRelation::EndsWith,
                other => {
                    return Err(CompileError::Unsupported(format!("{} with another field", other.as_str())));
                }
            };
            subject.relates(relation, other, operator.as_str())
        }
        Relation::Quantified(operator, quantifier, items) => {
            subject.quantified(*operator, *quantifier, items)
        }
        Relation::Set(operator, items) => subject.set(*operator, items),
        Relation::SetField(SetOperator::PMatch, _) => {
            Err(CompileError::Unsupported("pmatch with another field".to_owned()))
        }
        Relation::SetField(operator, other) => {
            subject.relates(TextRelation::Compare(Comparison::Equal), other, operator.as_str())
        }
    }
}

/// The field that a check is about.
struct Subject<'c> {
    operand: &'c Operand,
    field: Field,
    kind: FieldKind,
}

impl Subject<'_> {
    fn asks(&self, check: Check) -> Predicate {
        Predicate::test(predicate::Field::Falco(self.field.clone()), check)
    }

    fn misused(&self, operator: &str) -> CompileError {
        let kind = match self.kind {
            FieldKind::Text => "a text",
            FieldKind::Number => "a number",
            FieldKind::List => "a list",
        };
        CompileError::Operator { operator: operator.to_owned(), operand: self.operand.to_string(), kind }
    }

    fn number(&self, value: &str) -> Result<Number, CompileError> {
        let hexadecimal = value.strip_prefix("0x").and_then(|digits| i64::from_str_radix(digits, 16).ok());
        hexadecimal.map(Number::Whole).or_else(|| Number::parse(value)).ok_or_else(|| {
            CompileError::NoNumber { value: value.to_owned(), operand: self.operand.to_string() }
        })
    }

    fn order(&self, comparison: Comparison, value: &str) -> Result<Predicate, CompileError> {
        match self.kind {
            FieldKind::Number => Ok(self.asks(Check::Number(comparison, self.number(value)?))),
            FieldKind::Text => Ok(self.asks(Check::Text(TextTest::Order(comparison, value.into())))),
            FieldKind::List => Err(self.misused("<")),
        }
    }

    fn relates(
        &self,
        relation: TextRelation,
        other: &Operand,
        operator: &str,
    ) -> Result<Predicate, CompileError> {
        let other_field = resolve(other)?;
        if self.kind == FieldKind::List {
            return Err(self.misused(operator));
        }
        if other_field.kind() != self.kind
            || (self.kind == FieldKind::Number && !matches!(relation, TextRelation::Compare(_)))
        {
            return Err(CompileError::Unsupported(format!("`{} {operator} {other}`", self.operand)));
        }
        Ok(self.asks(Check::FalcoField(relation, other_field)))
    }

    fn text(&self, operator: TextOperator, value: &str) -> Result<Predicate, CompileError> {
        let comparison = match operator {
            TextOperator::Equal => Some(Comparison::Equal),
            TextOperator::NotEqual => Some(Comparison::NotEqual),
            _ => None,
        };
        match (self.kind, comparison) {
            (FieldKind::Number, Some(comparison)) => {
                Ok(self.asks(Check::Number(comparison, self.number(value)?)))
            }
            (FieldKind::Number | FieldKind::List, _) => Err(self.misused(operator.as_str())),
            (FieldKind::Text, _) => Ok(self.asks(Check::Text(text_test(operator, value)?))),
        }
    }

    fn quantified(
        &self,
        operator: TextOperator,
        quantifier: Quantifier,
        items: &[String],
    ) -> Result<Predicate, CompileError> {
        let checks = items.iter().map(|item| self.text(operator, item)).collect::<Result<Vec<_>, _>>()?;
        Ok(match quantifier {
            Quantifier::AnyOf => Predicate::any(checks),
            Quantifier::OneOf => {
                Predicate::all(vec![Predicate::any(checks.clone()), Predicate::AtLeast(2, checks).negated()])
            }
            // All of none holds of what is there, but not of what is absent.
            Quantifier::AllOf if checks.is_empty() => self.asks(Check::Exists),
            Quantifier::AllOf => Predicate::all(checks),
        })
    }

    fn set(&self, operator: SetOperator, items: &[String]) -> Result<Predicate, CompileError> {
        let one_of = || TextTest::one_of(items.iter().cloned(), false);
        match (operator, self.kind) {
            (SetOperator::In | SetOperator::Intersects, FieldKind::Text) => {
                Ok(self.asks(Check::Text(one_of())))
            }
            (SetOperator::In, FieldKind::List) => Ok(self.asks(Check::EveryElement(one_of()))),
            (SetOperator::Intersects, FieldKind::List) => Ok(self.asks(Check::AnyElement(one_of()))),
            (SetOperator::In | SetOperator::Intersects, FieldKind::Number) => {
                let equal =
                    |item: &String| Ok(self.asks(Check::Number(Comparison::Equal, self.number(item)?)));
                items.iter().map(equal).collect::<Result<Vec<_>, _>>().map(Predicate::any)
            }
            (SetOperator::PMatch, FieldKind::Text) => path_prefix(items.iter().map(String::as_str))
                .map(|test| self.asks(Check::Text(test)))
                .map_err(|error| pattern_error(&items.join(", "), &error)),
            (SetOperator::PMatch, _) => Err(self.misused("pmatch")),
        }
    }
}

fn text_test(operator: TextOperator, value: &str) -> Result<TextTest, CompileError> {
    let expression = |expression: Result<Expression, regex::Error>| {
        expression.map(TextTest::Matches).map_err(|error| pattern_error(value, &error))
    };
    Ok(match operator {
        TextOperator::Equal => TextTest::Equals(value.into()),
        TextOperator::NotEqual => TextTest::Order(Comparison::NotEqual, value.into()),
        TextOperator::Glob => return expression(Expression::glob(value, false)),
        TextOperator::IGlob => return expression(Expression::glob(value, true)),
        TextOperator::Regex => return expression(Expression::whole(value)),
        TextOperator::Contains => TextTest::Contains(value.into()),
        TextOperator::IContains => TextTest::ContainsAsciiFolded(value.to_ascii_lowercase().into()),
        TextOperator::StartsWith => TextTest::StartsWith(value.into()),
        TextOperator::EndsWith => TextTest::EndsWith(value.into()),
        TextOperator::BContains | TextOperator::BStartsWith => {
            return Err(CompileError::Unsupported(format!("{}, which is for bytes,", operator.as_str())));
        }
    })
}

fn pattern_error(pattern: &str, error: &regex::Error) -> CompileError {
    // The library draws the place on lines of its own; the last line says what is wrong.
    let reason = error.to_string();
    let reason = reason.lines().last().unwrap_or_default();
    CompileError::Pattern {
        pattern: pattern.to_owned(),
        reason: reason.strip_prefix("error: ").unwrap_or(reason).to_owned(),
    }
}

#[cfg(test)]
#[path = "operator_tests.rs"]
mod tests;
