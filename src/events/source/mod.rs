//! From bytes to records: whatever a user has CloudTrail events in.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`files`] | paths, folders and patterns become a sorted list of files |
//! | [`layout`] | what the key of a delivered object says, and the prefixes to list for a question |
//! | `inflate`, `window` | gzip and zstd told by their first bytes, read through a window of bounded size |
//! | `walk`, `unwrap` | the shapes records come in, told by what is in them, down to the single record |
//! | [`pool`] | many inputs on many threads, results in the order of the inputs |
//! | [`seen`] | the same event twice is one event |
//!
//! What is read may be broken, hostile or cut short. Whatever can be read is delivered, what cannot is counted and
//! told with the place it stands, and no input needs more memory than [`Limits`] says.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use jiff::Timestamp;
use thiserror::Error;

use super::record::Record;

pub mod counts;
pub mod files;
mod inflate;
pub mod layout;
pub mod pool;
pub mod seen;
mod unwrap;
mod walk;
mod window;

pub use counts::Counts;

/// How much an input may ask for before it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one record, and of one envelope around records. CloudTrail's own limit is 256 KB; 16 MiB by default.
    pub record_bytes: usize,
    /// Bytes that one compressed input may become; 4 GiB by default. Inputs that are not compressed have no limit,
    /// because they cannot become more than they are.
    pub inflated_bytes: u64,
    /// Arrays and objects inside one another in one record; 128 by default, as in most JSON readers.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes: 16 << 20, inflated_bytes: 4 << 30, nesting: 128 }
    }
}

/// What to read, and how far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Bounds of what an input may ask for.
    pub limits: Limits,
    /// Events before this time are left out, and counted as [`Counts::outside`].
    pub since: Option<Timestamp>,
    /// Events at or after this time are left out, and counted as [`Counts::outside`].
    pub until: Option<Timestamp>,
}

impl Options {
    /// Whether an event of this time is asked for.
    fn wants(&self, time: Timestamp) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

/// Something to read events from.
pub struct Input {
    /// What messages call it: a path, `s3://bucket/key`, `standard input`.
    pub name: String,
    /// Where its bytes come from.
    pub content: Content,
}

/// Where the bytes of an input come from.
pub enum Content {
    /// A file, opened when its turn comes.
    File(PathBuf),
    /// Bytes at hand: one object, one message, one payload.
    Bytes(Vec<u8>),
    /// A stream that is read once, such as standard input.
    Stream(Box<dyn Read + Send>),
    /// A stream that is opened when its turn comes, which may take time or fail.
    Later(Open),
}

/// Opens a stream.
pub type Open = Box<dyn FnOnce() -> io::Result<Box<dyn Read>> + Send>;

impl Input {
    /// A file.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self { name: path.display().to_string(), content: Content::File(path) }
    }

    /// Bytes at hand, under a name of the caller's choice.
    #[must_use]
    pub fn bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), content: Content::Bytes(bytes) }
    }

    /// A stream, under a name of the caller's choice.
    #[must_use]
    pub fn stream(name: impl Into<String>, stream: impl Read + Send + 'static) -> Self {
        Self { name: name.into(), content: Content::Stream(Box::new(stream)) }
    }

    /// A stream that is opened when its turn comes.
    #[must_use]
    pub fn later(
        name: impl Into<String>,
        open: impl FnOnce() -> io::Result<Box<dyn Read>> + Send + 'static,
    ) -> Self {
        Self { name: name.into(), content: Content::Later(Box::new(open)) }
    }
}

impl Content {
    /// Opens it.
    ///
    /// # Errors
    /// What the system says, or whoever fetches it.
    pub fn open(self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::File(path) => Box::new(File::open(path)?),
            Self::Bytes(bytes) => Box::new(io::Cursor::new(bytes)),
            Self::Stream(stream) => stream,
            Self::Later(open) => open()?,
        })
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where a record stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Number of the input, counted from zero in the order they were given.
    pub input: usize,
    /// Bytes before it, after decompression. For a record inside a string or a packed payload: before the outermost
    /// object that it came in.
    pub offset: u64,
}

/// An object that a message announces; to be fetched by whoever can, and given back as an [`Input`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// The bucket.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// The region the message names, which is the bucket's; messages of CloudTrail itself name none.
    pub region: Option<String>,
}

/// Takes what a source delivers.
pub trait Sink {
    /// An API event: it has a time and a type, is no insight, and is within the times asked for.
    fn event(&mut self, record: &Record<'_>, origin: Origin);

    /// An object that a message announces.
    fn pointer(&mut self, pointer: Pointer);
}

/// Why something of an input could not be read. Offsets are bytes after decompression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// The file could not be opened.
    #[error("cannot be opened: {0}")]
    Open(String),
    /// Reading failed underway.
    #[error("reading failed at byte {offset}: {reason}")]
    Read {
        /// Where.
        offset: u64,
        /// What the system said.
        reason: String,
    },
    /// The compressed data is damaged or ends early; what came before was read.
    #[error(
        "{packing} data is {what} at byte {packed} of it, after {offset} bytes of content; what came before was read"
    )]
    Damaged {
        /// `gzip` or `zstd`.
        packing: &'static str,
        /// `cut short`, or what is wrong with it.
        what: String,
        /// Bytes of compressed data that were read.
        packed: u64,
        /// Bytes of content that came out of them.
        offset: u64,
    },
    /// Decompression would give more than is allowed.
    #[error(
        "more than {limit} bytes after decompression; what came before was read; raise the limit if this is no mistake"
    )]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A record is larger than is allowed, and was left out.
    #[error("a record at byte {offset} is larger than {limit} bytes and was left out")]
    RecordTooLarge {
        /// Where it begins.
        offset: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A record is nested too deep, and was left out.
    #[error("a record at byte {offset} has more than {limit} levels and was left out")]
    TooDeep {
        /// Where it begins.
        offset: u64,
        /// The limit, in levels.
        limit: usize,
    },
    /// Something is no JSON, or not the JSON that belongs there, and was left out.
    #[error("unreadable at byte {offset}: {reason}")]
    Malformed {
        /// Where.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Text that is not UTF-8, and was left out.
    #[error("not UTF-8 at byte {offset}; that record was left out")]
    NotUtf8 {
        /// Where the first such byte is.
        offset: u64,
    },
    /// The input ends within a record or a list.
    #[error("cut short: ends at byte {offset} within a record or a list of records")]
    CutShort {
        /// Where it ends.
        offset: u64,
    },
    /// A format that holds events, but not as they were recorded.
    #[error("{0}")]
    OtherFormat(&'static str),
}

/// What came of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Number of the input.
    pub input: usize,
    /// Its name.
    pub name: String,
    /// What was in it.
    pub counts: Counts,
    /// What could not be read: the first [`Report::PROBLEMS_KEPT`].
    pub problems: Vec<Problem>,
    /// How many problems there were.
    pub problems_found: u64,
}

impl Report {
    /// So many problems of one input are kept; the others are only counted.
    pub const PROBLEMS_KEPT: usize = 20;

    fn new(input: usize, name: String) -> Self {
        Self { input, name, counts: Counts::default(), problems: Vec::new(), problems_found: 0 }
    }

    fn problem(&mut self, problem: Problem) {
        self.problems_found += 1;
        if self.problems.len() < Self::PROBLEMS_KEPT {
            self.problems.push(problem);
        }
    }
}

/// Reads one input to its end, on this thread.
///
/// Duplicates are for the caller to see; [`pool::read`] does that too.
pub fn read(number: usize, input: Input, options: &Options, sink: &mut impl Sink) -> Report {
    walk::read(number, input, options, sink, &mut Vec::new())
}

/// Hands the content of a stream, decompressed if it was compressed, piece by piece to `take`.
///
/// # Errors
/// When it cannot be read to its end; what was read until then has been handed over.
pub fn for_content(
    reader: Box<dyn Read + '_>,
    limits: &Limits,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Problem> {
    let mut offset = 0;
    let mut piece = vec![0; 64 << 10];
    let result = inflate::content(reader, limits).and_then(|(mut source, _)| {
        loop {
            let length = source.read(&mut piece)?;
            if length == 0 {
                return Ok(());
            }
            offset += length as u64;
            take(piece.get(..length).unwrap_or_default());
        }
    });
    result.map_err(|failure| failure.at(offset))
}

#[cfg(test)]
mod tests;
