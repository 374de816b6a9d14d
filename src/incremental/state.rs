//! What is known of an account: its latest run in the archive, and over it what was looked at since.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::FollowError;
use super::touched::Touch;
use crate::archive::{Archive, INVENTORY, LiveKey, RunId, inventory_of};
use crate::collect::touch::fits;
use crate::collect::{self, Scope, config};
use crate::inventory::{self, Cause, Facet, GLOBAL, Inventory, Listing, Resource, Unseen};
use crate::notify::VerdictChange;
use crate::parallel;

/// How long AWS may go on to answer with what was before a change. A look that began later than this after an event
/// saw what the event did; an earlier one may not have, and does not spare another.
///
/// AWS promises no time. [IAM](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency)
/// and [EC2](https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html) speak of eventual consistency,
/// which is over in seconds as a rule.
pub const SETTLING: SignedDuration = SignedDuration::from_secs(60);

/// Version of an object of the state; one of another version is passed over, as if nobody had looked.
const VERSION: u32 = 1;
/// Bytes of an object, unpacked.
const MAX_BYTES: u64 = 256 << 20;
const ZSTD_LEVEL: i32 = 3;
/// Objects that are read at once.
const READERS: usize = 8;

/// What one look saw: of one resource, or of all of a type in one place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Overlay {
    pub(super) version: u32,
    pub(super) account: String,
    pub(super) region: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) about: About,
    /// What the event called the resource.
    pub(super) called: Option<String>,
    /// When the look began.
    pub(super) observed_at: Timestamp,
    /// Whether a later look may see more: calls were throttled, or broke off.
    pub(super) is_passing: bool,
    /// How many there are; only for all of a type.
    pub(super) count: Option<Facet<usize>>,
    /// What is there, as far as it was seen.
    pub(super) resources: Vec<Resource>,
    /// The same with what was known before in place of what was not seen now; nothing where all was seen. Verdicts are
    /// compared with these: what could not be seen once must not hide a change.
    pub(super) known: Option<Vec<Resource>>,
    /// The run that this lies over.
    pub(super) run: RunId,
    /// Verdicts that are different since; people are told of them from here.
    pub(super) changes: Vec<VerdictChange>,
}

/// Which resources of a type in a place a look was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum About {
    /// All of them.
    All,
    /// The one with this ARN.
    Arn(String),
    /// Those that may be called so, where it is not one with an ARN.
    Called(String),
}

impl About {
    fn takes(&self, resource: &Resource) -> bool {
        match self {
            Self::All => true,
            Self::Arn(arn) => resource.arn == *arn,
            Self::Called(id) => fits(id, &resource.arn, &resource.name),
        }
    }
}

/// Which view of the resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// What is known last, however long ago.
    Known,
    /// What was seen last, with what was not seen being unknown.
    Seen,
}

/// An overlay that is in the archive.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) key: LiveKey,
    pub(super) overlay: Arc<Overlay>,
}

/// The latest run that judged an account.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) run: RunId,
    pub(super) inventory: Arc<Inventory>,
}

/// What is known of an account.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) account: String,
    pub(super) base: Base,
    /// All that are there, by what they are about and generation; also those that something newer has superseded.
    pub(super) kept: Vec<Kept>,
    /// Where all of them are, also those that cannot be read.
    keys: Vec<LiveKey>,
}

impl Base {
    /// The latest run that judged the account. One that is read already is not read again.
    pub(super) fn latest(
        archive: &Archive,
        account: &str,
        known: Option<Self>,
    ) -> Result<Option<Self>, FollowError> {
        for id in archive.committed()? {
            if let Some(known) = known.as_ref().filter(|known| known.run == id)
                && known.inventory.account(account).is_some_and(inventory::Account::is_judged)
            {
                return Ok(Some(known.clone()));
            }
            let manifest = match archive.manifest(&id) {
                // Removed meanwhile; a damaged one hides no other run.
                Err(error) => {
                    if !error.is_absence() {
                        tracing::warn!(run = %id, %error, "a run is passed over");
                    }
                    continue;
                }
                Ok(manifest) => manifest,
            };
            // A run by many processes has one of each account.
            let names = [INVENTORY.to_owned(), inventory_of(account)];
            let has = |name: &&String| manifest.objects.iter().any(|object| object.name == **name);
            let Some(name) = names.iter().find(has) else { continue };
            if !manifest.facts.accounts.iter().any(|judged| judged == account) {
                continue;
            }
            let bytes = archive.read(&manifest, name)?;
            let name = format!("runs/{id}/{name}");
            let inventory = inventory::read(Path::new(&name), bytes.as_slice())?;
            return Ok(Some(Self { run: id, inventory: Arc::new(inventory) }));
        }
        Ok(None)
    }
}

impl State {
    /// What is known of an account. Objects never change, so that those that are `known` are not read again.
    pub(super) fn load(
        archive: &Archive,
        account: &str,
        base: Base,
        known: Vec<Kept>,
    ) -> Result<Self, FollowError> {
        let mut state = Self { account: account.to_owned(), base, kept: known, keys: Vec::new() };
        state.reload(archive)?;
        Ok(state)
    }

    /// Reads what others wrote meanwhile.
    pub(super) fn reload(&mut self, archive: &Archive) -> Result<(), FollowError> {
        let known: BTreeMap<LiveKey, Kept> =
            self.kept.drain(..).map(|kept| (kept.key.clone(), kept)).collect();
        self.keys = archive.live(&self.account)?;
        let (there, new): (Vec<&LiveKey>, Vec<&LiveKey>) =
            self.keys.iter().partition(|key| known.contains_key(*key));
        let mut kept: Vec<Kept> = there.into_iter().filter_map(|key| known.get(key).cloned()).collect();
        for (key, bytes) in read_all(archive, &new)? {
            match unpacked(&bytes) {
                Ok(overlay) => kept.push(Kept { key, overlay: Arc::new(overlay) }),
                // As if nobody had looked: the next run looks at everything.
                Err(error) => {
                    tracing::warn!(object = key.path(), %error, "what was looked at is passed over");
                }
            }
        }
        kept.sort_by(|a, b| a.key.cmp(&b.key));
        self.kept = kept;
        Ok(())
    }

    /// Notes what was written.
    pub(super) fn add(&mut self, key: LiveKey, overlay: Overlay) {
        self.keys.push(key.clone());
        self.kept.push(Kept { key, overlay: Arc::new(overlay) });
    }

    /// Where what is said about this is written next.
    pub(super) fn next_key(&self, first: LiveKey) -> LiveKey {
        let last = self.keys.iter().filter(|key| key.is_same(&first)).max();
        last.map_or(first, LiveKey::next)
    }

    /// The overlays that hold, in the order in which they were observed: the last generation of each, unless the run
    /// began later.
    fn holding(&self) -> Vec<&Kept> {
        let begun = self.base.inventory.observed_at;
        let is_last =
            |kept: &Kept| !self.kept.iter().any(|other| other.key.is_same(&kept.key) && other.key > kept.key);
        let holds = |kept: &&Kept| kept.overlay.observed_at >= begun && is_last(kept);
        let mut holding: Vec<&Kept> = self.kept.iter().filter(holds).collect();
        holding.sort_by(|a, b| (a.overlay.observed_at, &a.key).cmp(&(b.overlay.observed_at, &b.key)));
        holding
    }

    /// Whether something was superseded, so that it is of no use but for those who are to be told of it.
    pub(super) fn is_over(&self, kept: &Kept) -> bool {
        // The last two generations stay: see `archive::live`.
        let newer = self.kept.iter().filter(|other| other.key.is_same(&kept.key) && other.key > kept.key);
        newer.count() >= 2 || kept.overlay.observed_at < self.base.inventory.observed_at
    }

    /// The last generation of what is said about this.
    pub(super) fn last(&self, first: &LiveKey) -> Option<&Kept> {
        self.kept.iter().filter(|kept| kept.key.is_same(first)).max_by_key(|kept| kept.key.generation())
    }

    /// Whether the account was looked at after an event, so that nothing is to be done for it.
    pub(super) fn has_answered(&self, touch: &Touch) -> bool {
        let is_after = |observed: Timestamp| observed.duration_since(touch.time) >= SETTLING;
        is_after(self.base.inventory.observed_at)
            || self.holding().iter().any(|Kept { overlay, .. }| {
                let is_about = overlay.kind == touch.kind.name
                    && overlay.region == touch.region
                    && (overlay.about == About::All || overlay.is_of(touch.id.as_deref()));
                is_about && !overlay.is_passing && is_after(overlay.observed_at)
            })
    }

    /// Everything that is known, as of a time.
    pub(super) fn inventory(&self, view: View, at: Timestamp) -> Inventory {
        let base = &self.base.inventory;
        let mut resources = base.resources().to_vec();
        let mut listings = base.listings().to_vec();
        for kept in self.holding() {
            kept.overlay.lay_over(&mut resources, &mut listings, view);
        }
        let mut inventory = base.with(resources, listings);
        // Both sides of a comparison have the same time, so that what only grew older is no change.
        inventory.observed_at = at;
        inventory
    }

    /// The resources that a touch may mean.
    pub(super) fn meant<'a>(&self, inventory: &'a Inventory, touch: &Touch) -> Vec<&'a Arc<Resource>> {
        let about = |resource: &&Arc<Resource>| {
            is_about(resource, touch.kind.scope, &touch.region, touch.id.as_deref())
        };
        inventory.of_kind(&self.account, touch.kind.name).filter(about).collect()
    }
}

impl Overlay {
    /// Whether it is about a resource that may be called so.
    fn is_of(&self, id: Option<&str>) -> bool {
        let Some(id) = id else { return false };
        match &self.about {
            About::All => true,
            About::Arn(arn) if arn == id => true,
            About::Arn(_) | About::Called(_) => self.called.as_deref() == Some(id),
        }
    }

    fn view(&self, view: View) -> &[Resource] {
        match (&self.known, view) {
            (Some(known), View::Known) => known,
            _ => &self.resources,
        }
    }

    /// Puts what was seen in place of what was before.
    pub(super) fn lay_over(
        &self,
        resources: &mut Vec<Arc<Resource>>,
        listings: &mut Vec<Listing>,
        view: View,
    ) {
        let scope = collect::kind(&self.kind).map_or(Scope::Regional, |kind| kind.scope);
        let new = self.view(view);
        let is_same = |a: &Resource, b: &Resource| (&a.arn, &a.region) == (&b.arn, &b.region);
        resources.retain(|resource| {
            let is_of_kind = resource.account == self.account && resource.kind == self.kind;
            let is_in_place = scope == Scope::Global || resource.region == self.region;
            let is_replaced =
                (is_in_place && self.about.takes(resource)) || new.iter().any(|new| is_same(new, resource));
            !(is_of_kind && is_replaced)
        });
        resources.extend(new.iter().cloned().map(Arc::new));
        // What was known to be listed stays so: only what is seen now may be unknown.
        let count =
            self.count.as_ref().filter(|count| view == View::Seen || matches!(count, Facet::Known(_)));
        if let Some(count) = count {
            let is_it = |listing: &Listing| {
                listing.account == self.account && listing.kind == self.kind && listing.region == self.region
            };
            listings.retain(|listing| !is_it(listing));
            let (account, region, kind) = (self.account.clone(), self.region.clone(), self.kind.clone());
            listings.push(Listing { account, region, kind, count: count.clone() });
        }
    }

    pub(super) fn packed(&self) -> Result<Vec<u8>, FollowError> {
        let json = serde_json::to_vec(self).map_err(FollowError::Json)?;
        zstd::encode_all(json.as_slice(), ZSTD_LEVEL).map_err(FollowError::Pack)
    }
}

/// Reads objects, several at once: each takes as long as the way there and back. Those that were removed meanwhile are
/// left out.
fn read_all(archive: &Archive, keys: &[&LiveKey]) -> Result<Vec<(LiveKey, Vec<u8>)>, FollowError> {
    let read = |key: &&LiveKey| -> Result<Option<(LiveKey, Vec<u8>)>, FollowError> {
        Ok(archive.read_live(key)?.map(|bytes| ((*key).clone(), bytes)))
    };
    parallel::map(keys, READERS, read).into_iter().filter_map(Result::transpose).collect()
}

fn unpacked(bytes: &[u8]) -> Result<Overlay, String> {
    let mut json = Vec::new();
    let decoder = zstd::Decoder::new(bytes).map_err(|error| error.to_string())?;
    let read = decoder.take(MAX_BYTES + 1).read_to_end(&mut json).map_err(|error| error.to_string())?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    let overlay: Overlay = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    if overlay.version == VERSION { Ok(overlay) } else { Err(format!("it has version {}", overlay.version)) }
}

pub(super) const fn version() -> u32 {
    VERSION
}

/// Whether a resource of the right type is in that place and may be called so.
fn is_about(resource: &Resource, scope: Scope, region: &str, id: Option<&str>) -> bool {
    (scope == Scope::Global || resource.region == region)
        && id.is_none_or(|id| fits(id, &resource.arn, &resource.name))
}

/// The resource with nothing of it seen.
pub(super) fn unseen(resource: &Resource, why: &Unseen) -> Resource {
    let fields = resource.fields.keys().map(|name| (name.clone(), Facet::Unknown(why.clone()))).collect();
    Resource { fields, ..resource.clone() }
}

/// Whether a field was asked for and not seen.
pub(super) const fn is_hole(cause: &Cause) -> bool {
    !matches!(cause, Cause::NotCollected | Cause::OutOfScope)
}

/// The resource with what was known before in place of what was not seen now.
pub(super) fn merged(now: &Resource, before: &Resource) -> Resource {
    let mut merged = now.clone();
    for (name, facet) in &mut merged.fields {
        if let (Facet::Unknown(unseen), Some(known @ Facet::Known(_))) = (&*facet, before.fields.get(name))
            && is_hole(&unseen.cause)
        {
            *facet = known.clone();
        }
    }
    merged
}

/// Fills in what no look at one region tells, from what the run found when it had looked at all of them.
pub(super) fn complete(resource: &mut Resource, before: &Inventory) {
    let same = before
        .of_kind(&resource.account, &resource.kind)
        .find(|old| (&old.arn, &old.region) == (&resource.arn, &resource.region))
        .cloned();
    let own_recorder = recorder(resource);
    for (name, facet) in &mut resource.fields {
        if !matches!(facet, Facet::Unknown(unseen) if unseen.cause == Cause::OutOfScope) {
            continue;
        }
        let old = same.as_ref().and_then(|old| old.fields.get(name));
        if resource.kind == config::REGION.name && name == "global_types_recorded" {
            if let Some(known) = recorded(own_recorder, &resource.region, old, before, &resource.account) {
                *facet = Facet::Known(Value::Bool(known));
            }
        } else if let Some(old) = old {
            *facet = old.clone();
        }
    }
}

/// Whether the recorder of a region records global types; `None` where that is not known.
fn recorder(resource: &Resource) -> Option<bool> {
    match resource.fields.get("recorder") {
        Some(Facet::Known(recorder)) => {
            Some(recorder.get("includes_global_types").and_then(Value::as_bool).unwrap_or(false))
        }
        _ => None,
    }
}

/// Whether any region of the account records global types, now that one was looked at again. That none does is known
/// only where the run knew it of all others.
fn recorded(
    own: Option<bool>,
    region: &str,
    old: Option<&Facet<Value>>,
    before: &Inventory,
    account: &str,
) -> Option<bool> {
    let others = before.of_kind(account, config::REGION.name).filter(|other| other.region != region);
    if own == Some(true) || others.map(|other| recorder(other)).any(|other| other == Some(true)) {
        return Some(true);
    }
    match old {
        Some(Facet::Known(Value::Bool(false))) if own == Some(false) => Some(false),
        _ => None,
    }
}

/// The place of a type: [`GLOBAL`] unless it lives in regions.
pub(super) fn is_scanned(touch: &Touch, regions: &[String]) -> bool {
    touch.region == GLOBAL || regions.contains(&touch.region)
}
