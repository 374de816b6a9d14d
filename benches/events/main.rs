//! Measures how fast events are read and judged, beside what no reader can do without: unpacking the files, and
//! looking at their JSON once. See README.md beside this folder.
//!
//! Every line is measured by processes of their own, so that its peak is not another's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement ends where something is missing"
)]

mod corpus;

use std::borrow::Cow;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libdeflater::Decompressor;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use upright::events::engine::Scratch;
use upright::events::record::Record;
use upright::events::ruleset::{self, Loader, RuleSet};
use upright::events::scan::{Scan, Told};
use upright::events::source::pool::{self, Delivered};
use upright::events::source::{Input, Options, Origin};

use crate::corpus::Corpus;

/// Events in the corpus, unless `UPRIGHT_BENCH_EVENTS` says otherwise.
const EVENTS: u64 = 500_000;
/// Bytes of one packed file.
const FILE_BYTES: u64 = 10_000_000;
/// Of so many times the shortest is shown: what disturbs a run only makes it longer.
const RUNS: usize = 5;
/// The first argument of a process that measures one line.
const MEASURE: &str = "measure";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Unpacking, and nothing else.
    Gunzip,
    /// Unpacking, and parsing every record once, for its eventSource and eventName.
    Limit,
    /// Upright without a rule: records with all their keys, counted, told apart by eventID, in order.
    Read,
    /// Upright with Falco's rules and SigmaHQ's 57: events judged, matches counted.
    Rules,
    /// The same, and every match made a detection.
    RulesTold,
    /// Upright with all rules of the corpora: events judged, matches counted.
    AllRules,
    /// The same, and every match made a detection.
    AllRulesTold,
}

impl Line {
    const ALL: [Self; 7] = [
        Self::Gunzip,
        Self::Limit,
        Self::Read,
        Self::Rules,
        Self::RulesTold,
        Self::AllRules,
        Self::AllRulesTold,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Gunzip => "gunzip only",
            Self::Limit => "gunzip + parse to eventSource and eventName",
            Self::Read => "Upright without rules",
            Self::Rules => "Upright with Falco and 57 Sigma rules",
            Self::RulesTold => "the same, with detections",
            Self::AllRules => "Upright with all rules",
            Self::AllRulesTold => "the same, with detections",
        }
    }

    /// Folders of the corpora whose rules are loaded.
    const fn rules(self) -> &'static [&'static str] {
        match self {
            Self::Gunzip | Self::Limit | Self::Read => &[],
            Self::Rules | Self::RulesTold => &["falco/aws_cloudtrail_rules.yaml", "sigma/rules"],
            Self::AllRules | Self::AllRulesTold => {
                &["falco/aws_cloudtrail_rules.yaml", "sigma/rules", "sigma/suzaku-rules"]
            }
        }
    }

    /// Reads all files; how many events and matches that were.
    fn run(self, files: &[PathBuf], threads: usize) -> (u64, u64) {
        match self {
            Self::Gunzip => (over_files(files, threads, |_| 0), 0),
            Self::Limit => {
                (over_files(files, threads, |bytes| names(std::str::from_utf8(bytes).unwrap())), 0)
            }
            Self::Read | Self::Rules | Self::AllRules => judge(files, threads, &rule_set(self.rules())),
            Self::RulesTold | Self::AllRulesTold => tell(files, threads, &rule_set(self.rules())),
        }
    }
}

/// What one run took.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    wall: Duration,
    peak_mib: f64,
    matches: u64,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, first, line, threads, folder] = args.as_slice()
        && first == MEASURE
    {
        let run =
            measure(Line::ALL[line.parse::<usize>().unwrap()], threads.parse().unwrap(), Path::new(folder));
        println!("{}", serde_json::to_string(&run).unwrap());
        return;
    }
    let folder = TempDir::new().unwrap();
    let events = std::env::var("UPRIGHT_BENCH_EVENTS").map_or(EVENTS, |events| events.parse().unwrap());
    let corpus = corpus::write(folder.path(), events, FILE_BYTES).unwrap();
    println!(
        "{} events in {} files: {:.0} MB packed, {:.0} MB unpacked, {} bytes an event\n",
        corpus.events,
        corpus.files.len(),
        corpus.packed as f64 / 1e6,
        corpus.inflated as f64 / 1e6,
        corpus.inflated / corpus.events
    );
    println!(
        "| line | threads | seconds | events/s | MB/s unpacked | peak MiB | matches | times the limit | speed-up |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let all_threads = if cores > 1 { vec![1, cores] } else { vec![1] };
    let mut limits = Vec::new();
    for (number, line) in Line::ALL.into_iter().enumerate() {
        let mut one = Duration::ZERO;
        for (place, &threads) in all_threads.iter().enumerate() {
            let run = best(number, threads, folder.path());
            if place == 0 {
                one = run.wall;
            }
            if line == Line::Limit {
                limits.push(run.wall);
            }
            print_row(line, threads, &run, &corpus, limits.get(place).copied(), one);
        }
    }
}

fn print_row(line: Line, threads: usize, run: &Run, corpus: &Corpus, limit: Option<Duration>, one: Duration) {
    let seconds = run.wall.as_secs_f64();
    let ratio = limit.map_or(String::new(), |limit| format!("{:.2}", seconds / limit.as_secs_f64()));
    println!(
        "| {} | {threads} | {seconds:.3} | {:.0} | {:.0} | {:.0} | {} | {ratio} | {:.2} |",
        line.name(),
        corpus.events as f64 / seconds,
        corpus.inflated as f64 / 1e6 / seconds,
        run.peak_mib,
        run.matches,
        one.as_secs_f64() / seconds,
    );
}

/// The best of some runs, with the highest peak.
fn best(line: usize, threads: usize, folder: &Path) -> Run {
    let mut best = Run { wall: Duration::MAX, peak_mib: 0.0, matches: 0 };
    for _ in 0..RUNS {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([MEASURE, &line.to_string(), &threads.to_string()])
            .arg(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let run: Run = serde_json::from_slice(&output.stdout).unwrap();
        best.wall = best.wall.min(run.wall);
        best.peak_mib = best.peak_mib.max(run.peak_mib);
        best.matches = run.matches;
    }
    best
}

fn measure(line: Line, threads: usize, folder: &Path) -> Run {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let start = Instant::now();
    let (events, matches) = line.run(&files, threads);
    let wall = start.elapsed();
    assert!(line == Line::Gunzip || events > 0);
    Run { wall, peak_mib: peak_mib(), matches }
}

/// The most memory this process had resident; 0 where the system does not say.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// Unpacks every file as a whole, which is the fastest way if memory is no matter.
fn over_files(files: &[PathBuf], threads: usize, look: fn(&[u8]) -> u64) -> u64 {
    let (next, events) = (AtomicUsize::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut unpacked = Vec::new();
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let packed = fs::read(file).unwrap();
                    let size = packed.last_chunk().map_or(0, |size| u32::from_le_bytes(*size));
                    let size = usize::try_from(size).unwrap();
                    if unpacked.len() < size {
                        unpacked.resize(size, 0);
                    }
                    let size = Decompressor::new().gzip_decompress(&packed, &mut unpacked).unwrap();
                    events.fetch_add(look(&unpacked[..size]), Ordering::Relaxed);
                }
            });
        }
    });
    events.into_inner()
}

/// Parses every record of a file for its eventSource and eventName.
fn names(text: &str) -> u64 {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Names<'a> {
        #[serde(borrow)]
        event_source: Cow<'a, str>,
        #[serde(borrow)]
        event_name: Cow<'a, str>,
    }

    let mut rest = text.strip_prefix("{\"Records\":[").unwrap();
    let mut events = 0;
    loop {
        let mut records = serde_json::Deserializer::from_str(rest).into_iter::<Names<'_>>();
        let names = records.next().unwrap().unwrap();
        events += u64::from(!names.event_source.is_empty() && !names.event_name.is_empty());
        rest = &rest[records.byte_offset()..];
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return events,
        }
    }
}

/// The rules of some folders of the corpora that `UPRIGHT_CORPORA` names.
fn rule_set(folders: &[&str]) -> RuleSet {
    let corpora =
        std::env::var_os("UPRIGHT_CORPORA").map_or_else(|| PathBuf::from("../shared/corpora"), PathBuf::from);
    let mut loader = Loader::new(ruleset::Options::default());
    for folder in folders {
        loader.path(&corpora.join(folder));
    }
    let (rules, _) = loader.finish();
    assert_eq!(folders.is_empty(), rules.rules().is_empty(), "no rules below `{}`", corpora.display());
    rules
}

/// Reads and judges as `upright events scan` does, without describing what matched; how many events and matches.
fn judge(files: &[PathBuf], threads: usize, rules: &RuleSet) -> (u64, u64) {
    let watch = || {
        let mut scratch = Scratch::default();
        move |record: &Record<'_>, _: Origin, found: &mut Vec<()>| {
            rules.evaluate(record, &mut scratch, |matched| {
                if matched.rule.is_reported {
                    found.push(());
                }
            });
        }
    };
    let mut matches = 0;
    let inputs = files.iter().cloned().map(Input::file);
    let counts = pool::read(inputs, &Options::default(), workers(threads), watch, |delivered| {
        matches += u64::from(matches!(delivered, Delivered::Found(())));
    });
    assert_eq!(counts.found(), counts.events);
    (counts.events, matches)
}

/// All that `upright events scan` does but print; how many events and detections.
fn tell(files: &[PathBuf], threads: usize, rules: &RuleSet) -> (u64, u64) {
    let mut detections = 0;
    let inputs: Vec<Input> = files.iter().cloned().map(Input::file).collect();
    let mut count = |told: Told| detections += u64::from(matches!(told, Told::Detection(_)));
    let mut scan = Scan::new(rules, Options::default(), workers(threads));
    scan.read(inputs, &mut count);
    let scanned = scan.finish(count);
    assert_eq!(scanned.counts.found(), scanned.counts.events);
    (scanned.counts.events, detections)
}

fn workers(threads: usize) -> NonZeroUsize {
    NonZeroUsize::new(threads).unwrap()
}
