//! Waivers on a terminal: those that somebody should look at.

use super::{GAPS, Summary};
use crate::findings::WaiverRow;
use crate::findings::waiver::WaiverState;
use crate::report::screen::Paint;
use crate::report::text;

impl Summary<'_> {
    /// The waivers that end soon, have ended or do nothing.
    pub(super) fn waivers(&mut self) {
        let Some(waivers) = &self.report.waivers else { return };
        let rows = waivers.to_look_at();
        if rows.is_empty() {
            return;
        }
        self.screen.heading("Waivers to look at");
        let most = self.most(GAPS);
        for row in rows.iter().take(most) {
            self.waiver(row, &waivers.file);
        }
        self.left_out(rows.len().saturating_sub(most));
    }

    fn waiver(&mut self, row: &WaiverRow, file: &str) {
        let paint = if row.state == WaiverState::Expired { Paint::Red } else { Paint::Yellow };
        let place = format!("  {file}:{} ", row.waiver.line);
        let failing = match row.failing {
            0 => String::new(),
            n => format!(" ({})", text::count(n, "failure", "failures")),
        };
        self.screen.wrapped(
            (paint, &place),
            4,
            &format!("{}: {}{failing}", row.news(), row.selector.words()),
        );
        self.screen.wrapped((Paint::Dim, "    "), 4, &row.waiver.words());
    }
}
