//! [`Function`]: what an invocation needs and a process makes once.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use upright::archive::{Archive, Location};
use upright::config::{self, Config};
use upright::controls::ControlSet;
use upright::events::remote::{Remote, RemoteError};
use upright::events::ruleset::{Gravity, RuleSet};
use upright::incremental::Follower;
use upright::report::printable;
use upright::scan::{Stopped, detected, settings};

use crate::package;

/// Where the configuration is: a path within the package, `s3://bucket/key`, or `s3://bucket/prefix/`.
const CONFIG: &str = "UPRIGHT_CONFIG";
/// Where runs and detections are kept, instead of where the configuration says.
const ARCHIVE: &str = "UPRIGHT_ARCHIVE";
/// Where Lambda puts the package.
const PACKAGE: &str = "LAMBDA_TASK_ROOT";
/// Where reports are written before they are in the archive, below the directory for temporary files.
const REPORTS: &str = "upright-report";
/// Issues of rule files that are logged.
const MAX_ISSUES: usize = 50;

/// The function: its environment, and what was made of it.
pub(crate) struct Function {
    config: Option<String>,
    archive: Option<String>,
    package: PathBuf,
    ready: Mutex<Option<Arc<Ready>>>,
}

/// What invocations need.
pub(crate) struct Ready {
    /// The configuration.
    pub(crate) config: Config,
    /// The event rules, compiled.
    pub(crate) rules: RuleSet,
    /// Where runs and detections are kept.
    pub(crate) archive: Arc<Archive>,
    controls: Mutex<Option<Arc<ControlSet>>>,
    remote: Mutex<Option<Arc<Remote>>>,
    follower: Mutex<Option<Arc<Follower>>>,
}

impl Function {
    /// The function that the environment describes. Nothing is read yet.
    pub(crate) fn of_environment() -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let beside = || env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned));
        Self {
            config: set(CONFIG),
            archive: set(ARCHIVE),
            package: set(PACKAGE).map(PathBuf::from).or_else(beside).unwrap_or_default(),
            ready: Mutex::new(None),
        }
    }

    /// Makes what can be made before there is a request.
    pub(crate) fn prepare(&self) {
        if let Err(stopped) = self.ready() {
            tracing::error!(
                why = stopped.in_a_line(),
                "The function cannot start; each request tries again."
            );
        }
    }

    /// What invocations need, made where it is not there yet. It blocks.
    pub(crate) fn ready(&self) -> Result<Arc<Ready>, Stopped> {
        once(&self.ready, || self.make().map(Arc::new))
    }

    fn make(&self) -> Result<Ready, Stopped> {
        let config = self.config()?;
        let (rules, issues) = settings::event_rules(&config)?;
        for issue in issues.iter().filter(|issue| issue.gravity != Gravity::Note).take(MAX_ISSUES) {
            tracing::warn!(issue = %printable(&issue.to_string()), "An event rule is not as it should be.");
        }
        for rule in rules.correlations() {
            tracing::warn!(
                rule = %printable(&rule.name),
                "The rule counts what is delivered together; a scan with `events` in its configuration counts over all files."
            );
        }
        let archive = Arc::new(detected::archive(&config)?);
        tracing::info!(rules = rules.rules().len(), "Ready.");
        let (controls, remote, follower) = Default::default();
        Ok(Ready { config, rules, archive, controls, remote, follower })
    }

    /// The configuration. Paths in it are relative to where it lies, which becomes the current directory.
    fn config(&self) -> Result<Config, Stopped> {
        let (folder, name) = match self.config.as_deref() {
            Some(address) if address.contains("://") => package::fetch(address)?,
            Some(path) => {
                let path = self.package.join(path);
                let folder = path.parent().map(Path::to_owned).unwrap_or_default();
                (folder, path.file_name().map(PathBuf::from).unwrap_or_default())
            }
            None => (self.package.clone(), PathBuf::from(config::FILE_NAME)),
        };
        let file = folder.join(&name);
        let mut config = if self.config.is_none() && !file.exists() {
            Config::default()
        } else {
            env::set_current_dir(&folder).map_err(|error| {
                let folder = folder.display().to_string();
                Stopped::usage(miette::miette!("{CONFIG}: `{}`: {error}", printable(&folder)))
            })?;
            config::load(&file).map_err(Stopped::usage)?
        };
        if let Some(archive) = &self.archive {
            let place: Location =
                archive.parse().map_err(|error| Stopped::usage(miette::miette!("{ARCHIVE}: {error}")))?;
            config.archive = Some(place);
        }
        if let Some(Location::Directory(path)) = &config.archive {
            return Err(Stopped::usage(miette::miette!(
                help = "write `archive: s3://bucket/prefix`, or set UPRIGHT_ARCHIVE to that",
                "the archive is the directory `{}`, which is gone when Lambda ends the process",
                printable(&path.to_string_lossy())
            )));
        }
        config.out = env::temp_dir().join(REPORTS);
        Ok(config)
    }
}

impl Ready {
    /// The controls that the configuration asks for. It blocks where they were not asked for before.
    ///
    /// # Errors
    /// When a control, a framework or a name of one is wrong.
    pub(crate) fn controls(&self) -> Result<Arc<ControlSet>, Stopped> {
        once(&self.controls, || settings::controls(&self.config).map(Arc::new))
    }

    /// Who looks at what events touched. It keeps what it read of the archive.
    ///
    /// # Errors
    /// When the controls or the waivers are wrong, or the archive cannot be reached.
    pub(crate) fn follower(&self) -> Result<Arc<Follower>, Stopped> {
        once(&self.follower, || {
            let controls = self.controls()?;
            let waivers = settings::waivers_file(&self.config)
                .map(|file| config::load_waivers(file, self.config.waiver_max_days).map_err(Stopped::usage))
                .transpose()?;
            Ok(Follower::new(Arc::clone(&self.archive), controls, waivers.unwrap_or_default()))
        })
    }

    /// AWS, as the sources of events reach it; it is asked who calls where it was not yet. It blocks.
    pub(crate) fn remote(&self) -> Result<Arc<Remote>, RemoteError> {
        once(&self.remote, || {
            Remote::connect(&settings::source(&self.config), &settings::limits(&self.config)).map(Arc::new)
        })
    }
}

/// What is there, or is made now and then there. What could not be made is tried again the next time.
fn once<T, E>(kept: &Mutex<Option<Arc<T>>>, make: impl FnOnce() -> Result<Arc<T>, E>) -> Result<Arc<T>, E> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = &*kept {
        return Ok(Arc::clone(kept));
    }
    let made = make()?;
    *kept = Some(Arc::clone(&made));
    Ok(made)
}
