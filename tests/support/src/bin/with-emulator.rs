//! Runs a command with a seeded, emulated AWS in its environment: `with-emulator COMMAND ARGS…`.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result};
use upright_testkit::{Emulator, in_json};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("with-emulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let program = args.next().context("usage: with-emulator COMMAND ARGS…")?;
    let started = Instant::now();
    eprintln!("Starting an emulated AWS and seeding it…");
    let emulator = Emulator::start()?;
    eprintln!("It listens at http://localhost:{}, after {:.1?}.", emulator.port(), started.elapsed());
    let management = &emulator.seeded().account("management")?.id;
    // moto does not know CBOR, which is how the SDK asks CloudWatch.
    let status = in_json(emulator.port(), management, |env| {
        let mut command = Command::new(&program);
        env.apply(&mut command);
        command
            .args(args)
            .status()
            .with_context(|| format!("`{}` could not be started", program.to_string_lossy()))
    })?;
    // A signal leaves no code.
    Ok(status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(u8::try_from(code).unwrap_or(1))))
}
