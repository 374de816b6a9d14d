//! Events that were delivered: the rules are asked, and what they find is kept and told, each once.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use upright::events::batch::{Batch, Desk, Inputs, Node};
use upright::events::record::Record;
use upright::events::remote::{Remote, s3};
use upright::events::scan::{Scan, Told};
use upright::events::source::layout::Question;
use upright::events::source::{Input, Limits, Options, Pointer};
use upright::incremental::touched as touches;
use upright::report::printable;
use upright::scan::detected::Detected;

use crate::posture::{self, Touched};
use crate::ready::Ready;
use crate::times::Times;

/// Bytes that one compressed object may become. Log files of CloudTrail have some 10 MB; a function has little memory, but
/// nothing is held as a whole.
const INFLATED_BYTES: u64 = 1 << 30;
/// Problems that are logged.
const MAX_PROBLEMS: usize = 100;

/// One delivery: a payload, or a message of a queue.
pub(crate) struct Delivery {
    /// What the log calls it.
    pub(crate) name: String,
    /// What it says.
    pub(crate) body: String,
}

/// What came of deliveries.
pub(crate) struct Done {
    /// For each delivery, whether all of it was read, kept and told.
    pub(crate) is_fine: Vec<bool>,
    /// The first thing that went wrong.
    pub(crate) why: Option<String>,
    /// What was found, in numbers.
    pub(crate) summary: Value,
}

/// Reads deliveries and what they announce, and keeps and tells what is found.
pub(crate) fn deal_with(ready: &Ready, deliveries: Vec<Delivery>, times: Times) -> Done {
    let limits = Limits { inflated_bytes: INFLATED_BYTES, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let say = |line: &str| tracing::info!("{line}");
    let touched = Mutex::new(Touched::default());
    let witness = |record: &Record<'_>, input: usize| {
        let touches = touches(record);
        if !touches.is_empty() {
            touched.lock().unwrap_or_else(PoisonError::into_inner).see(touches, input);
        }
    };
    let mut scan = Scan::new(&ready.rules, options, workers).witnessed(&witness);
    let mut reading = Reading {
        ready,
        remote: None,
        detected: Detected::new(&ready.archive, &ready.config, Some(times.work), &say),
        touched: &touched,
        why: None,
        problems: 0,
    };
    let inputs: Vec<Input> = deliveries
        .into_iter()
        .map(|delivery| Input::bytes(delivery.name, delivery.body.into_bytes()))
        .collect();
    let mut batch = Batch::default();
    batch.read(inputs, &mut scan, &mut reading);
    let scanned = scan.finish(|told| {
        if let Told::Detection(detection) = told {
            // INVARIANT: events of several messages led to it, so that no single one is to blame.
            reading.detected.take(None, detection);
        }
    });
    let Reading { detected, mut why, .. } = reading;
    let came = detected.finish();
    came.lost.iter().for_each(|node| batch.fail(*node));
    if why.is_none() && (came.is_lost || !came.lost.is_empty()) {
        why = Some("something that was found could not be kept or told".to_owned());
    }
    let touched = touched.into_inner().unwrap_or_else(PoisonError::into_inner);
    let followed = posture::follow(ready, &touched, times.work);
    followed.lost.iter().for_each(|node| batch.fail(*node));
    let mut is_fine = batch.settle().messages;
    if came.is_lost {
        is_fine.fill(false);
    }
    let counts = scanned.counts;
    let summary = json!({
        "events": counts.events,
        "duplicates": counts.duplicates,
        "control": counts.control,
        "objects": counts.pointers,
        "rejected": counts.rejected,
        "detections": came.found,
        "new": came.new,
        "told": came.told,
        "posture": followed.summary,
    });
    Done { is_fine, why: why.or(followed.why), summary }
}

/// The reading of a batch.
struct Reading<'a> {
    ready: &'a Ready,
    remote: Option<Arc<Remote>>,
    detected: Detected<'a>,
    touched: &'a Mutex<Touched>,
    why: Option<String>,
    problems: usize,
}

impl Reading<'_> {
    fn problem(&mut self, text: String) {
        self.problems += 1;
        if self.problems <= MAX_PROBLEMS {
            tracing::error!(problem = %printable(&text), "Something could not be read.");
        }
        self.why.get_or_insert(text);
    }
}

impl Desk for Reading<'_> {
    fn wants(&mut self, pointer: &Pointer) -> bool {
        Question::default().wants(&pointer.key)
    }

    fn fetch(&mut self, pointers: Vec<Pointer>) -> Result<Inputs, String> {
        let remote = match &self.remote {
            Some(remote) => remote,
            None => self.remote.insert(self.ready.remote().map_err(|error| error.to_string())?),
        };
        Ok(Box::new(s3::announced(remote, pointers, Arc::default())))
    }

    fn take(&mut self, node: Node, told: Told) {
        match told {
            Told::Detection(detection) => self.detected.take(Some(node), detection),
            Told::Input(report) => {
                self.touched.lock().unwrap_or_else(PoisonError::into_inner).settle(report.input, node);
                if report.problems_found > 0 {
                    let first = report.problems.first().map(ToString::to_string).unwrap_or_default();
                    self.problem(format!("{}: {first} ({} in all)", report.name, report.problems_found));
                }
            }
            Told::Pointer { .. } => {}
        }
    }

    fn unfetched(&mut self, objects: usize, why: &str) {
        self.problem(format!("{objects} objects were not fetched: {why}"));
    }
}
