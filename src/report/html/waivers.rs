//! The waivers that somebody should look at, and how many there are.

use serde::Serialize;

use super::pages::Role;
use crate::findings::WaiverRow;
use crate::findings::waiver::WaiverState;
use crate::report::{Report, Waivers, text};

/// More waivers than this are only counted here.
const SHOWN: usize = 100;

#[derive(Serialize)]
pub(super) struct WaiversPart<'a> {
    file: &'a str,
    lead: String,
    rows: Vec<Row<'a>>,
    more: u64,
    waived: String,
    ended: String,
}

#[derive(Serialize)]
struct Row<'a> {
    class: &'static str,
    state: &'static str,
    news: String,
    selector: String,
    reason: &'a str,
    author: &'a str,
    /// Empty where there is none.
    ticket: &'a str,
    expires: &'a str,
    line: u64,
    failing: u64,
}

impl<'a> WaiversPart<'a> {
    pub(super) fn of(waivers: &'a Waivers, report: &Report, role: Role<'_>) -> Self {
        let rows = waivers.to_look_at();
        let ended = report.findings.iter().filter(|finding| finding.waiver_ended.is_some()).count() as u64;
        let all = text::count(waivers.rows.len() as u64, "waiver", "waivers");
        let waived = text::count(report.totals.waived, "failure", "failures");
        let back = match ended {
            0 => String::new(),
            n => {
                format!("; {} whose waiver has ended", text::count(n, "failure is back", "failures are back"))
            }
        };
        let link = |n: u64, value| if n > 0 { role.filtered(&[("waiver", value)]) } else { String::new() };
        Self {
            file: &waivers.file,
            lead: format!("{all} accept {waived}{back}."),
            more: rows.len().saturating_sub(SHOWN) as u64,
            rows: rows.into_iter().take(SHOWN).map(Row::of).collect(),
            waived: link(report.totals.waived, "waived"),
            ended: link(ended, "ended"),
        }
    }
}

impl<'a> Row<'a> {
    fn of(row: &'a WaiverRow) -> Self {
        Self {
            class: match row.state {
                WaiverState::Expired => "fail",
                WaiverState::Expiring => "unknown",
                WaiverState::Active => "manual",
            },
            state: row.state.as_str(),
            news: row.news(),
            selector: row.selector.words(),
            reason: &row.waiver.reason,
            author: &row.waiver.author,
            ticket: row.waiver.ticket.as_deref().unwrap_or_default(),
            expires: &row.waiver.expires,
            line: row.waiver.line,
            failing: row.failing,
        }
    }
}
