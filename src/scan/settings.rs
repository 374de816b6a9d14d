//! What a configuration says, made into what it means to a scan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;

use super::Stopped;
use crate::accounts::{RoleSettings, Scope, Selector};
use crate::archive::{Keep, Location};
use crate::aws::{Aws, Limits, Source};
use crate::collect::Wanted;
use crate::config::{self, Attestation, Config, Notify, ScheduledJob, Selection};
use crate::controls::ControlSet;
use crate::events::own;
use crate::events::ruleset::{self, Issue, Loader, RuleSet};
use crate::findings::{Finding, Waiver, waiver};
use crate::inventory::Inventory;
use crate::report::{self, printable};
use crate::yaml;

/// The controls that a configuration asks for.
///
/// # Errors
/// When a control, a framework or a name of one is wrong.
pub fn controls(config: &Config) -> Result<ControlSet, Stopped> {
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
///
/// # Errors
/// When a file of them, or what is said of it, is wrong.
pub fn all_controls(config: &Config) -> Result<ControlSet, Stopped> {
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
///
/// # Errors
/// When one is of a day to come.
pub fn attestations(config: &Config, day: Date) -> Result<&[Attestation], Stopped> {
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
#[must_use]
pub fn waivers_file(config: &Config) -> Option<&Path> {
    let usual = || Some(Path::new(config::WAIVERS_FILE_NAME)).filter(|path| path.exists());
    config.waivers.as_deref().or_else(usual)
}

/// The waivers of a run, and the file that they are from.
pub struct Waivers {
    /// The file, as it was named.
    pub file: PathBuf,
    list: Vec<Waiver>,
}

impl Waivers {
    /// The waivers of a configuration, as of a day; nothing where it has no file of them.
    ///
    /// # Errors
    /// When the file is wrong, or one is of a day to come.
    pub fn read(config: &Config, day: Date) -> Result<Option<Self>, Stopped> {
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
    ///
    /// # Errors
    /// When a file of controls is wrong.
    pub fn apply(
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
}

/// What is to be observed: what the controls read, and what the waivers tell resources apart by.
#[must_use]
pub fn wanted(controls: &ControlSet, waivers: Option<&Waivers>) -> Wanted {
    let mut wanted = controls.wanted();
    if let Some(waivers) = waivers {
        waiver::want(&waivers.list, controls, &mut wanted);
    }
    wanted
}

/// Who is scanned.
#[must_use]
pub fn scope(config: &Config, waivers: Option<&Waivers>) -> Scope {
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

/// The settings of a job: those of its own file where it names one. What concerns whoever runs the jobs is only in the
/// file with the schedule, and there is one archive.
///
/// # Errors
/// When the job's file is wrong, or says something else about the schedule or the archive.
pub fn of_job(config: &Config, scheduled: &ScheduledJob) -> Result<Config, Stopped> {
    let Some(path) = &scheduled.config else { return Ok(config.clone()) };
    let mut settings = config::load(path).map_err(|error| in_job(scheduled, Stopped::usage(error)))?;
    let wrong = |what: &str| {
        Err(Stopped::usage(miette::miette!(
            "job `{}`: its file `{}` {what}",
            scheduled.name,
            printable(&path.to_string_lossy())
        )))
    };
    if !settings.schedule.is_empty() && settings.schedule != config.schedule {
        return wrong("has a `schedule` of its own; only that of the daemon's file counts: remove it");
    }
    let differs = |theirs: &Location| config.archive.as_ref().is_some_and(|ours| ours != theirs);
    if settings.archive.as_ref().is_some_and(differs) {
        return wrong("names another `archive` than the daemon's file, which keeps all runs: remove it");
    }
    settings.archive.clone_from(&config.archive);
    Ok(settings)
}

/// Names the job in a complaint.
#[must_use]
pub fn in_job(scheduled: &ScheduledJob, stopped: Stopped) -> Stopped {
    stopped.within(format!("job `{}`", scheduled.name))
}

/// The built-in event rules and those of a configuration, and what their files gave cause to say.
///
/// # Errors
/// When a file or directory of them is not there. What is wrong with a single rule leaves out that rule.
pub fn event_rules(config: &Config) -> Result<(RuleSet, Vec<Issue>), Stopped> {
    let mut loader = Loader::new(ruleset::Options::default());
    own::load(&mut loader);
    for path in &config.event_rules {
        if let Err(error) = std::fs::metadata(path) {
            let path = path.to_string_lossy();
            return Err(Stopped::usage(miette::miette!(
                "rules `{}` cannot be read: {error}",
                printable(&path)
            )));
        }
        loader.path(path);
    }
    Ok(loader.finish())
}

/// Which runs stay in the archive.
#[must_use]
pub const fn keep(config: &Config) -> Keep {
    Keep { runs: config.keep, days: config.keep_days }
}

/// How other accounts are entered.
#[must_use]
pub fn role(config: &Config) -> RoleSettings {
    RoleSettings {
        name: config.role_name.clone(),
        external_id: config.external_id.clone(),
        session_name: config.session_name.clone(),
        duration: Duration::from_secs(u64::from(config.session_minutes) * 60),
    }
}

/// Where the credentials come from.
#[must_use]
pub fn source(config: &Config) -> Source {
    Source { profile: config.profile.clone(), region: config.home_region.as_ref().map(ToString::to_string) }
}

/// AWS, reached as a configuration says.
///
/// # Errors
/// When there are no credentials or no region.
pub async fn connect(config: &Config) -> Result<Arc<Aws>, Stopped> {
    let aws = Aws::connect(&source(config), &limits(config)).await;
    aws.map_err(|error| Stopped::could_not_run(miette::miette!("{error}")))
}

/// The limits towards AWS.
#[must_use]
pub fn limits(config: &Config) -> Limits {
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
