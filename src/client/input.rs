//! What an upload is read from.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::feed::Fed;
use super::local_file::{LocalFile, Portion, uninterrupted};
use crate::error::{Error, Result};
use crate::files::Hash;
use crate::limits;

/// Where the bytes come from.
pub(super) enum Input {
    /// A file, of which more is known than its bytes.
    File(LocalFile),
    /// A pipe, a terminal, or a file that hides its size: read to its end.
    Stream(File),
    /// What is read to its end, and of which it cannot be known whether it has something.
    Reader(Box<dyn Read + Send>),
    /// What an asynchronous reader gives.
    Fed(Fed),
    /// Bytes in memory, and how many of them were read.
    Memory(Arc<dyn AsRef<[u8]> + Send + Sync>, usize),
}

impl Input {
    /// Bytes to come, if that is known.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Input::File(file) => Some(file.size),
            Input::Fed(fed) => fed.size(),
            Input::Memory(bytes, _) => Some((**bytes).as_ref().len() as u64),
            Input::Stream(_) | Input::Reader(_) => None,
        }
    }

    /// Whether the next read may take long, so that what is ready should not wait for it.
    pub(super) fn may_wait(&self) -> bool {
        !matches!(self, Input::File(_) | Input::Memory(..))
    }

    /// Waits so long at most until a read would not wait; whether that is so, as far as it can be known.
    pub(super) fn has_some(&mut self, patience: Duration) -> bool {
        let file = match self {
            Input::Stream(file) => file,
            Input::Fed(fed) => return fed.has_some(patience),
            Input::File(_) | Input::Reader(_) | Input::Memory(..) => return true,
        };
        let begun = Instant::now();
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            let Ok(left) = Timespec::try_from(left) else { return true };
            match poll(&mut [PollFd::new(&*file, PollFlags::IN)], Some(&left)) {
                Ok(0) => return false,
                Err(Errno::INTR) => {}
                // Also if that cannot be asked: reading tells why.
                Ok(_) | Err(_) => return true,
            }
        }
    }

    /// Whether the bytes sent, of this hash, are those of one file; a stream is whatever comes out of it.
    pub(super) fn settle(&self, sent: &Hash) -> Result<()> {
        let Input::File(file) = self else { return Ok(()) };
        let begun = Instant::now();
        // The server waits for the end of the data meanwhile.
        file.settle(sent, || if begun.elapsed() < limits::TORN_CHECK_MAX { Ok(()) } else { Err(file.torn()) })
    }

    /// Reads on, `sent` bytes having been read before.
    pub(super) fn read(&mut self, space: &mut [u8], sent: u64) -> Result<Portion> {
        match self {
            Input::File(file) => file.read(space, sent),
            Input::Stream(file) => stream(file, space),
            Input::Reader(reader) => stream(reader, space),
            Input::Fed(fed) => stream(fed, space),
            Input::Memory(bytes, at) => {
                let left = (**bytes).as_ref().get(*at..).unwrap_or_default();
                let count = left.len().min(space.len());
                space.get_mut(..count).unwrap_or_default().copy_from_slice(left.get(..count).unwrap_or_default());
                *at += count;
                Ok(if count == 0 { Portion::End } else { Portion::Bytes(count) })
            }
        }
    }
}

fn stream(reader: &mut impl Read, space: &mut [u8]) -> Result<Portion> {
    match uninterrupted(|| reader.read(space)) {
        Ok(0) => Ok(Portion::End),
        Ok(count) => Ok(Portion::Bytes(count.min(space.len()))),
        Err(err) => Err(Error::file("reading what is to be sent", err)),
    }
}
