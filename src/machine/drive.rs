//! Driving a machine: bytes between its connection's stream and its lane, and the watch that ends what idles or crawls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_std::task::sleep;
use futures::future::{Either, poll_fn, select};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, FutureExt, pin_mut, select_biased};

use super::lane::{Doing, Lane, Machine, Waiting};
use super::source::Source;
use super::throttle::{Course, HeldBack, Throttle};
use super::turns::Turns;
use crate::budget::Account;
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// How long the other side of a connection may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// How often is looked whether it moves.
    pub window: Duration,
    /// Bytes that must move in a window in which it owes something. After two windows with less it is over.
    pub least_progress: u64,
    /// For saying nothing where it need not.
    pub idle: Duration,
    /// For what is running when all is to stop.
    pub grace: Duration,
}

impl Pace {
    /// [`Pace::least_progress`] in a window of which the other side was held back for so long.
    pub fn least_progress_but(&self, held: Duration) -> u64 {
        let free = self.window.saturating_sub(held);
        if free == self.window {
            return self.least_progress;
        }
        // Rounded down: of a window in which nothing could move nothing is asked.
        (self.least_progress as f64 * free.as_secs_f64() / self.window.as_secs_f64()) as u64
    }
}

/// What ends a machine from outside.
pub struct Ends<One, All> {
    /// Somebody ends this one, for a reason.
    pub one: One,
    /// Everything is to stop.
    pub all: All,
}

/// The lane of a new machine of this source: it sends `welcome` first, and goes on with what came `early`, right behind what
/// made the machine.
pub fn lane<M: Machine>(
    machine: M,
    welcome: &[u8],
    early: &[u8],
    turns: Arc<Turns>,
    source: Source,
    account: Arc<Account>,
) -> Lane<M> {
    let lane = Lane::new(machine, turns, source, account);
    lane.greet(buffer_of(welcome, &lane));
    if !early.is_empty() {
        lane.push(buffer_of(early, &lane));
    }
    lane
}

/// Moves bytes between the stream and the machine's lane until either is done, no faster than the throttle lets them.
///
/// # Errors
/// [`Kind::Network`] if the stream breaks, why it was ended if the other side did not take the farewell, and
/// [`Kind::Internal`] if the machine panicked.
pub async fn drive<S, M, One, All>(
    stream: &mut S,
    lane: Lane<M>,
    ends: Ends<One, All>,
    pace: &Pace,
    throttle: &Arc<Throttle>,
) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    M: Machine,
    One: Future<Output = Kind> + Send,
    All: Future<Output = ()> + Send,
{
    let moved = Moved::default();
    // Both halves stay in this task: split across two, they would steal each other's wake-ups.
    let (reader, writer) = stream.split();
    let result = {
        // Boxed: pinned on the stack of this future, each would take its room twice.
        let mut reading = async {
            let result = read_half(reader, &lane, &moved, throttle).await;
            lane.end_input();
            result
        }
        .boxed();
        let mut writing = write_half(writer, &lane, &moved, throttle).boxed().fuse();
        let mut watching = watch(&lane, &moved, ends, pace).boxed().fuse();
        // The machine ends when all its answers are sent. A client that is done sending may still be reading.
        let session = async {
            select_biased! {
                result = writing => result,
                error = watching => Err(error),
            }
        };
        pin_mut!(session);
        match select(session, &mut reading).await {
            Either::Left((result, _)) => result,
            Either::Right((Ok(()), session)) => session.await,
            Either::Right((Err(error), _)) => Err(error),
        }
    };
    if result.is_err() {
        lane.abandon();
    }
    // The machine puts away what can be resumed before it counts as ended.
    while lane.next().await.is_some() {}
    if lane.panicked() {
        return Err(Error::new(Kind::Internal, "the session panicked"));
    }
    result
}

/// These few bytes, a line or what is read at a time before the login, which fit into any buffer.
fn buffer_of<M: Machine>(bytes: &[u8], lane: &Lane<M>) -> Buffer {
    let mut buffer = lane.buffer();
    buffer.append(bytes);
    buffer
}

/// What the watch needs to know of the stream.
#[derive(Default)]
struct Moved {
    /// Bytes so far, either way.
    bytes: AtomicU64,
    /// Something is written and the client has not taken it yet.
    sending: AtomicBool,
    /// How long we did not let it move.
    held: HeldBack,
}

impl Moved {
    fn add(&self, n: usize) {
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn set_sending(&self, sending: bool) {
        self.sending.store(sending, Ordering::Relaxed);
    }

    fn is_sending(&self) -> bool {
        self.sending.load(Ordering::Relaxed)
    }
}

async fn read_half<M: Machine>(
    mut reader: impl AsyncRead + Unpin,
    lane: &Lane<M>,
    moved: &Moved,
    throttle: &Arc<Throttle>,
) -> Result<()> {
    loop {
        lane.room().await;
        match read_some(&mut reader, lane, throttle.portion(Course::Up)).await {
            Ok(buffer) if buffer.is_empty() => return Ok(()),
            Ok(buffer) => {
                let came = buffer.filled().len();
                moved.add(came);
                lane.push(buffer);
                throttle.pay(Course::Up, came, &moved.held).await;
            }
            Err(err) => return Err(Error::network("reading", err)),
        }
    }
}

/// Waits for bytes without owning a buffer, then takes all there are, up to one buffer and so many. Empty at the end.
async fn read_some<M: Machine>(
    reader: &mut (impl AsyncRead + Unpin),
    lane: &Lane<M>,
    most: usize,
) -> std::io::Result<Buffer> {
    poll_fn(|cx| {
        let mut buffer = lane.buffer();
        loop {
            let left = most.saturating_sub(buffer.filled().len());
            let room = buffer.room();
            let room = room.get_mut(..left.min(room.len())).unwrap_or_default();
            match std::pin::Pin::new(&mut *reader).poll_read(cx, room) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(buffer)),
                Poll::Ready(Ok(n)) => {
                    buffer.fill(n);
                    if n >= left || buffer.room().is_empty() {
                        return Poll::Ready(Ok(buffer));
                    }
                }
                // What came before the error is delivered first; the error comes again.
                Poll::Ready(Err(_)) | Poll::Pending if !buffer.is_empty() => return Poll::Ready(Ok(buffer)),
                Poll::Ready(Err(err)) => return Poll::Ready(Err(err)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

async fn write_half<M: Machine>(
    mut writer: impl AsyncWrite + Unpin,
    lane: &Lane<M>,
    moved: &Moved,
    throttle: &Arc<Throttle>,
) -> Result<()> {
    let failed = |err| Error::network("writing", err);
    loop {
        let buffer = match lane.try_next() {
            Some(buffer) => buffer,
            None => {
                // Nothing is ready: what was written must not wait in a buffer below.
                writer.flush().await.map_err(failed)?;
                moved.set_sending(false);
                match lane.next().await {
                    Some(buffer) => buffer,
                    None => return writer.flush().await.map_err(failed),
                }
            }
        };
        moved.set_sending(true);
        let mut rest = buffer.filled();
        while !rest.is_empty() {
            let portion = throttle.portion(Course::Down).min(rest.len());
            let n = writer.write(rest.get(..portion).unwrap_or_default()).await.map_err(failed)?;
            if n == 0 {
                return Err(failed(std::io::ErrorKind::WriteZero.into()));
            }
            moved.add(n);
            rest = rest.get(n..).unwrap_or_default();
            if throttle.is_bounded(Course::Down) {
                // Not all at once when the buffers below are full.
                writer.flush().await.map_err(failed)?;
                throttle.pay(Course::Down, n, &moved.held).await;
            }
        }
    }
}

/// Ends machines whose clients idle too long or owe us something and hardly move, those that somebody ends, and all of them
/// when everything is to stop.
/// Returns only if the client cannot be told.
async fn watch<M: Machine>(
    lane: &Lane<M>,
    moved: &Moved,
    ends: Ends<impl Future<Output = Kind> + Send, impl Future<Output = ()> + Send>,
    pace: &Pace,
) -> Error {
    let ended = async {
        let why = ends.one.await;
        lane.dismiss(why);
        // As below.
        sleep(limits::CLOSE_DRAIN).await;
        Error::new(why, "the session was ended")
    };
    let stopping = async {
        ends.all.await;
        lane.dismiss(Kind::Stopping);
        sleep(pace.grace).await;
        Error::new(Kind::Stopping, "the grace period is over")
    };
    let slow = async {
        let mut idle = Duration::ZERO;
        let mut slow_windows = 0;
        loop {
            let (before, held) = (moved.bytes(), moved.held.so_far());
            sleep(pace.window).await;
            let progress = moved.bytes().wrapping_sub(before);
            let held = moved.held.so_far().saturating_sub(held);
            let doing = lane.doing();
            let owes = moved.is_sending() || matches!(doing, Doing::Sending | Doing::Waiting(Waiting::More));
            slow_windows = if owes && progress < pace.least_progress_but(held) { slow_windows + 1 } else { 0 };
            let idles =
                progress == 0 && held.is_zero() && matches!(doing, Doing::Waiting(Waiting::Command | Waiting::Pause));
            idle = if idles { idle + pace.window } else { Duration::ZERO };
            // Two windows: what began late in the first has the whole second one.
            if slow_windows >= 2 || idle >= pace.idle {
                lane.dismiss(Kind::TimedOut);
                // Time to read the farewell; a client that does not is cut off.
                sleep(limits::CLOSE_DRAIN).await;
                return Error::new(Kind::TimedOut, "nothing came for too long");
            }
        }
    };
    let ended = select(ended.boxed(), slow.boxed()).map(|first| first.factor_first().0);
    select(stopping.boxed(), ended).await.factor_first().0
}
