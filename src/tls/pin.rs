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

impl Pin {
    /// The pin of the key in this certificate (DER).
    ///
    /// The key is cut out by the same parser that checks the handshake's signature with it: two parsers could be
    /// made to disagree by a crafted certificate, and the pin would then be of one key and the proof of another.
    pub(super) fn of_certificate(der: &[u8]) -> Result<Pin, webpki::Error> {
        webpki::EndEntityCert::try_from(der)?;
        let parsed = webpki::TrustAnchor::try_from_cert_der(der)?;
        Ok(Pin::of_spki_content(parsed.spki))
    }

    /// A pin from its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Pin {
        Pin(bytes)
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The pin of a SubjectPublicKeyInfo given without its outer tag and length.
    fn of_spki_content(content: &[u8]) -> Pin {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        context.update(&sequence_header(content.len()));
        context.update(content);
        let mut pin = [0; 32];
        pin.copy_from_slice(context.finish().as_ref());
        Pin(pin)
    }
}

/// DER tag and length (X.690, 8.1.3) of a SEQUENCE of `length` content bytes.
fn sequence_header(length: usize) -> Vec<u8> {
    let mut header = vec![0x30];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => header.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let digits = bytes.iter().skip_while(|byte| **byte == 0);
            header.push(0x80 | digits.clone().count() as u8);
            header.extend(digits);
        }
    }
    header
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_not_a_pin_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "begin with"),
            ("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "begin with"),
            ("sha256//", "32 bytes"),
            ("sha256//AAAA", "32 bytes"),
            ("sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "not base64"),
            ("sha256//47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=", "not base64"),
            ("sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=", "not base64"),
        ] {
            let err = text.parse::<Pin>().unwrap_err();
            assert_eq!(err.kind(), Kind::Usage);
            assert!(err.text().contains(why), "{text}: {err}");
        }
    }

    #[test]
    fn der_lengths_are_minimal() {
        assert_eq!(sequence_header(0x7f), [0x30, 0x7f]);
        assert_eq!(sequence_header(0x80), [0x30, 0x81, 0x80]);
        assert_eq!(sequence_header(0x1234), [0x30, 0x82, 0x12, 0x34]);
    }

    #[test]
    fn a_certificate_s_pin_is_over_its_whole_public_key_info() {
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap().self_signed(&key).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(cert.der()).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, parsed.public_key().raw);
        assert_eq!(Pin::of_certificate(cert.der()).unwrap().0, digest.as_ref());
    }

    proptest! {
        #[test]
        fn writing_and_reading_are_inverse(bytes: [u8; 32]) {
            let pin = Pin(bytes);
            prop_assert_eq!(pin.to_string().parse::<Pin>().unwrap(), pin);
            prop_assert_eq!(format!("{pin:?}"), pin.to_string());
        }
    }
}
