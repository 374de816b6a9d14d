//! `upright explain`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{self, print, print_json};
use super::report::read;
use super::settings;
use super::{Done, Stopped};
use crate::report::terminal::{self, TerminalOptions, Verbosity};
use crate::report::{Format, NotFound, printable};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright explain 3f9a12c0\n  \
    upright explain 3f9a12c0 --from reports/report.json\n  \
    upright explain 3f9a12c0 --json")]
pub(super) struct ExplainArguments {
    /// Id of the finding, or as much of its beginning as no other id has, at least 4 digits
    id: String,
    /// The report that it is in, a `report.json`; `-` reads it from stdin [default: report.json where scans write it]
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Configuration file [default: upright.yaml, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory with controls of your own; may be given several times
    #[arg(long, value_name = "DIR")]
    controls: Vec<PathBuf>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &ExplainArguments) -> Done {
    let mut config = settings::configuration(arguments.config.as_deref())?;
    if !arguments.controls.is_empty() {
        config.controls.clone_from(&arguments.controls);
    }
    let from = arguments.from.clone().unwrap_or_else(|| config.out.join(Format::Json.file_name()));
    let controls = settings::all_controls(&config)?;
    let report = read(&from)?;
    let finding = report.find(&arguments.id).map_err(|why| not_found(&why, &from))?;
    let Some(explained) = report.explain(finding, &controls) else {
        // `Report::check` has seen to it that there is one.
        return Err(Stopped::usage(miette::miette!(
            "the report does not list control `{}`",
            finding.control
        )));
    };
    if arguments.json { print_json(&explained) } else { print(&terminal::explanation(&explained, options())) }
}

fn options() -> TerminalOptions {
    TerminalOptions { color: output::color(), width: output::width(), verbosity: Verbosity::Normal }
}

pub(super) fn not_found(why: &NotFound<'_>, from: &Path) -> Stopped {
    let from = from.to_string_lossy();
    let words = format!("{why}, in `{from}`");
    let words = printable(&words);
    let help = match why {
        NotFound::NoId(_) | NotFound::Unknown { .. } => {
            format!(
                "`upright report --from {} --format csv` lists all findings with their ids",
                printable(&from)
            )
        }
        NotFound::Ambiguous { candidates, .. } => {
            let options = TerminalOptions { color: false, ..options() };
            format!("one of\n{}", terminal::candidates(candidates, options).trim_end())
        }
    };
    Stopped::usage(miette::miette!(help = help, "{words}"))
}
