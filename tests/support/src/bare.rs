//! The bare loop: requests sent again by a client that makes nothing of the answers. A scanner can be no
//! faster against the same server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Map, Value};

use crate::server::{Request, Server};
use crate::wire::{self, Call, Protocol};

impl Server {
    /// Sends the first page of these requests to it again, in any order, `concurrency` at a time, and
    /// tells how long that took.
    ///
    /// # Errors
    /// When a request cannot be written or is not answered.
    pub fn bare_loop(&self, requests: &[Request], concurrency: usize) -> Result<Duration> {
        let requests: Vec<_> = requests
            .iter()
            .map(|request| write(&request.call, &request.key, self.port()))
            .collect::<Result<_>>()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let started = Instant::now();
        runtime.block_on(send_all(requests, concurrency))?;
        Ok(started.elapsed())
    }
}

async fn send_all(requests: Vec<http::Request<Full<Bytes>>>, concurrency: usize) -> Result<()> {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..concurrency {
        let (client, requests, next) = (client.clone(), Arc::clone(&requests), Arc::clone(&next));
        loops.spawn(async move {
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = client.request(request.clone()).await.context("no answer")?;
                answer.into_body().collect().await.context("the answer broke off")?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = loops.join_next().await {
        ended??;
    }
    Ok(())
}

/// A request that [`wire::read`] reads as this call.
fn write(call: &Call, key: &str, port: u16) -> Result<http::Request<Full<Bytes>>> {
    let service = call.service();
    let name = call.operation.strip_prefix(service).and_then(|rest| rest.strip_prefix(':'));
    let name = name.with_context(|| format!("`{}` names no service", call.operation))?;
    let signed_for = if call.protocol() == Protocol::S3Control { "s3" } else { service };
    let request = http::Request::builder().header(HOST, format!("localhost:{port}")).header(
        AUTHORIZATION,
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/20261124/{}/{signed_for}/aws4_request, SignedHeaders=host, \
             Signature=00",
            call.region
        ),
    );
    let root = format!("http://127.0.0.1:{port}/");
    Ok(match call.protocol() {
        Protocol::Query | Protocol::Ec2 => {
            let form = form(call.params.iter().chain([(&"Action".to_owned(), &name.to_owned())]));
            request.method("POST").uri(root).body(Full::from(form))?
        }
        Protocol::Json => {
            let members = call.params.iter().map(|(name, value)| (name.clone(), Value::from(value.clone())));
            let body = Value::Object(members.collect::<Map<_, _>>()).to_string();
            request
                .method("POST")
                .uri(root)
                .header("x-amz-target", format!("Service.{name}"))
                .body(Full::from(body))?
        }
        Protocol::S3Control => request
            .method("GET")
            .uri(format!("{root}v20180820/configuration/publicAccessBlock"))
            .header("x-amz-account-id", call.param("AccountId").context("no AccountId")?)
            .body(Full::default())?,
        Protocol::S3 => {
            let bucket = call.param("Bucket").unwrap_or_default();
            let query = form(call.params.iter().filter(|(name, _)| *name != "Bucket"));
            let subresource = wire::subresource(name).unwrap_or_default();
            request.method("GET").uri(format!("{root}{bucket}?{subresource}&{query}")).body(Full::default())?
        }
    })
}

fn form<'a>(params: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let pairs: Vec<String> =
        params.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&")
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same_call() {
        for (operation, params) in [
            ("iam:ListAccessKeys", vec![("UserName", "a b+c%/é")]),
            ("ec2:DescribeVpcs", vec![]),
            ("kms:DescribeKey", vec![("KeyId", "arn:aws:kms:eu-west-1:1:key/\"x\"")]),
            ("s3:ListBuckets", vec![("max-buckets", "10000")]),
            ("s3:GetBucketPolicy", vec![("Bucket", "logs.example")]),
            ("s3:GetPublicAccessBlock", vec![("Bucket", "logs")]),
            ("s3control:GetPublicAccessBlock", vec![("AccountId", "123456789012")]),
        ] {
            let call = Call {
                account: "123456789012".to_owned(),
                region: "eu-west-1".to_owned(),
                operation: operation.to_owned(),
                params: params
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v.to_owned()))
                    .collect::<BTreeMap<_, _>>(),
            };
            let (head, _) = write(&call, "KEY", 7).unwrap().into_parts();
            let body = match call.protocol() {
                Protocol::Query | Protocol::Ec2 | Protocol::Json => body_of(&call),
                Protocol::S3 | Protocol::S3Control => Bytes::new(),
            };
            let signed = wire::read(&head, &body, |_| "123456789012".to_owned()).unwrap();
            assert_eq!((signed.key.as_str(), signed.call), ("KEY", call));
        }
    }

    fn body_of(call: &Call) -> Bytes {
        let body = write(call, "KEY", 7).unwrap().into_body();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(body.collect()).unwrap().to_bytes()
    }
}
