//! Which rules an event can match at all.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::predicate::{Check, Field, Predicate};
use super::text::{folded, with_folded};
use crate::events::record::{Key, Record};

/// The rules by the event name or the event source that they demand, in lower case.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    by_name: HashMap<Box<str>, Vec<NamedRule>, RandomState>,
    by_source: HashMap<Box<str>, Vec<usize>, RandomState>,
    /// Rules that demand neither.
    always: Vec<usize>,
    all: usize,
}

/// A rule that demands an event name.
#[derive(Debug)]
struct NamedRule {
    rule: usize,
    /// The sources that it demands beside the name.
    sources: Option<BTreeSet<Box<str>>>,
}

impl Buckets {
    pub(super) fn new(predicates: &[Predicate]) -> Self {
        let mut buckets = Self { all: predicates.len(), ..Self::default() };
        for (rule, predicate) in predicates.iter().enumerate() {
            let sources = demanded(predicate, Key::EventSource);
            match (demanded(predicate, Key::EventName), sources) {
                (Some(names), sources) => {
                    for name in names {
                        let named = NamedRule { rule, sources: sources.clone() };
                        buckets.by_name.entry(name).or_default().push(named);
                    }
                }
                (None, Some(sources)) => {
                    for source in sources {
                        buckets.by_source.entry(source).or_default().push(rule);
                    }
                }
                (None, None) => buckets.always.push(rule),
            }
        }
        buckets
    }

    /// What each rule demands, by the number of the rule; see [`Demand`].
    pub(super) fn demands(&self) -> Vec<Demand> {
        let mut demands: Vec<Demand> = (0..self.all).map(|_| Demand::default()).collect();
        let texts = |of: &BTreeSet<Box<str>>| of.iter().map(|text| text.to_string()).collect();
        for (name, rules) in &self.by_name {
            for NamedRule { rule, sources } in rules {
                if let Some(demand) = demands.get_mut(*rule) {
                    demand.names.get_or_insert_default().insert(name.to_string());
                    demand.sources = sources.as_ref().map(texts);
                }
            }
        }
        for (source, rules) in &self.by_source {
            for rule in rules {
                if let Some(demand) = demands.get_mut(*rule) {
                    demand.sources.get_or_insert_default().insert(source.to_string());
                }
            }
        }
        demands
    }

    /// Calls `candidate` with every rule that the record may match, each once.
    pub(super) fn candidates(&self, record: &Record<'_>, mut candidate: impl FnMut(usize)) {
        let name = record.event_name();
        let source = record.event_source();
        // A list of names, which Sigma would search, is none that AWS writes: then nothing is left out.
        if (name.is_none() && record.value(Key::EventName).is_some())
            || (source.is_none() && record.value(Key::EventSource).is_some())
        {
            return (0..self.all).for_each(candidate);
        }
        let source = source.as_deref().map(folded);
        let named = name.and_then(|name| with_folded(&name, |name| self.by_name.get(name)));
        for NamedRule { rule, sources } in named.into_iter().flatten() {
            let fits = |source: &str| sources.as_ref().is_none_or(|sources| sources.contains(source));
            if source.as_deref().map_or(sources.is_none(), fits) {
                candidate(*rule);
            }
        }
        if !self.by_source.is_empty()
            && let Some(rules) = source.and_then(|source| self.by_source.get(&*source))
        {
            rules.iter().for_each(|rule| candidate(*rule));
        }
        self.always.iter().for_each(|rule| candidate(*rule));
    }
}

/// The event names and event sources, in lower case, of which a rule demands one each. `None` where it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Names.
    pub names: Option<BTreeSet<String>>,
    /// Sources.
    pub sources: Option<BTreeSet<String>>,
}

/// The values of a top-level key, in lower case, without one of which the predicate cannot hold.
///
/// `None` when it may hold with any, or with none.
fn demanded(predicate: &Predicate, key: Key) -> Option<BTreeSet<Box<str>>> {
    match predicate {
        Predicate::Constant(false) => Some(BTreeSet::new()),
        Predicate::Test(test) if test.field.top_level() == Some(key) => match &test.check {
            Check::Text(text) => {
                let (literals, _) = text.literals()?;
                Some(literals.iter().map(|literal| folded(literal).into()).collect())
            }
            _ => None,
        },
        Predicate::And(parts) => {
            parts.iter().filter_map(|part| demanded(part, key)).min_by_key(BTreeSet::len)
        }
        Predicate::Or(parts) => parts.iter().try_fold(BTreeSet::new(), |mut values, part| {
            values.extend(demanded(part, key)?);
            Some(values)
        }),
        Predicate::AtLeast(wanted, parts) if *wanted > 0 => {
            parts.iter().try_fold(BTreeSet::new(), |mut values, part| {
                values.extend(demanded(part, key)?);
                Some(values)
            })
        }
        Predicate::Constant(true) | Predicate::Test(_) | Predicate::Not(_) | Predicate::AtLeast(..) => None,
    }
}

/// A rough measure of what a predicate costs to answer; only the order of two costs means something.
pub(super) fn cost(predicate: &Predicate) -> usize {
    match predicate {
        Predicate::Constant(_) => 0,
        Predicate::Test(test) => {
            let field = match &test.field {
                Field::Anywhere => 1_000,
                field if field.top_level().is_some() => 1,
                _ => 10,
            };
            let check = match &test.check {
                Check::Exists => 0,
                Check::Text(text) if text.literals().is_some() => 1,
                _ => 5,
            };
            field + check
        }
        Predicate::Not(part) => cost(part),
        Predicate::And(parts) | Predicate::Or(parts) | Predicate::AtLeast(_, parts) => {
            parts.iter().map(cost).sum::<usize>() + 1
        }
    }
}
