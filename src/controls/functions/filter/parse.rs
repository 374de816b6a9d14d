//! Reading a pattern.
//!
//! What AWS documents is read, and nothing beyond it but bare values such as `kms.amazonaws.com`, which the
//! benchmarks print. `EXISTS` and `IS NOT` are [not supported](https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/matching-terms-json-log-events.html)
//! by AWS.

use std::str::FromStr;

use winnow::ascii::{Caseless, digit1, multispace0, multispace1};
use winnow::combinator::{alt, cut_err, delimited, dispatch, fail, opt, peek, preceded, repeat, separated};
use winnow::error::{StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::token::{any, none_of, one_of, rest, take_till, take_while};

use super::{Condition, Expression, Number, Order, Pattern, Predicate, Role, Selector, Sought, Step};
use super::{Term, Unreadable, Wanted};

/// Four times the [1,024 characters](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html)
/// that AWS takes.
const LONGEST: usize = 4_096;
/// Parentheses in parentheses; reading them takes room on the stack.
const DEEPEST: usize = 64;
/// Bytes that a compiled expression may take, so that `%.{999}{999}%` takes neither memory nor time.
const LARGEST_EXPRESSION: usize = 1 << 20;

impl FromStr for Pattern {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        if text.len() > LONGEST {
            return Err(Unreadable::TooLong);
        }
        pattern.parse(text).map_err(|error| {
            let expected = error.inner().context().find_map(|context| match context {
                StrContext::Expected(StrContextValue::Description(what)) => Some((*what).to_owned()),
                _ => None,
            });
            Unreadable::Syntax {
                at: text.get(..error.offset()).map_or(0, |read| read.chars().count()) + 1,
                expected: expected.unwrap_or_else(|| "the end".to_owned()),
            }
        })
    }
}

const fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

fn pattern(input: &mut &str) -> ModalResult<Pattern> {
    let kind = dispatch! {peek(opt(any));
        None => rest.value(Pattern::Everything),
        Some('{') => json.map(Pattern::Json),
        Some('[') => rest.map(|columns: &str| Pattern::Columns(columns.trim_end().to_owned())),
        Some(_) => separated(1.., term, multispace1).map(Pattern::Terms),
    };
    delimited(multispace0, kind, multispace0).parse_next(input)
}

fn term(input: &mut &str) -> ModalResult<Term> {
    let role = alt(('?'.value(Role::Alternative), '-'.value(Role::Excluded)));
    let sought = dispatch! {peek(any);
        '"' => quoted.map(Sought::Phrase),
        '%' => expression.map(Sought::Expression),
        _ => take_while(1.., is_bare).map(|word: &str| Sought::Phrase(word.to_owned())),
    };
    (opt(role), cut_err(sought).context(expected("a word, or a phrase in quotation marks")))
        .map(|(role, sought)| Term { role: role.unwrap_or(Role::Required), sought })
        .parse_next(input)
}

fn json(input: &mut &str) -> ModalResult<Condition> {
    delimited(
        ('{', multispace0),
        |input: &mut &str| any_of(input, DEEPEST),
        (multispace0, cut_err('}').context(expected("`&&`, `||` or `}`"))),
    )
    .parse_next(input)
}

fn any_of(input: &mut &str, depth: usize) -> ModalResult<Condition> {
    let part = |input: &mut &str| all_of(input, depth);
    separated(1.., part, (multispace0, "||", multispace0)).map(Condition::any).parse_next(input)
}

fn all_of(input: &mut &str, depth: usize) -> ModalResult<Condition> {
    let part = |input: &mut &str| operand(input, depth);
    separated(1.., cut_err(part), (multispace0, "&&", multispace0)).map(Condition::all).parse_next(input)
}

fn operand(input: &mut &str, depth: usize) -> ModalResult<Condition> {
    dispatch! {peek(any);
        '(' => |input: &mut &str| group(input, depth),
        '$' => test,
        _ => fail,
    }
    .context(expected("`(`, or a property such as `$.eventName`"))
    .parse_next(input)
}

fn group(input: &mut &str, depth: usize) -> ModalResult<Condition> {
    let Some(depth) = depth.checked_sub(1) else {
        return cut_err(fail).context(expected("fewer parentheses")).parse_next(input);
    };
    delimited(
        ('(', multispace0),
        |input: &mut &str| any_of(input, depth),
        (multispace0, cut_err(')').context(expected("`&&`, `||` or `)`"))),
    )
    .parse_next(input)
}

fn test(input: &mut &str) -> ModalResult<Condition> {
    (preceded('$', selector), multispace0, cut_err(predicate))
        .map(|(selector, _, predicate)| Condition::Test(selector, predicate))
        .parse_next(input)
}

fn selector(input: &mut &str) -> ModalResult<Selector> {
    repeat(1.., step).map(Selector).context(expected("a property such as `.eventName`")).parse_next(input)
}

fn step(input: &mut &str) -> ModalResult<Step> {
    dispatch! {peek(any);
        '.' => preceded('.', cut_err(alt((property, '*'.value(Step::EveryProperty), quoted_property)))),
        '[' => alt((element, quoted_property)),
        _ => fail,
    }
    .context(expected("a property such as `.eventName`"))
    .parse_next(input)
}

fn element(input: &mut &str) -> ModalResult<Step> {
    let number = digit1.parse_to().map(Step::Element);
    delimited('[', alt((number, '*'.value(Step::EveryElement))), ']').parse_next(input)
}

fn property(input: &mut &str) -> ModalResult<Step> {
    take_while(1.., is_plain).map(|name: &str| Step::Property(name.to_owned())).parse_next(input)
}

fn quoted_property(input: &mut &str) -> ModalResult<Step> {
    delimited("['", take_till(1.., '\''), "']")
        .map(|name: &str| Step::Property(name.to_owned()))
        .parse_next(input)
}

fn predicate(input: &mut &str) -> ModalResult<Predicate> {
    let order = alt((
        "<=".value(Order::AtMost),
        '<'.value(Order::Less),
        ">=".value(Order::AtLeast),
        '>'.value(Order::More),
    ));
    alt((
        preceded(("!=", multispace0), cut_err(wanted)).map(Predicate::Differs),
        preceded(('=', multispace0), cut_err(wanted)).map(Predicate::Equals),
        (order, multispace0, cut_err(number)).map(|(order, _, number)| Predicate::Compares(order, number)),
        preceded((Caseless("NOT"), multispace1), Caseless("EXISTS")).value(Predicate::NotExists),
        preceded(
            (Caseless("IS"), multispace1),
            alt((
                Caseless("NULL").value(Predicate::IsNull),
                Caseless("TRUE").value(Predicate::Is(true)),
                Caseless("FALSE").value(Predicate::Is(false)),
            )),
        ),
    ))
    .context(expected("a comparison such as `=`, `NOT EXISTS` or `IS TRUE`"))
    .parse_next(input)
}

fn wanted(input: &mut &str) -> ModalResult<Wanted> {
    dispatch! {peek(any);
        '"' => quoted.map(Wanted::Text),
        '%' => expression.map(Wanted::Expression),
        _ => take_while(1.., is_bare).map(|text: &str| match Number::parse(text) {
            Some(number) => Wanted::Number(number),
            None => Wanted::Text(text.to_owned()),
        }),
    }
    .context(expected("a value"))
    .parse_next(input)
}

fn number(input: &mut &str) -> ModalResult<Number> {
    take_while(1.., is_bare).verify_map(Number::parse).context(expected("a number")).parse_next(input)
}

/// What another backslash than those before `"` and `\` means is not documented.
fn quoted(input: &mut &str) -> ModalResult<String> {
    let character = alt((none_of(['"', '\\']), preceded('\\', one_of(['"', '\\']))));
    delimited('"', repeat(0.., character), cut_err('"'))
        .context(expected("text in quotation marks"))
        .parse_next(input)
}

fn expression(input: &mut &str) -> ModalResult<Expression> {
    delimited('%', take_till(1.., '%').verify_map(Expression::parse), '%')
        .context(expected("a regular expression of those that AWS supports"))
        .parse_next(input)
}

/// The characters of a property's name that need no quotation marks.
pub(super) fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

fn is_bare(c: char) -> bool {
    is_plain(c) || matches!(c, '*' | '.' | '+' | '/' | ':' | '@' | '#')
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        // Leaves out the words that also are numbers to Rust, such as `inf`.
        let is_number = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
        let value = text.parse().ok().filter(|_| is_number)?;
        Some(Self { text: text.to_owned(), value })
    }
}

impl Expression {
    /// None if it is none of the [expressions that AWS supports](https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html#regex-expressions),
    /// or one that means something else in AWS's dialect than in ours: `*+` is a possessive quantifier there,
    /// and `[` and `--` in brackets make sets of sets here.
    fn parse(text: &str) -> Option<Self> {
        let mut characters = text.chars().peekable();
        let (mut in_brackets, mut repeats) = (false, false);
        while let Some(c) = characters.next() {
            let repeated =
                std::mem::replace(&mut repeats, !in_brackets && matches!(c, '*' | '+' | '?' | '}'));
            match c {
                '\\' => match characters.next()? {
                    'd' | 'D' | 's' | 'S' | 'w' | 'W' => {}
                    c if c.is_ascii_punctuation() => {}
                    _ => return None,
                },
                '[' if in_brackets => return None,
                '-' if in_brackets && characters.peek() == Some(&'-') => return None,
                '[' => in_brackets = true,
                ']' => in_brackets = false,
                '+' if repeated => return None,
                c if c.is_ascii_alphanumeric() || "_#=@/;,:-^$?{}|*+. ".contains(c) => {}
                _ => return None,
            }
        }
        regex::RegexBuilder::new(text).size_limit(LARGEST_EXPRESSION).build().ok().map(Self)
    }
}

impl Condition {
    fn any(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::Any(inner) => inner,
            other => vec![other],
        });
        one_or(flat.collect(), Self::Any)
    }

    fn all(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::All(inner) => inner,
            other => vec![other],
        });
        one_or(flat.collect(), Self::All)
    }
}

/// The only member, or the list.
fn one_or(mut parts: Vec<Condition>, list: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            list(parts)
        }
    }
}
