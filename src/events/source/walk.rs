//! From the content of an input to the single record, whatever shape it comes in.
//!
//! A document is a row of JSON values: records, envelopes, or lists of them, with or without line breaks between them.
//! A list is never held as a whole: its elements are read one by one out of the window, wherever it stands at the top
//! of a document (`{"Records":[…]}` and its like, or a bare array). Each record is parsed once; that parse also tells
//! where it ends. Envelopes around single records are taken apart in `unwrap.rs`.

use std::io::Read;

use serde::de::IgnoredAny;

use super::window::{Text, Window};
use super::{Input, Limits, Options, Origin, Problem, Report, Sink};
use crate::events::record::{Key, Record, RecordError};

/// Text that is looked at in one go: much more than a record, much less than the window.
const STEP: usize = 64 << 10;
/// Envelopes and lists inside one another. SQS around SNS around an S3 notification are five.
pub(super) const DEPTH: u8 = 10;

/// Keys of an envelope that hold a list of records or of further envelopes.
pub(super) const LISTS: [&str; 6] = ["Records", "Events", "events", "logEvents", "Messages", "records"];

/// Reads one input to its end. `buffer` is memory that one input leaves to the next.
pub(super) fn read(
    number: usize,
    input: Input,
    options: &Options,
    sink: &mut impl Sink,
    buffer: &mut Vec<u8>,
) -> Report {
    let mut report = Report::new(number, input.name);
    let reader = match input.content.open() {
        Ok(reader) => reader,
        Err(error) => {
            report.problem(Problem::Open(error.to_string()));
            return report;
        }
    };
    let mut window = Window::new(reader, &options.limits, std::mem::take(buffer));
    let mut walk = Walk { options, sink, report, number, outer: None };
    walk.document(&mut window, 0);
    let mut report = walk.report;
    report.counts.bytes_read = window.read();
    report.counts.bytes_inflated = window.seen();
    *buffer = window.into_buffer();
    report
}

/// The way through one input.
pub(super) struct Walk<'s, S> {
    pub(super) options: &'s Options,
    pub(super) sink: &'s mut S,
    pub(super) report: Report,
    pub(super) number: usize,
    /// Inside a packed payload: the place of what it came in.
    outer: Option<u64>,
}

/// Where things stand in a row of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    /// In a document: values follow each other.
    Document,
    /// After `[`: an element, or the end.
    First,
    /// After an element: a comma, or the end.
    Comma,
    /// After a comma: an element.
    Element,
}

/// What stopped the reading of a row where more text or another way of reading is needed.
enum Stop {
    /// The end of the list.
    End,
    /// The text at hand ends; within a value, if `within`.
    Text { within: bool },
    /// Something that is read by itself: an envelope with a list in it, or a list.
    Nested,
    /// Not JSON, this many bytes after what was read.
    Malformed(usize, String),
}

/// How an object begins.
enum Head {
    /// It has no list to be read by itself, and is so long.
    Whole(usize),
    /// A list begins here; what is before it says that the list holds no records if `control`.
    List { at: usize, control: bool },
    /// It is a page of query results, which do not hold whole records.
    Rows,
    /// The text ends before one can tell.
    Cut,
    /// It is no JSON at this byte.
    Malformed(usize, String),
}

impl<S: Sink> Walk<'_, S> {
    /// Reads everything in a window.
    pub(super) fn document(&mut self, window: &mut Window<'_>, depth: u8) {
        window.more();
        if window.bytes().starts_with(b"\xef\xbb\xbf") {
            window.consume(3);
        }
        if window.bytes().starts_with(b"PAR1") {
            self.reject(Problem::OtherFormat(
                "Parquet, as Security Lake and Lake exports write it, has no whole records; give the delivered log files",
            ));
            return;
        }
        self.row(window, Row::Document, depth);
        if let Some(failure) = window.failure() {
            self.report.problem(failure);
        }
    }

    /// Reads a payload that came inside something else: packed or not, with its own window.
    pub(super) fn payload(&mut self, bytes: &[u8], offset: u64, depth: u8) {
        let reader: Box<dyn Read + '_> = Box::new(bytes);
        let mut window = Window::new(reader, &self.options.limits, Vec::new());
        let outer = self.outer.replace(offset);
        self.document(&mut window, depth);
        self.outer = outer;
    }

    /// Reads values one after the other, to the end of their list or of the document. `false` if the list is broken
    /// and the rest of it cannot be told from what follows.
    fn row(&mut self, window: &mut Window<'_>, mut row: Row, depth: u8) -> bool {
        let mut step = STEP;
        loop {
            let Text { text, not_utf8 } = window.text(step);
            let (used, stop) = self.values(text, window.offset(), &mut row, depth);
            window.consume(used);
            let goes_on = match stop {
                Stop::End => return true,
                Stop::Nested => {
                    row = after_value(row);
                    self.nested(window, depth + 1) || recover(window, row)
                }
                Stop::Malformed(at, reason) => {
                    let offset = self.place(window.offset() + at as u64);
                    self.reject(Problem::Malformed { offset, reason });
                    leave_out(window, &mut row)
                }
                Stop::Text { .. } if not_utf8 => {
                    let offset = self.place(window.offset() + window.text(usize::MAX).text.len() as u64);
                    self.reject(Problem::NotUtf8 { offset });
                    leave_out(window, &mut row)
                }
                Stop::Text { .. } if used > 0 => {
                    step = STEP;
                    continue;
                }
                Stop::Text { .. } if step < window.bytes().len() => {
                    step = usize::MAX;
                    continue;
                }
                Stop::Text { within } => {
                    step = usize::MAX;
                    match self.more(window, &mut row, within) {
                        Some(more) => more,
                        None => return row == Row::Document && !within,
                    }
                }
            };
            if !goes_on {
                return false;
            }
        }
    }

    /// Shows more of the value that the window begins with, or leaves the value out if it is too large. `None` at the
    /// end of the content, else as for [`Walk::row`].
    fn more(&mut self, window: &mut Window<'_>, row: &mut Row, within: bool) -> Option<bool> {
        let limit = self.options.limits.record_bytes;
        if within && window.bytes().len() > limit {
            self.reject(Problem::RecordTooLarge { offset: self.place(window.offset()), limit });
            return Some(leave_out(window, row));
        }
        if window.more() {
            return Some(true);
        }
        if within || *row != Row::Document {
            self.cut_short(window, within);
        }
        None
    }

    /// Reads as many values as the text holds; how many bytes that were, and why it stopped.
    fn values(&mut self, text: &str, offset: u64, row: &mut Row, depth: u8) -> (usize, Stop) {
        let mut rest = text;
        loop {
            rest = rest.trim_ascii_start();
            let used = text.len() - rest.len();
            let stop = match (rest.as_bytes().first(), *row) {
                (None, _) => Stop::Text { within: false },
                (Some(b']'), Row::First | Row::Comma) => return (used + 1, Stop::End),
                (Some(b','), Row::Comma) => {
                    *row = Row::Element;
                    rest = rest.get(1..).unwrap_or_default();
                    continue;
                }
                (_, Row::Comma) => Stop::Malformed(0, "expected `,` or `]`".to_owned()),
                (Some(b'['), _) => Stop::Nested,
                (Some(b'{'), _) => match self.object(rest, offset + used as u64, depth) {
                    Ok(length) => {
                        *row = after_value(*row);
                        rest = rest.get(length..).unwrap_or_default();
                        continue;
                    }
                    Err(stop) => stop,
                },
                (Some(_), _) => Stop::Malformed(0, "expected a JSON object or array".to_owned()),
            };
            return (used, stop);
        }
    }

    /// Reads the object that the text begins with; its length.
    fn object(&mut self, text: &str, offset: u64, depth: u8) -> Result<usize, Stop> {
        let text = if begins_record(text) {
            text
        } else {
            match head(text, false) {
                Head::Whole(length) => text.get(..length).unwrap_or(text),
                Head::List { .. } | Head::Rows => return Err(Stop::Nested),
                Head::Cut => return Err(Stop::Text { within: true }),
                Head::Malformed(at, reason) => return Err(Stop::Malformed(at, reason)),
            }
        };
        match Record::read(text) {
            Ok((record, rest)) => {
                self.item(&record, self.place(offset), depth);
                Ok(text.len() - rest.len())
            }
            Err(RecordError::Incomplete) => Err(Stop::Text { within: true }),
            Err(RecordError::Malformed { offset, reason }) => Err(Stop::Malformed(offset, reason)),
            Err(RecordError::NotUtf8 { offset }) => Err(Stop::Malformed(offset, "not UTF-8".to_owned())),
        }
    }

    /// Reads a list, or an object with a list in it, that the window begins with. `false` as for [`Walk::row`].
    fn nested(&mut self, window: &mut Window<'_>, depth: u8) -> bool {
        if depth > DEPTH {
            let limit = usize::from(DEPTH);
            self.reject(Problem::TooDeep { offset: self.place(window.offset()), limit });
            return window.skip_object();
        }
        if window.bytes().first() == Some(&b'[') {
            window.consume(1);
            return self.row(window, Row::First, depth);
        }
        let mut inside = false;
        let mut step = STEP;
        loop {
            let Text { text, not_utf8 } = window.text(step);
            match head(text, inside) {
                Head::Whole(length) => {
                    window.consume(length);
                    return true;
                }
                Head::List { at, control } => {
                    window.consume(at);
                    inside = true;
                    if control {
                        self.report.counts.control += 1;
                        window.skip_object();
                        continue;
                    }
                    window.consume(1);
                    if !self.row(window, Row::First, depth) {
                        return false;
                    }
                }
                Head::Rows => {
                    self.reject(Problem::OtherFormat(
                        "results of a CloudTrail Lake query hold columns and not records; give the delivered log files",
                    ));
                    return !inside && window.skip_object();
                }
                Head::Cut if step < window.bytes().len() => step = usize::MAX,
                Head::Cut if !not_utf8 && window.bytes().len() <= self.options.limits.record_bytes => {
                    if !window.more() {
                        self.cut_short(window, true);
                        return false;
                    }
                }
                Head::Cut => {
                    let offset = self.place(window.seen());
                    self.reject(Problem::Malformed { offset, reason: "an envelope without end".to_owned() });
                    return false;
                }
                Head::Malformed(at, reason) => {
                    let offset = self.place(window.offset() + at as u64);
                    self.reject(Problem::Malformed { offset, reason });
                    return false;
                }
            }
        }
    }

    /// The content has ended where it should not have.
    fn cut_short(&mut self, window: &mut Window<'_>, within: bool) {
        if within {
            self.report.counts.rejected += 1;
        }
        // A failure of the window is told by itself.
        if window.failure().is_none() {
            self.report.problem(Problem::CutShort { offset: self.place(window.seen()) });
        }
        window.consume(window.bytes().len());
    }

    /// Counts something that could not be read.
    pub(super) fn reject(&mut self, problem: Problem) {
        self.report.counts.rejected += 1;
        self.report.problem(problem);
    }

    /// The place to tell for an offset of the document at hand.
    pub(super) fn place(&self, offset: u64) -> u64 {
        self.outer.unwrap_or(offset)
    }

    /// The origin of a record at this place.
    pub(super) const fn origin(&self, offset: u64) -> Origin {
        Origin { input: self.number, offset }
    }
}

/// Passes over what the window begins with and cannot be read. `false` as for [`Walk::row`].
fn leave_out(window: &mut Window<'_>, row: &mut Row) -> bool {
    if *row == Row::Document {
        window.skip_to_next_start();
        return true;
    }
    if *row == Row::Comma || window.bytes().first() != Some(&b'{') {
        return false;
    }
    *row = Row::Comma;
    window.skip_object()
}

/// Goes on after a list or envelope that broke; `false` when there is no telling where.
fn recover(window: &mut Window<'_>, row: Row) -> bool {
    if row == Row::Document {
        window.skip_to_next_start();
    }
    row == Row::Document
}

/// What follows a value.
fn after_value(row: Row) -> Row {
    if row == Row::Document { Row::Document } else { Row::Comma }
}

/// Whether the first key of an object is one that records have: then there is no need to look for a list in it.
fn begins_record(text: &str) -> bool {
    let Some(name) = text.get(1..).map(str::trim_ascii_start).and_then(|text| text.strip_prefix('"')) else {
        return false;
    };
    // The longest key of a record has 28 letters.
    let name = name.as_bytes().get(..32).unwrap_or(name.as_bytes());
    memchr::memchr(b'"', name)
        .and_then(|end| name.get(..end))
        .and_then(Key::from_bytes)
        .is_some_and(|key| key != Key::Resources)
}

/// Walks the members of an object, from its `{` or, `inside` it, from after a value.
fn head(text: &str, inside: bool) -> Head {
    let mut at = usize::from(!inside);
    let mut first = !inside;
    let mut control = false;
    loop {
        at = blanks_end(text, at);
        match text.as_bytes().get(at) {
            None => return Head::Cut,
            Some(b'}') => return Head::Whole(at + 1),
            Some(b',') if !first => at = blanks_end(text, at + 1),
            Some(_) if first => {}
            Some(_) => return Head::Malformed(at, "expected `,` or `}`".to_owned()),
        }
        first = false;
        let name = match text.as_bytes().get(at) {
            None => return Head::Cut,
            Some(b'"') => match value_end(text, at) {
                Ok(end) => text.get(at + 1..end.saturating_sub(1)).unwrap_or_default(),
                Err(head) => return head,
            },
            Some(_) => return Head::Malformed(at, "expected a key".to_owned()),
        };
        at = blanks_end(text, at + name.len() + 2);
        match text.as_bytes().get(at) {
            None => return Head::Cut,
            Some(b':') => at = blanks_end(text, at + 1),
            Some(_) => return Head::Malformed(at, "expected `:`".to_owned()),
        }
        if text.as_bytes().get(at) == Some(&b'[') {
            match name {
                "QueryResultRows" => return Head::Rows,
                name if LISTS.contains(&name) => return Head::List { at, control },
                _ => {}
            }
        }
        let end = match value_end(text, at) {
            Ok(end) => end,
            Err(head) => return head,
        };
        control |= name == "messageType" && text.get(at..end) == Some("\"CONTROL_MESSAGE\"");
        at = end;
    }
}

/// Where the blanks that may be at this place end.
fn blanks_end(text: &str, at: usize) -> usize {
    text.len() - text.get(at..).unwrap_or_default().trim_ascii_start().len()
}

/// Where the value at this place ends.
fn value_end(text: &str, at: usize) -> Result<usize, Head> {
    let rest = text.get(at..).unwrap_or_default();
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
    match values.next() {
        // A value of an object is followed by something; a number might go on with the next bytes.
        Some(Ok(_)) if values.byte_offset() < rest.len() => Ok(at + values.byte_offset()),
        Some(Err(error)) if !error.is_eof() => {
            let before: usize =
                rest.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
            Err(Head::Malformed(at + before + error.column().saturating_sub(1), error.to_string()))
        }
        _ => Err(Head::Cut),
    }
}

/// Whether a record has more levels than is allowed.
pub(super) fn is_too_deep(record: &Record<'_>, limits: &Limits) -> bool {
    if let Some(levels) = record.levels() {
        return levels > limits.nesting;
    }
    let text = record.raw();
    // Counting brackets takes a fiftieth of the time of following them, and few records have so many.
    let opening = |chunk: &[u8]| chunk.iter().map(|byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    let brackets: usize = text.as_bytes().chunks(128).map(|chunk| usize::from(opening(chunk))).sum();
    if brackets <= limits.nesting {
        return false;
    }
    let mut followed = super::window::Brackets::default();
    text.bytes().any(|byte| {
        followed.closes(byte);
        followed.depth > limits.nesting
    })
}
