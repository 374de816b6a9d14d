//! The archive of a scan: reaching it, the run to compare with, and keeping this one. And reading reports out of it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Stopped, settings};
use crate::archive::{
    Archive, ArchiveError, FINDINGS, INVENTORY, LocalStore, Location, Manifest, PAGE, REPORT, Removed,
    RunFacts, RunId, S3Store, Tally, Writing, columns,
};
use crate::config::{Config, Selection};
use crate::controls::VerdictKind;
use crate::hex::hex_of_first;
use crate::inventory::{self, Inventory};
use crate::report::{self, Changes, Format, Report, Undelivered, WriteError, printable};

/// Runs that are looked through for the one to compare with.
const MAX_LOOKED_AT: usize = 200;
/// A report that unpacks to more is none of ours.
const MAX_REPORT_BYTES: u64 = 4 << 30;
/// How hard zstd tries: 3 is its own choice, and takes a few seconds a gigabyte.
const ZSTD_LEVEL: i32 = 3;

/// What is wrong with an archive, for people.
pub(super) fn failed(error: &dyn std::fmt::Display) -> Stopped {
    Stopped::could_not_run(miette::miette!("{}", printable(&error.to_string())))
}

/// The archive at a place. Nothing is asked of a directory.
pub(super) fn open(config: &Config, place: &Location) -> Result<Archive, Stopped> {
    match place {
        Location::Directory(path) => Ok(Archive::new(LocalStore::new(path.clone()))),
        Location::Bucket { bucket, prefix } => {
            S3Store::open(&settings::source(config), &settings::limits(config), bucket, prefix)
                .map(Archive::new)
                .map_err(|error| failed(&error))
        }
    }
}

/// The archive at a place, which answers.
pub(super) fn reach(config: &Config, place: &Location) -> Result<Archive, Stopped> {
    let archive = open(config, place)?;
    archive.committed().map_err(|error| failed(&error))?;
    Ok(archive)
}

/// The report of a run.
pub(super) fn report_of(archive: &Archive, id: &RunId) -> Result<Report, Stopped> {
    let manifest = archive.manifest(id).map_err(|error| failed(&error))?;
    read_report(archive, &manifest).map_err(|why| failed(&why))
}

fn read_report(archive: &Archive, manifest: &Manifest) -> Result<Report, String> {
    let name = format!("{REPORT} of run {}", manifest.run_id);
    let packed = archive.read(manifest, REPORT).map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    zstd::Decoder::with_buffer(packed.as_slice())
        .and_then(|decoder| decoder.take(MAX_REPORT_BYTES).read_to_end(&mut text))
        .map_err(|error| format!("`{name}`: {error}"))?;
    report::json::parse(Path::new(&name), &text).map_err(|error| error.to_string())
}

/// Hash of what a scan was asked to look at and to judge. What it then found there, such as a new account of the
/// organization, does not change it.
pub(super) fn asked(config: &Config, report: &Report, is_from_file: bool) -> String {
    #[derive(Serialize)]
    struct Asked<'a> {
        accounts: Vec<&'a str>,
        organization: bool,
        include: &'a Selection,
        exclude: &'a Selection,
        regions: &'a [crate::config::RegionName],
        frameworks: &'a [String],
        level: Option<u8>,
        enable: &'a [String],
        disable: &'a [String],
    }
    // Where the organization says which accounts there are, they are no question but the answer.
    let accounts = if config.organization && !is_from_file {
        config.accounts.iter().map(crate::config::AccountId::as_str).collect()
    } else {
        judged(report).collect()
    };
    let asked = Asked {
        accounts,
        organization: config.organization,
        include: &config.include,
        exclude: &config.exclude,
        regions: &config.regions,
        frameworks: &config.frameworks,
        level: config.level,
        enable: &config.enable,
        disable: &config.disable,
    };
    // Such a value has no key that is no text, and cannot fail; equal hashes would only compare more.
    let text = serde_json::to_vec(&asked).unwrap_or_default();
    hex_of_first(8, &Sha256::digest(&text))
}

/// What a run could not deliver.
fn undelivered(manifest: &Manifest) -> Option<Undelivered> {
    let facts = &manifest.facts;
    (!facts.notes.is_empty()).then(|| Undelivered {
        run: manifest.run_id.to_string(),
        started_at: facts.started_at.to_string(),
        messages: facts.notes.clone(),
    })
}

fn judged(report: &Report) -> impl Iterator<Item = &str> {
    report.accounts.iter().filter(|account| account.is_judged()).map(|account| account.id.as_str())
}

/// A run that has its id and is not kept yet.
pub(super) struct Keeping<'a> {
    archive: &'a Archive,
    writing: Writing<'a>,
    asked: String,
}

/// A run whose objects are in the archive, and that is not committed yet.
pub(super) struct Stored<'a> {
    archive: &'a Archive,
    writing: Writing<'a>,
    asked: String,
}

impl<'a> Keeping<'a> {
    /// Claims an id, which becomes that of the report.
    pub(super) fn begin(archive: &'a Archive, report: &mut Report, asked: String) -> Result<Self, Stopped> {
        let started_at = time(&report.run.started_at);
        let writing = archive.begin(started_at).map_err(|error| failed(&error))?;
        report.run.id = writing.id().to_string();
        Ok(Self { archive, writing, asked })
    }

    /// Puts into the report what changed since the last run that was asked the same, or else since the last one
    /// that has an account in common, and carries on its trend. Without any, and where it cannot be read, nothing
    /// is said about changes.
    pub(super) fn compare(&self, report: &mut Report) {
        let earlier = self.earlier(report).and_then(|manifest| {
            report.undelivered = manifest.as_ref().and_then(undelivered);
            manifest.map(|manifest| read_report(self.archive, &manifest)).transpose()
        });
        let earlier = earlier.unwrap_or_else(|why| {
            eprintln!("What changed since the run before is not told: {}", printable(&why));
            None
        });
        if let Some(earlier) = &earlier {
            report.changes = Changes::between(earlier, report);
        }
        report.carry_on(earlier.as_ref());
    }

    fn earlier(&self, report: &Report) -> Result<Option<Manifest>, String> {
        let now = (time(&report.run.observed_at), time(&report.run.started_at));
        let mut related = None;
        for id in self.archive.committed().map_err(|error| error.to_string())?.iter().take(MAX_LOOKED_AT) {
            // A damaged manifest must not stand in the way of an older whole one.
            let Ok(manifest) = self.archive.manifest(id) else { continue };
            let facts = &manifest.facts;
            if (facts.observed_at, facts.started_at) >= now {
                continue;
            }
            if facts.asked == self.asked {
                return Ok(Some(manifest));
            }
            if related.is_none() && judged(report).any(|id| facts.accounts.iter().any(|known| known == id)) {
                related = Some(manifest);
            }
        }
        Ok(related)
    }

    /// Writes what the run holds.
    pub(super) fn store(
        mut self,
        report: &Report,
        inventory: &Inventory,
        config: &Config,
    ) -> Result<Stored<'a>, Stopped> {
        match put_all(&mut self.writing, report, inventory, config) {
            Ok(()) => Ok(Stored { archive: self.archive, writing: self.writing, asked: self.asked }),
            Err(why) => {
                self.writing.abandon();
                Err(failed(&format!("the run is not kept: {why}")))
            }
        }
    }
}

impl Stored<'_> {
    /// Commits the run, with notes of what could not be sent, and removes what is not to be kept any more.
    pub(super) fn commit(self, report: &Report, notes: Vec<String>, config: &Config) -> Result<(), Stopped> {
        let facts = facts(report, self.asked, notes);
        let manifest =
            self.writing.commit(facts).map_err(|error| failed(&format!("the run is not kept: {error}")))?;
        eprintln!("Kept as run {}.", manifest.run_id);
        let now = Timestamp::now();
        let keep = settings::keep(config);
        let removed = self.archive.tidy(now).and_then(|mut removed| {
            if !keep.is_everything() {
                removed.extend(self.archive.retain(keep, now)?);
            }
            Ok(removed)
        });
        // The run is kept; what could not be removed, the next one tries to.
        match removed {
            Ok(removed) => eprint!("{}", told(&removed)),
            Err(error) => eprintln!("Older runs were not looked at: {}", printable(&error.to_string())),
        }
        Ok(())
    }
}

/// What was removed, a line each.
pub(super) fn told(removed: &Removed) -> String {
    let runs = removed.runs.iter().map(|id| format!("Removed run {id}.\n"));
    let leftovers =
        removed.leftovers.iter().map(|id| format!("Removed what run {id} left, which was not committed.\n"));
    let errors =
        removed.errors.iter().map(|error| format!("Not removed: {}\n", printable(&error.to_string())));
    runs.chain(leftovers).chain(errors).collect()
}

fn put_all(
    writing: &mut Writing<'_>,
    report: &Report,
    inventory: &Inventory,
    config: &Config,
) -> Result<(), String> {
    let said = |error: ArchiveError| error.to_string();
    let mut put = |name: &str, bytes: Result<Vec<u8>, String>| {
        let bytes = bytes.map_err(|why| format!("{name}: {why}"))?;
        writing.put(name, bytes).map_err(said)
    };
    put(REPORT, packed_report(report).map_err(|error| error.to_string()))?;
    put(FINDINGS, findings(report).map_err(said))?;
    let mut observed = Vec::new();
    let written = inventory::write(inventory, &mut observed).map_err(|error| error.to_string());
    put(INVENTORY, written.map(|()| observed))?;
    if config.formats.contains(&Format::Html) {
        put(PAGE, packed_page(report).map_err(|error| error.to_string()))?;
    }
    Ok(())
}

fn packed_report(report: &Report) -> Result<Vec<u8>, WriteError> {
    let mut out = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
    report::write(report, Format::Json, &mut out)?;
    Ok(out.finish()?)
}

fn packed_page(report: &Report) -> Result<Vec<u8>, WriteError> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    report::write(report, Format::Html, &mut out)?;
    out.flush()?;
    Ok(out.finish()?)
}

fn findings(report: &Report) -> Result<Vec<u8>, ArchiveError> {
    let run: RunId = report
        .run
        .id
        .parse()
        .map_err(|error: crate::archive::NoRunId| ArchiveError::NoRun { text: error.to_string() })?;
    let controls: BTreeMap<&str, (&str, &str, Vec<String>)> = report
        .controls
        .iter()
        .map(|row| {
            let requirements = row.requirements.iter();
            let requirements =
                requirements.flat_map(|(id, items)| items.iter().map(move |item| format!("{id}:{item}")));
            (row.id.as_str(), (row.title.as_str(), row.service.as_str(), requirements.collect()))
        })
        .collect();
    let accounts: BTreeMap<&str, &str> =
        report.accounts.iter().map(|account| (account.id.as_str(), account.name.as_str())).collect();
    let unlisted = ("", "", Vec::new());
    let observed_at = time(&report.run.observed_at);
    let rows = report.findings.iter().map(|finding| {
        // `Report::check` has seen to it that every finding's control and account are listed.
        let (title, service, requirements) = controls.get(finding.control.as_str()).unwrap_or(&unlisted);
        columns::Row {
            finding,
            account_name: accounts.get(finding.account.as_str()).copied().unwrap_or_default(),
            control_title: title,
            service,
            frameworks: requirements,
            failing_since: (finding.verdict == VerdictKind::Fail).then(|| {
                let before = report.changes.as_ref().and_then(|changes| changes.fails_since(&finding.id));
                before.map_or(observed_at, time)
            }),
        }
    });
    Ok(columns::write(&run, observed_at, rows)?)
}

fn facts(report: &Report, asked: String, notes: Vec<String>) -> RunFacts {
    let mut failing = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.verdict == VerdictKind::Fail) {
        *failing.entry(finding.severity.as_str().to_owned()).or_insert(0) += 1;
    }
    let totals = report.totals;
    RunFacts {
        version: report.run.version.clone(),
        started_at: time(&report.run.started_at),
        finished_at: time(&report.run.finished_at),
        observed_at: time(&report.run.observed_at),
        complete: report.run.complete,
        asked,
        accounts: judged(report).map(str::to_owned).collect(),
        findings: Tally {
            pass: totals.pass,
            fail: totals.fail,
            unknown: totals.unknown,
            not_applicable: totals.not_applicable,
        },
        failing,
        notes,
    }
}

/// A time of a report of this program.
fn time(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}
