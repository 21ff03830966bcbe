//! Ranges of a file hashed apart, in any order, and put together to the hash of the whole.

use std::collections::BTreeMap;

use super::{BlockHash, Hasher};
use crate::limits;

/// The hash of a range that begins at a multiple of [`limits::HASH_BLOCK`]. It says nothing by itself: an [`Assembly`]
/// puts it in its place.
pub struct RangeHasher {
    /// Its `len` counts from the beginning of the file, its blocks from the beginning of the range.
    hasher: Hasher,
    first: u64,
}

impl RangeHasher {
    /// A hasher of the range that begins with this block: at `block` times [`limits::HASH_BLOCK`] bytes.
    pub fn at_block(block: u64) -> Self {
        Self::sized(block, limits::HASH_BLOCK)
    }

    fn sized(first: u64, block: u64) -> Self {
        let mut hasher = Hasher::with_block(block);
        hasher.len = first.saturating_mul(block);
        hasher.start_half();
        RangeHasher { hasher, first }
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The values of the last block, if bytes end with it.
    pub fn last_block(&self) -> Option<BlockHash> {
        self.hasher.blocks.last().copied().filter(|_| self.hasher.len.is_multiple_of(2 * self.hasher.half))
    }

    /// Where in the file the next byte belongs.
    pub fn at(&self) -> u64 {
        self.hasher.len
    }
}

/// The ranges of one file that are hashed so far.
#[derive(Default)]
pub struct Assembly {
    blocks: BTreeMap<u64, BlockHash>,
    /// What follows the last whole block, its blocks taken out.
    rest: Option<RangeHasher>,
}

impl Assembly {
    /// The beginning of a file that was hashed before.
    pub fn with_beginning(hasher: &Hasher) -> Self {
        Assembly { blocks: (0..).zip(hasher.blocks().iter().copied()).collect(), rest: None }
    }

    /// Puts a range in its place. One that does not end with a block ends the file.
    pub fn put(&mut self, mut range: RangeHasher) {
        let blocks = std::mem::take(&mut range.hasher.blocks);
        let first = range.first;
        range.first += blocks.len() as u64;
        self.blocks.extend((first..).zip(blocks));
        if !range.hasher.len.is_multiple_of(2 * range.hasher.half) {
            self.rest = Some(range);
        }
    }

    /// Takes the blocks from `first` up to `end` out again, and with them what follows if they are the last.
    pub fn remove(&mut self, first: u64, end: u64) {
        self.blocks.retain(|block, _| !(first..end).contains(block));
        self.rest = self.rest.take().filter(|rest| !(first..end).contains(&rest.first));
    }

    /// The first whole blocks as far as there is no gap.
    pub fn beginning(&self) -> Vec<BlockHash> {
        (0..).zip(&self.blocks).take_while(|(n, (block, _))| n == *block).map(|(_, (_, hash))| *hash).collect()
    }

    /// A hasher as if it had been given the whole file of this size; nothing if a range is missing.
    pub fn whole(mut self, size: u64) -> Option<Hasher> {
        let blocks = self.beginning();
        if blocks.len() != self.blocks.len() {
            return None;
        }
        let hasher = match self.rest.take() {
            None => Hasher::from_blocks(blocks),
            Some(rest) if rest.first == blocks.len() as u64 => Hasher { blocks, ..rest.hasher },
            Some(_) => return None,
        };
        (hasher.len == size).then_some(hasher)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Hash;
    use super::*;
    use proptest::prelude::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    fn range(all: &[u8], block: usize, first: usize, end: usize) -> RangeHasher {
        let mut range = RangeHasher::sized(first as u64, block as u64);
        range.update(&all[first * block..(end * block).min(all.len())]);
        range
    }

    #[test]
    fn real_blocks_put_together_backwards_are_the_plain_hash() {
        let block = usize::try_from(limits::HASH_BLOCK).unwrap();
        let all = bytes(2 * block + 1);
        for len in [0, 1, block - 1, block, block + 1, 2 * block, 2 * block + 1] {
            let file = &all[..len];
            let mut assembly = Assembly::default();
            for first in (0..len.div_ceil(block)).rev() {
                let mut part = RangeHasher::at_block(first as u64);
                part.update(&file[first * block..((first + 1) * block).min(len)]);
                assert_eq!(part.at(), ((first + 1) * block).min(len) as u64);
                assembly.put(part);
            }
            assert_eq!(assembly.whole(len as u64).unwrap().finalize(), Hash::of(file), "{len}");
        }
    }

    #[test]
    fn a_gap_is_no_whole_and_its_beginning_goes_on() {
        const BLOCK: usize = 4096;
        let all = bytes(5 * BLOCK + 7);
        let parts = |left_out: usize| {
            let mut assembly = Assembly::default();
            (0..6).filter(|n| *n != left_out).for_each(|n| assembly.put(range(&all, BLOCK, n, n + 1)));
            assembly
        };
        for left_out in 0..6 {
            assert_eq!(parts(left_out).beginning().len(), left_out.min(5));
            assert!(parts(left_out).whole(all.len() as u64).is_none(), "{left_out}");
            let mut emptied = parts(99);
            emptied.remove(left_out as u64, left_out as u64 + 1);
            assert!(emptied.whole(all.len() as u64).is_none(), "{left_out}");
        }
        assert!(parts(99).whole(all.len() as u64 - 1).is_none());
        let mut begun = Hasher::with_block(BLOCK as u64);
        begun.update(&all[..3 * BLOCK]);
        let mut assembly = Assembly::with_beginning(&begun);
        assembly.put(range(&all, BLOCK, 3, 6));
        assert_eq!(assembly.whole(all.len() as u64).unwrap().finalize(), Hash::of(&all));
    }

    proptest! {
        #[test]
        fn any_ranges_in_any_order_are_the_plain_hash(
            len in 0usize..12 * 4096, cuts in proptest::collection::vec(1usize..4, 12), seed in any::<u64>(),
        ) {
            const BLOCK: usize = 4096;
            let file = bytes(len);
            let (mut ranges, mut first) = (Vec::new(), 0);
            for cut in cuts {
                if first * BLOCK < len {
                    ranges.push((first, first + cut));
                    first += cut;
                }
            }
            ranges.sort_by_key(|(first, _)| seed.rotate_left(*first as u32 * 5));
            let mut assembly = Assembly::default();
            for (first, end) in ranges {
                assembly.put(range(&file, BLOCK, first, end));
            }
            // Small blocks: only the last one may be built on.
            let blocks = assembly.beginning();
            let mut hasher = match assembly.rest.take() {
                Some(rest) => rest.hasher,
                None => Hasher::with_block(BLOCK as u64).after(blocks.clone()),
            };
            hasher.blocks = blocks;
            prop_assert_eq!((hasher.finalize(), hasher.len()), (Hash::of(&file), len as u64));
        }
    }
}
