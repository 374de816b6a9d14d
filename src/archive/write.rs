//! [`Writing`]: a run on its way into the archive.

use jiff::Timestamp;
use serde::Serialize;

use super::manifest::{MANIFEST_VERSION, is_name};
use super::{
    Archive, ArchiveError, MANIFEST, Manifest, RunFacts, RunId, STARTED, StoreErrorKind, StoredObject,
};

/// Ids that are tried before giving up: two equal ones are rare: one in a million within the same millisecond.
const MAX_IDS: usize = 8;

/// A run that is being written. Dropped without [`Self::commit`] it was never there; what it left is removed by
/// a later [`Archive::tidy`], or at once by [`Self::abandon`].
#[derive(Debug)]
pub struct Writing<'a> {
    archive: &'a Archive,
    id: RunId,
    objects: Vec<StoredObject>,
}

/// The claim of an id.
#[derive(Serialize)]
struct Claim<'a> {
    run_id: &'a RunId,
    claimed_at: Timestamp,
    process: u32,
}

impl<'a> Writing<'a> {
    pub(super) fn begin(archive: &'a Archive, started_at: Timestamp) -> Result<Self, ArchiveError> {
        for _ in 0..MAX_IDS {
            let id = RunId::new(started_at);
            let claim = Claim { run_id: &id, claimed_at: Timestamp::now(), process: std::process::id() };
            let claim = serde_json::to_vec(&claim).map_err(ArchiveError::Json)?;
            match archive.store.create(&id.key(STARTED), &claim) {
                Ok(()) => return Ok(Self { archive, id, objects: Vec::new() }),
                Err(error) if error.kind == StoreErrorKind::AlreadyThere => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ArchiveError::NoFreeId { tried: MAX_IDS })
    }

    pub(super) const fn resume(archive: &'a Archive, id: RunId) -> Self {
        Self { archive, id, objects: Vec::new() }
    }

    /// The run's id.
    #[must_use]
    pub const fn id(&self) -> &RunId {
        &self.id
    }

    /// Writes an object of the run. Names are lower-case letters, digits, `.`, `-` and `_`; one that was written
    /// before is replaced.
    ///
    /// # Errors
    /// When it could not be written, or the name is none.
    pub fn put(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let object = self.archive.put_part(&self.id, name, &bytes)?;
        self.adopt(object);
        Ok(())
    }

    /// Counts an object among the run's own that another process wrote into it.
    pub fn adopt(&mut self, object: StoredObject) {
        self.objects.retain(|known| known.name != object.name);
        self.objects.push(object);
    }

    /// Commits the run: from here on it is there. Then its findings are published for query engines; where that
    /// fails, the run is there all the same, and the next [`Archive::tidy`] publishes them.
    ///
    /// # Errors
    /// When the manifest could not be written: the run is not there.
    pub fn commit(mut self, facts: RunFacts) -> Result<Manifest, ArchiveError> {
        self.objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let manifest = Manifest {
            schema_version: MANIFEST_VERSION,
            run_id: self.id.clone(),
            committed_at: Timestamp::now(),
            facts,
            objects: std::mem::take(&mut self.objects),
        };
        self.create_manifest(&manifest.to_json()?)?;
        for object in &manifest.objects {
            if let Err(error) = self.archive.publish(&manifest, &object.name) {
                tracing::warn!(run = %self.id, %error, "Findings not published for queries; a later run does it.");
            }
        }
        Ok(manifest)
    }

    fn create_manifest(&self, text: &[u8]) -> Result<(), ArchiveError> {
        let key = self.id.key(MANIFEST);
        let Err(error) = self.archive.store.create(&key, text) else { return Ok(()) };
        // Where an answer was lost, or only what came after the write failed, it is our own that is there.
        let there = self.archive.store.get(&key, u64::try_from(text.len()).unwrap_or(u64::MAX));
        if there.is_ok_and(|there| there == text) {
            Ok(())
        } else if error.kind == StoreErrorKind::AlreadyThere {
            Err(ArchiveError::CommittedByAnother { run: self.id.clone() })
        } else {
            Err(error.into())
        }
    }

    /// Removes what was written. The run was never there, so a failure only leaves it to a later
    /// [`Archive::tidy`].
    pub fn abandon(self) {
        if let Err(error) = self.archive.remove_rest(&self.id) {
            tracing::warn!(run = %self.id, %error, "A run that was not committed is left for later.");
        }
    }
}

/// Refuses what is no name of an object of a run.
pub(super) fn check_name(run: &RunId, name: &str) -> Result<(), ArchiveError> {
    if is_name(name) && name != MANIFEST && name != STARTED {
        return Ok(());
    }
    Err(ArchiveError::Strange { run: run.clone(), what: format!("{name:?} is no name of an object") })
}
