//! The configuration that is fetched from S3: one file, or a folder with `upright.yaml`, `waivers.yaml`, and YAML files in
//! `controls/` and `rules/`.
//!
//! It is copied once for each process, into a folder of its own below the directory for temporary files.

use std::env;
use std::fs;
use std::path::{Component, Path, PathBuf};

use upright::archive::{S3Store, Store, StoreError, StoreErrorKind};
use upright::aws::{Limits, Source};
use upright::config::{FILE_NAME, WAIVERS_FILE_NAME};
use upright::events::remote::s3::Address;
use upright::report::printable;
use upright::scan::Stopped;

/// The folder.
const FOLDER: &str = "upright-config";
/// Folders that are copied.
const FOLDERS: [&str; 2] = ["controls", "rules"];
/// Bytes of a file.
const MAX_FILE: u64 = 1 << 20;
/// Bytes of all files together.
const MAX_BYTES: u64 = 32 << 20;
/// Files.
const MAX_FILES: usize = 2_000;

/// Copies what is at an address of S3; the folder that it is in, and the name of the configuration in it.
///
/// # Errors
/// When it is not there, cannot be read, or is more than a configuration can be.
pub(crate) fn fetch(address: &str) -> Result<(PathBuf, PathBuf), Stopped> {
    let wrong = |why: &dyn std::fmt::Display| {
        Stopped::usage(miette::miette!("UPRIGHT_CONFIG: {}", printable(&why.to_string())))
    };
    let parsed: Address = address.parse().map_err(|error| wrong(&error))?;
    let (prefix, name) = parsed.prefix.rsplit_once('/').unwrap_or(("", &parsed.prefix));
    let store = S3Store::open(&Source::default(), &Limits::standard(), &parsed.bucket, prefix)
        .map_err(|error| wrong(&error))?;
    let folder = env::temp_dir().join(FOLDER);
    let copy = Copy { store: &store, folder: &folder };
    let io = |error: std::io::Error| wrong(&format!("`{}`: {error}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(io)?;
    }
    fs::create_dir_all(&folder).map_err(io)?;
    if name.is_empty() {
        copy.all().map_err(|why| wrong(&why))?;
        Ok((folder, PathBuf::from(FILE_NAME)))
    } else {
        copy.one(name, FILE_NAME).map_err(|why| wrong(&why))?;
        Ok((folder, PathBuf::from(FILE_NAME)))
    }
}

/// What is copied, and where to.
struct Copy<'a> {
    store: &'a dyn Store,
    folder: &'a Path,
}

impl Copy<'_> {
    fn all(&self) -> Result<(), String> {
        let mut bytes = self.one(FILE_NAME, FILE_NAME)?;
        bytes += match self.read(WAIVERS_FILE_NAME) {
            Ok(content) => self.write(WAIVERS_FILE_NAME, &content)?,
            Err(error) if error.kind == StoreErrorKind::NotThere => 0,
            Err(error) => return Err(error.to_string()),
        };
        let mut files = 0;
        for folder in FOLDERS {
            for entry in self.store.list(folder).map_err(|error| error.to_string())? {
                if !is_yaml(&entry.key) {
                    continue;
                }
                files += 1;
                bytes += self.one(&entry.key, &entry.key)?;
                if files > MAX_FILES || bytes > MAX_BYTES {
                    return Err(format!(
                        "there are more than {MAX_FILES} files or {} MiB below it; is it the folder of a configuration?",
                        MAX_BYTES >> 20
                    ));
                }
            }
        }
        Ok(())
    }

    /// Copies a file; how many bytes it has.
    fn one(&self, key: &str, to: &str) -> Result<u64, String> {
        let content = self.read(key).map_err(|error| error.to_string())?;
        self.write(to, &content)
    }

    fn read(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.store.get(key, MAX_FILE)
    }

    fn write(&self, to: &str, content: &[u8]) -> Result<u64, String> {
        let path = below(self.folder, to).ok_or_else(|| format!("`{to}` is no name of a file"))?;
        let failed = |error: std::io::Error| format!("`{}`: {error}", path.display());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::write(&path, content).map_err(failed)?;
        Ok(content.len() as u64)
    }
}

fn is_yaml(key: &str) -> bool {
    let extension = Path::new(key).extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| ["yaml", "yml"].contains(&extension))
}

/// The path of a key below a folder; `None` for a key that would lead elsewhere.
fn below(folder: &Path, key: &str) -> Option<PathBuf> {
    let is_name =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0', ':']);
    let is_plain = key.split('/').all(is_name) && !key.chars().any(char::is_control);
    let path = Path::new(key);
    (is_plain && path.components().all(|part| matches!(part, Component::Normal(_))))
        .then(|| folder.join(path))
}

#[cfg(test)]
mod tests {
    use upright::archive::LocalStore;

    use super::*;

    fn copied(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<(), String>) {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = from.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let store = LocalStore::new(from.path().to_owned());
        let done = Copy { store: &store, folder: to.path() }.all();
        (to, done)
    }

    #[test]
    fn a_folder_is_copied_with_what_belongs_to_a_configuration() {
        let (folder, done) = copied(&[
            (FILE_NAME, "a"),
            (WAIVERS_FILE_NAME, "b"),
            ("controls/own.yaml", "c"),
            ("controls/frameworks/own.yml", "d"),
            ("controls/README.md", "e"),
            ("rules/sigma/x.yml", "f"),
            ("other/x.yaml", "g"),
        ]);
        done.unwrap();
        let there = |name: &str| folder.path().join(name).exists();
        for name in [
            FILE_NAME,
            WAIVERS_FILE_NAME,
            "controls/own.yaml",
            "controls/frameworks/own.yml",
            "rules/sigma/x.yml",
        ] {
            assert!(there(name), "{name}");
        }
        assert!(!there("controls/README.md") && !there("other/x.yaml"));
    }

    #[test]
    fn a_folder_without_a_configuration_or_with_a_huge_one_is_refused() {
        let (_folder, done) = copied(&[("controls/own.yaml", "c")]);
        assert!(done.unwrap_err().contains(FILE_NAME));
        let huge = "x".repeat(usize::try_from(MAX_FILE).unwrap() + 1);
        let (_folder, done) = copied(&[(FILE_NAME, &huge)]);
        done.unwrap_err();
    }

    #[test]
    fn a_key_leads_nowhere_else() {
        let folder = Path::new("/tmp/x");
        assert_eq!(below(folder, "controls/a b.yaml"), Some(PathBuf::from("/tmp/x/controls/a b.yaml")));
        for key in [
            "../x.yaml",
            "controls/../../x.yaml",
            "/etc/x.yaml",
            "a//b.yaml",
            "a/./b",
            "a\\..\\b",
            "a\0b",
            "a\nb",
            "",
        ] {
            assert_eq!(below(folder, key), None, "{key}");
        }
    }
}
