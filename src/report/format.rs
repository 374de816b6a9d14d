//! [`Format`]: the forms that a report can have.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A form of the report, each for another reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `report.json`: everything, for programs.
    Json,
    /// `report.jsonl`: one finding per line, for programs that stream.
    Jsonl,
    /// `report.csv`: one finding per row, for spreadsheets.
    Csv,
    /// `report.html`: one page for people, without anything from elsewhere.
    Html,
    /// `report.md`: the summary, for pull requests and chat.
    Markdown,
    /// `report.junit.xml`: one test case per finding, for CI servers.
    Junit,
    /// `report.sarif`: SARIF 2.1.0, for code scanning.
    Sarif,
    /// `report.ocsf.json`: OCSF Compliance Findings, for security lakes.
    Ocsf,
    /// `report.asff.json`: AWS Security Finding Format, for Security Hub.
    Asff,
}

/// There is no such format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no report format; there are {list}", list = Format::list())]
pub struct UnknownFormat(String);

impl Format {
    /// Every format.
    pub const ALL: [Self; 9] = [
        Self::Json,
        Self::Jsonl,
        Self::Csv,
        Self::Html,
        Self::Markdown,
        Self::Junit,
        Self::Sarif,
        Self::Ocsf,
        Self::Asff,
    ];

    /// Its name, as in `--format`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Ocsf => "ocsf",
            Self::Asff => "asff",
        }
    }

    /// Name of the file that it is written to.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Json => "report.json",
            Self::Jsonl => "report.jsonl",
            Self::Csv => "report.csv",
            Self::Html => "report.html",
            Self::Markdown => "report.md",
            Self::Junit => "report.junit.xml",
            Self::Sarif => "report.sarif",
            Self::Ocsf => "report.ocsf.json",
            Self::Asff => "report.asff.json",
        }
    }

    /// Who it is for, in a few words.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Json => "everything, for programs and for `upright report`",
            Self::Jsonl => "one finding per line, for programs that stream",
            Self::Csv => "one finding per row, for spreadsheets",
            Self::Html => "one page for people, without anything from elsewhere",
            Self::Markdown => "the summary, for pull requests and chat",
            Self::Junit => "one test case per finding, for CI servers",
            Self::Sarif => "SARIF 2.1.0, for code scanning",
            Self::Ocsf => "OCSF Compliance Findings, for security lakes",
            Self::Asff => "AWS Security Finding Format, for Security Hub",
        }
    }

    /// `json, jsonl, …`.
    fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}
