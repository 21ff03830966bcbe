//! Random bytes, from the operating system and from nowhere else.

use crate::error::{Error, Kind, Result};
#[cfg(feature = "server")]
use crate::secret::Secret;

/// Fills all of it.
///
/// # Errors
/// [`Kind::Internal`]: the system has no random numbers.
pub fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(none)
}

/// Any of all numbers.
///
/// # Errors
/// As [`fill`].
pub fn number() -> Result<u64> {
    getrandom::u64().map_err(none)
}

/// So many bytes, as twice as many hexadecimal digits that nobody guesses.
///
/// # Errors
/// As [`fill`].
#[cfg(feature = "server")]
pub fn digits(bytes: usize) -> Result<Secret> {
    let mut random = zeroize::Zeroizing::new(vec![0; bytes]);
    fill(&mut random)?;
    let mut digits = vec![0; 2 * bytes];
    base16ct::lower::encode(&random, &mut digits).map_err(|err| Error::new(Kind::Internal, err.to_string()))?;
    Ok(Secret::new(digits))
}

fn none(err: getrandom::Error) -> Error {
    Error::new(Kind::Internal, format!("no random numbers: {err}"))
}
