//! What the requirements ask for, and which patterns give it.

use serde_json::json;

use super::*;

/// The patterns that the benchmark prints in its version 5.0.
const PRINTED: [(&str, &str); 15] = [
    (
        "unauthorized-api",
        r#"{ ($.errorCode ="*UnauthorizedOperation") || ($.errorCode ="AccessDenied*") && ($.sourceIPAddress!="delivery.logs.amazonaws.com") && ($.eventName!="HeadBucket") }"#,
    ),
    (
        "console-no-mfa",
        r#"{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") && ($.userIdentity.type = "IAMUser") && ($.responseElements.ConsoleLogin = "Success") }"#,
    ),
    (
        "root-usage",
        r#"{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS && $.eventType != "AwsServiceEvent" }"#,
    ),
    (
        "iam-policy-changes",
        "{($.eventName=DeleteGroupPolicy)||($.eventName=DeleteRolePolicy)||($.eventName=DeleteUserPolicy)||($.eventName=PutGroupPolicy)||($.eventName=PutRolePolicy)||($.eventName=PutUserPolicy)||($.eventName=CreatePolicy)||($.eventName=DeletePolicy)||($.eventName=CreatePolicyVersion)||($.eventName=DeletePolicyVersion)||($.eventName=AttachRolePolicy)||($.eventName=DetachRolePolicy)||($.eventName=AttachUserPolicy)||($.eventName=DetachUserPolicy)||($.eventName=AttachGroupPolicy)||($.eventName=DetachGroupPolicy)}",
    ),
    (
        "cloudtrail-changes",
        "{ ($.eventName = CreateTrail) || ($.eventName = UpdateTrail) || ($.eventName = DeleteTrail) || ($.eventName = StartLogging) || ($.eventName = StopLogging) }",
    ),
    (
        "console-auth-failures",
        r#"{ ($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication") }"#,
    ),
    (
        "kms-disable-delete",
        "{($.eventSource = kms.amazonaws.com) && (($.eventName=DisableKey)||($.eventName=ScheduleKeyDeletion)) }",
    ),
    (
        "s3-policy-changes",
        "{ ($.eventSource = s3.amazonaws.com) && (($.eventName = PutBucketAcl) || ($.eventName = PutBucketPolicy) || ($.eventName = PutBucketCors) || ($.eventName = PutBucketLifecycle) || ($.eventName = PutBucketReplication) || ($.eventName = DeleteBucketPolicy) || ($.eventName = DeleteBucketCors) || ($.eventName = DeleteBucketLifecycle) || ($.eventName = DeleteBucketReplication)) }",
    ),
    (
        "config-changes",
        "{ ($.eventSource = config.amazonaws.com) && (($.eventName=StopConfigurationRecorder)||($.eventName=DeleteDeliveryChannel)||($.eventName=PutDeliveryChannel)||($.eventName=PutConfigurationRecorder)) }",
    ),
    (
        "security-group-changes",
        "{ ($.eventName = AuthorizeSecurityGroupIngress) || ($.eventName = AuthorizeSecurityGroupEgress) || ($.eventName = RevokeSecurityGroupIngress) || ($.eventName = RevokeSecurityGroupEgress) || ($.eventName = CreateSecurityGroup) || ($.eventName = DeleteSecurityGroup) || ($.eventName = ModifySecurityGroupRules) }",
    ),
    (
        "nacl-changes",
        "{ ($.eventName = CreateNetworkAcl) || ($.eventName = CreateNetworkAclEntry) || ($.eventName = DeleteNetworkAcl) || ($.eventName = DeleteNetworkAclEntry) || ($.eventName = ReplaceNetworkAclEntry) || ($.eventName = ReplaceNetworkAclAssociation) }",
    ),
    (
        "gateway-changes",
        "{ ($.eventName = CreateCustomerGateway) || ($.eventName = DeleteCustomerGateway) || ($.eventName = AttachInternetGateway) || ($.eventName = CreateInternetGateway) || ($.eventName = DeleteInternetGateway) || ($.eventName = DetachInternetGateway) }",
    ),
    (
        "route-table-changes",
        "{($.eventSource = ec2.amazonaws.com) && ($.eventName = CreateRoute) || ($.eventName = CreateRouteTable) || ($.eventName = ReplaceRoute) || ($.eventName = ReplaceRouteTableAssociation) || ($.eventName = DeleteRouteTable) || ($.eventName = DeleteRoute) || ($.eventName = DisassociateRouteTable) }",
    ),
    (
        "vpc-changes",
        "{ ($.eventName = CreateVpc) || ($.eventName = DeleteVpc) || ($.eventName = ModifyVpcAttribute) || ($.eventName = AcceptVpcPeeringConnection) || ($.eventName = CreateVpcPeeringConnection) || ($.eventName = DeleteVpcPeeringConnection) || ($.eventName = RejectVpcPeeringConnection) || ($.eventName = AttachClassicLinkVpc) || ($.eventName = DetachClassicLinkVpc) || ($.eventName = DisableVpcClassicLink) || ($.eventName = EnableVpcClassicLink) }",
    ),
    (
        "organizations-changes",
        r#"{ ($.eventSource = organizations.amazonaws.com) && (($.eventName = "AcceptHandshake") || ($.eventName = "AttachPolicy") || ($.eventName = "CreateAccount") || ($.eventName = "CreateOrganizationalUnit") || ($.eventName = "CreatePolicy") || ($.eventName = "DeclineHandshake") || ($.eventName = "DeleteOrganization") || ($.eventName = "DeleteOrganizationalUnit") || ($.eventName = "DeletePolicy") || ($.eventName = "DetachPolicy") || ($.eventName = "DisablePolicyType") || ($.eventName = "EnablePolicyType") || ($.eventName = "InviteAccountToOrganization") || ($.eventName = "LeaveOrganization") || ($.eventName = "MoveAccount") || ($.eventName = "RemoveAccountFromOrganization") || ($.eventName = "UpdatePolicy") || ($.eventName = "UpdateOrganizationalUnit")) }"#,
    ),
];

fn missed(patterns: &[&str], requirement: &str) -> Vec<&'static str> {
    missed_events(&json!(patterns), requirement, "7.0")
        .unwrap_or_else(|why| panic!("{requirement}: {patterns:?}: {why}"))
}

fn mistake(pattern: &str, requirement: &str) -> String {
    missed_events(&json!([pattern]), requirement, "7.0").expect_err(pattern).to_string()
}

fn samples(requirement: &str) -> Vec<events::Sample> {
    Requirement::parse(requirement).unwrap().samples(Version::parse("7.0").unwrap())
}

#[test]
fn each_has_a_name_and_a_printed_pattern() {
    assert_eq!(PRINTED.map(|(requirement, _)| requirement), Requirement::NAMES);
    for name in Requirement::NAMES {
        assert!(!samples(name).is_empty(), "{name}");
    }
}

#[test]
fn the_printed_patterns_cover_them() {
    for (requirement, pattern) in PRINTED {
        assert_eq!(missed(&[pattern], requirement), [""; 0], "{requirement}");
        assert_eq!(matches_every_event(pattern), Ok(false), "{requirement}");
    }
}

#[test]
fn a_printed_pattern_covers_no_other_requirement() {
    for (requirement, _) in PRINTED {
        for (other, pattern) in PRINTED.into_iter().filter(|(other, _)| *other != requirement) {
            let wanted = samples(requirement);
            let missed = missed(&[pattern], requirement);
            assert!(!missed.is_empty(), "the pattern of {other} covers {requirement}");
            // Sign-ins are asked for by three, and policies are created in two services.
            let shared = ["ConsoleLogin", "CreatePolicy", "DeletePolicy"];
            let unshared = wanted.iter().map(|sample| sample.name).filter(|name| !shared.contains(name));
            for name in unshared {
                let by_root = other == "root-usage" || requirement == "root-usage";
                assert!(by_root || missed.contains(&name), "{other} matches {name} of {requirement}");
            }
        }
    }
}

#[test]
fn every_event_that_is_left_out_is_named() {
    for (requirement, pattern) in PRINTED {
        let Ok(Requirement::Changes(_)) = Requirement::parse(requirement) else { continue };
        let samples = samples(requirement);
        for name in samples.iter().map(|sample| sample.name) {
            for (written, instead) in [
                (format!("={name})"), "=Nothing)".to_owned()),
                (format!("= {name})"), "= Nothing)".to_owned()),
                (format!("\"{name}\""), format!("\"{}\"", name.to_lowercase())),
            ] {
                let changed = pattern.replace(&written, &instead);
                if changed != pattern {
                    assert_eq!(missed(&[&changed], requirement), [name], "{changed}");
                }
            }
        }
    }
}

#[test]
fn other_ways_to_write_it_cover_it_too() {
    for (requirement, pattern) in [
        ("cloudtrail-changes", r#"{ $.eventName = "*Trail" || $.eventName = "St*" }"#),
        ("cloudtrail-changes", "{ $.eventName = %Trail$% || $.eventName = %^St[a-z]+Logging$% }"),
        ("cloudtrail-changes", "{($.eventSource=\"cloudtrail.amazonaws.com\")&&($.readOnly IS FALSE)}"),
        ("cloudtrail-changes", "?CreateTrail ?UpdateTrail ?DeleteTrail ?StartLogging ?StopLogging"),
        (
            "kms-disable-delete",
            "{ ( ( $.eventName = \"ScheduleKeyDeletion\" ) ||\n ($.eventName=DisableKey)) && $.eventSource = kms.* }",
        ),
        (
            "kms-disable-delete",
            "{ $.eventSource = kms.amazonaws.com && $.eventName = DisableKey || $.eventSource = kms.amazonaws.com && $.eventName = ScheduleKeyDeletion }",
        ),
        (
            "nacl-changes",
            "{ $.eventSource = ec2* && $.eventName = *NetworkAcl* && $.eventName != Describe* }",
        ),
        ("security-group-changes", "{ $.eventName = *SecurityGroup* && $.eventName != Describe* }"),
        (
            "route-table-changes",
            "{ $.eventSource = ec2.amazonaws.com && ($.eventName = *Route || $.eventName = *RouteTable*) }",
        ),
        ("root-usage", "{ $.userIdentity.type = Root }"),
        ("console-no-mfa", r#"{ $.eventName = ConsoleLogin && $.additionalEventData.MFAUsed = "No" }"#),
        ("console-auth-failures", "{ $.responseElements.ConsoleLogin = Failure }"),
        ("unauthorized-api", r#"{ $.errorCode = "*Unauthorized*" || $.errorCode = AccessDenied* }"#),
    ] {
        assert_eq!(missed(&[pattern], requirement), [""; 0], "{pattern}");
    }
}

#[test]
fn several_filters_share_the_work() {
    let halves = ["{ $.eventName = *Trail }", "[ip, user, ...]", "{ $.eventName = %Logging$% }"];
    assert_eq!(missed(&halves, "cloudtrail-changes"), [""; 0]);
    assert_eq!(missed(&halves[..1], "cloudtrail-changes"), ["StartLogging", "StopLogging"]);
    assert_eq!(missed(&[], "kms-disable-delete"), ["DisableKey", "ScheduleKeyDeletion"]);
}

#[test]
fn what_is_wrong_with_a_pattern_is_named() {
    let all = ["DisableKey", "ScheduleKeyDeletion"];
    for (pattern, expected) in [
        ("{ $.eventName = DisableKey && $.eventName = ScheduleKeyDeletion }", &all[..]),
        ("{ $.eventName = disableKey || $.eventName = ScheduleKeyDeletion }", &all[..1]),
        ("{ $.eventName = DisableKey || $.eventName = ScheduleKeyDeletoin }", &all[1..]),
        ("{ $.eventNames = DisableKey || $.eventName = ScheduleKeyDeletion }", &all[..1]),
        ("{ $.eventname = * }", &all[..]),
        (
            "{ $.eventSource = s3.amazonaws.com && ($.eventName = DisableKey || $.eventName = ScheduleKeyDeletion) }",
            &all[..],
        ),
        // Binds tighter than it looks: the identity belongs to the second name only.
        (
            "{ $.eventName = DisableKey || $.eventName = ScheduleKeyDeletion && $.userIdentity.type = IAMUser }",
            &all[1..],
        ),
    ] {
        assert_eq!(missed(&[pattern], "kms-disable-delete"), expected, "{pattern}");
    }
}

#[test]
fn a_name_is_more_than_its_beginning() {
    let pattern = "{ $.eventName = CreateRouteTable || $.eventName = Replace* || $.eventName = D* }";
    assert_eq!(missed(&[pattern], "route-table-changes"), ["CreateRoute"]);
}

#[test]
fn whoever_makes_the_change_and_wherever_it_is_seen() {
    let changes = "($.eventName = DisableKey || $.eventName = ScheduleKeyDeletion)";
    for narrowed in [
        "$.userIdentity.type = IAMUser",
        "$.userIdentity.type != Root",
        "$.userIdentity.invokedBy NOT EXISTS",
        // Not true of an event without the property.
        "$.userIdentity.invokedBy != autoscaling.amazonaws.com",
        "$.awsRegion = us-east-1",
        "$.sourceIPAddress != cloudformation.amazonaws.com",
        "$.sessionCredentialFromConsole NOT EXISTS",
        "$.sessionCredentialFromConsole = true",
        "$.vpcEndpointId NOT EXISTS",
        "$.requestParameters = *",
    ] {
        let pattern = format!("{{ {changes} && {narrowed} }}");
        assert_eq!(missed(&[&pattern], "kms-disable-delete").len(), 2, "{narrowed}");
    }
    for allowed in ["$.errorCode NOT EXISTS", "$.managementEvent IS TRUE", "$.eventType = AwsApiCall"] {
        let pattern = format!("{{ {changes} && {allowed} }}");
        assert_eq!(missed(&[&pattern], "kms-disable-delete"), [""; 0], "{allowed}");
    }
}

#[test]
fn what_depends_on_the_account_or_on_a_person_is_undecided() {
    for condition in [
        "$.recipientAccountId = 111122223333",
        "$.userIdentity.accountId = \"111122223333\"",
        "$.userIdentity.arn != \"*role/terraform\"",
        "$.eventTime > 5",
        "$.requestParameters.keyId NOT EXISTS",
        "$.requestParameters.keyId = *",
        "$.requestParameters.items[0].id != x",
        "$.responseElements IS NULL",
    ] {
        let pattern = format!("{{ $.eventSource = kms.amazonaws.com && {condition} }}");
        assert!(mistake(&pattern, "kms-disable-delete").contains("cannot be decided"), "{condition}");
    }
    assert!(mistake("kms -terraform", "kms-disable-delete").contains("cannot be decided"));
    let with_any_name = "{ $.eventSource = kms.amazonaws.com && $.userIdentity.arn = * }";
    assert_eq!(missed(&[with_any_name], "kms-disable-delete"), [""; 0]);
}

#[test]
fn the_version_says_which_events_are_listed() {
    let (_, pattern) = PRINTED[9];
    let six = pattern.replace(" || ($.eventName = ModifySecurityGroupRules)", "");
    for (version, expected) in [
        ("1.5", vec![]),
        ("4.0", vec![]),
        ("4.0.1", vec![]),
        ("5.0", vec!["ModifySecurityGroupRules"]),
        ("10.0", vec!["ModifySecurityGroupRules"]),
    ] {
        let missed = missed_events(&json!([six]), "security-group-changes", version).unwrap();
        assert_eq!(missed, expected, "{version}");
    }
    for version in ["", "5", "v5.0", "5.0.", "5.0.x", "5.0.1.1", "-1.0"] {
        missed_events(&json!([six]), "security-group-changes", version).expect_err(version);
    }
}

#[test]
fn what_the_benchmark_does_not_list_is_not_asked_for() {
    let all: Vec<&str> =
        Requirement::NAMES.iter().flat_map(|name| samples(name)).map(|sample| sample.name).collect();
    for name in
        ["PutEventSelectors", "CancelHandshake", "CreateOrganization", "EnableAllFeatures", "HeadBucket"]
    {
        assert!(!all.contains(&name), "{name}");
    }
    let count = |name| {
        let mut names: Vec<_> = samples(name).iter().map(|s| s.name).collect();
        names.dedup();
        names.len()
    };
    assert_eq!(count("iam-policy-changes"), 16);
    assert_eq!(count("s3-policy-changes"), 9);
    assert_eq!(count("vpc-changes"), 11);
    assert_eq!(count("organizations-changes"), 18);
}

#[test]
fn each_code_of_a_refused_call_is_asked_for() {
    let codes = |pattern| missed(&[pattern], "unauthorized-api");
    assert_eq!(
        codes(r#"{ $.errorCode = "*UnauthorizedOperation" }"#),
        ["AccessDenied", "AccessDeniedException"]
    );
    assert_eq!(
        codes(r#"{ $.errorCode = "UnauthorizedOperation" || $.errorCode = "AccessDenied" }"#),
        ["Client.UnauthorizedOperation", "AccessDeniedException"]
    );
}

#[test]
fn root_is_more_than_its_sign_in() {
    let pattern = "{ $.userIdentity.type = Root && $.eventName = ConsoleLogin }";
    assert_eq!(missed(&[pattern], "root-usage"), ["CreateAccessKey", "ListBuckets"]);
    assert_eq!(missed(&["{ $.userIdentity.type = root }"], "root-usage").len(), 3);
    let by_services = "{ $.userIdentity.type = Root && $.userIdentity.invokedBy != x }";
    assert_eq!(missed(&[by_services], "root-usage").len(), 3);
}

#[test]
fn a_pattern_that_matches_everything_is_found_out() {
    // As the versions 1.5 to 3.0 of the benchmark print it.
    let printed_wrongly = r#"{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") || ($.sourceIPAddress!="delivery.logs.amazonaws.com") || ($.eventName!="HeadBucket") }"#;
    for pattern in
        [printed_wrongly, "", "  ", r#"" ""#, "{ $.eventName = * }", "{ $.eventName != HeadBucket }"]
    {
        assert_eq!(matches_every_event(pattern), Ok(true), "{pattern}");
    }
    for pattern in ["{ $.userIdentity.type = Root }", "{ $.eventSource = ec2.amazonaws.com }", "ERROR"] {
        assert_eq!(matches_every_event(pattern), Ok(false), "{pattern}");
    }
    for pattern in ["[a, b]", "{ $.eventName }", "{ $.recipientAccountId = 111122223333 }"] {
        matches_every_event(pattern).expect_err(pattern);
    }
}

#[test]
fn what_cannot_be_decided_is_neither_covered_nor_missed() {
    for pattern in ["[ip, user]", "{ $.eventName EXISTS }", "{ $.eventName = Create*Tra*l }", r#""a": "b""#] {
        let patterns = json!([pattern, "{ $.eventName = StartLogging || $.eventName = StopLogging }"]);
        missed_events(&patterns, "cloudtrail-changes", "7.0").expect_err(pattern);
    }
}

#[test]
fn mistakes_say_what_is_wrong() {
    assert_eq!(
        mistake("{ $.eventName EXISTS }", "cloudtrail-changes"),
        "a filter pattern cannot be read: expected a comparison such as `=`, `NOT EXISTS` or `IS TRUE` at \
         character 15"
    );
    assert_eq!(
        mistake("[ip]", "cloudtrail-changes"),
        "a filter pattern cannot be decided: it names the columns of a text, and an event is JSON"
    );
    let unknown = missed_events(&json!([]), "vpcs", "7.0").unwrap_err().to_string();
    assert!(unknown.starts_with("the requirement must be one of 'unauthorized-api', "), "{unknown}");
    missed_events(&json!("{ $.a = 1 }"), "vpc-changes", "7.0").expect_err("not a list");
    missed_events(&json!([null]), "vpc-changes", "7.0").expect_err("not a text");
}
