//! Detections beside the sample report: found by real rules in events with hostile values in every field.

use std::num::NonZeroUsize;
use std::path::Path;

use serde_json::{Value, json};

use super::{Collector, Detections, Limits};
use crate::events::detection::Detection;
use crate::events::ruleset::{Issue, Loader, Options as RuleOptions, RuleSet};
use crate::events::scan::{Scan, Scanned, Told};
use crate::events::source::{Input, Options};
use crate::report::Report;
use crate::report::sample::{DEV, HOSTILE, MANAGEMENT, PROD, report as posture};

/// Three rules that run, one of them for what the others do not see, and one that does not.
const RULES: &str = r#"
title: Bucket policy </script><img src=x onerror=alert(1)>
id: 11111111-2222-4333-8444-555555555555
description: A policy was put. =HYPERLINK("http://example.com")
author: Mallory "><svg onload=alert(1)>, DRL
license: DRL-1.1
references: ['https://example.com/why', 'javascript:alert(1)']
tags: [attack.exfiltration, attack.collection, attack.t1530, attack.t1537, attack.t1999]
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: [PutBucketPolicy, GetObject]}, condition: selection}
level: critical
---
title: Root used
id: 21111111-2222-4333-8444-555555555555
tags: [attack.initial_access, attack.t1078.004]
logsource: {product: aws, service: cloudtrail}
detection: {selection: {userIdentity.type: Root}, condition: selection}
level: high
---
title: Nobody does this
id: 31111111-2222-4333-8444-555555555555
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName: NoSuchCall}, condition: selection}
level: low
---
title: Does not compile
id: 41111111-2222-4333-8444-555555555555
logsource: {product: aws, service: cloudtrail}
detection: {selection: {eventName|nomodifier: x}, condition: selection}
level: low
"#;

/// The sample report with what the rules found.
pub(crate) fn report() -> Report {
    let mut report = posture();
    report.set_detections(detections());
    report
}

/// What the rules found, and what they could not read.
pub(crate) fn detections() -> Detections {
    collected(Limits::default())
}

/// The same, of which no more is kept than that.
pub(crate) fn collected(limits: Limits) -> Detections {
    let (set, issues) = rules();
    let mut collector = Collector::new(limits);
    let options = Options { since: "2026-11-01T00:00:00Z".parse().ok(), ..Options::default() };
    let scanned = scanned(&set, &options, |told| collector.take(&told));
    collector.finish(&scanned, &set, &issues, &options)
}

/// The detections alone, as the program prints them, a line each.
pub(crate) fn lines() -> String {
    let mut lines = String::new();
    scanned(&rules().0, &Options::default(), |told| {
        if let Told::Detection(detection) = told {
            lines.push_str(&serde_json::to_string(&detection).expect("JSON"));
            lines.push('\n');
        }
    });
    lines
}

/// The first detection.
pub(crate) fn one() -> Detection {
    let lines = lines();
    serde_json::from_str(lines.lines().next().expect("a line")).expect("a detection")
}

fn rules() -> (RuleSet, Vec<Issue>) {
    let mut loader = Loader::new(RuleOptions::default());
    loader.text(Path::new("rules/sample.yml"), RULES);
    loader.finish()
}

fn scanned(set: &RuleSet, options: &Options, mut tell: impl FnMut(Told)) -> Scanned {
    let records = json!({ "Records": events() }).to_string().into_bytes();
    let broken = format!("AWSLogs/{}", HOSTILE[5]);
    let inputs = vec![
        Input::bytes("AWSLogs/good.json", records),
        Input::bytes(broken, br#"{"Records":[{"a""#.to_vec()),
    ];
    let mut scan = Scan::new(set, options.clone(), NonZeroUsize::MIN);
    scan.read(inputs, &mut tell);
    scan.finish(tell)
}

fn events() -> Vec<Value> {
    let mut events = vec![
        event(
            1,
            "PutBucketPolicy",
            PROD,
            json!({ "bucketName": "acme-website", "big": 12_345_678_901_234_567_890_u64 }),
        ),
        event(2, "DescribeThings", MANAGEMENT, Value::Null),
        event(3, "ConsoleLogin", MANAGEMENT, Value::Null),
    ];
    events[2]["userIdentity"] = json!({ "type": "Root", "arn": format!("arn:aws:iam::{MANAGEMENT}:root") });
    events[2]["errorCode"] = "AccessDenied".into();
    for (at, hostile) in HOSTILE.into_iter().enumerate() {
        let mut event = event(
            10 + at,
            "GetObject",
            DEV,
            json!({ "bucketName": hostile, "key": hostile, hostile: hostile }),
        );
        for field in ["awsRegion", "sourceIPAddress", "userAgent", "errorCode", "errorMessage", "eventID"] {
            event[field] = format!("{hostile}{at}").into();
        }
        event["userIdentity"]["userName"] = hostile.into();
        event["resources"] =
            json!([{ "ARN": format!("arn:aws:s3:::acme-vault/{hostile}"), "type": hostile }]);
        events.push(event);
    }
    events
}

fn event(n: usize, name: &str, account: &str, parameters: Value) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": { "type": "IAMUser", "arn": format!("arn:aws:iam::{account}:user/maria"), "userName": "maria" },
        "eventTime": format!("2026-11-2{}T0{}:00:00Z", n % 4, n % 10),
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "203.0.113.7",
        "requestParameters": parameters,
        "eventID": format!("00000000-0000-4000-8000-{n:012}"),
        "eventType": "AwsApiCall",
        "recipientAccountId": account,
    })
}
