//! `report.html`: the whole report as one page that needs nothing else.
//!
//! What sums up is plain HTML, made of the templates in `templates/report/`, one for each part. The findings
//! themselves are in a compressed block that the page's own script draws. The page loads nothing, and its
//! Content-Security-Policy allows its own style and its own script and no other. Text from AWS reaches the
//! HTML through `escape` only.

mod accounts;
mod calls;
mod changes;
mod charts;
mod controls;
mod data;
mod detections;
mod frameworks;
mod not_observed;
mod pages;
mod script;
mod start;
#[cfg(test)]
mod tests;
mod trend;
mod waivers;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tera::{Context, ErrorKind, Kwargs, State, Tera};

use super::figures::{Figures, worst_first};
use super::{Report, WriteError, text};
use crate::findings::Finding;

pub(crate) use frameworks::Score;
pub(super) use pages::write_pages;
use pages::{AccountPage, Role};

const STYLE: &str = concat!(
    include_str!("../../../templates/report/page.css"),
    include_str!("../../../templates/report/findings.css")
);

const TEMPLATES: [(&str, &str); 17] = [
    ("parts.html", include_str!("../../../templates/report/parts.html")),
    ("head.html", include_str!("../../../templates/report/head.html")),
    ("start.html", include_str!("../../../templates/report/start.html")),
    ("changes.html", include_str!("../../../templates/report/changes.html")),
    ("happened.html", include_str!("../../../templates/report/happened.html")),
    ("trend.html", include_str!("../../../templates/report/trend.html")),
    ("answer.html", include_str!("../../../templates/report/answer.html")),
    ("waivers.html", include_str!("../../../templates/report/waivers.html")),
    ("not_observed.html", include_str!("../../../templates/report/not_observed.html")),
    ("frameworks.html", include_str!("../../../templates/report/frameworks.html")),
    ("controls.html", include_str!("../../../templates/report/controls.html")),
    ("control.html", include_str!("../../../templates/report/control.html")),
    ("accounts.html", include_str!("../../../templates/report/accounts.html")),
    ("findings.html", include_str!("../../../templates/report/findings.html")),
    ("detections.html", include_str!("../../../templates/report/detections.html")),
    ("pages.html", include_str!("../../../templates/report/pages.html")),
    ("end.html", include_str!("../../../templates/report/end.html")),
];

/// Writes the report as one HTML page.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    write_page(report, Role::Whole, out)
}

/// Writes one page of a report.
fn write_page(report: &Report, role: Role<'_>, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    let mut page = Page { templates: templates()?, out: BufWriter::with_capacity(1 << 16, out) };
    let figures = Figures::of(report);
    let controls = worst_first(report, &figures);
    page.part("head.html", &start::Head::of(report, role))?;
    page.raw(STYLE)?;
    page.part("start.html", &start::Start::of(report, role))?;
    // It is short, and what changed may be long.
    if let Some(detections) = &report.detections {
        page.part("happened.html", &detections::Happened::of(detections))?;
    }
    if let Some(changes) = &report.changes {
        page.part("changes.html", &changes::ChangesPart::of(changes, report, role))?;
    }
    if let Some(trend) = trend::TrendPart::of(report) {
        page.part("trend.html", &trend)?;
    }
    page.part("answer.html", &start::Answer::of(report, &figures, &controls, role))?;
    if let Some(waivers) = &report.waivers {
        page.part("waivers.html", &waivers::WaiversPart::of(waivers, report, role))?;
    }
    page.part("not_observed.html", &not_observed::NotObserved::of(report, role))?;
    page.part("frameworks.html", &frameworks::Frameworks::of(report, role))?;
    page.part("controls.html", &controls::List::of(report, &figures, &controls))?;
    for control in controls {
        page.part("control.html", &controls::Control::of(control, report, &figures, role))?;
    }
    page.part("accounts.html", &accounts::Accounts::of(report, &figures, role))?;
    match role {
        Role::Index(account_pages) => {
            page.part("pages.html", &pages::Contents::of(report, account_pages))?;
        }
        Role::Whole | Role::Account => page.part("findings.html", &Findings::of(report)?)?,
    }
    page.part("detections.html", &detections::Section::of(report, role)?)?;
    page.part("end.html", &calls::End::of(report, role))?;
    if has_script(report, role) {
        page.raw("<script type=\"module\">")?;
        page.raw(script::bundle())?;
        page.raw("</script>\n")?;
    }
    page.raw("</body>\n</html>\n")?;
    Ok(page.out.flush()?)
}

/// What the template of the explorer is given.
#[derive(Serialize)]
struct Findings {
    finding_count: u64,
    data: String,
}

impl Findings {
    fn of(report: &Report) -> Result<Self, WriteError> {
        Ok(Self { finding_count: report.totals.total(), data: data::block(report)? })
    }
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

    /// Writes text of our own as it is: the style and the script, whose braces are nothing to a template.
    fn raw(&mut self, ours: &'static str) -> Result<(), WriteError> {
        Ok(self.out.write_all(ours.as_bytes())?)
    }
}

fn templates() -> tera::TeraResult<Tera> {
    let mut templates = empty_templates();
    templates.add_raw_templates(TEMPLATES)?;
    Ok(templates)
}

/// No templates yet, and what those of a page or a mail may use beside Tera's own.
///
/// Printing what is not defined is an error in Tera, asking for it is not: a misspelt `{% if %}` would be
/// false for ever. So templates ask with `is yes`, `is given` or a comparison, which are errors then.
pub(crate) fn empty_templates() -> Tera {
    let mut templates = Tera::new();
    templates.set_escape_fn(escape);
    templates.register_test("yes", |value: bool, _: Kwargs, _: &State<'_>| value);
    templates.register_test("given", |value: &str, _: Kwargs, _: &State<'_>| !value.is_empty());
    templates.register_filter("on_one_line", |text: &str, _: Kwargs, _: &State<'_>| {
        text::printable(text).into_owned()
    });
    templates.register_filter("grouped", |n: u64, _: Kwargs, _: &State<'_>| text::thousands(n));
    templates
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

/// Whether the page has lists, and the script that shows them.
fn has_script(report: &Report, role: Role<'_>) -> bool {
    let has_detections = || report.detections.as_ref().is_some_and(|of| !of.detections.is_empty());
    role.has_findings() || has_detections()
}

/// The policy that forbids the page everything but its own style and, where it has one, its own script.
fn content_security_policy(has_script: bool) -> String {
    let mut policy = format!("default-src 'none'; style-src 'sha256-{}'", hash(STYLE));
    if has_script {
        // Writing to a string cannot fail.
        let _ = write!(policy, "; script-src 'sha256-{}'", hash(script::bundle()));
    }
    policy.push_str("; base-uri 'none'; form-action 'none'");
    policy
}

/// Base64 is the AWS SDK's, so that no other crate is needed for two hashes.
fn hash(text: &str) -> String {
    aws_smithy_types::base64::encode(Sha256::digest(text))
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

/// A link; words only, where it has no address.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Link {
    href: String,
    words: String,
}

impl Link {
    fn to_control(id: &str) -> Self {
        Self { href: format!("#{}", anchor("control", id)), words: id.to_owned() }
    }

    fn to_account(id: &str) -> Self {
        Self { href: format!("#{}", anchor("account", id)), words: id.to_owned() }
    }

    /// Something that has no place in the page.
    fn nowhere(words: &str) -> Self {
        Self { href: String::new(), words: words.to_owned() }
    }

    fn to_requirement(framework: &str, id: &str) -> Self {
        Self { href: format!("#{}", requirement_anchor(framework, id)), words: format!("{framework} {id}") }
    }
}

fn requirement_anchor(framework: &str, id: &str) -> String {
    anchor("req", &format!("{framework}-{id}"))
}

/// What stands for itself in a query; a comma separates values.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b',');

impl Role<'_> {
    /// The address of the findings with these values of these keys, as far as one page shows them.
    fn filtered(self, keys: &[(&str, &str)]) -> String {
        let on = match self {
            Role::Whole | Role::Account => String::new(),
            Role::Index(_) => match keys.iter().find(|(key, _)| *key == "account") {
                Some((_, account)) => AccountPage::address(account),
                None => return "#findings".to_owned(),
            },
        };
        let query: Vec<String> =
            keys.iter().map(|(key, value)| format!("{key}={}", utf8_percent_encode(value, PLAIN))).collect();
        format!("{on}#findings?{}", query.join("&"))
    }

    /// The address of one finding.
    fn finding(self, finding: &Finding) -> String {
        let on = match self {
            Role::Whole | Role::Account => String::new(),
            Role::Index(_) => AccountPage::address(&finding.account),
        };
        format!("{on}#{}", anchor("finding", &finding.id))
    }
}
