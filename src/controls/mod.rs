//! Control files, the expressions in them, verdicts and frameworks.
//!
//! A control is data: one YAML file that says what must hold for one type of resource, checked against the
//! schema of the collectors when it is loaded. Nothing here calls AWS.

mod cel;
mod example;
mod file;
mod framework;
mod functions;
mod judge;
mod rule_hash;
mod set;
mod source;
mod verdict;

#[cfg(test)]
mod tests;

pub use cel::{FUNCTIONS, Function};
pub use example::{Answer, Example, Outcome};
pub use file::{Control, ControlFile, Expressions, Parameter, Remediation};
pub use framework::{Assessment, ControlOutcome, Framework, Relation, Requirement, RequirementStatus};
pub(crate) use functions::Pattern;
pub use judge::Judgement;
pub use set::{ControlSet, DecidedBy, SetParameters};
pub use source::{LoadErrors, SourceError};
pub use verdict::{Evidence, Severity, Verdict, VerdictKind};
