//! What events change in verdicts.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is missing"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Gate, Pass, World, again, event_bridge, queue};
use jiff::Timestamp;
use serde_json::{Value, json};

const OWN: &str = "123456789012";

/// As CloudTrail tells it.
fn put_bucket_policy(bucket: &str, n: u64) -> Value {
    json!({
        "eventVersion": "1.11", "eventID": format!("00000000-0000-4000-9000-{n:012}"),
        "eventTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), "eventType": "AwsApiCall",
        "eventSource": "s3.amazonaws.com", "eventName": "PutBucketPolicy", "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli", "recipientAccountId": OWN, "readOnly": false,
        "managementEvent": true,
        "userIdentity": { "type": "IAMUser", "userName": "alice", "accountId": OWN,
                          "arn": format!("arn:aws:iam::{OWN}:user/alice") },
        "requestParameters": { "bucketName": bucket, "Host": format!("{bucket}.s3.amazonaws.com"), "policy": "" },
        "responseElements": null,
    })
}

#[test]
fn what_could_not_be_told_is_delivered_again() {
    let world = World::new("enable: [s3-bucket-not-public]\n");
    let is_mute = Arc::new(AtomicBool::new(false));
    let mute = Arc::clone(&is_mute);
    let gate = Gate::before(world.moto.port(), move |_, body| {
        let is_told = mute.load(Ordering::SeqCst) && body.contains("Action=Publish");
        if is_told { Pass::Refused(400) } else { Pass::Through }
    });
    let mut function = world.function_at(&gate.env(world.moto.env()), &[]);
    let event = |n| event_bridge(&put_bucket_policy(common::TRAIL, n));

    // Nothing is known yet, and delivering it again would not help.
    let early = function.invoke(&event(1));
    assert_eq!(early.done()["posture"]["passed_over"], 1, "{early:?}");

    function.invoke(&json!({ "task": "scan" })).done();
    world.alerts();
    world.make_public(common::TRAIL);
    is_mute.store(true, Ordering::SeqCst);
    let mut other = common::sign_in(1);
    other["additionalEventData"]["MFAUsed"] = json!("Yes");
    let bodies = [event(2), event(3), event_bridge(&other)].map(|body| body.to_string());
    let answer = function.invoke(&queue(&bodies));
    let mut untold = again(&answer);
    untold.sort();
    assert_eq!(untold, ["m0", "m1"], "{}", function.log().join("\n"));
    assert_eq!(world.subjects(), [""; 0]);
}

#[test]
fn a_change_is_told_at_once_where_everything_works() {
    let world = World::new("enable: [s3-bucket-not-public]\n");
    let mut function = world.function();
    function.invoke(&json!({ "task": "scan" })).done();
    world.alerts();
    world.make_public(common::TRAIL);
    let event = event_bridge(&put_bucket_policy(common::TRAIL, 1));
    let answer = function.invoke(&event);
    assert_eq!(answer.done()["posture"]["changes"], 1, "{answer:?} {}", function.log().join("\n"));
    let subjects = world.subjects();
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert!(subjects[0].contains("bucket trail-bucket became public, by alice"), "{subjects:?}");

    for repeated in [function.invoke(&event), world.function().invoke(&event)] {
        assert_eq!(repeated.done()["posture"]["changes"], 0, "{repeated:?}");
    }
    let mut refused = put_bucket_policy(common::TRAIL, 2);
    refused["errorCode"] = json!("AccessDenied");
    let answer = function.invoke(&event_bridge(&refused));
    assert_eq!(answer.done()["posture"]["touched"], 0, "{answer:?}");
    assert_eq!(world.subjects(), [""; 0]);
}
