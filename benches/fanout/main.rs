//! Measures what a scan by many processes takes for up to 1,000 accounts in 17 regions: its last step for real, over
//! made-up accounts, and what AWS's limits make of the others, by a model. See README.md beside this folder.
//!
//! Each last step is done by a process of its own, so that its peak is not another's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement ends where something is missing"
)]

mod model;
mod organization;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use upright::archive::{Archive, LocalStore, RunId};
use upright::config::Config;
use upright::controls::ControlSet;
use upright::report::Format;
use upright::scan::{Audience, Fanout};

use organization::Organization;

/// Numbers of accounts, unless `UPRIGHT_BENCH_ACCOUNTS` says others.
const ACCOUNTS: &str = "10,100,300,1000";
/// The first argument of a process that finishes a run.
const FINISH: &str = "finish";

/// What finishing a run took.
#[derive(Debug, Serialize, Deserialize)]
struct Finished {
    findings: u64,
    listed: usize,
    seconds: f64,
    peak_mib: f64,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, first, folder, run] = args.as_slice()
        && first == FINISH
    {
        println!("{}", serde_json::to_string(&finish(Path::new(folder), run)).unwrap());
        return;
    }
    let organization = Organization::of_the_demo();
    println!("{}\n", organization.words());
    println!("| accounts | findings | listed | finish | peak | archive |\n|---|---|---|---|---|---|");
    let mut last = None;
    let numbers = std::env::var("UPRIGHT_BENCH_ACCOUNTS").unwrap_or_else(|_| ACCOUNTS.to_owned());
    for accounts in numbers.split(',').map(|number| number.parse().unwrap()) {
        let folder = TempDir::new().unwrap();
        let run = write(&organization, accounts, folder.path());
        let done = in_a_process(folder.path(), &run);
        println!(
            "| {accounts} | {} | {} | {:.1} s | {:.0} MiB | {:.0} MiB |",
            done.findings,
            done.listed,
            done.seconds,
            done.peak_mib,
            organization::mebibytes(folder.path()),
        );
        last = Some(done.seconds / accounts as f64);
    }
    println!("\n{}", model::table(&organization, last.unwrap_or_default()));
}

/// A step of the run in that folder.
fn with<T>(folder: &Path, step: impl FnOnce(&Fanout<'_>) -> T) -> T {
    let config = Config { out: folder.join("out"), formats: vec![Format::Html], ..Config::default() };
    let archive = Archive::new(LocalStore::new(folder.join("archive")));
    let controls = ControlSet::builtin().unwrap();
    step(&Fanout {
        config: &config,
        controls: &controls,
        attestations: &[],
        archive: &archive,
        deadline: None,
        audience: &Nobody,
    })
}

struct Nobody;

impl Audience for Nobody {
    fn say(&self, _: &str) {}
}

/// The run of so many accounts, each scanned.
fn write(organization: &Organization, accounts: usize, folder: &Path) -> RunId {
    with(folder, |fanout| {
        let planned = fanout.plan_of(None, Timestamp::now(), || Ok(organization.accounts(accounts))).unwrap();
        for number in 0..accounts {
            fanout.put(&planned.run, organization.observed(number)).unwrap();
        }
        planned.run
    })
}

fn in_a_process(folder: &Path, run: &RunId) -> Finished {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(FINISH)
        .arg(folder)
        .arg(run.as_str())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn finish(folder: &Path, run: &str) -> Finished {
    let started = Instant::now();
    let report = with(folder, |fanout| fanout.finish(&run.parse().unwrap()).unwrap());
    Finished {
        findings: report.totals.total(),
        listed: report.findings.len(),
        seconds: started.elapsed().as_secs_f64(),
        peak_mib: peak_mib(),
    }
}

/// The most memory that this process had resident, as Linux tells it.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
