//! The jobs of a configuration: each with the settings of its scan, and its next times.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::super::output::{print, print_json};
use super::super::{Done, Stopped, settings};
use crate::config::{Config, ScheduledJob, ZoneName};
use crate::controls::ControlSet;
use crate::scan::day;
use crate::schedule::Job;

/// Times that `--plan` tells of each job.
const TIMES_TOLD: usize = 3;

/// A job that can run.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) job: Job,
    pub(super) zone: ZoneName,
    pub(super) config: Arc<Config>,
    pub(super) controls: Arc<ControlSet>,
}

/// The jobs of the configuration, in its order. All that a scan would find wrong with its settings is found here.
pub(super) fn ready(config: &Config, now: Timestamp) -> Result<Vec<Ready>, Stopped> {
    if config.schedule.is_empty() {
        return Err(Stopped::usage(miette::miette!(
            help = "write one, such as `schedule: [{ name: nightly, cron: \"30 2 * * *\" }]`",
            "there is no job in `schedule` of the configuration"
        )));
    }
    config.schedule.iter().map(|scheduled| one(scheduled, config, now)).collect()
}

fn one(scheduled: &ScheduledJob, config: &Config, now: Timestamp) -> Result<Ready, Stopped> {
    let settings = settings::of_job(config, scheduled)?;
    let controls = settings::controls(&settings).map_err(|stopped| settings::in_job(scheduled, stopped))?;
    settings::attestations(&settings, day(now)).map_err(|stopped| settings::in_job(scheduled, stopped))?;
    let job = Job {
        name: scheduled.name.clone(),
        cron: scheduled.cron.clone(),
        zone: scheduled.time_zone.zone().clone(),
        jitter: Duration::from_secs(60 * u64::from(scheduled.jitter_minutes)),
        catch_up: Duration::from_secs(3600 * u64::from(scheduled.catch_up_hours)),
    };
    let zone = scheduled.time_zone.clone();
    Ok(Ready { job, zone, config: Arc::new(settings), controls: Arc::new(controls) })
}

/// A job and its next times, as `--plan --json` prints it.
#[derive(Serialize)]
struct Planned<'a> {
    name: &'a str,
    cron: String,
    time_zone: String,
    /// RFC 3339 with the offset of the zone.
    next: Vec<String>,
}

/// Prints when each job starts next.
pub(super) fn plan(jobs: &[Ready], now: Timestamp, is_json: bool) -> Done {
    if is_json {
        let planned = jobs.iter().map(|ready| Planned {
            name: ready.job.name.as_str(),
            cron: ready.job.cron.to_string(),
            time_zone: ready.zone.to_string(),
            next: next(ready, now).map(|time| in_zone(time, &ready.job.zone, "%FT%T%:z")).collect(),
        });
        return print_json(&planned.collect::<Vec<_>>());
    }
    let mut text = String::new();
    for ready in jobs {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  `{}` in {}", ready.job.name, ready.job.cron, ready.zone);
        for time in next(ready, now) {
            let _ = writeln!(text, "  {}", in_zone(time, &ready.job.zone, "%a %F %T %:z"));
        }
    }
    print(&text)
}

fn next(ready: &Ready, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    ready.job.upcoming(now).take(TIMES_TOLD)
}

/// A time on the clock of a zone.
pub(super) fn in_zone(time: Timestamp, zone: &TimeZone, format: &str) -> String {
    time.to_zoned_datetime(zone.clone()).strftime(format).to_string()
}
