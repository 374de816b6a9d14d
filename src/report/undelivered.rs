//! [`Undelivered`]: what the earlier run could not tell or send to whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text;

/// What the earlier run could not deliver. Whoever waited for it may not know that there was anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undelivered {
    /// Id of that run.
    pub run: String,
    /// When it started, RFC 3339, UTC.
    pub started_at: String,
    /// What was not delivered to whom, and why; one or more.
    pub messages: Vec<String>,
}

impl Undelivered {
    /// Characters of a message that are shown to people.
    const SHOWN: usize = 400;

    /// A line for each message, for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let of = |message: &String| {
            let message: String = message.chars().take(Self::SHOWN).collect();
            format!("Not delivered by run {} of {}: {message}", self.run, text::time(&self.started_at))
        };
        self.messages.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::report::{Format, sample, write};

    use super::*;

    #[test]
    fn people_are_told_in_every_format_for_people() {
        let mut report = sample::report();
        report.undelivered = Some(Undelivered {
            run: "20261123T030000Z-abc".to_owned(),
            started_at: "2026-11-23T03:00:00Z".to_owned(),
            messages: vec!["mail to <ann@example.com> not sent: 550 \u{1b}[31m".to_owned()],
        });
        report.check().expect("it adds up");
        for format in [Format::Html, Format::Markdown] {
            let mut out = Vec::new();
            write(&report, format, &mut out).expect("written");
            let text = String::from_utf8(out).expect("UTF-8");
            assert!(text.contains("Not delivered by run"), "{format}");
            assert!(!text.contains("<ann@") && !text.contains('\u{1b}'), "{format}");
        }
        assert_eq!(report.of_account(sample::PROD).undelivered, None, "it is about the run");
    }
}
