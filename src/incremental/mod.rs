//! From events to verdicts that changed: the resource that an event touched is looked at again, judged with what
//! depends on it, and compared with what was known; people are told of what is different.
//!
//! ```text
//! event → touches → look (narrow) → overlay over the latest run → judge → compare → tell
//! ```
//!
//! All state is in the archive. What a look saw is an overlay over the latest run of the account, and the verdicts that
//! it changed stand in the same object: there is no moment in which the state is written and the change is not. Who is
//! to be told is told from there, with a claim that expires, so that what a crash interrupted is told once more.
//!
//! - The same event again, or an older one, finds an overlay that was observed later than [`SETTLING`] after it, and
//!   nothing is done. Within that time the resource is looked at again, finds no other verdict, and nobody is told.
//! - An event about a call that was refused or failed touches nothing.
//! - What cannot be seen is unknown, changes no verdict that people are told of, and hides none: verdicts are compared
//!   with those of what was known last.
//! - A resource that is no longer in its list, read to the end, is gone, and what failed in it is resolved.
//! - A run supersedes what was looked at before it began.
//! - Work ends at the deadline. What was not done is handed back, with the ids of its events.
//!
//! What rests on several regions or accounts at once (an organization's analyzer, global types recorded by Config in
//! another region) is as the run found it until the next.

mod look;
mod settle;
mod state;
#[cfg(test)]
mod tests;
mod touched;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use jiff::Timestamp;

use crate::accounts::{RoleSettings, target};
use crate::archive::{Archive, ArchiveError, Claim, Claimed, JobName};
use crate::aws::{Caller, Session};
use crate::collect::Wanted;
use crate::controls::ControlSet;
use crate::findings::{Waiver, waiver};
use crate::inventory::{InventoryFileError, Unseen};
use crate::notify::{Delivery, News, Telling, VerdictChange, tell};

pub use state::SETTLING;
pub use touched::{Touch, calls, coalesce, touched};

use look::Looked;
use state::{Base, Kept, State};

/// How long whoever sends an alert has it to himself. After that it is sent again, unless he said that it was sent.
const HOLDS: Duration = Duration::from_secs(120);
/// Times that an alert is sent to receivers of whom some did not take it.
const MAX_ATTEMPTS: u32 = 3;
/// Accounts that are looked at at once.
const ACCOUNTS_AT_ONCE: usize = 4;
/// Time that is kept for noting what was seen, at most; otherwise a quarter of what there is.
const TO_SETTLE: Duration = Duration::from_secs(10);
/// Time that sending one alert is not begun without.
const TO_SEND: Duration = Duration::from_secs(2);

/// Accounts of which what was read is kept for the next batch.
const MAX_ACCOUNTS_KEPT: usize = 64;

const NO_TIME: &str = "there was no time left";

/// Why a touch could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The archive refused.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The inventory of the latest run cannot be read.
    #[error("the archive's latest run: {0}")]
    Inventory(#[from] InventoryFileError),
    /// What was seen could not be written as JSON.
    #[error("what was looked at could not be written, which is a fault of this program: {0}")]
    Json(#[source] serde_json::Error),
    /// What was seen could not be packed.
    #[error("what was looked at could not be packed: {0}")]
    Pack(#[source] std::io::Error),
    /// Others wrote about the same resource each time.
    #[error("others wrote about the same resource {tried} times meanwhile; it is tried again later")]
    Busy {
        /// Times that it was tried.
        tried: usize,
    },
    /// A part of the work panicked or was abandoned.
    #[error("a fault in this program ended the work: {0}")]
    Broken(String),
}

/// How accounts are entered.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose credentials it is begun with.
    pub caller: Caller,
    /// Their session.
    pub own: Arc<Session>,
    /// The role in every other account.
    pub role: RoleSettings,
}

/// A touch that was not followed, and why.
#[derive(Debug, Clone)]
pub struct Left {
    /// The touch, with the ids of its events.
    pub touch: Touch,
    /// Why, in words.
    pub why: String,
}

/// What came of following touches.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Verdicts that changed, in the order in which it was found. They are in the archive; [`Follower::announce`] tells people.
    pub changes: Vec<VerdictChange>,
    /// What was asked and not answered: the verdicts that rest on it are unknown.
    pub not_observed: Vec<Unseen>,
    /// What is to be tried again: there was no time, or the archive or a passing obstacle stood in the way.
    pub left: Vec<Left>,
    /// What no further try would help: nothing is known of the account, or its region is not scanned.
    pub passed_over: Vec<Left>,
    /// Touches that were looked at.
    pub looked: u64,
    /// Touches that a later look had answered already.
    pub answered: u64,
}

impl Outcome {
    fn extend(&mut self, other: Self) {
        self.changes.extend(other.changes);
        self.not_observed.extend(other.not_observed);
        self.left.extend(other.left);
        self.passed_over.extend(other.passed_over);
        self.looked += other.looked;
        self.answered += other.answered;
    }

    fn leave(&mut self, touches: impl IntoIterator<Item = Touch>, why: &str) {
        self.left.extend(touches.into_iter().map(|touch| Left { touch, why: why.to_owned() }));
    }

    fn pass_over(&mut self, touches: impl IntoIterator<Item = Touch>, why: &str) {
        self.passed_over.extend(touches.into_iter().map(|touch| Left { touch, why: why.to_owned() }));
    }
}

/// What came of telling people.
#[derive(Debug, Default)]
pub struct Announced {
    /// What became of each message.
    pub deliveries: Vec<Delivery>,
    /// Changes that people are still to be told of: there was no time, another process is at it, or a receiver did not
    /// take the message. They are tried again by the next call for their account.
    pub pending: u64,
}

/// Follows events. One is made for a process and used for all of its events: it keeps the inventory of the latest run.
///
/// It reads and writes the archive on threads for that, so that it may be used in an asynchronous task. An archive in S3
/// must not be dropped in one: let the follower live as long as the process.
#[derive(Debug)]
pub struct Follower {
    archive: Arc<Archive>,
    controls: Arc<ControlSet>,
    waivers: Vec<Waiver>,
    wanted: Wanted,
    base: Mutex<Option<Base>>,
    /// What was looked at since, by account, as it was read last.
    kept: Mutex<BTreeMap<String, Vec<Kept>>>,
    /// Ids of changes of which people have been told.
    told: Mutex<HashSet<String>>,
    /// How long a claim holds.
    holds: Duration,
}

impl Follower {
    /// A follower over an archive, with what the scans are judged by.
    #[must_use]
    pub fn new(archive: Arc<Archive>, controls: Arc<ControlSet>, waivers: Vec<Waiver>) -> Arc<Self> {
        let mut wanted = controls.wanted();
        waiver::want(&waivers, &controls, &mut wanted);
        Arc::new(Self {
            archive,
            controls,
            waivers,
            wanted,
            base: Mutex::new(None),
            kept: Mutex::new(BTreeMap::new()),
            told: Mutex::new(HashSet::new()),
            holds: HOLDS,
        })
    }

    /// The archive.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Looks at what was touched, and notes what is different. Never fails: what was not done is in the outcome.
    pub async fn follow(
        self: &Arc<Self>,
        entry: &Entry,
        touches: impl IntoIterator<Item = Touch>,
        deadline: Instant,
    ) -> Outcome {
        let mut by_account: BTreeMap<String, Vec<Touch>> = BTreeMap::new();
        for touch in coalesce(touches) {
            by_account.entry(touch.account.clone()).or_default().push(touch);
        }
        let follow = |(account, touches)| self.follow_in(entry, account, touches, deadline);
        let mut done = stream::iter(by_account).map(follow).buffered(ACCOUNTS_AT_ONCE);
        let mut outcome = Outcome::default();
        while let Some(part) = done.next().await {
            outcome.extend(part);
        }
        outcome
    }

    async fn follow_in(
        self: &Arc<Self>,
        entry: &Entry,
        account: String,
        touches: Vec<Touch>,
        deadline: Instant,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        if Instant::now() >= deadline {
            outcome.leave(touches, NO_TIME);
            return outcome;
        }
        let id = account.clone();
        let state = match self.blocking(move |follower| follower.state(&id)).await {
            Ok(Some(state)) => state,
            Ok(None) => {
                outcome.pass_over(touches, "no run in the archive has judged the account");
                return outcome;
            }
            Err(error) => {
                outcome.leave(touches, &error.to_string());
                return outcome;
            }
        };
        let Some(known) = state.base.inventory.account(&account).cloned() else { return outcome };
        let touches = self.worth_a_look(&state, &known.regions, touches, &mut outcome);
        if touches.is_empty() {
            return outcome;
        }
        let target = target(&entry.caller, &entry.own, &entry.role, known.clone());
        let groups = look::groups(touches);
        // One call that hangs must not take the time for noting what the others saw.
        let time = deadline.saturating_duration_since(Instant::now());
        let until = deadline.checked_sub(TO_SETTLE.min(time / 4)).unwrap_or(deadline);
        let (looked, left) = look::look(&target, &known, &self.wanted, groups, until).await;
        outcome.leave(left.into_iter().flat_map(|group| group.touches), NO_TIME);
        outcome.extend(self.settled(state, looked, deadline).await);
        outcome
    }

    /// The touches that no later look has answered, of types and regions that are looked at.
    fn worth_a_look(
        &self,
        state: &State,
        regions: &[String],
        touches: Vec<Touch>,
        outcome: &mut Outcome,
    ) -> Vec<Touch> {
        let mut worth = Vec::new();
        for touch in touches {
            if !self.wanted.kind(touch.kind) {
                outcome.pass_over([touch], "no enabled control reads resources of the type");
            } else if !state::is_scanned(&touch, regions) {
                outcome.pass_over([touch], "the region is not scanned");
            } else if state.has_answered(&touch) {
                outcome.answered += 1;
            } else {
                worth.push(touch);
            }
        }
        worth
    }

    /// Notes what was seen, touch by touch: each change is then that of the event that caused it.
    async fn settled(self: &Arc<Self>, state: State, looked: Vec<Looked>, deadline: Instant) -> Outcome {
        let touches: Vec<Touch> = looked.iter().flat_map(|seen| seen.group.touches.clone()).collect();
        let settled = self.blocking(move |follower| {
            let mut state = state;
            let mut outcome = Outcome::default();
            for seen in &looked {
                outcome.not_observed.extend(settle::holes(seen));
                for touch in &seen.group.touches {
                    if Instant::now() >= deadline {
                        outcome.leave([touch.clone()], NO_TIME);
                        continue;
                    }
                    outcome.looked += 1;
                    match follower.settle(&mut state, seen, touch) {
                        Ok(settled) => {
                            outcome.changes.extend(settled.changes);
                            if let Some(why) = settled.again {
                                outcome.leave([touch.clone()], &why);
                            }
                        }
                        Err(error) => outcome.leave([touch.clone()], &error.to_string()),
                    }
                }
            }
            Ok(outcome)
        });
        match settled.await {
            Ok(outcome) => outcome,
            Err(error) => {
                let mut outcome = Outcome::default();
                outcome.leave(touches, &error.to_string());
                outcome
            }
        }
    }

    /// What is known of an account; nothing where no run has judged it.
    fn state(&self, account: &str) -> Result<Option<State>, FollowError> {
        let known = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(base) = Base::latest(&self.archive, account, known)? else { return Ok(None) };
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = Some(base.clone());
        let mut of_accounts = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if of_accounts.len() >= MAX_ACCOUNTS_KEPT {
            of_accounts.clear();
        }
        let known = of_accounts.remove(account).unwrap_or_default();
        drop(of_accounts);
        let state = State::load(&self.archive, account, base, known)?;
        let mut of_accounts = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        of_accounts.insert(account.to_owned(), state.kept.clone());
        Ok(Some(state))
    }

    /// Tells people of the changes of these accounts that they have not been told of, whoever found them, at least
    /// once each: an alert that is sent again has the same id.
    ///
    /// # Errors
    /// When the archive cannot be read. What was sent until then is sent.
    pub async fn announce(
        self: &Arc<Self>,
        accounts: &BTreeSet<String>,
        telling: &Telling<'_>,
        deadline: Instant,
    ) -> Result<Announced, FollowError> {
        let mut announced = Announced::default();
        for account in accounts {
            let id = account.clone();
            let Some(state) = self.blocking(move |follower| follower.state(&id)).await? else { continue };
            for change in state.kept.iter().flat_map(|kept| &kept.overlay.changes) {
                if self.is_told(&change.id) {
                    continue;
                }
                if Instant::now() + TO_SEND >= deadline {
                    announced.pending += 1;
                    continue;
                }
                self.send(change, telling, deadline, &mut announced).await?;
            }
            let swept = self.blocking(move |follower| {
                follower.sweep(&state);
                Ok(())
            });
            swept.await?;
        }
        Ok(announced)
    }

    /// Tells people of one change, unless another process does.
    async fn send(
        self: &Arc<Self>,
        change: &VerdictChange,
        telling: &Telling<'_>,
        deadline: Instant,
        announced: &mut Announced,
    ) -> Result<(), FollowError> {
        let (job, due) = (job(change)?, change.observed_at);
        let claimed = self
            .blocking(move |follower| {
                Ok(follower.archive.claim(&job, due, Timestamp::now(), follower.holds)?)
            })
            .await?;
        let claim = match claimed {
            Claimed::Ours(claim) => claim,
            Claimed::Done => {
                self.note_told(&change.id);
                return Ok(());
            }
            Claimed::Theirs { .. } => {
                announced.pending += 1;
                return Ok(());
            }
        };
        let told = tokio::time::timeout_at(deadline.into(), tell(telling, &News::Alert(change))).await;
        // Perhaps it was sent: the claim expires, and it is sent once more.
        let Ok(deliveries) = told else {
            announced.pending += 1;
            return Ok(());
        };
        let is_sent = deliveries.iter().all(Delivery::is_delivered) || claim.attempt() >= MAX_ATTEMPTS;
        announced.deliveries.extend(deliveries);
        if is_sent {
            self.finish(claim).await?;
            self.note_told(&change.id);
        } else {
            announced.pending += 1;
        }
        Ok(())
    }

    async fn finish(self: &Arc<Self>, claim: Claim) -> Result<(), FollowError> {
        self.blocking(move |follower| match claim.finish(&follower.archive, Timestamp::now()) {
            // It took too long, and another process sends it again.
            Ok(()) | Err(ArchiveError::ClaimLost { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        })
        .await
    }

    fn is_told(&self, id: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    fn note_told(&self, id: &str) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }

    /// Removes what something newer has superseded and of which people have been told.
    fn sweep(&self, state: &State) {
        for kept in state.kept.iter().filter(|kept| state.is_over(kept)) {
            if kept.overlay.changes.iter().all(|change| self.is_told(&change.id))
                && let Err(error) = self.archive.remove_live(&kept.key)
            {
                tracing::warn!(object = kept.key.path(), %error, "what is superseded stays until the next time");
            }
        }
    }

    /// Does what blocks on a thread for that.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Self>) -> Result<T, FollowError> + Send + 'static,
    ) -> Result<T, FollowError> {
        let follower = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&follower)).await;
        done.unwrap_or_else(|error| Err(FollowError::Broken(error.to_string())))
    }
}

/// The name under which an alert is claimed.
fn job(change: &VerdictChange) -> Result<JobName, FollowError> {
    format!("alert-{}", change.id).parse().map_err(|error| FollowError::Broken(format!("{error}")))
}
