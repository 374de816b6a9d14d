//! `upright fanout`.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::output::print_json;
use super::settings::{self, RunArguments, ScopeArguments};
use super::{Done, Exit, Stopped, scan};
use crate::archive::RunId;
use crate::aws::Metered;
use crate::config::Config;
use crate::scan::{Audience, Fanout, Until, day, keeping};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright fanout plan --organization --archive s3://acme-audit/upright\n  \
    upright fanout scan-account 111122223333 --run 20261130T020000Z-1f4a12c0 --archive s3://acme-audit/upright\n  \
    upright fanout finish --run 20261130T020000Z-1f4a12c0 --archive s3://acme-audit/upright")]
pub(super) struct FanoutArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a run: find the accounts and write them down.
    #[command(after_help = "Examples:\n  \
        upright fanout plan --organization --archive s3://acme-audit/upright\n  \
        upright fanout plan --config nightly.yaml --execution nightly-20261130")]
    Plan(PlanArguments),
    /// Scan one account of the run.
    #[command(after_help = "Examples:\n  \
        upright fanout scan-account 111122223333 --run 20261130T020000Z-1f4a12c0 --config nightly.yaml\n\n\
        Exit codes:\n  \
        0  it was scanned, now or before\n  \
        2  the command line or a file was wrong\n  \
        3  it could not be entered, and trying again is of no use\n  \
        5  it could not be scanned; try again")]
    ScanAccount(ScanAccountArguments),
    /// Judge what was scanned, say what changed, write the reports, tell people and commit the run.
    #[command(after_help = "Examples:\n  \
        upright fanout finish --run 20261130T020000Z-1f4a12c0 --config nightly.yaml")]
    Finish(FinishArguments),
}

/// Flags that every step must be given alike.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    scope: ScopeArguments,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Args)]
struct PlanArguments {
    #[command(flatten)]
    common: Box<Common>,
    /// Name of what is done: done again under the same name, it goes on with the same run
    #[arg(long, value_name = "NAME")]
    execution: Option<String>,
}

#[derive(Debug, Args)]
struct ScanAccountArguments {
    /// The account, twelve digits
    account: String,
    /// The run that `plan` began
    #[arg(long = "run", value_name = "RUN")]
    run_id: RunId,
    #[command(flatten)]
    common: Box<Common>,
}

#[derive(Debug, Args)]
struct FinishArguments {
    /// The run that `plan` began
    #[arg(long = "run", value_name = "RUN")]
    run_id: RunId,
    #[command(flatten)]
    common: Box<Common>,
}

pub(super) fn run(arguments: &FanoutArguments) -> Done {
    let now = Timestamp::now();
    match &arguments.command {
        Command::Plan(plan) => {
            with(&plan.common, |fanout| print_json(&fanout.plan(plan.execution.as_deref(), now)?))
        }
        Command::ScanAccount(one) => with(&one.common, |fanout| {
            let scanned = fanout.scan_account(&one.run_id, &one.account, Until::Interrupted)?;
            print_json(&scanned)?;
            Ok(if scanned.why.is_none() { Exit::Clean } else { Exit::Incomplete })
        }),
        Command::Finish(finish) => with(&finish.common, |fanout| {
            let started = now;
            let report = fanout
                .finish(&finish.run_id, Metered::default(), &mut Until::Interrupted)
                .map_err(|failed| failed.told(fanout.config, started, fanout.audience))?;
            Ok(scan::exit_code(&report, fanout.config, false))
        }),
    }
}

/// Does a step with its settings looked at.
fn with(common: &Common, step: impl FnOnce(&Fanout<'_>) -> Done) -> Done {
    let mut config: Config = common.scope.config()?;
    common.run.apply(&mut config);
    let Some(place) = &config.archive else {
        return Err(Stopped::usage(miette::miette!(
            help = "name it with `--archive` or the key `archive`",
            "the steps of a run share an archive, and none is named"
        )));
    };
    let controls = settings::controls(&config)?;
    let attestations = settings::attestations(&config, day(Timestamp::now()))?;
    let archive = keeping::open(&config, place)?;
    step(&Fanout {
        config: &config,
        controls: &controls,
        attestations,
        archive: &archive,
        deadline: None,
        audience: &Log,
    })
}

/// Whoever started the step reads what it prints to stderr.
struct Log;

impl Audience for Log {
    fn say(&self, line: &str) {
        eprintln!("{line}");
    }
}
