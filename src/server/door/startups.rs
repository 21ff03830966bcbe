//! How crowded the server may be with connections that are not logged in.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind};
use crate::limits;

/// From how many connections that are not logged in newcomers are refused by chance, and from how many all of them are:
/// random early drop, as OpenSSH's MaxStartups, and written as that is (`200:30:2000`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Startups {
    begin: usize,
    percent: u32,
    full: usize,
}

impl Default for Startups {
    fn default() -> Self {
        Startups { begin: limits::STARTUPS_BEGIN, percent: limits::STARTUPS_PERCENT, full: limits::STARTUPS_FULL }
    }
}

impl fmt::Display for Startups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.begin, self.percent, self.full)
    }
}

impl FromStr for Startups {
    type Err = Error;

    /// # Errors
    /// [`Kind::Usage`] unless 1 <= begin <= full, and the share is one of 1 to 100.
    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let text = "write BEGIN:PERCENT:FULL, such as 200:30:2000, with 1 <= BEGIN <= FULL and 1 <= PERCENT <= 100";
            Error::new(Kind::Usage, text)
        };
        let mut parts = text.split(':');
        let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok()).ok_or_else(wrong);
        let (begin, percent, full) = (number()?, number()?, number()?);
        let sound = parts.next().is_none() && (1..=full).contains(&begin) && (1..=100).contains(&percent);
        if !sound {
            return Err(wrong());
        }
        Ok(Startups { begin: begin as usize, percent, full: full as usize })
    }
}

impl Startups {
    /// How many of a hundred newcomers are refused while so many are not logged in: none at first, then a growing
    /// share, at the end all.
    pub(in crate::server) fn refused_percent(self, not_logged_in: usize) -> u32 {
        let Startups { begin, percent, full } = self;
        if not_logged_in < begin {
            return 0;
        }
        if not_logged_in >= full {
            return 100;
        }
        let grown = (100 - percent as usize) * (not_logged_in - begin) / (full - begin);
        percent + u32::try_from(grown).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_are_refused_more_and_more_until_all_are() {
        let refused = |startups: &str, count| startups.parse::<Startups>().unwrap().refused_percent(count);
        assert_eq!(
            [9, 10, 55, 99, 100, usize::MAX].map(|count| refused("10:30:100", count)),
            [0, 30, 65, 99, 100, 100]
        );
        assert_eq!([4, 5, 6].map(|count| refused("5:30:5", count)), [0, 100, 100]);
        assert_eq!([0, 1].map(|count| refused("1:100:2", count)), [0, 100]);
        let growing = Startups::default();
        assert!((growing.begin..growing.full).is_sorted_by_key(|count| growing.refused_percent(count)));
    }

    #[test]
    fn startups_that_make_no_sense_are_refused() {
        for wrong in [
            "",
            "10",
            "10:30",
            "0:30:10",
            "11:30:10",
            "1:0:10",
            "1:101:10",
            "1:30:10:1",
            "a:30:10",
            "1:30:",
            "-1:30:10",
        ] {
            assert_eq!(wrong.parse::<Startups>().unwrap_err().kind(), Kind::Usage, "{wrong}");
        }
        assert_eq!("200:30:2000".parse::<Startups>().unwrap(), Startups::default());
        assert_eq!(Startups::default().to_string(), "200:30:2000");
    }
}
