//! Other people's text in Markdown, so that it stays text.
//!
//! GitHub turns more into markup than the Markdown it documents: names after `@`, numbers after `#`, `:emoji:`,
//! `$math$`, addresses. It does so after the Markdown is read, so that a backslash or an entity alone does not
//! stop it; a comment in between does, and so does code.

use std::fmt::Write;

use crate::report::printable;

/// Follows what GitHub looks for in the finished text; a comment shows nothing and ends the text before it.
const BREAK: &str = "<!-- -->";

/// The text on one line as prose: nothing in it is markup, a link, a mention or a cell of a table.
pub(super) fn escape(text: &str) -> String {
    let text = printable(text);
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut before = None;
    for c in text.chars() {
        let starts = before.is_none();
        match c {
            '@' | '#' | ':' | '$' => entity(&mut escaped, c, BREAK),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '!' | '^'
            | '"' | '\'' => {
                entity(&mut escaped, c, "");
            }
            // A list, a rule or a heading; `GH-1` is an issue.
            '-' if matches!(before, None | Some('h' | 'H' | '-' | ' ')) => entity(&mut escaped, c, BREAK),
            '+' | '=' if starts => entity(&mut escaped, c, ""),
            // `www.` begins an address.
            '.' if matches!(before, Some('w' | 'W')) => entity(&mut escaped, c, BREAK),
            // Spaces in front of a line make it code.
            ' ' if starts => entity(&mut escaped, c, ""),
            _ => escaped.push(c),
        }
        before = Some(c);
    }
    escaped
}

fn entity(escaped: &mut String, c: char, then: &str) {
    // Writing to a string does not fail.
    let _ = write!(escaped, "&#{};{then}", u32::from(c));
}

/// The text on one line as code, for names: inside it nothing is markup. Its end and the end of a table's cell
/// are written out, as hidden characters are: no reader agrees with the next about a backslash before them.
pub(super) fn code(text: &str) -> String {
    let text = printable(text);
    if text.trim().is_empty() {
        return String::new();
    }
    format!("`{}`", text.replace('`', "\\u{60}").replace('|', "\\u{7c}"))
}

/// Lines of code as a block, which ends only after it.
pub(in crate::report) fn code_block(text: &str) -> String {
    let fence = "`".repeat(longest_run(text, '`').max(2) + 1);
    let lines: Vec<_> = text.lines().map(printable).collect();
    format!("{fence}sh\n{}\n{fence}", lines.join("\n"))
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(|run| run.chars().count()).max().unwrap_or(0)
}

/// Prose with names between backticks, as remedies are written.
pub(in crate::report) fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { code(part) } else { inner(part) }).collect()
}

/// Prose that goes on after something: its first space is one.
fn inner(text: &str) -> String {
    match text.strip_prefix(' ') {
        Some(rest) => format!(" {}", escape(rest)),
        None => escape(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::text::is_hidden;

    /// What a reader of Markdown makes of it: entities read, comments gone.
    fn read(escaped: &str) -> String {
        let mut text = String::new();
        let without_comments = escaped.replace(BREAK, "");
        let mut parts = without_comments.split("&#");
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (number, rest) = part.split_once(';').expect("an entity ends");
            text.push(number.parse::<u32>().ok().and_then(char::from_u32).expect("a character"));
            text.push_str(rest);
        }
        text
    }

    const MARKUP: [char; 18] =
        ['\\', '`', '*', '_', '{', '}', '[', ']', '<', '>', '|', '~', '!', '^', '"', '\'', '@', '$'];

    proptest! {
        #[test]
        fn prose_holds_no_markup_and_reads_as_the_text(
            text in "(www\\.|https?://|GH-1|@acme/team|#1|<b>|&lt;|:tada:|\\PC|[ -~]|\\s){0,24}"
        ) {
            let escaped = escape(&text);
            prop_assert_eq!(read(&escaped), printable(&text).into_owned());
            let bare = escaped.replace(BREAK, "");
            prop_assert!(!bare.contains(MARKUP), "{}", bare);
            prop_assert!(!bare.contains(is_hidden) && !bare.starts_with([' ', '-', '+', '=']), "{}", bare);
            let plain = bare.replace("&#", "").to_lowercase();
            for start in ["#", ":", "www.", "gh-"] {
                prop_assert!(!plain.contains(start), "{}", bare);
            }
        }

        #[test]
        fn code_ends_where_it_ends(text in any::<String>()) {
            let code = code(&text);
            if let Some(inside) = code.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
                prop_assert!(!inside.contains(['`', '|']) && !inside.contains(is_hidden), "{}", code);
                prop_assert_eq!(inside.replace("\\u{60}", "`").replace("\\u{7c}", "|"),
                    printable(&text).replace("\\u{60}", "`").replace("\\u{7c}", "|"));
            } else {
                prop_assert!(code.is_empty() && printable(&text).trim().is_empty());
            }
        }
    }

    #[test]
    fn what_github_makes_of_text_is_stopped() {
        for (text, escaped) in [
            ("S3 buckets refuse requests without TLS", "S3 buckets refuse requests without TLS"),
            ("@acme/team", "&#64;<!-- -->acme/team"),
            ("see #12", "see &#35;<!-- -->12"),
            ("www.example.com", "www&#46;<!-- -->example.com"),
            ("a | b", "a &#124; b"),
            ("- [x] done", "&#45;<!-- --> &#91;x&#93; done"),
            ("two\r\nlines", "two&#92;r&#92;nlines"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }

    #[test]
    fn a_remedy_keeps_its_code_and_a_stray_backtick_opens_nothing() {
        assert_eq!(prose("allow `s3:Get*` on `*` there"), "allow `s3:Get*` on `*` there");
        assert_eq!(prose("a ` <b>@x"), "a ` <b>@x`");
        assert_eq!(prose("`a` <b>"), "`a` &#60;b&#62;");
    }

    #[test]
    fn a_block_ends_only_after_its_text() {
        assert_eq!(code_block("a\n```\nb\u{7}"), "````sh\na\n```\nb\\u{7}\n````");
    }
}
