//! Following events before an AWS whose state the test changes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use upright_testkit::{Answer, Call, Server};

use super::*;
use crate::accounts::{Discovery, Scope, Target};
use crate::archive::{INVENTORY, LocalStore, RunFacts, Tally};
use crate::aws::{Aws, Limits};
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
    Follower::new(archive(folder), controls, Vec::new())
}

fn limits() -> Limits {
    Limits { max_attempts: 1, ..Limits::standard() }
}

fn entry(port: u16) -> Entry {
    let own = Aws::at(&format!("http://localhost:{port}"), &limits()).own_session(ACCOUNT);
    let caller = Caller {
        account: ACCOUNT.to_owned(),
        arn: format!("arn:aws:iam::{ACCOUNT}:user/upright"),
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
        world.scan().await;
        world
    }

    fn set(&self, change: impl FnOnce(&mut Cloud)) {
        change(&mut self.cloud.lock().unwrap());
    }

    /// A whole run, kept.
    async fn scan(&self) {
        let aws = Aws::at(&format!("http://localhost:{}", self.server.port()), &limits());
        let account = Account {
            id: ACCOUNT.to_owned(),
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
        let targets = vec![Target { account, session: aws.own_session(ACCOUNT) }];
        let discovery = Discovery { targets, left_out: Vec::new(), unseen: None };
        let scope = Scope { regions: vec![REGION.to_owned()], ..Scope::own() };
        let started_at = Timestamp::now();
        let found = collect(&aws, discovery, &self.follower.wanted, &scope, &Progress::start()).await;
        let mut bytes = Vec::new();
        inventory::write(&found, &mut bytes).unwrap();
        let archive = archive(self.folder.path());
        let mut writing = archive.begin(started_at).unwrap();
        writing.put(INVENTORY, bytes).unwrap();
        let facts = RunFacts {
            version: "0".to_owned(),
            started_at,
            finished_at: started_at,
            observed_at: found.observed_at,
            complete: true,
            asked: "a".to_owned(),
            accounts: vec![ACCOUNT.to_owned()],
            findings: Tally { pass: 0, fail: 0, unknown: 0, not_applicable: 0 },
            failing: BTreeMap::new(),
            notes: Vec::new(),
        };
        writing.commit(facts).unwrap();
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
    world.set(|cloud| drop(cloud.buckets.insert("logs".to_owned(), true)));
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
    assert_eq!(calls.get("s3:ListBuckets"), Some(&1));
    assert_eq!(calls.get("s3:GetBucketPolicy"), Some(&1), "{calls:?}");
    assert_eq!(calls.get("s3control:GetPublicAccessBlock"), None, "it is another type: {calls:?}");

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
    assert_eq!(world.server.unexpected(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_closed_again_is_resolved_and_what_opens_again_is_another_alert() {
    let world = World::new(&[("logs", false)]).await;
    let mut ids = BTreeSet::new();
    for (is_open, after) in
        [(true, Some(VerdictKind::Fail)), (false, Some(VerdictKind::Pass)), (true, Some(VerdictKind::Fail))]
    {
        world.set(|cloud| drop(cloud.buckets.insert("logs".to_owned(), is_open)));
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
        cloud.buckets.insert("logs".to_owned(), true);
        cloud.refused.insert("s3:GetBucketPolicy", (403, "AccessDenied"));
    });
    let outcome = world.follow(&[put_policy("logs", "e-1", 90)]).await;
    assert_eq!((outcome.changes.len(), outcome.left.len()), (0, 0), "{outcome:?}");
    let [unseen] = outcome.not_observed.as_slice() else { panic!("{outcome:?}") };
    assert!(matches!(unseen.cause, Cause::Denied { .. }) && unseen.operation == "s3:GetBucketPolicy");
    // Throttled, it is to be tried again.
    world.set(|cloud| drop(cloud.refused.insert("s3:GetBucketPolicy", (503, "SlowDown"))));
    let outcome = world.follow(&[put_policy("logs", "e-2", 0)]).await;
    assert_eq!((outcome.changes.len(), outcome.left.len()), (0, 1), "{outcome:?}");
    assert_eq!(outcome.left[0].touch.event_ids, BTreeSet::from(["e-2".to_owned()]));
    // The list is refused: nothing is known of what is in it, and nothing is gone.
    world.set(|cloud| {
        cloud.refused.clear();
        cloud.refused.insert("s3:ListBuckets", (403, "AccessDenied"));
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
    world.set(|cloud| drop(cloud.buckets.insert("logs".to_owned(), true)));
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
        cloud.buckets.insert("fresh".to_owned(), true);
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
        cloud.buckets.insert("site".to_owned(), true);
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
    world.set(|cloud| drop(cloud.buckets.insert("logs".to_owned(), true)));
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
    world.set(|cloud| drop(cloud.buckets.insert("logs".to_owned(), true)));
    assert_eq!(world.follow(&[put_policy("logs", "e-1", 0)]).await.changes.len(), 1);
    // The run found it closed; no event told of that.
    world.set(|cloud| drop(cloud.buckets.insert("logs".to_owned(), false)));
    world.scan().await;
    world.set(|cloud| drop(cloud.buckets.insert("logs".to_owned(), true)));
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
    world.set(|cloud| drop(cloud.buckets.insert("logs".to_owned(), true)));
    assert_eq!(world.follow(&events).await.changes.len(), 1);
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
