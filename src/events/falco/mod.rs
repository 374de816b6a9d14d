//! Falco rule files, as they are: lists, macros, rules, overrides, exceptions, conditions, fields and outputs.

mod compile;
pub mod condition;
mod exception;
mod extract;
mod field;
mod library;
mod lists;
mod output;

pub use self::field::{Field, FieldError, FieldKind, Transform};
pub use self::library::Library;
pub use self::output::{Output, OutputError};

use super::engine::predicate::Predicate;
use super::ruleset::RuleInfo;

/// A rule that is ready to run.
#[derive(Debug)]
pub struct FalcoRule {
    /// What is told of it.
    pub info: RuleInfo,
    /// What it asks of an event.
    pub predicate: Predicate,
    /// What it prints.
    pub output: Output,
    /// Whether its file, or a later one, switched it on.
    pub enabled: bool,
}

/// The source that rules over CloudTrail name.
pub const SOURCE: &str = "aws_cloudtrail";
