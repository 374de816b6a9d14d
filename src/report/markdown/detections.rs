//! What event rules found.

use super::Page;
use super::escape::{code, escape};
use super::sections::{named, short};
use crate::report::index::Index;
use crate::report::{AttackName, Report, text};

/// Rows of each table.
const MAX_ROWS: usize = 15;

/// The rules that found something, and the worst detections. A report without events says nothing of them.
pub(super) fn section(page: &mut Page, report: &Report, index: &Index<'_>) {
    let Some(detections) = &report.detections else { return };
    page.line("## Detections");
    page.line(&format!("{}. {}", detections.headline(), detections.was_read()));
    let mut rules = detections.rules.iter().filter(|rule| rule.found > 0).peekable();
    if rules.peek().is_none() {
        return;
    }
    let rows = rules.map(|rule| {
        [
            rule.severity.to_string(),
            code(&short(&rule.name)),
            text::thousands(rule.found),
            escape(&short(&attack(&rule.tactics, &rule.techniques))),
            code(&short(rule.author.as_deref().unwrap_or_default())),
        ]
    });
    let left_out = page.table(["Severity", "Rule", "Detections", "ATT&CK", "Author"], rows, MAX_ROWS);
    page.left_out(left_out, "rule", "rules");
    let rows = detections.detections.iter().map(|row| {
        let account = row.account.as_deref().unwrap_or_default();
        [
            row.severity.to_string(),
            row.time.as_deref().map(text::time).map(|time| code(&short(&time))).unwrap_or_default(),
            code(&short(detections.rule(&row.rule).map_or("", |rule| rule.name.as_str()))),
            named(account, index.account_name(account)),
            code(&short(row.actor_name())),
            code(&short(row.event_name.as_deref().unwrap_or_default())),
        ]
    });
    let shown = page.table(["Severity", "Time", "Rule", "Account", "Actor", "Call"], rows, MAX_ROWS);
    page.left_out(shown + detections.dropped(), "detection", "detections");
}

fn attack(tactics: &[AttackName], techniques: &[AttackName]) -> String {
    let tactics = tactics.iter().map(|tactic| tactic.name.as_str());
    tactics.chain(techniques.iter().map(|technique| technique.id.as_str())).collect::<Vec<_>>().join(", ")
}
