//! `upright events`.

mod drain;
mod pattern;
mod rules;
mod scan;
mod sources;
mod table;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Done, Stopped};
use crate::controls::Severity;
use crate::events::attack::AttackFilter;
use crate::events::own;
use crate::events::ruleset::{Gravity, Issue, Loader, Options, RuleSet};
use crate::events::sigma::Placeholders;
use crate::events::yaml;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright events scan ./AWSLogs\n  \
    upright events scan ./AWSLogs --rules falco/aws_cloudtrail_rules.yaml --rules sigma/\n  \
    upright events rules check --rules sigma/\n  \
    upright events pattern")]
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
    /// Print the event patterns of EventBridge for the events that rules and collectors know.
    ///
    /// They are for the rules of an event bus that hand events to Upright: exactly the calls that an event rule is
    /// about, or that change a resource of a type that is scanned.
    Pattern(pattern::PatternArguments),
}

pub(super) fn run(arguments: EventsArguments) -> Done {
    match arguments.command {
        Command::Scan(arguments) => scan::run(&arguments),
        Command::Rules(arguments) => rules::run(&arguments),
        Command::Pattern(arguments) => pattern::run(&arguments),
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
    /// Only rules about this tactic or technique of ATT&CK: `persistence`, `TA0003`, `T1078`; may be given several
    /// times.
    #[arg(long, value_name = "TACTIC|TECHNIQUE")]
    attack: Vec<AttackFilter>,
    /// Run rules too that their file switches off.
    #[arg(long)]
    with_disabled: bool,
    /// Of the Falco rules that match an event tell only the first, as Falco itself does.
    #[arg(long)]
    first_falco_match: bool,
    /// YAML file with the values of `%name%` in Sigma rules with the modifier `expand`: name to list of values.
    #[arg(long, value_name = "FILE")]
    placeholders: Option<PathBuf>,
}

/// Rules, and what their files gave cause to say.
#[derive(Debug)]
struct Loaded {
    set: RuleSet,
    issues: Vec<Issue>,
}

impl Chosen {
    fn options(&self) -> Result<Options, Stopped> {
        Ok(Options {
            placeholders: self.placeholders.as_deref().map(placeholders).transpose()?.unwrap_or_default(),
            least_severity: self.min_severity,
            attack: self.attack.clone(),
            with_disabled: self.with_disabled,
            first_falco_match: self.first_falco_match,
        })
    }

    fn load(&self) -> Result<Loaded, Stopped> {
        let mut loader = Loader::new(self.options()?);
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

/// Reads the values of placeholders: in YAML, a list of texts or one text for each name.
fn placeholders(path: &Path) -> Result<Placeholders, Stopped> {
    let wrong = |line: Option<usize>, reason: &str| {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        Stopped::usage(miette::miette!("placeholders `{}{line}`: {reason}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(None, &error.to_string()))?;
    let documents = yaml::documents(&text).map_err(|error| wrong(Some(error.line), &error.reason))?;
    let [document] = documents.as_slice() else {
        return Err(wrong(None, "must be one document, with a list of values for each name"));
    };
    if !matches!(document.value, yaml::Value::Mapping(_)) {
        return Err(wrong(Some(document.line), "must be names, each with a list of values"));
    }
    let mut placeholders = Placeholders::new();
    for (name, value) in document.members() {
        let texts = match &value.value {
            yaml::Value::Scalar(text, _) if !value.is_null() => Some(vec![text.clone()]),
            yaml::Value::Sequence(elements) => {
                elements.iter().map(|element| element.text().map(str::to_owned)).collect()
            }
            yaml::Value::Scalar(..) | yaml::Value::Mapping(_) => None,
        };
        let (Some(name), Some(texts)) = (name.text(), texts) else {
            return Err(wrong(Some(value.line), "must be a name with a list of texts"));
        };
        placeholders.insert(name.to_owned(), texts);
    }
    Ok(placeholders)
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
