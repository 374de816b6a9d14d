//! What is told when a rule matches an event.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::attack::Attack;
use super::identity::Member;
use super::json::Json;
use super::record::{Key, Record};
use super::ruleset::RuleInfo;
use crate::hex::hex;

/// A rule that matched an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Detection {
    /// Made of the rule's id and the event's, so that the same event delivered twice is one detection.
    ///
    /// 64 hexadecimal digits: SHA-256.
    pub id: String,
    /// The rule that matched.
    pub rule: Arc<RuleInfo>,
    /// When it happened; `None` when the record says no readable time.
    pub time: Option<Timestamp>,
    /// The account it happened in: `recipientAccountId`, else the account of the caller.
    pub account: Option<String>,
    /// `awsRegion`
    pub region: Option<String>,
    /// `eventSource`
    pub event_source: Option<String>,
    /// `eventName`
    pub event_name: Option<String>,
    /// `eventID`
    pub event_id: Option<String>,
    /// `errorCode`: the call was refused or failed.
    pub error_code: Option<String>,
    /// Who did it.
    pub actor: Actor,
    /// `sourceIPAddress`: an address, or the name of an AWS service.
    pub source_address: Option<String>,
    /// What it was done to.
    pub resources: Vec<TouchedResource>,
    /// The rule's text, with the event's values in it.
    pub output: String,
    /// Tactics and techniques of MITRE ATT&CK.
    pub attack: Attack,
    /// For a correlation: how many events it is about and which they are; empty for a single event's rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related_events: Vec<String>,
    /// The record itself.
    pub event: EventText,
}

impl Detection {
    /// Describes a match of a rule with an event, whose text and actor are at hand.
    #[must_use]
    pub(super) fn new(
        rule: Arc<RuleInfo>,
        record: &Record<'_>,
        event: EventText,
        actor: Actor,
        output: String,
    ) -> Self {
        let event_id = record.event_id();
        let owned = |key| record.text(key).map(String::from);
        Self {
            id: detection_id(&rule.id, event_id.as_deref().unwrap_or_else(|| record.raw())),
            time: record.timestamp(),
            account: owned(Key::RecipientAccountId).or_else(|| actor.account_id.clone()),
            region: owned(Key::AwsRegion),
            event_source: owned(Key::EventSource),
            event_name: owned(Key::EventName),
            event_id: event_id.map(String::from),
            error_code: owned(Key::ErrorCode),
            source_address: owned(Key::SourceIpAddress),
            resources: touched_resources(record),
            attack: rule.attack.clone(),
            related_events: Vec::new(),
            event,
            actor,
            rule,
            output,
        }
    }
}

/// The id of what a rule has to say about an event: SHA-256 of both ids, in hexadecimal.
#[must_use]
pub fn detection_id(rule_id: &str, event_id: &str) -> String {
    let mut hash = Sha256::new();
    // The lengths keep `ab` + `c` from being `a` + `bc`.
    hash.update(rule_id.len().to_be_bytes());
    hash.update(rule_id);
    hash.update(event_id);
    hex(&hash.finalize())
}

/// The JSON of a record on one line, which all detections of an event share.
// INVARIANT: one JSON value that `serde_json` accepted. A `RawValue` would say so too, but one is made of text only
// by checking the text again, which for a record of a detection takes as long as all the rest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventText(Arc<str>);

impl EventText {
    /// The text of a record.
    pub(super) fn of(record: &Record<'_>) -> Self {
        Self(record.json().compact().into())
    }

    /// The JSON.
    #[must_use]
    pub fn get(&self) -> &str {
        &self.0
    }
}

impl From<Box<RawValue>> for EventText {
    fn from(value: Box<RawValue>) -> Self {
        Self(Json::checked(value.get()).compact().into())
    }
}

impl Serialize for EventText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EventText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

/// Who made the call, as far as the record says.
///
/// [userIdentity](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html)
/// names a role session by an ARN that holds the session's name, which the caller chose. The role is taken from
/// the session's issuer where the record has one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    /// `Root`, `IAMUser`, `AssumedRole`, `AWSService`, …
    pub kind: Option<String>,
    /// The user or role; for a service its principal, such as `ec2.amazonaws.com`.
    pub name: Option<String>,
    /// The ARN of the user or role; for a session that of its role.
    pub arn: Option<String>,
    /// The account that the identity belongs to.
    pub account_id: Option<String>,
    /// The name of the role session, which the caller chose.
    pub session_name: Option<String>,
    /// The access key that signed the call.
    pub access_key_id: Option<String>,
    /// The service that made the call for the identity.
    pub invoked_by: Option<String>,
}

impl Actor {
    /// The identity that a record names.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Self {
        let text = |member| record.identity(member).and_then(Json::as_str).filter(|text| !text.is_empty());
        let owned = |member| text(member).map(String::from);
        let arn = text(Member::Arn);
        let issuer = owned(Member::IssuerArn);
        let is_session = arn.as_deref().is_some_and(|arn| arn.contains(":assumed-role/"));
        let invoked_by = owned(Member::InvokedBy);
        Self {
            kind: owned(Member::Kind),
            name: owned(Member::IssuerUserName)
                .or_else(|| owned(Member::UserName))
                .or_else(|| arn.as_deref().and_then(name_in_arn))
                .or_else(|| invoked_by.clone()),
            session_name: arn
                .as_deref()
                .filter(|_| is_session)
                .and_then(|arn| arn.rsplit_once('/'))
                .map(|(_, session)| session.to_owned()),
            arn: issuer.or_else(|| arn.map(String::from)),
            account_id: owned(Member::AccountId).or_else(|| owned(Member::IssuerAccountId)),
            access_key_id: owned(Member::AccessKeyId),
            invoked_by,
        }
    }
}

/// The user or role in an IAM or STS ARN: of `…:assumed-role/Role/session` the role, else what stands last.
fn name_in_arn(arn: &str) -> Option<String> {
    let resource = arn.splitn(6, ':').nth(5)?;
    let name = match resource.strip_prefix("assumed-role/") {
        Some(session) => session.rsplit_once('/').map_or(session, |(role, _)| role),
        None => resource.rsplit('/').next().unwrap_or(resource),
    };
    (!name.is_empty()).then(|| name.to_owned())
}

/// Something that a call was about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct TouchedResource {
    /// Its ARN, as the record lists it.
    pub arn: String,
    /// The type, such as `AWS::S3::Bucket`, where the record says it.
    pub kind: Option<String>,
    /// The account that owns it, where the record says it.
    pub account: Option<String>,
}

/// How many resources of one record are kept: a record may list hundreds of objects.
const MOST_RESOURCES: usize = 50;

/// What the record lists under `resources`, and the bucket or role and the like that its parameters name by ARN.
fn touched_resources(record: &Record<'_>) -> Vec<TouchedResource> {
    let listed = record.value(Key::Resources).into_iter().flat_map(Json::elements).filter_map(|resource| {
        let text = |key| resource.get(key).and_then(Json::as_str).map(String::from);
        Some(TouchedResource {
            arn: text("ARN").or_else(|| text("arn"))?,
            kind: text("type"),
            account: text("accountId"),
        })
    });
    let named = [Key::RequestParameters, Key::ResponseElements].into_iter().flat_map(|key| {
        let values = record.value(key).into_iter().flat_map(Json::members);
        values.filter_map(|(_, value)| value.as_str()).filter(|text| is_arn(text)).map(|arn| {
            TouchedResource {
                account: arn.split(':').nth(4).filter(|account| !account.is_empty()).map(str::to_owned),
                arn: arn.into_owned(),
                kind: None,
            }
        })
    });
    let mut resources: Vec<TouchedResource> = Vec::new();
    for resource in listed.chain(named).chain(bucket(record)) {
        if resources.len() == MOST_RESOURCES {
            break;
        }
        if !resources.iter().any(|known| known.arn == resource.arn) {
            resources.push(resource);
        }
    }
    resources
}

/// The bucket that an S3 call is about: management events don't list it under `resources`.
fn bucket(record: &Record<'_>) -> Option<TouchedResource> {
    let name = record.at(Key::RequestParameters, &["bucketName"])?.as_str()?;
    let partition = match record.aws_region() {
        Some(region) if region.starts_with("cn-") => "aws-cn",
        Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    Some(TouchedResource {
        arn: format!("arn:{partition}:s3:::{name}"),
        kind: Some("AWS::S3::Bucket".to_owned()),
        account: None,
    })
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.len() <= 2_048 && text.split(':').count() >= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(identity: &str) -> Actor {
        Actor::of(&Record::parse(format!(r#"{{"userIdentity":{identity}}}"#).as_bytes()).unwrap())
    }

    #[test]
    fn a_session_is_known_by_its_issuer() {
        let actor = actor(
            r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/Shown/root","accountId":"1","accessKeyId":"AS",
            "sessionContext":{"sessionIssuer":{"type":"Role","userName":"Real","arn":"arn:aws:iam::1:role/p/Real"}}}"#,
        );
        assert_eq!(actor.name.as_deref(), Some("Real"));
        assert_eq!(actor.arn.as_deref(), Some("arn:aws:iam::1:role/p/Real"));
        assert_eq!(actor.session_name.as_deref(), Some("root"));
        assert_eq!(actor.access_key_id.as_deref(), Some("AS"));
    }

    #[test]
    fn without_an_issuer_the_arn_speaks() {
        let session = actor(r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/s"}"#);
        assert_eq!((session.name.as_deref(), session.session_name.as_deref()), (Some("R"), Some("s")));
        let root = actor(r#"{"type":"Root","arn":"arn:aws:iam::1:root"}"#);
        assert_eq!((root.name.as_deref(), root.session_name), (Some("root"), None));
        let service = actor(r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#);
        assert_eq!(service.name.as_deref(), Some("ec2.amazonaws.com"));
        assert_eq!(actor("null"), Actor::default());
    }

    #[test]
    fn resources_are_those_listed_and_those_named() {
        let record = Record::parse(
            br#"{"awsRegion":"cn-north-1","resources":[{"ARN":"arn:aws:s3:::b/k","type":"AWS::S3::Object"},{"ARN":"arn:aws:s3:::b/k"},7],
            "requestParameters":{"bucketName":"b","keyId":"arn:aws:kms:eu-west-1:123456789012:key/1","note":"arn:aws"}}"#,
        )
        .unwrap();
        let resources = touched_resources(&record);
        let arns: Vec<_> = resources.iter().map(|resource| resource.arn.as_str()).collect();
        assert_eq!(
            arns,
            ["arn:aws:s3:::b/k", "arn:aws:kms:eu-west-1:123456789012:key/1", "arn:aws-cn:s3:::b"]
        );
        assert_eq!(resources[1].account.as_deref(), Some("123456789012"));
    }

    #[test]
    fn the_id_depends_on_where_the_rule_ends_and_the_event_begins() {
        assert_ne!(detection_id("ab", "c"), detection_id("a", "bc"));
        assert_eq!(detection_id("a", "b"), detection_id("a", "b"));
        assert_eq!(detection_id("a", "b").len(), 64);
    }
}
