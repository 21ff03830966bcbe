//! What takes more than one step: the bytes of a file, a listing, and work without an output of its own such as the hash of
//! a large file. A step is bounded, so that others get their turn; none knows how its protocol sends what it gives.

mod accept;
pub mod compare;
mod copy;
pub mod download;
mod hash;
pub mod listing;
mod partial;
mod remove;
pub mod resume;
pub mod work;

use super::Desk;
use super::running::Running;
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, Record, RelPath, Rot, Source};
use crate::store::{Digest, Reading};

impl Desk {
    /// Opens a file to be read, unless it is known to be rotten; with what is recorded of its bytes.
    fn open(&self, path: &RelPath) -> Result<(Box<dyn Source>, Option<Hash>)> {
        let source = self.store.open(path)?;
        match source.record() {
            Some(Record::Rotten(rot)) => Err(rotten(path, &rot)),
            Some(Record::Sound(hash)) => Ok((source, Some(hash))),
            None => Ok((source, None)),
        }
    }

    /// The hash of what is read: computed on the way, unless it is known.
    fn digest(&mut self, known: Option<Hash>) -> Digest {
        known.map_or_else(|| Digest::Computed(self.spare_hasher()), Digest::Recorded)
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
