//! What a control says about one resource.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::inventory::Unseen;

/// How bad a failure is, as the control's file says; ordered from harmless to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Informational,
    /// Worth doing some time.
    Low,
    /// A weakness that needs another one to matter.
    Medium,
    /// A weakness on its own.
    High,
    /// Open now.
    Critical,
}

impl Severity {
    /// All of them, worst first.
    pub const WORST_FIRST: [Self; 5] =
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Informational];

    /// The word in files, reports and flags.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A verdict with the reason that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// What must hold was seen to hold.
    Pass,
    /// It was seen not to hold.
    Fail,
    /// It depends on something that was not observed.
    Unknown(Unseen),
    /// The control does not apply to the resource, for this reason.
    NotApplicable(String),
}

impl Verdict {
    /// The verdict without its reason.
    #[must_use]
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Self::Pass => VerdictKind::Pass,
            Self::Fail => VerdictKind::Fail,
            Self::Unknown(_) => VerdictKind::Unknown,
            Self::NotApplicable(_) => VerdictKind::NotApplicable,
        }
    }
}

/// The four verdicts by name, as in reports and examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// What must hold was seen to hold.
    Pass,
    /// It was seen not to hold.
    Fail,
    /// It depends on something that was not observed.
    Unknown,
    /// The control does not apply to the resource.
    NotApplicable,
}

impl VerdictKind {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 4] = [Self::Fail, Self::Unknown, Self::Pass, Self::NotApplicable];

    /// The word in files and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not_applicable",
        }
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One value that an expression read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Where, as the expression names it: `resource.versioning.status`.
    pub path: String,
    /// What stood there; null also where AWS says that there is none. Long values are cut, see `cut`.
    pub value: Value,
    /// Whether the value was too long to keep whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}
