use std::time::Duration;

use super::*;
use crate::aws::Limits;

fn read(text: &str) -> Config {
    match parse(Path::new(FILE_NAME), text) {
        Ok(config) => config,
        Err(error) => panic!("{text}: {error}"),
    }
}

/// Place, message and advice of the error that the text must be refused with.
fn refused(text: &str) -> String {
    match parse(Path::new(FILE_NAME), text) {
        Err(ConfigError::Invalid(invalid)) => {
            format!("{invalid}; {}", invalid.advice().unwrap_or("no advice"))
        }
        other => panic!("{text}: {other:?}"),
    }
}

fn ids(config: &Config) -> Vec<&str> {
    config.accounts.iter().map(AccountId::as_str).collect()
}

#[test]
fn a_file_without_keys_is_the_defaults() {
    for text in ["", "\n", "# nothing yet\n", "---\n", "\u{feff}", "{}"] {
        assert_eq!(read(text), Config::default(), "{text:?}");
    }
}

const EXAMPLE: &str = include_str!("../../examples/upright.yaml");

#[test]
fn the_example_has_every_key_with_its_default() {
    assert_eq!(read(EXAMPLE), Config::default());
    let example: serde_json::Value = serde_saphyr::from_str(EXAMPLE).unwrap();
    let defaults = serde_json::to_value(Config::default()).unwrap();
    assert_eq!(example, defaults);
    let validator = jsonschema::validator_for(&schema()).unwrap();
    assert!(validator.is_valid(&example));
}

#[test]
fn the_defaults_are_those_of_a_call() {
    let (config, limits) = (Config::default(), Limits::standard());
    assert_eq!(usize::from(config.concurrency), limits.concurrency);
    assert_eq!(config.max_rate, limits.max_rate);
    assert_eq!(Duration::from_secs(config.connect_timeout_seconds), limits.connect_timeout);
    assert_eq!(Duration::from_secs(config.attempt_timeout_seconds), limits.attempt_timeout);
    assert_eq!(Duration::from_secs(config.call_timeout_seconds), limits.call_timeout);
    assert_eq!(config.max_attempts, limits.max_attempts);
}

/// Every key once.
const FULL: &str = r#"
profile: audit
home_region: eu-west-1
organization: true
accounts: ["111122223333"]
include:
  accounts: ["222233334444"]
  units: [ou-ab12-11111111, Workloads]
  tags: { env: [prod, "1"], scanned: [] }
exclude:
  units: [Sandbox]
regions: [eu-west-1, us-gov-west-1]
role_name: security/Auditor
external_id: nightly
session_name: upright-nightly
session_minutes: 15
frameworks: [cis-aws-3.0]
level: 1
attestations:
  - framework: cis-aws-3.0
    requirement: "1.1"
    statement: Phone and address were right.
    author: Ann Example
    date: 2026-02-28
    expires: 2027-02-28
waivers: accepted.yaml
waiver_max_days: 90
production_tags: { tier: [live] }
controls: [./controls]
enable: [s3-bucket-not-public]
disable: [s3-bucket-mfa-delete]
parameters:
  iam-password-length: { minimum: 16 }
  s3-bucket-default-encryption: { algorithms: ["aws:kms", "aws:kms:dsse"] }
  s3-bucket-secure-transport: { include_bucket: true }
concurrency: 16
max_rate: 10
connect_timeout_seconds: 5
attempt_timeout_seconds: 30
call_timeout_seconds: 120
max_attempts: 3
send: [securityhub]
archive: s3://acme-audit/upright
keep: 90
keep_days: 365
notify:
  name: ACME org
  report_url: https://reports.example.com/latest.html
  mail:
    from: Upright <upright@example.com>
    via:
      smtp:
        host: mail.example.com
        port: 2525
        security: tls
        username: upright
        password: { file: /run/secrets/smtp }
        ca_file: ca.pem
        timeout_seconds: 20
    to:
      - addresses: [ann@example.com, Bob <bob@example.com>]
        when: changed
        min_severity: high
        accounts: ["111122223333"]
        tags: { env: [prod] }
        frameworks: [cis-aws-3.0]
    attach_report: false
    zip_above_kb: 1
    leave_out_above_kb: 2
  webhooks:
    - url: { env: WEBHOOK_URL }
      signing_key: { secret: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:hook-AbCdEf" }
    - { url: { file: slack }, format: slack, when: failures }
  topics:
    - arn: arn:aws:sns:eu-west-1:111122223333:upright
remediation:
  - { control: s3-bucket-not-public, ssm_document: Close-Bucket, dry_run: false, parameters: { Bucket: "${name}" } }
out: reports
formats: [html]
html_max_findings: 5000
events: [lookup]
event_rules: [sigma]
event_hours: 30
who_changed: true
by_account: true
fail_on: high
schedule:
  - name: nightly
    cron: 30 2 * * *
    time_zone: Europe/Berlin
    config: nightly.yaml
    jitter_minutes: 15
    catch_up_hours: 12
  - { name: hourly, cron: "@hourly" }
listen: "[::1]:9000"
stop_grace_seconds: 300
"#;

#[test]
fn every_key_is_read() {
    let config = read(FULL);
    assert_eq!(config.include.tags["env"], ["prod", "1"]);
    assert_eq!(config.exclude.units, ["Sandbox"]);
    assert_eq!(config.max_rate, NonZeroU32::new(10));
    assert_eq!(config.fail_on, Severity::High);
    assert_eq!(config.formats, [Format::Html]);
    let parameters = &config.parameters;
    assert_eq!(parameters["iam-password-length"]["minimum"].as_json(), &serde_json::json!(16));
    // Nothing keeps its default, so that a key which is forgotten in this test is found.
    let defaults = serde_json::to_value(Config::default()).unwrap();
    for (key, value) in serde_json::to_value(&config).unwrap().as_object().unwrap() {
        assert_ne!(value, &defaults[key], "{key}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_key_that_was_meant() {
    assert_eq!(
        refused("organization: true\nrole-name: Auditor\n"),
        "upright.yaml:2:1: there is no key `role-name` here; did you mean `role_name`?"
    );
    assert_eq!(
        refused("roleName: Auditor\n"),
        "upright.yaml:1:1: there is no key `roleName` here; did you mean `role_name`?"
    );
    assert_eq!(
        refused("include:\n  unit: [Sandbox]\n"),
        "upright.yaml:2:3: there is no key `unit` here; did you mean `units`?"
    );
    assert_eq!(
        refused("exclude:\n  xyzzy: 1\n"),
        "upright.yaml:2:3: there is no key `xyzzy` here; the keys are accounts, units, tags"
    );
}

#[test]
fn a_wrong_type_is_refused_where_it_stands() {
    for (text, expected) in [
        ("organization: sure\n", "1:15: expected `true` or `false`; no advice"),
        ("max_attempts: many\n", "1:15: expected a whole number; no advice"),
        ("max_attempts: 1.5\n", "1:15: expected a whole number; no advice"),
        ("max_attempts: -1\n", "1:15: expected a whole number; no advice"),
        ("[profile]\n", "1:1: expected keys with values; no advice"),
        ("include: all\n", "1:10: expected keys with values; no advice"),
        (
            "regions: eu-west-1\n",
            "1:10: expected a list; write `[one, two]`, or one `- entry` on each line; for none, leave the key out",
        ),
        ("fail_on: hihg\n", "1:10: `hihg` is not known here; did you mean `high`?"),
        (
            "formats: [pdf]\n",
            "1:11: `pdf` is not known here; it can be json, jsonl, csv, html, markdown, junit, sarif, ocsf, asff",
        ),
    ] {
        assert_eq!(refused(text), format!("upright.yaml:{expected}"));
    }
}

#[test]
fn a_value_that_cannot_be_meant_is_refused_where_it_stands() {
    for (text, expected) in [
        ("accounts:\n  - 111122223333\n  - 11112222333\n", "3:5: `11112222333` is not an account id"),
        ("accounts: [1111-2222-3333]\n", "1:12: `1111-2222-3333` is not an account id"),
        ("exclude:\n  accounts: [prod]\n", "2:14: `prod` is not an account id"),
        ("regions: [eu-west1]\n", "1:11: `eu-west1` is not the name of a region"),
        ("home_region: evil.example/x-1\n", "1:14: `evil.example/x-1` is not the name of a region"),
        ("session_minutes: 14\n", "1:18: `14` is not from 15 to 720"),
        ("session_minutes: 99999999999\n", "1:18: `99999999999` is not from 15 to 720"),
        ("concurrency: 0\n", "1:14: `0` is not from 1 to 1024"),
        ("max_rate: 0\n", "1:11: `0` would make no call"),
        ("parameters:\n  c:\n    p: 1.5\n", "3:8: a parameter is a whole number"),
        ("parameters: { c: { p: { q: 1 } } }\n", "1:23: a parameter is a whole number"),
        ("parameters: { c: { p: [[1]] } }\n", "1:23: a parameter is a whole number"),
        ("parameters: { c: { p: } }\n", "1:21: a parameter is a whole number"),
    ] {
        let refused = refused(text);
        assert!(refused.starts_with(&format!("upright.yaml:{expected}")), "{refused}");
    }
}

#[test]
fn a_key_that_is_given_twice_is_refused() {
    assert_eq!(
        refused("out: a\nregions: []\nout: b\n"),
        "upright.yaml:3:1: key `out` is given twice; keep one of them; the other would be lost"
    );
    assert!(refused("parameters: { c: { p: 1 }, c: { p: 2 } }\n").contains("key `c` is given twice"));
}

/// Older YAML reads the first as an octal number and the others as numbers with another meaning.
#[test]
fn an_account_id_without_quotes_keeps_its_digits() {
    let config = read("accounts: [012345678901, 000000000000, 111122223333, '012345678901']\n");
    assert_eq!(ids(&config), ["012345678901", "000000000000", "111122223333", "012345678901"]);
    for text in ["0x1234567890", "1_1112222_33", "190:20:30.15", "1.1112222e11", "+11112222333"] {
        let refused = refused(&format!("accounts: [{text}]\n"));
        assert!(refused.contains(&format!("`{text}` is not an account id")), "{refused}");
    }
}

#[test]
fn words_of_older_yaml_are_not_guessed_at() {
    for word in ["yes", "on", "y", "1"] {
        assert!(refused(&format!("organization: {word}\n")).contains("expected `true` or `false`"), "{word}");
    }
    let config = read("include: { tags: { country: [no, NO, off], build: [010, 1e3] } }\n");
    assert_eq!(config.include.tags["country"], ["no", "NO", "off"]);
    assert_eq!(config.include.tags["build"], ["010", "1e3"]);
    let config = read("parameters: { c: { a: yes, b: 012, d: 1_000, e: 12, f: true } }\n");
    let seen: Vec<String> =
        config.parameters["c"].values().map(|value| value.as_json().to_string()).collect();
    assert_eq!(seen, ["\"yes\"", "\"012\"", "\"1_000\"", "12", "true"]);
}

#[test]
fn an_alias_is_read_and_a_bomb_of_them_refused() {
    let config = read("accounts: &ours ['111122223333']\ninclude: { accounts: *ours }\n");
    assert_eq!(ids(&config), ["111122223333"]);
    assert_eq!(config.include.accounts, config.accounts);

    let mut bomb = "parameters:\n  a0: &a0 { x: lol }\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        bomb += &format!("  a{level}: &a{level} {{ x: *a{below}, y: *a{below}, z: *a{below} }}\n");
    }
    assert!(parse(Path::new(FILE_NAME), &bomb).is_err());

    let mut lists = "parameters:\n  c:\n    a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 8].join(", ");
        lists += &format!("    a{level}: &a{level} [{items}]\n");
    }
    assert!(parse(Path::new(FILE_NAME), &lists).is_err());
    let units = vec!["*many"; 900].join(", ");
    let many = vec!["one"; 900].join(", ");
    let wide = format!("regions: []\nframeworks: &many [{many}]\nparameters: {{ c: {{ p: [{units}] }} }}\n");
    assert!(refused(&wide).contains("aliases"), "{}", refused(&wide));
}

#[test]
fn nesting_without_end_is_refused() {
    for open in ["[", "{a: "] {
        let text = format!("parameters: {{ c: {{ p: {} }} }}", open.repeat(100_000));
        assert!(parse(Path::new(FILE_NAME), &text).is_err());
    }
}

#[test]
fn broken_yaml_has_a_place() {
    for (text, place) in [
        ("accounts: [111122223333\nout: x\n", "2:"),
        ("out: \"open\n", "1:"),
        ("out: a\n---\nout: b\n", "2:1: expected one document"),
        ("out: *nowhere\n", "1:6"),
    ] {
        let refused = refused(text);
        assert!(refused.starts_with(&format!("upright.yaml:{place}")), "{refused}");
    }
}

#[test]
fn the_file_cannot_write_to_the_terminal() {
    let refused = refused("accounts: [\"\\e[31m\\r\\n::error::\"]\n");
    assert!(!refused.contains(|c: char| c.is_control()), "{refused:?}");
}

#[test]
fn the_error_shows_the_place_in_the_file() {
    let error = parse(Path::new(FILE_NAME), "# Ä\nregions: [eu-west-1]\naccouns: [\"111122223333\"]\n");
    let mut shown = String::new();
    let theme = miette::GraphicalTheme::unicode_nocolor();
    miette::GraphicalReportHandler::new_themed(theme).render_report(&mut shown, &error.unwrap_err()).unwrap();
    insta::assert_snapshot!(shown, @r#"
    × upright.yaml:3:1: there is no key `accouns` here
     ╭─[upright.yaml:3:1]
   2 │ regions: [eu-west-1]
   3 │ accouns: ["111122223333"]
     · ───┬───
     ·    ╰── here
     ╰────
    help: did you mean `accounts`?
    "#);
}

#[test]
fn a_file_that_is_not_there_or_no_text_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let error = load(&path).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }));
    assert!(error.to_string().contains(FILE_NAME), "{error}");

    std::fs::write(&path, b"out: \xff\xfe").unwrap();
    assert!(matches!(load(&path), Err(ConfigError::NoText { .. })));
    std::fs::write(&path, vec![b'#'; MAX_BYTES + 1]).unwrap();
    assert!(matches!(load(&path), Err(ConfigError::TooLarge { .. })));
    std::fs::write(&path, FULL).unwrap();
    assert_eq!(load(&path).unwrap(), read(FULL));
}

#[test]
fn the_schema_agrees_with_the_reader() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let full: serde_json::Value = serde_saphyr::from_str(FULL).unwrap();
    let errors: Vec<String> = validator.iter_errors(&full).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert!(validator.is_valid(&serde_json::json!({})));
    for wrong in [
        serde_json::json!({ "role-name": "x" }),
        serde_json::json!({ "accounts": ["1"] }),
        serde_json::json!({ "regions": ["eu-west1"] }),
        serde_json::json!({ "session_minutes": 14 }),
        serde_json::json!({ "parameters": { "c": { "p": 1.5 } } }),
        serde_json::json!({ "max_rate": 0 }),
        serde_json::json!({ "include": { "unit": [] } }),
        serde_json::json!({ "schedule": [{ "name": "a b", "cron": "@daily" }] }),
        serde_json::json!({ "schedule": [{ "name": "a", "cron": "0 2 * *" }] }),
        serde_json::json!({ "schedule": [{ "name": "a" }] }),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
    for (key, property) in schema["properties"].as_object().unwrap() {
        let doc = property["description"].as_str().unwrap_or_default();
        assert!(doc.contains("Default:"), "{key} does not say its default");
    }
}

#[test]
fn who_is_told_and_how_is_read() {
    let notify = read(FULL).notify.unwrap();
    let mail = notify.mail.as_ref().unwrap();
    let Via::Smtp(smtp) = &mail.via else { panic!("{mail:?}") };
    assert_eq!((smtp.port, smtp.security, smtp.timeout_seconds), (2525, Security::Tls, 20));
    assert_eq!(mail.to[0].rule().min_severity, Some(Severity::High));
    assert_eq!(notify.webhooks[1].format, WebhookFormat::Slack);
    assert_eq!(notify.topics[0].arn.region(), "eu-west-1");
    assert_eq!(notify.topics[0].when, When::Always);
    assert_eq!(notify.secrets().len(), 4);
    assert!(notify.asks_for_tags());
    for (security, port) in [("starttls", 587), ("tls", 465)] {
        let text = format!(
            "notify: {{ mail: {{ from: a@b.example, to: [], via: {{ smtp: {{ host: m, security: {security} }} }} }} }}"
        );
        let Some(Via::Smtp(smtp)) = read(&text).notify.unwrap().mail.map(|mail| mail.via) else {
            panic!("{text}")
        };
        assert_eq!(smtp.port, port);
    }
}

#[test]
fn what_would_send_in_clear_or_to_nowhere_is_refused() {
    let smtp = |keys: &str| {
        format!("notify:\n  mail:\n    from: a@b.example\n    to: []\n    via: {{ smtp: {{ {keys} }} }}\n")
    };
    let mail =
        |from: &str| format!("notify:\n  mail:\n    from: {from}\n    to: []\n    via: {{ ses: {{}} }}\n");
    for (text, expected) in [
        (smtp("host: mail.example.com, security: none"), "would send mails in clear over the network"),
        (smtp("host: 127.0.0.1.example.com, security: none"), "would send mails in clear over the network"),
        (smtp("host: m, username: u"), "a user name and a password belong together"),
        (smtp("host: m, password: { env: P }"), "a user name and a password belong together"),
        (
            smtp("host: m, username: u, password: hunter2"),
            "`hunter2` is not known here; it can be file, env, secret",
        ),
        (smtp(r#"host: "a\r\nb""#), "is not the name of a server"),
        (smtp("host: m, timeout_seconds: 0"), "`0` is not from 1 to 600"),
        (smtp("hots: m"), "did you mean `host`?"),
        (mail("nobody"), "`nobody` is not a mail address"),
        (mail(r#""a@b.example\r\nBcc: c@d.example""#), "is not a mail address"),
        ("notify:\n  report_url: http://a.example/\n".to_owned(), "begins with `https://`"),
        ("notify:\n  report_url: 'javascript:alert(1)'\n".to_owned(), "begins with `https://`"),
        (
            "notify:\n  topics: [{ arn: 'arn:aws:sqs:eu-west-1:111122223333:q' }]\n".to_owned(),
            "is not the ARN of an SNS topic",
        ),
        ("notify:\n  webhooks: [{ url: { secret: my-secret } }]\n".to_owned(), "is not the ARN of a secret"),
        ("notify:\n  webhooks: [{ url: { fiel: x } }]\n".to_owned(), "did you mean `file`?"),
        ("notify:\n  webhooks: [{ url: { env: X }, formt: slack }]\n".to_owned(), "did you mean `format`?"),
    ] {
        let refused = refused(&text);
        assert!(refused.starts_with("upright.yaml:"), "{text}: {refused}");
        assert!(refused.contains(expected), "{text}: {refused}");
    }
    for host in ["localhost", "127.0.0.1", "127.8.9.1", "'::1'"] {
        read(&smtp(&format!("host: {host}, security: none, port: 25")));
    }
}

#[test]
fn an_attestation_is_refused_where_it_cannot_be_meant() {
    let with = |key: &str, value: &str| {
        let mut keys = BTreeMap::from([
            ("framework", "cis-aws-5.0"),
            ("requirement", "'1.1'"),
            ("statement", "looked at it"),
            ("author", "Ann"),
            ("date", "2026-01-31"),
            ("expires", "2026-07-31"),
        ]);
        keys.insert(key, value);
        let entry: Vec<String> = keys.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        format!("regions: []\nattestations:\n  - {{ {} }}\n", entry.join(", "))
    };
    let attested = read(&with("expires", "2027-01-31")).attestations;
    assert_eq!(attested[0].author(), "Ann");
    for (key, value, expected) in [
        ("expires", "2026-01-30", "expires on 2026-01-30, before its date 2026-01-31"),
        ("expires", "2027-02-01", "holds from 2026-01-31 to 2027-02-01, longer than a year"),
        ("expires", "next year", "`next year` is not a day, such as `2026-11-24`"),
        ("date", "2026-02-30", "`2026-02-30` is not a day, such as `2026-11-24`"),
        ("statement", "''", "the attestation of requirement `1.1` has no statement"),
        ("author", "' '", "the attestation of requirement `1.1` has no author"),
        (
            "statement",
            r#""two\nlines""#,
            "the statement in the attestation of requirement `1.1` is more than one line",
        ),
        ("author", r#""\e[2J""#, "the author in the attestation of requirement `1.1` is more than one line"),
        ("until", "2026-07-31", "there is no key `until` here"),
    ] {
        let error = refused(&with(key, value));
        assert!(error.contains(expected), "{key}: {value}: {error}");
        assert!(error.starts_with("upright.yaml:3:"), "{key}: {value}: {error}");
    }
    let error =
        refused("attestations:\n  - { framework: f, requirement: '1', statement: s, date: 2026-01-01 }\n");
    assert!(error.starts_with("upright.yaml:2:") && error.contains("missing field `author`"), "{error}");
}

#[test]
fn a_schedule_is_refused_where_it_cannot_be_meant() {
    let jobs = read("schedule:\n  - { name: nightly, cron: '@daily' }\n").schedule;
    assert_eq!((jobs[0].catch_up_hours, jobs[0].jitter_minutes), (24, 0));
    assert_eq!(jobs[0].time_zone.to_string(), "UTC");
    for (keys, expected) in [
        ("name: nightly", "missing field `cron`"),
        ("cron: '@daily'", "missing field `name`"),
        ("name: ../x, cron: '@daily'", "`../x` is no name of a job"),
        ("name: n, cron: 0 0 2 * * *", "has 6 fields; there are five"),
        ("name: n, cron: 0 0 31 2 *", "never comes"),
        ("name: n, cron: '@daily', time_zone: Europe/Berlino", "`Europe/Berlino` is no time zone"),
        ("name: n, cron: '@daily', time_zone: /etc/localtime", "`/etc/localtime` is no time zone"),
        ("name: n, cron: '@daily', jitter_minutes: 721", "`721` is not from 0 to 720"),
        ("name: n, cron: '@daily', catch_up_hours: 169", "`169` is not from 0 to 168"),
        ("name: n, cron: '@daily', timezone: UTC", "did you mean `time_zone`?"),
    ] {
        let error = refused(&format!("regions: []\nschedule:\n  - {{ {keys} }}\n"));
        assert!(error.contains(expected) && error.starts_with("upright.yaml:3:"), "{keys}: {error}");
    }
    let error = refused("schedule:\n  - { name: n, cron: '@daily' }\n  - { name: N, cron: '@hourly' }\n");
    assert!(error.contains("two jobs are called `N`"), "{error}");
}

#[test]
fn an_address_to_listen_at_has_a_host_and_a_port() {
    for text in ["127.0.0.1:0", "[::1]:9464", "scanner.internal:80"] {
        assert_eq!(read(&format!("listen: '{text}'\n")).listen.to_string(), text);
    }
    for text in ["9464", "localhost", ":9464", "a b:1", "::1:9464", "[x]:1", "h:99999", "h:+1", "http://h:1"]
    {
        let error = refused(&format!("listen: '{text}'\n"));
        assert!(error.contains("is no address to listen at, such as `127.0.0.1:9464`"), "{text}: {error}");
    }
}
