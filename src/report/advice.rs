//! Why a finding is as it is and what to do about it, in plain text: for the formats that show it without a page
//! around it.

use super::remediation::{self, Filled};
use super::{ControlRow, printable};
use crate::controls::VerdictKind;
use crate::findings::Finding;

/// Why, in one sentence; one that begins with `Not observed` says what was not.
pub(super) fn why(finding: &Finding) -> String {
    match (finding.verdict, &finding.unseen) {
        (VerdictKind::Unknown, Some(unseen)) => printable(&format!("Not observed: {unseen}")).into_owned(),
        _ => printable(&finding.reason).into_owned(),
    }
}

/// What to do, in words: the control's steps for a failure, who removes the obstacle for what was not observed.
pub(super) fn steps(finding: &Finding, control: Option<&ControlRow>) -> Vec<String> {
    match (finding.verdict, &finding.unseen) {
        (VerdictKind::Fail, _) => control.map_or(Vec::new(), |control| lines(&control.remediation)),
        (VerdictKind::Unknown, Some(unseen)) => vec![printable(&unseen.remedy()).into_owned()],
        _ => Vec::new(),
    }
}

/// The steps as one paragraph.
pub(super) fn paragraph(steps: &[String]) -> String {
    let lines = steps.iter().map(|line| line.trim()).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

/// The command that repairs a failure, with the resource's own name in it, or the policy statement that lets
/// the scanner look; empty where there is none.
pub(super) fn command(finding: &Finding, control: Option<&ControlRow>) -> Vec<String> {
    match (finding.verdict, &finding.unseen) {
        (VerdictKind::Fail, _) => control
            .map_or(Vec::new(), |control| filled(&remediation::command(&control.remediation_cli, finding))),
        (VerdictKind::Unknown, Some(unseen)) => unseen
            .statement()
            .map_or(Vec::new(), |statement| vec![printable(&statement.to_string()).into_owned()]),
        _ => Vec::new(),
    }
}

/// The Terraform setting that keeps a failure repaired; empty where there is none.
pub(super) fn terraform(finding: &Finding, control: Option<&ControlRow>) -> Vec<String> {
    match (finding.verdict, control) {
        (VerdictKind::Fail, Some(control)) => {
            filled(&remediation::terraform(&control.remediation_terraform, finding))
        }
        _ => Vec::new(),
    }
}

/// The lines, with a comment (to a shell and to Terraform alike) on what was left open.
fn filled(template: &Filled) -> Vec<String> {
    let mut shown = lines(&template.text);
    if !template.by_hand.is_empty() {
        shown.push(format!("# To be filled in by hand: {}", template.by_hand.join(", ")));
    }
    shown
}

fn lines(text: &str) -> Vec<String> {
    text.trim().lines().map(|line| printable(line).into_owned()).collect()
}
