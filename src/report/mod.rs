//! Reports of a run: one file per format, all made from the same [`Report`].
//!
//! Nothing here calls AWS or decides anything: a report says what it is given, escaped for where it goes.

mod advice;
pub mod asff;
mod attestation;
mod authors;
mod build;
mod changes;
mod check;
pub mod csv;
mod detections;
mod document;
mod explain;
mod figures;
mod files;
mod format;
mod gaps;
pub mod html;
mod index;
pub mod json;
mod json_text;
pub mod jsonl;
pub mod junit;
pub mod markdown;
pub mod ocsf;
mod part;
mod remediation;
mod risk;
#[cfg(test)]
pub(crate) use detections::sample as detected;
#[cfg(test)]
pub(crate) mod sample;
pub mod sarif;
mod scope;
pub(crate) mod screen;
pub mod terminal;
mod text;
mod trend;
mod undelivered;

pub use attestation::{AttestationRow, AttestationState, Attested};
pub use authors::{Authors, UnansweredPlace};
pub use build::Ran;
pub use changes::{Changes, Past};
pub use check::Inconsistent;
pub use detections::{
    AttackName, Collector, CorrelationCounts, DetectionRow, Detections, EventCounts, EventJson, EventRuleRow,
    EventsRead, Limits, LinesError, RuleIssue, SeverityCounts, UnreadInput, read_lines,
};
pub use document::{
    ControlRow, Counts, FrameworkRow, Gap, Report, RequirementRow, RunInfo, SCHEMA_VERSION, Waivers,
};
pub use explain::{Advice, Explanation, MIN_PREFIX, NotFound, Rule};
pub use files::{Destination, FileError, write, write_files};
pub use format::{Format, UnknownFormat};
pub(crate) use gaps::Group;
pub use risk::Known;
pub use scope::ScopeChanges;
pub(crate) use text::{printable, time};
pub use trend::{MAX_POINTS, Score, TrendPoint};
pub use undelivered::Undelivered;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Its numbers do not add up.
    #[error("the report does not add up, which is a fault of this program: {0}")]
    Inconsistent(#[from] Inconsistent),
    /// Where it was written to refused.
    #[error("the report could not be written: {0}")]
    Io(#[from] std::io::Error),
    /// The page's template does not fit the report.
    #[error("the report page could not be made, which is a fault of this program: {0}")]
    Template(#[from] tera::Error),
}
