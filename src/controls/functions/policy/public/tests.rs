use proptest::prelude::*;
use serde_json::json;

use super::*;

fn allow(principal: Value, condition: Value) -> Value {
    json!({ "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*",
            "Condition": condition })
}

fn is_public(statements: Value) -> bool {
    !public_statements(&json!({ "Statement": statements })).unwrap().is_empty()
}

fn is_public_when(operator: &str, key: &str, value: Value) -> bool {
    let condition = Value::Object([(operator.to_owned(), json!({ key: value }))].into_iter().collect());
    is_public(allow(json!("*"), condition))
}

#[test]
fn everyone_is_a_star_or_all_but_somebody() {
    for principal in [
        json!("*"),
        json!({ "AWS": "*" }),
        json!({ "AWS": ["arn:aws:iam::111122223333:root", "*"] }),
        json!({ "Service": "cloudtrail.amazonaws.com", "AWS": ["*"] }),
        json!({ "CanonicalUser": "*" }),
    ] {
        assert!(is_public(allow(principal.clone(), json!({}))), "{principal}");
    }
    for principal in [
        json!({ "AWS": "arn:aws:iam::111122223333:root" }),
        json!({ "AWS": ["111122223333"] }),
        json!({ "Service": "cloudtrail.amazonaws.com" }),
        json!({ "AWS": [] }),
        json!({}),
    ] {
        assert!(!is_public(allow(principal.clone(), json!({}))), "{principal}");
    }
    let but = |principal: Value| json!({ "Effect": "Allow", "NotPrincipal": principal, "Action": "s3:GetObject", "Resource": "*" });
    assert!(is_public(but(json!({ "AWS": "arn:aws:iam::111122223333:user/mallory" }))));
    assert!(!is_public(but(json!("*"))));
}

#[test]
fn known_callers_bind_a_statement() {
    for (operator, key, value) in [
        ("StringEquals", "AWS:principalOrgId", json!("o-a1b2c3d4e5")),
        ("StringEqualsIgnoreCase", "aws:PrincipalAccount", json!(["111122223333", "444455556666"])),
        ("stringequals", "aws:SourceAccount", json!(111_122_223_333_i64)),
        ("StringLike", "aws:SourceVpce", json!("vpce-0123456789abcdef0")),
        ("StringEquals", "AWS:SourceOwner", json!("111122223333")),
        ("StringEquals", "kms:CallerAccount", json!("111122223333")),
        ("StringEquals", "aws:userid", json!("AIDAEXAMPLE")),
        ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", json!("o-a1b2c3d4e5/r-ab12/*")),
        ("ArnLike", "aws:PrincipalArn", json!("arn:aws:iam::111122223333:role/*")),
        ("ArnEquals", "aws:SourceArn", json!("arn:aws:cloudfront::111122223333:distribution/E1")),
        ("ArnLike", "aws:SourceArn", json!("arn:*:sns:*:111122223333:*")),
        ("StringLike", "aws:SourceArn", json!("arn:aws:sns:*:111122223333:*")),
        ("ArnEquals", "aws:SourceArn", json!("arn:aws:s3:::my-bucket")),
        ("StringLike", "s3:DataAccessPointArn", json!("arn:aws:s3:us-west-2:111122223333:accesspoint/*")),
        ("IpAddress", "aws:SourceIp", json!(["203.0.113.0/24", "2001:db8::/32", "192.0.2.1"])),
        ("IpAddress", "aws:SourceIp", json!("10.0.0.0/8")),
    ] {
        assert!(!is_public_when(operator, key, value.clone()), "{operator} {key} {value}");
    }
}

#[test]
fn what_anybody_can_be_or_send_binds_nothing() {
    for (operator, key, value) in [
        ("IpAddress", "aws:SourceIp", json!(["203.0.113.0/24", "0.0.0.0/0"])),
        ("IpAddress", "aws:SourceIp", json!("128.0.0.0/7")),
        ("IpAddress", "aws:SourceIp", json!("2000::/3")),
        ("IpAddress", "aws:VpcSourceIp", json!("10.0.0.0/8")),
        ("StringLike", "aws:SourceIp", json!("203.0.113.1")),
        ("IpAddress", "aws:PrincipalAccount", json!("203.0.113.0/24")),
        ("StringLike", "aws:PrincipalAccount", json!("*")),
        ("StringLike", "aws:PrincipalAccount", json!(["111122223333", "*"])),
        ("StringLike", "aws:SourceVpc", json!("vpc-*")),
        ("StringLike", "aws:PrincipalOrgID", json!("o-?*")),
        ("StringEquals", "aws:PrincipalOrgID", json!("${aws:PrincipalOrgID}")),
        ("StringEquals", "aws:PrincipalOrgID", json!("")),
        ("StringLike", "aws:userid", json!("AROAEXAMPLE:*")),
        ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", json!("o-*/r-ab12/*")),
        ("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", json!("*")),
        ("ArnLike", "aws:PrincipalArn", json!("arn:aws:iam::*:role/admin")),
        ("ArnLike", "aws:PrincipalArn", json!("arn:aws:iam::11112222333?:role/admin")),
        ("ArnLike", "aws:PrincipalArn", json!("*")),
        ("StringLike", "aws:PrincipalArn", json!("arn:aws:iam:*:111122223333:role/admin")),
        ("StringLike", "aws:PrincipalArn", json!("arn:*:iam::111122223333:*")),
        ("ArnLike", "aws:SourceArn", json!("arn:aws:s3:::my-*")),
        ("StringNotEquals", "aws:PrincipalAccount", json!("444455556666")),
        ("NotIpAddress", "aws:SourceIp", json!("203.0.113.0/24")),
        ("StringEqualsIfExists", "aws:SourceVpce", json!("vpce-1")),
        ("ForAllValues:StringEquals", "aws:PrincipalOrgID", json!("o-a1b2c3d4e5")),
        ("Null", "aws:PrincipalOrgID", json!("false")),
        ("Bool", "aws:SecureTransport", json!("true")),
        ("StringEquals", "aws:Referer", json!("https://example.com")),
        ("StringEquals", "lambda:FunctionUrlAuthType", json!("NONE")),
        ("StringEquals", "kms:ViaService", json!("s3.us-east-1.amazonaws.com")),
        ("StringEquals", "aws:username", json!("ann")),
    ] {
        assert!(is_public_when(operator, key, value.clone()), "{operator} {key} {value}");
    }
}

#[test]
fn one_binding_condition_of_several_is_enough() {
    let condition = json!({
        "StringEquals": { "aws:Referer": "x", "aws:PrincipalOrgID": "o-a1b2c3d4e5" },
        "Bool": { "aws:SecureTransport": "true" },
    });
    assert!(!is_public(allow(json!("*"), condition)));
    let condition = json!({ "StringLike": { "aws:Referer": "x", "aws:PrincipalOrgID": "*" } });
    assert!(is_public(allow(json!("*"), condition)));
}

#[test]
fn a_source_that_is_no_address_is_a_mistake() {
    let policy =
        json!({ "Statement": allow(json!("*"), json!({ "IpAddress": { "aws:SourceIp": "anywhere" } })) });
    assert!(public_statements(&policy).is_err());
}

#[test]
fn a_denial_for_strangers_that_covers_the_statement_closes_it() {
    let with = |condition: Value, action: &str, resource: &str, principal: Value| {
        let deny = json!({ "Effect": "Deny", "Principal": principal, "Action": action, "Resource": resource,
                           "Condition": condition });
        is_public(json!([deny, allow(json!("*"), json!({}))]))
    };
    let outside = json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-a1b2c3d4e5" } });
    assert!(!with(outside.clone(), "s3:*", "arn:aws:s3:::b/*", json!("*")));
    assert!(!with(json!({}), "s3:Get*", "*", json!({ "AWS": "*" })));
    assert!(!with(json!({ "NotIpAddress": { "aws:SourceIp": "203.0.113.0/24" } }), "*", "*", json!("*")));
    assert!(!with(
        json!({ "StringNotEqualsIfExists": { "aws:SourceVpce": "vpce-1" } }),
        "*",
        "*",
        json!("*")
    ));

    assert!(with(outside.clone(), "s3:Put*", "*", json!("*")), "other actions");
    assert!(with(outside.clone(), "s3:*", "arn:aws:s3:::b/private/*", json!("*")), "other objects");
    assert!(with(outside, "s3:*", "*", json!({ "AWS": "111122223333" })), "other people");
    assert!(with(json!({ "Bool": { "aws:SecureTransport": "false" } }), "s3:*", "*", json!("*")));
    assert!(with(json!({ "NotIpAddress": { "aws:SourceIp": "0.0.0.0/0" } }), "*", "*", json!("*")));
    assert!(with(json!({ "StringNotLike": { "aws:PrincipalOrgID": "*" } }), "*", "*", json!("*")));
    assert!(with(json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1" } }), "*", "*", json!("*")));
    let anyway = json!({ "ForAnyValue:StringNotEquals": { "aws:PrincipalOrgID": "o-1" } });
    assert!(with(anyway, "*", "*", json!("*")), "does not hold without the key");
    let two = json!({ "StringNotEquals": { "aws:PrincipalOrgID": "o-1", "aws:SourceVpce": "vpce-1" } });
    assert!(with(two, "*", "*", json!("*")), "strangers in the endpoint");
}

#[test]
fn the_statements_are_given_as_they_are_written() {
    let bound = allow(json!("*"), json!({ "StringEquals": { "aws:SourceVpc": "vpc-1" } }));
    let open = allow(json!("*"), json!({ "Bool": { "aws:SecureTransport": true } }));
    let policy = json!({ "Statement": [bound, open] });
    assert_eq!(public_statements(&policy), Ok(vec![open]));
}

/// A request of the brute-force evaluator; what it does not carry is not there.
struct Stranger {
    account: Option<&'static str>,
    organization: Option<&'static str>,
    address: u8,
}

/// People nobody knows: no policy below names their account, organization or network.
fn strangers() -> impl Iterator<Item = Stranger> {
    [(None, None), (Some("2"), None), (Some("2"), Some("o-2"))].into_iter().flat_map(
        |(account, organization)| [20, 200].map(move |address| Stranger { account, organization, address }),
    )
}

fn holds(operator: &str, key: &str, values: &[&str], stranger: &Stranger) -> bool {
    let sent = match key {
        "aws:PrincipalAccount" => stranger.account.map(str::to_owned),
        "aws:PrincipalOrgID" => stranger.organization.map(str::to_owned),
        _ => Some(stranger.address.to_string()),
    };
    let equals = |sent: &String| {
        values.iter().any(|value| match value.split_once('/') {
            Some((_, "0")) => true,
            Some((network, "8")) => network.split('.').next() == Some(sent),
            _ if operator.contains("Like") => {
                *value == sent || *value == "*" || (*value == "o-*" && sent.starts_with("o-"))
            }
            _ => *value == sent,
        })
    };
    match operator {
        "Null" => values.contains(&if sent.is_some() { "false" } else { "true" }),
        _ if operator.contains("Not") => !sent.as_ref().is_some_and(equals),
        _ if operator.ends_with("IfExists") => sent.as_ref().is_none_or(equals),
        _ => sent.as_ref().is_some_and(equals),
    }
}

type Small = (bool, &'static str, &'static str, Vec<(&'static str, &'static str, Vec<&'static str>)>);

fn small_condition() -> impl Strategy<Value = (&'static str, &'static str, Vec<&'static str>)> {
    let text = |key: &'static str, values: &'static [&'static str]| {
        let operators = vec![
            "StringEquals",
            "StringLike",
            "StringNotEquals",
            "StringNotLike",
            "StringEqualsIfExists",
            "Null",
        ];
        (prop::sample::select(operators), Just(key), prop::sample::subsequence(values, 1..3))
    };
    prop_oneof![
        text("aws:PrincipalAccount", &["1", "3", "*"]),
        text("aws:PrincipalOrgID", &["o-1", "o-3", "o-*"]),
        (
            prop::sample::select(vec!["IpAddress", "NotIpAddress"]),
            Just("aws:SourceIp"),
            prop::sample::subsequence(&["10.0.0.0/8", "0.0.0.0/0"][..], 1..3),
        ),
    ]
}

fn small_statement() -> impl Strategy<Value = Small> {
    (
        prop::bool::weighted(0.7),
        prop::sample::select(vec!["s3:GetObject", "s3:Get*", "s3:PutObject", "s3:*"]),
        prop::sample::select(vec!["arn:aws:s3:::b/*", "arn:aws:s3:::b/p/*"]),
        prop::collection::vec(small_condition(), 0..3),
    )
}

fn written((allows, action, resource, conditions): &Small) -> Value {
    let mut condition = json!({});
    for (operator, key, values) in conditions {
        condition[operator][key] = json!(values);
    }
    json!({ "Effect": if *allows { "Allow" } else { "Deny" }, "Principal": "*", "Action": action, "Resource": resource,
            "Condition": condition })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_a_stranger_gets_is_told(statements in prop::collection::vec(small_statement(), 0..4)) {
        let told = public_statements(&json!({ "Statement": statements.iter().map(written).collect::<Vec<_>>() })).unwrap();
        let fits = |(_, pattern, resource, conditions): &Small, action: &str, object: &str, stranger: &Stranger| {
            (*pattern == action || pattern.strip_suffix('*').is_some_and(|start| action.starts_with(start)))
                && object.starts_with(resource.trim_end_matches('*'))
                // Two of the same key and operator are one condition in JSON, and the later one.
                && conditions.iter().enumerate().all(|(at, (operator, key, values))| {
                    conditions[at + 1..].iter().any(|later| (later.0, later.1) == (*operator, *key))
                        || holds(operator, key, values, stranger)
                })
        };
        for stranger in strangers() {
            for action in ["s3:GetObject", "s3:GetX", "s3:PutObject"] {
                for object in ["arn:aws:s3:::b/k", "arn:aws:s3:::b/p/k"] {
                    let denied = statements.iter().any(|s| !s.0 && fits(s, action, object, &stranger));
                    for statement in statements.iter().filter(|s| s.0 && !denied && fits(s, action, object, &stranger)) {
                        prop_assert!(told.contains(&written(statement)), "{:?}", statement);
                    }
                }
            }
        }
    }
}

fn any_statement() -> impl Strategy<Value = Value> {
    let principal = prop::sample::select(vec![
        json!("*"),
        json!({ "AWS": ["111122223333", "*"] }),
        json!({ "AWS": "111122223333" }),
        json!({ "Service": "s3.amazonaws.com" }),
    ]);
    (small_statement(), principal).prop_map(|(statement, principal)| {
        let mut statement = written(&statement);
        statement["Principal"] = principal;
        statement
    })
}

/// What a policy opens to strangers: statements, kinds of access, services.
fn opened(statements: &[Value]) -> [Vec<Value>; 3] {
    let policy = json!({ "Statement": statements });
    let access = super::super::public_access(&policy).unwrap();
    [
        public_statements(&policy).unwrap(),
        access.into_iter().map(Value::from).collect(),
        services_without_source(&policy).unwrap(),
    ]
}

fn is_part(some: &[Vec<Value>; 3], all: &[Vec<Value>; 3]) -> bool {
    some.iter().zip(all).all(|(some, all)| some.iter().all(|one| all.contains(one)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_deny_never_opens_and_an_allow_never_closes(
        statements in prop::collection::vec(any_statement(), 0..4),
        mut more in any_statement(),
        place in any::<prop::sample::Index>(),
    ) {
        let before = opened(&statements);
        let mut with = |effect: &str| {
            more["Effect"] = json!(effect);
            let mut statements = statements.clone();
            statements.insert(place.index(statements.len() + 1), more.clone());
            opened(&statements)
        };
        prop_assert!(is_part(&with("Deny"), &before));
        prop_assert!(is_part(&before, &with("Allow")));
    }

    #[test]
    fn a_binding_condition_on_each_statement_closes_a_policy(statements in prop::collection::vec(any_statement(), 0..4)) {
        let bound: Vec<Value> = statements.into_iter().map(|mut statement| {
            statement["Condition"]["ArnLike"] = json!({ "aws:SourceArn": "arn:aws:sns:*:111122223333:*" });
            statement
        }).collect();
        prop_assert!(opened(&bound).iter().all(Vec::is_empty));
    }

    #[test]
    fn the_order_of_statements_does_not_matter(statements in prop::collection::vec(any_statement(), 0..4)) {
        let reversed: Vec<Value> = statements.iter().rev().cloned().collect();
        let (forth, back) = (opened(&statements), opened(&reversed));
        prop_assert!(is_part(&forth, &back) && is_part(&back, &forth));
    }
}

fn service(condition: Value) -> Value {
    allow(json!({ "Service": "s3.amazonaws.com" }), condition)
}

fn has_service_without_source(statements: Value) -> bool {
    !services_without_source(&json!({ "Statement": statements })).unwrap().is_empty()
}

#[test]
fn a_service_is_bound_by_whom_it_comes_for() {
    for (operator, key, value) in [
        ("StringEquals", "AWS:SourceAccount", json!("111122223333")),
        ("ArnLike", "aws:SourceArn", json!("arn:aws:s3:::uploads")),
        ("ArnLike", "aws:SourceArn", json!("arn:aws:events:eu-west-1:111122223333:rule/*")),
        ("StringEquals", "aws:SourceOrgID", json!("o-a1b2c3d4e5")),
        ("StringEquals", "lambda:EventSourceToken", json!("amzn1.ask.skill.0")),
    ] {
        assert!(
            !has_service_without_source(service(json!({ operator: { key: value } }))),
            "{operator} {key}"
        );
    }
    for (operator, key, value) in [
        ("ArnLike", "aws:SourceArn", json!("arn:aws:execute-api:*:*:*")),
        ("ArnLike", "aws:SourceArn", json!("*")),
        ("StringEqualsIfExists", "aws:SourceAccount", json!("111122223333")),
        ("StringNotEquals", "aws:SourceAccount", json!("111122223333")),
        ("StringEquals", "aws:PrincipalServiceName", json!("s3.amazonaws.com")),
        ("StringLike", "lambda:EventSourceToken", json!("*")),
        ("Null", "aws:SourceAccount", json!("false")),
    ] {
        assert!(has_service_without_source(service(json!({ operator: { key: value } }))), "{operator} {key}");
    }
    assert!(has_service_without_source(service(json!({}))));
    let mixed = json!({ "AWS": "111122223333", "Service": ["sns.amazonaws.com"] });
    assert!(has_service_without_source(allow(mixed, json!({}))));
}

#[test]
fn whoever_is_no_service_needs_no_source() {
    for principal in [json!("*"), json!({ "AWS": "111122223333" }), json!({ "Service": [] })] {
        assert!(!has_service_without_source(allow(principal.clone(), json!({}))), "{principal}");
    }
    let elsewhere = json!({ "StringNotEquals": { "aws:SourceAccount": "111122223333" } });
    let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": elsewhere });
    assert!(!has_service_without_source(json!([service(json!({})), deny])));
    assert!(has_service_without_source(json!([service(json!({}))])));
}
