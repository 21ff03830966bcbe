//! What is written of answers, gathered into whole records of TLS.
//!
//! HTTP/2 writes the head of each of its frames by itself, and HTTP/1.1 that of an answer; as each write becomes a record, a file came in
//! twice as many as it takes, and small files in three each. Each record costs both ends a cipher's beginning and end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

use crate::limits;

/// A stream, and what was written to it that is less than a record. Nothing is held once it is sent.
pub struct Records<S> {
    stream: S,
    gathered: Vec<u8>,
    /// How much of that the stream has taken.
    taken: usize,
}

impl<S> Records<S> {
    /// Over this stream.
    pub fn new(stream: S) -> Records<S> {
        Records { stream, gathered: Vec::new(), taken: 0 }
    }

    /// The stream, to be looked at.
    #[cfg(test)]
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The stream. What was gathered and not sent is dropped.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> Records<S> {
    /// Reads from the stream.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl<S: AsyncWrite + Unpin> Records<S> {
    /// Takes some of these bytes: whole records go to the stream as they are.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.gathered.len() >= limits::WEB_RECORD {
            ready!(self.poll_gathered(cx))?;
            self.gathered.clear();
            self.taken = 0;
        }
        let whole = bytes.len() - bytes.len() % limits::WEB_RECORD;
        if self.gathered.is_empty() && whole > 0 {
            return Pin::new(&mut self.stream).poll_write(cx, bytes.get(..whole).unwrap_or_default());
        }
        if self.gathered.capacity() == 0 {
            self.gathered.reserve_exact(limits::WEB_RECORD);
        }
        let some = bytes.len().min(limits::WEB_RECORD - self.gathered.len());
        self.gathered.extend_from_slice(bytes.get(..some).unwrap_or_default());
        Poll::Ready(Ok(some))
    }

    /// Sends all that was written.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_gathered(cx))?;
        (self.gathered, self.taken) = (Vec::new(), 0);
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Hands what was gathered to the stream.
    fn poll_gathered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.gathered.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                some => self.taken += some,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each write brought, of which it takes at most so much; and nothing every other time.
    struct Slow {
        writes: Vec<Vec<u8>>,
        most: usize,
        is_tired: bool,
    }

    impl AsyncWrite for Slow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.is_tired = !self.is_tired;
            if self.is_tired {
                return Poll::Pending;
            }
            let some = bytes.len().min(self.most);
            self.writes.push(bytes[..some].to_vec());
            Poll::Ready(Ok(some))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn sent(most: usize, parts: &[usize]) -> Vec<usize> {
        let mut records = Records::new(Slow { writes: Vec::new(), most, is_tired: false });
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut all = Vec::new();
        for (n, part) in parts.iter().enumerate() {
            let bytes: Vec<u8> = (0..*part).map(|at| (at * 7 + n) as u8).collect();
            all.extend_from_slice(&bytes);
            let mut left = &bytes[..];
            while !left.is_empty() {
                if let Poll::Ready(some) = records.poll_write(&mut cx, left) {
                    left = &left[some.unwrap()..];
                }
            }
        }
        while records.poll_send(&mut cx).is_pending() {}
        assert_eq!(records.gathered.capacity(), 0, "nothing is held");
        let writes = records.into_inner().writes;
        assert!(writes.concat() == all);
        writes.iter().map(Vec::len).collect()
    }

    #[test]
    fn small_pieces_become_whole_records_and_large_ones_stay_as_they_are() {
        let record = limits::WEB_RECORD;
        assert_eq!(sent(usize::MAX, &[9, record, 9, record]), [record, record, 18]);
        assert_eq!(sent(usize::MAX, &[300; 100]), [record, 30_000 - record]);
        assert_eq!(sent(usize::MAX, &[16 * record]), [16 * record]);
        assert_eq!(sent(usize::MAX, &[300, 16 * record]), [record, 15 * record, 300]);
        assert_eq!(sent(usize::MAX, &[]), Vec::<usize>::new());
        // A stream that takes little at a time.
        assert_eq!(sent(10_000, &[record + 1]), [10_000, record - 10_000 + 1]);
        assert_eq!(sent(10_000, &[9, record]), [10_000, record - 10_000, 9]);
    }
}
