//! Times whole scans of the demo organization, replayed with and without latency and at one and ten times
//! its resources, against what is possible: see README.md beside this file.
//!
//! It measures the program that is built with it, or the one that `UPRIGHT_BIN` names.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement ends where something is missing"
)]

#[path = "../tests/all/common/mod.rs"]
#[allow(dead_code, reason = "what tests need besides")]
mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use upright_testkit::{Recording, Request, Server, Shared, World};

/// Resources in each account, as multiples of the demo's.
const SCALES: [usize; 2] = [1, 10];
/// Added to every call.
const LATENCIES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(40)];
/// Of so many scans the one with the median time is shown.
const RUNS: usize = 5;
/// Calls in flight at once; half the program's own default, which two cores that also serve cannot drive.
const CONCURRENCY: usize = 64;

/// The longest chain of calls each of which needs what the one before it answered. The emulator's
/// `ListBuckets` does not tell regions, so that each bucket's is asked for. As long is the chain over
/// `DescribeRegions` and `DescribeSecurityGroups` to `GetManagedPrefixListEntries`.
const CHAIN: &[&str] = &[
    "sts:GetCallerIdentity",
    "organizations:ListAccounts",
    "sts:AssumeRole",
    "s3:ListBuckets",
    "s3:GetBucketLocation",
    "s3:GetBucketPolicy",
];

/// The goals: time over ideal, start-up, and peak in MiB.
const MAX_RATIO: f64 = 1.2;
const MAX_START_UP: Duration = Duration::from_millis(100);
const MAX_PEAK: f64 = 100.0;

fn main() {
    let upright =
        std::env::var_os("UPRIGHT_BIN").map_or_else(|| PathBuf::from(common::UPRIGHT), PathBuf::from);
    let codes = [common::FAILED, common::FAILED_AND_INCOMPLETE];
    let recording = Shared::scan(&upright, common::SCAN, &codes).unwrap().recording;
    let mut scans = Vec::new();
    for scale in SCALES {
        let recording = recording.scaled(scale).unwrap();
        for latency in LATENCIES {
            let mut runs: Vec<Scan> =
                (0..RUNS).map(|_| Scan::of(&upright, &recording, scale, latency)).collect();
            runs.sort_by_key(|scan| scan.wall);
            scans.push(runs.swap_remove(RUNS / 2));
        }
    }
    print_table(&scans);
    print_goals(&scans);
    print_operations(&scans);
    print_depth(&upright, &recording);
}

/// One scan, with the bare loop over the same requests against the same server.
struct Scan {
    scale: usize,
    latency: Duration,
    wall: Duration,
    bare: Duration,
    /// From the start of the program to its first request, and from its last request to its end.
    start_up: Duration,
    ending: Duration,
    peak_mib: f64,
    calls: usize,
    repeated: usize,
    most_in_flight: usize,
    by_operation: BTreeMap<String, usize>,
}

impl Scan {
    fn of(upright: &Path, recording: &Recording, scale: usize, latency: Duration) -> Self {
        let server = Server::replay(recording).latency(latency).start().unwrap();
        let world = World::new(upright).unwrap();
        let started = server.uptime();
        let concurrency = CONCURRENCY.to_string();
        let arguments = [common::SCAN, &["--concurrency", &concurrency]].concat();
        let run = world.run(&server.env(), &arguments).unwrap();
        assert_eq!(server.unexpected(), Vec::<String>::new(), "{run}");
        let requests = server.requests();
        let (first, last) = (requests.first().unwrap().at, requests.last().unwrap().at);
        let again = Server::replay(recording).latency(latency).start().unwrap();
        Self {
            scale,
            latency,
            wall: run.wall,
            bare: again.bare_loop(&requests, CONCURRENCY).unwrap(),
            start_up: first.saturating_sub(started),
            ending: (started + run.wall).saturating_sub(last + latency),
            peak_mib: run.peak_rss.map_or(f64::NAN, mib),
            calls: requests.len(),
            repeated: requests.iter().filter(|request| request.attempt > 1).count(),
            most_in_flight: server.most_in_flight(),
            by_operation: server.counts(),
        }
    }

    /// The chain, or all calls at the program's concurrency, whichever takes longer.
    fn ideal(&self) -> Duration {
        let latency = self.latency.as_secs_f64();
        let chain = latency * count(CHAIN.len());
        let spread = latency * count(self.calls) / count(CONCURRENCY);
        Duration::from_secs_f64(chain.max(spread))
    }

    fn ratio(&self) -> f64 {
        self.wall.as_secs_f64() / self.ideal().as_secs_f64()
    }
}

fn print_table(scans: &[Scan]) {
    println!(
        "{:>5} {:>7} {:>6} {:>8} {:>8} {:>9} {:>8} {:>6} {:>9} {:>8} {:>8} {:>9} {:>9}",
        "scale",
        "latency",
        "calls",
        "wall",
        "bare",
        "wall/bare",
        "ideal",
        "ratio",
        "start-up",
        "ending",
        "peak",
        "in flight",
        "repeated"
    );
    for scan in scans {
        let (ideal, ratio) = match scan.latency {
            Duration::ZERO => ("-".to_owned(), "-".to_owned()),
            _ => (seconds(scan.ideal()), format!("{:.2}", scan.ratio())),
        };
        println!(
            "{:>4}x {:>4} ms {:>6} {:>8} {:>8} {:>9.2} {ideal:>8} {ratio:>6} {:>9} {:>8} {:>4.0} MiB {:>9} {:>9}",
            scan.scale,
            scan.latency.as_millis(),
            scan.calls,
            seconds(scan.wall),
            seconds(scan.bare),
            scan.wall.as_secs_f64() / scan.bare.as_secs_f64(),
            seconds(scan.start_up),
            seconds(scan.ending),
            scan.peak_mib,
            scan.most_in_flight,
            scan.repeated,
        );
    }
    println!(
        "\nbare: the same requests by a loop that makes nothing of the answers, {CONCURRENCY} at a time; at 0 ms \
         it is what the server can do.\nideal: {} dependent calls ({}), or calls / {CONCURRENCY}, times the latency.\n\
         ending: from the last answer to the end of the program: verdicts and reports.\n\
         The median of {RUNS} scans; program, server and this loop share one machine.",
        CHAIN.len(),
        CHAIN.join(" > "),
    );
}

fn print_goals(scans: &[Scan]) {
    println!();
    for scan in scans {
        let what = format!("{}x, {} ms", scan.scale, scan.latency.as_millis());
        if !scan.latency.is_zero() {
            goal(&what, "time at most 1.2 of the ideal", scan.ratio() <= MAX_RATIO);
        }
        goal(&what, "start-up under 0.1 s", scan.start_up < MAX_START_UP);
        goal(&what, "peak under 100 MiB", scan.peak_mib < MAX_PEAK);
        goal(&what, "no call made twice", scan.repeated == 0);
    }
}

fn goal(what: &str, goal: &str, is_met: bool) {
    println!("{what:<10} {goal:<31} {}", if is_met { "met" } else { "NOT MET" });
}

fn print_operations(scans: &[Scan]) {
    let shown: Vec<&Scan> = scans.iter().filter(|scan| scan.latency.is_zero()).collect();
    let heads: Vec<String> = shown.iter().map(|scan| format!("{:>7}", format!("{}x", scan.scale))).collect();
    println!("\n{:<40}{}", "calls by operation", heads.concat());
    for operation in shown.last().into_iter().flat_map(|scan| scan.by_operation.keys()) {
        let counts: Vec<String> = shown
            .iter()
            .map(|scan| format!("{:>7}", scan.by_operation.get(operation).copied().unwrap_or(0)))
            .collect();
        println!("{operation:<40}{}", counts.concat());
    }
}

/// How deep the program's own chain is: with no bound on the calls in flight and a latency beside which its
/// work is nothing, requests come in waves.
fn print_depth(upright: &Path, recording: &Recording) {
    let latency = Duration::from_millis(500);
    let server = Server::replay(recording).latency(latency).start().unwrap();
    let unbounded = [common::SCAN, &["--concurrency", "1024"]].concat();
    World::new(upright).unwrap().run(&server.env(), &unbounded).unwrap();
    let requests = server.requests();
    let first = requests.first().unwrap().at;
    let mut waves: BTreeMap<u128, BTreeMap<&str, usize>> = BTreeMap::new();
    for Request { call, at, .. } in &requests {
        let wave = (*at - first).as_millis() / latency.as_millis() + 1;
        *waves.entry(wave).or_default().entry(&call.operation).or_insert(0) += 1;
    }
    println!("\ncalls in waves, none of which waits for another of its wave");
    for (wave, operations) in waves {
        let operations: Vec<String> = operations.iter().map(|(name, n)| format!("{name} {n}")).collect();
        println!("{wave:>2}  {}", operations.join(", "));
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

fn count(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::INFINITY, f64::from)
}
