//! Answers whoever asks for figures: `/metrics` and `/healthz` over plain HTTP. Whoever asks has so much time and so many bytes, so many
//! may ask at once, and nothing else waits for them.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Weak};

use async_std::future::timeout;
use async_std::net::{TcpListener, TcpStream};
use async_std::os::unix::net::{UnixListener, UnixStream};
use async_std::task::{sleep, spawn};
use futures::channel::oneshot;
use futures::future::{BoxFuture, Either, select};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, FutureExt as _, pin_mut};
use serde_json::json;
use tracing::{info, warn};

use super::text::Figures;
use super::whereabouts::OpenMetrics;
use crate::error::Error;
use crate::files::NodePlace;
use crate::limits;
use crate::server::{Shared, door};

/// What OpenMetrics is called.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const JSON: &str = "application/json";

const PLAIN: &str = "text/plain; charset=utf-8";

/// A connection whose own direction can be closed alone: the client sees the end of the answer and need not wait for the rest.
trait HalfClose {
    fn half_close(&self) -> io::Result<()>;
}

impl HalfClose for TcpStream {
    fn half_close(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl HalfClose for UnixStream {
    fn half_close(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// Somebody answers as long as this lives.
#[derive(Debug)]
pub struct Answering {
    until: oneshot::Sender<()>,
    /// Closed when nobody listens there any more.
    closed: oneshot::Receiver<()>,
}

impl Answering {
    /// Waits until nobody listens there any more: another server may.
    pub async fn end(self) {
        drop(self.until);
        // Nothing is ever sent.
        let _ = self.closed.await;
    }
}

/// Answers whoever asks, until what this returns is dropped.
pub fn serve(listening: OpenMetrics, figures: Figures) -> Answering {
    let ((until, over), (open, closed)) = (oneshot::channel(), oneshot::channel::<()>());
    let figures = Arc::new(figures);
    match listening {
        OpenMetrics::Address(listener) => {
            let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
            info!(target: "sealift::server::start", address, "figures are told");
            let listener = Arc::new(TcpListener::from(listener));
            let accept = move || {
                let listener = listener.clone();
                async move { listener.accept().await.map(|(stream, _)| stream) }.boxed()
            };
            spawn(accept_all(figures, over, accept).map(|()| drop(open)));
        }
        OpenMetrics::Socket(listener) => {
            let listener = Arc::new(UnixListener::from(listener));
            let accept = move || {
                let listener = listener.clone();
                async move { listener.accept().await.map(|(stream, _)| stream) }.boxed()
            };
            spawn(accept_all(figures, over, accept).map(|()| drop(open)));
        }
    }
    Answering { until, closed }
}

async fn accept_all<S>(
    figures: Arc<Figures>,
    mut over: oneshot::Receiver<()>,
    accept: impl Fn() -> BoxFuture<'static, io::Result<S>> + Send,
) where
    S: AsyncRead + AsyncWrite + HalfClose + Unpin + Send + Sync + 'static,
{
    let mut asking = VecDeque::new();
    loop {
        let stream = match select(&mut over, accept()).await {
            Either::Left(_) => return,
            Either::Right((Ok(stream), _)) => stream,
            Either::Right((Err(error), _)) => {
                let error = Error::network("accepting", error);
                if crate::repeated_warnings::is_first("nobody can ask for figures", &error) {
                    warn!(%error, "nobody can ask for figures");
                }
                sleep(limits::ACCEPT_PAUSE).await;
                continue;
            }
        };
        asking.retain(|place: &oneshot::Sender<()>| !place.is_canceled());
        if asking.len() >= limits::METRICS_CLIENTS {
            // Who asks as one does is done in a moment: who has been here longest is in nobody's way but the newcomer's.
            asking.pop_front();
        }
        let (place, taken) = oneshot::channel();
        asking.push_back(place);
        let figures = figures.clone();
        spawn(async move {
            let answering = timeout(limits::METRICS_TIMEOUT, answer(stream, figures));
            pin_mut!(answering);
            let _done_or_not = select(answering, taken).await;
        });
    }
}

/// Reads one request and answers it.
async fn answer<S: AsyncRead + AsyncWrite + HalfClose + Unpin>(mut stream: S, figures: Arc<Figures>) -> io::Result<()> {
    let mut head = Vec::new();
    let mut some = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let n = stream.read(&mut some).await?;
        if n == 0 || head.len() + n > limits::METRICS_REQUEST {
            return Ok(());
        }
        head.extend_from_slice(some.get(..n).unwrap_or_default());
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (status, kind, body) = match (method, path) {
        (b"GET" | b"HEAD", b"/metrics") => match figures.text().await {
            Some(text) => ("200 OK", OPEN_METRICS, text),
            None => ("503 Service Unavailable", PLAIN, "the server is over\n".into()),
        },
        (b"GET" | b"HEAD", b"/healthz") => healthz(figures.shared()).await,
        (b"GET" | b"HEAD", _) => ("404 Not Found", PLAIN, "there are /metrics and /healthz\n".into()),
        _ => ("405 Method Not Allowed", PLAIN, "GET and HEAD alone\n".into()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if method != b"HEAD" {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.flush().await?;
    stream.half_close()?;
    // What the client has sent beyond its request would have the system throw the answer away.
    while stream.read(&mut some).await? > 0 {}
    Ok(())
}

/// Whether the server serves: proven now, by those who do it.
async fn healthz(shared: Weak<Shared>) -> (&'static str, &'static str, Arc<str>) {
    let shared = shared.upgrade();
    let storage = shared.as_ref().and_then(|shared| shared.registry.kept_in().health());
    let word = match shared {
        None => "stopping",
        Some(shared) if shared.registry.is_stopping() => "stopping",
        // Another one of the folder can do more.
        Some(shared) if shared.registry.kept_in().node_place() == Some(NodePlace::Lost) => "lost",
        Some(shared) => {
            match timeout(limits::HEALTH_TIMEOUT, door::liveness::prove_life(&shared, &door::liveness::own())).await {
                Ok(Ok(())) => "ok",
                Ok(Err(_)) if shared.registry.is_stopping() => "stopping",
                Ok(Err(_)) | Err(_) => "stuck",
            }
        }
    };
    let status = if word == "ok" { "200 OK" } else { "503 Service Unavailable" };
    let mut body = json!({ "status": word, "pid": std::process::id(), "version": env!("CARGO_PKG_VERSION") });
    // No reason for another status: other servers do not have it either, and this one tells its clients to try again.
    if let (Some(storage), Some(fields)) = (storage, body.as_object_mut()) {
        fields.insert("storage".to_owned(), json!(storage.word()));
    }
    (status, JSON, format!("{body}\n").into())
}
