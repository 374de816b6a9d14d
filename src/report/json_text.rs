//! JSON that is one line for every reader, and safe to look at in a terminal.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

use super::text::is_hidden;

/// Writes the value as JSON on one line. Characters that steer, hide or break lines are written as `\uXXXX`,
/// which is the same string to a JSON reader.
///
/// # Errors
/// When `out` refuses.
pub(super) fn write_line(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Visible);
    value.serialize(&mut serializer).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Compact JSON in which every character shows.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        write_visibly(fragment, writer)
    }

    /// JSON that is kept as it was written stands on one line, so that only its strings have hidden characters.
    fn write_raw_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        write_visibly(fragment, writer)
    }
}

/// JSON on one line, with the hidden characters in its strings written as `\\uXXXX`.
pub(super) fn visible(json: &str) -> String {
    let mut text = Vec::with_capacity(json.len());
    // Memory does not refuse, and what was UTF-8 stays so.
    let _ = write_visibly(json, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn write_visibly<W: ?Sized + Write>(text: &str, writer: &mut W) -> io::Result<()> {
    for piece in text.split_inclusive(is_hidden) {
        let hidden = piece.chars().next_back().filter(|last| is_hidden(*last));
        let shown = hidden.and_then(|last| piece.strip_suffix(last)).unwrap_or(piece);
        writer.write_all(shown.as_bytes())?;
        if let Some(hidden) = hidden {
            for unit in hidden.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_written_out_and_read_back_the_same() {
        let text = "a\u{2028}b\u{85}c\u{202e}\u{e0041}\u{7f}\"\\\n\u{1b}é日\u{1f600}";
        let mut out = Vec::new();
        write_line(&[text], &mut out).expect("written");
        let line = String::from_utf8(out).expect("UTF-8");
        let shown = line.strip_suffix('\n').expect("one line");
        assert!(!shown.chars().any(is_hidden), "{shown:?}");
        assert!(shown.contains("\\udb40\\udc41") && shown.contains("\u{1f600}"), "{shown}");
        assert_eq!(serde_json::from_str::<Vec<String>>(shown).expect("JSON"), [text]);
    }
}
