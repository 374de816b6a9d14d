//! Writing a pattern so that it reads back as the same.

use std::fmt::{self, Display, Formatter, Write};

use super::parse::is_plain;
use super::{Condition, Expression, Order, Pattern, Predicate, Role, Selector, Sought, Step, Term, Wanted};

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => Ok(()),
            Self::Terms(terms) => joined(f, terms, " "),
            Self::Json(condition) => write!(f, "{{ {condition} }}"),
            Self::Columns(columns) => f.write_str(columns),
        }
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.role {
            Role::Required => "",
            Role::Alternative => "?",
            Role::Excluded => "-",
        })?;
        match &self.sought {
            Sought::Phrase(phrase) => quoted(f, phrase),
            Sought::Expression(expression) => expression.fmt(f),
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(parts) => joined(f, parts, " || "),
            Self::All(parts) => joined(f, &parts.iter().map(Operand).collect::<Vec<_>>(), " && "),
            Self::Test(selector, predicate) => write!(f, "{selector} {predicate}"),
        }
    }
}

/// A part of what is joined with `&&`.
struct Operand<'a>(&'a Condition);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            any @ Condition::Any(_) => write!(f, "({any})"),
            other => other.fmt(f),
        }
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('$')?;
        self.0.iter().try_for_each(|step| match step {
            Step::Property(name) if name.chars().all(is_plain) => write!(f, ".{name}"),
            Step::Property(name) => write!(f, ".['{name}']"),
            Step::Element(index) => write!(f, "[{index}]"),
            Step::EveryProperty => f.write_str(".*"),
            Step::EveryElement => f.write_str("[*]"),
        })
    }
}

impl Display for Predicate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(wanted) => write!(f, "= {wanted}"),
            Self::Differs(wanted) => write!(f, "!= {wanted}"),
            Self::Compares(order, number) => write!(f, "{order} {}", number.text),
            Self::IsNull => f.write_str("IS NULL"),
            Self::Is(true) => f.write_str("IS TRUE"),
            Self::Is(false) => f.write_str("IS FALSE"),
            Self::NotExists => f.write_str("NOT EXISTS"),
        }
    }
}

impl Display for Order {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        })
    }
}

impl Display for Wanted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => quoted(f, text),
            Self::Number(number) => f.write_str(&number.text),
            Self::Expression(expression) => expression.fmt(f),
        }
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{}%", self.0)
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

fn joined(f: &mut Formatter<'_>, parts: &[impl Display], separator: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        part.fmt(f)?;
    }
    Ok(())
}
