//! Bytes from an asynchronous reader for blocking code.

use std::io::{self, Read};
use std::time::Duration;

use async_std::channel::{Receiver, Sender, TryRecvError, bounded};
use async_std::future::timeout;
use async_std::task::block_on;
use futures::io::{AsyncRead, AsyncReadExt as _};

use crate::limits;

/// What the reader gave: bytes, or none at its end.
type Portion = io::Result<Option<Vec<u8>>>;

/// The end that gives.
pub(super) struct Feeder(Sender<Portion>);

/// The end that blocking code reads from. It ends where the asynchronous reader says so; if nobody feeds it any more before that,
/// reading fails, so that half of something is never taken for the whole.
pub struct Fed {
    portions: Receiver<Portion>,
    size: Option<u64>,
    given: u64,
    current: Vec<u8>,
    at: usize,
    state: State,
}

enum State {
    Going,
    Over,
    Failed(Option<io::Error>),
}

/// Both ends, for so many bytes if that is known.
pub(super) fn feed(size: Option<u64>) -> (Feeder, Fed) {
    let (sender, portions) = bounded(limits::WIRE_BUFFERS);
    (Feeder(sender), Fed { portions, size, given: 0, current: Vec::new(), at: 0, state: State::Going })
}

impl Feeder {
    /// Hands on all that the reader gives, as fast as it is taken.
    pub(super) async fn run(self, reader: &mut (impl AsyncRead + Unpin)) {
        loop {
            let mut space = vec![0; limits::FEED];
            let portion = match reader.read(&mut space).await {
                Ok(0) => Ok(None),
                Ok(count) => {
                    space.truncate(count);
                    Ok(Some(space))
                }
                Err(err) if err.kind() == io::ErrorKind::Interrupted => continue,
                Err(err) => Err(err),
            };
            let is_last = !matches!(portion, Ok(Some(_)));
            // Nobody takes it any more if the server has refused the file.
            if self.0.send(portion).await.is_err() || is_last {
                return;
            }
        }
    }
}

impl Fed {
    /// Bytes that will come, if that is known.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Waits so long at most until a read would not wait; whether that is so.
    pub(super) fn has_some(&mut self, patience: Duration) -> bool {
        if !self.needs_more() {
            return true;
        }
        let next = match self.portions.try_recv() {
            Ok(portion) => Ok(portion),
            Err(TryRecvError::Closed) => Err(abandoned()),
            Err(TryRecvError::Empty) => match block_on(timeout(patience, self.portions.recv())) {
                Ok(portion) => portion.map_err(|_| abandoned()),
                Err(_) => return false,
            },
        };
        self.take(next);
        true
    }

    fn needs_more(&self) -> bool {
        self.at == self.current.len() && matches!(self.state, State::Going)
    }

    fn take(&mut self, next: io::Result<Portion>) {
        match next.and_then(|portion| portion) {
            Ok(Some(bytes)) => {
                self.given += bytes.len() as u64;
                if self.size.is_some_and(|size| self.given > size) {
                    return self.fail(self.wrong_size("more than"));
                }
                (self.current, self.at) = (bytes, 0);
            }
            Ok(None) if self.size.is_some_and(|size| self.given < size) => {
                self.fail(self.wrong_size("fewer than"));
            }
            Ok(None) => self.state = State::Over,
            Err(err) => self.fail(err),
        }
    }

    fn fail(&mut self, err: io::Error) {
        self.state = State::Failed(Some(err));
    }

    fn wrong_size(&self, how: &str) -> io::Error {
        let text = format!("it gave {how} the {} bytes announced", self.size.unwrap_or_default());
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}

impl Read for Fed {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        while self.needs_more() {
            let next = self.portions.recv_blocking().map_err(|_| abandoned());
            self.take(next);
        }
        let left = self.current.get(self.at..).unwrap_or_default();
        if left.is_empty() {
            return match &mut self.state {
                State::Failed(err) => Err(err.take().unwrap_or_else(abandoned)),
                State::Going | State::Over => Ok(0),
            };
        }
        let count = left.len().min(space.len());
        space.get_mut(..count).unwrap_or_default().copy_from_slice(left.get(..count).unwrap_or_default());
        self.at += count;
        Ok(count)
    }
}

fn abandoned() -> io::Error {
    io::Error::other("nobody gives the rest of it any more")
}
