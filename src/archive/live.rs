//! What was looked at since the last run, because of events.
//!
//! ```text
//! live/<account>/<what, as a hash>/<generation>.json.zst
//! ```
//!
//! INVARIANT: a generation is created where there is none, and never changed. Of two writers that saw the same
//! generation one makes the next; the other is told, and looks again at what is there. The last two generations stay,
//! so that a writer who was slow does not find the place of one that was removed free.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::claim::CLAIMS;
use super::{Archive, ArchiveError, Removed, StoreErrorKind};
use crate::accounts::is_account_id;
use crate::hex::hex_of_first;

const LIVE: &str = "live";
const END: &str = ".json.zst";
/// A larger object is none of ours: it holds the resources of one type in one region.
const MAX_LIVE_BYTES: u64 = 64 << 20;
/// Hexadecimal digits of a hash.
const DIGITS: usize = 32;
/// What nobody came back to for so long is removed.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 14);
/// Names of the claims of alerts begin like this.
pub(super) const ALERTS: &str = "alert-";

/// An object of the state since the last run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LiveKey {
    account: String,
    what: String,
    generation: u32,
}

impl LiveKey {
    /// The first generation of what is said about a thing in an account; `what` may be any text.
    ///
    /// `None` where the account has not twelve digits: it becomes part of a path.
    #[must_use]
    pub fn first(account: &str, what: &str) -> Option<Self> {
        let what = hex_of_first(DIGITS / 2, &Sha256::digest(what.as_bytes()));
        is_account_id(account).then(|| Self { account: account.to_owned(), what, generation: 1 })
    }

    /// The generation after this.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { generation: self.generation.saturating_add(1), ..self.clone() }
    }

    /// The generation, from 1.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether it is about the same thing.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.account, &self.what) == (&other.account, &other.what)
    }

    /// Where it lies in the archive.
    #[must_use]
    pub fn path(&self) -> String {
        // The length keeps the order of keys that of generations.
        format!("{LIVE}/{}/{}/{:08}{END}", self.account, self.what, self.generation)
    }

    fn of_path(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix(LIVE)?.strip_prefix('/')?.split('/');
        let (account, what, name) = (parts.next()?, parts.next()?, parts.next()?);
        let generation = name.strip_suffix(END)?.parse().ok()?;
        let key = Self { account: account.to_owned(), what: what.to_owned(), generation };
        (key.path() == path).then_some(key)
    }
}

impl Archive {
    /// What there is about an account, all generations, in order.
    ///
    /// # Errors
    /// When the archive cannot be listed.
    pub fn live(&self, account: &str) -> Result<Vec<LiveKey>, ArchiveError> {
        // The check of a first key is that of the account.
        if LiveKey::first(account, "").is_none() {
            return Ok(Vec::new());
        }
        let entries = self.store.list(&format!("{LIVE}/{account}"))?;
        Ok(entries.iter().filter_map(|entry| LiveKey::of_path(&entry.key)).collect())
    }

    /// Reads one of them; `None` when it has been removed meanwhile.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_live(&self, key: &LiveKey) -> Result<Option<Vec<u8>>, ArchiveError> {
        match self.store.get(&key.path(), MAX_LIVE_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind == StoreErrorKind::NotThere => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a generation; `false` where another writer made it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create_live(&self, key: &LiveKey, bytes: &[u8]) -> Result<bool, ArchiveError> {
        let Err(error) = self.store.create(&key.path(), bytes) else { return Ok(true) };
        // Where the answer was lost, it is our own that is there.
        if self.store.get(&key.path(), MAX_LIVE_BYTES).is_ok_and(|there| there == bytes) {
            Ok(true)
        } else if error.kind == StoreErrorKind::AlreadyThere {
            Ok(false)
        } else {
            Err(error.into())
        }
    }

    /// Removes one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_live(&self, key: &LiveKey) -> Result<(), ArchiveError> {
        Ok(self.store.delete(&key.path())?)
    }

    /// Removes what is about accounts that no event has named for long, and the claims of alerts of that time.
    pub(super) fn tidy_live(&self, now: Timestamp, removed: &mut Removed) -> Result<(), ArchiveError> {
        // Without a later run it is all that is known.
        let Some(last) = self.committed()?.first().map(super::RunId::started_at) else { return Ok(()) };
        let is_old = |written: Timestamp| written < last && now.duration_since(written) > KEPT;
        let mut entries = self.store.list(LIVE)?;
        let of_alert = format!("{CLAIMS}/{ALERTS}");
        entries.extend(self.store.list(CLAIMS)?.into_iter().filter(|entry| entry.key.starts_with(&of_alert)));
        for entry in entries.iter().filter(|entry| is_old(entry.modified_at)) {
            removed.errors.extend(self.store.delete(&entry.key).err().map(ArchiveError::from));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::LocalStore;
    use super::*;

    const ACCOUNT: &str = "111122223333";

    fn archive() -> (tempfile::TempDir, Archive) {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(LocalStore::new(folder.path().to_owned()));
        (folder, archive)
    }

    #[test]
    fn of_two_writers_of_a_generation_one_wins_and_the_other_is_told() {
        let (_folder, archive) = archive();
        let first = LiveKey::first(ACCOUNT, "aws.s3.bucket ../../x").unwrap();
        assert!(archive.create_live(&first, b"a").unwrap());
        assert!(!archive.create_live(&first, b"b").unwrap());
        assert!(archive.create_live(&first, b"a").unwrap(), "an answer that was lost");
        assert!(archive.create_live(&first.next(), b"b").unwrap());
        assert_eq!(archive.live(ACCOUNT).unwrap(), [first.clone(), first.next()]);
        assert_eq!(archive.read_live(&first).unwrap().as_deref(), Some(&b"a"[..]));
        archive.remove_live(&first).unwrap();
        assert_eq!(archive.read_live(&first).unwrap(), None);
    }

    #[test]
    fn no_account_is_a_path() {
        let (_folder, archive) = archive();
        for account in ["", "..", "11112222333/", "../../etc/123"] {
            assert_eq!(LiveKey::first(account, "x"), None);
            assert_eq!(archive.live(account).unwrap(), []);
        }
        let path = LiveKey::first(ACCOUNT, "../..\u{0}").unwrap().path();
        assert!(path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.".contains(&byte)), "{path}");
        assert!(!path.contains(".."), "{path}");
    }

    #[test]
    fn what_is_old_goes_only_once_a_run_came_after_it() {
        let (_folder, archive) = archive();
        let key = LiveKey::first(ACCOUNT, "x").unwrap();
        archive.create_live(&key, b"a").unwrap();
        let later = Timestamp::now() + SignedDuration::from_hours(24 * 15);
        archive.tidy(later).unwrap();
        assert_eq!(archive.live(ACCOUNT).unwrap().len(), 1, "there is no run");
    }
}
