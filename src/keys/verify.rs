//! Whether a signature is a key's.
//!
//! Those of FIDO tokens (PROTOCOL.u2f) are over the application the key was made for, whether a person touched the token,
//! how often it has signed, and the hash of what was to be signed. Without a touch they are worth nothing here.

use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use ssh_key::public::{EcdsaPublicKey, KeyData};

use super::fields::{Fields, scalar};
use super::public::PublicKey;
use super::rsa;

/// The bit of a token's flags that says that a person touched it.
const PRESENT: u8 = 1;

/// Whether `signature`, which begins with its kind, is this key's over these bytes.
pub(super) fn is_signed_by(key: &PublicKey, bytes: &[u8], signature: &[u8]) -> bool {
    let mut fields = Fields::new(signature);
    let (Some(kind), Some(made)) = (fields.string(), fields.string()) else { return false };
    if let KeyData::Rsa(key) = key.data() {
        // One kind of key has several kinds of signatures.
        return fields.end().is_some() && rsa::is_signed_by(key, bytes, kind, made);
    }
    if kind != key.data().algorithm().as_str().as_bytes() {
        return false;
    }
    match key.data() {
        KeyData::Ed25519(key) => fields.end().is_some() && check(&ED25519, key.as_ref(), bytes, made),
        KeyData::Ecdsa(EcdsaPublicKey::NistP256(point)) => {
            fields.end().is_some() && check_p256(point.as_bytes(), bytes, made)
        }
        KeyData::SkEd25519(key) => {
            let signed = by_token(key.application(), bytes, fields);
            signed.is_some_and(|bytes| check(&ED25519, key.public_key().as_ref(), &bytes, made))
        }
        KeyData::SkEcdsaSha2NistP256(key) => {
            let signed = by_token(key.application(), bytes, fields);
            signed.is_some_and(|bytes| check_p256(key.ec_point().as_bytes(), &bytes, made))
        }
        _ => false,
    }
}

/// What a token has signed, if it was touched: flags and counter follow the signature.
fn by_token(application: &str, bytes: &[u8], mut rest: Fields<'_>) -> Option<Vec<u8>> {
    let said = rest.bytes(5)?;
    rest.end()?;
    let touched = said.first()? & PRESENT != 0;
    let hash = |bytes: &[u8]| digest(&SHA256, bytes);
    touched.then(|| [hash(application.as_bytes()).as_ref(), said, hash(bytes).as_ref()].concat())
}

fn check(with: &'static dyn VerificationAlgorithm, key: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(with, key).verify(bytes, signature).is_ok()
}

/// Whether the key at this point signed the bytes, where the signature is two numbers (RFC 5656, section 3.1.2).
fn check_p256(point: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
    let mut fields = Fields::new(signature);
    let scalars = fields.string().and_then(scalar).zip(fields.string().and_then(scalar));
    let (Some((r, s)), Some(())) = (scalars, fields.end()) else { return false };
    check(&ECDSA_P256_SHA256_FIXED, point, bytes, &[r, s].concat())
}
