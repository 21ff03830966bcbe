//! The pin of a key: what a client remembers of a server, as SSH remembers host keys.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Error, Kind, Result};

/// Before the base64 text: curl's syntax for `--pinnedpubkey`, which other tools understand too.
const PREFIX: &str = "sha256//";

/// SHA-256 over a certificate's SubjectPublicKeyInfo in DER (RFC 7469, section 2.4), written `sha256//BASE64`.
///
/// It names the key and not the certificate: a renewed certificate over the same key keeps its pin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pin([u8; 32]);

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pin {
    type Err = Error;

    /// Reads `sha256//BASE64`, padding included.
    ///
    /// # Errors
    /// [`Kind::Usage`], with what is wrong.
    fn from_str(text: &str) -> Result<Pin> {
        let wrong = |why: &str| Error::new(Kind::Usage, format!("'{text}' is not a pin: {why}"));
        let encoded = text.strip_prefix(PREFIX).ok_or_else(|| wrong("it must begin with sha256//"))?;
        let bytes = STANDARD.decode(encoded).map_err(|_| wrong("what follows sha256// is not base64"))?;
        let digest = bytes.try_into().map_err(|_| wrong("it must hold 32 bytes, as 44 characters of base64"))?;
        Ok(Pin(digest))
    }
}
