//! When a job is due: cron's five fields in a time zone, through the nights on which clocks change.
//!
//! The [`cron`] crate finds the times of a day; it counts days of the week from 1 and wants both day fields to fit, so
//! the fields are put into its words here. It is asked in local time, without a zone: what a local time means on the
//! night of a change is decided here, so that a nightly job runs exactly once in each.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::Utc;
use cron::Schedule;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

/// The most that a zone has ever moved its clocks at once, and an hour: Samoa left out a day.
const LARGEST_SHIFT: SignedDuration = SignedDuration::from_hours(25);

/// Days of the week in the order of the `cron` crate, which counts from 1.
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The usual words and what they stand for.
const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The times at which something is due, in local time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    /// Two where both day fields are limited: one of them has to fit, as in every cron.
    schedules: Vec<Schedule>,
    is_every_hour: bool,
}

/// Why a text says no times.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CronError {
    /// Another number of fields than five.
    #[error(
        "`{text}` has {count} fields; there are five, minute, hour, day of month, month and day of week, such as \
         `30 2 * * *`, or a word such as `@daily`"
    )]
    Fields {
        /// As it was written.
        text: String,
        /// How many there are.
        count: usize,
    },
    /// A word that is none of cron's.
    #[error(
        "`{0}` is no time; there are @hourly, @daily, @midnight, @weekly, @monthly, @yearly and @annually"
    )]
    Word(String),
    /// A day of the week that is none.
    #[error("`{0}` is no day of the week; they are 0 to 7, where 0 and 7 are Sunday, or sun to sat")]
    Day(String),
    /// A field that cannot be read.
    #[error("`{text}` is no time: {reason}")]
    Field {
        /// As it was written.
        text: String,
        /// What the crate says.
        reason: String,
    },
    /// A day that never comes, such as 31 February.
    #[error("`{0}` never comes")]
    Never(String),
}

impl Cron {
    /// The first time after `after` that is due in this zone; `None` at the end of the calendar.
    ///
    /// A time that the clocks skip is due when they have been put forward, by as much later. A time that comes twice
    /// is due the first time, unless the job is due every hour.
    #[must_use]
    pub fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let start = zone.to_datetime(after).checked_sub(LARGEST_SHIFT).ok()?;
        let mut best: Option<Timestamp> = None;
        for local in self.upcoming(start) {
            if best.is_some_and(|best| zone.to_datetime(best).saturating_add(LARGEST_SHIFT) < local) {
                break;
            }
            let due = self.due(zone, local).into_iter().flatten().filter(|due| *due > after);
            best = best.into_iter().chain(due).min();
        }
        best
    }

    /// The last time at or before `until` that was due in this zone.
    #[must_use]
    pub fn previous(&self, zone: &TimeZone, until: Timestamp) -> Option<Timestamp> {
        let start = zone.to_datetime(until).checked_add(LARGEST_SHIFT).ok()?;
        let mut best: Option<Timestamp> = None;
        for local in self.past(start) {
            if best.is_some_and(|best| zone.to_datetime(best).saturating_sub(LARGEST_SHIFT) > local) {
                break;
            }
            let due = self.due(zone, local).into_iter().flatten().filter(|due| *due <= until);
            best = best.into_iter().chain(due).max();
        }
        best
    }

    /// What a local time means in a zone.
    fn due(&self, zone: &TimeZone, local: DateTime) -> [Option<Timestamp>; 2] {
        let time = zone.to_ambiguous_timestamp(local);
        match time.offset() {
            AmbiguousOffset::Fold { .. } if self.is_every_hour => [time.earlier().ok(), time.later().ok()],
            AmbiguousOffset::Unambiguous { .. }
            | AmbiguousOffset::Gap { .. }
            | AmbiguousOffset::Fold { .. } => [time.compatible().ok(), None],
        }
    }

    /// Local times after this one, in order.
    fn upcoming(&self, after: DateTime) -> impl Iterator<Item = DateTime> {
        let next = |after: DateTime| {
            let after = without_zone(after)?;
            self.schedules.iter().filter_map(|schedule| schedule.after(&after).next()).min().and_then(local)
        };
        std::iter::successors(next(after), move |after| next(*after))
    }

    /// Local times before this one, the latest first.
    fn past(&self, before: DateTime) -> impl Iterator<Item = DateTime> {
        let previous = |before: DateTime| {
            let before = without_zone(before)?;
            let times = self.schedules.iter().filter_map(|schedule| schedule.after(&before).next_back());
            times.max().and_then(local)
        };
        std::iter::successors(previous(before), move |before| previous(*before))
    }
}

/// A local time as the `cron` crate takes it: in a zone whose clocks never change.
fn without_zone(time: DateTime) -> Option<chrono::DateTime<Utc>> {
    let seconds = TimeZone::UTC.to_timestamp(time).ok()?.as_second();
    chrono::DateTime::from_timestamp(seconds, 0)
}

fn local(time: chrono::DateTime<Utc>) -> Option<DateTime> {
    Timestamp::from_second(time.timestamp()).ok().map(|time| TimeZone::UTC.to_datetime(time))
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let written = if trimmed.starts_with('@') {
            let known = WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(trimmed));
            known.map(|(_, fields)| *fields).ok_or_else(|| CronError::Word(trimmed.to_owned()))?
        } else {
            trimmed
        };
        let fields: Vec<&str> = written.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(CronError::Fields { text: trimmed.to_owned(), count: fields.len() });
        };
        let weekdays = weekdays(weekday)?;
        let schedule = |day: &str, weekdays: &str| {
            Schedule::from_str(&format!("0 {minute} {hour} {day} {month} {weekdays}")).map_err(|error| {
                let reason = error.to_string();
                // Before the mark stands what was put into the crate's words, which nobody wrote.
                let reason = reason.rsplit_once('^').map_or(reason.as_str(), |(_, reason)| reason);
                let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
                CronError::Field { text: trimmed.to_owned(), reason: reason.trim_end_matches('.').to_owned() }
            })
        };
        // A field that begins with a star limits nothing in any cron, whatever step it has.
        let is_limited = |field: &str| !field.starts_with('*') && field != "?";
        let schedules = if is_limited(day) && is_limited(weekday) {
            vec![schedule(day, "*")?, schedule("*", &weekdays)?]
        } else {
            vec![schedule(day, &weekdays)?]
        };
        let is_every_hour = schedules.iter().all(|schedule| cron::TimeUnitSpec::is_all(schedule.hours()));
        let cron = Self { text: trimmed.to_owned(), schedules, is_every_hour };
        let comes = cron.upcoming(DateTime::constant(2026, 1, 1, 0, 0, 0, 0)).next().is_some();
        if comes { Ok(cron) } else { Err(CronError::Never(trimmed.to_owned())) }
    }
}

/// The field of the day of the week, in which everyone counts Sunday as 0 or 7, in the crate's numbers.
fn weekdays(field: &str) -> Result<String, CronError> {
    let number = |day: &str| {
        let by_name = || {
            let name = day.to_ascii_lowercase();
            DAYS.iter().position(|known| *known == name)
        };
        day.parse()
            .ok()
            .or_else(by_name)
            .filter(|day| *day <= 7)
            .ok_or_else(|| CronError::Day(day.to_owned()))
    };
    let item = |item: &str| {
        let (days, step) =
            item.split_once('/').map_or((item, String::new()), |(days, step)| (days, format!("/{step}")));
        if matches!(days, "*" | "?") {
            return Ok(format!("{days}{step}"));
        }
        let Some((first, last)) = days.split_once('-') else {
            return Ok(format!("{}{step}", number(days)? % 7 + 1));
        };
        let (first, last) = (number(first)?, number(last)?);
        match last {
            // Sunday as the last day of a range is the first in the crate's week.
            7 if first == 7 => Ok("1".to_owned()),
            7 if step.is_empty() => Ok(format!("{}-7,1", first + 1)),
            7 => Err(CronError::Day(item.to_owned())),
            _ => Ok(format!("{}-{}{step}", first + 1, last + 1)),
        }
    };
    field.split(',').map(item).collect::<Result<Vec<_>, _>>().map(|items| items.join(","))
}

impl<'de> Deserialize<'de> for Cron {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Cron {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl JsonSchema for Cron {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Cron")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "pattern": r"^\s*(@[A-Za-z]+|\S+(\s+\S+){4})\s*$" })
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(text: &str) -> Cron {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    /// Times that are due, in the zone's own clock with its offset.
    fn due(text: &str, zone_name: &str, after: &str, count: usize) -> Vec<String> {
        let (cron, zone) = (cron(text), zone(zone_name));
        let first = cron.next(&zone, after.parse().unwrap());
        let all = std::iter::successors(first, |after| cron.next(&zone, *after));
        all.take(count)
            .map(|time| time.to_zoned_datetime(zone.clone()).strftime("%a %F %H:%M%:z").to_string())
            .collect()
    }

    #[test]
    fn the_five_fields_are_those_of_every_cron() {
        let next = |text| due(text, "UTC", "2026-11-24T10:00:00Z", 1).remove(0);
        assert_eq!(next("30 2 * * *"), "Wed 2026-11-25 02:30+00:00");
        assert_eq!(next("*/20 10 * * *"), "Tue 2026-11-24 10:20+00:00");
        assert_eq!(next("0 3 * * 1"), "Mon 2026-11-30 03:00+00:00");
        assert_eq!(next("0 3 * * sun"), "Sun 2026-11-29 03:00+00:00");
        assert_eq!(next("0 3 * * 0"), next("0 3 * * 7"));
        assert_eq!(next("0 3 * * 0"), "Sun 2026-11-29 03:00+00:00");
        assert_eq!(next("0 3 29 2 *"), "Tue 2028-02-29 03:00+00:00");
        assert_eq!(next("0 3 1 jan *"), "Fri 2027-01-01 03:00+00:00");
        let working = due("0 3 * * 1-5", "UTC", "2026-11-26T10:00:00Z", 3);
        assert_eq!(working.iter().map(|day| &day[..3]).collect::<Vec<_>>(), ["Fri", "Mon", "Tue"]);
        let late = due("0 3 * * fri-7", "UTC", "2026-11-26T10:00:00Z", 4);
        assert_eq!(late.iter().map(|day| &day[..3]).collect::<Vec<_>>(), ["Fri", "Sat", "Sun", "Fri"]);
    }

    #[test]
    fn of_two_limited_day_fields_one_has_to_fit() {
        // The 1st, and every Monday.
        let days = due("0 0 1 * 1", "UTC", "2026-11-24T10:00:00Z", 3);
        assert_eq!(
            days,
            ["Mon 2026-11-30 00:00+00:00", "Tue 2026-12-01 00:00+00:00", "Mon 2026-12-07 00:00+00:00"]
        );
    }

    #[test]
    fn words_stand_for_fields() {
        for (word, fields) in WORDS {
            assert_eq!(cron(word).schedules, cron(fields).schedules, "{word}");
        }
        assert_eq!(cron(" @Daily ").to_string(), "@Daily");
    }

    #[test]
    fn a_nightly_run_happens_once_when_clocks_go_forward() {
        // On 28 March 2027 in Berlin 02:00 is 03:00.
        let nights = due("30 2 * * *", "Europe/Berlin", "2027-03-27T00:00:00Z", 3);
        assert_eq!(
            nights,
            ["Sat 2027-03-27 02:30+01:00", "Sun 2027-03-28 03:30+02:00", "Mon 2027-03-29 02:30+02:00"]
        );
    }

    #[test]
    fn a_nightly_run_happens_once_when_clocks_go_back() {
        // On 31 October 2027 in Berlin 02:00 to 03:00 comes twice.
        let nights = due("30 2 * * *", "Europe/Berlin", "2027-10-30T00:00:00Z", 3);
        assert_eq!(
            nights,
            ["Sat 2027-10-30 02:30+02:00", "Sun 2027-10-31 02:30+02:00", "Mon 2027-11-01 02:30+01:00"]
        );
        // Also for a daemon that starts between the two.
        let started = due("30 2 * * *", "Europe/Berlin", "2027-10-31T00:45:00Z", 1);
        assert_eq!(started, ["Mon 2027-11-01 02:30+01:00"]);
    }

    #[test]
    fn an_hourly_job_runs_every_hour_of_every_night() {
        let mut forward = due("15 * * * *", "America/New_York", "2027-03-14T05:30:00Z", 3);
        assert_eq!(forward.remove(0), "Sun 2027-03-14 01:15-05:00");
        assert_eq!(forward, ["Sun 2027-03-14 03:15-04:00", "Sun 2027-03-14 04:15-04:00"]);
        let back = due("15 * * * *", "America/New_York", "2027-11-07T04:30:00Z", 3);
        assert_eq!(
            back,
            ["Sun 2027-11-07 01:15-04:00", "Sun 2027-11-07 01:15-05:00", "Sun 2027-11-07 02:15-05:00"]
        );
    }

    #[test]
    fn a_day_that_a_zone_leaves_out_is_made_up_for() {
        // Samoa had no 30 December 2011.
        let days = due("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 2);
        assert_eq!(days, ["Sat 2011-12-31 12:00+14:00", "Sun 2012-12-30 12:00+14:00"]);
    }

    #[test]
    fn what_was_due_last_is_what_came_next_before() {
        for (text, name) in [
            ("30 2 * * *", "Europe/Berlin"),
            ("15 * * * *", "America/New_York"),
            ("0 0 1 * 1", "Pacific/Apia"),
            ("*/7 1-3 * * *", "Australia/Lord_Howe"),
        ] {
            let (cron, zone) = (cron(text), zone(name));
            let mut last = cron.next(&zone, "2027-03-01T00:00:00Z".parse().unwrap()).unwrap();
            for _ in 0..400 {
                let next = cron.next(&zone, last).unwrap();
                assert!(next > last);
                let just_before = next - SignedDuration::from_secs(1);
                assert_eq!(cron.previous(&zone, next), Some(next), "{text} {name}");
                assert_eq!(cron.previous(&zone, just_before), Some(last), "{text} {name} {next}");
                assert_eq!(cron.next(&zone, just_before), Some(next), "{text} {name}");
                last = next;
            }
        }
    }

    #[test]
    fn what_says_no_time_is_refused_with_what_would() {
        let told = |text: &str| text.parse::<Cron>().unwrap_err().to_string();
        assert!(told("0 0 2 * * *").contains("has 6 fields; there are five"));
        assert!(told("").contains("has 0 fields"));
        assert!(told("@fortnightly").contains("@weekly"));
        assert!(told("0 0 * * 8").contains("0 and 7 are Sunday"));
        assert!(told("0 0 * * noday").contains("sun to sat"));
        assert!(told("0 0 * * 5-7/2").contains("no day of the week"));
        assert!(told("0 0 31 2 *").contains("never comes"));
        for wrong in [
            "61 0 * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 * 13 *",
            "a 0 * * *",
            "*/0 0 * * *",
            "0 0 * * *\u{0}",
        ] {
            let error = told(wrong);
            assert!(error.contains("is no time") || error.contains("day"), "{wrong}: {error}");
        }
    }
}
