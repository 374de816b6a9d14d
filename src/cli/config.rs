//! `upright config`.

use clap::{Args, Subcommand};

use super::{Done, print_json};
use crate::config;

#[derive(Debug, Args)]
pub(super) struct ConfigArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the JSON Schema of `upright.yaml`, for editors.
    Schema,
}

pub(super) fn run(arguments: &ConfigArguments) -> Done {
    match arguments.command {
        Command::Schema => print_json(&config::schema()),
    }
}
