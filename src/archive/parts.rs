//! A run that several processes write: one begins it, each puts its part into it, and one commits it.
//!
//! Nothing of it is there before it is committed, as with any run. What a part is, they agree upon: here it is an
//! object of the run under a name.

use std::collections::BTreeSet;

use super::write::check_name;
use super::{
    Archive, ArchiveError, MANIFEST, MAX_OBJECT_BYTES, RunId, StoreErrorKind, StoredObject, Writing, sha256,
};

/// Where it is kept which run an execution began.
const EXECUTIONS: &str = "executions";
/// Bytes of an id, and more than that.
const MAX_ID_BYTES: u64 = 1 << 10;

impl Archive {
    /// The run that an execution of this name began: `id`, unless it began another before.
    ///
    /// # Errors
    /// When the archive cannot be written or read.
    pub fn run_of_execution(&self, name: &str, id: &RunId) -> Result<RunId, ArchiveError> {
        // The name may hold anything, and so is no part of a path.
        let key = format!("{EXECUTIONS}/{}", sha256(name.as_bytes()));
        match self.store.create(&key, id.as_str().as_bytes()) {
            Ok(()) => Ok(id.clone()),
            Err(error) if error.kind == StoreErrorKind::AlreadyThere => {
                let text = self.store.get(&key, MAX_ID_BYTES)?;
                let text = String::from_utf8_lossy(&text).into_owned();
                text.parse().map_err(|_| ArchiveError::NoRun { text })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Goes on with a run that another process began, to commit it.
    #[must_use]
    pub fn resume(&self, id: &RunId) -> Writing<'_> {
        Writing::resume(self, id.clone())
    }

    /// Whether a run is committed.
    ///
    /// # Errors
    /// When the archive cannot be listed.
    pub fn is_committed(&self, id: &RunId) -> Result<bool, ArchiveError> {
        Ok(self.parts(id)?.contains(MANIFEST))
    }

    /// Names of the objects of a run, committed or not.
    ///
    /// # Errors
    /// When the archive cannot be listed.
    pub fn parts(&self, id: &RunId) -> Result<BTreeSet<String>, ArchiveError> {
        let entries = self.store.list(id.folder().as_str())?;
        let names = entries.iter().filter_map(|entry| RunId::of_key(&entry.key));
        Ok(names.map(|(_, name)| name.to_owned()).collect())
    }

    /// Writes an object of a run that is not committed. One that was written before is replaced.
    ///
    /// # Errors
    /// When it could not be written, or the name is none.
    pub fn put_part(&self, id: &RunId, name: &str, bytes: &[u8]) -> Result<StoredObject, ArchiveError> {
        check_name(id, name)?;
        self.store.put(&id.key(name), bytes)?;
        Ok(StoredObject::of(name, bytes))
    }

    /// Reads an object of a run that is not committed; `None` where it is not there.
    ///
    /// # Errors
    /// When it cannot be read, or the name is none.
    pub fn part(&self, id: &RunId, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        check_name(id, name)?;
        match self.store.get(&id.key(name), MAX_OBJECT_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind == StoreErrorKind::NotThere => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads an object that another process wrote into a run, and holds it against what that process says.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub fn part_as_written(&self, id: &RunId, object: &StoredObject) -> Result<Vec<u8>, ArchiveError> {
        let name = || object.name.clone();
        let bytes = self
            .part(id, &object.name)?
            .ok_or_else(|| ArchiveError::NoObject { run: id.clone(), name: name() })?;
        if sha256(&bytes) == object.sha256 {
            Ok(bytes)
        } else {
            Err(ArchiveError::Changed { run: id.clone(), name: name() })
        }
    }
}
