//! Events in every form in which they are delivered: what the function answers, keeps and tells.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test ends where something is missing"
)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Gate, Pass, World, again, event_bridge, log_key, notification, queue, sign_in};
use serde_json::{Value, json};

const SUBJECT: &str = "Upright: Console Login Without MFA by ann in 111122223333";

#[test]
fn an_event_of_event_bridge_is_kept_and_told_once_however_often_it_comes() {
    let world = World::new("");
    let mut function = world.function();
    let answer = function.invoke(&event_bridge(&sign_in(1)));
    assert_eq!((&answer.done()["new"], &answer.done()["told"]), (&json!(1), &json!(1)), "{answer:?}");
    let kept = world.objects("detections/day=2026-11-24/");
    let keys: Vec<&String> = kept.keys().collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys[0].ends_with(".json") && keys[1].ends_with(".told"), "{keys:?}");
    let document: Value = serde_json::from_str(kept[keys[0]].as_str().unwrap()).unwrap();
    assert_eq!(document["detection"]["event"]["eventID"], sign_in(1)["eventID"]);
    let alerts = world.alerts();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["Subject"], SUBJECT);
    let text = alerts[0]["Message"].as_str().unwrap();
    assert!(
        text.contains("203.0.113.7") && text.contains(document["detection"]["id"].as_str().unwrap()),
        "{text}"
    );

    // Again, to the same process and to another.
    for again in
        [function.invoke(&event_bridge(&sign_in(1))), world.function().invoke(&event_bridge(&sign_in(1)))]
    {
        assert_eq!((&again.done()["detections"], &again.done()["new"]), (&json!(1), &json!(0)), "{again:?}");
    }
    assert_eq!(world.subjects(), [""; 0]);
}

#[test]
fn every_other_way_of_delivery_leads_to_the_same() {
    let world = World::new("");
    world.put(common::TRAIL, &log_key("a"), &json!({ "Records": [sign_in(1), sign_in(2)] }).to_string());
    let mut function = world.function();
    let created = json!({ "version": "0", "id": "x", "detail-type": "Object Created", "source": "aws.s3", "account": "1",
        "time": "2026-11-24T03:05:00Z", "region": "us-east-1", "resources": [],
        "detail": { "bucket": { "name": common::TRAIL }, "object": { "key": log_key("a") }, "reason": "PutObject" } });
    let numbers = |answer: &common::Answer| {
        let done = answer.done();
        ["events", "new", "told"].map(|name| done[name].as_u64().unwrap())
    };
    assert_eq!(numbers(&function.invoke(&notification(&log_key("a")))), [2, 2, 2]);
    assert_eq!(world.subjects(), [format!("{SUBJECT}, and 1 more detection")]);
    assert_eq!(numbers(&function.invoke(&created)), [2, 0, 0]);

    // base64(gzip(…)) of a DATA_MESSAGE with sign_in(3), and of a CONTROL_MESSAGE.
    let logs = |text: &str| json!({ "awslogs": { "data": packed(text) } });
    let data = json!({ "messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "trail", "logStream": "s",
        "subscriptionFilters": ["upright"],
        "logEvents": [{ "id": "1", "timestamp": 1_796_000_000_000_u64, "message": sign_in(3).to_string() }] });
    assert_eq!(numbers(&function.invoke(&logs(&data.to_string()))), [1, 1, 1]);
    let control = json!({ "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
        "subscriptionFilters": [], "logEvents": [{ "id": "", "timestamp": 1, "message": "CWL CONTROL MESSAGE: Checking health of destination." }] });
    let answer = function.invoke(&logs(&control.to_string()));
    assert_eq!((numbers(&answer), &answer.done()["control"]), ([0, 0, 0], &json!(1)));

    let test = json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": common::TRAIL });
    assert!(function.invoke(&test).done()["nothing"].is_string());
    assert_eq!(world.subjects(), [SUBJECT]);
    assert_eq!(world.detections(".json").len(), 3);
}

/// As CloudWatch Logs packs it.
fn packed(text: &str) -> String {
    let root = upright_testkit::workspace().unwrap();
    let script =
        "import base64,gzip,sys; print(base64.b64encode(gzip.compress(sys.argv[1].encode())).decode())";
    let output = std::process::Command::new(root.join(".venv/bin/python"))
        .args(["-c", script, text])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn of_a_batch_only_what_could_not_be_read_comes_again() {
    let world = World::new("");
    world.put(common::TRAIL, &log_key("a"), &json!({ "Records": [sign_in(1)] }).to_string());
    world.put(common::TRAIL, &log_key("cut"), r#"{"Records":[{"eventVersion":"#);
    let by_sns = |message: &Value| {
        json!({ "Type": "Notification", "MessageId": "n", "TopicArn": "arn:aws:sns:us-east-1:111122223333:t",
            "Message": message.to_string() })
        .to_string()
    };
    let bodies = [
        event_bridge(&sign_in(2)).to_string(),
        by_sns(&notification(&log_key("a"))),
        notification(&log_key("gone")).to_string(),
        "{ poison\u{1b}[2J".to_owned(),
        json!({ "hello": "world" }).to_string(),
        notification(&log_key("cut")).to_string(),
        // The same event again, within the batch.
        event_bridge(&sign_in(2)).to_string(),
        json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": common::TRAIL }).to_string(),
    ];
    let mut function = world.function();
    let answer = function.invoke(&queue(&bodies));
    let mut failed = again(&answer);
    failed.sort();
    assert_eq!(failed, ["m2", "m3", "m4", "m5"], "{answer:?} {}", function.log().join("\n"));
    assert_eq!(world.subjects(), [format!("{SUBJECT}, and 1 more detection")]);
    assert_eq!(world.detections(".told").len(), 2);
    let log = function.log();
    for id in ["m3", "m4"] {
        assert!(log.iter().any(|line| line.contains("cannot be read") && line.contains(id)), "{log:?}");
    }
    for line in &log {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["timestamp"].is_string(), "{line}");
        if line["message"] != "Ready." {
            assert_eq!(line["requestId"], "8476a536-e9f4-11e8-9739-000000000001", "{line}");
        }
    }
    assert!(!log.concat().contains('\u{1b}'));

    // Later, and in another order, when what was missing is there.
    world.put(common::TRAIL, &log_key("gone"), &json!({ "Records": [sign_in(3), sign_in(1)] }).to_string());
    let later = [bodies[2].clone(), bodies[1].clone(), bodies[0].clone()];
    assert_eq!(again(&function.invoke(&queue(&later))), [""; 0]);
    assert_eq!(world.subjects(), [SUBJECT]);
    assert_eq!(world.detections(".json").len(), 3);
}

#[test]
fn an_alert_survives_an_archive_that_fails_and_a_topic_that_fails() {
    let world = World::new("");
    let (is_broken, is_mute) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (broken, mute) = (Arc::clone(&is_broken), Arc::clone(&is_mute));
    let gate = Gate::before(world.moto.port(), move |line, body| {
        if broken.load(Ordering::SeqCst) && line.starts_with("PUT ") && line.contains("/detections/") {
            Pass::Refused(503)
        } else if mute.load(Ordering::SeqCst) && body.contains("Action=Publish") {
            Pass::Refused(500)
        } else {
            Pass::Through
        }
    });
    world.configure(&format!(
        "archive: s3://{}/upright\nmax_attempts: 1\nnotify: {{ topics: [{{ arn: '{}' }}] }}\n",
        common::ARCHIVE,
        world.topic
    ));
    let mut function = world.function_at(&gate.env(world.moto.env()), &[]);
    let batch = queue(&[event_bridge(&sign_in(1)).to_string()]);
    assert_eq!(again(&function.invoke(&batch)), ["m0"]);
    assert_eq!((world.subjects().len(), world.detections("").len()), (0, 0));
    let alone = function.invoke(&event_bridge(&sign_in(1)));
    assert_eq!(alone.failed().0, "NotAllDone");

    is_broken.store(false, Ordering::SeqCst);
    is_mute.store(true, Ordering::SeqCst);
    assert_eq!(again(&function.invoke(&batch)), ["m0"]);
    assert_eq!((world.detections(".json").len(), world.detections(".told").len()), (1, 0));

    is_mute.store(false, Ordering::SeqCst);
    assert_eq!(again(&function.invoke(&batch)), [""; 0]);
    assert_eq!(again(&function.invoke(&batch)), [""; 0]);
    assert_eq!(world.subjects(), [SUBJECT]);
    assert_eq!(world.detections(".told").len(), 1);
}

#[test]
fn an_object_that_never_comes_is_given_up_before_the_invocation_is_over() {
    let world = World::new("");
    world.put(common::TRAIL, &log_key("a"), &json!({ "Records": [sign_in(1)] }).to_string());
    let key = log_key("a");
    let gate = Gate::before(world.moto.port(), move |line, _| {
        if line.starts_with("GET ") && line.contains(&key) { Pass::Held } else { Pass::Through }
    });
    let mut function = world.function_at(&gate.env(world.moto.env()), &[]);
    // Warm, so that the time is that of the object.
    assert_eq!(again(&function.invoke(&queue(&[event_bridge(&sign_in(2)).to_string()]))), [""; 0]);
    let answer = function.invoke_within(
        &queue(&[notification(&log_key("a")).to_string()]).to_string(),
        Duration::from_secs(3),
    );
    assert_eq!(again(&answer), ["m0"]);
    assert!(answer.took < Duration::from_secs(3), "{:?}", answer.took);
}

#[test]
fn what_is_not_understood_and_what_is_wrong_is_an_error_and_no_crash() {
    let world = World::new("");
    let mut function = world.function();
    let unknown = function.invoke(&json!({ "hello": "world\u{1b}[2J" }));
    let (kind, why) = unknown.failed();
    assert_eq!(kind, "UnknownPayload");
    assert!(why.contains("`hello`") && why.contains("detail-type"), "{why}");
    // It goes on.
    assert_eq!(function.invoke(&event_bridge(&sign_in(1))).done()["new"], 1);

    world.configure("archive: s3://acme-audit/upright\nregoins: [us-east-1]\n");
    let mut function = world.function();
    let (kind, why) = {
        let answer = function.invoke(&event_bridge(&sign_in(1)));
        let (kind, why) = answer.failed();
        (kind.to_owned(), why.to_owned())
    };
    assert_eq!(kind, "Configuration");
    assert!(why.contains("regoins"), "{why}");
    // When it has been put right, the same process works.
    world.configure("archive: s3://acme-audit/upright\n");
    assert_eq!(function.invoke(&event_bridge(&sign_in(2))).done()["new"], 1);

    world.configure("");
    let answer = world.function().invoke(&event_bridge(&sign_in(1)));
    assert!(answer.failed().1.contains("archive"), "{answer:?}");
    world.configure("archive: kept-here\n");
    let answer = world.function().invoke(&event_bridge(&sign_in(1)));
    assert!(answer.failed().1.contains("gone when Lambda ends"), "{answer:?}");
}

#[test]
fn a_configuration_comes_from_s3_with_its_rules() {
    let world = World::new("");
    let own = "title: Any Call By Bob\nid: 11111111-1111-4111-8111-111111111111\nlogsource: { product: aws, service: cloudtrail }\n\
               detection: { selection: { userIdentity.userName: bob }, condition: selection }\nlevel: low\n\
               ---\ntitle: Many Calls By Bob\ncorrelation: { type: event_count, rules: [11111111-1111-4111-8111-111111111111], \
               group-by: [awsRegion], timespan: 5m, condition: { gte: 3 }, generate: true }\n";
    world.put(common::ARCHIVE, "config/rules/own.yml", own);
    let config = format!("event_rules: [rules]\nnotify: {{ topics: [{{ arn: '{}' }}] }}\n", world.topic);
    world.put(common::ARCHIVE, "config/upright.yaml", &config);
    let archive = ("UPRIGHT_ARCHIVE", "s3://acme-audit/upright");
    let of_folder = [("UPRIGHT_CONFIG", "s3://acme-audit/config/"), archive];
    let mut function = world.function_at(&world.moto.env(), &of_folder);
    let mut by_bob = sign_in(1);
    by_bob["userIdentity"]["userName"] = json!("bob");
    by_bob["additionalEventData"]["MFAUsed"] = json!("Yes");
    assert_eq!(function.invoke(&event_bridge(&by_bob)).done()["new"], 1);
    assert_eq!(world.subjects(), ["Upright: Any Call By Bob by bob in 111122223333"]);
    let log = function.log();
    let warned = |line: &&String| line.contains("Many Calls By Bob") && line.contains("delivered together");
    assert_eq!(log.iter().filter(warned).count(), 1, "{log:#?}");

    world.put(common::ARCHIVE, "config/alone.yaml", "{}\n");
    let of_file = [("UPRIGHT_CONFIG", "s3://acme-audit/config/alone.yaml"), archive];
    assert_eq!(
        world.function_at(&world.moto.env(), &of_file).invoke(&event_bridge(&sign_in(2))).done()["new"],
        1
    );
    let missing = [("UPRIGHT_CONFIG", "s3://acme-audit/nowhere/"), archive];
    let answer = world.function_at(&world.moto.env(), &missing).invoke(&event_bridge(&sign_in(1)));
    assert!(answer.failed().1.contains("nowhere/upright.yaml"), "{answer:?}");
}

/// Not a test of anything: `cargo nextest run --run-ignored only --no-capture --test lambda_events` prints how long the
/// function takes, of whatever build it is.
#[test]
#[ignore = "it measures"]
fn how_long_it_takes() {
    let world = World::new("");
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for process in 0..5 {
        let mut function = world.function();
        function.invoke(&event_bridge(&sign_in(1_000 * process)));
        cold.push(function.started.elapsed());
        for n in 1..20 {
            warm.push(function.invoke(&event_bridge(&sign_in(1_000 * process + n))).took);
        }
    }
    for (name, mut times) in
        [("cold, from the start of the process to the first answer", cold), ("warm", warm)]
    {
        times.sort();
        println!(
            "{name}: median {:?}, worst {:?} of {}",
            times[times.len() / 2],
            times[times.len() - 1],
            times.len()
        );
    }
}
