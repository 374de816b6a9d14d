//! Framework files: the requirements of one version of a benchmark or standard, and how each comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::source::{SourceError, offset_of};
use crate::yaml;

/// A framework version, as its file says. The keys are explained in `controls/README.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framework {
    /// Id, the name of the file.
    pub id: String,
    /// Title.
    pub title: String,
    /// Version.
    pub version: String,
    /// Who publishes it.
    pub publisher: String,
    /// What its controls can say about its requirements.
    pub relation: Relation,
    /// What the file covers of the framework, and what it leaves out.
    pub covers: String,
    /// Whether a run that names no framework is measured against it.
    pub is_default: bool,
    /// The profile level that a run is limited to; none, where it measures against all of them.
    pub level: Option<u8>,
    /// Every requirement, in the framework's order.
    pub requirements: Vec<Requirement>,
}

/// A framework file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrameworkFile {
    id: Spanned<String>,
    title: String,
    version: String,
    #[serde(default)]
    publisher: String,
    #[serde(default)]
    relation: Relation,
    #[serde(default)]
    covers: String,
    #[serde(default)]
    default: bool,
    requirements: Vec<Spanned<Requirement>>,
}

/// What the controls of a framework can say about its requirements.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// They decide a requirement: all of them pass, or it is not met.
    #[default]
    Decides,
    /// They contribute evidence to a requirement that asks for more than they see, and never meet it.
    Contributes,
}

impl Relation {
    /// The word in files and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decides => "decides",
            Self::Contributes => "contributes",
        }
    }

    /// What a reader of a report must know about every requirement of such a framework.
    #[must_use]
    pub const fn note(self) -> &'static str {
        match self {
            Self::Decides => "",
            Self::Contributes => {
                "Controls contribute evidence to these requirements. None of them is met by that: whether it is \
                 met is for a person to decide, with this and other evidence."
            }
        }
    }
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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
    /// Whether the framework calls it automated or manual. One that says nothing leaves it to a person.
    #[serde(default)]
    pub assessment: Assessment,
    /// Controls that decide it, of which all must pass, or that contribute evidence to it.
    #[serde(default)]
    pub controls: Vec<String>,
    /// Controls that it needs and that did not exist when the file was written. Those that are loaded beside
    /// it count as `controls`.
    #[serde(default)]
    pub planned: Vec<String>,
    /// Values of parameters that it asks for: control → parameter → value. A control that ran with another
    /// value does not decide it.
    #[serde(default)]
    pub parameters: BTreeMap<String, BTreeMap<String, Value>>,
    /// What a person looks at to decide it.
    #[serde(default)]
    pub look_at: String,
    /// Byte offset in the file.
    #[serde(skip)]
    pub(super) offset: usize,
}

/// How the framework's publisher expects a requirement to be assessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assessment {
    /// By a program.
    Automated,
    /// By a person.
    #[default]
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

/// How a requirement came out. `Pass` and `Fail` are of frameworks whose controls decide, the two about evidence
/// of those to which controls contribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequirementStatus {
    /// A control fails.
    Fail,
    /// A control that contributes evidence fails.
    FailingEvidence,
    /// No control fails, but something was not observed.
    Unknown,
    /// No control decides it yet, or only part of it.
    NotCovered,
    /// It is for a person to decide.
    Manual,
    /// Every control passes, or does not apply to part of what it judges.
    Pass,
    /// No control that contributes evidence fails. That does not meet the requirement.
    NoFailingEvidence,
    /// No control applies.
    NotApplicable,
}

impl RequirementStatus {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 8] = [
        Self::Fail,
        Self::FailingEvidence,
        Self::Unknown,
        Self::Pass,
        Self::NoFailingEvidence,
        Self::Manual,
        Self::NotCovered,
        Self::NotApplicable,
    ];

    /// The words for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::FailingEvidence => "failing evidence",
            Self::Unknown => "unknown",
            Self::NotCovered => "not covered",
            Self::Manual => "manual",
            Self::Pass => "pass",
            Self::NoFailingEvidence => "no failing evidence",
            Self::NotApplicable => "not applicable",
        }
    }

    /// Whether a control of the requirement fails.
    #[must_use]
    pub const fn is_failing(self) -> bool {
        matches!(self, Self::Fail | Self::FailingEvidence)
    }

    /// Whether a framework of that relation can have it.
    #[must_use]
    pub const fn is_of(self, relation: Relation) -> bool {
        match self {
            Self::Fail | Self::Pass => matches!(relation, Relation::Decides),
            Self::FailingEvidence | Self::NoFailingEvidence => matches!(relation, Relation::Contributes),
            Self::Unknown | Self::NotCovered | Self::Manual | Self::NotApplicable => true,
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
        let file: FrameworkFile =
            yaml::read(text).map_err(|error| SourceError::of_yaml(path, text, &error))?;
        let wrong = |at: usize, message: String| Err(SourceError::at(path, text, at, message));
        if path.file_stem().is_none_or(|stem| stem != file.id.value.as_str()) {
            let at = offset_of(text, file.id.referenced.line(), file.id.referenced.column());
            return wrong(at, format!("the id `{}` is not the name of the file", file.id.value));
        }
        if file.relation == Relation::Contributes && file.covers.trim().is_empty() {
            return wrong(
                0,
                "controls only contribute evidence, and `covers` does not say to what".to_owned(),
            );
        }
        let requirements = file.requirements.into_iter().map(|spanned| {
            let at = spanned.referenced;
            let look_at = spanned.value.look_at.trim().to_owned();
            Requirement { look_at, offset: offset_of(text, at.line(), at.column()), ..spanned.value }
        });
        let framework = Self {
            id: file.id.value,
            title: file.title,
            version: file.version,
            publisher: file.publisher,
            relation: file.relation,
            covers: file.covers.trim().to_owned(),
            is_default: file.default,
            level: None,
            requirements: requirements.collect(),
        };
        match framework.first_mistake() {
            Some((requirement, message)) => wrong(requirement.offset, message),
            None => Ok(framework),
        }
    }

    /// The first requirement that cannot be meant, and why.
    fn first_mistake(&self) -> Option<(&Requirement, String)> {
        let has_levels = self.levels().next().is_some();
        let mut ids: BTreeSet<&str> = BTreeSet::new();
        self.requirements.iter().find_map(|requirement| {
            let id = &requirement.id;
            let mut named: BTreeSet<&str> = BTreeSet::new();
            let twice = requirement.needs().find(|control| !named.insert(control));
            let other = requirement.parameters.keys().find(|control| !named.contains(control.as_str()));
            let message = if !ids.insert(id) {
                format!("requirement `{id}` is listed twice")
            } else if has_levels && requirement.level.is_none() {
                format!("requirement `{id}` has no level, and others have one")
            } else if requirement.level == Some(0) {
                format!("requirement `{id}` has level 0; levels count from 1")
            } else if let Some(control) = twice {
                format!("requirement `{id}` names control `{control}` twice")
            } else if let Some(control) = other {
                format!("requirement `{id}` sets parameters of `{control}`, which is none of its controls")
            } else if self.relation == Relation::Contributes && named.is_empty() {
                format!("nothing contributes to requirement `{id}`; leave it out, and say so in `covers`")
            } else {
                return None;
            };
            Some((requirement, message))
        })
    }

    /// The profile levels that its requirements have.
    pub fn levels(&self) -> impl Iterator<Item = u8> {
        self.requirements
            .iter()
            .filter_map(|requirement| requirement.level)
            .collect::<BTreeSet<_>>()
            .into_iter()
    }

    /// Keeps the requirements of a profile: those of `level` and of the levels below it.
    ///
    /// # Errors
    /// When the framework has no such level.
    pub fn limit_to_level(&mut self, level: u8) -> Result<(), String> {
        let levels: Vec<String> = self.levels().map(|level| level.to_string()).collect();
        if levels.is_empty() {
            return Err(format!("framework `{}` has no levels", self.id));
        }
        if !self.levels().any(|known| known == level) {
            return Err(format!(
                "framework `{}` has no level {level}; there are {}",
                self.id,
                levels.join(", ")
            ));
        }
        self.requirements.retain(|requirement| requirement.level.is_some_and(|of| of <= level));
        self.level = Some(level);
        let left_out = format!("Requirements above level {level} are left out.");
        self.covers = format!("{} {left_out}", self.covers).trim().to_owned();
        Ok(())
    }
}

impl Requirement {
    /// The controls that it needs, whether they exist or not.
    pub fn needs(&self) -> impl Iterator<Item = &str> {
        self.controls.iter().chain(&self.planned).map(String::as_str)
    }

    /// How it comes out; `outcomes` holds one entry for each of its controls that ran as it asks.
    #[must_use]
    pub fn status(&self, relation: Relation, outcomes: &[ControlOutcome]) -> RequirementStatus {
        match relation {
            Relation::Decides => self.decided(outcomes),
            Relation::Contributes => contributed(outcomes),
        }
    }

    fn decided(&self, outcomes: &[ControlOutcome]) -> RequirementStatus {
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

/// What evidence says of a requirement. Controls that do not exist yet leave it thinner, not undecided: it is
/// not decided by those that do exist either.
fn contributed(outcomes: &[ControlOutcome]) -> RequirementStatus {
    if outcomes.iter().any(|o| o.failed) {
        RequirementStatus::FailingEvidence
    } else if outcomes.iter().any(|o| o.unknown) {
        RequirementStatus::Unknown
    } else if outcomes.is_empty() {
        RequirementStatus::NotCovered
    } else if outcomes.iter().any(|o| o.passed) {
        RequirementStatus::NoFailingEvidence
    } else if outcomes.iter().any(|o| o.evidence_only) {
        RequirementStatus::Manual
    } else {
        RequirementStatus::NotApplicable
    }
}

#[cfg(test)]
mod tests;
