//! `markdown`.

use std::io::Write;

use super::{Report, WriteError};

/// Writes the report.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    Ok(out.flush()?)
}
