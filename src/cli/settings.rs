//! What was typed and what `upright.yaml` says, made into what it means.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::Stopped;
use crate::archive::Location;
use crate::config::{self, AccountId, Config, RegionName, Selection};
use crate::controls::Severity;
use crate::notify::Receiver;
use crate::report::Format;
pub(super) use crate::scan::settings::*;

/// Flags that say what is scanned and by which controls; each overrides the key of the same name in
/// `upright.yaml`.
#[derive(Debug, Args)]
pub(super) struct ScopeArguments {
    /// Configuration file [default: upright.yaml, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Profile of the AWS configuration files
    #[arg(long)]
    profile: Option<String>,
    /// Region through which services without a region are asked
    #[arg(long, value_name = "REGION", value_parser = RegionName::from_str)]
    home_region: Option<RegionName>,
    /// Scan every account of the organization
    #[arg(long)]
    organization: bool,
    /// Scan these accounts, by id
    #[arg(long, value_delimiter = ',', value_name = "ID", value_parser = AccountId::from_str)]
    accounts: Vec<AccountId>,
    /// Scan only accounts below these organizational units, by id or name
    #[arg(long, value_delimiter = ',', value_name = "OU")]
    include_units: Vec<String>,
    /// Scan only accounts with this tag
    #[arg(long, value_delimiter = ',', value_name = "KEY=VALUE", value_parser = tag)]
    include_tags: Vec<(String, String)>,
    /// Leave these accounts out, by id
    #[arg(long, value_delimiter = ',', value_name = "ID", value_parser = AccountId::from_str)]
    exclude_accounts: Vec<AccountId>,
    /// Leave out accounts below these organizational units, by id or name
    #[arg(long, value_delimiter = ',', value_name = "OU")]
    exclude_units: Vec<String>,
    /// Leave out accounts with this tag
    #[arg(long, value_delimiter = ',', value_name = "KEY=VALUE", value_parser = tag)]
    exclude_tags: Vec<(String, String)>,
    /// Scan these regions only
    #[arg(long, value_delimiter = ',', value_name = "REGION", value_parser = RegionName::from_str)]
    regions: Vec<RegionName>,
    /// Role that is assumed in other accounts
    #[arg(long, value_name = "NAME")]
    role_name: Option<String>,
    /// External id that the role's trust policy asks for
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Name of the role session
    #[arg(long, value_name = "NAME")]
    session_name: Option<String>,
    /// Framework to measure against; may be given several times
    #[arg(long = "framework", value_delimiter = ',', value_name = "ID")]
    frameworks: Vec<String>,
    /// Profile level that the frameworks are limited to: requirements of this level and those below it
    #[arg(long, value_name = "N")]
    level: Option<u8>,
    /// Directory with controls of your own; may be given several times
    #[arg(long, value_name = "DIR")]
    controls: Vec<PathBuf>,
    /// Run only these controls; with --framework, these besides the framework's
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    enable: Vec<String>,
    /// Do not run these controls
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    disable: Vec<String>,
    /// File with waivers: failures that people accept [default: waivers.yaml, where there is one]
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
}

/// Flags that say how AWS is reached, for commands that scan no accounts.
#[derive(Debug, Args)]
pub(super) struct AccessArguments {
    /// Configuration file [default: upright.yaml, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Profile of the AWS configuration files
    #[arg(long)]
    profile: Option<String>,
    /// Region that is asked where nothing names another
    #[arg(long, value_name = "REGION", value_parser = RegionName::from_str)]
    home_region: Option<RegionName>,
}

impl AccessArguments {
    /// The configuration file with the flags put over it.
    pub(super) fn config(&self) -> Result<Config, Stopped> {
        let mut config = configuration(self.config.as_deref())?;
        over(&mut config.profile, &self.profile);
        over(&mut config.home_region, &self.home_region);
        Ok(config)
    }
}

/// Flags that limit what is asked of AWS at once, and say where the results go.
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Read CloudTrail records for event rules: a path, s3://bucket/prefix, or `lookup` for the event history; may be
    /// given several times
    #[arg(long, value_name = "SOURCE")]
    events: Vec<String>,
    /// Rule files of Falco or Sigma, or directories of them, beside the built-in ones; may be given several times
    #[arg(long, value_name = "PATH")]
    event_rules: Vec<PathBuf>,
    /// How far back events are read, in hours [default: 25]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2160))]
    event_hours: Option<u32>,
    /// Ask the event history who made the changes since the run before, where the events do not say it
    #[arg(long)]
    who_changed: bool,
    /// Calls in flight at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// Calls per second to one service in one account and region
    #[arg(long, value_name = "N")]
    max_rate: Option<NonZeroU32>,
    /// Directory for the reports [default: upright-report]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Reports to write, separated by commas or given several times [default: json,html]
    #[arg(long = "format", value_delimiter = ',', value_name = "FORMAT", value_parser = format())]
    formats: Option<Vec<Format>>,
    /// Keep the run, a directory or s3://bucket/prefix, and say what changed since the one before [default where
    /// no place is given: upright-data]
    #[arg(long, value_name = "WHERE", num_args = 0..=1, default_missing_value = "upright-data")]
    #[arg(value_parser = Location::from_str)]
    archive: Option<Location>,
    /// With an archive: keep this many of the newest runs, and remove the others
    #[arg(long, value_name = "N")]
    keep: Option<NonZeroU32>,
    /// With an archive: keep runs for this many days, and remove older ones
    #[arg(long, value_name = "DAYS")]
    keep_days: Option<NonZeroU32>,
    /// Send the findings to a service when the reports are written: securityhub
    #[arg(long, value_delimiter = ',', value_name = "SERVICE", value_parser = Receiver::from_str)]
    send: Vec<Receiver>,
    /// Severity from which a failure makes the exit code 1 or 4 [default: low]
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
}

impl ScopeArguments {
    /// The configuration file with the flags put over it.
    pub(super) fn config(&self) -> Result<Config, Stopped> {
        let mut config = configuration(self.config.as_deref())?;
        over(&mut config.profile, &self.profile);
        over(&mut config.home_region, &self.home_region);
        over(&mut config.external_id, &self.external_id);
        config.organization |= self.organization;
        replace(&mut config.accounts, &self.accounts);
        replace(&mut config.include.units, &self.include_units);
        replace(&mut config.exclude.accounts, &self.exclude_accounts);
        replace(&mut config.exclude.units, &self.exclude_units);
        add_tags(&mut config.include, &self.include_tags);
        add_tags(&mut config.exclude, &self.exclude_tags);
        replace(&mut config.regions, &self.regions);
        replace(&mut config.frameworks, &self.frameworks);
        over(&mut config.level, &self.level);
        replace(&mut config.controls, &self.controls);
        replace(&mut config.enable, &self.enable);
        replace(&mut config.disable, &self.disable);
        over(&mut config.waivers, &self.waivers);
        if let Some(name) = &self.role_name {
            config.role_name.clone_from(name);
        }
        if let Some(name) = &self.session_name {
            config.session_name.clone_from(name);
        }
        Ok(config)
    }
}

impl RunArguments {
    /// Puts the flags over the configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        replace(&mut config.events, &self.events);
        replace(&mut config.event_rules, &self.event_rules);
        if let Some(hours) = self.event_hours {
            config.event_hours = hours;
        }
        config.who_changed |= self.who_changed;
        if let Some(concurrency) = self.concurrency {
            config.concurrency = concurrency;
        }
        over(&mut config.max_rate, &self.max_rate);
        if let Some(out) = &self.out {
            config.out.clone_from(out);
        }
        if let Some(formats) = &self.formats {
            config.formats.clone_from(formats);
        }
        over(&mut config.archive, &self.archive);
        over(&mut config.keep, &self.keep);
        over(&mut config.keep_days, &self.keep_days);
        replace(&mut config.send, &self.send);
        if let Some(severity) = self.fail_on {
            config.fail_on = severity;
        }
    }
}

/// What the named file says, or else `upright.yaml` where there is one.
pub(super) fn configuration(named: Option<&Path>) -> Result<Config, Stopped> {
    match named.or_else(|| Some(Path::new(config::FILE_NAME)).filter(|path| path.exists())) {
        Some(path) => config::load(path).map_err(Stopped::usage),
        None => Ok(Config::default()),
    }
}

fn over<T: Clone>(setting: &mut Option<T>, flag: &Option<T>) {
    if flag.is_some() {
        setting.clone_from(flag);
    }
}

fn replace<T: Clone>(setting: &mut Vec<T>, flag: &[T]) {
    if !flag.is_empty() {
        *setting = flag.to_vec();
    }
}

fn add_tags(selection: &mut Selection, tags: &[(String, String)]) {
    for (key, value) in tags {
        selection.tags.entry(key.clone()).or_default().push(value.clone());
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a tag is written KEY=VALUE".to_owned()),
    }
}

/// A report format by its name; `--help` lists them with what each is for.
pub(super) fn format() -> impl TypedValueParser<Value = Format> {
    let named = Format::ALL.map(|format| PossibleValue::new(format.as_str()).help(format.about()));
    PossibleValuesParser::new(named).try_map(|name| Format::from_str(&name))
}

/// A severity by its word.
pub(super) fn severity(word: &str) -> Result<Severity, String> {
    Severity::WORST_FIRST.into_iter().find(|severity| severity.as_str() == word).ok_or_else(|| {
        let known: Vec<&str> = Severity::WORST_FIRST.iter().map(|severity| severity.as_str()).collect();
        format!("one of {}", known.join(", "))
    })
}
