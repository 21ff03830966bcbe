//! An established TLS connection, the same type on both sides.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_std::net::TcpStream;
use async_tls::{client, server};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::buffered::{SharedBuffered, Turn};
use crate::budget::Account;
use crate::limits;
use crate::limits::CLOSE_DRAIN;

/// A TLS connection after its handshake. See [the module](super) for what a user must know.
///
/// Its two directions do not disturb each other, so [`split`](AsyncReadExt::split) halves may live in one task or two.
/// The first error ends it: every later read and write fails too.
pub struct TlsStream<IO> {
    side: Box<Side<IO>>,
    io: SharedBuffered<IO>,
    /// Whether the goodbye (close_notify) was given; nothing may be written after it.
    closed: bool,
    broken: Option<io::ErrorKind>,
}

/// The engine's stream.
pub(super) enum Side<IO> {
    Accepted(server::TlsStream<SharedBuffered<IO>>),
    Connected(client::TlsStream<SharedBuffered<IO>>),
}

/// Runs an expression on the engine's stream of either side.
macro_rules! either {
    ($side:expr, $stream:ident => $do:expr) => {
        match $side {
            Side::Accepted($stream) => $do,
            Side::Connected($stream) => $do,
        }
    };
}

impl<IO> fmt::Debug for TlsStream<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("closed", &self.closed).field("broken", &self.broken).finish_non_exhaustive()
    }
}

impl<IO: Clone> TlsStream<IO> {
    /// The stream below TLS, for its addresses and options: for a socket, another handle on it. Reading or writing it
    /// breaks the connection.
    pub fn socket(&self) -> IO {
        self.io.lock().get_ref().clone()
    }
}

impl<IO> TlsStream<IO> {
    /// From now on its memory is taken from this account's share.
    pub(crate) fn charge(&self, account: &Arc<Account>) {
        self.io.lock().charge(account);
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// The stream after the engine's handshake on the adapter `io`. What the handshake still had to say is sent, be it
    /// only the reason of its failure.
    pub(super) async fn after_handshake(done: io::Result<Side<IO>>, io: SharedBuffered<IO>) -> io::Result<Self> {
        match done {
            Ok(side) => {
                let mut stream = TlsStream { side: Box::new(side), io, closed: false, broken: None };
                stream.flush().await?;
                Ok(stream)
            }
            Err(err) => {
                poll_fn(|cx| {
                    io.lock().send_last_words(cx);
                    Poll::Ready(())
                })
                .await;
                Err(err)
            }
        }
    }

    /// Remembers that the connection is over, and sends the engine's alert if the socket takes it at once.
    fn fail(&mut self, cx: &mut Context<'_>, err: io::Error) -> io::Error {
        self.broken = Some(err.kind());
        self.io.lock().begin(Turn::Write);
        let _the_first_error_counts = either!(&mut *self.side, stream => Pin::new(stream).poll_flush(cx));
        err
    }

    /// The error of a stream that may no longer be written.
    fn check_writable(&self) -> io::Result<()> {
        match self.broken {
            Some(kind) => Err(kind.into()),
            None if self.closed => Err(io::ErrorKind::BrokenPipe.into()),
            None => Ok(()),
        }
    }
}

impl TlsStream<TcpStream> {
    /// Ends the connection so that the other side can still read what was written last.
    ///
    /// Sends what is gathered and the goodbye, closes the sending direction, and waits for the other side to close its
    /// own: a socket dropped with unread bytes resets the connection, and the last reply is lost with it. It all takes
    /// at most [`CLOSE_DRAIN`], so flush before it what may take longer to send. Failures do not matter any more and
    /// are not told.
    pub async fn close(mut self) {
        let _over_either_way = async_std::future::timeout(CLOSE_DRAIN, self.say_goodbye()).await;
    }

    async fn say_goodbye(&mut self) -> io::Result<()> {
        AsyncWriteExt::close(self).await?;
        let mut socket = self.socket();
        socket.shutdown(Shutdown::Write)?;
        let mut discarded = vec![0; limits::DISCARD_CHUNK];
        while socket.read(&mut discarded).await? > 0 {
            // A peer that never pauses would keep the time-out around us from being looked at.
            async_std::task::yield_now().await;
        }
        Ok(())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(kind) = this.broken {
            return Poll::Ready(Err(kind.into()));
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.io.lock().begin(Turn::Read);
        match either!(&mut *this.side, stream => Pin::new(stream).poll_read(cx, buf)) {
            Poll::Ready(Ok(count)) => {
                this.io.lock().productive();
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(err)) => Poll::Ready(Err(this.fail(cx, err))),
            Poll::Pending if this.io.lock().paused() => Poll::Pending,
            // The engine waits, but not for the socket: bytes follow the peer's goodbye, and nothing would wake us.
            Poll::Pending => {
                let err = io::Error::new(io::ErrorKind::InvalidData, "bytes after the end of the TLS connection");
                Poll::Ready(Err(this.fail(cx, err)))
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_writable()?;
        this.io.lock().begin(Turn::Write);
        match either!(&mut *this.side, stream => Pin::new(stream).poll_write(cx, buf)) {
            Poll::Ready(Err(err)) => Poll::Ready(Err(this.fail(cx, err))),
            other => other,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(kind) = this.broken {
            return Poll::Ready(Err(kind.into()));
        }
        this.io.lock().begin(Turn::Write);
        match ready!(either!(&mut *this.side, stream => Pin::new(stream).poll_flush(cx))) {
            Err(err) => Poll::Ready(Err(this.fail(cx, err))),
            Ok(()) => Poll::Ready(Ok(())),
        }
    }

    /// Says goodbye (close_notify) and flushes. The other direction stays open.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(kind) = this.broken {
            return Poll::Ready(Err(kind.into()));
        }
        this.closed = true;
        this.io.lock().begin(Turn::Write);
        match ready!(either!(&mut *this.side, stream => Pin::new(stream).poll_close(cx))) {
            Err(err) => Poll::Ready(Err(this.fail(cx, err))),
            Ok(()) => Poll::Ready(Ok(())),
        }
    }
}
