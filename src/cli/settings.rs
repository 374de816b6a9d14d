//! What was typed and what `upright.yaml` says, made into what it means.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use jiff::civil::Date;

use super::Stopped;
use crate::accounts::{RoleSettings, Scope, Selector};
use crate::archive::{Keep, Location};
use crate::aws::{Limits, Source};
use crate::collect::Wanted;
use crate::config::{self, AccountId, Attestation, Config, Notify, RegionName, Selection};
use crate::controls::{ControlSet, Severity};
use crate::findings::{Finding, Waiver, waiver};
use crate::inventory::Inventory;
use crate::notify::Receiver;
use crate::report::{self, Format, printable};
use crate::yaml;

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
    /// No flag was given.
    pub(super) const fn none() -> Self {
        Self { config: None, profile: None, home_region: None }
    }

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

/// The controls that a configuration asks for.
pub(super) fn controls(config: &Config) -> Result<ControlSet, Stopped> {
    let wrong = |why: String| Stopped::usage(miette::miette!("{why}"));
    let mut set = all_controls(config)?;
    if let Some(level) = config.level {
        set.limit_to_level(&config.frameworks, level).map_err(wrong)?;
    }
    let set = set.select(&config.frameworks, &config.enable, &config.disable).map_err(wrong)?;
    let named = config.notify.iter().flat_map(Notify::frameworks);
    for id in named {
        let known = set.frameworks().map(|framework| framework.id.as_str());
        let known: Vec<&str> = known.collect();
        if !known.contains(&id) {
            let known = known.join(", ");
            return Err(wrong(format!(
                "notify: a rule names framework `{id}`, and the scan is measured against {known}; add it to `frameworks`"
            )));
        }
    }
    Ok(set)
}

/// The built-in controls and those of the configuration, with its parameters, chosen or not.
pub(super) fn all_controls(config: &Config) -> Result<ControlSet, Stopped> {
    let wrong = |why: String| Stopped::usage(miette::miette!("{why}"));
    let mut set = ControlSet::load(&config.controls).map_err(Stopped::usage)?;
    known_requirements(&set, &config.attestations).map_err(wrong)?;
    let parameters = config
        .parameters
        .iter()
        .map(|(id, values)| {
            let values = values.iter().map(|(name, value)| (name.clone(), value.as_json().clone()));
            (id.clone(), values.collect())
        })
        .collect();
    // Before the choice: a file may set parameters of controls that this run leaves out.
    set.set_parameters(&parameters).map_err(wrong)?;
    set.ask_as(&config.frameworks, &parameters).map_err(wrong)?;
    Ok(set)
}

/// Also what this run leaves out may be attested, but not what no framework asks for.
fn known_requirements(set: &ControlSet, attestations: &[Attestation]) -> Result<(), String> {
    for attestation in attestations {
        let id = attestation.requirement();
        let framework =
            set.framework(attestation.framework()).map_err(|why| format!("attestations: {why}"))?;
        if framework.requirements.iter().any(|requirement| requirement.id == id) {
            continue;
        }
        let known = framework.requirements.iter().map(|requirement| requirement.id.as_str());
        let hint = yaml::closest(id, known).map(|best| format!("; did you mean `{best}`?"));
        let hint = hint.unwrap_or_else(|| format!("; `upright frameworks show {}` lists them", framework.id));
        return Err(format!("attestations: framework `{}` has no requirement `{id}`{hint}", framework.id));
    }
    Ok(())
}

/// The attestations of a configuration, as of a day.
pub(super) fn attestations(config: &Config, day: Date) -> Result<&[Attestation], Stopped> {
    match config.attestations.iter().find(|attestation| attestation.date() > day) {
        None => Ok(&config.attestations),
        Some(attestation) => Err(Stopped::usage(miette::miette!(
            "attestations: that of requirement `{}` of `{}` is dated {}, and today is {day}",
            attestation.requirement(),
            attestation.framework(),
            attestation.date()
        ))),
    }
}

/// The file of waivers that a configuration means, if there is one: one that is named must be there.
pub(super) fn waivers_file(config: &Config) -> Option<&Path> {
    let usual = || Some(Path::new(config::WAIVERS_FILE_NAME)).filter(|path| path.exists());
    config.waivers.as_deref().or_else(usual)
}

/// The waivers of a run, and the file that they are from.
pub(super) struct Waivers {
    /// The file, as it was named.
    pub(super) file: PathBuf,
    list: Vec<Waiver>,
}

impl Waivers {
    /// The waivers of a configuration, as of a day; nothing where it has no file of them.
    pub(super) fn read(config: &Config, day: Date) -> Result<Option<Self>, Stopped> {
        let Some(file) = waivers_file(config) else { return Ok(None) };
        let list = config::load_waivers(file, config.waiver_max_days).map_err(Stopped::usage)?;
        if let Some(waiver) = list.iter().find(|waiver| waiver.date > day) {
            return Err(Stopped::usage(miette::miette!(
                "{}:{}: the waiver is dated {}, and today is {day}",
                printable(&file.to_string_lossy()),
                waiver.line,
                waiver.date
            )));
        }
        Ok(Some(Self { file: file.to_owned(), list }))
    }

    /// Puts the waivers beside the findings, and says what each did.
    pub(super) fn apply(
        &self,
        findings: &mut [Finding],
        inventory: &Inventory,
        controls: &ControlSet,
        config: &Config,
        day: Date,
    ) -> Result<report::Waivers, Stopped> {
        let ids =
            |set: &ControlSet| set.controls().map(|control| control.id.clone()).collect::<BTreeSet<_>>();
        let ran = ids(controls);
        let named = self.list.iter().filter_map(|waiver| waiver.selector.control.as_ref());
        // Only where one is not among those that ran does it matter which others there are.
        let known = if named.into_iter().all(|id| ran.contains(id)) {
            ran.clone()
        } else {
            ids(&all_controls(config)?)
        };
        let run = waiver::Run { inventory, ran: &ran, known: &known, day };
        let rows = waiver::waive(findings, &self.list, run);
        Ok(report::Waivers { file: self.file.to_string_lossy().into_owned(), rows })
    }

    fn name_units(&self) -> bool {
        self.list.iter().any(|waiver| waiver.selector.unit.is_some())
    }

    /// What they must know besides of the resources: the tags, where one names some.
    fn want(&self, controls: &ControlSet, wanted: &mut Wanted) {
        for selector in self.list.iter().map(|waiver| &waiver.selector).filter(|s| !s.tags.is_empty()) {
            let concerned = controls
                .controls()
                .filter(|control| selector.control.as_ref().is_none_or(|id| *id == control.id));
            for control in concerned {
                wanted.add(control.kind, Some("tags"));
            }
        }
    }
}

/// What is to be observed: what the controls read, and what the waivers tell resources apart by.
pub(super) fn wanted(controls: &ControlSet, waivers: Option<&Waivers>) -> Wanted {
    let mut wanted = controls.wanted();
    if let Some(waivers) = waivers {
        waivers.want(controls, &mut wanted);
    }
    wanted
}

/// Who is scanned.
pub(super) fn scope(config: &Config, waivers: Option<&Waivers>) -> Scope {
    Scope {
        reads_units: waivers.is_some_and(Waivers::name_units),
        organization: config.organization,
        accounts: config.accounts.iter().map(ToString::to_string).collect(),
        include: selector(&config.include),
        exclude: selector(&config.exclude),
        role: role(config),
        regions: config.regions.iter().map(ToString::to_string).collect(),
        account_tags: config.notify.as_ref().is_some_and(Notify::asks_for_tags),
    }
}

/// Which runs stay in the archive.
pub(super) const fn keep(config: &Config) -> Keep {
    Keep { runs: config.keep, days: config.keep_days }
}

/// How other accounts are entered.
pub(super) fn role(config: &Config) -> RoleSettings {
    RoleSettings {
        name: config.role_name.clone(),
        external_id: config.external_id.clone(),
        session_name: config.session_name.clone(),
        duration: Duration::from_secs(u64::from(config.session_minutes) * 60),
    }
}

/// Where the credentials come from.
pub(super) fn source(config: &Config) -> Source {
    Source { profile: config.profile.clone(), region: config.home_region.as_ref().map(ToString::to_string) }
}

/// The limits towards AWS.
pub(super) fn limits(config: &Config) -> Limits {
    Limits {
        concurrency: usize::from(config.concurrency),
        max_rate: config.max_rate,
        connect_timeout: Duration::from_secs(config.connect_timeout_seconds),
        attempt_timeout: Duration::from_secs(config.attempt_timeout_seconds),
        call_timeout: Duration::from_secs(config.call_timeout_seconds),
        max_attempts: config.max_attempts,
    }
}

fn selector(selection: &Selection) -> Selector {
    Selector {
        accounts: selection.accounts.iter().map(ToString::to_string).collect(),
        units: selection.units.clone(),
        tags: selection.tags.clone(),
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
