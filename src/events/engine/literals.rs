//! Answering many tests of one field for literals by one search.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;

use super::TestId;
use super::predicate::{Check, Field, Test};
use super::text::{TextTest, with_folded};
use crate::events::record::Record;

/// Fewer tests than this are quicker asked one by one.
const WORTHWHILE: usize = 4;

/// How literals are sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Search {
    /// The text is the literal.
    Whole { fold: bool },
    /// The literal is in the text.
    Within { fold: bool },
}

/// The sets of a rule set: each is one field and one way to seek.
#[derive(Debug)]
pub(super) struct LiteralSets {
    sets: Vec<LiteralSet>,
    /// For each test the set that answers it.
    set_of: Vec<Option<usize>>,
}

#[derive(Debug)]
struct LiteralSet {
    field: Field,
    fold: bool,
    finder: Finder,
}

#[derive(Debug)]
enum Finder {
    Whole(HashMap<Box<str>, Box<[TestId]>>),
    /// The tests of the literals, in the order of the automaton's patterns.
    Within(AhoCorasick, Box<[TestId]>),
}

impl Finder {
    /// Calls `found` with every test that a text passes.
    fn find(&self, text: &str, mut found: impl FnMut(TestId)) {
        match self {
            Self::Whole(tests) => tests.get(text).into_iter().flatten().for_each(|test| found(*test)),
            Self::Within(automaton, tests) => automaton
                .find_overlapping_iter(text)
                .filter_map(|hit| tests.get(hit.pattern().as_usize()))
                .for_each(|test| found(*test)),
        }
    }
}

impl LiteralSets {
    pub(super) fn new(tests: &[Test]) -> Self {
        let mut wanted: HashMap<(&Field, Search), Vec<TestId>> = HashMap::new();
        for (id, test) in tests.iter().enumerate() {
            let Check::Text(text) = &test.check else { continue };
            let search = match text {
                TextTest::Contains(_) => Search::Within { fold: false },
                TextTest::ContainsFolded(_) => Search::Within { fold: true },
                other => match other.literals() {
                    Some((_, fold)) => Search::Whole { fold },
                    None => continue,
                },
            };
            wanted.entry((&test.field, search)).or_default().push(id);
        }
        let mut all = Self { sets: Vec::new(), set_of: vec![None; tests.len()] };
        for ((field, search), ids) in wanted {
            if ids.len() < WORTHWHILE {
                continue;
            }
            let (fold, finder) = match search {
                Search::Whole { fold } => (fold, Some(whole(tests, &ids))),
                Search::Within { fold } => (fold, within(tests, &ids)),
            };
            let Some(finder) = finder else { continue };
            for id in ids {
                if let Some(place) = all.set_of.get_mut(id) {
                    *place = Some(all.sets.len());
                }
            }
            all.sets.push(LiteralSet { field: field.clone(), fold, finder });
        }
        all
    }

    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }

    pub(super) fn set_of(&self, test: TestId) -> Option<usize> {
        self.set_of.get(test).copied().flatten()
    }

    /// Calls `found` with every test of a set that holds.
    pub(super) fn search(&self, set: usize, record: &Record<'_>, number: u64, mut found: impl FnMut(TestId)) {
        let Some(set) = self.sets.get(set) else { return };
        set.field.any_text(record, number, |text| {
            if set.fold {
                with_folded(text, |text| set.finder.find(text, &mut found));
            } else {
                set.finder.find(text, &mut found);
            }
            // Every text of the field counts, not only the first.
            false
        });
    }
}

fn whole(tests: &[Test], ids: &[TestId]) -> Finder {
    let mut by_literal: HashMap<Box<str>, Vec<TestId>> = HashMap::new();
    for id in ids {
        let Some(Check::Text(text)) = tests.get(*id).map(|test| &test.check) else { continue };
        for literal in text.literals().map_or(&[][..], |(literals, _)| literals) {
            by_literal.entry(literal.clone()).or_default().push(*id);
        }
    }
    Finder::Whole(by_literal.into_iter().map(|(literal, ids)| (literal, ids.into())).collect())
}

/// `None` when the literals are too many for one automaton; they are then asked one by one.
fn within(tests: &[Test], ids: &[TestId]) -> Option<Finder> {
    let literals = ids.iter().filter_map(|id| match tests.get(*id).map(|test| &test.check) {
        Some(Check::Text(TextTest::Contains(literal) | TextTest::ContainsFolded(literal))) => {
            Some(&**literal)
        }
        _ => None,
    });
    Some(Finder::Within(AhoCorasick::new(literals).ok()?, ids.into()))
}
