//! Reports of a run: one file per format, all made from the same [`Report`].
//!
//! Nothing here calls AWS or decides anything: a report says what it is given, escaped for where it goes.

mod build;
mod document;

pub use build::Ran;
pub use document::{ControlRow, Counts, FrameworkRow, Gap, Report, RequirementRow, RunInfo};
