//! [`Manifest`]: what commits a run, and says what it holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ArchiveError, RunId, sha256};

/// Version of the layout of a run; it changes when a reader would break.
pub(super) const MANIFEST_VERSION: u32 = 1;
/// A larger manifest is none of ours: an organization's accounts take some 150 KB.
pub(super) const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// `manifest.json`: a run that is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout.
    pub schema_version: u32,
    /// The run.
    pub run_id: RunId,
    /// When it was committed, RFC 3339, UTC.
    pub committed_at: Timestamp,
    /// What the run is known by without its report.
    #[serde(flatten)]
    pub facts: RunFacts,
    /// What it holds, by name.
    pub objects: Vec<StoredObject>,
}

/// What a run is known by without its report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Version of Upright.
    pub version: String,
    /// Start, RFC 3339, UTC.
    pub started_at: Timestamp,
    /// End, RFC 3339, UTC.
    pub finished_at: Timestamp,
    /// When the state was observed; earlier than the start when a saved inventory was judged.
    pub observed_at: Timestamp,
    /// Whether everything that the controls asked for was observed.
    pub complete: bool,
    /// Hash of what the run was asked to look at: runs with the same are compared first.
    pub asked: String,
    /// The accounts that were judged, by id.
    pub accounts: Vec<String>,
    /// Findings by verdict.
    pub findings: Tally,
    /// Failing findings by severity, those severities without any left out.
    pub failing: BTreeMap<String, u64>,
    /// What a reader should know besides, such as a delivery that failed.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Findings by verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Findings that pass.
    pub pass: u64,
    /// Findings that fail.
    pub fail: u64,
    /// Findings that could not be decided.
    pub unknown: u64,
    /// Findings where the control does not apply.
    pub not_applicable: u64,
}

/// An object of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// Name in the run's folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl StoredObject {
    /// What is written under a name.
    #[must_use]
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            sha256: sha256(bytes),
        }
    }
}

impl Manifest {
    /// Bytes of all objects.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.objects.iter().fold(0, |sum, object| sum.saturating_add(object.bytes))
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, ArchiveError> {
        let mut text = serde_json::to_vec_pretty(self).map_err(ArchiveError::Json)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads the manifest of a run.
    pub(super) fn parse(id: &RunId, text: &[u8]) -> Result<Self, ArchiveError> {
        /// The part that every version has.
        #[derive(Deserialize)]
        struct Versioned {
            schema_version: u64,
        }
        let wrong = |source| ArchiveError::Manifest { run: id.clone(), source };
        let Versioned { schema_version: found } = serde_json::from_slice(text).map_err(wrong)?;
        if found != u64::from(MANIFEST_VERSION) {
            return Err(ArchiveError::version(id, found));
        }
        let manifest: Self = serde_json::from_slice(text).map_err(wrong)?;
        if manifest.run_id != *id {
            let what = format!("it is that of run {}", manifest.run_id);
            return Err(ArchiveError::Strange { run: id.clone(), what });
        }
        if let Some(object) = manifest.objects.iter().find(|object| !is_name(&object.name)) {
            let what = format!("{:?} is no name of an object", object.name);
            return Err(ArchiveError::Strange { run: id.clone(), what });
        }
        Ok(manifest)
    }
}

/// Whether it names an object within a run's folder, and no other place.
pub(super) fn is_name(name: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_');
    (1..=64).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(fits)
}
