//! The byte stream between blocking code and the task that owns the connection.
//!
//! Bytes travel in [`Chunk`]s, which circulate: a fixed number go out filled and come back empty, so sending never
//! blocks on anything but getting an empty one; those that came in filled go back by [`Wire::recycle`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_std::channel::{Receiver, Sender, TryRecvError, bounded};
use futures::future::{Either, select};
use zeroize::Zeroize;

use crate::error::{Error, Kind, Result};
use crate::limits;

/// Some bytes of the stream.
pub(super) struct Chunk {
    bytes: Box<[u8]>,
    len: usize,
    secret: bool,
}

impl Chunk {
    pub(super) fn new(size: usize) -> Chunk {
        Chunk { bytes: vec![0; size].into_boxed_slice(), len: 0, secret: false }
    }

    /// The bytes in it.
    pub(super) fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many bytes more it can hold.
    pub(super) fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    /// The part behind the bytes in it. What is there is left over and means nothing.
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.len..).unwrap_or_default()
    }

    /// Counts the first `count` bytes of [`Chunk::space`] in.
    pub(super) fn advance(&mut self, count: usize) {
        self.len = self.bytes.len().min(self.len + count);
    }

    /// Appends `bytes`, all or, if there is no room for them, none; says which.
    #[must_use]
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(space) = self.space().get_mut(..bytes.len()) else { return false };
        space.copy_from_slice(bytes);
        self.advance(bytes.len());
        true
    }

    /// Holds a password: its bytes are wiped as soon as they are sent.
    pub(super) fn mark_secret(&mut self) {
        self.secret = true;
    }

    /// Makes it empty again.
    pub(super) fn clear(&mut self) {
        if self.secret {
            self.bytes.zeroize();
            self.secret = false;
        }
        self.len = 0;
    }
}

/// What both ends know of each other without a message.
#[derive(Default)]
pub(super) struct Signs {
    /// Blocking code waits for the server.
    pub(super) waiting: AtomicBool,
    /// Counts every read and write that got somewhere.
    pub(super) progress: AtomicU64,
}

/// The end that blocking code holds. Dropping it ends the connection in good order.
pub(super) struct Wire {
    empty: Receiver<Chunk>,
    outgoing: Sender<Chunk>,
    incoming: Receiver<Result<Chunk>>,
    spent: Sender<Chunk>,
    signs: Arc<Signs>,
    made: usize,
}

/// The end that the connection's task holds. Dropping it makes every wait of the other end fail.
pub(super) struct Far {
    pub(super) empty: Sender<Chunk>,
    pub(super) outgoing: Receiver<Chunk>,
    pub(super) incoming: Sender<Result<Chunk>>,
    spent: Receiver<Chunk>,
    pub(super) signs: Arc<Signs>,
}

impl Far {
    /// An empty chunk to read into.
    pub(super) fn fresh(&self) -> Chunk {
        self.spent.try_recv().unwrap_or_else(|_| Chunk::new(limits::CHUNK))
    }
}

/// Why [`Wire::wait`] came back.
pub(super) enum Event {
    /// Here is an empty chunk to fill.
    Empty(Chunk),
    /// These bytes came.
    Arrived(Chunk),
}

/// Both ends.
pub(super) fn wire() -> (Wire, Far) {
    let (to_empty, empty) = bounded(limits::WIRE_BUFFERS);
    let (outgoing, from_outgoing) = bounded(limits::WIRE_BUFFERS);
    let (to_incoming, incoming) = bounded(limits::WIRE_BUFFERS);
    let (spent, from_spent) = bounded(limits::WIRE_BUFFERS);
    let signs = Arc::new(Signs::default());
    let far = Far {
        empty: to_empty,
        outgoing: from_outgoing,
        incoming: to_incoming,
        spent: from_spent,
        signs: Arc::clone(&signs),
    };
    (Wire { empty, outgoing, incoming, spent, signs, made: 0 }, far)
}

impl Wire {
    /// An empty chunk, if one is to be had without waiting.
    pub(super) fn try_empty(&mut self) -> Option<Chunk> {
        if let Ok(chunk) = self.empty.try_recv() {
            return Some(chunk);
        }
        // Beyond the limit only when the connection is gone: what is put into it goes nowhere.
        (self.made < limits::WIRE_BUFFERS || self.empty.is_closed()).then(|| {
            self.made += 1;
            Chunk::new(limits::WIRE_BUFFER)
        })
    }

    /// An empty chunk, waiting for one if need be.
    pub(super) fn empty(&mut self) -> Chunk {
        if let Some(chunk) = self.try_empty() {
            return chunk;
        }
        self.signs.waiting.store(true, Ordering::Relaxed);
        let chunk = self.empty.recv_blocking();
        self.signs.waiting.store(false, Ordering::Relaxed);
        chunk.unwrap_or_else(|_| Chunk::new(limits::WIRE_BUFFER))
    }

    /// Puts a chunk on its way. Never blocks, and never fails: that the connection broke is told by the next
    /// [`Wire::receive`], after what the server may still have said.
    pub(super) fn send(&mut self, chunk: Chunk) {
        let _told_by_receive = self.outgoing.try_send(chunk);
    }

    /// Bytes that came, if there are any without waiting.
    pub(super) fn try_receive(&mut self) -> Result<Option<Chunk>> {
        match self.incoming.try_recv() {
            Ok(arrived) => arrived.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Closed) => Err(closed()),
        }
    }

    /// The next bytes.
    pub(super) fn receive(&mut self) -> Result<Chunk> {
        if let Some(chunk) = self.try_receive()? {
            return Ok(chunk);
        }
        self.signs.waiting.store(true, Ordering::Relaxed);
        let arrived = self.incoming.recv_blocking();
        self.signs.waiting.store(false, Ordering::Relaxed);
        arrived.unwrap_or_else(|_| Err(closed()))
    }

    /// Waits until there is an empty chunk or some bytes came.
    pub(super) fn wait(&mut self) -> Result<Event> {
        if let Some(chunk) = self.try_empty() {
            return Ok(Event::Empty(chunk));
        }
        if let Some(chunk) = self.try_receive()? {
            return Ok(Event::Arrived(chunk));
        }
        self.signs.waiting.store(true, Ordering::Relaxed);
        // Neither loses a chunk when the other one wins.
        let first = futures::executor::block_on(select(self.empty.recv(), self.incoming.recv()));
        self.signs.waiting.store(false, Ordering::Relaxed);
        match first {
            Either::Left((Ok(chunk), _)) => Ok(Event::Empty(chunk)),
            Either::Left((Err(_), _)) => Ok(Event::Empty(Chunk::new(limits::WIRE_BUFFER))),
            Either::Right((Ok(arrived), _)) => arrived.map(Event::Arrived),
            Either::Right((Err(_), _)) => Err(closed()),
        }
    }

    /// Gives back a chunk whose bytes are used up.
    pub(super) fn recycle(&mut self, mut chunk: Chunk) {
        chunk.clear();
        let _enough_are_kept = self.spent.try_send(chunk);
    }
}

fn closed() -> Error {
    Error::new(Kind::Network, "the connection is closed")
}
