//! `upright scan`.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::output::{self, print, print_json};
use super::settings::{self, RunArguments, ScopeArguments};
use super::{Done, Exit, Stopped, notify, send};
use super::{progress, report as reports};
use crate::accounts::{Scope, discover};
use crate::aws::{Aws, OperationCount, Tally};
use crate::config::Config;
use crate::controls::{ControlSet, VerdictKind};
use crate::findings::judge;
use crate::inventory::{self, Inventory};
use crate::report::terminal::{TerminalOptions, Verbosity};
use crate::report::{Destination, Ran, Report, printable, terminal, write_files};
use crate::run::{Progress, collect, plan};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright scan\n  \
    upright scan --organization --role-name Audit --external-id X\n  \
    upright scan --framework cis-aws-5.0 --level 1\n  \
    upright scan --framework cis-aws-7.0 --regions eu-west-1,eu-central-1\n  \
    upright scan --format html,sarif --out reports\n  \
    upright scan --since upright-report/report.json\n  \
    upright scan --save-inventory state.zst && upright scan --inventory state.zst\n  \
    upright scan --explain")]
pub(super) struct ScanArguments {
    #[command(flatten)]
    scope: ScopeArguments,
    #[command(flatten)]
    run: RunArguments,
    /// Print what would be called, why and how often, without calling anything
    #[arg(long)]
    explain: bool,
    /// With --explain: print it as JSON
    #[arg(long, requires = "explain")]
    json: bool,
    /// Keep what was observed in this file, for judging it again later
    #[arg(long, value_name = "FILE")]
    save_inventory: Option<PathBuf>,
    /// Judge what a file holds instead of calling AWS
    #[arg(long, value_name = "FILE", conflicts_with_all = ["explain", "save_inventory"])]
    inventory: Option<PathBuf>,
    /// Say what changed since this earlier `report.json`
    #[arg(long, value_name = "FILE", conflicts_with = "explain")]
    since: Option<PathBuf>,
    /// Tell nobody, whatever `notify` in the configuration says
    #[arg(long)]
    no_notify: bool,
    /// Print only the totals and where the reports are
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Print more: failing resources one by one, every account, all that was not observed, and the time of calls
    #[arg(short, long)]
    verbose: bool,
}

/// What was observed, and what that took.
struct Observed {
    inventory: Inventory,
    calls: Vec<OperationCount>,
    tally: Tally,
}

pub(super) fn run(arguments: ScanArguments) -> Done {
    let started_at = Timestamp::now();
    log_to_stderr(arguments.verbose);
    let mut config = arguments.scope.config()?;
    arguments.run.apply(&mut config);
    if arguments.no_notify {
        config.notify = None;
    }
    if arguments.explain {
        return explain(&arguments, &config);
    }
    let report = match scan(&arguments, &config, started_at) {
        Ok(report) => report,
        Err(stopped) => {
            notify::failure(&config, &stopped, started_at);
            return Err(stopped);
        }
    };
    let sent = send::run(&report, &config);
    notify::report(&config, &report);
    sent?;
    Ok(exit_code(&report, &config))
}

fn explain(arguments: &ScanArguments, config: &Config) -> Done {
    let plan = plan(&settings::controls(config)?.wanted(), &settings::scope(config), None);
    if arguments.json { print_json(&plan) } else { print(&plan.to_string()) }
}

/// Looks, judges, writes the reports and prints the summary.
fn scan(arguments: &ScanArguments, config: &Config, started_at: Timestamp) -> Result<Report, Stopped> {
    let controls = settings::controls(config)?;
    let today = started_at.to_zoned_datetime(TimeZone::UTC).date();
    let attestations = settings::attestations(config, today)?;
    // Before the scan: it is over soon where the file is wrong, and may write over it.
    let earlier = arguments.since.as_deref().map(|path| Ok((reports::read(path)?, path))).transpose()?;
    let observed = observe(arguments, config, &controls, &settings::scope(config))?;
    if let Some(path) = &arguments.save_inventory {
        inventory::save(&observed.inventory, path).map_err(|error| file_failure(path, &error))?;
    }
    let inventory = Arc::new(observed.inventory);
    let findings = judge(&inventory, &controls.controls().collect::<Vec<_>>());
    let ran = Ran {
        started_at,
        finished_at: Timestamp::now(),
        inventory: &inventory,
        controls: &controls,
        calls: &observed.calls,
        tally: observed.tally,
    };
    let mut report = Report::of(ran, findings);
    if let Some((earlier, path)) = &earlier {
        reports::compare(&mut report, earlier, path)?;
    }
    report.attest(attestations, today);
    let written = write_reports(&report, config)?;
    let written: Vec<&Path> = written.iter().map(PathBuf::as_path).collect();
    print(&terminal::summary(&report, options(arguments), &written))?;
    Ok(report)
}

/// Warnings about single calls are in the report; on the terminal they would drown it.
fn log_to_stderr(is_verbose: bool) {
    let level = if is_verbose { "upright=warn" } else { "off" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("UPRIGHT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .finish();
    // A second run in the same process, as in tests, keeps the first subscriber.
    drop(tracing::subscriber::set_global_default(subscriber));
}

fn observe(
    arguments: &ScanArguments,
    config: &Config,
    controls: &ControlSet,
    scope: &Scope,
) -> Result<Observed, Stopped> {
    if let Some(path) = &arguments.inventory {
        let inventory = inventory::load(path).map_err(|error| file_failure(path, &error))?;
        let tally = Tally { requests: 0, retries: 0, throttles: 0 };
        return Ok(Observed { inventory, calls: Vec::new(), tally });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Stopped::could_not_run(miette::miette!("no threads could be started: {error}")))?;
    let observed = runtime.block_on(async {
        tokio::select! {
            observed = ask_aws(config, controls, scope, arguments.quiet) => observed,
            _ = tokio::signal::ctrl_c() => Err(Stopped::could_not_run(miette::miette!(
                "interrupted; no report was written"
            ))),
        }
    });
    // Calls that hang must not hold the program back.
    runtime.shutdown_background();
    observed
}

async fn ask_aws(
    config: &Config,
    controls: &ControlSet,
    scope: &Scope,
    quiet: bool,
) -> Result<Observed, Stopped> {
    let could_not = |error: &dyn std::fmt::Display| Stopped::could_not_run(miette::miette!("{error}"));
    let aws = Aws::connect(&settings::source(config), &settings::limits(config))
        .await
        .map_err(|error| could_not(&error))?;
    let progress = Progress::start();
    let run = async {
        let (caller, own) = aws.caller().await.map_err(|error| could_not(&error))?;
        let discovery = discover(&caller, &own, scope).await.map_err(|error| could_not(&error))?;
        Ok(collect(&aws, discovery, &controls.wanted(), scope, &progress).await)
    };
    let inventory = match progress::on_stderr(quiet) {
        None => run.await,
        Some(mut display) => tokio::select! {
            inventory = run => inventory,
            never = progress::follow(&progress, &aws, display.as_mut()) => match never {},
        },
    }?;
    Ok(Observed { inventory, calls: aws.meters.operations(), tally: aws.meters.tally() })
}

fn file_failure(path: &Path, error: &dyn std::fmt::Display) -> Stopped {
    let text = error.to_string();
    let text =
        if text.contains(&*path.to_string_lossy()) { text } else { format!("`{}`: {text}", path.display()) };
    Stopped::usage(miette::miette!("{}", printable(&text)))
}

fn write_reports(report: &Report, config: &Config) -> Result<Vec<PathBuf>, Stopped> {
    let to = Destination {
        folder: &config.out,
        formats: &config.formats,
        html_max_findings: config.html_max_findings,
    };
    write_files(report, to).map_err(|error| Stopped::usage(miette::miette!("{error}")))
}

fn options(arguments: &ScanArguments) -> TerminalOptions {
    TerminalOptions {
        color: output::color(),
        width: output::width(),
        verbosity: match (arguments.quiet, arguments.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        },
    }
}

fn exit_code(report: &Report, config: &Config) -> Exit {
    let failed = report
        .findings
        .iter()
        .any(|finding| finding.verdict == VerdictKind::Fail && finding.severity >= config.fail_on);
    Exit::of_scan(failed, report.run.complete)
}
