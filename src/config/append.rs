//! A waiver added to the end of `waivers.yaml`, whose other entries and comments stay as they are, byte for byte.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use miette::Diagnostic;
use serde::Serialize;

use super::{WaiversError, parse_waivers};
use crate::findings::Waiver;
use crate::findings::waiver::{Glob, Selector};

/// What stands at the beginning of a file that is made.
const HEADER: &str = "# Failures that somebody accepts until a day, see `upright waive --help`. They still fail in every \
                      report; the waiver\n# stands beside them.\n";

/// A waiver of one finding, in the order in which its keys are written.
#[derive(Debug, Clone, Serialize)]
pub struct NewWaiver {
    /// Id of the control.
    pub control: String,
    /// Account, twelve digits.
    pub account: String,
    /// Region, or `global`.
    pub region: String,
    /// The whole ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Id of the finding, where the rest may mean others as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Why.
    pub reason: String,
    /// Who accepts it.
    pub author: String,
    /// Where more is written about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Today.
    pub date: Date,
    /// Last day on which it holds.
    pub expires: Date,
    /// `evidence-changes`, where that ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<&'static str>,
    /// Beginning of the digest of the evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// Why a waiver cannot be added.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum AppendError {
    /// The file is wrong as it is, or would be with the waiver.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Waivers(#[from] WaiversError),
    /// The file is a list in another form than one entry behind each dash.
    #[error("nothing can be added to the end of `{}` as it is written", path.display())]
    #[diagnostic(help("write the list with one `- ` before each entry, or add this by hand:\n{entry}"))]
    Form {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: String,
    },
    /// It cannot be written as YAML.
    #[error("the waiver cannot be written as YAML: {0}")]
    Yaml(String),
    /// The file was changed since it was read.
    #[error("`{}` was changed by something else meanwhile, and nothing was written", path.display())]
    #[diagnostic(help("run the command again"))]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("`{}` cannot be written: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The entry as it stands in the file.
    pub entry: String,
    /// The line that it begins on.
    pub line: u64,
}

impl NewWaiver {
    /// What reading it back gives, but for the line.
    fn as_waiver(&self, line: u64) -> Option<Waiver> {
        Some(Waiver {
            line,
            selector: Selector {
                control: Some(self.control.clone()),
                account: Some(self.account.clone()),
                unit: None,
                region: Some(self.region.clone()),
                resource: self.resource.as_deref().map(Glob::new).transpose().ok()?,
                tags: std::collections::BTreeMap::new(),
                finding: self.finding.clone(),
            },
            reason: self.reason.clone(),
            author: self.author.clone(),
            ticket: self.ticket.clone(),
            date: self.date,
            expires: self.expires,
            evidence: self.evidence.clone(),
        })
    }

    fn as_yaml(&self) -> Result<String, AppendError> {
        let options = serde_saphyr::ser_options! { quote_all: true, compact_list_indent: true };
        serde_saphyr::to_string_with_options(&[self], options)
            .map_err(|why| AppendError::Yaml(why.to_string()))
    }
}

/// Adds a waiver to the end of a file, which is made where there is none. It is there as a whole or not at all.
///
/// # Errors
/// When the file is wrong, has another form, or cannot be written; it is then as it was.
pub fn append_waiver(path: &Path, waiver: &NewWaiver, max_days: u32) -> Result<Added, AppendError> {
    let before = match fs::read(path) {
        Ok(bytes) => {
            Some(String::from_utf8(bytes).map_err(|_| WaiversError::NoText { path: path.to_owned() })?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(WaiversError::Unreadable { path: path.to_owned(), source }.into()),
    };
    let (text, added) = appended(path, before.as_deref().unwrap_or(HEADER), waiver, max_days)?;
    replace(path, before.as_deref(), &text)?;
    Ok(added)
}

/// The text with the waiver at its end, read back to see that nothing else has changed.
fn appended(
    path: &Path,
    before: &str,
    waiver: &NewWaiver,
    max_days: u32,
) -> Result<(String, Added), AppendError> {
    let known = parse_waivers(path, before, max_days)?;
    let entry = waiver.as_yaml()?;
    // By itself first: what is wrong with it must not be taken for the form of the file.
    parse_waivers(Path::new("the new waiver"), &entry, max_days)?;
    let other_form = || AppendError::Form { path: path.to_owned(), entry: entry.clone() };
    let indent = indent(before, &known).ok_or_else(other_form)?;
    let newline = if before.contains("\r\n") { "\r\n" } else { "\n" };
    let entry: String = entry.lines().map(|line| format!("{indent}{line}{newline}")).collect();
    let between = if before.is_empty() || before.ends_with('\n') { "" } else { newline };
    let text = format!("{before}{between}{entry}");
    let line = before.matches('\n').count() as u64 + u64::from(!between.is_empty()) + 1;
    let expected = waiver.as_waiver(line);
    // Both are fine by themselves, so that it is the form of the file if they are not together.
    let read = parse_waivers(path, &text, max_days).unwrap_or_default();
    match read.split_last() {
        Some((last, others)) if others == known.as_slice() && Some(last) == expected.as_ref() => {
            Ok((text, Added { entry, line }))
        }
        _ => Err(other_form()),
    }
}

/// What stands before the dash of each entry; `None` where the list has no dashes.
fn indent<'t>(text: &'t str, waivers: &[Waiver]) -> Option<&'t str> {
    let Some(first) = waivers.first() else { return Some("") };
    let line = text.lines().nth(usize::try_from(first.line).ok()?.checked_sub(1)?)?;
    let rest = line.trim_start_matches([' ', '\u{feff}']);
    let indent = line.strip_suffix(rest)?.trim_start_matches('\u{feff}');
    rest.starts_with('-').then_some(indent)
}

/// Puts a new text in the place of the old at once. A link keeps leading where it leads.
fn replace(path: &Path, before: Option<&str>, text: &str) -> Result<(), AppendError> {
    let failed = |source| AppendError::Io { path: path.to_owned(), source };
    let target = if before.is_some() { fs::canonicalize(path).map_err(failed)? } else { path.to_owned() };
    let name = target.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
    let temporary = target.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = write_new(&temporary, &target, text).map_err(failed).and_then(|()| {
        let now = fs::read(&target).ok();
        if now.as_deref() == before.map(str::as_bytes) {
            fs::rename(&temporary, &target).map_err(failed)
        } else {
            Err(AppendError::Changed { path: path.to_owned() })
        }
    });
    if written.is_err() {
        // It may never have been made.
        drop(fs::remove_file(&temporary));
    }
    written
}

fn write_new(temporary: &Path, target: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create_new(temporary)?;
    if let Ok(old) = fs::metadata(target) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn new(reason: &str) -> NewWaiver {
        NewWaiver {
            control: "s3-bucket-not-public".to_owned(),
            account: "000000000012".to_owned(),
            region: "eu-west-1".to_owned(),
            resource: Some("arn:aws:s3:::acme-logs".to_owned()),
            finding: None,
            reason: reason.to_owned(),
            author: "Ann".to_owned(),
            ticket: None,
            date: date(2026, 11, 24),
            expires: date(2027, 2, 22),
            until: None,
            evidence: None,
        }
    }

    const OLD: &str = "- control: iam-root-mfa   # kept\n  reason: |\n    two\n\n    lines\n  author: Ann\n  \
                       date: 2026-01-01\n  expires: 2026-06-30\n";

    fn path() -> &'static Path {
        Path::new("waivers.yaml")
    }

    #[test]
    fn what_is_there_stays_byte_for_byte() {
        for (before, line) in [
            (String::new(), 1),
            ("# nothing\n".to_owned(), 2),
            ("---\n".to_owned(), 2),
            (OLD.to_owned(), 9),
            (OLD.trim_end().to_owned(), 9),
            (format!("\u{feff}{OLD}\n# the end\n"), 11),
            (OLD.replace('\n', "\r\n"), 9),
            (OLD.lines().map(|line| format!("   {line}\n")).collect(), 9),
        ] {
            let (text, added) = appended(path(), &before, &new("r"), 366).expect("added");
            let rest = text.strip_prefix(&before).expect("as it was");
            assert_eq!(added.line, line, "{before:?}");
            assert!(rest.trim_start().starts_with("- "), "{rest}");
            assert_eq!(rest.contains("\r\n"), before.contains("\r\n"));
        }
    }

    #[test]
    fn another_form_is_refused_with_the_entry_to_add_by_hand() {
        let flow = "[{ control: x, reason: r, author: a, date: 2026-01-01, expires: 2026-02-01 }]\n";
        for before in ["[]\n", flow, &format!("---\n{OLD}...\n")] {
            match appended(path(), before, &new("r"), 366) {
                Err(AppendError::Form { entry, .. }) => assert!(entry.contains("acme-logs")),
                other => panic!("{before}: {other:?}"),
            }
        }
        assert!(matches!(appended(path(), "- contol: x\n", &new("r"), 366), Err(AppendError::Waivers(_))));
    }

    #[test]
    fn hostile_text_is_read_back_as_it_was() {
        for text in [
            "it's \"so\"",
            "a: # b",
            "two\nlines",
            "\u{1b}[2J\u{7}\u{0}",
            "- [x]",
            "${jndi}",
            "x\u{85}\u{2028}\u{feff}x",
            "yes",
            "!!python/object",
            "*alias &anchor",
            "|",
            "\\",
            "%",
            "a\r\nb\tc",
        ] {
            let (_, added) =
                appended(path(), OLD, &new(text), 366).unwrap_or_else(|why| panic!("{text:?}: {why}"));
            assert!(added.entry.lines().count() < 12, "{}", added.entry);
        }
    }

    proptest! {
        #[test]
        fn any_reason_is_read_back_or_refused_and_never_changed(reason in "\\PC{1,20}|(?s).{1,20}") {
            prop_assume!(!reason.trim().is_empty());
            let (text, _) = appended(path(), OLD, &new(reason.trim()), 366).expect("added");
            let read = parse_waivers(path(), &text, 366).expect("read");
            prop_assert_eq!(read[1].reason.as_str(), reason.trim());
        }
    }

    #[test]
    fn a_file_is_made_or_replaced_as_a_whole_and_a_link_stays_one() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("accepted.yaml");
        let first = append_waiver(&file, &new("one"), 366).expect("made");
        assert_eq!(first.line, 3);
        let link = folder.path().join("link.yaml");
        #[cfg(unix)]
        std::os::unix::fs::symlink(&file, &link).expect("link");
        #[cfg(unix)]
        append_waiver(&link, &new("two"), 366).expect("added");
        #[cfg(unix)]
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        let read = super::super::load_waivers(&file, 366).expect("read");
        assert_eq!(read.iter().map(|waiver| waiver.reason.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 2, "no temporary file is left");
    }
}
