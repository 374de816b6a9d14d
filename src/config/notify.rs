//! The key `notify`: who is told about a scan, by which way, and where the secrets for that are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::value::{self, AccountId, RegionName, checked};
use crate::controls::Severity;

/// Who is told about a scan when its reports are written, and when it could not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// What messages call that which is scanned, such as `ACME org`. Default: the account, or how many there are.
    #[serde(default)]
    pub name: Option<String>,
    /// Address of the full report, which messages then link to instead of having it attached. Default: none.
    #[serde(default)]
    pub report_url: Option<WebAddress>,
    /// Who gets a mail. Default: nobody.
    #[serde(default)]
    pub mail: Option<Mail>,
    /// Addresses that get a request. Default: none.
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
    /// SNS topics that get a message. Default: none.
    #[serde(default)]
    pub topics: Vec<Topic>,
}

/// Mails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Sender, such as `Upright <upright@example.com>`.
    pub from: MailAddress,
    /// How mails are sent: `smtp` or `ses`.
    pub via: Via,
    /// Who gets which mail.
    pub to: Vec<Recipients>,
    /// Whether the full report is attached. Default: `true`; not to entries of `to` with `accounts` or `tags`, since
    /// it is about all accounts, and not where `report_url` links to it.
    #[serde(default = "yes")]
    pub attach_report: bool,
    /// Size above which the attached report is zipped, in KiB. Default: 1024.
    #[serde(default = "zip_above")]
    pub zip_above_kb: u32,
    /// Size above which the report, zipped, is left out of the mail, which then says so, in KiB. Default: 10240.
    #[serde(default = "leave_out_above")]
    pub leave_out_above_kb: u32,
}

const fn yes() -> bool {
    true
}

const fn zip_above() -> u32 {
    1024
}

const fn leave_out_above() -> u32 {
    10_240
}

/// How mails are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// A mail server.
    Smtp(Smtp),
    /// Amazon SES, with the credentials that the scan starts with.
    Ses(Ses),
}

/// Amazon SES.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ses {
    /// Region of the verified sender. Default: the home region.
    #[serde(default)]
    pub region: Option<RegionName>,
}

/// A mail server, checked: what goes over a network is encrypted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenSmtp")]
pub struct Smtp {
    /// Name of the server, which its certificate must have.
    pub host: String,
    /// Port. 587, 465 or 25 by what `security` says, unless it is set.
    pub port: u16,
    /// How the connection is encrypted.
    pub security: Security,
    /// User name, where the server asks for one.
    pub username: Option<String>,
    /// Where the password is.
    pub password: Option<SecretSource>,
    /// PEM file with the certificates that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Time for one attempt to send one mail.
    pub timeout_seconds: u64,
}

/// A mail server.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenSmtp {
    /// Name of the server, which its certificate must have.
    host: String,
    /// Port. Default: 587 for `starttls`, 465 for `tls`, 25 for `none`.
    #[serde(default)]
    port: Option<u16>,
    /// How the connection is encrypted. Default: `starttls`.
    #[serde(default)]
    security: Security,
    /// User name, where the server asks for one. Default: none.
    #[serde(default)]
    username: Option<String>,
    /// Where the password is. Default: none.
    #[serde(default)]
    password: Option<SecretSource>,
    /// PEM file with the certificates that are trusted besides those of the system. Default: none.
    #[serde(default)]
    ca_file: Option<PathBuf>,
    /// Time for one attempt to send one mail, in seconds, 1 to 600. Default: 60.
    #[serde(default = "minute", deserialize_with = "value::within::<_, _, 1, 600>")]
    #[schemars(range(min = 1, max = 600))]
    timeout_seconds: u64,
}

const fn minute() -> u64 {
    60
}

/// How the connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// It begins in clear and must switch to TLS before anything is sent.
    #[default]
    Starttls,
    /// It is TLS from the beginning.
    Tls,
    /// It is not; only to a server on this machine.
    None,
}

/// Why a mail server is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadSmtp {
    #[error("`{0}` is not the name of a server")]
    Host(String),
    #[error(
        "`security: none` would send mails in clear over the network to `{0}`; it is for this machine only"
    )]
    Clear(String),
    #[error("a user name and a password belong together; the other one is missing")]
    Half,
}

impl TryFrom<WrittenSmtp> for Smtp {
    type Error = BadSmtp;

    fn try_from(written: WrittenSmtp) -> Result<Self, Self::Error> {
        let WrittenSmtp { host, port, security, username, password, ca_file, timeout_seconds } = written;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        if host.is_empty() || host.len() > 253 || !host.chars().all(is_name) {
            return Err(BadSmtp::Host(host));
        }
        if security == Security::None && !is_this_machine(&host) {
            return Err(BadSmtp::Clear(host));
        }
        if username.is_some() != password.is_some() {
            return Err(BadSmtp::Half);
        }
        let port = port.unwrap_or(match security {
            Security::Starttls => 587,
            Security::Tls => 465,
            Security::None => 25,
        });
        Ok(Self { host, port, security, username, password, ca_file, timeout_seconds })
    }
}

impl JsonSchema for Smtp {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Smtp")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        WrittenSmtp::json_schema(generator)
    }
}

/// Whether a host is the one that this runs on, whatever a name server says.
#[must_use]
pub fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// When a receiver is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// After every scan.
    #[default]
    Always,
    /// When something is new, resolved or no longer observed since the earlier run. Without an earlier run everything
    /// is new.
    Changed,
    /// When something fails.
    Failures,
}

/// What a receiver is told about: findings that all of these take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule<'a> {
    /// When it is told.
    pub when: When,
    /// Severity from which findings count; any, where there is none.
    pub min_severity: Option<Severity>,
    /// Accounts; all, where it is empty.
    pub accounts: &'a [AccountId],
    /// Tags of accounts: key, then values; all accounts, where it is empty.
    pub tags: &'a BTreeMap<String, Vec<String>>,
    /// Frameworks whose controls count; all controls, where it is empty.
    pub frameworks: &'a [String],
}

/// A receiver: keys of its own, and those that say when and about what it is told.
macro_rules! receiver {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$key_doc:meta])* pub $key:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$key_doc])* pub $key: $kind,)*
            /// When: `always`, `changed` or `failures`. Default: `always`. Whatever it says, a scan that could not run
            /// is told.
            #[serde(default)]
            pub when: When,
            /// Severity from which findings count. Default: any.
            #[serde(default)]
            pub min_severity: Option<Severity>,
            /// Accounts whose findings count, by id. Default: all.
            #[serde(default)]
            pub accounts: Vec<AccountId>,
            /// Tags that accounts have in Organizations: key, then the values of which one must be there; an empty
            /// list stands for any value. Default: all accounts. One whose tags could not be read counts too.
            #[serde(default)]
            pub tags: BTreeMap<String, Vec<String>>,
            /// Frameworks whose controls count, by id. Default: all controls.
            #[serde(default)]
            pub frameworks: Vec<String>,
        }

        impl $name {
            /// What it is told about, and when.
            #[must_use]
            pub fn rule(&self) -> Rule<'_> {
                Rule {
                    when: self.when,
                    min_severity: self.min_severity,
                    accounts: &self.accounts,
                    tags: &self.tags,
                    frameworks: &self.frameworks,
                }
            }
        }
    };
}

receiver! {
    /// Who gets a mail, when, and about what.
    pub struct Recipients {
        /// Mail addresses.
        pub addresses: Vec<MailAddress>,
    }
}

receiver! {
    /// An address that gets a request, when, and about what.
    pub struct Webhook {
        /// Where the address is, which is a secret too: it begins with `https://`.
        pub url: SecretSource,
        /// What is sent: `json` or `slack`. Default: `json`.
        #[serde(default)]
        pub format: WebhookFormat,
        /// Where the key of the signature is. Default: none, and no signature.
        #[serde(default)]
        pub signing_key: Option<SecretSource>,
    }
}

receiver! {
    /// An SNS topic that gets a message, when, and about what.
    pub struct Topic {
        /// ARN of the topic.
        pub arn: TopicArn,
    }
}

/// What a webhook is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookFormat {
    /// What the mail says, as JSON.
    #[default]
    Json,
    /// A message of Slack's Block Kit.
    Slack,
}

/// Where a secret is. The file says only that: no secret has a place in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// In a file, relative to the current directory; line ends at its end do not count.
    File(PathBuf),
    /// In a variable of the environment.
    Env(String),
    /// In AWS Secrets Manager, by ARN: the whole text of the current version.
    Secret(SecretArn),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file `{}`", path.display()),
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::Secret(arn) => write!(f, "secret `{}`", arn.as_str()),
        }
    }
}

checked!(
    /// A mail address, with or without a name: `ann@example.com`, `Ann <ann@example.com>`.
    MailAddress, mail_address, { "type": "string", "pattern": "@" }
);
checked!(
    /// An address of the web that a message may link to; it begins with `https://`.
    WebAddress, web_address, { "type": "string", "pattern": "^https://" }
);
checked!(
    /// ARN of an SNS topic.
    TopicArn, topic_arn, { "type": "string", "pattern": "^arn:[^:]+:sns:" }
);
checked!(
    /// ARN of a secret in Secrets Manager.
    SecretArn, secret_arn, { "type": "string", "pattern": "^arn:[^:]+:secretsmanager:" }
);

fn mail_address(text: &str) -> Result<(), String> {
    let is_one = !text.contains(char::is_control) && text.parse::<lettre::message::Mailbox>().is_ok();
    if is_one { Ok(()) } else { Err(format!("`{text}` is not a mail address, such as `ann@example.com`")) }
}

fn web_address(text: &str) -> Result<(), String> {
    let is_one = text.len() <= 2000
        && text.chars().all(|c| c.is_ascii_graphic())
        && text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    if is_one { Ok(()) } else { Err(format!("`{text}` is not an address that begins with `https://`")) }
}

fn topic_arn(text: &str) -> Result<(), String> {
    arn_of(text, "sns", 6).ok_or_else(|| format!("`{text}` is not the ARN of an SNS topic"))
}

fn secret_arn(text: &str) -> Result<(), String> {
    arn_of(text, "secretsmanager", 7).ok_or_else(|| format!("`{text}` is not the ARN of a secret"))
}

/// Whether it is an ARN of the service with a region, an account and that many parts.
fn arn_of(text: &str, service: &str, parts: usize) -> Option<()> {
    let found: Vec<&str> = text.split(':').collect();
    let [arn, _, of, region, account, ..] = found.as_slice() else { return None };
    let fits = *arn == "arn"
        && *of == service
        && found.len() == parts
        && RegionName::from_str(region).is_ok()
        && AccountId::from_str(account).is_ok()
        && text.chars().all(|c| c.is_ascii_graphic());
    fits.then_some(())
}

impl TopicArn {
    /// Region of the topic.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

impl SecretArn {
    /// Region of the secret.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

impl Notify {
    /// Every place that a secret is read from.
    #[must_use]
    pub fn secrets(&self) -> Vec<&SecretSource> {
        let password = self.mail.iter().filter_map(|mail| match &mail.via {
            Via::Smtp(smtp) => smtp.password.as_ref(),
            Via::Ses(_) => None,
        });
        let of_webhooks =
            self.webhooks.iter().flat_map(|webhook| [Some(&webhook.url), webhook.signing_key.as_ref()]);
        password.chain(of_webhooks.flatten()).collect()
    }

    /// Whether a rule asks for the tags of accounts.
    #[must_use]
    pub fn asks_for_tags(&self) -> bool {
        let of_mails = self.mail.iter().flat_map(|mail| &mail.to).map(Recipients::rule);
        let others = self.webhooks.iter().map(Webhook::rule).chain(self.topics.iter().map(Topic::rule));
        of_mails.chain(others).any(|rule| !rule.tags.is_empty())
    }

    /// Frameworks that rules name.
    #[must_use]
    pub fn frameworks(&self) -> Vec<&str> {
        let of_mails = self.mail.iter().flat_map(|mail| &mail.to).flat_map(|to| &to.frameworks);
        let others = self.webhooks.iter().flat_map(|to| &to.frameworks);
        of_mails
            .chain(others)
            .chain(self.topics.iter().flat_map(|to| &to.frameworks))
            .map(String::as_str)
            .collect()
    }
}
