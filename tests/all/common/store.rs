//! S3 and SQS in the memory of the test: what the emulator has no faults and no pages for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use upright_testkit::{Answer, Call, Server, Setup};

/// Keys of a page.
const PAGE: usize = 2;
/// The only bucket.
pub const BUCKET: &str = "trail-bucket";
/// The only queue.
pub const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/events";

#[derive(Default)]
struct State {
    objects: BTreeMap<String, String>,
    denied: BTreeSet<String>,
    /// By number: what it says; taken away when it is deleted.
    messages: BTreeMap<usize, String>,
    received: BTreeSet<usize>,
}

/// The store, which a server answers from.
#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<State>>);

impl Store {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Puts an object into the bucket.
    pub fn object(&self, key: &str, content: &str) {
        self.state().objects.insert(key.to_owned(), content.to_owned());
    }

    /// Refuses an object, or `list` for the listing.
    pub fn deny(&self, key: &str) {
        self.state().denied.insert(key.to_owned());
    }

    /// Sends a message.
    pub fn send(&self, body: &Value) {
        let mut state = self.state();
        let number = state.messages.len();
        state.messages.insert(number, body.to_string());
    }

    /// The numbers of the messages that have not been deleted.
    pub fn left(&self) -> Vec<usize> {
        self.state().messages.keys().copied().collect()
    }

    /// A server in front of it.
    pub fn serve(&self) -> Setup {
        let store = self.clone();
        Server::canned(move |call| store.answer(call))
    }

    fn answer(&self, call: &Call) -> Option<Answer> {
        Some(match call.operation.as_str() {
            "s3:HeadBucket" => {
                // Whoever may not list a bucket learns where it is all the same.
                let mut refusal = Answer::error(call, 403, "", "");
                refusal.headers.push(("x-amz-bucket-region".to_owned(), "eu-west-1".to_owned()));
                refusal
            }
            "s3:ListObjectsV2" => self.list(call),
            "s3:GetObject" => self.get(call),
            "cloudtrail:ListPublicKeys" => Answer::json(&json!({ "PublicKeyList": [] })),
            "sqs:ReceiveMessage" => self.receive(),
            "sqs:DeleteMessageBatch" => self.delete(call),
            _ => return None,
        })
    }

    fn list(&self, call: &Call) -> Answer {
        let state = self.state();
        if state.denied.contains("list") {
            return Answer::error(call, 403, "AccessDenied", "Access Denied");
        }
        let param = |name: &str| call.param(name).unwrap_or_default();
        let (prefix, delimiter) = (param("prefix"), param("delimiter"));
        let after = if param("continuation-token").is_empty() {
            param("start-after")
        } else {
            param("continuation-token")
        };
        let (mut keys, mut folders) = (Vec::new(), BTreeSet::new());
        for key in state.objects.keys().filter(|key| key.starts_with(prefix) && key.as_str() > after) {
            match key[prefix.len()..].split_once('/').filter(|_| delimiter == "/") {
                Some((folder, _)) => drop(folders.insert(format!("{prefix}{folder}/"))),
                None => keys.push(key),
            }
        }
        let next = (keys.len() > PAGE)
            .then(|| format!("<NextContinuationToken>{}</NextContinuationToken>", keys[PAGE - 1]));
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let keys: String = keys
            .iter()
            .take(PAGE)
            .map(|key| format!("<Contents><Key>{}</Key></Contents>", encode(key)))
            .collect();
        let folders: String = folders
            .iter()
            .map(|f| format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", encode(f)))
            .collect();
        Answer::xml(&format!(
            "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{}</IsTruncated>{}{keys}{folders}</ListBucketResult>",
            next.is_some(),
            next.unwrap_or_default()
        ))
    }

    fn get(&self, call: &Call) -> Answer {
        let state = self.state();
        let key = call.param("Key").unwrap_or_default();
        if state.denied.contains(key) {
            return Answer::error(call, 403, "AccessDenied", "Access Denied");
        }
        match state.objects.get(key) {
            Some(content) => Answer::xml(content),
            None => Answer::error(call, 404, "NoSuchKey", "The specified key does not exist."),
        }
    }

    fn receive(&self) -> Answer {
        let mut state = self.state();
        let free: Vec<usize> = state
            .messages
            .keys()
            .copied()
            .filter(|number| !state.received.contains(number))
            .take(10)
            .collect();
        let messages: Vec<Value> = free
            .iter()
            .map(|number| json!({ "MessageId": format!("m{number}"), "ReceiptHandle": format!("r{number}"), "Body": state.messages[number] }))
            .collect();
        state.received.extend(free);
        if messages.is_empty() {
            Answer::json(&json!({}))
        } else {
            Answer::json(&json!({ "Messages": messages }))
        }
    }

    fn delete(&self, call: &Call) -> Answer {
        let entries: Vec<Value> = serde_json::from_str(call.param("Entries").unwrap()).unwrap();
        let mut state = self.state();
        let done: Vec<Value> = entries
            .iter()
            .map(|entry| {
                let number = entry["ReceiptHandle"].as_str().unwrap()[1..].parse().unwrap();
                assert!(state.messages.remove(&number).is_some(), "deleted twice");
                json!({ "Id": entry["Id"] })
            })
            .collect();
        Answer::json(&json!({ "Successful": done, "Failed": [] }))
    }
}

/// What S3 tells of a new object.
pub fn notification(key: &str) -> Value {
    // As S3 writes keys in messages: like a field of a form.
    let key = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
    json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventTime": "2026-11-24T03:05:00.000Z",
        "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": BUCKET }, "object": { "key": key } },
    }] })
}

/// A message as SNS passes it on.
pub fn from_sns(message: &Value) -> Value {
    json!({ "Type": "Notification", "MessageId": "n", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:t", "Message": message.to_string() })
}
