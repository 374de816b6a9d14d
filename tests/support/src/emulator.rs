//! [`Emulator`]: moto with the seeded organization, for as long as the value lives.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use tempfile::NamedTempFile;

use crate::env::Env;
use crate::seeded::Seeded;

/// How long moto may take to start; a busy machine needs several seconds.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How often another port is tried when ours was taken in between.
const PORTS_TRIED: usize = 5;
/// Between looking whether it answers.
const POLL: Duration = Duration::from_millis(20);

/// The directory of the project.
///
/// # Errors
/// When the crate has been moved out of it.
pub fn workspace() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_owned);
    root.filter(|root| root.join("Cargo.lock").is_file()).context("tests/support is not in the project")
}

/// A running moto, seeded; killed when it is dropped.
#[derive(Debug)]
pub struct Emulator {
    moto: Moto,
    seeded: Seeded,
}

impl Emulator {
    /// Starts moto on a free port of 127.0.0.1 and seeds it. Takes some 15 seconds.
    ///
    /// # Errors
    /// When `make venv` has not been run, or moto or the seeder fails; with what they printed.
    pub fn start() -> Result<Self> {
        let moto = Moto::start()?;
        // Account ids then are the same in every run.
        let seed = http(moto.port, "POST", "/moto-api/seed?a=42")?;
        ensure!(seed.starts_with("HTTP/1.1 200"), "moto did not take its seed: {seed}");
        let seeded = moto.seed()?;
        Ok(Self { moto, seeded })
    }

    /// What is in it.
    #[must_use]
    pub const fn seeded(&self) -> &Seeded {
        &self.seeded
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.moto.port
    }

    /// The environment for a program that is to find AWS in it, as the management account.
    #[must_use]
    pub fn env(&self) -> Env {
        Env::of_port(self.moto.port)
    }
}

/// A program of the project's Python environment.
///
/// # Errors
/// When the environment has not been made.
pub(crate) fn python(program: &str) -> Result<PathBuf> {
    let path = workspace()?.join(".venv/bin").join(program);
    ensure!(path.is_file(), "{} is missing; run `make venv`", path.display());
    Ok(path)
}

/// A running moto with nothing in it but the account of the caller's keys; killed when it is dropped.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    port: u16,
    log: NamedTempFile,
}

impl Moto {
    /// Starts moto on a free port of 127.0.0.1. Takes a second or two.
    ///
    /// # Errors
    /// When `make venv` has not been run, or moto fails; with what it printed.
    pub fn start() -> Result<Self> {
        let program = python("python")?;
        for _ in 0..PORTS_TRIED {
            let mut moto = Self::spawn(&program)?;
            match moto.wait_until_ready() {
                Ok(()) => return Ok(moto),
                Err(_) if moto.log().contains("Address already in use") => {}
                Err(error) => bail!("{error}\n{}", moto.log()),
            }
        }
        bail!("no free port for moto in {PORTS_TRIED} attempts");
    }

    fn spawn(program: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let log = NamedTempFile::new()?;
        // Both streams write at the end of the one file.
        let output = File::options().append(true).open(log.path())?;
        let child = Command::new(program)
            .arg(workspace()?.join("tests/support/moto_server.py"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
            // Its 1,296 snapshots a region would look self-owned.
            .env("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} could not be started", program.display()))?;
        Ok(Self { child, port, log })
    }

    /// It is ready when it says itself that it listens: whatever else answers at the port is not it.
    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let listens = format!("Running on http://127.0.0.1:{}", self.port);
        while !self.log().contains(&listens) || http(self.port, "GET", "/moto-api/").is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("moto ended with {status} before it answered");
            }
            ensure!(Instant::now() < deadline, "moto does not answer after {START_LIMIT:?}");
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn seed(&self) -> Result<Seeded> {
        let script = workspace()?.join("tests/support/seed.py");
        let mut command = Command::new(python("python")?);
        self.env().apply(&mut command);
        let output = command
            .arg(&script)
            .arg("--endpoint")
            .arg(format!("http://127.0.0.1:{}", self.port))
            .stdin(Stdio::null())
            .output()
            .context("seed.py could not be started")?;
        let failed = |what: String| {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            anyhow!("{what}\n{stderr}\n--- moto ---\n{}", self.log())
        };
        if !output.status.success() {
            return Err(failed(format!("seed.py ended with {}", output.status)));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| failed(format!("seed.py: {error}")))
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The environment for a program that is to find AWS in it.
    #[must_use]
    pub fn env(&self) -> Env {
        Env::of_port(self.port)
    }

    /// What it has printed so far.
    fn log(&self) -> String {
        let mut bytes = Vec::new();
        match File::open(self.log.path()).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("{}: {error}", self.log.path().display()),
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request without a body, and the text of the answer.
fn http(port: u16, method: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(START_LIMIT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(!answer.is_empty(), "{method} {path}: no answer");
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
