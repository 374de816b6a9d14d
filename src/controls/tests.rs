//! The expression engine, seen through small controls and their examples.

use std::path::Path;

use serde_json::json;

use super::{Control, ControlSet, SetParameters, SourceError, VerdictKind};

/// A control on `aws.s3.bucket` with that `pass`, and one example.
fn control(pass: &str, example: &str) -> Result<Control, SourceError> {
    let example: String = example.trim().lines().map(|line| format!("    {line}\n")).collect();
    let text = format!(
        "id: c\ntitle: t\nseverity: low\nresource: aws.s3.bucket\nrationale: r\npass: >\n  {pass}\n\
         fail_message: f\nparameters:\n  names: {{ value: [a, b], description: d }}\nremediation: {{ text: t }}\n\
         examples:\n  - name: e\n{example}"
    );
    Control::parse(Path::new("c.yaml"), &text)
}

fn verdict(pass: &str, example: &str) -> VerdictKind {
    let control = control(pass, &format!("{example}\nverdict: pass")).unwrap();
    control.run_examples().remove(0).got.unwrap().verdict
}

fn mistake(pass: &str) -> SourceError {
    control(pass, "verdict: pass").unwrap_err()
}

#[test]
fn unknown_is_absorbed_only_by_an_operand_that_decides() {
    use VerdictKind::{Fail, Pass, Unknown};
    // `tags` was not observed, `ownership` was.
    let seen = "resource: { ownership: x }";
    for (pass, expected) in [
        ("'k' in resource.tags", Unknown),
        ("!('k' in resource.tags)", Unknown),
        ("resource.ownership == 'x' || 'k' in resource.tags", Pass),
        ("'k' in resource.tags || resource.ownership == 'x'", Pass),
        ("resource.ownership == 'y' && 'k' in resource.tags", Fail),
        ("'k' in resource.tags && resource.ownership == 'y'", Fail),
        ("resource.ownership == 'x' && 'k' in resource.tags", Unknown),
        ("resource.ownership == 'y' || 'k' in resource.tags", Unknown),
        ("'k' in resource.tags ? true : true", Unknown),
        ("has(resource.tags)", Unknown),
        ("resource.tags == resource.tags", Unknown),
        ("[1, 2].all(n, n == 1 && 'k' in resource.tags)", Fail),
        ("[1, 2].exists(n, n == 2 || 'k' in resource.tags)", Pass),
        ("[1].all(n, n == 1 && 'k' in resource.tags)", Unknown),
    ] {
        assert_eq!(verdict(pass, seen), expected, "{pass}");
    }
}

#[test]
fn a_list_with_a_hole_can_show_presence_but_not_absence() {
    use VerdictKind::{Fail, Pass, Unknown};
    let none = "account: {}";
    let one = "account: { users: [{ name: ann }] }";
    assert_eq!(verdict("account.users.exists(u, u.name == 'ann')", one), Pass);
    assert_eq!(verdict("account.users.exists(u, u.name == 'bob')", one), Fail);
    assert_eq!(verdict("size(account.users) == 1", one), Pass);
    for pass in [
        "account.users.exists(u, u.name == 'ann')",
        "account.users.all(u, u.name == 'ann')",
        "size(account.users) == 0",
        "account.users.size() == 0",
        "size(account.users.filter(u, u.name == 'ann')) == 0",
    ] {
        assert_eq!(verdict(pass, none), Unknown, "{pass}");
    }
}

#[test]
fn null_is_an_answer_and_reading_from_it_is_a_mistake_of_the_control() {
    use VerdictKind::{Fail, Pass, Unknown};
    let none = "resource: { logging: null }";
    assert_eq!(verdict("resource.logging == null", none), Pass);
    assert_eq!(verdict("resource.logging != null && resource.logging.target_bucket == 'x'", none), Fail);
    assert_eq!(verdict("resource.logging.target_bucket == 'x'", none), Unknown);
}

#[test]
fn a_link_is_null_only_where_the_list_that_would_show_it_was_read() {
    use VerdictKind::{Pass, Unknown};
    let trail = |example: &str, pass: &str| {
        let text = format!(
            "id: c\ntitle: t\nseverity: low\nresource: aws.cloudtrail.trail\nrationale: r\npass: {pass}\n\
             fail_message: f\nremediation: {{ text: t }}\nexamples:\n  - {{ name: e, verdict: pass, {example} }}"
        );
        Control::parse(Path::new("c.yaml"), &text).unwrap().run_examples().remove(0).got.unwrap().verdict
    };
    let to = "resource: { bucket: 'arn:aws:s3:::logs' }";
    assert_eq!(trail(to, "resource.bucket != null"), Unknown);
    let linked = "linked: [{ type: aws.s3.bucket, arn: 'arn:aws:s3:::logs', fields: { ownership: null } }]";
    assert_eq!(trail(&format!("{to}, {linked}"), "resource.bucket.ownership == null"), Pass);
}

#[test]
fn filter_patterns_are_decided_by_what_they_match() {
    use VerdictKind::{Fail, Pass, Unknown};
    for (pass, expected) in [
        ("missed_events(['{ $.eventName = *Key* }'], 'kms-disable-delete', '5.0') == []", Pass),
        ("missed_events([], 'kms-disable-delete', '5.0') == ['DisableKey', 'ScheduleKeyDeletion']", Pass),
        ("missed_events(['{ $.eventName = DisableKey }'], 'kms-disable-delete', '5.0') == []", Fail),
        ("missed_events(['[ip, user]'], 'kms-disable-delete', '5.0') == []", Unknown),
        ("missed_events([], 'kms', '5.0') == []", Unknown),
        ("matches_every_event('{ $.eventName = * }')", Pass),
        ("matches_every_event('ERROR')", Fail),
        ("matches_every_event('{ $.eventName }')", Unknown),
    ] {
        assert_eq!(verdict(pass, "resource: {}"), expected, "{pass}");
    }
}

#[test]
fn mistakes_are_told_with_place_and_suggestion() {
    for (pass, message, help) in [
        (
            "resource.polcy == null",
            "unknown field `polcy` on `aws.s3.bucket`",
            Some("did you mean `policy`?"),
        ),
        (
            "account.bukets.all(b, true)",
            "unknown field `bukets` on `account`",
            Some("did you mean `buckets`?"),
        ),
        ("params.name == 'a'", "unknown parameter `name`", Some("did you mean `names`?")),
        ("resorce.name == 'a'", "unknown name `resorce`", Some("did you mean `resource`?")),
        (
            "public_statement(resource.policy) == []",
            "unknown function `public_statement`, or one with other arguments",
            Some("did you mean `public_statements`?"),
        ),
        ("resource.name == 1", "string and int are never equal", None),
        ("resource.name == null", "string and null are never equal", None),
        ("resource.name", "the expression gives string, not a bool", None),
        ("size(resource.name)", "the expression gives int, not a bool", None),
        (
            "resource.policy.Statement == []",
            "a policy document is read with functions such as `public_statements`",
            None,
        ),
        ("resource.name.matches('(')", "the pattern does not parse: error: unclosed group", None),
        ("requires_tls(resource.policy)", "`requires_tls` takes 3 arguments, not 1", None),
        (
            "resource.name in params.names && !resource.name",
            "what `!` negates must be bool, and is string",
            None,
        ),
    ] {
        let error = mistake(pass);
        assert_eq!(error.message, message, "{pass}");
        assert_eq!(error.help.as_deref(), help, "{pass}");
    }
}

#[test]
fn the_place_of_a_mistake_is_that_in_the_file() {
    let error = mistake("resource.name == 'x'\n  && resource.polcy == null");
    assert_eq!(error.place(), "c.yaml:8:14");
    let error = Control::parse(Path::new("c.yaml"), "id: c\ntitel: t\n").unwrap_err();
    assert_eq!(error.place(), "c.yaml:2:1");
    assert_eq!(error.help.as_deref(), Some("did you mean `title`?"));
}

#[test]
fn syntax_errors_and_hostile_depth_are_errors_not_crashes() {
    assert!(mistake("resource.name ==").message.starts_with("not valid CEL"));
    for (open, close) in [("(", ")"), ("[", "]")] {
        let deep = format!("{}true{}", open.repeat(5000), close.repeat(5000));
        let small_stack = std::thread::Builder::new().stack_size(2 << 20);
        let answer = small_stack.spawn(move || mistake(&deep).message).unwrap().join();
        assert!(answer.unwrap().contains("is longer than"));
    }
    let at_limit = format!("{}true{}", "(".repeat(60), ")".repeat(60));
    let too_deep = format!("{}true{}", "(".repeat(61), ")".repeat(61));
    let chain = "!".repeat(4000) + "true";
    let small_stack = std::thread::Builder::new().stack_size(2 << 20);
    small_stack
        .spawn(move || {
            assert!(control(&at_limit, "verdict: pass").is_ok());
            assert!(mistake(&too_deep).message.contains("nested"));
            let _ = control(&chain, "verdict: pass");
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn what_was_read_is_the_evidence() {
    let text = "id: c\ntitle: t\nseverity: low\nresource: aws.iam.user\nrationale: r\n\
        pass: \"size(resource.access_keys.filter(k, k.is_active)) <= 1\"\n\
        fail_message: f\nremediation: { text: t }";
    let control = Control::parse(Path::new("c.yaml"), text).unwrap();
    let reads: Vec<_> = control.reads().collect();
    assert_eq!(reads, [("aws.iam.user", None), ("aws.iam.user", Some("access_keys"))]);
}

#[test]
fn the_builtin_controls_load_and_their_examples_hold() {
    let set = ControlSet::builtin().unwrap_or_else(|errors| panic!("{:?}", miette::Report::new(errors)));
    let mut wrong = Vec::new();
    for control in set.controls() {
        for verdict in control.missing_examples() {
            wrong.push(format!("{} has no example that gives {verdict}", control.id));
        }
        // Each of ours reads something that AWS can deny.
        if !control.examples.iter().any(|example| example.verdict == VerdictKind::Unknown) {
            wrong.push(format!("{} has no example that cannot be decided", control.id));
        }
        for outcome in control.run_examples().into_iter().filter(|o| !o.is_right()) {
            wrong.push(format!(
                "{}: {}: {:?}, not {}",
                control.id, outcome.example, outcome.got, outcome.expected
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a built-in control says of an example when one of its parameters has another value.
fn verdict_with(file: &str, parameter: &str, value: serde_json::Value, example: &str) -> VerdictKind {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("controls").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut control = Control::parse(&path, &text).unwrap();
    control.set_parameter(parameter, value).unwrap();
    let example = format!("{{ name: e, verdict: pass, {example} }}");
    control.examples = vec![serde_saphyr::from_str(&example).unwrap()];
    control.run_examples().remove(0).got.unwrap().verdict
}

#[test]
fn parameters_of_builtin_identity_controls_change_what_they_accept() {
    use VerdictKind::{Fail, Pass};
    let admin = |is_aws_managed: bool| {
        format!(
            "resource: {{ is_aws_managed: {is_aws_managed}, attachment_count: 1, document: \
             {{ Statement: [{{ Effect: Allow, Action: '*', Resource: '*' }}] }} }}"
        )
    };
    let star = "iam/iam-policy-no-admin-star.yaml";
    assert_eq!(verdict_with(star, "accept_aws_managed", true.into(), &admin(true)), Pass);
    assert_eq!(verdict_with(star, "accept_aws_managed", true.into(), &admin(false)), Fail);
    let shell = |roles: &str| {
        let file = "iam/iam-cloudshell-full-access.yaml";
        let holders =
            format!("resource: {{ cloudshell_access: {{ users: [], groups: [], roles: {roles} }} }}");
        verdict_with(file, "allowed", serde_json::json!(["developer"]), &holders)
    };
    assert_eq!(shell("[developer]"), Pass);
    assert_eq!(shell("[developer, visitor]"), Fail);
    let used = "now: '2026-01-04T00:00:00Z', resource: { root: { password_last_used: '2026-01-01T00:00:00Z', \
                access_key_1_last_used: null, access_key_2_last_used: null } }";
    assert_eq!(verdict_with("iam/iam-root-not-used.yaml", "idle_days", 1.into(), used), Pass);
    assert_eq!(verdict_with("iam/iam-root-not-used.yaml", "idle_days", 3.into(), used), Fail);
}

#[test]
fn parameters_of_builtin_storage_and_compute_controls_change_what_they_ask_for() {
    use VerdictKind::{Fail, NotApplicable, Pass, Unknown};
    for (tags, expected) in [
        ("tags: {}, ", NotApplicable),
        ("tags: { data: customer }, ", Fail),
        // Whether the bucket is one of those to judge is not known then.
        ("", Unknown),
    ] {
        let bucket = format!("resource: {{ {tags}versioning: {{ status: null, mfa_delete: null }} }}");
        let got = verdict_with("s3/s3-bucket-mfa-delete.yaml", "only_tag", "data".into(), &bucket);
        assert_eq!(got, expected, "{tags}");
    }
    let tls = |resource: &str, value: bool| {
        let bucket = format!(
            "resource: {{ arn: 'arn:aws:s3:::example', policy: {{ Statement: [{{ Effect: Deny, Principal: '*', \
             Action: 's3:*', Resource: {resource}, Condition: {{ Bool: {{ 'aws:SecureTransport': 'false' }} }} }}] }} }}"
        );
        verdict_with("s3/s3-bucket-secure-transport.yaml", "include_bucket", value.into(), &bucket)
    };
    let objects = "'arn:aws:s3:::example/*'";
    assert_eq!((tls(objects, false), tls(objects, true)), (Pass, Fail));
    assert_eq!(tls("['arn:aws:s3:::example', 'arn:aws:s3:::example/*']", true), Pass);
    let only_kms = serde_json::json!(["aws:kms"]);
    let encrypted = "resource: { encryption: { algorithm: AES256, kms_key: null, bucket_key: false } }";
    let got = verdict_with("s3/s3-bucket-default-encryption.yaml", "algorithms", only_kms, encrypted);
    assert_eq!(got, Fail);
    let exempt =
        "resource: { tags: { 'upright:no-role': '' }, state: running, profile_arn: null, profile: null }";
    let file = "ec2/ec2-instance-iam-role.yaml";
    assert_eq!(verdict_with(file, "exempt_tags", serde_json::json!([]), exempt), Fail);
}

/// Each value is another than the control's own, under which the example has the other verdict.
#[test]
fn parameters_of_built_in_controls_change_what_they_say() {
    use VerdictKind::{Fail, Pass};
    let parameters: SetParameters = serde_json::from_value(json!({
        "cloudtrail-cloudwatch-logs": { "max_age_days": 3 },
        "cloudwatch-alarm-security-group-changes": { "version": "4.0.1" },
        "cloudwatch-alarm-vpc-changes": { "ignored_events": [
            "AttachClassicLinkVpc", "DetachClassicLinkVpc", "DisableVpcClassicLink", "EnableVpcClassicLink",
        ] },
        "ec2-nacl-no-public-admin-ports": { "families": ["ipv4", "ipv6"] },
        "ec2-sg-no-public-admin-ports-ipv4": { "ports": [22, 3389, 443] },
        "ec2-sg-no-public-admin-ports-ipv6": { "ports": [22, 3389, 443] },
        "ec2-sg-no-public-cifs": { "ports": [445, 139] },
        "rds-instance-multi-az": { "include_read_replicas": true, "exempt_tags": [] },
        "vpc-endpoints-used": { "services": ["s3", "dynamodb"] },
        "vpc-flow-logs": { "traffic_types": ["ALL"] },
    }))
    .unwrap();
    let mut set = ControlSet::builtin().unwrap();
    set.set_parameters(&parameters).unwrap();
    for (control, example, verdict) in [
        ("cloudtrail-cloudwatch-logs", "a second more than a day is too long", Pass),
        ("cloudwatch-alarm-security-group-changes", "ModifySecurityGroupRules is missing", Pass),
        ("cloudwatch-alarm-vpc-changes", "without the four events of ClassicLink", Pass),
        ("ec2-nacl-no-public-admin-ports", "IPv6 is looked at when the parameter says so", Fail),
        ("ec2-sg-no-public-admin-ports-ipv4", "HTTPS from everywhere", Fail),
        ("ec2-sg-no-public-admin-ports-ipv6", "HTTPS from everywhere", Fail),
        ("ec2-sg-no-public-cifs", "NetBIOS alone is not looked at", Fail),
        ("rds-instance-multi-az", "a read replica", Fail),
        ("rds-instance-multi-az", "a database for development", Fail),
        ("vpc-endpoints-used", "DynamoDB is not asked for", Fail),
        ("vpc-flow-logs", "rejected traffic is enough", Fail),
    ] {
        let outcomes = set.control(control).unwrap().run_examples();
        let outcome = outcomes.into_iter().find(|outcome| outcome.example.starts_with(example));
        let outcome = outcome.unwrap_or_else(|| panic!("{control} has no example `{example}`"));
        assert_ne!(outcome.expected.verdict, verdict, "{control}: {example}");
        assert_eq!(outcome.got.map(|got| got.verdict), Ok(verdict), "{control}: {example}");
    }
}

/// Version 4.0.1 of the benchmark was once a value that no alarm could be judged by.
#[test]
fn the_values_that_frameworks_ask_for_are_values_that_controls_understand() {
    let mut set = ControlSet::builtin().unwrap();
    let asked: Vec<(String, SetParameters)> = set
        .frameworks()
        .flat_map(|framework| framework.requirements.iter().map(|one| (&framework.id, &one.parameters)))
        .map(|(framework, parameters)| (framework.clone(), parameters.clone()))
        .collect();
    for (framework, parameters) in asked {
        set.set_parameters(&parameters).unwrap();
        for control in parameters.keys().map(|id| set.control(id).unwrap()) {
            for outcome in control.run_examples() {
                let is_decided = outcome.got.as_ref().is_ok_and(|got| got.verdict != VerdictKind::Unknown);
                let name = &outcome.example;
                assert!(
                    is_decided || outcome.expected.verdict == VerdictKind::Unknown,
                    "{framework}: {}: {name}",
                    control.id
                );
            }
        }
    }
}

#[test]
fn event_rules_in_a_directory_of_controls_are_no_controls() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("controls");
    let set =
        ControlSet::only(&[directory]).unwrap_or_else(|errors| panic!("{:?}", miette::Report::new(errors)));
    let builtin = ControlSet::builtin().unwrap();
    assert!(set.controls().map(|control| &control.id).eq(builtin.controls().map(|control| &control.id)));
}
