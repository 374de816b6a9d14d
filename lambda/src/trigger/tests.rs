use serde_json::json;

use super::*;

fn of(payload: &Value) -> Trigger {
    Trigger::of(&payload.to_string()).unwrap_or_else(|error| panic!("{error}: {payload}"))
}

fn refused(payload: &Value) -> String {
    Trigger::of(&payload.to_string()).expect_err("not understood").to_string()
}

fn record() -> Value {
    json!({
        "eventVersion": "1.10", "userIdentity": { "type": "IAMUser", "userName": "alice" },
        "eventTime": "2026-11-30T03:00:00Z", "eventSource": "s3.amazonaws.com", "eventName": "PutBucketPolicy",
        "awsRegion": "eu-west-1", "eventID": "9b1d7a8e-0000-4000-8000-000000000001", "readOnly": false,
        "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": "111122223333",
        "requestParameters": { "bucketName": "acme-logs" }, "responseElements": null,
    })
}

/// As in <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html>.
fn event_bridge(source: &str, kind: &str, detail: &Value) -> Value {
    json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": kind, "source": source,
        "account": "111122223333", "time": "2026-11-30T03:00:00Z", "region": "eu-west-1", "resources": [],
        "detail": detail,
    })
}

/// As in <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
fn notification() -> Value {
    json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventTime": "2026-11-30T03:00:00.000Z",
        "eventName": "ObjectCreated:Put", "userIdentity": { "principalId": "AWS:AIDA" },
        "requestParameters": { "sourceIPAddress": "192.0.2.1" }, "responseElements": { "x-amz-request-id": "C3D1" },
        "s3": { "s3SchemaVersion": "1.0", "configurationId": "trail", "bucket": { "name": "trail-bucket",
            "ownerIdentity": { "principalId": "A3NL" }, "arn": "arn:aws:s3:::trail-bucket" },
            "object": { "key": "AWSLogs/x.json.gz", "size": 1024, "eTag": "d41d", "sequencer": "0055AED6DCD9028" } },
    }] })
}

fn test_event() -> Value {
    json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-30T03:00:00.000Z", "Bucket": "trail-bucket",
        "RequestId": "5582815E1AEA5ADF", "HostId": "8cLe" })
}

/// As SNS puts it into a queue without raw delivery.
fn from_sns(message: &str) -> Value {
    json!({ "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-west-1:111122223333:trail", "Subject": "x", "Message": message,
        "Timestamp": "2026-11-30T03:00:00.000Z", "SignatureVersion": "1", "Signature": "EXAMPLE", "SigningCertURL": "https://x" })
}

/// As in <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>.
fn queue(bodies: &[&str]) -> Value {
    let record = |(n, body): (usize, &&str)| {
        json!({ "messageId": format!("m{n}"), "receiptHandle": "AQEB", "body": body,
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183", "SenderId": "AIDA",
                "ApproximateFirstReceiveTimestamp": "1545082649185" },
            "messageAttributes": {}, "md5OfBody": "098f", "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:events", "awsRegion": "eu-west-1" })
    };
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() })
}

#[test]
fn schedules_of_both_kinds_are_scans() {
    let due = "2026-11-30T03:00:00Z".parse().ok();
    let rule = event_bridge("aws.events", "Scheduled Event", &json!({}));
    assert_eq!(of(&rule), Trigger::Scan { job: None, due });
    assert_eq!(of(&json!({ "task": "scan" })), Trigger::Scan { job: None, due: None });
    let named = json!({ "task": "scan", "job": "nightly", "time": "2026-11-30T03:00:00Z" });
    assert_eq!(of(&named), Trigger::Scan { job: "nightly".parse().ok(), due });
    assert!(refused(&json!({ "task": "scan", "job": "../x" })).contains("no name of a job"));
    // Whoever forges the source of a schedule has no detail-type of one either.
    refused(&event_bridge("com.example", "Scheduled Event", &json!({})));
}

#[test]
fn tasks_of_the_state_machine_have_their_parameters() {
    assert_eq!(
        of(&json!({ "task": "plan", "execution": "e-1" })),
        Trigger::Task(Task::Plan { execution: "e-1".to_owned() })
    );
    let account = json!({ "id": "111122223333", "name": "prod" });
    assert_eq!(
        of(&json!({ "task": "scan-account", "run": "r", "account": account })),
        Trigger::Task(Task::ScanAccount { run: "r".to_owned(), account })
    );
    assert_eq!(
        of(&json!({ "task": "finish", "run": "r" })),
        Trigger::Task(Task::Finish { run: "r".to_owned() })
    );
    assert!(refused(&json!({ "task": "plan" })).contains("`execution`"));
    assert!(refused(&json!({ "task": "scan-account", "run": "r" })).contains("`account`"));
    let unknown = refused(&json!({ "task": "destroy\u{1b}[2J" }));
    assert!(unknown.contains("no task `destroy\\u{1b}[2J`") && unknown.contains("scan-account"), "{unknown}");
    assert!(refused(&json!({ "task": 7 })).contains("no text"));
}

#[test]
fn events_come_from_event_bridge_s3_sns_logs_and_as_they_are() {
    for kind in [
        "AWS API Call via CloudTrail",
        "AWS Service Event via CloudTrail",
        "AWS Console Sign In via CloudTrail",
    ] {
        assert_eq!(of(&event_bridge("aws.s3", kind, &record())), Trigger::Events, "{kind}");
    }
    // As in https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html.
    let created = json!({ "version": "0", "bucket": { "name": "trail-bucket" }, "object": { "key": "k", "size": 5 },
        "request-id": "N4N7", "requester": "111122223333", "reason": "PutObject" });
    assert_eq!(of(&event_bridge("aws.s3", "Object Created", &created)), Trigger::Events);
    assert_eq!(of(&notification()), Trigger::Events);
    assert_eq!(of(&test_event()), Trigger::Nothing("it tests whether messages arrive"));
    assert_eq!(of(&json!({ "awslogs": { "data": "H4sIAAAA" } })), Trigger::Events);
    assert_eq!(of(&json!({ "s3Bucket": "b", "s3ObjectKey": ["k"] })), Trigger::Events);
    assert_eq!(of(&from_sns(&notification().to_string())), Trigger::Events);
    let by_sns = |message: &str| json!({ "Records": [{ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": from_sns(message) }] });
    assert_eq!(of(&by_sns(&notification().to_string())), Trigger::Events);
    assert_eq!(of(&by_sns(&test_event().to_string())), Trigger::Nothing("it tests whether messages arrive"));
    assert_eq!(of(&record()), Trigger::Events);
    assert_eq!(of(&json!({ "Records": [record(), record()] })), Trigger::Events);
}

#[test]
fn a_batch_of_a_queue_is_read_and_what_cannot_be_is_named_alone() {
    let event = event_bridge("aws.s3", "AWS API Call via CloudTrail", &record()).to_string();
    let wrapped = from_sns(&notification().to_string()).to_string();
    let schedule = event_bridge("aws.events", "Scheduled Event", &json!({})).to_string();
    let (notified, test) = (notification().to_string(), test_event().to_string());
    let validation = "CloudTrail validation message.";
    let bodies = [
        event.as_str(),
        &notified,
        &wrapped,
        &test,
        validation,
        "{ no json",
        "",
        r#"{"hello":"world"}"#,
        &schedule,
        "[1]",
    ];
    let Trigger::Queue(batch) = of(&queue(&bodies)) else { panic!("no queue") };
    let fine: Vec<&str> = batch.messages.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(fine, ["m0", "m1", "m2", "m3", "m4"]);
    assert_eq!(batch.messages[1].body, notified);
    let poison: Vec<(&str, bool)> =
        batch.poison.iter().map(|(id, why)| (id.as_str(), why.contains("no JSON"))).collect();
    assert_eq!(poison, [("m5", true), ("m6", true), ("m7", false), ("m8", false), ("m9", false)]);
    assert!(batch.poison[2].1.contains("`hello`") && batch.poison[3].1.contains("schedule"));
    let mut nameless = queue(&["{}"]);
    nameless["Records"][0].as_object_mut().unwrap().remove("messageId");
    assert!(refused(&nameless).contains("without an id"));
}

#[test]
fn what_is_not_understood_is_an_error_that_names_its_keys_and_is_short() {
    let long = "k".repeat(100_000);
    let mut payload = serde_json::Map::new();
    payload.insert(format!("\u{1b}[2J{long}"), json!(long));
    (0..1_000).for_each(|n| drop(payload.insert(format!("z{n:04}"), json!(n))));
    let error = refused(&Value::Object(payload));
    assert!(
        error.contains("`z0000`") && error.contains("991 more") && error.contains("batch of SQS"),
        "{error}"
    );
    assert!(error.len() < 1_500 && !error.contains('\u{1b}'), "{error}");
    for payload in [json!({}), json!([]), json!("x"), json!(null), json!({ "Records": [] })] {
        assert!(refused(&payload).contains("understood are"), "{payload}");
    }
    let other =
        event_bridge("aws.ec2", "EC2 Instance State-change Notification", &json!({ "state": "running" }));
    assert!(refused(&other).contains("detail-type `EC2 Instance State-change Notification`"));
    // Something else beside a notification is not let through with it.
    let mut mixed = notification();
    mixed["Records"].as_array_mut().unwrap().push(json!({ "hello": "world" }));
    refused(&mixed);
    assert!(Trigger::of("{").expect_err("cut short").to_string().contains("no JSON"));
    // Envelopes in envelopes end.
    let mut deep = notification().to_string();
    (0..6).for_each(|_| deep = from_sns(&deep).to_string());
    assert!(Trigger::of(&deep).is_err());
}
