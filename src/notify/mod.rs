//! Sending what a run found to other services and to people. Beside an archive in S3, and the messages of a queue of
//! events that are deleted when they are done with, it is the only thing that Upright ever writes, and only when it is
//! told to.
//!
//! Nothing here takes part in a scan. The calls are no rows of the collectors' table, so that a scan can make none
//! of them; they go through the same sessions, limits and retries.
//!
//! [`tell`] sends mails, requests and messages as the key `notify` of the configuration says. All of them are made of one
//! [`Digest`] for each receiver's rule. It fails at nothing: what became of each message is a [`Delivery`].

mod about;
mod alert;
mod delivery;
mod digest;
mod mail;
mod policy;
mod retry;
mod sample;
mod secret;
pub mod securityhub;
mod slack;
mod sns;
mod webhook;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use alert::{Cause, VerdictChange};
pub use delivery::{Channel, Delivery, Outcome};
pub use policy::statements as telling_statements;

use crate::aws::{Aws, Limits, Place, Session, Source};
use crate::config::{Notify, Rule};
use crate::events::detection::Detection;
use crate::report::Report;
use digest::{Digest, Wording};
use secret::Secrets;

/// How receivers are told.
#[derive(Debug, Clone, Copy)]
pub struct Telling<'a> {
    /// Who is told, and how.
    pub notify: &'a Notify,
    /// Where the credentials for SES, SNS and Secrets Manager come from. They are asked for only where they are needed.
    pub source: &'a Source,
    /// The limits towards AWS.
    pub limits: &'a Limits,
    /// Findings that one HTML page holds at most; a larger report is not attached.
    pub html_max_findings: u64,
}

/// What receivers are told.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// A scan that ran.
    Report(&'a Report),
    /// A scan that could not run.
    Failure {
        /// Why, in words, without secrets.
        why: &'a str,
        /// When it was started, RFC 3339, UTC.
        at: &'a str,
    },
    /// What event rules found in events that were delivered, each for the first time.
    Detected(&'a [Detection]),
    /// A verdict that changed between two scans, because of an event.
    Alert(&'a VerdictChange),
    /// Nothing: whether messages arrive is tried out, with made-up findings that say so.
    Sample,
}

/// Tells every receiver what its rule asks for, and says what became of each message, in the order of the
/// configuration. A rule that there is nothing to tell leaves no trace. A failure is told to everyone, whatever the
/// rules say, and so is a sample.
pub async fn tell(telling: &Telling<'_>, news: &News<'_>) -> Vec<Delivery> {
    let mut secrets = Secrets::default();
    let mut services = Services::new(telling);
    let mut deliveries = Vec::new();
    if let Some(settings) = &telling.notify.mail {
        deliveries.extend(mail::send(telling, settings, news, &mut secrets, &mut services).await);
    }
    for numbered in (1..).zip(&telling.notify.webhooks) {
        deliveries.extend(webhook::send(telling, numbered, news, &mut secrets, &mut services).await);
    }
    for topic in &telling.notify.topics {
        deliveries.extend(sns::send(telling, topic, news, &mut services).await);
    }
    deliveries
}

impl Telling<'_> {
    fn wording(&self) -> Wording<'_> {
        Wording {
            name: self.notify.name.as_deref(),
            report_url: self.notify.report_url.as_ref().map(crate::config::WebAddress::as_str),
        }
    }
}

impl News<'_> {
    /// What a receiver with that rule is told; `None` where that is nothing.
    fn digest(&self, rule: Rule<'_>, wording: Wording<'_>) -> Option<Digest> {
        match self {
            Self::Report(report) => Digest::of(report, rule, wording),
            Self::Failure { why, at } => Some(Digest::of_failure(why, at, wording)),
            Self::Detected(detections) => Digest::of_detections(detections, rule, wording),
            Self::Alert(change) => change.digest(rule, wording),
            Self::Sample => Some(sample::digest(wording)),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Report(_) => "report",
            Self::Failure { .. } => "failure",
            Self::Detected(_) => "detection",
            Self::Alert(_) => "alert",
            Self::Sample => "sample",
        }
    }

    /// Id of the run, where there was one.
    fn run(&self) -> &str {
        match self {
            Self::Report(report) => &report.run.id,
            Self::Failure { .. } | Self::Detected(_) | Self::Alert(_) | Self::Sample => "",
        }
    }

    /// The change that it is about.
    const fn alert(&self) -> Option<&VerdictChange> {
        match self {
            Self::Alert(change) => Some(change),
            Self::Report(_) | Self::Failure { .. } | Self::Detected(_) | Self::Sample => None,
        }
    }

    /// What a sample says of itself.
    const fn sample_notice(&self) -> &'static str {
        match self {
            Self::Sample => sample::NOTICE,
            Self::Report(_) | Self::Failure { .. } | Self::Detected(_) | Self::Alert(_) => "",
        }
    }
}

/// AWS, and the session of the account of the credentials.
type Connection = (Arc<Aws>, Arc<Session>);

/// AWS, reached when the first message needs it, with the credentials that a scan starts with.
#[derive(Debug)]
struct Services<'a> {
    telling: Telling<'a>,
    own: Option<Result<Connection, String>>,
}

impl<'a> Services<'a> {
    const fn new(telling: &Telling<'a>) -> Self {
        Self { telling: *telling, own: None }
    }

    /// A region of the account of the credentials; the home region where none is named.
    async fn place(&mut self, region: Option<&str>) -> Result<Place, String> {
        if self.own.is_none() {
            self.own = Some(self.connect().await);
        }
        match &self.own {
            Some(Ok((aws, session))) => Ok(session.region(region.unwrap_or_else(|| aws.home_region()))),
            Some(Err(why)) => Err(why.clone()),
            None => Err("AWS was not asked".to_owned()),
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let Telling { source, limits, .. } = self.telling;
        let aws = Aws::connect(source, limits).await.map_err(|error| error.to_string())?;
        let (_, session) = aws.caller().await.map_err(|error| error.to_string())?;
        Ok((aws, session))
    }
}

/// A service that findings are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Receiver {
    /// AWS Security Hub, in the home region of each account.
    SecurityHub,
}

/// Nothing of that name takes findings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("findings cannot be sent to `{0}`; there is securityhub")]
pub struct UnknownReceiver(String);

impl Receiver {
    /// Its name, as in `--send`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecurityHub => "securityhub",
        }
    }

    /// The policy statements that sending needs in every account whose findings are sent.
    #[must_use]
    pub fn statements(self, partition: &str) -> Vec<Value> {
        let Self::SecurityHub = self;
        let statement = |sid: &str, call: &crate::aws::Call, resource: String| json!({ "Sid": sid, "Effect": "Allow", "Action": call.iam_action(), "Resource": resource });
        // AWS knows the product of an account as `product/ACCOUNT/default`.
        let product = format!("arn:{partition}:securityhub:*:*:product/*/default");
        vec![
            statement("SendImportToSecurityHub", &securityhub::BATCH_IMPORT_FINDINGS, product),
            statement("SendReadFromSecurityHub", &securityhub::GET_FINDINGS, "*".to_owned()),
        ]
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Receiver {
    type Err = UnknownReceiver;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        (text == Self::SecurityHub.as_str())
            .then_some(Self::SecurityHub)
            .ok_or_else(|| UnknownReceiver(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_has_one_name_on_the_command_line_and_in_the_file() {
        assert_eq!("securityhub".parse(), Ok(Receiver::SecurityHub));
        assert_eq!(json!(Receiver::SecurityHub), "securityhub");
        let error = "slack".parse::<Receiver>().expect_err("unknown").to_string();
        assert_eq!(error, "findings cannot be sent to `slack`; there is securityhub");
    }

    #[test]
    fn importing_is_allowed_for_the_own_product_only() {
        let statements = Receiver::SecurityHub.statements("aws-us-gov");
        assert_eq!(statements[0]["Action"], "securityhub:BatchImportFindings");
        assert_eq!(statements[0]["Resource"], "arn:aws-us-gov:securityhub:*:*:product/*/default");
        assert_eq!(statements[1]["Action"], "securityhub:GetFindings");
    }
}
