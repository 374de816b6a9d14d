//! Lines for a terminal: never wider than it, coloured only where that is wanted.

use std::iter;

use crate::controls::Severity;
use crate::report::printable;

/// How a piece of text is set off, as ANSI codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Bold,
    Dim,
    Red,
    BoldRed,
    Yellow,
    Green,
    Blue,
}

impl Paint {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Dim => Some("2"),
            Self::Red => Some("31"),
            Self::BoldRed => Some("1;31"),
            Self::Yellow => Some("33"),
            Self::Green => Some("32"),
            Self::Blue => Some("34"),
        }
    }

    pub(crate) const fn of(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::BoldRed,
            Severity::High => Self::Red,
            Severity::Medium => Self::Yellow,
            Severity::Low => Self::Blue,
            Severity::Informational => Self::Dim,
        }
    }

    /// The colour of a count: none is not worth one.
    pub(crate) const fn if_any(self, n: u64) -> Self {
        if n == 0 { Self::Dim } else { self }
    }
}

/// The text so far.
#[derive(Debug)]
pub(crate) struct Screen {
    text: String,
    width: usize,
    color: bool,
}

impl Screen {
    pub(crate) const fn new(width: usize, color: bool) -> Self {
        Self { text: String::new(), width, color }
    }

    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Adds a line, cut off with `…` where it is wider than the terminal.
    pub(crate) fn line<'a>(&mut self, spans: impl IntoIterator<Item = (Paint, &'a str)>) {
        let spans: Vec<_> = spans.into_iter().map(|(paint, text)| (paint, printable(text))).collect();
        let whole: usize = spans.iter().map(|(_, text)| columns(text)).sum();
        let mut left = if whole > self.width { self.width.saturating_sub(1) } else { self.width };
        for (paint, text) in &spans {
            let (part, is_cut) = fitting(text, left);
            left -= columns(part);
            self.paint(*paint, part);
            if is_cut {
                break;
            }
        }
        if whole > self.width {
            self.text.push('…');
        }
        self.text.push('\n');
    }

    /// Adds text that is broken into as many lines as it takes, the first of them after `lead`.
    pub(crate) fn paragraph(&mut self, lead: &str, text: &str) {
        self.wrapped((Paint::Plain, lead), columns(lead), text);
    }

    /// Adds text that begins after `lead`, with a margin before each further line.
    pub(crate) fn wrapped(&mut self, lead: (Paint, &str), margin: usize, text: &str) {
        let margin = " ".repeat(margin);
        let mut line = String::new();
        let mut lead = lead;
        for word in text.split(' ') {
            let used = columns(&printable(lead.1)) + columns(&printable(&line));
            if !line.is_empty() && used + 1 + columns(&printable(word)) > self.width {
                self.line([lead, (Paint::Plain, &line)]);
                line.clear();
                lead = (Paint::Plain, &margin);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line([lead, (Paint::Plain, &line)]);
    }

    /// Adds lines that are to be copied, behind a margin: they are never broken or cut, however narrow the
    /// terminal is.
    pub(crate) fn verbatim(&mut self, margin: usize, block: &str) {
        for line in block.trim_end().lines() {
            let line = printable(line);
            if !line.is_empty() {
                self.text.extend(iter::repeat_n(' ', margin));
                self.text.push_str(&line);
            }
            self.text.push('\n');
        }
    }

    /// Adds pieces with commas between them, on as many lines as it takes.
    pub(crate) fn list(&mut self, pieces: &[(Paint, String)]) {
        let mut line: Vec<(Paint, &str)> = Vec::new();
        let mut used = 0;
        for (index, (paint, words)) in pieces.iter().enumerate() {
            let wide = columns(&printable(words)) + usize::from(index + 1 < pieces.len());
            if !line.is_empty() && used + 1 + wide > self.width {
                self.line(std::mem::take(&mut line));
                used = 0;
            }
            if !line.is_empty() {
                line.push((Paint::Plain, " "));
                used += 1;
            }
            line.push((*paint, words));
            if index + 1 < pieces.len() {
                line.push((Paint::Plain, ","));
            }
            used += wide;
        }
        self.line(line);
    }

    /// Adds an empty line.
    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// Adds an empty line and a heading.
    pub(crate) fn heading(&mut self, words: &str) {
        self.blank();
        self.line([(Paint::Bold, words)]);
    }

    fn paint(&mut self, paint: Paint, text: &str) {
        match paint.code() {
            Some(code) if self.color && !text.is_empty() => {
                self.text.extend(["\u{1b}[", code, "m", text, "\u{1b}[0m"]);
            }
            _ => self.text.push_str(text),
        }
    }
}

/// The text in exactly that many columns: filled up with spaces, or cut off with `…`.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let text = printable(text);
    let mut padded = match fitting(&text, width) {
        (whole, false) => whole.to_owned(),
        (_, true) => format!("{}…", fitting(&text, width.saturating_sub(1)).0),
    };
    padded.extend(iter::repeat_n(' ', width.saturating_sub(columns(&padded))));
    padded
}

/// As much of the text as fits, and whether something is left over.
fn fitting(text: &str, width: usize) -> (&str, bool) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += char_columns(c);
        if used > width {
            return (text.split_at(at).0, true);
        }
    }
    (text, false)
}

/// Columns that the text takes, or fewer.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

/// From U+1100 on there are characters of two columns. Those of one and none among them count as two as
/// well: a line that is cut early is better than one that breaks.
fn char_columns(c: char) -> usize {
    if matches!(c, '\u{1100}'..='\u{11ff}' | '\u{2300}'..) { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(width: usize, color: bool, spans: &[(Paint, &str)]) -> String {
        let mut screen = Screen::new(width, color);
        screen.line(spans.iter().copied());
        screen.into_text()
    }

    #[test]
    fn a_line_is_cut_where_the_terminal_ends() {
        let spans = [(Paint::Plain, "one "), (Paint::Red, "two "), (Paint::Plain, "three")];
        assert_eq!(line(13, false, &spans), "one two three\n");
        assert_eq!(line(12, false, &spans), "one two thr…\n");
        assert_eq!(line(8, false, &spans), "one two…\n");
        assert_eq!(line(1, false, &spans), "…\n");
        assert_eq!(line(6, true, &spans), "one \u{1b}[31mt\u{1b}[0m…\n");
    }

    #[test]
    fn wide_and_hostile_characters_are_counted_as_shown() {
        assert_eq!(line(5, false, &[(Paint::Plain, "日本語")]), "日本…\n");
        assert_eq!(line(80, false, &[(Paint::Plain, "a\u{1b}[2Jb\n")]), "a\\u{1b}[2Jb\\n\n");
        assert_eq!(padded("日本語", 4), "日… ");
        assert_eq!(padded("ab", 4), "ab  ");
        assert_eq!(padded("\u{7}", 6), "\\u{7} ");
    }

    #[test]
    fn a_paragraph_breaks_between_words() {
        let mut screen = Screen::new(12, false);
        screen.paragraph("  → ", "allow it in the scanner's-own-role");
        assert_eq!(screen.into_text(), "  → allow it\n    in the\n    scanner…\n");
    }
}
