//! Rules over inputs: reads them on all cores, asks the rules, and tells what they found in the order of the events.

use std::num::NonZeroUsize;

use super::detection::Detection;
use super::engine::Scratch;
use super::record::Record;
use super::ruleset::RuleSet;
use super::sigma::correlation::{Correlator, Limits, Observation, Tally};
use super::source::pool::{self, Delivered};
use super::source::seen::Seen;
use super::source::{Counts, Input, Options, Pointer, Report};

/// What a scan tells while it runs.
#[derive(Debug)]
pub enum Told {
    /// A rule matched. Those of one event come in the order of the inputs; those of correlations come last.
    Detection(Box<Detection>),
    /// A message announces an object, which nobody has fetched.
    Pointer {
        /// Number of the input that the message was in, counted from zero in each reading.
        input: usize,
        /// The object.
        pointer: Pointer,
    },
    /// An input was read to its end, or as far as it goes.
    Input(Report),
}

/// What a scan came to.
#[derive(Debug)]
pub struct Scanned {
    /// What was in all inputs.
    pub counts: Counts,
    /// What correlations could not count.
    pub correlations: Tally,
}

/// What is found in one event.
enum Found {
    Detection(Box<Detection>),
    Observations(Vec<Observation>),
}

/// Rules over inputs that come in one reading or in several, as when one of them tells what else is to be read.
///
/// Memory does not grow with the inputs: detections are handed over as they come, and what correlations hold is
/// bounded by [`Limits`], what is known of earlier events by [`Seen`]. The same inputs give the same detections in the
/// same order, however many threads read.
#[derive(Debug)]
pub struct Scan<'r> {
    rules: &'r RuleSet,
    options: Options,
    workers: NonZeroUsize,
    correlator: Correlator<'r>,
    seen: Seen,
    counts: Counts,
}

impl<'r> Scan<'r> {
    /// A scan that has read nothing; `workers` threads will read.
    #[must_use]
    pub fn new(rules: &'r RuleSet, options: Options, workers: NonZeroUsize) -> Self {
        Self {
            rules,
            options,
            workers,
            correlator: rules.correlator(Limits::default()),
            seen: Seen::default(),
            counts: Counts::default(),
        }
    }

    /// Reads every input and hands what the rules find to `tell`.
    pub fn read<I>(&mut self, inputs: I, mut tell: impl FnMut(Told))
    where
        I: IntoIterator<Item = Input>,
        I::IntoIter: Send,
    {
        let (rules, correlator) = (self.rules, &mut self.correlator);
        let watch = || {
            let mut scratch = Scratch::default();
            move |record: &Record<'_>, _, found: &mut Vec<Found>| {
                rules.evaluate(record, &mut scratch, |matched| {
                    if matched.rule.is_reported {
                        found.push(Found::Detection(Box::new(matched.detection())));
                    }
                    let observations = matched.observations();
                    if !observations.is_empty() {
                        found.push(Found::Observations(observations));
                    }
                });
            }
        };
        let deliver = |delivered| match delivered {
            Delivered::Found(Found::Detection(detection)) => tell(Told::Detection(detection)),
            Delivered::Found(Found::Observations(observations)) => {
                observations.into_iter().for_each(|observation| correlator.observe(observation));
            }
            Delivered::Pointer { input, pointer } => tell(Told::Pointer { input, pointer }),
            Delivered::End(report) => tell(Told::Input(report)),
        };
        self.counts += pool::read_after(&mut self.seen, inputs, &self.options, self.workers, watch, deliver);
    }

    /// What was in all inputs so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Hands over what correlations found in everything that was read.
    pub fn finish(self, mut tell: impl FnMut(Told)) -> Scanned {
        let (detections, correlations) = self.correlator.finish();
        for detection in detections {
            tell(Told::Detection(Box::new(detection)));
        }
        Scanned { counts: self.counts, correlations }
    }
}
