//! `upright report`.

use clap::{Args, Subcommand};

use super::{Done, print_json};
use crate::report;

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the JSON Schema of `report.json`.
    Schema,
}

pub(super) fn run(arguments: &ReportArguments) -> Done {
    match arguments.command {
        Command::Schema => print_json(&report::json::schema()),
    }
}
