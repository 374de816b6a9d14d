//! `report.html`: the whole report as one page that needs nothing else.
//!
//! The page has no script, loads nothing, and its Content-Security-Policy allows only its own style. It is
//! made of the templates in `templates/report/`, one for each part, so that no more than one control's
//! findings are held twice in memory. Text from AWS reaches the page through `escape` only.

mod accounts;
mod calls;
mod controls;
mod data;
mod frameworks;
mod script;
mod start;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};
use tera::{Context, ErrorKind, Kwargs, State, Tera};

use super::figures::{Figures, worst_first};
use super::{Report, WriteError, text};

const STYLE: &str = concat!(
    include_str!("../../../templates/report/page.css"),
    include_str!("../../../templates/report/findings.css")
);

const TEMPLATES: [(&str, &str); 8] = [
    // Not `.html`, so that the style is not escaped: it holds no data.
    ("page.css", STYLE),
    ("parts.html", include_str!("../../../templates/report/parts.html")),
    ("start.html", include_str!("../../../templates/report/start.html")),
    ("control.html", include_str!("../../../templates/report/control.html")),
    ("accounts.html", include_str!("../../../templates/report/accounts.html")),
    ("account.html", include_str!("../../../templates/report/account.html")),
    ("findings.html", include_str!("../../../templates/report/findings.html")),
    ("end.html", include_str!("../../../templates/report/end.html")),
];

/// Writes the report as one HTML page.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    let mut page = Page { templates: templates()?, out: BufWriter::with_capacity(1 << 16, out) };
    let figures = Figures::of(report);
    let controls = worst_first(report);
    page.part("start.html", &start::Start::of(report, &figures, &controls))?;
    for control in controls {
        page.part("control.html", &controls::Control::of(control, report, &figures))?;
    }
    let accounts = accounts::Accounts::of(report, &figures);
    page.part("accounts.html", &accounts)?;
    for account in accounts.sections() {
        page.part("account.html", &account)?;
    }
    page.out.write_all(b"</section>\n")?;
    page.part(
        "findings.html",
        &Findings { finding_count: report.totals.total(), data: data::block(report)? },
    )?;
    page.part("end.html", &calls::End::of(report))?;
    Ok(page.out.flush()?)
}

/// The part of the page that the script draws.
#[derive(Serialize)]
struct Findings {
    finding_count: u64,
    data: String,
}

/// The page as it is being written.
struct Page<W: Write> {
    templates: Tera,
    out: BufWriter<W>,
}

impl<W: Write> Page<W> {
    fn part(&mut self, template: &str, part: &impl Serialize) -> Result<(), WriteError> {
        let context = Context::from_serialize(part)?;
        self.templates.render_to(template, &context, &mut self.out).map_err(|error| match error.kind() {
            ErrorKind::Io(kind) => WriteError::Io(io::Error::from(*kind)),
            _ => WriteError::Template(error),
        })
    }
}

/// The templates, with what they may use beside Tera's own.
///
/// Printing what is not defined is an error in Tera, asking for it is not: a misspelt `{% if %}` would be
/// false for ever. So templates ask with `is yes`, `is given` or a comparison, which are errors then.
fn templates() -> tera::TeraResult<Tera> {
    let mut templates = Tera::new();
    templates.set_escape_fn(escape);
    templates.register_test("yes", |value: bool, _: Kwargs, _: &State<'_>| value);
    templates.register_test("given", |value: &str, _: Kwargs, _: &State<'_>| !value.is_empty());
    templates.register_filter("grouped", |n: u64, _: Kwargs, _: &State<'_>| text::thousands(n));
    // Not `.html`, so that it is not escaped: it holds no data.
    templates.add_raw_templates(TEMPLATES.into_iter().chain([("script.mjs", script::bundle())]))?;
    Ok(templates)
}

/// Writes text into the page, between tags or in a quoted attribute: markup loses its meaning, and what
/// would steer the reading direction or hide is written out. Line breaks stay.
fn escape(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| replacement(*c).is_some()) {
        let (before, from) = rest.split_at(at);
        out.write_all(before.as_bytes())?;
        out.write_all(replacement(c).unwrap_or_default().as_bytes())?;
        rest = from.get(c.len_utf8()..).unwrap_or_default();
    }
    out.write_all(rest.as_bytes())
}

fn replacement(c: char) -> Option<Cow<'static, str>> {
    Some(match c {
        '&' => "&amp;".into(),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '"' => "&quot;".into(),
        '\'' => "&#39;".into(),
        '\n' | '\t' => return None,
        hidden if text::is_hidden(hidden) => hidden.escape_default().to_string().into(),
        _ => return None,
    })
}

/// A part of a sentence, or a command, setting or name in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Piece {
    text: String,
    is_code: bool,
}

/// Takes a sentence apart at its backticks.
fn pieces(sentence: &str) -> Vec<Piece> {
    sentence
        .split('`')
        .enumerate()
        .map(|(index, text)| Piece { text: text.to_owned(), is_code: index % 2 == 1 })
        .filter(|piece| !piece.text.is_empty())
        .collect()
}

/// The policy that forbids the page everything but its own style.
///
/// Base64 is the AWS SDK's, so that no other crate is needed for the one hash.
fn content_security_policy() -> String {
    let hash = |text: &str| aws_smithy_types::base64::encode(Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(script::bundle())
    )
}

/// The name of a place in the page. Ids differ exactly when their anchors do.
fn anchor(kind: &str, id: &str) -> String {
    let mut anchor = format!("{kind}-");
    for c in id.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') {
            anchor.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(anchor, "_{:x}_", u32::from(c));
        }
    }
    anchor
}

/// A link within the page; words only, where the anchor is empty.
#[derive(Debug, Clone, Serialize)]
struct Link {
    anchor: String,
    words: String,
}

impl Link {
    fn to_control(id: &str) -> Self {
        Self { anchor: anchor("control", id), words: id.to_owned() }
    }

    fn to_account(id: &str) -> Self {
        Self { anchor: anchor("account", id), words: id.to_owned() }
    }

    /// Something that has no place in the page.
    fn nowhere(words: &str) -> Self {
        Self { anchor: String::new(), words: words.to_owned() }
    }

    fn to_requirement(framework: &str, id: &str) -> Self {
        Self { anchor: requirement_anchor(framework, id), words: format!("{framework} {id}") }
    }
}

fn requirement_anchor(framework: &str, id: &str) -> String {
    anchor("req", &format!("{framework}-{id}"))
}
