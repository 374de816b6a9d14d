//! Events that are fetched from AWS: delivered objects in S3, the event history, and messages of a queue.
//!
//! What is here turns an address into [`Input`]s, which the rest of [`events`](crate::events) reads without knowing
//! where they come from. Everything is fetched with the credentials of the caller, through the same sessions, limits
//! and retries as a scan of resources, and nothing is held as a whole: a few objects are fetched ahead of what is read,
//! and then fetching waits.
//!
//! [`queue`] has the two calls of event sources that change something, and nothing else here does: messages that have
//! been dealt with are deleted, and kept from others while they are dealt with.

pub mod history;
pub mod lookup;
mod pieces;
pub mod policy;
pub mod queue;
pub mod s3;
pub mod verify;

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Runtime;

use super::source::Input;
use crate::aws::{Aws, Call, ConnectError, Limits, Session, Source};
use crate::inventory::{Cause, Unseen};

/// The calls that event sources make, beside `sts:GetCallerIdentity`.
pub static CALLS: [&Call; 9] = [
    &s3::HEAD_BUCKET,
    &s3::LIST_OBJECTS,
    &s3::GET_OBJECT,
    &lookup::LOOKUP_EVENTS,
    &queue::RECEIVE,
    &queue::EXTEND,
    &queue::DELETE,
    &verify::LIST_PUBLIC_KEYS,
    &crate::aws::GET_CALLER_IDENTITY,
];

/// AWS, as the sources of events reach it: who calls, and the threads that wait for answers.
#[derive(Debug)]
pub struct Remote {
    session: Arc<Session>,
    partition: String,
    runtime: Runtime,
}

/// Why nothing can be fetched.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The machine gives no threads.
    #[error("no threads could be started: {0}")]
    Threads(#[from] std::io::Error),
    /// AWS cannot be reached, or does not know the caller.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Remote {
    /// Asks AWS who is calling.
    ///
    /// # Errors
    /// When no region is configured, or AWS does not take the credentials.
    pub fn connect(source: &Source, limits: &Limits) -> Result<Self, RemoteError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (caller, session) = runtime.block_on(async {
            let aws = Aws::connect(source, limits).await?;
            aws.caller().await
        })?;
        Ok(Self { session, partition: caller.partition, runtime })
    }

    /// Waits for something. Not to be called by what runs on the threads of this itself.
    pub fn wait_for<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    /// Lets something run beside everything else.
    pub fn spawn(&self, what: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(what);
    }

    /// The region that is asked where nothing names another.
    #[must_use]
    pub fn home_region(&self) -> &str {
        self.session.run().home_region()
    }

    /// Lets go of calls that hang, so that they do not hold the program back.
    pub fn close(self) {
        self.runtime.shutdown_background();
    }
}

/// What to tell of a call that was not answered: for a denial, which action is missing on what.
fn tell(unseen: &Unseen, call: &Call, on: &str) -> String {
    let Cause::Denied { action, resource, .. } = &unseen.cause else { return unseen.to_string() };
    let action = action.clone().or_else(|| call.iam_action()).unwrap_or_else(|| call.name());
    let on = resource.as_deref().unwrap_or(on);
    format!("{unseen}; allow `{action}` on `{on}`")
}

/// An input of which nothing can be read.
fn unreadable(name: String, why: String) -> Input {
    Input::later(name, || Err(std::io::Error::other(why)))
}

#[cfg(test)]
mod tests;
