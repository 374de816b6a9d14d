//! Embeds the control and framework files of `controls/` in the binary, and the event rules of `controls/events/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    embed(&root, "controls", "yaml", &out.join("builtin_controls.rs"))?;
    // Named as rules for other Sigma readers are, which tells them from controls.
    embed(&root, "controls/events", "yml", &out.join("builtin_event_rules.rs"))?;
    println!("cargo::rerun-if-changed=controls");
    Ok(())
}

/// Writes the list of the files with that extension: their paths in the repository, and their texts.
fn embed(root: &Path, folder: &str, extension: &str, list: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    find(&root.join(folder), extension, &mut files)?;
    files.sort();
    let mut code = String::from("[\n");
    for file in &files {
        let name = file.strip_prefix(root).map_err(io::Error::other)?;
        code.push_str(&format!("    ({:?}, include_str!({:?})),\n", name.display(), file.display()));
    }
    code.push_str("]\n");
    fs::write(list, code)
}

fn find(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, extension, files)?;
        } else if path.extension().is_some_and(|e| e == extension) {
            files.push(path);
        }
    }
    Ok(())
}
