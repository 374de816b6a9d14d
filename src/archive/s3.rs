//! [`S3Store`]: an archive in S3.
//!
//! It goes through the same SDK, credentials and endpoints as every other call, but is no part of a scan: its calls
//! are not counted in the report. They need `s3:ListBucket` on the bucket, and `s3:GetObject`, `s3:PutObject` and
//! `s3:DeleteObject` on the keys below the prefix.
//!
//! Quirks:
//! - A put is whole or not at all, and is seen by every read after it
//!   ([consistency](https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel)).
//! - `If-None-Match: *` writes only where nothing is
//!   ([conditional writes](https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html)). Of two at
//!   once one may get 409 and is to try again.
//! - A request to another region than the bucket's is refused, with the right one in a header.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;
use tokio::runtime::Runtime;

use super::store::{Entry, Store, StoreError, StoreErrorKind};
use crate::aws::{Aws, ConnectError, Limits, Source};

/// Header in which S3 tells where a bucket lies.
const REGION_HEADER: &str = "x-amz-bucket-region";
/// The slowest line that an object must get through, in bytes a second.
const SLOWEST: u64 = 64 << 10;
/// Time that a transfer gets besides.
const GRACE: Duration = Duration::from_secs(30);
/// Times that a conditional write is tried when another one is under way.
const ATTEMPTS: usize = 4;

/// Why an archive in S3 cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no connection to AWS.
    #[error("archive: {0}")]
    Connect(#[from] ConnectError),
    /// The bucket does not exist.
    #[error("archive: there is no bucket `{bucket}`; Upright makes none")]
    NoBucket {
        /// The bucket.
        bucket: String,
    },
    /// The machine refused.
    #[error("archive: no threads could be started: {0}")]
    Threads(#[from] std::io::Error),
}

/// An archive in S3. It has threads of its own, and must not be used from an asynchronous task.
#[derive(Debug)]
pub struct S3Store {
    runtime: Runtime,
    client: Client,
    bucket: String,
    prefix: String,
}

impl S3Store {
    /// Connects, and finds out where the bucket lies.
    ///
    /// # Errors
    /// When no region is configured, or there is no such bucket. What the credentials may not do shows later.
    pub fn open(source: &Source, limits: &Limits, bucket: &str, prefix: &str) -> Result<Self, OpenError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let client = runtime.block_on(async {
            let aws = Aws::connect(source, limits).await?;
            in_region_of(&aws, bucket).await
        })?;
        Ok(Self { runtime, client, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    fn whole_key(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) }
    }

    fn failed<E>(&self, key: &str, done: &'static str, error: &SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let code = error.code().unwrap_or_default();
        let status = error.raw_response().map(|response| response.status().as_u16());
        let kind = match (code, status) {
            ("NoSuchKey", _) | ("", Some(404)) => StoreErrorKind::NotThere,
            ("PreconditionFailed", _) | (_, Some(412)) => StoreErrorKind::AlreadyThere,
            _ => StoreErrorKind::Refused,
        };
        let message = match (code, error.message()) {
            ("", _) => DisplayErrorContext(error).to_string(),
            (code, Some(message)) => format!("{code}: {message}"),
            (code, None) => code.to_owned(),
        };
        StoreError { key: self.url(key), done, kind, message }
    }

    fn refused(&self, key: &str, done: &'static str, message: String) -> StoreError {
        StoreError { key: self.url(key), done, kind: StoreErrorKind::Refused, message }
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.whole_key(key))
    }

    async fn write(&self, key: &str, bytes: &[u8], only_new: bool) -> Result<(), StoreError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let mut attempt = 1;
        loop {
            let put = self
                .client
                .put_object()
                .bucket(&self.bucket)
                .key(self.whole_key(key))
                .body(ByteStream::from(bytes.to_vec()))
                .set_if_none_match(only_new.then(|| "*".to_owned()))
                .customize()
                .config_override(patience(size))
                .send()
                .await;
            match put {
                Ok(_) => return Ok(()),
                Err(error) if error.code() == Some("ConditionalRequestConflict") && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                Err(error) => return Err(self.failed(key, "written", &error)),
            }
        }
    }

    async fn read(&self, key: &str, max_bytes: u64) -> Result<Vec<u8>, StoreError> {
        let got = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.whole_key(key))
            .customize()
            .config_override(patience(max_bytes))
            .send()
            .await
            .map_err(|error| self.failed(key, "read", &error))?;
        let mut body = got.body;
        let mut bytes = Vec::new();
        while let Some(part) =
            body.try_next().await.map_err(|error| self.refused(key, "read", error.to_string()))?
        {
            bytes.extend_from_slice(&part);
            if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max_bytes {
                return Err(self.refused(key, "read", format!("it has more than {max_bytes} bytes")));
            }
        }
        Ok(bytes)
    }

    async fn entries(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{}/", self.whole_key(folder)))
            .into_paginator()
            .send();
        let mut entries = Vec::new();
        let mut is_whole = true;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed(folder, "listed", &error))?;
            is_whole = page.is_truncated != Some(true);
            for object in page.contents.unwrap_or_default() {
                entries.extend(self.entry(folder, object.key, object.last_modified)?);
            }
        }
        // The SDK ends a list when S3 gives the same token twice, as if it were complete.
        if !is_whole {
            return Err(self.refused(folder, "listed", "the last page announces another".to_owned()));
        }
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }

    /// An object of a list; `None` for what people put there whose key the archive cannot have made.
    fn entry(
        &self,
        folder: &str,
        key: Option<String>,
        modified: Option<aws_smithy_types::DateTime>,
    ) -> Result<Option<Entry>, StoreError> {
        let (Some(key), Some(modified)) = (key, modified) else {
            return Err(self.refused(folder, "listed", "an object has no key or no time".to_owned()));
        };
        let skipped = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let Some(key) = key.get(skipped..) else { return Ok(None) };
        let Ok(modified_at) = Timestamp::from_second(modified.secs()) else { return Ok(None) };
        Ok(Some(Entry { key: key.to_owned(), modified_at }))
    }
}

/// Limits for a call that transfers this many bytes: those of other calls are too short for a large object.
fn patience(bytes: u64) -> aws_sdk_s3::config::Builder {
    let time = GRACE + Duration::from_secs(bytes.min(1 << 30) / SLOWEST);
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(time).operation_timeout(2 * time).build();
    aws_sdk_s3::config::Builder::new().timeout_config(timeouts)
}

/// A client for the region of a bucket.
async fn in_region_of(aws: &Arc<Aws>, bucket: &str) -> Result<Client, OpenError> {
    let client = aws.own_s3(aws.home_region());
    let Err(error) = client.head_bucket().bucket(bucket).send().await else { return Ok(client) };
    let Some(response) = error.raw_response() else { return Ok(client) };
    if response.status().as_u16() == 404 {
        return Err(OpenError::NoBucket { bucket: bucket.to_owned() });
    }
    let region = response.headers().get(REGION_HEADER).filter(|region| *region != aws.home_region());
    Ok(region.map_or(client, |region| aws.own_s3(region)))
}

impl Store for S3Store {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.runtime.block_on(self.write(key, bytes, false))
    }

    fn create(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.runtime.block_on(self.write(key, bytes, true))
    }

    fn get(&self, key: &str, max_bytes: u64) -> Result<Vec<u8>, StoreError> {
        self.runtime.block_on(self.read(key, max_bytes))
    }

    fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        self.runtime.block_on(self.entries(folder))
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.runtime.block_on(async {
            let deleted =
                self.client.delete_object().bucket(&self.bucket).key(self.whole_key(key)).send().await;
            deleted.map(drop).or_else(|error| match self.failed(key, "removed", &error) {
                error if error.kind == StoreErrorKind::NotThere => Ok(()),
                error => Err(error),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;

    use super::*;

    /// A store at a server that gives these answers, one for each request, and tells the requests' heads.
    fn answered(answers: Vec<(&'static str, &'static str)>) -> (S3Store, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (heads, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                let mut byte = [0_u8];
                while !request.ends_with(b"\r\n\r\n") {
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                let head = String::from_utf8(request).unwrap().to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let mut sent = vec![0; length.map_or(0, |length| length.parse().unwrap())];
                stream.read_exact(&mut sent).unwrap();
                heads.send(head).unwrap();
                let size = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let limits = Limits { max_attempts: 1, ..Limits::standard() };
        let client = runtime.block_on(async { Aws::at(&url, &limits).own_s3("eu-west-1") });
        let store =
            S3Store { runtime, client, bucket: "acme-audit".to_owned(), prefix: "upright".to_owned() };
        (store, asked)
    }

    #[test]
    fn what_is_there_already_is_told_from_what_is_refused() {
        let error = |code: &str| format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
        let conflict: &'static str = error("ConditionalRequestConflict").leak();
        let there: &'static str = error("PreconditionFailed").leak();
        let denied: &'static str = error("AccessDenied").leak();
        let (store, asked) = answered(vec![
            ("200 OK", ""),
            ("409 Conflict", conflict),
            ("412 Precondition Failed", there),
            ("403 Forbidden", denied),
        ]);
        store.create("runs/a/one", b"x").unwrap();
        let head = asked.recv().unwrap();
        assert!(head.starts_with("put /acme-audit/upright/runs/a/one"), "{head}");
        assert!(head.contains("if-none-match: *"), "{head}");
        assert_eq!(store.create("runs/a/one", b"x").unwrap_err().kind, StoreErrorKind::AlreadyThere);
        let refused = store.put("runs/a/one", b"x").unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Refused);
        assert_eq!(
            refused.to_string(),
            "`s3://acme-audit/upright/runs/a/one` could not be written: AccessDenied: no"
        );
        let unconditional = asked.iter().nth(2).unwrap();
        assert!(!unconditional.contains("if-none-match"), "{unconditional}");
    }

    #[test]
    fn lists_are_read_to_their_end_and_objects_to_their_limit() {
        let first = "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>\
                     <Contents><Key>upright/runs/b</Key><LastModified>2026-11-29T03:00:00.000Z</LastModified></Contents>\
                     </ListBucketResult>";
        let second = "<ListBucketResult><IsTruncated>false</IsTruncated>\
                      <Contents><Key>upright/runs/a</Key><LastModified>2026-11-28T03:00:00.000Z</LastModified></Contents>\
                      </ListBucketResult>";
        let gone = "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>";
        let (store, asked) = answered(vec![
            ("200 OK", first),
            ("200 OK", second),
            ("200 OK", "12345"),
            ("200 OK", "12345"),
            ("404 Not Found", gone),
            ("200 OK", first),
            ("403 Forbidden", "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"),
        ]);
        let keys: Vec<String> = store.list("runs").unwrap().into_iter().map(|entry| entry.key).collect();
        assert_eq!(keys, ["runs/a", "runs/b"]);
        assert!(asked.recv().unwrap().contains("prefix=upright%2fruns%2f"));
        assert_eq!(store.get("runs/a", 5).unwrap(), b"12345");
        assert_eq!(store.get("runs/a", 4).unwrap_err().kind, StoreErrorKind::Refused);
        assert_eq!(store.get("runs/a", 9).unwrap_err().kind, StoreErrorKind::NotThere);
        // Page two denied: the list is not what page one says.
        assert_eq!(store.list("runs").unwrap_err().kind, StoreErrorKind::Refused);
    }
}
