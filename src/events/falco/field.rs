//! The fields of Falco's cloudtrail and json plugins, and the older names of Sysdig's rules.
//!
//! What each is made of is in the [plugin's documentation](https://github.com/falcosecurity/plugins/tree/main/plugins/cloudtrail#supported-fields).
//! A key that is present and no text counts as a present, empty text.

use std::borrow::Cow;

use super::extract::{self, Count, Transferred};
use crate::events::engine::predicate::TextRelation;
use crate::events::engine::text::Number;
use crate::events::record::{Key, Record};

/// A field of an event, and what is done to its value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    origin: Origin,
    /// Applied in this order.
    transforms: Box<[Transform]>,
}

/// What sort of values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// One text.
    Text,
    /// One whole number.
    Number,
    /// Several texts.
    List,
}

/// What is done to a value before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transform {
    /// ASCII letters in lower case.
    ToLower,
    /// ASCII letters in upper case.
    ToUpper,
    /// What the base64 text stands for.
    Base64,
    /// What follows the last `/`.
    BaseName,
    /// The length in bytes, a number.
    Length,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Origin {
    /// The text at a path of keys.
    Path(Key, &'static [&'static str]),
    /// The text of a top-level key that is not documented.
    Other(Box<str>),
    /// A top-level value as compact JSON.
    Json(Key),
    /// `true` or `false`.
    Flag(Key),
    FromConsole,
    ShortSource,
    User,
    OriginalUser,
    AccountId,
    Resources,
    Info,
    ObjectUri,
    Transferred(Transferred),
    Counted(Count),
    InstanceName,
    /// All image ids, or a list of the one with this number.
    Images(Option<usize>),
    /// The first image id.
    Image,
    /// A pointer of RFC 6901, decoded.
    Pointer(Box<[Box<str>]>),
    WholeRecord,
    EventNumber,
    RawTime,
    RawTimeText,
    Time(TimeForm),
    Fixed(&'static str),
    PluginInfo,
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TimeForm {
    /// `07:08:09.000000000`
    Clock,
    /// `2024-05-06 07:08:09.000000000`
    DateTime,
    /// `2024-05-06T07:08:09.000000000+0000`
    Iso8601,
}

/// Why a name is no field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// There is none of this name.
    #[error("there is no field `{0}`")]
    Unknown(String),
    /// It needs something in brackets.
    #[error("field `{0}` needs an argument, as in `{0}[/a/b]`")]
    ArgumentMissing(String),
    /// It takes nothing in brackets.
    #[error("field `{0}` takes no argument")]
    ArgumentUnwanted(String),
    /// What stands in the brackets is not what the field takes.
    #[error("`{argument}` is no argument for field `{field}`")]
    ArgumentInvalid {
        /// The field's name.
        field: String,
        /// What stands in the brackets.
        argument: String,
    },
    /// There is no such transformer, or it can't be had here.
    #[error("transformer `{0}` is not supported")]
    Transformer(String),
    /// The transformer is for texts.
    #[error("transformer `{transformer}` takes a text, and `{field}` is none")]
    NoText {
        /// The transformer's name.
        transformer: String,
        /// The field's name.
        field: String,
    },
}

/// Names that are one key, or one path of keys.
const PATHS: [(&str, Key, &[&str]); 51] = [
    ("ct.id", Key::EventId, &[]),
    ("ct.error", Key::ErrorCode, &[]),
    ("ct.errormessage", Key::ErrorMessage, &[]),
    ("ct.time", Key::EventTime, &[]),
    ("ct.src", Key::EventSource, &[]),
    ("ct.name", Key::EventName, &[]),
    ("ct.region", Key::AwsRegion, &[]),
    ("ct.srcip", Key::SourceIpAddress, &[]),
    ("ct.useragent", Key::UserAgent, &[]),
    ("ct.user.identitytype", Key::UserIdentity, &["type"]),
    ("ct.user.principalid", Key::UserIdentity, &["principalId"]),
    ("ct.user.arn", Key::UserIdentity, &["arn"]),
    ("ct.request.availabilityzone", Key::RequestParameters, &["availabilityZone"]),
    ("ct.request.cluster", Key::RequestParameters, &["cluster"]),
    ("ct.request.functionname", Key::RequestParameters, &["functionName"]),
    ("ct.request.groupname", Key::RequestParameters, &["groupName"]),
    ("ct.request.host", Key::RequestParameters, &["Host"]),
    ("ct.request.name", Key::RequestParameters, &["name"]),
    ("ct.request.policy", Key::RequestParameters, &["policy"]),
    ("ct.request.reason", Key::RequestParameters, &["reason"]),
    ("ct.request.target", Key::RequestParameters, &["target"]),
    ("ct.request.documentname", Key::RequestParameters, &["documentName"]),
    ("ct.request.serialnumber", Key::RequestParameters, &["serialNumber"]),
    ("ct.request.servicename", Key::RequestParameters, &["serviceName"]),
    ("ct.request.subnetid", Key::RequestParameters, &["subnetId"]),
    ("ct.request.taskdefinition", Key::RequestParameters, &["taskDefinition"]),
    ("ct.request.username", Key::RequestParameters, &["userName"]),
    ("ct.response.subnetid", Key::ResponseElements, &["subnetId"]),
    ("ct.response.reservationid", Key::ResponseElements, &["reservationId"]),
    ("ct.requestid", Key::RequestId, &[]),
    ("ct.eventtype", Key::EventType, &[]),
    ("ct.apiversion", Key::ApiVersion, &[]),
    ("ct.recipientaccountid", Key::RecipientAccountId, &[]),
    ("ct.serviceeventdetails", Key::ServiceEventDetails, &[]),
    ("ct.sharedeventid", Key::SharedEventId, &[]),
    ("ct.vpcendpointid", Key::VpcEndpointId, &[]),
    ("ct.eventcategory", Key::EventCategory, &[]),
    ("ct.edgedevicedetails", Key::EdgeDeviceDetails, &[]),
    ("ct.addendum.reason", Key::Addendum, &["reason"]),
    ("ct.addendum.updatedfields", Key::Addendum, &["updatedFields"]),
    ("ct.addendum.originalrequestid", Key::Addendum, &["originalRequestID"]),
    ("ct.addendum.originaleventid", Key::Addendum, &["originalEventID"]),
    ("ct.tlsdetails.tlsversion", Key::TlsDetails, &["tlsVersion"]),
    ("ct.tlsdetails.ciphersuite", Key::TlsDetails, &["cipherSuite"]),
    ("ct.tlsdetails.clientprovidedhostheader", Key::TlsDetails, &["clientProvidedHostHeader"]),
    ("s3.bucket", Key::RequestParameters, &["bucketName"]),
    ("s3.key", Key::RequestParameters, &["key"]),
    ("ecr.repository", Key::RequestParameters, &["repositoryName"]),
    ("ecr.imagetag", Key::RequestParameters, &["imageTag"]),
    ("iam.role", Key::RequestParameters, &["roleName"]),
    ("iam.policy", Key::RequestParameters, &["policyName"]),
];

/// Names of Sysdig's cloud rules for fields that have another name now; `aws.X` is else the top-level key `X`.
const LEGACY: [(&str, &str); 14] = [
    ("aws.eventName", "ct.name"),
    ("aws.eventSource", "ct.src"),
    ("aws.errorCode", "ct.error"),
    ("aws.errorMessage", "ct.errormessage"),
    ("aws.user", "ct.user"),
    ("aws.sourceIP", "ct.srcip"),
    ("aws.region", "ct.region"),
    ("aws.eventID", "ct.id"),
    ("aws.eventTime", "ct.time"),
    ("aws.userAgent", "ct.useragent"),
    ("aws.accountId", "ct.user.accountid"),
    ("aws.ecs.taskDefinition", "ct.request.taskdefinition"),
    ("aws.ecs.cluster", "ct.request.cluster"),
    ("aws.ecs.service", "ct.request.servicename"),
];

impl Field {
    /// The field of a name, with what stands in brackets after it.
    ///
    /// # Errors
    /// When there is no such field, or the argument is not what it takes.
    pub fn named(name: &str, argument: Option<&str>) -> Result<Self, FieldError> {
        let current = LEGACY.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new);
        let origin = match (current, argument) {
            ("json.value" | "jevt.value", Some(pointer)) => Origin::Pointer(extract::pointer(pointer)),
            ("json.value" | "jevt.value", None) => return Err(FieldError::ArgumentMissing(name.to_owned())),
            ("ec2.imageids", index) => {
                Origin::Images(index.map(|index| self::index(name, index)).transpose()?)
            }
            (_, Some(_)) if simple(current).is_some() => {
                return Err(FieldError::ArgumentUnwanted(name.to_owned()));
            }
            (current, _) => simple(current).ok_or_else(|| FieldError::Unknown(name.to_owned()))?,
        };
        Ok(Self { origin, transforms: Box::default() })
    }

    /// The field with transformers around it, named outermost first.
    ///
    /// # Errors
    /// When one is not supported, or takes a text and gets none.
    pub fn transformed(mut self, name: &str, transformers: &[String]) -> Result<Self, FieldError> {
        let mut kind = self.kind();
        let mut transforms = Vec::new();
        for transformer in transformers.iter().rev() {
            let transform = match transformer.as_str() {
                // Says that a field is meant where a text could be.
                "val" => continue,
                "tolower" => Transform::ToLower,
                "toupper" => Transform::ToUpper,
                "b64" => Transform::Base64,
                "basename" => Transform::BaseName,
                "len" => Transform::Length,
                other => return Err(FieldError::Transformer(other.to_owned())),
            };
            if kind != FieldKind::Text && !(kind == FieldKind::List && transform == Transform::Length) {
                return Err(FieldError::NoText { transformer: transformer.clone(), field: name.to_owned() });
            }
            if transform == Transform::Length {
                kind = FieldKind::Number;
            }
            transforms.push(transform);
        }
        self.transforms = transforms.into();
        Ok(self)
    }

    /// What sort of values it has.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        if self.transforms.last() == Some(&Transform::Length) {
            return FieldKind::Number;
        }
        match self.origin {
            Origin::Transferred(_) | Origin::Counted(_) | Origin::EventNumber | Origin::RawTime => {
                FieldKind::Number
            }
            Origin::Images(_) => FieldKind::List,
            _ => FieldKind::Text,
        }
    }

    /// The top-level key that it is, when it is nothing else.
    #[must_use]
    pub fn top_level(&self) -> Option<Key> {
        match self.origin {
            Origin::Path(key, []) if self.transforms.is_empty() => Some(key),
            _ => None,
        }
    }

    /// Whether the record has a value for it; `number` is the running number of the event.
    #[must_use]
    pub fn exists(&self, record: &Record<'_>, number: u64) -> bool {
        match self.kind() {
            FieldKind::Text => match (&self.origin, &*self.transforms) {
                (Origin::Path(key, path), []) => record.at(*key, path).is_some(),
                _ => self.text(record, number).is_some(),
            },
            FieldKind::Number => self.number(record, number).is_some(),
            FieldKind::List => self.list(record).is_some(),
        }
    }

    /// Its text; `None` when it is absent, or has no text.
    #[must_use]
    pub fn text<'a>(&self, record: &Record<'a>, number: u64) -> Option<Cow<'a, str>> {
        let mut text = self.plain_text(record, number)?;
        for transform in &self.transforms {
            text = transform.apply(text)?;
        }
        Some(text)
    }

    fn plain_text<'a>(&self, record: &Record<'a>, number: u64) -> Option<Cow<'a, str>> {
        match &self.origin {
            Origin::Path(key, path) => record.at(*key, path).map(|value| value.as_str().unwrap_or_default()),
            Origin::Other(name) => record.member(name).map(|value| value.as_str().unwrap_or_default()),
            Origin::Json(key) => record.value(*key).map(|value| value.compact()),
            Origin::Flag(key) => {
                record.value(*key).map(|value| if value.text() == "true" { "true" } else { "false" }.into())
            }
            Origin::FromConsole => extract::from_console(record),
            Origin::ShortSource => extract::short_source(record),
            Origin::User => extract::user(record),
            Origin::OriginalUser => extract::original_user(record),
            Origin::AccountId => extract::account_id(record),
            Origin::Resources => extract::resources(record),
            Origin::Info => Some(extract::info(record).into()),
            Origin::ObjectUri => extract::object_uri(record).map(Cow::Owned),
            Origin::InstanceName => extract::instance_name(record),
            Origin::Image => extract::images(record, Some(0))?.pop(),
            // A list has no text of its own.
            Origin::Images(_) => None,
            Origin::Pointer(steps) => extract::at_pointer(record, steps).map(|value| value.display()),
            Origin::WholeRecord => Some(extract::pretty(record).into()),
            Origin::RawTimeText => extract::nanoseconds(record).map(|time| time.to_string().into()),
            Origin::Time(form) => extract::time(record, *form).map(Cow::Owned),
            Origin::Fixed(text) => Some((*text).into()),
            Origin::PluginInfo => Some(extract::plugin_info(record).into()),
            Origin::Transferred(_) | Origin::Counted(_) | Origin::EventNumber | Origin::RawTime => {
                self.plain_number(record, number).map(|number| number.to_string().into())
            }
        }
    }

    /// Its number; `None` when it is absent, or is no number.
    #[must_use]
    pub fn number(&self, record: &Record<'_>, number: u64) -> Option<Number> {
        let Some((Transform::Length, before)) = self.transforms.split_last() else {
            return self.plain_number(record, number).map(Number::Whole);
        };
        let length = if matches!(self.origin, Origin::Images(_)) {
            self.list(record)?.len()
        } else {
            before
                .iter()
                .try_fold(self.plain_text(record, number)?, |text, transform| transform.apply(text))?
                .len()
        };
        i64::try_from(length).ok().map(Number::Whole)
    }

    fn plain_number(&self, record: &Record<'_>, number: u64) -> Option<i64> {
        match &self.origin {
            Origin::Transferred(which) => extract::transferred(record, *which),
            Origin::Counted(what) => what.of(record).then_some(1),
            Origin::EventNumber => i64::try_from(number).ok(),
            Origin::RawTime => extract::nanoseconds(record),
            _ => None,
        }
    }

    /// The elements of a list-valued field; `None` when it is absent.
    #[must_use]
    pub fn list<'a>(&self, record: &Record<'a>) -> Option<Vec<Cow<'a, str>>> {
        match self.origin {
            Origin::Images(index) => extract::images(record, index),
            _ => None,
        }
    }

    /// What it prints in an output: a list in parentheses; `None` when it is absent.
    #[must_use]
    pub fn printed<'a>(&self, record: &Record<'a>, number: u64) -> Option<Cow<'a, str>> {
        match self.list(record) {
            Some(list) => Some(format!("({})", list.join(",")).into()),
            None => self.text(record, number),
        }
    }

    /// Whether its value stands so to that of another field.
    pub(in crate::events) fn relates(
        &self,
        relation: TextRelation,
        other: &Self,
        record: &Record<'_>,
        number: u64,
    ) -> bool {
        if let (TextRelation::Compare(comparison), FieldKind::Number, FieldKind::Number) =
            (relation, self.kind(), other.kind())
        {
            return self
                .number(record, number)
                .zip(other.number(record, number))
                .and_then(|(own, other)| own.order(other))
                .is_some_and(|order| comparison.holds(order));
        }
        self.text(record, number)
            .zip(other.text(record, number))
            .is_some_and(|(own, other)| relation.holds(&own, &other))
    }
}

/// The origin of a field that takes no argument.
fn simple(name: &str) -> Option<Origin> {
    if let Some((_, key, path)) = PATHS.iter().find(|(known, ..)| *known == name) {
        return Some(Origin::Path(*key, path));
    }
    Some(match name {
        "ct.shortsrc" => Origin::ShortSource,
        "ct.user" => Origin::User,
        "ct.originaluser" => Origin::OriginalUser,
        "ct.user.accountid" => Origin::AccountId,
        "ct.request" => Origin::Json(Key::RequestParameters),
        "ct.response" => Origin::Json(Key::ResponseElements),
        "ct.additionaleventdata" => Origin::Json(Key::AdditionalEventData),
        "ct.resources" => Origin::Resources,
        "ct.managementevent" => Origin::Flag(Key::ManagementEvent),
        "ct.readonly" => Origin::Flag(Key::ReadOnly),
        "ct.sessioncredentialfromconsole" => Origin::FromConsole,
        "ct.info" => Origin::Info,
        "s3.uri" => Origin::ObjectUri,
        "s3.bytes" => Origin::Transferred(Transferred::Both),
        "s3.bytes.in" => Origin::Transferred(Transferred::In),
        "s3.bytes.out" => Origin::Transferred(Transferred::Out),
        "s3.cnt.get" => Origin::Counted(Count::Get),
        "s3.cnt.put" => Origin::Counted(Count::Put),
        "s3.cnt.other" => Origin::Counted(Count::Other),
        "ec2.name" => Origin::InstanceName,
        "ec2.imageid" => Origin::Image,
        "json.obj" | "jevt.obj" => Origin::WholeRecord,
        "json.rawtime" | "jevt.rawtime" => Origin::RawTimeText,
        "evt.num" => Origin::EventNumber,
        "evt.rawtime" => Origin::RawTime,
        "evt.time" => Origin::Time(TimeForm::Clock),
        "evt.datetime" => Origin::Time(TimeForm::DateTime),
        "evt.time.iso8601" => Origin::Time(TimeForm::Iso8601),
        "evt.source" => Origin::Fixed("aws_cloudtrail"),
        "evt.pluginname" => Origin::Fixed("cloudtrail"),
        "evt.plugininfo" => Origin::PluginInfo,
        other => {
            let key = other.strip_prefix("aws.").filter(|key| !key.is_empty() && !key.contains('.'))?;
            match Key::from_name(key) {
                Some(key) => Origin::Path(key, &[]),
                None => Origin::Other(key.into()),
            }
        }
    })
}

fn index(field: &str, argument: &str) -> Result<usize, FieldError> {
    argument
        .parse()
        .map_err(|_| FieldError::ArgumentInvalid { field: field.to_owned(), argument: argument.to_owned() })
}

impl Transform {
    fn apply(self, text: Cow<'_, str>) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::ToLower => text.to_ascii_lowercase().into(),
            Self::ToUpper => text.to_ascii_uppercase().into(),
            Self::Base64 => extract::from_base64(&text)?.into(),
            Self::BaseName => match text.rfind('/') {
                Some(slash) => text.get(slash + 1..).unwrap_or_default().to_owned().into(),
                None => text,
            },
            Self::Length => text.len().to_string().into(),
        })
    }
}

#[cfg(test)]
#[path = "field_tests.rs"]
mod tests;
