//! [`ConfigError`]: what is wrong with a configuration file, where, and what to do.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde_saphyr::{Error, Location};

use crate::yaml;

/// Why a configuration file is refused.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ConfigError {
    /// The file system refused.
    #[error("config file `{}` cannot be read: {source}", path.display())]
    #[diagnostic(help("give its path with `--config`, or run without one to scan with the defaults"))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is too large to be a configuration.
    #[error("config file `{}` has {bytes} bytes, more than a configuration can have", path.display())]
    #[diagnostic(help("check that `--config` names the right file"))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
    },
    /// The file is not UTF-8.
    #[error("config file `{}` is not UTF-8 text", path.display())]
    #[diagnostic(help("save it as UTF-8; check that `--config` names the right file"))]
    NoText {
        /// The file.
        path: PathBuf,
    },
    /// Something in the file cannot be meant.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(Box<Invalid>),
}

/// A place in a configuration file or a file of waivers, and what is wrong with it.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{}:{line}:{column}: {message}", path.display())]
pub struct Invalid {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    #[help]
    help: Option<String>,
    #[source_code]
    text: NamedSource<String>,
    #[label("here")]
    span: Option<SourceSpan>,
}

impl Invalid {
    pub(super) fn new(path: &Path, text: &str, error: &Error) -> Self {
        let (message, help) = yaml::describe(error);
        Self::at(path, text, error.location(), &message, help.as_deref())
    }

    /// What the reader of YAML takes and its place cannot mean.
    pub(super) fn at(
        path: &Path,
        text: &str,
        location: Option<Location>,
        message: &str,
        help: Option<&str>,
    ) -> Self {
        let location = location.filter(|at| *at != Location::UNKNOWN);
        let (line, column) = location.map_or((1, 1), |at| (at.line(), at.column()));
        Self {
            path: path.to_owned(),
            line,
            column,
            message: printable(message),
            help: help.map(printable),
            text: NamedSource::new(path.display().to_string(), text.to_owned()).with_language("yaml"),
            span: span(text, line, column, location.and_then(|at| at.span().byte_len())),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// The bytes at a line and column, at least one character, at most to the end of the text.
fn span(text: &str, line: u64, column: u64, length: Option<u64>) -> Option<SourceSpan> {
    let skipped = usize::try_from(line.checked_sub(1)?).ok()?;
    let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    let column = usize::try_from(column.checked_sub(1)?).ok()?;
    let rest = text.get(start..)?;
    let offset = start + rest.chars().take(column).map(char::len_utf8).sum::<usize>();
    let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0).max(1);
    Some((offset, length.min(text.len().saturating_sub(offset))).into())
}

/// A value of the file may hold escapes that would act on a terminal or break a log line.
fn printable(text: &str) -> String {
    let shown =
        |c: char| -> String { if c.is_control() { c.escape_default().to_string() } else { c.to_string() } };
    text.chars().map(shown).collect()
}
