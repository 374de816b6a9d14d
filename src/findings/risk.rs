//! [`Risk`]: how much a failure matters where it is, from 0 to 100.
//!
//! The score is a plain sum, so that everybody can check it, and context can weigh more than severity:
//!
//! | part | points |
//! |---|---|
//! | severity of the finding | critical 40, high 30, medium 20, low 10, informational 0 |
//! | exposed: the control is about public access, or another of that kind fails on the same resource | 20 |
//! | privileged: the control is about root or about administrators, or one about administrators fails on the same resource | 15 |
//! | tagged production: the resource, or its account | 10 |
//! | touched by a detection | 10 |
//! | failing for 30 days | 5 |
//!
//! What is not known adds nothing: a resource whose tags were not read is not taken for production.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::controls::Severity;

/// Days after which a failure is called long.
pub const LONG_DAYS: i32 = 30;

const EXPOSED: u8 = 20;
const PRIVILEGED: u8 = 15;
const PRODUCTION: u8 = 10;
const DETECTED: u8 = 10;
const LONG: u8 = 5;

/// How much a failure matters, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Risk {
    /// From 0 to 100: the sum of the parts.
    pub score: u8,
    /// What makes it that much, severity first.
    pub parts: Vec<RiskPart>,
}

/// One reason, and what it adds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct RiskPart {
    /// Why, in a few words.
    pub why: String,
    /// What it adds to the score.
    pub points: u8,
}

/// What is known about a failure beside its severity: for each part the reason, where there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Why it can be reached from the internet.
    pub exposed: Option<String>,
    /// Why much can be done through it.
    pub privileged: Option<String>,
    /// What says that it is production.
    pub production: Option<String>,
    /// Whether a detection touched the resource.
    pub detected: bool,
    /// Days for which it is known to fail.
    pub failing_days: Option<i32>,
}

impl Risk {
    /// The sum.
    #[must_use]
    pub fn of(severity: Severity, context: Context) -> Self {
        let base = match severity {
            Severity::Critical => 40,
            Severity::High => 30,
            Severity::Medium => 20,
            Severity::Low => 10,
            Severity::Informational => 0,
        };
        let long = context.failing_days.filter(|days| *days >= LONG_DAYS);
        let parts: Vec<RiskPart> = [
            Some((format!("severity {severity}"), base)),
            context.exposed.map(|why| (why, EXPOSED)),
            context.privileged.map(|why| (why, PRIVILEGED)),
            context.production.map(|why| (why, PRODUCTION)),
            context.detected.then(|| ("touched by a detection".to_owned(), DETECTED)),
            long.map(|days| (format!("failing for {days} days"), LONG)),
        ]
        .into_iter()
        .flatten()
        .map(|(why, points)| RiskPart { why, points })
        .collect();
        // INVARIANT: the greatest points of each part are 100 together.
        Self { score: parts.iter().map(|part| part.points).sum(), parts }
    }

    /// Whether the score is the sum of its parts, and none over 100.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let sum: u32 = self.parts.iter().map(|part| u32::from(part.points)).sum();
        sum == u32::from(self.score) && sum <= 100
    }

    /// `65: severity medium 20, about public access 20, …`.
    #[must_use]
    pub fn words(&self) -> String {
        let parts: Vec<String> =
            self.parts.iter().map(|part| format!("{} {}", part.why, part.points)).collect();
        format!("{} of 100: {}", self.score, parts.join(", "))
    }
}

/// The first of these tags that says production, as `key=value`; neither keys nor values are compared by case.
pub fn production<'t>(
    wanted: &std::collections::BTreeMap<String, Vec<String>>,
    tags: impl IntoIterator<Item = (&'t String, &'t String)>,
) -> Option<String> {
    let wanted: HashMap<String, &Vec<String>> =
        wanted.iter().map(|(key, values)| (key.to_lowercase(), values)).collect();
    tags.into_iter().find_map(|(key, value)| {
        let values = wanted.get(&key.to_lowercase())?;
        let says = values.is_empty() || values.iter().any(|one| one.to_lowercase() == value.to_lowercase());
        says.then(|| format!("{key}={value}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Context {
        Context {
            exposed: Some("e".to_owned()),
            privileged: Some("p".to_owned()),
            production: Some("t".to_owned()),
            detected: true,
            failing_days: Some(LONG_DAYS),
        }
    }

    #[test]
    fn the_worst_is_100_and_every_part_is_shown() {
        for (severity, all, alone) in [
            (Severity::Critical, 100, 40),
            (Severity::High, 90, 30),
            (Severity::Medium, 80, 20),
            (Severity::Low, 70, 10),
            (Severity::Informational, 60, 0),
        ] {
            let risk = Risk::of(severity, everything());
            assert_eq!((risk.score, risk.parts.len(), risk.adds_up()), (all, 6, true));
            let risk = Risk::of(severity, Context::default());
            assert_eq!((risk.score, risk.parts.len(), risk.adds_up()), (alone, 1, true));
        }
    }

    #[test]
    fn context_can_outweigh_severity() {
        let exposed =
            Context { exposed: Some("e".to_owned()), production: Some("t".to_owned()), ..Context::default() };
        assert!(
            Risk::of(Severity::Medium, exposed).score
                > Risk::of(Severity::Critical, Context::default()).score
        );
    }

    #[test]
    fn a_failure_is_long_from_30_days_on() {
        let after =
            |days| Risk::of(Severity::Low, Context { failing_days: Some(days), ..Context::default() }).score;
        assert_eq!((after(29), after(30)), (10, 15));
    }

    #[test]
    fn production_is_told_by_tag_in_any_case() {
        let wanted = [
            ("env".to_owned(), vec!["prod".to_owned(), "production".to_owned()]),
            ("live".to_owned(), Vec::new()),
        ]
        .into();
        let told = |key: &str, value: &str| {
            production(&wanted, [(&key.to_owned(), &value.to_owned())]).unwrap_or_default()
        };
        assert_eq!(told("Env", "PROD"), "Env=PROD");
        assert_eq!(told("live", "whatever"), "live=whatever");
        assert_eq!(told("env", "preprod"), "");
        assert_eq!(told("environment", "prod"), "");
    }
}
