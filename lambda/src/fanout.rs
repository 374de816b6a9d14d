//! The tasks of the state machine, which scans account by account.

use jiff::Timestamp;
use serde_json::{Value, json};
use upright::archive::RunId;
use upright::aws::Metered;
use upright::scan::fanout::Fanout;
use upright::scan::{Stopped, Until, day, settings};

use crate::answer::Failure;
use crate::log;
use crate::ready::Function;
use crate::scheduled::{Log, given_up, summary};
use crate::times::Times;
use crate::trigger::Task;

/// Does a task.
pub(crate) fn perform(function: &Function, task: &Task, times: Times) -> Result<Value, Failure> {
    let ready = function.ready()?;
    let (config, now) = (&ready.config, Timestamp::now());
    let controls = ready.controls()?;
    let fanout = Fanout {
        config,
        controls: &controls,
        attestations: settings::attestations(config, day(now))?,
        archive: &ready.archive,
        deadline: Some(times.work),
        audience: &Log,
    };
    match task {
        Task::Plan { execution } => Ok(json!(fanout.plan(Some(execution), now)?)),
        Task::ScanAccount { run, account } => {
            let id = account.get("id").and_then(Value::as_str).ok_or_else(|| {
                Stopped::usage(miette::miette!(
                    "the account of the task has no `id`; give an item of the plan"
                ))
            })?;
            Ok(json!(fanout.scan_account(&run_id(run)?, id, Until::Told(given_up(times)))?))
        }
        Task::Finish { run } => {
            let until = &mut Until::Told(given_up(times));
            let report = fanout
                .finish(&run_id(run)?, Metered::default(), until)
                .map_err(|failed| failed.told(config, now, &Log))?;
            log::run_succeeded(&report);
            Ok(json!({ "run": report.run.id, "summary": summary(&report) }))
        }
    }
}

fn run_id(text: &str) -> Result<RunId, Stopped> {
    text.parse().map_err(|error| Stopped::usage(miette::miette!("{error}")))
}
