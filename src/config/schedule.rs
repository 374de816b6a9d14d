//! `schedule` and `listen`: what `upright serve` runs by itself, and where it answers.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};

use super::value;
use crate::archive::JobName;
use crate::schedule::Cron;

/// A scan that `upright serve` runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduledJob {
    /// What tells it from the other jobs, also in the archive: letters, digits, `-` and `_`.
    pub name: JobName,
    /// When it is due: minute, hour, day of month, month and day of week, such as `30 2 * * *`; or a word such as
    /// `@daily`. A run that falls into the hour that clocks skip starts after it, and one in the hour that comes
    /// twice starts once.
    pub cron: Cron,
    /// The time zone that `cron` is meant in, such as `Europe/Berlin`. Default: `UTC`.
    #[serde(default)]
    pub time_zone: ZoneName,
    /// File with the settings of its scan, relative to the current directory. Default: the file that the schedule is
    /// in.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// How many minutes later than it is due a run may start, 0 to 720; always as much for the same night. Default: 0.
    /// Set it where many daemons with one configuration would ask AWS at once.
    #[serde(default, deserialize_with = "value::within::<_, _, 0, 720>")]
    #[schemars(range(max = 720))]
    pub jitter_minutes: u16,
    /// How many hours late a run that was missed is still made up for, 0 to 168. Default: 24.
    #[serde(default = "a_day", deserialize_with = "value::within::<_, _, 0, 168>")]
    #[schemars(range(max = 168))]
    pub catch_up_hours: u16,
}

const fn a_day() -> u16 {
    24
}

/// Jobs, of which no two have the same name.
pub(super) fn jobs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ScheduledJob>, D::Error> {
    let jobs = Vec::<ScheduledJob>::deserialize(deserializer)?;
    let mut names = BTreeSet::new();
    // A file system may not tell upper case from lower, and the archive has a folder for each.
    match jobs.iter().find(|job| !names.insert(job.name.as_str().to_ascii_lowercase())) {
        None => Ok(jobs),
        Some(twice) => Err(D::Error::custom(format!(
            "two jobs are called `{}`; give each a name of its own",
            twice.name
        ))),
    }
}

/// Name of a time zone of the IANA database, such as `Europe/Berlin`.
#[derive(Debug, Clone)]
pub struct ZoneName {
    name: String,
    zone: TimeZone,
}

impl ZoneName {
    /// The zone.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl Default for ZoneName {
    fn default() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }
}

impl PartialEq for ZoneName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for ZoneName {}

impl FromStr for ZoneName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TimeZone::get(text)
            .map(|zone| Self { name: text.to_owned(), zone })
            .map_err(|_| format!("`{text}` is no time zone; they are named like `UTC` and `Europe/Berlin`"))
    }
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// Where the daemon answers: an address or the name of a host, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    host: String,
    port: u16,
}

impl Listen {
    /// The host, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 for one that is free.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 9464 }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no address to listen at, such as `127.0.0.1:9464`");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port =
            port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_fine = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
                !host.is_empty() && host.bytes().all(fits)
            }
        };
        if is_fine { Ok(Self { host: bare.unwrap_or(host).to_owned(), port }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A value that is written as a text.
macro_rules! written_as_text {
    ($type:ty, $name:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({ "type": "string", "minLength": 1 })
            }
        }
    };
}

written_as_text!(ZoneName, "ZoneName");
written_as_text!(Listen, "Listen");
