//! Public keys, as `authorized_keys` has them.

use std::fmt;
use std::hash::{Hash, Hasher};

use ssh_key::HashAlg;
use ssh_key::public::KeyData;

use super::rsa;
use crate::error::{Error, Kind, Result};
use crate::limits;

/// The kinds of keys that log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// `ssh-ed25519`.
    Ed25519,
    /// `ecdsa-sha2-nistp256`.
    EcdsaP256,
    /// `sk-ssh-ed25519@openssh.com`: in a FIDO token, which is touched for each signature.
    SkEd25519,
    /// `sk-ecdsa-sha2-nistp256@openssh.com`: as above.
    SkEcdsaP256,
    /// `ssh-rsa`, within [`limits::RSA_BITS_MIN`] and [`limits::RSA_BITS_MAX`]. Its signatures are `rsa-sha2-512` or `rsa-sha2-256`.
    Rsa,
}

impl KeyKind {
    /// Whether the private key is in a token that a person must touch.
    pub const fn needs_touch(self) -> bool {
        matches!(self, KeyKind::SkEd25519 | KeyKind::SkEcdsaP256)
    }
}

/// A public key of a kind that logs in.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(KeyData);

impl PublicKey {
    /// Reads the key in the form that signatures and agents carry it in.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for what is no key, and for a kind that does not log in, which is named.
    pub fn from_blob(blob: &[u8]) -> Result<PublicKey> {
        if blob.len() > limits::PUBLIC_KEY_MAX {
            return Err(unusable("it is too long for a key"));
        }
        let key = ssh_key::PublicKey::from_bytes(blob).map_err(|_| unusable("it is no public key of SSH"))?;
        let key = PublicKey::of(key.key_data())?;
        // Lengths inside that are wrong are overlooked above.
        if key.blob() == blob { Ok(key) } else { Err(unusable("it is no public key of SSH")) }
    }

    /// Reads a line as in `authorized_keys` and `.pub` files, without options: kind, base64, and a comment, which is
    /// returned too.
    ///
    /// # Errors
    /// As [`PublicKey::from_blob`]. No error repeats the text.
    pub fn from_openssh(line: &str) -> Result<(PublicKey, String)> {
        let line = line.trim();
        if line.len() > limits::PUBLIC_KEY_LINE_MAX {
            return Err(unusable("it is too long for a key"));
        }
        if line.contains("-----BEGIN") {
            return Err(unusable("it is a private key: the public one is in the file that ends in .pub"));
        }
        let kind = line.split(' ').next().unwrap_or_default();
        refuse_kind(kind)?;
        if !kind.starts_with("ssh-") && !kind.starts_with("ecdsa-") && !kind.starts_with("sk-") {
            return Err(unusable("it must begin with the kind of key, as in `ssh-ed25519 AAAA… alice@laptop`"));
        }
        let key = ssh_key::PublicKey::from_openssh(line)
            .map_err(|_| unusable("it is no public key as in `ssh-ed25519 AAAA… alice@laptop`"))?;
        Ok((PublicKey::of(key.key_data())?, key.comment().trim().to_owned()))
    }

    /// The key among SSH's.
    ///
    /// # Errors
    /// As [`PublicKey::from_blob`].
    pub(crate) fn of(key: &KeyData) -> Result<PublicKey> {
        refuse_kind(key.algorithm().as_str())?;
        if let KeyData::Rsa(key) = key {
            rsa::refuse(key)?;
        }
        match kind_of(key) {
            Some(_) => Ok(PublicKey(key.clone())),
            None => Err(unusable("it is of a kind that does not log in: use Ed25519, ECDSA P-256, RSA, or a FIDO key")),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> KeyKind {
        // No other kind is ever taken in.
        kind_of(&self.0).unwrap_or(KeyKind::Ed25519)
    }

    /// The form that signatures and agents carry it in.
    pub fn blob(&self) -> Vec<u8> {
        ssh_key::PublicKey::new(self.0.clone(), "").to_bytes().unwrap_or_default()
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The line for `authorized_keys` and users.toml.
    pub fn to_openssh(&self, comment: &str) -> String {
        ssh_key::PublicKey::new(self.0.clone(), comment).to_openssh().unwrap_or_default()
    }

    pub(super) fn data(&self) -> &KeyData {
        &self.0
    }
}

fn kind_of(key: &KeyData) -> Option<KeyKind> {
    match key {
        KeyData::Ed25519(_) => Some(KeyKind::Ed25519),
        KeyData::Ecdsa(ssh_key::public::EcdsaPublicKey::NistP256(_)) => Some(KeyKind::EcdsaP256),
        KeyData::SkEd25519(_) => Some(KeyKind::SkEd25519),
        KeyData::SkEcdsaSha2NistP256(_) => Some(KeyKind::SkEcdsaP256),
        KeyData::Rsa(_) => Some(KeyKind::Rsa),
        _ => None,
    }
}

/// The kinds that people have and that do not log in, each with what to do.
fn refuse_kind(kind: &str) -> Result<()> {
    let what = match kind {
        "ssh-dss" => "DSA keys do not log in",
        "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => "of ECDSA keys only those on P-256 log in",
        _ if kind.contains("-cert-v0") => "certificates do not log in: name the key itself",
        _ => return Ok(()),
    };
    Err(unusable(&format!("{what}; `sealift key new` or `ssh-keygen -t ed25519` makes one that does")))
}

pub(super) fn unusable(why: &str) -> Error {
    Error::new(Kind::BadCommand, why)
}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}
