//! Event rules as a part of `upright scan`.

use std::num::NonZeroUsize;

use jiff::{SignedDuration, Timestamp};

use super::announced::Announced;
use super::sources::SourceArguments;
use super::{Chosen, Listener, Loaded};
use crate::cli::Stopped;
use crate::config::Config;
use crate::events::authors::{Index, Latest};
use crate::events::scan::{Scan, Told};
use crate::events::source::{Options, Pointer};
use crate::report::{Collector, Detections, Limits};

/// Rules and sources that are there, before anything is read.
#[derive(Debug)]
pub(in crate::cli) struct Detector {
    loaded: Loaded,
    sources: SourceArguments,
}

/// What a configuration wants of events; `None` where it names no source.
///
/// # Errors
/// When a rule file, a path or an address is not there or is none: a scan is not begun then.
pub(in crate::cli) fn detector(config: &Config, started_at: Timestamp) -> Result<Option<Detector>, Stopped> {
    if config.events.is_empty() {
        return Ok(None);
    }
    let hours = SignedDuration::from_hours(i64::from(config.event_hours));
    let since = started_at.checked_sub(hours).unwrap_or(Timestamp::MIN);
    let sources = SourceArguments::of(config, since)?;
    Ok(Some(Detector { loaded: Chosen::files(&config.event_rules).load()?, sources }))
}

impl Detector {
    /// Reads the events and says what the rules found; what they tell of what is `sought` goes to `latest`. What cannot be read is in the answer and ends nothing.
    pub(in crate::cli) fn detect(&self, sought: Option<&Index>, latest: &mut Latest) -> Detections {
        let options = Options { since: self.sources.since(), ..Options::default() };
        let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let mut scan = Scan::new(&self.loaded.set, options.clone(), workers);
        if let Some(sought) = sought {
            scan.seek(sought);
        }
        let mut collecting = Collecting { collector: Collector::new(Limits::default()), latest };
        match self.sources.open() {
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
        collecting.collector.finish(&scanned, &self.loaded.set, &self.loaded.issues, &options)
    }
}

/// Keeps for the report what a scan of events tells.
struct Collecting<'a> {
    collector: Collector,
    latest: &'a mut Latest,
}

impl Listener for Collecting<'_> {
    fn take(&mut self, told: Told) -> Option<(usize, Pointer)> {
        self.collector.take(&told);
        match told {
            Told::Pointer { input, pointer } => Some((input, pointer)),
            Told::Change(sighting) => {
                self.latest.take(*sighting);
                None
            }
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
