//! What hyper needs of a runtime: a stream and timers, from ours. Its tasks are in `connection_tasks.rs`.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_std::task::sleep;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite, FutureExt as _};
use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};

use super::records::Records;
use crate::budget::{Account, Claim};
use crate::limits;
use crate::machine::throttle::HeldBack;
use crate::sync::{Mutex, MutexGuard};

thread_local! {
    /// Where what was read lies until hyper has copied it: its own memory can be filled only by copying, and one TLS record
    /// is all that is ever ready in one poll.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::WEB_READ].into());
}

/// A stream that hyper drives. Clones are the same stream: whoever keeps one has it back when hyper is done.
pub struct Wire<S> {
    stream: Arc<Mutex<Records<S>>>,
    progress: Arc<Progress>,
    /// What was read of it before hyper had it.
    before: Bytes,
}

/// What the watch of a connection needs to know.
#[derive(Default)]
pub struct Progress {
    /// Bytes so far, either way.
    moved: AtomicU64,
    /// Something is to be sent and the other side does not take it.
    is_stuck: AtomicBool,
    /// Something was written and lies in the buffers below.
    is_unsent: AtomicBool,
    /// Something has come since the last request was answered to the end.
    has_heard: AtomicBool,
    /// Requests so far.
    requests: AtomicU64,
    /// Requests that are not answered to the end.
    open: AtomicUsize,
    /// Of those, the ones of which only what is open or there is left to be sent.
    sending: AtomicUsize,
    /// Of those, the ones that wait for us and not for the other side.
    working: AtomicUsize,
    /// How long we did not let it move.
    held: HeldBack,
}

/// A request that is not answered to the end, until it is dropped.
pub struct Open {
    progress: Arc<Progress>,
    /// What it takes, if it is more than each connection has room for.
    _claim: Option<Claim>,
}

/// A request of which only what is open or there is left to be sent, until it is dropped.
pub struct OnlySends(Arc<Progress>);

/// Work that the other side waits for, until it is dropped.
pub struct Working(Arc<Progress>);

impl Progress {
    /// One more request, if there is memory for it: a few at once have room with the connection, and what goes beyond that is
    /// taken from this account.
    pub fn open(self: &Arc<Self>, account: &Arc<Account>) -> Option<Open> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        // Dropped below if there is no room.
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let mut open = Open { progress: self.clone(), _claim: None };
        if before >= limits::WEB_STREAMS_SURE {
            open._claim = Some(account.claim(limits::WEB_STREAM_MEMORY)?);
        }
        Some(open)
    }

    /// All that is left of a request is to send what is open or there: it changes nothing.
    pub fn only_sends(self: &Arc<Self>) -> OnlySends {
        self.sending.fetch_add(1, Ordering::Relaxed);
        OnlySends(self.clone())
    }

    /// Whether one of them waits for us.
    pub fn is_working(&self) -> bool {
        self.working.load(Ordering::Relaxed) > 0
    }

    /// Whether only what is open is left to be sent of all that are under way.
    pub fn changes_nothing(&self) -> bool {
        self.sending.load(Ordering::Relaxed) == self.open.load(Ordering::Relaxed)
    }

    /// We are at work.
    pub fn working(self: &Arc<Self>) -> Working {
        self.working.fetch_add(1, Ordering::Relaxed);
        Working(self.clone())
    }

    /// For how long its users were held back.
    pub fn held(&self) -> &HeldBack {
        &self.held
    }

    /// Bytes so far, either way.
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether only one request is under way.
    pub fn is_alone(&self) -> bool {
        self.open.load(Ordering::Relaxed) <= 1
    }

    /// Whether no request is under way.
    pub fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }

    /// Whether all that came is answered, the other side has taken it, and nothing more has come. Of what came with the last request
    /// and behind it nothing is known.
    pub fn is_at_rest(&self) -> bool {
        let is_quiet = !self.has_heard.load(Ordering::Relaxed) && !self.is_stuck.load(Ordering::Relaxed);
        is_quiet && self.is_idle() && self.requests() > 0
    }

    /// Whether the other side owes us the reading of something, or the rest of a request.
    pub fn is_owed(&self) -> bool {
        self.is_stuck.load(Ordering::Relaxed) || (!self.is_idle() && !self.is_working())
    }
}

impl Open {
    /// All of its answer is there.
    pub fn only_sends(&self) -> OnlySends {
        self.progress.only_sends()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.progress.has_heard.store(false, Ordering::Relaxed);
        self.progress.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OnlySends {
    fn drop(&mut self) {
        self.0.sending.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S> Wire<S> {
    /// This stream, whose progress is told there.
    pub fn new(stream: S, progress: Arc<Progress>) -> Wire<S> {
        Wire { stream: Arc::new(Mutex::new(Records::new(stream))), progress, before: Bytes::new() }
    }

    /// The same stream, of which this was read before.
    pub fn after(self, before: Bytes) -> Wire<S> {
        Wire { before, ..self }
    }

    /// The stream, if nobody else has it any more.
    pub fn into_inner(self) -> Option<S> {
        let stream = Arc::into_inner(self.stream)?;
        Some(stream.into_inner().into_inner())
    }

    fn lock(&self) -> MutexGuard<'_, Records<S>> {
        self.stream.lock()
    }
}

impl<S> Clone for Wire<S> {
    fn clone(&self) -> Self {
        Wire { stream: self.stream.clone(), progress: self.progress.clone(), before: self.before.clone() }
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// What comes next, when it comes; nothing at the end. Nothing is held for it meanwhile.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        self.poll_some(cx, limits::WEB_READ, Bytes::copy_from_slice)
    }

    fn poll_some<T>(&self, cx: &mut Context<'_>, most: usize, take: impl FnOnce(&[u8]) -> T) -> Poll<io::Result<T>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let most = most.min(scratch.len());
            let scratch = scratch.get_mut(..most).unwrap_or_default();
            let n = ready!(self.lock().poll_read(cx, scratch))?;
            self.progress.moved.fetch_add(n as u64, Ordering::Relaxed);
            if n > 0 {
                self.progress.has_heard.store(true, Ordering::Relaxed);
            }
            Poll::Ready(Ok(take(scratch.get(..n).unwrap_or_default())))
        })
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Sends what was written.
    pub fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.progress.is_unsent.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        let sent = self.lock().poll_send(cx);
        self.progress.is_stuck.store(sent.is_pending(), Ordering::Relaxed);
        self.progress.is_unsent.store(sent.is_pending(), Ordering::Relaxed);
        sent
    }
}

impl<S: AsyncRead + Unpin> Read for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut room: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let some = self.before.len().min(room.remaining());
            room.put_slice(&self.before.split_to(some));
            return Poll::Ready(Ok(()));
        }
        let most = room.remaining();
        self.poll_some(cx, most, |bytes| room.put_slice(bytes))
    }
}

impl<S: AsyncWrite + Unpin> Write for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.lock().poll_write(cx, bytes);
        self.progress.is_stuck.store(written.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(Ok(n)) = &written {
            self.progress.moved.fetch_add(*n as u64, Ordering::Relaxed);
            self.progress.is_unsent.store(true, Ordering::Relaxed);
        }
        written
    }

    /// Leaves it to whoever polls the connection, who sends all that was written meanwhile ([`Wire::poll_send`]): h2 flushes after
    /// each frame, which made each record a system call.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Only sends: whoever has the stream afterwards says goodbye and waits until the last bytes are read.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx)
    }
}

/// Timers of async-std.
#[derive(Clone, Copy)]
pub struct Clock;

/// hyper wants it to be shared between threads, which it never is.
struct Nap(Mutex<BoxFuture<'static, ()>>);

impl Future for Nap {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().0.get_mut().poll_unpin(cx)
    }
}

impl Sleep for Nap {}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Nap(Mutex::new(sleep(duration).boxed())))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what is sent on.
    #[derive(Default)]
    struct Counting {
        written: usize,
        flushed: usize,
    }

    impl AsyncWrite for Counting {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.written += bytes.len();
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushed += 1;
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_is_written_frame_by_frame_is_sent_at_once_and_before_a_shutdown() {
        let mut wire = Wire::new(Counting::default(), Arc::default());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let told = |wire: &Wire<Counting>| {
            let records = wire.lock();
            let Counting { written, flushed } = records.stream();
            (*written, *flushed)
        };
        for _ in 0..10 {
            assert!(Pin::new(&mut wire).poll_write(&mut cx, b"frame").is_ready());
            assert!(Pin::new(&mut wire).poll_flush(&mut cx).is_ready());
        }
        assert_eq!(told(&wire), (0, 0));
        assert!(wire.poll_send(&mut cx).is_ready());
        assert!(wire.poll_send(&mut cx).is_ready());
        assert_eq!(told(&wire), (50, 1));
        assert!(Pin::new(&mut wire).poll_write(&mut cx, b"goodbye").is_ready());
        assert!(Pin::new(&mut wire).poll_shutdown(&mut cx).is_ready());
        assert_eq!(told(&wire), (57, 2));
    }
}
