//! `upright notify`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::print;
use super::settings;
use super::{Done, Exit, Stopped};
use crate::notify::{Delivery, News};
use crate::scan::telling::{deliver, line};

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
