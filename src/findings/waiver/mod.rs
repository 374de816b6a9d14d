//! [`Waiver`]: a failure that a person accepts for some time. The verdict stays as it is; the waiver stands beside it.
//!
//! A waiver applies to failures only: what was not observed is never waived away, since nobody knows what it is.
//! What decides whether a waiver applies must itself have been observed: where the tags of a resource or the units
//! of an account were not, a waiver that names some does not apply, and its row says so.

mod apply;
mod digest;
mod row;
mod selector;
#[cfg(test)]
mod tests;

use jiff::civil::Date;

use crate::collect::Wanted;
use crate::controls::{Control, ControlSet};

pub use apply::{Run, waive};
pub use digest::{DIGEST_DIGITS, evidence_digest};
pub use row::{Effect, Ending, Waived, WaiverEnd, WaiverRow, WaiverState};
pub use selector::{Glob, MIN_FINDING_DIGITS, Selector, TooBroad};

/// A waiver expires soon when it holds for no more than so many days.
pub const SOON_DAYS: i32 = 14;

/// A failure, or several, that a person accepts until a day, or until what was read changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiver {
    /// Line of the file that its entry begins on, from 1.
    pub line: u64,
    /// Which failures are accepted.
    pub selector: Selector,
    /// Why, in the person's words; not empty.
    pub reason: String,
    /// Who accepts it; not empty.
    pub author: String,
    /// Where more is written about it.
    pub ticket: Option<String>,
    /// Day on which it was written.
    pub date: Date,
    /// Last day on which it holds.
    pub expires: Date,
    /// Beginning of the [`evidence_digest`] with which it holds; without one, whatever the evidence is.
    pub evidence: Option<String>,
}

/// Adds what waivers must know of the resources besides what controls read: the tags, where one names some.
pub fn want(waivers: &[Waiver], controls: &ControlSet, wanted: &mut Wanted) {
    for selector in waivers.iter().map(|waiver| &waiver.selector).filter(|s| !s.tags.is_empty()) {
        let is_concerned = |control: &&Control| selector.control.as_ref().is_none_or(|id| *id == control.id);
        for control in controls.controls().filter(is_concerned) {
            wanted.add(control.kind, Some("tags"));
        }
    }
}

impl Waiver {
    /// Whether it still holds on a day.
    #[must_use]
    pub fn holds_on(&self, day: Date) -> bool {
        day <= self.expires
    }

    /// Days from a day to the last on which it holds; negative once that is over.
    #[must_use]
    pub fn days_left(&self, day: Date) -> i32 {
        self.expires.since(day).map_or(0, |span| span.get_days())
    }
}
