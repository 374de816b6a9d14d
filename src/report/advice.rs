//! What to do about a finding, in lines of plain text: for the formats that show it without a page around it.

use super::{ControlRow, printable, remediation};
use crate::controls::VerdictKind;
use crate::findings::Finding;

/// What to do, in words: the control's steps for a failure, who removes the obstacle for what was not observed.
pub(super) fn steps(finding: &Finding, control: Option<&ControlRow>) -> Vec<String> {
    match (finding.verdict, &finding.unseen) {
        (VerdictKind::Fail, _) => control.map_or(Vec::new(), |control| lines(&control.remediation)),
        (VerdictKind::Unknown, Some(unseen)) => vec![printable(&unseen.remedy()).into_owned()],
        _ => Vec::new(),
    }
}

/// The command that repairs a failure, with the resource's own name in it, or the policy statement that lets
/// the scanner look; empty where there is none.
pub(super) fn command(finding: &Finding, control: Option<&ControlRow>) -> Vec<String> {
    match (finding.verdict, &finding.unseen) {
        (VerdictKind::Fail, _) => control.map_or(Vec::new(), |control| filled(finding, control)),
        (VerdictKind::Unknown, Some(unseen)) => unseen
            .statement()
            .map_or(Vec::new(), |statement| vec![printable(&statement.to_string()).into_owned()]),
        _ => Vec::new(),
    }
}

fn filled(finding: &Finding, control: &ControlRow) -> Vec<String> {
    let command = remediation::command(&control.remediation_cli, finding);
    let mut shown = lines(&command.text);
    if !command.by_hand.is_empty() {
        shown.push(format!("# To be filled in by hand: {}", command.by_hand.join(", ")));
    }
    shown
}

fn lines(text: &str) -> Vec<String> {
    text.trim().lines().map(|line| printable(line).into_owned()).collect()
}
