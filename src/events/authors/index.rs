//! [`Index`]: asks of every event that passes by whether it changed something that is sought.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aho_corasick::AhoCorasick;
use jiff::Timestamp;

use super::target::{Speaks, Target};
use super::{LastChange, Sought};
use crate::events::record::{Key, Record};

/// Resources that are sought at most; of more the first, which are the worst.
const MAX_SOUGHT: usize = 10_000;

/// What is sought, so that one look at an event finds which of it the event names.
#[derive(Debug)]
pub struct Index {
    since: Timestamp,
    until: Timestamp,
    keys: Vec<String>,
    targets: Vec<Option<Target>>,
    /// Names and ARNs; `None` where there are none.
    names: Option<AhoCorasick>,
    /// For each of them the targets that it may stand for.
    named: Vec<Vec<usize>>,
    /// Calls that are about settings, which have no names.
    settings: HashMap<&'static str, Vec<usize>>,
}

/// An event that changed something that is sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Number of what is sought.
    pub(super) sought: usize,
    pub(super) rank: Rank,
    pub(super) change: LastChange,
}

/// What makes one event better than another: what it speaks of, then when it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    speaks: Speaks,
    time: Timestamp,
    /// So that of two events of one second always the same is taken.
    id: Option<String>,
}

/// Resources that one request to the event history can tell about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The account to ask in.
    pub account: String,
    /// The region to ask in.
    pub region: String,
    /// What to ask for, one after the other until there is an answer.
    pub by: Vec<String>,
    /// Whether these are names of calls, and not of resources.
    pub is_by_call: bool,
    /// Numbers of what is sought.
    pub sought: Vec<usize>,
}

impl Index {
    /// An index of what is sought, for events from `since` to `until`.
    #[must_use]
    pub fn of(sought: &[Sought], since: Timestamp, until: Timestamp) -> Self {
        let sought = sought.get(..MAX_SOUGHT).unwrap_or(sought);
        let targets: Vec<Option<Target>> = sought.iter().map(Target::of).collect();
        let mut named: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut settings: HashMap<&'static str, Vec<usize>> = HashMap::new();
        for (at, target) in targets.iter().enumerate().filter_map(|(at, target)| Some((at, target.as_ref()?)))
        {
            for pattern in target.patterns() {
                named.entry(pattern).or_default().push(at);
            }
            for &call in target.settings() {
                settings.entry(call).or_default().push(at);
            }
        }
        // It fails only where there are more patterns than memory, and there is a bound on them.
        let names = AhoCorasick::new(named.keys()).ok().filter(|_| !named.is_empty());
        let named = named.values().cloned().collect();
        let keys = sought.iter().map(|sought| sought.key.clone()).collect();
        Self { since, until, keys, targets, names, named, settings }
    }

    /// From when on events count.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// Until when events count.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// The key of what is sought under that number.
    pub(super) fn key(&self, sought: usize) -> Option<&str> {
        self.keys.get(sought).map(String::as_str)
    }

    /// What an event is seen to have changed of what is sought.
    pub fn look(&self, record: &Record<'_>, mut seen: impl FnMut(Sighting)) {
        let Some(name) = record.event_name() else { return };
        let candidates = self.candidates(record, &name);
        if candidates.is_empty() || !is_change(record, &name) {
            return;
        }
        let Some(time) = record.timestamp().filter(|time| (self.since..=self.until).contains(time)) else {
            return;
        };
        let source = record.text(Key::EventSource).unwrap_or_default();
        let service = source.split('.').next().unwrap_or_default();
        for sought in candidates {
            let Some(Some(target)) = self.targets.get(sought) else { continue };
            let Some(speaks) = target.spoken_of(record, &name, service) else { continue };
            let Some(change) = LastChange::of(record) else { return };
            seen(Sighting { sought, rank: Rank { speaks, time, id: change.event_id.clone() }, change });
        }
    }

    /// What an event may be about, by a look at its text alone.
    fn candidates(&self, record: &Record<'_>, name: &str) -> BTreeSet<usize> {
        let mut candidates = BTreeSet::new();
        if let Some(names) = &self.names {
            for found in names.find_overlapping_iter(record.raw()) {
                candidates.extend(self.named.get(found.pattern().as_usize()).into_iter().flatten());
            }
        }
        candidates.extend(self.settings.get(name).into_iter().flatten());
        candidates
    }

    /// What to ask the event history, for what `is_open`: each resource once, in the order of what is sought.
    #[must_use]
    pub fn questions(&self, is_open: impl Fn(usize) -> bool) -> Vec<Question> {
        let mut known: HashMap<(String, String, Vec<String>), usize> = HashMap::new();
        let mut questions: Vec<Question> = Vec::new();
        let targets = self.targets.iter().enumerate().filter(|(at, _)| is_open(*at));
        for (at, target) in targets.filter_map(|(at, target)| Some((at, target.as_ref()?))) {
            let ((account, region), by) = (target.place(), target.looked_up_by());
            let key = (account.to_owned(), region.to_owned(), by);
            let place = *known.entry(key.clone()).or_insert(questions.len());
            if let Some(question) = questions.get_mut(place) {
                question.sought.push(at);
                continue;
            }
            let (account, region, by) = key;
            let is_by_call = !target.settings().is_empty();
            questions.push(Question { account, region, by, is_by_call, sought: vec![at] });
        }
        questions
    }
}

/// Whether an event changed something: it was not refused, and is neither a question nor a use of data.
fn is_change(record: &Record<'_>, name: &str) -> bool {
    let is = |key, what: &str| record.value(key).is_some_and(|value| value.text().trim_matches('"') == what);
    let has_failed = record.text(Key::ErrorCode).is_some_and(|code| !code.is_empty());
    let is_data = is(Key::ManagementEvent, "false") || is(Key::EventCategory, "Data");
    // Records before version 1.06 do not say whether they only read.
    let reads = match record.value(Key::ReadOnly) {
        Some(_) => is(Key::ReadOnly, "true"),
        None => [
            "Get", "List", "Describe", "Head", "Lookup", "BatchGet", "Search", "Decrypt", "Encrypt",
            "Generate",
        ]
        .iter()
        .any(|verb| name.starts_with(verb)),
    };
    !has_failed && !is_data && !reads
}
