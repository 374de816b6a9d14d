//! `upright frameworks`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{print, print_json};
use super::{Done, Stopped};
use crate::controls::{Assessment, ControlSet, DecidedBy, Framework, Relation, Requirement, SetParameters};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright frameworks list\n  \
    upright frameworks show cis-aws-7.0 --level 1")]
pub(super) struct FrameworksArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List frameworks, and how much of each is decided by controls.
    #[command(after_help = "Examples:\n  \
        upright frameworks list\n  \
        upright frameworks list --controls ./controls --json")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Show every requirement of a framework, and what decides it.
    #[command(after_help = "Examples:\n  \
        upright frameworks show cis-aws-5.0\n  \
        upright frameworks show cis-aws-5.0 --level 1\n  \
        upright frameworks show pci-dss-4.0.1 --json")]
    Show {
        /// Id of the framework.
        id: String,
        /// Only its requirements of this profile level and those below it.
        #[arg(long, value_name = "N")]
        level: Option<u8>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Args)]
struct Common {
    /// Directories with controls of your own; frameworks are the files in their folder `frameworks`.
    #[arg(long, value_name = "DIR")]
    controls: Vec<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// A framework in a list.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    id: &'a str,
    title: &'a str,
    version: &'a str,
    publisher: &'a str,
    relation: Relation,
    levels: Vec<u8>,
    counts: Counted,
}

/// Requirements by what decides them.
#[derive(Debug, Serialize)]
struct Counted {
    total: usize,
    controls: usize,
    evidence: usize,
    person: usize,
    planned: usize,
}

/// A framework with all its requirements.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    listed: Listed<'a>,
    note: &'static str,
    covers: &'a str,
    level: Option<u8>,
    requirements: Vec<Item<'a>>,
}

/// A requirement and what decides it.
#[derive(Debug, Serialize)]
struct Item<'a> {
    id: &'a str,
    title: &'a str,
    section: &'a str,
    level: Option<u8>,
    assessment: &'static str,
    decided_by: DecidedBy,
    controls: &'a [String],
    planned: &'a [String],
    parameters: &'a SetParameters,
    look_at: &'a str,
}

pub(super) fn run(arguments: &FrameworksArguments) -> Done {
    match &arguments.command {
        Command::List { common } => list(common),
        Command::Show { id, level, common } => show(id, *level, common),
    }
}

fn list(common: &Common) -> Done {
    let set = ControlSet::load(&common.controls).map_err(Stopped::usage)?;
    let rows: Vec<Listed<'_>> = set.frameworks().map(|framework| listed(&set, framework)).collect();
    if common.json {
        return print_json(&rows);
    }
    let widest = |of: fn(&Listed<'_>) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (ids, titles) = (widest(|row| row.id.chars().count()), widest(|row| row.title.chars().count()));
    let mut text = String::new();
    for row in &rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<ids$}  {:<titles$}  {}", row.id, row.title, row.counts.words());
    }
    let _ = writeln!(text, "{} frameworks", rows.len());
    print(&text)
}

fn show(id: &str, level: Option<u8>, common: &Common) -> Done {
    let wrong = |why: String| Stopped::usage(miette::miette!("{why}"));
    let mut set = ControlSet::load(&common.controls).map_err(Stopped::usage)?;
    if let Some(level) = level {
        set.limit_to_level(&[id.to_owned()], level).map_err(wrong)?;
    }
    let framework = set.framework(id).map_err(wrong)?;
    let shown = Shown {
        listed: listed(&set, framework),
        note: framework.relation.note(),
        covers: &framework.covers,
        level: framework.level,
        requirements: framework.requirements.iter().map(|one| item(&set, framework.relation, one)).collect(),
    };
    if common.json { print_json(&shown) } else { print(&describe(&shown)) }
}

fn listed<'a>(set: &ControlSet, framework: &'a Framework) -> Listed<'a> {
    let count = |by: DecidedBy| {
        let all = framework.requirements.iter();
        all.filter(|requirement| set.decided_by(framework.relation, requirement) == by).count()
    };
    Listed {
        id: &framework.id,
        title: &framework.title,
        version: &framework.version,
        publisher: &framework.publisher,
        relation: framework.relation,
        levels: framework.levels().collect(),
        counts: Counted {
            total: framework.requirements.len(),
            controls: count(DecidedBy::Controls),
            evidence: count(DecidedBy::Evidence),
            person: count(DecidedBy::Person),
            planned: count(DecidedBy::Planned),
        },
    }
}

impl Counted {
    fn words(&self) -> String {
        let Self { total, controls, evidence, person, planned } = self;
        let parts: Vec<String> = DecidedBy::ALL
            .into_iter()
            .zip([controls, evidence, person, planned])
            .filter(|(_, count)| **count > 0)
            .map(|(by, count)| format!("{count} {}", by.words()))
            .collect();
        format!("{total} requirements: {}", parts.join(", "))
    }
}

fn item<'a>(set: &ControlSet, relation: Relation, requirement: &'a Requirement) -> Item<'a> {
    Item {
        id: &requirement.id,
        title: &requirement.title,
        section: &requirement.section,
        level: requirement.level,
        assessment: requirement.assessment.as_str(),
        decided_by: set.decided_by(relation, requirement),
        controls: &requirement.controls,
        planned: &requirement.planned,
        parameters: &requirement.parameters,
        look_at: &requirement.look_at,
    }
}

fn describe(shown: &Shown<'_>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}\n{}", shown.listed.id, shown.listed.title);
    if let Some(level) = shown.level {
        let _ = writeln!(text, "profile: level {level}");
    }
    let _ = writeln!(text, "{}", shown.listed.counts.words());
    for paragraph in [shown.note, shown.covers].into_iter().filter(|paragraph| !paragraph.is_empty()) {
        let _ = writeln!(text, "\n{paragraph}");
    }
    let widest = shown.requirements.iter().map(|item| item.id.chars().count()).max().unwrap_or(0);
    let mut section = "";
    for item in &shown.requirements {
        if item.section != section {
            section = item.section;
            let _ = writeln!(text, "\n{section}");
        }
        let level = item.level.map(|level| format!(", level {level}")).unwrap_or_default();
        let by = item.decided_by.words();
        let is_manual = item.assessment == Assessment::Manual.as_str();
        let marked = if is_manual && item.decided_by == DecidedBy::Controls {
            ", manual for the publisher"
        } else {
            ""
        };
        let _ = writeln!(text, "  {:<widest$}  {}  ({by}{marked}{level})", item.id, item.title);
        let indent = " ".repeat(widest + 4);
        for (label, ids) in [("controls", item.controls), ("planned", item.planned)] {
            if !ids.is_empty() {
                let _ = writeln!(text, "{indent}{label}: {}", ids.join(", "));
            }
        }
        for (control, values) in item.parameters {
            let values: Vec<String> =
                values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            let _ = writeln!(text, "{indent}with {control}: {}", values.join(", "));
        }
        if !item.look_at.is_empty() {
            let _ = writeln!(text, "{indent}look at: {}", item.look_at);
        }
    }
    text
}
