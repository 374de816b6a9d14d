//! Sigma rules for CloudTrail, as they are: selections, modifiers, conditions and correlations.
//!
//! Files are read by `rsigma-parser`; what they mean is decided here, by the
//! [specification](https://github.com/SigmaHQ/sigma-specification). Two things go beyond it, because published rules
//! need them: an object is searched through its texts and its compact JSON, and a field that is JSON `null` counts
//! as absent.

mod compile;
mod condition;
pub mod correlation;
mod library;
mod path;
mod value;

pub use self::library::Library;
pub use self::path::{Path, any_leaf};

use std::collections::BTreeMap;

use self::correlation::Definition;
use super::engine::predicate::Predicate;
use super::ruleset::RuleInfo;

/// A rule about single events.
#[derive(Debug)]
pub struct SigmaRule {
    /// What is told of it.
    pub info: RuleInfo,
    /// The name that correlations may call it by, beside its id and title.
    pub name: Option<String>,
    /// What it asks of an event.
    pub predicate: Predicate,
}

/// A rule about several events together.
#[derive(Debug)]
pub struct SigmaCorrelation {
    /// What is told of it.
    pub info: RuleInfo,
    /// What it counts, and when it alerts.
    pub definition: Definition,
}

/// Values for the `%name%` placeholders of rules with `expand`.
pub type Placeholders = BTreeMap<String, Vec<String>>;
