//! [`LocalStore`]: an archive in a directory.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use super::store::{Entry, Store, StoreError, StoreErrorKind};

/// Folders below each other that are looked into: the layout has three.
const MAX_DEPTH: usize = 4;
/// Times that a file is begun again when its folder vanishes: another process removes folders that are empty.
const ATTEMPTS: usize = 3;

/// An archive in a directory. Files are written beside their place under a name that begins with a dot, and moved
/// there when they are on the disk.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
}

impl LocalStore {
    /// An archive in a directory, which is made when something is written into it.
    #[must_use]
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where a key lies. Keys are made from ids and constants; one that would lead elsewhere is refused.
    fn path(&self, key: &str, done: &'static str) -> Result<PathBuf, StoreError> {
        let leads_elsewhere =
            |part: &str| matches!(part, "" | "." | "..") || part.contains(['\\', ':', '\0']);
        if key.split('/').any(leads_elsewhere) {
            let source = io::Error::other("it is not a name within the archive");
            return Err(self.failed(key, done, &source));
        }
        Ok(self.root.join(key))
    }

    fn failed(&self, key: &str, done: &'static str, source: &io::Error) -> StoreError {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => StoreErrorKind::NotThere,
            io::ErrorKind::AlreadyExists => StoreErrorKind::AlreadyThere,
            _ => StoreErrorKind::Refused,
        };
        let key = self.root.join(key).display().to_string();
        StoreError { key, done, kind, message: source.to_string() }
    }

    fn write(&self, key: &str, bytes: &[u8], publish: Publish) -> Result<(), StoreError> {
        let path = self.path(key, "written")?;
        write(&path, bytes, publish).map_err(|source| self.failed(key, "written", &source))
    }
}

/// Moves a file from where it was written to its place.
type Publish = fn(&Path, &Path) -> io::Result<()>;

fn write(path: &Path, bytes: &[u8], publish: Publish) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    let (unfinished, mut file) = unfinished(path, folder)?;
    let written = (|| {
        file.write_all(bytes)?;
        // What a manifest lists is on the disk before the manifest is.
        file.sync_all()?;
        drop(file);
        publish(&unfinished, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // The error that made it useless is the one to tell.
        drop(fs::remove_file(&unfinished));
    }
    written
}

/// A new file beside `path`.
fn unfinished(path: &Path, folder: &Path) -> io::Result<(PathBuf, File)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = folder.join(format!(".{name}.{}-{number}.unfinished", process::id()));
    let mut attempt = 1;
    loop {
        fs::create_dir_all(folder)?;
        match File::options().write(true).create_new(true).open(&unfinished) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => attempt += 1,
            opened => return Ok((unfinished, opened?)),
        }
    }
}

/// Moves a file where there is none: a link, unlike a move, never replaces.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

impl Store for LocalStore {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(key, bytes, |from, to| fs::rename(from, to))
    }

    fn create(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(key, bytes, link)
    }

    fn get(&self, key: &str, max_bytes: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(key, "read")?;
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(&path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max_bytes {
                return Err(io::Error::other(format!("it has more than {max_bytes} bytes")));
            }
            Ok(bytes)
        };
        read().map_err(|source| self.failed(key, "read", &source))
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        let path = self.path(folder, "listed")?;
        walk(&path, folder, MAX_DEPTH, &mut entries)
            .map_err(|source| self.failed(folder, "listed", &source))?;
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key, "removed")?;
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.failed(key, "removed", &error)),
        }
        // The folder of a run goes with its last file. One that is not empty stays, which is no error.
        if let Some(folder) = path.parent().filter(|folder| *folder != self.root) {
            drop(fs::remove_dir(folder));
        }
        Ok(())
    }
}

/// Every file below a folder; links are not followed, and what is not there is empty.
fn walk(path: &Path, key: &str, depth: usize, entries: &mut Vec<Entry>) -> io::Result<()> {
    let found = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    for entry in found {
        let entry = entry?;
        // A name that is no text is none of ours.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let metadata = match entry.metadata() {
            // Another process removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        let key = format!("{key}/{name}");
        if metadata.is_dir() && depth > 1 {
            walk(&entry.path(), &key, depth - 1, entries)?;
        } else if metadata.is_file() {
            entries.push(Entry { key, modified_at: modified_at(&metadata)? });
        }
    }
    Ok(())
}

fn modified_at(metadata: &Metadata) -> io::Result<Timestamp> {
    Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_written_listed_read_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path().join("data"));
        assert_eq!(store.list("runs").unwrap(), []);
        store.put("runs/b/two", b"2").unwrap();
        store.put("runs/a/one", b"0").unwrap();
        store.put("runs/a/one", b"1").unwrap();
        let keys = |store: &LocalStore| -> Vec<String> {
            store.list("runs").unwrap().into_iter().map(|entry| entry.key).collect()
        };
        assert_eq!(keys(&store), ["runs/a/one", "runs/b/two"]);
        assert_eq!(store.get("runs/a/one", 1).unwrap(), b"1");
        store.delete("runs/a/one").unwrap();
        store.delete("runs/a/one").unwrap();
        assert_eq!(keys(&store), ["runs/b/two"]);
        assert!(!folder.path().join("data/runs/a").exists(), "its folder went with it");
    }

    #[test]
    fn of_two_who_create_one_succeeds_and_nothing_is_left_beside() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path().to_owned());
        let created: Vec<bool> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|n: u8| {
                    let store = &store;
                    scope.spawn(move || store.create("runs/a/claim", &[n; 1000]).map_err(|e| e.kind))
                })
                .collect();
            tries
                .into_iter()
                .map(|attempt| match attempt.join().unwrap() {
                    Ok(()) => true,
                    Err(kind) => {
                        assert_eq!(kind, StoreErrorKind::AlreadyThere);
                        false
                    }
                })
                .collect()
        });
        assert_eq!(created.iter().filter(|created| **created).count(), 1);
        let read = store.get("runs/a/claim", 1000).unwrap();
        assert!(read.iter().all(|byte| *byte == read[0]) && read.len() == 1000);
        assert_eq!(store.list("runs").unwrap().len(), 1);
    }

    #[test]
    fn errors_name_the_file_and_hostile_keys_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path().join("data"));
        let error = store.get("runs/a/one", 9).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::NotThere);
        assert!(error.to_string().contains("data/runs/a/one"), "{error}");
        store.put("runs/a/one", b"12345").unwrap();
        assert_eq!(store.get("runs/a/one", 4).unwrap_err().kind, StoreErrorKind::Refused);
        for key in ["../outside", "runs/../../outside", "runs//x", "", "runs/a\0b", "C:\\x"] {
            assert_eq!(store.put(key, b"x").unwrap_err().kind, StoreErrorKind::Refused, "{key:?}");
            assert!(store.get(key, 1).is_err() && store.delete(key).is_err(), "{key:?}");
        }
        assert!(!folder.path().join("outside").exists());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path().join("data"));
        store.put("runs/a/one", b"1").unwrap();
        fs::create_dir(folder.path().join("elsewhere")).unwrap();
        fs::write(folder.path().join("elsewhere/precious"), "x").unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), folder.path().join("data/runs/b"))
            .unwrap();
        assert_eq!(store.list("runs").unwrap().len(), 1);
    }
}
