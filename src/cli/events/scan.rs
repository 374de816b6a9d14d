//! `upright events scan`.

use std::io::{IsTerminal, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;

use super::table::{Table, issues, problems, summary};
use super::{Chosen, Loaded};
use crate::cli::output::{Stdout, color, no_stdout, print, width};
use crate::cli::{Done, Exit, Stopped};
use crate::controls::Severity;
use crate::events::scan::{Told, scan};
use crate::events::source::files::{self, Files};
use crate::events::source::layout::Question;
use crate::events::source::{Input, Limits, Options};

/// How often the line of progress changes.
const PROGRESS: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright events scan ./AWSLogs\n  \
    upright events scan 'AWSLogs/**/2026/11/2*/*.json.gz' --since 2026-11-23T00:00:00Z\n  \
    upright events scan trail.json.gz --rules sigma/ --json > detections.jsonl\n  \
    aws logs tail trail --format short | upright events scan -\n\n\
    Exit codes:\n  \
    0  everything was read, every rule ran, and nothing was found\n  \
    1  something was found at or above --fail-on\n  \
    2  the command line or a file that it names is wrong\n  \
    3  a file or a rule could not be read, and nothing was found\n  \
    4  something was found, and a file or a rule could not be read")]
pub(super) struct ScanArguments {
    /// Files, directories or patterns of CloudTrail records in any form that AWS delivers; `-` is standard input.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    chosen: Chosen,
    /// Only events from this time on, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only events before this time, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Of delivered files only those of this account; may be given several times.
    #[arg(long, value_name = "ID")]
    account: Vec<String>,
    /// Of delivered files only those of this region; may be given several times.
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
    /// Severity from which a detection makes the exit code 1.
    #[arg(long, value_name = "SEVERITY", default_value = "low", value_parser = crate::cli::settings::severity)]
    fail_on: Severity,
    /// Print each detection as a line of JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Print no progress and no summary.
    #[arg(long)]
    quiet: bool,
    /// Bytes that one compressed file may become; what is beyond is an error of that file.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().inflated_bytes)]
    max_inflated_bytes: u64,
    /// Files that are read at once; one for each core, unless set.
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
}

pub(super) fn run(arguments: &ScanArguments) -> Done {
    let loaded = arguments.chosen.load()?;
    let found = find(arguments)?;
    let options = Options {
        limits: Limits { inflated_bytes: arguments.max_inflated_bytes, ..Limits::default() },
        since: arguments.since,
        until: arguments.until,
    };
    let workers = arguments.workers.or_else(|| std::thread::available_parallelism().ok());
    let mut run = Run::new(arguments, found.inputs.len());
    let scanned = scan(found.inputs, &loaded.set, &options, workers.unwrap_or(NonZeroUsize::MIN), |told| {
        run.take(told)
    });
    run.finish(&loaded, &found.files, &scanned)
}

/// What to read.
struct Sources {
    inputs: Vec<Input>,
    files: Files,
}

fn find(arguments: &ScanArguments) -> Result<Sources, Stopped> {
    let (streams, paths): (Vec<&PathBuf>, Vec<&PathBuf>) =
        arguments.paths.iter().partition(|path| path.as_path() == Path::new("-"));
    let question = Question {
        accounts: arguments.account.clone(),
        regions: arguments.region.clone(),
        since: arguments.since,
        until: arguments.until,
    };
    let paths: Vec<PathBuf> = paths.into_iter().cloned().collect();
    let files = files::find(&paths, &question).map_err(|error| {
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Stopped::usage(miette::miette!("{error}{source}"))
    })?;
    let stream = (!streams.is_empty()).then(|| {
        let input: Box<dyn Read + Send> = Box::new(std::io::stdin());
        Input::stream("standard input", input)
    });
    let inputs = stream.into_iter().chain(files.paths.iter().cloned().map(Input::file)).collect();
    Ok(Sources { inputs, files })
}

/// A scan on its way.
struct Run<'a> {
    arguments: &'a ScanArguments,
    started: Instant,
    shown: Instant,
    files: usize,
    read: usize,
    events: u64,
    table: Table,
    unread: Vec<crate::events::source::Report>,
    unread_found: u64,
    failed: bool,
    broken: Option<std::io::Error>,
    has_progress: bool,
}

/// Files with problems that are named in the summary.
const UNREAD_KEPT: usize = 1_000;

impl<'a> Run<'a> {
    fn new(arguments: &'a ScanArguments, files: usize) -> Self {
        let now = Instant::now();
        Self {
            arguments,
            started: now,
            shown: now,
            files,
            read: 0,
            events: 0,
            table: Table::default(),
            unread: Vec::new(),
            unread_found: 0,
            failed: false,
            broken: None,
            has_progress: !arguments.quiet && std::io::stderr().is_terminal(),
        }
    }

    fn take(&mut self, told: Told) {
        match told {
            Told::Detection(detection) => {
                self.failed |= detection.rule.severity >= self.arguments.fail_on;
                if self.arguments.json && self.broken.is_none() {
                    let written =
                        serde_json::to_vec(&detection).map_err(std::io::Error::from).and_then(|line| {
                            let mut out = Stdout::lock();
                            out.write_all(&line)?;
                            out.write_all(b"\n")
                        });
                    self.broken = written.err();
                }
                self.table.add(&detection);
            }
            Told::Input(report) => {
                self.read += 1;
                self.events += report.counts.events;
                if report.problems_found > 0 {
                    self.unread_found += report.problems_found;
                    if self.unread.len() < UNREAD_KEPT {
                        self.unread.push(report);
                    }
                }
                self.progress();
            }
        }
    }

    /// Says how far it is, on a terminal.
    fn progress(&mut self) {
        if !self.has_progress || self.shown.elapsed() < PROGRESS {
            return;
        }
        self.shown = Instant::now();
        let rate = rate(self.events, self.started.elapsed());
        // A terminal that is gone takes the progress with it.
        drop(write!(
            std::io::stderr(),
            "\r\x1b[K{} of {} files, {} events, {rate} events/s",
            self.read,
            self.files,
            self.events
        ));
    }

    fn finish(self, loaded: &Loaded, files: &Files, scanned: &crate::events::scan::Scanned) -> Done {
        if self.has_progress {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
        if let Some(error) = self.broken {
            return Err(no_stdout(&error));
        }
        let mut text = String::new();
        text.push_str(&issues(&loaded.issues));
        text.push_str(&problems(&self.unread, self.unread_found));
        if !self.arguments.quiet {
            text.push_str(&summary(loaded, files, scanned, self.started.elapsed()));
        }
        // What is wrong and how much was read is beside the results, which may be piped on.
        eprint!("{text}");
        if !self.arguments.json {
            print(&self.table.print(width(), color()))?;
        }
        let complete = loaded.left_out() == 0 && self.unread_found == 0 && scanned.pointers.is_empty();
        Ok(Exit::of_scan(self.failed, complete))
    }
}

/// Events a second, for people.
pub(super) fn rate(events: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    events.saturating_mul(1000) / millis
}
