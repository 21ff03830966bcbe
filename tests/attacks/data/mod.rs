//! Attacks on the data: crashes, full and failing disks, writers of one name, files that shrink. Each is tried on the
//! real `sealiftd`, and the disk is looked at afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code outside of a test function")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "test code outside of a test function")]

mod closes;
mod conditional;
mod copies;
mod disk_full;
mod durable;
mod faults;
mod file_systems;
mod hanging_state;
mod kill_loop;
mod moved;
mod nodes;
mod nodes_coherence;
mod nodes_place;
mod nodes_state;
mod occupancy;
mod quota;
mod quota_exact;
mod relay;
mod rot;
mod scrub;
mod strace;
mod sweep;
mod torn;
mod truncated;
mod writers;

use std::time::{Duration, Instant};

use crate::common::HANG;

/// Waits until this holds, or fails the test.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + HANG;
    while !holds() {
        assert!(Instant::now() < end, "still not: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Random numbers that can be had again: the seed is printed, and `SEALIFT_SEED` sets it.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        let given = std::env::var("SEALIFT_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(|| getrandom::u64().unwrap());
        println!("SEALIFT_SEED={seed}");
        Dice(seed)
    }

    /// Other dice, that fall differently.
    fn split(&mut self) -> Dice {
        Dice(self.next())
    }

    /// A number below this.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// So many bytes, unlike all others.
    fn bytes(&mut self, count: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(count).unwrap()];
        // As many as are asked for at once are what this is good at, and it is optimised when the tests are not.
        blake3::Hasher::new().update(&self.next().to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
