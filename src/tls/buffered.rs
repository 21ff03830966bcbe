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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead, AsyncWrite};

use super::pool::Buffer;
use crate::limits::{EMPTY_BYTES_MAX, HANDSHAKE_BYTES_MAX, READS_PER_POLL};

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
    incoming: Buffer,
    outgoing: Buffer,
    /// Whether the peer sends faster than [`SMALL_READ`] at a time.
    busy: bool,
    /// Socket reads since the last pause.
    reads: u32,
    /// Bytes handed to the engine since the connection began or plaintext last came out of it.
    unproductive: usize,
    /// Whether the current turn's read ended in a pause that somebody will be woken from.
    paused: bool,
}

impl<IO> Buffered<IO> {
    /// A stream in the handshake.
    pub(super) fn new(io: IO) -> Self {
        Buffered {
            io,
            turn: Turn::Handshake,
            incoming: Buffer::default(),
            outgoing: Buffer::default(),
            busy: false,
            reads: 0,
            unproductive: 0,
            paused: false,
        }
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
        if self.incoming.filled().len() > HANDSHAKE_BYTES_MAX {
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

    /// Counts bytes handed to the engine.
    fn count(&mut self, bytes: usize) -> io::Result<usize> {
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
                return Poll::Ready(this.count(count));
            }
            let count = ready!(this.poll_socket(cx, None))?;
            this.busy = count >= SMALL_READ;
        }
        let count = this.incoming.take(buf);
        if !this.busy {
            this.incoming.release();
        }
        Poll::Ready(this.count(count))
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
pub(super) struct Shared<IO>(Arc<Mutex<Buffered<IO>>>);

impl<IO> Shared<IO> {
    pub(super) fn new(adapter: Buffered<IO>) -> Self {
        Shared(Arc::new(Mutex::new(adapter)))
    }

    pub(super) fn handle(&self) -> Self {
        Shared(self.0.clone())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Buffered<IO>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Shared<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buf)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Shared<IO> {
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
mod tests {
    use super::*;
    use crate::limits::SOCKET_BUFFER;
    use futures::task::noop_waker_ref;
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    /// A socket that answers reads from a list, and takes writes up to a number of bytes.
    #[derive(Default)]
    struct Socket {
        /// Repeated for ever if the list has run out, instead of waiting.
        endless: Option<Vec<u8>>,
        input: VecDeque<io::Result<Vec<u8>>>,
        takes: usize,
        written: Vec<Vec<u8>>,
    }

    impl AsyncRead for Socket {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            let next = self.input.pop_front().or_else(|| self.endless.clone().map(Ok));
            let Some(piece) = next else { return Poll::Pending };
            let mut piece = piece?;
            let count = piece.len().min(buf.len());
            buf[..count].copy_from_slice(&piece[..count]);
            if count < piece.len() && self.endless.is_none() {
                self.input.push_front(Ok(piece.split_off(count)));
            }
            Poll::Ready(Ok(count))
        }
    }

    impl AsyncWrite for Socket {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            if self.takes == 0 {
                return Poll::Pending;
            }
            let count = buf.len().min(self.takes);
            self.takes -= count;
            self.written.push(buf[..count].to_vec());
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn willing() -> Socket {
        Socket { takes: usize::MAX, ..Socket::default() }
    }

    fn flooding(piece: usize) -> Socket {
        Socket { endless: Some(vec![7; piece]), ..willing() }
    }

    fn read(adapter: &mut Buffered<Socket>) -> Poll<io::Result<usize>> {
        Pin::new(adapter).poll_read(&mut Context::from_waker(noop_waker_ref()), &mut [0; SMALL_READ])
    }

    fn write(adapter: &mut Buffered<Socket>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(adapter).poll_write(&mut Context::from_waker(noop_waker_ref()), data)
    }

    fn flush(adapter: &mut Buffered<Socket>) -> Poll<io::Result<()>> {
        Pin::new(adapter).poll_flush(&mut Context::from_waker(noop_waker_ref()))
    }

    /// Reads until something else than bytes comes, and returns how many bytes came before it.
    fn read_on(adapter: &mut Buffered<Socket>) -> (usize, Poll<io::Result<usize>>) {
        let mut total = 0;
        loop {
            match read(adapter) {
                Poll::Ready(Ok(count)) => total += count,
                other => return (total, other),
            }
        }
    }

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_peer_that_never_pauses_is_made_to_pause_and_the_reader_is_woken() {
        let woken = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(woken.clone());
        let mut adapter = Buffered::new(flooding(1));
        for round in 1..4 {
            for _ in 0..READS_PER_POLL {
                let byte = Pin::new(&mut adapter).poll_read(&mut Context::from_waker(&waker), &mut [0; SMALL_READ]);
                assert!(byte.is_ready());
            }
            let pause = Pin::new(&mut adapter).poll_read(&mut Context::from_waker(&waker), &mut [0; SMALL_READ]);
            assert!(pause.is_pending() && adapter.paused());
            assert_eq!(woken.0.load(Ordering::SeqCst), round);
        }
    }

    #[test]
    fn a_handshake_is_bounded() {
        let mut adapter = Buffered::new(flooding(100));
        let mut total = 0;
        let err = loop {
            match read_on(&mut adapter) {
                (count, Poll::Pending) => total += count,
                (count, Poll::Ready(outcome)) => {
                    total += count;
                    break outcome.unwrap_err();
                }
            }
        };
        assert!(total <= HANDSHAKE_BYTES_MAX && total > HANDSHAKE_BYTES_MAX - 200);
        assert_eq!(err.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn what_arrives_before_the_engine_asks_is_bounded_too() {
        let mut adapter = Buffered::new(flooding(1000));
        let mut cx = Context::from_waker(noop_waker_ref());
        let err = loop {
            if let Poll::Ready(Err(err)) = adapter.poll_arrive(&mut cx) {
                break err;
            }
        };
        assert_eq!(err.kind(), io::ErrorKind::InvalidData);
        assert!(adapter.arrived().len() <= HANDSHAKE_BYTES_MAX + 1000);
    }

    #[test]
    fn content_lifts_the_bound_on_what_has_none() {
        let mut adapter = Buffered::new(flooding(SMALL_READ));
        adapter.begin(Turn::Read);
        let mut reads = 0;
        while reads * SMALL_READ < 10 * EMPTY_BYTES_MAX {
            if read(&mut adapter).is_ready() {
                reads += 1;
                adapter.productive();
            }
        }
        let err = loop {
            if let Poll::Ready(Err(err)) = read(&mut adapter) {
                break err;
            }
        };
        assert_eq!(err.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn records_leave_together() {
        let mut adapter = Buffered::new(willing());
        adapter.begin(Turn::Write);
        for byte in 0..10 {
            assert!(matches!(write(&mut adapter, &[byte; 16_000]), Poll::Ready(Ok(16_000))));
        }
        assert!(adapter.io.written.is_empty());
        assert!(flush(&mut adapter).is_ready());
        assert_eq!(adapter.io.written.len(), 1);
        assert_eq!(adapter.io.written[0].len(), 160_000);
        assert!(!adapter.outgoing.owns_memory());
    }

    #[test]
    fn a_full_buffer_waits_for_the_socket_and_loses_nothing() {
        let mut adapter = Buffered::new(Socket { takes: 1000, ..Socket::default() });
        adapter.begin(Turn::Write);
        let mut accepted = 0;
        while let Poll::Ready(Ok(count)) = write(&mut adapter, &[7; 10_000]) {
            accepted += count;
        }
        assert!(accepted <= SOCKET_BUFFER);
        assert!(flush(&mut adapter).is_pending());
        adapter.io.takes = usize::MAX;
        assert!(flush(&mut adapter).is_ready());
        assert_eq!(adapter.io.written.iter().map(Vec::len).sum::<usize>(), accepted);
    }

    #[test]
    fn a_handshake_s_bytes_go_out_before_the_peer_is_waited_for() {
        let mut adapter = Buffered::new(willing());
        assert!(write(&mut adapter, b"hello").is_ready());
        assert!(read(&mut adapter).is_pending());
        assert_eq!(adapter.io.written, [b"hello"]);
    }

    #[test]
    fn each_direction_leaves_the_other_alone() {
        let mut adapter = Buffered::new(flooding(10));
        adapter.begin(Turn::Write);
        assert!(read(&mut adapter).is_pending());
        assert!(!adapter.paused());

        adapter.begin(Turn::Read);
        while write(&mut adapter, &[7; 10_000]).is_ready() {}
        assert!(adapter.io.written.is_empty());
        assert!(read(&mut adapter).is_ready());
    }

    #[test]
    fn many_small_reads_become_one_of_the_socket_and_idleness_owns_nothing() {
        let pieces = [SMALL_READ, 50_000, 50];
        let mut adapter = Buffered::new(willing());
        adapter.io.input = pieces.iter().map(|size| Ok(vec![7; *size])).collect();
        adapter.begin(Turn::Read);
        assert!(matches!(read(&mut adapter), Poll::Ready(Ok(SMALL_READ))));
        assert!(matches!(read(&mut adapter), Poll::Ready(Ok(SMALL_READ))));
        assert_eq!(adapter.arrived().len(), 50_000 - SMALL_READ);
        adapter.productive();
        let mut total = 2 * SMALL_READ;
        loop {
            let (count, end) = read_on(&mut adapter);
            total += count;
            adapter.productive();
            if end.is_pending() {
                break;
            }
        }
        assert_eq!(total, pieces.iter().sum::<usize>());
        assert!(!adapter.incoming.owns_memory());
        assert!(adapter.paused());
    }

    #[test]
    fn an_aborted_connection_does_not_look_like_an_ended_one() {
        let mut adapter = Buffered::new(willing());
        adapter.io.input.push_back(Err(io::ErrorKind::ConnectionAborted.into()));
        let Poll::Ready(Err(err)) = read(&mut adapter) else { panic!("no error") };
        assert_eq!(err.kind(), io::ErrorKind::ConnectionReset);
    }
}
