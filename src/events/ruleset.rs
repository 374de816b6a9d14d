//! The rules that a run has, whatever they were written in.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::attack::Attack;
use crate::controls::Severity;

/// What a rule was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// A Falco rule file.
    Falco,
    /// A Sigma rule about single events.
    Sigma,
    /// A Sigma rule about several events together.
    SigmaCorrelation,
}

/// What is told of a rule beside its matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleInfo {
    /// What tells it from every other rule: a Sigma rule's id, else its name.
    pub id: String,
    /// What a person calls it: a Falco rule's name, a Sigma rule's title.
    pub name: String,
    /// What it was written in.
    pub language: Language,
    /// The file it came from.
    pub file: PathBuf,
    /// The line in that file where it begins, counted from 1.
    pub line: usize,
    /// What it looks for, in its author's words.
    pub description: String,
    /// How bad a match is.
    pub severity: Severity,
    /// The priority or level as the file has it; `None` when the file has none.
    pub level: Option<String>,
    /// Who wrote it. The Detection Rule License asks that alerts name the author.
    pub author: Option<String>,
    /// The licence that the rule names.
    pub license: Option<String>,
    /// Its tags, as written.
    pub tags: Vec<String>,
    /// What the tags say of MITRE ATT&CK.
    pub attack: Attack,
    /// Where to read more.
    pub references: Vec<String>,
}
