//! Control files, the expressions in them, verdicts and frameworks.

mod verdict;

pub use verdict::{Evidence, Severity, Verdict, VerdictKind};
