//! What an event is, in words that all its detections share.
//!
//! Most accounts have a rule that matches most events, and several may match one. The texts of an event are therefore
//! taken out of its record once, into one piece of memory, and not once for each text and each detection.

use std::borrow::Cow;

use jiff::Timestamp;
use memchr::{memchr, memmem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identity::Member;
use super::json::{Json, Kind};
use super::record::{Key, Record};

/// What a record says about its event, as far as detections tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFacts {
    /// When it happened; `None` when the record says no readable time.
    pub time: Option<Timestamp>,
    /// What it was done to.
    pub resources: Vec<TouchedResource>,
    /// The texts, one after the other.
    texts: Box<str>,
    /// Where each text ends, in bytes; it begins where the one before ends.
    ends: [u32; Fact::COUNT],
    /// A one for each text that there is: an empty one is not the same as none.
    known: u16,
}

/// The texts that are kept, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    Account,
    Region,
    Source,
    Name,
    Id,
    Error,
    Address,
    ActorKind,
    ActorName,
    ActorArn,
    ActorAccount,
    ActorSession,
    ActorKey,
    ActorInvokedBy,
}

impl Fact {
    const COUNT: usize = Self::ActorInvokedBy as usize + 1;
}

impl EventFacts {
    /// What a record says.
    pub(super) fn of(record: &Record<'_>) -> Self {
        let actor = Identified::of(record);
        let text = |key| record.text(key);
        let texts = [
            text(Key::RecipientAccountId).or_else(|| actor.account_id.clone()),
            text(Key::AwsRegion),
            text(Key::EventSource),
            text(Key::EventName),
            text(Key::EventId),
            text(Key::ErrorCode),
            text(Key::SourceIpAddress),
            actor.kind,
            actor.name,
            actor.arn,
            actor.account_id,
            actor.session_name,
            actor.access_key_id,
            actor.invoked_by,
        ];
        let texts = texts.each_ref().map(Option::as_deref);
        Self::packed(record.timestamp(), touched_resources(record), &texts)
    }

    /// The facts with these texts, in the order of [`Fact`].
    pub(super) fn packed(
        time: Option<Timestamp>,
        resources: Vec<TouchedResource>,
        texts: &[Option<&str>; Fact::COUNT],
    ) -> Self {
        let mut packed = String::with_capacity(texts.iter().flatten().map(|text| text.len()).sum());
        let mut facts = Self { time, resources, ..Self::default() };
        for (place, (text, end)) in texts.iter().zip(&mut facts.ends).enumerate() {
            if let Some(text) = text {
                packed.push_str(text);
                facts.known |= 1 << place;
            }
            // A record of 4 GiB is refused long before.
            *end = u32::try_from(packed.len()).unwrap_or(u32::MAX);
        }
        facts.texts = packed.into();
        facts
    }

    fn get(&self, fact: Fact) -> Option<&str> {
        let place = fact as usize;
        if self.known & 1 << place == 0 {
            return None;
        }
        let before = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(place).copied()?;
        self.texts.get(usize::try_from(before).ok()?..usize::try_from(end).ok()?)
    }

    /// The account it happened in: `recipientAccountId`, else the account of the caller.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.get(Fact::Account)
    }

    /// `awsRegion`
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.get(Fact::Region)
    }

    /// `eventSource`
    #[must_use]
    pub fn event_source(&self) -> Option<&str> {
        self.get(Fact::Source)
    }

    /// `eventName`
    #[must_use]
    pub fn event_name(&self) -> Option<&str> {
        self.get(Fact::Name)
    }

    /// `eventID`
    #[must_use]
    pub fn event_id(&self) -> Option<&str> {
        self.get(Fact::Id)
    }

    /// `errorCode`: the call was refused or failed.
    #[must_use]
    pub fn error_code(&self) -> Option<&str> {
        self.get(Fact::Error)
    }

    /// `sourceIPAddress`: an address, or the name of an AWS service.
    #[must_use]
    pub fn source_address(&self) -> Option<&str> {
        self.get(Fact::Address)
    }

    /// What a person calls who did it; see [`Actor::name`].
    #[must_use]
    pub fn actor_name(&self) -> Option<&str> {
        self.get(Fact::ActorName)
    }

    /// Who did it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let owned = |fact| self.get(fact).map(str::to_owned);
        Actor {
            kind: owned(Fact::ActorKind),
            name: owned(Fact::ActorName),
            arn: owned(Fact::ActorArn),
            account_id: owned(Fact::ActorAccount),
            session_name: owned(Fact::ActorSession),
            access_key_id: owned(Fact::ActorKey),
            invoked_by: owned(Fact::ActorInvokedBy),
        }
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
        let Identified { kind, name, arn, account_id, session_name, access_key_id, invoked_by } =
            Identified::of(record);
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        Self {
            kind: owned(kind),
            name: owned(name),
            arn: owned(arn),
            account_id: owned(account_id),
            session_name: owned(session_name),
            access_key_id: owned(access_key_id),
            invoked_by: owned(invoked_by),
        }
    }
}

/// An [`Actor`] that is still where the record has it.
struct Identified<'a> {
    kind: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    arn: Option<Cow<'a, str>>,
    account_id: Option<Cow<'a, str>>,
    session_name: Option<Cow<'a, str>>,
    access_key_id: Option<Cow<'a, str>>,
    invoked_by: Option<Cow<'a, str>>,
}

impl<'a> Identified<'a> {
    /// The identity that a record names.
    fn of(record: &Record<'a>) -> Self {
        let text = |member| record.identity(member).and_then(Json::as_str).filter(|text| !text.is_empty());
        let arn = text(Member::Arn);
        let is_session = arn.as_deref().is_some_and(|arn| arn.contains(":assumed-role/"));
        let invoked_by = text(Member::InvokedBy);
        Self {
            kind: text(Member::Kind),
            name: text(Member::IssuerUserName)
                .or_else(|| text(Member::UserName))
                .or_else(|| arn.as_ref().and_then(|arn| part(arn, name_in_arn)))
                .or_else(|| invoked_by.clone()),
            session_name: arn
                .as_ref()
                .filter(|_| is_session)
                .and_then(|arn| part(arn, |arn| arn.rsplit_once('/').map(|(_, session)| session))),
            arn: text(Member::IssuerArn).or(arn),
            account_id: text(Member::AccountId).or_else(|| text(Member::IssuerAccountId)),
            access_key_id: text(Member::AccessKeyId),
            invoked_by,
        }
    }
}

/// A part of a text, borrowed where the text is.
fn part<'a>(text: &Cow<'a, str>, of: impl Fn(&str) -> Option<&str>) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(text) => of(text).map(Cow::Borrowed),
        Cow::Owned(text) => of(text).map(|part| Cow::Owned(part.to_owned())),
    }
}

/// The user or role in an IAM or STS ARN: of `…:assumed-role/Role/session` the role, else what stands last.
fn name_in_arn(arn: &str) -> Option<&str> {
    let resource = arn.splitn(6, ':').nth(5)?;
    let name = match resource.strip_prefix("assumed-role/") {
        Some(session) => session.rsplit_once('/').map_or(session, |(role, _)| role),
        None => resource.rsplit('/').next().unwrap_or(resource),
    };
    (!name.is_empty()).then_some(name)
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
        let value = record.value(key).filter(|value| may_hold(*value, "\"arn:"));
        let values = value.into_iter().flat_map(Json::members);
        values.filter_map(|(_, value)| arn(value)).map(|arn| TouchedResource {
            account: arn.split(':').nth(4).filter(|account| !account.is_empty()).map(str::to_owned),
            arn: arn.into_owned(),
            kind: None,
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

/// Whether a name or a text in this may begin with or be `sought`, however it is spelled. Most don't, and searching
/// takes a fraction of the time of looking at each.
fn may_hold(value: Json<'_>, sought: &str) -> bool {
    let text = value.text().as_bytes();
    memmem::find(text, sought.as_bytes()).is_some() || memchr(b'\\', text).is_some()
}

/// The bucket that an S3 call is about: management events don't list it under `resources`.
fn bucket(record: &Record<'_>) -> Option<TouchedResource> {
    const NAME: &str = "bucketName";
    let parameters = record.value(Key::RequestParameters).filter(|value| may_hold(*value, NAME))?;
    let name = parameters.get(NAME)?.as_str()?;
    let partition = match record.aws_region() {
        Some(region) if region.starts_with("cn-") => "aws-cn",
        Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    Some(TouchedResource {
        arn: ["arn:", partition, ":s3:::", &*name].concat(),
        kind: Some("AWS::S3::Bucket".to_owned()),
        account: None,
    })
}

/// The ARN that a value is.
fn arn(value: Json<'_>) -> Option<Cow<'_, str>> {
    const START: &str = "arn:";
    if value.kind() != Kind::String {
        return None;
    }
    // Most values are none, and a long one, such as a policy, takes time to decode.
    let start = value.text().as_bytes().get(1..=START.len())?;
    if start != START.as_bytes() && !start.contains(&b'\\') {
        return None;
    }
    value
        .as_str()
        .filter(|text| text.starts_with(START) && text.len() <= 2_048 && text.split(':').count() >= 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(record: &str) -> EventFacts {
        EventFacts::of(&Record::parse(record.as_bytes()).unwrap())
    }

    fn actor(identity: &str) -> Actor {
        facts(&format!(r#"{{"userIdentity":{identity}}}"#)).actor()
    }

    #[test]
    fn every_text_is_the_one_that_the_record_has() {
        let facts = facts(
            r#"{"awsRegion":"r","eventSource":"s\u0031","eventName":"n","eventID":"","errorCode":7,"sourceIPAddress":"a",
            "eventTime":"2024-05-06T07:08:09Z","userIdentity":{"accountId":"1","userName":"u"}}"#,
        );
        assert_eq!(
            (facts.account(), facts.region(), facts.event_source()),
            (Some("1"), Some("r"), Some("s1"))
        );
        assert_eq!((facts.event_name(), facts.event_id(), facts.error_code()), (Some("n"), Some(""), None));
        assert_eq!((facts.source_address(), facts.actor_name()), (Some("a"), Some("u")));
        assert_eq!(facts.time.map(|time| time.as_second()), Some(1_714_979_289));
        assert_eq!(self::facts("{}"), EventFacts::default());
        assert_eq!(self::facts(r#"{"recipientAccountId":"2"}"#).account(), Some("2"));
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
        let session = actor(r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/\u0073"}"#);
        assert_eq!((session.name.as_deref(), session.session_name.as_deref()), (Some("R"), Some("s")));
        let root = actor(r#"{"type":"Root","arn":"arn:aws:iam::1:root"}"#);
        assert_eq!((root.name.as_deref(), root.session_name), (Some("root"), None));
        let service = actor(r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#);
        assert_eq!(service.name.as_deref(), Some("ec2.amazonaws.com"));
        assert_eq!(actor("null"), Actor::default());
    }

    #[test]
    fn resources_are_those_listed_and_those_named() {
        let facts = facts(
            r#"{"awsRegion":"cn-north-1","resources":[{"ARN":"arn:aws:s3:::b/k","type":"AWS::S3::Object"},{"ARN":"arn:aws:s3:::b/k"},7],
            "requestParameters":{"bucketName":"b","keyId":"arn:aws:kms:eu-west-1:123456789012:key/1","note":"arn:aws","x":"é",
            "roleArn":"\u0061rn:aws:iam::1:role/r"}}"#,
        );
        let arns: Vec<_> = facts.resources.iter().map(|resource| resource.arn.as_str()).collect();
        assert_eq!(
            arns,
            [
                "arn:aws:s3:::b/k",
                "arn:aws:kms:eu-west-1:123456789012:key/1",
                "arn:aws:iam::1:role/r",
                "arn:aws-cn:s3:::b"
            ]
        );
        assert_eq!(facts.resources[1].account.as_deref(), Some("123456789012"));
    }
}
