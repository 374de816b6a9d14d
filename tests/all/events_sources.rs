//! `upright events scan` of what is fetched from AWS: buckets, announced objects, queues, the event history.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use upright_testkit::{Answer, Emulator, Fault, Match, Run, Server, World};

use crate::common::{
    self, UPRIGHT, plain,
    store::{BUCKET, QUEUE, Store, from_sns, notification},
};

/// A sign-in to the console without MFA, which a rule tells.
fn sign_in(id: u64) -> Value {
    upright_testkit::sign_in(id, "No")
}

fn delivered(ids: &[u64]) -> String {
    json!({ "Records": ids.iter().map(|id| sign_in(*id)).collect::<Vec<_>>() }).to_string()
}

fn log_key(account: &str, region: &str, day: u8, name: &str) -> String {
    format!(
        "AWSLogs/{account}/CloudTrail/{region}/2026/11/{day}/{account}_CloudTrail_{region}_202611{day}T0305Z_{name}.json.gz"
    )
}

/// The ends of the ids of the events that were found, in the order of the output.
fn found(run: &Run) -> Vec<u64> {
    run.stdout
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["event_id"].as_str().unwrap().rsplit('-').next().unwrap().parse().unwrap()
        })
        .collect()
}

fn scan(server: &Server, arguments: &[&str]) -> Run {
    let world = World::new(UPRIGHT).unwrap();
    let run = world.run(&plain(server.env()), &[&["events", "scan", "--json"], arguments].concat()).unwrap();
    assert_eq!(server.unexpected(), Vec::<String>::new(), "{run}");
    run
}

fn trail() -> Store {
    let store = Store::default();
    for (id, (account, region, day)) in [
        ("111122223333", "eu-west-1", 20),
        ("111122223333", "eu-west-1", 24),
        ("111122223333", "eu-west-1", 25),
        ("111122223333", "us-east-1", 24),
        ("444455556666", "eu-west-1", 24),
    ]
    .into_iter()
    .enumerate()
    {
        let id = id as u64 + 1;
        store.object(&log_key(account, region, day, "a"), &delivered(&[id]));
    }
    let digest = log_key("111122223333", "eu-west-1", 24, "d").replace("/CloudTrail/", "/CloudTrail-Digest/");
    store.object(&digest, "this would not be read");
    store.object("AWSLogs/111122223333/CloudTrail/eu-west-1/readme.txt", "no events");
    store
}

#[test]
fn every_page_of_a_bucket_is_read_in_the_order_of_its_keys() {
    let server = trail().serve().start().unwrap();
    let run = scan(&server, &["s3://trail-bucket"]);
    assert_eq!((run.code, found(&run)), (Some(1), vec![1, 2, 3, 4, 5]), "{run}");
    assert!(run.stderr.contains("1 other files, 1 files not asked for"), "{run}");
    // Seven keys, two a page.
    assert_eq!((server.count("s3:ListObjectsV2"), server.count("s3:GetObject")), (4, 5));
    let asked = server.requests();
    let regions: BTreeSet<&str> = asked
        .iter()
        .filter(|r| r.call.operation != "s3:HeadBucket")
        .map(|r| r.call.region.as_str())
        .collect();
    assert_eq!(regions, BTreeSet::from(["eu-west-1", "us-east-1"]), "S3 where the bucket is, STS at home");
    let again = scan(&server, &["s3://trail-bucket/AWSLogs/", "s3://trail-bucket", "--workers", "1"]);
    assert_eq!(again.stdout, run.stdout, "addresses below others are read once");
}

#[test]
fn a_time_and_a_region_are_asked_of_the_folders_that_have_them() {
    let server = trail().serve().start().unwrap();
    for prefix in ["", "AWSLogs", "AWSLogs/"] {
        let address = format!("s3://{BUCKET}/{prefix}");
        let run =
            scan(&server, &[&address, "--since", "2026-11-24T03:00:00Z", "--until", "2026-11-24T04:00:00Z"]);
        // The object of the 25th may hold events that were delivered late; these are of the 24th at 03:01 to 03:05.
        assert_eq!(found(&run), [2, 3, 4, 5], "{run}");
    }
    let folders = "AWSLogs/111122223333/CloudTrail/";
    let requests = server.requests();
    let listed: Vec<(Option<&str>, Option<&str>)> = requests
        .iter()
        .filter(|request| {
            request.call.operation == "s3:ListObjectsV2" && request.call.param("delimiter").is_none()
        })
        .map(|request| (request.call.param("prefix"), request.call.param("start-after")))
        .collect();
    let first = format!("{folders}eu-west-1/");
    let after = format!("{folders}eu-west-1/2026/11/24/");
    assert!(listed.contains(&(Some(first.as_str()), Some(after.as_str()))), "{listed:?}");
    assert!(
        listed.iter().all(|(prefix, after)| prefix.unwrap().contains("/CloudTrail/") && after.is_some()),
        "{listed:?}"
    );

    let server = trail().serve().start().unwrap();
    let run = scan(&server, &["s3://trail-bucket/", "--region", "us-east-1", "--account", "111122223333"]);
    assert_eq!((found(&run), server.count("s3:GetObject")), (vec![4], 1), "{run}");
    let run = scan(&server, &["s3://trail-bucket/AWSLogs/444455556666/"]);
    assert_eq!(found(&run), [5], "{run}");
}

#[test]
fn an_object_that_is_denied_is_told_and_the_others_are_judged() {
    let store = trail();
    let denied = log_key("111122223333", "eu-west-1", 24, "a");
    store.deny(&denied);
    let server = store.serve().start().unwrap();
    let run = scan(&server, &["s3://trail-bucket"]);
    assert_eq!((run.code, found(&run)), (Some(4), vec![1, 3, 4, 5]), "{run}");
    for part in [
        format!("not read: s3://trail-bucket/{denied}: cannot be opened: s3:GetObject denied"),
        format!("allow `s3:GetObject` on `arn:aws:s3:::trail-bucket/{denied}`"),
    ] {
        assert!(run.stderr.contains(&part), "{part}: {run}");
    }
}

#[test]
fn a_listing_that_is_denied_or_finds_nothing_is_told() {
    let store = trail();
    store.deny("list");
    let server = store.serve().start().unwrap();
    for more in [&[] as &[&str], &["--since", "2026-11-24T03:00:00Z"]] {
        let run = scan(&server, &[&["s3://trail-bucket/AWSLogs/"], more].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""), "{run}");
        assert!(run.stderr.contains("allow `s3:ListBucket` on `arn:aws:s3:::trail-bucket`"), "{run}");
    }
    let server = trail().serve().start().unwrap();
    let run = scan(&server, &["s3://trail-bucket/AWSLgos/"]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains("s3://trail-bucket/AWSLgos/: cannot be opened: no object"), "{run}");
    let run = scan(&server, &["s3://a b/c"]);
    assert_eq!(run.code, Some(2), "{run}");
}

#[test]
fn a_listing_that_breaks_off_is_told_and_what_it_gave_is_read() {
    let third = Match::operation("s3:ListObjectsV2")
        .param("continuation-token", &log_key("111122223333", "us-east-1", 24, "a"));
    let server = trail().serve().fault(third, Fault::Deny).start().unwrap();
    let run = scan(&server, &["s3://trail-bucket"]);
    assert_eq!(run.code, Some(4), "{run}");
    assert!(!found(&run).is_empty() && !found(&run).contains(&5), "{run}");
    assert!(run.stderr.contains("not read: s3://trail-bucket/: "), "{run}");
}

#[test]
fn a_hostile_key_steers_no_terminal() {
    let store = Store::default();
    let key = "\u{1b}[31m\r\n a+b%20ü.json";
    store.object(key, "broken {");
    store.object("fine.json", &delivered(&[1]));
    let server = store.serve().start().unwrap();
    for address in ["s3://trail-bucket/", "s3://trail-bucket/\u{1b}[31m"] {
        let run = scan(&server, &[address]);
        assert!([Some(3), Some(4)].contains(&run.code), "{run}");
        assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains('\r'), "{:?}", run.stderr);
        assert!(run.stderr.contains("\\u{1b}[31m\\r\\n a+b%20ü.json: "), "{run}");
    }
    assert!(server.requests().iter().any(|request| request.call.param("Key") == Some(key)));
}

#[test]
fn announced_objects_are_fetched_once_each() {
    let store = trail();
    store.object("a b+c.json", &delivered(&[10]));
    let server = store.serve().start().unwrap();
    let world = World::new(UPRIGHT).unwrap();
    let created = json!({ "version": "0", "detail-type": "Object Created", "source": "aws.s3", "region": "eu-west-1",
        "detail": { "bucket": { "name": BUCKET }, "object": { "key": log_key("444455556666", "eu-west-1", 24, "a") } } });
    let of_trail = json!({ "s3Bucket": BUCKET, "s3ObjectKey": [log_key("111122223333", "us-east-1", 24, "a"), "gone.json"] });
    let lines = [
        notification("a b+c.json"),
        from_sns(&notification("a b+c.json")),
        json!({ "MessageId": "1", "ReceiptHandle": "r", "Body": from_sns(&of_trail).to_string() }),
        created,
        json!({ "Records": [{ "eventName": "ObjectRemoved:Delete", "s3": { "bucket": { "name": BUCKET }, "object": { "key": "x" } } }] }),
    ];
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    world.write("messages.jsonl", &text).unwrap();
    let arguments = ["events", "scan", "messages.jsonl", "--json"];
    let run = world.run(&plain(server.env()), &arguments).unwrap();
    assert_eq!((run.code, found(&run)), (Some(4), vec![10, 4, 5]), "{run}");
    assert!(
        run.stderr
            .contains("not read: s3://trail-bucket/gone.json: cannot be opened: there is no such object"),
        "{run}"
    );
    assert_eq!(server.count("s3:GetObject"), 4, "each once, and what is gone once");
    assert_eq!(server.count("s3:HeadBucket"), 1);

    let alone = common::offline(&world, &[&arguments as &[&str], &["--no-fetch"]].concat());
    assert_eq!(alone.code, Some(3), "{alone}");
    assert!(alone.stderr.contains("4 announced objects"), "{alone}");
}

/// Messages of each kind: 0 and 1 announce the same object, 2 one that is denied, 3 one that is fine and one that is
/// gone, 4 is a record, 5 a test, 6 broken, 7 announces a digest.
fn filled() -> Store {
    let store = trail();
    let denied = log_key("111122223333", "eu-west-1", 25, "a");
    store.deny(&denied);
    store.send(&notification(&log_key("111122223333", "eu-west-1", 20, "a")));
    store.send(&from_sns(&notification(&log_key("111122223333", "eu-west-1", 20, "a"))));
    store.send(&notification(&denied));
    store.send(&json!({ "s3Bucket": BUCKET, "s3ObjectKey": [log_key("111122223333", "us-east-1", 24, "a"), "gone.json"] }));
    store.send(&json!({ "version": "0", "detail-type": "AWS Console Sign In via CloudTrail", "detail": sign_in(20) }));
    store.send(&json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET }));
    store.send(&json!("{ no json"));
    let digest = log_key("111122223333", "eu-west-1", 24, "d").replace("/CloudTrail/", "/CloudTrail-Digest/");
    store.send(&notification(&digest));
    store
}

#[test]
fn a_message_is_deleted_when_all_that_it_announces_was_read_and_no_sooner() {
    let store = filled();
    let server = store.serve().start().unwrap();
    let run = scan(&server, &["--sqs", QUEUE]);
    assert_eq!((run.code, found(&run)), (Some(4), vec![20, 1, 4]), "{run}");
    assert_eq!(store.left(), [2, 3, 6], "{run}");
    for part in [
        "queue events: 5 messages read and deleted",
        "queue events: 3 messages stay in it",
        "gone.json",
        "message m6 of events",
    ] {
        assert!(run.stderr.contains(part), "{part}: {run}");
    }
    assert_eq!(server.count("s3:GetObject"), 4);
    // Nothing is asked of a queue beside what its policy allows, and only reading of everything else.
    for operation in server.counts().keys() {
        let (service, name) = operation.split_once(':').unwrap();
        let reads = ["Get", "List", "Head", "Receive"].iter().any(|verb| name.starts_with(verb));
        assert!(reads || (service, name) == ("sqs", "DeleteMessageBatch"), "{operation}");
    }
    let table = World::new(UPRIGHT).unwrap().run(&server.env(), &["events", "scan", "--sqs", QUEUE]).unwrap();
    assert_eq!(table.code, Some(2), "{table}");
    assert!(table.stderr.contains("--json"), "{table}");
}

/// Starts a scan of the queue that writes to `stdout`.
fn start(server: &Server, world: &World, stdout: Stdio, more: &[&str]) -> Child {
    let mut command = Command::new(UPRIGHT);
    plain(server.env()).apply(&mut command);
    command.args(["events", "scan", "--json", "--sqs", QUEUE]).args(more).current_dir(world.dir());
    command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn what_could_not_be_written_stays_in_the_queue() {
    let world = World::new(UPRIGHT).unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let full = File::options().write(true).open("/dev/full").unwrap();
    for stdout in [Stdio::from(closed), Stdio::from(full)] {
        let store = filled();
        let server = store.serve().start().unwrap();
        let ended = start(&server, &world, stdout, &[]).wait().unwrap();
        assert_eq!(ended.code(), Some(5));
        assert_eq!(store.left().len(), 8, "nothing was written, so nothing is deleted");
        assert_eq!(server.count("sqs:DeleteMessageBatch"), 0);
    }
}

#[test]
fn a_queue_that_is_followed_is_read_until_the_program_is_asked_to_end() {
    let store = trail();
    let server = store.serve().start().unwrap();
    let world = World::new(UPRIGHT).unwrap();
    let output = world.dir().join("out");
    let mut child = start(&server, &world, Stdio::from(File::create(&output).unwrap()), &["--follow"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    let wait_until = |done: &dyn Fn() -> bool| {
        while !done() {
            assert!(Instant::now() < deadline, "the program does not get on");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    wait_until(&|| server.count("sqs:ReceiveMessage") > 1);
    store.send(&notification(&log_key("444455556666", "eu-west-1", 24, "a")));
    wait_until(&|| server.count("sqs:DeleteMessageBatch") > 0);
    let told = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(told.success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(std::fs::read_to_string(output).unwrap().lines().count(), 1);
    assert_eq!(store.left(), Vec::<usize>::new());
}

#[test]
fn the_event_history_is_read_page_by_page_and_a_denied_region_is_told() {
    let page = |ids: &[u64], next: Option<&str>| {
        let event =
            |id: &u64| json!({ "EventId": id.to_string(), "CloudTrailEvent": sign_in(*id).to_string() });
        let events: Vec<Value> = ids.iter().map(event).collect();
        Answer::json(&json!({ "Events": events, "NextToken": next }))
    };
    let server = Server::canned(move |call| match (call.operation.as_str(), call.param("NextToken")) {
        ("cloudtrail:LookupEvents", None) => Some(page(&[3], Some("two"))),
        ("cloudtrail:LookupEvents", Some("two")) => Some(page(&[2], Some("three"))),
        ("cloudtrail:LookupEvents", Some("three")) => Some(page(&[1], None)),
        _ => None,
    });
    let server = server.fault(Match::service("cloudtrail").region("eu-west-1"), Fault::Deny).start().unwrap();
    let run = scan(&server, &["--lookup"]);
    assert_eq!((run.code, found(&run)), (Some(1), vec![3, 2, 1]), "{run}");
    let run = scan(&server, &["--lookup", "--region", "us-east-1", "--region", "eu-west-1"]);
    assert_eq!((run.code, found(&run)), (Some(4), vec![3, 2, 1]), "{run}");
    assert!(run.stderr.contains("in eu-west-1: cannot be opened: cloudtrail:LookupEvents denied"), "{run}");
}

/// What signatures prove is tested beside the code, with keys of our own.
#[test]
fn digests_are_checked_before_the_events_are_read() {
    let store = trail();
    let server = store.serve().start().unwrap();
    let run = scan(
        &server,
        &["s3://trail-bucket/AWSLogs/", "--verify", "--region", "eu-west-1", "--fail-on", "critical"],
    );
    // One digest is none, and without others nothing can be said of the log files.
    assert_eq!((run.code, found(&run)), (Some(4), vec![1, 2, 3, 5]), "{run}");
    for part in [
        "verified s3://trail-bucket/AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/: 0 digests valid",
        "not as delivered: digest s3://trail-bucket/AWSLogs/111122223333/CloudTrail-Digest/",
        "it is no digest",
        "not checked: log file s3://trail-bucket/AWSLogs/444455556666/CloudTrail/eu-west-1/",
        "not checked: there are no digests",
    ] {
        assert!(run.stderr.contains(part), "{part}: {run}");
    }

    let world = World::new(UPRIGHT).unwrap();
    let copy = log_key("111122223333", "eu-west-1", 24, "a");
    world.write(&copy, &delivered(&[1])).unwrap();
    world.write("keys.json", r#"{ "PublicKeyList": [] }"#).unwrap();
    let verify = ["events", "scan", "AWSLogs", "--json", "--verify", "--public-keys"];
    let none = common::offline(&world, &[&verify as &[&str], &["keys.json"]].concat());
    assert_eq!((none.code, found(&none)), (Some(4), vec![1]), "{none}");
    assert!(none.stderr.contains("there are no digests"), "{none}");
    let wrong = common::offline(&world, &[&verify as &[&str], &[copy.as_str()]].concat());
    assert_eq!(wrong.code, Some(2), "{wrong}");
    assert!(wrong.stderr.contains("list-public-keys"), "{wrong}");
}

#[test]
fn the_policy_of_a_source_is_printed() {
    let world = World::new(UPRIGHT).unwrap();
    let arguments = ["iam-policy", "--events", "s3://trail-bucket/AWSLogs/", "--sqs", QUEUE, "--lookup"];
    let policy = common::offline(&world, &arguments).json().unwrap();
    let text = policy.to_string();
    for part in
        ["s3:ListBucket", "arn:aws:s3:::trail-bucket/AWSLogs/*", "arn:aws:sqs:eu-west-1:123456789012:events"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("iam:"), "{text}");
    let wrong = common::offline(&world, &["iam-policy", "--sqs", "events"]);
    assert_eq!(wrong.code, Some(2), "{wrong}");
}

/// Event sources may take messages away that were dealt with, which the code can do in one file only, and nothing else.
#[test]
fn the_code_of_event_sources_changes_nothing_but_messages() {
    let writes: BTreeSet<&str> = upright::events::remote::CALLS
        .iter()
        .filter(|call| {
            !["Get", "List", "Head", "Lookup", "Receive"].iter().any(|verb| call.operation.starts_with(verb))
        })
        .map(|call| call.operation)
        .collect();
    assert_eq!(writes, BTreeSet::from(["ChangeMessageVisibilityBatch", "DeleteMessageBatch"]));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source.join("events"), source.join("cli/events")];
    let mut deleting = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path)
                .is_ok_and(|text| text.contains(".delete_") || text.contains("change_message"))
            {
                deleting.push(path.strip_prefix(&source).unwrap().to_owned());
            }
        }
    }
    assert_eq!(deleting, [Path::new("events/remote/queue.rs")]);
}

#[test]
fn an_emulated_bucket_and_queue_are_read() {
    let emulator = Emulator::start().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let act = |action: &str| {
        let mut command = Command::new(root.join(".venv/bin/python"));
        command.arg(root.join("tests/support/events.py")).arg(action);
        emulator.env().apply(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let ended = command.output().unwrap();
        assert!(ended.status.success(), "{action}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap().trim().to_owned()
    };
    let record = sign_in(1).to_string();
    let queue = act(&record);
    let world = World::new(UPRIGHT).unwrap();
    let scan = |arguments: &[&str]| {
        world.run(&plain(emulator.env()), &[&["events", "scan", "--json"], arguments].concat()).unwrap()
    };
    let bucket = scan(&["s3://events-bucket/AWSLogs/", "--since", "2026-11-24T00:00:00Z"]);
    assert_eq!((bucket.code, found(&bucket)), (Some(1), vec![1]), "{bucket}");
    // Compressed, in another region than the caller's, and with a key that needs encoding.
    assert!(bucket.stderr.contains("1 delivered twice"), "{bucket}");
    let first = scan(&["--sqs", &queue]);
    assert_eq!((first.code, found(&first)), (Some(4), vec![1]), "{first}");
    assert_eq!(act("left"), "1", "the message about an object that is gone");
}
