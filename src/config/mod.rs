//! `upright.yaml`: what a scan is told once and not on every command line.
//!
//! Every key is optional and is named like its command line flag, with underscores. A flag wins over the
//! file. Secrets have no key: credentials come from where the AWS SDK finds them, and what `notify` needs is named by
//! the file, the variable or the secret that it is in.
//!
//! The file is checked when it is read: a key that does not exist or a value that cannot be meant is an
//! error with file, line and column. What only AWS or the controls can tell (whether an account, a region,
//! a control or one of its parameters exists) is checked by those who know.

mod append;
mod attestation;
mod error;
mod notify;
mod remediation;
mod schedule;
mod value;
mod waivers;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use append::{Added, AppendError, NewWaiver, append_waiver};
pub use attestation::Attestation;
pub use error::{ConfigError, Invalid};
pub use notify::{
    Mail, MailAddress, Notify, Recipients, Rule, SecretArn, SecretSource, Security, Ses, Smtp, Topic,
    TopicArn, Via, WebAddress, Webhook, WebhookFormat, When, is_this_machine,
};
pub use remediation::{DocumentName, FunctionArn, Remedy, Starts};
pub use schedule::{Listen, ScheduledJob, ZoneName};
pub use value::{AccountId, BadAccountId, BadRegionName, ParameterValue, RegionName};
pub use waivers::{
    WAIVERS_FILE_NAME, WaiverEntry, WaiversError, load_waivers, parse_waivers, waivers_schema,
};

use crate::archive::Location;
use crate::controls::Severity;
use crate::notify::Receiver;
use crate::report::Format;
use crate::yaml;

/// Name of the file that is read from the current directory when no other is given.
pub const FILE_NAME: &str = "upright.yaml";

/// A larger file is refused: it is not a configuration.
const MAX_BYTES: usize = 1 << 20;

/// Settings of a scan. Every key is optional.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Profile of the shared AWS configuration files whose credentials are used. Default: what the AWS
    /// SDK finds by itself (environment, default profile, role of the machine).
    pub profile: Option<String>,
    /// Region through which services without a region (IAM, Organizations) are asked, such as `eu-west-1`.
    /// Default: the region of the profile or of `AWS_REGION`. Set it where neither has one.
    pub home_region: Option<RegionName>,

    /// Whether all accounts of the organization are scanned. Default: `false`, only the account of the
    /// credentials. Needs credentials of the management account or of a delegated administrator.
    pub organization: bool,
    /// Accounts to scan, by id. Default: that of the credentials; with `organization`, besides its
    /// accounts. Use it where the organization cannot be asked, or for accounts outside it.
    pub accounts: Vec<AccountId>,
    /// Which accounts of the organization are scanned; an account matches when any entry does. Default:
    /// all of them.
    pub include: Selection,
    /// Which accounts are not scanned, whatever else selects them. Default: none.
    pub exclude: Selection,
    /// Regions to scan. Default: every region that is enabled in the account. What lies in other regions
    /// is not looked at, and nothing is said about it.
    pub regions: Vec<RegionName>,

    /// Name of the role that is assumed in every other account, with its path if it has one. Default:
    /// `UprightScanner`.
    pub role_name: String,
    /// External id that the trust policy of the role asks for. Default: none is sent.
    pub external_id: Option<String>,
    /// Name of the role session, which the accounts' CloudTrail shows. Default: `upright`.
    pub session_name: String,
    /// How long a session in an account lasts before it is renewed, in minutes, 15 to 720. Default: 60,
    /// which every role allows; credentials that are themselves a role session get no longer one.
    #[serde(deserialize_with = "value::within::<_, _, 15, 720>")]
    #[schemars(range(min = 15, max = 720))]
    pub session_minutes: u32,

    /// Frameworks that the scan is measured against, by id, such as `cis-aws-3.0`; only their controls run.
    /// Default: the frameworks that say so, which is the newest CIS, and every control.
    pub frameworks: Vec<String>,
    /// Profile level that `frameworks` are limited to: their requirements of this level and of those below it.
    /// Default: all of them. Every framework that is named must have the level.
    pub level: Option<u8>,
    /// What people say about requirements that no call to AWS can decide; it stands beside their status in the
    /// report and never changes it. Default: none.
    pub attestations: Vec<Attestation>,
    /// File with waivers: failures that people accept for some time. Default: `waivers.yaml` in the current
    /// directory, where there is one.
    pub waivers: Option<PathBuf>,
    /// Days that a waiver may hold, counted from its date, 1 to 3660. Default: 366.
    #[serde(deserialize_with = "value::within::<_, _, 1, 3660>")]
    #[schemars(range(min = 1, max = 3660))]
    pub waiver_max_days: u32,
    /// Tags that say that a resource or an account is production, which raises the risk of its failures: key, then
    /// values of which one must be there; an empty list stands for any. Case does not matter. Default: `env`,
    /// `environment` and `stage`, each with `prod` and `production`.
    pub production_tags: BTreeMap<String, Vec<String>>,
    /// Directories with controls of your own, relative to the current directory; a framework of your own is a
    /// file in a folder `frameworks` of such a directory. Default: none.
    pub controls: Vec<PathBuf>,
    /// Controls to run, by id. Default: all. With an entry here no other control runs, except for those of
    /// `frameworks` where any is named.
    pub enable: Vec<String>,
    /// Controls not to run, by id, also when `enable` names them. Default: none.
    pub disable: Vec<String>,
    /// Values for parameters of controls: control id, then parameter, then value. Default: what the
    /// control's file says. A value is a whole number, a bool, a text, or a list of those.
    pub parameters: BTreeMap<String, BTreeMap<String, ParameterValue>>,

    /// Where CloudTrail records are read from, for event rules: paths, `s3://bucket/prefix`, and `lookup` for the event
    /// history of `regions`. What was detected is in the report beside the findings. Default: none.
    pub events: Vec<String>,
    /// Rule files of Falco or Sigma, or directories of them, that run beside the built-in ones, relative to the current
    /// directory. Default: none.
    pub event_rules: Vec<PathBuf>,
    /// How far back events are read, in hours before the scan, 1 to 2160. Default: 25, for a scan each night.
    #[serde(deserialize_with = "value::within::<_, _, 1, 2160>")]
    #[schemars(range(min = 1, max = 2160))]
    pub event_hours: u32,
    /// Whether the event history of CloudTrail is asked who made the changes since the run before, where `events` do not
    /// say it: for 50 resources of a run at most, those of new failures first. Default: `false`. Needs
    /// `cloudtrail:LookupEvents` in every account. Who changed what is told without it where `events` are read.
    pub who_changed: bool,

    /// Whether accounts are judged one by one, each from the archive that it was put into when it was scanned. Default:
    /// `false`; all of them are in memory then, and every finding is listed. For many accounts: memory does not grow with
    /// their number, a scan that was broken off goes on with `upright scan --resume`, and the report of all lists the
    /// 20,000 findings that matter most and counts the others, which the report of each account in the archive lists.
    pub by_account: bool,
    /// Calls to AWS in flight at once over the whole scan, 1 to 1024. Default: 128. Lower it on a small
    /// machine or a slow line.
    #[serde(deserialize_with = "value::within::<_, _, 1, 1024>")]
    #[schemars(range(min = 1, max = 1024))]
    pub concurrency: u16,
    /// Calls per second to one service in one account and region. Default: no limit of our own; the scan
    /// slows down when AWS asks it to. Set it when other programs in the accounts are throttled.
    #[serde(deserialize_with = "value::at_least_one")]
    pub max_rate: Option<NonZeroU32>,
    /// Time to open a connection, in seconds, 1 to 60. Default: 3.
    #[serde(deserialize_with = "value::within::<_, _, 1, 60>")]
    #[schemars(range(min = 1, max = 60))]
    pub connect_timeout_seconds: u64,
    /// Time for one attempt of a call, from sending to the last byte of the answer, in seconds, 1 to 300.
    /// Default: 15. Raise it on a slow line.
    #[serde(deserialize_with = "value::within::<_, _, 1, 300>")]
    #[schemars(range(min = 1, max = 300))]
    pub attempt_timeout_seconds: u64,
    /// Time for one call with all its attempts and the pauses between them, in seconds, 1 to 3600.
    /// Default: 60. Raise it where AWS throttles for long.
    #[serde(deserialize_with = "value::within::<_, _, 1, 3600>")]
    #[schemars(range(min = 1, max = 3600))]
    pub call_timeout_seconds: u64,
    /// Attempts of one call, the first included, 1 to 20. Default: 8. What still fails is unknown in the
    /// report.
    #[serde(deserialize_with = "value::within::<_, _, 1, 20>")]
    #[schemars(range(min = 1, max = 20))]
    pub max_attempts: u32,

    /// Directory that the reports are written to, relative to the current directory. Default:
    /// `upright-report`.
    pub out: PathBuf,
    /// Reports to write. Default: `json` and `html`. An empty list writes none.
    pub formats: Vec<Format>,
    /// Findings that one HTML page holds at most. Above it `report.html` is an index, with a page for each account
    /// beside it. Default: 100,000, about 5 MB.
    pub html_max_findings: u64,
    /// Where runs are kept, a directory or `s3://bucket/prefix`. Default: nowhere, and what changed since the run
    /// before is not told.
    pub archive: Option<Location>,
    /// How many of the newest runs stay in the archive. Default: all. The newest always stays.
    #[serde(deserialize_with = "value::something_kept")]
    #[schemars(range(min = 1))]
    pub keep: Option<NonZeroU32>,
    /// How many days runs stay in the archive. Default: for ever. The newest always stays.
    #[serde(deserialize_with = "value::something_kept")]
    #[schemars(range(min = 1))]
    pub keep_days: Option<NonZeroU32>,
    /// Services that the findings are sent to when the reports are written: `securityhub`. Default: none. Beside an
    /// archive in S3 it is the only thing that Upright ever writes in the accounts that it scans; `upright iam-policy
    /// --send securityhub` says what that needs.
    pub send: Vec<Receiver>,
    /// Who is told about a scan when its reports are written, and when it could not run: by mail, webhook or SNS.
    /// Default: nobody.
    pub notify: Option<Notify>,
    /// What the Lambda function starts when an event makes a control fail: a document of Systems Manager or a function.
    /// Default: nothing. `upright iam-policy --remediation` says what that needs.
    pub remediation: Vec<Remedy>,
    /// Severity from which a failure makes the exit code 1. Default: `low`, so that controls
    /// that only inform do not.
    pub fail_on: Severity,

    /// Scans that `upright serve` runs by itself. Default: none.
    #[serde(deserialize_with = "schedule::jobs")]
    pub schedule: Vec<ScheduledJob>,
    /// Where `upright serve` answers with its page, its health and its numbers. Default: `127.0.0.1:9464`, which only
    /// this machine reaches; who reaches it may read every report of the archive.
    pub listen: Listen,
    /// How long `upright serve` lets a run go on when it is asked to stop, in seconds, 0 to 3600. Default: 60.
    #[serde(deserialize_with = "value::within::<_, _, 0, 3600>")]
    #[schemars(range(max = 3600))]
    pub stop_grace_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: None,
            home_region: None,
            organization: false,
            accounts: Vec::new(),
            include: Selection::default(),
            exclude: Selection::default(),
            regions: Vec::new(),
            role_name: "UprightScanner".to_owned(),
            external_id: None,
            session_name: "upright".to_owned(),
            session_minutes: 60,
            frameworks: Vec::new(),
            level: None,
            attestations: Vec::new(),
            waivers: None,
            waiver_max_days: 366,
            production_tags: production_tags(),
            controls: Vec::new(),
            enable: Vec::new(),
            disable: Vec::new(),
            parameters: BTreeMap::new(),
            events: Vec::new(),
            event_rules: Vec::new(),
            event_hours: 25,
            who_changed: false,
            by_account: false,
            concurrency: 128,
            max_rate: None,
            connect_timeout_seconds: 3,
            attempt_timeout_seconds: 15,
            call_timeout_seconds: 60,
            max_attempts: 8,
            out: PathBuf::from("upright-report"),
            formats: vec![Format::Json, Format::Html],
            html_max_findings: 100_000,
            archive: None,
            keep: None,
            keep_days: None,
            send: Vec::new(),
            notify: None,
            remediation: Vec::new(),
            fail_on: Severity::Low,
            schedule: Vec::new(),
            listen: Listen::default(),
            stop_grace_seconds: 60,
        }
    }
}

fn production_tags() -> BTreeMap<String, Vec<String>> {
    let values = ["prod", "production"].map(str::to_owned);
    ["env", "environment", "stage"].map(|key| (key.to_owned(), values.to_vec())).into()
}

/// Accounts by id, by place in the organization and by tag.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// Accounts by id.
    pub accounts: Vec<AccountId>,
    /// Organizational units, by id (`ou-…`) or name, or the root by id (`r-…`). Every account below them
    /// matches, in nested units too.
    pub units: Vec<String>,
    /// Tags of the account in Organizations: key, then the values of which one must be there; an empty
    /// list stands for any value.
    pub tags: BTreeMap<String, Vec<String>>,
}

/// Reads a configuration file.
///
/// # Errors
/// When the file cannot be read, is no text, or says something that cannot be meant.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let bytes =
        std::fs::read(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    if bytes.len() > MAX_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned(), bytes: bytes.len() });
    }
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::NoText { path: path.to_owned() })?;
    parse(path, &text)
}

/// Reads the text of a configuration file; `path` is what errors call it.
///
/// # Errors
/// When the text says something that cannot be meant.
pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    // A byte order mark would shift the places of errors.
    let text = text.trim_start_matches('\u{feff}');
    yaml::read::<Option<Config>>(text)
        // A file of comments, or with nothing behind `---`, sets nothing.
        .map(|config| config.unwrap_or_else(Config::default))
        .map_err(|error| ConfigError::Invalid(Box::new(Invalid::new(path, text, &error))))
}

/// JSON Schema of the file, for editors and for `upright config schema`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}

#[cfg(test)]
mod tests;
