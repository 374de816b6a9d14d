//! From what was seen to the verdicts that are different.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::look::Looked;
use super::state::{self, About, Overlay, State, View};
use super::touched::Touch;
use super::{FollowError, Follower};
use crate::archive::LiveKey;
use crate::controls::{Control, VerdictKind};
use crate::findings::waiver::{self, waive};
use crate::findings::{Finding, judge_account};
use crate::hex::hex_of_first;
use crate::inventory::{Facet, Inventory, Resource, Unseen};
use crate::notify::VerdictChange;
use crate::report::repairing_command;

/// Times that a look is compared again because another process wrote about the same resource.
const TRIES: usize = 4;

/// What came of noting what was seen.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) changes: Vec<VerdictChange>,
    /// Why a later look may see more.
    pub(super) again: Option<String>,
}

/// What was asked in a look and not answered, one of each obstacle.
pub(super) fn holes(seen: &Looked) -> Vec<Unseen> {
    let of_resources = seen.resources.iter().flat_map(|resource| resource.fields.values());
    let unseen = of_resources.filter_map(|facet| match facet {
        Facet::Unknown(unseen) if state::is_hole(&unseen.cause) => Some(unseen),
        _ => None,
    });
    let all = seen.end.as_ref().err().into_iter().chain(unseen);
    let by_obstacle: BTreeMap<String, &Unseen> = all.map(|unseen| (unseen.obstacle(), unseen)).collect();
    by_obstacle.into_values().cloned().collect()
}

impl Follower {
    /// Notes what was seen of one touch, unless somebody saw a later state.
    pub(super) fn settle(
        &self,
        state: &mut State,
        seen: &Looked,
        touch: &Touch,
    ) -> Result<Settled, FollowError> {
        for _ in 0..TRIES {
            let before = Arc::new(state.inventory(View::Known, seen.observed_at));
            let mut overlay = overlay(state, &before, seen, touch);
            let first = first_key(&overlay)
                .ok_or_else(|| FollowError::Broken(format!("`{}` is no account", overlay.account)))?;
            let last = state.last(&first);
            if last.is_some_and(|last| last.overlay.observed_at >= overlay.observed_at) {
                return Ok(Settled { changes: Vec::new(), again: None });
            }
            let key = state.next_key(first);
            overlay.changes = self.changes(state, &before, &overlay, &key, touch);
            if self.archive.create_live(&key, &overlay.packed()?)? {
                let again = overlay.is_passing.then(|| passing(seen)).flatten();
                let changes = overlay.changes.clone();
                state.add(key, overlay);
                return Ok(Settled { changes, again });
            }
            state.reload(&self.archive)?;
        }
        Err(FollowError::Busy { tried: TRIES })
    }

    /// The verdicts that are different with what was seen.
    fn changes(
        &self,
        state: &State,
        before: &Arc<Inventory>,
        overlay: &Overlay,
        key: &LiveKey,
        touch: &Touch,
    ) -> Vec<VerdictChange> {
        let seen = state.inventory(View::Seen, overlay.observed_at);
        let (mut resources, mut listings) = (seen.resources().to_vec(), seen.listings().to_vec());
        overlay.lay_over(&mut resources, &mut listings, View::Seen);
        let mut after = seen.with(resources, listings);
        after.observed_at = overlay.observed_at;
        let after = Arc::new(after);
        let controls = self.concerned(&overlay.kind);
        let (then, now) = (self.judged(before, &controls, state), self.judged(&after, &controls, state));
        let known: BTreeMap<&str, &Finding> = then.iter().map(|found| (found.id.as_str(), found)).collect();
        let seen: BTreeSet<&str> = now.iter().map(|found| found.id.as_str()).collect();
        let mut changes: Vec<VerdictChange> = Vec::new();
        let mut push = |finding: &Finding, before, after| {
            changes.extend(self.change(state, finding, (before, after), overlay, key, touch));
        };
        for finding in &now {
            let was = known.get(finding.id.as_str());
            let before = was.map(|was| was.verdict);
            match finding.verdict {
                VerdictKind::Fail if before != Some(VerdictKind::Fail) && finding.waived.is_none() => {
                    push(finding, before, Some(VerdictKind::Fail));
                }
                VerdictKind::Pass | VerdictKind::NotApplicable
                    if was.is_some_and(|was| was.is_open_failure()) =>
                {
                    push(finding, before, Some(finding.verdict));
                }
                _ => {}
            }
        }
        for gone in then.iter().filter(|then| then.is_open_failure() && !seen.contains(then.id.as_str())) {
            push(gone, Some(VerdictKind::Fail), None);
        }
        changes
    }

    /// The controls that read resources of a type, directly or from others.
    fn concerned(&self, kind: &str) -> Vec<&Control> {
        let reads = |control: &Control| control.reads().any(|(read, _)| read == kind);
        self.controls.controls().filter(|control| control.kind.name == kind || reads(control)).collect()
    }

    fn judged(&self, inventory: &Arc<Inventory>, controls: &[&Control], state: &State) -> Vec<Finding> {
        let mut findings = judge_account(inventory, &state.account, controls);
        if !self.waivers.is_empty() {
            let known: BTreeSet<String> =
                self.controls.controls().map(|control| control.id.clone()).collect();
            let day = day(inventory.observed_at);
            let run = waiver::Run { inventory, ran: &known, known: &known, day };
            // What each waiver did is told by the runs.
            drop(waive(&mut findings, &self.waivers, run));
        }
        findings
    }

    fn change(
        &self,
        state: &State,
        finding: &Finding,
        (before, after): (Option<VerdictKind>, Option<VerdictKind>),
        overlay: &Overlay,
        key: &LiveKey,
        touch: &Touch,
    ) -> Option<VerdictChange> {
        let control = self.controls.control(&finding.control)?;
        let account = state.base.inventory.account(&state.account)?;
        let lines = |text: &str| text.trim().lines().map(str::to_owned).collect::<Vec<_>>();
        let command = repairing_command(&control.remediation.cli, finding);
        let mut remediation_cli = lines(&command.text);
        if !command.by_hand.is_empty() {
            remediation_cli.push(format!("# To be filled in by hand: {}", command.by_hand.join(", ")));
        }
        let word = after.map_or("gone", VerdictKind::as_str);
        Some(VerdictChange {
            id: id_of(&[&finding.id, word, overlay.run.as_str(), &key.path()]),
            finding: finding.clone(),
            before,
            after,
            title: control.title.clone(),
            remediation: lines(&control.remediation.text),
            remediation_cli,
            frameworks: self.controls.requirements_of(&control.id).into_keys().collect(),
            account_name: account.name.clone(),
            account_tags: account.tags.clone(),
            cause: touch.cause.clone(),
            is_certain: touch.why_all.is_empty(),
            events: u64::try_from(touch.event_ids.len()).unwrap_or(u64::MAX),
            observed_at: overlay.observed_at,
        })
    }
}

fn id_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex_of_first(16, &hash.finalize())
}

fn day(time: Timestamp) -> Date {
    time.to_zoned_datetime(TimeZone::UTC).date()
}

/// Where what is said about the same thing lies.
fn first_key(overlay: &Overlay) -> Option<LiveKey> {
    let what = match &overlay.about {
        About::All => "all".to_owned(),
        About::Arn(arn) => format!("arn {arn}"),
        About::Called(id) => format!("called {id}"),
    };
    LiveKey::first(&overlay.account, &format!("{} {} {what}", overlay.kind, overlay.region))
}

fn passing(seen: &Looked) -> Option<String> {
    let hole = holes(seen).into_iter().find(|unseen| unseen.cause.may_pass())?;
    Some(format!("not everything was seen: {hole}"))
}

/// What was seen of one touch.
fn overlay(state: &State, before: &Inventory, seen: &Looked, touch: &Touch) -> Overlay {
    let is_same = |a: &Resource, b: &Resource| (&a.arn, &a.region) == (&b.arn, &b.region);
    let meant = state.meant(before, touch);
    let is_meant = |resource: &&Resource| {
        let id = touch.id.as_deref();
        id.is_none_or(|id| crate::collect::touch::fits(id, &resource.arn, &resource.name))
    };
    let mut resources: Vec<Resource> = seen.resources.iter().filter(is_meant).cloned().collect();
    for resource in &mut resources {
        state::complete(resource, before);
    }
    // Without the whole list nobody knows whether the others are gone.
    if let Err(unseen) = &seen.end {
        let missing = meant.iter().filter(|old| !resources.iter().any(|new| is_same(new, old)));
        let missing: Vec<Resource> = missing.map(|old| state::unseen(old, unseen)).collect();
        resources.extend(missing);
    }
    let known: Vec<Resource> = resources
        .iter()
        .map(|new| match meant.iter().find(|old| is_same(new, old)) {
            Some(old) => state::merged(new, old),
            None => new.clone(),
        })
        .collect();
    let has_holes = known.iter().zip(&resources).any(|(known, seen)| known.fields != seen.fields);
    let arns: BTreeSet<&str> = resources
        .iter()
        .map(|new| new.arn.as_str())
        .chain(meant.iter().map(|old| old.arn.as_str()))
        .collect();
    let about = match (&touch.id, arns.iter().next()) {
        (None, _) => About::All,
        (Some(_), Some(arn)) if arns.len() == 1 && !arn.is_empty() => About::Arn((*arn).to_owned()),
        (Some(id), _) => About::Called(id.clone()),
    };
    let count = (about == About::All).then(|| Facet::from(seen.end.clone().map(|()| resources.len())));
    Overlay {
        version: state::version(),
        account: state.account.clone(),
        region: touch.region.clone(),
        kind: touch.kind.name.to_owned(),
        about,
        called: touch.id.clone(),
        observed_at: seen.observed_at,
        is_passing: holes(seen).iter().any(|unseen| unseen.cause.may_pass()),
        count,
        known: has_holes.then_some(known),
        resources,
        run: state.base.run.clone(),
        changes: Vec::new(),
    }
}
