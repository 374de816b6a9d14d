//! The digests of a trail's bucket, account by account and region by region.

use futures::StreamExt;
use futures::stream;
use tokio::time::timeout;

use super::super::tell;
use super::list::Bucket;
use super::{Address, GET_OBJECT};
use crate::aws::{Place, Reply};
use crate::events::integrity::{Fetched, Location};
use crate::events::source::layout::{Folder, Listing, Question};

/// Digests that are fetched at once.
const DIGESTS_AT_ONCE: usize = 16;
/// Bytes that an object may have to be taken for a digest; real ones have some kilobytes.
const MOST_BYTES: usize = 16 << 20;
/// Times that fetching one is begun.
const ATTEMPTS: u32 = 3;

/// What a bucket has of one account and region.
#[derive(Debug, Clone)]
pub(in crate::events::remote) struct Series {
    /// The region whose keys the digests are signed with.
    pub(in crate::events::remote) region: String,
    /// Where the digests are.
    pub(in crate::events::remote) digests: Listing,
    /// Where the log files are.
    pub(in crate::events::remote) logs: Listing,
}

/// The accounts and regions below an address that are asked for.
pub(in crate::events::remote) async fn series(
    bucket: &Bucket,
    address: &Address,
    question: &Question,
) -> Result<Vec<Series>, String> {
    let Some(top) = bucket.layout(&address.prefix).await? else {
        return Err(
            "nothing there is laid out as a trail delivers it; give s3://bucket/[prefix/]AWSLogs/".to_owned()
        );
    };
    let mut all = Vec::new();
    for folder in bucket.accounts(top).await? {
        if folder.account.as_ref().is_some_and(|account| question.wants_account(account)) {
            all.extend(of_account(bucket, &folder, question).await?);
        }
    }
    Ok(all)
}

async fn of_account(bucket: &Bucket, folder: &Folder, question: &Question) -> Result<Vec<Series>, String> {
    let regions = match &folder.region {
        Some(region) => vec![region.clone()],
        None => {
            // Where somebody has deleted all log files of a region, its digests are left.
            let mut regions = bucket.folders(&folder.trails()).await?;
            regions.extend(bucket.folders(&folder.digests()).await?);
            regions
        }
    };
    let mut regions: Vec<String> =
        regions.into_iter().filter(|region| question.wants_region(region)).collect();
    regions.sort();
    regions.dedup();
    let of_account = Question {
        accounts: folder.account.clone().into_iter().collect(),
        regions: regions.clone(),
        ..question.clone()
    };
    let logs = of_account.listings(&folder.above_account());
    Ok(regions
        .into_iter()
        .zip(logs)
        .map(|(region, logs)| Series { region, digests: digests_of(&logs), logs })
        .collect())
}

/// Digests lie beside the log files, in the same folders for days.
fn digests_of(logs: &Listing) -> Listing {
    let beside = |key: &String| key.replacen("/CloudTrail/", "/CloudTrail-Digest/", 1);
    Listing {
        prefix: beside(&logs.prefix),
        start_after: logs.start_after.as_ref().map(beside),
        end_before: logs.end_before.as_ref().map(beside),
    }
}

/// Fetches digests; each, or where it is and why it could not be fetched.
pub(in crate::events::remote) async fn fetch(
    bucket: &Bucket,
    keys: Vec<String>,
) -> Vec<Result<Fetched, (Location, String)>> {
    stream::iter(keys)
        .map(|key| async move {
            let location = Location { bucket: bucket.name.clone(), key };
            match whole(&bucket.place, &location, &bucket.arn).await {
                Ok((bytes, signature)) => Ok(Fetched { location, is_copy: false, bytes, signature }),
                Err(why) => Err((location, why)),
            }
        })
        .buffered(DIGESTS_AT_ONCE)
        .collect()
        .await
}

/// A digest, and the signature in its metadata.
async fn whole(place: &Place, at: &Location, arn: &str) -> Result<(Vec<u8>, Option<String>), String> {
    let client = place.s3();
    let limit = place.session().run().attempt_timeout();
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        let answer =
            place.call(&GET_OBJECT, || client.get_object().bucket(&at.bucket).key(&at.key).send()).await;
        let mut answer = match answer {
            Ok(Reply::Answer(answer)) => answer,
            Ok(Reply::Absent | Reply::Gone) => return Err("it was deleted meanwhile".to_owned()),
            Err(unseen) => return Err(tell(&unseen, &GET_OBJECT, &format!("{arn}/{}", at.key))),
        };
        let mut bytes = Vec::new();
        let broken = loop {
            match timeout(limit, answer.body.next()).await {
                Ok(None) => break None,
                Ok(Some(Ok(more))) => bytes.extend_from_slice(&more),
                Ok(Some(Err(error))) => break Some(error.to_string()),
                Err(_) => break Some(format!("nothing came for {limit:?}")),
            }
            if bytes.len() > MOST_BYTES {
                return Err(format!("it is larger than {MOST_BYTES} bytes, which no digest is"));
            }
        };
        match broken {
            None => {
                return Ok((bytes, answer.metadata.and_then(|mut metadata| metadata.remove("signature"))));
            }
            Some(reason) => why = format!("the connection to S3 broke off: {reason}"),
        }
    }
    Err(why)
}
