//! Rules over inputs: reads them on all cores, asks the rules, and tells what they found in the order of the events.

use std::num::NonZeroUsize;

use super::detection::Detection;
use super::engine::Scratch;
use super::ruleset::RuleSet;
use super::sigma::correlation::{Limits, Observation, Tally};
use super::source::pool::{self, Delivered};
use super::source::{Counts, Input, Options, Pointer, Report};

/// What a scan tells while it runs.
#[derive(Debug)]
pub enum Told {
    /// A rule matched. Those of one event come in the order of the inputs; those of correlations come last.
    Detection(Box<Detection>),
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
    /// Objects that messages announced, and that nobody has fetched.
    pub pointers: Vec<Pointer>,
}

/// What is found in one event.
enum Found {
    Detection(Box<Detection>),
    Observations(Vec<Observation>),
}

/// Reads every input and hands what the rules find to `tell`.
///
/// Memory does not grow with the inputs: detections are handed over as they come, and what correlations hold is
/// bounded by [`Limits`]. The same inputs give the same detections in the same order, however many `workers` read.
pub fn scan<I>(
    inputs: I,
    rules: &RuleSet,
    options: &Options,
    workers: NonZeroUsize,
    mut tell: impl FnMut(Told),
) -> Scanned
where
    I: IntoIterator<Item = Input>,
    I::IntoIter: Send,
{
    let mut correlator = rules.correlator(Limits::default());
    let mut pointers = Vec::new();
    let watch = || {
        let mut scratch = Scratch::default();
        move |record: &super::record::Record<'_>, _, found: &mut Vec<Found>| {
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
    let counts = pool::read(inputs, options, workers, watch, |delivered| match delivered {
        Delivered::Found(Found::Detection(detection)) => tell(Told::Detection(detection)),
        Delivered::Found(Found::Observations(observations)) => {
            observations.into_iter().for_each(|observation| correlator.observe(observation));
        }
        Delivered::Pointer { pointer, .. } => pointers.push(pointer),
        Delivered::End(report) => tell(Told::Input(report)),
    });
    let (detections, correlations) = correlator.finish();
    for detection in detections {
        tell(Told::Detection(Box::new(detection)));
    }
    Scanned { counts, correlations, pointers }
}
