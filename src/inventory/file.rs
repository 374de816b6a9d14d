//! An inventory as a file: zstd-compressed JSON lines, versioned.
//!
//! The first line is the header with the version, accounts and time; then one line for each listing,
//! coverage row and resource. Reading it back gives the same findings, offline.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Account, Coverage, Inventory, Listing, Resource};

/// Version of the file layout that this program writes, and the only one it reads.
const VERSION: u32 = 1;

/// A larger line is refused: it is not one of ours.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Why an inventory could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum InventoryFileError {
    /// The file system refused.
    #[error("inventory file `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is cut off or broken, so that it cannot be unpacked from this line on.
    #[error("inventory file `{path}`, line {line}: {source}; save it again")]
    Broken {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("inventory file `{path}`, line {line}: {source}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The file was written by another version, or is something else.
    #[error(
        "inventory file `{path}`, line 1: it has version {found}, this program reads {VERSION}; save it again with this program"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The file is shorter than its header says.
    #[error("inventory file `{path}` is incomplete: {found} of {expected} lines; save it again")]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// Lines that were there.
        found: usize,
        /// Lines that the header announces.
        expected: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    upright_inventory: u32,
    observed_at: Timestamp,
    lines: usize,
    accounts: Vec<Account>,
    absent_regions: BTreeMap<String, Vec<String>>,
}

/// What every version of the header has.
#[derive(Deserialize)]
struct Versioned {
    upright_inventory: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<L, C, R> {
    Listing(L),
    Coverage(C),
    Resource(R),
}

/// Writes `inventory` to `path`.
///
/// # Errors
/// When the file cannot be written.
pub fn save(inventory: &Inventory, path: &Path) -> Result<(), InventoryFileError> {
    File::create(path)
        .and_then(|file| write(inventory, BufWriter::new(file)))
        .map_err(|source| InventoryFileError::Io { path: path.to_owned(), source })
}

/// Writes `inventory` as it stands in a file.
///
/// # Errors
/// When `out` refuses.
pub fn write(inventory: &Inventory, out: impl Write) -> std::io::Result<()> {
    let mut out = zstd::Encoder::new(out, 3)?;
    put(
        &mut out,
        &Header {
            upright_inventory: VERSION,
            observed_at: inventory.observed_at,
            lines: inventory.listings.len() + inventory.coverage.len() + inventory.resources.len(),
            accounts: inventory.accounts.clone(),
            absent_regions: inventory.absent_regions.clone(),
        },
    )?;
    for listing in &inventory.listings {
        put(&mut out, &Line::<_, (), ()>::Listing(listing))?;
    }
    for coverage in &inventory.coverage {
        put(&mut out, &Line::<(), _, ()>::Coverage(coverage))?;
    }
    for resource in &inventory.resources {
        put(&mut out, &Line::<(), (), _>::Resource(resource.as_ref()))?;
    }
    out.finish()?.flush()
}

fn put(out: &mut impl Write, line: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// Reads an inventory back.
///
/// # Errors
/// When the file cannot be read, is not of this version, is cut off, or has a line that does not parse.
pub fn load(path: &Path) -> Result<Inventory, InventoryFileError> {
    let file = File::open(path).map_err(|source| InventoryFileError::Io { path: path.to_owned(), source })?;
    read(file, path)
}

/// Reads an inventory from what is in such a file; errors call it by `path`.
///
/// # Errors
/// As [`load`].
pub fn read(file: impl Read, path: &Path) -> Result<Inventory, InventoryFileError> {
    let io = |source| InventoryFileError::Io { path: path.to_owned(), source };
    let mut reader = BufReader::new(zstd::Decoder::new(file).map_err(io)?);
    let mut text = String::new();
    let mut number = 0;
    let mut next = |text: &mut String| -> Result<Option<usize>, InventoryFileError> {
        text.clear();
        number += 1;
        let broken = |source| InventoryFileError::Broken { path: path.to_owned(), line: number, source };
        let read = Read::take(&mut reader, MAX_LINE_BYTES).read_line(text).map_err(broken)?;
        Ok((read > 0).then_some(number))
    };
    let at = |line: usize| move |source| InventoryFileError::Line { path: path.to_owned(), line, source };
    next(&mut text)?;
    let Versioned { upright_inventory: found } = serde_json::from_str(&text).map_err(at(1))?;
    if found != VERSION {
        return Err(InventoryFileError::Version { path: path.to_owned(), found });
    }
    let header: Header = serde_json::from_str(&text).map_err(at(1))?;
    let (mut listings, mut coverage, mut resources) = (Vec::new(), Vec::new(), Vec::new());
    let mut found = 0;
    while let Some(line) = next(&mut text)? {
        found += 1;
        match serde_json::from_str(&text).map_err(at(line))? {
            Line::<Listing, Coverage, Resource>::Listing(l) => listings.push(l),
            Line::Coverage(c) => coverage.push(c),
            Line::Resource(r) => resources.push(r),
        }
    }
    if found != header.lines {
        return Err(InventoryFileError::Incomplete { path: path.to_owned(), found, expected: header.lines });
    }
    let mut inventory = Inventory::new(header.observed_at, header.accounts, resources, listings, coverage);
    inventory.absent_regions = header.absent_regions;
    Ok(inventory)
}
