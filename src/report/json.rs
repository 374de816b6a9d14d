//! `report.json`: the [`Report`] itself, its schema, and reading it back.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::document::SCHEMA_VERSION;
use super::{Inconsistent, Report, WriteError};

/// Why a report could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system refused.
    #[error("report `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is not a report; the source names line and column.
    #[error("report `{path}`: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: serde_json::Error,
    },
    /// Another version of Upright wrote it.
    #[error(
        "report `{path}` has schema version {found}, this program reads {SCHEMA_VERSION}; scan again, or read it \
         with the version of Upright that wrote it"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// It was changed since it was written.
    #[error("report `{path}` does not add up: {source}")]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Inconsistent,
    },
}

/// Writes the report as JSON, indented, in the order of the report.
///
/// # Errors
/// When the report does not add up, or `out` refuses.
pub fn write(report: &Report, out: &mut impl Write) -> Result<(), WriteError> {
    report.check()?;
    let mut out = BufWriter::with_capacity(1 << 16, out);
    serde_json::to_writer_pretty(&mut out, report).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Reads a report back.
///
/// # Errors
/// When the file cannot be read, is no report, has another version, or does not add up.
pub fn read(path: &Path) -> Result<Report, ReadError> {
    let text = std::fs::read(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// Reads a report back from the text of a file; `path` is what errors call it.
///
/// # Errors
/// When the text is no report, has another version, or does not add up.
pub fn parse(path: &Path, text: &[u8]) -> Result<Report, ReadError> {
    /// The part that every version has.
    #[derive(Deserialize)]
    struct Versioned {
        schema_version: u64,
    }
    let json = |source| ReadError::Json { path: path.to_owned(), source };
    let Versioned { schema_version: found } = serde_json::from_slice(text).map_err(json)?;
    if found != u64::from(SCHEMA_VERSION) {
        return Err(ReadError::Version { path: path.to_owned(), found });
    }
    let report: Report = serde_json::from_slice(text).map_err(json)?;
    report.check().map_err(|source| ReadError::Inconsistent { path: path.to_owned(), source })?;
    Ok(report)
}

/// The JSON Schema (draft 2020-12) of `report.json`.
#[must_use]
pub fn schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12()
        .with_transform(Published)
        .into_generator()
        .into_root_schema_for::<Report>();
    schema.insert("title".to_owned(), "Upright report".into());
    if let Some(version) = schema.pointer_mut("/properties/schema_version") {
        *version = json_schema!({ "description": "Version of this layout.", "const": SCHEMA_VERSION }).into();
    }
    schema.into()
}

/// Makes the derived schema fit for readers who do not know the program: objects with listed members have
/// no others, and descriptions lose the brackets of links between Rust items.
#[derive(Debug, Clone)]
struct Published;

impl Transform for Published {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if object.contains_key("properties") && !object.contains_key("additionalProperties") {
            object.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
        if let Some(Value::String(description)) = object.get_mut("description") {
            *description = description.replace("[`", "`").replace("`]", "`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn written() -> Vec<u8> {
        let mut out = Vec::new();
        write(&sample::report(), &mut out).expect("written");
        out
    }

    fn read_text(text: &str) -> Result<Report, ReadError> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("report.json");
        std::fs::write(&path, text).expect("file");
        read(&path)
    }

    #[test]
    fn what_is_written_reads_back_the_same_and_twice_alike() {
        let text = written();
        assert_eq!(text, written());
        assert_eq!(read_text(std::str::from_utf8(&text).expect("UTF-8")).expect("read"), sample::report());
        let waived = serde_json::to_string(&sample::waived()).expect("JSON");
        assert_eq!(read_text(&waived).expect("read"), sample::waived());
    }

    #[test]
    fn the_schema_accepts_reports_and_refuses_broken_ones() {
        let schema = schema();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["title"], "Upright report");
        assert!(schema.get("$id").is_none());
        let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
        let mut waived = sample::waived();
        waived.rate(crate::report::Known {
            production_tags: &std::collections::BTreeMap::new(),
            detected: &std::collections::HashSet::new(),
            failing_since: &std::collections::HashMap::new(),
            day: "2026-11-24".parse().expect("a day"),
        });
        let waived = serde_json::to_value(waived).expect("JSON");
        let errors: Vec<_> = validator.iter_errors(&waived).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let report: Value = serde_json::from_slice(&written()).expect("JSON");
        let errors: Vec<_> = validator.iter_errors(&report).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");

        type Break = fn(&mut Value);
        let breaks: [(&str, Break); 7] = [
            ("another version", |r| r["schema_version"] = 2.into()),
            ("an unknown member", |r| r["surprise"] = true.into()),
            ("an unknown member of a finding", |r| r["findings"][0]["surprise"] = true.into()),
            ("a verdict that does not exist", |r| r["findings"][0]["verdict"] = "maybe".into()),
            ("an account state that does not exist", |r| r["accounts"][0]["state"]["state"] = "lost".into()),
            ("a negative count", |r| r["totals"]["fail"] = (-1).into()),
            ("no totals", |r| {
                r.as_object_mut().expect("object").remove("totals");
            }),
        ];
        for (what, break_it) in breaks {
            let mut broken = report.clone();
            break_it(&mut broken);
            assert!(!validator.is_valid(&broken), "the schema accepts {what}");
        }
    }

    #[test]
    fn the_schema_says_what_each_member_is() {
        let schema = schema();
        let members = |of: &Value| of["properties"].as_object().expect("properties").clone();
        let root = [("Report".to_owned(), schema.clone())];
        let defined = schema["$defs"].as_object().expect("definitions").clone();
        for (name, object) in root.into_iter().chain(defined) {
            if object.get("properties").is_none() {
                continue;
            }
            assert_eq!(object["additionalProperties"], false, "{name}");
            for (member, of) in members(&object) {
                assert!(of["description"].is_string(), "{name}.{member} has no description");
                assert!(!of["description"].to_string().contains("[`"), "{name}.{member}");
            }
        }
    }

    #[test]
    fn a_broken_report_is_not_written() {
        let mut report = sample::report();
        report.totals.fail += 1;
        let mut out = Vec::new();
        assert!(matches!(write(&report, &mut out), Err(WriteError::Inconsistent(_))));
        assert!(out.is_empty());
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let text = String::from_utf8(written()).expect("UTF-8");

        let error = read(Path::new("no/such/report.json")).expect_err("missing").to_string();
        assert!(error.contains("no/such/report.json"), "{error}");

        let cut = read_text(&text[..text.len() / 2]).expect_err("cut off").to_string();
        assert!(cut.contains("report.json") && cut.contains("EOF") && cut.contains("line"), "{cut}");

        let wrong = text.replacen("\"requests\":", "\"requests\": true, \"x\":", 1);
        let wrong = read_text(&wrong).expect_err("wrong type").to_string();
        assert!(wrong.contains("invalid type: boolean `true`") && wrong.contains("at line "), "{wrong}");

        let newer = text.replacen("\"schema_version\": 1", "\"schema_version\": 7", 1);
        let newer = read_text(&newer).expect_err("newer").to_string();
        assert!(newer.contains("has schema version 7, this program reads 1"), "{newer}");

        let other = read_text("{\"name\": \"something else\"}").expect_err("no report").to_string();
        assert!(other.contains("missing field `schema_version` at line 1"), "{other}");

        let edited = text.replacen("\"verdict\": \"fail\"", "\"verdict\": \"pass\"", 1);
        let edited = read_text(&edited).expect_err("edited").to_string();
        assert!(edited.contains("does not add up"), "{edited}");
    }
}
