//! [`Shared`]: one recording for all tests, in however many processes they run.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, ensure};

use crate::emulator::{Emulator, workspace};
use crate::recording::Recording;
use crate::seeded::Seeded;
use crate::world::World;

/// A recorded scan, with what was seeded before it.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The recording.
    pub recording: Recording,
    /// The ids and names behind it.
    pub seeded: Seeded,
}

/// Those that this process has loaded.
static LOADED: LazyLock<Mutex<HashMap<String, Shared>>> = LazyLock::new(|| Mutex::new(HashMap::new()));

impl Shared {
    /// The recording of `program ARGS…` against a fresh emulator.
    ///
    /// It is made once and kept in `target/testkit/` until the program is built anew or the seed
    /// changes. Whoever comes first makes it, in about half a minute; others wait for it.
    ///
    /// # Errors
    /// When the emulator does not start, the program fails or ends with a code that is not in `codes`.
    pub fn scan(program: impl AsRef<Path>, args: &[&str], codes: &[i32]) -> Result<Self> {
        let program = program.as_ref();
        let name = format!("{}-{}", hash(args), content(program)?);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = loaded.get(&name) {
            return Ok(shared.clone());
        }
        let directory = workspace()?.join("target/testkit");
        fs::create_dir_all(&directory)?;
        let files = Files::of(&directory, &name);
        let lock = File::create(directory.join("lock"))?;
        lock.lock().context("target/testkit cannot be locked")?;
        if !files.recording.is_file() {
            remove_older(&directory, &hash(args))?;
            Self::make(program, args, codes)?.save(&files)?;
        }
        drop(lock);
        let shared = Self::load(&files)?;
        loaded.insert(name, shared.clone());
        Ok(shared)
    }

    fn make(program: &Path, args: &[&str], codes: &[i32]) -> Result<Self> {
        let emulator = Emulator::start()?;
        let management = emulator.seeded().account("management")?.id.clone();
        let world = World::new(program)?;
        let recording = Recording::record(emulator.port(), &management, |env| {
            let run = world.run(env, args)?;
            ensure!(run.code.is_some_and(|code| codes.contains(&code)), "while it was recorded: {run}");
            Ok(())
        })?;
        Ok(Self { recording, seeded: emulator.seeded().clone() })
    }

    /// The recording comes last: where it is, all is there.
    fn save(&self, files: &Files) -> Result<()> {
        fs::write(&files.seeded, serde_json::to_string_pretty(&self.seeded)?)?;
        let unfinished = files.recording.with_extension("unfinished");
        self.recording.save(&unfinished)?;
        fs::rename(&unfinished, &files.recording)?;
        Ok(())
    }

    fn load(files: &Files) -> Result<Self> {
        let seeded = fs::read_to_string(&files.seeded)
            .with_context(|| format!("{} cannot be read", files.seeded.display()))?;
        Ok(Self { recording: Recording::load(&files.recording)?, seeded: serde_json::from_str(&seeded)? })
    }
}

struct Files {
    recording: PathBuf,
    seeded: PathBuf,
}

impl Files {
    fn of(directory: &Path, name: &str) -> Self {
        Self {
            recording: directory.join(format!("{name}.jsonl.gz")),
            seeded: directory.join(format!("{name}.seeded.json")),
        }
    }
}

/// What the recording depends on beside the arguments. The program is known by its size and the time
/// it was built: every test process asks, and reading 100 MB each time would cost more than it saves.
fn content(program: &Path) -> Result<String> {
    let metadata = fs::metadata(program).with_context(|| format!("{} cannot be read", program.display()))?;
    let built = metadata.modified()?.duration_since(UNIX_EPOCH)?;
    let support = workspace()?.join("tests/support");
    let seeders = [
        "seed.py",
        "seed_data.py",
        "seed_frontend.py",
        "seed_governance.py",
        "seed_monitoring.py",
        "moto_server.py",
        "moto_governance.py",
        "requirements.txt",
    ];
    let seeders =
        seeders.map(|name| fs::read(support.join(name))).into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(hash((program, metadata.len(), built, seeders)))
}

/// Recordings of the same arguments with an older program.
fn remove_older(directory: &Path, prefix: &str) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn hash(of: impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
