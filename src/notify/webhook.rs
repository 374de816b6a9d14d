//! Webhooks: a signed request of our own, or a message as Slack takes it.
//!
//! The signature is made as [Stripe makes it](https://docs.stripe.com/webhooks#verify-manually):
//! `X-Upright-Signature: t=SECONDS,v1=HEX`, where `HEX` is the HMAC-SHA256 of `SECONDS.BODY`. A receiver that also looks at
//! the time takes no request twice.

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};
use serde::Serialize;

use super::digest::Digest;
use super::retry::{Pace, Refused, trying};
use super::secret::{Secret, Secrets};
use super::{Channel, Delivery, News, Services, Telling, slack};
use crate::config::{Webhook, WebhookFormat, is_this_machine};
use crate::hex::hex;

/// Header of the signature.
const SIGNATURE: &str = "X-Upright-Signature";
/// Version of what is sent; it changes when a receiver would break.
const VERSION: u32 = 1;
/// Time for one attempt.
const LIMIT: Duration = Duration::from_secs(30);
/// Time to open a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Bytes of an answer that an error may show.
const MAX_ANSWER: usize = 60;

/// What is sent in our own form.
#[derive(Serialize)]
struct Message<'a> {
    version: u32,
    /// `report`, `failure` or `sample`.
    kind: &'static str,
    /// Id of the run; empty where there is none.
    run: &'a str,
    #[serde(flatten)]
    digest: &'a Digest,
}

/// Sends what is due to one webhook, and says what became of it. `number` is its place in the configuration, from 1.
pub(super) async fn send(
    telling: &Telling<'_>,
    (number, webhook): (usize, &Webhook),
    news: &News<'_>,
    secrets: &mut Secrets,
    services: &mut Services<'_>,
) -> Option<Delivery> {
    let digest = news.digest(webhook.rule(), telling.wording())?;
    let channel = match webhook.format {
        WebhookFormat::Json => Channel::Webhook,
        WebhookFormat::Slack => Channel::Slack,
    };
    let nameless = format!("webhook {number}");
    let refused = |to: &str, why: String| Delivery::new(channel, to, &digest.subject, (0, Err(why)));
    let (url, key) = match read(webhook, secrets, services).await {
        Ok(read) => read,
        Err(why) => return Some(refused(&nameless, why)),
    };
    let url = match address(url.reveal()) {
        Ok(url) => url,
        Err(why) => return Some(refused(&nameless, format!("{}: {why}", webhook.url))),
    };
    let to = format!("{nameless} ({})", url.host_str().unwrap_or_default());
    let body = match webhook.format {
        WebhookFormat::Slack => Ok(slack::message(&digest, news.sample_notice()).to_string()),
        WebhookFormat::Json => {
            let message = Message { version: VERSION, kind: news.kind(), run: news.run(), digest: &digest };
            serde_json::to_string(&message)
        }
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => return Some(refused(&to, format!("the message could not be made: {error}"))),
    };
    let sent = trying(Pace::of(LIMIT), || post(&url, key.as_ref(), &body)).await;
    Some(Delivery::new(channel, &to, &digest.subject, sent))
}

async fn read(
    webhook: &Webhook,
    secrets: &mut Secrets,
    services: &mut Services<'_>,
) -> Result<(Secret, Option<Secret>), String> {
    let url = secrets.get(&webhook.url, services).await.map_err(|error| error.to_string())?;
    let key = match &webhook.signing_key {
        None => None,
        Some(source) => Some(secrets.get(source, services).await.map_err(|error| error.to_string())?),
    };
    Ok((url, key))
}

/// The address, checked. The error says nothing of it: it is a secret.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("what is there is not an address: {error}"))?;
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        "https" if !host.is_empty() => Ok(url),
        "http" if is_this_machine(host) => Ok(url),
        _ => {
            Err("what is there does not begin with `https://`, which is a must beyond this machine"
                .to_owned())
        }
    }
}

/// No redirect is followed: it would hand the message, and its signature, to whomever the answer names.
fn client() -> Result<&'static Client, Refused> {
    static CLIENT: OnceLock<Result<Client, String>> = OnceLock::new();
    let client = CLIENT.get_or_init(|| {
        let builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(LIMIT)
            .connect_timeout(CONNECT_LIMIT)
            .http1_only()
            .user_agent(concat!("Upright/", env!("CARGO_PKG_VERSION")));
        builder.build().map_err(|error| error.to_string())
    });
    client.as_ref().map_err(|why| Refused::for_good(format!("requests cannot be made: {why}")))
}

async fn post(url: &Url, key: Option<&Secret>, body: &str) -> Result<(), Refused> {
    let mut request =
        client()?.post(url.clone()).header(CONTENT_TYPE, "application/json").body(body.to_owned());
    if let Some(key) = key {
        let signature = signature(key, Timestamp::now().as_second(), body);
        let value = HeaderValue::from_str(&signature)
            .map_err(|error| Refused::for_good(format!("the signature is no header: {error}")))?;
        request = request.header(SIGNATURE, value);
    }
    // The error of the client would show the address.
    let answer = request.send().await.map_err(|error| Refused::for_now(reasons(&error.without_url())))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let pause = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let said = beginning(answer).await.filter(|said| is_a_word_of_its_own(said, url));
    let mut why = format!("answered {status}");
    if let Some(pause) = pause.filter(|pause| is_a_word_of_its_own(pause, url)) {
        why.push_str(&format!(" (to be tried again after {pause} s)"));
    }
    if let Some(said) = said {
        why.push_str(&format!(": {said}"));
    }
    if status.is_redirection() {
        return Err(Refused::for_good(format!("{why}; redirects are not followed, name the final address")));
    }
    let passes = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    Err(if passes { Refused::for_now(why) } else { Refused::for_good(why) })
}

/// The error with what caused it, which its own words leave out.
fn reasons(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    words
}

/// The body of a short answer.
async fn beginning(mut answer: reqwest::Response) -> Option<String> {
    let mut bytes = Vec::new();
    while bytes.len() <= MAX_ANSWER {
        // What cannot be read is left out of an error that stands already.
        match answer.chunk().await.ok()? {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None => return String::from_utf8(bytes).ok().map(|text| text.trim().to_owned()),
        }
    }
    None
}

/// Whether an answer is one like Slack's `invalid_payload`. Servers repeat the path that they do not know, and here
/// that is a secret.
fn is_a_word_of_its_own(said: &str, url: &Url) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    !said.is_empty() && said.chars().all(is_plain) && !url.as_str().contains(said)
}

/// `t=SECONDS,v1=HEX`.
fn signature(key: &Secret, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes());
    let mut signing = hmac::Context::with_key(&key);
    signing.update(seconds.to_string().as_bytes());
    signing.update(b".");
    signing.update(body.as_bytes());
    format!("t={seconds},v1={}", hex(signing.sign().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_only_where_it_repeats_nothing() {
        let url = Url::parse("https://hooks.example.com/services/T0/s3cret").expect("address");
        for (said, is_shown) in [
            ("invalid_payload", true),
            ("no team", true),
            ("", false),
            ("s3cret", false),
            ("Cannot POST /services/T0/s3cret", false),
            ("<b>", false),
        ] {
            assert_eq!(is_a_word_of_its_own(said, &url), is_shown, "{said}");
        }
    }

    #[test]
    fn an_address_is_encrypted_or_on_this_machine_and_no_error_shows_it() {
        for fine in ["https://hooks.example.com/T0/B0/s3cret", "http://127.0.0.1:9/s3cret", "http://[::1]/x"]
        {
            assert_eq!(address(fine).expect("fine").as_str().trim_end_matches('/'), fine);
        }
        for refused in
            ["http://hooks.example.com/s3cret", "ftp://127.0.0.1/s3cret", "s3cret", "file:///s3cret"]
        {
            let error = address(refused).expect_err("refused");
            assert!(!error.contains("s3cret") && !error.contains("example"), "{error}");
        }
    }
}
