//! Which files to read: paths, folders and patterns become a sorted list.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::layout::Question;

/// Names that files of events have. Files that are named outright are read whatever their name is; in a folder, what
/// is beside them (notes, checksums, tables) would only be an error.
const EXTENSIONS: [&str; 8] = ["json", "jsonl", "ndjson", "log", "gz", "gzip", "zst", "zstd"];

/// Why there is nothing to read at a path.
#[derive(Debug, Error)]
pub enum FilesError {
    /// The path cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The pattern is none.
    #[error("`{pattern}` is no pattern for paths: {reason}")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing has a name that the pattern describes.
    #[error("no file matches `{0}`")]
    NoMatch(String),
}

/// The files to read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The files, each once, in the order of their paths.
    pub paths: Vec<PathBuf>,
    /// Files in folders that were left alone because their names say that they are none of events.
    pub other: u64,
    /// Delivered files that were left alone because their key says that they hold nothing asked for.
    pub not_asked_for: u64,
}

/// Finds the files that the paths name: files, folders with everything below them, and patterns such as
/// `logs/2026/**/*.json.gz` where there is no such file.
///
/// Hidden files and folders are left alone, and so are folders behind symbolic links, which may lead in a circle.
///
/// # Errors
/// When a path that was given cannot be read, or a pattern fits nothing. A folder below one that was given counts.
pub fn find(paths: &[PathBuf], question: &Question) -> Result<Files, FilesError> {
    find_wanted(paths, &|key| question.wants(key))
}

/// Finds files as [`find`] does, of those in folders and patterns the ones that `wants` says.
///
/// # Errors
/// As for [`find`].
pub fn find_wanted(paths: &[PathBuf], wants: &dyn Fn(&str) -> bool) -> Result<Files, FilesError> {
    let mut search = Search { wants, found: BTreeSet::new(), files: Files::default() };
    for path in paths {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => search.folder(path)?,
            // A pipe or device that is named outright is read like a file.
            Ok(_) => search.found.extend([path.clone()]),
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_pattern(path) => {
                search.pattern(path)?
            }
            Err(source) => return Err(FilesError::Read { path: path.clone(), source }),
        }
    }
    let Search { found, mut files, .. } = search;
    files.paths = found.into_iter().collect();
    Ok(files)
}

fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.contains(['*', '?', '[']))
}

struct Search<'q> {
    wants: &'q dyn Fn(&str) -> bool,
    found: BTreeSet<PathBuf>,
    files: Files,
}

impl Search<'_> {
    fn folder(&mut self, folder: &Path) -> Result<(), FilesError> {
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let broken = |source| FilesError::Read { path: folder.clone(), source };
            for entry in fs::read_dir(&folder).map_err(broken)? {
                let entry = entry.map_err(broken)?;
                let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                let path = entry.path();
                if is_hidden {
                    self.files.other += 1;
                } else if entry.file_type().map_err(broken)?.is_dir() {
                    folders.push(path);
                } else if path.is_file() && is_of_events(&path) {
                    self.file(path);
                } else {
                    self.files.other += 1;
                }
            }
        }
        Ok(())
    }

    fn pattern(&mut self, path: &Path) -> Result<(), FilesError> {
        let pattern = path.to_string_lossy();
        let broken = |error: glob::PatternError| FilesError::Pattern {
            pattern: pattern.clone().into_owned(),
            reason: error.to_string(),
        };
        let mut any = false;
        let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        for found in glob::glob_with(&pattern, options).map_err(broken)? {
            let found = found
                .map_err(|error| FilesError::Read { path: error.path().to_owned(), source: error.into() })?;
            if found.is_file() {
                any = true;
                self.file(found);
            }
        }
        if any { Ok(()) } else { Err(FilesError::NoMatch(pattern.into_owned())) }
    }

    fn file(&mut self, path: PathBuf) {
        if path.to_str().is_none_or(|key| (self.wants)(key)) {
            self.found.insert(path);
        } else {
            self.files.not_asked_for += 1;
        }
    }
}

/// Whether the name is one that files of events have; Firehose gives its objects no extension.
pub(crate) fn is_of_events(path: &Path) -> bool {
    path.extension().is_none_or(|extension| {
        EXTENSIONS.iter().any(|known| OsStr::new(known).eq_ignore_ascii_case(extension))
    })
}
