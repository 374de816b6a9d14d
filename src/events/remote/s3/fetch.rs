//! Fetching one object, through broken connections if need be.
//!
//! S3 cuts connections on which nobody reads, and what is read here waits for the reading of the objects before it. So
//! a fetch that breaks off is taken up where it did, from the very same object as its ETag tells.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::super::pieces::{Failure, Filling, Unread, pipe};
use super::super::tell;
use super::{GET_OBJECT, Object};
use crate::aws::Reply;
use crate::events::source::Input;

/// Times that a fetch may break off without a byte in between.
const BREAKS: u32 = 3;

/// Why a fetch goes no further.
enum Stop {
    /// Nobody reads it.
    Unread,
    /// It broke off for this reason, and may be taken up again.
    Broken(String),
    /// It cannot be read.
    Failed(Failure),
}

/// Begins to fetch an object. `ahead` is given back when it has been read.
pub(super) fn input(object: Object, partition: &str, ahead: OwnedSemaphorePermit) -> Input {
    let name = object.name();
    let (filling, reading) = pipe(ahead);
    let arn = format!("arn:{partition}:s3:::{}/{}", object.bucket, object.key);
    let fetch = Fetch { object, arn, into: filling, offset: 0, tag: None };
    tokio::spawn(fetch.run());
    Input::later(name, || Ok(Box::new(reading.opened()?)))
}

/// An object that is being fetched.
struct Fetch {
    object: Object,
    arn: String,
    into: Filling,
    /// Bytes that were fetched.
    offset: u64,
    /// The object's ETag, once it is known.
    tag: Option<String>,
}

impl Fetch {
    async fn run(mut self) {
        let mut breaks = 0;
        let how = loop {
            let before = self.offset;
            match self.fetch().await {
                Ok(()) => break Ok(()),
                Err(Stop::Unread) => return,
                Err(Stop::Failed(why)) => break Err(why),
                Err(Stop::Broken(why)) => {
                    breaks = if self.offset > before { 1 } else { breaks + 1 };
                    if breaks > BREAKS {
                        let why = format!("the connection to S3 broke off {breaks} times: {why}");
                        break Err(Failure::Other(why));
                    }
                }
            }
        };
        self.into.end(how).await;
    }

    /// Fetches what is missing.
    async fn fetch(&mut self) -> Result<(), Stop> {
        let GetObjectOutput { mut body, e_tag, content_length, .. } = self.ask().await?;
        self.tag = self.tag.take().or(e_tag);
        let limit = self.object.place.session().run().attempt_timeout();
        let mut left = content_length.and_then(|length| u64::try_from(length).ok());
        loop {
            let bytes = match timeout(limit, body.next()).await {
                // Not every way that a connection can end in the middle is an error of the client.
                Ok(None) if left.is_some_and(|left| left > 0) => {
                    return Err(Stop::Broken("it ended early".to_owned()));
                }
                Ok(None) => return Ok(()),
                Ok(Some(Ok(bytes))) => bytes,
                Ok(Some(Err(error))) => return Err(Stop::Broken(error.to_string())),
                Err(_) => return Err(Stop::Broken(format!("nothing came for {limit:?}"))),
            };
            let length = bytes.len() as u64;
            self.offset += length;
            left = left.map(|left| left.saturating_sub(length));
            self.into.add(&bytes).await.map_err(|Unread| Stop::Unread)?;
        }
    }

    async fn ask(&self) -> Result<GetObjectOutput, Stop> {
        let Object { place, bucket, key } = &self.object;
        let client = place.s3();
        let range = (self.offset > 0).then(|| format!("bytes={}-", self.offset));
        // INVARIANT: where S3 gives no ETag, and nothing shows that it is the same object still, no range is asked for.
        if range.is_some() && self.tag.is_none() {
            return Err(Stop::Failed(Failure::Other("the connection to S3 broke off".to_owned())));
        }
        let tag = range.as_ref().and(self.tag.as_ref());
        let answer = place.call(&GET_OBJECT, || {
            let ask = client.get_object().bucket(bucket).key(key);
            ask.set_range(range.clone()).set_if_match(tag.cloned()).send()
        });
        match answer.await {
            Ok(Reply::Answer(answer)) => Ok(answer),
            Ok(Reply::Absent | Reply::Gone) => {
                let why = "there is no such object: it was deleted, or never written";
                Err(Stop::Failed(Failure::Gone(why)))
            }
            Err(unseen) => Err(Stop::Failed(Failure::Other(tell(&unseen, &GET_OBJECT, &self.arn)))),
        }
    }
}
