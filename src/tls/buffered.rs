//! The adapter between the TLS engine and the socket.
//!
//! The engine reads in 4 KiB steps and writes one record at a time; here many of them become one system call.
//! It is also where a hostile peer meets its bounds, because every raw byte passes here:
//!
//! - async-tls loops inside one poll while bytes keep arriving, so a time-out around it would fire late. After
//!   [`READS_PER_POLL`] socket reads in a row the adapter gives the executor a turn.
//! - Before the handshake is done a peer may send [`HANDSHAKE_BYTES_MAX`] bytes, and later [`EMPTY_BYTES_MAX`] bytes
//!   without plaintext among them (empty records, key updates).
//!
//! async-tls reads while it writes and writes while it reads, which mixes up the wakers of the two directions: a
//! stalled connection read and written by two tasks burnt a whole core. [`Turn`] says what the stream is doing, and
//! the adapter then leaves the other direction of the socket alone.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead, AsyncWrite};

use super::pool::SocketBuffer;
use crate::budget::Account;
use crate::limits::{EMPTY_BYTES_MAX, HANDSHAKE_BYTES_MAX, READS_PER_POLL};
use crate::sync::{Mutex, MutexGuard};

/// A socket read shorter than this shows a quiet peer: its next bytes are read straight into the engine's own buffer,
/// which has this size, without taking one from the pool.
const SMALL_READ: usize = 4096;

/// What the stream above is doing, and so which directions of the socket may be touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Both; what was written goes out before the peer is waited for, since nobody flushes during a handshake.
    Handshake,
    /// Reading: writes are kept for the writer's next flush.
    Read,
    /// Writing: reads find nothing.
    Write,
}

/// A raw stream with both directions buffered and bounded.
pub(super) struct Buffered<IO> {
    io: IO,
    turn: Turn,
    incoming: SocketBuffer,
    outgoing: SocketBuffer,
    /// Whether the peer sends faster than [`SMALL_READ`] at a time.
    busy: bool,
    /// Socket reads since the last pause.
    reads: u32,
    /// Bytes handed to the engine since the connection began or plaintext last came out of it.
    unproductive: usize,
    /// Whether the current turn's read ended in a pause that somebody will be woken from.
    paused: bool,
    /// What the engine was given in the handshake, if somebody wants to read it too.
    heard: Option<Vec<u8>>,
}

impl<IO> Buffered<IO> {
    /// A stream in the handshake.
    pub(super) fn new(io: IO) -> Self {
        Buffered {
            io,
            turn: Turn::Handshake,
            incoming: SocketBuffer::default(),
            outgoing: SocketBuffer::default(),
            busy: false,
            reads: 0,
            unproductive: 0,
            paused: false,
            heard: None,
        }
    }

    /// Keeps all that comes in the handshake, for [`Buffered::heard`].
    pub(super) fn listening(mut self) -> Self {
        self.heard = Some(Vec::new());
        self
    }

    /// What came in the handshake. Told once, and no more is kept.
    pub(super) fn heard(&mut self) -> Vec<u8> {
        self.heard.take().unwrap_or_default()
    }

    /// From now on its memory is taken from this account's share.
    pub(super) fn charge(&mut self, account: &Arc<Account>) {
        self.incoming.charge(account.clone());
        self.outgoing.charge(account.clone());
    }

    pub(super) fn get_ref(&self) -> &IO {
        &self.io
    }

    /// Starts a turn. The first one that is not [`Turn::Handshake`] ends the handshake's bounds.
    pub(super) fn begin(&mut self, turn: Turn) {
        if self.turn == Turn::Handshake {
            self.unproductive = 0;
        }
        self.turn = turn;
        self.paused = false;
    }

    /// Whether a read of this turn paused: somebody will be woken when it is worth trying again.
    pub(super) fn paused(&self) -> bool {
        self.paused
    }

    /// Tells that plaintext came out of the bytes so far.
    pub(super) fn productive(&mut self) {
        self.unproductive = 0;
    }

    /// Bytes that have arrived and that the engine has not asked for yet.
    pub(super) fn arrived(&self) -> &[u8] {
        self.incoming.filled()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Buffered<IO> {
    /// Waits for more bytes to [`arrive`](Buffered::arrived) and returns how many; 0 is the end of the stream.
    ///
    /// # Errors
    /// What the socket says, or `InvalidData` when more than [`HANDSHAKE_BYTES_MAX`] wait.
    pub(super) fn poll_arrive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // A small buffer is full before that: without room, nothing read would look like the end.
        if self.incoming.filled().len() > HANDSHAKE_BYTES_MAX || self.incoming.room() == 0 {
            return Poll::Ready(Err(too_much("without finishing its handshake", HANDSHAKE_BYTES_MAX)));
        }
        self.poll_socket(cx, None)
    }

    /// Sends what is gathered.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let written =
                ready!(Pin::new(&mut self.io).poll_write(cx, self.outgoing.filled())).map_err(unmistakable)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.consume(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what a failed handshake left, as much as the socket takes at once: the engine's alert tells the peer why,
    /// and async-tls does not flush it.
    pub(super) fn send_last_words(&mut self, cx: &mut Context<'_>) {
        let _nobody_left_to_tell = self.poll_drain(cx);
    }

    /// One read from the socket, into `direct` or behind the bytes already buffered.
    fn poll_socket(&mut self, cx: &mut Context<'_>, direct: Option<&mut [u8]>) -> Poll<io::Result<usize>> {
        if self.reads >= READS_PER_POLL {
            cx.waker().wake_by_ref();
            return self.pause(cx);
        }
        let result = match direct {
            Some(buf) => Pin::new(&mut self.io).poll_read(cx, buf),
            None => {
                let result = Pin::new(&mut self.io).poll_read(cx, self.incoming.space());
                if let Poll::Ready(Ok(count)) = result {
                    self.incoming.fill(count);
                }
                result
            }
        };
        match result {
            Poll::Pending => self.pause(cx),
            Poll::Ready(result) => {
                self.reads += 1;
                Poll::Ready(result.map_err(unmistakable))
            }
        }
    }

    /// Ends a read that must wait; the waker is registered already.
    fn pause(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.reads = 0;
        self.paused = true;
        self.incoming.release();
        if self.turn == Turn::Handshake
            && let Poll::Ready(sent) = self.poll_drain(cx)
        {
            sent?;
            self.outgoing.release();
        }
        Poll::Pending
    }

    /// Counts bytes handed to the engine in this buffer.
    fn count(&mut self, handed: &[u8]) -> io::Result<usize> {
        let bytes = handed.len();
        if let Some(heard) = &mut self.heard {
            heard.extend_from_slice(handed);
        }
        self.unproductive = self.unproductive.saturating_add(bytes);
        match self.turn {
            Turn::Handshake if self.unproductive > HANDSHAKE_BYTES_MAX => {
                Err(too_much("without finishing its handshake", HANDSHAKE_BYTES_MAX))
            }
            Turn::Read | Turn::Write if self.unproductive > EMPTY_BYTES_MAX => {
                Err(too_much("without any content", EMPTY_BYTES_MAX))
            }
            _ => Ok(bytes),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Buffered<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.turn == Turn::Write {
            return Poll::Pending;
        }
        if this.incoming.is_empty() {
            if !this.busy {
                let count = ready!(this.poll_socket(cx, Some(buf)))?;
                this.busy = count >= SMALL_READ;
                return Poll::Ready(this.count(buf.get(..count).unwrap_or_default()));
            }
            let count = ready!(this.poll_socket(cx, None))?;
            this.busy = count >= SMALL_READ;
        }
        let count = this.incoming.take(buf);
        if !this.busy {
            this.incoming.release();
        }
        Poll::Ready(this.count(buf.get(..count).unwrap_or_default()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Buffered<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.outgoing.room() < buf.len() {
            if this.turn == Turn::Read {
                return Poll::Pending;
            }
            ready!(this.poll_drain(cx))?;
        }
        Poll::Ready(Ok(this.outgoing.append(buf)))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx))?;
        this.outgoing.release();
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.get_mut().io).poll_close(cx)
    }
}

/// A handle on the adapter. async-tls keeps what it is given to itself, so the engine gets one handle and the stream
/// above it holds another; both are polled by one task at a time, and the lock never waits.
pub(super) struct SharedBuffered<IO>(Arc<Mutex<Buffered<IO>>>);

impl<IO> SharedBuffered<IO> {
    pub(super) fn new(adapter: Buffered<IO>) -> Self {
        SharedBuffered(Arc::new(Mutex::new(adapter)))
    }

    pub(super) fn handle(&self) -> Self {
        SharedBuffered(self.0.clone())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Buffered<IO>> {
        self.0.lock()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for SharedBuffered<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buf)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for SharedBuffered<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_close(cx)
    }
}

/// async-tls takes `ConnectionAborted` for a clean end of the stream, so no socket may say it.
fn unmistakable(err: io::Error) -> io::Error {
    if err.kind() == io::ErrorKind::ConnectionAborted {
        return io::Error::new(io::ErrorKind::ConnectionReset, err);
    }
    err
}

fn too_much(how: &str, limit: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the other side sent more than {} KiB {how}", limit / 1024))
}

#[cfg(test)]
mod tests;
