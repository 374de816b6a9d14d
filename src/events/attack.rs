//! MITRE ATT&CK tactics and techniques, as rules name them in their tags.
//!
//! Sigma writes `attack.initial_access` (or `attack.initial-access`) and `attack.t1078.004`; Falco's rules write
//! `mitre_initial_access`, `MITRE_T1078` and plain `T1078.004`.

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The [tactics](https://attack.mitre.org/tactics/enterprise/), with their ids, in the order of the matrix.
const TACTICS: [(&str, &str, &str); 15] = [
    ("reconnaissance", "TA0043", "Reconnaissance"),
    ("resource_development", "TA0042", "Resource Development"),
    ("initial_access", "TA0001", "Initial Access"),
    ("execution", "TA0002", "Execution"),
    ("persistence", "TA0003", "Persistence"),
    ("privilege_escalation", "TA0004", "Privilege Escalation"),
    ("defense_evasion", "TA0005", "Defense Evasion"),
    // The two that defense evasion was split into; the first kept its id.
    ("stealth", "TA0005", "Stealth"),
    ("credential_access", "TA0006", "Credential Access"),
    ("discovery", "TA0007", "Discovery"),
    ("lateral_movement", "TA0008", "Lateral Movement"),
    ("collection", "TA0009", "Collection"),
    ("command_and_control", "TA0011", "Command and Control"),
    ("exfiltration", "TA0010", "Exfiltration"),
    ("impact", "TA0040", "Impact"),
];

/// What a rule's tags say of ATT&CK; each of its detections has a share in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attack {
    /// Names of tactics, such as `Initial Access`, in the order of the matrix.
    pub tactics: Arc<Vec<String>>,
    /// Ids of techniques, such as `T1078.004`, sorted.
    pub techniques: Arc<Vec<String>>,
}

impl Attack {
    /// Collects what is about ATT&CK among a rule's tags.
    #[must_use]
    pub fn from_tags<'t>(tags: impl IntoIterator<Item = &'t str>) -> Self {
        let (mut tactics, mut techniques) = (Vec::new(), Vec::new());
        for tag in tags {
            let tag = tag.trim().to_ascii_lowercase();
            let word = ["attack.", "mitre_", "mitre.", "mitre-"]
                .iter()
                .find_map(|prefix| tag.strip_prefix(prefix))
                .unwrap_or(&tag);
            if let Some(technique) = technique(word) {
                techniques.push(technique);
            } else if word.len() < tag.len() {
                tactics.extend(tactic(word).map(str::to_owned));
            }
        }
        tactics.sort_by_key(|name| tactic_place(name));
        tactics.dedup();
        techniques.sort();
        techniques.dedup();
        Self { tactics: Arc::new(tactics), techniques: Arc::new(techniques) }
    }

    /// Whether a filter picks this. A technique picks its sub-techniques too.
    #[must_use]
    pub fn matches(&self, filter: &AttackFilter) -> bool {
        match filter {
            AttackFilter::Tactic(name) => self.tactics.iter().any(|tactic| tactic == name),
            AttackFilter::Technique(id) => self.techniques.iter().any(|technique| {
                technique == id || technique.split_once('.').is_some_and(|(parent, _)| parent == id)
            }),
        }
    }

    /// Whether the tags said nothing of ATT&CK.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tactics.is_empty() && self.techniques.is_empty()
    }
}

/// A tactic or a technique that someone asks for: `T1078`, `t1078.004`, `TA0001` or `initial access`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttackFilter {
    /// The name of a tactic, such as `Initial Access`.
    Tactic(&'static str),
    /// The id of a technique or sub-technique, such as `T1078.004`.
    Technique(String),
}

/// A text that names no tactic and has not the form of a technique's id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is neither a tactic of ATT&CK, such as `persistence` or `TA0003`, nor the id of a technique, such as `T1078.004`"
)]
pub struct NoAttack(String);

impl FromStr for AttackFilter {
    type Err = NoAttack;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.trim();
        tactic(word)
            .map(Self::Tactic)
            .or_else(|| technique(&word.to_ascii_lowercase()).map(Self::Technique))
            .ok_or_else(|| NoAttack(text.to_owned()))
    }
}

/// Where a tactic stands in the matrix, counted from 0; what is no tactic stands behind them.
#[must_use]
pub fn tactic_place(name: &str) -> usize {
    TACTICS.iter().position(|(_, _, known)| *known == name).unwrap_or(TACTICS.len())
}

/// The id of a tactic, such as `TA0001`, by the name that [`Attack::tactics`] has; `None` for another name.
#[must_use]
pub fn tactic_id(name: &str) -> Option<&'static str> {
    TACTICS.iter().find(|(_, _, known)| *known == name).map(|(_, id, _)| *id)
}

/// `t1078` or `t1078.004` in the usual spelling.
fn technique(word: &str) -> Option<String> {
    let number = word.strip_prefix('t')?;
    let (number, sub) = match number.split_once('.') {
        Some((number, sub)) => (number, Some(sub)),
        None => (number, None),
    };
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(number, 4) && sub.is_none_or(|sub| digits(sub, 3))).then(|| word.to_ascii_uppercase())
}

/// The name of the tactic that a word or an id stands for.
fn tactic(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase().replace(['-', ' '], "_");
    TACTICS
        .iter()
        .find(|(key, id, _)| *key == word || id.eq_ignore_ascii_case(&word))
        .map(|(_, _, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tactics_and_techniques_are_read_in_every_spelling() {
        let attack = Attack::from_tags([
            "attack.t1078.004",
            "attack.Initial-Access",
            "mitre_persistence",
            "T1098",
            "MITRE_T1098",
            "attack.s0001",
            "persistence",
            "aws",
            "attack.t10",
            "attack.ta0040",
        ]);
        assert_eq!(*attack.tactics, ["Initial Access", "Persistence", "Impact"]);
        assert_eq!(*attack.techniques, ["T1078.004", "T1098"]);
    }

    #[test]
    fn a_filter_picks_by_technique_parent_tactic_and_id() {
        let attack = Attack::from_tags(["attack.t1078.004", "attack.initial-access"]);
        let picks = |filter: &str| attack.matches(&filter.parse().unwrap());
        for filter in ["T1078", "t1078.004", "TA0001", "initial access", "Initial_Access"] {
            assert!(picks(filter), "{filter}");
        }
        for filter in ["T1079", "T1078.001", "TA0002", "impact"] {
            assert!(!picks(filter), "{filter}");
        }
        for wrong in ["", "T107", "TA9999", "T1078.1", "everything"] {
            let error = wrong.parse::<AttackFilter>().unwrap_err();
            assert!(error.to_string().contains("neither a tactic"), "{error}");
        }
    }

    #[test]
    fn tactics_have_ids() {
        assert_eq!(tactic_id("Initial Access"), Some("TA0001"));
        assert_eq!(tactic_id("initial access"), None);
    }
}
