//! What a composite alarm says of other alarms.
//!
//! The [rule](https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html) joins
//! `ALARM(…)`, `OK(…)`, `INSUFFICIENT_DATA(…)`, `TRUE` and `FALSE` with `AND`, `OR`, `NOT` and parentheses. How
//! strongly `AND` and `OR` bind is not documented; a rule that mixes them without parentheses is not read, nor is one
//! with `AT_LEAST`.

use std::collections::BTreeSet;

use winnow::ascii::{Caseless, multispace0};
use winnow::combinator::{alt, delimited, fail, preceded, repeat};
use winnow::prelude::*;
use winnow::token::{take_till, take_while};

/// Parentheses in parentheses; reading them takes room on the stack.
const DEEPEST: usize = 32;

/// A rule.
#[derive(Debug)]
pub(super) struct Rule<'a> {
    text: &'a str,
    /// `None` when it cannot be read.
    condition: Option<Condition<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition<'a> {
    Any(Vec<Condition<'a>>),
    All(Vec<Condition<'a>>),
    Not(Box<Condition<'a>>),
    /// An alarm, by name or ARN, is in the state `ALARM`, or in another one.
    State(&'a str, bool),
    Always(bool),
}

impl<'a> Rule<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let mut depth = 0_usize;
        let is_deep = text.chars().any(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > DEEPEST
        });
        // Each `NOT` is a step down as well.
        let is_deep =
            is_deep || text.split_whitespace().filter(|word| word.starts_with("NOT")).count() > DEEPEST;
        let condition =
            if is_deep { None } else { delimited(multispace0, condition, multispace0).parse(text).ok() };
        Self { text, condition }
    }

    /// Whether the composite alarm goes off once these alarms have; `None` when that depends on others, or cannot
    /// be told.
    pub(super) fn goes_off(&self, off: &BTreeSet<&str>) -> Option<bool> {
        self.condition.as_ref()?.holds(off)
    }

    /// Whether one of the alarms stands in it.
    pub(super) fn names_any(&self, alarms: &BTreeSet<&str>) -> bool {
        alarms.iter().any(|alarm| self.text.contains(alarm))
    }
}

impl Condition<'_> {
    fn holds(&self, off: &BTreeSet<&str>) -> Option<bool> {
        match self {
            Self::Any(parts) => join(parts, off, true),
            Self::All(parts) => join(parts, off, false),
            Self::Not(part) => part.holds(off).map(|holds| !holds),
            Self::State(alarm, is_alarm) => off.contains(alarm).then_some(*is_alarm),
            Self::Always(fact) => Some(*fact),
        }
    }
}

/// One part that is `decisive` decides; otherwise all must be known.
fn join(parts: &[Condition<'_>], off: &BTreeSet<&str>, decisive: bool) -> Option<bool> {
    let mut is_known = true;
    for part in parts {
        match part.holds(off) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => is_known = false,
        }
    }
    is_known.then_some(!decisive)
}

fn condition<'a>(input: &mut &'a str) -> ModalResult<Condition<'a>> {
    let first = part.parse_next(input)?;
    let more = |word: &'static str| {
        repeat(1.., preceded((multispace0, Caseless(word), multispace0), part))
            .map(|parts: Vec<Condition<'a>>| parts)
    };
    let joined = alt((
        more("OR").map(|parts| (true, parts)),
        more("AND").map(|parts| (false, parts)),
        multispace0.map(|_| (true, Vec::new())),
    ))
    .parse_next(input)?;
    Ok(match joined {
        (_, parts) if parts.is_empty() => first,
        (is_any, parts) => {
            let parts = std::iter::once(first).chain(parts).collect();
            if is_any { Condition::Any(parts) } else { Condition::All(parts) }
        }
    })
}

fn part<'a>(input: &mut &'a str) -> ModalResult<Condition<'a>> {
    alt((
        delimited(('(', multispace0), condition, (multispace0, ')')),
        preceded((Caseless("NOT"), multispace0), part).map(|part| Condition::Not(Box::new(part))),
        word,
    ))
    .parse_next(input)
}

fn word<'a>(input: &mut &'a str) -> ModalResult<Condition<'a>> {
    let word = take_while(1.., |c: char| c.is_ascii_alphabetic() || c == '_').parse_next(input)?;
    match word.to_ascii_uppercase().as_str() {
        "TRUE" => Ok(Condition::Always(true)),
        "FALSE" => Ok(Condition::Always(false)),
        "ALARM" => alarm.map(|alarm| Condition::State(alarm, true)).parse_next(input),
        "OK" | "INSUFFICIENT_DATA" => alarm.map(|alarm| Condition::State(alarm, false)).parse_next(input),
        _ => fail.parse_next(input),
    }
}

/// A name or ARN in parentheses, with or without quotation marks.
fn alarm<'a>(input: &mut &'a str) -> ModalResult<&'a str> {
    let quoted = delimited('"', take_till(1.., '"'), '"');
    let bare = take_till(1.., |c: char| c == ')' || c == '(' || c == '"').map(str::trim_end);
    delimited((multispace0, '(', multispace0), alt((quoted, bare)), (multispace0, ')')).parse_next(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(rule: &str) -> Option<bool> {
        Rule::read(rule).goes_off(&BTreeSet::from(["root", "arn:aws:cloudwatch:us-east-1:1:alarm:root"]))
    }

    #[test]
    fn a_rule_goes_off_where_the_alarm_alone_decides() {
        for (rule, expected) in [
            ("ALARM(root)", Some(true)),
            (" ALARM( \"root\" ) ", Some(true)),
            ("ALARM(arn:aws:cloudwatch:us-east-1:1:alarm:root)", Some(true)),
            ("ALARM(other) OR ALARM(root) OR ALARM(third)", Some(true)),
            ("(ALARM(root)) AND TRUE", Some(true)),
            ("NOT OK(root)", Some(true)),
            ("OK(root) OR FALSE", Some(false)),
            ("ALARM(root) AND NOT ALARM(root)", Some(false)),
            ("ALARM(root) AND NOT ALARM(maintenance)", None),
            ("ALARM(roots)", None),
            ("(ALARM(a) AND ALARM(b)) OR ALARM(root)", Some(true)),
        ] {
            assert_eq!(off(rule), expected, "{rule}");
        }
    }

    #[test]
    fn what_is_not_documented_is_not_decided() {
        for rule in
            ["ALARM(root) OR ALARM(b) AND FALSE", "AT_LEAST(1, ALARM, (root, b))", "ALARM(root", "", "root"]
        {
            assert_eq!(off(rule), None, "{rule}");
        }
        let deep = "(".repeat(100_000);
        assert_eq!(off(&deep), None);
        assert_eq!(off(&"NOT ".repeat(100_000)), None);
    }
}
