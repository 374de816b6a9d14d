//! From an event to the resources that it touched.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use jiff::Timestamp;

use crate::accounts::is_account_id;
use crate::collect::touch::{Change, Target};
use crate::collect::{KINDS, Kind, Scope};
use crate::events::detection::Actor;
use crate::events::json::Json;
use crate::events::record::{Key, Record};
use crate::inventory::GLOBAL;
use crate::notify::Cause;

/// Resources that one event may name: a call about more is one about any of the type.
const MAX_IDS: usize = 100;
/// Bytes of an id: ARNs have at most 2,048.
const MAX_ID: usize = 2_048;

/// A resource that an event touched, or all of a type where the event does not say which.
#[derive(Debug, Clone)]
pub struct Touch {
    /// Account, twelve digits.
    pub account: String,
    /// Region, or [`GLOBAL`].
    pub region: String,
    /// Type of the resource.
    pub kind: &'static Kind,
    /// What the event calls it: see [`fits`](crate::collect::touch::fits). `None` for all of the type in this place.
    pub id: Option<String>,
    /// Why all of the type are meant; empty where the type has one resource in a place, or where `id` says which.
    pub why_all: &'static str,
    /// When it happened. Of several events, the latest.
    pub time: Timestamp,
    /// Who did what. Of several events, the latest.
    pub cause: Cause,
    /// `eventID`s of the events that touched it.
    pub event_ids: BTreeSet<String>,
}

/// What tells touches apart.
pub(super) type TouchKey = (String, &'static str, String, Option<String>);

impl Touch {
    pub(super) fn key(&self) -> TouchKey {
        (self.account.clone(), self.kind.name, self.region.clone(), self.id.clone())
    }
}

/// A call, and the types that it may change.
type Index = HashMap<(&'static str, &'static str), Vec<(&'static Kind, &'static Change)>>;

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index::new();
    for kind in KINDS {
        for change in kind.events {
            for name in change.names {
                index.entry((change.source, name)).or_default().push((kind, change));
            }
        }
    }
    index
});

/// The calls of the tables: `eventSource`, and its `eventName`s.
#[must_use]
pub fn calls() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut calls: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (source, name) in INDEX.keys() {
        calls.entry(source).or_default().insert(name);
    }
    calls
}

/// The resources that an event touched. A call that was refused or failed touches nothing, nor does one that reads,
/// one of a service that no collector knows, or one about a resource of another account.
#[must_use]
pub fn touched(record: &Record<'_>) -> Vec<Touch> {
    let (Some(source), Some(name)) = (record.event_source(), record.event_name()) else { return Vec::new() };
    let Some(changes) = INDEX.get(&(&*source, &*name)) else { return Vec::new() };
    let has_failed = record.text(Key::ErrorCode).is_some_and(|code| !code.is_empty());
    let is_reading = record.value(Key::ReadOnly).is_some_and(|read_only| read_only.text() == "true");
    if has_failed || is_reading || record.is_insight() {
        return Vec::new();
    }
    let Some(account) = record.recipient_account_id().filter(|id| is_account_id(id)) else {
        return Vec::new();
    };
    let Some(region) = record.aws_region().filter(|region| is_region(region)) else { return Vec::new() };
    let time = record.timestamp().unwrap_or_else(Timestamp::now);
    let cause = cause(record);
    let mut touches = Vec::new();
    for (kind, change) in changes {
        let touch = |id: Option<String>, why_all| Touch {
            account: account.clone().into_owned(),
            region: if kind.scope == Scope::Global { GLOBAL.to_owned() } else { region.clone().into_owned() },
            kind,
            id,
            why_all,
            time,
            cause: cause.clone(),
            event_ids: BTreeSet::from([cause.event_id.clone()]),
        };
        match meant(record, change.target, &account) {
            Meant::These(ids) => touches.extend(ids.into_iter().map(|id| touch(Some(id), ""))),
            Meant::All(why) => touches.push(touch(None, why)),
        }
    }
    touches
}

/// One touch for each resource, with the latest event that touched it, in a fixed order.
#[must_use]
pub fn coalesce(touches: impl IntoIterator<Item = Touch>) -> Vec<Touch> {
    let mut by_key: BTreeMap<TouchKey, Touch> = BTreeMap::new();
    for touch in touches {
        match by_key.get_mut(&touch.key()) {
            None => drop(by_key.insert(touch.key(), touch)),
            Some(known) => {
                let mut event_ids = std::mem::take(&mut known.event_ids);
                event_ids.extend(touch.event_ids.iter().cloned());
                // The same events in another order give the same.
                if (known.time, &known.cause.event_id) < (touch.time, &touch.cause.event_id) {
                    *known = touch;
                }
                known.event_ids = event_ids;
            }
        }
    }
    by_key.into_values().collect()
}

/// What an event means.
enum Meant {
    /// Resources of these names; none at all where it is about another type.
    These(BTreeSet<String>),
    /// Any of the type.
    All(&'static str),
}

fn meant(record: &Record<'_>, target: Target, account: &str) -> Meant {
    let (paths, none): (&[&str], Meant) = match target {
        Target::Place => return Meant::All(""),
        Target::Any(why) => return Meant::All(why),
        Target::At(paths) => (paths, Meant::All("the event does not name the resource")),
        Target::Starting(_, paths) => (paths, Meant::These(BTreeSet::new())),
        Target::In(pattern, paths) => return Meant::These(filled(record, pattern, paths)),
    };
    let named: BTreeSet<String> = paths.iter().flat_map(|path| texts(record, path)).collect();
    let begins = match target {
        Target::Starting(prefix, _) => prefix,
        _ => "",
    };
    // An alias does not say which key it is for.
    let says_which = |id: &String| !id.starts_with("alias/") && !id.contains(":alias/");
    let ids: BTreeSet<String> =
        named.into_iter().filter(|id| id.starts_with(begins) && says_which(id)).collect();
    if ids.is_empty() || ids.len() > MAX_IDS {
        return if ids.is_empty() { none } else { Meant::All("the event names too many resources") };
    }
    // The event of a call from another account is in the trails of both.
    Meant::These(ids.into_iter().filter(|id| is_of(id, account)).collect())
}

/// The pattern with what stands at each path; nothing where one of them is missing.
fn filled(record: &Record<'_>, pattern: &str, paths: &[&str]) -> BTreeSet<String> {
    let mut parts = pattern.split("{}");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (path, after) in paths.iter().zip(parts) {
        let Some(value) = texts(record, path).into_iter().next() else { return BTreeSet::new() };
        text.push_str(&value);
        text.push_str(after);
    }
    BTreeSet::from([text])
}

/// Whether an id may be that of a resource of the account: an ARN with another one is not.
fn is_of(id: &str, account: &str) -> bool {
    let owner = id.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3));
    // AWS's own managed policies are attached in every account.
    owner.is_none_or(|owner| owner.is_empty() || owner == "aws" || owner == account || !is_account_id(owner))
}

/// The texts at the first of several paths that has any.
fn texts(record: &Record<'_>, paths: &str) -> Vec<String> {
    paths.split('|').map(|path| texts_at(record, path)).find(|found| !found.is_empty()).unwrap_or_default()
}

fn texts_at(record: &Record<'_>, path: &str) -> Vec<String> {
    let mut steps = path.split('.');
    let mut values: Vec<Json<'_>> = steps.next().and_then(|name| record.member(name)).into_iter().collect();
    for step in steps {
        values = values
            .into_iter()
            .flat_map(|value| match step {
                "*" => value.elements().take(MAX_IDS + 1).collect(),
                step => value.get(step).into_iter().collect::<Vec<_>>(),
            })
            .collect();
    }
    let text = |value: Json<'_>| Some(value.as_str()?.into_owned());
    values.into_iter().filter_map(text).filter(|id| (1..=MAX_ID).contains(&id.len())).collect()
}

fn cause(record: &Record<'_>) -> Cause {
    let owned = |key| record.text(key).map(String::from);
    Cause {
        actor: Actor::of(record),
        time: record.timestamp(),
        address: owned(Key::SourceIpAddress),
        event_source: owned(Key::EventSource).unwrap_or_default(),
        event_name: owned(Key::EventName).unwrap_or_default(),
        event_id: owned(Key::EventId).unwrap_or_default(),
        region: owned(Key::AwsRegion).unwrap_or_default(),
    }
}

/// A region becomes part of the name of a host.
fn is_region(region: &str) -> bool {
    (1..=32).contains(&region.len())
        && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ACCOUNT: &str = "111122223333";

    /// A record as CloudTrail writes it.
    fn event(source: &str, name: &str, request: Value, response: Value) -> Value {
        json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "arn": "arn:aws:sts::111122223333:assumed-role/Admin/alice",
                "accountId": ACCOUNT,
                "sessionContext": { "sessionIssuer": { "type": "Role", "userName": "Admin",
                    "arn": "arn:aws:iam::111122223333:role/Admin", "accountId": ACCOUNT } },
            },
            "eventTime": "2026-11-29T22:10:00Z",
            "eventSource": format!("{source}.amazonaws.com"),
            "eventName": name,
            "awsRegion": "eu-west-1",
            "sourceIPAddress": "203.0.113.7",
            "requestParameters": request,
            "responseElements": response,
            "eventID": "e-1",
            "readOnly": false,
            "eventType": "AwsApiCall",
            "recipientAccountId": ACCOUNT,
        })
    }

    fn of(event: &Value) -> Vec<Touch> {
        let text = event.to_string();
        touched(&Record::parse(text.as_bytes()).unwrap())
    }

    /// Type, region and id of each touch.
    fn shown(touches: &[Touch]) -> Vec<(&str, &str, &str)> {
        let id = |touch: &Touch| touch.id.is_some();
        let mut shown: Vec<_> = touches
            .iter()
            .map(|touch| {
                let all = if touch.why_all.is_empty() { "one" } else { "all" };
                let id = if id(touch) { touch.id.as_deref().unwrap() } else { all };
                (touch.kind.name, touch.region.as_str(), id)
            })
            .collect();
        shown.sort_unstable();
        shown
    }

    #[test]
    fn events_name_what_they_touched() {
        let key = "arn:aws:kms:eu-west-1:111122223333:key/k-1";
        let stage = json!({ "restApiId": "a1", "createStageInput": { "stageName": "prod" } });
        for (source, name, request, response, expected) in [
            (
                "s3",
                "PutBucketPolicy",
                json!({ "bucketName": "acme-logs", "Host": "s3.amazonaws.com" }),
                json!(null),
                vec![("aws.s3.bucket", "global", "acme-logs")],
            ),
            (
                "s3",
                "PutAccountPublicAccessBlock",
                json!({ "accountId": ACCOUNT }),
                json!(null),
                vec![("aws.s3.account", "global", "one")],
            ),
            (
                "ec2",
                "AuthorizeSecurityGroupIngress",
                json!({ "groupId": "sg-1", "ipPermissions": {} }),
                json!({}),
                vec![("aws.ec2.security_group", "eu-west-1", "sg-1")],
            ),
            (
                "ec2",
                "AuthorizeSecurityGroupIngress",
                json!({ "groupName": "web" }),
                json!({}),
                vec![("aws.ec2.security_group", "eu-west-1", "all")],
            ),
            (
                "ec2",
                "ModifyInstanceMetadataOptions",
                json!({ "ModifyInstanceMetadataOptionsRequest": { "InstanceId": "i-1", "HttpTokens": "optional" } }),
                json!({}),
                vec![("aws.ec2.instance", "eu-west-1", "i-1")],
            ),
            (
                "ec2",
                "CreateTags",
                json!({ "resourcesSet": { "items": [{ "resourceId": "i-1" }, { "resourceId": "vol-1" }, { "resourceId": "sg-1" }] } }),
                json!({}),
                vec![
                    ("aws.ec2.instance", "eu-west-1", "i-1"),
                    ("aws.ec2.security_group", "eu-west-1", "sg-1"),
                ],
            ),
            (
                "ec2",
                "StopInstances",
                json!({ "instancesSet": { "items": [{ "instanceId": "i-1" }, { "instanceId": "i-2" }] } }),
                json!(null),
                vec![("aws.ec2.instance", "eu-west-1", "i-1"), ("aws.ec2.instance", "eu-west-1", "i-2")],
            ),
            (
                "iam",
                "AttachUserPolicy",
                json!({ "userName": "bob", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess" }),
                json!(null),
                vec![
                    ("aws.iam.account", "global", "one"),
                    ("aws.iam.policy", "global", "arn:aws:iam::aws:policy/AdministratorAccess"),
                    ("aws.iam.user", "global", "bob"),
                ],
            ),
            (
                "iam",
                "CreateAccessKey",
                json!(null),
                json!({ "accessKey": { "userName": "bob" } }),
                vec![("aws.iam.account", "global", "one"), ("aws.iam.user", "global", "bob")],
            ),
            (
                "cloudtrail",
                "StopLogging",
                json!({ "name": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/t" }),
                json!(null),
                vec![(
                    "aws.cloudtrail.trail",
                    "eu-west-1",
                    "arn:aws:cloudtrail:eu-west-1:111122223333:trail/t",
                )],
            ),
            (
                "kms",
                "DisableKeyRotation",
                json!({ "keyId": "alias/logs" }),
                json!(null),
                vec![("aws.kms.key", "eu-west-1", "all")],
            ),
            (
                "kms",
                "ScheduleKeyDeletion",
                json!({ "keyId": key, "pendingWindowInDays": 7 }),
                json!({ "keyId": key }),
                vec![("aws.cloudtrail.trail", "eu-west-1", "all"), ("aws.kms.key", "eu-west-1", key)],
            ),
            (
                "apigateway",
                "CreateStage",
                stage,
                json!({}),
                vec![("aws.apigateway.stage", "eu-west-1", "/restapis/a1/")],
            ),
            (
                "apigateway",
                "UpdateStage",
                json!({ "apiId": "a2", "stageName": "$default" }),
                json!({}),
                vec![("aws.apigatewayv2.stage", "eu-west-1", "/apis/a2/")],
            ),
            (
                "logs",
                "DeleteMetricFilter",
                json!({ "logGroupName": "trail", "filterName": "root" }),
                json!(null),
                vec![("aws.logs.metric_filter", "eu-west-1", "log-group:trail:metric-filter:root")],
            ),
            (
                "monitoring",
                "DeleteAlarms",
                json!({ "alarmNames": ["a", "b"] }),
                json!(null),
                vec![("aws.cloudwatch.alarm", "eu-west-1", "a"), ("aws.cloudwatch.alarm", "eu-west-1", "b")],
            ),
            // A classic load balancer, which no control knows, has no ARN.
            (
                "elasticloadbalancing",
                "DeleteLoadBalancer",
                json!({ "loadBalancerName": "old" }),
                json!({}),
                vec![],
            ),
        ] {
            let touches = of(&event(source, name, request, response));
            assert_eq!(shown(&touches), expected, "{name}");
            assert!(touches.iter().all(|touch| touch.account == ACCOUNT && touch.cause.event_name == name));
        }
    }

    #[test]
    fn a_call_that_changed_nothing_touches_nothing() {
        let done = event("s3", "PutBucketPolicy", json!({ "bucketName": "b" }), json!(null));
        assert_eq!(of(&done).len(), 1);
        for (key, value) in [
            ("errorCode", json!("AccessDenied")),
            ("readOnly", json!(true)),
            ("eventName", json!("GetBucketPolicy")),
            ("eventName", json!("PutObject")),
            ("eventSource", json!("ec2.amazonaws.com")),
            ("recipientAccountId", json!(null)),
            ("recipientAccountId", json!("../../../../x")),
            ("awsRegion", json!("evil.example/")),
            ("eventCategory", json!("Insight")),
        ] {
            let mut other = done.clone();
            other[key] = value.clone();
            assert_eq!(of(&other).len(), 0, "{key}: {value}");
        }
        let mut fine = done;
        fine["errorCode"] = json!(null);
        assert_eq!(of(&fine).len(), 1);
    }

    #[test]
    fn what_another_account_owns_is_not_touched_here() {
        let foreign = json!({ "keyId": "arn:aws:kms:eu-west-1:444455556666:key/k" });
        let touches = of(&event("kms", "DisableKeyRotation", foreign, json!(null)));
        assert_eq!(shown(&touches), []);
    }

    #[test]
    fn many_events_of_one_resource_are_one_touch_with_the_latest_whatever_their_order() {
        let at = |time: &str, id: &str, name: &str| {
            let mut event = event("s3", name, json!({ "bucketName": "b" }), json!(null));
            (event["eventTime"], event["eventID"]) = (json!(time), json!(id));
            of(&event)
        };
        let events = [
            at("2026-11-29T22:10:01Z", "e-1", "PutBucketPolicy"),
            at("2026-11-29T22:10:03Z", "e-3", "DeleteBucketPolicy"),
            at("2026-11-29T22:10:02Z", "e-2", "PutBucketAcl"),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let touches = coalesce(order.into_iter().flat_map(|at: usize| events[at].clone()));
            let [touch] = touches.as_slice() else { panic!("{touches:?}") };
            assert_eq!((touch.cause.event_name.as_str(), touch.event_ids.len()), ("DeleteBucketPolicy", 3));
        }
    }

    #[test]
    fn the_actor_is_the_role_with_the_session() {
        let touches = of(&event("s3", "PutBucketPolicy", json!({ "bucketName": "b" }), json!(null)));
        let cause = &touches[0].cause;
        assert_eq!(cause.actor.name.as_deref(), Some("Admin"));
        assert_eq!(cause.actor.session_name.as_deref(), Some("alice"));
        assert_eq!(cause.address.as_deref(), Some("203.0.113.7"));
        assert_eq!(cause.time.map(|time| time.to_string()).as_deref(), Some("2026-11-29T22:10:00Z"));
    }
}
