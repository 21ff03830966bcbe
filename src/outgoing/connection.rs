//! One connection, driven by whoever waits for something on it.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_std::future::timeout;
use async_std::task::block_on;
use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};

use super::wire::{Sending, Socket, Wire};
use super::{Broken, Origin, OriginAddress, Request, patience};
use crate::limits;
use crate::machine::turns::block_in_place;
use crate::tls::OutgoingTls;

/// What moves the bytes; none when the connection is over.
type Driver = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// A connection that no request is under way on.
pub(super) struct Connection {
    sender: SendRequest<Sending>,
    driver: Driver,
}

/// Why a request was not answered.
pub(super) struct Unanswered {
    pub(super) why: String,
    /// The other side has closed the connection without a byte of an answer, maybe before it had the request.
    pub(super) is_unused: bool,
    /// It was handed to the connection: it may have come, and been done.
    pub(super) is_sent: bool,
}

/// An answer whose body is read as it comes.
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// It was sent before over another connection, which was closed without an answer: what was asked may have been done by then.
    pub(crate) is_sent_again: bool,
    head: hyper::HeaderMap,
    body: Incoming,
    /// Read, and not taken yet.
    ready: Bytes,
    /// None: nothing more comes, or the connection is of no use.
    connection: Option<Connection>,
    /// When all of it must have come, if that is bounded.
    due: Option<Instant>,
    origin: Arc<Origin>,
}

/// Waits for this while the connection moves.
async fn alongside<T>(driver: &mut Driver, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if driver.as_mut().is_some_and(|moving| moving.as_mut().poll(cx).is_ready()) {
            *driver = None;
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// Waits for this while the connection moves, for so long at most.
fn within<T>(most: Duration, driver: &mut Driver, work: impl Future<Output = T>) -> Result<T, String> {
    let late = |_| format!("no answer within {} s", most.as_secs());
    block_on(timeout(most, alongside(driver, work))).map_err(late)
}

impl Connection {
    pub(super) fn open(
        address: SocketAddr,
        tls: Option<&OutgoingTls>,
        place: &OriginAddress,
    ) -> Result<Connection, String> {
        let opening = async {
            let socket = Socket::connect(address).await.map_err(|err| err.to_string())?;
            let wire = match tls {
                None => Wire::Plain(socket),
                Some(tls) => Wire::Tls(tls.connect(socket, &place.host).await.map_err(|err| err.to_string())?),
            };
            let (sender, connection) = http1::Builder::new()
                .max_buf_size(limits::ENGINE_HEAD)
                .handshake(wire)
                .await
                .map_err(|err| err.to_string())?;
            Ok(Connection { sender, driver: Some(Box::pin(async move { drop(connection.await) })) })
        };
        let late = |_| format!("no connection within {} s", limits::ENGINE_CONNECT.as_secs());
        block_on(timeout(limits::ENGINE_CONNECT, opening)).map_err(late)?
    }

    pub(super) fn send(mut self, request: &Request, origin: &Arc<Origin>) -> Result<Answer, Unanswered> {
        let failed = |why: String| Unanswered { why, is_unused: false, is_sent: true };
        let mut head = hyper::Request::builder().method(request.method).uri(&request.target);
        head = head.header("host", origin.place().authority());
        for (name, value) in &request.headers {
            head = head.header(name, value);
        }
        let message = head.body(Sending::new(request.body.clone())).map_err(|err| failed(err.to_string()))?;
        let Connection { sender, driver } = &mut self;
        let answered = within(patience(request.body.len()), driver, async {
            if let Err(err) = sender.ready().await {
                return Err(Unanswered { why: err.to_string(), is_unused: true, is_sent: false });
            }
            sender.send_request(message).await.map_err(|err| {
                let is_unused = err.is_canceled() || err.is_incomplete_message();
                Unanswered { why: err.to_string(), is_unused, is_sent: true }
            })
        });
        let (parts, body) = answered.map_err(failed)??.into_parts();
        let (status, origin) = (parts.status.as_u16(), origin.clone());
        Ok(Answer {
            status,
            is_sent_again: false,
            head: parts.headers,
            body,
            ready: Bytes::new(),
            connection: Some(self),
            due: None,
            origin,
        })
    }
}

impl Answer {
    /// This answer, of a request that was sent before.
    pub(super) fn sent_again(self, is_sent_again: bool) -> Answer {
        Answer { is_sent_again, ..self }
    }

    /// A header's value, if it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name).and_then(|value| value.to_str().ok())
    }

    /// Reads some of the body; nothing at its end.
    ///
    /// # Errors
    /// That it broke off.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> Result<usize, Broken> {
        if self.ready.is_empty() && !self.next()? {
            return Ok(0);
        }
        let some = self.ready.len().min(room.len());
        self.ready.copy_to_slice(room.get_mut(..some).unwrap_or_default());
        Ok(some)
    }

    /// Has the rest of it come within this time, or it counts as broken off: each piece alone may be as late as
    /// [`limits::ENGINE_ANSWER`].
    pub(crate) fn wait_at_most(&mut self, time: Duration) {
        self.due = Some(Instant::now() + time);
    }

    /// All of the body, if it is not longer than this and comes within this time.
    ///
    /// # Errors
    /// That it broke off, or is longer.
    pub(crate) fn read_all(mut self, most: usize, time: Duration) -> Result<Vec<u8>, Broken> {
        self.wait_at_most(time);
        let mut all = Vec::new();
        while self.next()? {
            if all.len() + self.ready.len() > most {
                return Err(Broken(format!("an answer of more than {most} bytes")));
            }
            all.extend_from_slice(&std::mem::take(&mut self.ready));
        }
        Ok(all)
    }

    /// Whether there is more, which is ready then.
    fn next(&mut self) -> Result<bool, Broken> {
        let Some(connection) = &mut self.connection else { return Ok(false) };
        let (driver, body) = (&mut connection.driver, &mut self.body);
        loop {
            let left = self.due.map(|due| due.saturating_duration_since(Instant::now()));
            let frame = match left.filter(|left| *left < limits::ENGINE_ANSWER) {
                None => block_in_place(|| within(limits::ENGINE_ANSWER, driver, body.frame())),
                // It is the whole that is late.
                Some(left) => block_in_place(|| within(left, driver, body.frame()))
                    .map_err(|_| "an answer that comes too slowly".to_owned()),
            };
            match frame.and_then(|frame| frame.transpose().map_err(|err| err.to_string())) {
                Ok(Some(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => {
                        self.ready = bytes;
                        return Ok(true);
                    }
                    Ok(_) | Err(_) => {}
                },
                Ok(None) => {
                    if let Some(connection) = self.connection.take().filter(|connection| connection.driver.is_some()) {
                        self.origin.keep(connection);
                    }
                    return Ok(false);
                }
                Err(why) => {
                    self.connection = None;
                    return Err(Broken(why));
                }
            }
        }
    }
}
