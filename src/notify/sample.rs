//! What `upright notify test` sends: made up, and it says so.

use super::digest::{Cell, Digest, Fact, Numbers, Row, Section, Wording, shown};

/// What stands above everything else in a sample.
pub(super) const NOTICE: &str = "This is a sample that `upright notify test` sent. Everything in it is made up: no account was looked at.";

/// A digest with one row of everything that is most often read.
pub(super) fn digest(wording: Wording<'_>) -> Digest {
    let name = wording.name.map_or_else(|| "Example".to_owned(), |name| shown(name, 60));
    let headline = "1 new failure (1 critical), 1 not observed".to_owned();
    Digest {
        subject: shown(&format!("[Upright] [sample] {headline}: {name}"), 200),
        headline,
        notice: String::new(),
        link: wording.report_url.unwrap_or_default().to_owned(),
        facts: vec![
            Fact { name: "Scope", value: name },
            Fact { name: "Run", value: format!("none, Upright {}", env!("CARGO_PKG_VERSION")) },
        ],
        sections: vec![
            Section {
                id: "new",
                title: "New failures",
                note: String::new(),
                columns: &["Severity", "Control", "Resource"],
                rows: vec![Row {
                    severity: "critical",
                    cells: vec![
                        cell("S3 buckets are not open to everyone", "s3-bucket-not-public"),
                        cell("sample-bucket", "sample-account (000000000000), eu-west-1"),
                    ],
                }],
                more: 0,
            },
            Section {
                id: "not_observed",
                title: "Not observed",
                note: String::new(),
                columns: &["Call", "Where", "What to do"],
                rows: vec![Row {
                    severity: "",
                    cells: vec![
                        cell("iam:ListUsers", "denied by identity-based policy (AccessDenied)"),
                        cell("000000000000 global", "1 finding undecided"),
                        cell("nothing: this is a sample", ""),
                    ],
                }],
                more: 0,
            },
        ],
        numbers: Numbers {
            failing: 1,
            critical: 1,
            waived: 0,
            not_observed: 1,
            detections: 0,
            changes: None,
        },
    }
}

fn cell(text: &str, note: &str) -> Cell {
    Cell { text: text.to_owned(), note: note.to_owned() }
}
