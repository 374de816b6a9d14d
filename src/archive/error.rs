//! [`ArchiveError`]: what can go wrong with an archive.

use jiff::Timestamp;

use super::manifest::MANIFEST_VERSION;
use super::{JobName, RunId, StoreError, StoreErrorKind};

/// Runs that an error names at most.
const MAX_NAMED: usize = 5;

/// Why the archive did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Where it lies refused.
    #[error("archive: {0}")]
    Store(#[from] StoreError),
    /// No run is committed.
    #[error("the archive holds no run yet; `upright scan --archive` keeps one")]
    Empty,
    /// No run begins like this.
    #[error("the archive holds no run `{text}`; `upright runs list` names them")]
    NoRun {
        /// What was asked for.
        text: String,
    },
    /// Several runs begin like this.
    #[error("`{text}` is the beginning of {} runs: {}", runs.len(), named(runs))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// The runs, newest first.
        runs: Vec<RunId>,
    },
    /// A manifest is not one of ours.
    #[error("manifest of run {run}: {source}; `upright runs rm {run}` removes the run")]
    Manifest {
        /// The run.
        run: RunId,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A manifest is of another version, or about another run.
    #[error("manifest of run {run}: {what}")]
    Strange {
        /// The run.
        run: RunId,
        /// What is wrong.
        what: String,
    },
    /// A run has no such object.
    #[error("run {run} holds no `{name}`; `upright runs show {run}` lists what it holds")]
    NoObject {
        /// The run.
        run: RunId,
        /// The object.
        name: String,
    },
    /// An object is not what the manifest says.
    #[error("`{name}` of run {run} is not what was written: its SHA-256 differs from the manifest's")]
    Changed {
        /// The run.
        run: RunId,
        /// The object.
        name: String,
    },
    /// The findings could not be made into columns.
    #[error("the findings could not be written as Parquet, which is a fault of this program: {0}")]
    Columns(#[from] parquet::errors::ParquetError),
    /// A manifest could not be written as JSON.
    #[error("the manifest could not be written, which is a fault of this program: {0}")]
    Json(#[source] serde_json::Error),
    /// An id could not be claimed.
    #[error("no id was free for the run: {tried} are taken; is the archive shared with another program?")]
    NoFreeId {
        /// Ids that were tried.
        tried: usize,
    },
    /// Another process committed a run of the same id.
    #[error("run {run} was committed by another process meanwhile")]
    CommittedByAnother {
        /// The run.
        run: RunId,
    },
    /// Another daemon took a run over.
    #[error("the run of job `{job}` that was due at {due} was taken over by another daemon")]
    ClaimLost {
        /// The job.
        job: JobName,
        /// When it was due.
        due: Timestamp,
    },
}

impl ArchiveError {
    /// Whether it only says that something is not there.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Store(error) if error.kind == StoreErrorKind::NotThere)
    }

    /// A manifest of another version.
    pub(super) fn version(run: &RunId, found: u64) -> Self {
        let what = format!("it has version {found}, this program reads {MANIFEST_VERSION}");
        Self::Strange { run: run.clone(), what }
    }
}

fn named(runs: &[RunId]) -> String {
    let mut names: Vec<&str> = runs.iter().take(MAX_NAMED).map(RunId::as_str).collect();
    if runs.len() > MAX_NAMED {
        names.push("…");
    }
    names.join(", ")
}
