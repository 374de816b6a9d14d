//! [`Delivery`]: what became of one message to one receiver.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::printable;

/// Characters of an answer or an error that a record keeps.
const MAX_CHARS: usize = 300;

/// What became of one message to one receiver. It holds no secret: a webhook is called by the name of its host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// The way that it took.
    pub channel: Channel,
    /// Mail address, ARN of the topic, or the place of the webhook in the configuration and its host.
    pub to: String,
    /// Subject of the message; empty where it could not be made.
    pub subject: String,
    /// When it was over, RFC 3339, UTC.
    pub at: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// How it ended.
    pub outcome: Outcome,
}

/// The ways that messages take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A mail, by a mail server.
    Smtp,
    /// A mail, by Amazon SES.
    Ses,
    /// A signed request.
    Webhook,
    /// A message to Slack, or to what takes the same.
    Slack,
    /// A message to an SNS topic.
    Sns,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The other side took it. Whether it arrives is not known here.
    Delivered,
    /// It did not.
    Failed {
        /// What happened and what to do, on one line.
        error: String,
    },
}

impl Delivery {
    pub(super) fn new(
        channel: Channel,
        to: &str,
        subject: &str,
        (attempts, sent): (u32, Result<(), String>),
    ) -> Self {
        Self {
            channel,
            to: printable(to).into_owned(),
            subject: subject.to_owned(),
            at: Timestamp::now().to_string(),
            attempts,
            outcome: match sent {
                Ok(()) => Outcome::Delivered,
                Err(error) => Outcome::Failed { error: super::digest::shown(&error, MAX_CHARS) },
            },
        }
    }

    /// Whether the other side took it.
    #[must_use]
    pub const fn is_delivered(&self) -> bool {
        matches!(self.outcome, Outcome::Delivered)
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.channel {
            Channel::Smtp | Channel::Ses => "mail to",
            Channel::Webhook => "request to",
            Channel::Slack => "Slack message to",
            Channel::Sns => "message to topic",
        };
        write!(f, "{what} {}", self.to)?;
        match (&self.outcome, self.attempts) {
            (Outcome::Delivered, _) => f.write_str(" sent"),
            (Outcome::Failed { error }, 0 | 1) => write!(f, " not sent: {error}"),
            (Outcome::Failed { error }, n) => write!(f, " not sent in {n} attempts: {error}"),
        }
    }
}
