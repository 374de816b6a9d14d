//! A field as Sigma means it: a path that may lead to several values.

use std::borrow::Cow;

use crate::events::engine::predicate::{TextRelation, scalar_text};
use crate::events::engine::text::folded;
use crate::events::identity::Member;
use crate::events::json::{Json, Kind};
use crate::events::record::{Key, Record};

/// A dotted field name.
///
/// The whole name is looked for as a key first, then its steps one by one. A step that meets a list is taken by each
/// of its elements, and at the end each element of a list is a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    whole: Box<str>,
    first: Step,
    rest: Box<[Box<str>]>,
    /// The member of `userIdentity` that it is, if that has a place.
    identity: Option<Member>,
}

/// The first step of a path, found quickly where the key is a documented one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Known(Key),
    Other(Box<str>),
}

impl Path {
    /// The path that a field name is.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut steps = name.split('.');
        let first = steps.next().unwrap_or_default();
        let first = Key::from_name(first).map_or_else(|| Step::Other(first.into()), Step::Known);
        let rest: Box<[Box<str>]> = steps.map(Into::into).collect();
        let identity = if first == Step::Known(Key::UserIdentity) { Member::at(&rest) } else { None };
        Self { whole: name.into(), first, rest, identity }
    }

    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// The top-level key that it is, when it is nothing else.
    #[must_use]
    pub fn top_level(&self) -> Option<Key> {
        match self.first {
            Step::Known(key) if self.rest.is_empty() => Some(key),
            _ => None,
        }
    }

    /// Hands the values at its end to `test`, lists as they are, until it says yes.
    fn any<'a>(&self, record: &Record<'a>, test: &mut dyn FnMut(Json<'a>) -> bool) -> bool {
        // With a dot in it, the name is none that AWS documents.
        if !self.rest.is_empty()
            && let Some(value) = record.other(&self.whole)
        {
            return test(value);
        }
        if let Some(member) = self.identity
            && !record.identity_has_lists()
        {
            return record.identity(member).is_some_and(test);
        }
        let start = match &self.first {
            Step::Known(key) => record.value(*key),
            Step::Other(name) => record.member(name),
        };
        let Some(mut value) = start else { return false };
        for (taken, step) in self.rest.iter().enumerate() {
            match value.kind() {
                Kind::Object => match value.get(step) {
                    Some(inner) => value = inner,
                    None => return false,
                },
                Kind::Array => return spread(value, self.rest.get(taken..).unwrap_or_default(), test),
                _ => return false,
            }
        }
        test(value)
    }

    /// Whether there is a value that is not `null`.
    #[must_use]
    pub fn exists(&self, record: &Record<'_>) -> bool {
        self.any(record, &mut |value| value.kind() != Kind::Null)
    }

    /// Hands every text at its end to `test`, until it says yes.
    ///
    /// Of an object these are the texts in it and its compact JSON: rules such as
    /// `requestParameters|contains: Suspended` were written for stores that keep it as one text.
    pub fn any_text(&self, record: &Record<'_>, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.any(record, &mut |value| any_text_of(value, test))
    }

    /// The first text at its end, for telling events apart by it.
    #[must_use]
    pub fn first_text<'a>(&self, record: &Record<'a>) -> Option<Cow<'a, str>> {
        let mut first = None;
        self.any(record, &mut |value| {
            first = match value.kind() {
                Kind::Array => value.elements().find_map(scalar_text),
                Kind::Object => Some(value.compact()),
                _ => scalar_text(value),
            };
            first.is_some()
        });
        first
    }

    /// Whether one of its texts stands so to one of another path's.
    pub(in crate::events) fn relates(
        &self,
        relation: TextRelation,
        other: &Self,
        fold: bool,
        record: &Record<'_>,
    ) -> bool {
        self.any_text(record, &mut |own| {
            other.any_text(record, &mut |other| {
                if fold { relation.holds(&folded(own), &folded(other)) } else { relation.holds(own, other) }
            })
        })
    }
}

/// Takes the steps from each element of a list, and of lists in it.
///
/// With a stack of its own: a record may nest lists as deep as it is long.
fn spread<'a>(list: Json<'a>, steps: &[Box<str>], test: &mut dyn FnMut(Json<'a>) -> bool) -> bool {
    let mut open = vec![(list.elements(), steps)];
    while let Some((elements, steps)) = open.last_mut() {
        let steps = *steps;
        let Some(mut value) = elements.next() else {
            open.pop();
            continue;
        };
        let mut left = steps;
        loop {
            match (value.kind(), left.split_first()) {
                (_, None) => {
                    if test(value) {
                        return true;
                    }
                    break;
                }
                (Kind::Object, Some((step, rest))) => match value.get(step) {
                    Some(inner) => (value, left) = (inner, rest),
                    None => break,
                },
                (Kind::Array, Some(_)) => {
                    open.push((value.elements(), left));
                    break;
                }
                _ => break,
            }
        }
    }
    false
}

/// Hands every text that a value is or holds to `test`, until it says yes.
fn any_text_of(value: Json<'_>, test: &mut dyn FnMut(&str) -> bool) -> bool {
    match value.kind() {
        Kind::Null => false,
        Kind::String | Kind::Number | Kind::Boolean => scalar_text(value).is_some_and(|text| test(&text)),
        Kind::Object => any_leaf(value, test) || test(&value.compact()),
        Kind::Array => {
            let mut open = vec![value.elements()];
            while let Some(elements) = open.last_mut() {
                match elements.next() {
                    None => {
                        open.pop();
                    }
                    Some(element) if element.kind() == Kind::Array => open.push(element.elements()),
                    Some(element) => {
                        if any_text_of_element(element, test) {
                            return true;
                        }
                    }
                }
            }
            false
        }
    }
}

/// As [`any_text_of`], for what is no list.
fn any_text_of_element(value: Json<'_>, test: &mut dyn FnMut(&str) -> bool) -> bool {
    match value.kind() {
        Kind::Object => any_leaf(value, test) || test(&value.compact()),
        _ => scalar_text(value).is_some_and(|text| test(&text)),
    }
}

/// Hands every string in a value to `test`, however deep it stands, until it says yes.
pub fn any_leaf(value: Json<'_>, test: &mut dyn FnMut(&str) -> bool) -> bool {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value.kind() {
            Kind::String => {
                if value.as_str().is_some_and(|text| test(&text)) {
                    return true;
                }
            }
            Kind::Object => open.extend(value.members().map(|(_, member)| member)),
            Kind::Array => open.extend(value.elements()),
            Kind::Null | Kind::Boolean | Kind::Number => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, record: &str) -> Vec<String> {
        let record = Record::parse(record.as_bytes()).unwrap();
        let mut texts = Vec::new();
        Path::new(path).any_text(&record, &mut |text| {
            texts.push(text.to_owned());
            false
        });
        texts
    }

    #[test]
    fn the_whole_name_is_a_key_first() {
        assert_eq!(texts("a.b", r#"{"a.b":"flat","a":{"b":"deep"}}"#), ["flat"]);
        assert_eq!(texts("a.b", r#"{"a":{"b":"deep"}}"#), ["deep"]);
    }

    #[test]
    fn lists_on_the_way_and_at_the_end_are_spread() {
        assert_eq!(texts("a.b", r#"{"a":[{"b":["x",["y"]]},[{"b":1}],{"c":2},3]}"#), ["x", "y", "1"]);
        assert_eq!(texts("a.b.c", r#"{"a":{"b":null}}"#), [""; 0]);
    }

    #[test]
    fn an_object_is_its_texts_and_its_json() {
        let mut found = texts("a", r#"{"a":{ "b" : "x\ny", "c": [ true, "z" ] }}"#);
        found.sort();
        assert_eq!(found, ["x\ny", "z", r#"{"b":"x\ny","c":[true,"z"]}"#]);
    }

    #[test]
    fn null_does_not_exist() {
        let record = Record::parse(br#"{"a":null,"b":[],"c":[{"d":null},{"d":1}],"e":false}"#).unwrap();
        let exists = |path: &str| Path::new(path).exists(&record);
        assert!(
            !exists("a") && !exists("x") && !exists("b.x") && exists("b") && exists("c.d") && exists("e")
        );
    }

    #[test]
    fn lists_in_lists_take_no_stack() {
        let deep = format!(r#"{{"a":{}{{"b":"x"}}{}}}"#, "[".repeat(50_000), "]".repeat(50_000));
        let record = Record::parse(deep.as_bytes()).unwrap();
        assert!(Path::new("a.b").any_text(&record, &mut |text| text == "x"));
        assert!(any_leaf(record.json(), &mut |text| text == "x"));
        assert!(Path::new("a").exists(&record));
    }
}
