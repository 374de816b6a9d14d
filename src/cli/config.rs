//! `upright config`.

use clap::{Args, Subcommand};

use super::Done;
use super::output::print_json;
use crate::config;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  upright config schema > upright.schema.json")]
pub(super) struct ConfigArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the JSON Schema of `upright.yaml`, for editors.
    #[command(after_help = "Examples:\n  \
        upright config schema > upright.schema.json\n  \
        upright config schema --waivers > waivers.schema.json")]
    Schema {
        /// That of `waivers.yaml` instead
        #[arg(long)]
        waivers: bool,
    },
}

pub(super) fn run(arguments: &ConfigArguments) -> Done {
    match arguments.command {
        Command::Schema { waivers: false } => print_json(&config::schema()),
        Command::Schema { waivers: true } => print_json(&config::waivers_schema()),
    }
}
