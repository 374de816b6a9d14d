//! Event rules as a part of a scan.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::announced::{Announced, Listener};
use super::sources::Asked;
use super::{Stopped, settings};
use crate::config::Config;
use crate::events::authors::{Index, Latest};
use crate::events::record::Record;
use crate::events::ruleset::{Issue, RuleSet};
use crate::events::scan::{Scan, Told};
use crate::events::source::layout::Question;
use crate::events::source::{Options, Pointer};
use crate::report::{Collector, Detections, Limits};

/// The word for the event history among [`Config::events`].
const LOOKUP: &str = "lookup";

/// Rules and sources that are there, before anything is read.
pub struct Detector<'a> {
    config: &'a Config,
    since: Timestamp,
    rules: RuleSet,
    issues: Vec<Issue>,
}

/// What a configuration wants of events; `None` where it names no source.
///
/// # Errors
/// When a rule file, a path or an address is not there or is none: a scan is not begun then.
pub fn detector(config: &Config, started_at: Timestamp) -> Result<Option<Detector<'_>>, Stopped> {
    if config.events.is_empty() {
        return Ok(None);
    }
    let hours = SignedDuration::from_hours(i64::from(config.event_hours));
    let since = started_at.checked_sub(hours).unwrap_or(Timestamp::MIN);
    asked(config, since).check()?;
    let (rules, issues) = settings::event_rules(config)?;
    Ok(Some(Detector { config, since, rules, issues }))
}

/// The sources that a configuration names, from `since` on; the event history is that of its regions.
fn asked(config: &Config, since: Timestamp) -> Asked<'_> {
    let is_lookup = |source: &&String| *source == LOOKUP;
    Asked {
        paths: config.events.iter().filter(|source| !is_lookup(source)).map(PathBuf::from).collect(),
        is_lookup: config.events.iter().any(|source| is_lookup(&source)),
        queue: None,
        is_fetching: true,
        question: Question {
            accounts: Vec::new(),
            regions: config.regions.iter().map(ToString::to_string).collect(),
            since: Some(since),
            until: None,
        },
        config: Box::new(|| Ok(config.clone())),
    }
}

impl Detector<'_> {
    /// Reads the events and says what the rules found; what they tell of what is `sought` goes to `latest`. What cannot be
    /// read is in the answer and ends nothing.
    #[must_use]
    pub fn detect(&self, sought: Option<&Index>, latest: &mut Latest) -> Detections {
        let latest = Mutex::new(latest);
        let look = |record: &Record<'_>, _: usize| {
            if let Some(sought) = sought {
                sought.look(record, |sighting| {
                    latest.lock().unwrap_or_else(PoisonError::into_inner).take(sighting);
                });
            }
        };
        let options = Options { since: Some(self.since), ..Options::default() };
        let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let mut scan = Scan::new(&self.rules, options.clone(), workers).witnessed(&look);
        let mut collecting = Collecting { collector: Collector::new(Limits::default()) };
        match asked(self.config, self.since).open() {
            Ok(mut sources) => {
                let mut announced = Announced::default();
                scan.read(sources.inputs(), |told| {
                    if let Some((_, pointer)) = collecting.take(told) {
                        announced.add(pointer);
                    }
                });
                announced.read(&mut sources, &mut scan, &mut collecting);
                sources.close();
            }
            Err(stopped) => collecting.collector.unread("events", &stopped.why().to_string()),
        }
        let scanned = scan.finish(|told| collecting.collector.take(&told));
        collecting.collector.finish(&scanned, &self.rules, &self.issues, &options)
    }
}

/// Keeps for the report what a scan of events tells.
struct Collecting {
    collector: Collector,
}

impl Listener for Collecting {
    fn take(&mut self, told: Told) -> Option<(usize, Pointer)> {
        self.collector.take(&told);
        match told {
            Told::Pointer { input, pointer } => Some((input, pointer)),
            Told::Detection(_) | Told::Input(_) => None,
        }
    }

    fn note(&mut self, text: String) {
        tracing::info!("{text}");
    }

    fn unfetched(&mut self, objects: u64, why: &str) {
        tracing::warn!(objects, why, "announced objects not read");
        self.collector.unfetched(objects);
    }
}
