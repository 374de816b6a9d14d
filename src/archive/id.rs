//! [`RunId`]: what a run in the archive is called.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{PUBLISHED, RUNS};

/// How the time in an id is written.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// Characters of the time.
const TIME_LENGTH: usize = 16;
/// Hexadecimal digits behind it: three of the millisecond, and five random ones for runs that start in the same.
const DIGITS: usize = 8;

/// Id of a run: its start, UTC, and eight digits: `20261129T030000Z-1f4a12c0`. Ids sort by time.
///
/// It becomes part of paths, and so holds nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

/// It is not the id of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a run, such as `20261129T030000Z-3f9a12c0`")]
pub struct NoRunId(String);

impl RunId {
    /// A new id for a run that started then.
    #[must_use]
    pub fn new(started_at: Timestamp) -> Self {
        // Every `RandomState` has keys of its own, from the system's source of randomness.
        let random = RandomState::new().build_hasher().finish() & 0xf_ffff;
        let millisecond = started_at.subsec_millisecond().unsigned_abs();
        Self(format!("{}-{millisecond:03x}{random:05x}", started_at.strftime(TIME)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the run started, to the second.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        // It was parsed when the id was made.
        time(&self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Where the objects of the run lie.
    pub(super) fn folder(&self) -> String {
        format!("{RUNS}/{self}")
    }

    /// Where an object of the run lies.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{RUNS}/{self}/{name}")
    }

    /// The folder where its findings lie for query engines: by day, so that a query of some days reads only those.
    pub(super) fn published_folder(&self) -> String {
        let day = self.started_at().to_zoned_datetime(TimeZone::UTC).date();
        format!("{PUBLISHED}/day={day}")
    }

    /// Where an object with findings lies for query engines; `None` for another object.
    pub(super) fn published_key(&self, name: &str) -> Option<String> {
        let part = part_of_findings(name)?;
        Some(format!("{}/{self}{part}.parquet", self.published_folder()))
    }

    /// The run that a key belongs to, and the object's name in it.
    pub(super) fn of_key(key: &str) -> Option<(Self, &str)> {
        let (id, name) = key.strip_prefix(RUNS)?.strip_prefix('/')?.split_once('/')?;
        Some((id.parse().ok()?, name))
    }

    /// The run whose findings lie there for query engines, and the object that they are a copy of.
    pub(super) fn of_published(key: &str) -> Option<(Self, String)> {
        let (_, name) = key.rsplit_once('/')?;
        let id: Self = name.get(..TIME_LENGTH + 1 + DIGITS)?.parse().ok()?;
        let name = format!("findings{}", name.strip_prefix(id.as_str())?);
        (id.published_key(&name)? == key).then_some((id, name))
    }
}

/// What tells an object with findings apart from the others of its run: nothing in `findings.parquet`, where there is
/// one, `-0001` in `findings-0001.parquet`. `None` for another object.
fn part_of_findings(name: &str) -> Option<&str> {
    let part = name.strip_prefix("findings")?.strip_suffix(".parquet")?;
    let is_numbered =
        || part.strip_prefix('-').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    (part.is_empty() || is_numbered()).then_some(part)
}

fn time(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime(TIME, text.get(..TIME_LENGTH)?).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

impl FromStr for RunId {
    type Err = NoRunId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NoRunId(text.to_owned());
        let (date, digits) = text.split_once('-').ok_or_else(wrong)?;
        let is_hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_fine = date.len() == TIME_LENGTH
            && digits.len() == DIGITS
            && digits.bytes().all(is_hexadecimal)
            // One way to write each time, so that ids sort by it.
            && time(text).is_some_and(|time| time.strftime(TIME).to_string() == date);
        if is_fine { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for RunId {
    type Error = NoRunId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_when_the_run_started_and_reads_back() {
        let started: Timestamp = "2026-11-29T03:04:05.678Z".parse().unwrap();
        let (id, other) = (RunId::new(started), RunId::new(started));
        assert_ne!(id, other, "the same second");
        assert!(id.as_str().starts_with("20261129T030405Z-"), "{id}");
        assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
        assert_eq!(id.started_at().to_string(), "2026-11-29T03:04:05Z");
        let later = RunId::new("2026-11-29T03:04:05.999Z".parse().unwrap());
        assert!(id < later && other < later, "they sort by time within a second: {id} {later}");
        for (name, part) in [("findings.parquet", ""), ("findings-0012.parquet", "-0012")] {
            let key = id.published_key(name).unwrap();
            assert_eq!(key, format!("findings/day=2026-11-29/{id}{part}.parquet"));
            assert_eq!(RunId::of_published(&key), Some((id.clone(), name.to_owned())));
        }
        for name in
            ["findings", "findings-.parquet", "findings-a.parquet", "report.json.zst", "findings-1/2.parquet"]
        {
            assert_eq!(id.published_key(name), None, "{name}");
        }
        assert_eq!(RunId::of_key(&id.key("a.json")), Some((id, "a.json")));
    }

    #[test]
    fn what_could_be_a_path_or_sort_wrongly_is_no_id() {
        for text in [
            "",
            "latest",
            "20261129T030405Z",
            "20261129T030405Z-3f9a12c",
            "20261129T030405Z-3F9A12C0",
            "20261129T030405Z-../../..",
            "20261129T030405Z-3f9a12c0/",
            "20261329T030405Z-3f9a12c0",
            "2026112T0030405Z-3f9a12c0",
            "é0261129T030405Z-3f9a12c0",
        ] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
        assert_eq!(RunId::of_published("findings/day=2026-11-28/20261129T030405Z-3f9a12c0.parquet"), None);
        assert_eq!(RunId::of_key("runs/x/manifest.json"), None);
    }
}
