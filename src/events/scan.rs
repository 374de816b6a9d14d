//! Rules over inputs: reads them on all cores, asks the rules, and tells what they found in the order of the events.

use std::num::NonZeroUsize;

use super::detection::Detection;
use super::engine::Scratch;
use super::record::Record;
use super::ruleset::RuleSet;
use super::sigma::correlation::{Correlator, Limits, Observation, Tally};
use super::source::pool::{self, Delivered};
use super::source::seen::Seen;
use super::source::{Counts, Input, Options, Origin, Pointer, Report};

/// What a scan tells while it runs.
#[derive(Debug)]
pub enum Told {
    /// A rule matched. Those of one event come in the order of the inputs; those of correlations come last.
    Detection(Detection),
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
    Detection(Detection),
    Observations(Vec<Observation>),
}

/// Sees every event beside the rules, with the number of its input, on the threads that read. An event that was delivered
/// before is seen again.
pub type Witness<'w> = &'w (dyn Fn(&Record<'_>, usize) + Sync);

/// Rules over inputs that come in one reading or in several, as when one of them tells what else is to be read.
///
/// Memory does not grow with the inputs: detections are handed over as they come, and what correlations hold is
/// bounded by [`Limits`], what is known of earlier events by [`Seen`]. The same inputs give the same detections in the
/// same order, however many threads read.
pub struct Scan<'r> {
    rules: &'r RuleSet,
    witness: Option<Witness<'r>>,
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
            witness: None,
            options,
            workers,
            correlator: rules.correlator(Limits::default()),
            seen: Seen::default(),
            counts: Counts::default(),
        }
    }

    /// Has somebody see every event too. What they see of an input comes before the input is told to be at its end.
    #[must_use]
    pub fn witnessed(mut self, witness: Witness<'r>) -> Self {
        self.witness = Some(witness);
        self
    }

    /// Reads every input and hands what the rules find to `tell`.
    pub fn read<I>(&mut self, inputs: I, mut tell: impl FnMut(Told))
    where
        I: IntoIterator<Item = Input>,
        I::IntoIter: Send,
    {
        let (rules, witness, correlator) = (self.rules, self.witness, &mut self.correlator);
        let watch = || {
            let mut scratch = Scratch::default();
            let mut input = None;
            move |record: &Record<'_>, origin: Origin, found: &mut Vec<Found>| {
                // Which thread reads an input is chance; an event's number in its input is not.
                if input.replace(origin.input) != Some(origin.input) {
                    scratch.set_number(0);
                }
                if let Some(witness) = witness {
                    witness(record, origin.input);
                }
                rules.evaluate(record, &mut scratch, |matched| {
                    let detection = matched.rule.is_reported.then(|| matched.detection());
                    let observations = matched.observations_of(detection.as_ref());
                    found.extend(detection.map(Found::Detection));
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
            tell(Told::Detection(detection));
        }
        Scanned { counts: self.counts, correlations }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::events::ruleset::Loader;

    #[test]
    fn the_number_of_an_event_does_not_depend_on_the_threads() {
        let mut loader = Loader::new(crate::events::ruleset::Options::default());
        let rule = "- {rule: r, desc: d, condition: ct.name=A, output: n=%evt.num, priority: INFO, source: aws_cloudtrail}";
        loader.text(Path::new("rules.yaml"), rule);
        let (rules, issues) = loader.finish();
        assert!(issues.is_empty(), "{issues:?}");
        let record = |input: usize, event: usize| {
            format!(
                r#"{{"eventName":"A","eventTime":"2026-01-02T03:04:05Z","eventType":"AwsApiCall","eventID":"{input}/{event}"}}"#
            )
        };
        for workers in [1, 2, 5] {
            let inputs = (0..9).map(|input| {
                let lines: Vec<String> = (0..3).map(|event| record(input, event)).collect();
                Input::bytes(input.to_string(), lines.join("\n").into_bytes())
            });
            let mut outputs = Vec::new();
            let mut scan = Scan::new(&rules, Options::default(), NonZeroUsize::new(workers).unwrap());
            scan.read(inputs, |told| {
                if let Told::Detection(detection) = told {
                    outputs.push(detection.output.clone());
                    assert_eq!(detection.event.get(), serde_json::to_string(&detection.event).unwrap());
                }
            });
            assert_eq!(outputs, ["n=1", "n=2", "n=3"].repeat(9), "{workers} workers");
        }
    }
}
