//! Signatures in OpenSSH's format (PROTOCOL.sshsig), without the PEM armour: what the client sends, and `ssh-keygen -Y`
//! makes and checks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::digest::{SHA256, SHA512, digest};

use super::fields::{Fields, put};
use super::public::PublicKey;
use super::statement::{NAMESPACE, Statement};
use super::verify::is_signed_by;
use crate::error::{Error, Kind, Result};
use crate::limits;

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// Base64 as lines carry it: an equals sign would make an option of an argument.
const UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// With what the message is hashed before it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha256,
    Sha512,
}

impl Digest {
    const fn name(self) -> &'static str {
        match self {
            Digest::Sha256 => "sha256",
            Digest::Sha512 => "sha512",
        }
    }
}

/// A signature with the public key that it is said to be of. Whether it is right, [`Proof::is_over`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    key: PublicKey,
    digest: Digest,
    /// Its kind and its bytes, as the key made it.
    signature: Vec<u8>,
}

impl Proof {
    /// What a key made of [`Statement::to_be_signed`]; `signature` begins with its kind, as an agent gives it.
    pub fn new(key: PublicKey, signature: Vec<u8>) -> Proof {
        Proof { key, digest: Digest::Sha512, signature }
    }

    /// The key that it is said to be of.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether the key has signed this. Takes as long whoever the user is.
    pub fn is_over(&self, statement: &Statement<'_>) -> bool {
        is_signed_by(&self.key, &to_be_signed(&statement.message(), self.digest), &self.signature)
    }

    /// Reads the bytes of a signature: those inside the armour of `ssh-keygen -Y sign`.
    ///
    /// # Errors
    /// [`Kind::BadCommand`]: no signature, of another namespace, or of a key of a kind that does not log in.
    pub fn from_bytes(bytes: &[u8]) -> Result<Proof> {
        let malformed = || Error::new(Kind::BadCommand, "that is no signature in OpenSSH's format");
        let (key, namespace, digest, signature) = parts(bytes).ok_or_else(malformed)?;
        if namespace != NAMESPACE.as_bytes() {
            return Err(Error::new(Kind::BadCommand, format!("the signature's namespace is not `{NAMESPACE}`")));
        }
        Ok(Proof { key: PublicKey::from_blob(key)?, digest, signature: signature.to_vec() })
    }

    /// The bytes of the signature.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        put(&mut bytes, &self.key.blob());
        put(&mut bytes, NAMESPACE.as_bytes());
        put(&mut bytes, b"");
        put(&mut bytes, self.digest.name().as_bytes());
        put(&mut bytes, &self.signature);
        bytes
    }

    /// The bytes in base64, as lines carry them.
    pub fn to_text(&self) -> String {
        UNPADDED.encode(self.to_bytes())
    }

    /// Reads what [`Proof::to_text`] writes; padding at the end is no harm.
    ///
    /// # Errors
    /// As [`Proof::from_bytes`].
    pub fn from_text(text: &str) -> Result<Proof> {
        let bytes = UNPADDED.decode(text);
        Proof::from_bytes(&bytes.map_err(|_| Error::new(Kind::BadCommand, "a signature is written in base64"))?)
    }

    /// In the armour that `ssh-keygen -Y verify` reads.
    pub fn to_pem(&self) -> String {
        let text = STANDARD.encode(self.to_bytes());
        let mut pem = "-----BEGIN SSH SIGNATURE-----\n".to_owned();
        for line in text.as_bytes().chunks(limits::PEM_LINE) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem + "-----END SSH SIGNATURE-----\n"
    }

    /// Reads what `ssh-keygen -Y sign` writes.
    ///
    /// # Errors
    /// As [`Proof::from_bytes`].
    pub fn from_pem(pem: &str) -> Result<Proof> {
        let lines: String = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
        Proof::from_text(&lines)
    }
}

type Parts<'a> = (&'a [u8], &'a [u8], Digest, &'a [u8]);

/// Public key, namespace, digest and signature.
fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let mut fields = Fields::new(bytes);
    let known = fields.bytes(MAGIC.len())? == MAGIC && fields.number()? == VERSION;
    let (key, namespace, reserved) = (fields.string()?, fields.string()?, fields.string()?);
    let digest = match fields.string()? {
        b"sha256" => Digest::Sha256,
        b"sha512" => Digest::Sha512,
        _ => return None,
    };
    let signature = fields.string()?;
    fields.end()?;
    (known && reserved.is_empty()).then_some((key, namespace, digest, signature))
}

/// What is signed of a message.
pub(super) fn to_be_signed(message: &[u8], with: Digest) -> Vec<u8> {
    let algorithm = match with {
        Digest::Sha256 => &SHA256,
        Digest::Sha512 => &SHA512,
    };
    let mut bytes = MAGIC.to_vec();
    put(&mut bytes, NAMESPACE.as_bytes());
    put(&mut bytes, b"");
    put(&mut bytes, with.name().as_bytes());
    put(&mut bytes, digest(algorithm, message).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = Proof::from_bytes(&bytes);
            let _ = Proof::from_bytes(&[MAGIC, &VERSION.to_be_bytes(), &bytes].concat());
            let _ = PublicKey::from_blob(&bytes);
        }
    }
}
