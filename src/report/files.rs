//! Writing a report to files, one or more for each format.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{Format, Report, WriteError, asff, csv, html, json, jsonl, junit, markdown, ocsf, sarif};
use crate::parallel;

/// Why a report file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {source}", path.display())]
pub struct FileError {
    /// The file, or the directory that it belongs to.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub source: WriteError,
}

/// What a report is written as, and where.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// Directory; it is made where it is not there.
    pub folder: &'a Path,
    /// Formats; each once, whatever is repeated.
    pub formats: &'a [Format],
    /// Findings that one HTML page holds at most; a larger report becomes an index with a page per account.
    pub html_max_findings: u64,
}

/// Writes the report in every format, side by side, and names the files, in the order of [`Format::ALL`] with
/// the one to open first. A reader never sees half a file.
///
/// # Errors
/// When the report does not add up or a file cannot be written. The other formats are written all the same.
pub fn write_files(report: &Report, to: Destination<'_>) -> Result<Vec<PathBuf>, FileError> {
    let formats: BTreeSet<Format> = to.formats.iter().copied().collect();
    if formats.is_empty() {
        return Ok(Vec::new());
    }
    fs::create_dir_all(to.folder)
        .map_err(|source| FileError { path: to.folder.to_owned(), source: source.into() })?;
    let formats: Vec<Format> = formats.into_iter().collect();
    let written = parallel::map(&formats, formats.len(), |format| write_format(report, *format, to));
    let written: Result<Vec<Vec<PathBuf>>, FileError> = written.into_iter().collect();
    Ok(written?.into_iter().flatten().collect())
}

fn write_format(report: &Report, format: Format, to: Destination<'_>) -> Result<Vec<PathBuf>, FileError> {
    if format == Format::Html {
        return html::write_pages(report, to.folder, to.html_max_findings);
    }
    let path = to.folder.join(format.file_name());
    whole_file(&path, |out| write(report, format, out))?;
    Ok(vec![path])
}

/// Writes the report in one format as one stream; HTML as one page, however large.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, format: Format, out: &mut impl Write) -> Result<(), WriteError> {
    match format {
        Format::Json => json::write(report, out),
        Format::Jsonl => jsonl::write(report, out),
        Format::Csv => csv::write(report, out),
        Format::Html => html::write(report, out),
        Format::Markdown => markdown::write(report, out),
        Format::Junit => junit::write(report, out),
        Format::Sarif => sarif::write(report, out),
        Format::Ocsf => ocsf::write(report, out),
        Format::Asff => asff::write(report, out),
    }
}

/// Writes a file under another name and moves it into place when it is whole.
pub(super) fn whole_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), WriteError>,
) -> Result<(), FileError> {
    let written = || -> Result<(), WriteError> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let mut out = BufWriter::new(File::create(&unfinished)?);
        write(&mut out)?;
        drop(out.into_inner().map_err(io::IntoInnerError::into_error)?);
        Ok(fs::rename(&unfinished, path)?)
    };
    written().map_err(|source| FileError { path: path.to_owned(), source })
}
