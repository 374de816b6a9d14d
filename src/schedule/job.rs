//! A job: what runs by itself, and when.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::cron::Cron;
use crate::archive::JobName;

/// Something that runs by itself.
#[derive(Debug, Clone)]
pub struct Job {
    /// What tells it from the other jobs, also in the archive.
    pub name: JobName,
    /// When it is due.
    pub cron: Cron,
    /// The zone that `cron` is meant in.
    pub zone: TimeZone,
    /// A run starts up to so much later than it is due, always as much for the same time, so that many daemons
    /// with the same configuration do not ask AWS all at once.
    pub jitter: Duration,
    /// How late a run may still start; one that was missed by more is left out.
    pub catch_up: Duration,
}

/// What there is to do for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The run that was due then is to start now.
    Run(Timestamp),
    /// Nothing, until then at least.
    Wait(Timestamp),
    /// Nothing any more: the calendar ends.
    Never,
}

impl Job {
    /// What there is to do at `now`, after the run that was due at `last`.
    ///
    /// Of several runs that were missed only the last is made up for: it says as much as all of them would.
    #[must_use]
    pub fn next(&self, last: Timestamp, now: Timestamp) -> Next {
        let missed = self.cron.previous(&self.zone, now).filter(|due| *due > last);
        if let Some(due) = missed {
            let start = self.start(due);
            if now < start {
                return Next::Wait(start);
            }
            if now.duration_since(start).unsigned_abs() <= self.catch_up {
                return Next::Run(due);
            }
        }
        self.cron.next(&self.zone, now).map_or(Next::Never, |due| Next::Wait(self.start(due)))
    }

    /// The next times at which it starts, from `now` on, whatever was missed.
    pub fn upcoming(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let next = |after: Timestamp| self.cron.next(&self.zone, after);
        std::iter::successors(next(now), move |due| next(*due)).map(|due| self.start(due))
    }

    /// When the run that is due then starts.
    fn start(&self, due: Timestamp) -> Timestamp {
        let millis = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        let digest = Sha256::new()
            .chain_update(self.name.as_str())
            .chain_update(due.as_second().to_be_bytes())
            .finalize();
        let drawn = digest.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        let late = drawn.checked_rem(millis).and_then(|late| i64::try_from(late).ok()).unwrap_or(0);
        due.checked_add(SignedDuration::from_millis(late)).unwrap_or(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn nightly() -> Job {
        Job {
            name: "nightly".parse().unwrap(),
            cron: "30 2 * * *".parse().unwrap(),
            zone: TimeZone::UTC,
            jitter: Duration::ZERO,
            catch_up: Duration::from_secs(20 * 3600),
        }
    }

    #[test]
    fn a_run_starts_when_it_is_due_and_once() {
        let (job, last, due) = (nightly(), time("2026-11-24T02:30:00Z"), time("2026-11-25T02:30:00Z"));
        assert_eq!(job.next(last, time("2026-11-25T02:29:59Z")), Next::Wait(due));
        assert_eq!(job.next(last, due), Next::Run(due));
        assert_eq!(job.next(due, due), Next::Wait(time("2026-11-26T02:30:00Z")));
        assert_eq!(job.next(due, time("2026-11-25T23:00:00Z")), Next::Wait(time("2026-11-26T02:30:00Z")));
    }

    #[test]
    fn of_missed_runs_the_last_is_made_up_for_unless_it_is_long_ago() {
        let (job, last) = (nightly(), time("2026-11-20T02:30:00Z"));
        let missed = time("2026-11-25T02:30:00Z");
        assert_eq!(job.next(last, time("2026-11-25T22:30:00Z")), Next::Run(missed));
        assert_eq!(job.next(last, time("2026-11-25T22:30:01Z")), Next::Wait(time("2026-11-26T02:30:00Z")));
    }

    #[test]
    fn a_clock_that_was_set_back_repeats_nothing() {
        let (job, last) = (nightly(), time("2026-11-25T02:30:00Z"));
        assert_eq!(job.next(last, time("2026-11-25T02:10:00Z")), Next::Wait(last));
        assert_eq!(job.next(last, last), Next::Wait(time("2026-11-26T02:30:00Z")));
    }

    #[test]
    fn jitter_is_bounded_the_same_each_time_and_not_the_same_for_all() {
        let jitter = Duration::from_secs(600);
        let job = |name: &str| Job { name: name.parse().unwrap(), jitter, ..nightly() };
        let due = time("2026-11-25T02:30:00Z");
        let starts: Vec<Timestamp> = (0..50).map(|number| job(&format!("job-{number}")).start(due)).collect();
        assert!(starts.iter().all(|start| (due..due + jitter).contains(start)));
        assert!(starts.iter().any(|start| *start != starts[0]));
        let one = job("job-7");
        assert_eq!(one.next(time("2026-11-24T02:30:00Z"), due), Next::Wait(starts[7]));
        assert_eq!(one.next(time("2026-11-24T02:30:00Z"), starts[7]), Next::Run(due));
    }
}
