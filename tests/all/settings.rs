//! What `upright.yaml` and the flags make of each other.

use std::process::{Command, Output};

fn upright(directory: &std::path::Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_upright")).current_dir(directory).args(args).output().unwrap()
}

/// The error without the spaces and frames that lines are broken with.
fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).replace(|c: char| c.is_whitespace() || c == '│', "")
}

#[test]
fn the_file_may_set_parameters_of_controls_that_a_run_leaves_out() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("upright.yaml");
    let explain = ["scan", "--explain", "--enable", "s3-bucket-mfa-delete"];

    std::fs::write(&file, "parameters: { iam-user-access-key-age: { max_age_days: 60 } }\n").unwrap();
    let output = upright(directory.path(), &explain);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));

    std::fs::write(&file, "parameters: { iam-user-access-key-old: { max_age_days: 60 } }\n").unwrap();
    let output = upright(directory.path(), &explain);
    assert_eq!(output.status.code(), Some(2));
    let message = message(&output);
    assert!(message.contains("didyoumean`iam-user-access-key-age`?"), "{message}");
}

#[test]
fn an_unknown_framework_is_answered_with_those_that_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let output = upright(directory.path(), &["controls", "list", "--framework", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    let message = message(&output);
    assert!(message.contains("therearecis-aws-1.5,cis-aws-2.0"), "{message}");
}
