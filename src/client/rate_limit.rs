//! A bound for how fast a client moves bytes, over all its connections together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_std::task::sleep;

use crate::byte_size::parse_size;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::sync::Mutex;

/// Bytes a second at most, each way for itself, over all connections that have a clone of it.
#[derive(Debug, Clone)]
pub struct RateLimit {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    rate: u64,
    /// When all that was sent is paid for, and all that was received.
    paid: [Mutex<Option<Instant>>; 2],
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    Out = 0,
    In = 1,
}

impl RateLimit {
    /// So many bytes a second, for so many connections.
    ///
    /// # Errors
    /// [`Kind::Usage`] if that is less than [`limits::RATE_LIMIT_MIN`] for each: a server would take a connection that
    /// crawls like this for a dead one.
    pub fn new(rate: u64, connections: u32) -> Result<RateLimit> {
        let least = limits::RATE_LIMIT_MIN.saturating_mul(connections.max(1).into());
        if rate < least {
            let for_each = match connections {
                0 | 1 => String::new(),
                many => format!(" for {many} connections"),
            };
            let text = format!("a rate of {rate} bytes a second is too low{for_each}: it takes {} KiB", least / 1024);
            return Err(Error::new(Kind::Usage, text));
        }
        Ok(RateLimit { inner: Arc::new(Inner { rate, paid: [const { Mutex::new(None) }; 2] }) })
    }

    /// Reads `5M`, `500 KiB` or `2.5MB/s`; a letter alone is binary. A number alone is none: of other programs it is bytes to
    /// some and KiB to others.
    ///
    /// # Errors
    /// [`Kind::Usage`].
    pub fn parse(text: &str) -> Result<u64> {
        let size = text.strip_suffix("/s").unwrap_or(text);
        let bytes = parse_size(size).filter(|rate| *rate > 0);
        bytes.ok_or_else(|| {
            let is_bare = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
            let is_nothing = parse_size(size) == Some(0) || (is_bare && size.bytes().all(|byte| byte == b'0'));
            let text = match is_nothing {
                true => "nothing would move; without the option nothing is held back".to_owned(),
                false if is_bare => format!("`{text}` has no unit: write it like 5M or 500K"),
                false => format!("`{text}` is not a rate: write it like 5M or 500K"),
            };
            Error::new(Kind::Usage, text)
        })
    }

    /// How many bytes to move before the next look at the clock: a twentieth of a second.
    pub(super) fn portion(&self) -> usize {
        let portion = self.inner.rate / 20;
        usize::try_from(portion).unwrap_or(limits::CHUNK).clamp(512, limits::CHUNK)
    }

    /// What the kernel may hold of what is received: a quarter of a second. With more a server would send far ahead, and
    /// then nothing for a long time.
    pub(super) fn receive_buffer(&self) -> usize {
        usize::try_from(self.inner.rate / 4).unwrap_or(usize::MAX).max(limits::RATE_LIMIT_BUFFER_MIN)
    }

    /// Waits until these bytes, which were just moved, are paid for.
    pub(super) async fn pay(&self, course: Course, bytes: usize) {
        let wait = self.owe(course, bytes, Instant::now());
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }

    fn owe(&self, course: Course, bytes: usize, now: Instant) -> Duration {
        let [sent, received] = &self.inner.paid;
        let paid = if course == Course::Out { sent } else { received };
        let mut paid = paid.lock();
        let takes = Duration::from_secs_f64(bytes as f64 / self.inner.rate as f64);
        let until = paid.filter(|until| *until > now).unwrap_or(now) + takes;
        *paid = Some(until);
        until.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_share_it_wait_for_each_other_and_each_way_for_itself() {
        let limit = RateLimit::new(100_000, 1).unwrap();
        let (other, now) = (limit.clone(), Instant::now());
        let millis = |ms| Duration::from_millis(ms);
        assert_eq!(limit.owe(Course::Out, 10_000, now), millis(100));
        assert_eq!(other.owe(Course::Out, 10_000, now), millis(200));
        assert_eq!(other.owe(Course::In, 10_000, now), millis(100));
        assert_eq!(limit.owe(Course::Out, 10_000, now + millis(150)), millis(150));
        // What was not used is not saved.
        assert_eq!(limit.owe(Course::Out, 10_000, now + millis(5000)), millis(100));
    }

    #[test]
    fn rates_are_read_as_people_write_them_and_too_low_ones_are_refused() {
        for (text, rate) in
            [("5M", 5 << 20), ("500k", 500 << 10), ("2MB/s", 2_000_000), ("64 KiB", 65536), ("1G", 1 << 30)]
        {
            assert_eq!(RateLimit::parse(text).unwrap(), rate, "{text}");
        }
        for bad in ["", "5", "0M", "-1M", "fast", "5M/h"] {
            assert_eq!(RateLimit::parse(bad).unwrap_err().kind(), Kind::Usage, "{bad}");
        }
        for (text, why) in [
            ("0", "nothing would move"),
            ("00/s", "nothing would move"),
            ("0M", "nothing would move"),
            ("0.0K", "nothing would move"),
            ("0 KiB/s", "nothing would move"),
            ("5", "has no unit"),
            ("", "is not a rate"),
        ] {
            assert!(RateLimit::parse(text).unwrap_err().text().contains(why), "{text}");
        }
        let least = limits::RATE_LIMIT_MIN;
        assert!(RateLimit::new(least, 1).is_ok() && RateLimit::new(4 * least, 4).is_ok());
        assert!(RateLimit::new(least - 1, 1).unwrap_err().text().contains("too low: it takes 16 KiB"));
        assert!(RateLimit::new(4 * least - 1, 4).unwrap_err().text().contains("for 4 connections: it takes 64 KiB"));
    }
}
