//! Looking at what was touched, with as few calls as the collectors allow: the lists of one type in one place, and the
//! calls about the touched resources alone.

use std::sync::Arc;
use std::time::Instant;

use futures::{FutureExt, StreamExt, stream};
use jiff::Timestamp;

use super::touched::Touch;
use crate::accounts::Target;
use crate::collect::touch::Only;
use crate::collect::{self, Ask, Collected, Kind, RegionsLater, Scope, Wanted, ec2};
use crate::inventory::{Account, Cause, Facet, Resource, Unseen};

/// Types that are looked at at once in one account.
const AT_ONCE: usize = 4;

/// Types whose resources are told apart by the list of another: an instance names security groups by id alone, and the
/// list of those says which account owns one that is shared.
static BESIDE: &[(&Kind, &Kind)] = &[(&ec2::INSTANCE, &ec2::SECURITY_GROUP)];

/// Touches of one type in one place, which are looked at together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) kind: &'static Kind,
    pub(super) region: String,
    pub(super) touches: Vec<Touch>,
}

/// What was seen of a group.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) group: Group,
    /// When the look began.
    pub(super) observed_at: Timestamp,
    /// The resources that were asked about and are there.
    pub(super) resources: Vec<Resource>,
    /// Whether the list was read to its end: only then is what is not in it gone.
    pub(super) end: Result<(), Unseen>,
}

/// Touches by type and place. They come in a fixed order, and so do the groups.
pub(super) fn groups(touches: Vec<Touch>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for touch in touches {
        match groups
            .iter_mut()
            .find(|group| group.kind.name == touch.kind.name && group.region == touch.region)
        {
            Some(group) => group.touches.push(touch),
            None => {
                groups.push(Group { kind: touch.kind, region: touch.region.clone(), touches: vec![touch] });
            }
        }
    }
    groups
}

/// Looks at every group that there is time for. The others are handed back.
pub(super) async fn look(
    target: &Target,
    account: &Account,
    wanted: &Wanted,
    groups: Vec<Group>,
    deadline: Instant,
) -> (Vec<Looked>, Vec<Group>) {
    let entered = match tokio::time::timeout_at(deadline.into(), target.session.enter()).await {
        Ok(entered) => entered,
        Err(_) => return (Vec::new(), groups),
    };
    let one = |group: Group| {
        let entered = entered.clone();
        async move {
            let observed_at = Timestamp::now();
            let seen = match entered {
                Err(unseen) => Ok((Vec::new(), Err(unseen))),
                // Before the deadline: what is begun then may not come to its end.
                Ok(()) => {
                    let seen = see(target, account, wanted, &group);
                    tokio::time::timeout_at(deadline.into(), seen).await.map_err(drop)
                }
            };
            match seen {
                Ok((resources, end)) => Ok(Looked { group, observed_at, resources, end }),
                Err(()) => Err(group),
            }
        }
    };
    let mut done = stream::iter(groups).map(one).buffered(AT_ONCE);
    let (mut looked, mut left) = (Vec::new(), Vec::new());
    while let Some(seen) = done.next().await {
        match seen {
            Ok(seen) => looked.push(seen),
            Err(group) => left.push(group),
        }
    }
    (looked, left)
}

async fn see(
    target: &Target,
    account: &Account,
    wanted: &Wanted,
    group: &Group,
) -> (Vec<Resource>, Result<(), Unseen>) {
    let kind = group.kind;
    let mut wanted = wanted.of(kind);
    for (_, beside) in BESIDE.iter().filter(|(of, _)| of.name == kind.name) {
        wanted.add(beside, None);
    }
    let only = only(group);
    let place = match kind.scope {
        Scope::Global => target.session.home(),
        Scope::Regional => target.session.region(&group.region),
    };
    let ask = Ask {
        place: &place,
        wanted: &wanted,
        regions: &account.regions,
        partition: &account.partition,
        only: only.as_ref(),
    };
    let regions: Arc<[String]> = account.regions.clone().into();
    let regions: RegionsLater = futures::future::ready(Ok(regions)).boxed().shared();
    let Collected { resources, listings } = match kind.scope {
        Scope::Global => collect::global(ask, &account.name, &regions).await,
        Scope::Regional => collect::regional(ask).await,
    };
    let is_asked = |resource: &Resource| {
        resource.kind == kind.name
            && only.as_ref().is_none_or(|only| only.takes(&resource.arn, &resource.name))
    };
    let end = listings.into_iter().find(|listing| listing.kind == kind.name).map(|listing| listing.count);
    let end = match end {
        Some(Facet::Known(_)) => Ok(()),
        Some(Facet::Unknown(unseen)) => Err(unseen),
        None => Err(Unseen::without_call(
            &account.id,
            &group.region,
            Cause::NotCollected,
            format!("no enabled control reads `{}`", kind.name),
        )),
    };
    (resources.into_iter().filter(is_asked).collect(), end)
}

/// The resources that are meant; nothing where all of the type are.
fn only(group: &Group) -> Option<Only> {
    let ids: Option<Vec<String>> = group.touches.iter().map(|touch| touch.id.clone()).collect();
    Some(Only { kind: group.kind.name, ids: ids? })
}
