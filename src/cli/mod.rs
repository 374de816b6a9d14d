//! The command line: one file per command; each parses, calls the path, prints and chooses the exit code.

mod config;
mod controls;
mod exit;
mod frameworks;
mod iam_policy;
mod progress;
mod report;
mod scan;
mod settings;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use exit::Exit;

/// What went wrong in a command, for people.
type Failure = miette::Report;

/// A read-only posture scanner for AWS that tells what it could not see.
#[derive(Debug, Parser)]
#[command(
    name = "upright",
    version,
    max_term_width = 100,
    after_long_help = "Examples:\n  \
        upright scan                                  the account of your credentials\n  \
        upright scan --organization --role-name Audit every account of the organization\n  \
        upright scan --framework cis-aws-3.0 --fail-on high\n  \
        upright scan --explain                        what would be called, and why\n  \
        upright controls show s3-bucket-not-public\n  \
        upright iam-policy > policy.json\n\n\
        Exit codes:\n  \
        0  everything was observed and nothing failed\n  \
        1  a control failed at or above --fail-on\n  \
        2  the command line or a file was wrong\n  \
        3  something was not observed, and nothing that was seen failed\n  \
        4  a control failed, and something was not observed\n  \
        5  it could not run: no credentials, no region, the organization could not be listed"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at accounts and judge them.
    Scan(Box<scan::ScanArguments>),
    /// List, show, test and write controls.
    Controls(controls::ControlsArguments),
    /// List and show frameworks: what they require, and what decides it.
    Frameworks(frameworks::FrameworksArguments),
    /// Print the IAM policy that a scan needs, and nothing more.
    IamPolicy(Box<iam_policy::IamPolicyArguments>),
    /// About `upright.yaml`.
    Config(config::ConfigArguments),
    /// About `report.json`.
    Report(report::ReportArguments),
}

/// Runs the command that was typed.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os()).into()
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    // Where no terminal ends the lines, long ones stay whole: ids and paths in them can be found and copied.
    // A second run in the same process keeps the first handler, which is the same.
    drop(miette::set_hook(Box::new(|_| {
        Box::new(miette::MietteHandlerOpts::new().wrap_lines(io::stderr().is_terminal()).build())
    })));
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, not errors; a closed pipe changes nothing about that.
            drop(error.print());
            return if error.use_stderr() { Exit::Usage } else { Exit::Clean };
        }
    };
    let done = match arguments.command {
        Command::Scan(arguments) => scan::run(*arguments),
        Command::Controls(arguments) => controls::run(arguments),
        Command::Frameworks(arguments) => frameworks::run(&arguments),
        Command::IamPolicy(arguments) => iam_policy::run(*arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
    };
    done.unwrap_or_else(|stopped| stopped.print())
}

/// A command that could not do its work.
#[derive(Debug)]
struct Stopped {
    exit: Exit,
    why: Failure,
}

impl Stopped {
    /// What was typed or written in a file is wrong.
    fn usage(why: impl Into<Failure>) -> Self {
        Self { exit: Exit::Usage, why: why.into() }
    }

    /// AWS or the machine did not let it run.
    fn could_not_run(why: impl Into<Failure>) -> Self {
        Self { exit: Exit::CouldNotRun, why: why.into() }
    }

    fn print(self) -> Exit {
        eprintln!("{:?}", self.why);
        self.exit
    }
}

type Done = Result<Exit, Stopped>;

/// Writes results to stdout; a reader that has enough (`| head`) is no error.
fn print(text: &str) -> Done {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Stopped::could_not_run(miette::miette!("stdout: {error}")))
        }
        _ => Ok(Exit::Clean),
    }
}

/// Prints a value as indented JSON.
fn print_json(value: &impl serde::Serialize) -> Done {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Stopped::could_not_run(miette::miette!("JSON: {error}")))?;
    print(&format!("{text}\n"))
}
