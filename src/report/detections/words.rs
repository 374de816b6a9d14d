//! What is said of detections in every format that people read.

use super::{AttackName, Detections, EventsRead};
use crate::events::attack::tactic_place;
use crate::report::text;

/// What a report without detections says.
pub(in crate::report) const NONE_READ: &str =
    "No events were read for this report: it says nothing about what happened.";

impl Detections {
    /// `10 detections by 2 rules: 9 critical, 1 high`.
    pub(in crate::report) fn headline(&self) -> String {
        let severities: Vec<String> = self
            .totals
            .worst_first()
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(severity, count)| format!("{} {severity}", text::thousands(*count)))
            .collect();
        if severities.is_empty() {
            return "Nothing was detected".to_owned();
        }
        let by = self.rules.iter().filter(|rule| rule.found > 0).count() as u64;
        format!(
            "{} by {}: {}",
            text::count(self.totals.total(), "detection", "detections"),
            text::count(by, "rule", "rules"),
            severities.join(", ")
        )
    }

    /// What was read, in a sentence.
    pub(in crate::report) fn was_read(&self) -> String {
        let Some(read) = &self.read else {
            return "From a file of detections, which does not tell what was read and which other rules ran."
                .to_owned();
        };
        let mut words = format!(
            "{} asked about {} in {}",
            text::count(self.rules.len() as u64, "rule was", "rules were"),
            text::count(read.counts.events, "event", "events"),
            text::count(read.inputs, "input", "inputs"),
        );
        for (time, before) in [(&read.since, "from"), (&read.until, "until")] {
            if let Some(time) = time {
                words.push_str(&format!(", {before} {}", text::time(time)));
            }
        }
        words.push('.');
        words
    }

    /// What was not read, did not run or may have been missed: a sentence each, without a full stop.
    pub(crate) fn missed(&self) -> Vec<String> {
        let Some(read) = &self.read else { return Vec::new() };
        let EventsRead { inputs, unread_inputs, unfetched, correlations, rules_left_out, .. } = read;
        let mut missed = Vec::new();
        let mut say = |count: u64, words: String| {
            if count > 0 {
                missed.push(words);
            }
        };
        say(
            *rules_left_out,
            format!("{} did not run", text::count(*rules_left_out, "event rule", "event rules")),
        );
        say(
            *unread_inputs,
            format!(
                "{} of {} could not be read, or only in part",
                text::thousands(*unread_inputs),
                text::count(*inputs, "input of events", "inputs of events")
            ),
        );
        say(
            *unfetched,
            format!("{} announced and not fetched", text::count(*unfetched, "object was", "objects were")),
        );
        say(
            correlations.late,
            format!(
                "{} too late to be counted by a correlation",
                text::count(correlations.late, "event came", "events came")
            ),
        );
        say(
            correlations.forgotten_groups,
            format!(
                "{} of a correlation forgotten, because there were too many",
                text::count(correlations.forgotten_groups, "group was", "groups were")
            ),
        );
        missed
    }

    /// How many detections there are of each tactic, in the order of the matrix, and last, without a name, of rules
    /// that name none. One detection may be of several tactics.
    pub(in crate::report) fn by_tactic(&self) -> Vec<(AttackName, u64)> {
        let mut counted: Vec<(AttackName, u64)> = Vec::new();
        let none = AttackName { id: String::new(), name: String::new() };
        for rule in self.rules.iter().filter(|rule| rule.found > 0) {
            let tactics = if rule.tactics.is_empty() { std::slice::from_ref(&none) } else { &rule.tactics };
            for tactic in tactics {
                match counted.iter_mut().find(|(known, _)| known == tactic) {
                    Some((_, count)) => *count += rule.found,
                    None => counted.push((tactic.clone(), rule.found)),
                }
            }
        }
        counted.sort_by_key(|(tactic, _)| {
            (tactic.name.is_empty(), tactic_place(&tactic.name), tactic.name.clone())
        });
        counted
    }
}
