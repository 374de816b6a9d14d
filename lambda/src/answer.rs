//! What an invocation answers: what came of the work, or why it was not done, before Lambda ends it.

use std::fmt;
use std::sync::Arc;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use upright::report::printable;
use upright::scan::{Fault, Stopped};

use crate::delivered::{self, Delivery};
use crate::ready::Function;
use crate::times::Times;
use crate::trigger::{Batch, Trigger};
use crate::{fanout, log, scheduled};

/// Characters of a reason in an answer.
const MAX_REASON: usize = 1_000;

/// Why an invocation failed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: &'static str,
    why: String,
}

impl Failure {
    pub(crate) fn new(kind: &'static str, why: &str) -> Self {
        let why: String = printable(why).chars().take(MAX_REASON).collect();
        Self { kind, why }
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        let kind = match stopped.fault() {
            Fault::Input => "Configuration",
            Fault::Surroundings => "CouldNotRun",
        };
        let help = stopped.why().help().map(|help| format!(" ({help})")).unwrap_or_default();
        Self::new(kind, &format!("{}{help}", stopped.chain()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.to_owned(), error_message: failure.why }
    }
}

/// Does what the payload asks for.
pub(crate) async fn answer(
    function: Arc<Function>,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<Value, Failure> {
    let LambdaEvent { payload, context } = event;
    log::request(&context.request_id);
    let times = Times::until(context.deadline);
    let answer = match Trigger::of(payload.get()) {
        Ok(trigger) => of_trigger(function, trigger, payload, times).await,
        Err(unknown) => Err(Failure::new("UnknownPayload", &unknown.to_string())),
    };
    match &answer {
        Ok(answer) => tracing::info!(%answer, "Done."),
        Err(failure) => tracing::error!(kind = failure.kind, why = failure.why, "Failed."),
    }
    log::request("");
    answer
}

async fn of_trigger(
    function: Arc<Function>,
    trigger: Trigger,
    payload: Box<RawValue>,
    times: Times,
) -> Result<Value, Failure> {
    match trigger {
        Trigger::Nothing(why) => Ok(json!({ "nothing": why })),
        Trigger::Scan { job, due } => {
            in_time(times, move || scheduled::scan(&function, job.as_ref(), due, times)).await
        }
        Trigger::Task(task) => in_time(times, move || fanout::perform(&function, &task, times)).await,
        Trigger::Events => {
            let deliveries =
                vec![Delivery { name: "the payload".to_owned(), body: payload.get().to_owned() }];
            in_time(times, move || of_events(&function, deliveries, times)).await
        }
        Trigger::Queue(batch) => Ok(of_queue(function, batch, times).await),
    }
}

/// Does something that blocks, for as long as there is time.
async fn in_time<T: Send + 'static>(
    times: Times,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::time::timeout_at(times.answer.into(), spawn_blocking(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(Failure::new("Fault", &format!("a fault in Upright: {error}"))),
        Err(_) => Err(Failure::new("OutOfTime", "it was not done when the time of the invocation was over")),
    }
}

/// A delivery that Lambda repeats where it fails.
fn of_events(function: &Function, deliveries: Vec<Delivery>, times: Times) -> Result<Value, Failure> {
    let done = delivered::deal_with(&*function.ready()?, deliveries, times);
    if done.is_fine.iter().all(|is_fine| *is_fine) {
        Ok(done.summary)
    } else {
        let why = done.why.as_deref().unwrap_or("not all of it was kept and told");
        Err(Failure::new("NotAllDone", &format!("the events are to be delivered again: {why}")))
    }
}

/// A batch of a queue, which repeats the messages that are named. Whatever goes wrong, the answer names those that were
/// not dealt with, so that the others are not done again.
async fn of_queue(function: Arc<Function>, batch: Batch, times: Times) -> Value {
    let mut response = SqsBatchResponse::default();
    let mut failed = |id: &str| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id.to_owned();
        response.batch_item_failures.push(failure);
    };
    for (id, why) in &batch.poison {
        tracing::error!(message = %printable(id), why = %printable(why), "A message cannot be read.");
        failed(id);
    }
    let ids: Vec<String> = batch.messages.iter().map(|message| message.id.clone()).collect();
    let deliveries: Vec<Delivery> = batch
        .messages
        .into_iter()
        .map(|message| Delivery { name: format!("message {}", message.id), body: message.body })
        .collect();
    if !ids.is_empty() {
        let done =
            in_time(times, move || Ok(delivered::deal_with(&*function.ready()?, deliveries, times))).await;
        match done {
            Ok(done) => {
                tracing::info!(summary = %done.summary, "Events.");
                let lost = ids.iter().zip(&done.is_fine).filter(|(_, is_fine)| !**is_fine);
                lost.for_each(|(id, _)| {
                    tracing::warn!(message = %printable(id), "A message is to be delivered again.");
                    failed(id);
                });
            }
            Err(failure) => {
                tracing::error!(
                    kind = failure.kind,
                    why = failure.why,
                    "All messages are to be delivered again."
                );
                ids.iter().for_each(|id| failed(id));
            }
        }
    }
    json!(response)
}
