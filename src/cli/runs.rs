//! `upright runs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::str::FromStr;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use super::output::{print, print_json};
use super::settings::AccessArguments;
use super::{Done, Exit, Stopped};
use crate::archive::{Archive, Keep, KeptRun, Location, Manifest, Removed, RunId, StoredObject};
use crate::config::Config;
use crate::report::printable;
use crate::scan::keeping;

/// Accounts, and objects of one kind, that are shown one by one at most.
const MOST_SHOWN: usize = 10;

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
        accounts(&facts.accounts),
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
    for (name, objects) in alike(&manifest.objects) {
        let bytes = size(objects.iter().map(|object| object.bytes).sum());
        let _ = match objects.as_slice() {
            [object] => {
                writeln!(text, "  {name:<32}  {bytes:>9}  SHA-256 {}", printable(&object.sha256))
            }
            many => writeln!(text, "  {name:<32}  {bytes:>9}  {} objects", many.len()),
        };
    }
    text
}

/// The accounts of a run; of many only how many they are.
fn accounts(ids: &[String]) -> String {
    if ids.len() > MOST_SHOWN {
        return format!("{}; their ids: --json", ids.len());
    }
    ids.iter().map(|id| printable(id)).collect::<Vec<_>>().join(" ")
}

/// The objects of a run, each by its name; those of many accounts together, and so those of many files of columns.
fn alike(objects: &[StoredObject]) -> Vec<(String, Vec<&StoredObject>)> {
    let mut groups: BTreeMap<String, Vec<&StoredObject>> = BTreeMap::new();
    for object in objects {
        groups.entry(pattern(&object.name)).or_default().push(object);
    }
    let mut shown = Vec::new();
    for (pattern, group) in groups {
        if group.len() > MOST_SHOWN {
            shown.push((pattern, group));
        } else {
            shown.extend(group.into_iter().map(|object| (object.name.clone(), vec![object])));
        }
    }
    shown
}

/// A name with `*` for the account or the number in it.
fn pattern(name: &str) -> String {
    /// As many as the numbers of files have, and fewer than accounts.
    const DIGITS: usize = 4;
    let parts = name.split('.').map(|part| {
        let kept = part.trim_end_matches(|c: char| c.is_ascii_digit());
        if part.len() - kept.len() < DIGITS { part.to_owned() } else { format!("{kept}*") }
    });
    parts.collect::<Vec<_>>().join(".")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_accounts_have_is_shown_together() {
        let names = (0..11).flat_map(|n| {
            let number = if n < 2 { format!("findings-{n:04}.parquet") } else { format!("report-{n}.html") };
            [format!("{n:012}.report.json.zst"), format!("{n:012}.part.json"), number]
        });
        let objects: Vec<StoredObject> =
            names.chain(["manifest.json".to_owned()]).map(|name| StoredObject::of(&name, b"12")).collect();
        let shown = alike(&objects);
        let shown: Vec<(&str, usize)> =
            shown.iter().map(|(name, objects)| (name.as_str(), objects.len())).collect();
        assert_eq!(shown[..2], [("*.part.json", 11), ("*.report.json.zst", 11)]);
        assert_eq!(
            shown[2..5],
            [("findings-0000.parquet", 1), ("findings-0001.parquet", 1), ("manifest.json", 1)]
        );
        assert_eq!(shown.len(), 5 + 9, "{shown:?}");
        assert_eq!(objects.len(), shown.iter().map(|(_, count)| count).sum::<usize>());

        let ids: Vec<String> = (0..11).map(|n| format!("{n:012}")).collect();
        assert_eq!(accounts(&ids[..2]), "000000000000 000000000001");
        assert_eq!(accounts(&ids), "11; their ids: --json");
    }
}
