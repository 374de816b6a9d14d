//! Control files, the expressions in them, verdicts and frameworks.

mod functions;
mod verdict;

pub use verdict::{Evidence, Severity, Verdict, VerdictKind};
