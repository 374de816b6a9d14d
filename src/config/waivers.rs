//! `waivers.yaml`: the list of waivers, read and checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::ToSpan;
use jiff::civil::Date;
use miette::Diagnostic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::{Location, Spanned};

use super::{AccountId, Invalid};
use crate::findings::Waiver;
use crate::findings::waiver::{DIGEST_DIGITS, Glob, MIN_FINDING_DIGITS, Selector, TooBroad};
use crate::yaml;

/// Name of the file that is read from the current directory when no other is given.
pub const WAIVERS_FILE_NAME: &str = "waivers.yaml";

/// A larger file is refused: nobody has weighed that many waivers.
const MAX_BYTES: usize = 4 << 20;

/// Longest reason, in characters, and longest author and ticket.
const MAX_REASON: usize = 2_000;
const MAX_NAME: usize = 200;

/// Why a file of waivers is refused.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum WaiversError {
    /// The file system refused.
    #[error("waivers file `{}` cannot be read: {source}", path.display())]
    #[diagnostic(help("give its path with `--waivers` or the key `waivers`"))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is too large to be a list of waivers.
    #[error("waivers file `{}` has {bytes} bytes, more than the {MAX_BYTES} that a list of waivers may have", path.display())]
    #[diagnostic(help("remove what has expired; waive what is alike with one glob"))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
    },
    /// The file is not UTF-8.
    #[error("waivers file `{}` is not UTF-8 text", path.display())]
    #[diagnostic(help("save it as UTF-8"))]
    NoText {
        /// The file.
        path: PathBuf,
    },
    /// Something in the file cannot be meant.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Invalid(Box<Invalid>),
}

/// One entry of the file, as it is written. A finding must match every key of `control`, `account`, `unit`,
/// `region`, `resource`, `tags` and `finding` that is given; one of `control`, `resource` and `finding` must be.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaiverEntry {
    /// Id of the control.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub control: Option<Spanned<String>>,
    /// Account, twelve digits.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// Organizational unit by id (`ou-…`) or name, or a root by id (`r-…`). Accounts below it match, in nested units
    /// too.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub unit: Option<Spanned<String>>,
    /// Region, such as `eu-west-1`, or `global`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub region: Option<Spanned<String>>,
    /// Glob on the whole ARN of the resource: `*` is any number of characters, `?` is one.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub resource: Option<Spanned<String>>,
    /// Tags that the resource has: key, then the values of which it has one; `[]` stands for any value. Where its
    /// tags were not observed the waiver does not apply.
    #[serde(default)]
    pub tags: BTreeMap<String, Vec<String>>,
    /// Id of the finding, or at least its first 12 digits.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub finding: Option<Spanned<String>>,
    /// Why the failure is accepted.
    #[schemars(with = "String")]
    pub reason: Spanned<String>,
    /// Who accepts it.
    #[schemars(with = "String")]
    pub author: Spanned<String>,
    /// Where more is written about it.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ticket: Option<Spanned<String>>,
    /// Day on which this was written, such as `2026-11-24`.
    #[schemars(with = "String", extend("format" = "date"))]
    pub date: Spanned<String>,
    /// Last day on which it holds, at most `waiver_max_days` after `date`.
    #[schemars(with = "String", extend("format" = "date"))]
    pub expires: Spanned<String>,
    /// What ends it earlier.
    #[serde(default)]
    #[schemars(with = "Option<Until>")]
    pub until: Option<Spanned<Until>>,
    /// Beginning of the digest of what the control read, with `until: evidence-changes`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub evidence: Option<Spanned<String>>,
}

/// What ends a waiver before it expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// What the control reads is no longer what it was.
    EvidenceChanges,
}

/// What is wrong with an entry, and where.
struct Wrong {
    at: Location,
    message: String,
    help: Option<String>,
}

impl Wrong {
    fn at<T>(value: &Spanned<T>, message: impl Into<String>) -> Self {
        Self { at: value.referenced, message: message.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Reads a file of waivers.
///
/// # Errors
/// When the file cannot be read, is no text, or says something that cannot be meant.
pub fn load_waivers(path: &Path, max_days: u32) -> Result<Vec<Waiver>, WaiversError> {
    let bytes =
        std::fs::read(path).map_err(|source| WaiversError::Unreadable { path: path.to_owned(), source })?;
    if bytes.len() > MAX_BYTES {
        return Err(WaiversError::TooLarge { path: path.to_owned(), bytes: bytes.len() });
    }
    let text = String::from_utf8(bytes).map_err(|_| WaiversError::NoText { path: path.to_owned() })?;
    parse_waivers(path, &text, max_days)
}

/// Reads the text of a file of waivers; `path` is what errors call it. `max_days` is how long one may hold.
///
/// # Errors
/// When the text says something that cannot be meant.
pub fn parse_waivers(path: &Path, text: &str, max_days: u32) -> Result<Vec<Waiver>, WaiversError> {
    // A byte order mark would shift the places of errors.
    let text = text.trim_start_matches('\u{feff}');
    let invalid = |invalid: Invalid| WaiversError::Invalid(Box::new(invalid));
    let entries: Vec<Spanned<WaiverEntry>> = yaml::read::<Option<_>>(text)
        .map_err(|error| invalid(Invalid::new(path, text, &error)))?
        .unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| {
            waiver(entry, max_days).map_err(|wrong| {
                invalid(Invalid::at(path, text, Some(wrong.at), &wrong.message, wrong.help.as_deref()))
            })
        })
        .collect()
}

/// JSON Schema of the file, for editors and for `upright config schema --waivers`.
#[must_use]
pub fn waivers_schema() -> serde_json::Value {
    schemars::schema_for!(Vec<WaiverEntry>).to_value()
}

fn waiver(entry: Spanned<WaiverEntry>, max_days: u32) -> Result<Waiver, Wrong> {
    let line = entry.referenced.line();
    let selector = selector(&entry)?;
    let entry = entry.value;
    let reason = said("reason", &entry.reason, MAX_REASON)?;
    let author = said("author", &entry.author, MAX_NAME)?;
    let ticket = entry.ticket.as_ref().map(|ticket| said("ticket", ticket, MAX_NAME)).transpose()?;
    let (date, expires) = days(&entry, max_days)?;
    Ok(Waiver { line, selector, reason, author, ticket, date, expires, evidence: evidence(&entry)? })
}

fn selector(entry: &Spanned<WaiverEntry>) -> Result<Selector, Wrong> {
    let WaiverEntry { control, account, unit, region, resource, tags, finding, .. } = &entry.value;
    let named = |what: &str, value: &Option<Spanned<String>>| match value {
        Some(value) if value.value.is_empty() => Err(Wrong::at(value, format!("`{what}` is empty"))
            .help("leave the key out where it is to match everything")),
        value => Ok(value.as_ref().map(|value| value.value.clone())),
    };
    if let Some(region) = region.as_ref().filter(|region| !is_region(&region.value)) {
        let message =
            format!("`{}` is not the name of a region, such as `eu-west-1`, or `global`", region.value);
        return Err(Wrong::at(region, message));
    }
    let glob = match resource {
        None => None,
        Some(text) => Some(Glob::new(&text.value).map_err(|why| broad(text, &why))?),
    };
    if let Some(id) = finding.as_ref().filter(|id| !is_hex(&id.value, MIN_FINDING_DIGITS, 32)) {
        let message = format!("`{}` is not the beginning of a finding's id", id.value);
        return Err(Wrong::at(id, message)
            .help(format!("an id has 32 digits from 0 to f; give at least {MIN_FINDING_DIGITS} of them")));
    }
    let selector = Selector {
        control: named("control", control)?,
        account: account.as_ref().map(ToString::to_string),
        unit: named("unit", unit)?,
        region: named("region", region)?,
        resource: glob,
        tags: tags.clone(),
        finding: finding.as_ref().map(|id| id.value.clone()),
    };
    match (selector.check(), resource) {
        (Ok(()), _) => Ok(selector),
        (Err(why), Some(text)) => Err(broad(text, &why)),
        (Err(why), None) => Err(broad(entry, &why)),
    }
}

fn broad<T>(at: &Spanned<T>, why: &TooBroad) -> Wrong {
    let help = match why {
        TooBroad::EveryControl => {
            "`exclude` in upright.yaml leaves accounts out of the scan, and `disable` leaves controls out"
        }
        TooBroad::EveryResource(_) => {
            "name the `control`, or more of the resource, such as `arn:aws:s3:::acme-*`"
        }
        TooBroad::NoArn(_) => "begin it with `*` where the beginning does not matter",
        TooBroad::TooLong => "name less of the resource",
    };
    Wrong::at(at, why.to_string()).help(help)
}

fn is_region(text: &str) -> bool {
    text == crate::inventory::GLOBAL || text.parse::<super::RegionName>().is_ok()
}

fn is_hex(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A text that is not empty and not endless.
fn said(what: &str, text: &Spanned<String>, most: usize) -> Result<String, Wrong> {
    let said = text.value.trim();
    if said.is_empty() {
        return Err(Wrong::at(text, format!("`{what}` is empty")));
    }
    if said.chars().nth(most).is_some() {
        return Err(Wrong::at(text, format!("`{what}` has more than {most} characters")));
    }
    Ok(said.to_owned())
}

fn days(entry: &WaiverEntry, max_days: u32) -> Result<(Date, Date), Wrong> {
    let day = |text: &Spanned<String>| {
        text.value
            .parse::<Date>()
            .map_err(|_| Wrong::at(text, format!("`{}` is not a day, such as `2026-11-24`", text.value)))
    };
    let (date, expires) = (day(&entry.date)?, day(&entry.expires)?);
    if expires < date {
        let message = format!("the waiver expires on {expires}, before its date {date}");
        return Err(Wrong::at(&entry.expires, message));
    }
    if date.checked_add(i64::from(max_days).days()).is_ok_and(|last| expires > last) {
        let message = format!("the waiver holds from {date} to {expires}, longer than {max_days} days");
        return Err(Wrong::at(&entry.expires, message).help(
            "renew it when it expires, with a new `date`; `waiver_max_days` in upright.yaml is the limit",
        ));
    }
    Ok((date, expires))
}

fn evidence(entry: &WaiverEntry) -> Result<Option<String>, Wrong> {
    match (&entry.until, &entry.evidence) {
        (None, None) => Ok(None),
        (Some(until), None) => {
            Err(Wrong::at(until, "without `evidence` it cannot be told whether that changes")
                .help("`upright waive ID --until-evidence-changes` writes both"))
        }
        (None, Some(digest)) => {
            Err(Wrong::at(digest, "`evidence` is given without `until: evidence-changes`"))
        }
        (Some(_), Some(digest)) if !is_hex(&digest.value, DIGEST_DIGITS, 64) => {
            let message = format!("`{}` is not the beginning of a digest", digest.value);
            Err(Wrong::at(digest, message)
                .help(format!("it has {DIGEST_DIGITS} to 64 digits from 0 to f; `upright waive` writes it")))
        }
        (Some(until), Some(_)) if entry.finding.is_none() => {
            Err(Wrong::at(until, "evidence is that of one finding, and this waiver names no `finding`")
                .help("`upright waive ID --until-evidence-changes` writes both"))
        }
        (Some(_), Some(digest)) => Ok(Some(digest.value.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Waiver> {
        parse_waivers(Path::new(WAIVERS_FILE_NAME), text, 366)
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refused(text: &str) -> String {
        match parse_waivers(Path::new(WAIVERS_FILE_NAME), text, 366) {
            Err(WaiversError::Invalid(invalid)) => {
                format!("{invalid}; {}", invalid.advice().unwrap_or("no advice"))
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    const END: &str = "  reason: r\n  author: Ann\n  date: 2026-01-01\n  expires: 2026-06-30\n";

    #[test]
    fn every_key_is_read_with_its_line() {
        let text = "# accepted\n\n- control: s3-bucket-not-public\n  account: '000000000012'\n  unit: Sandbox\n  \
                    region: eu-west-1\n  resource: arn:aws:s3:::acme-*\n  tags: { env: [dev, test], any: [] }\n  \
                    finding: 0123456789abcdef\n  reason: |\n    two\n    lines\n  author: Ann\n  ticket: SEC-1\n  \
                    date: 2026-01-01\n  expires: 2026-06-30\n  until: evidence-changes\n  \
                    evidence: 0123456789abcdef\n- control: iam-root-mfa\n"
            .to_owned()
            + END;
        let [first, second] = read(&text).try_into().expect("two");
        assert_eq!((first.line, second.line), (3, 19));
        assert_eq!(first.selector.account.as_deref(), Some("000000000012"));
        assert_eq!(first.selector.tags["env"], ["dev", "test"]);
        assert_eq!(first.reason, "two\nlines");
        assert_eq!(first.evidence.as_deref(), Some("0123456789abcdef"));
        assert_eq!((second.ticket, second.evidence), (None, None));
    }

    #[test]
    fn a_file_without_entries_waives_nothing() {
        for text in ["", "# nothing yet\n", "[]\n", "---\n", "\u{feff}"] {
            assert_eq!(read(text), [], "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_where_it_stands() {
        let with = |lines: &str| format!("- {lines}\n{END}");
        for (text, expected) in [
            (with("contol: x"), "1:3: there is no key `contol` here; did you mean `control`?"),
            (with("account: 1234"), "1:12: `1234` is not an account id"),
            (with("account: '111122223333'"), "1:3: this would waive every control"),
            (
                with("unit: Sandbox\n  region: eu-west-1\n  tags: { a: [] }"),
                "1:3: this would waive every control",
            ),
            (with("resource: '*'"), "1:13: without a `control`, `*` would waive every control"),
            (with("resource: arn:aws:s3:*"), "1:13: without a `control`"),
            (with("resource: '*:s3:*'"), "1:13: without a `control`"),
            (with("resource: arn:aws:*:*:111122223333:*"), "1:13: without a `control`"),
            (with("resource: acme-logs"), "1:13: `acme-logs` matches no ARN"),
            (with("control: x\n  resource: acme-*"), "2:13: `acme-*` matches no ARN"),
            (with("control: ''"), "1:12: `control` is empty"),
            (with("control: x\n  region: europe"), "2:11: `europe` is not the name of a region"),
            (with("finding: 0123456789a"), "1:12: `0123456789a` is not the beginning of a finding's id"),
            (with("control: x\n  until: evidence-changes"), "2:10: without `evidence`"),
            (with("control: x\n  until: never"), "2:10: `never` is not known here"),
            (with("control: x\n  evidence: 0123456789abcdef"), "2:13: `evidence` is given without `until"),
            (
                with("control: x\n  until: evidence-changes\n  evidence: 0123456789abcdef"),
                "2:10: evidence is that of one finding",
            ),
            ("control: x\n".to_owned(), "1:1: expected a list"),
            (with("control: x").replace("reason: r", "reason: ' '"), "2:11: `reason` is empty"),
            (
                with("control: x").replace("2026-06-30", "2025-12-31"),
                "5:12: the waiver expires on 2025-12-31, before",
            ),
            (
                with("control: x").replace("2026-06-30", "2027-01-03"),
                "5:12: the waiver holds from 2026-01-01 to",
            ),
            (with("control: x").replace("2026-06-30", "soon"), "5:12: `soon` is not a day"),
            (with("control: x").replace("  author: Ann\n", ""), "4:3: missing field `author`"),
        ] {
            let said = refused(&text);
            assert!(said.contains(&format!("waivers.yaml:{expected}")), "{text}: {said}");
        }
    }

    #[test]
    fn a_glob_that_names_something_needs_no_control() {
        for glob in
            ["arn:aws:s3:::acme-*", "*:acme-logs", "arn:aws:iam::*:user/deploy", "*role/Old*", "arn:*logs"]
        {
            assert_eq!(read(&format!("- resource: '{glob}'\n{END}")).len(), 1, "{glob}");
        }
    }

    #[test]
    fn the_limit_of_days_is_the_configuration_s() {
        let text = format!("- control: x\n{END}");
        let path = Path::new(WAIVERS_FILE_NAME);
        assert!(parse_waivers(path, &text, 180).is_ok());
        assert!(parse_waivers(path, &text, 179).is_err());
    }

    #[test]
    fn the_schema_accepts_what_is_read() {
        let validator = jsonschema::validator_for(&waivers_schema()).expect("a schema");
        let text = format!("- control: x\n  tags: {{ a: [] }}\n{END}");
        let value: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
        assert!(validator.is_valid(&value));
        let wrong: serde_json::Value = serde_saphyr::from_str(&text.replace("tags", "tag")).expect("YAML");
        assert!(!validator.is_valid(&wrong));
    }
}
