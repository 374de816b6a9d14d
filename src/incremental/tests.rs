//! Following events before an AWS whose state the test changes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use upright_testkit::{Answer, Call, Emulator, Fault, Match, Server};

use super::*;
use crate::accounts::{Discovery, Scope, Target};
use crate::archive::{INVENTORY, LiveKey, LocalStore, RunFacts, Tally};
use crate::aws::{Aws, Limits, Source};
use crate::config::Notify;
use crate::controls::VerdictKind;
use crate::events::record::Record;
use crate::inventory::{self, Account, AccountState, Cause};
use crate::run::{Progress, collect};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

/// What S3 holds, and how it answers.
#[derive(Debug, Default)]
struct Cloud {
    /// Buckets by name, with whether everybody may read them.
    buckets: BTreeMap<String, bool>,
    /// Whether the account closes what a bucket opens.
    is_account_closed: bool,
    /// Operations that are answered with this error.
    refused: BTreeMap<&'static str, (u16, &'static str)>,
}

impl Cloud {
    fn put(&mut self, bucket: &str, is_open: bool) {
        self.buckets.insert(bucket.to_owned(), is_open);
    }

    fn refuse(&mut self, operation: &'static str, with: (u16, &'static str)) {
        self.refused.insert(operation, with);
    }

    fn answer(&self, call: &Call) -> Option<Answer> {
        if let Some((status, code)) = self.refused.get(call.operation.as_str()) {
            return Some(Answer::error(call, *status, code, "no"));
        }
        let absent = |code| Answer::error(call, 404, code, "none");
        let bucket = call.param("Bucket").unwrap_or_default();
        Some(match call.operation.as_str() {
            "s3:ListBuckets" => {
                let names = self.buckets.keys();
                let row = |name| {
                    format!("<Bucket><Name>{name}</Name><BucketRegion>{REGION}</BucketRegion></Bucket>")
                };
                let rows: String = names.map(row).collect();
                Answer::xml(&format!(
                    "<ListAllMyBucketsResult><Buckets>{rows}</Buckets></ListAllMyBucketsResult>"
                ))
            }
            "s3:GetBucketAcl" => Answer::xml(
                "<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList></AccessControlList>\
                 </AccessControlPolicy>",
            ),
            "s3:GetBucketOwnershipControls" => absent("OwnershipControlsNotFoundError"),
            "s3control:GetPublicAccessBlock" if self.is_account_closed => Answer::xml(
                "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
                 <IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy>\
                 <RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
            ),
            "s3:GetPublicAccessBlock" | "s3control:GetPublicAccessBlock" => {
                absent("NoSuchPublicAccessBlockConfiguration")
            }
            "s3:GetBucketPolicy" if self.buckets.get(bucket) == Some(&true) => Answer::json(&json!({
                "Version": "2012-10-17",
                "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                    "Resource": format!("arn:aws:s3:::{bucket}/*") }],
            })),
            "s3:GetBucketPolicy" => absent("NoSuchBucketPolicy"),
            _ => return None,
        })
    }
}

/// An account with an archive that holds one run of it.
struct World {
    cloud: Arc<Mutex<Cloud>>,
    server: Server,
    folder: TempDir,
    follower: Arc<Follower>,
}

fn archive(folder: &Path) -> Archive {
    Archive::new(LocalStore::new(folder.to_owned()))
}

fn follower(folder: &Path) -> Arc<Follower> {
    let controls = ControlSet::builtin().unwrap();
    let controls = controls.select(&[], &["s3-bucket-not-public".to_owned()], &[]).unwrap();
    Follower::new(Arc::new(archive(folder)), Arc::new(controls), Vec::new())
}

fn limits() -> Limits {
    Limits { max_attempts: 1, ..Limits::standard() }
}

fn entry(port: u16) -> Entry {
    entry_of(port, ACCOUNT)
}

fn entry_of(port: u16, account: &str) -> Entry {
    let own = Aws::at(&format!("http://localhost:{port}"), &limits()).own_session(account);
    let caller = Caller {
        account: account.to_owned(),
        arn: format!("arn:aws:iam::{account}:user/upright"),
        partition: "aws".to_owned(),
    };
    Entry { caller, own, role: RoleSettings::standard() }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

impl World {
    async fn new(buckets: &[(&str, bool)]) -> Self {
        let buckets = buckets.iter().map(|(name, is_open)| ((*name).to_owned(), *is_open)).collect();
        let cloud = Arc::new(Mutex::new(Cloud { buckets, ..Cloud::default() }));
        let answering = Arc::clone(&cloud);
        let server = Server::canned(move |call| answering.lock().unwrap().answer(call)).start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let follower = follower(folder.path());
        let world = Self { cloud, server, folder, follower };
        // It was a while ago, so that events of some seconds ago came after it.
        world.scan_ago(SignedDuration::from_hours(1)).await;
        world
    }

    fn set(&self, change: impl FnOnce(&mut Cloud)) {
        change(&mut self.cloud.lock().unwrap());
    }

    /// A whole run, kept.
    async fn scan(&self) {
        self.scan_ago(SignedDuration::ZERO).await;
    }

    async fn scan_ago(&self, ago: SignedDuration) {
        scan(self.server.port(), ACCOUNT, self.folder.path(), &self.follower.wanted, ago).await;
    }

    async fn follow(&self, events: &[Value]) -> Outcome {
        self.follower.follow(&entry(self.server.port()), touches(events), soon()).await
    }

    /// How often each operation was called since the last time.
    fn calls(&self, before: &BTreeMap<String, usize>) -> BTreeMap<String, usize> {
        let now = self.server.counts().into_iter();
        now.map(|(name, n)| (name.clone(), n - before.get(&name).copied().unwrap_or_default()))
            .filter(|(_, n)| *n > 0)
            .collect()
    }
}

/// A whole run of one region of an account, kept.
async fn scan(port: u16, account: &str, folder: &Path, wanted: &Wanted, ago: SignedDuration) {
    let aws = Aws::at(&format!("http://localhost:{port}"), &limits());
    let session = aws.own_session(account);
    let account = Account {
        id: account.to_owned(),
        name: "acme-prod".to_owned(),
        partition: "aws".to_owned(),
        is_management: None,
        organization: None,
        units: None,
        unit_ids: None,
        tags: None,
        regions: Vec::new(),
        state: AccountState::Scanned,
    };
    let targets = vec![Target { account: account.clone(), session }];
    let discovery = Discovery { targets, left_out: Vec::new(), unseen: None };
    let scope = Scope { regions: [REGION, "us-east-1"].map(str::to_owned).to_vec(), ..Scope::own() };
    let (mut found, _) = collect(&aws, discovery, wanted, &scope, &Progress::start()).await;
    found.observed_at -= ago;
    let started_at = found.observed_at;
    let mut bytes = Vec::new();
    inventory::write(&found, &mut bytes).unwrap();
    let archive = archive(folder);
    let mut writing = archive.begin(started_at).unwrap();
    writing.put(INVENTORY, bytes).unwrap();
    let facts = RunFacts {
        version: "0".to_owned(),
        started_at,
        finished_at: started_at,
        observed_at: found.observed_at,
        complete: true,
        asked: "a".to_owned(),
        accounts: vec![account.id.clone()],
        findings: Tally { pass: 0, fail: 0, unknown: 0, not_applicable: 0 },
        failing: BTreeMap::new(),
        notes: Vec::new(),
    };
    writing.commit(facts).unwrap();
}

fn touches(events: &[Value]) -> Vec<Touch> {
    let of = |event: &Value| touched(&Record::parse(event.to_string().as_bytes()).unwrap());
    events.iter().flat_map(of).collect()
}

/// An event of a call of alice, so many seconds ago.
fn event(name: &str, request: Value, id: &str, seconds_ago: i64) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": { "type": "IAMUser", "userName": "alice", "accountId": ACCOUNT,
            "arn": format!("arn:aws:iam::{ACCOUNT}:user/alice") },
        "eventTime": (Timestamp::now() - SignedDuration::from_secs(seconds_ago)).to_string(),
        "eventSource": "s3.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": "203.0.113.7",
        "requestParameters": request,
        "responseElements": null,
        "eventID": id,
        "readOnly": false,
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    })
}

fn put_policy(bucket: &str, id: &str, seconds_ago: i64) -> Value {
    event("PutBucketPolicy", json!({ "bucketName": bucket, "Host": "s3.amazonaws.com" }), id, seconds_ago)
}

fn verdicts(change: &VerdictChange) -> (&str, Option<VerdictKind>, Option<VerdictKind>) {
    (change.finding.resource_name.as_str(), change.before, change.after)
}

const OPENED: (Option<VerdictKind>, Option<VerdictKind>) = (Some(VerdictKind::Pass), Some(VerdictKind::Fail));

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_became_public_is_told_once_with_who_did_it_and_no_other_is_asked_about() {
    let world = World::new(&[("logs", false), ("other", false), ("third", true)]).await;
    world.set(|cloud| cloud.put("logs", true));
    let before = world.server.counts();
    // It opened a minute and a half ago, so that the look is late enough to have seen it.
    let events = [put_policy("logs", "e-1", 95), put_policy("logs", "e-2", 90)];
    let outcome = world.follow(&events).await;
    let [change] = outcome.changes.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(verdicts(change), ("logs", OPENED.0, OPENED.1));
    assert_eq!(change.cause.who(), "alice");
    assert_eq!(change.cause.event_id, "e-2", "the latest of both");
    assert_eq!((change.events, change.cause.address.as_deref()), (2, Some("203.0.113.7")));
    assert!(
        change.finding.evidence.iter().any(|read| read.value.to_string().contains("GetObject")),
        "{change:?}"
    );
    assert!(
        !change.remediation.is_empty() && change.remediation_cli[0].contains("--bucket logs"),
        "{change:?}"
    );
    assert_eq!(change.headline(), "bucket logs became public");
    let calls = world.calls(&before);
    let once = [
        "GetBucketAcl",
        "GetBucketOwnershipControls",
        "GetBucketPolicy",
        "GetPublicAccessBlock",
        "ListBuckets",
    ];
    assert_eq!(calls, once.map(|name| (format!("s3:{name}"), 1)).into());

    // The same again, in another order, and an older one: nothing is asked, nothing is told.
    let before = world.server.counts();
    for events in
        [[1, 0].map(|at: usize| events[at].clone()), [put_policy("logs", "e-0", 300), events[0].clone()]]
    {
        let outcome = world.follow(&events).await;
        assert_eq!((outcome.changes.len(), outcome.answered, outcome.looked), (0, 1, 0), "{outcome:?}");
    }
    assert_eq!(world.calls(&before), BTreeMap::new());
    // One that may be too young to have been seen is looked at, and is no news.
    let outcome = world.follow(&[put_policy("logs", "e-3", 0)]).await;
    assert_eq!((outcome.changes.len(), outcome.looked), (0, 1), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_closed_again_is_resolved_and_what_opens_again_is_another_alert() {
    let world = World::new(&[("logs", false)]).await;
    let mut ids = BTreeSet::new();
    for (is_open, after) in
        [(true, Some(VerdictKind::Fail)), (false, Some(VerdictKind::Pass)), (true, Some(VerdictKind::Fail))]
    {
        world.set(|cloud| cloud.put("logs", is_open));
        let outcome = world.follow(&[put_policy("logs", "e", 0)]).await;
        let [change] = outcome.changes.as_slice() else { panic!("{outcome:?}") };
        assert_eq!(change.after, after);
        ids.insert(change.id.clone());
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_look_is_unknown_and_hides_no_change() {
    let world = World::new(&[("logs", false)]).await;
    world.set(|cloud| {
        cloud.put("logs", true);
        cloud.refuse("s3:GetBucketPolicy", (403, "AccessDenied"));
    });
    let outcome = world.follow(&[put_policy("logs", "e-1", 90)]).await;
    assert_eq!((outcome.changes.len(), outcome.left.len()), (0, 0), "{outcome:?}");
    let [unseen] = outcome.not_observed.as_slice() else { panic!("{outcome:?}") };
    assert!(matches!(unseen.cause, Cause::Denied { .. }) && unseen.operation == "s3:GetBucketPolicy");
    // Throttled, it is to be tried again.
    world.set(|cloud| cloud.refuse("s3:GetBucketPolicy", (503, "SlowDown")));
    let outcome = world.follow(&[put_policy("logs", "e-2", 0)]).await;
    assert_eq!((outcome.changes.len(), outcome.left.len()), (0, 1), "{outcome:?}");
    assert_eq!(outcome.left[0].touch.event_ids, BTreeSet::from(["e-2".to_owned()]));
    // The list is refused: nothing is known of what is in it, and nothing is gone.
    world.set(|cloud| {
        cloud.refused.clear();
        cloud.refuse("s3:ListBuckets", (403, "AccessDenied"));
    });
    let outcome = world.follow(&[put_policy("logs", "e-3", 0)]).await;
    assert_eq!((outcome.changes.len(), outcome.not_observed.len()), (0, 1), "{outcome:?}");
    // At last it is seen, and it is a change from what was known before all that.
    world.set(|cloud| cloud.refused.clear());
    let outcome = world.follow(&[put_policy("logs", "e-4", 0)]).await;
    let [change] = outcome.changes.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(verdicts(change), ("logs", OPENED.0, OPENED.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_about_a_refused_call_asks_nothing() {
    let world = World::new(&[("logs", false)]).await;
    world.set(|cloud| cloud.put("logs", true));
    let before = world.server.counts();
    let mut refused = put_policy("logs", "e-1", 0);
    refused["errorCode"] = json!("AccessDenied");
    let outcome = world.follow(&[refused]).await;
    assert_eq!((outcome.looked, outcome.changes.len()), (0, 0));
    assert_eq!(world.calls(&before), BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_gone_and_what_is_made_open_is_new() {
    let world = World::new(&[("logs", true)]).await;
    world.set(|cloud| {
        cloud.buckets.clear();
        cloud.put("fresh", true);
    });
    let events = [
        event("DeleteBucket", json!({ "bucketName": "logs" }), "e-1", 90),
        event("CreateBucket", json!({ "bucketName": "fresh" }), "e-2", 90),
    ];
    let outcome = world.follow(&events).await;
    let found: Vec<_> = outcome.changes.iter().map(verdicts).collect();
    assert_eq!(
        found,
        [("fresh", None, Some(VerdictKind::Fail)), ("logs", Some(VerdictKind::Fail), None)],
        "{outcome:?}"
    );
    assert_eq!(world.follow(&events).await.answered, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_the_account_changes_the_verdict_on_its_buckets() {
    let world = World::new(&[]).await;
    world.set(|cloud| {
        cloud.is_account_closed = true;
        cloud.put("site", true);
    });
    world.scan().await;
    world.set(|cloud| cloud.is_account_closed = false);
    let before = world.server.counts();
    let outcome = world.follow(&[event("DeleteAccountPublicAccessBlock", json!({}), "e-1", 0)]).await;
    let [change] = outcome.changes.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(verdicts(change), ("site", OPENED.0, OPENED.1));
    assert_eq!(change.cause.event_name, "DeleteAccountPublicAccessBlock");
    let calls = world.calls(&before);
    assert_eq!(calls, BTreeMap::from([("s3control:GetPublicAccessBlock".to_owned(), 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_follow_at_once_one_tells() {
    let world = World::new(&[("logs", false)]).await;
    world.set(|cloud| cloud.put("logs", true));
    let other = follower(world.folder.path());
    let (entry, event) = (entry(world.server.port()), put_policy("logs", "e-1", 0));
    let (one, two) = tokio::join!(
        world.follower.follow(&entry, touches(std::slice::from_ref(&event)), soon()),
        other.follow(&entry, touches(std::slice::from_ref(&event)), soon()),
    );
    assert_eq!(one.changes.len() + two.changes.len(), 1, "{one:?} {two:?}");
    assert_eq!(one.left.len() + two.left.len(), 0, "{one:?} {two:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_supersedes_what_was_looked_at_before() {
    let world = World::new(&[("logs", false)]).await;
    world.set(|cloud| cloud.put("logs", true));
    assert_eq!(world.follow(&[put_policy("logs", "e-1", 0)]).await.changes.len(), 1);
    // The run found it closed; no event told of that.
    world.set(|cloud| cloud.put("logs", false));
    world.scan().await;
    world.set(|cloud| cloud.put("logs", true));
    let outcome = world.follow(&[put_policy("logs", "e-2", 0)]).await;
    let [change] = outcome.changes.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(
        verdicts(change),
        ("logs", OPENED.0, OPENED.1),
        "compared with the run, and not with what was before"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_deadline_what_was_not_looked_at_is_handed_back() {
    let world = World::new(&[("logs", false)]).await;
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let entry = entry(silent.local_addr().unwrap().port());
    let events = [put_policy("logs", "e-1", 0)];
    for deadline in [Instant::now(), Instant::now() + Duration::from_millis(300)] {
        let began = Instant::now();
        let outcome = world.follower.follow(&entry, touches(&events), deadline).await;
        let [left] = outcome.left.as_slice() else { panic!("{outcome:?}") };
        assert_eq!(left.touch.event_ids, BTreeSet::from(["e-1".to_owned()]));
        assert!(left.why.contains("no time left"), "{}", left.why);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    // And the next try finds it.
    world.set(|cloud| cloud.put("logs", true));
    assert_eq!(world.follow(&events).await.changes.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_before_the_deadline_counts() {
    let world = World::new(&[("logs", false)]).await;
    world.set(|cloud| cloud.put("logs", true));
    let answering = Arc::clone(&world.cloud);
    let hanging = Server::canned(move |call| answering.lock().unwrap().answer(call))
        .fault(Match::service("s3control"), Fault::Hang)
        .start()
        .unwrap();
    let events = [put_policy("logs", "e-1", 0), event("PutAccountPublicAccessBlock", json!({}), "e-2", 0)];
    let deadline = Instant::now() + Duration::from_secs(8);
    let outcome = world.follower.follow(&entry(hanging.port()), touches(&events), deadline).await;
    assert!(Instant::now() < deadline);
    assert_eq!(outcome.changes.iter().map(verdicts).collect::<Vec<_>>(), [("logs", OPENED.0, OPENED.1)]);
    let [left] = outcome.left.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(left.touch.event_ids, BTreeSet::from(["e-2".to_owned()]));
}

/// A receiver of webhooks that answers with these, one after the other, and then takes everything.
fn receiver(answers: &[u16]) -> (Notify, Arc<Mutex<Vec<Value>>>, TempDir) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = folder.path().join("address");
    std::fs::write(&address, format!("http://127.0.0.1:{}/hook", listener.local_addr().unwrap().port()))
        .unwrap();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let (answers, bodies) = (answers.to_vec(), Arc::clone(&taken));
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let status = answers.get(number).copied().unwrap_or(200);
            if status == 200 {
                bodies.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            }
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            reader.into_inner().write_all(answer.as_bytes()).unwrap();
        }
    });
    let notify = serde_json::from_value(json!({ "webhooks": [{ "url": { "file": address } }] })).unwrap();
    (notify, taken, folder)
}

async fn announce(follower: &Arc<Follower>, notify: &Notify) -> Announced {
    let source = Source { profile: None, region: None };
    let telling = Telling { notify, source: &source, limits: &limits(), html_max_findings: 1 };
    follower.announce(&BTreeSet::from([ACCOUNT.to_owned()]), &telling, soon()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_once_by_whoever_comes_first_and_again_after_a_crash() {
    let world = World::new(&[("logs", false)]).await;
    world.set(|cloud| cloud.put("logs", true));
    // It is found, and whoever found it tells nobody.
    let found = world.follow(&[put_policy("logs", "e-1", 0)]).await.changes.remove(0);
    // The first who tells claims it and ends before he has.
    let crashed = Arc::try_unwrap(follower(world.folder.path())).unwrap();
    let claimed =
        crashed.archive.claim(&job(&found).unwrap(), found.observed_at, Timestamp::now(), Duration::ZERO);
    assert!(matches!(claimed.unwrap(), Claimed::Ours(_)));
    // The second is refused by the receiver, which may not take it the next time either.
    let (notify, taken, _address) = receiver(&[400]);
    let mut second = Arc::try_unwrap(follower(world.folder.path())).unwrap();
    second.holds = Duration::ZERO;
    let second = Arc::new(second);
    let refused = announce(&second, &notify).await;
    assert_eq!((refused.pending, refused.deliveries.len()), (1, 1), "{refused:?}");
    let sent = announce(&second, &notify).await;
    assert_eq!((sent.pending, sent.deliveries.len()), (0, 1), "{sent:?}");
    // Nobody sends it any more, also a process that knows nothing of it.
    for follower in [second, follower(world.folder.path())] {
        let again = announce(&follower, &notify).await;
        assert_eq!((again.pending, again.deliveries.len()), (0, 0), "{again:?}");
    }
    let taken = taken.lock().unwrap();
    let [message] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!((&message["kind"], &message["alert"]["id"]), (&json!("alert"), &json!(found.id)));
    let subject = message["subject"].as_str().unwrap();
    assert!(subject.starts_with("Upright: bucket logs became public, by alice, "), "{subject}");
    assert_eq!(message["alert"]["cause"]["event_name"], "PutBucketPolicy");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_sends_another_waits() {
    let world = World::new(&[("logs", false)]).await;
    world.set(|cloud| cloud.put("logs", true));
    let found = world.follow(&[put_policy("logs", "e-1", 0)]).await.changes.remove(0);
    let (notify, taken, _address) = receiver(&[]);
    let claimed =
        world.follower.archive.claim(&job(&found).unwrap(), found.observed_at, Timestamp::now(), HOLDS);
    assert!(matches!(claimed.unwrap(), Claimed::Ours(_)));
    let waiting = announce(&world.follower, &notify).await;
    assert_eq!((waiting.pending, waiting.deliveries.len()), (1, 0), "{waiting:?}");
    assert_eq!(taken.lock().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_superseded_and_told_is_removed() {
    let world = World::new(&[("logs", false)]).await;
    let (notify, taken, _address) = receiver(&[]);
    for round in 0..5 {
        world.set(|cloud| cloud.put("logs", round % 2 == 0));
        assert_eq!(world.follow(&[put_policy("logs", "e", 0)]).await.changes.len(), 1);
    }
    announce(&world.follower, &notify).await;
    assert_eq!(taken.lock().unwrap().len(), 5);
    let kept = world.follower.archive.live(ACCOUNT).unwrap();
    let generations: Vec<u32> = kept.iter().map(LiveKey::generation).collect();
    assert_eq!(generations, [4, 5]);
    // A run supersedes all of it.
    world.scan().await;
    announce(&world.follower, &notify).await;
    assert_eq!(world.follower.archive.live(ACCOUNT).unwrap(), []);
}

/// The same before moto, in which a program changes the bucket through the API.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_opened_through_the_api_is_found() {
    let emulator = tokio::task::spawn_blocking(|| Emulator::start().unwrap()).await.unwrap();
    let change = |what: &str| {
        let root = upright_testkit::workspace().unwrap();
        let mut command = Command::new(root.join(".venv/bin/python"));
        command.arg(root.join("tests/support/nights.py")).args([what, "opened"]);
        emulator.env().apply(&mut command);
        assert!(command.status().unwrap().success(), "{what}");
    };
    let account = emulator.seeded().account("management").unwrap().id.clone();
    change("make");
    let folder = tempfile::tempdir().unwrap();
    let follower = follower(folder.path());
    scan(emulator.port(), &account, folder.path(), &follower.wanted, SignedDuration::ZERO).await;
    let entry = entry_of(emulator.port(), &account);
    let mut event = put_policy("opened", "e-1", 0);
    event["recipientAccountId"] = json!(account);
    change("open");
    let outcome = follower.follow(&entry, touches(std::slice::from_ref(&event)), soon()).await;
    let found: Vec<_> = outcome.changes.iter().map(verdicts).collect();
    assert_eq!(found, [("opened", OPENED.0, OPENED.1)], "{outcome:?}");
    change("close");
    event["eventName"] = json!("DeleteBucketPolicy");
    let outcome = follower.follow(&entry, touches(&[event]), soon()).await;
    let found: Vec<_> = outcome.changes.iter().map(verdicts).collect();
    assert_eq!(found, [("opened", OPENED.1, OPENED.0)], "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_run_and_a_region_that_is_not_scanned_are_passed_over() {
    let world = World::new(&[("logs", false)]).await;
    let mut foreign = put_policy("logs", "e-1", 0);
    foreign["recipientAccountId"] = json!("444455556666");
    let mut group = event("AuthorizeSecurityGroupIngress", json!({ "groupId": "sg-1" }), "e-2", 0);
    group["eventSource"] = json!("ec2.amazonaws.com");
    let outcome = world.follow(&[foreign, group]).await;
    let why: Vec<&str> = outcome.passed_over.iter().map(|left| left.why.as_str()).collect();
    assert_eq!(
        why,
        ["no enabled control reads resources of the type", "no run in the archive has judged the account"]
    );
    assert_eq!((outcome.left.len(), outcome.looked), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_cannot_be_read_costs_no_alert() {
    let world = World::new(&[("logs", false)]).await;
    world.set(|cloud| cloud.put("logs", true));
    let archive = archive(world.folder.path());
    let first = LiveKey::first(ACCOUNT, "aws.s3.bucket global arn arn:aws:s3:::logs").unwrap();
    assert!(archive.create_live(&first, b"of another version").unwrap());
    let outcome = world.follow(&[put_policy("logs", "e-1", 0)]).await;
    let [change] = outcome.changes.as_slice() else { panic!("{outcome:?}") };
    assert_eq!(verdicts(change), ("logs", OPENED.0, OPENED.1));
    assert_eq!(archive.live(ACCOUNT).unwrap(), [first.clone(), first.next()]);
}
