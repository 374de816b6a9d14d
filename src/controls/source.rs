//! [`SourceError`]: what is wrong in a file that a person wrote, and where.

use std::path::{Path, PathBuf};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::yaml;

/// A mistake in a control or framework file.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {message}", self.place())]
pub struct SourceError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Byte offset in the file.
    pub offset: usize,
    text: NamedSource<String>,
}

/// Every mistake that was found while loading.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{} could not be loaded", if self.0.len() == 1 { "a file".to_owned() } else { format!("{} files", self.0.len()) })]
pub struct LoadErrors(pub Vec<SourceError>);

impl SourceError {
    /// A mistake at a byte offset of a file.
    #[must_use]
    pub fn at(file: &Path, text: &str, offset: usize, message: String) -> Self {
        Self {
            file: file.to_owned(),
            message,
            help: None,
            offset,
            text: NamedSource::new(file.display().to_string(), text.to_owned()).with_language("YAML"),
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// A mistake that the YAML reader found.
    #[must_use]
    pub fn of_yaml(file: &Path, text: &str, error: &serde_saphyr::Error) -> Self {
        let offset = error.location().map_or(0, |l| offset_of(text, l.line(), l.column()));
        let (message, help) = yaml::describe(error);
        Self::at(file, text, offset, message).with_help(help)
    }

    /// `file:line:column`, counted from 1.
    #[must_use]
    pub fn place(&self) -> String {
        let before = self.text.inner().get(..self.offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{}:{line}:{column}", self.file.display())
    }
}

impl Diagnostic for SourceError {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let length = word_length(self.text.inner().get(self.offset..).unwrap_or_default());
        Some(Box::new(std::iter::once(LabeledSpan::new(Some("here".to_owned()), self.offset, length))))
    }
}

impl Diagnostic for LoadErrors {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.0.iter().map(|error| error as &dyn Diagnostic)))
    }
}

fn word_length(text: &str) -> usize {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>().max(1)
}

/// Byte offset of a line and column, both counted from 1.
pub(super) fn offset_of(text: &str, line: u64, column: u64) -> usize {
    let lines = usize::try_from(line).unwrap_or(1).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    let columns = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    before + rest.chars().take(columns).map(char::len_utf8).sum::<usize>()
}

/// Where byte `offset` of a scalar stands in the file, when the scalar starts at `start` there. YAML changes
/// only white space of a plain or block scalar, so both are walked side by side; where that fails (escapes
/// in quotes) the start of the scalar is the answer.
pub(super) fn offset_in_scalar(file: &str, start: usize, scalar: &str, offset: usize) -> usize {
    let Some(raw) = file.get(start..) else { return start };
    let body = if raw.starts_with(['>', '|']) {
        raw.find('\n').map_or(0, |end| end + 1)
    } else {
        usize::from(raw.starts_with(['"', '\'']))
    };
    let mut file_chars = raw.char_indices().filter(|(at, c)| *at >= body && !c.is_whitespace());
    let wanted = scalar.char_indices().filter(|(_, c)| !c.is_whitespace());
    for (at, c) in wanted {
        let Some((file_at, file_char)) = file_chars.next() else { return start };
        if file_char != c {
            return start;
        }
        if at >= offset {
            return start + file_at;
        }
    }
    start
}
