//! One CloudTrail record, checked and borrowed.
//!
//! [The record's contents](https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html)
//! are read in one pass that checks the JSON and notes where each top-level value stands. Everything deeper is found
//! when a rule asks for it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use jiff::Timestamp;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use super::check::{self, Outcome, Shape};
use super::identity::{Identity, Member};
use super::json::Json;

/// Declares the top-level keys that have a place of their own.
macro_rules! keys {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// A top-level key that AWS documents; other keys are kept too, but found more slowly.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are those of the record reference")]
        pub enum Key { $($variant),+ }

        impl Key {
            /// How many there are.
            const COUNT: usize = [$(Self::$variant),+].len();

            /// The key with this spelling.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::from_bytes(name.as_bytes())
            }

            /// The key that these bytes spell.
            // Byte strings, because the compiler tells those apart by length and letter, and texts one after the other.
            #[must_use]
            pub(super) fn from_bytes(name: &[u8]) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The key as it is written in a record.
            #[must_use]
            pub const fn name(self) -> &'static str {
                let name: &[u8] = match self { $(Self::$variant => $name),+ };
                // Not reached: the names are ASCII.
                match std::str::from_utf8(name) { Ok(name) => name, Err(_) => "" }
            }
        }
    };
}

keys! {
    Addendum = b"addendum",
    AdditionalEventData = b"additionalEventData",
    ApiVersion = b"apiVersion",
    AwsRegion = b"awsRegion",
    EdgeDeviceDetails = b"edgeDeviceDetails",
    ErrorCode = b"errorCode",
    ErrorMessage = b"errorMessage",
    EventCategory = b"eventCategory",
    EventContext = b"eventContext",
    EventId = b"eventID",
    EventName = b"eventName",
    EventSource = b"eventSource",
    EventTime = b"eventTime",
    EventType = b"eventType",
    EventVersion = b"eventVersion",
    InsightDetails = b"insightDetails",
    ManagementEvent = b"managementEvent",
    ReadOnly = b"readOnly",
    RecipientAccountId = b"recipientAccountId",
    RequestId = b"requestID",
    RequestParameters = b"requestParameters",
    Resources = b"resources",
    ResponseElements = b"responseElements",
    ServiceEventDetails = b"serviceEventDetails",
    SessionCredentialFromConsole = b"sessionCredentialFromConsole",
    SharedEventId = b"sharedEventID",
    SourceIpAddress = b"sourceIPAddress",
    TlsDetails = b"tlsDetails",
    UserAgent = b"userAgent",
    UserIdentity = b"userIdentity",
    VpcEndpointAccountId = b"vpcEndpointAccountId",
    VpcEndpointId = b"vpcEndpointId",
}

/// Why some bytes are no record.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The text ends within the record.
    #[error("the record ends before it is complete")]
    Incomplete,
    /// It is no JSON object.
    #[error("no record at byte {offset}: {reason}")]
    Malformed {
        /// Bytes from the start of what was given to read.
        offset: usize,
        /// What the JSON reader says.
        reason: String,
    },
    /// It is not UTF-8, which JSON is.
    #[error("the record is not UTF-8 at byte {offset}")]
    NotUtf8 {
        /// Bytes from the start of what was given to read.
        offset: usize,
    },
}

/// A CloudTrail record: checked JSON, borrowed from the bytes it was read from.
#[derive(Clone)]
pub struct Record<'a> {
    raw: Json<'a>,
    known: [Option<Json<'a>>; Key::COUNT],
    /// Keys that AWS may add, and those of tests.
    other: Vec<(Cow<'a, str>, Json<'a>)>,
    /// Where the members of `userIdentity` stand, once someone has asked for one.
    identity: OnceCell<Option<Identity>>,
    /// What was seen when it was checked; `None` where `serde_json` had to.
    shape: Option<Shape>,
    time: OnceCell<Option<Timestamp>>,
}

impl<'a> Record<'a> {
    /// Reads one record that fills `bytes`; blanks around it do no harm.
    ///
    /// # Errors
    /// When the bytes are no UTF-8, or no single JSON object.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| RecordError::NotUtf8 { offset: error.valid_up_to() })?;
        let (record, rest) = Self::read(text)?;
        let rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(record);
        }
        Err(RecordError::Malformed {
            offset: text.len() - rest.len(),
            reason: "something follows the record".to_owned(),
        })
    }

    /// Reads the record that `text` begins with, and returns what follows it.
    ///
    /// For text that was found to be UTF-8 as a whole, such as a buffer of many records: each byte is looked at once.
    ///
    /// # Errors
    /// [`RecordError::Incomplete`] when more text is needed, and [`RecordError::Malformed`] when no text would help.
    pub fn read(text: &'a str) -> Result<(Self, &'a str), RecordError> {
        let start = text.len() - text.trim_ascii_start().len();
        let body = text.get(start..).unwrap_or_default();
        let mut record = Self::empty();
        let mut identity = None;
        match check::object(body, &mut identity, |name, value| record.note(name, value)) {
            Outcome::Whole(shape) => {
                if identity.is_some() {
                    record.identity = OnceCell::from(identity);
                }
                let (raw, rest) = body.split_at_checked(shape.length).unwrap_or((body, ""));
                record.raw = Json::checked(raw);
                record.shape = Some(shape);
                return Ok((record, rest));
            }
            Outcome::Cut => return Err(RecordError::Incomplete),
            Outcome::Unsure => {}
        }
        record = Self::empty();
        let mut deserializer = serde_json::Deserializer::from_str(body);
        if let Err(error) = (&mut deserializer).deserialize_map(Parts(&mut record)) {
            return Err(if error.is_eof() {
                RecordError::Incomplete
            } else {
                malformed(text, start, body, &error)
            });
        }
        // Only a stream tells how far the reader came.
        let end = deserializer.into_iter::<IgnoredAny>().byte_offset();
        let (raw, rest) = body.split_at_checked(end).unwrap_or((body, ""));
        record.raw = Json::checked(raw);
        Ok((record, rest))
    }

    fn empty() -> Self {
        Self {
            raw: Json::checked(""),
            known: [None; Key::COUNT],
            other: Vec::new(),
            identity: OnceCell::new(),
            shape: None,
            time: OnceCell::new(),
        }
    }

    /// Notes where a top-level value stands; of a documented key that is given twice the first counts.
    fn note(&mut self, name: &'a str, value: &'a str) {
        let value = Json::checked(value);
        match Key::from_bytes(name.as_bytes()) {
            Some(key) => {
                if let Some(place) = self.known.get_mut(key as usize) {
                    place.get_or_insert(value);
                }
            }
            None => self.other.push((name.into(), value)),
        }
    }

    /// Arrays and objects inside one another, the record included; `None` where nobody counted.
    #[must_use]
    pub(super) fn levels(&self) -> Option<usize> {
        self.shape.and_then(|shape| usize::try_from(shape.levels).ok())
    }

    /// The JSON of the record on one line.
    #[must_use]
    pub(super) fn compact(&self) -> Cow<'a, str> {
        match self.shape {
            Some(shape) if shape.is_compact => Cow::Borrowed(self.raw()),
            _ => self.raw.compact(),
        }
    }

    /// The record as it was written.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.raw.text()
    }

    /// The record as a JSON value.
    #[must_use]
    pub const fn json(&self) -> Json<'a> {
        self.raw
    }

    /// The value of a documented top-level key.
    #[must_use]
    pub fn value(&self, key: Key) -> Option<Json<'a>> {
        self.known.get(key as usize).copied().flatten()
    }

    /// The value of any top-level key.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Json<'a>> {
        match Key::from_name(name) {
            Some(key) => self.value(key),
            None => self.other(name),
        }
    }

    /// The value at the end of a path of keys; `None` as soon as one is missing or is no object.
    #[must_use]
    pub fn at(&self, key: Key, path: &[&str]) -> Option<Json<'a>> {
        if key == Key::UserIdentity
            && let Some(member) = Member::at(path)
            && let Some(located) = self.located(self.value(key)?)
        {
            return located.get(self.value(key)?, member);
        }
        path.iter().try_fold(self.value(key)?, |value, step| value.get(step))
    }

    /// A member of `userIdentity`; all of them are located when the first is asked for.
    #[must_use]
    pub(super) fn identity(&self, member: Member) -> Option<Json<'a>> {
        let whole = self.value(Key::UserIdentity)?;
        self.located(whole)?.get(whole, member)
    }

    /// Whether a step into `userIdentity` may meet a list.
    #[must_use]
    pub(super) fn identity_has_lists(&self) -> bool {
        self.value(Key::UserIdentity)
            .is_some_and(|whole| self.located(whole).is_none_or(|identity| identity.has_lists))
    }

    fn located(&self, whole: Json<'_>) -> Option<&Identity> {
        self.identity.get_or_init(|| Identity::of(whole)).as_ref()
    }

    /// The value of a top-level key that is not documented.
    #[must_use]
    pub(super) fn other(&self, name: &str) -> Option<Json<'a>> {
        self.other.iter().find(|(other, _)| other == name).map(|(_, value)| *value)
    }

    /// The text of a top-level key; `None` when it is missing or is no text.
    #[must_use]
    pub fn text(&self, key: Key) -> Option<Cow<'a, str>> {
        self.value(key)?.as_str()
    }

    /// `eventID`, the identity of the event.
    #[must_use]
    pub fn event_id(&self) -> Option<Cow<'a, str>> {
        self.text(Key::EventId)
    }

    /// `eventSource`, such as `s3.amazonaws.com`.
    #[must_use]
    pub fn event_source(&self) -> Option<Cow<'a, str>> {
        self.text(Key::EventSource)
    }

    /// `eventName`, the API call.
    #[must_use]
    pub fn event_name(&self) -> Option<Cow<'a, str>> {
        self.text(Key::EventName)
    }

    /// `eventTime` as written; see [`Record::timestamp`].
    #[must_use]
    pub fn event_time(&self) -> Option<Cow<'a, str>> {
        self.text(Key::EventTime)
    }

    /// `eventTime`; `None` when it is missing or no RFC 3339 time.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        *self.time.get_or_init(|| self.event_time()?.parse().ok())
    }

    /// `awsRegion`
    #[must_use]
    pub fn aws_region(&self) -> Option<Cow<'a, str>> {
        self.text(Key::AwsRegion)
    }

    /// `recipientAccountId`, the account whose trail the record is in.
    #[must_use]
    pub fn recipient_account_id(&self) -> Option<Cow<'a, str>> {
        self.text(Key::RecipientAccountId)
    }

    /// `eventType`, such as `AwsApiCall`.
    #[must_use]
    pub fn event_type(&self) -> Option<Cow<'a, str>> {
        self.text(Key::EventType)
    }

    /// `eventCategory`: `Management`, `Data`, `NetworkActivity` or `Insight`.
    #[must_use]
    pub fn event_category(&self) -> Option<Cow<'a, str>> {
        self.text(Key::EventCategory)
    }

    /// Whether this tells of unusual numbers of calls, and not of a call.
    #[must_use]
    pub fn is_insight(&self) -> bool {
        self.event_type().as_deref() == Some("AwsCloudTrailInsight")
            || self.event_category().as_deref() == Some("Insight")
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Record").field(&self.raw()).finish()
    }
}

fn malformed(text: &str, start: usize, body: &str, error: &serde_json::Error) -> RecordError {
    let before: usize = body.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let reason = match text.trim_ascii_start().as_bytes().first() {
        Some(b'{') => error.to_string(),
        _ => "a record is a JSON object".to_owned(),
    };
    RecordError::Malformed { offset: start + before + error.column().saturating_sub(1), reason }
}

/// Notes in a record where its top-level values stand; in place, since a record is large to hand around.
struct Parts<'r, 'a>(&'r mut Record<'a>);

impl<'de> Visitor<'de> for Parts<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<KeyName<'de>>()? {
            let value = Json::checked(map.next_value::<&'de RawValue>()?.get());
            match name {
                KeyName::Known(key) => {
                    if let Some(place) = self.0.known.get_mut(key as usize) {
                        place.get_or_insert(value);
                    }
                }
                KeyName::Other(name) => self.0.other.push((name, value)),
            }
        }
        Ok(())
    }
}

enum KeyName<'a> {
    Known(Key),
    Other(Cow<'a, str>),
}

impl<'de> serde::Deserialize<'de> for KeyName<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes, because half a surrogate pair in a key is no reason to lose the record.
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = KeyName<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<KeyName<'de>, E> {
        Ok(Key::from_bytes(name)
            .map_or_else(|| KeyName::Other(String::from_utf8_lossy(name)), KeyName::Known))
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<KeyName<'de>, E> {
        Ok(Key::from_bytes(name).map_or_else(
            || KeyName::Other(Cow::Owned(String::from_utf8_lossy(name).into_owned())),
            KeyName::Known,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#" {"eventName":"A","userIdentity":{"type":"Root","sessionContext":{"x":1}},"zzz":[1],
        "eventTime":"2024-05-06T07:08:09Z","eventID":"e\u0031"} "#;

    #[test]
    fn a_record_that_is_cut_anywhere_wants_more() {
        let text = r#"{"a":-1.5e-7,"b":{"c":[true,"\u00e9"]}}"#;
        for cut in 0..text.len() {
            let read = Record::read(&text[..cut]).map(|_| ());
            assert!(matches!(read, Err(RecordError::Incomplete)), "{}: {read:?}", &text[..cut]);
        }
    }

    #[test]
    fn every_top_level_value_is_found() {
        let record = Record::parse(RECORD.as_bytes()).unwrap();
        assert_eq!(record.event_name().as_deref(), Some("A"));
        assert_eq!(record.event_id().as_deref(), Some("e1"));
        assert_eq!(record.member("zzz").map(Json::text), Some("[1]"));
        assert_eq!(record.at(Key::UserIdentity, &["sessionContext", "x"]).map(Json::text), Some("1"));
        assert_eq!(record.at(Key::UserIdentity, &["type", "x"]), None);
        assert_eq!(record.raw(), RECORD.trim());
        assert_eq!(record.timestamp().map(|time| time.as_second()), Some(1_714_979_289));
    }

    #[test]
    fn what_follows_a_record_is_handed_back() {
        let (record, rest) = Record::read(r#"{"eventName":"A"},{"eventName":"B"}]"#).unwrap();
        assert_eq!(record.raw(), r#"{"eventName":"A"}"#);
        assert_eq!(rest, r#",{"eventName":"B"}]"#);
    }

    #[test]
    fn a_cut_record_asks_for_more_and_a_broken_one_does_not() {
        assert!(matches!(Record::read(r#"{"eventName":"A"#), Err(RecordError::Incomplete)));
        assert!(matches!(Record::read("  "), Err(RecordError::Incomplete)));
        let Err(RecordError::Malformed { offset, .. }) = Record::read("{\n \"a\":x}") else {
            panic!("it is broken")
        };
        assert_eq!(offset, 7);
        let Err(RecordError::Malformed { reason, .. }) = Record::read("[1]") else { panic!("no object") };
        assert_eq!(reason, "a record is a JSON object");
    }

    #[test]
    fn bytes_that_are_no_utf8_are_told_with_their_place() {
        assert!(matches!(Record::parse(b"{\"a\":\"\xff\"}"), Err(RecordError::NotUtf8 { offset: 6 })));
    }

    #[test]
    fn half_a_surrogate_pair_costs_no_record() {
        let record = Record::parse(br#"{"\ud800":1,"eventName":"\ud800"}"#).unwrap();
        assert!(record.event_name().is_some_and(|name| name.contains('\u{fffd}')));
    }

    #[test]
    fn deep_nesting_takes_no_stack() {
        let deep = format!("{{\"a\":{}{},\"eventName\":\"A\"}}", "[".repeat(100_000), "]".repeat(100_000));
        let record = Record::parse(deep.as_bytes()).unwrap();
        assert_eq!(record.event_name().as_deref(), Some("A"));
        assert_eq!(record.member("a").unwrap().elements().count(), 1);
    }

    #[test]
    fn every_key_is_known_by_its_name() {
        assert_eq!(Key::from_name("sourceIPAddress"), Some(Key::SourceIpAddress));
        assert_eq!(Key::from_name(Key::VpcEndpointAccountId.name()), Some(Key::VpcEndpointAccountId));
        assert_eq!(Key::from_name("sourceipaddress"), None);
    }
}
