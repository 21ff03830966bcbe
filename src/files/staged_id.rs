//! The name of an upload in parts.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind, Result};

/// Which staged upload a PART, COMMIT or DISCARD is about: 64 bits that the server chose by chance, written as 16
/// lower-case hexadecimal digits. Not a secret: only sessions of the user who staged it can use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StagedId(u64);

impl StagedId {
    /// The id of this number.
    pub const fn new(number: u64) -> Self {
        StagedId(number)
    }
}

impl fmt::Display for StagedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for StagedId {
    type Err = Error;

    /// # Errors
    /// [`Kind::BadCommand`] unless it is 16 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::new(Kind::BadCommand, "a staged upload is named by 16 hexadecimal digits");
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        u64::from_str_radix(text, 16).map(StagedId).map_err(|_| bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_16_digits_are_an_id() {
        for bad in ["", "1", "+123456789abcdef", "0123456789abcdefg", "0123456789abcde g"] {
            assert_eq!(bad.parse::<StagedId>().unwrap_err().kind(), Kind::BadCommand, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parse_inverts_display(number in any::<u64>()) {
            let id = StagedId::new(number);
            prop_assert_eq!(id.to_string().parse::<StagedId>().unwrap(), id);
        }
    }
}
