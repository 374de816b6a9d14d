//! `upright events`.

mod announced;
mod drain;
mod rules;
mod scan;
mod sources;
mod table;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Done, Stopped};
use crate::controls::Severity;
use crate::events::own;
use crate::events::ruleset::{Gravity, Issue, Loader, Options, RuleSet};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright events scan ./AWSLogs\n  \
    upright events scan ./AWSLogs --rules falco/aws_cloudtrail_rules.yaml --rules sigma/\n  \
    upright events rules check --rules sigma/")]
pub(super) struct EventsArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run event rules over CloudTrail records.
    Scan(Box<scan::ScanArguments>),
    /// List, show, check and test event rules.
    Rules(rules::RulesArguments),
}

pub(super) fn run(arguments: EventsArguments) -> Done {
    match arguments.command {
        Command::Scan(arguments) => scan::run(&arguments),
        Command::Rules(arguments) => rules::run(&arguments),
    }
}

/// Which rules.
#[derive(Debug, Args)]
struct Chosen {
    /// Rule files of Falco or Sigma, or directories of them; may be given several times.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Leave out the rules that come with the program.
    #[arg(long)]
    no_builtin_rules: bool,
    /// Leave out rules that are less severe.
    #[arg(long, value_name = "SEVERITY", value_parser = super::settings::severity)]
    min_severity: Option<Severity>,
    /// Run rules too that their file switches off.
    #[arg(long)]
    with_disabled: bool,
}

/// Rules, and what their files gave cause to say.
struct Loaded {
    set: RuleSet,
    issues: Vec<Issue>,
}

impl Chosen {
    fn options(&self) -> Options {
        Options { least_severity: self.min_severity, with_disabled: self.with_disabled, ..Options::default() }
    }

    fn load(&self) -> Result<Loaded, Stopped> {
        let mut loader = Loader::new(self.options());
        if !self.no_builtin_rules {
            own::load(&mut loader);
        }
        for path in &self.rules {
            exists(path)?;
            loader.path(path);
        }
        let (set, issues) = loader.finish();
        Ok(Loaded { set, issues })
    }
}

/// A path that is not there is a mistake on the command line, not a rule that was left out.
fn exists(path: &Path) -> Result<(), Stopped> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(Stopped::usage(miette::miette!("rules `{}` cannot be read: {error}", path.display())))
        }
    }
}

impl Loaded {
    /// Rules and files that do not run.
    fn left_out(&self) -> usize {
        self.issues.iter().filter(|issue| issue.gravity == Gravity::Error).count()
    }
}
