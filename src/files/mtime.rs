//! A modification time as it is kept on disk and on the wire.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds and nanoseconds since 1970-01-01 UTC; before it the seconds are negative and the nanoseconds still count
/// forward. Written as a decimal number of seconds, with at most nine digits after the point and no trailing zero: half a second
/// before 1970 is `-0.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mtime {
    /// Whole seconds, rounded down.
    pub secs: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanos: u32,
}

/// In nanoseconds.
const SECOND: u32 = 1_000_000_000;

impl Mtime {
    /// A time from what a file system tells; nanoseconds out of range count as none.
    pub(crate) fn from_parts(secs: i64, nanos: u64) -> Self {
        let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000).unwrap_or(0);
        Mtime { secs, nanos }
    }

    /// The same moment as a [`SystemTime`]; `None` if the platform cannot hold it.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let nanos = Duration::from_nanos(self.nanos.into());
        let whole = Duration::from_secs(self.secs.unsigned_abs());
        let base = if self.secs < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
        base?.checked_add(nanos)
    }
}

impl From<SystemTime> for Mtime {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => {
                Mtime { secs: i64::try_from(after.as_secs()).unwrap_or(i64::MAX), nanos: after.subsec_nanos() }
            }
            Err(before) => {
                let before = before.duration();
                let secs = -i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => Mtime { secs, nanos: 0 },
                    nanos => Mtime { secs: secs - 1, nanos: 1_000_000_000 - nanos },
                }
            }
        }
    }
}

impl fmt::Display for Mtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return write!(f, "{}", self.secs);
        }
        let is_before = self.secs < 0;
        let nanos = if is_before { SECOND.saturating_sub(self.nanos) } else { self.nanos };
        // What is less than a whole second before 1970 has no digit to bear its sign.
        let secs = if is_before { self.secs.saturating_add(1) } else { self.secs };
        let sign = if is_before && secs == 0 { "-" } else { "" };
        let digits = format!("{nanos:09}");
        write!(f, "{sign}{secs}.{}", digits.trim_end_matches('0'))
    }
}

/// The text is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as seconds since 1970, with up to nine digits after a point")]
pub struct BadMtime;

impl FromStr for Mtime {
    type Err = BadMtime;

    fn from_str(text: &str) -> Result<Self, BadMtime> {
        let (secs, fraction) = match text.split_once('.') {
            Some((secs, fraction)) => (secs, fraction),
            None => (text, "0"),
        };
        if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadMtime);
        }
        let whole: i64 = secs.parse().map_err(|_| BadMtime)?;
        let nanos: u32 = format!("{fraction:0<9}").parse().map_err(|_| BadMtime)?;
        match secs.starts_with('-') && nanos > 0 {
            true => Ok(Mtime { secs: whole.checked_sub(1).ok_or(BadMtime)?, nanos: SECOND.saturating_sub(nanos) }),
            false => Ok(Mtime { secs: whole, nanos }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_before_1970_and_fractions_are_written_exactly() {
        for (text, secs, nanos) in [
            ("0", 0, 0),
            ("-1", -1, 0),
            ("-0.5", -1, 500_000_000),
            ("-1.5", -2, 500_000_000),
            ("-1.000000001", -2, 999_999_999),
            ("-0.000000001", -1, 999_999_999),
            ("7.000000001", 7, 1),
            ("-9223372036854775808", i64::MIN, 0),
            ("-9223372036854775807.5", i64::MIN, 500_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Mtime { secs, nanos }));
            assert_eq!(Mtime { secs, nanos }.to_string(), text);
        }
        for bad in ["", ".", "1.", "x", "1.1234567890", "1.-5", "-", "-.5", "-9223372036854775808.5"] {
            assert_eq!(bad.parse::<Mtime>(), Err(BadMtime), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_and_system_time_both_round_trip(secs in -100_000_000_000i64..100_000_000_000, nanos in 0u32..1_000_000_000) {
            let mtime = Mtime { secs, nanos };
            prop_assert_eq!(mtime.to_string().parse(), Ok(mtime));
            prop_assert_eq!(Mtime::from(mtime.to_system_time().unwrap()), mtime);
        }
    }
}
