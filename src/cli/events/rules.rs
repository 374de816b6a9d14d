//! `upright events rules`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::table::issues;
use super::{Chosen, exists};
use crate::cli::output::{print, print_json};
use crate::cli::{Done, Exit, Stopped};
use crate::events::examples::{self, Outcome};
use crate::events::own;
use crate::events::ruleset::{Gravity, Issue, RuleInfo, rule_files};
use crate::report::printable;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright events rules list\n  \
    upright events rules check --rules sigma/ --rules falco/aws_cloudtrail_rules.yaml\n  \
    upright events rules test --rules my-rules")]
pub(super) struct RulesArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List rules, the gravest first.
    #[command(after_help = "Examples:\n  upright events rules list --rules sigma/ --no-builtin-rules")]
    List {
        #[command(flatten)]
        chosen: Chosen,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show one rule by its id or name.
    #[command(after_help = "Examples:\n  upright events rules show 848dd24b-8600-4874-b32c-8f15818a89c2")]
    Show {
        /// A Sigma rule's id or title, or a Falco rule's name.
        name: String,
        #[command(flatten)]
        chosen: Chosen,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what is wrong with rule files.
    #[command(after_help = "Examples:\n  upright events rules check --rules sigma/ --no-builtin-rules")]
    Check {
        #[command(flatten)]
        chosen: Chosen,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the example events in rule files.
    #[command(
        after_help = "Examples:\n  upright events rules test\n  upright events rules test --rules my-rules"
    )]
    Test {
        /// Test these files or directories instead of the built-in rules.
        #[arg(long, value_name = "PATH")]
        rules: Vec<PathBuf>,
        /// Print the outcome as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &RulesArguments) -> Done {
    match &arguments.command {
        Command::List { chosen, json } => list(chosen, *json),
        Command::Show { name, chosen, json } => show(name, chosen, *json),
        Command::Check { chosen, json } => check(chosen, *json),
        Command::Test { rules, json } => test(rules, *json),
    }
}

/// All rules and correlations, the gravest first.
fn all(loaded: &super::Loaded) -> Vec<&RuleInfo> {
    let single = loaded.set.rules().iter().map(|rule| rule.info.as_ref());
    let mut all: Vec<&RuleInfo> = single.chain(loaded.set.correlations().map(AsRef::as_ref)).collect();
    all.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.name.cmp(&b.name)));
    all
}

fn list(chosen: &Chosen, json: bool) -> Done {
    let loaded = chosen.load()?;
    let rules = all(&loaded);
    if json {
        return print_json(&rules);
    }
    let mut text = String::new();
    for rule in &rules {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<13}  {}", rule.severity, printable(&rule.name));
    }
    let _ = writeln!(text, "{} rules, {} left out", rules.len(), loaded.left_out());
    eprint!("{}", issues(&loaded.issues));
    print(&text)
}

fn show(name: &str, chosen: &Chosen, json: bool) -> Done {
    let loaded = chosen.load()?;
    let Some(rule) = all(&loaded).into_iter().find(|rule| rule.id == name || rule.name == name) else {
        return Err(Stopped::usage(miette::miette!(
            "no rule `{}`; `upright events rules list` names them all",
            printable(name)
        )));
    };
    if json {
        return print_json(rule);
    }
    let mut text = String::new();
    let _ = writeln!(text, "{}\n", printable(&rule.name));
    let attack: Vec<&str> =
        rule.attack.tactics.iter().chain(rule.attack.techniques.iter()).map(String::as_str).collect();
    let rows = [
        ("id", rule.id.clone()),
        ("severity", rule.severity.to_string()),
        ("file", format!("{}:{}", rule.file.display(), rule.line)),
        ("author", rule.author.clone().unwrap_or_default()),
        ("ATT&CK", attack.join(", ")),
        ("tags", rule.tags.join(", ")),
        ("references", rule.references.join(" ")),
    ];
    for (label, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{label:<11}  {}", printable(value));
    }
    if !rule.description.is_empty() {
        let _ = writeln!(text, "\n{}", printable(rule.description.trim()));
    }
    print(&text)
}

/// What `check` found.
#[derive(Debug, Serialize)]
struct Checked<'a> {
    rules: usize,
    left_out: usize,
    issues: &'a [Issue],
}

fn check(chosen: &Chosen, json: bool) -> Done {
    let loaded = chosen.load()?;
    let checked = Checked { rules: all(&loaded).len(), left_out: loaded.left_out(), issues: &loaded.issues };
    if json {
        print_json(&checked)?;
    } else {
        let mut text = issues(checked.issues);
        let notes = checked.issues.iter().filter(|issue| issue.gravity == Gravity::Note).count();
        let _ = writeln!(text, "{} rules run, {} left out, {notes} notes", checked.rules, checked.left_out);
        print(&text)?;
    }
    Ok(if checked.left_out == 0 { Exit::Clean } else { Exit::Usage })
}

fn test(rules: &[PathBuf], json: bool) -> Done {
    let outcomes = if rules.is_empty() {
        run_examples(
            own::FILES.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect(),
        )
    } else {
        run_examples(read(rules)?)
    };
    let wrong: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.holds()).collect();
    if json {
        print_json(&outcomes)?;
    } else {
        let mut text = String::new();
        for outcome in &wrong {
            let what = match &outcome.result {
                Ok(answer) if answer.expected => "does not match, and should".to_owned(),
                Ok(_) => "matches, and should not".to_owned(),
                Err(why) => why.clone(),
            };
            let line = format!(
                "{}:{}: `{}`: {}: {what}",
                outcome.file.display(),
                outcome.line,
                outcome.rule,
                outcome.example
            );
            let _ = writeln!(text, "{}", printable(&line));
        }
        let _ = writeln!(text, "{} examples hold, {} do not", outcomes.len() - wrong.len(), wrong.len());
        print(&text)?;
    }
    Ok(if wrong.is_empty() { Exit::Clean } else { Exit::Failed })
}

fn run_examples(files: Vec<(PathBuf, String)>) -> Vec<Outcome> {
    examples::run(
        crate::events::ruleset::Options::default(),
        files.iter().map(|(path, text)| (path.as_path(), text.as_str())),
    )
}

/// The rule files at these paths with their texts.
fn read(paths: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, Stopped> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        Stopped::usage(miette::miette!("rules `{}` cannot be read: {error}", path.display()))
    };
    let mut files = Vec::new();
    for path in paths {
        exists(path)?;
        for file in rule_files(path).map_err(|error| unreadable(path, &error))? {
            let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
            files.push((file, text));
        }
    }
    Ok(files)
}
