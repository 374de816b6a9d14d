//! Removing runs: on demand, by count and age, and what never was committed.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Archive, ArchiveError, Entry, MANIFEST, Manifest, PUBLISHED, RUNS, RunId};

/// A run that is not committed and was written to within this time may still be on its way.
const MAYBE_WRITTEN: SignedDuration = SignedDuration::from_hours(24);

/// Which runs are kept. One that any of the two rules gives up is removed, but never the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// This many of the newest.
    pub runs: Option<NonZeroU32>,
    /// Those that started within this many days.
    pub days: Option<NonZeroU32>,
}

/// What was removed, and what could not be.
#[derive(Debug, Default)]
pub struct Removed {
    /// Committed runs that are gone, newest first.
    pub runs: Vec<RunId>,
    /// Runs that never were committed, or only half removed, newest first.
    pub leftovers: Vec<RunId>,
    /// What could not be removed; a later run tries again.
    pub errors: Vec<ArchiveError>,
}

impl Removed {
    /// Adds what another step removed.
    pub fn extend(&mut self, other: Self) {
        self.runs.extend(other.runs);
        self.leftovers.extend(other.leftovers);
        self.errors.extend(other.errors);
    }
}

impl Archive {
    /// Removes a run. It is gone with its manifest, which goes first.
    ///
    /// # Errors
    /// When the manifest could not be removed, the run is still there; when something else could not, it is gone
    /// and a later [`Self::tidy`] removes the rest.
    pub fn remove(&self, id: &RunId) -> Result<(), ArchiveError> {
        self.store.delete(&id.key(MANIFEST))?;
        self.remove_rest(id)
    }

    /// Removes whatever there is of a run that is not committed.
    pub(super) fn remove_rest(&self, id: &RunId) -> Result<(), ArchiveError> {
        for entry in self.store.list(&id.published_folder())? {
            if RunId::of_published(&entry.key).is_some_and(|(of, _)| of == *id) {
                self.store.delete(&entry.key)?;
            }
        }
        for entry in self.store.list(&format!("{RUNS}/{id}"))? {
            self.store.delete(&entry.key)?;
        }
        Ok(())
    }

    /// Removes the runs that are not to be kept, oldest first, and the detections of days that are not. A run that cannot
    /// be removed keeps no other from it.
    ///
    /// # Errors
    /// When the archive cannot be listed; nothing is removed then.
    pub fn retain(&self, keep: Keep, now: Timestamp) -> Result<Removed, ArchiveError> {
        let mut removed = Removed::default();
        let committed = self.committed()?;
        let given_up =
            committed.iter().enumerate().skip(1).filter(|(place, id)| keep.gives_up(*place, id, now));
        for id in given_up.map(|(_, id)| id).rev() {
            match self.remove(id) {
                Ok(()) => removed.runs.push(id.clone()),
                Err(error) => removed.errors.push(error),
            }
        }
        removed.runs.reverse();
        if let Some(first) = keep.first_day(now) {
            removed.errors.extend(self.remove_detections_before(first).err());
        }
        Ok(removed)
    }

    /// Removes what runs left that never were committed, unless they may still be on their way, and makes what
    /// is published for query engines the findings of the committed runs.
    ///
    /// # Errors
    /// When the archive cannot be listed; nothing is removed then.
    pub fn tidy(&self, now: Timestamp) -> Result<Removed, ArchiveError> {
        let mut removed = Removed::default();
        // INVARIANT: listed before the runs. What is published was committed before, so that what then has no
        // manifest has been removed, and is not about to be committed.
        let published = self.store.list(PUBLISHED)?;
        let published: BTreeSet<(RunId, String)> =
            published.iter().filter_map(|entry| RunId::of_published(&entry.key)).collect();
        let mut runs: BTreeMap<RunId, Vec<&Entry>> = BTreeMap::new();
        let entries = self.store.list(RUNS)?;
        for entry in &entries {
            if let Some((id, _)) = RunId::of_key(&entry.key) {
                runs.entry(id).or_default().push(entry);
            }
        }
        let has = |id: &RunId, entries: &[&Entry], name: &str| {
            let key = id.key(name);
            entries.iter().any(|entry| entry.key == key)
        };
        for (id, entries) in runs.iter().rev() {
            if has(id, entries, MANIFEST) {
                for (_, name) in entries.iter().filter_map(|entry| RunId::of_key(&entry.key)) {
                    let is_missing = !published.contains(&(id.clone(), name.to_owned()));
                    if is_missing && id.published_key(name).is_some() {
                        let published = self.manifest(id).and_then(|manifest| self.publish(&manifest, name));
                        removed.errors.extend(published.err());
                    }
                }
            } else if is_abandoned(id, entries, now) {
                match self.remove_rest(id) {
                    Ok(()) => removed.leftovers.push(id.clone()),
                    Err(error) => removed.errors.push(error),
                }
            }
        }
        let is_there = |(id, name): &&(RunId, String)| {
            runs.get(id).is_some_and(|entries| has(id, entries, MANIFEST) && has(id, entries, name))
        };
        for (id, name) in published.iter().filter(|copy| !is_there(copy)) {
            let deleted = id.published_key(name).map(|key| self.store.delete(&key));
            removed.errors.extend(deleted.and_then(Result::err).map(ArchiveError::from));
        }
        self.tidy_live(now, &mut removed)?;
        Ok(removed)
    }

    /// Publishes an object of a committed run for query engines, where it holds findings. They are read from the run, so
    /// that however many there are only one object of them is in memory.
    pub(super) fn publish(&self, manifest: &Manifest, name: &str) -> Result<(), ArchiveError> {
        // What the run does not count among its own is left from a try that was not finished.
        let is_own = manifest.objects.iter().any(|object| object.name == name);
        let Some(key) = manifest.run_id.published_key(name).filter(|_| is_own) else { return Ok(()) };
        let findings = self.read(manifest, name)?;
        Ok(self.store.put(&key, &findings)?)
    }
}

impl Keep {
    /// Whether it asks for nothing to be removed.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.runs.is_none() && self.days.is_none()
    }

    /// The first day that is kept; none where days do not count.
    fn first_day(self, now: Timestamp) -> Option<Date> {
        let first = now.checked_sub(SignedDuration::from_hours(24 * i64::from(self.days?.get()))).ok()?;
        Some(first.to_zoned_datetime(TimeZone::UTC).date())
    }

    /// Whether the run at this place, 0 for the newest, is not to be kept.
    fn gives_up(self, place: usize, id: &RunId, now: Timestamp) -> bool {
        let too_many =
            self.runs.is_some_and(|runs| usize::try_from(runs.get()).is_ok_and(|runs| place >= runs));
        let too_old = self.days.is_some_and(|days| {
            let days = SignedDuration::from_hours(24 * i64::from(days.get()));
            now.duration_since(id.started_at()) > days
        });
        too_many || too_old
    }
}

/// Whether nothing was written to a run for so long that nobody is at it any more.
fn is_abandoned(id: &RunId, entries: &[&Entry], now: Timestamp) -> bool {
    let times = entries.iter().map(|entry| entry.modified_at).chain([id.started_at()]);
    times.max().is_some_and(|latest| now.duration_since(latest) > MAYBE_WRITTEN)
}
