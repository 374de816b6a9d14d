//! The emulator, recorded and replayed, as boto3 sees it: a client with signer, protocols and paginators
//! of its own. Needs `make venv`.

use anyhow::{Context, Result};
use upright_testkit::{Emulator, Env, Recording, Server, World, workspace};

/// Everything that `ask.py` is answered.
fn ask(env: &Env) -> Result<String> {
    let root = workspace()?;
    let world = World::new(root.join(".venv/bin/python"))?;
    let script = root.join("tests/support/tests/ask.py");
    let run = world.run(env, &[script.to_str().context("a path that is no text")?])?;
    anyhow::ensure!(run.code == Some(0), "ask.py: {run}");
    Ok(run.stdout)
}

#[test]
fn boto3_reads_the_same_from_the_emulator_its_recording_and_the_pages_of_it() -> Result<()> {
    let emulator = Emulator::start()?;
    let management = &emulator.seeded().account("management")?.id;
    let mut recorded = String::new();
    let recording = Recording::record(emulator.port(), management, |env| {
        recorded = ask(env)?;
        Ok(())
    })?;
    let direct = ask(&emulator.env())?;
    assert!(direct == recorded, "{}", difference(&direct, &recorded));
    drop(emulator);
    for alias in ["dev", "prod", "sandbox"] {
        assert!(recorded.contains(&format!("upright-demo-{alias}")), "nothing of {alias}");
    }

    let server = Server::replay(&recording).start()?;
    let replayed = ask(&server.env())?;
    assert!(replayed == recorded, "{}", difference(&replayed, &recorded));
    assert_eq!(server.unexpected(), Vec::<String>::new());

    let server = Server::replay(&recording).paged(3).start()?;
    let paged = ask(&server.env())?;
    assert!(paged == recorded, "{}", difference(&paged, &recorded));
    assert_eq!(server.unexpected(), Vec::<String>::new());
    let lists = server.pages_served();
    assert!(lists.len() > 100, "{} lists", lists.len());
    for list in lists {
        assert!(list.was_read_to_its_end(), "{list:?}");
    }
    Ok(())
}

/// The first line that is not the same, with those before it.
fn difference(one: &str, other: &str) -> String {
    let mut context = Vec::new();
    for (left, right) in one.lines().zip(other.lines()) {
        if left != right {
            let before: Vec<_> = context.iter().rev().take(8).rev().copied().collect();
            return format!("after\n{}\n{left}\nis not\n{right}", before.join("\n"));
        }
        context.push(left);
    }
    "one is longer".to_owned()
}
