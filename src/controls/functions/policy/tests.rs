use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What all functions over policies say about one, where it matters only that they say something.
fn ask_all(policy: &Value) -> [bool; 5] {
    [
        grants_admin(policy).is_err(),
        public_statements(policy).is_err(),
        services_without_source(policy).is_err(),
        public_access(policy).is_err(),
        requires_tls(policy, "arn:aws:s3:::b", true).is_err(),
    ]
}

#[test]
fn what_is_no_policy_is_a_mistake() {
    let with = |key: &str, value: Value| {
        let mut statement = json!({ "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" });
        statement[key] = value;
        json!({ "Statement": [statement] })
    };
    for wrong in [
        json!("{}"),
        json!([]),
        json!({}),
        json!(true),
        json!({ "statement": [] }),
        json!({ "Statement": null }),
        json!({ "Statement": ["Allow"] }),
        json!({ "Statement": [[]] }),
        json!({ "Statement": { "Effect": "Allow", "Principal": "*", "Resource": "*" } }),
        json!({ "Statement": { "Principal": "*", "Action": "*", "Resource": "*" } }),
        with("Effect", json!("allow")),
        with("Effect", json!(["Allow"])),
        with("Action", Value::Null),
        with("Action", json!({ "a": "b" })),
        with("Action", json!([["*"]])),
        with("Action", json!([1])),
        with("NotAction", json!("*")),
        with("NotResource", json!("*")),
        with("NotPrincipal", json!("*")),
        with("Resource", json!(["*", null])),
        with("Principal", json!("111122223333")),
        with("Principal", json!(["*"])),
        with("Principal", json!({ "AWS": 111_122_223_333_i64 })),
        with("Principal", json!({ "AWS": null })),
        with("Principal", Value::Null),
        with("Condition", Value::Null),
        with("Condition", json!([])),
        with("Condition", json!({ "Bool": "aws:SecureTransport" })),
        with("Condition", json!({ "Bool": { "aws:SecureTransport": null } })),
        with("Condition", json!({ "Bool": { "aws:SecureTransport": [{}] } })),
        with("condition", json!({})),
        with("Conditions", json!({})),
    ] {
        assert_eq!(ask_all(&wrong), [true; 5], "{wrong}");
    }
}

#[test]
fn null_and_empty_policies_have_no_statements() {
    for policy in [Value::Null, json!({ "Version": "2012-10-17", "Statement": [] })] {
        assert_eq!(ask_all(&policy), [false; 5]);
        assert_eq!(requires_tls(&policy, "arn:aws:s3:::b", false), Ok(false));
    }
}

#[test]
fn resource_policies_name_principals() {
    let policy = json!({ "Statement": { "Effect": "Allow", "Action": "s3:*", "Resource": "*" } });
    assert_eq!(ask_all(&policy), [false, true, true, true, true]);
}

#[test]
fn documents_beyond_the_limits_of_aws_are_mistakes() {
    let statement = json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:Get*", "Resource": "*" });
    let with = |key: &str, value: Value| {
        let mut statement = statement.clone();
        statement[key] = value;
        json!({ "Statement": [statement] })
    };
    for large in [
        json!({ "Statement": vec![statement.clone(); 1_001] }),
        with("Action", json!(vec![""; 600_000])),
        with("Resource", json!("*a".repeat(10_000))),
        with("Principal", json!({ "AWS": vec!["arn:aws:iam::111122223333:root"; 20_000] })),
        with("Condition", json!({ "StringEquals": { "aws:SourceVpc": vec!["vpc-1"; 200_000] } })),
    ] {
        assert_eq!(ask_all(&large), [true; 5]);
    }
}

/// AWS's quota is for the policies of customers: `ReadOnlyAccess` is fifteen times as large.
#[test]
fn managed_policies_of_aws_are_judged_whatever_their_size() {
    let actions: Vec<String> = (0..5_000).map(|n| format!("some-service:DescribeThing{n}")).collect();
    let policy = |last: &str| {
        let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
        let end = json!({ "Effect": "Allow", "Action": last, "Resource": "*" });
        json!({ "Version": "2012-10-17", "Statement": [statement, end] })
    };
    assert_eq!(grants_admin(&policy("s3:Get*")), Ok(Vec::new()));
    assert_eq!(grants_admin(&policy("*")).map(|found| found.len()), Ok(1));
    assert!(public_statements(&policy("*")).is_err());
}

#[test]
fn documents_made_to_be_slow_are_not() {
    let texts: Vec<String> = (0..10).map(|n| "a".repeat(1_000) + &n.to_string()).collect();
    let patterns: Vec<String> = (0..10).map(|n| format!("*{}b{n}", "a".repeat(500))).collect();
    let allow = json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": texts });
    let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": patterns });
    let tiny = json!({ "Effect": "Deny", "Principal": "*", "NotAction": "s3:?", "Resource": "*" });
    let started = Instant::now();
    assert_eq!(ask_all(&json!({ "Statement": [allow, deny] })), [false; 5]);
    assert_eq!(ask_all(&json!({ "Statement": vec![tiny; 1_000] })), [false; 5]);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn what_is_not_read_may_be_as_deep_as_it_likes() {
    let deep = (0..100).fold(json!("*"), |inner, _| json!([inner]));
    assert_eq!(ask_all(&json!({ "Statement": deep })), [true; 5]);
    let policy = json!({ "Id": deep, "Statement": { "Sid": deep, "Effect": "Allow", "Principal": "*", "Action": "*",
                                                    "Resource": "*" } });
    assert_eq!(ask_all(&policy), [false; 5]);
}

/// JSON in which the words of policies occur in the wrong places.
fn anything() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "Statement",
        "Effect",
        "Allow",
        "Deny",
        "Principal",
        "NotPrincipal",
        "AWS",
        "*",
        "Action",
        "Resource",
        "Condition",
        "Bool",
        "IpAddress",
        "aws:SourceIp",
        "aws:SecureTransport",
        "false",
        "0.0.0.0/0",
        "s3:*",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(word.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_input_makes_them_panic(value in anything()) {
        ask_all(&value);
        ask_all(&json!({ "Statement": value }));
        ask_all(&json!({ "Statement": [{ "Effect": "Deny", "Principal": value, "Action": value, "Resource": "*", "Condition": value }] }));
    }
}
