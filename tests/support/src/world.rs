//! [`World`]: a directory of its own to run the built program in.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::env::Env;

/// How long a run may take unless it is told otherwise.
const LIMIT: Duration = Duration::from_secs(120);
/// Between looking whether the program has ended, and how much memory it uses.
const POLL: Duration = Duration::from_millis(5);

/// A temporary directory, and the program that is run in it.
#[derive(Debug)]
pub struct World {
    program: PathBuf,
    root: TempDir,
    limit: Duration,
}

/// How a run of the program went.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it printed for programs.
    pub stdout: String,
    /// What it printed for people.
    pub stderr: String,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// How long it took.
    pub wall: Duration,
    /// The most memory that it had resident, in bytes. Looked up every few milliseconds, so none for a
    /// program that ends at once.
    pub peak_rss: Option<u64>,
}

impl World {
    /// A new directory. `program` is a path, in a test `env!("CARGO_BIN_EXE_upright")`.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn new(program: impl AsRef<Path>) -> Result<Self> {
        // Not resolved: a Python environment is known by the link to its interpreter.
        let program = std::path::absolute(program)?;
        ensure!(program.is_file(), "no program {}", program.display());
        let root = TempDir::new()?;
        fs::create_dir(root.path().join("work"))?;
        Ok(Self { program, root, limit: LIMIT })
    }

    /// Kills runs that take longer; two minutes unless set.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The directory that the program runs in. It is empty at first, and removed on drop.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Writes a file for the program to read, and makes the directories above it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<PathBuf> {
        let path = self.dir().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(path)
    }

    /// A file that the program wrote.
    ///
    /// # Errors
    /// When it is not there, or not text.
    pub fn read(&self, path: &str) -> Result<String> {
        let path = self.dir().join(path);
        fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// The one `report.json` that the program wrote, wherever below its directory.
    ///
    /// # Errors
    /// When there is none or more than one, or it is no JSON.
    pub fn report(&self) -> Result<Value> {
        let mut files = Vec::new();
        list(&self.dir(), &mut files)?;
        let reports: Vec<_> = files.iter().filter(|path| path.ends_with("report.json")).collect();
        let [report] = reports.as_slice() else {
            bail!("{} files report.json among {files:?}", reports.len());
        };
        let text = fs::read_to_string(report)?;
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", report.display()))
    }

    /// Runs the program to its end, with the environment of a server or an emulator.
    ///
    /// # Errors
    /// When it cannot be started, or is killed for taking too long; then with what it had printed.
    pub fn run(&self, env: &Env, args: &[&str]) -> Result<Run> {
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.root.path().join(name));
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("UPRIGHT_") {
                command.env_remove(name);
            }
        }
        env.apply(&mut command);
        let started = Instant::now();
        let mut child = command
            .args(args)
            .current_dir(self.dir())
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()
            .with_context(|| format!("{} could not be started", self.program.display()))?;
        let (status, peak_rss) = wait(&mut child, started + self.limit)?;
        let run = Run {
            stdout: String::from_utf8_lossy(&fs::read(&stdout)?).into_owned(),
            stderr: String::from_utf8_lossy(&fs::read(&stderr)?).into_owned(),
            code: status.and_then(|status| status.code()),
            wall: started.elapsed(),
            peak_rss,
        };
        match status {
            Some(_) => Ok(run),
            None => bail!("killed after {:?}: {run}", self.limit),
        }
    }
}

/// Waits for the end, or kills at the deadline.
fn wait(child: &mut Child, deadline: Instant) -> Result<(Option<ExitStatus>, Option<u64>)> {
    let mut peak = None;
    loop {
        peak = peak_rss(child.id()).or(peak);
        if let Some(status) = child.try_wait()? {
            return Ok((Some(status), peak));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok((None, peak));
        }
        std::thread::sleep(POLL);
    }
}

/// The high-water mark of [`/proc/PID/status`](https://man7.org/linux/man-pages/man5/proc_pid_status.5.html).
fn peak_rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

impl Run {
    /// stdout as JSON.
    ///
    /// # Errors
    /// When it is not.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("stdout is no JSON: {self}"))
    }
}

/// For the message of a failed assertion.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"));
        write!(
            f,
            "ended with {code} after {:.1?}\n--- stdout ---\n{}\n--- stderr ---\n{}",
            self.wall, self.stdout, self.stderr
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_what_the_program_did() {
        let world = World::new("/bin/sh").unwrap();
        world.write("in/name.txt", "world").unwrap();
        let script = "echo hello $(cat in/name.txt) $AWS_ENDPOINT_URL; echo oops >&2; mkdir out; \
                      echo '{\"a\":1}' > out/report.json; exit 3";
        let run = world.run(&Env::of_port(7), &["-c", script]).unwrap();
        assert_eq!(
            (run.stdout.as_str(), run.stderr.as_str()),
            ("hello world http://localhost:7\n", "oops\n")
        );
        assert_eq!(run.code, Some(3));
        assert_eq!(world.report().unwrap()["a"], 1);
    }

    #[test]
    fn a_run_that_hangs_is_killed_and_shows_what_it_printed() {
        let world = World::new("/bin/sh").unwrap().limit(Duration::from_millis(300));
        let error =
            world.run(&Env::of_port(7), &["-c", "echo begun; exec sleep 60"]).unwrap_err().to_string();
        assert!(error.starts_with("killed after 300ms") && error.contains("begun"), "{error}");
    }

    #[test]
    fn memory_is_seen() {
        let world = World::new("/bin/sh").unwrap();
        let run = world.run(&Env::of_port(7), &["-c", "sleep 0.1"]).unwrap();
        assert!(run.peak_rss.unwrap() > 100_000, "{run}");
    }
}
