//! The Lambda function: turns each kind of trigger into a call of the library.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`trigger`] | what a payload is, told by its shape |
//! | [`ready`] | what an invocation needs and a process makes once: configuration, rules, archive |
//! | [`package`] | the configuration that is fetched from S3 |
//! | [`delivered`] | events: rules, detections, alerts |
//! | [`posture`] | events: what they touched is looked at again |
//! | [`scheduled`] | scans |
//! | [`fanout`] | the tasks of the state machine |
//! | [`answer`] | what an invocation answers, in time |
//! | [`log`] | lines of JSON, with the id of the request |

mod answer;
mod delivered;
mod fanout;
mod log;
mod package;
mod posture;
mod ready;
mod scheduled;
mod times;
mod trigger;

use std::sync::Arc;

use lambda_runtime::service_fn;

use answer::answer;
use ready::Function;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    log::start();
    let function = Arc::new(Function::of_environment());
    // An archive in S3 has threads of its own, which must not be ended from within a task; the process ends them.
    std::mem::forget(Arc::clone(&function));
    // What can be made before the first request need not be waited for then. What fails is told by the invocation, which
    // tries again.
    let early = Arc::clone(&function);
    if let Err(error) = tokio::task::spawn_blocking(move || early.prepare()).await {
        tracing::error!(%error, "A fault in Upright while it started.");
    }
    lambda_runtime::run(service_fn(move |event| answer(Arc::clone(&function), event))).await
}
