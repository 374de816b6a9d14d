//! What a JSON object is, told by its keys: a record, or an envelope around records.
//!
//! Nobody but AWS chooses the keys of these objects; what others choose stands in values deeper down.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;

use super::walk::{DEPTH, LISTS, Walk, is_too_deep};
use super::{Pointer, Problem, Sink};
use crate::events::json::{Json, Kind};
use crate::events::record::{Record, RecordError};

/// Base64 as AWS writes it, and without the padding, as some tools leave it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What S3, SNS and CloudTrail send to see whether a message arrives. These are no JSON.
const TEST_MESSAGES: [&str; 2] = ["CWL CONTROL MESSAGE", "CloudTrail validation message"];

impl<S: Sink> Walk<'_, S> {
    /// Deals with one object that was read at `offset`.
    pub(super) fn item(&mut self, record: &Record<'_>, offset: u64, depth: u8) {
        if is_too_deep(record, &self.options.limits) {
            self.reject(Problem::TooDeep { offset, limit: self.options.limits.nesting });
        } else if record.is_insight() {
            self.report.counts.insights += 1;
        } else if record.event_type().is_some()
            && let Some(time) = record.timestamp()
        {
            if self.options.wants(time) {
                self.report.counts.events += 1;
                self.sink.event(record, self.origin(offset));
            } else {
                self.report.counts.outside += 1;
            }
        } else if depth >= DEPTH {
            self.reject(Problem::TooDeep { offset, limit: usize::from(DEPTH) });
        } else if !self.envelope(record, offset, depth + 1) {
            self.report.counts.unrelated += 1;
        }
    }

    /// Takes an envelope apart; `false` if it is none.
    fn envelope(&mut self, record: &Record<'_>, offset: u64, depth: u8) -> bool {
        let text = |name: &str| record.member(name).and_then(Json::as_str);
        if record.member("digestStartTime").is_some() && record.member("logFiles").is_some() {
            self.report.counts.digests += 1;
        } else if is_of_no_content(record) {
            self.report.counts.unrelated += 1;
        } else if let Some(pointers) = pointers(record) {
            self.point(pointers);
        } else if text("Event").as_deref() == Some("s3:TestEvent") {
            self.report.counts.control += 1;
        } else if let Some(detail) =
            record.member("detail").filter(|_| record.member("detail-type").is_some())
        {
            self.event_bridge(record, detail, offset, depth);
        } else if let Some(data) = packed(record) {
            self.packed(&data, offset, depth);
        } else if let Some(message) = message(record) {
            self.message(&message, offset, depth);
        } else {
            return self.lists(record, offset, depth);
        }
        true
    }

    /// Reads the lists of an envelope that is at hand as a whole.
    fn lists(&mut self, record: &Record<'_>, offset: u64, depth: u8) -> bool {
        let mut found = false;
        let control = record.member("messageType").map(Json::text) == Some("\"CONTROL_MESSAGE\"");
        let lists =
            LISTS.iter().filter_map(|name| record.member(name)).filter(|list| list.kind() == Kind::Array);
        for list in lists {
            found = true;
            if control {
                self.report.counts.control += 1;
                continue;
            }
            for element in list.elements() {
                self.text(element.text(), offset, depth);
            }
        }
        found
    }

    /// An event of EventBridge: a CloudTrail record, or news of an object in a bucket.
    fn event_bridge(&mut self, record: &Record<'_>, detail: Json<'_>, offset: u64, depth: u8) {
        let kind = record.member("detail-type").and_then(Json::as_str).unwrap_or_default();
        if kind == "Object Created" {
            let bucket = detail.get("bucket").and_then(|bucket| bucket.get("name")).and_then(Json::as_str);
            let key = detail.get("object").and_then(|object| object.get("key")).and_then(Json::as_str);
            if let (Some(bucket), Some(key)) = (bucket, key) {
                let region = record.member("region").and_then(Json::as_str).map(Cow::into_owned);
                self.point(vec![Pointer { bucket: bucket.into_owned(), key: key.into_owned(), region }]);
                return;
            }
        }
        if kind == "AWS Insight via CloudTrail" {
            self.report.counts.insights += 1;
            return;
        }
        self.text(detail.text(), offset, depth);
    }

    /// Records what a message points to.
    fn point(&mut self, pointers: Vec<Pointer>) {
        for pointer in pointers {
            self.report.counts.pointers += 1;
            self.sink.pointer(pointer);
        }
    }

    /// A message: JSON as a string, or one of the test messages.
    fn message(&mut self, message: &str, offset: u64, depth: u8) {
        if TEST_MESSAGES.iter().any(|test| message.starts_with(test)) {
            self.report.counts.control += 1;
        } else {
            self.text(message, offset, depth);
        }
    }

    /// One JSON object that came inside something else.
    fn text(&mut self, text: &str, offset: u64, depth: u8) {
        match Record::parse(text.as_bytes()) {
            Ok(record) => self.item(&record, offset, depth),
            Err(error) => {
                let reason = match error {
                    RecordError::Incomplete => "a record inside an envelope is cut short".to_owned(),
                    error => format!("inside an envelope: {error}"),
                };
                self.reject(Problem::Malformed { offset, reason });
            }
        }
    }

    /// A payload in base64, compressed or not.
    fn packed(&mut self, data: &str, offset: u64, depth: u8) {
        match BASE64.decode(data) {
            Ok(bytes) => self.payload(&bytes, offset, depth),
            Err(error) => self.reject(Problem::Malformed { offset, reason: format!("no base64: {error}") }),
        }
    }
}

/// Whether a notification of S3 tells of something else than a new object, such as that one was
/// [deleted](https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html):
/// there is nothing to fetch.
fn is_of_no_content(record: &Record<'_>) -> bool {
    const OF_CONTENT: [&str; 2] = ["ObjectCreated:", "ObjectRestore:Completed"];
    let name = record.member("eventName").filter(|_| record.member("s3").is_some()).and_then(Json::as_str);
    name.is_some_and(|name| {
        let name = name.trim_start_matches("s3:");
        !OF_CONTENT.iter().any(|start| name.starts_with(start))
    })
}

/// The objects that a notification of S3 or of CloudTrail announces; `None` if it is neither.
fn pointers(record: &Record<'_>) -> Option<Vec<Pointer>> {
    if let Some(s3) = record.member("s3") {
        let bucket = s3.get("bucket")?.get("name")?.as_str()?.into_owned();
        // S3 writes the key as a form field: `+` is a blank.
        let key = s3.get("object")?.get("key")?.as_str()?.replace('+', " ");
        let key = percent_decode_str(&key).decode_utf8_lossy().into_owned();
        return Some(vec![Pointer { bucket, key, region: record.aws_region().map(Cow::into_owned) }]);
    }
    let bucket = record.member("s3Bucket")?.as_str()?;
    let keys = record.member("s3ObjectKey")?.elements().filter_map(Json::as_str);
    Some(
        keys.map(|key| Pointer { bucket: bucket.clone().into_owned(), key: key.into_owned(), region: None })
            .collect(),
    )
}

/// The payload of a CloudWatch Logs subscription, a Kinesis record or a Firehose record.
fn packed<'a>(record: &Record<'a>) -> Option<Cow<'a, str>> {
    let inner = |outer: &str| record.member(outer).and_then(|outer| outer.get("data"));
    inner("awslogs")
        .or_else(|| inner("kinesis"))
        .or_else(|| record.member("data").filter(|_| record.member("recordId").is_some()))
        .and_then(Json::as_str)
}

/// The text that SQS, SNS, CloudWatch Logs or the event history carries.
fn message<'a>(record: &Record<'a>) -> Option<Cow<'a, str>> {
    let has = |names: &[&str]| names.iter().any(|name| record.member(name).is_some());
    let text = |name: &str| record.member(name).and_then(Json::as_str);
    let sqs = || has(&["ReceiptHandle", "receiptHandle", "MessageId", "messageId", "MD5OfBody", "md5OfBody"]);
    let sns = || has(&["TopicArn", "MessageId"]);
    text("CloudTrailEvent")
        .or_else(|| record.member("Sns").and_then(|sns| sns.get("Message")).and_then(Json::as_str))
        .or_else(|| text("Message").filter(|_| sns()))
        .or_else(|| text("Body").or_else(|| text("body")).filter(|_| sqs()))
        .or_else(|| text("message").filter(|_| has(&["timestamp", "eventId"])))
}
