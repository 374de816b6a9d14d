//! Whether detections add up.

use std::collections::{HashMap, HashSet};

use super::links::is_about;
use super::{DetectionRow, Detections, EventRuleRow, SeverityCounts};
use crate::findings::Finding;

impl Detections {
    /// Checks that every detection has a rule and every count is what the detections give.
    ///
    /// # Errors
    /// What is wrong first.
    pub(in crate::report) fn check(&self, findings: &[Finding]) -> Result<(), String> {
        let rules: HashMap<&str, &EventRuleRow> =
            self.rules.iter().map(|rule| (rule.id.as_str(), rule)).collect();
        if rules.len() != self.rules.len() {
            return Err("a rule is there twice".to_owned());
        }
        let findings: HashMap<&str, &Finding> = findings.iter().map(|f| (f.id.as_str(), f)).collect();
        let mut ids = HashSet::new();
        let mut kept: HashMap<&str, u64> = HashMap::new();
        for row in &self.detections {
            if !is_id(&row.id) {
                return Err(format!("`{}` is no id of a detection", row.id));
            }
            if !ids.insert(row.id.as_str()) {
                return Err(format!("detection `{}` is there twice", row.id));
            }
            match rules.get(row.rule.as_str()) {
                Some(rule) if rule.severity == row.severity => {}
                Some(rule) => {
                    return Err(format!(
                        "detection `{}` is {}, its rule {}",
                        row.id, row.severity, rule.severity
                    ));
                }
                None => return Err(format!("rule `{}` of detection `{}` is not listed", row.rule, row.id)),
            }
            check_links(row, &findings)?;
            *kept.entry(&row.rule).or_insert(0) += 1;
        }
        self.check_totals(&kept)?;
        self.check_order()
    }

    fn check_totals(&self, kept: &HashMap<&str, u64>) -> Result<(), String> {
        let mut totals = SeverityCounts::zero();
        for rule in &self.rules {
            let there = kept.get(rule.id.as_str()).copied().unwrap_or(0);
            if rule.kept != there || rule.found < there {
                return Err(format!(
                    "rule `{}` is stated with {} detections of {}, and {there} are there",
                    rule.id, rule.kept, rule.found
                ));
            }
            totals.add(rule.severity, rule.found);
        }
        if totals == self.totals {
            return Ok(());
        }
        Err(format!("{} are stated, and the rules have {}", self.totals.total(), totals.total()))
    }

    fn check_order(&self) -> Result<(), String> {
        let place =
            |row: &DetectionRow| (std::cmp::Reverse(row.severity), std::cmp::Reverse(row.timestamp()));
        if self.detections.is_sorted_by_key(place) {
            return Ok(());
        }
        Err("they are not in order, the worst first and then the newest".to_owned())
    }
}

fn check_links(row: &DetectionRow, findings: &HashMap<&str, &Finding>) -> Result<(), String> {
    match row.findings.iter().find(|id| !findings.get(id.as_str()).is_some_and(|f| is_about(row, f))) {
        Some(id) => Err(format!("detection `{}` is linked to finding `{id}`, which is not about it", row.id)),
        None => Ok(()),
    }
}

/// Whether it is what detections have: up to 64 hexadecimal digits.
pub(super) fn is_id(id: &str) -> bool {
    (12..=64).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
