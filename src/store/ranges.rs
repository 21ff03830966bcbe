//! Which bytes of an upload in parts are whose, and which have come: the same in every store, whatever each keeps of them.

use std::collections::BTreeMap;

use crate::error::{Error, Kind, Result};
use crate::files::hash::{Assembly, BlockHash, RangeHasher};
use crate::files::{Hasher, RelPath};
use crate::limits;

/// All ranges of one upload. `W` is what a store keeps of one that has come whole.
pub(super) struct Ranges<W> {
    /// The upload is over: no part counts any more.
    over: bool,
    /// By their beginnings.
    taken: BTreeMap<u64, Range<W>>,
    next: u64,
    hashes: Assembly,
}

struct Range<W> {
    end: u64,
    /// Which part has it.
    owner: u64,
    /// What came, once that is all.
    whole: Option<W>,
}

/// A part's hold on its range, and the hash of what has come of it.
pub(super) struct Claim {
    start: u64,
    end: u64,
    owner: u64,
    hasher: RangeHasher,
}

/// What has come when an upload is over.
pub(super) struct Came<W> {
    /// Of each range from the beginning on, without a gap.
    pub(super) whole: Vec<W>,
    /// Where the last of them ends.
    pub(super) end: u64,
    /// The hashes of all ranges.
    pub(super) hashes: Assembly,
}

impl<W> Ranges<W> {
    /// Those of an upload whose beginning, hashed by this, has come in one piece.
    ///
    /// # Errors
    /// [`Kind::Internal`] for one that does not end with a block.
    pub(super) fn with_beginning(hasher: &Hasher, beginning: W, path: &RelPath) -> Result<Self> {
        if !hasher.len().is_multiple_of(limits::HASH_BLOCK) {
            return Err(Error::new(Kind::Internal, path.said("its beginning does not end with a block")));
        }
        let there = Range { end: hasher.len(), owner: 0, whole: Some(beginning) };
        let taken = if hasher.is_empty() { BTreeMap::new() } else { BTreeMap::from([(0, there)]) };
        Ok(Ranges { over: false, taken, next: 1, hashes: Assembly::with_beginning(hasher) })
    }

    /// Takes a range of an upload of this size. The very same range may be taken anew: what came of it counts no more.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for one that is not made of whole blocks, but for the end; [`Kind::Exists`] for one that meets others.
    pub(super) fn take(&mut self, (offset, length): (u64, u64), size: u64, path: &RelPath) -> Result<Claim> {
        let end = offset.checked_add(length).filter(|end| *end <= size && length > 0);
        let fits = |at: u64| at.is_multiple_of(limits::HASH_BLOCK);
        let Some(end) = end.filter(|end| fits(offset) && (fits(*end) || *end == size)) else {
            let text = path.said(format_args!("a part goes from one multiple of {} to another", limits::HASH_BLOCK));
            return Err(Error::new(Kind::BadCommand, text));
        };
        let repeats = self.taken.get(&offset).is_some_and(|range| range.end == end);
        let before = self.taken.range(..end).next_back();
        if !repeats && before.is_some_and(|(_, range)| range.end > offset) {
            let text = path.said("some of these bytes are there or on their way already");
            return Err(Error::new(Kind::Exists, text));
        }
        let owner = self.next;
        self.next += 1;
        self.taken.insert(offset, Range { end, owner, whole: None });
        let (first, behind) = (offset / limits::HASH_BLOCK, end.div_ceil(limits::HASH_BLOCK));
        if repeats {
            self.hashes.remove(first, behind);
        }
        Ok(Claim { start: offset, end, owner, hasher: RangeHasher::at_block(first) })
    }

    /// Fails if the range is not this part's any more.
    ///
    /// # Errors
    /// [`Kind::Aborted`].
    pub(super) fn check(&self, claim: &Claim, path: &RelPath) -> Result<()> {
        let owned = self.taken.get(&claim.start).is_some_and(|range| range.owner == claim.owner);
        if self.over || !owned {
            return Err(Error::new(Kind::Aborted, path.said("this part is given up")));
        }
        Ok(())
    }

    /// A range has come whole, and this is kept of it. How many bytes it has.
    ///
    /// # Errors
    /// As [`Ranges::check`].
    pub(super) fn finish(&mut self, claim: &mut Claim, whole: W, path: &RelPath) -> Result<u64> {
        self.check(claim, path)?;
        self.hashes.put(std::mem::replace(&mut claim.hasher, RangeHasher::at_block(0)));
        self.taken.insert(claim.start, Range { end: claim.end, owner: claim.owner, whole: Some(whole) });
        Ok(claim.end - claim.start)
    }

    /// How many bytes of the beginning have come whole; none once the upload is over.
    pub(super) fn whole(&self) -> u64 {
        let whole = |end, (start, range): (&u64, &Range<W>)| {
            (*start == end && range.whole.is_some()).then_some(range.end).ok_or(end)
        };
        match self.taken.iter().filter(|_| !self.over).try_fold(0, whole) {
            Ok(end) | Err(end) => end,
        }
    }

    /// A part is gone: its range is free, unless it has come whole or somebody else has it by now.
    pub(super) fn give_up(&mut self, claim: &Claim) {
        if self.taken.get(&claim.start).is_some_and(|range| range.owner == claim.owner && range.whole.is_none()) {
            self.taken.remove(&claim.start);
        }
    }

    /// The upload is over: no part counts from now on.
    pub(super) fn end(&mut self) {
        self.over = true;
    }

    /// The upload is over: no part counts from now on. What has come by then.
    pub(super) fn close(&mut self) -> Came<W> {
        self.end();
        let mut came = Came { whole: Vec::new(), end: 0, hashes: std::mem::take(&mut self.hashes) };
        for (start, range) in std::mem::take(&mut self.taken) {
            let Some(whole) = range.whole.filter(|_| start == came.end) else { break };
            came.whole.push(whole);
            came.end = range.end;
        }
        came
    }
}

impl Claim {
    /// Where the next byte is in the file.
    pub(super) fn at(&self) -> u64 {
        self.hasher.at()
    }

    /// The values of the block that has just come whole, if one has.
    pub(super) fn last_block(&self) -> Option<BlockHash> {
        self.hasher.last_block()
    }

    /// Bytes that are still to come.
    pub(super) fn left(&self) -> u64 {
        self.end - self.hasher.at()
    }

    /// Fails if more comes than was announced.
    ///
    /// # Errors
    /// [`Kind::Integrity`].
    pub(super) fn check_room(&self, bytes: &[u8], path: &RelPath) -> Result<()> {
        if bytes.len() as u64 > self.left() {
            let text = path.said(format_args!("more than the {} bytes of this part", self.end - self.start));
            return Err(Error::new(Kind::Integrity, text));
        }
        Ok(())
    }

    /// Hashes what comes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Fails if less has come than was announced.
    ///
    /// # Errors
    /// [`Kind::Integrity`].
    pub(super) fn check_end(&self, path: &RelPath) -> Result<()> {
        if self.left() > 0 {
            let (announced, came) = (self.end - self.start, self.at() - self.start);
            let text = path.said(format_args!("{announced} bytes were announced and {came} came"));
            return Err(Error::new(Kind::Integrity, text));
        }
        Ok(())
    }
}

impl<W> Came<W> {
    /// What is kept of all ranges, and the hasher of them.
    ///
    /// # Errors
    /// [`Kind::Integrity`] if not all of this size has come.
    pub(super) fn all_of(self, size: u64, path: &RelPath) -> Result<(Vec<W>, Hasher)> {
        let missing = || Error::new(Kind::Integrity, path.said(format_args!("not all of its {size} bytes have come")));
        let hasher = self.hashes.whole(size).filter(|_| self.end == size).ok_or_else(missing)?;
        Ok((self.whole, hasher))
    }

    /// What is kept of the beginning, and the hasher of that.
    pub(super) fn beginning(self) -> (Vec<W>, Hasher) {
        let hasher = Hasher::from_blocks(self.hashes.beginning());
        (self.whole, hasher)
    }
}
