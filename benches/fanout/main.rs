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

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use upright::archive::{Archive, LocalStore, RunId};
use upright::config::Config;
use upright::controls::ControlSet;
use upright::inventory;
use upright::report::Report;
use upright::run::{Facts, join};
use upright::scan::{Audience, Fanout};
use upright_testkit::{Server, World};

use organization::Organization;

/// Numbers of accounts, unless `UPRIGHT_BENCH_ACCOUNTS` says others.
const ACCOUNTS: &str = "10,100,300,1000";
/// The longest that a last step may take.
const PATIENCE: Duration = Duration::from_secs(2 * 60 * 60);
/// Accounts that a scan is made to hold at once, for comparison: with more of them it wants more memory than a machine of
/// the usual size has.
const MAX_AT_ONCE: usize = 100;
/// Where in the directory of the program the archive is.
const ARCHIVE: &str = "archive";
/// Where the inventory of all accounts is.
const INVENTORY: &str = "inventory.json.zst";

/// What finishing a run took.
struct Finished {
    findings: u64,
    listed: usize,
    seconds: f64,
    peak_mib: f64,
}

fn main() {
    let upright = std::env::var_os("UPRIGHT_BIN")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_upright")), PathBuf::from);
    let organization = Organization::of_the_demo(&upright);
    println!("{}\n", organization.words());
    println!(
        "| accounts | findings | listed | finish | peak | archive | peak at once |\n|---|---|---|---|---|---|---|"
    );
    let mut last = None;
    let numbers = std::env::var("UPRIGHT_BENCH_ACCOUNTS").unwrap_or_else(|_| ACCOUNTS.to_owned());
    for accounts in numbers.split(',').map(|number| number.parse().unwrap()) {
        let world = World::new(&upright).unwrap().limit(PATIENCE);
        let archive = world.dir().join(ARCHIVE);
        let run = write(&organization, accounts, &archive);
        let done = finish(&world, &run);
        let at_once = if accounts <= MAX_AT_ONCE {
            format!("{:.0} MiB", at_once(&organization, accounts, &world))
        } else {
            "-".to_owned()
        };
        println!(
            "| {accounts} | {} | {} | {:.1} s | {:.0} MiB | {:.0} MiB | {at_once} |",
            done.findings,
            done.listed,
            done.seconds,
            done.peak_mib,
            organization::mebibytes(&archive),
        );
        last = Some(done.seconds / accounts as f64);
    }
    println!("\n{}", model::table(&organization, last.unwrap_or_default()));
}

/// Puts a run of so many accounts, each scanned, into an archive.
fn write(organization: &Organization, accounts: usize, archive: &Path) -> RunId {
    let controls = ControlSet::builtin().unwrap();
    let fanout = Fanout {
        config: &Config::default(),
        controls: &controls,
        attestations: &[],
        archive: &Archive::new(LocalStore::new(archive.to_owned())),
        deadline: None,
        audience: &Nobody,
    };
    let planned = fanout.plan_of(None, Timestamp::now(), || Ok(organization.accounts(accounts))).unwrap();
    for number in 0..accounts {
        fanout.put(&planned.run, organization.observed(number)).unwrap();
    }
    planned.run
}

/// Mebibytes at the peak of a scan that judges all accounts together, from an inventory.
fn at_once(organization: &Organization, accounts: usize, world: &World) -> f64 {
    let parts = (0..accounts).map(|number| organization.observed(number).inventory).collect();
    inventory::save(&join(parts, &Facts::default(), true), &world.dir().join(INVENTORY)).unwrap();
    let nothing = Server::canned(|_| None).start().unwrap();
    let scan = ["scan", "--inventory", INVENTORY, "--out", "at-once", "--format", "html,json", "--quiet"];
    let done = world.run(&nothing.env(), &scan).unwrap();
    assert!(world.dir().join("at-once/report.json").is_file(), "{done}");
    mebibytes(done.peak_rss)
}

fn mebibytes(bytes: Option<u64>) -> f64 {
    bytes.map_or(f64::NAN, |bytes| bytes as f64 / f64::from(1 << 20))
}

struct Nobody;

impl Audience for Nobody {
    fn say(&self, _: &str) {}
}

/// Has the program do the last step, with the page that most look at and the report that is read here.
fn finish(world: &World, run: &RunId) -> Finished {
    let nothing = Server::canned(|_| None).start().unwrap();
    let step = ["fanout", "finish", "--run", run.as_str(), "--archive", ARCHIVE, "--out", "out"];
    let done = world.run(&nothing.env(), &[&step[..], &["--format", "html,json"]].concat()).unwrap();
    let report = world.read("out/report.json").unwrap_or_else(|error| panic!("{error}: {done}"));
    let report: Report = serde_json::from_str(&report).unwrap();
    Finished {
        findings: report.totals.total(),
        listed: report.findings.len(),
        seconds: done.wall.as_secs_f64(),
        peak_mib: mebibytes(done.peak_rss),
    }
}
