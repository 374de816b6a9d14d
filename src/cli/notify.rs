//! Telling people about a scan, as `notify` in the configuration says, and `upright notify`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::output::print;
use super::settings;
use super::threads::{block_on, interrupted};
use super::{Done, Exit, Stopped};
use crate::config::Config;
use crate::notify::{Delivery, News, Telling, tell};
use crate::report::{Report, printable};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    upright notify test\n  \
    upright notify test --config nightly.yaml")]
pub(super) struct NotifyArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send a sample, which says that it is one, to every receiver, and say what became of it.
    #[command(after_help = "Examples:\n  \
        upright notify test\n  \
        upright notify test --config nightly.yaml\n\n\
        Exit codes:\n  \
        0  everything was sent\n  \
        2  the configuration is wrong, or has no `notify`\n  \
        5  something was not sent")]
    Test(TestArguments),
}

#[derive(Debug, Args)]
struct TestArguments {
    /// Configuration file [default: upright.yaml, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &NotifyArguments) -> Done {
    let Command::Test(arguments) = &arguments.command;
    let config = settings::configuration(arguments.config.as_deref())?;
    let deliveries = deliver(&config, &News::Sample)?;
    if deliveries.is_empty() {
        return Err(Stopped::usage(miette::miette!(
            help = "name receivers with the key `notify`; examples/upright.yaml shows how",
            "the configuration names nobody who is told"
        )));
    }
    print(&deliveries.iter().map(|delivery| format!("{}\n", line(delivery))).collect::<String>())?;
    Ok(if deliveries.iter().all(Delivery::is_delivered) { Exit::Clean } else { Exit::CouldNotRun })
}

/// Tells of a scan that ran, and gives back a line for each that was not reached. It ends as it would have without:
/// whoever is not reached does not change what was found.
pub(super) fn report(config: &Config, report: &Report) -> Vec<String> {
    say(deliver(config, &News::Report(report)))
}

/// Tells of a scan that could not run.
pub(super) fn failure(config: &Config, stopped: &Stopped, started_at: Timestamp) {
    let mut why = stopped.why.to_string();
    if let Some(help) = stopped.why.help() {
        why.push_str(&format!(" ({help})"));
    }
    say(deliver(config, &News::Failure { why: &why, at: &started_at.to_string() }));
}

/// Says who was reached and who was not; the latter are given back.
fn say(told: Result<Vec<Delivery>, Stopped>) -> Vec<String> {
    match told {
        Ok(deliveries) => {
            deliveries.iter().for_each(|delivery| eprintln!("{}", line(delivery)));
            deliveries.iter().filter(|delivery| !delivery.is_delivered()).map(line).collect()
        }
        Err(stopped) => {
            let why = stopped.in_a_line();
            stopped.print();
            vec![why]
        }
    }
}

fn line(delivery: &Delivery) -> String {
    printable(&delivery.to_string()).into_owned()
}

fn deliver(config: &Config, news: &News<'_>) -> Result<Vec<Delivery>, Stopped> {
    let Some(notify) = &config.notify else { return Ok(Vec::new()) };
    let (source, limits) = (settings::source(config), settings::limits(config));
    let telling =
        Telling { notify, source: &source, limits: &limits, html_max_findings: config.html_max_findings };
    let stop = interrupted("interrupted while people were told; some messages may be sent");
    block_on(async { Ok(tell(&telling, news).await) }, stop)
}
