//! `upright scan`.

use std::collections::HashSet;
use std::io::{self, IsTerminal};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;

use super::output::{self, print, print_json};
use super::settings::{self, RunArguments, ScopeArguments, Waivers};
use super::{Done, Exit, Stopped};
use super::{progress, report as reports};
use crate::archive::RunId;
use crate::config::Config;
use crate::findings::Finding;
use crate::report::terminal::{TerminalOptions, Verbosity};
use crate::report::{Report, terminal};
use crate::run::{Display, plan};
use crate::scan::detect::detector;
use crate::scan::{Asked, Audience, Failed, Scan, Until, day, keeping, perform};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright scan\n  \
    upright scan --organization --role-name Audit --external-id X\n  \
    upright scan --framework cis-aws-5.0 --level 1\n  \
    upright scan --framework cis-aws-7.0 --regions eu-west-1,eu-central-1\n  \
    upright scan --format html,sarif --out reports\n  \
    upright scan --archive s3://acme-audit/upright --keep-days 365\n  \
    upright scan --since upright-report/report.json\n  \
    upright scan --organization --by-account --archive s3://acme-audit/upright\n  \
    upright scan --events s3://trail-bucket/AWSLogs/ --event-rules sigma/\n  \
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
    /// Let the exit code go by the failures that are new since the earlier run, and by no others. Those judged for
    /// the first time do not count; where there is no earlier run, all do
    #[arg(long, conflicts_with = "explain")]
    new_only: bool,
    /// Judge accounts one by one, each from the archive that it is put into when it is scanned: for many accounts, as
    /// memory does not grow with their number. The report lists the 20,000 findings that matter most
    #[arg(long, conflicts_with_all = ["explain", "inventory", "save_inventory", "since"])]
    by_account: bool,
    /// Go on with a scan account by account that was broken off: what it has scanned is not scanned again
    #[arg(long, value_name = "RUN", conflicts_with_all = ["explain", "inventory", "save_inventory", "since"])]
    resume: Option<RunId>,
    /// End the collecting after so many minutes: what was not observed by then is unknown, and the rest is judged and
    /// kept
    #[arg(long, value_name = "N", conflicts_with_all = ["explain", "inventory"])]
    max_minutes: Option<NonZeroU32>,
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

pub(super) fn run(arguments: ScanArguments) -> Done {
    let started_at = Timestamp::now();
    log_to_stderr(arguments.verbose);
    let mut config = arguments.scope.config()?;
    arguments.run.apply(&mut config);
    config.by_account |= arguments.by_account;
    if arguments.no_notify {
        config.notify = None;
    }
    if arguments.explain {
        return explain(&arguments, &config, day(started_at));
    }
    match scan(&arguments, &config, started_at) {
        Ok(report) => Ok(exit_code(&report, &config, arguments.new_only)),
        Err(failed) => Err(failed.told(&config, started_at, &Terminal { arguments: &arguments })),
    }
}

fn explain(arguments: &ScanArguments, config: &Config, today: Date) -> Done {
    let controls = settings::controls(config)?;
    settings::attestations(config, today)?;
    let asked = Asked::of(&controls, config, Waivers::read(config, today)?.as_ref());
    let mut plan = plan(&asked.wanted, &asked.scope, None);
    if config.who_changed {
        plan.add_history();
    }
    if arguments.json { print_json(&plan) } else { print(&plan.to_string()) }
}

fn scan(arguments: &ScanArguments, config: &Config, started_at: Timestamp) -> Result<Report, Failed> {
    let controls = settings::controls(config)?;
    let attestations = settings::attestations(config, day(started_at))?;
    // Before the scan: it is over soon where the file is wrong, and may write over it.
    let since = arguments.since.as_deref();
    let since = since.map(|path| reports::read(path).map(|report| (report, path))).transpose()?;
    // So is the archive asked: a scan whose run cannot be kept is not begun.
    let archive = config.archive.as_ref().map(|place| keeping::reach(config, place)).transpose()?;
    let detector = detector(config, started_at)?;
    let scan = Scan {
        config,
        controls: &controls,
        attestations,
        archive: archive.as_ref(),
        started_at,
        inventory: arguments.inventory.as_deref(),
        save_inventory: arguments.save_inventory.as_deref(),
        since,
        deadline: arguments.deadline(),
        detector: detector.as_ref(),
        resume: arguments.resume.as_ref(),
        audience: &Terminal { arguments },
    };
    perform(&scan, Until::Interrupted)
}

impl ScanArguments {
    fn deadline(&self) -> Option<Instant> {
        let minutes = u64::from(self.max_minutes?.get());
        Instant::now().checked_add(Duration::from_secs(60 * minutes))
    }
}

/// Whoever typed the command.
struct Terminal<'a> {
    arguments: &'a ScanArguments,
}

impl Audience for Terminal<'_> {
    fn say(&self, line: &str) {
        eprintln!("{line}");
    }

    fn display(&self) -> Option<Box<dyn Display>> {
        progress::on_stderr(self.arguments.quiet)
    }

    fn show(&self, report: &Report, files: &[&Path]) -> Result<(), Stopped> {
        print(&terminal::summary(report, options(self.arguments), files)).map(|_| ())
    }
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

pub(super) fn exit_code(report: &Report, config: &Config, is_new_only: bool) -> Exit {
    let new: Option<HashSet<&str>> = report
        .changes
        .as_ref()
        .filter(|_| is_new_only)
        .map(|changes| changes.new.iter().map(String::as_str).collect());
    let counts = |finding: &Finding| new.as_ref().is_none_or(|new| new.contains(finding.id.as_str()));
    let failed = report
        .findings
        .iter()
        .any(|finding| finding.is_open_failure() && finding.severity >= config.fail_on && counts(finding));
    let detected = report.detections.as_ref().is_some_and(|detections| {
        detections.rules.iter().any(|rule| rule.found > 0 && rule.severity >= config.fail_on)
    });
    let read = report.detections.as_ref().and_then(|detections| detections.read.as_ref());
    let unread = read.is_some_and(|read| !read.is_complete());
    Exit::of_scan(failed || detected, report.run.complete && !unread)
}
