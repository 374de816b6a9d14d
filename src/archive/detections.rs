//! Detections in events that are delivered one by one: each is kept once, and people are told of it once.
//!
//! ```text
//! detections/day=<date of the event>/<id>.json   the detection, and until when somebody is telling people of it
//! detections/day=<date of the event>/<id>.told   people were told, and how
//! ```
//!
//! INVARIANT: an object is created where there is none, so that of several who are delivered the same event one tells
//! people. Who dies before people are told leaves a detection without the second object: the next one that is delivered
//! the event after that time tells people. So people are told at least once, and more than once only where somebody
//! died, or the archive failed, between telling and saying so.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Archive, ArchiveError, StoreErrorKind};
use crate::events::detection::Detection;

const DETECTIONS: &str = "detections";
/// Version of the object of a detection.
const VERSION: u32 = 1;
/// How long whoever keeps a detection has for telling people, before another one takes that over.
const TELLING: Duration = Duration::from_secs(120);
/// A larger object is none of ours: an event has 256 KB, and a record that is read 16 MiB at most.
const MAX_BYTES: u64 = 64 << 20;

/// What became of keeping a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It was not there: whoever kept it tells people, and then says so.
    New,
    /// It was there, and nobody has told people of it: whoever asks now does.
    Untold,
    /// It was there, and somebody is telling people of it.
    BeingTold {
        /// When it is taken for granted that they died.
        until: Timestamp,
    },
    /// It was there, and people know.
    Told,
}

impl Kept {
    /// Whether it is ours to tell people.
    #[must_use]
    pub const fn is_to_be_told(self) -> bool {
        matches!(self, Self::New | Self::Untold)
    }
}

/// `<id>.json`, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    schema_version: u32,
    kept_at: Timestamp,
    /// Until when somebody is telling people of it; none where they gave up.
    telling_until: Option<Timestamp>,
    detection: &'a Detection,
}

/// What is read of it.
#[derive(Deserialize)]
struct Marks {
    kept_at: Timestamp,
    telling_until: Option<Timestamp>,
}

/// `<id>.told`.
#[derive(Serialize)]
struct Told<'a> {
    told_at: Timestamp,
    /// What became of each message; empty where no receiver's rule asks for it.
    deliveries: &'a [String],
}

impl Archive {
    /// Keeps a detection, unless it is there.
    ///
    /// # Errors
    /// When the archive cannot be read or written. It may be there nevertheless, and then nobody has told people.
    pub fn keep_detection(&self, detection: &Detection, now: Timestamp) -> Result<Kept, ArchiveError> {
        let key = key(detection, "json");
        match self.store.create(&key, &written(detection, now, Some(later(now)))?) {
            Ok(()) => return Ok(Kept::New),
            Err(error) if error.kind == StoreErrorKind::AlreadyThere => {}
            Err(error) => return Err(error.into()),
        }
        if self.is_told(detection)? {
            return Ok(Kept::Told);
        }
        // What cannot be read as ours holds nobody back.
        let marks: Option<Marks> = serde_json::from_slice(&self.store.get(&key, MAX_BYTES)?).ok();
        if let Some(until) = marks.as_ref().and_then(|marks| marks.telling_until)
            && now < until
        {
            return Ok(Kept::BeingTold { until });
        }
        let kept_at = marks.map_or(now, |marks| marks.kept_at);
        self.store.put(&key, &written(detection, kept_at, Some(later(now)))?)?;
        Ok(Kept::Untold)
    }

    /// Notes that people were told of a detection, and how: a line for each message.
    ///
    /// # Errors
    /// When the archive cannot be written: they are told again.
    pub fn detection_told(
        &self,
        detection: &Detection,
        deliveries: &[String],
        now: Timestamp,
    ) -> Result<(), ArchiveError> {
        let told = serde_json::to_vec(&Told { told_at: now, deliveries }).map_err(ArchiveError::Json)?;
        Ok(self.store.put(&key(detection, "told"), &told)?)
    }

    /// Notes that people could not be told of a detection, so that the next one who is delivered the event tries at
    /// once.
    ///
    /// # Errors
    /// When the archive cannot be written: then the next one waits until it is taken for granted that nobody tells
    /// them.
    pub fn detection_untold(&self, detection: &Detection, now: Timestamp) -> Result<(), ArchiveError> {
        Ok(self.store.put(&key(detection, "json"), &written(detection, now, None)?)?)
    }

    fn is_told(&self, detection: &Detection) -> Result<bool, ArchiveError> {
        match self.store.get(&key(detection, "told"), MAX_BYTES) {
            Ok(_) => Ok(true),
            Err(error) if error.kind == StoreErrorKind::NotThere => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the detections of days before this one; how many objects are gone.
    ///
    /// # Errors
    /// When the archive cannot be listed, or something could not be removed: the next time it is tried again.
    pub(super) fn remove_detections_before(&self, day: Date) -> Result<usize, ArchiveError> {
        let entries = self.store.list(DETECTIONS)?;
        let old = entries.iter().filter(|entry| day_of(&entry.key).is_some_and(|of| of < day));
        let mut removed = 0;
        for entry in old {
            self.store.delete(&entry.key)?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// The day that a key of a detection is filed under.
fn day_of(key: &str) -> Option<Date> {
    let (day, _) = key.strip_prefix(DETECTIONS)?.strip_prefix("/day=")?.split_once('/')?;
    day.parse().ok()
}

/// Where an object of a detection lies: by the day of the event, which is the same whenever it is delivered. The id is of
/// hexadecimal digits, see [`Detection::id`].
fn key(detection: &Detection, end: &str) -> String {
    let time = detection.facts.time.unwrap_or(Timestamp::UNIX_EPOCH);
    let day = time.to_zoned_datetime(TimeZone::UTC).date();
    format!("{DETECTIONS}/day={day}/{}.{end}", detection.id)
}

fn written(
    detection: &Detection,
    kept_at: Timestamp,
    telling_until: Option<Timestamp>,
) -> Result<Vec<u8>, ArchiveError> {
    let written = Written { schema_version: VERSION, kept_at, telling_until, detection };
    serde_json::to_vec(&written).map_err(ArchiveError::Json)
}

fn later(now: Timestamp) -> Timestamp {
    SignedDuration::try_from(TELLING).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests as archives;
    use super::*;
    use crate::events::detection::detection_id;
    use crate::report::detected;

    fn now() -> Timestamp {
        "2026-11-30T03:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        now() + SignedDuration::from_secs(seconds)
    }

    fn detection() -> Detection {
        detected::one()
    }

    #[test]
    fn the_same_event_again_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archives::at(folder.path());
        assert_eq!(archive.keep_detection(&detection(), now()).unwrap(), Kept::New);
        assert_eq!(
            archive.keep_detection(&detection(), after(1)).unwrap(),
            Kept::BeingTold { until: after(120) }
        );
        archive.detection_told(&detection(), &["mail to a sent".to_owned()], after(2)).unwrap();
        for seconds in [3, 100_000] {
            assert_eq!(archive.keep_detection(&detection(), after(seconds)).unwrap(), Kept::Told);
        }
        let other = Detection { id: detection_id("rule", "another event"), ..detection() };
        assert_eq!(archive.keep_detection(&other, now()).unwrap(), Kept::New);
    }

    #[test]
    fn whoever_dies_or_gives_up_before_telling_is_made_up_for() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archives::at(folder.path());
        assert_eq!(archive.keep_detection(&detection(), now()).unwrap(), Kept::New);
        assert_eq!(archive.keep_detection(&detection(), after(121)).unwrap(), Kept::Untold);
        // The one who took over is at it.
        assert!(matches!(archive.keep_detection(&detection(), after(122)).unwrap(), Kept::BeingTold { .. }));
        archive.detection_untold(&detection(), after(123)).unwrap();
        assert_eq!(archive.keep_detection(&detection(), after(124)).unwrap(), Kept::Untold);
    }

    #[test]
    fn an_archive_that_fails_at_any_write_loses_no_alert() {
        for (n, is_lost) in (1..=3).flat_map(|n| [(n, false), (n, true)]) {
            let folder = tempfile::tempdir().unwrap();
            let dying = archives::dying(folder.path(), n, is_lost);
            let mut told = false;
            if dying.keep_detection(&detection(), now()).is_ok_and(Kept::is_to_be_told) {
                told = dying.detection_told(&detection(), &[], now()).is_ok();
            }
            let archive = archives::at(folder.path());
            let again = archive.keep_detection(&detection(), after(121)).unwrap();
            assert!(told || again.is_to_be_told() || is_lost && again == Kept::Told, "{n} {again:?}");
        }
    }

    #[test]
    fn days_that_are_not_kept_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let archive = archives::at(folder.path());
        archive.keep_detection(&detection(), now()).unwrap();
        let day = detection().facts.time.unwrap().to_zoned_datetime(TimeZone::UTC).date();
        let strange = folder.path().join("detections/day=yesterday/x.json");
        std::fs::create_dir_all(strange.parent().unwrap()).unwrap();
        std::fs::write(&strange, "x").unwrap();
        assert_eq!(archive.remove_detections_before(day).unwrap(), 0);
        assert_eq!(archive.remove_detections_before(day.tomorrow().unwrap()).unwrap(), 1);
        assert_eq!(archive.keep_detection(&detection(), now()).unwrap(), Kept::New);
        assert!(Path::new(&strange).exists());
    }
}
