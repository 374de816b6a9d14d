//! How the fields that are more than one key are made of a record.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::field::TimeForm;
use crate::events::json::{Json, Kind};
use crate::events::record::{Key, Record};

/// What a call moved to or from a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Transferred {
    /// To the bucket.
    In,
    /// From the bucket.
    Out,
    /// The sum of both; one alone suffices.
    Both,
}

/// What sort of call an event counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Count {
    Get,
    Put,
    Other,
}

impl Count {
    pub(super) fn of(self, record: &Record<'_>) -> bool {
        let name = record.event_name();
        let counted = match name.as_deref() {
            Some("GetObject") => Self::Get,
            Some("PutObject") => Self::Put,
            _ => Self::Other,
        };
        self == counted
    }
}

/// The text at a path below `userIdentity`; an empty text when it is present and none.
fn identity<'a>(record: &Record<'a>, path: &[&str]) -> Option<Cow<'a, str>> {
    record.at(Key::UserIdentity, path).map(|value| value.as_str().unwrap_or_default())
}

/// Who made the call, by the type of identity.
pub(super) fn user<'a>(record: &Record<'a>) -> Option<Cow<'a, str>> {
    let kind = identity(record, &["type"])?;
    match &*kind {
        "Root" | "IAMUser" => identity(record, &["userName"]),
        "AWSService" => identity(record, &["invokedBy"]),
        "AssumedRole" => {
            Some(identity(record, &["sessionContext", "sessionIssuer", "userName"]).unwrap_or(kind))
        }
        "AWSAccount" | "FederatedUser" => Some(kind),
        _ => None,
    }
}

/// The name of the session that the caller chose, else the user's name.
pub(super) fn original_user<'a>(record: &Record<'a>) -> Option<Cow<'a, str>> {
    if identity(record, &["type"])? != "AssumedRole" {
        return identity(record, &["userName"]);
    }
    let nth_of = |path: &str, mark: char, parts: usize| {
        let text = identity(record, &[path])?;
        let split: Vec<&str> = text.split(mark).collect();
        split.last().filter(|_| split.len() == parts).map(|last| (*last).to_owned())
    };
    nth_of("arn", '/', 3).or_else(|| nth_of("principalId", ':', 2)).map(Cow::Owned)
}

/// The account of the caller, else the one the event was delivered to.
pub(super) fn account_id<'a>(record: &Record<'a>) -> Option<Cow<'a, str>> {
    identity(record, &["accountId"])
        .or_else(|| record.value(Key::RecipientAccountId).map(|value| value.as_str().unwrap_or_default()))
}

/// The event source without `.amazonaws.com`.
pub(super) fn short_source<'a>(record: &Record<'a>) -> Option<Cow<'a, str>> {
    let source = record.value(Key::EventSource)?.as_str().unwrap_or_default();
    let length = source.strip_suffix(".amazonaws.com").unwrap_or(&source).len();
    Some(match source {
        Cow::Borrowed(source) => source.get(..length).unwrap_or(source).into(),
        Cow::Owned(mut source) => {
            source.truncate(length);
            source.into()
        }
    })
}

/// Whether the session came from the console. CloudTrail writes the text `"true"` here, not the JSON value.
pub(super) fn from_console<'a>(record: &Record<'a>) -> Option<Cow<'a, str>> {
    let value = record.value(Key::SessionCredentialFromConsole)?;
    Some(if matches!(value.text(), "true" | "\"true\"") { "true" } else { "false" }.into())
}

/// The resources as compact JSON, with commas between them; `None` when there are none.
pub(super) fn resources<'a>(record: &Record<'a>) -> Option<Cow<'a, str>> {
    let resources: Vec<_> = record.value(Key::Resources)?.elements().map(Json::compact).collect();
    (!resources.is_empty()).then(|| resources.join(",").into())
}

/// A summary for people: who, from where, read or changed, and what.
pub(super) fn info(record: &Record<'_>) -> String {
    let user = user(record).unwrap_or_default();
    let address = record.text(Key::SourceIpAddress).unwrap_or_default();
    let mut info = user.clone().into_owned();
    if user != address && !address.is_empty() {
        let _ = write!(info, "{}via {address}", if info.is_empty() { "" } else { " " });
    }
    let failed = if record.value(Key::ErrorCode).is_some() { "!" } else { "" };
    let changes = record.value(Key::ReadOnly).is_some_and(|value| value.text() != "true");
    let arrow = if changes { '→' } else { '←' };
    let _ = write!(info, " {failed}{arrow} {}", record.event_name().unwrap_or_default());
    if let Some(size) = transferred(record, Transferred::Both) {
        let _ = write!(info, " Size={size}");
    }
    let parameter = |key| record.at(Key::RequestParameters, &[key]).and_then(Json::as_str);
    let object = object_uri(record).map(|uri| ("URI", Cow::Owned(uri)));
    let named = || {
        [("Bucket", "bucketName"), ("Key", "key"), ("Host", "Host")]
            .into_iter()
            .find_map(|(name, key)| parameter(key).map(|value| (name, value)))
    };
    if let Some((name, value)) = object.or_else(named) {
        let _ = write!(info, " {name}={value}");
    }
    info
}

/// `s3://bucket/key`
pub(super) fn object_uri(record: &Record<'_>) -> Option<String> {
    let bucket = record.at(Key::RequestParameters, &["bucketName"])?.as_str()?;
    let key = record.at(Key::RequestParameters, &["key"])?.as_str()?;
    Some(format!("s3://{bucket}/{key}"))
}

/// Bytes, without their fractions.
pub(super) fn transferred(record: &Record<'_>, which: Transferred) -> Option<i64> {
    let bytes = |key| record.at(Key::AdditionalEventData, &[key]).and_then(whole_number);
    let (into, out) = ("bytesTransferredIn", "bytesTransferredOut");
    match which {
        Transferred::In => bytes(into),
        Transferred::Out => bytes(out),
        Transferred::Both => match (bytes(into), bytes(out)) {
            (Some(into), Some(out)) => Some(into.saturating_add(out)),
            (one, other) => one.or(other),
        },
    }
}

/// A JSON number without its fraction, as near as an `i64` comes to it.
fn whole_number(value: Json<'_>) -> Option<i64> {
    if value.kind() != Kind::Number {
        return None;
    }
    value.text().parse().ok().or_else(|| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the fraction is to go; the cast keeps to the range"
        )]
        value.text().parse::<f64>().ok().map(|number| number as i64)
    })
}

/// The tag `Name` that an instance is started with.
pub(super) fn instance_name<'a>(record: &Record<'a>) -> Option<Cow<'a, str>> {
    let items = record.at(Key::RequestParameters, &["tagSpecificationSet", "items"])?;
    let is = |value: Json<'_>, key, sought: &str| {
        value.get(key).and_then(Json::as_str).is_some_and(|text| text == sought)
    };
    items
        .elements()
        .filter(|item| is(*item, "resourceType", "instance"))
        .filter_map(|item| item.get("tags"))
        .flat_map(Json::elements)
        .filter(|tag| is(*tag, "key", "Name"))
        .filter_map(|tag| tag.get("value").and_then(Json::as_str))
        .last()
        .filter(|name| !name.is_empty())
}

/// The images that instances were started from, all or one.
pub(super) fn images<'a>(record: &Record<'a>, index: Option<usize>) -> Option<Vec<Cow<'a, str>>> {
    if let Some(items) = record.at(Key::ResponseElements, &["instancesSet", "items"]) {
        let mut images = items.elements().filter_map(|item| item.get("imageId").and_then(Json::as_str));
        let images: Vec<_> = match index {
            Some(index) => images.nth(index).into_iter().collect(),
            None => images.collect(),
        };
        return (!images.is_empty()).then_some(images);
    }
    if index.is_some_and(|index| index > 0) {
        return None;
    }
    let paths: [&[&str]; 3] = [
        &["imageId"],
        &["DescribeFastLaunchImagesRequest", "ImageId", "content"],
        &["launchSpecification", "imageId"],
    ];
    paths
        .into_iter()
        .find_map(|path| record.at(Key::RequestParameters, path).and_then(Json::as_str))
        .map(|image| vec![image])
}

/// The steps of a pointer of RFC 6901, whose first `/` may be missing.
pub(super) fn pointer(text: &str) -> Box<[Box<str>]> {
    let text = text.strip_prefix('/').unwrap_or(text);
    if text.is_empty() {
        return Box::default();
    }
    text.split('/').map(|step| step.replace("~1", "/").replace("~0", "~").into()).collect()
}

/// The value at a pointer.
pub(super) fn at_pointer<'a>(record: &Record<'a>, steps: &[Box<str>]) -> Option<Json<'a>> {
    let Some((first, rest)) = steps.split_first() else { return Some(record.json()) };
    rest.iter().try_fold(record.member(first)?, |value, step| match value.kind() {
        Kind::Array => step.parse().ok().and_then(|index| value.elements().nth(index)),
        _ => value.get(step),
    })
}

/// The record with two blanks for each level.
pub(super) fn pretty(record: &Record<'_>) -> String {
    serde_json::from_str::<Value>(record.raw())
        .and_then(|value| serde_json::to_string_pretty(&value))
        // Nested deeper than `serde_json` builds values.
        .unwrap_or_else(|_| record.json().compact().into_owned())
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(record: &Record<'_>) -> Option<i64> {
    i64::try_from(record.timestamp()?.as_nanosecond()).ok()
}

/// The time of the event, in UTC.
pub(super) fn time(record: &Record<'_>, form: TimeForm) -> Option<String> {
    let format = match form {
        TimeForm::Clock => "%H:%M:%S.%9f",
        TimeForm::DateTime => "%Y-%m-%d %H:%M:%S.%9f",
        TimeForm::Iso8601 => "%Y-%m-%dT%H:%M:%S.%9f%z",
    };
    Some(record.timestamp()?.to_zoned_datetime(TimeZone::UTC).strftime(format).to_string())
}

/// `REGION USER SERVICE NAME INFO`
pub(super) fn plugin_info(record: &Record<'_>) -> String {
    let parts = [
        record.aws_region().unwrap_or_default(),
        user(record).unwrap_or_default(),
        short_source(record).unwrap_or_default(),
        record.event_name().unwrap_or_default(),
        info(record).into(),
    ];
    parts.join(" ")
}

/// What base64 stands for, where that is text; padding may be missing.
pub(super) fn from_base64(text: &str) -> Option<String> {
    let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    String::from_utf8(bytes).ok()
}
