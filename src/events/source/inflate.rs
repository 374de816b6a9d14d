//! Decompression, told by the first bytes and not by the name.
//!
//! Objects named `.json.gz` that a tool has inflated already are read as they are, and so is gzip inside gzip, which
//! Firehose makes of CloudWatch Logs payloads. Both decoders stream: what an input needs here is their history (32 KiB
//! for gzip, at most 8 MiB for zstd) and 64 KiB of compressed data.

use std::cell::Cell;
use std::io::{self, Cursor, Read};
use std::rc::Rc;

use flate2::{Decompress, FlushDecompress, Status};
use thiserror::Error;

use super::{Limits, Problem};

/// Compressed data that is read ahead.
const INPUT_BYTES: usize = 64 << 10;
/// The largest history a zstd stream may ask for, as a power of two: 8 MiB, what `zstd -19` needs. More is for
/// `--ultra` and `--long`, and would be given to anyone who asks for it.
const ZSTD_WINDOW_LOG: u32 = 23;
/// zstd tells only of whole reads; so much may be lost before damaged data.
const ZSTD_STEP: usize = 64 << 10;
/// Compression inside compression that is undone.
const LAYERS: usize = 3;

/// Why no more content comes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Failure {
    /// The system could not read.
    #[error("{0}")]
    Read(String),
    /// The compressed data is not right.
    #[error("{packing}: {what}")]
    Damaged { packing: &'static str, what: String, packed: u64 },
    /// The content is larger than is allowed.
    #[error("more than {0} bytes")]
    TooLarge(u64),
}

impl Failure {
    /// What to tell of it: it came after so many bytes of content.
    pub(super) fn at(self, offset: u64) -> Problem {
        match self {
            Self::Read(reason) => Problem::Read { offset, reason },
            Self::Damaged { packing, what, packed } => Problem::Damaged { packing, what, packed, offset },
            Self::TooLarge(limit) => Problem::TooLarge { limit },
        }
    }
}

/// A stream of content.
pub(super) trait Source {
    /// Fills the front of `into`; 0 at the end. What comes before a failure is given before the failure.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Failure>;
}

/// A stream of content, and the bytes of the input that were read for it so far.
type Content<'r> = (Box<dyn Source + 'r>, Rc<Cell<u64>>);

/// The content of a stream of bytes, decompressed as often as it was compressed.
pub(super) fn content<'r>(reader: Box<dyn Read + 'r>, limits: &Limits) -> Result<Content<'r>, Failure> {
    let read = Rc::new(Cell::new(0));
    let mut source: Box<dyn Source + 'r> = Box::new(Plain { reader, read: Rc::clone(&read) });
    for _ in 0..LAYERS {
        let mut start = [0; 4];
        let length = read_full(source.as_mut(), &mut start)?;
        let start = start.get(..length).unwrap_or_default();
        let ahead = Ahead { start: Cursor::new(start.to_vec()), source };
        let decoded: Box<dyn Source + 'r> = match start {
            [0x1f, 0x8b, ..] => Box::new(Gunzip::new(ahead)),
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(Unzstd::new(ahead)?),
            _ => return Ok((Box::new(ahead), read)),
        };
        source =
            Box::new(Capped { source: decoded, left: limits.inflated_bytes, limit: limits.inflated_bytes });
    }
    Ok((source, read))
}

/// Fills all of `into` unless the content ends.
fn read_full(source: &mut dyn Source, into: &mut [u8]) -> Result<usize, Failure> {
    let mut length = 0;
    while let Some(free) = into.get_mut(length..).filter(|free| !free.is_empty()) {
        match source.read(free)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// Bytes as they come.
struct Plain<'r> {
    reader: Box<dyn Read + 'r>,
    read: Rc<Cell<u64>>,
}

impl Source for Plain<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        loop {
            match self.reader.read(into) {
                Ok(length) => {
                    self.read.set(self.read.get() + length as u64);
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::Read(error.to_string())),
            }
        }
    }
}

/// The bytes that were looked at to tell the format, and then the others.
struct Ahead<'r> {
    start: Cursor<Vec<u8>>,
    source: Box<dyn Source + 'r>,
}

impl Source for Ahead<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        // Reading from memory does not fail.
        match self.start.read(into) {
            Ok(length) if length > 0 => Ok(length),
            _ => self.source.read(into),
        }
    }
}

/// Refuses what becomes too large.
struct Capped<'r> {
    source: Box<dyn Source + 'r>,
    left: u64,
    limit: u64,
}

impl Source for Capped<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        if self.left == 0 && !into.is_empty() {
            // The content may be exactly as large as is allowed.
            return match self.source.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(Failure::TooLarge(self.limit)),
            };
        }
        let allowed = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let length = self.source.read(into.get_mut(..allowed).unwrap_or_default())?;
        self.left -= length as u64;
        Ok(length)
    }
}

/// One or more gzip members, one after the other.
struct Gunzip<'r> {
    source: Ahead<'r>,
    input: Vec<u8>,
    start: usize,
    end: usize,
    member: Option<Decompress>,
    packed: u64,
    failure: Option<Failure>,
}

impl<'r> Gunzip<'r> {
    fn new(source: Ahead<'r>) -> Self {
        let input = vec![0; INPUT_BYTES];
        Self { source, input, start: 0, end: 0, member: None, packed: 0, failure: None }
    }

    fn damaged(&self, what: &str) -> Failure {
        Failure::Damaged { packing: "gzip", what: what.to_owned(), packed: self.packed }
    }

    /// Whether there is compressed data at hand, after reading some if there was none.
    fn refill(&mut self) -> Result<bool, Failure> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.end = self.source.read(&mut self.input)?;
        }
        Ok(self.start < self.end)
    }

    fn used(&mut self, length: u64) {
        self.packed += length;
        self.start = self.end.min(self.start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)));
    }

    /// Begins the next member; `false` at the end. Zeros after a member are padding, as in `gzip` itself.
    fn next_member(&mut self) -> Result<bool, Failure> {
        while self.refill()? {
            match self.input.get(self.start) {
                Some(0) if self.packed > 0 => self.used(1),
                Some(0x1f) => {
                    self.member = Some(Decompress::new_gzip(15));
                    return Ok(true);
                }
                _ => return Err(self.damaged("followed by something else")),
            }
        }
        Ok(false)
    }
}

impl Source for Gunzip<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        if let Some(failure) = self.failure.clone() {
            return Err(failure);
        }
        loop {
            if self.member.is_none() && !self.next_member()? {
                return Ok(0);
            }
            let has_input = self.refill()?;
            let Some(member) = self.member.as_mut() else { continue };
            let (taken, given) = (member.total_in(), member.total_out());
            let input = self.input.get(self.start..self.end).unwrap_or_default();
            let result = member.decompress(input, into, FlushDecompress::None);
            let (taken, given) = (member.total_in() - taken, member.total_out() - given);
            let ended = matches!(result, Ok(Status::StreamEnd));
            self.used(taken);
            if ended {
                self.member = None;
            }
            if let Err(error) = result {
                let what = format!("damaged ({})", error.message().unwrap_or("no valid deflate data"));
                self.failure = Some(self.damaged(&what));
            } else if !has_input && given == 0 && !ended {
                self.failure = Some(self.damaged("cut short"));
            }
            match (usize::try_from(given).unwrap_or(usize::MAX), self.failure.clone()) {
                (0, Some(failure)) => return Err(failure),
                (0, None) if into.is_empty() => return Ok(0),
                (0, None) => {}
                (given, _) => return Ok(given),
            }
        }
    }
}

/// A zstd stream.
struct Unzstd<'r> {
    decoder: zstd::stream::read::Decoder<'static, io::BufReader<Reading<'r>>>,
}

impl<'r> Unzstd<'r> {
    fn new(source: Ahead<'r>) -> Result<Self, Failure> {
        let broken = |error: io::Error| Failure::Read(error.to_string());
        let reading = Reading { source, packed: 0, failure: None };
        let reading = io::BufReader::with_capacity(INPUT_BYTES, reading);
        let mut decoder = zstd::stream::read::Decoder::with_buffer(reading).map_err(broken)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(broken)?;
        Ok(Self { decoder })
    }
}

impl Source for Unzstd<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Failure> {
        let step = into.len().min(ZSTD_STEP);
        let result = self.decoder.read(into.get_mut(..step).unwrap_or_default());
        result.map_err(|error| {
            let reading = self.decoder.get_ref().get_ref();
            reading.failure.clone().unwrap_or_else(|| Failure::Damaged {
                packing: "zstd",
                what: match error.kind() {
                    io::ErrorKind::UnexpectedEof => "cut short".to_owned(),
                    _ => format!("damaged ({error})"),
                },
                packed: reading.packed,
            })
        })
    }
}

/// A source as the standard library knows it, which remembers why it failed.
struct Reading<'r> {
    source: Ahead<'r>,
    packed: u64,
    failure: Option<Failure>,
}

impl Read for Reading<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(into).map_err(|failure| {
            self.failure = Some(failure.clone());
            io::Error::other(failure)
        })?;
        self.packed += length as u64;
        Ok(length)
    }
}
