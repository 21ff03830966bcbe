//! A number that is used once.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind, Result};
use crate::limits::NONCE_BYTES;
use crate::random;

/// Random bytes from a server, good for one attempt to log in over one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    /// A new one.
    ///
    /// # Errors
    /// [`Kind::Internal`]: the system has no random numbers.
    pub fn fresh() -> Result<Nonce> {
        let mut bytes = [0; NONCE_BYTES];
        random::fill(&mut bytes)?;
        Ok(Nonce(bytes))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// As on the wire: 64 hexadecimal digits.
impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", base16ct::HexDisplay(&self.0))
    }
}

impl FromStr for Nonce {
    type Err = Error;

    fn from_str(text: &str) -> Result<Nonce> {
        let wrong = || Error::new(Kind::Protocol, "a nonce has 64 hexadecimal digits");
        let mut bytes = [0; NONCE_BYTES];
        let all = base16ct::mixed::decode(text, &mut bytes).map_err(|_| wrong())?;
        all.try_into().map(Nonce).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_read_as_it_was_written_and_no_two_are_alike() {
        let (one, other) = (Nonce::fresh().unwrap(), Nonce::fresh().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.to_string().parse::<Nonce>().unwrap(), one);
        for wrong in ["", "00", &"0".repeat(63), &"+0".repeat(32), &"0".repeat(66), &"é".repeat(32)] {
            assert!(wrong.parse::<Nonce>().is_err(), "{wrong}");
        }
    }
}
