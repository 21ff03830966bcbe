//! The byte stream between blocking code and the task that owns the connection.
//!
//! Bytes travel in whole [`Buffer`]s. To send one takes a credit, of which there is a fixed number; a credit comes back
//! when the buffer was written. So a wait for room is a wait for a credit, and can be combined with a wait for bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_std::channel::{Receiver, Sender, TryRecvError, bounded};
use futures::future::{Either, select};

use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// Bytes to send.
pub(super) struct Parcel {
    pub(super) bytes: Buffer,
    /// Holds a password: wiped when the parcel is dropped, sent or not.
    pub(super) secret: bool,
}

impl Drop for Parcel {
    fn drop(&mut self) {
        if self.secret {
            self.bytes.wipe();
        }
    }
}

/// Leave to send one parcel.
pub(super) struct Credit;

/// What both ends know of each other without a message.
#[derive(Default)]
pub(super) struct Signs {
    /// Blocking code waits for the server.
    pub(super) waiting: AtomicBool,
    /// It waits for the rest of something that the server has begun: of a line, of data.
    pub(super) owed: AtomicBool,
    /// It waits for a server that reads a whole file first, and has nothing to say meanwhile.
    pub(super) reads: AtomicBool,
    /// Counts every read and write that got somewhere.
    pub(super) progress: AtomicU64,
    /// Bytes that came.
    pub(super) came: AtomicU64,
}

/// The end that blocking code holds. Dropping it ends the connection in good order.
pub(super) struct Wire {
    credits: Receiver<Credit>,
    outgoing: Sender<Parcel>,
    incoming: Receiver<Result<Buffer>>,
    signs: Arc<Signs>,
}

/// The end that the connection's task holds. Dropping it ends every wait of the other end.
pub(super) struct Far {
    pub(super) credits: Sender<Credit>,
    pub(super) outgoing: Receiver<Parcel>,
    pub(super) incoming: Sender<Result<Buffer>>,
    pub(super) signs: Arc<Signs>,
}

/// Both ends; so many buffers may be on their way out.
pub(super) fn wire(most: usize) -> (Wire, Far) {
    let (to_credits, credits) = bounded(limits::WIRE_BUFFERS);
    let (outgoing, from_outgoing) = bounded(limits::WIRE_BUFFERS);
    let (to_incoming, incoming) = bounded(limits::WIRE_BUFFERS);
    for _ in 0..most.min(limits::WIRE_BUFFERS) {
        // Fresh and of this size: there is room.
        let _ = to_credits.try_send(Credit);
    }
    let signs = Arc::new(Signs::default());
    let far = Far { credits: to_credits, outgoing: from_outgoing, incoming: to_incoming, signs: Arc::clone(&signs) };
    (Wire { credits, outgoing, incoming, signs }, far)
}

/// Why [`Wire::wait`] came back.
pub(super) enum Event {
    /// A parcel may be sent.
    Room(Credit),
    /// These bytes came.
    Arrived(Buffer),
}

impl Wire {
    /// Whether what the server owes next takes it a whole file to read.
    pub(super) fn server_reads(&self, reads: bool) {
        self.signs.reads.store(reads, Ordering::Relaxed);
    }

    /// Leave to send, if it is to be had without waiting. Always, once the connection is gone: what is sent then goes
    /// nowhere, and the next [`Wire::receive`] says why, after what the server may still have said.
    pub(super) fn try_credit(&mut self) -> Option<Credit> {
        match self.credits.try_recv() {
            Ok(credit) => Some(credit),
            Err(TryRecvError::Closed) => Some(Credit),
            Err(TryRecvError::Empty) => None,
        }
    }

    /// Leave to send, as soon as it is to be had.
    pub(super) fn credit(&mut self) -> Credit {
        self.try_credit().unwrap_or_else(|| self.waiting(|wire| wire.credits.recv_blocking()).unwrap_or(Credit))
    }

    /// Puts a parcel on its way. Never blocks.
    pub(super) fn send(&mut self, parcel: Parcel, _leave: Credit) {
        let _told_by_receive = self.outgoing.try_send(parcel);
    }

    /// Bytes that came, if there are any without waiting.
    pub(super) fn try_receive(&mut self) -> Result<Option<Buffer>> {
        match self.incoming.try_recv() {
            Ok(arrived) => arrived.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Closed) => Err(closed()),
        }
    }

    /// Whether the connection is gone, or bytes came that are not taken yet.
    pub(super) fn is_over(&self) -> bool {
        self.incoming.is_closed() || !self.incoming.is_empty()
    }

    /// The next bytes. What is `owed` is the rest of something begun, and must come at [`limits::RATE_MIN`].
    pub(super) fn receive(&mut self, owed: bool) -> Result<Buffer> {
        if let Some(bytes) = self.try_receive()? {
            return Ok(bytes);
        }
        self.signs.owed.store(owed, Ordering::Relaxed);
        let came = self.waiting(|wire| wire.incoming.recv_blocking()).unwrap_or_else(|_| Err(closed()));
        self.signs.owed.store(false, Ordering::Relaxed);
        came
    }

    /// Waits until a parcel may be sent or bytes came.
    pub(super) fn wait(&mut self) -> Result<Event> {
        if let Some(credit) = self.try_credit() {
            return Ok(Event::Room(credit));
        }
        // Neither loses anything when the other one wins.
        self.waiting(|wire| match futures::executor::block_on(select(wire.credits.recv(), wire.incoming.recv())) {
            Either::Left((credit, _)) => Ok(Event::Room(credit.unwrap_or(Credit))),
            Either::Right((Ok(arrived), _)) => arrived.map(Event::Arrived),
            Either::Right((Err(_), _)) => Err(closed()),
        })
    }

    /// Runs `wait` under the sign that lets the connection's task end it when the server is silent for too long.
    fn waiting<T>(&self, wait: impl FnOnce(&Self) -> T) -> T {
        self.signs.waiting.store(true, Ordering::Relaxed);
        let came = wait(self);
        self.signs.waiting.store(false, Ordering::Relaxed);
        came
    }
}

fn closed() -> Error {
    Error::new(Kind::Network, "the connection is closed")
}
