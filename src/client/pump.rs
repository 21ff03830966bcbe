//! The task that owns the TLS stream and moves bytes between it and the [`Wire`](super::wire::Wire).
//!
//! Both directions and the watch over them are one task: two tasks on one TLS stream wake each other without end.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use async_std::channel::{Receiver, TryRecvError};
use async_std::net::TcpStream;
use futures::future::{Either, select};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::rate_limit::{Course, RateLimit};
use super::wire::{Credit, Far};
use crate::buffers::Buffer;
use crate::error::{Error, Kind};
use crate::limits;
use crate::tls::{TlsStream, stream_error};

type Stream = TlsStream<TcpStream>;

/// Space that one TLS record's plaintext may need; a smaller read makes the engine copy.
const RECORD: usize = 16 * 1024;

/// Runs until either side ends, or `stop` closes; then says goodbye.
pub(super) async fn pump(stream: Stream, far: Far, io_timeout: Duration, stop: Receiver<()>, limit: Option<RateLimit>) {
    let (mut reader, mut writer) = stream.split();
    let end = {
        let moving = pin!(both_ways(&mut reader, &mut writer, &far, limit.as_ref()));
        let watching = pin!(watch(&far, io_timeout));
        let stopping = pin!(stop.recv());
        match select(select(moving, watching), stopping).await {
            Either::Left((Either::Left((end, _)), _)) => end,
            Either::Left((Either::Right((silence, _)), _)) => Some(silence),
            Either::Right(_) => None,
        }
    };
    if let Some(error) = end {
        // The blocking side takes what came before first; if it is gone, so is the interest in the error.
        let tell = pin!(far.incoming.send(Err(error)));
        let stopping = pin!(stop.recv());
        let _ = select(tell, stopping).await;
    }
    drop(far);
    if let Ok(stream) = reader.reunite(writer) {
        stream.close().await;
    }
}

/// Moves bytes both ways. Comes back with `None` when our side is done, else with what ended the connection.
async fn both_ways(
    reader: &mut ReadHalf<Stream>,
    writer: &mut WriteHalf<Stream>,
    far: &Far,
    limit: Option<&RateLimit>,
) -> Option<Error> {
    let reading = pin!(read_all(reader, far, limit));
    let writing = pin!(write_all(writer, far, limit));
    match select(reading, writing).await {
        Either::Left((end, _)) => end,
        Either::Right((Ok(()), _)) => None,
        Either::Right((Err(err), reading)) => {
            // The server stopped listening, and may have said why.
            match async_std::future::timeout(limits::CLOSE_DRAIN, reading).await {
                Ok(end) => end,
                Err(_) => Some(stream_error(err)),
            }
        }
    }
}

/// Reads until the stream ends. `None` when nobody wants the bytes any more.
async fn read_all(reader: &mut ReadHalf<Stream>, far: &Far, limit: Option<&RateLimit>) -> Option<Error> {
    let portion = limit.map_or(usize::MAX, RateLimit::portion);
    loop {
        let mut buffer = Buffer::take();
        let end = fill(reader, &mut buffer, portion).await;
        let came = buffer.filled().len();
        far.signs.came.fetch_add(buffer.filled().len() as u64, Ordering::Relaxed);
        if !buffer.is_empty() {
            far.signs.progress.fetch_add(1, Ordering::Relaxed);
            if far.incoming.send(Ok(buffer)).await.is_err() {
                return None;
            }
        }
        if let Some(limit) = limit {
            limit.pay(Course::In, came).await;
        }
        match end {
            None => {}
            Some(Ok(())) => return Some(Error::new(Kind::Network, "the server closed the connection")),
            Some(Err(err)) => return Some(stream_error(err)),
        }
    }
}

/// Reads what is there, at least one byte, until the buffer has `most`, is full, or no more comes at once. Says how the
/// stream ended, if it did.
async fn fill(reader: &mut ReadHalf<Stream>, buffer: &mut Buffer, most: usize) -> Option<io::Result<()>> {
    poll_fn(|cx| {
        loop {
            let left = most.saturating_sub(buffer.filled().len());
            let room = buffer.room();
            if room.len() < RECORD || left == 0 {
                return Poll::Ready(None);
            }
            let room = room.get_mut(..left.min(room.len())).unwrap_or_default();
            match Pin::new(&mut *reader).poll_read(cx, room) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Some(Ok(()))),
                Poll::Ready(Ok(count)) => buffer.fill(count),
                Poll::Ready(Err(err)) => return Poll::Ready(Some(Err(err))),
                Poll::Pending if !buffer.is_empty() => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// Writes until the other end of the wire is dropped. Flushes whenever nothing more waits.
async fn write_all(writer: &mut WriteHalf<Stream>, far: &Far, limit: Option<&RateLimit>) -> io::Result<()> {
    let portion = limit.map_or(usize::MAX, RateLimit::portion);
    loop {
        let mut parcel = match far.outgoing.try_recv() {
            Ok(parcel) => parcel,
            Err(TryRecvError::Closed) => return writer.flush().await,
            Err(TryRecvError::Empty) => {
                writer.flush().await?;
                far.signs.progress.fetch_add(1, Ordering::Relaxed);
                match far.outgoing.recv().await {
                    Ok(parcel) => parcel,
                    Err(_) => return Ok(()),
                }
            }
        };
        while !parcel.bytes.is_empty() {
            let bytes = parcel.bytes.filled();
            let count = writer.write(bytes.get(..portion.min(bytes.len())).unwrap_or_default()).await?;
            far.signs.progress.fetch_add(1, Ordering::Relaxed);
            parcel.bytes.consume(count);
            if let Some(limit) = limit {
                // Not all at once when the buffers below are full: the server may wait for it.
                writer.flush().await?;
                limit.pay(Course::Out, count).await;
            }
        }
        drop(parcel);
        // As many credits as the channel holds: there is room.
        let _ = far.credits.try_send(Credit);
    }
}

/// How fast that comes which the server owes.
#[derive(Default)]
struct Slow {
    /// Since when it is owed, and how many bytes had come by then.
    since: Option<(Instant, u64)>,
}

impl Slow {
    fn is_too_slow(&mut self, far: &Far, window: Duration) -> bool {
        let came = far.signs.came.load(Ordering::Relaxed);
        if !far.signs.owed.load(Ordering::Relaxed) {
            self.since = None;
            return false;
        }
        let (since, before) = *self.since.get_or_insert((Instant::now(), came));
        let passed = since.elapsed();
        if passed < window {
            return false;
        }
        self.since = None;
        // Nothing at all is silence, which has a time-out of its own: a disk may have to wake up.
        let least = limits::RATE_MIN as f64 * passed.as_secs_f64();
        came > before && ((came - before) as f64) < least
    }
}

/// Comes back when blocking code has waited this long while nothing moved in either direction, or when what the server
/// owes comes slower than [`limits::RATE_MIN`]. A server that reads a whole file is given [`limits::CLIENT_READ_TIMEOUT`] at least.
async fn watch(far: &Far, io_timeout: Duration) -> Error {
    let window = io_timeout.min(limits::WINDOW);
    let look = window / limits::READ_TIMEOUT_LOOKS;
    if look.is_zero() {
        return pending().await;
    }
    let (mut seen, mut still) = (0, 0);
    let looks = |patience: Duration| patience.as_nanos().div_ceil(look.as_nanos().max(1));
    let mut patience = io_timeout;
    let mut slow = Slow::default();
    while still <= looks(patience) {
        async_std::task::sleep(look).await;
        patience = match far.signs.reads.load(Ordering::Relaxed) {
            true => io_timeout.max(limits::CLIENT_READ_TIMEOUT),
            false => io_timeout,
        };
        if slow.is_too_slow(far, window) {
            let text = format!("the server sends less than {} bytes a second", limits::RATE_MIN);
            return Error::new(Kind::TimedOut, text);
        }
        let progress = far.signs.progress.load(Ordering::Relaxed);
        still = if progress == seen && far.signs.waiting.load(Ordering::Relaxed) { still + 1 } else { 0 };
        seen = progress;
    }
    let text = format!("the server was silent for {} seconds", patience.as_secs());
    Error::new(Kind::TimedOut, text)
}
