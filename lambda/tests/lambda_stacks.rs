//! The function in the stacks of infra/: the state machine calls it.
//!
//! What is asked is in tests/infra/test_whole.py, in Python, where CloudFormation's YAML has a library.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::process::Command;

use upright_testkit::workspace;

#[test]
fn the_state_machine_of_the_template_runs_the_function() {
    let root = workspace().unwrap();
    let program = root.join(".venv/bin/python");
    assert!(program.is_file(), "{} is missing; run `make venv`", program.display());
    let output = Command::new(program)
        .args(["-W", "ignore::ResourceWarning", "-m", "unittest", "-v", "test_whole"])
        .current_dir(root.join("tests/infra"))
        .env("PYTHONPATH", root.join("tests/support"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("BOOTSTRAP", env!("CARGO_BIN_EXE_bootstrap"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("\nRan 1 test"), "{said}");
}
