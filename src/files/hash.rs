//! BLAKE3 over whole files, kept so that what is already verified never has to be hashed again.
//!
//! BLAKE3 is a binary tree over chunks of 1 KiB, so a run of [`limits::HASH_BLOCK`] bytes at a multiple of that
//! length is a whole subtree with its own chaining value. A [`Hasher`] keeps those: from the values of the first n
//! blocks it can go on with block n + 1, and tell the hash of any of the first blocks. Ranges hashed apart are merged
//! by putting their block values one after the other.
//!
//! The value of a subtree says nothing about the same bytes as a whole file (the root is marked). So each block is
//! kept as its two halves: merged as a root they are the hash of a file of one block, merged as a node they are a
//! part of a larger one.

mod range;

use std::fmt;
use std::str::FromStr;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::error::{Error, Kind, Result};
use crate::limits;

pub use self::range::{Assembly, RangeHasher};

/// The BLAKE3 of some bytes. Shown and parsed as 64 hexadecimal digits, lower-case when shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Hash(*blake3::hash(bytes).as_bytes())
    }

    /// A hash from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Hash(bytes)
    }

    /// Its 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = Error;

    /// # Errors
    /// [`Kind::BadCommand`] unless it is 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self> {
        match blake3::Hash::from_hex(text) {
            Ok(hash) => Ok(Hash(*hash.as_bytes())),
            Err(err) => {
                Err(Error::new(Kind::BadCommand, "a BLAKE3 hash is 64 hexadecimal digits").with_source(err.to_string()))
            }
        }
    }
}

/// The chaining values of one whole block: of its first and of its second half.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockHash {
    left: ChainingValue,
    right: ChainingValue,
}

impl BlockHash {
    /// Length of the stored form in bytes.
    pub const LEN: usize = 64;

    /// The stored form: the left half's value, then the right one's.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (left, right) = bytes.split_at_mut(32);
        left.copy_from_slice(&self.left);
        right.copy_from_slice(&self.right);
        bytes
    }

    /// The inverse of [`BlockHash::to_bytes`].
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let mut block = BlockHash { left: [0; 32], right: [0; 32] };
        let (left, right) = bytes.split_at(32);
        block.left.copy_from_slice(left);
        block.right.copy_from_slice(right);
        block
    }

    fn node(&self) -> ChainingValue {
        merge_subtrees_non_root(&self.left, &self.right, Mode::Hash)
    }
}

/// An incremental BLAKE3 that keeps the values of whole blocks. About 2 KB; below one block it allocates nothing and
/// costs what plain BLAKE3 costs.
pub struct Hasher {
    /// Half a block in bytes, a power of two.
    half: u64,
    blocks: Vec<BlockHash>,
    /// The first half of the block being filled, once bytes of the second half came.
    left: Option<ChainingValue>,
    /// The half being filled.
    current: blake3::Hasher,
    len: u64,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    /// A hasher of nothing yet.
    pub fn new() -> Self {
        Self::with_block(limits::HASH_BLOCK)
    }

    /// `block` is a power of two of at least two chunks, which a test can make small.
    fn with_block(block: u64) -> Self {
        Hasher { half: block / 2, blocks: Vec::new(), left: None, current: blake3::Hasher::new(), len: 0 }
    }

    /// Goes on after these whole blocks as if their bytes had been given to [`Hasher::update`].
    pub fn from_blocks(blocks: Vec<BlockHash>) -> Self {
        Self::with_block(limits::HASH_BLOCK).after(blocks)
    }

    fn after(mut self, blocks: Vec<BlockHash>) -> Self {
        self.len = blocks.len() as u64 * 2 * self.half;
        self.blocks = blocks;
        self.start_half();
        self
    }

    /// Forgets everything, so that the same memory serves the next file.
    pub fn reset(&mut self) {
        self.blocks.clear();
        self.left = None;
        self.len = 0;
        self.start_half();
    }

    /// Hashes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.current.count() == self.half {
                // More than this half: it is a subtree, not the root.
                self.left = Some(self.current.finalize_non_root());
                self.start_half();
            }
            let room = usize::try_from(self.half - self.current.count()).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.current.update(now);
            self.len += now.len() as u64;
            bytes = rest;
            if self.current.count() == self.half
                && let Some(left) = self.left.take()
            {
                self.blocks.push(BlockHash { left, right: self.current.finalize_non_root() });
                self.start_half();
            }
        }
    }

    /// Bytes hashed so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no byte came yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The hash of everything so far: the same as `blake3::hash` of all bytes. Can be asked at any time.
    pub fn finalize(&self) -> Hash {
        let tail = match self.left {
            // The first half is set aside only when a byte of the second is there.
            Some(left) => Tail::Halves(left, self.current.finalize_non_root()),
            None if self.current.count() == 0 => return root(&self.blocks, None),
            None if self.blocks.is_empty() => return Hash(*self.current.finalize().as_bytes()),
            None => Tail::Half(self.current.finalize_non_root()),
        };
        root(&self.blocks, Some(tail))
    }

    /// The values of the whole blocks so far.
    pub fn blocks(&self) -> &[BlockHash] {
        &self.blocks
    }

    /// The hash of the first `blocks` whole blocks as a file of their own; `None` if fewer came.
    pub fn prefix(&self, blocks: usize) -> Option<Hash> {
        self.blocks.get(..blocks).map(|first| root(first, None))
    }

    /// A fresh hasher and not `reset()`: blake3 1.8.7 keeps the old input offset over a reset and its next count
    /// is wrong.
    fn start_half(&mut self) {
        self.current = blake3::Hasher::new();
        self.current.set_input_offset(self.len);
    }
}

/// What follows the last whole block.
enum Tail {
    /// Half a block or less.
    Half(ChainingValue),
    /// A first half and some of the second.
    Halves(ChainingValue, ChainingValue),
}

impl Tail {
    fn node(&self) -> ChainingValue {
        match self {
            Tail::Half(node) => *node,
            Tail::Halves(left, right) => merge_subtrees_non_root(left, right, Mode::Hash),
        }
    }
}

/// The root over these blocks and the tail. A tail of `Half` needs a block before it.
fn root(blocks: &[BlockHash], tail: Option<Tail>) -> Hash {
    let root = match (blocks, tail) {
        ([], None) => blake3::hash(&[]),
        ([only], None) => merge_subtrees_root(&only.left, &only.right, Mode::Hash),
        ([], Some(Tail::Halves(left, right))) => merge_subtrees_root(&left, &right, Mode::Hash),
        (_, tail) => {
            let leaves = blocks.len() + usize::from(tail.is_some());
            let (left, right) = blocks.split_at(left_leaves(leaves));
            merge_subtrees_root(&subtree(left, None), &subtree(right, tail), Mode::Hash)
        }
    };
    Hash(*root.as_bytes())
}

/// The node over these blocks and the tail; at least one of them is there.
fn subtree(blocks: &[BlockHash], tail: Option<Tail>) -> ChainingValue {
    match (blocks, tail) {
        ([], Some(tail)) => tail.node(),
        ([only], None) => only.node(),
        (_, tail) => {
            let leaves = blocks.len() + usize::from(tail.is_some());
            let (left, right) = blocks.split_at(left_leaves(leaves));
            merge_subtrees_non_root(&subtree(left, None), &subtree(right, tail), Mode::Hash)
        }
    }
}

/// Leaves on the left of a node over `leaves` (two or more): the largest power of two below, BLAKE3 paper section 2.1.
fn left_leaves(leaves: usize) -> usize {
    leaves.div_ceil(2).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCK: usize = 4096;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    fn small(bytes: &[u8]) -> Hasher {
        let mut hasher = Hasher::with_block(BLOCK as u64);
        hasher.update(bytes);
        hasher
    }

    #[test]
    fn equals_plain_blake3_at_every_edge() {
        let half = BLOCK / 2;
        let mut lens = vec![0, 1, 1023, 1024, 1025];
        for n in 1..=40 {
            lens.extend([n * half - 1, n * half, n * half + 1]);
        }
        for len in lens {
            let bytes = bytes(len);
            assert_eq!(small(&bytes).finalize(), Hash::of(&bytes), "{len}");
        }
    }

    #[test]
    fn equals_plain_blake3_around_the_real_block() {
        let block = usize::try_from(limits::HASH_BLOCK).unwrap();
        let bytes = bytes(2 * block + 1);
        for len in [block / 2, block / 2 + 1, block - 1, block, block + 1, 2 * block, 2 * block + 1] {
            let mut hasher = Hasher::new();
            hasher.update(&bytes[..len]);
            assert_eq!(hasher.finalize(), Hash::of(&bytes[..len]), "{len}");
            assert_eq!(hasher.blocks().len(), len / block);
        }
    }

    #[test]
    fn a_reset_hasher_starts_over() {
        let mut hasher = small(&bytes(3 * BLOCK + 5));
        hasher.reset();
        assert!(hasher.is_empty() && hasher.blocks().is_empty());
        hasher.update(b"abc");
        assert_eq!(hasher.finalize(), Hash::of(b"abc"));
    }

    #[test]
    fn ranges_hashed_apart_merge() {
        let bytes = bytes(5 * BLOCK + 77);
        let mut blocks = small(&bytes[..2 * BLOCK]).blocks().to_vec();
        let mut second = Hasher::with_block(BLOCK as u64).after(vec![BlockHash { left: [0; 32], right: [0; 32] }; 2]);
        second.update(&bytes[2 * BLOCK..5 * BLOCK]);
        blocks.extend_from_slice(&second.blocks()[2..]);
        let mut whole = Hasher::with_block(BLOCK as u64).after(blocks);
        whole.update(&bytes[5 * BLOCK..]);
        assert_eq!(whole.finalize(), Hash::of(&bytes));
    }

    #[test]
    fn shown_as_64_lower_case_digits() {
        let text = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(Hash::of(b"").to_string(), text);
        for bad in ["", "af", &text[1..], &format!("{text}0"), &text.replace('a', "g")] {
            assert_eq!(bad.parse::<Hash>().unwrap_err().kind(), Kind::BadCommand, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parse_inverts_display_and_stored_blocks_come_back(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
            prop_assert_eq!(Hash::from_bytes(a).to_string().parse::<Hash>().unwrap(), Hash::from_bytes(a));
            let block = BlockHash { left: a, right: b };
            prop_assert_eq!(BlockHash::from_bytes(&block.to_bytes()), block);
        }

        #[test]
        fn any_cut_into_updates_and_any_resumed_block_give_the_plain_hash(
            len in 0usize..12 * BLOCK, cuts in proptest::collection::vec(1usize..3 * BLOCK, 1..20), from in 0usize..12,
        ) {
            let bytes = bytes(len);
            let mut hasher = Hasher::with_block(BLOCK as u64);
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                hasher.update(now);
                rest = later;
            }
            let whole = Hash::of(&bytes);
            prop_assert_eq!(hasher.finalize(), whole);
            prop_assert_eq!(hasher.len(), len as u64);
            prop_assert_eq!(hasher.blocks().len(), len / BLOCK);

            let from = from.min(len / BLOCK);
            prop_assert_eq!(hasher.prefix(from).unwrap(), Hash::of(&bytes[..from * BLOCK]));
            prop_assert_eq!(hasher.prefix(len / BLOCK + 1), None);
            let mut resumed = Hasher::with_block(BLOCK as u64).after(hasher.blocks()[..from].to_vec());
            resumed.update(&bytes[from * BLOCK..]);
            prop_assert_eq!(resumed.finalize(), whole);
            prop_assert_eq!(resumed.blocks(), hasher.blocks());
        }
    }
}
