//! What event rules found, the worst first, and what they did not see.

use super::Summary;
use crate::report::screen::{Paint, padded};
use crate::report::text;

/// Rules that are named unless more is asked for.
const RULES: usize = 10;

impl Summary<'_> {
    /// The rules that found something. A report without events says nothing of them.
    pub(super) fn detections(&mut self) {
        let report = self.report;
        let Some(detections) = &report.detections else { return };
        let loud: Vec<_> = detections.rules.iter().filter(|rule| rule.found > 0).collect();
        let missed = detections.missed();
        if loud.is_empty() && missed.is_empty() {
            return;
        }
        self.screen.heading("Detected in events, worst first");
        let most = self.most(RULES);
        let counts: Vec<String> = loud.iter().map(|rule| text::thousands(rule.found)).collect();
        let wide = counts.iter().map(String::len).max().unwrap_or(0);
        for (rule, count) in loud.iter().zip(&counts).take(most) {
            let tactics: Vec<&str> = rule.tactics.iter().map(|tactic| tactic.name.as_str()).collect();
            let tactics =
                if tactics.is_empty() { String::new() } else { format!("  {}", tactics.join(", ")) };
            self.screen.line([
                (Paint::Plain, "  "),
                (Paint::of(rule.severity), &padded(rule.severity.as_str(), 13)),
                (Paint::Plain, &format!(" {count:>wide$}  ")),
                (Paint::Bold, &rule.name),
                (Paint::Dim, &tactics),
            ]);
        }
        self.left_out(loud.len().saturating_sub(most));
        if detections.dropped() > 0 {
            let words =
                format!("{} of them are only counted in the reports", text::thousands(detections.dropped()));
            self.screen.paragraph("  ", &words);
        }
        for words in missed {
            self.screen.wrapped((Paint::Yellow, "  not looked at: "), 4, &words);
        }
    }
}
