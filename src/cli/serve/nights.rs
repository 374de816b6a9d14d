//! A run of the daemon: claimed, done, its claim renewed meanwhile, and told of.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::{JoinError, spawn_blocking};
use tracing::{error, info, warn};

use super::state::{Ended, Outcome, State};
use crate::archive::{Archive, ArchiveError, Claim, Claimed, JobName};
use crate::report::{Report, printable};
use crate::scan::{Stopped, Until};
use crate::schedule::{Clock, Job, Ran, Runs};

/// How long a claim holds without being renewed: another daemon takes over so long after this one died.
const CLAIM_HOLDS: Duration = Duration::from_secs(180);
/// How often it is renewed. Two may fail before the claim is lost.
const HEARTBEAT: Duration = Duration::from_secs(45);
/// How soon a claim is asked for again where the archive did not answer.
const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(60);
/// How long a run that is told to end may take to do so; then it is left alone, uncommitted.
const TO_END: Duration = Duration::from_secs(5);
/// Characters of a reason in a log line.
const MAX_REASON: usize = 500;

/// Does the scan of a job that started then, until it is told to end.
pub(super) type Work = Arc<dyn Fn(&JobName, Timestamp, Until) -> Result<Report, Stopped> + Send + Sync>;

/// What the daemon runs.
pub(super) struct Nights<'c, C: Clock> {
    pub(super) archive: Arc<Archive>,
    pub(super) state: Arc<State>,
    pub(super) clock: &'c C,
    pub(super) work: Work,
    /// Turns true when a run that is under way is to be abandoned.
    pub(super) abandon: watch::Receiver<bool>,
}

/// How the work on a run ended, and whether it is to be done again.
struct Worked {
    outcome: Outcome,
    says: String,
    report: Option<Box<Report>>,
}

impl<C: Clock> Runs for Nights<'_, C> {
    async fn last(&self, job: &Job) -> Option<Timestamp> {
        let (archive, name) = (Arc::clone(&self.archive), job.name.clone());
        let why = match spawn_blocking(move || archive.last_due(&name)).await {
            Ok(Ok(last)) => return last,
            Ok(Err(error)) => on_one_line(&error.to_string()),
            Err(error) => panicked(error),
        };
        warn!(job = %job.name, why, "Not known when it ran last; what may have been missed is looked at.");
        // If it was not missed, its claim says so.
        let catch_up = SignedDuration::try_from(job.catch_up).unwrap_or(SignedDuration::ZERO);
        self.clock.now().checked_sub(catch_up).ok()
    }

    async fn run(&self, job: &Job, due: Timestamp) -> Ran {
        match self.claim(job, due).await {
            Ok(Claimed::Ours(claim)) => {
                self.begin_and_end(job, due, claim).await;
                Ran::Over
            }
            Ok(Claimed::Theirs { until }) => {
                info!(job = %job.name, %due, %until, "Another daemon is at it.");
                self.state.troubled(&job.name, None);
                Ran::LookAgain(until)
            }
            Ok(Claimed::Done) => {
                info!(job = %job.name, %due, "Another daemon did it.");
                self.state.troubled(&job.name, None);
                Ran::Over
            }
            Err(why) => {
                warn!(job = %job.name, %due, why, "The run cannot be claimed in the archive; it is tried again.");
                self.state.troubled(&job.name, Some(why));
                let now = self.clock.now();
                Ran::LookAgain(now.checked_add(ASK_AGAIN).unwrap_or(now))
            }
        }
    }

    fn waiting(&self, next: &[(&Job, Option<Timestamp>)]) {
        self.state.waits(next);
    }
}

impl<C: Clock> Nights<'_, C> {
    async fn claim(&self, job: &Job, due: Timestamp) -> Result<Claimed, String> {
        let (archive, name, now) = (Arc::clone(&self.archive), job.name.clone(), self.clock.now());
        let claimed = spawn_blocking(move || archive.claim(&name, due, now, CLAIM_HOLDS)).await;
        claimed.map_err(panicked)?.map_err(|error| on_one_line(&error.to_string()))
    }

    async fn begin_and_end(&self, job: &Job, due: Timestamp, claim: Claim) {
        let started_at = self.clock.now();
        info!(job = %job.name, %due, "Run begins.");
        self.state.begins(&job.name, started_at);
        let worked = self.work(job, &claim, started_at).await;
        let Worked { outcome, says, report } = worked;
        let ended = Ended { at: self.clock.now(), outcome, says };
        self.state.ends(&job.name, &ended, report.as_deref());
        self.settle(claim, outcome).await;
        // Told last: who reads it finds all of it in the archive and on the page.
        let seconds = ended.at.duration_since(started_at).as_secs();
        match outcome {
            Outcome::Success => info!(job = %job.name, %due, seconds, "Run done: {}", ended.says),
            Outcome::Failed => error!(job = %job.name, %due, seconds, "Run failed: {}", ended.says),
            Outcome::Abandoned => warn!(job = %job.name, %due, seconds, "Run abandoned: {}", ended.says),
        }
    }

    /// Does the work on a thread of its own, and keeps the claim meanwhile.
    async fn work(&self, job: &Job, claim: &Claim, started_at: Timestamp) -> Worked {
        let (tell, told) = watch::channel(None);
        let (work, name) = (Arc::clone(&self.work), job.name.clone());
        let mut scan = spawn_blocking(move || work(&name, started_at, Until::Told(told)));
        let mut abandon = self.abandon.clone();
        let mut renewed_at = started_at;
        let why = loop {
            tokio::select! {
                done = &mut scan => return worked(done, None),
                () = tokio::time::sleep(HEARTBEAT) => {
                    if let Err(why) = self.renew(claim, &mut renewed_at).await {
                        break why;
                    }
                }
                () = until_true(&mut abandon) => break "the daemon was stopped",
            }
        };
        // It may have ended by itself in this moment.
        tell.send_replace(Some(why));
        match tokio::time::timeout(TO_END, &mut scan).await {
            Ok(done) => worked(done, Some(why)),
            Err(_) => Worked { outcome: Outcome::Abandoned, says: why.to_owned(), report: None },
        }
    }

    /// A claim that could not be renewed for as long as it holds may be another daemon's already.
    async fn renew(&self, claim: &Claim, renewed_at: &mut Timestamp) -> Result<(), &'static str> {
        let (archive, theirs, now) = (Arc::clone(&self.archive), claim.clone(), self.clock.now());
        let renewed = spawn_blocking(move || theirs.renew(&archive, now, CLAIM_HOLDS)).await;
        match renewed {
            Ok(Ok(())) => {
                *renewed_at = now;
                Ok(())
            }
            Ok(Err(ArchiveError::ClaimLost { .. })) => Err("another daemon took the run over"),
            Ok(Err(error)) => {
                warn!(due = %claim.due(), %error, "The claim of the run could not be renewed.");
                let left = CLAIM_HOLDS.saturating_sub(now.duration_since(*renewed_at).unsigned_abs());
                if left > HEARTBEAT {
                    Ok(())
                } else {
                    Err("the archive does not answer, and the run may be another daemon's by now")
                }
            }
            Err(error) => {
                warn!(error = %panicked(error), "The claim of the run could not be renewed.");
                Ok(())
            }
        }
    }

    /// A run that was stopped is free for the next daemon, or for this one when it starts again.
    async fn settle(&self, claim: Claim, outcome: Outcome) {
        let (archive, now) = (Arc::clone(&self.archive), self.clock.now());
        let settled = spawn_blocking(move || match outcome {
            Outcome::Success | Outcome::Failed => claim.finish(&archive, now),
            Outcome::Abandoned => claim.give_up(&archive, now),
        });
        match settled.await {
            Ok(Ok(()) | Err(ArchiveError::ClaimLost { .. })) => {}
            Ok(Err(error)) => {
                warn!(%error, "The archive does not know that the run is over; it may be done again.")
            }
            Err(error) => warn!(error = %panicked(error), "The archive does not know that the run is over."),
        }
    }
}

async fn until_true(abandon: &mut watch::Receiver<bool>) {
    if abandon.wait_for(|abandon| *abandon).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}

fn worked(done: Result<Result<Report, Stopped>, JoinError>, told: Option<&'static str>) -> Worked {
    match (done, told) {
        (Ok(Ok(report)), _) => {
            let says = if report.run.complete {
                report.totals.to_string()
            } else {
                format!("{}; not everything was observed", report.totals)
            };
            Worked { outcome: Outcome::Success, says, report: Some(Box::new(report)) }
        }
        (Ok(Err(_)), Some(why)) => Worked { outcome: Outcome::Abandoned, says: why.to_owned(), report: None },
        (Ok(Err(stopped)), None) => {
            Worked { outcome: Outcome::Failed, says: on_one_line(&stopped.chain()), report: None }
        }
        (Err(error), _) => Worked { outcome: Outcome::Failed, says: panicked(error), report: None },
    }
}

/// What a thread said that panicked.
fn panicked(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "its thread was ended".to_owned() };
    let said =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a fault of this program: {}", on_one_line(said.unwrap_or("it does not say which")))
}

fn on_one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    printable(&words).chars().take(MAX_REASON).collect()
}
