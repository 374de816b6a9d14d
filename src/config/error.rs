//! [`ConfigError`]: what is wrong with a configuration file, where, and what to do.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// Two words that differ in more than this part of their letters are no slip of the finger.
const MAX_DISTANCE: f64 = 0.4;

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

/// A place in a configuration file, and what is wrong with it.
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
        let location = error.location();
        let (message, help) = describe(innermost(error));
        let (line, column) = location.map_or((1, 1), |at| (at.line(), at.column()));
        Self {
            path: path.to_owned(),
            line,
            column,
            message: printable(&message),
            help: help.map(|help| printable(&help)),
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

/// The error behind those that only say by which alias it was reached.
fn innermost(mut error: &Error) -> &Error {
    while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } = error {
        error = inner;
    }
    error
}

/// What is wrong, in words that name no type of ours, and what to do.
fn describe(error: &Error) -> (String, Option<String>) {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("there is no key `{field}` here"), suggestion(field, expected, "the keys are"))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("`{variant}` is not known here"), suggestion(variant, expected, "it can be"))
        }
        Error::DuplicateMappingKey { key, .. } => (
            key.as_ref().map_or_else(
                || "this key is given twice".to_owned(),
                |key| format!("key `{key}` is given twice"),
            ),
            Some("keep one of them; the other would be lost".to_owned()),
        ),
        Error::InvalidBooleanStrict { .. } => ("expected `true` or `false`".to_owned(), None),
        Error::InvalidScalar { ty, .. } if ty.starts_with(['u', 'i']) => {
            ("expected a whole number".to_owned(), None)
        }
        Error::Unexpected { expected, .. } => (format!("expected {}", shape(expected)), hint(expected)),
        Error::MultipleDocuments { .. } => {
            ("expected one document, but another begins here".to_owned(), Some("remove the `---`".to_owned()))
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. } => (
            "the file is too large or too deep, or its aliases make it so".to_owned(),
            Some("write the values out instead of using aliases".to_owned()),
        ),
        other => (UserMessageFormatter.format_message(other).into_owned(), None),
    }
}

/// The parser's names of shapes, in the user's words.
fn shape(expected: &str) -> &str {
    match expected {
        "mapping start" => "keys with values",
        "sequence start" => "a list",
        "string scalar" => "a text",
        other => other,
    }
}

fn hint(expected: &str) -> Option<String> {
    (expected == "sequence start")
        .then(|| "write `[one, two]`, or one `- entry` on each line; for none, leave the key out".to_owned())
}

fn suggestion(word: &str, known: &[&'static str], introduction: &str) -> Option<String> {
    let word = word.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|known| (1.0 - strsim::normalized_damerau_levenshtein(&word, known), *known))
        .filter(|(distance, _)| *distance <= MAX_DISTANCE)
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| format!("did you mean `{known}`?"))
        .or_else(|| (!known.is_empty()).then(|| format!("{introduction} {}", known.join(", "))))
}

/// A value of the file may hold escapes that would act on a terminal or break a log line.
fn printable(text: &str) -> String {
    let shown =
        |c: char| -> String { if c.is_control() { c.escape_default().to_string() } else { c.to_string() } };
    text.chars().map(shown).collect()
}
