//! The full report as it travels with a mail: attached, zipped, or left out with a word.

use std::io::{Cursor, Write};
use std::sync::Arc;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::config::Mail;
use crate::report::{Report, html};

/// The report as a mail has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attachment {
    /// Name and bytes of the file, where there is one.
    pub(super) file: Option<(&'static str, Arc<Vec<u8>>)>,
    /// What the mail says about it.
    pub(super) said: String,
}

impl Attachment {
    /// The report as one page, within the limits of the configuration. A report with more findings than one page
    /// holds is left out.
    pub(super) fn of(report: &Report, mail: &Mail, max_findings: u64) -> Self {
        if report.totals.total() > max_findings {
            return Self::left_out("it has more findings than one page holds");
        }
        let mut page = Vec::new();
        if let Err(error) = html::write(report, &mut page) {
            return Self::left_out(&error.to_string());
        }
        let kb = |kb: u32| usize::try_from(kb).unwrap_or(usize::MAX).saturating_mul(1024);
        let file = if page.len() <= kb(mail.zip_above_kb) {
            ("report.html", page)
        } else {
            match zipped(&page) {
                Ok(zipped) => ("report.html.zip", zipped),
                Err(error) => return Self::left_out(&error.to_string()),
            }
        };
        if file.1.len() > kb(mail.leave_out_above_kb) {
            return Self::left_out(&format!("it has more than {} KiB", mail.leave_out_above_kb));
        }
        let (name, bytes) = file;
        Self { said: format!("The full report is attached as {name}."), file: Some((name, Arc::new(bytes))) }
    }

    /// No file, and why.
    fn left_out(why: &str) -> Self {
        Self {
            file: None,
            said: format!("The full report is not attached: {why}. The scan keeps it where it ran."),
        }
    }

    /// No file, and nothing said.
    pub(super) const fn none() -> Self {
        Self { file: None, said: String::new() }
    }
}

fn zipped(page: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file("report.html", options)?;
    zip.write_all(page)?;
    Ok(zip.finish()?.into_inner())
}
