//! [`Call`], a row of the call table, and the one way to make it.

use std::error::Error;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_async::future::pagination_stream::PaginationStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::errors::Failure;
use super::{ASSUME_ROLE, Place};
use crate::inventory::{Cause, Unseen};

/// One read operation of AWS, as the plan, the policy, the coverage and the tests know it.
///
/// It is written once, beside the collector that makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// IAM prefix of the service, such as `s3`.
    pub service: &'static str,
    /// Operation, such as `GetBucketPolicy`.
    pub operation: &'static str,
    /// IAM actions that it needs.
    action: Action,
    /// Name that occurs in every well-formed answer: the required member or the root element.
    pub marker: &'static str,
    /// Whether it answers in pages.
    pub paged: bool,
    /// Whether the body of an answer is content or nothing, so that its form cannot be looked at.
    pub opaque: bool,
    /// Whether it belongs to a list, and is made once for each item that another call of the list found.
    pub per_item: bool,
    /// Error codes that mean "there is none": an answer, not a failure.
    pub absent: &'static [&'static str],
    /// Error codes that mean "there is none" together with how their message begins. The code alone means
    /// something else, such as a denial.
    pub absent_saying: &'static [(&'static str, &'static str)],
    /// Error codes that mean that the thing asked about has been deleted since it was listed.
    pub gone: &'static [&'static str],
}

tokio::task_local! {
    /// The call that the current task is waiting for; the SDK's interceptors run in the same task.
    static IN_FLIGHT: Arc<InFlight>;
}

/// A call that is being made, with what its latest attempt showed and the SDK does not hand on.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) call: &'static Call,
    latest: Mutex<Latest>,
}

#[derive(Debug)]
struct Latest {
    /// What AWS keeps saying instead of an answer, so that the whole call may run out of time over it.
    trouble: Option<(Cause, String)>,
    /// Whether the latest page announced a further one.
    has_more: bool,
}

impl InFlight {
    fn new(call: &'static Call) -> Arc<Self> {
        Arc::new(Self { call, latest: Mutex::new(Latest { trouble: None, has_more: false }) })
    }

    /// The call that the current task is waiting for.
    pub(super) fn current() -> Option<Arc<Self>> {
        IN_FLIGHT.try_with(Arc::clone).ok()
    }

    /// Notes what AWS said instead of an answer; `None` when it answered, or said nothing.
    pub(super) fn note_trouble(&self, trouble: Option<(Cause, String)>) {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).trouble = trouble;
    }

    /// Notes whether the latest page announced a further one.
    pub(super) fn note_page(&self, has_more: bool) {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).has_more = has_more;
    }

    /// What AWS last said instead of an answer.
    pub(super) fn trouble(&self) -> Option<(Cause, String)> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    fn has_more(&self) -> bool {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).has_more
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    SameName,
    Named(&'static str),
    None,
}

impl Call {
    /// An operation that answers at once. `marker` occurs in every well-formed answer.
    #[must_use]
    pub const fn one(service: &'static str, operation: &'static str, marker: &'static str) -> Self {
        Self {
            service,
            operation,
            action: Action::SameName,
            marker,
            paged: false,
            opaque: false,
            per_item: false,
            absent: &[],
            absent_saying: &[],
            gone: &[],
        }
    }

    /// An operation that answers in pages.
    #[must_use]
    pub const fn list(service: &'static str, operation: &'static str, marker: &'static str) -> Self {
        let mut call = Self::one(service, operation, marker);
        call.paged = true;
        call
    }

    /// It belongs to a list, and is made once for each item that another call of the list found.
    #[must_use]
    pub const fn per_item(mut self) -> Self {
        self.per_item = true;
        self
    }

    /// An operation whose answer has a body of content, such as an object, or none.
    #[must_use]
    pub const fn opaque(service: &'static str, operation: &'static str) -> Self {
        let mut call = Self::one(service, operation, "");
        call.opaque = true;
        call
    }

    /// The IAM action has another name than the operation.
    #[must_use]
    pub const fn action(mut self, action: &'static str) -> Self {
        self.action = Action::Named(action);
        self
    }

    /// The operation needs no permission.
    #[must_use]
    pub const fn without_permission(mut self) -> Self {
        self.action = Action::None;
        self
    }

    /// Error codes that mean "there is none".
    #[must_use]
    pub const fn absent(mut self, codes: &'static [&'static str]) -> Self {
        self.absent = codes;
        self
    }

    /// Error codes that mean "there is none" when their message begins like this.
    #[must_use]
    pub const fn absent_saying(mut self, said: &'static [(&'static str, &'static str)]) -> Self {
        self.absent_saying = said;
        self
    }

    /// Error codes that mean that the resource has been deleted since it was listed.
    #[must_use]
    pub const fn gone(mut self, codes: &'static [&'static str]) -> Self {
        self.gone = codes;
        self
    }

    /// Whether an error of this code and message is the answer "there is none", and no failure.
    #[must_use]
    pub fn says_none(&self, code: &str, message: &str) -> bool {
        self.absent.contains(&code)
            || self.absent_saying.iter().any(|(of, start)| *of == code && message.starts_with(start))
    }

    /// `service:Operation`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    /// The IAM action, or `None` where none is needed.
    #[must_use]
    pub fn iam_action(&self) -> Option<String> {
        match self.action {
            Action::SameName => Some(self.name()),
            Action::Named(action) => Some(action.to_owned()),
            Action::None => None,
        }
    }
}

/// What a call came back with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<T> {
    /// An answer.
    Answer(T),
    /// AWS says that there is none.
    Absent,
    /// The thing asked about no longer exists.
    Gone,
}

/// The items of a list, with whether it was read to its end.
#[derive(Debug)]
pub struct Listed<T> {
    /// What was read before the end or the failure.
    pub items: Vec<T>,
    /// Whether that is everything.
    pub end: Result<Reply<()>, Unseen>,
}

impl<T> Listed<T> {
    /// The items if they are all there: a list with a hole proves nothing about what is not in it.
    ///
    /// # Errors
    /// Why the list could not be read to its end.
    pub fn complete(self) -> Result<Reply<Vec<T>>, Unseen> {
        Ok(match self.end? {
            Reply::Answer(()) => Reply::Answer(self.items),
            Reply::Absent => Reply::Absent,
            Reply::Gone => Reply::Gone,
        })
    }
}

/// What is to be done after one attempt failed.
enum Next<T> {
    Again,
    End(Result<Reply<T>, Unseen>),
}

/// A call is made again at most once for each of these reasons, on top of the SDK's own retries.
struct Repeats {
    expired: bool,
    malformed: bool,
}

impl Repeats {
    const fn none() -> Self {
        Self { expired: false, malformed: false }
    }
}

impl Place {
    /// Makes a call that answers at once, and records how it went.
    ///
    /// An expired token is renewed and the call repeated once, and a broken answer is asked for once
    /// more; throttling and server errors are retried by the SDK.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn call<O, E, F>(&self, call: &'static Call, send: impl Fn() -> F) -> Result<Reply<O>, Unseen>
    where
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let mut repeats = Repeats::none();
        let flight = InFlight::new(call);
        let reply = loop {
            let generation = self.session().generation();
            // In a box, because the SDK's future is some 15 KB: collectors nest and join these, and the sum
            // overflowed the stack of a worker thread.
            match self.attempt(&flight, Box::pin(send())).await {
                Ok(Ok(output)) => break Ok(Reply::Answer(output)),
                Ok(Err(error)) => match self.after(&flight, &error, generation, &mut repeats) {
                    Next::Again => {}
                    Next::End(reply) => break reply,
                },
                Err(unseen) => break Err(unseen),
            }
        };
        self.record(call, &reply);
        reply
    }

    /// Reads all pages of a list. `open` starts it anew, `take` gets a page's items and answers `None`
    /// when the member that must be there is not.
    pub async fn pages<P, I, E>(
        &self,
        call: &'static Call,
        open: impl Fn() -> PaginationStream<Result<P, SdkError<E, HttpResponse>>>,
        take: impl Fn(P) -> Option<Vec<I>>,
    ) -> Listed<I>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let mut repeats = Repeats::none();
        let mut items = Vec::new();
        let mut stream = open();
        let flight = InFlight::new(call);
        let end = loop {
            let generation = self.session().generation();
            let page = match self.attempt(&flight, stream.next()).await {
                Ok(page) => page,
                Err(unseen) => break Err(unseen),
            };
            match page {
                // The SDK ends a list when AWS gives the same token twice, as if it were complete.
                None if flight.has_more() => {
                    break Err(self.malformed(call, "the list ends with a page that announces another"));
                }
                None => break Ok(Reply::Answer(())),
                Some(Ok(page)) => match take(page) {
                    Some(more) => items.extend(more),
                    None => break Err(self.malformed(call, "the list is missing from the answer")),
                },
                Some(Err(error)) => match self.after(&flight, &error, generation, &mut repeats) {
                    Next::Again => {
                        items.clear();
                        stream = open();
                    }
                    Next::End(reply) => break reply,
                },
            }
        };
        self.record(call, &end);
        Listed { items, end }
    }

    /// An answer that does not say what it must.
    #[must_use]
    pub fn malformed(&self, call: &Call, message: &str) -> Unseen {
        Unseen {
            account: self.subject().to_owned(),
            region: self.region().to_owned(),
            operation: call.name(),
            cause: Cause::Malformed,
            code: "MalformedResponse".to_owned(),
            message: message.to_owned(),
        }
    }

    /// Waits for credentials, the rate limit and a permit, then for the answer or for the endpoint to be
    /// given up.
    async fn attempt<T>(&self, flight: &Arc<InFlight>, sent: impl Future<Output = T>) -> Result<T, Unseen> {
        let aws = self.aws();
        let call = flight.call;
        if aws.is_over() {
            return Err(self.out_of_time(call));
        }
        self.session().refresh().await?;
        if let Some(limiter) = &aws.limiter {
            let key = (self.account().to_owned(), self.endpoint_region().to_owned(), call.service);
            limiter.until_key_ready(&key).await;
        }
        let window = aws.windows.get(self.account(), self.endpoint_region(), call.service);
        let endpoint = aws.endpoints.get(call.service, self.endpoint_region());
        let given_up = |message: String| Unseen {
            account: self.subject().to_owned(),
            region: self.region().to_owned(),
            operation: call.name(),
            cause: Cause::Unreachable,
            code: "Timeout".to_owned(),
            message,
        };
        tokio::select! {
            biased;
            () = aws.over() => Err(self.out_of_time(call)),
            message = endpoint.given_up() => Err(given_up(message)),
            answer = async {
                let _slot = window.enter().await;
                // Entering an account takes no permit here: the first time `Session::enter` has one for it,
                // and later calls that hold all of them may be waiting for it.
                // INVARIANT: the semaphore is never closed, so that a missing permit cannot happen.
                let _permit =
                    if *call == ASSUME_ROLE { None } else { Some(aws.permits.acquire().await) };
                IN_FLIGHT.scope(Arc::clone(flight), sent).await
            } => Ok(answer),
        }
    }

    fn out_of_time(&self, call: &Call) -> Unseen {
        Unseen {
            account: self.subject().to_owned(),
            region: self.region().to_owned(),
            operation: call.name(),
            cause: Cause::OutOfTime,
            code: String::new(),
            message: "the time of the scan was over".to_owned(),
        }
    }

    fn after<T, E>(
        &self,
        flight: &InFlight,
        error: &SdkError<E, HttpResponse>,
        generation: u64,
        repeats: &mut Repeats,
    ) -> Next<T>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match Failure::of(self, flight, error) {
            Failure::Absent => Next::End(Ok(Reply::Absent)),
            Failure::Gone => Next::End(Ok(Reply::Gone)),
            Failure::Expired(_) if !repeats.expired => {
                repeats.expired = true;
                self.session().renew(generation);
                Next::Again
            }
            Failure::Unseen(unseen) if unseen.cause == Cause::Malformed && !repeats.malformed => {
                repeats.malformed = true;
                Next::Again
            }
            Failure::Expired(unseen) | Failure::Unseen(unseen) => Next::End(Err(unseen)),
        }
    }

    fn record<T>(&self, call: &'static Call, reply: &Result<Reply<T>, Unseen>) {
        let meters = &self.aws().meters;
        match reply {
            Ok(Reply::Answer(_) | Reply::Absent) => {
                meters.record_answer(self.subject(), self.region(), call);
            }
            Ok(Reply::Gone) => meters.record_gone(self.subject(), self.region(), call),
            Err(unseen) => {
                tracing::warn!(
                    account = self.subject(),
                    region = self.region(),
                    operation = %call.name(),
                    code = %unseen.code,
                    "call not answered; what it reads is unknown"
                );
                meters.record_unseen(self.subject(), self.region(), call, unseen);
            }
        }
    }
}

impl<T> Reply<T> {
    /// The answer; `None` where AWS says that there is none.
    pub fn found(self) -> Option<T> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Absent | Self::Gone => None,
        }
    }

    /// Applies `f` to an answer.
    ///
    /// # Errors
    /// What `f` fails with, such as a member that is missing from the answer.
    pub fn and_then<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Reply<U>, E> {
        Ok(match self {
            Self::Answer(answer) => Reply::Answer(f(answer)?),
            Self::Absent => Reply::Absent,
            Self::Gone => Reply::Gone,
        })
    }
}
