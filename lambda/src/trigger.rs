//! [`Trigger`]: what started an invocation, told by the shape of its payload.

use std::fmt;

use aws_lambda_events::event::sqs::SqsEvent;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use upright::archive::JobName;
use upright::report::printable;

/// Envelopes inside one another: a message of SQS, one of SNS, and what that carries.
const DEPTH: u8 = 4;
/// Keys of a payload that an error names, and characters of each.
const MAX_KEYS: usize = 10;
const MAX_CHARS: usize = 40;

/// What is understood, for errors.
const UNDERSTOOD: &str = "a schedule of EventBridge, {\"task\":\"scan\"} and the other tasks, an event of EventBridge with a \
     detail-type `… via CloudTrail` or `Object Created`, a notification of S3, of SNS or of CloudTrail, a subscription of \
     CloudWatch Logs, CloudTrail records, and a batch of SQS with any of these";

/// What an invocation is to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Trigger {
    /// A scan.
    Scan {
        /// The job of the configuration's `schedule` whose settings it has; without one, those of the file.
        job: Option<JobName>,
        /// When it was due, where the payload says so: of two deliveries for the same time, one scans.
        due: Option<Timestamp>,
    },
    /// A task of the state machine.
    Task(Task),
    /// Events, or what announces them: the payload as it is.
    Events,
    /// Messages of a queue.
    Queue(Batch),
    /// Nothing: it tests whether messages arrive.
    Nothing(&'static str),
}

/// Tasks of the state machine.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    /// Finds the accounts, and begins a run.
    Plan {
        /// Name of the state machine's execution.
        execution: String,
    },
    /// Scans one account.
    ScanAccount {
        /// The run.
        run: String,
        /// An item that the plan wrote.
        account: Value,
    },
    /// Judges and keeps what the scans of the accounts left.
    Finish {
        /// The run.
        run: String,
    },
}

/// Messages of a queue.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Batch {
    /// Those that can be read.
    pub(crate) messages: Vec<Message>,
    /// Those that cannot, with the reason: they are delivered again until the queue gives them up.
    pub(crate) poison: Vec<(String, String)>,
}

/// A message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its id.
    pub(crate) id: String,
    /// What it says.
    pub(crate) body: String,
}

/// The payload is none that is understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Unknown {
    fn shape(payload: &Value) -> Self {
        Self(format!(
            "the payload {}, and none that is understood; understood are {UNDERSTOOD}",
            seen(payload)
        ))
    }
}

impl Trigger {
    /// What the text of a payload asks for.
    pub(crate) fn of(text: &str) -> Result<Self, Unknown> {
        let payload: Value = serde_json::from_str(text).map_err(|error| {
            Unknown(format!("the payload is no JSON: {error}; understood are {UNDERSTOOD}"))
        })?;
        if let Some(task) = payload.get("task") {
            return task_of(task, &payload);
        }
        if is_of_queue(&payload) {
            return queue(text);
        }
        match Shape::of(&payload, DEPTH) {
            Some(Shape::Schedule) => Ok(Self::Scan { job: None, due: time(&payload) }),
            Some(Shape::Events) => Ok(Self::Events),
            Some(Shape::Test) => Ok(Self::Nothing("it tests whether messages arrive")),
            None => Err(Unknown::shape(&payload)),
        }
    }
}

/// A payload that people or EventBridge Scheduler write.
fn task_of(task: &Value, payload: &Value) -> Result<Trigger, Unknown> {
    let text = |name: &str| {
        let value = payload.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        value.map(str::to_owned).ok_or_else(|| Unknown(format!("the task needs `{name}`, a text")))
    };
    Ok(match task.as_str() {
        Some("scan") => {
            let job = payload.get("job").filter(|job| !job.is_null());
            let job = job.map(|job| job.as_str().unwrap_or_default().parse::<JobName>()).transpose();
            let job = job.map_err(|error| Unknown(printable(&error.to_string()).into_owned()))?;
            Trigger::Scan { job, due: time(payload) }
        }
        Some("plan") => Trigger::Task(Task::Plan { execution: text("execution")? }),
        Some("scan-account") => {
            let account = payload.get("account").filter(|account| account.is_object());
            let account = account
                .cloned()
                .ok_or_else(|| Unknown("the task needs `account`, an item of the plan".to_owned()))?;
            Trigger::Task(Task::ScanAccount { run: text("run")?, account })
        }
        Some("finish") => Trigger::Task(Task::Finish { run: text("run")? }),
        other => {
            let other =
                other.map_or_else(|| "that is no text".to_owned(), |other| format!("`{}`", short(other)));
            return Err(Unknown(format!(
                "there is no task {other}; there are scan, plan, scan-account and finish"
            )));
        }
    })
}

fn time(payload: &Value) -> Option<Timestamp> {
    payload.get("time").and_then(Value::as_str).and_then(|time| time.parse().ok())
}

fn is_of_queue(payload: &Value) -> bool {
    let records = payload.get("Records").and_then(Value::as_array);
    records.and_then(|records| records.first()).is_some_and(|first| is(first, "eventSource", "aws:sqs"))
}

fn queue(text: &str) -> Result<Trigger, Unknown> {
    let event = SqsEvent::deserialize(&mut serde_json::Deserializer::from_str(text))
        .map_err(|error| Unknown(format!("the batch of SQS is not as SQS makes it: {error}")))?;
    let mut batch = Batch::default();
    for message in event.records {
        let id = message.message_id.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Unknown("the batch of SQS has a message without an id".to_owned()))?;
        let body = message.body.unwrap_or_default();
        match poison(&body) {
            None => batch.messages.push(Message { id, body }),
            Some(why) => batch.poison.push((id, why)),
        }
    }
    Ok(Trigger::Queue(batch))
}

/// Why the body of a message cannot be read.
fn poison(body: &str) -> Option<String> {
    if is_test_text(body) {
        return None;
    }
    let value: Value = match serde_json::from_str(body) {
        Ok(value) => value,
        Err(error) => return Some(format!("it is no JSON: {error}")),
    };
    match Shape::of(&value, DEPTH) {
        Some(Shape::Events | Shape::Test) => None,
        Some(Shape::Schedule) => {
            Some("it is a schedule, which does not belong into a queue of events".to_owned())
        }
        None => Some(format!("it {}, and neither events nor an announcement of some", seen(&value))),
    }
}

/// What CloudTrail and CloudWatch Logs send to see whether a message arrives. These are no JSON.
fn is_test_text(text: &str) -> bool {
    text.starts_with("CloudTrail validation message") || text.starts_with("CWL CONTROL MESSAGE")
}

/// What a payload, or a message in it, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Schedule,
    Events,
    Test,
}

impl Shape {
    fn of(value: &Value, depth: u8) -> Option<Self> {
        let has = |names: &[&str]| names.iter().all(|name| value.get(name).is_some());
        if let Some(kind) = value.get("detail-type").and_then(Value::as_str) {
            return Self::of_event_bridge(value, kind);
        }
        if is(value, "Event", "s3:TestEvent") {
            return Some(Self::Test);
        }
        if value.get("awslogs").and_then(|logs| logs.get("data")).is_some_and(Value::is_string) {
            return Some(Self::Events);
        }
        if has(&["s3Bucket", "s3ObjectKey"]) || is_record(value) {
            return Some(Self::Events);
        }
        if let Some(message) = value.get("Message").and_then(Value::as_str).filter(|_| has(&["TopicArn"])) {
            return Self::of_message(message, depth);
        }
        let records = value.get("Records").and_then(Value::as_array).filter(|records| !records.is_empty())?;
        let shapes = records.iter().map(|record| Self::of_record(record, depth));
        // What is not understood must not hide behind what is.
        shapes.reduce(|a, b| match (a?, b?) {
            (Self::Test, Self::Test) => Some(Self::Test),
            _ => Some(Self::Events),
        })?
    }

    fn of_event_bridge(value: &Value, kind: &str) -> Option<Self> {
        let detail = value.get("detail")?;
        match kind {
            "Scheduled Event" if is(value, "source", "aws.events") => Some(Self::Schedule),
            "Object Created" => detail.get("object").map(|_| Self::Events),
            kind if kind.ends_with(" via CloudTrail") && detail.is_object() => Some(Self::Events),
            _ => None,
        }
    }

    fn of_record(record: &Value, depth: u8) -> Option<Self> {
        if record.get("s3").and_then(|s3| s3.get("bucket")).is_some() || is_record(record) {
            return Some(Self::Events);
        }
        let message = record.get("Sns").and_then(|sns| sns.get("Message")).and_then(Value::as_str)?;
        Self::of_message(message, depth)
    }

    fn of_message(message: &str, depth: u8) -> Option<Self> {
        if is_test_text(message) {
            return Some(Self::Test);
        }
        let inner: Value = serde_json::from_str(message).ok()?;
        Self::of(&inner, depth.checked_sub(1)?)
    }
}

/// Whether it is a record of CloudTrail.
fn is_record(value: &Value) -> bool {
    ["eventVersion", "eventTime", "eventType", "eventSource", "eventName"]
        .iter()
        .all(|name| value.get(name).is_some())
}

fn is(value: &Value, name: &str, text: &str) -> bool {
    value.get(name).and_then(Value::as_str) == Some(text)
}

/// What a payload looks like, in a few words whatever it holds.
fn seen(payload: &Value) -> String {
    let kind = match payload {
        Value::Object(members) if members.is_empty() => return "is an empty object".to_owned(),
        Value::Object(members) => members,
        Value::Array(_) => return "is a list".to_owned(),
        _ => return "is no object".to_owned(),
    };
    let mut keys: Vec<String> = kind.keys().take(MAX_KEYS).map(|key| format!("`{}`", short(key))).collect();
    if kind.len() > MAX_KEYS {
        keys.push(format!("{} more", kind.len() - MAX_KEYS));
    }
    let mut words = format!("has the keys {}", keys.join(", "));
    if let Some(detail) = payload.get("detail-type").and_then(Value::as_str) {
        words.push_str(&format!(" and the detail-type `{}`", short(detail)));
    }
    words
}

fn short(text: &str) -> String {
    let cut: String = text.chars().take(MAX_CHARS).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{more}", printable(&cut))
}

#[cfg(test)]
mod tests;
