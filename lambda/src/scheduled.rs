//! Scans that a schedule starts.

use std::fs;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use upright::archive::{Claimed, JobName};
use upright::config::Config;
use upright::report::Report;
use upright::scan::detect::detector;
use upright::scan::{self, Audience, Failed, Scan, Stopped, Until, day, settings};

use crate::answer::Failure;
use crate::log;
use crate::ready::{Function, Ready};
use crate::times::Times;

/// What a scan without a job is claimed as.
const NAMELESS: &str = "scan";

/// Scans, and keeps and tells what was found. What was not observed when the time is over is unknown, and the run is kept.
pub(crate) fn scan(
    function: &Function,
    job: Option<&JobName>,
    due: Option<Timestamp>,
    times: Times,
) -> Result<Value, Failure> {
    let ready = function.ready()?;
    let config = config_of(&ready, job)?;
    let Some(due) = due else { return Ok(summary(&run(&ready, &config, times)?)) };
    let name = match job {
        Some(job) => job.clone(),
        None => NAMELESS.parse().map_err(|error| Stopped::usage(miette::miette!("{error}")))?,
    };
    let failed = |error: &dyn std::fmt::Display| Stopped::could_not_run(miette::miette!("{error}"));
    let holds = times.answer.saturating_duration_since(std::time::Instant::now());
    let claim = ready.archive.claim(&name, due, Timestamp::now(), holds).map_err(|error| failed(&error))?;
    match claim {
        Claimed::Done => {
            Ok(json!({ "nothing": format!("job {name} of {due} was done by another delivery") }))
        }
        Claimed::Theirs { until } => {
            // An error, so that it is tried again should the other one die.
            Err(Failure::new(
                "AtIt",
                &format!("another delivery of job {name} of {due} is at it until {until}"),
            ))
        }
        Claimed::Ours(claim) => {
            let done = run(&ready, &config, times);
            let noted = match &done {
                Ok(_) => claim.finish(&ready.archive, Timestamp::now()),
                Err(_) => claim.give_up(&ready.archive, Timestamp::now()),
            };
            if let Err(error) = noted {
                tracing::warn!(%error, "The claim of the scan stays as it is.");
            }
            Ok(summary(&done?))
        }
    }
}

/// The settings of a job, or those of the file.
fn config_of(ready: &Ready, job: Option<&JobName>) -> Result<Config, Stopped> {
    let Some(job) = job else { return Ok(ready.config.clone()) };
    let known = ready.config.schedule.iter();
    let Some(scheduled) = known.clone().find(|scheduled| scheduled.name == *job) else {
        let names: Vec<&str> = known.map(|scheduled| scheduled.name.as_str()).collect();
        return Err(Stopped::usage(miette::miette!(
            "there is no job `{job}` in `schedule` of the configuration; there is {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        )));
    };
    let mut config = settings::of_job(&ready.config, scheduled)?;
    config.out.clone_from(&ready.config.out);
    Ok(config)
}

fn run(ready: &Ready, config: &Config, times: Times) -> Result<Report, Stopped> {
    let started_at = Timestamp::now();
    let report =
        perform(ready, config, started_at, times).map_err(|failed| failed.told(config, started_at, &Log))?;
    log::run_succeeded(&report);
    Ok(report)
}

fn perform(ready: &Ready, config: &Config, started_at: Timestamp, times: Times) -> Result<Report, Failed> {
    // Those of the process, where the job has no settings of its own.
    let controls =
        if *config == ready.config { ready.controls()? } else { Arc::new(settings::controls(config)?) };
    let attestations = settings::attestations(config, day(started_at))?;
    let detector = detector(config, started_at)?;
    let scan = Scan {
        config,
        controls: &controls,
        attestations,
        archive: Some(&ready.archive),
        started_at,
        inventory: None,
        save_inventory: None,
        since: None,
        deadline: Some(times.work),
        detector: detector.as_ref(),
        resume: None,
        audience: &Log,
    };
    let report = scan::perform(&scan, Until::Told(given_up(times)));
    // They are in the archive; the next scan of this process needs the room.
    if let Err(error) = fs::remove_dir_all(&config.out)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "The reports stay until the process ends.");
    }
    report
}

/// Tells a scan to end when there is no time for more than the answer.
pub(crate) fn given_up(times: Times) -> watch::Receiver<Option<&'static str>> {
    let (tell, told) = watch::channel(None);
    tokio::spawn(async move {
        tokio::select! {
            () = tokio::time::sleep_until(times.answer.into()) => {
                tell.send_replace(Some("the time of the invocation is over"));
            }
            () = tell.closed() => {}
        }
    });
    told
}

pub(crate) fn summary(report: &Report) -> Value {
    let totals = report.totals;
    json!({
        "run": report.run.id,
        "complete": report.run.complete,
        "accounts": report.accounts.len(),
        "pass": totals.pass,
        "fail": totals.fail,
        "unknown": totals.unknown,
    })
}

/// The log of the function.
pub(crate) struct Log;

impl Audience for Log {
    fn say(&self, line: &str) {
        tracing::info!("{line}");
    }
}
