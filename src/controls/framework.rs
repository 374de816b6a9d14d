//! Framework files: the requirements of one version of a benchmark, and how each comes out.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::source::SourceError;
use crate::yaml;

/// A framework version, as its file says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// Id, the name of the file.
    pub id: String,
    /// Title.
    pub title: String,
    /// Version.
    pub version: String,
    /// Who publishes it.
    #[serde(default)]
    pub publisher: String,
    /// Every requirement, in the framework's order.
    pub requirements: Vec<Requirement>,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Id within the version.
    pub id: String,
    /// What it asks for, in our words.
    pub title: String,
    /// Section.
    pub section: String,
    /// Profile level, where there are any.
    #[serde(default)]
    pub level: Option<u8>,
    /// Whether the framework calls it automated or manual.
    pub assessment: Assessment,
    /// Controls that decide it; all must pass.
    #[serde(default)]
    pub controls: Vec<String>,
    /// Controls that it needs and that do not exist yet.
    #[serde(default)]
    pub planned: Vec<String>,
}

/// How the framework's publisher expects a requirement to be assessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Assessment {
    /// By a program.
    Automated,
    /// By a person.
    Manual,
}

impl Assessment {
    /// The word in files and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automated => "automated",
            Self::Manual => "manual",
        }
    }
}

/// How a requirement came out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RequirementStatus {
    /// A control fails.
    Fail,
    /// No control fails, but something was not observed.
    Unknown,
    /// No control decides it yet, or only part of it.
    NotCovered,
    /// It is for a person to decide.
    Manual,
    /// Every control passes, or does not apply to part of what it judges.
    Pass,
    /// No control applies.
    NotApplicable,
}

impl RequirementStatus {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 6] =
        [Self::Fail, Self::Unknown, Self::Pass, Self::Manual, Self::NotCovered, Self::NotApplicable];

    /// The words for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::NotCovered => "not covered",
            Self::Manual => "manual",
            Self::Pass => "pass",
            Self::NotApplicable => "not applicable",
        }
    }
}

/// What one control of a requirement said, over the places that are summed up.
#[derive(Debug, Clone, Copy)]
pub struct ControlOutcome {
    /// Whether it can only prove a failure.
    pub evidence_only: bool,
    /// Whether a finding fails.
    pub failed: bool,
    /// Whether a finding is unknown.
    pub unknown: bool,
    /// Whether a finding passes.
    pub passed: bool,
}

impl Framework {
    /// Reads a framework file.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, SourceError> {
        let framework: Self = yaml::read(text).map_err(|error| SourceError::of_yaml(path, text, &error))?;
        if path.file_stem().is_none_or(|stem| stem != framework.id.as_str()) {
            let message = format!("the id `{}` is not the name of the file", framework.id);
            return Err(SourceError::at(path, text, 0, message));
        }
        for (number, requirement) in framework.requirements.iter().enumerate() {
            if framework.requirements.iter().take(number).any(|other| other.id == requirement.id) {
                let at = text.rfind(&format!("id: \"{}\"", requirement.id)).unwrap_or(0);
                let message = format!("requirement `{}` is listed twice", requirement.id);
                return Err(SourceError::at(path, text, at, message));
            }
        }
        Ok(framework)
    }
}

impl Requirement {
    /// How it comes out; `outcomes` holds one entry for each of its controls that ran.
    #[must_use]
    pub fn status(&self, outcomes: &[ControlOutcome]) -> RequirementStatus {
        if outcomes.iter().any(|o| o.failed) {
            return RequirementStatus::Fail;
        }
        if self.controls.is_empty() && self.planned.is_empty() {
            return RequirementStatus::Manual;
        }
        if outcomes.iter().any(|o| o.unknown) {
            return RequirementStatus::Unknown;
        }
        if !self.planned.is_empty() || outcomes.len() < self.controls.len() {
            return RequirementStatus::NotCovered;
        }
        if outcomes.iter().any(|o| o.evidence_only) {
            return RequirementStatus::Manual;
        }
        if outcomes.iter().any(|o| o.passed) {
            RequirementStatus::Pass
        } else {
            RequirementStatus::NotApplicable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controls::VerdictKind;

    fn requirement(controls: usize, planned: usize) -> Requirement {
        Requirement {
            id: "1".to_owned(),
            title: String::new(),
            section: String::new(),
            level: None,
            assessment: Assessment::Automated,
            controls: (0..controls).map(|n| format!("c{n}")).collect(),
            planned: (0..planned).map(|n| format!("p{n}")).collect(),
        }
    }

    fn outcome(verdicts: &[VerdictKind]) -> ControlOutcome {
        ControlOutcome {
            evidence_only: false,
            failed: verdicts.contains(&VerdictKind::Fail),
            unknown: verdicts.contains(&VerdictKind::Unknown),
            passed: verdicts.contains(&VerdictKind::Pass),
        }
    }

    #[test]
    fn one_failure_decides_and_one_gap_keeps_it_open() {
        use VerdictKind::{Fail, NotApplicable, Pass, Unknown};
        let two = requirement(2, 0);
        assert_eq!(two.status(&[outcome(&[Pass]), outcome(&[Unknown, Fail])]), RequirementStatus::Fail);
        assert_eq!(two.status(&[outcome(&[Pass]), outcome(&[Pass, Unknown])]), RequirementStatus::Unknown);
        assert_eq!(two.status(&[outcome(&[Pass]), outcome(&[NotApplicable])]), RequirementStatus::Pass);
        assert_eq!(two.status(&[outcome(&[NotApplicable]), outcome(&[])]), RequirementStatus::NotApplicable);
    }

    #[test]
    fn what_is_not_covered_can_fail_but_not_pass() {
        use VerdictKind::{Fail, Pass};
        assert_eq!(requirement(1, 1).status(&[outcome(&[Pass])]), RequirementStatus::NotCovered);
        assert_eq!(requirement(1, 1).status(&[outcome(&[Fail])]), RequirementStatus::Fail);
        assert_eq!(requirement(0, 1).status(&[]), RequirementStatus::NotCovered);
        assert_eq!(requirement(2, 0).status(&[outcome(&[Pass])]), RequirementStatus::NotCovered);
        assert_eq!(requirement(0, 0).status(&[]), RequirementStatus::Manual);
    }

    #[test]
    fn evidence_alone_leaves_it_to_a_person() {
        let mut evidence =
            ControlOutcome { evidence_only: true, failed: false, unknown: false, passed: false };
        assert_eq!(requirement(1, 0).status(&[evidence]), RequirementStatus::Manual);
        evidence.failed = true;
        assert_eq!(requirement(1, 0).status(&[evidence]), RequirementStatus::Fail);
    }
}
