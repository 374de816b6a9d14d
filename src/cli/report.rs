//! `upright report`.

use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::output::{Stdout, no_stdout, print, print_json};
use super::runs::PlaceArguments;
use super::settings;
use super::{Done, Exit, Stopped};
use crate::config::AccountId;
use crate::report::{self, Destination, Detections, Format, Report, WriteError, printable};
use crate::scan::{compare, keeping};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
        upright report --from upright-report/report.json --format csv > findings.csv\n  \
        upright report --from report.json --format html,sarif --out reports\n  \
        upright report --run latest --format html --out reports\n  \
        upright report --from today.json --since yesterday.json --format markdown\n  \
        upright report --from report.json --detections detections.jsonl --format html,json --out reports\n  \
        ssh scanner cat report.json | upright report --from - --format junit\n  \
        upright report schema"
)]
pub(super) struct ReportArguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The report to convert, a `report.json`; `-` reads it from stdin
    #[arg(long, value_name = "FILE", required_unless_present = "run", conflicts_with = "run")]
    from: Option<PathBuf>,
    /// The run of an archive to convert: an id, as much of its beginning as no other has, or `latest`
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// With --run: the part of it that is about this account
    #[arg(long, value_name = "ID", requires = "run", value_parser = AccountId::from_str)]
    account: Option<AccountId>,
    #[command(flatten)]
    place: PlaceArguments,
    /// Formats to write, separated by commas or given several times
    #[arg(long = "format", value_delimiter = ',', value_name = "FORMAT", value_parser = settings::format())]
    #[arg(required = true)]
    formats: Vec<Format>,
    /// Directory for the files; without it, one format goes to stdout
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Say what changed since this earlier report
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// Add what event rules detected: the lines that `upright events scan --json` printed. They are in html, json,
    /// jsonl, markdown and ocsf; the other formats have only findings
    #[arg(long, value_name = "FILE")]
    detections: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the JSON Schema of `report.json`.
    #[command(after_help = "Examples:\n  upright report schema > report.schema.json")]
    Schema,
}

pub(super) fn run(arguments: &ReportArguments) -> Done {
    match (&arguments.command, &arguments.from, &arguments.run) {
        (Some(Command::Schema), _, _) => print_json(&report::json::schema()),
        (None, Some(from), _) => convert(arguments, || read(from), from),
        (None, None, Some(run)) => {
            let account = arguments.account.as_ref();
            convert(arguments, || kept(&arguments.place, run, account), Path::new(run))
        }
        // The parser asks for it; this says the same where it would not.
        (None, None, None) => {
            Err(Stopped::usage(miette::miette!("--from FILE or --run RUN says which report to convert")))
        }
    }
}

/// The report of a run that is kept, or its part about one account.
fn kept(place: &PlaceArguments, run: &str, account: Option<&AccountId>) -> Result<Report, Stopped> {
    let archive = place.open()?;
    let id = archive.find(run).map_err(|error| keeping::failed(&error))?;
    match account {
        None => keeping::report_of(&archive, &id),
        Some(account) => keeping::report_of_account(&archive, &id, account.as_str()),
    }
}

/// Writes the report that `read_it` gives and that errors call `from`.
fn convert(
    arguments: &ReportArguments,
    read_it: impl FnOnce() -> Result<Report, Stopped>,
    from: &Path,
) -> Done {
    let (first, others) = match arguments.formats.split_first() {
        Some((first, others)) => (*first, others.iter().any(|other| other != first)),
        None => return Err(Stopped::usage(miette::miette!("--format FORMAT says what to make of it"))),
    };
    if others && arguments.out.is_none() {
        return Err(Stopped::usage(miette::miette!(
            help = "add --out DIR",
            "several formats cannot share stdout"
        )));
    }
    let mut report = read_it()?;
    if let Some(path) = &arguments.since {
        compare(&mut report, &read(path)?, path)?;
    }
    if let Some(path) = &arguments.detections {
        report.set_detections(detections(path)?);
    }
    match &arguments.out {
        None => to_stdout(&report, first, from),
        Some(folder) => {
            let html_max_findings = settings::configuration(None)?.html_max_findings;
            let to = Destination { folder, formats: &arguments.formats, html_max_findings };
            let written = report::write_files(&report, to)
                .map_err(|error| Stopped::usage(miette::miette!("{}", printable(&error.to_string()))))?;
            let lines = written.iter().map(|path| format!("{}\n", printable(&path.to_string_lossy())));
            print(&lines.collect::<String>())
        }
    }
}

fn to_stdout(report: &Report, format: Format, from: &Path) -> Done {
    let mut out = Stdout::lock();
    report::write(report, format, &mut out).map_err(|error| match error {
        WriteError::Io(error) => no_stdout(&error),
        error => Stopped::usage(miette::miette!("`{}`: {error}", printable(&from.to_string_lossy()))),
    })?;
    out.flush().map_err(|error| no_stdout(&error))?;
    Ok(Exit::Clean)
}

/// Reads a report, from stdin where the path is `-`.
pub(super) fn read(path: &Path) -> Result<Report, Stopped> {
    let read = if path == Path::new("-") {
        let mut text = Vec::new();
        io::stdin()
            .lock()
            .read_to_end(&mut text)
            .map_err(|error| Stopped::usage(miette::miette!("stdin: {error}")))?;
        report::json::parse(Path::new("stdin"), &text)
    } else {
        report::json::read(path)
    };
    read.map_err(|error| Stopped::usage(miette::miette!("{}", printable(&error.to_string()))))
}

/// Reads detections, a line each.
fn detections(path: &Path) -> Result<Detections, Stopped> {
    report::read_lines(path, report::Limits::default())
        .map_err(|error| Stopped::usage(miette::miette!("{}", printable(&error.to_string()))))
}
