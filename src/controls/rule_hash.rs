//! What tells whether two runs judged by the same rule.

use sha2::{Digest, Sha256};

use super::Control;
use crate::hex::hex_of_first;

impl Control {
    /// Hash of all that its verdicts depend on: type, expressions and the values of its parameters. Another title,
    /// severity or remediation is the same rule.
    #[must_use]
    pub fn rule_hash(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            // The length keeps ("ab", "c") and ("a", "bc") apart.
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        };
        add(self.kind.name);
        add(self.expressions.when.as_deref().unwrap_or_default());
        add(&self.expressions.pass);
        add(&format!("{} {}", self.evidence_only, self.pass_only));
        // Objects are printed in the order of their keys.
        add(&self.values.to_string());
        hex_of_first(8, &hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::controls::Control;

    const FILE: &str = include_str!("../../controls/iam/iam-user-access-key-age.yaml");

    fn hash(text: &str) -> String {
        Control::parse(Path::new("iam-user-access-key-age.yaml"), text).unwrap().rule_hash()
    }

    #[test]
    fn another_rule_has_another_hash_and_other_words_have_not() {
        assert_eq!(hash(FILE), hash(FILE));
        let severity = FILE.replace("severity: medium", "severity: high");
        assert_ne!(severity, FILE);
        assert_eq!(hash(&severity), hash(FILE));
        let parameter = FILE.replace("value: 90", "value: 60");
        assert_ne!(parameter, FILE);
        assert_ne!(hash(&parameter), hash(FILE));
    }
}
