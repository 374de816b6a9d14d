//! The daemon's answers over HTTP: its health, its numbers, its page, and the reports of the archive. All of it reads.

use std::convert::Infallible;
use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::state::State;
use super::{metrics, page};
use crate::archive::{Archive, ArchiveError, PAGE, REPORT, RunId};

/// Connections at once; more wait.
const MAX_CONNECTIONS: usize = 64;
/// Answers out of the archive at once: each holds a report in memory.
const MAX_READS: usize = 2;
/// How long a client may take for the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may last: one answer, to a slow client.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of a report that is unpacked for a client which cannot do so itself.
const MAX_UNPACKED: u64 = 256 << 20;

/// Of our own pages: nothing is loaded, run, framed or sent anywhere.
const OWN_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
/// Of a report, which has a policy in its page that allows its own style and script and no more.
const REPORT_POLICY: &str = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// What the daemon answers with.
#[derive(Debug)]
pub(super) struct Pages {
    state: Arc<State>,
    archive: Arc<Archive>,
    /// The host that it listens at, as it was configured.
    host: String,
    reads: Semaphore,
}

/// A coding that a report may be stored in, and be sent in as it is.
#[derive(Clone, Copy)]
enum Coding {
    Gzip,
    Zstd,
}

impl Coding {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    fn unpack(self, packed: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = MAX_UNPACKED + 1;
        match self {
            Self::Gzip => flate2::read::GzDecoder::new(packed).take(limit).read_to_end(&mut bytes)?,
            Self::Zstd => zstd::Decoder::with_buffer(packed)?.take(limit).read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    }
}

type Answer = Response<Full<Bytes>>;

/// Answers until the task is aborted.
pub(super) async fn answer(listener: TcpListener, pages: Arc<Pages>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, mostly: that passes.
                warn!(%error, "A connection could not be accepted.");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let pages = Arc::clone(&pages);
                async move { Ok::<_, Infallible>(pages.answer(&request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .keep_alive(false)
                .max_buf_size(16 << 10)
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away is no concern of ours.
            drop(tokio::time::timeout(CONNECTION_TIMEOUT, connection).await);
            drop(place);
        });
    }
}

impl Pages {
    pub(super) fn new(state: Arc<State>, archive: Arc<Archive>, host: &str) -> Self {
        Self { state, archive, host: host.to_owned(), reads: Semaphore::new(MAX_READS) }
    }

    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Answer {
        let answer = if !self.is_for_us(request.headers()) {
            text(
                StatusCode::MISDIRECTED_REQUEST,
                "This is not the name of this server; ask for localhost or its address.\n",
            )
        } else if request.method() == Method::GET {
            self.page(request).await
        } else {
            let mut answer =
                text(StatusCode::METHOD_NOT_ALLOWED, "Nothing here can be changed: only GET is answered.\n");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
            answer
        };
        guarded(answer)
    }

    /// A page of the web that makes a name of its own point here must not read anything: only names that are
    /// configured are answered, and addresses, which need no name.
    fn is_for_us(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
        let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
        // Before an `@` could stand another name.
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        bare.eq_ignore_ascii_case("localhost")
            || bare.eq_ignore_ascii_case(&self.host)
            || bare.parse::<IpAddr>().is_ok()
    }

    async fn page<B>(&self, request: &Request<B>) -> Answer {
        match request.uri().path() {
            "/" => self.start().await,
            "/healthz" => self.health(),
            "/metrics" => with_type(StatusCode::OK, metrics::CONTENT_TYPE, self.state.metrics().into_bytes()),
            path => match report_of(path) {
                Some((id, name)) => self.report(id, name, accepted(request.headers())).await,
                None => not_found(),
            },
        }
    }

    fn health(&self) -> Answer {
        let complaints = self.state.complaints(Timestamp::now());
        if complaints.is_empty() {
            text(StatusCode::OK, "ok\n")
        } else {
            text(StatusCode::SERVICE_UNAVAILABLE, &format!("{}\n", complaints.join("\n")))
        }
    }

    async fn start(&self) -> Answer {
        let Ok(_place) = self.reads.acquire().await else { return not_found() };
        let (archive, jobs) = (Arc::clone(&self.archive), self.state.jobs());
        let complaints = self.state.complaints(Timestamp::now());
        match spawn_blocking(move || page::render(&jobs, complaints, &archive)).await {
            Ok(Ok(html)) => with_type(StatusCode::OK, "text/html; charset=utf-8", html.into_bytes()),
            Ok(Err(error)) => failed(&error.to_string()),
            Err(error) => failed(&error.to_string()),
        }
    }

    async fn report(&self, id: RunId, name: &'static str, accepted: Accepted) -> Answer {
        let Ok(_place) = self.reads.acquire().await else { return not_found() };
        let archive = Arc::clone(&self.archive);
        let read = move || -> Result<Answer, ArchiveError> {
            let stored = archive.read(&archive.manifest(&id)?, name)?;
            Ok(stored_report(name, stored, accepted))
        };
        match spawn_blocking(read).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_absence() || matches!(error, ArchiveError::NoObject { .. }) => {
                not_found()
            }
            Ok(Err(error)) => failed(&error.to_string()),
            Err(error) => failed(&error.to_string()),
        }
    }
}

/// The run and the object that a path names; nothing else of the archive has a path.
fn report_of(path: &str) -> Option<(RunId, &'static str)> {
    let (id, name) = path.strip_prefix("/runs/")?.split_once('/')?;
    let object = match name {
        "report.html" => PAGE,
        "report.json" => REPORT,
        _ => return None,
    };
    Some((id.parse().ok()?, object))
}

fn stored_report(name: &str, stored: Vec<u8>, accepted: Accepted) -> Answer {
    let (coding, kind) = if name == PAGE {
        (Coding::Gzip, "text/html; charset=utf-8")
    } else {
        (Coding::Zstd, "application/json")
    };
    let is_accepted = match coding {
        Coding::Gzip => accepted.gzip,
        Coding::Zstd => accepted.zstd,
    };
    let mut answer = if is_accepted {
        let mut answer = with_type(StatusCode::OK, kind, stored);
        answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
        answer
    } else {
        match coding.unpack(&stored) {
            Ok(bytes) if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_UNPACKED) => {
                with_type(StatusCode::OK, kind, bytes)
            }
            Ok(_) => text(
                StatusCode::NOT_ACCEPTABLE,
                &format!(
                    "The report is too large to be unpacked here: ask for it with `Accept-Encoding: {}`.\n",
                    coding.as_str()
                ),
            ),
            Err(error) => return failed(&error.to_string()),
        }
    };
    let headers = answer.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(REPORT_POLICY));
    answer
}

/// What a client can unpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Accepted {
    gzip: bool,
    zstd: bool,
}

fn accepted(headers: &HeaderMap) -> Accepted {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<String> = values.flat_map(|value| value.split(',')).filter_map(coding).collect();
    let has = |name: &str| codings.iter().any(|coding| coding == name);
    Accepted { gzip: has("gzip"), zstd: has("zstd") }
}

/// The coding of an item, unless it is refused with a weight of 0.
fn coding(item: &str) -> Option<String> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let is_refused = parts
        .filter_map(|part| part.strip_prefix("q="))
        .any(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
    (!is_refused).then_some(name)
}

fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "There is nothing here.\n")
}

/// What went wrong is for the log: it may name paths of this machine.
fn failed(why: &str) -> Answer {
    warn!(why, "A page could not be made.");
    text(StatusCode::INTERNAL_SERVER_ERROR, "It could not be read; the daemon's log says why.\n")
}

fn text(status: StatusCode, body: &str) -> Answer {
    with_type(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn with_type(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// Says to browsers what none of our answers needs.
fn guarded(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(OWN_POLICY));
    answer
}
