//! `upright events`: rules over CloudTrail records in files.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use upright_testkit::{Run, World, sign_in};

use crate::common::{self, offline};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn delivered(records: &[Value]) -> String {
    json!({ "Records": records }).to_string()
}

fn lines(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_happened_is_found_in_every_form_and_the_same_event_once() {
    let world = World::new(common::UPRIGHT).unwrap();
    let records = [sign_in(1, "No"), sign_in(2, "Yes"), sign_in(3, "No")];
    let path = world.dir().join("logs/111122223333_CloudTrail_us-east-1_20261124T0305Z_abc.json.gz");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, gzip(&delivered(&records))).unwrap();
    // The first of them once more, as a line, and one of its own in an envelope of EventBridge.
    let envelope = json!({ "version": "0", "detail-type": "AWS Console Sign In via CloudTrail", "detail": sign_in(4, "No") });
    world.write("logs/more.jsonl", &format!("{}\n{envelope}\n", records[0])).unwrap();

    let run = offline(&world, &["events", "scan", "logs", "--json"]);
    assert_eq!(run.code, Some(1), "{run}");
    let found = lines(&run);
    let mut events: Vec<&str> = found.iter().map(|one| one["event_id"].as_str().unwrap()).collect();
    events.sort_unstable();
    assert_eq!(events.len(), 3, "{run}");
    assert!(events[0].ends_with('1') && events[1].ends_with('3') && events[2].ends_with('4'), "{events:?}");
    let one = &found[0];
    assert_eq!(one["actor"]["name"], "ann");
    assert_eq!(one["account"], "111122223333");
    assert_eq!(one["source_address"], "203.0.113.7");
    assert_eq!(one["id"].as_str().unwrap().len(), 64);
    assert!(one["attack"]["techniques"].as_array().unwrap().contains(&json!("T1078.004")), "{one}");
    assert!(run.stderr.contains("1 delivered twice"), "{run}");

    // However many read, the output is the same.
    let alone = offline(&world, &["events", "scan", "logs", "--json", "--workers", "1"]);
    assert_eq!(alone.stdout, run.stdout);

    let table = offline(&world, &["events", "scan", "logs"]);
    for part in ["Console Login Without MFA", "3", "111122223333 us-east-1", "T1078.004"] {
        assert!(table.stdout.contains(part), "{part}: {table}");
    }
    let mild = offline(&world, &["events", "scan", "logs", "--fail-on", "critical", "--quiet"]);
    assert_eq!((mild.code, mild.stderr.as_str()), (Some(0), ""), "{mild}");
    let later = offline(&world, &["events", "scan", "logs", "--since", "2026-11-24T03:04:00Z", "--json"]);
    assert_eq!(lines(&later).len(), 1, "{later}");
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_judged() {
    let world = World::new(common::UPRIGHT).unwrap();
    let records: Vec<Value> = (1..=200).map(|id| sign_in(id, "No")).collect();
    let whole = gzip(&delivered(&records));
    fs::write(world.dir().join("cut.json.gz"), &whole[..whole.len() / 2]).unwrap();
    world.write("fine.json", &delivered(&[sign_in(1_000, "No")])).unwrap();
    let run = offline(&world, &["events", "scan", ".", "--json"]);
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stderr.contains("cut.json.gz") && run.stderr.contains("cut short"), "{run}");
    let found = lines(&run);
    assert!(found.len() > 1, "{run}");
    assert!(found.iter().any(|one| one["event_id"].as_str().unwrap().ends_with("001000")), "{run}");

    let small = offline(&world, &["events", "scan", "fine.json", "--json", "--no-builtin-rules"]);
    assert_eq!((small.code, small.stdout.as_str()), (Some(0), ""), "{small}");
    fs::write(world.dir().join("bomb.json.gz"), gzip(&" ".repeat(1 << 20))).unwrap();
    let bomb = offline(&world, &["events", "scan", "bomb.json.gz", "--max-inflated-bytes", "1000"]);
    assert_eq!(bomb.code, Some(3), "{bomb}");
    assert!(bomb.stderr.contains("more than 1000 bytes after decompression"), "{bomb}");
    let nowhere = offline(&world, &["events", "scan", "nowhere"]);
    assert_eq!(nowhere.code, Some(2), "{nowhere}");
    assert!(nowhere.stderr.contains("nowhere"), "{nowhere}");
}

const UNSUPPORTED: &str = "title: Too many\nid: 3d0a3c5e-9b2f-4a64-8a53-6c2c7f4f1c11\nlogsource: { product: aws, \
    service: cloudtrail }\ndetection:\n  selection: { eventName: ConsoleLogin }\n  timeframe: 5m\n  condition: selection \
    | count() by sourceIPAddress > 5\nlevel: low\n";

const FALCO: &str = "rule: Sign-in\ncondition: aws.eventName=\"ConsoleLogin\" and not aws.errorCode exists\noutput: \
    Somebody signed in (requesting user=%aws.user, MFA=%jevt.value[/additionalEventData/MFAUsed])\nsource: \
    aws_cloudtrail\ndescription: Detect sign-ins.\n";

#[test]
fn a_rule_that_cannot_run_is_named_and_the_others_run() {
    let world = World::new(common::UPRIGHT).unwrap();
    world.write("rules/unsupported.yml", UNSUPPORTED).unwrap();
    world.write("rules/sign-in.yaml", FALCO).unwrap();
    world.write("events.json", &sign_in(1, "Yes").to_string()).unwrap();
    let own = ["--rules", "rules", "--no-builtin-rules"];
    let run = offline(&world, &[&["events", "scan", "events.json", "--json"], &own[..]].concat());
    assert_eq!(run.code, Some(4), "{run}");
    for part in ["not run:", "unsupported.yml:", "`Too many`", "count"] {
        assert!(run.stderr.contains(part), "{part}: {run}");
    }
    assert_eq!(lines(&run)[0]["output"], "Somebody signed in (requesting user=ann, MFA=Yes)");
    let checked = offline(&world, &[&["events", "rules", "check"], &own[..]].concat());
    assert_eq!(checked.code, Some(2), "{checked}");
    assert!(checked.stdout.contains("1 rules run, 1 left out"), "{checked}");
    let missing = offline(&world, &["events", "rules", "check", "--rules", "no-such"]);
    assert_eq!(missing.code, Some(2), "{missing}");
    assert!(missing.stderr.contains("no-such"), "{missing}");
}

#[test]
fn rules_are_listed_shown_and_tested() {
    let world = World::new(common::UPRIGHT).unwrap();
    let list = offline(&world, &["events", "rules", "list", "--json"]).json().unwrap();
    let rules = list.as_array().unwrap();
    assert!(rules.len() >= 19, "{}", rules.len());
    assert!(rules.iter().all(|rule| rule["author"] == "Upright"));
    let title = rules[0]["name"].as_str().unwrap();
    let shown = offline(&world, &["events", "rules", "show", title]);
    assert!(shown.stdout.contains(rules[0]["id"].as_str().unwrap()), "{shown}");
    let unknown = offline(&world, &["events", "rules", "show", "no such rule"]);
    assert_eq!(unknown.code, Some(2), "{unknown}");
    let tested = offline(&world, &["events", "rules", "test"]);
    assert_eq!(tested.code, Some(0), "{tested}");
    assert!(tested.stdout.contains(", 0 do not"), "{tested}");
    let wrong = format!(
        "{SIGN_IN}examples:\n  - name: another call\n    matches: true\n    event: {{ eventName: GetUser }}\n"
    );
    world.write("mine/wrong.yml", &wrong).unwrap();
    let tested = offline(&world, &["events", "rules", "test", "--rules", "mine"]);
    assert_eq!(tested.code, Some(1), "{tested}");
    assert!(tested.stdout.contains("another call: does not match, and should"), "{tested}");
}

const SIGN_IN: &str = "title: Sign-in\nid: 3d0a3c5e-9b2f-4a64-8a53-6c2c7f4f1c12\nlogsource: { product: aws, \
    service: cloudtrail }\ndetection:\n  selection: { eventName: ConsoleLogin }\n  condition: selection\nlevel: low\n";

#[test]
fn rules_are_chosen_by_what_attack_calls_them() {
    let world = World::new(common::UPRIGHT).unwrap();
    let names = |filter: &[&str]| -> Vec<String> {
        let mut arguments = vec!["events", "rules", "list", "--json"];
        filter.iter().for_each(|filter| arguments.extend(["--attack", filter]));
        let run = offline(&world, &arguments);
        let rules: Vec<Value> = serde_json::from_str(&run.stdout).unwrap();
        rules.iter().map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
    };
    let (all, stopped) = (names(&[]), names(&["T1562"]));
    assert!(stopped.contains(&"CloudTrail Trail Stopped or Deleted".to_owned()), "{stopped:?}");
    assert!(!stopped.is_empty() && stopped.len() < all.len());
    let both = names(&["T1562", "initial access"]);
    assert!(both.len() > stopped.len() && both.contains(&"Console Login Without MFA".to_owned()), "{both:?}");

    let wrong = offline(&world, &["events", "scan", "x", "--attack", "sorcery"]);
    assert_eq!(wrong.code, Some(2), "{wrong}");
    assert!(wrong.stderr.contains("`sorcery` is neither a tactic"), "{wrong}");
}

#[test]
fn the_values_of_placeholders_come_from_a_file() {
    let world = World::new(common::UPRIGHT).unwrap();
    let rule = "title: Friends\nlogsource: {product: aws, service: cloudtrail}\nlevel: high\n\
        detection:\n  s: {userIdentity.userName|expand: '%friends%'}\n  condition: s\n";
    world.write("rules/friends.yml", rule).unwrap();
    world.write("log.jsonl", &format!("{}\n", sign_in(2, "Yes"))).unwrap();
    let scan = |file: &str| {
        let rules = ["events", "scan", "log.jsonl", "--json", "--no-builtin-rules", "--rules", "rules"];
        offline(&world, &[&rules[..], &["--placeholders", file]].concat())
    };
    world.write("values.yaml", "friends: [bob, ann]\n").unwrap();
    let run = scan("values.yaml");
    assert_eq!((run.code, lines(&run).len()), (Some(1), 1), "{run}");
    world.write("others.yaml", "friends: bob\n").unwrap();
    assert_eq!(scan("others.yaml").code, Some(0));

    for (content, told) in [
        ("friends:\n  - [bob]\n", "wrong.yaml:2`: must be a name with a list of texts"),
        ("- bob\n", "wrong.yaml:1`: must be names"),
        ("", "must be one document"),
        ("friends: [", "wrong.yaml:"),
    ] {
        world.write("wrong.yaml", content).unwrap();
        let run = scan("wrong.yaml");
        assert_eq!(run.code, Some(2), "{run}");
        assert!(run.stderr.contains(told), "{told}: {run}");
    }
    let missing = scan("missing.yaml");
    assert!(missing.code == Some(2) && missing.stderr.contains("missing.yaml"), "{missing}");
}

#[test]
fn of_the_falco_rules_that_match_the_first_is_told_when_asked() {
    let world = World::new(common::UPRIGHT).unwrap();
    let rule = |name: &str| {
        format!(
            "- rule: {name}\n  desc: d\n  condition: ct.name = ConsoleLogin\n  output: {name} %ct.user\n  \
             priority: WARNING\n  source: aws_cloudtrail\n"
        )
    };
    world.write("rules.yaml", &[rule("Broad"), rule("Grave")].concat()).unwrap();
    world.write("log.jsonl", &format!("{}\n", sign_in(2, "Yes"))).unwrap();
    let scan = |more: &[&str]| {
        let run = offline(
            &world,
            &[
                &["events", "scan", "log.jsonl", "--json", "--no-builtin-rules", "--rules", "rules.yaml"],
                more,
            ]
            .concat(),
        );
        lines(&run).iter().map(|one| one["output"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(scan(&[]), ["Broad ann", "Grave ann"]);
    assert_eq!(scan(&["--first-falco-match"]), ["Broad ann"]);
}

#[test]
fn a_scan_puts_what_happened_beside_what_is() {
    let server = common::replay().start().unwrap();
    let (world, run) = common::run(&server, &[common::SCAN, &["--save-inventory", "state.zst"]].concat());
    assert_eq!(run.code, Some(common::FAILED_AND_INCOMPLETE), "{run}");
    let now = jiff::Timestamp::now();
    let at = |hours: i64| (now - jiff::SignedDuration::from_hours(hours)).to_string();
    let (mut recent, mut old) = (sign_in(1, "No"), sign_in(2, "No"));
    recent["eventTime"] = at(3).into();
    old["eventTime"] = at(30).into();
    world.write("logs/today.json", &delivered(&[recent, old])).unwrap();
    let scan = |more: &[&str]| {
        offline(&world, &[&["scan", "--inventory", "state.zst", "--out", "out", "--quiet"], more].concat())
    };
    let detections = || {
        let report: Value = serde_json::from_str(&world.read("out/report.json").unwrap()).unwrap();
        report["detections"].clone()
    };

    let run = scan(&["--enable", "account-security-contact", "--events", "logs", "--fail-on", "critical"]);
    assert!(matches!(run.code, Some(0 | 3)), "{run}");
    let found = detections();
    assert_eq!(found["detections"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["detections"][0]["actor"]["name"], "ann");
    assert_eq!(found["read"]["counts"]["outside"], 1, "{found}");

    // Both nights, and a severity that fails.
    let run = scan(&["--events", "logs", "--event-hours", "48", "--fail-on", "high"]);
    assert!(matches!(run.code, Some(1 | 4)), "{run}");
    assert_eq!(detections()["detections"].as_array().unwrap().len(), 2);

    // What cannot be read costs nothing that was.
    world.write("logs/broken.json", "{\"Records\":[{\"a\"").unwrap();
    world.write("rules/broken.yml", "title: [\n").unwrap();
    let run = scan(&["--events", "logs", "--event-rules", "rules", "--fail-on", "critical"]);
    assert!(matches!(run.code, Some(3 | 4)), "{run}");
    let found = detections();
    assert_eq!((&found["read"]["unread_inputs"], &found["read"]["rules_left_out"]), (&json!(1), &json!(1)));
    assert_eq!(found["detections"].as_array().unwrap().len(), 1, "{found}");

    let run = scan(&[]);
    assert_eq!(run.code, Some(common::FAILED_AND_INCOMPLETE), "{run}");
    assert_eq!(detections(), Value::Null, "no events were read, and nothing is said of them");

    let missing = scan(&["--events", "no-such-folder"]);
    assert_eq!(missing.code, Some(2), "{missing}");
    assert!(missing.stderr.contains("no-such-folder"), "{missing}");
}

#[test]
fn patterns_for_event_bridge_are_short_sorted_and_whole() {
    let world = World::new(common::UPRIGHT).unwrap();
    let run = offline(&world, &["events", "pattern"]);
    assert_eq!(run.code, Some(0), "{run}");
    let patterns = lines(&run);
    assert!(patterns.len() > 1 && run.stdout.lines().all(|line| line.len() <= 4_096), "{run}");
    for (source, name) in
        [("s3", "PutBucketPolicy"), ("ec2", "AuthorizeSecurityGroupIngress"), ("iam", "AttachUserPolicy")]
    {
        let source = json!([format!("{source}.amazonaws.com")]);
        let lets_through = |branch: &Value| {
            branch["eventSource"] == source && branch["eventName"].as_array().unwrap().contains(&json!(name))
        };
        let branches = |pattern: &Value| pattern["detail"]["$or"].as_array().cloned().unwrap_or_default();
        assert!(patterns.iter().any(|pattern| branches(pattern).iter().any(lets_through)), "{name}");
    }
    let sign_ins =
        patterns.iter().filter(|pattern| pattern["detail-type"][0] != "AWS API Call via CloudTrail");
    assert_eq!(sign_ins.count(), 1, "{run}");

    // The same every time, and with a rule that takes any event in one document.
    world
        .write(
            "any.yml",
            "title: Any\nid: any\nlogsource: { product: aws, service: cloudtrail }\n\
                            detection: { one: { userIdentity.type: Root }, condition: one }\nlevel: high\n",
        )
        .unwrap();
    let run = offline(&world, &["events", "pattern", "--json", "--rules", "any.yml"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["patterns"], Value::Array(patterns));
    let unbounded = document["unbounded"].as_array().unwrap();
    assert!(unbounded.iter().any(|rule| rule["rule"] == "any" && rule["sources"] == json!([])), "{run}");
    let run = offline(&world, &["events", "pattern", "--rules", "any.yml"]);
    assert!(run.stderr.contains("rule `Any` may match any event;"), "{run}");
}
