//! Reading the state of an account: one file per AWS service.
//!
//! A service file holds its resource structs, its calls and what it makes of the answers. The structs
//! are the schema that controls are checked against; the calls are the one table from which the plan,
//! the least-privilege policy, the coverage and the tests are read. Nothing here knows a control: a
//! collector fills the fields that it is told are [`Wanted`], and no call is made for another.

pub mod accessanalyzer;
pub mod account;
pub mod across;
pub mod apigateway;
#[cfg(test)]
mod canned;
pub mod cloudfront;
pub mod cloudtrail;
pub mod cloudwatch;
pub mod config;
pub mod ec2;
pub mod ecs;
pub mod efs;
pub mod eks;
pub mod elbv2;
pub mod events;
pub mod glacier;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod logs;
pub mod macie;
pub mod organizations;
pub mod rds;
pub mod s3;
pub mod schema;
pub mod secretsmanager;
pub mod securityhub;
pub mod sns;
pub mod sqs;
pub mod sso;
pub mod touch;
mod wanted;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::future::{BoxFuture, Shared};
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use crate::aws::{Call, Place, Reply};
use crate::inventory::{Cause, Facet, Listing, Resource, Unseen};

use touch::{Change, Only};
pub use wanted::{PlannedCall, Wanted};

/// Whether a resource type lives in regions or in the account as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Asked once per account.
    Global,
    /// Asked in every scanned region.
    Regional,
}

/// How often the calls of a row are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Once for the account or region; the answer serves all resources there.
    Place,
    /// Once for each resource.
    Resource,
}

/// One row of the call table: which calls fill one facet of a resource type.
#[derive(Debug)]
pub struct Row {
    /// The field of the struct.
    pub field: &'static str,
    /// The calls that fill it.
    pub calls: &'static [&'static Call],
    /// How often they are made.
    pub per: Per,
}

/// A resource type: its place in the world, its calls and its struct.
#[derive(Debug)]
pub struct Kind {
    /// Name in controls, such as `aws.s3.bucket`.
    pub name: &'static str,
    /// What it is called under `account` in expressions, such as `buckets`.
    pub collection: &'static str,
    /// Whether a place has exactly one.
    pub single: bool,
    /// Where it lives.
    pub scope: Scope,
    /// The calls that list it; empty for settings that exist once and need no list.
    pub list: &'static [&'static Call],
    /// The facets beyond what the list says.
    pub facets: &'static [Row],
    /// The calls that change its resources, as CloudTrail tells of them.
    pub events: &'static [Change],
    /// JSON Schema of the struct.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Kind {
    /// Whether an account has exactly one, so that `account.<collection>` is that one and not a list.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.single && self.scope == Scope::Global
    }

    /// The row of a facet.
    #[must_use]
    pub fn row(&self, field: &str) -> Option<&'static Row> {
        self.facets.iter().find(|row| row.field == field)
    }

    /// Whether it must be known which regions are scanned before resources of the type can be listed.
    /// Buckets are listed once for all regions, and lie in one each.
    #[must_use]
    pub fn needs_regions(&self) -> bool {
        self.scope == Scope::Regional || self.name == s3::BUCKET.name
    }
}

/// A struct that describes a resource type.
pub trait Observed: Serialize + JsonSchema {
    /// The type it describes.
    const KIND: &'static Kind;
}

/// Every resource type, by service.
pub static KINDS: &[&Kind] = &[
    &accessanalyzer::REGION,
    &account::ACCOUNT,
    &apigateway::REST_STAGE,
    &apigateway::STAGE,
    &cloudfront::DISTRIBUTION,
    &cloudtrail::TRAIL,
    &cloudwatch::ALARM,
    &config::REGION,
    &ec2::INSTANCE,
    &ec2::NETWORK_ACL,
    &ec2::REGION_SETTINGS,
    &ec2::ROUTE_TABLE,
    &ec2::SECURITY_GROUP,
    &ec2::VPC,
    &ec2::VPC_PEERING,
    &ecs::CLUSTER,
    &efs::FILE_SYSTEM,
    &eks::CLUSTER,
    &elbv2::LOAD_BALANCER,
    &events::BUS,
    &glacier::VAULT,
    &iam::ACCOUNT,
    &iam::INSTANCE_PROFILE,
    &iam::POLICY,
    &iam::ROLE,
    &iam::SERVER_CERTIFICATE,
    &iam::USER,
    &kms::KEY,
    &lambda::FUNCTION,
    &logs::METRIC_FILTER,
    &macie::REGION,
    &organizations::ORGANIZATION,
    &rds::INSTANCE,
    &s3::ACCOUNT,
    &s3::BUCKET,
    &secretsmanager::SECRET,
    &securityhub::REGION,
    &sns::TOPIC,
    &sqs::QUEUE,
    &sso::INSTANCE,
];

/// The resource type of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name).copied()
}

/// The resource type that expressions reach as `account.<name>`.
#[must_use]
pub fn collection(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.collection == name && !name.is_empty()).copied()
}

/// What one collector found in one place.
#[derive(Debug)]
pub struct Collected {
    /// Resources, as far as they were seen.
    pub resources: Vec<Resource>,
    /// One for each wanted type of the place.
    pub listings: Vec<Listing>,
}

impl Collected {
    /// Nothing yet.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { resources: Vec::new(), listings: Vec::new() }
    }

    /// Collects parts at once. With `join!` every answer to one call would have the futures of all others
    /// looked at as well; here only those that got something are. An inventory sorts what it is given, so that
    /// the order in which the parts end does not matter.
    pub async fn together<'a>(parts: impl IntoIterator<Item = BoxFuture<'a, Self>>) -> Self {
        let mut running: FuturesUnordered<BoxFuture<'a, Self>> = parts.into_iter().collect();
        let mut collected = Self::nothing();
        while let Some(part) = running.next().await {
            collected.extend(part);
        }
        collected
    }

    /// Adds another place's or type's part.
    pub fn extend(&mut self, other: Self) {
        self.resources.extend(other.resources);
        self.listings.extend(other.listings);
    }

    /// The part of one type: its resources, and whether the list was read to its end.
    #[must_use]
    pub fn of(place: &Place, kind: &Kind, resources: Vec<Resource>, end: Result<(), Unseen>) -> Self {
        let count = resources.len();
        Self {
            listings: vec![Listing {
                account: place.account().to_owned(),
                region: place.region().to_owned(),
                kind: kind.name.to_owned(),
                count: Facet::from(end.map(|()| count)),
            }],
            resources,
        }
    }

    /// The part of one type from what was made of each item of its list. An item that could not be understood
    /// makes the list incomplete, and one that was deleted meanwhile (`None`) does not.
    #[must_use]
    pub fn of_items(
        place: &Place,
        kind: &Kind,
        mut end: Result<(), Unseen>,
        read: impl IntoIterator<Item = Result<Option<Resource>, Unseen>>,
    ) -> Self {
        let mut resources = Vec::new();
        for item in read {
            match item {
                Ok(resource) => resources.extend(resource),
                Err(unseen) => end = end.and(Err(unseen)),
            }
        }
        Self::of(place, kind, resources, end)
    }
}

/// Items of a list that are asked about at once. The calls of the run have their own limit; this one keeps the
/// requests of a region with thousands of keys or secrets from all being in memory.
const ITEMS_AT_ONCE: usize = 64;

/// Reads each item of a list, in its order.
async fn read_each<I, T, F>(items: Vec<I>, read: impl Fn(I) -> F) -> Vec<T>
where
    F: Future<Output = T>,
{
    stream::iter(items).map(read).buffered(ITEMS_AT_ONCE).collect().await
}

/// The thing that was asked about was deleted between the list and the call: it is left out, and is no gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// A place, and what is wanted of it: what a collector works with.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Where.
    pub place: &'a Place,
    /// What.
    pub wanted: &'a Wanted,
    /// The regions of the account that are scanned; of no use, and empty, where global services are asked.
    pub regions: &'a [String],
    /// `aws`, `aws-us-gov`, `aws-cn`, …
    pub partition: &'a str,
    /// The resources that are asked about one by one, where not all of their type are. Lists are read all the same.
    pub only: Option<&'a Only>,
}

impl Ask<'_> {
    /// Whether calls are to be made about this resource of a list.
    #[must_use]
    pub fn takes(&self, kind: &Kind, arn: &str, name: &str) -> bool {
        self.only.is_none_or(|only| only.kind != kind.name || only.takes(arn, name))
    }

    /// The same by what AWS may say of a resource in a list.
    #[must_use]
    pub fn takes_listed(&self, kind: &Kind, arn: Option<&str>, name: Option<&str>) -> bool {
        self.only.is_none_or(|only| only.kind != kind.name || only.takes_listed(arn, name))
    }

    /// Fills a facet if it is wanted; the call is not made otherwise.
    ///
    /// # Errors
    /// [`Gone`] when the resource was deleted meanwhile.
    pub async fn facet<T>(
        &self,
        kind: &Kind,
        field: &str,
        read: impl Future<Output = Result<Reply<T>, Unseen>>,
    ) -> Result<Facet<T>, Gone> {
        let answered = self.optional(kind, field, read).await?;
        Ok(match answered {
            Facet::Known(Some(value)) => Facet::Known(value),
            Facet::Known(None) => Facet::Unknown(Unseen::without_call(
                self.place.account(),
                self.place.region(),
                Cause::Malformed,
                format!("AWS says that there is no `{field}`, which always exists"),
            )),
            Facet::Unknown(unseen) => Facet::Unknown(unseen),
        })
    }

    /// Fills a facet that may not exist: "there is none" is known, and `None`.
    ///
    /// # Errors
    /// [`Gone`] when the resource was deleted meanwhile.
    pub async fn optional<T>(
        &self,
        kind: &Kind,
        field: &str,
        read: impl Future<Output = Result<Reply<T>, Unseen>>,
    ) -> Result<Facet<Option<T>>, Gone> {
        if !self.wanted.field(kind, field) {
            return Ok(Facet::Unknown(self.not_collected()));
        }
        match read.await {
            Ok(Reply::Answer(value)) => Ok(Facet::Known(Some(value))),
            Ok(Reply::Absent) => Ok(Facet::Known(None)),
            Ok(Reply::Gone) => Err(Gone),
            Err(unseen) => Ok(Facet::Unknown(unseen)),
        }
    }

    /// Fills a facet of something that a place always has, such as its settings, and that can therefore not be
    /// gone; the call is not made unless it is wanted.
    pub async fn fill<T>(
        &self,
        kind: &Kind,
        field: &str,
        read: impl Future<Output = Result<T, Unseen>>,
    ) -> Facet<T> {
        if self.wanted.field(kind, field) {
            Facet::from(read.await)
        } else {
            Facet::Unknown(self.not_collected())
        }
    }

    /// The one resource of its type in this place, such as a region's settings. It has no ARN; the name is the
    /// region's.
    pub fn settings<T: Observed>(&self, observed: &T) -> Collected {
        let resource = self.resource(String::new(), self.place.region().to_owned(), observed);
        Collected::of(self.place, T::KIND, vec![resource], Ok(()))
    }

    /// Stands in a facet that [`across`] fills when all accounts and regions were read.
    #[must_use]
    pub fn later(&self) -> Unseen {
        Unseen::without_call(
            self.place.account(),
            self.place.region(),
            Cause::OutOfScope,
            "other accounts and regions were not looked at".to_owned(),
        )
    }

    /// Why a facet that no control reads is unknown.
    #[must_use]
    pub fn not_collected(&self) -> Unseen {
        Unseen::without_call(
            self.place.account(),
            self.place.region(),
            Cause::NotCollected,
            "no enabled control reads it".to_owned(),
        )
    }

    /// Makes the resource out of its struct.
    pub fn resource<T: Observed>(&self, arn: String, name: String, observed: &T) -> Resource {
        self.resource_in(self.place.region(), arn, name, observed)
    }

    /// The same for a resource that lives in another region than the place that lists it.
    pub fn resource_in<T: Observed>(
        &self,
        region: &str,
        arn: String,
        name: String,
        observed: &T,
    ) -> Resource {
        Resource {
            kind: T::KIND.name.to_owned(),
            arn,
            account: self.place.account().to_owned(),
            region: region.to_owned(),
            name,
            fields: fields(observed, T::KIND),
        }
    }

    /// ARN of something in the account of this place.
    #[must_use]
    pub fn arn(&self, service: &str, region: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{region}:{}:{rest}", self.partition, self.place.account())
    }
}

/// The fields of a struct, plain ones as known facets.
fn fields<T: Serialize>(observed: &T, kind: &Kind) -> BTreeMap<String, Facet<Value>> {
    let Ok(Value::Object(object)) = serde_json::to_value(observed) else {
        tracing::error!(kind = kind.name, "resource struct is not a JSON object; its fields are unknown");
        return BTreeMap::new();
    };
    object
        .into_iter()
        .filter_map(|(field, value)| {
            if kind.row(&field).is_none() {
                return Some((field, Facet::Known(value)));
            }
            match serde_json::from_value::<Facet<Value>>(value) {
                // A facet that was not collected is absent: the file stays small, and reading it says so.
                Ok(Facet::Unknown(unseen)) if unseen.cause == Cause::NotCollected => None,
                Ok(facet) => Some((field, facet)),
                Err(error) => {
                    tracing::error!(kind = kind.name, field, %error, "field is in the call table but no facet");
                    None
                }
            }
        })
        .collect()
}

/// The regions of an account that are scanned, or why they are not known. They are asked for when somebody
/// awaits them first, and once.
pub type RegionsLater = Shared<BoxFuture<'static, Result<Arc<[String]>, Unseen>>>;

/// Collects what is wanted of an account's global services. `regions` are for what is listed for all regions
/// and lies in one each, which need not wait for them from the start.
pub async fn global(ask: Ask<'_>, account_name: &str, regions: &RegionsLater) -> Collected {
    let parts = [
        account::collect(ask, account_name).boxed(),
        cloudfront::collect(ask).boxed(),
        iam::collect(ask).boxed(),
        organizations::collect(ask).boxed(),
        s3::collect(ask, regions).boxed(),
    ];
    Collected::together(parts).await
}

/// Collects what is wanted of one region of an account.
pub async fn regional(ask: Ask<'_>) -> Collected {
    let parts = [
        accessanalyzer::collect(ask).boxed(),
        apigateway::collect(ask).boxed(),
        cloudtrail::collect(ask).boxed(),
        cloudwatch::collect(ask).boxed(),
        config::collect(ask).boxed(),
        ec2::collect(ask).boxed(),
        ecs::collect(ask).boxed(),
        efs::collect(ask).boxed(),
        eks::collect(ask).boxed(),
        elbv2::collect(ask).boxed(),
        events::collect(ask).boxed(),
        glacier::collect(ask).boxed(),
        kms::collect(ask).boxed(),
        lambda::collect(ask).boxed(),
        logs::collect(ask).boxed(),
        macie::collect(ask).boxed(),
        rds::collect(ask).boxed(),
        secretsmanager::collect(ask).boxed(),
        securityhub::collect(ask).boxed(),
        sns::collect(ask).boxed(),
        sqs::collect(ask).boxed(),
        sso::collect(ask).boxed(),
    ];
    Collected::together(parts).await
}

/// A text that is in every answer. The SDK fills in an empty one where it is missing.
fn text(
    place: &Place,
    call: &Call,
    member: &str,
    value: impl Into<Option<String>>,
) -> Result<String, Unseen> {
    value.into().filter(|text| !text.is_empty()).ok_or_else(|| missing(place, call, member))
}

/// A member that every answer has is not in this one.
fn missing(place: &Place, call: &Call, member: &str) -> Unseen {
    place.malformed(call, &format!("`{member}` is missing"))
}

/// The answer of a call that has no way to say "there is none".
fn answer<T>(place: &Place, call: &Call, reply: Reply<T>) -> Result<T, Unseen> {
    reply
        .found()
        .ok_or_else(|| place.malformed(call, "AWS says that there is no such thing, which always exists"))
}

/// A time as expressions see it: RFC 3339, UTC.
///
/// Times beyond what the format can hold (year 9999) do not come from AWS; they would read as the end of time.
fn time(at: aws_smithy_types::DateTime) -> String {
    jiff::Timestamp::new(at.secs(), 0).unwrap_or(jiff::Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::inventory::FACET;

    #[test]
    fn every_facet_has_a_row_and_every_row_a_facet() {
        for kind in KINDS {
            let mut generator = schemars::generate::SchemaSettings::draft2020_12()
                .with(|s| s.inline_subschemas = true)
                .into_generator();
            let schema = (kind.schema)(&mut generator).to_value();
            let properties = schema.get("properties").and_then(Value::as_object);
            let facets: BTreeSet<&str> = properties
                .into_iter()
                .flatten()
                .filter(|(_, property)| property.get(FACET).is_some())
                .map(|(name, _)| name.as_str())
                .collect();
            let rows: BTreeSet<&str> = kind.facets.iter().map(|row| row.field).collect();
            assert_eq!(facets, rows, "{}", kind.name);
            assert_eq!(rows.len(), kind.facets.len(), "{} has a row twice", kind.name);
            assert!(
                kind.facets.iter().all(|row| !row.calls.is_empty()),
                "{} has a row without a call",
                kind.name
            );
        }
    }

    #[test]
    fn names_of_types_and_collections_are_distinct() {
        let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let collections: BTreeSet<&str> = KINDS.iter().map(|kind| kind.collection).collect();
        assert_eq!((names.len(), collections.len()), (KINDS.len(), KINDS.len()));
    }

    /// The IAM actions that a type needs.
    fn actions(kind: &Kind) -> BTreeSet<String> {
        let facets = kind.facets.iter().flat_map(|row| row.calls);
        kind.list.iter().chain(facets).filter_map(|call| call.iam_action()).collect()
    }

    #[test]
    fn actions_are_those_of_iam_and_not_named_after_the_sdk() {
        for (kind, expected) in [
            ("aws.efs.file_system", &["elasticfilesystem:DescribeFileSystems"] as &[_]),
            (
                "aws.elbv2.load_balancer",
                &[
                    "elasticloadbalancing:DescribeLoadBalancerAttributes",
                    "elasticloadbalancing:DescribeLoadBalancers",
                ],
            ),
            ("aws.apigateway.stage", &["apigateway:GET"]),
            ("aws.apigatewayv2.stage", &["apigateway:GET"]),
        ] {
            let needed = actions(super::kind(kind).unwrap());
            assert_eq!(needed.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{kind}");
        }
    }
}
