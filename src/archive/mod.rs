//! Runs that are kept: in a directory or in S3, with one layout for both.
//!
//! ```text
//! runs/<run id>/started.json          claims the id
//! runs/<run id>/report.json.zst       the report, from which every format can be made again
//! runs/<run id>/findings.parquet      its findings as columns
//! runs/<run id>/inventory.json.zst    what was observed
//! runs/<run id>/<account>.…           the same of one account, and findings-<number>.parquet, in a run by many processes
//! runs/<run id>/manifest.json         written last: it commits the run, and lists the objects with their hashes
//! findings/day=<date>/<run id>.parquet   the findings of committed runs once more, for DuckDB and Athena
//! executions/<hash of a name>           which run it began, where several processes do one
//! claims/<job>/<due>/<attempt>.json   which daemon does the run of a job that is due, or sends an alert
//! detections/day=<date>/<id>.json     what event rules found in events that are delivered one by one
//! live/<account>/<hash>/<generation>.json.zst   what was looked at since the last run, because of events
//! ```
//!
//! INVARIANT: a run is there when its manifest is, and only then. The manifest is written after everything that it
//! lists and removed before anything of it, so whatever is interrupted leaves a whole run or none. What is under
//! `findings/` is written after the commit and removed after the manifest, and [`Archive::tidy`] puts it right.
//!
//! The module knows no report: it keeps what it is given, under names, and calls AWS only for an archive in S3.

mod claim;
pub mod columns;
mod detections;
mod error;
mod id;
mod live;
mod local;
mod location;
mod manifest;
mod parts;
mod retention;
mod s3;
mod store;
#[cfg(test)]
mod tests;
mod write;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::hex::hex;

pub use claim::{BadJobName, Claim, Claimed, JobName};
pub use detections::Kept;
pub use error::ArchiveError;
pub use id::{NoRunId, RunId};
pub use live::LiveKey;
pub use local::LocalStore;
pub use location::{BadLocation, Location};
pub use manifest::{Manifest, RunFacts, StoredObject, Tally};
pub use retention::{Keep, Removed};
pub use s3::{OpenError, S3Store};
pub use store::{Entry, Store, StoreError, StoreErrorKind};
pub use write::Writing;

use manifest::MAX_MANIFEST_BYTES;

/// Name of the report in a run: JSON, compressed with zstd.
pub const REPORT: &str = "report.json.zst";
/// Name of the findings in a run: Parquet, see [`columns`].
pub const FINDINGS: &str = "findings.parquet";
/// Name of the inventory in a run: a file of `--save-inventory`.
pub const INVENTORY: &str = "inventory.json.zst";
/// Name of the inventory of one account, in a run that keeps one of each.
#[must_use]
pub fn inventory_of(account: &str) -> String {
    format!("{account}.{INVENTORY}")
}
/// Name of the page in a run: HTML, compressed with gzip, as `Content-Encoding` knows it.
pub const PAGE: &str = "report.html.gz";

const MANIFEST: &str = "manifest.json";
const STARTED: &str = "started.json";
const RUNS: &str = "runs";
const PUBLISHED: &str = "findings";

/// Bytes that an object may have, unless less is asked for: one of ours is far below.
const MAX_OBJECT_BYTES: u64 = 2 << 30;

/// Where runs are kept.
#[derive(Debug)]
pub struct Archive {
    store: Box<dyn Store>,
}

/// A run of the archive: its id, and its manifest or why that cannot be read.
#[derive(Debug)]
pub struct KeptRun {
    /// The id.
    pub id: RunId,
    /// The manifest. A damaged one hides no other run.
    pub manifest: Result<Manifest, ArchiveError>,
}

impl Archive {
    /// An archive in a store.
    #[must_use]
    pub fn new(store: impl Store + 'static) -> Self {
        Self { store: Box::new(store) }
    }

    /// Ids of the runs that are committed, newest first.
    ///
    /// # Errors
    /// When the archive cannot be listed.
    pub fn committed(&self) -> Result<Vec<RunId>, ArchiveError> {
        let entries = self.store.list(RUNS)?;
        let ids = entries.iter().filter_map(|entry| RunId::of_key(&entry.key));
        let mut ids: Vec<RunId> = ids.filter(|(_, name)| *name == MANIFEST).map(|(id, _)| id).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// The committed runs with their manifests, newest first.
    ///
    /// # Errors
    /// When the archive cannot be listed.
    pub fn runs(&self) -> Result<Vec<KeptRun>, ArchiveError> {
        let ids = self.committed()?;
        let run = |id: RunId| KeptRun { manifest: self.manifest(&id), id };
        let kept = ids.into_iter().map(run);
        // Another process may remove a run between the list and the read: then it is not there.
        Ok(kept.filter(|run| !matches!(&run.manifest, Err(error) if error.is_absence())).collect())
    }

    /// The manifest of a run.
    ///
    /// # Errors
    /// When there is none, or it is not one of ours.
    pub fn manifest(&self, id: &RunId) -> Result<Manifest, ArchiveError> {
        let text = self.store.get(&id.key(MANIFEST), MAX_MANIFEST_BYTES)?;
        Manifest::parse(id, &text)
    }

    /// The one committed run that is meant: `latest`, an id, or as much of an id's beginning as no other has.
    ///
    /// # Errors
    /// When there is none, or several begin like this.
    pub fn find(&self, text: &str) -> Result<RunId, ArchiveError> {
        let ids = self.committed()?;
        if text == "latest" {
            return ids.into_iter().next().ok_or(ArchiveError::Empty);
        }
        let meant: Vec<RunId> = ids.into_iter().filter(|id| id.as_str().starts_with(text)).collect();
        match meant.as_slice() {
            [id] if !text.is_empty() => Ok(id.clone()),
            [] => Err(ArchiveError::NoRun { text: text.to_owned() }),
            several => Err(ArchiveError::Ambiguous { text: text.to_owned(), runs: several.to_vec() }),
        }
    }

    /// Reads an object of a run, and holds it against what the manifest says.
    ///
    /// # Errors
    /// When the run has no such object, or it is not what was written.
    pub fn read(&self, manifest: &Manifest, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let no_object = || ArchiveError::NoObject { run: manifest.run_id.clone(), name: name.to_owned() };
        let listed = manifest.objects.iter().find(|object| object.name == name).ok_or_else(no_object)?;
        let bytes = self.store.get(&manifest.run_id.key(name), MAX_OBJECT_BYTES)?;
        if sha256(&bytes) == listed.sha256 {
            Ok(bytes)
        } else {
            Err(ArchiveError::Changed { run: manifest.run_id.clone(), name: name.to_owned() })
        }
    }

    /// Claims an id for a run that started then; what is put into it is not there before it is committed.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub fn begin(&self, started_at: Timestamp) -> Result<Writing<'_>, ArchiveError> {
        Writing::begin(self, started_at)
    }
}

/// SHA-256 in hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
