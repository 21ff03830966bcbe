//! Pieces of a recording on their way through a fuzz target and, when asked for, into its corpus.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use sealift::files::Hash;

/// The most bytes of a seed: a fuzzer changes small ones faster.
pub const LARGEST: usize = 8 * 1024;

/// The most seeds of one target.
const MOST: usize = 80;

/// What is written for one target.
pub struct Seeds {
    target: &'static str,
    run: fn(&[u8]),
    most_of_a_kind: usize,
    seen: HashSet<Hash>,
    kept: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Seeds {
    /// For this target, at most so many of each kind.
    pub fn new(target: &'static str, run: fn(&[u8]), most_of_a_kind: usize) -> Seeds {
        Seeds { target, run, most_of_a_kind, seen: HashSet::new(), kept: BTreeMap::new() }
    }

    /// Runs the target on a piece, once for pieces that are alike, and keeps it as a seed if it is small and one of the
    /// first of its kind.
    pub fn add(&mut self, kind: &str, piece: &[u8]) {
        if !self.seen.insert(Hash::of(piece)) {
            return;
        }
        // A finding names its piece by the output before it.
        println!("{} {kind}: {}", self.target, piece[..piece.len().min(LARGEST)].escape_ascii());
        (self.run)(piece);
        let same_kind = self.kept.entry(kind.to_owned()).or_default();
        if piece.len() <= LARGEST && same_kind.len() < self.most_of_a_kind {
            same_kind.push(piece.to_vec());
        }
    }

    /// Writes the seeds in place of those recorded before, if asked for: the first of each kind, then the second ones.
    pub fn keep(self) {
        assert!(!self.kept.is_empty(), "nothing was recorded for {}", self.target);
        if std::env::var_os("SEALIFT_BLESS").is_none() {
            return;
        }
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(self.target);
        for file in fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()) {
            if file.file_name().unwrap().to_string_lossy().starts_with("recorded-") {
                fs::remove_file(file).unwrap();
            }
        }
        let round =
            |number| self.kept.iter().filter_map(move |(kind, pieces)| Some((kind, number, pieces.get(number)?)));
        for (kind, number, piece) in (0..self.most_of_a_kind).flat_map(round).take(MOST) {
            fs::write(corpus.join(format!("recorded-{kind}-{}", number + 1)), piece).unwrap();
        }
    }
}
