//! The HTTP server under the recording proxy and the replaying server, with the ways a connection can
//! break.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::request::Parts;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::answer::Answer;
use crate::wire;

/// Between sending the first part of an answer and breaking off, so that the part is on its way.
const BEFORE_BREAKING: Duration = Duration::from_millis(20);

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is answered.
    Answer(Answer),
    /// The first half of the answer comes, under the length of the whole; then the connection breaks.
    CutOff(Answer),
    /// The connection is reset.
    Reset,
    /// Nothing ever comes.
    Hang,
}

/// A listening server with its own threads, stopped on drop.
#[derive(Debug)]
pub(crate) struct Listening {
    runtime: Option<Runtime>,
    port: u16,
}

impl Listening {
    /// Listens on a free port of 127.0.0.1. `handler` is called within the server's runtime.
    pub(crate) fn start<H, F>(handler: H) -> anyhow::Result<Self>
    where
        H: Fn(Parts, Bytes) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("testkit-server")
            .enable_all()
            .build()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let _entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let handler = Arc::new(handler);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Small answers would wait for the acknowledgement of their heads.
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, Arc::clone(&handler)));
            }
        });
        Ok(Self { runtime: Some(runtime), port })
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Not waiting for requests that hang on purpose; also allowed within another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve<H, F>(stream: TcpStream, handler: Arc<H>)
where
    H: Fn(Parts, Bytes) -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket { stream, reset: Arc::clone(&reset) };
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (handler, reset) = (Arc::clone(&handler), Arc::clone(&reset));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let is_cbor = wire::is_cbor(&head);
            match handler(head, body).await {
                Outcome::Answer(answer) => {
                    let (headers, body) = sent(&answer, is_cbor);
                    response(answer.status, &headers, Full::new(body).map_err(never).boxed())
                }
                Outcome::CutOff(answer) => {
                    let (headers, whole) = sent(&answer, is_cbor);
                    let body = BodyExt::boxed(Broken::half(&whole));
                    let mut response = response(answer.status, &headers, body)?;
                    response.headers_mut().insert(http::header::CONTENT_LENGTH, whole.len().into());
                    Ok(response)
                }
                Outcome::Reset => {
                    reset.store(true, Ordering::Relaxed);
                    Err(io::ErrorKind::ConnectionReset.into())
                }
                Outcome::Hang => std::future::pending().await,
            }
        }
    });
    // An error here is a client that went away, or a connection broken on purpose.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

fn never(error: Infallible) -> io::Error {
    match error {}
}

/// Headers and body as they are sent.
fn sent(answer: &Answer, is_cbor: bool) -> (Vec<(String, String)>, Bytes) {
    if is_cbor {
        let (headers, body) = answer.in_cbor();
        return (headers, body.into());
    }
    (answer.headers.clone(), Bytes::from(answer.body.clone()))
}

fn response(
    status: u16,
    headers: &[(String, String)],
    body: BoxBody<Bytes, io::Error>,
) -> io::Result<http::Response<BoxBody<Bytes, io::Error>>> {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body).map_err(io::Error::other)
}

/// A body that breaks after its first half.
struct Broken {
    half: Option<Bytes>,
    pause: Pin<Box<tokio::time::Sleep>>,
}

impl Broken {
    fn half(whole: &Bytes) -> Self {
        Self {
            half: Some(whole.slice(..whole.len() / 2)),
            pause: Box::pin(tokio::time::sleep(BEFORE_BREAKING)),
        }
    }
}

impl Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        self.pause.as_mut().poll(cx).map(|()| Some(Err(io::ErrorKind::BrokenPipe.into())))
    }
}

/// A connection that can end with a reset instead of an orderly close.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // Without it the client sees an orderly close, which is a fault as well.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::Relaxed) {
            // An orderly end would come before the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
