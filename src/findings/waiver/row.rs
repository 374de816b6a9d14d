//! What a report says about waivers: beside a finding, and of each waiver by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SOON_DAYS, Selector, Waiver};
use jiff::civil::Date;

/// That a failure is accepted, by whom, why and until when. The verdict beside it stays `fail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waived {
    /// Line of the waiver in its file, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// Who accepts it.
    pub author: String,
    /// Where more is written about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Last day on which it holds, such as `2026-11-24`.
    pub expires: String,
    /// Whether it ends earlier, once what the control reads is different.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub until_evidence_changes: bool,
}

/// That a failure was accepted and is no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaiverEnd {
    /// Why it holds no longer.
    pub ending: Ending,
    /// The waiver.
    pub waiver: Waived,
}

/// Why a waiver holds no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Its last day is over.
    Expired,
    /// What the control reads is not what it was.
    EvidenceChanged,
}

impl WaiverEnd {
    /// `waiver expired on 2026-11-24`.
    #[must_use]
    pub fn words(&self) -> String {
        match self.ending {
            Ending::Expired => format!("waiver expired on {}", self.waiver.expires),
            Ending::EvidenceChanged => "what was read changed, which ended its waiver".to_owned(),
        }
    }
}

/// A waiver, how long it holds, and what it did in this run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaiverRow {
    /// What it says.
    #[serde(flatten)]
    pub waiver: Waived,
    /// Day on which it was written.
    pub date: String,
    /// Which findings it is about.
    pub selector: Selector,
    /// Whether it holds.
    pub state: WaiverState,
    /// Days until its last; negative once that is over.
    pub days_left: i32,
    /// What it does in this run.
    pub effect: Effect,
    /// Why it does nothing, or not all; empty where there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Failing findings that it is about.
    pub failing: u64,
}

/// Whether a waiver holds on the day of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaiverState {
    /// It holds.
    Active,
    /// It holds for 14 days or less.
    Expiring,
    /// It holds no longer.
    Expired,
}

/// What a waiver does in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is about failures; they are waived while it holds.
    Waives,
    /// It is about failures whose evidence is not what it was, and no longer waives them.
    EvidenceChanged,
    /// What it is about was observed and does not fail: it can be removed.
    NothingFails,
    /// What it is about was not observed in this run, or was left out of it.
    NotObserved,
    /// It is about nothing that there is.
    Nothing,
}

impl WaiverRow {
    /// Adds what the same waiver does elsewhere: what it does anywhere counts more than where it does nothing.
    pub fn add(&mut self, other: Self) {
        self.failing += other.failing;
        if other.effect.weight() > self.effect.weight() {
            self.effect = other.effect;
            self.note = other.note;
        }
    }
}

impl Effect {
    const fn weight(self) -> u8 {
        match self {
            Self::Waives => 4,
            Self::EvidenceChanged => 3,
            Self::NothingFails => 2,
            Self::NotObserved => 1,
            Self::Nothing => 0,
        }
    }
}

impl WaiverState {
    pub(super) fn of(waiver: &Waiver, day: Date) -> Self {
        match waiver.days_left(day) {
            ..0 => Self::Expired,
            0..=SOON_DAYS => Self::Expiring,
            _ => Self::Active,
        }
    }

    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
        }
    }
}

impl Waived {
    pub(super) fn of(waiver: &Waiver) -> Self {
        Self {
            line: waiver.line,
            reason: waiver.reason.clone(),
            author: waiver.author.clone(),
            ticket: waiver.ticket.clone(),
            expires: waiver.expires.to_string(),
            until_evidence_changes: waiver.evidence.is_some(),
        }
    }

    /// Who accepts it, until when and why, on one line: `waived until 2026-11-24 by Ann (SEC-1): reason`.
    #[must_use]
    pub fn words(&self) -> String {
        let ticket = self.ticket.as_ref().map_or(String::new(), |ticket| format!(" ({ticket})"));
        let or_earlier = if self.until_evidence_changes { ", or until what was read changes," } else { "" };
        format!("waived until {}{or_earlier} by {}{ticket}: {}", self.expires, self.author, self.reason)
    }
}

impl WaiverRow {
    /// Whether somebody should look at it: it ends soon or has ended, or it does nothing.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        self.state != WaiverState::Active || self.effect != Effect::Waives
    }

    /// What there is to say about it, such as `expires in 3 days; matches nothing: …`.
    #[must_use]
    pub fn news(&self) -> String {
        let days = self.days_left.unsigned_abs();
        let n = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
        let state = match (self.state, self.days_left) {
            (WaiverState::Active, _) => None,
            (WaiverState::Expiring, 0) => Some("expires today".to_owned()),
            (WaiverState::Expiring, _) => Some(format!("expires in {n}")),
            (WaiverState::Expired, _) => Some(format!("expired {n} ago")),
        };
        let effect = match (self.effect, self.state) {
            (Effect::Waives, WaiverState::Expired) => Some("its findings are back".to_owned()),
            (Effect::Waives, _) => None,
            (Effect::EvidenceChanged, _) => {
                Some("what was read changed, and its findings are back".to_owned())
            }
            (Effect::NothingFails, _) => Some("nothing that it is about fails any more".to_owned()),
            (Effect::NotObserved, _) => Some("what it is about was not observed".to_owned()),
            (Effect::Nothing, _) => Some("it matches nothing".to_owned()),
        };
        let note = Some(self.note.clone()).filter(|note| !note.is_empty());
        [state, effect, note].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}
