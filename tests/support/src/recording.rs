//! [`Recording`]: what a program asked of AWS, and what it was answered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use http::request::Parts;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::cbor;
use crate::env::Env;
use crate::http::{Listening, Outcome};
use crate::paging;
use crate::wire::{self, Call, Signed};

/// Calls and their answers. Lists are whole, however many pages they came in. Copies share the answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording(Arc<Answers>);

#[derive(Debug, PartialEq, Eq)]
struct Answers {
    management: String,
    answers: BTreeMap<Call, Answer>,
}

/// First line of the file; every further line is an [`Entry`].
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    management: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    call: Call,
    answer: Answer,
}

/// Runs something before the AWS at a port of this machine, which is asked in JSON where the SDK asks in CBOR; its own
/// keys are those of the account `management`. What else passes is left as it is.
///
/// # Errors
/// When `run` fails.
pub fn in_json<T>(port: u16, management: &str, run: impl FnOnce(&Env) -> Result<T>) -> Result<T> {
    Arc::new(Proxy::new(port, management)).before(run)
}

impl Recording {
    /// Puts a proxy in front of the AWS at a port of this machine, whose own keys are those of the
    /// account `management`, and records what `run` asks through it.
    ///
    /// # Errors
    /// When `run` fails, when a request cannot be read or passed on, or a list was not read to its end.
    pub fn record(port: u16, management: &str, run: impl FnOnce(&Env) -> Result<()>) -> Result<Self> {
        let proxy = Arc::new(Proxy::new(port, management));
        proxy.before(run)?;
        let mut noted = proxy.noted();
        ensure!(noted.problems.is_empty(), "not recorded:\n{}", noted.problems.join("\n"));
        let answers = paging::join(std::mem::take(&mut noted.answers))?;
        Ok(Self::of(management, answers))
    }

    /// A recording of these answers.
    pub(crate) fn of(management: &str, answers: BTreeMap<Call, Answer>) -> Self {
        Self(Arc::new(Answers { management: management.to_owned(), answers }))
    }

    /// The account of the caller's own keys.
    #[must_use]
    pub fn management(&self) -> &str {
        &self.0.management
    }

    /// The recorded answer.
    #[must_use]
    pub fn answer(&self, call: &Call) -> Option<&Answer> {
        self.0.answers.get(call)
    }

    /// Everything that was asked.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.0.answers.keys()
    }

    /// The operations that were asked, as `service:Operation`.
    #[must_use]
    pub fn operations(&self) -> BTreeSet<&str> {
        self.calls().map(|call| call.operation.as_str()).collect()
    }

    /// Whether anything was asked in the account.
    #[must_use]
    pub fn has_account(&self, id: &str) -> bool {
        self.calls().any(|call| call.account == id)
    }

    /// Writes it to a file: gzip, one JSON object a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = || format!("{} cannot be written", path.display());
        let mut file = GzEncoder::new(File::create(path).with_context(failed)?, Compression::fast());
        let mut write = |line: String| writeln!(file, "{line}").with_context(failed);
        write(serde_json::to_string(&Header { management: self.management().to_owned() })?)?;
        for (call, answer) in &self.0.answers {
            let entry = Entry { call: call.clone(), answer: answer.clone() };
            write(serde_json::to_string(&entry)?)?;
        }
        file.finish().with_context(failed)?;
        Ok(())
    }

    /// Reads what [`Recording::save`] has written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let read = || -> Result<Self> {
            let mut lines = BufReader::new(GzDecoder::new(File::open(path)?)).lines();
            let header: Header = serde_json::from_str(&lines.next().context("it is empty")??)?;
            let mut answers = BTreeMap::new();
            for line in lines {
                let entry: Entry = serde_json::from_str(&line?)?;
                answers.insert(entry.call, entry.answer);
            }
            Ok(Self(Arc::new(Answers { management: header.management, answers })))
        };
        read().with_context(|| format!("{} is no recording", path.display()))
    }
}

/// Stands in front of a server and notes what passes.
struct Proxy {
    port: u16,
    management: String,
    client: Client<HttpConnector, Full<Bytes>>,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    /// Access key id → account, from the roles that were assumed.
    keys: HashMap<String, String>,
    answers: BTreeMap<Call, Answer>,
    problems: Vec<String>,
}

impl Proxy {
    fn new(port: u16, management: &str) -> Self {
        Self {
            port,
            management: management.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            noted: Mutex::new(Noted::default()),
        }
    }

    /// Runs something that asks through the proxy.
    fn before<T>(self: &Arc<Self>, run: impl FnOnce(&Env) -> Result<T>) -> Result<T> {
        let handler = Arc::clone(self);
        let listening = Listening::start(move |head, body| Arc::clone(&handler).handle(head, body))?;
        run(&Env::of_port(listening.port()))
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn handle(self: Arc<Self>, head: Parts, body: Bytes) -> Outcome {
        match self.pass_on(&head, body).await {
            Ok(answer) => Outcome::Answer(answer),
            Err(error) => {
                let problem = format!("{} {}: {error:#}", head.method, head.uri);
                self.noted().problems.push(problem.clone());
                Outcome::Answer(Answer { status: 502, ..Answer::xml(&problem) })
            }
        }
    }

    async fn pass_on(&self, head: &Parts, body: Bytes) -> Result<Answer> {
        let Signed { call, .. } = wire::read(head, &body, |key| {
            self.noted().keys.get(key).cloned().unwrap_or_else(|| self.management.clone())
        })?;
        let mut headers = self.forwarded(&head.headers)?;
        let mut path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut body = body;
        if wire::is_cbor(head) {
            // moto does not know CBOR, and takes the same in JSON.
            (path, body) = ("/", cbor::decode(&body)?.to_string().into());
            let target = format!("GraniteServiceVersion20100801.{}", wire::cbor_operation(head));
            for name in ["smithy-protocol", "accept", "content-length", "x-amzn-query-mode"] {
                headers.remove(name);
            }
            headers.insert("x-amz-target", HeaderValue::from_str(&target)?);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        }
        let mut request = http::Request::builder()
            .method(&head.method)
            .uri(format!("http://127.0.0.1:{}{path}", self.port))
            .body(Full::new(body))?;
        *request.headers_mut() = headers;
        let (head, body) = self.client.request(request).await.context("no answer")?.into_parts();
        let body = body.collect().await.context("the answer broke off")?.to_bytes();
        let answer = Answer {
            status: head.status.as_u16(),
            headers: kept(&head.headers),
            body: String::from_utf8(body.to_vec()).context("the answer is not UTF-8")?,
        };
        self.note(call, &answer)?;
        Ok(answer)
    }

    /// The host keeps what stands in front of its name, and gets the port of the server behind.
    fn forwarded(&self, headers: &HeaderMap) -> Result<HeaderMap> {
        let mut headers = headers.clone();
        headers.remove(http::header::CONNECTION);
        let host = headers.get(HOST).context("no Host header")?.to_str()?;
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let host = HeaderValue::from_str(&format!("{name}:{}", self.port))?;
        headers.insert(HOST, host);
        Ok(headers)
    }

    /// Of several answers to the same call the last counts, as for a report that was in the making at
    /// first; but no server error replaces an answer.
    fn note(&self, call: Call, answer: &Answer) -> Result<()> {
        let mut noted = self.noted();
        if call.operation == "sts:AssumeRole" && answer.is_success() {
            let account = call.param("RoleArn").and_then(|arn| arn.split(':').nth(4));
            let (Some(account), Some(key)) = (account, access_key(&answer.body)) else {
                bail!("no account or no key in {call}");
            };
            noted.keys.insert(key.to_owned(), account.to_owned());
        }
        if answer.status < 500 || !noted.answers.contains_key(&call) {
            noted.answers.insert(call, answer.clone());
        }
        Ok(())
    }
}

/// The headers that mean something to a client.
fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| *name == CONTENT_TYPE || name.as_str().starts_with("x-amz"))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect()
}

/// The key of the session in an answer of `AssumeRole`.
fn access_key(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("<AccessKeyId>")?;
    rest.split_once("</AccessKeyId>").map(|(key, _)| key)
}
