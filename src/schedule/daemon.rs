//! The loop that starts jobs when they are due, one at a time.

use std::future::Future;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::job::{Job, Next};

/// The longest wait in one piece: a clock that was set, or a machine that slept, is noticed after so long.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(60);

/// The shortest wait before a run that another daemon holds is looked at again.
const LEAST_WAIT: SignedDuration = SignedDuration::from_secs(5);

/// What time it is; tests have one of their own, in which nights pass at once.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Waits until then, or a little longer.
    fn sleep_until(&self, time: Timestamp) -> impl Future<Output = ()> + Send;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep_until(&self, time: Timestamp) {
        let wait = Duration::try_from(time.duration_since(self.now())).unwrap_or(Duration::ZERO);
        tokio::time::sleep(wait).await;
    }
}

/// What became of a run that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// It is over, however it ended, and is not started again.
    Over,
    /// It was not begun: another daemon holds it, or nobody can tell who does. The loop looks again then, for as long
    /// as the run may be made up for.
    LookAgain(Timestamp),
}

/// What the loop starts.
pub trait Runs {
    /// When the run was due that was done last; `None` when none of that job is known.
    fn last(&self, job: &Job) -> impl Future<Output = Option<Timestamp>>;

    /// Does the run that was due then, or finds that another daemon does. Whatever becomes of it is for the run to
    /// tell: the loop goes on.
    fn run(&self, job: &Job, due: Timestamp) -> impl Future<Output = Ran>;

    /// Told before each wait: when the next run of each job starts, `None` for never.
    fn waiting(&self, next: &[(&Job, Option<Timestamp>)]);
}

/// Runs jobs when they are due, in the order in which they were due, until `stop` turns true.
///
/// A run that is under way then is awaited: it is for [`Runs::run`] to end it early. Jobs never overlap.
pub async fn serve(jobs: &[Job], clock: &impl Clock, runs: &impl Runs, mut stop: watch::Receiver<bool>) {
    let started = clock.now();
    let mut last = Vec::with_capacity(jobs.len());
    for job in jobs {
        // A job that never ran has missed nothing.
        last.push(runs.last(job).await.unwrap_or(started));
    }
    // Runs that were found held, and when to look at them again.
    let mut held: Vec<Option<(Timestamp, Timestamp)>> = vec![None; jobs.len()];
    while !*stop.borrow_and_update() {
        let now = clock.now();
        let next: Vec<Next> = jobs
            .iter()
            .zip(last.iter().zip(&held))
            .map(|(job, (last, held))| match (job.next(*last, now), held) {
                (Next::Run(due), Some((held, again))) if due == *held && now < *again => Next::Wait(*again),
                (next, _) => next,
            })
            .collect();
        let due = next.iter().enumerate().filter_map(|(index, next)| match next {
            Next::Run(due) => Some((*due, index)),
            Next::Wait(_) | Next::Never => None,
        });
        if let Some((due, index)) = due.min()
            && let (Some(job), Some(last), Some(held)) =
                (jobs.get(index), last.get_mut(index), held.get_mut(index))
        {
            match runs.run(job, due).await {
                Ran::Over => *last = due,
                // At least a little later: another machine's clock may say that it is over already.
                Ran::LookAgain(at) => *held = Some((due, at.max(later(clock.now(), LEAST_WAIT)))),
            }
            continue;
        }
        let starts = |next: &Next| match next {
            Next::Wait(until) => Some(*until),
            Next::Run(_) | Next::Never => None,
        };
        let waiting: Vec<_> = jobs.iter().zip(next.iter().map(starts)).collect();
        runs.waiting(&waiting);
        let soon = later(now, LONGEST_WAIT);
        let until = next.iter().filter_map(starts).chain([soon]).min().unwrap_or(soon);
        tokio::select! {
            () = clock.sleep_until(until) => {}
            // A sender that is gone can ask for nothing any more, and stops the loop as well.
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(time)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use jiff::tz::TimeZone;

    use super::*;

    /// A clock that jumps to whatever is waited for.
    pub(crate) struct Jumping(pub(crate) Mutex<Timestamp>);

    impl Clock for Jumping {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        async fn sleep_until(&self, time: Timestamp) {
            *self.0.lock().unwrap() = time;
            tokio::task::yield_now().await;
        }
    }

    /// Notes what runs; a run takes so long, and after so many runs it is time to stop.
    struct Noting<'c> {
        clock: &'c Jumping,
        takes: SignedDuration,
        last: Option<Timestamp>,
        most: usize,
        stop: watch::Sender<bool>,
        /// A run that another daemon holds until then.
        held_until: Option<Timestamp>,
        ran: Mutex<Vec<String>>,
    }

    impl Runs for Noting<'_> {
        async fn last(&self, _: &Job) -> Option<Timestamp> {
            self.last
        }

        async fn run(&self, job: &Job, due: Timestamp) -> Ran {
            if let Some(until) = self.held_until.filter(|until| self.clock.now() < *until) {
                // The other renews its claim now and then.
                return Ran::LookAgain(until.min(self.clock.now() + SignedDuration::from_mins(2)));
            }
            let mut ran = self.ran.lock().unwrap();
            ran.push(format!("{} due {due} at {}", job.name, self.clock.now()));
            if ran.len() == self.most {
                self.stop.send(true).unwrap();
            }
            *self.clock.0.lock().unwrap() += self.takes;
            Ran::Over
        }

        fn waiting(&self, next: &[(&Job, Option<Timestamp>)]) {
            assert!(next.iter().all(|(_, start)| start.is_some_and(|start| start > self.clock.now())));
        }
    }

    fn job(name: &str, cron: &str, zone: &str) -> Job {
        Job {
            name: name.parse().unwrap(),
            cron: cron.parse().unwrap(),
            zone: TimeZone::get(zone).unwrap(),
            jitter: Duration::ZERO,
            catch_up: Duration::from_secs(24 * 3600),
        }
    }

    async fn ran(
        jobs: &[Job],
        start: &str,
        last: Option<&str>,
        takes_minutes: i64,
        most: usize,
    ) -> Vec<String> {
        ran_while(jobs, start, last, takes_minutes, most, None).await
    }

    async fn ran_while(
        jobs: &[Job],
        start: &str,
        last: Option<&str>,
        takes_minutes: i64,
        most: usize,
        held_until: Option<&str>,
    ) -> Vec<String> {
        let clock = Jumping(Mutex::new(start.parse().unwrap()));
        let (stop, stopped) = watch::channel(false);
        let runs = Noting {
            clock: &clock,
            takes: SignedDuration::from_mins(takes_minutes),
            last: last.map(|last| last.parse().unwrap()),
            most,
            stop,
            held_until: held_until.map(|until| until.parse().unwrap()),
            ran: Mutex::new(Vec::new()),
        };
        serve(jobs, &clock, &runs, stopped).await;
        runs.ran.into_inner().unwrap()
    }

    #[tokio::test]
    async fn every_night_has_one_run_also_when_clocks_change() {
        let jobs = [job("nightly", "30 2 * * *", "Europe/Berlin")];
        let runs = ran(&jobs, "2027-10-29T12:00:00Z", None, 20, 4).await;
        assert_eq!(
            runs,
            [
                "nightly due 2027-10-30T00:30:00Z at 2027-10-30T00:30:00Z",
                "nightly due 2027-10-31T00:30:00Z at 2027-10-31T00:30:00Z",
                "nightly due 2027-11-01T01:30:00Z at 2027-11-01T01:30:00Z",
                "nightly due 2027-11-02T01:30:00Z at 2027-11-02T01:30:00Z",
            ]
        );
        let runs = ran(&jobs, "2027-03-27T12:00:00Z", None, 20, 2).await;
        assert!(runs[0].starts_with("nightly due 2027-03-28T01:30:00Z"), "{runs:?}");
        assert!(runs[1].starts_with("nightly due 2027-03-29T00:30:00Z"), "{runs:?}");
    }

    #[tokio::test]
    async fn a_run_that_was_missed_is_made_up_for_once_and_a_new_job_missed_none() {
        let jobs = [job("nightly", "0 2 * * *", "UTC")];
        let start = "2026-11-25T09:00:00Z";
        let runs = ran(&jobs, start, Some("2026-11-20T02:00:00Z"), 1, 2).await;
        assert_eq!(
            runs,
            [
                "nightly due 2026-11-25T02:00:00Z at 2026-11-25T09:00:00Z",
                "nightly due 2026-11-26T02:00:00Z at 2026-11-26T02:00:00Z",
            ]
        );
        let runs = ran(&jobs, start, None, 1, 1).await;
        assert_eq!(runs, ["nightly due 2026-11-26T02:00:00Z at 2026-11-26T02:00:00Z"]);
    }

    #[tokio::test]
    async fn jobs_do_not_overlap_and_a_long_run_costs_only_what_was_due_in_it() {
        let jobs = [job("hourly", "0 * * * *", "UTC"), job("nightly", "30 2 * * *", "UTC")];
        let runs = ran(&jobs, "2026-11-25T01:30:00Z", None, 150, 3).await;
        assert_eq!(
            runs,
            [
                "hourly due 2026-11-25T02:00:00Z at 2026-11-25T02:00:00Z",
                // Both were due in the meantime; the one that was due first goes first.
                "nightly due 2026-11-25T02:30:00Z at 2026-11-25T04:30:00Z",
                "hourly due 2026-11-25T07:00:00Z at 2026-11-25T07:00:00Z",
            ]
        );
    }

    #[tokio::test]
    async fn a_run_that_another_daemon_holds_is_done_when_that_dies_and_not_lost() {
        let jobs = [job("nightly", "0 2 * * *", "UTC")];
        let start = "2026-11-25T01:00:00Z";
        let runs = ran_while(&jobs, start, None, 1, 2, Some("2026-11-25T02:31:00Z")).await;
        assert_eq!(
            runs,
            [
                "nightly due 2026-11-25T02:00:00Z at 2026-11-25T02:31:00Z",
                "nightly due 2026-11-26T02:00:00Z at 2026-11-26T02:00:00Z",
            ]
        );
        // Held for longer than it is made up for: the next night's is the next.
        let runs = ran_while(&jobs, start, None, 1, 1, Some("2026-11-26T02:10:00Z")).await;
        assert_eq!(runs, ["nightly due 2026-11-26T02:00:00Z at 2026-11-26T02:10:00Z"]);
    }
}
