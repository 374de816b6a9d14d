//! Commands: where quotes begin and end in a POSIX shell.

use super::{Language, bytes_of, end_of_here_document, here_document, is_plain};
use crate::report::text::is_hidden;

/// Where in a command the reader is.
pub(super) struct Shell {
    state: State,
    /// The word that ends the here-document that begins with the next line.
    pending: Option<String>,
}

#[derive(PartialEq)]
enum State {
    Bare,
    Single,
    Double,
    /// `$'…'`, in which a backslash hides a quote.
    Dollar,
    Comment,
    HereDocument(String),
}

impl Shell {
    pub(super) const fn new() -> Self {
        Self { state: State::Bare, pending: None }
    }

    fn bare(&mut self, before: &str, rest: &str, first: char) -> usize {
        match first {
            '\\' => return bytes_of(rest, 2),
            '\'' => self.state = State::Single,
            '"' => self.state = State::Double,
            '#' if starts_word(before) => self.state = State::Comment,
            '$' if rest.starts_with("$'") => {
                self.state = State::Dollar;
                return 2;
            }
            '<' if rest.starts_with("<<<") => return 3,
            '<' => {
                if let Some(end) = here_document(rest) {
                    self.pending = Some(end);
                    return 2;
                }
            }
            '\n' => self.end_line(),
            _ => {}
        }
        1
    }

    fn end_line(&mut self) {
        self.state = self.pending.take().map_or(State::Bare, State::HereDocument);
    }
}

impl Language for Shell {
    fn step(&mut self, before: &str, rest: &str) -> usize {
        let first = rest.chars().next().unwrap_or_default();
        match &self.state {
            State::Bare => return self.bare(before, rest, first),
            State::Double | State::Dollar if first == '\\' => return bytes_of(rest, 2),
            State::Single | State::Dollar if first == '\'' => self.state = State::Bare,
            State::Double if first == '"' => self.state = State::Bare,
            State::Comment if first == '\n' => self.end_line(),
            State::HereDocument(end) => {
                if let Some(length) = end_of_here_document(before, rest, end) {
                    self.state = State::Bare;
                    return length;
                }
            }
            State::Single | State::Double | State::Dollar | State::Comment => {}
        }
        1
    }

    fn write(&self, before: &str, value: &str) -> Option<String> {
        let is_argument = !matches!(self.state, State::Comment | State::HereDocument(_));
        if is_argument && starts_word(before.trim_end_matches(['\'', '"'])) && is_taken_for_another(value) {
            return None;
        }
        if is_plain(value) {
            return Some(value.to_owned());
        }
        (self.state == State::Bare).then(|| quoted(value))
    }
}

/// Whether what comes next is the start of an argument, or of its value.
fn starts_word(before: &str) -> bool {
    before.chars().next_back().is_none_or(|c| c.is_ascii_whitespace() || "=;&|()`".contains(c))
}

/// Whether the AWS CLI takes the value for an option, or for the address of the value.
fn is_taken_for_another(value: &str) -> bool {
    ["-", "file://", "fileb://", "http://", "https://"].iter().any(|start| value.starts_with(start))
}

fn quoted(value: &str) -> String {
    if !value.chars().any(is_hidden) {
        return format!("'{}'", value.replace('\'', r"'\''"));
    }
    let mut quoted = "$'".to_owned();
    for c in value.chars() {
        match (c, u32::from(c)) {
            ('\\' | '\'', _) => quoted.extend(['\\', c]),
            (_, code @ ..0x80) if is_hidden(c) => quoted.push_str(&format!("\\x{code:02x}")),
            (_, code @ ..0x1_0000) if is_hidden(c) => quoted.push_str(&format!("\\u{code:04x}")),
            (_, code) if is_hidden(c) => quoted.push_str(&format!("\\U{code:08x}")),
            _ => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}
