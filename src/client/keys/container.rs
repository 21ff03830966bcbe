//! The file of a private key in OpenSSH's format (its PROTOCOL.key), where ssh-key does not read all that is one.
//!
//! ssh-keygen writes the secret number of an ECDSA key without the zeros that it begins with, as it does all numbers, and
//! ssh-key 0.6 takes it at its full width only: one key in 256 would be "damaged", or its passphrase wrong. Such a number is
//! made as wide as its curve before ssh-key reads the key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::PrivateKey;
use zeroize::Zeroizing;

use crate::keys::{Fields, put, scalar};

/// What such files begin with.
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The kind of the keys whose secret number may be short.
const P256: &[u8] = b"ecdsa-sha2-nistp256";

/// An unencrypted private part is filled up to a multiple of so many bytes.
const BLOCK: usize = 8;

/// A file that holds one key.
pub(super) struct Container {
    /// The public half, which is never encrypted.
    pub(super) public: Vec<u8>,
    /// The private part, which may be encrypted.
    private: Zeroizing<Vec<u8>>,
    /// What proves that nothing of an encrypted part was changed; nothing with most ciphers.
    tag: Vec<u8>,
}

impl Container {
    /// The one in this text, if its outer form is right.
    pub(super) fn of(text: &str) -> Option<Container> {
        // Of its full size from the beginning: what grows leaves pieces of the key behind, which nobody wipes.
        let mut body = Zeroizing::new(String::with_capacity(text.len()));
        body.extend(text.lines().filter(|line| !line.starts_with("-----")));
        let bytes = Zeroizing::new(STANDARD.decode(body.trim()).ok()?);
        let mut fields = Fields::new(&bytes);
        let is_one = fields.bytes(MAGIC.len())? == MAGIC;
        // Cipher, how its key is made, and with what.
        let (_, _, _, count) = (fields.string()?, fields.string()?, fields.string()?, fields.number()?);
        if !is_one || count != 1 {
            return None;
        }
        let (public, private) = (fields.string()?.to_vec(), Zeroizing::new(fields.string()?.to_vec()));
        Some(Container { public, private, tag: fields.rest().to_vec() })
    }

    /// Whether ssh-key may not be able to read the private part as it is.
    pub(super) fn may_be_short(&self) -> bool {
        Fields::new(&self.public).string() == Some(P256)
    }

    /// The key in a private part that is not encrypted.
    pub(super) fn key(&self) -> Option<PrivateKey> {
        let private = widened(&self.private)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAGIC.len() + self.public.len() + private.len() + 64));
        bytes.extend_from_slice(MAGIC);
        for field in [b"none".as_slice(), b"none", b""] {
            put(&mut bytes, field);
        }
        bytes.extend_from_slice(&1_u32.to_be_bytes());
        put(&mut bytes, &self.public);
        put(&mut bytes, &private);
        PrivateKey::from_bytes(&bytes).ok()
    }

    /// The key behind this passphrase, if it is the right one. `encrypted` is the key as ssh-key has read it.
    pub(super) fn decrypt(mut self, encrypted: &PrivateKey, passphrase: &[u8]) -> Option<PrivateKey> {
        let cipher = encrypted.cipher();
        let (secret, start) = encrypted.kdf().derive_key_and_iv(cipher, passphrase).ok()?;
        let tag = if self.tag.is_empty() { None } else { Some(self.tag.as_slice().try_into().ok()?) };
        cipher.decrypt(&secret, &start, &mut self.private, tag).ok()?;
        self.key()
    }
}

/// A private part on P-256 with its secret number at its full width.
fn widened(private: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut fields = Fields::new(private);
    // The number that shows, twice, that the right passphrase was given.
    let checks = fields.bytes(8)?;
    let (kind, curve, point) = (fields.string()?, fields.string()?, fields.string()?);
    let secret = Zeroizing::new(scalar(fields.string()?)?);
    let comment = fields.string()?;
    let mut wide = Zeroizing::new(Vec::with_capacity(private.len() + secret.len() + BLOCK));
    wide.extend_from_slice(checks);
    for field in [kind, curve, point, secret.as_slice(), comment] {
        put(&mut wide, field);
    }
    let filling = (1..).take(wide.len().next_multiple_of(BLOCK) - wide.len());
    wide.extend(filling);
    Some(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `ssh-keygen -t ecdsa -b 256`, the 568th of many: its secret number has 31 bytes.
    const SHORT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/end_to_end/keys/short_p256"));

    #[test]
    fn a_secret_number_that_begins_with_zeros_is_read_at_its_full_width() {
        let container = Container::of(SHORT).unwrap();
        assert!(container.may_be_short());
        assert!(PrivateKey::from_openssh(SHORT).is_err(), "ssh-key reads it by now: none of this is needed any more");
        let key = container.key().unwrap();
        assert_eq!(key.comment(), "short");
    }

    #[test]
    fn what_is_cut_anywhere_is_no_key() {
        let body: String = SHORT.lines().filter(|line| !line.starts_with("-----")).collect();
        let bytes = STANDARD.decode(body).unwrap();
        for length in 0..bytes.len() {
            let cut = format!("-----BEGIN\n{}\n-----END\n", STANDARD.encode(&bytes[..length]));
            assert!(Container::of(&cut).is_none_or(|container| container.key().is_none()), "{length}");
        }
    }
}
