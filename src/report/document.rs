//! [`Report`]: the content of `report.json`, from which every other format is made.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AttestationRow, Changes, Detections, TrendPoint, Undelivered};
use crate::aws::OperationCount;
use crate::controls::{Relation, RequirementStatus, Severity, VerdictKind};
use crate::findings::{Finding, WaiverRow};
use crate::inventory::{Account, Coverage, Unseen};

/// Version of the layout of `report.json`; it changes when a reader would break.
pub const SCHEMA_VERSION: u32 = 1;

/// A whole run, as `report.json` holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this layout.
    pub schema_version: u32,
    /// When and how it ran, and what it cost.
    pub run: RunInfo,
    /// What changed since an earlier run, where there is one to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// This run and those before it in the archive, oldest first; empty for a run that is not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trend: Vec<TrendPoint>,
    /// What the earlier run could not deliver, where there was anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undelivered: Option<Undelivered>,
    /// Verdicts of all findings.
    pub totals: Counts,
    /// The waivers of the run, where it had any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waivers: Option<Waivers>,
    /// What was not observed, the gap that hides the most first.
    pub gaps: Vec<Gap>,
    /// How the calls went, by account, region and operation.
    pub coverage: Vec<Coverage>,
    /// The accounts, skipped and failed ones included.
    pub accounts: Vec<Account>,
    /// The controls that ran.
    pub controls: Vec<ControlRow>,
    /// The frameworks that the run was measured against.
    pub frameworks: Vec<FrameworkRow>,
    /// One for each control and resource, and one for each place that a control could not judge.
    pub findings: Vec<Finding>,
    /// What event rules found. Absent when no events were read: then the report says nothing about what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detections: Option<Detections>,
}

/// The failures that people accept for some time, waiver by waiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Waivers {
    /// The file that they are in, as it was named.
    pub file: String,
    /// The waivers, in the order of the file.
    pub rows: Vec<WaiverRow>,
}

impl Waivers {
    /// Those that somebody should look at: they end soon or have ended, or they do nothing; the most urgent first.
    #[must_use]
    pub fn to_look_at(&self) -> Vec<&WaiverRow> {
        let mut rows: Vec<&WaiverRow> = self.rows.iter().filter(|row| row.needs_attention()).collect();
        rows.sort_by_key(|row| (row.failing == 0, row.days_left, row.waiver.line));
        rows
    }
}

/// When and how the run went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunInfo {
    /// Made from the start time.
    pub id: String,
    /// Version of Upright.
    pub version: String,
    /// Start, RFC 3339, UTC.
    pub started_at: String,
    /// End, RFC 3339, UTC.
    pub finished_at: String,
    /// Wall time of the whole run, in milliseconds.
    pub duration_ms: u64,
    /// When the state was observed; earlier than the start when a saved inventory was judged.
    pub observed_at: String,
    /// Whether everything that the controls asked for was observed.
    pub complete: bool,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Requests that repeated a failed one.
    pub retries: u64,
    /// Answers that asked to slow down.
    pub throttles: u64,
    /// Calls by operation.
    pub calls: Vec<OperationCount>,
    /// Regions that were asked for and that an account does not have enabled: account → regions.
    pub absent_regions: BTreeMap<String, Vec<String>>,
}

/// Findings by verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Findings that pass.
    pub pass: u64,
    /// Findings that fail.
    pub fail: u64,
    /// Those of the failing ones that somebody accepts; they are counted in `fail` as well.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waived: u64,
    /// Findings that could not be decided.
    pub unknown: u64,
    /// Findings where the control does not apply.
    pub not_applicable: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Counts {
    /// None yet.
    #[must_use]
    pub const fn zero() -> Self {
        Self { pass: 0, fail: 0, waived: 0, unknown: 0, not_applicable: 0 }
    }

    /// Counts one more.
    pub const fn add(&mut self, finding: &Finding) {
        if finding.waived.is_some() {
            self.waived += 1;
        }
        match finding.verdict {
            VerdictKind::Pass => self.pass += 1,
            VerdictKind::Fail => self.fail += 1,
            VerdictKind::Unknown => self.unknown += 1,
            VerdictKind::NotApplicable => self.not_applicable += 1,
        }
    }

    /// Those that fail and that nobody accepts.
    #[must_use]
    pub const fn open_failures(&self) -> u64 {
        self.fail.saturating_sub(self.waived)
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.pass + self.fail + self.unknown + self.not_applicable
    }

    /// These and others together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            pass: self.pass + other.pass,
            fail: self.fail + other.fail,
            waived: self.waived + other.waived,
            unknown: self.unknown + other.unknown,
            not_applicable: self.not_applicable + other.not_applicable,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pass, fail, waived, unknown, not_applicable } = self;
        let waived = if *waived > 0 { format!(" ({waived} waived)") } else { String::new() };
        write!(f, "{fail} fail{waived}, {unknown} unknown, {pass} pass, {not_applicable} not applicable")
    }
}

/// Something that was not observed, what it leaves undecided, and who can change that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// What was asked, where, and what came back.
    pub unseen: Unseen,
    /// Findings that are unknown because of it.
    pub findings: u64,
    /// Controls of those findings.
    pub controls: Vec<String>,
    /// Who can change it and how.
    pub remedy: String,
    /// The policy statement to add to the scanner's role, where that would help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<serde_json::Value>,
}

/// A control that ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ControlRow {
    /// Id, the name of its file.
    pub id: String,
    /// The state that is wanted.
    pub title: String,
    /// How bad a failure is.
    pub severity: Severity,
    /// Service, such as `s3`.
    pub service: String,
    /// Type of resource that it judges.
    pub resource_type: String,
    /// Why it matters.
    pub rationale: String,
    /// Whether it can only prove a failure, and a person decides the rest.
    pub evidence_only: bool,
    /// Whether it can only prove a pass, and a person decides the rest.
    #[serde(default)]
    pub pass_only: bool,
    /// Hash of the rule that it judged by: expressions and parameters. Runs with different ones did not ask the
    /// same. Empty in reports of before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// What to do, in the console.
    pub remediation: String,
    /// What to do, on the command line; `${name}`, `${arn}`, `${region}` and `${account}` stand for the
    /// resource's own.
    pub remediation_cli: String,
    /// The setting in Terraform, with the same placeholders.
    pub remediation_terraform: String,
    /// AWS's pages about it.
    pub references: Vec<String>,
    /// Topics.
    pub tags: Vec<String>,
    /// Requirements that it serves: framework id → requirement ids.
    pub requirements: BTreeMap<String, Vec<String>>,
    /// Its verdicts.
    pub totals: Counts,
}

impl ControlRow {
    /// Whether it is about what people outside can reach, as its tag `public-access` says.
    #[must_use]
    pub fn is_about_public_access(&self) -> bool {
        self.tags.iter().any(|tag| tag == "public-access")
    }
}

/// A framework and how its requirements came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrameworkRow {
    /// Id, such as `cis-aws-3.0`.
    pub id: String,
    /// Title.
    pub title: String,
    /// Version.
    pub version: String,
    /// What controls can say about its requirements: decide them, or contribute evidence to them.
    #[serde(default)]
    pub relation: Relation,
    /// What must be known to read its statuses, where that is more than their words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What of the framework is listed, and what is left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub covers: String,
    /// The profile level that the run was limited to; requirements of higher levels are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// Every requirement, in the framework's order.
    pub requirements: Vec<RequirementRow>,
}

/// One requirement of a framework over all accounts of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequirementRow {
    /// Id within the framework version, such as `1.14`.
    pub id: String,
    /// What it asks for, in our words.
    pub title: String,
    /// Section, such as `1 IAM`.
    pub section: String,
    /// Profile level, where the framework has any.
    pub level: Option<u8>,
    /// Whether the framework itself calls it automated or manual.
    pub assessment: String,
    /// Controls that decide it, or contribute evidence to it.
    pub controls: Vec<String>,
    /// Controls that it needs and that do not exist yet.
    pub planned: Vec<String>,
    /// Those of `controls` that ran with other values of their parameters than it asks for: they do not count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_otherwise: Vec<String>,
    /// What a person looks at to decide it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub look_at: String,
    /// What a person says about it, where one has to or did. It never changes the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<AttestationRow>,
    /// How it came out over all accounts.
    pub status: RequirementStatus,
    /// How it came out in each account.
    pub accounts: BTreeMap<String, RequirementStatus>,
    /// Verdicts of its controls.
    pub totals: Counts,
}
