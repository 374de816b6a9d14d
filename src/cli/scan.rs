//! `upright scan`.

use std::collections::{HashMap, HashSet};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::archives::Stored;
use super::events::detect::detector;
use super::output::{self, print, print_json};
use super::settings::{self, RunArguments, ScopeArguments, Waivers};
use super::threads::{block_on, interrupted};
use super::{Done, Exit, Stopped, archives, notify, send, who};
use super::{progress, report as reports};
use crate::accounts::{Scope, discover};
use crate::archive::Archive;
use crate::aws::{Aws, OperationCount, Tally};
use crate::collect::Wanted;
use crate::config::{Attestation, Config};
use crate::controls::ControlSet;
use crate::findings::{Finding, judge};
use crate::inventory::{self, Inventory};
use crate::report::terminal::{TerminalOptions, Verbosity};
use crate::report::{Destination, Known, Ran, Report, printable, terminal, write_files};
use crate::run::{Progress, collect, plan};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright scan\n  \
    upright scan --organization --role-name Audit --external-id X\n  \
    upright scan --framework cis-aws-5.0 --level 1\n  \
    upright scan --framework cis-aws-7.0 --regions eu-west-1,eu-central-1\n  \
    upright scan --format html,sarif --out reports\n  \
    upright scan --archive s3://acme-audit/upright --keep-days 365\n  \
    upright scan --since upright-report/report.json\n  \
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

/// What is to be observed, and where.
struct Asked {
    wanted: Wanted,
    scope: Scope,
}

impl Asked {
    fn of(controls: &ControlSet, config: &Config, waivers: Option<&Waivers>) -> Self {
        Self { wanted: settings::wanted(controls, waivers), scope: settings::scope(config, waivers) }
    }
}

/// What was observed, and what that took.
struct Observed {
    inventory: Inventory,
    calls: Vec<OperationCount>,
    tally: Tally,
}

/// A scan whose settings have been looked at: what may go wrong now is AWS, the disk and the archive.
pub(super) struct Scan<'a> {
    pub(super) config: &'a Config,
    pub(super) controls: &'a ControlSet,
    pub(super) attestations: &'a [Attestation],
    /// Where the run is kept; it has answered.
    pub(super) archive: Option<&'a Archive>,
    pub(super) started_at: Timestamp,
    /// A file that is judged instead of calling AWS.
    pub(super) inventory: Option<&'a Path>,
    /// A file to keep what was observed in.
    pub(super) save_inventory: Option<&'a Path>,
    /// An earlier report to compare with, instead of that of the archive.
    pub(super) since: Option<(Report, &'a Path)>,
    /// Whether nobody follows how far it is.
    pub(super) quiet: bool,
}

/// What ends a scan before it is done.
#[derive(Clone)]
pub(super) enum Until {
    /// Ctrl-C.
    Interrupted,
    /// Whoever runs it says why.
    Told(watch::Receiver<Option<&'static str>>),
}

impl Until {
    /// Waits for it.
    pub(super) async fn comes(&mut self) -> Stopped {
        match self {
            Self::Interrupted => interrupted("interrupted; no report was written").await,
            Self::Told(told) => match told.wait_for(Option::is_some).await.map(|why| *why) {
                Ok(why) => abandoned(why),
                // Nobody is left who could say so.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Whether it has come.
    pub(super) fn check(&self) -> Result<(), Stopped> {
        match self {
            Self::Interrupted => Ok(()),
            Self::Told(told) => {
                let why = *told.borrow();
                why.map_or(Ok(()), |why| Err(abandoned(Some(why))))
            }
        }
    }
}

fn abandoned(why: Option<&str>) -> Stopped {
    Stopped::could_not_run(miette::miette!("abandoned, and not kept: {}", why.unwrap_or_default()))
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
        return explain(&arguments, &config, day(started_at));
    }
    match scan(&arguments, &config, started_at) {
        Ok(report) => Ok(exit_code(&report, &config, arguments.new_only)),
        Err(failed) => Err(failed.told(&config, started_at)),
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

/// A scan that did not come to its end.
pub(super) struct Failed {
    stopped: Stopped,
    /// Whether people have been told of what it found.
    is_told: bool,
}

impl From<Stopped> for Failed {
    fn from(stopped: Stopped) -> Self {
        Self { stopped, is_told: false }
    }
}

impl Failed {
    /// Why, where people need not be told.
    pub(super) fn untold(self) -> Stopped {
        self.stopped
    }

    /// Tells people, unless they know what was found: silence is not success.
    pub(super) fn told(self, config: &Config, started_at: Timestamp) -> Stopped {
        if !self.is_told {
            notify::failure(config, &self.stopped, started_at);
        }
        self.stopped
    }
}

fn scan(arguments: &ScanArguments, config: &Config, started_at: Timestamp) -> Result<Report, Failed> {
    let controls = settings::controls(config)?;
    let attestations = settings::attestations(config, day(started_at))?;
    // Before the scan: it is over soon where the file is wrong, and may write over it.
    let since = arguments.since.as_deref();
    let since = since.map(|path| reports::read(path).map(|report| (report, path))).transpose()?;
    // So is the archive asked: a scan whose run cannot be kept is not begun.
    let archive = config.archive.as_ref().map(|place| archives::reach(config, place)).transpose()?;
    let scan = Scan {
        config,
        controls: &controls,
        attestations,
        archive: archive.as_ref(),
        started_at,
        inventory: arguments.inventory.as_deref(),
        save_inventory: arguments.save_inventory.as_deref(),
        since,
        quiet: arguments.quiet,
    };
    perform(&scan, Until::Interrupted, |report, written| {
        print(&terminal::summary(report, options(arguments), written)).map(|_| ())
    })
}

/// Observes, judges, writes the reports, and then keeps and sends the run and tells people. `written` is told the
/// reports when they are written, before the run is kept.
pub(super) fn perform(
    scan: &Scan<'_>,
    mut until: Until,
    written: impl FnOnce(&Report, &[&Path]) -> Result<(), Stopped>,
) -> Result<Report, Failed> {
    let config = scan.config;
    let (report, kept) = look(scan, &mut until, written)?;
    // The findings are sent also where the run could not be kept, and kept where they could not be sent.
    let sent = send::run(&report, config);
    let mut notes: Vec<String> = sent.as_ref().err().map(Stopped::in_a_line).into_iter().collect();
    notes.extend(notify::report(config, &report));
    let kept = kept.map(|kept| kept.and_then(|stored| stored.commit(&report, notes, config)));
    let after = |stopped| Failed { stopped, is_told: true };
    kept.transpose().map_err(after)?;
    sent.map_err(after)?;
    Ok(report)
}

/// What a scan found, and where it is kept: in the archive and not committed yet, or why it is not there.
type Looked<'a> = (Report, Option<Result<Stored<'a>, Stopped>>);

/// Observes, judges, writes the reports, and puts the run into the archive where there is one.
fn look<'a>(
    scan: &Scan<'a>,
    until: &mut Until,
    written: impl FnOnce(&Report, &[&Path]) -> Result<(), Stopped>,
) -> Result<Looked<'a>, Stopped> {
    let Scan { config, controls, archive, started_at, .. } = *scan;
    let today = day(started_at);
    // Before the scan: it is over soon where a file of them is wrong.
    let waivers = Waivers::read(config, today)?;
    let detector = detector(config, started_at)?;
    let observed = observe(scan, &Asked::of(controls, config, waivers.as_ref()), until)?;
    if let Some(path) = scan.save_inventory {
        inventory::save(&observed.inventory, path).map_err(|error| file_failure(path, &error))?;
    }
    let inventory = Arc::new(observed.inventory);
    let mut findings = judge(&inventory, &controls.controls().collect::<Vec<_>>());
    let waivers = waivers
        .map(|waivers| waivers.apply(&mut findings, &inventory, controls, config, today))
        .transpose()?;
    let ran = Ran {
        started_at,
        finished_at: Timestamp::now(),
        inventory: &inventory,
        controls,
        calls: &observed.calls,
        tally: observed.tally,
    };
    let mut report = Report::of(ran, findings);
    report.waivers = waivers;
    until.check()?;
    let asked = archives::asked(config, &report, scan.inventory.is_some());
    let kept = archive.map(|archive| archives::Keeping::begin(archive, &mut report, asked));
    match (&scan.since, &kept) {
        (Some((earlier, path)), _) => reports::compare(&mut report, earlier, path)?,
        (None, Some(Ok(keeping))) => keeping.compare(&mut report),
        (None, _) => {}
    }
    report.attest(scan.attestations, today);
    who::happened(&mut report, detector.as_ref(), config, scan.inventory.is_none(), until)?;
    rate(&mut report, config, today);
    let files = write_reports(&report, config)?;
    written(&report, &files.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    let kept = kept.map(|keeping| keeping.and_then(|keeping| keeping.store(&report, &inventory, config)));
    // Nobody is told of a run that another daemon does as well, and it is not kept.
    until.check()?;
    Ok((report, kept))
}

/// Rates the risk of every failure, by what the run knows of what surrounds it.
fn rate(report: &mut Report, config: &Config, day: Date) {
    let rows = report.detections.iter().flat_map(|detections| &detections.detections);
    let detected: HashSet<String> =
        rows.flat_map(|row| &row.resources).map(|resource| resource.arn.clone()).collect();
    let since = report.changes.iter().flat_map(|changes| &changes.failing_since);
    let failing_since: HashMap<String, Date> = since
        .filter_map(|(id, time)| {
            let time: Timestamp = time.parse().ok()?;
            Some((id.clone(), self::day(time)))
        })
        .collect();
    report.rate(Known {
        production_tags: &config.production_tags,
        detected: &detected,
        failing_since: &failing_since,
        day,
    });
}

/// The day of a time, UTC.
pub(super) fn day(time: Timestamp) -> Date {
    time.to_zoned_datetime(TimeZone::UTC).date()
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

fn observe(scan: &Scan<'_>, asked: &Asked, until: &mut Until) -> Result<Observed, Stopped> {
    if let Some(path) = scan.inventory {
        let inventory = inventory::load(path).map_err(|error| file_failure(path, &error))?;
        let tally = Tally { requests: 0, retries: 0, throttles: 0 };
        return Ok(Observed { inventory, calls: Vec::new(), tally });
    }
    block_on(ask_aws(scan.config, asked, scan.quiet), until.comes())
}

async fn ask_aws(config: &Config, asked: &Asked, quiet: bool) -> Result<Observed, Stopped> {
    let Asked { wanted, scope } = asked;
    let could_not = |error: &dyn std::fmt::Display| Stopped::could_not_run(miette::miette!("{error}"));
    let aws = Aws::connect(&settings::source(config), &settings::limits(config))
        .await
        .map_err(|error| could_not(&error))?;
    let progress = Progress::start();
    let run = async {
        let (caller, own) = aws.caller().await.map_err(|error| could_not(&error))?;
        let discovery = discover(&caller, &own, scope).await.map_err(|error| could_not(&error))?;
        Ok(collect(&aws, discovery, wanted, scope, &progress).await)
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

fn exit_code(report: &Report, config: &Config, is_new_only: bool) -> Exit {
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
