//! Socket buffers that exist only while there is something in them.
//!
//! A buffer is leased from a process-wide store when the first byte arrives and goes back when the last one leaves.
//! It holds ciphertext only, so one connection's leavings are no secret to the next.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::budget::{Account, Claim};
use crate::limits::{SMALL_SOCKET_BUFFER, SOCKET_BUFFER, SOCKET_BUFFERS_KEPT};
use crate::sync::Mutex;

static STORE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// One buffer of [`SOCKET_BUFFER`] bytes, or [`SMALL_SOCKET_BUFFER`]; dropping it gives it back.
struct Lease {
    bytes: Box<[u8]>,
    _claim: Option<Claim>,
}

impl Lease {
    /// A small one if a full one is more than the account's share.
    fn take(account: Option<&Arc<Account>>) -> Lease {
        let claim = account.map(|account| account.claim(SOCKET_BUFFER));
        if let Some(None) = claim {
            return Lease { bytes: vec![0; SMALL_SOCKET_BUFFER].into_boxed_slice(), _claim: None };
        }
        let kept = STORE.lock().pop();
        let bytes = kept.unwrap_or_else(|| vec![0; SOCKET_BUFFER].into_boxed_slice());
        Lease { bytes, _claim: claim.flatten() }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.bytes);
        if buffer.len() < SOCKET_BUFFER {
            return;
        }
        let mut store = STORE.lock();
        if store.len() < SOCKET_BUFFERS_KEPT {
            store.push(buffer);
        }
    }
}

impl Deref for Lease {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// A queue of at most [`SOCKET_BUFFER`] bytes that owns memory only while it is filled, or until
/// [`release`](SocketBuffer::release).
///
/// It never moves bytes: room is what is left behind the last byte, and all of it comes back once it is empty.
#[derive(Default)]
pub(super) struct SocketBuffer {
    /// Whose share it is; none: it has what it needs.
    account: Option<Arc<Account>>,
    storage: Option<Lease>,
    start: usize,
    end: usize,
}

impl SocketBuffer {
    /// From now on memory is taken from this account's share.
    pub(super) fn charge(&mut self, account: Arc<Account>) {
        self.account = Some(account);
    }

    /// The bytes waiting, oldest first.
    pub(super) fn filled(&self) -> &[u8] {
        self.storage.as_ref().and_then(|storage| storage.get(self.start..self.end)).unwrap_or_default()
    }

    /// Whether no byte waits.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The writable space behind the last byte, memory taken for it if there is none yet.
    pub(super) fn space(&mut self) -> &mut [u8] {
        let (end, account) = (self.end, self.account.as_ref());
        self.storage.get_or_insert_with(|| Lease::take(account)).get_mut(end..).unwrap_or_default()
    }

    /// How many bytes [`space`](SocketBuffer::space) has.
    pub(super) fn room(&mut self) -> usize {
        self.space().len()
    }

    /// Counts `count` bytes just written into [`space`](SocketBuffer::space) as filled.
    pub(super) fn fill(&mut self, count: usize) {
        self.end += count.min(self.room());
    }

    /// Appends `data`, which must fit into [`room`](SocketBuffer::room); what does not fit is not taken. Returns the count.
    pub(super) fn append(&mut self, data: &[u8]) -> usize {
        let space = self.space();
        let count = data.len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..count), data.get(..count)) {
            to.copy_from_slice(from);
        }
        self.fill(count);
        count
    }

    /// Moves the oldest bytes into `buf`, as many as there are and fit, and returns how many.
    pub(super) fn take(&mut self, buf: &mut [u8]) -> usize {
        let filled = self.filled();
        let count = filled.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..count), filled.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        count
    }

    /// Forgets the oldest `count` bytes. The memory stays, for the next ones.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Whether it owns memory just now.
    #[cfg(test)]
    pub(super) fn owns_memory(&self) -> bool {
        self.storage.is_some()
    }

    /// Gives the memory back if nothing waits in it.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            self.storage = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    #[test]
    fn bytes_leave_in_the_order_they_came() {
        let mut buffer = SocketBuffer::default();
        assert_eq!(buffer.append(b"abcdef"), 6);
        buffer.consume(2);
        assert_eq!(buffer.append(b"gh"), 2);
        assert_eq!(buffer.filled(), b"cdefgh");
        let mut taken = [0; 4];
        assert_eq!(buffer.take(&mut taken), 4);
        assert_eq!(&taken, b"cdef");
        assert_eq!(buffer.take(&mut taken), 2);
        assert_eq!(&taken, b"ghef");
        assert!(buffer.is_empty());
        assert_eq!(buffer.room(), SOCKET_BUFFER);
    }

    #[test]
    fn no_more_is_taken_than_fits() {
        let mut buffer = SocketBuffer::default();
        assert_eq!(buffer.append(&vec![7; SOCKET_BUFFER + 5]), SOCKET_BUFFER);
        assert_eq!(buffer.append(b"x"), 0);
        buffer.consume(usize::MAX / 2);
        assert!(buffer.is_empty());
    }

    #[test]
    fn where_memory_is_short_a_record_still_fits() {
        let mut buffer = SocketBuffer::default();
        buffer.charge(Budget::new(1000).portion().account());
        assert_eq!(buffer.append(&[7; SOCKET_BUFFER]), SMALL_SOCKET_BUFFER);
        buffer.consume(SMALL_SOCKET_BUFFER);
        assert_eq!(buffer.room(), SMALL_SOCKET_BUFFER);
        buffer.release();
        buffer.charge(Budget::new(4 * SOCKET_BUFFER).portion().account());
        assert_eq!(buffer.room(), SOCKET_BUFFER);
    }

    #[test]
    fn memory_is_owned_only_until_it_is_released_empty() {
        let mut buffer = SocketBuffer::default();
        assert!(!buffer.owns_memory());
        buffer.append(b"x");
        buffer.release();
        assert_eq!(buffer.filled(), b"x");
        buffer.consume(1);
        buffer.release();
        assert!(!buffer.owns_memory());
        assert!(buffer.filled().is_empty());
    }
}
