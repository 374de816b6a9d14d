//! The function in a Lambda of the test's own, with an emulated AWS behind it.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is missing"
)]

pub mod gate;
pub mod runtime;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use upright_testkit::{Env, Moto, workspace};

pub use gate::{Gate, Pass};
pub use runtime::{Answer, Function};

/// The bucket of the archive, and that of a trail.
pub const ARCHIVE: &str = "acme-audit";
pub const TRAIL: &str = "trail-bucket";

/// An emulated AWS with the function's surroundings, and the package of the function.
pub struct World {
    pub moto: Moto,
    pub package: TempDir,
    queue: String,
    pub topic: String,
}

impl World {
    /// With this in the configuration, besides the archive and the topic of the alerts.
    pub fn new(more: &str) -> Self {
        let moto = Moto::start().unwrap();
        let made = act(&moto.env(), &["make"], "");
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let world =
            Self { moto, package: TempDir::new().unwrap(), queue: text("queue"), topic: text("topic") };
        world.configure(&format!(
            "archive: s3://{ARCHIVE}/upright\nregions: [us-east-1]\nnotify: {{ topics: [{{ arn: '{}' }}] }}\n{more}",
            world.topic
        ));
        world
    }

    /// Writes the configuration of the package.
    pub fn configure(&self, text: &str) {
        std::fs::write(self.package.path().join("upright.yaml"), text).unwrap();
    }

    /// Starts the function.
    pub fn function(&self) -> Function {
        self.function_at(&self.moto.env(), &[])
    }

    /// Starts the function where AWS is elsewhere, with more environment.
    pub fn function_at(&self, env: &Env, more: &[(&str, &str)]) -> Function {
        Function::start(env, self.package.path(), more)
    }

    /// Puts an object into a bucket.
    pub fn put(&self, bucket: &str, key: &str, content: &str) {
        act(&self.moto.env(), &["put", bucket, key], content);
    }

    /// Lets everyone read a bucket.
    pub fn make_public(&self, bucket: &str) {
        act(&self.moto.env(), &["public", bucket], "");
    }

    /// The objects of the archive below a prefix.
    pub fn objects(&self, prefix: &str) -> serde_json::Map<String, Value> {
        let objects = act(&self.moto.env(), &["objects", ARCHIVE, &format!("upright/{prefix}")], "");
        objects.as_object().unwrap().clone()
    }

    /// The keys of the detections of the archive that end so.
    pub fn detections(&self, end: &str) -> Vec<String> {
        self.objects("detections/").into_iter().map(|(key, _)| key).filter(|key| key.ends_with(end)).collect()
    }

    /// The alerts since it was asked last.
    pub fn alerts(&self) -> Vec<Value> {
        act(&self.moto.env(), &["received", &self.queue], "").as_array().unwrap().clone()
    }

    /// The subjects of the alerts since it was asked last.
    pub fn subjects(&self) -> Vec<String> {
        self.alerts().iter().map(|alert| alert["Subject"].as_str().unwrap().to_owned()).collect()
    }
}

fn act(env: &Env, arguments: &[&str], input: &str) -> Value {
    let root = workspace().unwrap();
    let mut command = Command::new(root.join(".venv/bin/python"));
    command.arg(root.join("tests/support/lambda.py")).args(arguments);
    env.apply(&mut command);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}

/// A sign-in to the console without MFA, which a rule tells.
pub fn sign_in(n: u64) -> Value {
    upright_testkit::sign_in(n, "No")
}

/// What EventBridge makes of a record.
pub fn event_bridge(record: &Value) -> Value {
    let kind = if record["eventName"] == "ConsoleLogin" {
        "AWS Console Sign In via CloudTrail"
    } else {
        "AWS API Call via CloudTrail"
    };
    json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": kind, "source": "aws.signin",
        "account": "111122223333", "time": record["eventTime"], "region": "us-east-1", "resources": [], "detail": record,
    })
}

/// What S3 tells of a new object.
pub fn notification(key: &str) -> Value {
    json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-11-24T03:05:00.000Z",
        "eventName": "ObjectCreated:Put", "s3": { "s3SchemaVersion": "1.0", "bucket": { "name": TRAIL,
            "arn": format!("arn:aws:s3:::{TRAIL}") }, "object": { "key": key, "size": 1 } },
    }] })
}

/// A batch of a queue; the ids of the messages are `m0`, `m1`, ….
pub fn queue(bodies: &[String]) -> Value {
    let record = |(n, body): (usize, &String)| {
        json!({ "messageId": format!("m{n}"), "receiptHandle": "AQEB", "body": body,
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183" }, "messageAttributes": {},
            "md5OfBody": "098f", "eventSource": "aws:sqs", "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:sqs:us-east-1:111122223333:events" })
    };
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

/// The ids of the messages that an answer asks to have again.
pub fn again(answer: &Answer) -> Vec<String> {
    let failures = answer.done()["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// The key of a log file.
pub fn log_key(name: &str) -> String {
    format!(
        "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/24/111122223333_CloudTrail_us-east-1_20261124T0305Z_{name}.json.gz"
    )
}
