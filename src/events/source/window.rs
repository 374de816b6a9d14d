//! A view of bounded size that moves along the content of an input.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use super::inflate::{self, Failure, Source};
use super::{Limits, Problem};

/// What the window holds unless one record needs more. Small enough for a second-level cache, so that a record is
/// parsed where it was decompressed.
const USUAL_BYTES: usize = 256 << 10;

/// A part of the content of an input: what was not consumed yet, as far as it was read.
pub(super) struct Window<'r> {
    source: Option<Box<dyn Source + 'r>>,
    read: Rc<Cell<u64>>,
    /// INVARIANT: `start <= end <= buffer.len()`; `start..end` is what the window shows.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of content before `start`.
    offset: u64,
    failure: Option<Failure>,
}

/// The text at the start of a window.
pub(super) struct Text<'w> {
    /// As far as it is UTF-8.
    pub(super) text: &'w str,
    /// Whether bytes follow that are not UTF-8, whatever comes after them.
    pub(super) not_utf8: bool,
}

impl<'r> Window<'r> {
    /// A window over a stream of bytes, with a buffer that an earlier window has left.
    pub(super) fn new(reader: Box<dyn Read + 'r>, limits: &Limits, mut buffer: Vec<u8>) -> Self {
        buffer.resize(USUAL_BYTES, 0);
        buffer.shrink_to(USUAL_BYTES);
        let (source, read, failure) = match inflate::content(reader, limits) {
            Ok((source, read)) => (Some(source), read, None),
            Err(failure) => (None, Rc::default(), Some(failure)),
        };
        Self { source, read, buffer, start: 0, end: 0, offset: 0, failure }
    }

    /// The buffer, for the next window.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// What is shown.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// What is shown, as text, of at most `step` bytes. This looks at every one of them.
    pub(super) fn text(&self, step: usize) -> Text<'_> {
        let bytes = self.bytes();
        let whole = step >= bytes.len();
        let bytes = bytes.get(..step).unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Text { text, not_utf8: false },
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                // A character that is cut comes with the next bytes, if there are any.
                let not_utf8 = error.error_len().is_some() || (whole && self.source.is_none());
                Text { text: std::str::from_utf8(valid).unwrap_or_default(), not_utf8 }
            }
        }
    }

    /// Bytes of content before the window.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of content that were seen.
    pub(super) fn seen(&self) -> u64 {
        self.offset + self.bytes().len() as u64
    }

    /// Bytes of the input that were read.
    pub(super) fn read(&self) -> u64 {
        self.read.get()
    }

    /// Moves the window past bytes that were dealt with.
    pub(super) fn consume(&mut self, length: usize) {
        let start = self.end.min(self.start.saturating_add(length));
        self.offset += (start - self.start) as u64;
        self.start = start;
    }

    /// Shows more, up to twice as much as before if a full window was not enough; `false` when there is no more.
    pub(super) fn more(&mut self) -> bool {
        let Some(source) = self.source.as_mut() else { return false };
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len().saturating_mul(2), 0);
        }
        let before = self.end;
        while let Some(free) = self.buffer.get_mut(self.end..).filter(|free| !free.is_empty()) {
            match source.read(free) {
                Ok(0) => {
                    self.source = None;
                    break;
                }
                Ok(length) => self.end += length,
                Err(failure) => {
                    self.failure = Some(failure);
                    self.source = None;
                    break;
                }
            }
        }
        self.end > before
    }

    /// Passes over everything up to a line that begins with a JSON object or array.
    ///
    /// JSON text has no line break inside a string, and objects that are written over several lines are indented.
    pub(super) fn skip_to_next_start(&mut self) {
        // What is at the very start was tried already.
        let mut line_start = false;
        loop {
            let mut length = 0;
            for &byte in self.bytes() {
                if line_start && matches!(byte, b'{' | b'[') {
                    self.consume(length);
                    return;
                }
                line_start = byte == b'\n';
                length += 1;
            }
            self.consume(length);
            if !self.more() {
                return;
            }
        }
    }

    /// Passes over one object by its brackets alone, whether or not it is JSON; `false` when it has no end.
    pub(super) fn skip_object(&mut self) -> bool {
        let mut brackets = Brackets::default();
        loop {
            if let Some(end) = self.bytes().iter().position(|&byte| brackets.closes(byte)) {
                self.consume(end + 1);
                return true;
            }
            self.consume(self.bytes().len());
            if !self.more() {
                return false;
            }
        }
    }

    /// Why the content ended where it did, if that was not its end.
    pub(super) fn failure(&self) -> Option<Problem> {
        Some(self.failure.clone()?.at(self.seen()))
    }
}

/// Follows brackets outside strings.
#[derive(Debug, Default)]
pub(super) struct Brackets {
    /// How many are open.
    pub(super) depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Brackets {
    /// Whether this byte closes the first bracket.
    pub(super) fn closes(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}
