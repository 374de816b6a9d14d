//! What commands print: results to stdout, complaints to stderr, and never a terminal's control codes from
//! names that other people chose.

use std::io::{self, IsTerminal, Write};

use super::{Done, Exit, Stopped};
use crate::report::printable;

/// Columns of output that goes to no terminal.
const WIDTH: usize = 100;

/// Writes results to stdout; a reader that has enough (`| head`) is no error.
pub(super) fn print(text: &str) -> Done {
    print_bytes(text.as_bytes())
}

/// The same for results that may not be text.
pub(super) fn print_bytes(bytes: &[u8]) -> Done {
    let mut out = Stdout::lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| no_stdout(&error))?;
    Ok(Exit::Clean)
}

/// Prints a value as indented JSON.
pub(super) fn print_json(value: &impl serde::Serialize) -> Done {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Stopped::could_not_run(miette::miette!("JSON: {error}")))?;
    print(&format!("{text}\n"))
}

/// What became of stdout, where it is not that the reader has enough.
pub(super) fn no_stdout(error: &dyn std::fmt::Display) -> Stopped {
    Stopped::could_not_run(miette::miette!("stdout: {error}"))
}

/// Stdout, which takes everything and throws it away once its reader is gone: the writers of formats wrap errors
/// of their own around it, in which a broken pipe would be hard to find again.
#[derive(Debug)]
pub(super) struct Stdout {
    out: io::StdoutLock<'static>,
    has_reader: bool,
}

impl Stdout {
    pub(super) fn lock() -> Self {
        Self { out: io::stdout().lock(), has_reader: true }
    }

    fn unless_gone<T>(&mut self, done: io::Result<T>, otherwise: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.has_reader = false;
                Ok(otherwise)
            }
            done => done,
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.has_reader {
            return Ok(bytes.len());
        }
        let written = self.out.write(bytes);
        self.unless_gone(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.has_reader {
            return Ok(());
        }
        let flushed = self.out.flush();
        self.unless_gone(flushed, ())
    }
}

/// Whether results are coloured: on a terminal, or where `CLICOLOR_FORCE` asks for it; never with `NO_COLOR`.
pub(super) fn color() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    set("NO_COLOR").is_none() && (forced || io::stdout().is_terminal())
}

/// Columns of the terminal.
pub(super) fn width() -> usize {
    let columns = console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    columns.filter(|_| io::stdout().is_terminal()).unwrap_or(WIDTH)
}

/// An error for people: the colours that it was given stay, and every other character that would steer the
/// terminal, from a file name or a value that was typed, is written out.
pub(super) fn complaint(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            shown.push('\n');
        }
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            shown.push_str(&printable(before));
            let codes =
                after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').len();
            let (codes, end) = after.split_at(codes);
            rest = if let Some(end) = end.strip_prefix('m') {
                shown.extend(["\u{1b}[", codes, "m"]);
                end
            } else {
                shown.push_str("\\u{1b}[");
                after
            };
        }
        shown.push_str(&printable(rest));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn colours_of_an_error_stay_and_nothing_else_steers_the_terminal() {
        for (text, shown) in [
            ("\u{1b}[31merror\u{1b}[0m: `a`\n  help", "\u{1b}[31merror\u{1b}[0m: `a`\n  help"),
            ("`a\u{1b}[2Jb\u{7}\r`", "`a\\u{1b}[2Jb\\u{7}\\r`"),
            ("\u{1b}]0;owned\u{7}", "\\u{1b}]0;owned\\u{7}"),
            ("invoice\u{202e}fdp.exe", "invoice\\u{202e}fdp.exe"),
            ("\u{1b}[", "\\u{1b}["),
        ] {
            assert_eq!(complaint(text), shown);
        }
    }
}
