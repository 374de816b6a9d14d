//! `upright events scan`.

use std::io::{IsTerminal, Write};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use clap::Args;

use super::announced::Announced;
use super::drain::drain;
use super::sources::{Known, SourceArguments, Sources};
use super::table::{Table, issues, problems, summary};
use super::verify::verify;
use super::{Chosen, Listener, Loaded};
use crate::cli::output::{Stdout, color, no_stdout, print, width};
use crate::cli::{Done, Exit, Stopped};
use crate::controls::Severity;
use crate::events::detection::Detection;
use crate::events::scan::{Scan, Scanned, Told};
use crate::events::source::{Limits, Options, Pointer};
use crate::report::printable;

/// How often the line of progress changes.
const PROGRESS: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright events scan ./AWSLogs\n  \
    upright events scan 'AWSLogs/**/2026/11/2*/*.json.gz' --since 2026-11-23T00:00:00Z\n  \
    upright events scan s3://trail-bucket/AWSLogs/ --since 2026-11-23T00:00:00Z --region eu-west-1\n  \
    upright events scan --lookup --region us-east-1 --since 2026-11-23T00:00:00Z\n  \
    upright events scan --sqs https://sqs.eu-west-1.amazonaws.com/111122223333/trail --json --follow\n  \
    upright events scan s3://trail-bucket/AWSLogs/ --since 2026-11-23T00:00:00Z --verify\n  \
    upright events scan trail.json.gz --rules sigma/ --json > detections.jsonl\n  \
    aws logs tail trail --format short | upright events scan -\n\n\
    Exit codes:\n  \
    0  everything was read, every rule ran, and nothing was found\n  \
    1  something was found at or above --fail-on, or with --verify a file is not as it was delivered\n  \
    2  the command line or a file that it names is wrong\n  \
    3  a file or a rule could not be read, or a message stays in the queue, and nothing was found\n  \
    4  something was found, and it is as with 3\n  \
    5  it could not run: no credentials or no region; or what was found could not be written")]
pub(super) struct ScanArguments {
    #[command(flatten)]
    sources: SourceArguments,
    #[command(flatten)]
    chosen: Chosen,
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
    if arguments.sources.has_queue() && !arguments.json {
        return Err(Stopped::usage(miette::miette!(
            "`--sqs` needs `--json`: a message is deleted when its detections have been written, a line each"
        )));
    }
    let loaded = arguments.chosen.load()?;
    let mut sources = arguments.sources.open()?;
    let options = Options {
        limits: Limits { inflated_bytes: arguments.max_inflated_bytes, ..Limits::default() },
        since: arguments.sources.since(),
        until: arguments.sources.until(),
    };
    let workers = arguments.workers.or_else(|| std::thread::available_parallelism().ok());
    let mut scan = Scan::new(&loaded.set, options, workers.unwrap_or(NonZeroUsize::MIN));
    let mut run = Run::new(arguments, sources.known());
    if arguments.sources.is_verified() {
        verify(&mut sources, &mut run)?;
    }
    let mut announced = Announced::default();
    scan.read(sources.inputs(), |told| {
        if let Some((_, pointer)) = run.take(told) {
            announced.add(pointer);
        }
    });
    announced.read(&mut sources, &mut scan, &mut run);
    drain(&mut sources, arguments.sources.follow(), &mut scan, &mut run);
    let scanned = scan.finish(|told| {
        run.take(told);
    });
    let done = run.finish(&loaded, &sources, &scanned);
    sources.close();
    done
}

/// A scan on its way.
pub(super) struct Run<'a> {
    arguments: &'a ScanArguments,
    started: Instant,
    shown: Instant,
    known: Known,
    read: u64,
    events: u64,
    table: Table,
    unread: Vec<crate::events::source::Report>,
    unread_found: u64,
    failed: bool,
    broken: Option<std::io::Error>,
    has_progress: bool,
    /// What happened to objects and messages, for people.
    notes: Vec<String>,
    /// Something that was to be read has not been, beside what is in `unread`.
    is_incomplete: bool,
}

/// Files with problems that are named in the summary.
const UNREAD_KEPT: usize = 1_000;

impl<'a> Run<'a> {
    fn new(arguments: &'a ScanArguments, known: Known) -> Self {
        let now = Instant::now();
        Self {
            arguments,
            started: now,
            shown: now,
            known,
            read: 0,
            events: 0,
            table: Table::default(),
            unread: Vec::new(),
            unread_found: 0,
            failed: false,
            broken: None,
            has_progress: !arguments.quiet && std::io::stderr().is_terminal(),
            notes: Vec::new(),
            is_incomplete: false,
        }
    }

    /// Writes a detection as a line. For a queue it matters that somebody reads it.
    fn write(&self, detection: &Detection) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(detection)?;
        line.push(b'\n');
        if self.arguments.sources.has_queue() {
            std::io::stdout().lock().write_all(&line)
        } else {
            Stdout::lock().write_all(&line)
        }
    }

    /// Makes sure that everything that was found so far is written; `false` if it cannot be.
    pub(super) fn is_written(&mut self) -> bool {
        if self.broken.is_none() {
            self.broken = std::io::stdout().lock().flush().err();
        }
        self.broken.is_none()
    }

    /// Notes something that is wrong, as a detection is.
    pub(super) fn failing(&mut self, text: String) {
        self.failed = true;
        self.note(text);
    }

    /// Notes that something was not read that was to be.
    pub(super) fn lacking(&mut self, text: String) {
        self.is_incomplete = true;
        self.note(text);
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
            "\r\x1b[K{} of {} inputs, {} events, {rate} events/s",
            self.read,
            self.known.inputs().max(self.read),
            self.events
        ));
    }

    fn finish(self, loaded: &Loaded, sources: &Sources<'_>, scanned: &Scanned) -> Done {
        if self.has_progress {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
        let mut text = String::new();
        text.push_str(&issues(&loaded.issues));
        text.push_str(&problems(&self.unread, self.unread_found));
        for note in &self.notes {
            text.push_str(&printable(note));
            text.push('\n');
        }
        if !self.arguments.quiet {
            text.push_str(&summary(loaded, sources, scanned, self.started.elapsed()));
        }
        // What is wrong and how much was read is beside the results, which may be piped on.
        eprint!("{text}");
        if let Some(error) = self.broken {
            return Err(no_stdout(&error));
        }
        if !self.arguments.json {
            print(&self.table.print(width(), color()))?;
        }
        let complete = loaded.left_out() == 0 && self.unread_found == 0 && !self.is_incomplete;
        Ok(Exit::of_scan(self.failed, complete))
    }
}

impl Listener for Run<'_> {
    fn take(&mut self, told: Told) -> Option<(usize, Pointer)> {
        match told {
            Told::Detection(detection) => {
                self.failed |= detection.rule.severity >= self.arguments.fail_on;
                if self.arguments.json && self.broken.is_none() {
                    self.broken = self.write(&detection).err();
                }
                self.table.add(&detection);
            }
            Told::Pointer { input, pointer } => return Some((input, pointer)),
            // Nothing is sought.
            Told::Change(_) => {}
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
        None
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    fn unfetched(&mut self, objects: u64, why: &str) {
        self.lacking(format!("not read: {objects} announced objects: {why}"));
    }
}

/// Events a second, for people.
pub(super) fn rate(events: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    events.saturating_mul(1000) / millis
}
