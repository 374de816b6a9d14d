use serde_json::{Value, json};

use super::*;

const BUCKET: &str = "arn:aws:s3:::acme-logs";

fn sought(kind: &str, arn: Option<&str>, region: &str, fields: &[&str]) -> Sought {
    Sought {
        key: "f".to_owned(),
        resource_type: kind.to_owned(),
        arn: arn.map(str::to_owned),
        account: "111122223333".to_owned(),
        region: region.to_owned(),
        fields: fields.iter().map(|&field| field.to_owned()).collect(),
    }
}

fn bucket() -> Sought {
    sought("aws.s3.bucket", Some(BUCKET), "eu-west-1", &["policy", "public_access_block"])
}

/// A call that changed something at a minute of an hour.
fn event(source: &str, name: &str, minute: u8, parameters: &Value) -> Value {
    json!({
        "eventVersion": "1.11", "eventID": format!("e{minute}"), "eventTime": format!("2026-11-29T22:{minute:02}:00Z"),
        "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "awsRegion": "eu-west-1",
        "eventType": "AwsApiCall", "recipientAccountId": "111122223333", "readOnly": false, "managementEvent": true,
        "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2.30", "requestParameters": parameters,
        "userIdentity": {
            "type": "AssumedRole", "accountId": "111122223333",
            "arn": "arn:aws:sts::111122223333:assumed-role/Admin/alice",
            "sessionContext": { "sessionIssuer": { "userName": "Admin", "arn": "arn:aws:iam::111122223333:role/Admin" } },
        },
    })
}

fn put_policy(minute: u8) -> Value {
    event("s3", "PutBucketPolicy", minute, &json!({ "bucketName": "acme-logs", "policy": "" }))
}

fn index(sought: &[Sought]) -> Index {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    Index::of(sought, time("2026-11-29T22:00:00Z"), time("2026-11-29T23:00:00Z"))
}

fn found(sought: Sought, events: &[Value]) -> Option<LastChange> {
    let index = index(&[sought]);
    let mut latest = Latest::default();
    for event in events {
        let text = event.to_string();
        index.look(&Record::parse(text.as_bytes()).unwrap(), |sighting| latest.take(sighting));
    }
    latest.into_calls(&index).remove("f")
}

fn name(sought: Sought, events: &[Value]) -> Option<String> {
    found(sought, events).map(|change| change.event_name)
}

fn with(mut event: Value, key: &str, value: Value) -> Value {
    event[key] = value;
    event
}

#[test]
fn the_latest_change_is_told_in_words_whatever_the_order_of_the_events() {
    let events = [put_policy(10), put_policy(40), put_policy(20), put_policy(40)];
    let change = found(bucket(), &events).unwrap();
    assert_eq!(
        change.words(),
        "by alice (session of role Admin) from 203.0.113.7, PutBucketPolicy, 2026-11-29 22:40 UTC"
    );
    assert_eq!(
        (change.event_id.as_deref(), change.user_agent.as_deref()),
        (Some("e40"), Some("aws-cli/2.30"))
    );
    let reversed: Vec<Value> = events.into_iter().rev().collect();
    assert_eq!(found(bucket(), &reversed), Some(change));
}

#[test]
fn what_changed_nothing_is_no_change() {
    let no = |event: Value| assert_eq!(found(bucket(), std::slice::from_ref(&event)), None, "{event}");
    no(with(put_policy(10), "errorCode", json!("AccessDenied")));
    no(with(put_policy(10), "readOnly", json!(true)));
    no(with(put_policy(10), "managementEvent", json!(false)));
    no(with(put_policy(10), "eventCategory", json!("Data")));
    no(with(put_policy(10), "recipientAccountId", json!("444455556666")));
    no(with(put_policy(10), "eventTime", json!("2026-11-29T21:59:59Z")));
    no(with(put_policy(10), "eventTime", json!("2026-11-29T23:00:01Z")));
    no(with(put_policy(10), "eventTime", json!("yesterday")));
    no(with(put_policy(10), "requestParameters", json!({ "bucketName": "acme-logs-2" })));
    no(with(put_policy(10), "requestParameters", json!({ "note": "acme-logs" })));
    no(with(put_policy(10), "requestParameters", json!(null)));
    // It names the bucket and changes a trail.
    no(event("cloudtrail", "CreateTrail", 10, &json!({ "name": "t", "s3BucketName": "acme-logs" })));
    no(event("s3", "GetBucketPolicy", 10, &json!({ "bucketName": "acme-logs" }))
        .as_object()
        .map(|event| {
            // As records of before version 1.06 are.
            let mut event = event.clone();
            event.remove("readOnly");
            Value::Object(event)
        })
        .unwrap());
    assert!(found(bucket(), &[put_policy(10)]).is_some());
}

#[test]
fn a_call_about_what_was_read_is_preferred_to_a_later_one() {
    let bucket_call = |name: &str, minute| event("s3", name, minute, &json!({ "bucketName": "acme-logs" }));
    let events = [
        bucket_call("CreateBucket", 5),
        bucket_call("DeleteBucketPublicAccessBlock", 10),
        bucket_call("PutBucketVersioning", 20),
        bucket_call("PutBucketTagging", 30),
    ];
    assert_eq!(name(bucket(), &events).as_deref(), Some("DeleteBucketPublicAccessBlock"));
    let encrypted = sought("aws.s3.bucket", Some(BUCKET), "eu-west-1", &["encryption"]);
    assert_eq!(name(encrypted, &events).as_deref(), Some("PutBucketVersioning"));
    let tagged = sought("aws.s3.bucket", Some(BUCKET), "eu-west-1", &["tags"]);
    assert_eq!(name(tagged, &events).as_deref(), Some("PutBucketTagging"));
}

#[test]
fn resources_are_known_by_what_their_service_calls_them() {
    let group = || {
        let arn = "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0123456789abcdef0";
        sought("aws.ec2.security_group", Some(arn), "eu-west-1", &["ingress"])
    };
    let id = "sg-0123456789abcdef0";
    let open = event("ec2", "AuthorizeSecurityGroupIngress", 10, &json!({ "groupId": id }));
    let nested = json!({ "ModifySecurityGroupRulesRequest": { "GroupId": id } });
    let modify = event("ec2", "ModifySecurityGroupRules", 10, &nested);
    let started = event("ec2", "RunInstances", 20, &json!({ "groupSet": { "items": [{ "groupId": id }] } }));
    assert_eq!(
        name(group(), &[open.clone(), started.clone()]).as_deref(),
        Some("AuthorizeSecurityGroupIngress")
    );
    assert_eq!(name(group(), &[modify, started.clone()]).as_deref(), Some("ModifySecurityGroupRules"));
    assert_eq!(name(group(), &[started]), None, "it uses the group");
    assert_eq!(name(group(), &[with(open, "awsRegion", json!("us-east-1"))]), None);

    let user =
        || sought("aws.iam.user", Some("arn:aws:iam::111122223333:user/x/admin"), "global", &["access_keys"]);
    let key = event("iam", "CreateAccessKey", 10, &json!({ "userName": "admin" }));
    // The events of IAM are in another region than the scan's.
    assert_eq!(
        name(user(), &[with(key, "awsRegion", json!("us-east-1"))]).as_deref(),
        Some("CreateAccessKey")
    );
    let role = event("iam", "AttachRolePolicy", 10, &json!({ "roleName": "admin" }));
    assert_eq!(name(user(), &[role]), None, "a role of that name is no user");

    let queue =
        sought("aws.sqs.queue", Some("arn:aws:sqs:eu-west-1:111122223333:jobs"), "eu-west-1", &["policy"]);
    let url = "https://sqs.eu-west-1.amazonaws.com/111122223333/jobs";
    let set = event("sqs", "SetQueueAttributes", 10, &json!({ "queueUrl": url }));
    assert_eq!(name(queue, &[set]).as_deref(), Some("SetQueueAttributes"));

    let arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let key = sought("aws.kms.key", Some(arn), "eu-west-1", &["rotation"]);
    let off =
        event("kms", "DisableKeyRotation", 10, &json!({ "keyId": "1234abcd-12ab-34cd-56ef-1234567890ab" }));
    let grant = event("kms", "CreateGrant", 20, &json!({ "keyId": arn }));
    assert_eq!(name(key, &[off, grant]).as_deref(), Some("DisableKeyRotation"));

    let listed = json!([{ "ARN": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main", "type": "AWS::CloudTrail::Trail" }]);
    let stop = with(event("cloudtrail", "StopLogging", 10, &json!({})), "resources", listed);
    let trail = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main";
    let trail = sought("aws.cloudtrail.trail", Some(trail), "eu-west-1", &["status"]);
    assert_eq!(name(trail, &[stop]).as_deref(), Some("StopLogging"));
}

#[test]
fn settings_have_no_name_and_are_known_by_the_calls_that_change_them() {
    let account = |field: &str| sought("aws.iam.account", None, "global", &[field]);
    let policy = event("iam", "DeleteAccountPasswordPolicy", 10, &Value::Null);
    assert_eq!(
        name(account("password_policy"), std::slice::from_ref(&policy)).as_deref(),
        Some("DeleteAccountPasswordPolicy")
    );
    assert_eq!(name(account("summary"), &[policy]), None, "nothing says that it has to do with it");
    let region = sought("aws.ec2.region_settings", None, "eu-west-1", &["ebs_encryption_by_default"]);
    let off = event("ec2", "DisableEbsEncryptionByDefault", 10, &json!({}));
    let elsewhere = with(off.clone(), "awsRegion", json!("us-east-1"));
    assert_eq!(name(region.clone(), &[off]).as_deref(), Some("DisableEbsEncryptionByDefault"));
    assert_eq!(name(region, &[elsewhere]), None);
}

#[test]
fn whoever_made_it_is_named_as_far_as_the_event_says() {
    let by =
        |identity: Value| found(bucket(), &[with(put_policy(10), "userIdentity", identity)]).unwrap().who();
    assert_eq!(by(json!({ "type": "IAMUser", "userName": "bob" })), "bob");
    assert_eq!(by(json!({ "type": "Root", "arn": "arn:aws:iam::111122223333:root" })), "the root user");
    assert_eq!(
        by(json!({ "type": "AWSService", "invokedBy": "config.amazonaws.com" })),
        "config.amazonaws.com"
    );
    assert_eq!(
        by(json!({ "type": "IAMUser", "userName": "bob", "invokedBy": "cloudformation.amazonaws.com" })),
        "bob through cloudformation.amazonaws.com"
    );
    assert_eq!(by(json!(null)), "an unknown actor");
    let long = "x".repeat(100_000);
    assert_eq!(by(json!({ "type": "IAMUser", "userName": long })).len(), MAX_CHARS);
}

#[test]
fn each_resource_is_asked_for_once_where_its_events_are() {
    let user = sought("aws.iam.user", Some("arn:aws:iam::111122223333:user/x/bob"), "global", &["mfa"]);
    let password = sought("aws.iam.account", None, "global", &["password_policy"]);
    let nameless = sought("aws.iam.account", None, "global", &["summary"]);
    let index = index(&[bucket(), user, bucket(), nameless, password]);
    let questions = index.questions(|_| true);
    let told: Vec<(&str, &str, bool, &[usize])> = questions
        .iter()
        .map(|q| (q.region.as_str(), q.by[0].as_str(), q.is_by_call, q.sought.as_slice()))
        .collect();
    assert_eq!(
        told,
        [
            ("eu-west-1", "acme-logs", false, &[0, 2][..]),
            ("us-east-1", "bob", false, &[1][..]),
            ("us-east-1", "UpdateAccountPasswordPolicy", true, &[4][..]),
        ]
    );
    assert_eq!(index.questions(|at| at == 1).len(), 1);
}

#[test]
fn hostile_events_cost_no_more_than_their_bytes() {
    let mut deep = json!("acme-logs");
    for _ in 0..100 {
        deep = json!({ "bucketName": deep });
    }
    assert_eq!(found(bucket(), &[event("s3", "PutObjectX", 10, &deep)]), None);
    let many: Vec<Value> =
        (0..MANY).map(|_| json!({ "x": "y" })).chain([json!({ "bucketName": "acme-logs" })]).collect();
    assert_eq!(found(bucket(), &[event("s3", "PutObjectX", 10, &json!({ "all": many }))]), None);
}

const MANY: usize = 10_000;
