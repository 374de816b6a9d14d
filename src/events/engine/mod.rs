//! Many rules over many events, at the speed of reading them.
//!
//! Rules are compiled together: a test that several rules share is made once, and asked once per event. A rule that
//! demands an event name (or an event source) is looked at only for events of that name, so an event that no rule
//! is about costs one look into a table. Where many tests ask one field for literals, one search answers them all.

mod bucket;
mod literals;
pub mod predicate;
pub mod text;

use std::collections::HashMap;

pub use self::bucket::Demand;

use self::bucket::Buckets;
use self::literals::LiteralSets;
use self::predicate::{Predicate, Test};
use super::record::Record;

/// The place of a test in [`Engine::tests`].
type TestId = usize;

/// Rules compiled together. Their numbers are the order in which they were given.
#[derive(Debug)]
pub struct Engine {
    tests: Vec<Test>,
    literals: LiteralSets,
    rules: Vec<Node>,
    buckets: Buckets,
}

/// A predicate whose tests are numbered.
#[derive(Debug)]
enum Node {
    Constant(bool),
    Test(TestId),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    AtLeast(usize, Box<[Node]>),
}

/// What one thread needs to evaluate events one after the other; made once and used for all of them.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Which event this is; answers that carry another number are of another event.
    stamp: u32,
    /// The running number of the event, from 1: Falco's `evt.num`.
    number: u64,
    answers: Vec<(u32, bool)>,
    /// For each set of literals the event that it was searched for.
    searched: Vec<u32>,
    matched: Vec<usize>,
}

impl Scratch {
    /// Lets the next event have the number after this one, as when the first events of a file were read elsewhere.
    pub const fn set_number(&mut self, number: u64) {
        self.number = number;
    }

    /// The running number of the event that is evaluated next.
    pub(super) const fn next_number(&self) -> u64 {
        self.number + 1
    }

    fn begin(&mut self, engine: &Engine) {
        self.number += 1;
        self.matched.clear();
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 || self.answers.len() != engine.tests.len() {
            self.answers = vec![(0, false); engine.tests.len()];
            self.searched = vec![0; engine.literals.len()];
            self.stamp = 1;
        }
    }
}

impl Engine {
    /// Compiles rules together.
    #[must_use]
    pub fn new(predicates: &[Predicate]) -> Self {
        let mut interner = Interner::default();
        let rules: Vec<Node> = predicates.iter().map(|predicate| interner.node(predicate)).collect();
        let buckets = Buckets::new(predicates);
        let tests = interner.tests;
        Self { literals: LiteralSets::new(&tests), tests, rules, buckets }
    }

    /// What each rule demands of the name and the source of an event, in the order of the rules.
    #[must_use]
    pub fn demands(&self) -> Vec<Demand> {
        self.buckets.demands()
    }

    /// The numbers of the rules that match a record, in ascending order.
    pub fn matches<'s>(&self, record: &Record<'_>, scratch: &'s mut Scratch) -> &'s [usize] {
        scratch.begin(self);
        let mut matched = std::mem::take(&mut scratch.matched);
        self.buckets.candidates(record, |rule| {
            if self.rules.get(rule).is_some_and(|node| self.holds(node, record, scratch)) {
                matched.push(rule);
            }
        });
        matched.sort_unstable();
        scratch.matched = matched;
        &scratch.matched
    }

    fn holds(&self, node: &Node, record: &Record<'_>, scratch: &mut Scratch) -> bool {
        match node {
            Node::Constant(value) => *value,
            Node::Test(test) => self.answer(*test, record, scratch),
            Node::And(parts) => parts.iter().all(|part| self.holds(part, record, scratch)),
            Node::Or(parts) => parts.iter().any(|part| self.holds(part, record, scratch)),
            Node::Not(part) => !self.holds(part, record, scratch),
            Node::AtLeast(wanted, parts) => {
                parts.iter().filter(|part| self.holds(part, record, scratch)).take(*wanted).count() == *wanted
            }
        }
    }

    fn answer(&self, id: TestId, record: &Record<'_>, scratch: &mut Scratch) -> bool {
        let stamp = scratch.stamp;
        if let Some((_, answer)) = scratch.answers.get(id).filter(|(known, _)| *known == stamp) {
            return *answer;
        }
        if let Some(set) = self.literals.set_of(id) {
            self.search(set, record, scratch);
            return scratch.answers.get(id).is_some_and(|(known, answer)| *known == stamp && *answer);
        }
        let answer = self.tests.get(id).is_some_and(|test| test.holds(record, scratch.number));
        if let Some(place) = scratch.answers.get_mut(id) {
            *place = (stamp, answer);
        }
        answer
    }

    /// Answers all tests of a set of literals at once: those that are not found are left without an answer, which
    /// the mark in `searched` makes a no.
    fn search(&self, set: usize, record: &Record<'_>, scratch: &mut Scratch) {
        let stamp = scratch.stamp;
        let Some(searched) = scratch.searched.get_mut(set) else { return };
        if *searched == stamp {
            return;
        }
        *searched = stamp;
        let number = scratch.number;
        let answers = &mut scratch.answers;
        self.literals.search(set, record, number, |test| {
            if let Some(place) = answers.get_mut(test) {
                *place = (stamp, true);
            }
        });
    }
}

/// Gives equal tests one number.
#[derive(Default)]
struct Interner {
    tests: Vec<Test>,
    numbers: HashMap<Test, TestId>,
}

impl Interner {
    fn node(&mut self, predicate: &Predicate) -> Node {
        match predicate {
            Predicate::Constant(value) => Node::Constant(*value),
            Predicate::Test(test) => Node::Test(self.number(test)),
            Predicate::And(parts) => Node::And(self.nodes(parts)),
            Predicate::Or(parts) => Node::Or(self.nodes(parts)),
            Predicate::Not(part) => Node::Not(Box::new(self.node(part))),
            Predicate::AtLeast(wanted, parts) => Node::AtLeast(*wanted, self.nodes(parts)),
        }
    }

    /// The parts with what is quickest to answer first: no answer has an effect, so their order has no meaning.
    fn nodes(&mut self, parts: &[Predicate]) -> Box<[Node]> {
        let mut parts: Vec<&Predicate> = parts.iter().collect();
        parts.sort_by_key(|part| bucket::cost(part));
        parts.into_iter().map(|part| self.node(part)).collect()
    }

    fn number(&mut self, test: &Test) -> TestId {
        if let Some(number) = self.numbers.get(test) {
            return *number;
        }
        let number = self.tests.len();
        self.tests.push(test.clone());
        self.numbers.insert(test.clone(), number);
        number
    }
}
