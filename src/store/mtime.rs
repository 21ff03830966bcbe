//! Modification times as files have them: seconds and nanoseconds since 1970, before it too.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind, Result};

/// A modification time. Ordered as time is; shown as `secs` or `secs.fraction` with trailing zeros cut.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mtime {
    /// Whole seconds since 1970-01-01 00:00 UTC, rounded down; negative before.
    pub secs: i64,
    /// Nanoseconds on top, below 1,000,000,000.
    pub nanos: u32,
}

const SECOND: u32 = 1_000_000_000;

impl fmt::Display for Mtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.secs)?;
        if self.nanos == 0 {
            return Ok(());
        }
        let digits = format!("{:09}", self.nanos);
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

impl FromStr for Mtime {
    type Err = Error;

    /// # Errors
    /// [`Kind::BadCommand`] unless it is a decimal number of seconds with at most nine decimals.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::new(Kind::BadCommand, "a time is seconds since 1970 with at most nine decimals");
        let (secs, fraction) = text.split_once('.').map_or((text, None), |(secs, fraction)| (secs, Some(fraction)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(secs.strip_prefix('-').unwrap_or(secs)) {
            return Err(bad());
        }
        let secs = secs.parse().map_err(|_| bad())?;
        let nanos = match fraction {
            None => 0,
            Some(fraction) if digits(fraction) && fraction.len() <= 9 => {
                format!("{fraction:0<9}").parse().map_err(|_| bad())?
            }
            Some(_) => return Err(bad()),
        };
        Ok(Mtime { secs, nanos })
    }
}

impl Mtime {
    /// A time from what a file system tells; nanoseconds out of range count as none.
    pub(super) fn from_parts(secs: i64, nanos: u64) -> Self {
        let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < SECOND).unwrap_or(0);
        Mtime { secs, nanos }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_shown_only_if_there_are_any() {
        for (secs, nanos, text) in
            [(0, 0, "0"), (5, 500_000_000, "5.5"), (-1, 1, "-1.000000001"), (7, 120, "7.00000012")]
        {
            assert_eq!(Mtime { secs, nanos }.to_string(), text);
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in ["", "-", "1.", ".5", "+1", "1.1234567890", "1.-5", "1e3", "99999999999999999999", "1.5.5", " 1"] {
            assert_eq!(bad.parse::<Mtime>().unwrap_err().kind(), Kind::BadCommand, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parse_inverts_display(secs in any::<i64>(), nanos in 0..SECOND) {
            let time = Mtime { secs, nanos };
            prop_assert_eq!(time.to_string().parse::<Mtime>().unwrap(), time);
        }
    }
}
