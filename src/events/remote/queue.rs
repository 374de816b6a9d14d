//! Messages of an SQS queue.
//!
//! SQS [delivers a message again](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html)
//! until it is deleted. So one is deleted only after everything that it stands for has been read, and what was found
//! has been written; until then it is kept from other readers, and extended while work lasts. The caller says when.
//!
//! **The one write of event sources**: `sqs:DeleteMessage` takes messages away that were dealt with, and
//! `sqs:ChangeMessageVisibility` keeps those that are being dealt with. Both are asked for by `--sqs` alone.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};
use thiserror::Error;
use tokio::task::JoinHandle;

use super::{Remote, tell};
use crate::accounts::is_account_id;
use crate::aws::{Call, Place};

/// `sqs:ReceiveMessage`. An answer without messages is an empty object.
pub static RECEIVE: Call = Call::one("sqs", "ReceiveMessage", "{");
/// `sqs:ChangeMessageVisibilityBatch`: keeps messages that are being dealt with from other readers.
pub static EXTEND: Call =
    Call::one("sqs", "ChangeMessageVisibilityBatch", "{").action("sqs:ChangeMessageVisibility");
/// `sqs:DeleteMessageBatch`: takes messages away that have been dealt with.
pub static DELETE: Call = Call::one("sqs", "DeleteMessageBatch", "{").action("sqs:DeleteMessage");

/// Messages that are received at once; SQS gives no more, and takes no more in a batch.
const AT_ONCE: i32 = 10;
/// Seconds for which a message is kept from other readers, after it was received and at each extension.
pub const KEPT_SECONDS: i32 = 180;
/// Between two extensions: one may fail and there is time for the next.
const EXTENDED_EVERY: Duration = Duration::from_secs(60);
/// Seconds that SQS waits for a message, at most: with any wait, all its servers are asked.
const LONGEST_WAIT: u64 = 10;

/// What is given is no URL of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no URL of a queue; `aws sqs get-queue-url --queue-name NAME` prints it, \
     such as https://sqs.eu-west-1.amazonaws.com/111122223333/events"
)]
pub struct NoQueue(String);

/// A queue.
#[derive(Debug, Clone)]
pub struct Queue {
    place: Place,
    url: String,
    arn: String,
    name: String,
}

/// A message that was received.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id, which stays the same when it is delivered again.
    pub id: String,
    /// What it is deleted and extended by; another one each time that it is delivered.
    receipt: String,
    /// What it says.
    pub body: String,
}

/// Keeps messages from other readers until it is dropped.
#[derive(Debug)]
pub struct Keeping {
    task: JoinHandle<()>,
    trouble: Arc<Mutex<Option<String>>>,
}

impl Queue {
    /// The queue of a URL. Nothing is called yet.
    ///
    /// # Errors
    /// When it is no URL of a queue.
    pub fn new(remote: &Remote, url: &str) -> Result<Self, NoQueue> {
        let (host, account, name) = parts(url).ok_or_else(|| NoQueue(url.to_owned()))?;
        let region = region_of(host).unwrap_or_else(|| remote.home_region());
        let arn = format!("arn:{}:sqs:{region}:{account}:{name}", remote.partition);
        let place = remote.session.region(region);
        Ok(Self { place, url: url.to_owned(), arn, name: name.to_owned() })
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Receives up to ten messages, and waits a while for the first. None: the queue is empty, or all are with other
    /// readers.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn receive(&self, is_patient: bool) -> Result<Vec<Message>, String> {
        let client = self.place.sqs();
        // The answer comes at the end of the wait, which must be within the time limit of an attempt.
        let longest = self.place.session().run().attempt_timeout().as_secs() / 2;
        let wait = if is_patient { LONGEST_WAIT } else { 2 }.min(longest);
        let answer = self.place.call(&RECEIVE, || {
            client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(AT_ONCE)
                .visibility_timeout(KEPT_SECONDS)
                .wait_time_seconds(i32::try_from(wait).unwrap_or_default())
                .send()
        });
        let answer = answer.await.map_err(|unseen| tell(&unseen, &RECEIVE, &self.arn))?;
        let messages = answer.found().and_then(|answer| answer.messages).unwrap_or_default();
        let whole = messages.into_iter().filter_map(|message| {
            Some(Message {
                id: message.message_id?,
                receipt: message.receipt_handle?,
                body: message.body.unwrap_or_default(),
            })
        });
        Ok(whole.collect())
    }

    /// Deletes messages, which have been dealt with; the ids of those that are gone from the queue, and why others may
    /// not be.
    pub async fn delete(&self, messages: &[&Message]) -> (BTreeSet<String>, Option<String>) {
        let client = self.place.sqs();
        let mut deleted = BTreeSet::new();
        let mut trouble = None;
        for batch in messages.chunks(usize::try_from(AT_ONCE).unwrap_or(1)) {
            let entries = batch.iter().enumerate().filter_map(|(index, message)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
                entry.receipt_handle(&message.receipt).build().ok()
            });
            let entries: Vec<_> = entries.collect();
            let answer = self.place.call(&DELETE, || {
                client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries.clone())).send()
            });
            match answer.await.map(crate::aws::Reply::found) {
                Ok(Some(answer)) => {
                    let done = answer.successful().iter().filter_map(|done| done.id().parse::<usize>().ok());
                    deleted
                        .extend(done.filter_map(|index| batch.get(index)).map(|message| message.id.clone()));
                    trouble = trouble.or_else(|| {
                        answer.failed().first().map(|failed| said(failed.code(), failed.message()))
                    });
                }
                Ok(None) => {}
                Err(unseen) => trouble = Some(tell(&unseen, &DELETE, &self.arn)),
            }
        }
        (deleted, trouble)
    }

    /// Keeps messages from other readers for as long as the answer lives.
    #[must_use]
    pub fn keep(&self, remote: &Remote, messages: &[Message]) -> Keeping {
        let trouble = Arc::new(Mutex::new(None));
        let entries: Vec<_> = messages
            .iter()
            .enumerate()
            .filter_map(|(index, message)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(index.to_string());
                entry.receipt_handle(&message.receipt).visibility_timeout(KEPT_SECONDS).build().ok()
            })
            .collect();
        let (queue, noted) = (self.clone(), Arc::clone(&trouble));
        let task = remote.runtime.spawn(async move {
            loop {
                tokio::time::sleep(EXTENDED_EVERY).await;
                if let Err(why) = queue.extend(&entries).await {
                    *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                }
            }
        });
        Keeping { task, trouble }
    }

    async fn extend(&self, entries: &[ChangeMessageVisibilityBatchRequestEntry]) -> Result<(), String> {
        let client = self.place.sqs();
        let answer = self.place.call(&EXTEND, || {
            let ask = client.change_message_visibility_batch().queue_url(&self.url);
            ask.set_entries(Some(entries.to_vec())).send()
        });
        let answer = answer.await.map_err(|unseen| tell(&unseen, &EXTEND, &self.arn))?;
        let failed = answer.found().and_then(|answer| answer.failed.into_iter().next());
        failed.map_or(Ok(()), |failed| Err(said(failed.code(), failed.message())))
    }
}

/// The ARN of a queue that is given by URL or by ARN.
///
/// # Errors
/// When it is neither, or a URL that does not tell the region.
pub fn arn_of(queue: &str, partition: &str) -> Result<String, NoQueue> {
    let wrong = || NoQueue(queue.to_owned());
    if let [_, _, "sqs", _, account, name] = queue.split(':').collect::<Vec<_>>().as_slice()
        && queue.starts_with("arn:")
    {
        parts(&format!("https://sqs/{account}/{name}")).ok_or_else(wrong)?;
        return Ok(queue.to_owned());
    }
    let (host, account, name) = parts(queue).ok_or_else(wrong)?;
    let region = region_of(host).ok_or_else(wrong)?;
    Ok(format!("arn:{partition}:sqs:{region}:{account}:{name}"))
}

impl Keeping {
    /// Why messages may have gone to other readers meanwhile.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn said(code: &str, message: Option<&str>) -> String {
    format!("{code}: {}", message.unwrap_or("SQS says no more"))
}

/// Host, account and name of a queue's URL.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let mut parts = rest.split('/');
    let (host, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    let is_account = is_account_id(account);
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    (parts.next().is_none() && !host.is_empty() && is_account && is_name).then_some((host, account, name))
}

/// The region in the [host](https://docs.aws.amazon.com/general/latest/gr/sqs-service.html) of a queue's URL, of either
/// form; `None` at an endpoint of one's own.
fn region_of(host: &str) -> Option<&str> {
    let mut names = host.split('.');
    let region = match (names.next()?, names.next()?) {
        ("sqs" | "sqs-fips", region) => region,
        (region, "queue") => region,
        _ => return None,
    };
    (host.contains(".amazonaws.com") || host.contains(".api.aws"))
        .then_some(region)
        .filter(|region| region.contains('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_the_region_of_its_queue() {
        for (url, region) in [
            ("https://sqs.eu-west-1.amazonaws.com/111122223333/events", Some("eu-west-1")),
            ("https://sqs.cn-north-1.amazonaws.com.cn/111122223333/events.fifo", Some("cn-north-1")),
            ("https://eu-west-1.queue.amazonaws.com/111122223333/events", Some("eu-west-1")),
            ("http://localhost:4566/111122223333/events", None),
            ("https://sqs.internal.example/111122223333/events", None),
        ] {
            let (host, account, _) = parts(url).unwrap();
            assert_eq!((region_of(host), account), (region, "111122223333"), "{url}");
        }
        let arn = "arn:aws:sqs:eu-west-1:111122223333:events";
        assert_eq!(arn_of("https://sqs.eu-west-1.amazonaws.com/111122223333/events", "aws").unwrap(), arn);
        assert_eq!(arn_of(arn, "aws").unwrap(), arn);
        assert!(arn_of("arn:aws:sqs:eu-west-1:111122223333", "aws").is_err());
        assert!(arn_of("http://localhost:4566/111122223333/events", "aws").is_err(), "no region");
        for wrong in [
            "events",
            "arn:aws:sqs:eu-west-1:111122223333:events",
            "https://sqs.eu-west-1.amazonaws.com/events",
            "https://sqs.eu-west-1.amazonaws.com/111122223333/a\u{1b}[31m",
            "https://sqs.eu-west-1.amazonaws.com/111122223333/a/b",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
