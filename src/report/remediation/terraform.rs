//! Terraform: where quoted strings, comments and here-documents begin and end.

use super::{Language, bytes_of, end_of_here_document, here_document, is_plain};
use crate::report::text::is_hidden;

/// Where in a setting the reader is.
pub(super) struct Terraform {
    state: State,
    /// The word that ends the here-document that begins with the next line.
    pending: Option<String>,
}

#[derive(PartialEq)]
enum State {
    Bare,
    Quoted,
    Comment,
    /// `/* … */`
    Block,
    HereDocument(String),
}

impl Terraform {
    pub(super) const fn new() -> Self {
        Self { state: State::Bare, pending: None }
    }

    fn bare(&mut self, rest: &str, first: char) {
        match first {
            '"' => self.state = State::Quoted,
            '#' => self.state = State::Comment,
            '/' if rest.starts_with("//") => self.state = State::Comment,
            '/' if rest.starts_with("/*") => self.state = State::Block,
            '<' => self.pending = here_document(rest).or(self.pending.take()),
            '\n' => self.end_line(),
            _ => {}
        }
    }

    fn end_line(&mut self) {
        self.state = self.pending.take().map_or(State::Bare, State::HereDocument);
    }
}

impl Language for Terraform {
    fn step(&mut self, before: &str, rest: &str) -> usize {
        let first = rest.chars().next().unwrap_or_default();
        match &self.state {
            State::Bare => self.bare(rest, first),
            // `$${` is how Terraform writes `${` itself, and no placeholder.
            State::Quoted if rest.starts_with("$${") => return 3,
            State::Quoted if first == '\\' => return bytes_of(rest, 2),
            State::Quoted if first == '"' => self.state = State::Bare,
            State::Comment if first == '\n' => self.end_line(),
            State::Block if rest.starts_with("*/") => {
                self.state = State::Bare;
                return 2;
            }
            State::HereDocument(end) => {
                if let Some(length) = end_of_here_document(before, rest, end) {
                    self.state = State::Bare;
                    return length;
                }
            }
            State::Quoted | State::Comment | State::Block => {}
        }
        1
    }

    fn write(&self, _before: &str, value: &str) -> Option<String> {
        if is_plain(value) {
            return Some(value.to_owned());
        }
        (self.state == State::Quoted).then(|| escaped(value))
    }
}

fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len() + 16);
    let mut characters = value.chars().peekable();
    while let Some(c) = characters.next() {
        let opens = characters.peek() == Some(&'{');
        match (c, u32::from(c)) {
            ('\\' | '"', _) => escaped.extend(['\\', c]),
            ('$' | '%', _) if opens => escaped.extend([c, c]),
            (_, code @ ..0x1_0000) if is_hidden(c) => escaped.push_str(&format!("\\u{code:04x}")),
            (_, code) if is_hidden(c) => escaped.push_str(&format!("\\U{code:08x}")),
            _ => escaped.push(c),
        }
    }
    escaped
}
