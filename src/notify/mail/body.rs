//! The two bodies of a mail, HTML and text, with the same content.

use serde::Serialize;
use tera::Context;

use super::super::digest::Digest;
use crate::report::html;

const TEMPLATE: &str = include_str!("../../../templates/mail.html");

/// Bytes of a body at most. Gmail [cuts off](https://developers.google.com/workspace/gmail/design/css) what goes
/// beyond some 102 KB.
const MAX_BYTES: usize = 90_000;

/// Rows of a section, tried one after the other until the bodies are small enough.
const ROWS: [usize; 6] = [20, 10, 5, 2, 1, 0];

/// The bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) html: String,
    pub(super) text: String,
}

/// What the template is given.
#[derive(Serialize)]
struct Page<'a> {
    #[serde(flatten)]
    digest: &'a Digest,
    sample: &'a str,
    report: &'a [String],
}

impl Body {
    /// The bodies of a mail, with as many rows as there is room for. `report` says where the full report is.
    ///
    /// # Errors
    /// When the template does not fit, which is a fault of this program.
    pub(super) fn of(digest: &Digest, sample: &str, report: &[String]) -> Result<Self, tera::Error> {
        let mut templates = html::empty_templates();
        templates.add_raw_template("mail.html", TEMPLATE)?;
        let mut body = None;
        for rows in ROWS {
            let digest = digest.clone().with_rows(rows);
            let context = Context::from_serialize(&Page { digest: &digest, sample, report })?;
            let html = templates.render("mail.html", &context)?;
            let text = text(&digest, sample, report);
            let fits = html.len().max(text.len()) <= MAX_BYTES;
            body = Some(Self { html, text });
            if fits {
                break;
            }
        }
        // INVARIANT: there is a number of rows to try.
        Ok(body.unwrap_or(Self { html: String::new(), text: String::new() }))
    }
}

/// The text body: what the page says, line by line.
pub(in crate::notify) fn text(digest: &Digest, sample: &str, report: &[String]) -> String {
    let mut lines = vec![digest.headline.clone(), String::new()];
    let mut paragraph = |text: &str| {
        if !text.is_empty() {
            lines.extend([text.to_owned(), String::new()]);
        }
    };
    paragraph(sample);
    paragraph(&digest.notice);
    let facts: Vec<String> =
        digest.facts.iter().map(|fact| format!("{}: {}", fact.name, fact.value)).collect();
    paragraph(&facts.join("\n"));
    for said in report {
        paragraph(said);
    }
    paragraph(&digest.link);
    for section in &digest.sections {
        lines.push(section.title.to_uppercase());
        if !section.note.is_empty() {
            lines.push(section.note.clone());
        }
        for row in &section.rows {
            let mut cells = row.cells.iter().map(|cell| match cell.note.as_str() {
                "" => cell.text.clone(),
                note => format!("{} [{note}]", cell.text),
            });
            let severity =
                if row.severity.is_empty() { String::new() } else { format!("{}: ", row.severity) };
            lines.push(format!("- {severity}{}", cells.next().unwrap_or_default()));
            lines.extend(cells.map(|cell| format!("    {cell}")));
        }
        if section.more > 0 {
            lines.push(format!("and {} more", section.more));
        }
        lines.push(String::new());
    }
    lines.push("Sent by Upright, a read-only posture scanner for AWS.\n".to_owned());
    lines.join("\n")
}
