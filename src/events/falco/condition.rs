//! The language of Falco's conditions.
//!
//! The grammar is that of [`parser.cpp`](https://github.com/falcosecurity/libs/blob/master/userspace/libsinsp/filter/parser.cpp),
//! without what only system calls have. What a name stands for is not looked at here.

use std::fmt;

use winnow::ascii::multispace0;
use winnow::combinator::{
    alt, cut_err, delimited, fail, not, opt, peek, preceded, repeat, separated, terminated,
};
use winnow::error::{StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::token::{any, none_of, one_of, take_while};

use crate::events::engine::text::Comparison;

/// The nesting that Falco takes in a rule's condition; reading it takes room on the stack, so no more is read.
const DEEPEST: usize = 100;
/// Bytes of a condition once its lists are written out.
const LONGEST: usize = 1 << 20;

/// A condition as it was written, lists already replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// At least one of these.
    Or(Vec<Condition>),
    /// All of these.
    And(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// What the macro of this name says.
    Macro(String),
    /// One check.
    Check(Operand, Relation),
}

/// A field, and what is done to its value before it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// Names of transformers, outermost first.
    pub transformers: Vec<String>,
    /// The name of the field.
    pub name: String,
    /// What stands in brackets after it.
    pub argument: Option<String>,
}

/// What a check asks of its field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// `exists`
    Exists,
    /// `<`, `<=`, `>`, `>=`
    Order(Comparison, Value),
    /// An operator on texts, or `=` or `!=`.
    Text(TextOperator, Value),
    /// An operator on texts with `oneof`, `anyof` or `allof`.
    Quantified(TextOperator, Quantifier, Vec<String>),
    /// `in`, `intersects` or `pmatch` with a list.
    Set(SetOperator, Vec<String>),
    /// `in`, `intersects` or `pmatch` with another field.
    SetField(SetOperator, Operand),
}

/// What a check compares with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text or number as written.
    Literal(String),
    /// Another field.
    Field(Operand),
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are those of the language")]
        pub enum $name { $($variant),+ }

        impl $name {
            /// As it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// An operator between a field and a text.
    TextOperator {
        Equal = "=",
        NotEqual = "!=",
        Glob = "glob",
        IGlob = "iglob",
        Contains = "contains",
        IContains = "icontains",
        BContains = "bcontains",
        StartsWith = "startswith",
        BStartsWith = "bstartswith",
        EndsWith = "endswith",
        Regex = "regex",
    }
}
words! {
    /// How many of a list's items must satisfy an operator.
    Quantifier { OneOf = "oneof", AnyOf = "anyof", AllOf = "allof" }
}
words! {
    /// An operator between a field and a list.
    SetOperator { In = "in", Intersects = "intersects", PMatch = "pmatch" }
}

/// Transformers that the language knows; not all of them can be had here.
const TRANSFORMERS: [&str; 9] =
    ["tolower", "toupper", "b64", "basename", "len", "val", "join", "concat", "getopt"];

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It is too long once its lists are written out.
    #[error("the condition is longer than {LONGEST} bytes")]
    TooLong,
    /// Something else was expected.
    #[error("expected {expected} in the condition before `{rest}`")]
    Unexpected {
        /// What would have been valid.
        expected: String,
        /// What stands there instead.
        rest: String,
    },
    /// The text ends too early.
    #[error("expected {0} where the condition ends")]
    Ends(String),
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// When it is none, is longer than a mebibyte, or nests deeper than 100.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        if text.len() > LONGEST {
            return Err(ConditionError::TooLong);
        }
        delimited(multispace0, |input: &mut &str| any_of(input, DEEPEST), multispace0).parse(text).map_err(
            |error| {
                let expected = error.inner().context().find_map(|context| match context {
                    StrContext::Expected(StrContextValue::Description(what)) => Some((*what).to_owned()),
                    _ => None,
                });
                let rest = text.get(error.offset()..).unwrap_or_default().trim_start();
                let expected = expected.unwrap_or_else(|| "`and`, `or` or the end".to_owned());
                if rest.is_empty() {
                    ConditionError::Ends(expected)
                } else {
                    ConditionError::Unexpected { expected, rest: rest.chars().take(40).collect() }
                }
            },
        )
    }

    /// The names of the macros that it uses.
    pub fn macros(&self, found: &mut impl FnMut(&str)) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.macros(found)),
            Self::Not(part) => part.macros(found),
            Self::Macro(name) => found(name),
            Self::Check(..) => {}
        }
    }
}

const fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

fn any_of(input: &mut &str, depth: usize) -> ModalResult<Condition> {
    let part = |input: &mut &str| all_of(input, depth);
    let mut parts: Vec<Condition> = separated(1.., part, connective("or")).parse_next(input)?;
    Ok(match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            Condition::Or(parts)
        }
    })
}

fn all_of(input: &mut &str, depth: usize) -> ModalResult<Condition> {
    let part = |input: &mut &str| negation(input, depth);
    let mut parts: Vec<Condition> = separated(1.., part, connective("and")).parse_next(input)?;
    Ok(match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            Condition::And(parts)
        }
    })
}

/// `and` or `or` between two conditions.
fn connective<'i>(
    word: &'static str,
) -> impl Parser<&'i str, (), winnow::error::ErrMode<winnow::error::ContextError>> {
    (multispace0, keyword(word), multispace0).void()
}

/// A word that ends where it ends: `not` in `not x` and `not(x)`, but not in `notable`.
fn keyword<'i>(
    word: &'static str,
) -> impl Parser<&'i str, (), winnow::error::ErrMode<winnow::error::ContextError>> {
    (word, peek(alt((one_of((' ', '\t', '\r', '\n', '(')).void(), winnow::combinator::eof.void())))).void()
}

fn negation(input: &mut &str, depth: usize) -> ModalResult<Condition> {
    let nots: usize = repeat(0.., terminated(keyword("not"), multispace0))
        .fold(|| 0, |count, ()| count + 1)
        .parse_next(input)?;
    let inner = alt((
        |input: &mut &str| group(input, depth),
        check,
        macro_name.map(|name| Condition::Macro(name.to_owned())),
    ))
    .context(expected("a check, a macro or `(`"))
    .parse_next(input)?;
    // An even number of them cancels out.
    Ok(if nots % 2 == 1 { Condition::Not(Box::new(inner)) } else { inner })
}

fn group(input: &mut &str, depth: usize) -> ModalResult<Condition> {
    '('.parse_next(input)?;
    let Some(depth) = depth.checked_sub(1) else {
        return cut_err(fail).context(expected("fewer parentheses in parentheses")).parse_next(input);
    };
    cut_err(delimited(
        multispace0,
        |input: &mut &str| any_of(input, depth),
        (multispace0, ')').context(expected("`and`, `or` or `)`")),
    ))
    .parse_next(input)
}

fn macro_name<'i>(input: &mut &'i str) -> ModalResult<&'i str> {
    (
        one_of(|c: char| c.is_ascii_alphabetic() || c == '_'),
        take_while(0.., |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')),
    )
        .take()
        .verify(|word: &str| !matches!(word, "and" | "or" | "not" | "exists"))
        .parse_next(input)
}

fn check(input: &mut &str) -> ModalResult<Condition> {
    (operand, multispace0, cut_err(relation).context(expected("an operator")))
        .map(|(operand, _, relation)| Condition::Check(operand, relation))
        .parse_next(input)
}

/// A field, or a transformer around one.
fn operand(input: &mut &str) -> ModalResult<Operand> {
    alt((transformed, field)).parse_next(input)
}

fn transformed(input: &mut &str) -> ModalResult<Operand> {
    // Not by recursion: a hostile rule may write a thousand of them.
    let mut transformers: Vec<String> = Vec::new();
    while let Some(word) =
        opt(terminated(transformer_name, (multispace0, '(', multispace0))).parse_next(input)?
    {
        transformers.push(word.to_owned());
    }
    if transformers.is_empty() {
        return fail.parse_next(input);
    }
    let inner = cut_err(field).context(expected("a field")).parse_next(input)?;
    for _ in &transformers {
        cut_err((multispace0, ')')).context(expected("`)`")).parse_next(input)?;
    }
    Ok(Operand { transformers, ..inner })
}

fn transformer_name<'i>(input: &mut &'i str) -> ModalResult<&'i str> {
    take_while(1.., |c: char| c.is_ascii_alphanumeric())
        .verify(|word: &str| TRANSFORMERS.contains(&word))
        .parse_next(input)
}

fn field(input: &mut &str) -> ModalResult<Operand> {
    let step = || {
        (
            one_of(|c: char| c.is_ascii_alphabetic()),
            take_while(0.., |c: char| c.is_ascii_alphanumeric() || c == '_'),
        )
    };
    let name: &str = (step(), repeat::<_, _, (), _, _>(1.., ('.', step()))).take().parse_next(input)?;
    let argument =
        opt(preceded('[', cut_err(terminated(argument, ']')).context(expected("an argument and `]`"))))
            .parse_next(input)?;
    Ok(Operand { transformers: Vec::new(), name: name.to_owned(), argument })
}

fn argument(input: &mut &str) -> ModalResult<String> {
    alt((
        quoted,
        take_while(1.., |c: char| !c.is_whitespace() && !matches!(c, '[' | ']' | '"' | '\''))
            .map(str::to_owned),
    ))
    .parse_next(input)
}

fn relation(input: &mut &str) -> ModalResult<Relation> {
    if let Some(comparison) = opt(order).parse_next(input)? {
        return preceded(multispace0, cut_err(value).context(expected("a number")))
            .map(|value| Relation::Order(comparison, value))
            .parse_next(input);
    }
    let start = input.checkpoint();
    let symbol = alt(("==".value("="), "!=", "="));
    let word = take_while(1.., |c: char| c.is_ascii_lowercase());
    let word = alt((symbol, word)).parse_next(input)?;
    if word == "exists" {
        not(one_of(|c: char| c.is_ascii_alphanumeric())).parse_next(input)?;
        return Ok(Relation::Exists);
    }
    if let Some(operator) = SetOperator::from_word(word) {
        return preceded(
            multispace0,
            cut_err(|input: &mut &str| set(input, operator)).context(expected("a list in parentheses")),
        )
        .parse_next(input);
    }
    let Some(operator) = TextOperator::from_word(word) else {
        // The message is to name the word, not what follows it.
        input.reset(&start);
        return fail.parse_next(input);
    };
    multispace0.parse_next(input)?;
    if let Some(quantifier) = opt(quantifier).parse_next(input)? {
        return cut_err(list)
            .context(expected("a list in parentheses"))
            .map(|items| Relation::Quantified(operator, quantifier, items))
            .parse_next(input);
    }
    cut_err(value).context(expected("a value")).map(|value| Relation::Text(operator, value)).parse_next(input)
}

fn order(input: &mut &str) -> ModalResult<Comparison> {
    alt((
        "<=".value(Comparison::LessOrEqual),
        "<".value(Comparison::Less),
        ">=".value(Comparison::GreaterOrEqual),
        ">".value(Comparison::Greater),
    ))
    .parse_next(input)
}

fn quantifier(input: &mut &str) -> ModalResult<Quantifier> {
    let word = terminated(take_while(1.., |c: char| c.is_ascii_lowercase()), (multispace0, peek('(')))
        .parse_next(input)?;
    Quantifier::from_word(word).map_or_else(|| fail.parse_next(input), Ok)
}

fn set(input: &mut &str, operator: SetOperator) -> ModalResult<Relation> {
    alt((
        list.map(|items| Relation::Set(operator, items)),
        transformed.map(|field| Relation::SetField(operator, field)),
        // One item without parentheses: upstream takes it for the name of a list.
        literal.map(|item| Relation::Set(operator, vec![item])),
    ))
    .parse_next(input)
}

fn list(input: &mut &str) -> ModalResult<Vec<String>> {
    delimited(
        ('(', multispace0),
        separated(0.., literal, (multispace0, ',', multispace0)),
        (multispace0, ')'),
    )
    .parse_next(input)
}

fn value(input: &mut &str) -> ModalResult<Value> {
    alt((transformed.map(Value::Field), literal.map(Value::Literal))).parse_next(input)
}

fn literal(input: &mut &str) -> ModalResult<String> {
    alt((quoted, take_while(1.., is_bare).map(str::to_owned))).parse_next(input)
}

/// Whether a character can stand in a text without quotation marks.
pub(super) fn is_bare(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '\'' | '=' | ',')
}

fn quoted(input: &mut &str) -> ModalResult<String> {
    let mark = one_of(('"', '\'')).parse_next(input)?;
    let bytes: Vec<u8> = cut_err(terminated(
        repeat(0.., |input: &mut &str| quoted_part(input, mark)).fold(Vec::new, |mut all: Vec<u8>, part| {
            all.extend(part);
            all
        }),
        mark,
    ))
    .context(expected("a known escape, or the closing quotation mark"))
    .parse_next(input)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => cut_err(fail).context(expected("escapes that make UTF-8")).parse_next(input),
    }
}

/// The bytes that a character or an escape stands for.
fn quoted_part(input: &mut &str, mark: char) -> ModalResult<Vec<u8>> {
    let plain = none_of(('\\', mark)).map(|c: char| c.encode_utf8(&mut [0; 4]).as_bytes().to_vec());
    let escape = preceded('\\', |input: &mut &str| escape(input, mark));
    alt((plain, escape)).parse_next(input)
}

fn escape(input: &mut &str, mark: char) -> ModalResult<Vec<u8>> {
    let byte = match any.parse_next(input)? {
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        // A blank after it is swallowed.
        '\\' | ' ' => b'\\',
        '/' => b'/',
        'x' => {
            return take_while(2..=2, |c: char| c.is_ascii_hexdigit())
                .try_map(|digits| u8::from_str_radix(digits, 16))
                .map(|byte| vec![byte])
                .parse_next(input);
        }
        '"' if mark == '"' => b'"',
        '\'' if mark == '\'' => b'\'',
        _ => return fail.parse_next(input),
    };
    Ok(vec![byte])
}

/// A text in quotation marks, so that reading it gives the text again.
#[must_use]
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str(r"\n"),
            '\r' => quoted.push_str(r"\r"),
            '\t' => quoted.push_str(r"\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for Condition {
    /// Writes it with parentheses around every part that has parts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => joined(f, parts, " and "),
            Self::Or(parts) => joined(f, parts, " or "),
            Self::Not(part) => write!(f, "not ({part})"),
            Self::Macro(name) => f.write_str(name),
            Self::Check(operand, relation) => write!(f, "{operand} {relation}"),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Condition], between: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        match part {
            Condition::And(_) | Condition::Or(_) => write!(f, "({part})")?,
            other => write!(f, "{other}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for transformer in &self.transformers {
            write!(f, "{transformer}(")?;
        }
        f.write_str(&self.name)?;
        if let Some(argument) = &self.argument {
            write!(f, "[{}]", quote(argument))?;
        }
        f.write_str(&")".repeat(self.transformers.len()))
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("exists"),
            Self::Order(comparison, value) => {
                let symbol = match comparison {
                    Comparison::Less => "<",
                    Comparison::LessOrEqual => "<=",
                    Comparison::Greater => ">",
                    Comparison::GreaterOrEqual => ">=",
                    Comparison::Equal => "=",
                    Comparison::NotEqual => "!=",
                };
                write!(f, "{symbol} {value}")
            }
            Self::Text(operator, value) => write!(f, "{} {value}", operator.as_str()),
            Self::Quantified(operator, quantifier, items) => {
                write!(f, "{} {} ", operator.as_str(), quantifier.as_str())?;
                write_list(f, items)
            }
            Self::Set(operator, items) => {
                write!(f, "{} ", operator.as_str())?;
                write_list(f, items)
            }
            Self::SetField(operator, field) => write!(f, "{} {field}", operator.as_str()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(&quote(text)),
            Self::Field(field) => write!(f, "{field}"),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, items: &[String]) -> fmt::Result {
    let items: Vec<String> = items.iter().map(|item| quote(item)).collect();
    write!(f, "({})", items.join(", "))
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
