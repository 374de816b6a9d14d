//! Claims: which daemon does the run of a job that is due, so that of several over one archive only one does.
//!
//! ```text
//! claims/<job>/<when it was due, in seconds since 1970>/<attempt>.json
//! ```
//!
//! INVARIANT: an attempt is created where there is none, and only after the one before it has expired without being
//! done. So one daemon holds a run at a time, as long as their clocks agree to within the time that a claim holds: a
//! daemon that was thought dead finds the next attempt when it renews, and has lost the run.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use super::{Archive, ArchiveError, StoreErrorKind};

pub(super) const CLAIMS: &str = "claims";
/// A larger claim is none of ours.
const MAX_CLAIM_BYTES: u64 = 4096;
/// Times that a claim is looked at again because another daemon was quicker.
const MAX_TRIES: usize = 4;
/// Claims of runs that were due longer ago are removed: no daemon makes up for a run that late.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 14);
/// Characters of a name of a job.
const MAX_NAME: usize = 64;

/// Name of a job: letters, digits, `-` and `_`. It becomes part of paths, and so holds nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct JobName(String);

/// It is not the name of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name of a job, which has 1 to {MAX_NAME} letters, digits, `-` and `_`")]
pub struct BadJobName(String);

impl JobName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobName {
    type Err = BadJobName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadJobName(text.to_owned()))
        }
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for JobName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for JobName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Borrowed("JobName")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" })
    }
}

/// What became of asking for a run.
#[derive(Debug)]
pub enum Claimed {
    /// It is ours to do.
    Ours(Claim),
    /// Another daemon is at it; where it dies, the claim expires then.
    Theirs {
        /// When its claim expires, unless it renews it.
        until: Timestamp,
    },
    /// It was done.
    Done,
}

/// A run that is ours to do.
#[derive(Debug, Clone)]
pub struct Claim {
    job: JobName,
    due: Timestamp,
    attempt: u32,
    holder: String,
}

/// `<attempt>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Whose it is: random, so that a daemon knows its own after an answer that was lost.
    holder: String,
    /// For people: the process on its machine.
    process: u32,
    expires_at: Timestamp,
    done: bool,
}

impl Record {
    fn of(holder: &str, expires_at: Timestamp, done: bool) -> Self {
        Self { holder: holder.to_owned(), process: std::process::id(), expires_at, done }
    }

    fn to_json(&self) -> Result<Vec<u8>, ArchiveError> {
        serde_json::to_vec(self).map_err(ArchiveError::Json)
    }
}

/// An attempt that is in the archive.
struct Attempt {
    number: u32,
    /// `None` when it cannot be read as one of ours: then it holds as long as any, from when it was written.
    record: Option<Record>,
    modified_at: Timestamp,
}

impl Attempt {
    fn is_done(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.done)
    }

    fn expires_at(&self, holds: Duration) -> Timestamp {
        let written = || later(self.modified_at, holds);
        self.record.as_ref().map_or_else(written, |record| record.expires_at)
    }
}

impl Archive {
    /// Asks for the run of a job that was due then, for as long as `holds` unless it is renewed.
    ///
    /// # Errors
    /// When the archive cannot be read or written: nobody knows then whose the run is.
    pub fn claim(
        &self,
        job: &JobName,
        due: Timestamp,
        now: Timestamp,
        holds: Duration,
    ) -> Result<Claimed, ArchiveError> {
        let holder = format!("{:016x}", RandomState::new().build_hasher().finish());
        for _ in 0..MAX_TRIES {
            let last = self.last_attempt(job, due)?;
            if let Some(last) = &last {
                if last.is_done() {
                    return Ok(Claimed::Done);
                }
                let until = last.expires_at(holds);
                if now < until {
                    return Ok(Claimed::Theirs { until });
                }
            }
            let attempt = last.map_or(0, |last| last.number).saturating_add(1);
            let claim = Claim { job: job.clone(), due, attempt, holder: holder.clone() };
            if claim.create(self, &Record::of(&holder, later(now, holds), false))? {
                return Ok(Claimed::Ours(claim));
            }
        }
        // Others were quicker each time, and the last of them is at it.
        Ok(Claimed::Theirs { until: later(now, holds) })
    }

    /// When the run of a job was due that a daemon need not think of any more: the last that was done. Where none
    /// was, but one was begun, just before that: it is to be made up for. `None` for a job that never ran.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn last_due(&self, job: &JobName) -> Result<Option<Timestamp>, ArchiveError> {
        let times = self.claimed(job)?;
        for due in times.iter().rev() {
            if self.last_attempt(job, *due)?.is_some_and(|last| last.is_done()) {
                return Ok(Some(*due));
            }
        }
        let begun = times.first().and_then(|due| due.checked_sub(SignedDuration::from_secs(1)).ok());
        Ok(begun)
    }

    /// When the runs of a job were due that have claims, in order.
    fn claimed(&self, job: &JobName) -> Result<Vec<Timestamp>, ArchiveError> {
        let folder = format!("{CLAIMS}/{job}");
        let entries = self.store.list(&folder)?;
        let times = entries.iter().filter_map(|entry| {
            let (due, _) = entry.key.strip_prefix(&folder)?.strip_prefix('/')?.split_once('/')?;
            Timestamp::from_second(due.parse().ok()?).ok()
        });
        let mut times: Vec<Timestamp> = times.collect();
        times.sort_unstable();
        times.dedup();
        Ok(times)
    }

    /// The last attempt at a run.
    fn last_attempt(&self, job: &JobName, due: Timestamp) -> Result<Option<Attempt>, ArchiveError> {
        let folder = folder(job, due);
        let entries = self.store.list(&folder)?;
        let attempts = entries.iter().filter_map(|entry| {
            let name = entry.key.strip_prefix(&folder)?.strip_prefix('/')?;
            Some((name.strip_suffix(".json")?.parse::<u32>().ok()?, entry))
        });
        let Some((number, entry)) = attempts.max_by_key(|(number, _)| *number) else { return Ok(None) };
        let text = self.store.get(&entry.key, MAX_CLAIM_BYTES)?;
        let record = serde_json::from_slice(&text).ok();
        Ok(Some(Attempt { number, record, modified_at: entry.modified_at }))
    }

    /// Removes claims that no daemon asks for any more; `last` stays, for [`Self::last_due`].
    fn remove_old_claims(&self, job: &JobName, last: Timestamp, now: Timestamp) -> Result<(), ArchiveError> {
        let is_old = |due: &Timestamp| *due < last && now.duration_since(*due) > KEPT;
        for due in self.claimed(job)?.into_iter().filter(is_old) {
            for entry in self.store.list(&folder(job, due))? {
                self.store.delete(&entry.key)?;
            }
        }
        Ok(())
    }
}

impl Claim {
    /// Says that the run is still under way.
    ///
    /// # Errors
    /// [`ArchiveError::ClaimLost`] when another daemon has taken the run over; it is not ours any more. Anything else
    /// may be over the next time.
    pub fn renew(&self, archive: &Archive, now: Timestamp, holds: Duration) -> Result<(), ArchiveError> {
        self.write(archive, &Record::of(&self.holder, later(now, holds), false))
    }

    /// Says that the run is over, however it ended: no daemon starts it again. Then claims of long ago are removed.
    ///
    /// # Errors
    /// [`ArchiveError::ClaimLost`] when another daemon has taken the run over, or when the archive cannot be written.
    pub fn finish(&self, archive: &Archive, now: Timestamp) -> Result<(), ArchiveError> {
        self.write(archive, &Record::of(&self.holder, now, true))?;
        if let Err(error) = archive.remove_old_claims(&self.job, self.due, now) {
            tracing::warn!(job = %self.job, %error, "Claims of long ago stay until the next run.");
        }
        Ok(())
    }

    /// Gives the run up, so that another daemon may do it at once.
    ///
    /// # Errors
    /// As [`Self::renew`].
    pub fn give_up(&self, archive: &Archive, now: Timestamp) -> Result<(), ArchiveError> {
        self.write(archive, &Record::of(&self.holder, now, false))
    }

    /// Which attempt at it this is, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When the run was due.
    #[must_use]
    pub const fn due(&self) -> Timestamp {
        self.due
    }

    fn key(&self) -> String {
        format!("{}/{}.json", folder(&self.job, self.due), self.attempt)
    }

    fn create(&self, archive: &Archive, record: &Record) -> Result<bool, ArchiveError> {
        let Err(error) = archive.store.create(&self.key(), &record.to_json()?) else { return Ok(true) };
        // Where the answer was lost, it is our own that is there.
        let there = archive.store.get(&self.key(), MAX_CLAIM_BYTES);
        let is_ours = there.ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok());
        if is_ours.is_some_and(|there| there == *record) {
            Ok(true)
        } else if error.kind == StoreErrorKind::AlreadyThere {
            Ok(false)
        } else {
            Err(error.into())
        }
    }

    fn write(&self, archive: &Archive, record: &Record) -> Result<(), ArchiveError> {
        let last = archive.last_attempt(&self.job, self.due)?;
        let is_ours = |last: &Attempt| {
            last.number == self.attempt
                && last.record.as_ref().is_some_and(|there| there.holder == self.holder)
        };
        if !last.as_ref().is_some_and(is_ours) {
            return Err(ArchiveError::ClaimLost { job: self.job.clone(), due: self.due });
        }
        Ok(archive.store.put(&self.key(), &record.to_json()?)?)
    }
}

fn folder(job: &JobName, due: Timestamp) -> String {
    format!("{CLAIMS}/{job}/{}", due.as_second())
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| time.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::super::{LocalStore, tests as archives};
    use super::*;

    const HOLDS: Duration = Duration::from_secs(120);

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn due() -> Timestamp {
        time("2026-11-29T02:30:00Z")
    }

    fn after(seconds: i64) -> Timestamp {
        due() + SignedDuration::from_secs(seconds)
    }

    fn nightly() -> JobName {
        "nightly".parse().unwrap()
    }

    fn ours(claimed: Claimed) -> Claim {
        match claimed {
            Claimed::Ours(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_run_is_done_by_one_and_then_by_none() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (archives::at(folder.path()), archives::at(folder.path()));
        assert_eq!(one.last_due(&nightly()).unwrap(), None);
        let claim = ours(one.claim(&nightly(), due(), after(0), HOLDS).unwrap());
        let theirs = other.claim(&nightly(), due(), after(10), HOLDS).unwrap();
        assert!(matches!(theirs, Claimed::Theirs { until } if until == after(120)), "{theirs:?}");
        claim.renew(&one, after(100), HOLDS).unwrap();
        let theirs = other.claim(&nightly(), due(), after(130), HOLDS).unwrap();
        assert!(matches!(theirs, Claimed::Theirs { until } if until == after(220)), "{theirs:?}");
        claim.finish(&one, after(200)).unwrap();
        assert!(matches!(other.claim(&nightly(), due(), after(9999), HOLDS).unwrap(), Claimed::Done));
        assert_eq!(other.last_due(&nightly()).unwrap(), Some(due()));
        // Neither another job nor another night is held by it.
        ours(other.claim(&"other".parse().unwrap(), due(), after(0), HOLDS).unwrap());
        ours(other.claim(&nightly(), after(86_400), after(86_400), HOLDS).unwrap());
        assert_eq!(other.last_due(&nightly()).unwrap(), Some(due()), "the next night was only begun");
    }

    #[test]
    fn a_daemon_that_died_loses_the_run_to_another_and_not_for_the_night() {
        let folder = tempfile::tempdir().unwrap();
        let (dead, other) = (archives::at(folder.path()), archives::at(folder.path()));
        let lost = ours(dead.claim(&nightly(), due(), after(0), HOLDS).unwrap());
        // A daemon that starts now knows that the first run of all is not done.
        assert!(other.last_due(&nightly()).unwrap().unwrap() < due());
        let claim = ours(other.claim(&nightly(), due(), after(120), HOLDS).unwrap());
        // It was only asleep: whatever it does with its claim leaves that of the other as it is.
        for done in [
            lost.renew(&dead, after(121), HOLDS),
            lost.finish(&dead, after(121)),
            lost.give_up(&dead, after(1)),
        ] {
            assert!(matches!(done, Err(ArchiveError::ClaimLost { .. })), "{done:?}");
        }
        claim.finish(&other, after(300)).unwrap();
        assert!(matches!(dead.claim(&nightly(), due(), after(301), HOLDS).unwrap(), Claimed::Done));
    }

    #[test]
    fn a_run_that_is_given_up_is_free_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archives::at(folder.path());
        let claim = ours(archive.claim(&nightly(), due(), after(0), HOLDS).unwrap());
        claim.give_up(&archive, after(5)).unwrap();
        ours(archive.claim(&nightly(), due(), after(5), HOLDS).unwrap());
    }

    #[test]
    fn of_many_daemons_at_once_one_does_the_run_also_when_it_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        for now in [after(0), after(500), after(1000)] {
            let together = Barrier::new(8);
            let winners: usize = std::thread::scope(|scope| {
                let daemon = || {
                    let archive = archives::at(folder.path());
                    together.wait();
                    usize::from(matches!(
                        archive.claim(&nightly(), due(), now, HOLDS).unwrap(),
                        Claimed::Ours(_)
                    ))
                };
                let daemons: Vec<_> = (0..8).map(|_| scope.spawn(daemon)).collect();
                daemons.into_iter().map(|daemon| daemon.join().unwrap()).sum()
            });
            assert_eq!(winners, 1, "{now}");
        }
    }

    #[test]
    fn where_the_store_fails_nobody_has_the_run_who_does_not_know_it() {
        for is_lost in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let failing = archives::dying(folder.path(), 1, is_lost);
            let claimed = failing.claim(&nightly(), due(), after(0), HOLDS);
            // The answer was lost, and what is there is known again; or nothing was written.
            assert_eq!(matches!(claimed, Ok(Claimed::Ours(_))), is_lost, "{claimed:?}");
            let other = archives::at(folder.path()).claim(&nightly(), due(), after(1), HOLDS).unwrap();
            assert_eq!(matches!(other, Claimed::Ours(_)), !is_lost, "{other:?}");
        }
        // A heartbeat that fails has not lost the claim.
        let folder = tempfile::tempdir().unwrap();
        let archive = archives::at(folder.path());
        let claim = ours(archive.claim(&nightly(), due(), after(0), HOLDS).unwrap());
        let failed = claim.renew(&archives::dying(folder.path(), 1, false), after(60), HOLDS).unwrap_err();
        assert!(matches!(failed, ArchiveError::Store(_)), "{failed}");
        claim.renew(&archive, after(61), HOLDS).unwrap();
    }

    #[test]
    fn a_claim_that_cannot_be_read_holds_no_longer_than_any() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archives::at(folder.path());
        archive.store.put(&format!("claims/nightly/{}/1.json", due().as_second()), b"{").unwrap();
        let now = Timestamp::now();
        let theirs = archive.claim(&nightly(), due(), now, HOLDS).unwrap();
        assert!(matches!(theirs, Claimed::Theirs { .. }), "{theirs:?}");
        ours(archive.claim(&nightly(), due(), later(now, HOLDS * 2), HOLDS).unwrap());
    }

    #[test]
    fn claims_of_long_ago_are_removed_and_the_last_stays() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archives::at(folder.path());
        for night in [0, 1, 30, 31] {
            let due = after(86_400 * night);
            let claim = ours(archive.claim(&nightly(), due, due, HOLDS).unwrap());
            claim.finish(&archive, due).unwrap();
        }
        assert_eq!(archive.claimed(&nightly()).unwrap(), [after(86_400 * 30), after(86_400 * 31)]);
        // A job that is due once a year keeps the only one there is.
        let yearly: JobName = "yearly".parse().unwrap();
        let claim = ours(archive.claim(&yearly, due(), after(86_400 * 100), HOLDS).unwrap());
        claim.finish(&archive, after(86_400 * 100)).unwrap();
        assert_eq!(archive.last_due(&yearly).unwrap(), Some(due()));
    }

    #[test]
    fn what_could_be_a_path_is_no_name_of_a_job() {
        for text in ["", "a/b", "..", "a b", "é", "a\u{0}", "a.b", &"a".repeat(65)] {
            assert!(text.parse::<JobName>().is_err(), "{text}");
        }
        assert_eq!("Night_ly-2".parse::<JobName>().unwrap().as_str(), "Night_ly-2");
        // What is under its folder and no claim is not looked at.
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(LocalStore::new(folder.path().to_owned()));
        archive.store.put("claims/nightly/notes.txt", b"x").unwrap();
        archive.store.put("claims/nightly/never/1.json", b"x").unwrap();
        assert_eq!(archive.last_due(&nightly()).unwrap(), None);
    }
}
