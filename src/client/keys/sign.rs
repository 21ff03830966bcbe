//! Signing with a private key in memory.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use ssh_key::private::{EcdsaKeypair, KeypairData};

use crate::error::{Error, Kind, Result};
use crate::keys::signature_of;

/// The key's signature over these bytes, beginning with its kind, as an agent would give it.
pub(super) fn sign(key: &ssh_key::PrivateKey, bytes: &[u8]) -> Result<Vec<u8>> {
    let unusable = |_| Error::new(Kind::LoginFailed, "the private key is damaged");
    let kind = key.algorithm();
    match key.key_data() {
        KeypairData::Ed25519(pair) => {
            let (secret, public) = (pair.private.as_ref(), pair.public.as_ref());
            let ready = Ed25519KeyPair::from_seed_and_public_key(secret, public).map_err(unusable)?;
            Ok(signature_of(kind.as_str(), ready.sign(bytes).as_ref()))
        }
        KeypairData::Ecdsa(EcdsaKeypair::NistP256 { public, private }) => {
            let (random, with) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
            let ready =
                EcdsaKeyPair::from_private_key_and_public_key(with, private.as_slice(), public.as_bytes(), &random)
                    .map_err(unusable)?;
            let made = ready.sign(&random, bytes);
            let made = made.map_err(|_| Error::new(Kind::Internal, "the system has no random numbers"))?;
            Ok(signature_of(kind.as_str(), &crate::keys::two_numbers(made.as_ref())))
        }
        KeypairData::Rsa(pair) => super::rsa::sign(pair, bytes),
        _ => Err(Error::new(Kind::LoginFailed, "keys of this kind do not log in")),
    }
}
