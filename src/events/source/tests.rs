//! The shapes that records come in, and what becomes of broken ones.

use std::io::Write as _;
use std::num::NonZeroUsize;

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;

mod damage;

/// The ids of the events and the pointers, in the order they were delivered.
#[derive(Debug, Default)]
struct Heard {
    ids: Vec<String>,
    offsets: Vec<u64>,
    pointers: Vec<Pointer>,
}

impl Sink for Heard {
    fn event(&mut self, record: &Record<'_>, origin: Origin) {
        self.ids.push(record.event_id().unwrap_or_default().into_owned());
        self.offsets.push(origin.offset);
    }

    fn pointer(&mut self, pointer: Pointer) {
        self.pointers.push(pointer);
    }
}

fn hear_with(options: &Options, bytes: impl Into<Vec<u8>>) -> (Heard, Report) {
    let mut heard = Heard::default();
    let report = read(0, Input::bytes("test", bytes.into()), options, &mut heard);
    assert_eq!(report.counts.events, heard.ids.len() as u64, "{report:?}");
    assert_eq!(report.counts.pointers, heard.pointers.len() as u64, "{report:?}");
    (heard, report)
}

fn hear(bytes: impl Into<Vec<u8>>) -> (Heard, Report) {
    hear_with(&Options::default(), bytes)
}

/// Reads what must be read without a problem; the ids of its events.
fn ids(bytes: impl Into<Vec<u8>>) -> Vec<String> {
    let (heard, report) = hear(bytes);
    assert_eq!(report.problems, []);
    assert_eq!(report.counts.found(), report.counts.events);
    heard.ids
}

fn record(id: &str) -> Value {
    json!({"eventVersion": "1.11", "eventTime": "2026-01-02T03:04:05Z", "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject", "eventType": "AwsApiCall", "eventID": id, "requestParameters": {"key": "}\"]{"}})
}

fn records(ids: &[&str]) -> Value {
    json!({"Records": ids.iter().map(|id| record(id)).collect::<Vec<_>>()})
}

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn a_delivered_file_is_read() {
    let text = records(&["a", "b"]).to_string();
    assert_eq!(ids(text.clone()), ["a", "b"]);
    assert_eq!(ids(gzip(&text)), ["a", "b"]);
    assert_eq!(ids(zstd::encode_all(text.as_bytes(), 3).unwrap()), ["a", "b"]);
    assert_eq!(ids(serde_json::to_string_pretty(&records(&["a", "b"])).unwrap()), ["a", "b"]);
    assert_eq!(ids(records(&[]).to_string()), [""; 0]);
    assert_eq!(ids(""), [""; 0]);
}

#[test]
fn gzip_may_have_several_members_and_layers() {
    let members =
        [gzip(record("a").to_string()), gzip(""), gzip(record("b").to_string()), vec![0; 5]].concat();
    assert_eq!(ids(members.clone()), ["a", "b"]);
    assert_eq!(ids(gzip(&members)), ["a", "b"]);
}

#[test]
fn lines_arrays_and_single_records_are_read() {
    let (a, b) = (record("a").to_string(), record("b").to_string());
    assert_eq!(ids(a.clone()), ["a"]);
    assert_eq!(ids(format!("\u{feff}{a}\r\n\r\n{b}\r\n")), ["a", "b"]);
    assert_eq!(ids(format!("{a}{b}")), ["a", "b"]);
    assert_eq!(ids(format!(" [ {a} , {b} ] ")), ["a", "b"]);
    assert_eq!(ids(format!("[{a}]\n[[{b}]]")), ["a", "b"]);
    assert_eq!(ids("[]"), [""; 0]);
    let line = records(&["c", "d"]).to_string();
    assert_eq!(ids(format!("{line}\n{a}\n{line}\n")), ["c", "d", "a", "c", "d"]);
    assert_eq!(ids(format!("[{line},{a}]")), ["c", "d", "a"]);
}

#[test]
fn a_list_may_stand_anywhere_in_its_object() {
    let a = record("a");
    let text = format!(
        r#"{{"NextToken":"t","x":{{"Records":[1]}},"Records":[{a}],"y":[2],"Events":[{a}],"z":null}}"#
    );
    assert_eq!(ids(text), ["a", "a"]);
}

#[test]
fn event_bridge_envelopes_are_unwrapped() {
    let envelope = json!({"version": "0", "id": "x", "detail-type": "AWS API Call via CloudTrail", "source": "aws.s3",
        "resources": [], "detail": record("a")});
    assert_eq!(ids(format!("{envelope}\n{envelope}")), ["a", "a"]);
    let mut sorted = envelope.to_string();
    sorted.insert_str(1, r#""resources":[],"#);
    assert_eq!(ids(sorted), ["a"]);
    let news = json!({"detail-type": "Object Created", "source": "aws.s3", "region": "eu-west-1",
        "detail": {"bucket": {"name": "b"}, "object": {"key": "a+b c"}}});
    let pointer = Pointer { bucket: "b".into(), key: "a+b c".into(), region: Some("eu-west-1".into()) };
    assert_eq!(hear(news.to_string()).0.pointers, [pointer]);
    let (_, report) =
        hear(r#"{"detail-type":"EC2 Instance State-change Notification","detail":{"state":"x"}}"#);
    assert_eq!((report.counts.unrelated, report.counts.found()), (1, 1));
}

fn log_payload(messages: &[String]) -> Value {
    let events: Vec<_> =
        messages.iter().map(|message| json!({"id": "1", "timestamp": 1, "message": message})).collect();
    json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "subscriptionFilters": [],
        "logEvents": events})
}

#[test]
fn cloud_watch_logs_payloads_are_unpacked() {
    let payload = log_payload(&[record("a").to_string(), record("b").to_string()]).to_string();
    let packed = base64(gzip(&payload));
    assert_eq!(ids(payload.clone()), ["a", "b"]);
    assert_eq!(ids(gzip(format!("{payload}{payload}"))), ["a", "b", "a", "b"]);
    assert_eq!(ids(json!({"awslogs": {"data": packed}}).to_string()), ["a", "b"]);
    assert_eq!(
        ids(json!({"Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": packed}}]}).to_string()),
        ["a", "b"]
    );
    assert_eq!(ids(json!({"records": [{"recordId": "1", "data": packed}]}).to_string()), ["a", "b"]);
    assert_eq!(
        ids(json!({"events": [{"timestamp": 1, "message": record("a").to_string()}]}).to_string()),
        ["a"]
    );
}

#[test]
fn one_broken_message_costs_one_event() {
    let payload =
        log_payload(&[record("a").to_string(), "{\"eventID\":".to_owned(), record("b").to_string()]);
    let (heard, report) = hear(payload.to_string());
    assert_eq!(heard.ids, ["a", "b"]);
    assert_eq!((report.counts.rejected, report.counts.found()), (1, 3));
    assert!(matches!(report.problems[..], [Problem::Malformed { .. }]), "{:?}", report.problems);
}

#[test]
fn messages_that_test_a_subscription_are_no_problem() {
    let control = r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking"}]}"#;
    let late = r#"{"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking"}],"messageType":"CONTROL_MESSAGE"}"#;
    let s3 = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
    let trail = r#"{"Type":"Notification","TopicArn":"t","Message":"CloudTrail validation message."}"#;
    let packed = json!({"awslogs": {"data": base64(gzip(control))}}).to_string();
    let (_, report) = hear([control, late, s3, trail, &packed].join("\n"));
    assert_eq!((report.counts.control, report.counts.found()), (5, 5));
    assert_eq!(report.problems, []);
}

#[test]
fn the_event_history_is_read() {
    let event =
        |id: &str| json!({"EventId": id, "EventName": "x", "CloudTrailEvent": record(id).to_string()});
    let page = json!({"Events": [event("a"), event("b")], "NextToken": "t"}).to_string();
    assert_eq!(ids(page), ["a", "b"]);
    assert_eq!(ids(format!("{}\n{}", event("a"), event("b"))), ["a", "b"]);
}

#[test]
fn notifications_point_to_objects() {
    let s3 = json!({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1",
        "eventTime": "2026-01-02T03:04:05Z", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": "AWSLogs/a%2Bb+c.json.gz"}}}]});
    let trail = json!({"s3Bucket": "b", "s3ObjectKey": ["k%2B1", "k2"]});
    let sns =
        |message: &Value| json!({"Type": "Notification", "TopicArn": "t", "Message": message.to_string()});
    let sqs = |body: &Value| json!({"MessageId": "m", "ReceiptHandle": "r", "Body": body.to_string()});
    let expect_s3 = [Pointer {
        bucket: "b".into(),
        key: "AWSLogs/a+b c.json.gz".into(),
        region: Some("eu-west-1".into()),
    }];
    let queue = json!({"Messages": [sqs(&s3)]});
    let lambda =
        json!({"Records": [{"messageId": "m", "eventSource": "aws:sqs", "body": sns(&s3).to_string()}]});
    let topic = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": s3.to_string()}}]});
    for message in [s3.clone(), sns(&s3), sqs(&s3), sqs(&sns(&s3)), queue, lambda, topic] {
        let (heard, report) = hear(message.to_string());
        assert_eq!(heard.pointers, expect_s3, "{message}");
        assert_eq!((report.counts.found(), report.problems.len()), (1, 0), "{message}");
    }
    let expect_trail =
        ["k%2B1", "k2"].map(|key| Pointer { bucket: "b".into(), key: key.into(), region: None });
    assert_eq!(hear(sns(&trail).to_string()).0.pointers, expect_trail);
}

#[test]
fn digests_insights_and_other_objects_are_counted_and_not_delivered() {
    let digest = json!({"awsAccountId": "1", "digestStartTime": "2026-01-02T03:04:05Z", "logFiles": []});
    let mut insight = record("i");
    insight["eventType"] = json!("AwsCloudTrailInsight");
    let mut no_type = record("t");
    no_type.as_object_mut().unwrap().remove("eventType");
    let mut no_time = record("t");
    no_time["eventTime"] = json!("yesterday");
    let all = [digest, insight, no_type, no_time, record("a")].map(|value| value.to_string()).join("\n");
    let (heard, report) = hear(all);
    assert_eq!(heard.ids, ["a"]);
    let counts = report.counts;
    assert_eq!(
        (counts.digests, counts.insights, counts.unrelated, counts.events, counts.found()),
        (1, 1, 2, 1, 5)
    );
}

#[test]
fn events_outside_the_times_asked_for_are_counted() {
    let time = |text: &str| Some(text.parse().unwrap());
    let options = |since, until| Options { since, until, ..Options::default() };
    let count = |options| hear_with(&options, record("a").to_string()).1.counts;
    assert_eq!(count(options(time("2026-01-02T03:04:05Z"), time("2026-01-02T03:04:06Z"))).events, 1);
    assert_eq!(count(options(time("2026-01-02T03:04:06Z"), None)).outside, 1);
    assert_eq!(count(options(None, time("2026-01-02T03:04:05Z"))).outside, 1);
}

#[test]
fn formats_without_whole_records_are_refused_with_a_reason() {
    let (_, report) = hear(b"PAR1\x15\x04".to_vec());
    assert!(matches!(report.problems[..], [Problem::OtherFormat(_)]));
    let lake = json!({"QueryStatus": "FINISHED", "QueryResultRows": [[{"eventID": "a"}]]});
    let (heard, report) = hear(format!("{lake}\n{}", record("a")));
    assert!(matches!(report.problems[..], [Problem::OtherFormat(_)]));
    assert_eq!((heard.ids.len(), report.counts.rejected), (1, 1));
}

/// Reads inputs on some threads; the ids of what was found, and the reports.
fn pooled(inputs: Vec<Input>, workers: usize) -> (Vec<String>, Vec<Report>, Counts) {
    let (mut found, mut reports) = (Vec::new(), Vec::new());
    let watch = || {
        |record: &Record<'_>, _: Origin, found: &mut Vec<String>| {
            found.push(record.event_id().unwrap_or_default().into_owned());
        }
    };
    let total =
        pool::read(inputs, &Options::default(), NonZeroUsize::new(workers).unwrap(), watch, |delivered| {
            match delivered {
                pool::Delivered::Found(id) => found.push(id),
                pool::Delivered::Pointer { .. } => {}
                pool::Delivered::End(report) => reports.push(report),
            }
        });
    (found, reports, total)
}

fn many_inputs() -> Vec<Input> {
    let mut inputs: Vec<_> = (0..40_usize)
        .map(|input| {
            let events = if input == 0 { 20_000 } else { input * 10 };
            let ids: Vec<_> = (0..events).map(|event| format!("{input}-{event}")).collect();
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            Input::bytes(format!("input {input}"), gzip(records(&ids).to_string()))
        })
        .collect();
    inputs.push(Input::bytes("again", records(&["3-1", "39-7", "new"]).to_string().into_bytes()));
    inputs.push(Input::bytes("broken", b"{\"Records\":[{".to_vec()));
    inputs
}

#[test]
fn the_order_of_output_does_not_depend_on_the_number_of_threads() {
    let one = pooled(many_inputs(), 1);
    assert_eq!(one.0.len(), 20_000 + 7_800 + 1);
    assert_eq!(one.0.last().map(String::as_str), Some("new"));
    assert_eq!((one.2.duplicates, one.2.rejected), (2, 1));
    assert_eq!(one.1.iter().map(|report| report.input).collect::<Vec<_>>(), (0..42).collect::<Vec<_>>());
    for workers in [2, 7] {
        assert_eq!(pooled(many_inputs(), workers), one);
    }
}

#[test]
fn the_counts_of_all_inputs_add_up() {
    let (found, reports, total) = pooled(many_inputs(), 3);
    let mut sum = Counts::default();
    reports.iter().for_each(|report| sum += report.counts);
    assert_eq!(sum, total);
    assert_eq!(total.events, found.len() as u64);
    assert_eq!(total.found(), 20_000 + 7_800 + 3 + 1);
}

#[test]
fn inputs_may_come_one_by_one() {
    let (sender, inputs) = std::sync::mpsc::sync_channel(1);
    let feeder = std::thread::spawn(move || {
        for input in many_inputs() {
            sender.send(input).unwrap();
        }
    });
    let mut ends = 0;
    let nothing = || |_: &Record<'_>, _: Origin, _: &mut Vec<()>| {};
    pool::read(inputs, &Options::default(), NonZeroUsize::new(2).unwrap(), nothing, |delivered| {
        ends += usize::from(matches!(delivered, pool::Delivered::End(_)));
    });
    feeder.join().unwrap();
    assert_eq!(ends, 42);
}

#[test]
fn files_are_found_in_folders_and_by_patterns() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join("b/.hidden")).unwrap();
    for name in
        ["a.json", "b/c.json.gz", "b/d.ZST", "b/part-0001", "b/notes.md", "b/.e.json", "b/.hidden/f.json"]
    {
        std::fs::write(root.join(name), "").unwrap();
    }
    let question = layout::Question::default();
    let find = |path: &str| files::find(&[root.join(path)], &question);
    let names = |files: &files::Files| -> Vec<String> {
        files.paths.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
    };
    let all = find("").unwrap();
    assert_eq!(names(&all), ["a.json", "b/c.json.gz", "b/d.ZST", "b/part-0001"]);
    assert_eq!(all.other, 3);
    assert_eq!(names(&find("b/notes.md").unwrap()), ["b/notes.md"]);
    assert_eq!(names(&find("**/*.json*").unwrap()), ["a.json", "b/c.json.gz"]);
    assert_eq!(
        find("*.zip").unwrap_err().to_string(),
        format!("no file matches `{}`", root.join("*.zip").display())
    );
    assert!(matches!(find("nothing"), Err(files::FilesError::Read { .. })));
    let twice = files::find(&[root.join("a.json"), root.to_owned()], &question).unwrap();
    assert_eq!(twice.paths.len(), 4);
}

#[test]
fn delivered_files_are_chosen_by_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let day = |kind: &str, region: &str| {
        folder.path().join(format!("AWSLogs/111122223333/{kind}/{region}/2026/01/02"))
    };
    for day in [
        day("CloudTrail", "eu-west-1"),
        day("CloudTrail", "us-east-1"),
        day("CloudTrail-Digest", "eu-west-1"),
    ] {
        std::fs::create_dir_all(&day).unwrap();
        std::fs::write(day.join("a.json.gz"), "").unwrap();
    }
    let question = layout::Question { regions: vec!["eu-west-1".into()], ..layout::Question::default() };
    let files = files::find(&[folder.path().to_owned()], &question).unwrap();
    assert_eq!(files.paths, [day("CloudTrail", "eu-west-1").join("a.json.gz")]);
    assert_eq!(files.not_asked_for, 2);
}
