//! `Repr-Digest` and `Content-Digest` (RFC 9530): what a client says the bytes are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::HeaderName;
use ring::digest::{Algorithm, Context, SHA256, SHA512};

use crate::error::{Error, Kind, Result};

/// Of the file, whatever part of it comes.
pub const REPR: HeaderName = HeaderName::from_static("repr-digest");

/// Of the bytes of this message.
pub const CONTENT: HeaderName = HeaderName::from_static("content-digest");

/// What the bytes of a body must be, by any number of algorithms.
#[derive(Default)]
pub struct Digests(Vec<(Context, Vec<u8>)>);

impl Digests {
    /// What these headers say, as far as it is SHA-256 or SHA-512: others may be left alone, and nobody relies on them.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for what is no digest.
    pub fn parse(headers: &HeaderMap, names: &[HeaderName]) -> Result<Digests> {
        let mut digests = Vec::new();
        for name in names {
            let mut said = Vec::new();
            for value in headers.get_all(name) {
                let bad = || Error::new(Kind::BadCommand, format!("{name} is not what RFC 9530 says"));
                let text = value.to_str().map_err(|_| bad())?;
                for member in text.split(',').map(str::trim).filter(|member| !member.is_empty()) {
                    let (key, value) = member.split_once('=').ok_or_else(bad)?;
                    let Some((key, algorithm)) = algorithm(key) else { continue };
                    // Of a dictionary the last one would count (RFC 9651, section 4.2.2), and another program takes the first.
                    if said.contains(&key) {
                        return Err(Error::new(Kind::BadCommand, format!("{name} has {key} several times")));
                    }
                    said.push(key);
                    let encoded = value.strip_prefix(':').and_then(|value| value.strip_suffix(':')).ok_or_else(bad)?;
                    let digest = STANDARD.decode(encoded).map_err(|_| bad())?;
                    if digest.len() != algorithm.output_len() {
                        return Err(bad());
                    }
                    digests.push((Context::new(algorithm), digest));
                }
            }
        }
        Ok(Digests(digests))
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for (context, _) in &mut self.0 {
            context.update(bytes);
        }
    }

    /// That was all.
    ///
    /// # Errors
    /// [`Kind::Integrity`] if they are not what they must be.
    pub fn check(self) -> Result<()> {
        match self.0.into_iter().all(|(context, expected)| context.finish().as_ref() == expected) {
            true => Ok(()),
            false => Err(Error::new(
                Kind::Integrity,
                "the bytes that arrived are not those that were sent: their digest differs",
            )),
        }
    }
}

/// The algorithm of this name, and that.
pub fn algorithm(key: &str) -> Option<(&'static str, &'static Algorithm)> {
    match key {
        "sha-256" => Some(("sha-256", &SHA256)),
        "sha-512" => Some(("sha-512", &SHA512)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, pieces: &[&[u8]]) -> Result<(), Kind> {
        let headers: HeaderMap = [(REPR, value.parse().unwrap())].into_iter().collect();
        let mut digests = Digests::parse(&headers, &[REPR, CONTENT]).map_err(|error| error.kind())?;
        pieces.iter().for_each(|piece| digests.update(piece));
        digests.check().map_err(|error| error.kind())
    }

    #[test]
    fn bytes_are_what_every_known_digest_says_or_refused() {
        let sha256 = format!("sha-256=:{}:", STANDARD.encode(ring::digest::digest(&SHA256, b"hello")));
        let sha512 = format!("sha-512=:{}:", STANDARD.encode(ring::digest::digest(&SHA512, b"hello")));
        assert_eq!(check(&sha256, &[b"hel", b"lo"]), Ok(()));
        assert_eq!(check(&format!("{sha512}, {sha256}"), &[b"hello"]), Ok(()));
        assert_eq!(check(&format!("{sha512},{sha256}"), &[b"hellO"]), Err(Kind::Integrity));
        assert_eq!(check(&sha256, &[]), Err(Kind::Integrity));
        assert_eq!(check("md5=:AAAA:", &[b"x"]), Ok(()), "unknown ones are nobody's promise");
        for twice in [format!("{sha256}, {sha256}"), format!("{sha256},{sha512},{sha256}")] {
            assert_eq!(check(&twice, &[b"hello"]), Err(Kind::BadCommand), "{twice}");
        }
        for bad in ["sha-256", "sha-256=abc", "sha-256=:!:", "sha-256=:AAAA:", "sha-256=:", "sha-256=::"] {
            assert_eq!(check(bad, &[b"x"]), Err(Kind::BadCommand), "{bad}");
        }
    }
}
