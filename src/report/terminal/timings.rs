//! Where the time of a scan went: its operations, the one that was waited for longest first.

use std::cmp::Reverse;

use super::Summary;
use crate::aws::OperationCount;
use crate::report::screen::{Paint, columns, padded};
use crate::report::{printable, text};

/// Columns of the numbers, each with its heading.
const COLUMNS: [(&str, usize); 5] =
    [("total", 13), ("mean", 10), ("requests", 10), ("retries", 9), ("throttles", 11)];

impl Summary<'_> {
    /// Time is added up over requests: those that ran side by side count one by one.
    pub(super) fn timings(&mut self) {
        let mut calls: Vec<&OperationCount> = self.report.run.calls.iter().collect();
        if calls.is_empty() {
            return;
        }
        calls.sort_by_key(|call| (Reverse(call.busy_ms), call.operation.as_str()));
        let longest = calls.iter().map(|call| columns(&printable(&call.operation))).max().unwrap_or(0);
        // On a narrow terminal the last numbers are left out before the name is cut beyond recognition.
        let room = self.screen.width().saturating_sub(2 + longest.min(24));
        let mut used = 0;
        let shown = COLUMNS.iter().take_while(|(_, wide)| {
            used += wide;
            used <= room
        });
        let shown: Vec<usize> = shown.map(|(_, wide)| *wide).collect();
        let numbers: usize = shown.iter().sum();
        let name = longest.min(self.screen.width().saturating_sub(2 + numbers)).max("Calls".len());
        let headings = COLUMNS.iter().zip(&shown).map(|((words, _), wide)| format!("{words:>wide$}"));
        let heading = format!("{}{}", padded("Calls", name + 2), headings.collect::<String>());
        self.screen.heading(heading.trim_end());
        for call in calls {
            let cells = cells(call);
            let cells = cells.iter().zip(&shown).map(|(cell, wide)| format!("{cell:>wide$}"));
            let line = format!("  {}{}", padded(&call.operation, name), cells.collect::<String>());
            self.screen.line([(Paint::Plain, line.trim_end())]);
        }
    }
}

fn cells(call: &OperationCount) -> [String; 5] {
    let mean = call.busy_ms.checked_div(call.requests).unwrap_or(0);
    let number = |n: u64| text::thousands(n);
    [
        text::duration(call.busy_ms),
        text::duration(mean),
        number(call.requests),
        number(call.retries),
        number(call.throttles),
    ]
}
