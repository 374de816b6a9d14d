//! Objects in S3: those below an address, and those that messages announce.
//!
//! Keys come in the order in which S3 lists them, and objects are read in the order of their keys. Calls: `HeadBucket`
//! once for each bucket, which tells its region even where it is refused
//! ([HeadBucket](https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html)); `ListObjectsV2`; `GetObject`.

pub(super) mod digests;
mod fetch;
mod list;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::Config;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub(super) use self::list::Bucket;
use super::{Remote, unreadable};
use crate::aws::{Call, Place, Session};
use crate::events::source::layout::Question;
use crate::events::source::{Input, Pointer};

/// `s3:HeadBucket`: where a bucket is. What it says without permission is enough.
pub static HEAD_BUCKET: Call = Call::opaque("s3", "HeadBucket").without_permission();
/// `s3:ListObjectsV2`: the keys with a prefix.
pub static LIST_OBJECTS: Call = Call::list("s3", "ListObjectsV2", "ListBucketResult").action("s3:ListBucket");
/// `s3:GetObject`: what an object holds.
pub static GET_OBJECT: Call = Call::opaque("s3", "GetObject").gone(&["NoSuchKey"]);

/// Objects that are fetched, or have been and wait to be read, at once. Of each at most a few pieces are held.
const OBJECTS_AHEAD: usize = 24;

/// `s3://bucket/prefix`, or `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with; may be empty.
    pub prefix: String,
}

/// It is no address in S3.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no address in S3; write s3://bucket/prefix")]
pub struct NoAddress(String);

impl Address {
    /// Whether a path is meant as an address in S3, right or wrong.
    #[must_use]
    pub fn is_meant(path: &str) -> bool {
        path.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("s3://"))
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.get(5..).filter(|_| Self::is_meant(text));
        let (bucket, prefix) =
            rest.map(|rest| rest.split_once('/').unwrap_or((rest, ""))).unwrap_or_default();
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and access point ARNs.
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if bucket.is_empty() || !bucket.chars().all(is_name) {
            return Err(NoAddress(text.to_owned()));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// What was found so far, for progress and for the sum.
#[derive(Debug, Default)]
pub struct Found {
    /// Objects that are or will be read, and listings that failed.
    inputs: AtomicU64,
    /// Objects whose names say that they hold no events.
    other: AtomicU64,
    /// Delivered objects whose keys say that they hold nothing asked for.
    not_asked_for: AtomicU64,
}

impl Found {
    /// Objects that are or will be read, and listings that failed.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.inputs.load(Ordering::Relaxed)
    }

    /// Objects whose names say that they hold no events.
    #[must_use]
    pub fn other(&self) -> u64 {
        self.other.load(Ordering::Relaxed)
    }

    /// Delivered objects whose keys say that they hold nothing asked for.
    #[must_use]
    pub fn not_asked_for(&self) -> u64 {
        self.not_asked_for.load(Ordering::Relaxed)
    }
}

/// An object, and where it is asked for.
#[derive(Debug, Clone)]
struct Object {
    place: Place,
    bucket: String,
    key: String,
}

impl Object {
    fn name(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

/// Inputs as they are found. Waits for the next; ends with the last.
#[derive(Debug)]
pub struct Inputs(Receiver<Input>);

impl Iterator for Inputs {
    type Item = Input;

    fn next(&mut self) -> Option<Input> {
        self.0.blocking_recv()
    }
}

/// Every object below these addresses that may hold what is asked for. A listing that fails is an input of its own,
/// of which nothing can be read; what it gave until then is read.
pub fn below(remote: &Remote, addresses: &[Address], question: &Question, found: Arc<Found>) -> Inputs {
    let (queue, inputs) = Queue::new(remote, found);
    let (addresses, question) = (distinct(addresses), question.clone());
    remote.runtime.spawn(async move {
        let mut buckets = Buckets::new(&queue.session);
        for address in addresses {
            let place = buckets.place_of(&address.bucket, None).await;
            if list::list(&address, &place, &question, &queue).await.is_err() {
                return;
            }
        }
    });
    inputs
}

/// The objects that messages announce, in this order.
pub fn announced(remote: &Remote, pointers: Vec<Pointer>, found: Arc<Found>) -> Inputs {
    let (queue, inputs) = Queue::new(remote, found);
    remote.runtime.spawn(async move {
        let mut buckets = Buckets::new(&queue.session);
        for Pointer { bucket, key, region } in pointers {
            let place = buckets.place_of(&bucket, region.as_deref()).await;
            if queue.object(Object { place, bucket, key }).await.is_err() {
                return;
            }
        }
    });
    inputs
}

/// The bucket of an address, for asking it directly.
pub(super) async fn bucket(remote: &Remote, address: &Address) -> Bucket {
    let place = Buckets::new(&remote.session).place_of(&address.bucket, None).await;
    Bucket::new(address, &place, format!("arn:{}:s3:::{}", remote.partition, address.bucket))
}

/// Addresses in order, without those below others of them.
pub(super) fn distinct(addresses: &[Address]) -> Vec<Address> {
    let mut sorted = addresses.to_vec();
    sorted.sort();
    sorted.dedup_by(|later, earlier| {
        later.bucket == earlier.bucket && later.prefix.starts_with(&earlier.prefix)
    });
    sorted
}

/// Nobody reads what is found.
struct Unread;

/// Where inputs go.
struct Queue {
    session: Arc<Session>,
    partition: String,
    inputs: Sender<Input>,
    ahead: Arc<Semaphore>,
    found: Arc<Found>,
}

impl Queue {
    fn new(remote: &Remote, found: Arc<Found>) -> (Self, Inputs) {
        let (sender, receiver) = channel(OBJECTS_AHEAD);
        let queue = Self {
            session: Arc::clone(&remote.session),
            partition: remote.partition.clone(),
            inputs: sender,
            ahead: Arc::new(Semaphore::new(OBJECTS_AHEAD)),
            found,
        };
        (queue, Inputs(receiver))
    }

    /// Begins to fetch an object, and lets it be read; waits while enough others are fetched.
    async fn object(&self, object: Object) -> Result<(), Unread> {
        let ahead = Arc::clone(&self.ahead).acquire_owned().await.map_err(|_| Unread)?;
        self.add(fetch::input(object, &self.partition, ahead)).await
    }

    /// Tells of something that cannot be read.
    async fn failed(&self, name: String, why: String) -> Result<(), Unread> {
        self.add(unreadable(name, why)).await
    }

    async fn add(&self, input: Input) -> Result<(), Unread> {
        self.found.inputs.fetch_add(1, Ordering::Relaxed);
        self.inputs.send(input).await.map_err(|_| Unread)
    }

    fn bucket_arn(&self, bucket: &str) -> String {
        format!("arn:{}:s3:::{bucket}", self.partition)
    }
}

/// The places of buckets, each asked for once.
struct Buckets {
    session: Arc<Session>,
    places: HashMap<String, Place>,
}

impl Buckets {
    fn new(session: &Arc<Session>) -> Self {
        Self { session: Arc::clone(session), places: HashMap::new() }
    }

    /// Where a bucket is: in the region that S3 says, or else in `said`, or else in the home region. If that is wrong
    /// the next call says so.
    async fn place_of(&mut self, bucket: &str, said: Option<&str>) -> Place {
        if let Some(place) = self.places.get(bucket) {
            return place.clone();
        }
        let home = self.session.region(self.session.run().home_region());
        let client = home.s3();
        let answer = home.call(&HEAD_BUCKET, || async {
            // With the bucket in the host name, S3 refuses what is signed for another region; see `collect::s3`.
            let path_style = Config::builder().force_path_style(true);
            let sent =
                client.head_bucket().bucket(bucket).customize().config_override(path_style).send().await;
            match sent {
                Ok(answer) => Ok(answer.bucket_region),
                Err(error) => {
                    let headers = error.raw_response().map(|response| response.headers());
                    let region = headers.and_then(|headers| headers.get("x-amz-bucket-region"));
                    region.map(|region| Some(region.to_owned())).ok_or(error)
                }
            }
        });
        let region = answer.await.ok().and_then(crate::aws::Reply::found).flatten();
        let region = region.as_deref().or(said).filter(|region| !region.is_empty());
        let place = region.map_or_else(|| home.clone(), |region| self.session.region(region));
        self.places.insert(bucket.to_owned(), place.clone());
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_a_bucket_and_what_keys_begin_with() {
        let trail = address("s3://logs/AWSLogs/");
        assert_eq!((trail.bucket.as_str(), trail.prefix.as_str()), ("logs", "AWSLogs/"));
        assert_eq!(address("S3://logs").prefix, "");
        assert_eq!(address("s3://logs//a b\u{1b}[31m").prefix, "/a b\u{1b}[31m");
        assert_eq!(trail.to_string(), "s3://logs/AWSLogs/");
        for wrong in ["s3://", "s3:///AWSLogs", "s3:/logs", "https://logs", "s3://a b/c", "s3://\u{1b}[31m/x"]
        {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
        assert!(Address::is_meant("s3://") && !Address::is_meant("./s3") && !Address::is_meant("s3é//"));
    }

    #[test]
    fn what_is_below_another_address_is_listed_once() {
        let given = ["s3://b/x/y", "s3://a/x", "s3://b/x/", "s3://b/x/", "s3://b/xy"].map(address);
        assert_eq!(distinct(&given), ["s3://a/x", "s3://b/x/", "s3://b/xy"].map(address));
    }
}
