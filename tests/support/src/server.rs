//! [`Server`]: AWS from a recording or from canned answers, with pages and faults.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http::request::Parts;

use crate::answer::Answer;
use crate::env::Env;
use crate::faults::{Fault, Match};
use crate::http::{Listening, Outcome};
use crate::paging::{self, PagesServed};
use crate::recording::Recording;
use crate::sessions::Sessions;
use crate::wire::{self, Call, Signed};

/// Account of the caller's own keys at a canned server.
const CANNED_ACCOUNT: &str = "123456789012";
const HOUR: Duration = Duration::from_secs(3600);

/// A server in this process on a free port of 127.0.0.1, stopped on drop.
#[derive(Debug)]
pub struct Server {
    listening: Listening,
    state: Arc<State>,
}

/// A request that a server got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What was asked; of a later page, what the first was asked with.
    pub call: Call,
    /// The page of a list, from 1.
    pub page: usize,
    /// How often this very request has come by now, from 1.
    pub attempt: usize,
    /// When it came, since the server started.
    pub at: Duration,
    /// The access key id that signed it.
    pub key: String,
    /// Whether it got a fault or had an expired session, so that asking again is in order.
    pub is_faulted: bool,
}

/// A server before it starts.
pub struct Setup {
    source: Source,
    answers: Vec<(Match, Answer)>,
    faults: Vec<(Match, Fault)>,
    pages: Option<usize>,
    latency: Duration,
    session_length: Duration,
    expire_after: Option<usize>,
}

type Canned = dyn Fn(&Call) -> Option<Answer> + Send + Sync;

enum Source {
    Recording(Recording),
    Canned(Box<Canned>),
}

impl Server {
    /// A server that answers as the emulator did when it was recorded.
    #[must_use]
    pub fn replay(recording: &Recording) -> Setup {
        Setup::new(Source::Recording(recording.clone()))
    }

    /// A server that answers what `answer` says. Roles can be assumed and `sts:GetCallerIdentity` works
    /// in any account, unless `answer` has something to say about them.
    #[must_use]
    pub fn canned(answer: impl Fn(&Call) -> Option<Answer> + Send + Sync + 'static) -> Setup {
        Setup::new(Source::Canned(Box::new(answer)))
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.listening.port()
    }

    /// The environment for a program that is to find AWS in it, as the management account.
    #[must_use]
    pub fn env(&self) -> Env {
        Env::of_port(self.port())
    }

    /// How long it has been running, as the times of its requests are counted.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.state.started.elapsed()
    }

    /// The requests in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state.notes().requests.clone()
    }

    /// How many requests each operation got, retries and pages included.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in &self.state.notes().requests {
            *counts.entry(request.call.operation.clone()).or_insert(0) += 1;
        }
        counts
    }

    /// How many requests `service:Operation` got, retries and pages included.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        self.state.notes().requests.iter().filter(|request| request.call.operation == operation).count()
    }

    /// Requests that were made again though they had been answered. Entering accounts is not counted.
    #[must_use]
    pub fn repeated(&self) -> Vec<Request> {
        let mut answered = BTreeSet::new();
        let mut repeated = Vec::new();
        for request in &self.state.notes().requests {
            let of_session = request.call.service() == "sts";
            if !of_session && answered.contains(&(&request.call, request.page)) {
                repeated.push(request.clone());
            }
            if !request.is_faulted {
                answered.insert((&request.call, request.page));
            }
        }
        repeated
    }

    /// Requests that could not be read, that nothing is recorded for, or that no pages could be made of.
    /// They got status 400 or 500. A test ends with this being empty.
    #[must_use]
    pub fn unexpected(&self) -> Vec<String> {
        self.state.notes().unexpected.clone()
    }

    /// The lists that were served, if the server [pages](Setup::paged).
    #[must_use]
    pub fn pages_served(&self) -> Vec<PagesServed> {
        let of = self.state.pages.unwrap_or(1);
        let pages = self.state.notes().pages.clone();
        pages.into_iter().map(|(call, asked)| PagesServed { call, of, asked }).collect()
    }

    /// The most requests that were waiting for their answer at once.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.state.most_in_flight.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("faults", &self.faults)
            .field("pages", &self.pages)
            .finish_non_exhaustive()
    }
}

impl Setup {
    const fn new(source: Source) -> Self {
        Self {
            source,
            answers: Vec::new(),
            faults: Vec::new(),
            pages: None,
            latency: Duration::ZERO,
            session_length: HOUR,
            expire_after: None,
        }
    }

    /// Answers these requests so, whatever is recorded. The first that matches counts.
    #[must_use]
    pub fn answer(mut self, which: Match, answer: Answer) -> Self {
        self.answers.push((which, answer));
        self
    }

    /// Does this to these requests. The first that matches counts, [`Fault::Delay`]s beside it.
    #[must_use]
    pub fn fault(mut self, which: Match, fault: Fault) -> Self {
        self.faults.push((which, fault));
        self
    }

    /// Cuts every list into so many pages, some of them empty.
    #[must_use]
    pub fn paged(mut self, pages: usize) -> Self {
        self.pages = Some(pages.max(1));
        self
    }

    /// Answers everything after this time.
    #[must_use]
    pub const fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// How long a session says that it lasts; an hour unless set.
    #[must_use]
    pub const fn session_length(mut self, length: Duration) -> Self {
        self.session_length = length;
        self
    }

    /// The first session of each account is refused as expired after so many requests. Later ones hold.
    #[must_use]
    pub const fn expire_after(mut self, requests: usize) -> Self {
        self.expire_after = Some(requests);
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(self) -> Result<Server> {
        let management = match &self.source {
            Source::Recording(recording) => recording.management(),
            Source::Canned(_) => CANNED_ACCOUNT,
        };
        let state = Arc::new(State {
            sessions: Sessions::new(management, self.session_length, self.expire_after),
            source: self.source,
            answers: self.answers,
            faults: self.faults,
            pages: self.pages,
            latency: self.latency,
            started: Instant::now(),
            notes: Mutex::new(Notes::default()),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
        });
        let handler = Arc::clone(&state);
        let listening = Listening::start(move |head, body| Arc::clone(&handler).handle(head, body))?;
        Ok(Server { listening, state })
    }
}

struct State {
    source: Source,
    sessions: Sessions,
    answers: Vec<(Match, Answer)>,
    faults: Vec<(Match, Fault)>,
    pages: Option<usize>,
    latency: Duration,
    started: Instant,
    notes: Mutex<Notes>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

/// What a server notes about its requests.
#[derive(Debug, Default)]
struct Notes {
    requests: Vec<Request>,
    attempts: BTreeMap<(Call, usize), usize>,
    pages: BTreeMap<Call, BTreeMap<usize, usize>>,
    unexpected: Vec<String>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("notes", &self.notes).finish_non_exhaustive()
    }
}

/// Counts a request as being in flight while it lives.
struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_flight(&self) -> InFlight<'_> {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    async fn handle(self: Arc<Self>, head: Parts, body: Bytes) -> Outcome {
        let _in_flight = self.in_flight();
        let signed = match wire::read(&head, &body, |key| self.sessions.account_of(key)) {
            Ok(signed) => signed,
            Err(error) => {
                let what = format!("{} {}: {error:#}", head.method, head.uri);
                self.notes().unexpected.push(what.clone());
                return Outcome::Answer(Answer { status: 400, ..Answer::xml(&what) });
            }
        };
        let first = match self.pages {
            Some(_) => paging::asked(&signed.call),
            None => Ok((signed.call.clone(), 1)),
        };
        let (call, page) = match first {
            Ok(first) => first,
            Err(error) => {
                return Outcome::Answer(self.unexpected(&signed.call, 400, &format!("{error:#}")));
            }
        };
        self.serve(&Signed { call, ..signed }, page).await
    }

    async fn serve(&self, signed: &Signed, page: usize) -> Outcome {
        let Signed { key, call } = signed;
        let refusal = self.sessions.refusal(key, call);
        let (request, faults) = self.note(signed, page, refusal.is_some());
        let delay = faults.iter().filter_map(|fault| match fault {
            Fault::Delay(time) => Some(*time),
            _ => None,
        });
        let wait = self.latency + delay.sum();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if let Some(refusal) = refusal {
            return Outcome::Answer(refusal);
        }
        match faults.iter().find(|fault| !matches!(fault, Fault::Delay(_))) {
            Some(fault) => fault.outcome(call, &self.sessions.arn(&call.account), || self.answer(call, page)),
            None => {
                let answer = self.answer(call, page);
                if self.pages.is_some() && answer.is_success() && paging::knows(&call.operation) {
                    *self.notes().pages.entry(request.call).or_default().entry(page).or_insert(0) += 1;
                }
                Outcome::Answer(answer)
            }
        }
    }

    /// Writes a request down, and finds what is to be done to it.
    fn note(&self, signed: &Signed, page: usize, is_refused: bool) -> (Request, Vec<&Fault>) {
        let mut notes = self.notes();
        let attempt = notes.attempts.entry((signed.call.clone(), page)).or_insert(0);
        *attempt += 1;
        let mut request = Request {
            call: signed.call.clone(),
            page,
            attempt: *attempt,
            at: self.started.elapsed(),
            key: signed.key.clone(),
            is_faulted: is_refused,
        };
        let faults: Vec<&Fault> =
            self.faults.iter().filter(|(which, _)| which.applies(&request)).map(|(_, fault)| fault).collect();
        request.is_faulted |= faults.iter().any(|fault| !matches!(fault, Fault::Delay(_)));
        notes.requests.push(request.clone());
        (request, faults)
    }

    fn answer(&self, call: &Call, page: usize) -> Answer {
        let Some(answer) = self.whole_answer(call, page) else {
            return self.unexpected(call, 500, "no answer is recorded");
        };
        match self.pages {
            Some(of) => match paging::split(call, answer, page, of) {
                Ok(answer) => answer,
                Err(error) => self.unexpected(call, 500, &format!("{error:#}")),
            },
            None => answer,
        }
    }

    fn whole_answer(&self, call: &Call, page: usize) -> Option<Answer> {
        let request = Request {
            call: call.clone(),
            page,
            attempt: 1,
            at: Duration::ZERO,
            key: String::new(),
            is_faulted: false,
        };
        if let Some((_, answer)) = self.answers.iter().find(|(which, _)| which.applies(&request)) {
            return Some(answer.clone());
        }
        match (&self.source, call.operation.as_str()) {
            (Source::Recording(recording), "sts:AssumeRole") => {
                let account = call.param("RoleArn").and_then(|arn| arn.split(':').nth(4))?;
                recording.has_account(account).then(|| self.sessions.assume(call))?
            }
            (Source::Recording(recording), _) => recording.answer(call).cloned(),
            (Source::Canned(answer), operation) => answer(call).or_else(|| match operation {
                "sts:AssumeRole" => self.sessions.assume(call),
                "sts:GetCallerIdentity" => Some(self.sessions.identity(&call.account)),
                _ => None,
            }),
        }
    }

    /// Notes that a request has no proper answer.
    fn unexpected(&self, call: &Call, status: u16, why: &str) -> Answer {
        self.notes().unexpected.push(format!("{call}: {why}"));
        Answer::error(call, status, "UnexpectedRequest", &format!("{call}: {why}"))
    }
}
