use proptest::prelude::*;
use serde_json::json;

use super::*;

const BUCKET: &str = "arn:aws:s3:::b";

fn deny(action: Value, resource: Value) -> Value {
    json!({ "Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource,
            "Condition": { "Bool": { "aws:SecureTransport": "false" } } })
}

/// What is required of requests about objects, and of those about objects and the bucket.
fn requires(statements: Value) -> (bool, bool) {
    let policy = json!({ "Statement": statements });
    (requires_tls(&policy, BUCKET, false).unwrap(), requires_tls(&policy, BUCKET, true).unwrap())
}

fn both() -> Value {
    json!([BUCKET, "arn:aws:s3:::b/*"])
}

#[test]
fn every_spelling_of_the_condition_counts() {
    let with = |condition: Value| {
        let mut statement = deny(json!("s3:*"), both());
        statement["Condition"] = condition;
        requires(statement)
    };
    for condition in [
        json!({ "Bool": { "aws:SecureTransport": "false" } }),
        json!({ "Bool": { "AWS:securetransport": [false] } }),
        json!({ "BoolIfExists": { "aws:SecureTransport": ["False"] } }),
        json!({ "NumericLessThan": { "s3:TlsVersion": "1.2" } }),
        json!({ "NumericLessThan": { "s3:TlsVersion": 1.3 } }),
        json!({ "NumericLessThanIfExists": { "s3:TlsVersion": ["1.0", "1.2"] } }),
        json!({ "Bool": { "aws:SecureTransport": ["true", "false"] } }),
        json!({}),
    ] {
        assert_eq!(with(condition.clone()), (true, true), "{condition}");
    }
    for condition in [
        json!({ "Bool": { "aws:SecureTransport": "true" } }),
        json!({ "Bool": { "aws:SecureTransport": [] } }),
        json!({ "Null": { "aws:SecureTransport": "false" } }),
        json!({ "NumericLessThan": { "s3:TlsVersion": "1.1" } }),
        json!({ "NumericLessThan": { "s3:TlsVersion": "inf" } }),
        json!({ "NumericGreaterThan": { "s3:TlsVersion": "1.2" } }),
        json!({ "Bool": { "aws:SecureTransport": "false", "aws:PrincipalIsAWSService": "false" } }),
        json!({ "Bool": { "aws:SecureTransport": "false" }, "StringNotEquals": { "aws:PrincipalAccount": "1" } }),
    ] {
        assert_eq!(with(condition.clone()), (false, false), "{condition}");
    }
}

#[test]
fn everyone_and_nobody_less_is_refused() {
    let with = |key: &str, value: Value| {
        let mut statement = deny(json!("s3:*"), both());
        statement.as_object_mut().unwrap().remove("Principal");
        statement[key] = value;
        requires(statement).1
    };
    assert!(with("Principal", json!({ "AWS": "*" })));
    assert!(with("Principal", json!({ "AWS": ["111122223333", "*"] })));
    assert!(!with("Principal", json!({ "AWS": "arn:aws:iam::111122223333:root" })));
    assert!(!with("Principal", json!({ "Service": "*" })));
    assert!(!with("NotPrincipal", json!({ "AWS": "arn:aws:iam::111122223333:root" })));
    let mut allow = deny(json!("s3:*"), both());
    allow["Effect"] = json!("Allow");
    assert_eq!(requires(allow), (false, false));
}

#[test]
fn actions_must_be_all_actions() {
    for action in ["s3:*", "*", "S3:*", "s*", "s3:?*", "*:*", "?3:*"] {
        assert_eq!(requires(deny(json!(["s3:GetObject", action]), both())), (true, true), "{action}");
    }
    for action in ["s3:Get*", "s3:*Object", "s3:??*", "s3:", "s3", "iam:*", ""] {
        assert_eq!(requires(deny(json!(action), both())), (false, false), "{action}");
    }
    let gets = deny(json!("s3:Get*"), both());
    let mut others = deny(json!("*"), both());
    others.as_object_mut().unwrap().remove("Action");
    others["NotAction"] = json!(["s3:GetObject*", "iam:*"]);
    assert_eq!(requires(json!([others])), (false, false));
    assert_eq!(requires(json!([others, gets])), (true, true));
    others["NotAction"] = json!("iam:*");
    assert_eq!(requires(others), (true, true));
}

#[test]
fn resources_must_be_all_objects() {
    for resource in ["*", "arn:aws:s3:::*", "arn:aws:s3:::b*", "arn:*:b/*"] {
        assert!(requires(deny(json!("s3:*"), json!(resource))).0, "{resource}");
    }
    assert_eq!(requires(deny(json!("s3:*"), json!("arn:aws:s3:::b/*"))), (true, false));
    assert_eq!(requires(deny(json!("s3:*"), json!("arn:aws:s3:::b/?*"))), (true, false));
    assert_eq!(requires(deny(json!("s3:*"), json!(BUCKET))), (false, false));
    for resource in [
        "arn:aws:s3:::b/private/*",
        "arn:aws:s3:::b-2/*",
        "arn:aws:s3:::B/*",
        "arn:aws:s3:::b/*.jpg",
        "arn:aws:s3:::b/${aws:username}/*",
    ] {
        assert!(!requires(deny(json!("s3:*"), json!(resource))).0, "{resource}");
    }
    let split = json!([deny(json!("s3:*"), json!(BUCKET)), deny(json!("s3:*"), json!("arn:aws:s3:::b/*"))]);
    assert_eq!(requires(split), (true, true));
    let split =
        json!([deny(json!("s3:*"), json!(BUCKET)), deny(json!("s3:Get*"), json!("arn:aws:s3:::b/*"))]);
    assert_eq!(requires(split), (false, false));
}

#[test]
fn all_resources_but_some_others_are_all() {
    let but = |resource: Value| {
        let mut statement = deny(json!("s3:*"), both());
        statement.as_object_mut().unwrap().remove("Resource");
        statement["NotResource"] = resource;
        requires(statement)
    };
    assert_eq!(but(json!("arn:aws:s3:::other/*")), (true, true));
    assert_eq!(but(json!([])), (true, true));
    assert_eq!(but(json!(BUCKET)), (true, false));
    assert_eq!(but(json!("arn:aws:s3:::b/public/*")), (false, false));
    assert_eq!(but(json!("arn:aws:s3:::${aws:PrincipalTag/bucket}/*")), (false, false));
}

#[test]
fn a_bucket_named_like_a_pattern_is_only_itself() {
    let policy = json!({ "Statement": deny(json!("s3:*"), json!("arn:aws:s3:::bc/*")) });
    assert_eq!(requires_tls(&policy, "arn:aws:s3:::b*", false), Ok(false));
    assert_eq!(requires_tls(&policy, "", false), Ok(false));
}

/// A request of the brute-force evaluator, always without TLS.
#[derive(Debug, Clone, Copy)]
struct Request {
    account: &'static str,
    action: &'static str,
    resource: &'static str,
}

fn requests() -> impl Iterator<Item = Request> {
    ["1", "2"].into_iter().flat_map(|account| {
        ["s3:GetObject", "s3:GetX", "s3:PutObject", "s3:Unheard"].into_iter().flat_map(move |action| {
            ["arn:aws:s3:::b/k", "arn:aws:s3:::b/p/k", BUCKET].map(move |resource| Request {
                account,
                action,
                resource,
            })
        })
    })
}

fn globs(value: &Value, text: &str) -> bool {
    let patterns = value.as_array().unwrap().iter();
    patterns.map(|pattern| pattern.as_str().unwrap()).any(|pattern| glob(pattern.as_bytes(), text.as_bytes()))
}

/// As slow and as plain as can be.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) if glob(rest, text) => true,
        ([b'*', ..], [_, after @ ..]) => glob(pattern, after),
        ([b'?', rest @ ..], [_, after @ ..]) => glob(rest, after),
        ([mine, rest @ ..], [theirs, after @ ..]) => mine == theirs && glob(rest, after),
        _ => false,
    }
}

fn is_denied(statement: &Value, request: Request) -> bool {
    let has = |key: &str, text: &str| match (statement.get(key), statement.get(format!("Not{key}"))) {
        (Some(these), _) => globs(these, text),
        (_, Some(others)) => !globs(others, text),
        _ => panic!("no {key}"),
    };
    let principal = match &statement["Principal"]["AWS"] {
        Value::String(one) => one == "*" || one == request.account,
        _ => statement["Principal"] == "*",
    };
    let condition = statement["Condition"].as_object().unwrap().iter().all(|(operator, keys)| {
        keys.as_object().unwrap().iter().all(|(key, value)| match (operator.as_str(), key.as_str()) {
            ("Bool", "aws:SecureTransport") => value == "false",
            ("StringNotEquals", "aws:PrincipalAccount") => value != request.account,
            _ => panic!("{operator} {key}"),
        })
    });
    statement["Effect"] == "Deny"
        && principal
        && has("Action", request.action)
        && has("Resource", request.resource)
        && condition
}

fn small_statement() -> impl Strategy<Value = Value> {
    let lists = |of: &'static [&'static str]| prop::sample::subsequence(of, 1..3);
    (
        prop::sample::select(vec!["Deny", "Deny", "Deny", "Allow"]),
        prop::sample::select(vec![json!("*"), json!("*"), json!({ "AWS": "*" }), json!({ "AWS": "1" })]),
        prop::sample::select(vec!["Action", "Action", "NotAction"]),
        lists(&["s3:*", "s3:Get*", "s3:?*", "s3:GetX", "iam:*"]),
        prop::sample::select(vec!["Resource", "Resource", "NotResource"]),
        lists(&[BUCKET, "arn:aws:s3:::b/*", "*", "arn:aws:s3:::b/p/*", "arn:aws:s3:::c/*"]),
        prop::sample::select(vec![
            json!({ "Bool": { "aws:SecureTransport": "false" } }),
            json!({ "Bool": { "aws:SecureTransport": "false" } }),
            json!({ "Bool": { "aws:SecureTransport": "true" } }),
            json!({ "Bool": { "aws:SecureTransport": "false" }, "StringNotEquals": { "aws:PrincipalAccount": "1" } }),
        ]),
    )
        .prop_map(|(effect, principal, action, actions, resource, resources, condition)| {
            let mut statement = json!({ "Effect": effect, "Principal": principal, "Condition": condition });
            statement[action] = json!(actions);
            statement[resource] = json!(resources);
            statement
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_passes_denies_every_request(statements in prop::collection::vec(small_statement(), 0..4)) {
        let policy = json!({ "Statement": statements });
        for include_bucket in [false, true] {
            let escapes = requests()
                .filter(|request| include_bucket || request.resource != BUCKET)
                .find(|request| !statements.iter().any(|statement| is_denied(statement, *request)));
            if requires_tls(&policy, BUCKET, include_bucket).unwrap() {
                prop_assert!(escapes.is_none(), "{:?}", escapes);
            } else if statements.len() == 1 && statements[0].get("NotResource").is_none() {
                // One statement can be judged exactly: what fails lets some request through.
                prop_assert!(escapes.is_some());
            }
        }
    }
}
