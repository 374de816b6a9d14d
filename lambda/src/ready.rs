//! [`Function`]: what an invocation needs and a process makes once.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use upright::archive::{Archive, Location};
use upright::config::{self, Config};
use upright::events::remote::Remote;
use upright::events::ruleset::{Gravity, RuleSet};
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
    pub(crate) archive: Archive,
    remote: Mutex<Option<Arc<Remote>>>,
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
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = &*ready {
            return Ok(Arc::clone(ready));
        }
        let made = Arc::new(self.make()?);
        *ready = Some(Arc::clone(&made));
        Ok(made)
    }

    fn make(&self) -> Result<Ready, Stopped> {
        let config = self.config()?;
        let (rules, issues) = settings::event_rules(&config)?;
        for issue in issues.iter().filter(|issue| issue.gravity != Gravity::Note).take(MAX_ISSUES) {
            tracing::warn!(issue = %printable(&issue.to_string()), "An event rule is not as it should be.");
        }
        let archive = detected::archive(&config)?;
        tracing::info!(rules = rules.rules().len(), "Ready.");
        Ok(Ready { config, rules, archive, remote: Mutex::new(None) })
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
    /// AWS, as the sources of events reach it; it is asked who calls where it was not yet. It blocks.
    pub(crate) fn remote(&self) -> Result<Arc<Remote>, String> {
        let mut remote = self.remote.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remote) = &*remote {
            return Ok(Arc::clone(remote));
        }
        let connected = Remote::connect(&settings::source(&self.config), &settings::limits(&self.config));
        let connected = Arc::new(connected.map_err(|error| error.to_string())?);
        *remote = Some(Arc::clone(&connected));
        Ok(connected)
    }
}
