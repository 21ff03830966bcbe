//! What interrupted uploads left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::tree::{Tree, full, is_within};
use crate::error::{Error, Kind, Result};
use crate::files::hash::BlockHash;
use crate::files::{Hash, Hasher, RelPath};
use crate::limits;

/// Who sends: of the users who have one home each finds what is left of the own uploads alone.
pub(super) type Sender = Option<Arc<str>>;

/// By what it is found: its path from the beginning of the tree, and who sends it.
pub(super) type Key = (Vec<u8>, Sender);

/// The beginning of an interrupted upload.
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    pub(super) blocks: Vec<BlockHash>,
    since: Instant,
}

impl Tree {
    /// Keeps the whole blocks of an interrupted upload, where nobody counts; says how many bytes.
    pub(super) fn keep(
        &mut self,
        home: &RelPath,
        (path, sender): (&RelPath, &Sender),
        mut bytes: Vec<u8>,
        blocks: &[BlockHash],
    ) -> u64 {
        let full = full(home, path);
        let len = blocks.len() as u64 * limits::HASH_BLOCK;
        if len == 0 || self.is_counted(&full) || self.check_home(home).is_err() {
            return 0;
        }
        bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        self.partials.insert((full, sender.clone()), Kept { bytes, blocks: blocks.to_vec(), since: Instant::now() });
        len
    }

    pub(super) fn partial(&self, home: &RelPath, path: &RelPath, sender: &Sender) -> Option<&Kept> {
        self.partials.get(&(full(home, path), sender.clone()))
    }

    /// A large file is in its place: what is left of an earlier upload of it is of no more use.
    pub(super) fn forget_partial(&mut self, home: &RelPath, path: &RelPath, sender: &Sender) {
        self.partials.remove(&(full(home, path), sender.clone()));
    }

    /// Takes out the proven beginning of a partial.
    pub(super) fn take_partial(
        &mut self,
        home: &RelPath,
        (path, sender): (&RelPath, &Sender),
        from: u64,
        proven: Hash,
    ) -> Result<(Vec<u8>, Hasher)> {
        let changed = || Error::new(Kind::Changed, path.said("what is left of the last upload is not its beginning"));
        let key = (full(home, path), sender.clone());
        let kept = self.partials.get(&key).ok_or_else(changed)?;
        let whole = usize::try_from(from / limits::HASH_BLOCK).map_err(|_| changed())?;
        let blocks = kept.blocks.get(..whole).filter(|_| whole > 0 && from.is_multiple_of(limits::HASH_BLOCK));
        let hasher = Hasher::from_blocks(blocks.ok_or_else(changed)?.to_vec());
        if hasher.finalize() != proven {
            return Err(changed());
        }
        let mut kept = self.partials.remove(&key).ok_or_else(changed)?;
        kept.bytes.truncate(usize::try_from(from).unwrap_or(usize::MAX));
        Ok((kept.bytes, hasher))
    }

    /// Forgets the partials of a home that are this old, or all; says how many.
    pub(super) fn forget_partials(&mut self, home: &[u8], max_age: Option<Duration>) -> usize {
        let before = self.partials.len();
        let keeps = |kept: &Kept| max_age.is_some_and(|max_age| kept.since.elapsed() < max_age);
        self.partials.retain(|(path, _), kept| !is_within(path, home) || keeps(kept));
        before - self.partials.len()
    }
}
