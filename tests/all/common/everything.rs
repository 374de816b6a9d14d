//! The demo organization, read as widely as the program can: every field of every resource type, and every
//! call that chooses accounts. The built-in controls do not need all of them.

use std::fs;
use std::path::PathBuf;

use upright::accounts::CALLS;
use upright::aws::Call;
use upright::collect::KINDS;
use upright_testkit::Shared;

use super::{FAILED, FAILED_AND_INCOMPLETE, SCAN, UPRIGHT};

/// Every call of the call table.
pub fn table() -> Vec<&'static Call> {
    let lists = KINDS.iter().flat_map(|kind| kind.list.iter().copied());
    let facets = KINDS.iter().flat_map(|kind| kind.facets.iter().flat_map(|row| row.calls.iter().copied()));
    lists.chain(facets).chain(CALLS.iter().map(|row| row.call)).collect()
}

/// The arguments of a scan that makes every call of the table.
pub fn arguments() -> Vec<String> {
    let controls = controls().to_str().unwrap().to_owned();
    let more = ["--controls", &controls, "--exclude-units", "Suspended", "--exclude-tags", "scan=no"]
        .map(str::to_owned);
    SCAN.iter().map(|argument| (*argument).to_owned()).chain(more).collect()
}

/// The recording of that scan.
pub fn recorded() -> Shared {
    let arguments = arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Shared::scan(UPRIGHT, &arguments, &[FAILED, FAILED_AND_INCOMPLETE]).unwrap()
}

/// A directory with one control for each resource type, which reads all its fields.
fn controls() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("everything");
    fs::create_dir_all(&directory).unwrap();
    for kind in KINDS {
        let id = format!("everything-{}", kind.name.replace(['.', '_'], "-"));
        let fields = kind.facets.iter().map(|row| row.field).chain(["arn"]);
        let reads: Vec<String> =
            fields.map(|field| format!("resource.{field} == resource.{field}")).collect();
        let text = format!(
            "id: {id}\ntitle: All of it\nseverity: informational\nresource: {}\nrationale: It is all read.\n\
             pass: {}\nfail_message: None.\nremediation: {{ text: None. }}\n",
            kind.name,
            reads.join(" && ")
        );
        let path = directory.join(format!("{id}.yaml"));
        if fs::read_to_string(&path).is_ok_and(|found| found == text) {
            continue;
        }
        // Other test processes may read it meanwhile, so it comes whole or not at all.
        let unfinished = directory.join(format!("{id}.{}", std::process::id()));
        fs::write(&unfinished, text).unwrap();
        fs::rename(unfinished, path).unwrap();
    }
    directory
}
