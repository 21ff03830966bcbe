//! What those who are no users may have written into the audit of what comes to nothing: they can ask for it without end, and a file that
//! one of them can fill leaves no room on the disk for anybody's files. Counted in bytes, by where they come from.

use std::time::Instant;

use crate::limits;
use crate::machine::source::Network;
use crate::server::shares::{Share, Shares, Verdict};
use crate::sync::Mutex;

/// The shares of all.
pub struct AuditShares(Mutex<Shares<Network, Bytes>>);

/// What is left to those who come from one place.
struct Bytes {
    left: u64,
    /// When it was that.
    at: Instant,
    /// Lines that are left out and not told of.
    left_out: u64,
}

impl AuditShares {
    /// All have all of theirs.
    pub fn new() -> AuditShares {
        AuditShares(Mutex::default())
    }

    /// Takes so many bytes of the share of those who come from there; and whose count it is in.
    pub fn take(&self, from: Network, bytes: u64, now: Instant) -> (Option<Network>, Verdict) {
        let mut shares = self.0.lock();
        let (key, share) = shares.of(from, now, Bytes::all(now));
        let verdict = share.take(bytes, now);
        (key, verdict)
    }

    /// How many lines of this count were left out; from now on none.
    pub fn left_out(&self, from: Option<&Network>) -> u64 {
        self.0.lock().get_mut(&from.cloned()).map_or(0, |share| std::mem::take(&mut share.left_out))
    }

    /// How many lines of each count were left out that has some; from now on none.
    pub fn all_left_out(&self) -> Vec<(Option<Network>, u64)> {
        let mut shares = self.0.lock();
        let all = shares.iter_mut().filter(|(_, share)| share.left_out > 0);
        all.map(|(from, share)| (from.clone(), std::mem::take(&mut share.left_out))).collect()
    }
}

impl Bytes {
    fn all(now: Instant) -> Self {
        Bytes { left: limits::AUDIT_SHARE, at: now, left_out: 0 }
    }

    fn take(&mut self, bytes: u64, now: Instant) -> Verdict {
        self.get_back(now);
        if let Some(left) = self.left.checked_sub(bytes) {
            self.left = left;
            return Verdict::Written;
        }
        self.left_out += 1;
        if self.left_out == 1 { Verdict::FirstLeftOut } else { Verdict::LeftOut }
    }

    /// What there is again by now.
    fn get_back(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at);
        let back = since.as_micros().saturating_mul(limits::AUDIT_SHARE_RATE.into()) / 1_000_000;
        // What is less than a byte goes on to count.
        if back > 0 {
            let back = u64::try_from(back).unwrap_or(u64::MAX);
            (self.left, self.at) = (self.left.saturating_add(back).min(limits::AUDIT_SHARE), now);
        }
    }
}

impl Share for Bytes {
    fn is_as_new(&mut self, now: Instant) -> bool {
        self.get_back(now);
        self.left_out == 0 && self.left == limits::AUDIT_SHARE
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;

    fn place(n: u32) -> Network {
        Network::Addresses(IpAddr::from((0x0a00_0000 + n).to_be_bytes()))
    }

    #[test]
    fn so_much_is_written_and_the_rest_is_counted_until_there_is_room_again() {
        let (shares, now) = (AuditShares::new(), Instant::now());
        let half = limits::AUDIT_SHARE / 2;
        let take = |n, bytes, seconds| shares.take(place(n), bytes, now + Duration::from_secs(seconds)).1;
        assert_eq!([take(1, half, 0), take(1, half, 0)], [Verdict::Written; 2]);
        assert_eq!(take(1, 1, 0), Verdict::FirstLeftOut);
        assert_eq!(take(1, 1, 0), Verdict::LeftOut);
        assert_eq!(take(2, 1, 0), Verdict::Written, "nothing is taken from others");
        assert_eq!(take(1, limits::AUDIT_SHARE_RATE + 1, 1), Verdict::LeftOut);
        assert_eq!(take(1, limits::AUDIT_SHARE_RATE, 1), Verdict::Written);
        assert_eq!(take(1, limits::AUDIT_SHARE + 1, 1_000_000), Verdict::LeftOut, "no more than all of it comes back");
        assert_eq!(take(1, limits::AUDIT_SHARE, 1_000_000), Verdict::Written);
        assert_eq!(shares.all_left_out(), [(Some(place(1)), 4)]);
        assert_eq!(shares.left_out(Some(&place(1))), 0, "it is told once");
    }

    #[test]
    fn little_by_little_it_comes_back_as_well() {
        let (shares, now) = (AuditShares::new(), Instant::now());
        assert_eq!(shares.take(place(1), limits::AUDIT_SHARE, now).1, Verdict::Written);
        for step in 0..100_000_u64 {
            assert_ne!(shares.take(place(1), u64::MAX, now + Duration::from_micros(10 * step)).1, Verdict::Written);
        }
        let left = shares.0.lock().get_mut(&Some(place(1))).map_or(0, |share| share.left);
        assert!(left > limits::AUDIT_SHARE_RATE / 2 && left <= limits::AUDIT_SHARE_RATE, "{left}");
    }
}
