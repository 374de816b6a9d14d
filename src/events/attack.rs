//! MITRE ATT&CK tactics and techniques, as rules name them in their tags.
//!
//! Sigma writes `attack.initial_access` (or `attack.initial-access`) and `attack.t1078.004`; Falco's rules write
//! `mitre_initial_access`, `MITRE_T1078` and plain `T1078.004`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

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
        tactics.sort_by_key(|name| TACTICS.iter().position(|(_, _, known)| known == name));
        tactics.dedup();
        techniques.sort();
        techniques.dedup();
        Self { tactics: Arc::new(tactics), techniques: Arc::new(techniques) }
    }

    /// Whether a filter such as `T1078`, `t1078.004`, `TA0001` or `initial access` picks this.
    ///
    /// A technique picks its sub-techniques too.
    #[must_use]
    pub fn matches(&self, filter: &str) -> bool {
        let filter = filter.trim();
        self.techniques.iter().any(|technique| {
            technique.eq_ignore_ascii_case(filter)
                || technique.split_once('.').is_some_and(|(parent, _)| parent.eq_ignore_ascii_case(filter))
        }) || tactic(filter).is_some_and(|name| self.tactics.iter().any(|tactic| tactic == name))
    }

    /// Whether the tags said nothing of ATT&CK.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tactics.is_empty() && self.techniques.is_empty()
    }
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
        for filter in ["T1078", "t1078.004", "TA0001", "initial access", "Initial_Access"] {
            assert!(attack.matches(filter), "{filter}");
        }
        for filter in ["T107", "T1078.001", "TA0002", "impact", ""] {
            assert!(!attack.matches(filter), "{filter}");
        }
    }
}
