//! CloudTrail: trails with their status and selectors.
//!
//! Calls: `DescribeTrails` in every region, then `GetTrailStatus`, `GetEventSelectors` and
//! `GetInsightSelectors` once for each trail at its home region, and `kms:DescribeKey` for its key.
//!
//! Quirks: `DescribeTrails` repeats a multi-region trail in every region and an organization's trail in
//! every member ([shadow trails](https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html)),
//! so a trail is kept once per account, where its home region is scanned or else where it is seen first.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_sdk_cloudtrail::types as sdk;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, join_all};
use schemars::JsonSchema;
use serde::Serialize;

use super::kms::DESCRIBE_KEY;
use super::schema::Link;
use super::touch::{Change, Target};
use super::{Ask, Collected, Gone, Kind, Observed, Per, Row, Scope};
use crate::aws::{Call, Place, Reply};
use crate::inventory::{Facet, Resource, Unseen};

static DESCRIBE_TRAILS: Call = Call::one("cloudtrail", "DescribeTrails", "trailList");
static GET_TRAIL_STATUS: Call =
    Call::one("cloudtrail", "GetTrailStatus", "IsLogging").gone(&["TrailNotFoundException"]);
static GET_EVENT_SELECTORS: Call =
    Call::one("cloudtrail", "GetEventSelectors", "TrailARN").gone(&["TrailNotFoundException"]);
static GET_INSIGHT_SELECTORS: Call = Call::one("cloudtrail", "GetInsightSelectors", "TrailARN")
    .absent(&["InsightNotEnabledException"])
    .gone(&["TrailNotFoundException"]);

/// The resource type of trails.
pub static TRAIL: Kind = Kind {
    name: "aws.cloudtrail.trail",
    collection: "trails",
    single: false,
    scope: Scope::Regional,
    list: &[&DESCRIBE_TRAILS],
    facets: &[
        Row { field: "status", calls: &[&GET_TRAIL_STATUS], per: Per::Resource },
        Row { field: "event_selectors", calls: &[&GET_EVENT_SELECTORS], per: Per::Resource },
        Row { field: "insight_selectors", calls: &[&GET_INSIGHT_SELECTORS], per: Per::Resource },
        Row { field: "key_state", calls: &[&DESCRIBE_KEY], per: Per::Resource },
    ],
    events: &[
        Change {
            source: "cloudtrail.amazonaws.com",
            names: &["CreateTrail", "DeleteTrail", "StartLogging", "StopLogging", "UpdateTrail"],
            target: Target::At(&["requestParameters.name"]),
        },
        Change {
            source: "cloudtrail.amazonaws.com",
            names: &["PutEventSelectors", "PutInsightSelectors"],
            target: Target::At(&["requestParameters.trailName"]),
        },
        Change {
            source: "kms.amazonaws.com",
            names: &["CancelKeyDeletion", "DisableKey", "EnableKey", "ScheduleKeyDeletion"],
            target: Target::Any("the event does not say which trails the key encrypts"),
        },
    ],
    schema: Trail::json_schema,
};

/// A trail, as seen from the account: its own, or the organization's.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Trail {
    /// Region that the trail was made in.
    home_region: String,
    /// Whether it records every region.
    is_multi_region: bool,
    /// Whether it is the organization's trail.
    is_organization: bool,
    /// Whether this account owns it; an organization's trail is owned by the management account or a
    /// delegated administrator and only visible in the others.
    is_owned: bool,
    /// Whether digest files are written that prove the log files unchanged.
    log_file_validation: bool,
    /// Name of the bucket it delivers to.
    bucket_name: String,
    /// The bucket it delivers to.
    bucket: Link<super::s3::Bucket>,
    /// ARN of the KMS key that encrypts the log files.
    kms_key: Option<String>,
    /// Whether that key belongs to the account of the trail.
    is_own_key: bool,
    /// ARN of the CloudWatch Logs group that it delivers to.
    log_group: Option<String>,
    /// State of delivery.
    status: Facet<Status>,
    /// Which events it records.
    event_selectors: Facet<EventSelectors>,
    /// Kinds of insights it records; null when none are enabled.
    insight_selectors: Facet<Option<Vec<String>>>,
    /// State of the KMS key, such as `Enabled`; null when there is no key or it does not exist.
    key_state: Facet<Option<String>>,
}

impl Observed for Trail {
    const KIND: &'static Kind = &TRAIL;
}

/// State of a trail's delivery.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Status {
    /// Whether it is recording now.
    is_logging: bool,
    /// When it last delivered to its bucket.
    latest_delivery: Option<String>,
    /// What went wrong with the last delivery to its bucket.
    latest_delivery_error: Option<String>,
    /// When it last delivered to CloudWatch Logs.
    latest_log_group_delivery: Option<String>,
    /// What went wrong with the last delivery to CloudWatch Logs.
    latest_log_group_delivery_error: Option<String>,
}

/// The two generations of event selectors; a trail uses one of them.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventSelectors {
    /// Classic selectors.
    classic: Vec<ClassicSelector>,
    /// Advanced selectors.
    advanced: Vec<AdvancedSelector>,
}

/// A classic event selector.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ClassicSelector {
    /// `All`, `ReadOnly` or `WriteOnly`.
    read_write_type: String,
    /// Whether management events are recorded.
    include_management_events: bool,
    /// Which data events are recorded.
    data_resources: Vec<DataResource>,
    /// Event sources whose management events are left out.
    excluded_management_sources: Vec<String>,
}

/// Data events of a classic selector.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DataResource {
    /// Such as `AWS::S3::Object`.
    #[serde(rename = "type")]
    kind: String,
    /// ARNs or ARN prefixes.
    values: Vec<String>,
}

/// An advanced event selector: all its fields must match.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AdvancedSelector {
    /// Its name.
    name: Option<String>,
    /// Its conditions.
    fields: Vec<FieldSelector>,
}

/// One condition of an advanced selector.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FieldSelector {
    /// Such as `eventCategory` or `resources.ARN`.
    field: String,
    /// Values of which one must be equal.
    equals: Vec<String>,
    /// Values of which none may be equal.
    not_equals: Vec<String>,
    /// Prefixes of which one must fit.
    starts_with: Vec<String>,
    /// Prefixes of which none may fit.
    not_starts_with: Vec<String>,
    /// Suffixes of which one must fit.
    ends_with: Vec<String>,
    /// Suffixes of which none may fit.
    not_ends_with: Vec<String>,
}

/// Collects the trails that one region shows.
pub async fn collect(ask: Ask<'_>) -> Collected {
    if !ask.wanted.kind(&TRAIL) {
        return Collected::nothing();
    }
    let client = ask.place.cloudtrail();
    let listed = ask
        .place
        .call(&DESCRIBE_TRAILS, || client.describe_trails().include_shadow_trails(true).send())
        .await
        .and_then(|reply| match reply {
            Reply::Answer(output) => output
                .trail_list
                .ok_or_else(|| ask.place.malformed(&DESCRIBE_TRAILS, "`trailList` is missing")),
            Reply::Absent | Reply::Gone => Ok(Vec::new()),
        });
    let trails = match listed {
        Ok(trails) => trails,
        Err(unseen) => return Collected::of(ask.place, &TRAIL, Vec::new(), Err(unseen)),
    };
    let is_here = |trail: &sdk::Trail| belongs_here(trail, ask.place.region(), ask.regions);
    let is_asked = |trail: &sdk::Trail| {
        let (arn, name) = (trail.trail_arn.as_deref(), trail.name.as_deref());
        ask.takes_listed(&TRAIL, arn, name)
    };
    let here: Vec<sdk::Trail> =
        trails.into_iter().filter(|trail| is_here(trail) && is_asked(trail)).collect();
    let keys = KeyStates::of(ask.place, &here);
    let read = join_all(here.into_iter().map(|trail| read_trail(ask, trail, &keys))).await;
    let mut resources = Vec::new();
    let mut end = Ok(());
    for trail in read {
        match trail {
            Ok(Some(resource)) => resources.push(resource),
            Ok(None) => {}
            Err(unseen) => end = Err(unseen),
        }
    }
    Collected::of(ask.place, &TRAIL, resources, end)
}

/// A trail is told of in its home region, or in the first scanned region when that is not scanned.
fn belongs_here(trail: &sdk::Trail, region: &str, scanned: &[String]) -> bool {
    match &trail.home_region {
        Some(home) if scanned.contains(home) => home == region,
        _ => scanned.first().is_some_and(|first| first == region),
    }
}

async fn read_trail(ask: Ask<'_>, trail: sdk::Trail, keys: &KeyStates) -> Result<Option<Resource>, Unseen> {
    let missing = |field: &str| ask.place.malformed(&DESCRIBE_TRAILS, &format!("a trail has no `{field}`"));
    let arn = trail.trail_arn.ok_or_else(|| missing("TrailARN"))?;
    let name = trail.name.ok_or_else(|| missing("Name"))?;
    let bucket_name = trail.s3_bucket_name.ok_or_else(|| missing("S3BucketName"))?;
    let home_region = trail.home_region.ok_or_else(|| missing("HomeRegion"))?;
    let is_multi_region = trail.is_multi_region_trail.ok_or_else(|| missing("IsMultiRegionTrail"))?;
    let log_file_validation =
        trail.log_file_validation_enabled.ok_or_else(|| missing("LogFileValidationEnabled"))?;
    let is_organization = trail.is_organization_trail.ok_or_else(|| missing("IsOrganizationTrail"))?;

    let at_home = ask.place.session().region(&home_region);
    let key_state = keys.state(&home_region, trail.kms_key_id.as_deref());
    let facets = read_facets(ask, &at_home, &arn, key_state).await;
    let Ok((status, event_selectors, insight_selectors, key_state)) = facets else {
        return Ok(None);
    };
    let no_owner = || ask.place.malformed(&DESCRIBE_TRAILS, "the `TrailARN` of a trail names no account");
    let owner = arn.split(':').nth(4).ok_or_else(no_owner)?;
    let key_owner = trail.kms_key_id.as_deref().and_then(|key| key.split(':').nth(4));
    let observed = Trail {
        is_owned: owner == ask.place.account(),
        is_own_key: key_owner.is_none_or(|account| account == owner),
        bucket: Link::to(format!("arn:{}:s3:::{bucket_name}", ask.partition)),
        bucket_name,
        home_region: home_region.clone(),
        is_multi_region,
        is_organization,
        log_file_validation,
        kms_key: trail.kms_key_id,
        log_group: trail.cloud_watch_logs_log_group_arn,
        status,
        event_selectors,
        insight_selectors,
        key_state,
    };
    Ok(Some(ask.resource_in(&home_region, arn, name, &observed)))
}

type Facets = (Facet<Status>, Facet<EventSelectors>, Facet<Option<Vec<String>>>, Facet<Option<String>>);

async fn read_facets(
    ask: Ask<'_>,
    home: &Place,
    arn: &str,
    key_state: impl Future<Output = Result<Reply<String>, Unseen>>,
) -> Result<Facets, Gone> {
    let client = LazyLock::new(|| home.cloudtrail());
    futures::try_join!(
        ask.facet(&TRAIL, "status", read_status(home, &client, arn)),
        ask.facet(&TRAIL, "event_selectors", read_event_selectors(home, &client, arn)),
        ask.optional(&TRAIL, "insight_selectors", read_insight_selectors(home, &client, arn)),
        ask.optional(&TRAIL, "key_state", key_state),
    )
}

async fn read_status(
    home: &Place,
    client: &aws_sdk_cloudtrail::Client,
    arn: &str,
) -> Result<Reply<Status>, Unseen> {
    let reply = home.call(&GET_TRAIL_STATUS, || client.get_trail_status().name(arn).send()).await?;
    reply.and_then(|output| {
        let is_logging =
            output.is_logging.ok_or_else(|| home.malformed(&GET_TRAIL_STATUS, "`IsLogging` is missing"))?;
        Ok(Status {
            is_logging,
            latest_delivery: output.latest_delivery_time.map(super::time),
            latest_delivery_error: output.latest_delivery_error.filter(|e| !e.is_empty()),
            latest_log_group_delivery: output.latest_cloud_watch_logs_delivery_time.map(super::time),
            latest_log_group_delivery_error: output
                .latest_cloud_watch_logs_delivery_error
                .filter(|e| !e.is_empty()),
        })
    })
}

async fn read_event_selectors(
    home: &Place,
    client: &aws_sdk_cloudtrail::Client,
    arn: &str,
) -> Result<Reply<EventSelectors>, Unseen> {
    let reply =
        home.call(&GET_EVENT_SELECTORS, || client.get_event_selectors().trail_name(arn).send()).await?;
    reply.and_then(|output| {
        // A trail has one of the two lists; the other is absent from the answer.
        let classic = output.event_selectors.into_iter().flatten();
        let advanced = output.advanced_event_selectors.into_iter().flatten();
        Ok(EventSelectors {
            classic: classic.map(|selector| classic_selector(home, selector)).collect::<Result<_, _>>()?,
            advanced: advanced.map(|selector| advanced_selector(home, selector)).collect::<Result<_, _>>()?,
        })
    })
}

fn classic_selector(home: &Place, selector: sdk::EventSelector) -> Result<ClassicSelector, Unseen> {
    let missing = |field: &str| home.malformed(&GET_EVENT_SELECTORS, &format!("a selector has no `{field}`"));
    Ok(ClassicSelector {
        read_write_type: selector
            .read_write_type
            .ok_or_else(|| missing("ReadWriteType"))?
            .as_str()
            .to_owned(),
        include_management_events: selector
            .include_management_events
            .ok_or_else(|| missing("IncludeManagementEvents"))?,
        data_resources: selector
            .data_resources
            .into_iter()
            .flatten()
            .map(|data| {
                Ok(DataResource {
                    kind: data.r#type.ok_or_else(|| missing("Type"))?,
                    values: data.values.into_iter().flatten().collect(),
                })
            })
            .collect::<Result<_, _>>()?,
        excluded_management_sources: selector
            .exclude_management_event_sources
            .into_iter()
            .flatten()
            .collect(),
    })
}

/// The SDK gives an empty text or list for a required member that is missing; a selector without conditions
/// would otherwise match everything.
fn advanced_selector(home: &Place, selector: sdk::AdvancedEventSelector) -> Result<AdvancedSelector, Unseen> {
    let is_whole = !selector.field_selectors.is_empty()
        && selector.field_selectors.iter().all(|condition| !condition.field.is_empty());
    if !is_whole {
        return Err(home
            .malformed(&GET_EVENT_SELECTORS, "an advanced selector has no `FieldSelectors` or no `Field`"));
    }
    let list = |values: Option<Vec<String>>| values.into_iter().flatten().collect();
    let fields = selector.field_selectors.into_iter().map(|field| FieldSelector {
        field: field.field,
        equals: list(field.equals),
        not_equals: list(field.not_equals),
        starts_with: list(field.starts_with),
        not_starts_with: list(field.not_starts_with),
        ends_with: list(field.ends_with),
        not_ends_with: list(field.not_ends_with),
    });
    Ok(AdvancedSelector { name: selector.name, fields: fields.collect() })
}

async fn read_insight_selectors(
    home: &Place,
    client: &aws_sdk_cloudtrail::Client,
    arn: &str,
) -> Result<Reply<Vec<String>>, Unseen> {
    let reply =
        home.call(&GET_INSIGHT_SELECTORS, || client.get_insight_selectors().trail_name(arn).send()).await?;
    reply.and_then(|output| {
        Ok(output
            .insight_selectors
            .into_iter()
            .flatten()
            .filter_map(|selector| selector.insight_type)
            .map(|insight| insight.as_str().to_owned())
            .collect())
    })
}

/// The states of the keys of trails, by the trail's region and the key. Each key is asked about when its
/// state is first awaited, and then only once, however many trails it encrypts.
struct KeyStates(BTreeMap<(String, String), KeyState>);

type KeyState = Shared<BoxFuture<'static, Result<Reply<String>, Unseen>>>;

impl KeyStates {
    fn of(place: &Place, trails: &[sdk::Trail]) -> Self {
        let used =
            trails.iter().filter_map(|trail| Some((trail.home_region.clone()?, trail.kms_key_id.clone()?)));
        Self(
            used.map(|(region, key)| {
                let state = read_key_state(place.session().region(&region), key.clone());
                ((region, key), state.boxed().shared())
            })
            .collect(),
        )
    }

    /// The state of a trail's key; absent when it has none.
    // INVARIANT: the trail is one of those that this was made of, so that its key is here.
    async fn state(&self, region: &str, key: Option<&str>) -> Result<Reply<String>, Unseen> {
        match key.and_then(|key| self.0.get(&(region.to_owned(), key.to_owned()))) {
            Some(state) => state.clone().await,
            None => Ok(Reply::Absent),
        }
    }
}

async fn read_key_state(home: Place, key: String) -> Result<Reply<String>, Unseen> {
    let client = home.kms();
    let reply = home.call(&DESCRIBE_KEY, || client.describe_key().key_id(&key).send()).await?;
    reply.and_then(|output| {
        output
            .key_metadata
            .and_then(|metadata| metadata.key_state)
            .map(|state| state.as_str().to_owned())
            .ok_or_else(|| home.malformed(&DESCRIBE_KEY, "`KeyState` is missing"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scanned regions that tell of a trail which each of them lists.
    fn told_in(home: Option<&str>, scanned: &[&str]) -> Vec<String> {
        let trail = sdk::Trail::builder().set_home_region(home.map(str::to_owned)).build();
        let scanned: Vec<String> = scanned.iter().map(|region| (*region).to_owned()).collect();
        scanned.iter().filter(|region| belongs_here(&trail, region, &scanned)).cloned().collect()
    }

    #[test]
    fn a_shadow_trail_is_told_of_once_and_at_home_where_that_is_scanned() {
        let scanned = ["eu-west-1", "us-east-1", "ap-southeast-2"];
        for home in scanned {
            assert_eq!(told_in(Some(home), &scanned), [home]);
        }
        assert_eq!(told_in(Some("sa-east-1"), &scanned), ["eu-west-1"], "its home is not scanned");
        // It is not understood, which must be said once and not lost.
        assert_eq!(told_in(None, &scanned), ["eu-west-1"]);
    }
}
