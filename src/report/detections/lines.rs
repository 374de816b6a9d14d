//! Detections from the lines that `upright events scan --json` printed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::check::is_id;
use super::{Collector, Detections, Limits};
use crate::events::detection::Detection;

/// Bytes of one line: a record may have 16 MiB, and its values stand in a detection more than once.
const MOST_BYTES: u64 = 64 << 20;

/// Why detections could not be read from a file.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The system refused.
    #[error("detections `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A line is no detection.
    #[error(
        "detections `{}` line {line}: {reason}; each line is one that `upright events scan --json` prints",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads the lines of a file; empty ones are passed over. It takes no more memory than `limits` and one line need.
///
/// # Errors
/// When the file cannot be read, or a line is no detection.
pub fn read_lines(path: &Path, limits: Limits) -> Result<Detections, LinesError> {
    let file = File::open(path).map_err(|source| LinesError::Io { path: path.to_owned(), source })?;
    from_reader(path, BufReader::new(file), limits)
}

/// Reads lines; `path` is what errors call where they come from.
pub(super) fn from_reader(
    path: &Path,
    mut reader: impl BufRead,
    limits: Limits,
) -> Result<Detections, LinesError> {
    let mut collector = Collector::new(limits);
    let mut text = Vec::new();
    for line in 1.. {
        let wrong = |reason: String| LinesError::Line { path: path.to_owned(), line, reason };
        text.clear();
        let read = reader.by_ref().take(MOST_BYTES).read_until(b'\n', &mut text);
        let read = read.map_err(|source| LinesError::Io { path: path.to_owned(), source })?;
        if read == 0 {
            break;
        }
        if read as u64 == MOST_BYTES && text.last() != Some(&b'\n') {
            return Err(wrong(format!("it has more than {MOST_BYTES} bytes")));
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let detection: Detection = serde_json::from_slice(&text).map_err(|error| wrong(reason(&error)))?;
        if !is_id(&detection.id) {
            return Err(wrong("`id` is not made of up to 64 hexadecimal digits".to_owned()));
        }
        collector.detection(&detection);
    }
    Ok(collector.finish_without_source())
}

/// What is wrong and in which column: the parser counts lines within the one it was given.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    if error.column() == 0 { what.to_owned() } else { format!("{what} at column {}", error.column()) }
}
