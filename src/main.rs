//! The `upright` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    upright::cli::main()
}
