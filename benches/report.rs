//! Measures reports of different sizes: bytes, time and memory of every format, and how soon the page can be used in
//! a browser. See README.md beside this file.
//!
//! Each format is written by a process of its own, so that its peak is not another's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement ends where something is missing"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use upright::report::{Destination, Format, Report, write_files};
use upright_testkit::{synthetic_report, workspace};

const FINDINGS: [usize; 3] = [1_000, 10_000, 100_000];
/// At most so many, and at least so many findings in each, so that every control says something about each.
const ACCOUNTS: usize = 200;
const FINDINGS_IN_ACCOUNT: usize = 50;
/// Of so many times the median is shown.
const RUNS: usize = 5;
/// The first argument of a process that writes one format.
const WRITE: &str = "write";

/// What writing one format took.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    bytes: u64,
    ms: f64,
    peak_mib: f64,
    report_mib: f64,
}

/// How soon the page can be used.
#[derive(Debug, Deserialize)]
struct Opened {
    open_ms: f64,
    filter_ms: f64,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, first, format, findings, folder] = args.as_slice()
        && first == WRITE
    {
        let written = measure(format.parse().unwrap(), findings.parse().unwrap(), Path::new(folder));
        println!("{}", serde_json::to_string(&written).unwrap());
        return;
    }
    let mut sizes: BTreeMap<usize, Vec<(Format, Written)>> = BTreeMap::new();
    let mut pages = Vec::new();
    for findings in FINDINGS {
        let folder = TempDir::new().unwrap();
        let each = Format::ALL.map(|format| (format, in_a_process(format, findings, folder.path())));
        sizes.insert(findings, each.into());
        pages.push((findings, opened(&folder.path().join(Format::Html.file_name()))));
    }
    print_formats(&sizes);
    print_pages(&pages);
}

fn in_a_process(format: Format, findings: usize, folder: &Path) -> Written {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([WRITE, format.as_str(), &findings.to_string()])
        .arg(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn measure(format: Format, findings: usize, folder: &Path) -> Written {
    let accounts = ACCOUNTS.min(findings / FINDINGS_IN_ACCOUNT);
    let report: Report = synthetic_report(findings, accounts).unwrap();
    let report_mib = peak_mib();
    let destination = Destination { folder, formats: &[format], html_max_findings: u64::MAX };
    let mut times = Vec::new();
    let mut peak = f64::NAN;
    for run in 0..RUNS {
        let started = Instant::now();
        write_files(&report, destination).unwrap();
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        if run == 0 {
            peak = peak_mib();
        }
    }
    times.sort_by(f64::total_cmp);
    let bytes = std::fs::metadata(folder.join(format.file_name())).unwrap().len();
    Written { bytes, ms: times[RUNS / 2], peak_mib: peak, report_mib }
}

/// The most memory that this process had resident so far.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

fn opened(page: &Path) -> Opened {
    let root = workspace().unwrap();
    let output = Command::new(root.join(".venv/bin/node"))
        .arg(root.join("tests/browser/measure.mjs"))
        .arg(page)
        .arg(RUNS.to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn print_formats(sizes: &BTreeMap<usize, Vec<(Format, Written)>>) {
    let (_, json) = &sizes[&FINDINGS[0]][0];
    println!("| findings | format | bytes | × | written in | × | peak | of it the report |");
    println!("|---|---|---|---|---|---|---|---|");
    for (findings, each) in sizes {
        for (format, written) in each {
            let Written { bytes, ms, peak_mib, report_mib } = written;
            let larger = *bytes as f64 / json.bytes as f64;
            let slower = ms / json.ms;
            println!(
                "| {findings} | {format} | {bytes} | {larger:.2} | {ms:.1} ms | {slower:.1} | {peak_mib:.0} MiB | \
                 {report_mib:.0} MiB |"
            );
        }
    }
}

fn print_pages(pages: &[(usize, Opened)]) {
    println!("\n| findings | open | × | filter | × |");
    println!("|---|---|---|---|---|");
    let first = &pages[0].1;
    for (findings, Opened { open_ms, filter_ms }) in pages {
        let (opening, filtering) = (open_ms / first.open_ms, filter_ms / first.filter_ms);
        println!("| {findings} | {open_ms:.0} ms | {opening:.1} | {filter_ms:.0} ms | {filtering:.1} |");
    }
}
