//! What changed since an earlier run, on a terminal: what is new comes first, what is gone last.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::{NEW, Summary};
use crate::findings::Finding;
use crate::report::screen::{Paint, padded};
use crate::report::{Authors, Changes, Past, Undelivered, text};

/// Accounts and controls of a change of the scope that are named.
const SCOPE_NAMED: usize = 3;

/// What stands before who made a change: it begins below the control.
const WHO: &str = "                ";

impl Summary<'_> {
    /// One line of the headline.
    pub(super) fn changed(&mut self) {
        let Some(changes) = &self.report.changes else { return };
        let Changes { new, resolved, no_longer_observed, newly_judged, no_longer_judged, .. } = changes;
        let counted = |n: usize, words: &str| format!("{} {words}", text::thousands(n as u64));
        let of = |paint: Paint, n: usize, words: &str| (paint.if_any(n as u64), counted(n, words));
        let since = format!("since {}: {}", text::time(&changes.since), counted(new.len(), "new"));
        let mut pieces = vec![
            (Paint::BoldRed.if_any(new.len() as u64), since),
            of(Paint::Green, resolved.len(), "resolved"),
            of(Paint::Yellow, no_longer_observed.len(), "no longer observed"),
            (Paint::Plain, format!("{} still failing", text::thousands(changes.still_failing))),
        ];
        // Other controls, accounts and regions than last time are worth a word only where there are some.
        for (list, words) in
            [(newly_judged.len(), "newly judged"), (no_longer_judged.len(), "no longer judged")]
        {
            if list > 0 {
                pieces.push((Paint::Plain, counted(list, words)));
            }
        }
        self.screen.list(&pieces);
        for line in changes.scope.lines_naming(SCOPE_NAMED) {
            self.screen.wrapped((Paint::Dim, "scope: "), 7, &line);
        }
    }

    /// What the earlier run could not deliver.
    pub(super) fn undelivered(&mut self) {
        for line in self.report.undelivered.iter().flat_map(Undelivered::lines) {
            self.screen.wrapped((Paint::Yellow, ""), 4, &line);
        }
    }

    /// The failures that were not there, worst first.
    pub(super) fn new_failures(&mut self) {
        let report = self.report;
        let Some(changes) = &report.changes else { return };
        let ids: HashSet<&str> = changes.new.iter().map(String::as_str).collect();
        let mut new: Vec<&Finding> = report.findings.iter().filter(|f| ids.contains(f.id.as_str())).collect();
        if new.is_empty() {
            return;
        }
        new.sort_by_key(|finding| (Reverse(finding.risk_score()), Reverse(finding.severity)));
        self.screen.heading(&format!("New since {}", text::time(&changes.since)));
        let most = self.most(NEW);
        for finding in new.iter().take(most) {
            let why = match (&finding.waived, &finding.waiver_ended) {
                (Some(_), _) => " (waived)".to_owned(),
                (None, Some(end)) => format!(" ({})", end.words()),
                (None, None) => String::new(),
            };
            let place = format!("{why} in {} {}", finding.account, finding.region);
            self.screen.line([
                (Paint::Plain, "  "),
                (Paint::of(finding.severity), &padded(finding.severity.as_str(), 13)),
                (Paint::Plain, " "),
                (Paint::Bold, &finding.control),
                (Paint::Plain, "  "),
                (Paint::Plain, self.names.resource(finding)),
                (Paint::Dim, &place),
            ]);
            if let Some(change) = changes.last_change(&finding.id) {
                self.screen.wrapped((Paint::Plain, WHO), WHO.len(), &change.words());
            }
        }
        self.left_out(new.len().saturating_sub(most));
        for gap in changes.authors.iter().flat_map(Authors::gaps) {
            self.screen.wrapped((Paint::Yellow, "  "), 4, &gap);
        }
    }

    /// The failures that were there, by what is known about them now.
    pub(super) fn past_failures(&mut self) {
        let report = self.report;
        let Some(changes) = &report.changes else { return };
        for (words, list) in [
            ("No longer observed, which is not resolved", &changes.no_longer_observed),
            ("No longer judged: left out, or by another rule", &changes.no_longer_judged),
            ("Resolved", &changes.resolved),
        ] {
            if list.is_empty() {
                continue;
            }
            self.screen.heading(words);
            let most = self.most(NEW);
            for past in list.iter().take(most) {
                self.past(past);
            }
            self.left_out(list.len().saturating_sub(most));
        }
    }

    fn past(&mut self, past: &Past) {
        let name = if past.resource_name.is_empty() { &past.resource_arn } else { &past.resource_name };
        let place = format!(" in {} {}", past.account, past.region);
        self.screen.line([
            (Paint::Plain, "  "),
            (Paint::of(past.severity), &padded(past.severity.as_str(), 13)),
            (Paint::Plain, " "),
            (Paint::Bold, &past.control),
            (Paint::Plain, "  "),
            (Paint::Plain, name),
            (Paint::Dim, &place),
        ]);
    }
}
