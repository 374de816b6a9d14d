//! Remediation with the resource's own name in it, so that it can be copied and run.
//!
//! A name is other people's text: in a command it is quoted for the shell, in Terraform for a quoted string.
//! Where that cannot be done safely the placeholder stays, and [`Filled::by_hand`] says so:
//!
//! - within quotes, comments and here-documents of a command, for a value that would need quotes of its own;
//! - where a word of a command begins, for a value that starts with `-`, which the AWS CLI would take for an
//!   option however it is quoted, or with `file://`, `fileb://`, `http://` or `https://`, which it would read;
//! - for a value that the finding does not have: an empty one, and the region `global`, which is none.
//!
//! The page does the same in `templates/report/script/remediation.mjs`, and both are held to the cases in
//! `tests/fixtures/remediation.json`.

mod shell;
mod terraform;
#[cfg(test)]
mod tests;

use crate::findings::Finding;
use crate::inventory::GLOBAL;

/// A command or setting with the resource's own values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    /// The text.
    pub(crate) text: String,
    /// Placeholders that were left, because the value is missing, or holds characters that must be quoted by
    /// hand there.
    pub(crate) by_hand: Vec<&'static str>,
}

/// Fills a command line for a POSIX shell; characters that do not show themselves need bash, ksh or zsh.
pub(crate) fn command(template: &str, finding: &Finding) -> Filled {
    fill(template, finding, &mut shell::Shell::new())
}

/// Fills a Terraform setting.
pub(crate) fn terraform(template: &str, finding: &Finding) -> Filled {
    fill(template, finding, &mut terraform::Terraform::new())
}

/// A language that a template is written in, with where in it the reader is.
trait Language {
    /// Reads on: how many bytes of `rest`, at least one character, belong together.
    fn step(&mut self, before: &str, rest: &str) -> usize;

    /// How a value is written here; nothing where a person has to do it.
    fn write(&self, before: &str, value: &str) -> Option<String>;
}

const PLACEHOLDERS: [&str; 4] = ["${name}", "${arn}", "${region}", "${account}"];

fn fill(template: &str, finding: &Finding, language: &mut impl Language) -> Filled {
    let mut filled = Filled { text: String::with_capacity(template.len() + 64), by_hand: Vec::new() };
    let (mut before, mut rest) = template.split_at(0);
    while let Some(first) = rest.chars().next() {
        let placeholder = PLACEHOLDERS.into_iter().find(|placeholder| rest.starts_with(placeholder));
        let length = if let Some(placeholder) = placeholder {
            let value = value(placeholder, finding).and_then(|value| language.write(before, value));
            if value.is_none() && !filled.by_hand.contains(&placeholder) {
                filled.by_hand.push(placeholder);
            }
            filled.text.push_str(value.as_deref().unwrap_or(placeholder));
            placeholder.len()
        } else {
            let length = language.step(before, rest).max(first.len_utf8());
            filled.text.push_str(rest.get(..length).unwrap_or(rest));
            length
        };
        let at = (before.len() + length).min(template.len());
        (before, rest) = template.split_at_checked(at).unwrap_or((template, ""));
    }
    filled
}

fn value<'a>(placeholder: &str, finding: &'a Finding) -> Option<&'a str> {
    let value = match placeholder {
        "${name}" => &finding.resource_name,
        "${arn}" => &finding.resource_arn,
        "${region}" if finding.region == GLOBAL => return None,
        "${region}" => &finding.region,
        _ => &finding.account,
    };
    Some(value.as_str()).filter(|value| !value.is_empty())
}

/// Whether no shell and no quotes give any of its characters a meaning.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./:@+=,-".contains(&b))
}

/// The word that ends the here-document that starts with this `<<`.
fn here_document(rest: &str) -> Option<String> {
    let word = rest.strip_prefix("<<")?.trim_start_matches(['-', '~']).trim_start_matches([' ', '\t']);
    let word: String = word
        .chars()
        .take_while(|c| !c.is_whitespace() && !";&|<>()".contains(*c))
        .filter(|c| !"'\"\\".contains(*c))
        .collect();
    Some(word).filter(|word| !word.is_empty())
}

/// The bytes of the line that `rest` starts with, where it ends the here-document.
fn end_of_here_document(before: &str, rest: &str, end: &str) -> Option<usize> {
    let line = rest.split('\n').next().unwrap_or(rest);
    (before.ends_with('\n') && line.trim_matches([' ', '\t']) == end).then_some(line.len())
}

/// Bytes of the first characters of a text.
fn bytes_of(rest: &str, characters: usize) -> usize {
    rest.chars().take(characters).map(char::len_utf8).sum()
}
