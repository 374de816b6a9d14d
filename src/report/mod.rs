//! Reports of a run: one file per format, all made from the same [`Report`].
//!
//! Nothing here calls AWS or decides anything: a report says what it is given, escaped for where it goes.

mod document;

pub use document::{
    ControlRow, Counts, FrameworkRow, Gap, Report, RequirementRow, RequirementStatus, RunInfo,
};
