//! The command line: one file per command; each parses, calls the path, prints and chooses the exit code.

mod archives;
mod completions;
mod config;
mod controls;
mod diff;
mod events;
mod exit;
mod explain;
mod frameworks;
mod iam_policy;
mod man;
mod notify;
mod output;
mod progress;
mod report;
mod runs;
mod scan;
mod send;
mod serve;
mod settings;
mod threads;
mod waive;
mod who;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
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
        upright scan                                     the account of your credentials\n  \
        upright scan --organization --role-name Audit    every account of the organization\n  \
        upright scan --framework cis-aws-3.0 --fail-on high\n  \
        upright scan --explain                           what would be called, and why\n  \
        upright scan --archive                           keep the run, and tell what changed since the one before\n  \
        upright scan --since upright-report/report.json  what changed since a report\n  \
        upright runs list                                the runs that are kept\n  \
        upright report --from upright-report/report.json --format csv\n  \
        upright explain 3f9a12c0                         why a finding is what it is\n  \
        upright waive 3f9a12c0 --reason Public-on-purpose  accept a failure for 90 days\n  \
        upright controls show s3-bucket-not-public\n  \
        upright iam-policy > policy.json\n\n\
        Exit codes:\n  \
        0  everything was observed and nothing failed\n  \
        1  a control failed and no waiver accepts that, or an event rule found something, at or above --fail-on\n  \
        2  the command line or a file was wrong\n  \
        3  something was not observed or not read, and nothing that was seen failed\n  \
        4  as with 1, and something was not observed or not read\n  \
        5  it could not run: no credentials, no region, the organization could not be listed; or the run\n     \
        could not be kept in the archive, or its findings could not all be sent to where --send says"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at accounts and judge them.
    Scan(Box<scan::ScanArguments>),
    /// Run scans by themselves, every night, with a page, health and numbers.
    Serve(serve::ServeArguments),
    /// List, show, test and write controls.
    Controls(controls::ControlsArguments),
    /// List and show frameworks: what they require, and what decides it.
    Frameworks(frameworks::FrameworksArguments),
    /// Run Falco and Sigma rules over CloudTrail records.
    Events(events::EventsArguments),
    /// Print the IAM policy that a scan needs, and nothing more.
    IamPolicy(Box<iam_policy::IamPolicyArguments>),
    /// About `upright.yaml`.
    Config(config::ConfigArguments),
    /// Convert a `report.json` into other formats, and compare it with an earlier one.
    Report(report::ReportArguments),
    /// Say what changed from one run to another.
    Diff(diff::DiffArguments),
    /// List, show and remove the runs of an archive.
    Runs(runs::RunsArguments),
    /// Try out who is told about scans.
    Notify(notify::NotifyArguments),
    /// Explain a finding: why, what was read, and what would make it pass.
    Explain(explain::ExplainArguments),
    /// Accept a failure until a day: adds it to `waivers.yaml`.
    Waive(waive::WaiveArguments),
    /// Print what makes a shell complete commands and flags.
    Completions(completions::CompletionsArguments),
    /// Print the manual page.
    Man(man::ManArguments),
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
        Box::new(
            miette::MietteHandlerOpts::new()
                .terminal_links(false)
                .wrap_lines(io::stderr().is_terminal())
                .build(),
        )
    })));
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        // Help and version are answers, not errors; a closed pipe changes nothing about that.
        Err(error) if !error.use_stderr() => {
            drop(error.print());
            return Exit::Clean;
        }
        Err(error) => {
            // It repeats what was typed, which may be another program's output.
            let text = error.render();
            let text =
                if console::colors_enabled_stderr() { text.ansi().to_string() } else { text.to_string() };
            eprint!("{}", output::complaint(&text));
            return Exit::Usage;
        }
    };
    let done = match arguments.command {
        Command::Scan(arguments) => scan::run(*arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Controls(arguments) => controls::run(arguments),
        Command::Frameworks(arguments) => frameworks::run(&arguments),
        Command::Events(arguments) => events::run(arguments),
        Command::IamPolicy(arguments) => iam_policy::run(*arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Runs(arguments) => runs::run(&arguments),
        Command::Notify(arguments) => notify::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Waive(arguments) => waive::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
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

    /// Why, in one line.
    const fn why(&self) -> &Failure {
        &self.why
    }

    /// The reason on one line, without a help.
    fn in_a_line(&self) -> String {
        crate::report::printable(&self.why.to_string()).into_owned()
    }

    fn print(self) -> Exit {
        eprintln!("{}", output::complaint(&format!("{:?}", self.why)));
        self.exit
    }
}

type Done = Result<Exit, Stopped>;

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    /// The command and all below it.
    fn tree(command: &Command) -> Vec<&Command> {
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        std::iter::once(command).chain(below.flat_map(tree)).collect()
    }

    #[test]
    fn the_help_of_every_command_shows_examples_of_it() {
        let mut root = Arguments::command();
        root.build();
        root.clone().debug_assert();
        for command in tree(&root) {
            let help = command.get_after_help().or_else(|| command.get_after_long_help());
            let help = help.map(ToString::to_string).unwrap_or_default();
            let called = command.get_bin_name().unwrap_or_else(|| command.get_name());
            let (_, examples) =
                help.split_once("Examples:").unwrap_or_else(|| panic!("`{called}` has no examples"));
            let words = examples.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(called), "`{called}`: {help}");
            assert!(command.get_about().is_some(), "`{called}` says nothing about itself");
        }
    }

    #[test]
    fn every_example_can_be_parsed() {
        let mut root = Arguments::command();
        root.build();
        for command in tree(&root) {
            let help = command.get_after_help().or_else(|| command.get_after_long_help());
            let help = help.map(ToString::to_string).unwrap_or_default();
            for line in help.lines().filter_map(|line| line.trim().strip_prefix("upright ")) {
                // What comes after two spaces says what it does; what comes after these is the shell's.
                let typed = line.split("  ").next().unwrap_or_default().split(['|', '>', '&']).next();
                let typed = typed.unwrap_or_default().split_whitespace();
                let parsed = Arguments::try_parse_from(std::iter::once("upright").chain(typed));
                assert!(
                    parsed.is_ok(),
                    "`upright {line}`: {}",
                    parsed.err().map(|e| e.to_string()).unwrap_or_default()
                );
            }
        }
    }
}
