//! The templates of infra/: their rules, the stacks that an emulated AWS makes of them, and a run of the state machine.
//!
//! What is asked is in tests/infra/, in Python, where CloudFormation's YAML and its checks have libraries.

use std::process::Command;

use upright_testkit::workspace;

/// Runs the tests of a file of tests/infra.
fn python(module: &str) {
    let root = workspace().unwrap();
    let program = root.join(".venv/bin/python");
    assert!(program.is_file(), "{} is missing; run `make venv`", program.display());
    let output = Command::new(program)
        .args(["-W", "ignore::ResourceWarning", "-m", "unittest", "-v", module])
        .current_dir(root.join("tests/infra"))
        .env("PYTHONPATH", root.join("tests/support"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("UPRIGHT", env!("CARGO_BIN_EXE_upright"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", String::from_utf8_lossy(&output.stdout));
    assert!(said.contains("\nRan ") && !said.contains("Ran 0 tests"), "{said}");
}

#[test]
fn the_templates_keep_the_rules_and_cfn_lint_says_nothing() {
    python("test_templates");
}

#[test]
fn what_writes_into_the_templates_divides_refuses_and_compares() {
    python("test_blocks");
}

#[test]
fn the_stacks_are_what_the_templates_promise_and_allow_what_a_scan_needs() {
    python("test_deploy");
}

#[test]
fn the_emulator_says_where_it_is_and_goes_when_it_is_let_go() {
    python("test_ministack");
}

#[test]
fn a_change_goes_by_rule_and_queue_to_the_function() {
    python("test_events");
}

#[test]
fn the_state_machine_retries_tolerates_finishes_and_tells() {
    python("test_fanout");
}
