//! Waivers put beside the findings of a run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::Date;
use serde_json::Value;

use super::selector::{Fit, SeenTags};
use super::{Effect, Ending, Waived, Waiver, WaiverEnd, WaiverRow, WaiverState, evidence_digest};
use crate::controls::{Pattern, VerdictKind};
use crate::findings::Finding;
use crate::inventory::{AccountState, Facet, GLOBAL, Inventory};

/// The run that waivers are applied to.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// What was observed.
    pub inventory: &'a Inventory,
    /// Ids of the controls that ran.
    pub ran: &'a BTreeSet<String>,
    /// Ids of the controls that there are, whether they ran or not.
    pub known: &'a BTreeSet<String>,
    /// The day, which tells what has expired.
    pub day: Date,
}

/// Notes beside each failing finding the waiver that it has or had, and says of each waiver what it did, in the
/// order of the file. Of several that hold, the one that holds longest is noted; of those the first.
#[must_use]
pub fn waive(findings: &mut [Finding], waivers: &[Waiver], run: Run<'_>) -> Vec<WaiverRow> {
    let mut by_control: HashMap<Option<&str>, Vec<usize>> = HashMap::new();
    for (at, waiver) in waivers.iter().enumerate() {
        by_control.entry(waiver.selector.control.as_deref()).or_default().push(at);
    }
    let mut tallies: Vec<Tally> = waivers.iter().map(|_| Tally::default()).collect();
    for finding in findings {
        let of_any = by_control.get(&None).into_iter().flatten();
        let of_control = by_control.get(&Some(finding.control.as_str())).into_iter().flatten();
        let arn = Pattern::exactly(&finding.resource_arn);
        let mut best: Option<(usize, &Waiver)> = None;
        let mut ended: Option<(usize, Ending, &Waiver)> = None;
        for at in of_any.chain(of_control).copied() {
            let (Some(waiver), Some(tally)) = (waivers.get(at), tallies.get_mut(at)) else { continue };
            match tally.note(waiver, finding, &arn, run) {
                Standing::Unrelated => {}
                Standing::Holds => {
                    let rank = |(at, waiver): (usize, &Waiver)| (waiver.expires, Reverse(at));
                    best = best.filter(|best| rank(*best) > rank((at, waiver))).or(Some((at, waiver)));
                }
                // An ending is news only if it is the last word: of two that of the later entry is.
                Standing::Ended(ending) => {
                    ended = ended.filter(|(other, ..)| *other > at).or(Some((at, ending, waiver)));
                }
            }
        }
        finding.waived = best.map(|(_, waiver)| Waived::of(waiver));
        finding.waiver_ended = ended
            .filter(|_| best.is_none())
            .map(|(_, ending, waiver)| WaiverEnd { ending, waiver: Waived::of(waiver) });
    }
    waivers.iter().zip(tallies).map(|(waiver, tally)| tally.row(waiver, run)).collect()
}

/// What a waiver is to a finding.
enum Standing {
    Unrelated,
    Holds,
    Ended(Ending),
}

/// What was found for a waiver so far.
#[derive(Debug, Default)]
struct Tally {
    failing: u64,
    changed: u64,
    settled: u64,
    /// Unknown findings that it is about, or whose place may hide what it is about.
    hidden: u64,
    /// Why it could not be told whether it is about a failure, for the first of these.
    unclear: Option<String>,
}

impl Tally {
    fn note(&mut self, waiver: &Waiver, finding: &Finding, arn: &Pattern, run: Run<'_>) -> Standing {
        let account = run.inventory.account(&finding.account);
        let fit = waiver.selector.fits(finding, arn, account, || tags(run.inventory, finding));
        match (fit, finding.verdict) {
            (Fit::Yes, VerdictKind::Fail) => return self.note_failure(waiver, finding, run.day),
            (Fit::Yes, VerdictKind::Pass | VerdictKind::NotApplicable) => self.settled += 1,
            (Fit::Yes | Fit::Unknown(_), VerdictKind::Unknown) => self.hidden += 1,
            (Fit::Unknown(why), VerdictKind::Fail) => {
                self.unclear.get_or_insert(why);
            }
            (Fit::No, VerdictKind::Unknown)
                if finding.is_about_a_place() && waiver.selector.may_be_in(finding, account) =>
            {
                self.hidden += 1;
            }
            (Fit::No | Fit::Unknown(_), _) => {}
        }
        Standing::Unrelated
    }

    fn note_failure(&mut self, waiver: &Waiver, finding: &Finding, day: Date) -> Standing {
        self.failing += 1;
        let is_same = |digest: &String| evidence_digest(&finding.evidence).starts_with(digest.as_str());
        if !waiver.evidence.as_ref().is_none_or(is_same) {
            self.changed += 1;
            return Standing::Ended(Ending::EvidenceChanged);
        }
        if waiver.holds_on(day) { Standing::Holds } else { Standing::Ended(Ending::Expired) }
    }

    fn row(self, waiver: &Waiver, run: Run<'_>) -> WaiverRow {
        let (effect, note) = self.effect(waiver, run);
        WaiverRow {
            waiver: Waived::of(waiver),
            date: waiver.date.to_string(),
            selector: waiver.selector.clone(),
            state: WaiverState::of(waiver, run.day),
            days_left: waiver.days_left(run.day),
            effect,
            note,
            failing: self.failing,
        }
    }

    /// What the waiver did, and why it did nothing, or not all.
    fn effect(&self, waiver: &Waiver, run: Run<'_>) -> (Effect, String) {
        let unclear = || self.unclear.clone().unwrap_or_default();
        if self.failing > 0 {
            let effect = if self.changed == self.failing { Effect::EvidenceChanged } else { Effect::Waives };
            return (effect, unclear());
        }
        if self.unclear.is_some() {
            return (Effect::NotObserved, unclear());
        }
        if let Some(control) =
            waiver.selector.control.as_ref().filter(|control| !run.known.contains(*control))
        {
            return (Effect::Nothing, format!("there is no control `{control}`"));
        }
        if let Some(why) = left_out(waiver, run) {
            return (Effect::NotObserved, why);
        }
        if self.hidden > 0 {
            let n = self.hidden;
            let is = if n == 1 { "finding is" } else { "findings are" };
            return (Effect::NotObserved, format!("{n} {is} unknown, which no waiver changes"));
        }
        match self.settled {
            0 => (Effect::Nothing, String::new()),
            _ => (Effect::NothingFails, String::new()),
        }
    }
}

/// Why the run did not look where the waiver points, if it did not.
fn left_out(waiver: &Waiver, run: Run<'_>) -> Option<String> {
    let selector = &waiver.selector;
    if let Some(control) = selector.control.as_ref().filter(|control| !run.ran.contains(*control)) {
        return Some(format!("control `{control}` did not run"));
    }
    if let Some(id) = &selector.account {
        match run.inventory.account(id).map(|account| &account.state) {
            None => return Some(format!("account {id} was not part of the run")),
            Some(AccountState::Skipped { reason }) => {
                return Some(format!("account {id} was left out: {reason}"));
            }
            Some(AccountState::Failed { .. }) => return Some(format!("account {id} could not be entered")),
            Some(AccountState::Scanned) => {}
        }
    }
    let region = selector.region.as_ref().filter(|region| *region != GLOBAL)?;
    let looked = |account: &&crate::inventory::Account| {
        selector.account.as_ref().is_none_or(|id| *id == account.id) && account.regions.contains(region)
    };
    run.inventory
        .accounts
        .iter()
        .find(looked)
        .is_none()
        .then(|| format!("region {region} was not part of the run"))
}

/// The tags of a finding's resource.
fn tags<'a>(inventory: &'a Inventory, finding: &Finding) -> SeenTags<'a> {
    let resource = inventory.find(&finding.resource_type, &finding.resource_arn, &finding.account);
    match resource.and_then(|resource| resource.fields.get("tags")) {
        Some(Facet::Known(Value::Object(tags))) => Ok(tags
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect::<BTreeMap<_, _>>()),
        Some(Facet::Known(Value::Null)) => Ok(BTreeMap::new()),
        Some(Facet::Known(_)) | None => {
            Err(format!("the tags of `{}` were not collected", finding.subject()))
        }
        Some(Facet::Unknown(unseen)) => {
            Err(format!("the tags of `{}` were not observed: {unseen}", finding.subject()))
        }
    }
}
