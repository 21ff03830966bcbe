//! What takes more than one step: the bytes of a file, a listing, and work without an output of its own such as the hash of
//! a large file. A step is bounded, so that others get their turn; none knows how its protocol sends what it gives.

pub mod download;
pub mod listing;
pub mod work;

use super::Desk;
use super::audit::Running;
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, Record, RelPath, Rot};
use crate::store::{Digest, Reading};

/// Whether what is recorded of a file may stand for its hash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Whoever gets it has the bytes to compare it with, or gets them.
    Record,
    /// It must be known.
    Bytes,
}

/// What of a file is read.
struct Wanted {
    offset: u64,
    length: Option<u64>,
    trust: Trust,
    growing: bool,
}

impl Desk {
    /// Opens a file to be read, unless it is known to be rotten.
    fn open(&mut self, path: &RelPath, wanted: Wanted) -> Result<Reading> {
        let Wanted { offset, length, trust, growing } = wanted;
        let source = self.store.open(path)?;
        let is_whole = offset == 0 && length.is_none_or(|length| length >= source.meta().size);
        let digest = match source.record() {
            Some(Record::Rotten(rot)) => return Err(rotten(path, &rot)),
            Some(Record::Sound(hash)) if is_whole && trust == Trust::Record => Digest::Recorded(hash),
            _ => Digest::Computed(self.spare_hasher()),
        };
        Ok(Reading::new(source, offset, length, digest).growing(growing))
    }

    /// What was read contradicts what is recorded.
    fn found_rotten(&self, running: &Running, rot: &Rot) -> Error {
        self.audit.found_rotten(&self.principal, running, rot);
        rotten(&running.path().cloned().unwrap_or_default(), rot)
    }

    /// The length and the hash of what was read; its hasher is kept for the next file.
    fn read_all(&mut self, reading: Reading) -> (u64, Hash) {
        let (size, hash) = (reading.len(), reading.hash());
        if let Some(mut hasher) = reading.into_hasher() {
            hasher.reset();
            self.hasher = Some(hasher);
        }
        (size, hash)
    }
}

/// Why a rotten file is not given.
fn rotten(path: &RelPath, Rot { recorded, found }: &Rot) -> Error {
    let text = format!(
        "{path}: the bytes on the server's disk are not those that were stored: BLAKE3 {found}, not {recorded}"
    );
    Error::new(Kind::Rotten, text)
}
