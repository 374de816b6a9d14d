//! `upright runs`.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::str::FromStr;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::output::{print, print_json};
use super::settings::AccessArguments;
use super::{Done, Exit, Stopped};
use crate::archive::{Archive, Keep, KeptRun, Location, Manifest, Removed, RunId};
use crate::config::Config;
use crate::report::printable;
use crate::scan::keeping;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright runs list\n  \
    upright runs show latest\n  \
    upright runs rm --keep 90")]
pub(super) struct RunsArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the runs that are kept, newest first.
    #[command(after_help = "Examples:\n  \
        upright runs list\n  \
        upright runs list --archive s3://acme-audit/upright --json")]
    List {
        #[command(flatten)]
        place: PlaceArguments,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a run: when, which accounts, what it found and what it holds.
    #[command(after_help = "Examples:\n  \
        upright runs show latest\n  \
        upright runs show 20261129 --json")]
    Show {
        /// Id of the run, as much of its beginning as no other has, or `latest`
        run: String,
        #[command(flatten)]
        place: PlaceArguments,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove runs, and what runs left that did not end. The newest stays unless it is named.
    #[command(after_help = "Examples:\n  \
        upright runs rm 20261129T030000Z-3f9a12c0\n  \
        upright runs rm --keep 90\n  \
        upright runs rm --keep-days 365 --archive s3://acme-audit/upright")]
    Rm {
        /// Runs to remove: ids, or as much of their beginning as no other has
        #[arg(value_name = "RUN", required_unless_present_any = ["keep", "keep_days"])]
        runs: Vec<String>,
        /// Keep this many of the newest runs
        #[arg(long, value_name = "N")]
        keep: Option<NonZeroU32>,
        /// Keep the runs of this many days
        #[arg(long, value_name = "DAYS")]
        keep_days: Option<NonZeroU32>,
        #[command(flatten)]
        place: PlaceArguments,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Flags that say where the archive is, and how to reach it.
#[derive(Debug, Args)]
pub(super) struct PlaceArguments {
    /// The archive: a directory, or s3://bucket/prefix [default: that of the configuration, or upright-data]
    #[arg(long, value_name = "WHERE", value_parser = Location::from_str)]
    archive: Option<Location>,
    #[command(flatten)]
    access: AccessArguments,
}

impl PlaceArguments {
    /// The configuration file with the flags put over it.
    pub(super) fn config(&self) -> Result<Config, Stopped> {
        let mut config = self.access.config()?;
        if self.archive.is_some() {
            config.archive.clone_from(&self.archive);
        }
        Ok(config)
    }

    /// The archive that is meant.
    pub(super) fn open(&self) -> Result<Archive, Stopped> {
        let config = self.config()?;
        keeping::open(&config, &config.archive.clone().unwrap_or_default())
    }
}

pub(super) fn run(arguments: &RunsArguments) -> Done {
    match &arguments.command {
        Command::List { place, json } => list(&place.open()?, *json),
        Command::Show { run, place, json } => show(&place.open()?, run, *json),
        Command::Rm { runs, keep, keep_days, place, json } => {
            remove(&place.open()?, runs, Keep { runs: *keep, days: *keep_days }, *json)
        }
    }
}

fn list(archive: &Archive, is_json: bool) -> Done {
    let runs = archive.runs().map_err(|error| keeping::failed(&error))?;
    let (mut manifests, mut damaged) = (Vec::new(), Vec::new());
    for KeptRun { id, manifest } in runs {
        match manifest {
            Ok(manifest) => manifests.push(manifest),
            Err(error) => damaged.push((id, error)),
        }
    }
    if is_json {
        print_json(&manifests)?
    } else {
        print(&table(&manifests))?
    };
    for (id, error) in &damaged {
        eprintln!("Run {id} cannot be read: {}", printable(&error.to_string()));
    }
    Ok(if damaged.is_empty() { Exit::Clean } else { Exit::CouldNotRun })
}

fn table(manifests: &[Manifest]) -> String {
    if manifests.is_empty() {
        return "No run is kept yet; `upright scan --archive` keeps one.\n".to_owned();
    }
    let mut text = format!(
        "{:<25}  {:>8}  {:>6}  {:>7}  {:>6}  {:<10}  {:>9}\n",
        "RUN", "ACCOUNTS", "FAIL", "UNKNOWN", "PASS", "OBSERVED", "SIZE"
    );
    for manifest in manifests {
        let facts = &manifest.facts;
        let observed = if facts.complete { "everything" } else { "in part" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<25}  {:>8}  {:>6}  {:>7}  {:>6}  {observed:<10}  {:>9}",
            manifest.run_id,
            facts.accounts.len(),
            facts.findings.fail,
            facts.findings.unknown,
            facts.findings.pass,
            size(manifest.total_bytes()),
        );
    }
    text
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn show(archive: &Archive, run: &str, is_json: bool) -> Done {
    let id = archive.find(run).map_err(|error| keeping::failed(&error))?;
    let manifest = archive.manifest(&id).map_err(|error| keeping::failed(&error))?;
    if is_json { print_json(&manifest) } else { print(&shown(&manifest)) }
}

fn shown(manifest: &Manifest) -> String {
    let facts = &manifest.facts;
    let tally = facts.findings;
    let mut text = format!(
        "Run {}\n  started    {}\n  finished   {}\n  observed   {}{}\n  by         Upright {}\n  accounts   {}\n  \
         findings   {} fail, {} unknown, {} pass, {} not applicable\n",
        manifest.run_id,
        facts.started_at,
        facts.finished_at,
        facts.observed_at,
        if facts.complete { "" } else { ", not everything" },
        printable(&facts.version),
        facts.accounts.iter().map(|id| printable(id)).collect::<Vec<_>>().join(" "),
        tally.fail,
        tally.unknown,
        tally.pass,
        tally.not_applicable,
    );
    let failing = facts.failing.iter().map(|(severity, count)| format!("{count} {}", printable(severity)));
    let failing = failing.collect::<Vec<_>>().join(", ");
    let lines = [("failing", failing)].into_iter().filter(|(_, words)| !words.is_empty());
    let notes = facts.notes.iter().map(|note| ("note", printable(note).into_owned()));
    for (label, words) in lines.chain(notes) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {label:<9}  {words}");
    }
    for object in &manifest.objects {
        let _ = writeln!(
            text,
            "  {:<22}  {:>9}  SHA-256 {}",
            object.name,
            size(object.bytes),
            printable(&object.sha256)
        );
    }
    text
}

/// What `rm` prints as JSON.
#[derive(Serialize)]
struct RemovedRuns<'a> {
    removed: &'a [RunId],
    leftovers: &'a [RunId],
    errors: Vec<String>,
}

fn remove(archive: &Archive, runs: &[String], keep: Keep, is_json: bool) -> Done {
    // All of them are found before the first is removed: a wrong one is told while nothing is gone.
    let ids: Result<Vec<RunId>, _> = runs.iter().map(|run| archive.find(run)).collect();
    let mut removed = Removed::default();
    for id in ids.map_err(|error| keeping::failed(&error))? {
        match archive.remove(&id) {
            Ok(()) => removed.runs.push(id),
            Err(error) => removed.errors.push(error),
        }
    }
    let now = Timestamp::now();
    if !keep.is_everything() {
        removed.extend(archive.retain(keep, now).map_err(|error| keeping::failed(&error))?);
    }
    removed.extend(archive.tidy(now).map_err(|error| keeping::failed(&error))?);
    if is_json {
        let errors = removed.errors.iter().map(|error| printable(&error.to_string()).into_owned()).collect();
        print_json(&RemovedRuns { removed: &removed.runs, leftovers: &removed.leftovers, errors })?;
    } else {
        print(&keeping::told(&removed))?;
    }
    Ok(if removed.errors.is_empty() { Exit::Clean } else { Exit::CouldNotRun })
}
