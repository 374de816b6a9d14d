//! What the daemon knows of its jobs: for its health, its page and its numbers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::jobs::Ready;
use super::metrics::Metrics;
use crate::archive::JobName;
use crate::config::ZoneName;
use crate::report::Report;
use crate::schedule::Job;

/// A run that has not begun so long after its time is overdue, unless another is under way.
const OVERDUE: SignedDuration = SignedDuration::from_mins(10);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was kept, whatever it found.
    Success,
    /// It could not be done, kept or sent.
    Failed,
    /// It was ended early: by a signal, or because another daemon took it over.
    Abandoned,
}

impl Outcome {
    pub(super) const ALL: [Self; 3] = [Self::Success, Self::Failed, Self::Abandoned];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A run that ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) outcome: Outcome,
    /// Why it was not done, on one line; of a run that was, what it found.
    pub(super) says: String,
}

/// A job, and how it is.
#[derive(Debug, Clone)]
pub(super) struct JobState {
    pub(super) job: Job,
    pub(super) zone: ZoneName,
    /// When it starts next; `None` for never, or before the first look.
    pub(super) next: Option<Timestamp>,
    pub(super) running_since: Option<Timestamp>,
    pub(super) ended: Option<Ended>,
    /// Why a run that is due cannot begin.
    pub(super) trouble: Option<String>,
}

/// What the daemon knows, shared by its loop and its pages.
#[derive(Debug)]
pub(super) struct State {
    jobs: Mutex<Vec<JobState>>,
    metrics: Mutex<Metrics>,
}

impl State {
    pub(super) fn new(jobs: &[Ready]) -> Self {
        let states = jobs.iter().map(|ready| JobState {
            job: ready.job.clone(),
            zone: ready.zone.clone(),
            next: None,
            running_since: None,
            ended: None,
            trouble: None,
        });
        let names = jobs.iter().map(|ready| ready.job.name.as_str());
        Self { jobs: Mutex::new(states.collect()), metrics: Mutex::new(Metrics::new(names)) }
    }

    /// The jobs as they are now.
    pub(super) fn jobs(&self) -> Vec<JobState> {
        unpoisoned(&self.jobs).clone()
    }

    /// The numbers in the text format of Prometheus.
    pub(super) fn metrics(&self) -> String {
        unpoisoned(&self.metrics).text()
    }

    pub(super) fn waits(&self, next: &[(&Job, Option<Timestamp>)]) {
        let mut jobs = unpoisoned(&self.jobs);
        for (state, (job, next)) in jobs.iter_mut().zip(next) {
            state.next = *next;
            unpoisoned(&self.metrics).waits(job.name.as_str(), *next);
        }
    }

    pub(super) fn begins(&self, job: &JobName, now: Timestamp) {
        self.change(job, |state| {
            state.running_since = Some(now);
            state.trouble = None;
        });
        unpoisoned(&self.metrics).begins(job.as_str());
    }

    /// A run of the job is over; `report` is what it found, where it was done.
    pub(super) fn ends(&self, job: &JobName, ended: &Ended, report: Option<&Report>) {
        let mut began = None;
        self.change(job, |state| {
            began = state.running_since.take();
            state.ended = Some(ended.clone());
        });
        let took = began.map_or(SignedDuration::ZERO, |began| ended.at.duration_since(began));
        unpoisoned(&self.metrics).ends(job.as_str(), ended, took, report);
    }

    /// A run that is due cannot begin, for this reason; or can, or is another daemon's.
    pub(super) fn troubled(&self, job: &JobName, why: Option<String>) {
        self.change(job, |state| state.trouble = why);
    }

    /// What is wrong, a line each; nothing where all is well.
    pub(super) fn complaints(&self, now: Timestamp) -> Vec<String> {
        let jobs = self.jobs();
        let is_idle = jobs.iter().all(|state| state.running_since.is_none());
        let mut complaints = Vec::new();
        for state in &jobs {
            let name = &state.job.name;
            if let Some(ended) = state.ended.as_ref().filter(|ended| ended.outcome != Outcome::Success) {
                complaints.push(format!(
                    "job {name}: the last run {}: {}",
                    ended.outcome.as_str(),
                    ended.says
                ));
            }
            if let Some(why) = &state.trouble {
                complaints.push(format!("job {name}: a run is due and cannot begin: {why}"));
            }
            if let Some(next) = state.next.filter(|next| is_idle && now.duration_since(*next) > OVERDUE) {
                complaints.push(format!("job {name}: the run of {next} is overdue"));
            }
        }
        complaints
    }

    fn change(&self, job: &JobName, change: impl FnOnce(&mut JobState)) {
        if let Some(state) = unpoisoned(&self.jobs).iter_mut().find(|state| state.job.name == *job) {
            change(state);
        }
    }
}

/// A thread that panicked while it held the lock left nothing half done that matters to a page.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
