//! [`Report::attest`]: what people say about the requirements that are for a person to decide.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use crate::config::Attestation;

/// What a person says about a requirement. It stands beside the status and never changes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttestationRow {
    /// Whether somebody said something that still holds.
    pub state: AttestationState,
    /// What was said; nothing, where the state is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<Attested>,
}

/// Whether a requirement that is for a person to decide is attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttestationState {
    /// A person says how it stands, and that still holds.
    Attested,
    /// A person said how it stood, and that holds no longer.
    Expired,
    /// Nobody said anything.
    Open,
}

/// What a person said, and until when it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attested {
    /// What was looked at and found.
    pub statement: String,
    /// Who says it.
    pub author: String,
    /// Day of the statement, such as `2026-11-24`.
    pub date: String,
    /// Last day on which it holds.
    pub expires: String,
}

impl AttestationRow {
    /// Nobody said anything.
    #[must_use]
    pub const fn open() -> Self {
        Self { state: AttestationState::Open, said: None }
    }

    /// The statement as it stands on a day.
    #[must_use]
    pub fn on(attestation: &Attestation, day: Date) -> Self {
        let holds = day <= attestation.expires();
        Self {
            state: if holds { AttestationState::Attested } else { AttestationState::Expired },
            said: Some(Attested {
                statement: attestation.statement().to_owned(),
                author: attestation.author().to_owned(),
                date: attestation.date().to_string(),
                expires: attestation.expires().to_string(),
            }),
        }
    }

    /// Whether there is a statement exactly where the state says so.
    pub(super) const fn is_consistent(&self) -> bool {
        matches!(self.state, AttestationState::Open) == self.said.is_none()
    }
}

impl AttestationState {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attested => "attested",
            Self::Expired => "expired",
            Self::Open => "open",
        }
    }
}

impl Report {
    /// Puts the statements of people, as they stand on a day, beside the statuses of the requirements. Of two
    /// about the same requirement the one that holds longer counts.
    pub fn attest(&mut self, attestations: &[Attestation], day: Date) {
        for framework in &mut self.frameworks {
            for requirement in &mut framework.requirements {
                let about = attestations
                    .iter()
                    .filter(|a| a.framework() == framework.id && a.requirement() == requirement.id)
                    .max_by_key(|a| (a.expires(), a.date()));
                if let Some(attestation) = about {
                    requirement.attestation = Some(AttestationRow::on(attestation, day));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::report::sample;

    fn attestations(entries: &[(&str, &str, &str)]) -> Vec<Attestation> {
        let entries: String = entries
            .iter()
            .map(|(requirement, date, expires)| {
                format!(
                    "  - {{ framework: cis-aws-3.0, requirement: '{requirement}', statement: looked at it, \
                     author: Ann, date: {date}, expires: {expires} }}\n"
                )
            })
            .collect();
        let text = format!("attestations:\n{entries}");
        config::parse(std::path::Path::new("upright.yaml"), &text).expect("fine").attestations
    }

    fn state(report: &Report, requirement: &str) -> Option<AttestationState> {
        let framework = report.frameworks.iter().find(|f| f.id == "cis-aws-3.0").expect("the framework");
        let row = framework.requirements.iter().find(|r| r.id == requirement).expect("the requirement");
        row.attestation.as_ref().map(|attestation| attestation.state)
    }

    #[test]
    fn a_statement_holds_through_its_last_day_and_changes_no_status() {
        let attestations = attestations(&[("1.5", "2026-01-01", "2026-06-30")]);
        for (day, expected) in
            [("2026-06-30", AttestationState::Attested), ("2026-07-01", AttestationState::Expired)]
        {
            let mut report = sample::report();
            let before = report.clone();
            report.attest(&attestations, day.parse().expect("a day"));
            report.check().expect("it adds up");
            assert_eq!(state(&report, "1.5"), Some(expected), "{day}");
            for (framework, before) in report.frameworks.iter_mut().zip(&before.frameworks) {
                for (row, before) in framework.requirements.iter_mut().zip(&before.requirements) {
                    row.attestation.clone_from(&before.attestation);
                }
            }
            assert_eq!(report, before, "nothing but the attestation changed");
        }
    }

    #[test]
    fn a_renewed_statement_counts_in_either_order() {
        let (old, new) = (("1.5", "2025-01-01", "2025-06-30"), ("1.5", "2026-01-01", "2026-06-30"));
        for entries in [[old, new], [new, old]] {
            let mut report = sample::report();
            report.attest(&attestations(&entries), "2026-02-01".parse().expect("a day"));
            assert_eq!(state(&report, "1.5"), Some(AttestationState::Attested));
        }
    }

    #[test]
    fn a_state_without_its_statement_does_not_add_up() {
        for (state, expected) in [(AttestationState::Open, true), (AttestationState::Attested, false)] {
            let mut report = sample::report();
            let row = AttestationRow { state, said: None };
            report.frameworks[0].requirements[0].attestation = Some(row);
            assert_eq!(report.check().is_ok(), expected, "{state:?}");
        }
    }
}
