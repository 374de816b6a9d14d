//! [`Authors`]: who made the changes that new failures are about.
//!
//! Nothing is guessed: where no call was seen there is none here, and [`Authors`] says where it was looked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Changes, Report, text};
use crate::controls::Evidence;
use crate::events::authors::{LastChange, Sought};
use crate::events::remote::history::{Answered, MAX_RESOURCES, Unanswered};
use crate::findings::Finding;

/// Who made the changes, as far as events tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Authors {
    /// Whether the events that were read for event rules were looked through.
    pub events_read: bool,
    /// Resources that the event history was asked for.
    pub looked_up: u64,
    /// Those that it was not asked for, because a run asks for some at most.
    pub not_looked_up: u64,
    /// Places whose event history gave no answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<UnansweredPlace>,
    /// The latest call since the earlier run that changed the resource of a finding: finding id → call. Only findings
    /// that are new or fail with other evidence have one. Of several calls the one that speaks of what the control
    /// read is taken, then the latest; that the resource fails because of it is likely and not certain.
    pub calls: BTreeMap<String, LastChange>,
}

/// A place whose event history gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnansweredPlace {
    /// Account, twelve digits.
    pub account: String,
    /// Region.
    pub region: String,
    /// Resources that nobody could be asked about there.
    pub resources: u64,
    /// What AWS said, and what to do about it.
    pub why: String,
}

impl From<Unanswered> for UnansweredPlace {
    fn from(Unanswered { account, region, resources, why }: Unanswered) -> Self {
        Self { account, region, resources, why }
    }
}

impl Authors {
    /// What the event history said, and what was seen before and after it was asked.
    #[must_use]
    pub fn of(events_read: bool, answered: Answered, calls: BTreeMap<String, LastChange>) -> Self {
        let Answered { asked: looked_up, left_out: not_looked_up, unanswered } = answered;
        let unanswered = unanswered.into_iter().map(UnansweredPlace::from).collect();
        Self { events_read, looked_up, not_looked_up, unanswered, calls }
    }

    /// A line for each thing that was to be looked for and was not, for people.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        let resources = |n: u64| text::count(n, "resource", "resources");
        let place = |place: &UnansweredPlace| {
            let UnansweredPlace { account, region, resources: n, why } = place;
            format!("who changed {} in {account} {region} was not looked up: {why}", resources(*n))
        };
        let mut gaps: Vec<String> = self.unanswered.iter().map(place).collect();
        if self.not_looked_up > 0 {
            let n = text::count(self.not_looked_up, "more resource", "more resources");
            gaps.push(format!("who changed {n} was not looked up: one run looks up {MAX_RESOURCES} at most"));
        }
        gaps
    }

    /// The part about one account, whose failing findings these are.
    pub(super) fn of_account(&self, account: &str, is_here: impl Fn(&str) -> bool) -> Self {
        let mut here = self.clone();
        here.calls.retain(|id, _| is_here(id));
        here.unanswered.retain(|place| place.account == account);
        here
    }
}

impl Changes {
    /// The latest call that was seen to change what a finding is about.
    #[must_use]
    pub fn last_change(&self, finding: &str) -> Option<&LastChange> {
        self.authors.as_ref()?.calls.get(finding)
    }
}

impl Report {
    /// What to look for in events: the new failures, the worst first, and those that fail with other evidence than then.
    /// Empty where no earlier run is known.
    #[must_use]
    pub fn sought(&self) -> Vec<Sought> {
        let Some(changes) = &self.changes else { return Vec::new() };
        let of: HashMap<&str, &Finding> =
            self.findings.iter().map(|finding| (finding.id.as_str(), finding)).collect();
        let find =
            |ids: &[String]| ids.iter().filter_map(|id| of.get(id.as_str()).copied()).collect::<Vec<_>>();
        let mut new = find(&changes.new);
        new.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        new.into_iter().chain(find(&changes.changed_evidence)).map(sought).collect()
    }

    /// From when to when events may tell of what changed: from the start of the earlier run until this one had observed.
    #[must_use]
    pub fn changed_within(&self) -> Option<(Timestamp, Timestamp)> {
        let since = self.changes.as_ref()?.since.parse().ok()?;
        let observed_at: Timestamp = self.run.observed_at.parse().ok()?;
        let took = SignedDuration::from_millis(i64::try_from(self.run.duration_ms).ok()?);
        Some((since, observed_at.checked_add(took).ok()?))
    }
}

fn sought(finding: &Finding) -> Sought {
    let field = |evidence: &Evidence| {
        let field = evidence.path.strip_prefix("resource.")?;
        field.split(['.', '[']).next().map(str::to_owned)
    };
    let fields: BTreeSet<String> = finding.evidence.iter().filter_map(field).collect();
    Sought {
        key: finding.id.clone(),
        resource_type: finding.resource_type.clone(),
        arn: finding.own_arn().map(str::to_owned),
        account: finding.account.clone(),
        region: finding.region.clone(),
        fields,
    }
}
