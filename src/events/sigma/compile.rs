//! From selections to the predicate that every language compiles to.

use std::net::IpAddr;

use ipnet::IpNet;
use rsigma_parser::{Detection, DetectionItem, Modifier, SigmaValue};

use super::value::{Pattern, Wide, base64, base64_offsets};
use super::{Path, Placeholders};
use crate::events::engine::predicate::{Check, Field, Predicate, TextRelation};
use crate::events::engine::text::{Comparison, Expression, Number, TextTest, TimePart};

/// Values that one item may have, placeholders and variants written out.
const MOST_VALUES: usize = 100_000;

/// Compiles a selection.
///
/// # Errors
/// Naming the construct that can't be run.
pub(super) fn selection(detection: &Detection, placeholders: &Placeholders) -> Result<Predicate, String> {
    let all = |parts: &[Detection]| {
        parts.iter().map(|part| selection(part, placeholders)).collect::<Result<Vec<_>, _>>()
    };
    match detection {
        Detection::AllOf(items) if items.is_empty() => Err("a selection is empty".to_owned()),
        Detection::AllOf(items) => {
            items.iter().map(|one| item(one, placeholders)).collect::<Result<Vec<_>, _>>().map(Predicate::all)
        }
        Detection::AnyOf(parts) | Detection::And(parts) if parts.is_empty() => {
            Err("a selection is empty".to_owned())
        }
        Detection::AnyOf(parts) => all(parts).map(Predicate::any),
        Detection::And(parts) => all(parts).map(Predicate::all),
        Detection::Keywords(values) if values.is_empty() => Err("a selection is empty".to_owned()),
        Detection::Keywords(values) => {
            values.iter().map(keyword).collect::<Result<Vec<_>, _>>().map(Predicate::any)
        }
        Detection::ArrayMatch { field, quantifier, .. } => {
            Err(format!("the array block `{field}[{quantifier}]` is not supported"))
        }
        Detection::Conditional { .. } => Err("a condition inside a selection is not supported".to_owned()),
    }
}

/// A text anywhere in the event.
fn keyword(value: &SigmaValue) -> Result<Predicate, String> {
    let pattern = match value {
        SigmaValue::String(text) => Pattern::of(text),
        SigmaValue::Null => return Err("`null` is no keyword".to_owned()),
        other => Pattern::literal(other.to_string()),
    };
    asked(&Field::Anywhere, &pattern.within(true, true), false)
}

/// What a pattern asks of a field.
fn asked(field: &Field, pattern: &Pattern, cased: bool) -> Result<Predicate, String> {
    let test = pattern.test(cased).map_err(|error| one_line(&error))?;
    Ok(Predicate::test(field.clone(), Check::Text(test)))
}

/// What the modifiers of an item say.
#[derive(Debug, Clone, Copy)]
struct Manner<'m>(&'m [Modifier]);

impl Manner<'_> {
    fn has(self, modifier: Modifier) -> bool {
        self.0.contains(&modifier)
    }

    /// The last of these that is there.
    fn one_of<T: Copy>(self, choices: &[(Modifier, T)]) -> Option<T> {
        self.0.iter().rev().find_map(|modifier| {
            choices.iter().find(|(known, _)| known == modifier).map(|(_, choice)| *choice)
        })
    }

    fn comparison(self) -> Option<Comparison> {
        self.one_of(&[
            (Modifier::Lt, Comparison::Less),
            (Modifier::Lte, Comparison::LessOrEqual),
            (Modifier::Gt, Comparison::Greater),
            (Modifier::Gte, Comparison::GreaterOrEqual),
        ])
    }

    fn time_part(self) -> Option<TimePart> {
        self.one_of(&[
            (Modifier::Minute, TimePart::Minute),
            (Modifier::Hour, TimePart::Hour),
            (Modifier::Day, TimePart::Day),
            (Modifier::Week, TimePart::Week),
            (Modifier::Month, TimePart::Month),
            (Modifier::Year, TimePart::Year),
        ])
    }

    fn wide(self) -> Option<Wide> {
        self.one_of(&[
            (Modifier::Wide, Wide::LittleEndian),
            (Modifier::Utf16be, Wide::BigEndian),
            (Modifier::Utf16, Wide::Marked),
        ])
    }
}

fn item(item: &DetectionItem, placeholders: &Placeholders) -> Result<Predicate, String> {
    let manner = Manner(&item.field.modifiers);
    let field = match &item.field.name {
        Some(name) => Field::Sigma(Path::new(&field_name(name))),
        None => Field::Anywhere,
    };
    if item.values.is_empty() {
        return Err(format!("`{}` has no values", item.field.name.as_deref().unwrap_or("|all")));
    }
    let named = |error: String| match &item.field.name {
        Some(name) => format!("`{name}`: {error}"),
        None => error,
    };
    let mut parts = Vec::new();
    for value in &item.values {
        parts.push(one_value(&field, value, manner, placeholders).map_err(named)?);
    }
    let joined = if manner.has(Modifier::All) { Predicate::all(parts) } else { any_of(parts) };
    Ok(if manner.has(Modifier::Neq) { joined.negated() } else { joined })
}

/// `rsigma` escapes the brackets of a name; that they are text is all that it says by it.
fn field_name(name: &str) -> String {
    name.replace(r"\[", "[").replace(r"\]", "]")
}

/// One of several tests; tests of one field for whole texts become one test for a set of texts.
fn any_of(parts: Vec<Predicate>) -> Predicate {
    let mut rest = Vec::new();
    let mut sets: Vec<(Field, bool, Vec<String>)> = Vec::new();
    for part in parts {
        let literal = match &part {
            Predicate::Test(test) => match &test.check {
                Check::Text(text) => text.literals().map(|(texts, fold)| (&test.field, fold, texts)),
                _ => None,
            },
            _ => None,
        };
        let Some((field, fold, texts)) = literal else {
            rest.push(part);
            continue;
        };
        let texts = texts.iter().map(|text| text.to_string());
        match sets.iter_mut().find(|(known, folds, _)| known == field && *folds == fold) {
            Some((.., known)) => known.extend(texts),
            None => sets.push((field.clone(), fold, texts.collect())),
        }
    }
    rest.extend(
        sets.into_iter()
            .map(|(field, fold, texts)| Predicate::test(field, Check::Text(TextTest::one_of(texts, fold)))),
    );
    Predicate::any(rest)
}

fn one_value(
    field: &Field,
    value: &SigmaValue,
    manner: Manner<'_>,
    placeholders: &Placeholders,
) -> Result<Predicate, String> {
    if manner.has(Modifier::Exists) {
        return exists(field, value);
    }
    if manner.has(Modifier::Re) {
        return expression(field, value, manner);
    }
    if manner.has(Modifier::Cidr) {
        return network(field, value);
    }
    if manner.has(Modifier::FieldRef) {
        return other_field(field, value, manner);
    }
    if let Some(part) = manner.time_part() {
        let number = value.to_string().parse().map_err(|_| format!("`{value}` is no whole number"))?;
        return Ok(Predicate::test(field.clone(), Check::Text(TextTest::TimePart(part, number))));
    }
    if let Some(comparison) = manner.comparison() {
        let number = Number::parse(&value.to_string()).ok_or_else(|| format!("`{value}` is no number"))?;
        return Ok(Predicate::test(field.clone(), Check::Text(TextTest::Number(comparison, number))));
    }
    let reshapes = [
        Modifier::Contains,
        Modifier::StartsWith,
        Modifier::EndsWith,
        Modifier::Base64,
        Modifier::Base64Offset,
        Modifier::Wide,
        Modifier::Utf16,
        Modifier::Utf16be,
        Modifier::Expand,
    ];
    match value {
        SigmaValue::Null if *field == Field::Anywhere => Err("`null` is no keyword".to_owned()),
        SigmaValue::Null => Ok(Predicate::test(field.clone(), Check::Exists).negated()),
        SigmaValue::Integer(number)
            if !reshapes.iter().any(|modifier| manner.has(*modifier)) && *field != Field::Anywhere =>
        {
            let test = TextTest::Number(Comparison::Equal, Number::Whole(*number));
            Ok(Predicate::test(field.clone(), Check::Text(test)))
        }
        SigmaValue::Float(number)
            if !reshapes.iter().any(|modifier| manner.has(*modifier)) && *field != Field::Anywhere =>
        {
            let test = TextTest::Number(Comparison::Equal, Number::Real(*number));
            Ok(Predicate::test(field.clone(), Check::Text(test)))
        }
        SigmaValue::String(text) => {
            patterns(field, expanded(&text.original, Pattern::of(text), manner, placeholders)?, manner)
        }
        other => patterns(field, vec![Pattern::literal(other.to_string())], manner),
    }
}

/// The values that a text with placeholders stands for.
fn expanded(
    original: &str,
    pattern: Pattern,
    manner: Manner<'_>,
    placeholders: &Placeholders,
) -> Result<Vec<Pattern>, String> {
    if !manner.has(Modifier::Expand) {
        return Ok(vec![pattern]);
    }
    let mut texts = vec![String::new()];
    let mut rest = original;
    while let Some((before, name, after)) = placeholder(rest) {
        let values = placeholders
            .get(name)
            .ok_or_else(|| format!("placeholder `%{name}%` of `expand` has no values"))?;
        if texts.len().saturating_mul(values.len()) > MOST_VALUES {
            return Err("the placeholders stand for too many values".to_owned());
        }
        texts = texts
            .iter()
            .flat_map(|text| values.iter().map(move |value| format!("{text}{before}{value}")))
            .collect();
        rest = after;
    }
    Ok(texts
        .into_iter()
        .map(|text| Pattern::of(&rsigma_parser::SigmaString::new(&format!("{text}{rest}"))))
        .collect())
}

/// The first `%name%` of a text, with what stands around it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('%')?;
    let (name, after) = rest.split_once('%')?;
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    is_name.then_some((before, name, after))
}

fn patterns(field: &Field, patterns: Vec<Pattern>, manner: Manner<'_>) -> Result<Predicate, String> {
    let mut tests = Vec::new();
    for pattern in patterns {
        let variants = if manner.has(Modifier::WindAsh) {
            pattern.dashes().ok_or("the value has too many dashes for `windash`")?
        } else {
            vec![pattern]
        };
        for variant in variants {
            for encoded in encodings(variant, manner)? {
                // A keyword is looked for anywhere, not only where it is all there is.
                let keyword = *field == Field::Anywhere;
                let before = keyword || manner.has(Modifier::Contains) || manner.has(Modifier::EndsWith);
                let after = keyword || manner.has(Modifier::Contains) || manner.has(Modifier::StartsWith);
                tests.push(asked(field, &encoded.within(before, after), manner.has(Modifier::Cased))?);
            }
        }
    }
    Ok(any_of(tests))
}

/// What `base64`, `wide` and their like make of a pattern.
fn encodings(pattern: Pattern, manner: Manner<'_>) -> Result<Vec<Pattern>, String> {
    let encoded = manner.has(Modifier::Base64) || manner.has(Modifier::Base64Offset);
    if !encoded && manner.wide().is_none() {
        return Ok(vec![pattern]);
    }
    let text = pattern.plain().ok_or("a wildcard can't be encoded")?;
    // Of one character nothing is sure to be left once its neighbours' bits are cut off.
    if text.len() < 2 {
        return Err(format!("`{text}` is too short to be encoded"));
    }
    let bytes = manner.wide().map_or_else(|| text.clone().into_bytes(), |wide| wide.encode(&text));
    if manner.has(Modifier::Base64Offset) {
        return Ok(base64_offsets(&bytes).map(Pattern::literal).into());
    }
    if manner.has(Modifier::Base64) {
        return Ok(vec![Pattern::literal(base64(&bytes))]);
    }
    let text =
        String::from_utf8(bytes).map_err(|_| "the value is no text once it is `wide`; add `base64`")?;
    Ok(vec![Pattern::literal(text)])
}

fn exists(field: &Field, value: &SigmaValue) -> Result<Predicate, String> {
    let wanted = match value {
        SigmaValue::Bool(wanted) => *wanted,
        other => match other.to_string().to_ascii_lowercase().as_str() {
            "true" | "yes" => true,
            "false" | "no" => false,
            _ => return Err(format!("`{other}` is not `true` or `false`, which `exists` needs")),
        },
    };
    if *field == Field::Anywhere {
        return Err("`exists` needs a field".to_owned());
    }
    let exists = Predicate::test(field.clone(), Check::Exists);
    Ok(if wanted { exists } else { exists.negated() })
}

fn expression(field: &Field, value: &SigmaValue, manner: Manner<'_>) -> Result<Predicate, String> {
    let mut pattern = value.to_string();
    let flags: String = [(Modifier::IgnoreCase, 'i'), (Modifier::Multiline, 'm'), (Modifier::DotAll, 's')]
        .into_iter()
        .filter(|(modifier, _)| manner.has(*modifier))
        .map(|(_, flag)| flag)
        .collect();
    if !flags.is_empty() {
        pattern = format!("(?{flags}){pattern}");
    }
    let expression = Expression::new(&pattern).map_err(|error| format!("`{value}`: {}", one_line(&error)))?;
    Ok(Predicate::test(field.clone(), Check::Text(TextTest::Matches(expression))))
}

fn network(field: &Field, value: &SigmaValue) -> Result<Predicate, String> {
    let text = value.to_string();
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| format!("`{text}` is no network in CIDR notation"))?;
    Ok(Predicate::test(field.clone(), Check::Text(TextTest::Network(network.trunc()))))
}

fn other_field(field: &Field, value: &SigmaValue, manner: Manner<'_>) -> Result<Predicate, String> {
    let relation = if manner.has(Modifier::Contains) {
        TextRelation::Contains
    } else if manner.has(Modifier::StartsWith) {
        TextRelation::StartsWith
    } else if manner.has(Modifier::EndsWith) {
        TextRelation::EndsWith
    } else {
        TextRelation::Compare(Comparison::Equal)
    };
    let SigmaValue::String(name) = value else { return Err(format!("`{value}` is no field name")) };
    if *field == Field::Anywhere {
        return Err("`fieldref` needs a field".to_owned());
    }
    let other = Path::new(&name.original);
    Ok(Predicate::test(field.clone(), Check::SigmaField(relation, other, !manner.has(Modifier::Cased))))
}

/// The last line of what the library says: the lines before draw the place.
fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
#[path = "modifier_tests.rs"]
mod tests;
