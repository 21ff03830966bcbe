//! Large buffers that exist only while busy: a process-wide pool, so that an idle connection owns none and a busy one
//! never pays for zeroing fresh memory.

use std::sync::Arc;

use zeroize::Zeroize;

use crate::budget::{Account, Claim};
use crate::limits;
use crate::sync::Mutex;

static SPARE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

const PAGE: usize = 4096;

/// Where in a page a buffer begins, so that the data behind a frame's header of 4 bytes begins at byte 64.
///
/// AMD's Zen 3 copies at a quarter of its speed when the destination lies 1 to 31 bytes further into its page than the
/// source does, and reading a file copies whole pages: measured, 2.3 GB/s into such a buffer and 8.9 into any other.
/// Plain memory of this size begins 16 bytes into a page, the data of a frame then 20: just there.
const LEAD: usize = 60;

/// What a full buffer takes of memory.
const LARGE: usize = limits::BUFFER + PAGE + LEAD;

/// A buffer of [`limits::BUFFER`] bytes, of which a range is filled. Its memory goes back to the pool when dropped. One of
/// [`limits::SMALL_BUFFER`] where memory is short.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    /// Where in `bytes` it begins.
    base: usize,
    start: usize,
    end: usize,
    /// Wiped before its memory is used for anything else.
    secret: bool,
    /// Its part of a budget, if it has one.
    claim: Option<Claim>,
}

impl Buffer {
    /// What one takes of memory, for whoever counts that before.
    pub(crate) const TAKES: usize = LARGE;

    /// An empty buffer, from the pool if it has one.
    pub fn take() -> Buffer {
        let spare = SPARE.lock().pop();
        let bytes = spare.unwrap_or_else(|| vec![0; LARGE].into_boxed_slice());
        // Where the address cannot be told, any place will do.
        let base = bytes.as_ptr().align_offset(PAGE).min(PAGE) + LEAD;
        Buffer { bytes, base, start: base, end: base, secret: false, claim: None }
    }

    /// An empty buffer for the connection of this account: a small one if a full one is more than its share.
    pub(crate) fn take_for(account: &Arc<Account>) -> Buffer {
        match account.claim(LARGE) {
            Some(claim) => {
                let mut buffer = Buffer::take();
                buffer.claim = Some(claim);
                buffer
            }
            None => Buffer::small(),
        }
    }

    /// An empty buffer for the connection of this account, and for no more than so many bytes. Where those are few it is no larger: it would
    /// hold a full one until they have left, of which the pool has none for many small files at once.
    pub(crate) fn take_for_some(account: &Arc<Account>, most: u64) -> Buffer {
        match usize::try_from(most) {
            Ok(most) if most <= limits::SMALL_BUFFER => Buffer::of(most),
            _ => Buffer::take_for(account),
        }
    }

    fn of(size: usize) -> Buffer {
        let bytes = vec![0; size].into_boxed_slice();
        Buffer { bytes, base: 0, start: 0, end: 0, secret: false, claim: None }
    }

    fn small() -> Buffer {
        Buffer::of(limits::SMALL_BUFFER)
    }

    /// A small one for what must not stay in memory: wiped when it is dropped.
    pub fn secret() -> Buffer {
        let mut buffer = Buffer::small();
        buffer.secret = true;
        buffer
    }

    /// A buffer without room, for a place that has nothing to hold.
    pub fn none() -> Buffer {
        Buffer { bytes: Box::default(), base: 0, start: 0, end: 0, secret: false, claim: None }
    }

    /// The bytes that are filled and not consumed yet.
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The room behind them; [`Buffer::fill`] says how much of it was used.
    pub fn room(&mut self) -> &mut [u8] {
        let limit = self.limit();
        self.bytes.get_mut(self.end..limit).unwrap_or_default()
    }

    /// Counts the first `n` bytes of the room as filled.
    pub fn fill(&mut self, n: usize) {
        self.end = (self.end + n).min(self.limit());
    }

    /// Takes the first `n` filled bytes away.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }

    /// Takes the first `n` filled bytes away, and wipes them: what is behind them is yet to be read.
    pub fn consume_secret(&mut self, n: usize) {
        let end = (self.start + n).min(self.end);
        if let Some(bytes) = self.bytes.get_mut(self.start..end) {
            bytes.zeroize();
        }
        self.consume(n);
    }

    /// Appends as many of `bytes` as fit, and says how many those were.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room().len());
        if let (Some(to), Some(from)) = (self.room().get_mut(..n), bytes.get(..n)) {
            to.copy_from_slice(from);
        }
        self.fill(n);
        n
    }

    /// Overwrites all of its memory, and so empties it: for a buffer that held a password.
    pub fn wipe(&mut self) {
        self.bytes.zeroize();
        (self.start, self.end) = (self.base, self.base);
    }

    /// Where its room ends.
    fn limit(&self) -> usize {
        self.bytes.len().min(self.base + limits::BUFFER)
    }

    /// Whether nothing is left to consume.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.secret {
            self.wipe();
        }
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.len() < LARGE {
            return;
        }
        let mut spare = SPARE.lock();
        if spare.len() < limits::SPARE_BUFFERS {
            spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let mut buffer = Buffer::take();
        assert_eq!(buffer.append(b"hello"), 5);
        buffer.consume(2);
        assert_eq!(buffer.filled(), b"llo");
        buffer.consume(3);
        assert!(buffer.is_empty());
    }

    #[test]
    fn who_has_had_the_share_gets_small_buffers_until_one_comes_back() {
        let account = Budget::new(4 * LARGE).portion().account();
        let full = Buffer::take_for(&account);
        assert_eq!(full.limit() - full.base, limits::BUFFER);
        let mut small = Buffer::take_for(&account);
        assert_eq!(small.room().len(), limits::SMALL_BUFFER);
        assert_eq!(small.append(&vec![1; limits::BUFFER]), limits::SMALL_BUFFER);
        drop(full);
        assert_eq!(Buffer::take_for(&account).room().len(), limits::BUFFER);
    }

    #[test]
    fn a_secret_is_wiped_as_it_is_consumed_and_what_is_behind_it_stays() {
        let mut buffer = Buffer::take();
        buffer.append(b"PASSWD secret\r\nPING\r\n");
        buffer.consume_secret(15);
        assert_eq!(buffer.filled(), b"PING\r\n");
        assert!(!buffer.bytes.windows(6).any(|six| six == b"secret"));
    }

    #[test]
    fn nothing_is_left_in_a_wiped_buffer() {
        let mut buffer = Buffer::take();
        buffer.append(b"canary");
        buffer.wipe();
        assert!(buffer.is_empty());
        assert!(buffer.room().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn the_data_of_a_frame_begins_64_bytes_into_a_page() {
        let mut buffer = Buffer::take();
        buffer.append(&[0; 4]);
        assert_eq!(buffer.room().as_ptr().addr() % PAGE, 64);
        assert_eq!(buffer.room().len(), limits::BUFFER - 4);
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_caller() {
        let mut buffer = Buffer::take();
        assert_eq!(buffer.append(&vec![1; limits::BUFFER + 1]), limits::BUFFER);
        assert_eq!(buffer.append(b"x"), 0);
        assert!(buffer.room().is_empty());
    }
}
