//! The way from an event to a person: trail → log group → metric filter → metric → alarm → SNS topic → subscription.
//!
//! The monitoring requirements of the CIS AWS Foundations Benchmark want it whole for some events. It is followed
//! through the inventory, from the trails that an account sees: the organization's trail delivers to a log group of
//! the account that owns it, and an alarm may tell a topic of yet another account. Where those were scanned they are
//! used; where they were not, nobody knows, and the reason names them. Alarms of other accounts on the metrics of this
//! one count where they were seen; that some account outside the scan may have one is no reason to doubt.
//!
//! INVARIANT: every step holds, is broken, or is in doubt with the reason. One whole way decides, whatever is in
//! doubt beside it, and the way is broken only where nothing in doubt could mend it.

mod announce;
mod read;
mod rule;

use std::collections::BTreeSet;

use serde_json::Value;

use self::announce::Alarms;
use self::read::{Trail, field, list, text};
use super::{matches_every_event, missed_events};
use crate::collect::{cloudtrail, logs};
use crate::inventory::{Cause, GLOBAL, Inventory, Resource, Unseen};

/// What the trails of an account come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Where every way breaks, at its first broken link; empty when the events arrive.
    pub(crate) breaks: Vec<String>,
    /// The ways that are whole.
    pub(crate) holds: Vec<String>,
}

/// Follows the events of a [requirement](missed_events) in a version of the benchmark from the trails of an account
/// to a confirmed subscription. Events that are `ignored` need not arrive.
///
/// # Errors
///
/// Why it is not known whether they arrive.
pub(crate) fn follow_events(world: &Inventory, account: &str, wanted: &Wanted<'_>) -> Result<Chain, Unseen> {
    let mut search = Search { world, account, filters: Vec::new(), breaks: Vec::new(), holes: Vec::new() };
    search.holes.extend(world.holes(account, cloudtrail::TRAIL.name, false));
    for trail in world.of_kind(account, cloudtrail::TRAIL.name) {
        search.trail(trail);
    }
    search.decide(wanted)
}

/// The events that are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Name of the requirement.
    pub(crate) requirement: &'a str,
    /// Version of the benchmark.
    pub(crate) version: &'a str,
    /// Events that need not arrive.
    pub(crate) ignored: &'a [&'a str],
}

impl Wanted<'_> {
    /// The events that no pattern matches, or why that cannot be decided.
    fn missed(&self, patterns: &[&str]) -> Result<Vec<&'static str>, String> {
        let patterns = Value::from(patterns.to_vec());
        let mut missed = missed_events(&patterns, self.requirement, self.version)
            .map_err(|mistake| mistake.to_string())?;
        missed.retain(|event| !self.ignored.contains(event));
        Ok(missed)
    }
}

/// Whether a step of the way, with all that comes after it, holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// It does; the text names what comes after.
    Holds(String),
    /// It does not: how far the way goes, and where it breaks.
    Broken(u8, String),
    /// Nobody knows, and why.
    Doubt(Unseen),
}

impl Step {
    /// The best of several ways; `otherwise` when there is none.
    fn best(ways: impl IntoIterator<Item = Self>, otherwise: Self) -> Self {
        ways.into_iter().fold(otherwise, |best, way| match (&best, &way) {
            (Self::Holds(_), _) | (Self::Doubt(_), Self::Broken(..) | Self::Doubt(_)) => best,
            (Self::Broken(far, _), Self::Broken(farther, _)) if far >= farther => best,
            _ => way,
        })
    }

    /// A broken step is in doubt where something that was not seen may mend it.
    fn unless(self, hole: Option<Unseen>) -> Self {
        match (self, hole) {
            (Self::Broken(..), Some(hole)) => Self::Doubt(hole),
            (step, _) => step,
        }
    }
}

/// A metric filter on the log group of a trail.
#[derive(Debug)]
struct Filter<'a> {
    pattern: &'a str,
    /// How a finding names it.
    called: String,
    step: Step,
}

/// What was found on the way.
struct Search<'a> {
    world: &'a Inventory,
    account: &'a str,
    filters: Vec<Filter<'a>>,
    /// Where trails and log groups break.
    breaks: Vec<String>,
    /// Why there may be filters that were not seen.
    holes: Vec<Unseen>,
}

impl<'a> Search<'a> {
    fn trail(&mut self, resource: &'a Resource) {
        let trail = Trail::of(self.world, resource);
        if let Some(broken) = trail.broken() {
            self.breaks.push(format!("trail {:?} {broken}", resource.name));
            return;
        }
        match (trail.log_group(), trail.doubt()) {
            (Ok(log_group), doubt) => {
                if let Err(unseen) = self.log_group(resource, log_group, doubt) {
                    self.holes.push(unseen);
                }
            }
            (Err(unseen), _) => self.holes.push(unseen),
        }
    }

    /// The filters of the log group of a trail; those of a trail in doubt are in doubt.
    fn log_group(&mut self, trail: &Resource, arn: &'a str, doubt: Option<Unseen>) -> Result<(), Unseen> {
        let mut parts = arn.splitn(7, ':').skip(3);
        let (Some(region), Some(owner)) = (parts.next(), parts.next()) else {
            return Err(self.about(Cause::Malformed, format!("`{arn}` is no ARN of a log group")));
        };
        let kind = logs::METRIC_FILTER.name;
        let listed = read::listed(self.world, owner, region, kind);
        let called = format!("log group {arn:?} of trail {:?}", trail.name);
        let before = self.filters.len();
        let alarms = Alarms::of(self.world, owner, region);
        for resource in self.world.of_kind(owner, kind) {
            if resource.region != region || text(resource, "log_group_arn")? != arn {
                continue;
            }
            let pattern = text(resource, "pattern")?;
            let step = match &doubt {
                Some(unseen) => Step::Doubt(unseen.clone()).or_broken(filter_step(&alarms, resource)),
                None => filter_step(&alarms, resource),
            };
            let called = format!("metric filter {:?} of {called}", resource.name);
            self.filters.push(Filter { pattern, called, step: step? });
        }
        listed?;
        if self.filters.len() == before {
            self.breaks.push(format!("{called} has no metric filter"));
        }
        Ok(())
    }

    fn about(&self, cause: Cause, message: String) -> Unseen {
        Unseen::without_call(self.account, GLOBAL, cause, message)
    }

    fn decide(self, wanted: &Wanted<'_>) -> Result<Chain, Unseen> {
        let mut sure = Vec::new();
        let mut possible = Vec::new();
        let mut doubts = Vec::new();
        for filter in &self.filters {
            match &filter.step {
                Step::Holds(_) => sure.push(filter.pattern),
                Step::Doubt(unseen) => {
                    possible.push(filter.pattern);
                    doubts.push(unseen);
                }
                Step::Broken(..) => {}
            }
        }
        if wanted.missed(&sure).is_ok_and(|missed| missed.is_empty()) {
            return Ok(Chain { breaks: Vec::new(), holds: self.whole_ways(wanted) });
        }
        if let Some(hole) = self.holes.first() {
            return Err(hole.clone());
        }
        possible.extend(&sure);
        match (wanted.missed(&possible), doubts.first()) {
            (Ok(missed), _) if !missed.is_empty() => {
                Ok(Chain { breaks: self.why(wanted, &possible, &missed), holds: Vec::new() })
            }
            (_, Some(unseen)) => Err((*unseen).clone()),
            (Err(message), None) => Err(self.about(Cause::ControlError, message)),
            // INVARIANT: without doubts the possible patterns are the sure ones, which miss something.
            (Ok(_), None) => {
                Err(self.about(Cause::ControlError, "the filters contradict each other".to_owned()))
            }
        }
    }

    /// The ways by which some of the events arrive.
    fn whole_ways(&self, wanted: &Wanted<'_>) -> Vec<String> {
        let all = wanted.missed(&[]).map_or(0, |events| events.len());
        let ways = self.filters.iter().filter_map(|filter| {
            let Step::Holds(rest) = &filter.step else { return None };
            let carries = wanted.missed(&[filter.pattern]).map_or(true, |missed| missed.len() < all);
            carries.then(|| format!("{} → {rest}", filter.called))
        });
        ways.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Where the way breaks: behind filters that match some of the missing events, or else before.
    fn why(&self, wanted: &Wanted<'_>, possible: &[&str], missed: &[&str]) -> Vec<String> {
        let would_help = |filter: &&Filter<'_>| {
            let with = [possible, &[filter.pattern]].concat();
            wanted.missed(&with).is_ok_and(|left| left.len() < missed.len())
        };
        let mut why: BTreeSet<String> = self
            .filters
            .iter()
            .filter_map(|filter| match &filter.step {
                Step::Broken(_, broken) => Some((filter, broken)),
                Step::Holds(_) | Step::Doubt(_) => None,
            })
            .filter(|(filter, _)| would_help(filter))
            .map(|(filter, broken)| format!("{}: {broken}", filter.called))
            .collect();
        if why.is_empty() && !self.filters.is_empty() {
            why.insert(format!("no metric filter on the log group of a trail matches {}", missed.join(", ")));
        }
        if why.is_empty() {
            why.extend(self.breaks.iter().cloned());
        }
        if why.is_empty() {
            why.insert("there is no trail".to_owned());
        }
        why.into_iter().collect()
    }
}

impl Step {
    /// A filter that is broken anyway is broken, whatever is in doubt before it.
    fn or_broken(self, rest: Result<Self, Unseen>) -> Result<Self, Unseen> {
        Ok(match rest? {
            broken @ Self::Broken(..) => broken,
            Self::Holds(_) | Self::Doubt(_) => self,
        })
    }
}

/// What becomes of the events that a filter matches.
fn filter_step(alarms: &Alarms<'_>, filter: &Resource) -> Result<Step, Unseen> {
    let mut ways = Vec::new();
    for metric in list(filter, "metrics")? {
        ways.push(alarms.on(metric)?);
    }
    let step = Step::best(ways, Step::Broken(0, "it counts in no metric".to_owned()));
    if matches!(step, Step::Broken(..)) {
        return Ok(step);
    }
    let doubt = |message: &str| {
        let message = format!("metric filter {:?}: {message}", filter.name);
        Step::Doubt(Unseen::without_call(&filter.account, &filter.region, Cause::ControlError, message))
    };
    if !field(filter, "field_selection")?.is_null() {
        return Ok(doubt("which accounts and regions its field selection takes is not evaluated"));
    }
    if field(filter, "is_on_transformed")?.as_bool() != Some(false) {
        return Ok(doubt("what the transformer of its log group makes of events is not evaluated"));
    }
    Ok(match matches_every_event(text(filter, "pattern")?) {
        Ok(false) => step,
        Ok(true) => Step::Broken(0, "it matches every event, so that its alarm says nothing".to_owned()),
        Err(mistake) => doubt(&mistake.to_string()),
    })
}

#[cfg(test)]
mod tests;
