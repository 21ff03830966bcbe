//! RSA keys: which of them log in, and whether a signature is one's (RFC 8332).
//!
//! Many come from sftp with such a key and no other. SHA-1, with which SSH signed by them at first, counts for nothing here.

use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents};
use ssh_key::public::RsaPublicKey;

use super::public::unusable;
use crate::error::Result;
use crate::limits;

/// What a signature over SHA-512 is called: what a client makes, and asks agents for.
pub(crate) const RSA_SHA512: &str = "rsa-sha2-512";

/// What one over SHA-256 is called. An agent may know no better.
pub(crate) const RSA_SHA256: &str = "rsa-sha2-256";

/// Refuses a key that does not log in: too short to be safe, too long to be checked in a short time, or of numbers by which
/// anybody could sign.
pub(super) fn refuse(key: &RsaPublicKey) -> Result<()> {
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let Some((modulus, exponent)) = numbers(key).filter(|(modulus, exponent)| odd(modulus) && odd(exponent)) else {
        return Err(unusable("it is not an RSA key: its numbers do not make one"));
    };
    match bits(modulus) {
        few if few < limits::RSA_BITS_MIN => Err(unusable(&format!(
            "RSA keys of fewer than {} bits do not log in; `sealift key new` or `ssh-keygen -t ed25519` makes one that does",
            limits::RSA_BITS_MIN
        ))),
        many if many > limits::RSA_BITS_MAX => Err(unusable(&format!(
            "RSA keys of more than {} bits do not log in; `sealift key new` or `ssh-keygen -t ed25519` makes one that does",
            limits::RSA_BITS_MAX
        ))),
        // To the power of one every number is its own signature.
        _ if exponent == [1] || bits(exponent) > limits::RSA_EXPONENT_BITS_MAX => {
            Err(unusable("it is no RSA key that logs in: its exponent is none that ssh-keygen makes"))
        }
        _ => Ok(()),
    }
}

/// Whether `made`, which is said to be of this kind, is this key's signature over these bytes.
pub(super) fn is_signed_by(key: &RsaPublicKey, bytes: &[u8], kind: &[u8], made: &[u8]) -> bool {
    let with = match kind {
        _ if kind == RSA_SHA512.as_bytes() => &RSA_PKCS1_2048_8192_SHA512,
        _ if kind == RSA_SHA256.as_bytes() => &RSA_PKCS1_2048_8192_SHA256,
        _ => return false,
    };
    let Some((n, e)) = numbers(key) else { return false };
    // It is as long as the modulus. Some leave out the zeros that it begins with, and OpenSSH takes that too.
    let Some(missing) = n.len().checked_sub(made.len()) else { return false };
    let whole = [&vec![0; missing], made].concat();
    RsaPublicKeyComponents { n, e }.verify(with, bytes, &whole).is_ok()
}

/// Modulus and exponent, without zeros before them; none where one is negative or nothing.
fn numbers(key: &RsaPublicKey) -> Option<(&[u8], &[u8])> {
    key.n.as_positive_bytes().zip(key.e.as_positive_bytes())
}

fn bits(number: &[u8]) -> usize {
    let zeros = number.first().map_or(0, |first| first.leading_zeros() as usize);
    number.len() * 8 - zeros
}

#[cfg(test)]
mod tests {
    use super::super::{PublicKey, put};

    /// A key in SSH's format, of these numbers as they are.
    fn blob(exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
        let mut blob = Vec::new();
        put(&mut blob, b"ssh-rsa");
        put(&mut blob, exponent);
        put(&mut blob, modulus);
        blob
    }

    /// An odd number of so many bits, which nobody has the factors of, as SSH writes it.
    fn modulus(bits: usize) -> Vec<u8> {
        let mut number = vec![0xa5; bits.div_ceil(8)];
        number[0] = 1 << ((bits - 1) % 8);
        if number[0] & 0x80 != 0 {
            number.insert(0, 0);
        }
        number
    }

    #[test]
    fn keys_within_the_bounds_are_taken_and_no_others() {
        let usual: &[u8] = &[1, 0, 1];
        for (exponent, modulus, why) in [
            (usual, modulus(2048), None),
            (usual, modulus(3072), None),
            (usual, modulus(4096), None),
            (usual, modulus(8192), None),
            (&[3], modulus(2048), None),
            (&[35], modulus(2049), None),
            (&[1, 0xff, 0xff, 0xff, 0xff], modulus(8192), None),
            (usual, modulus(2047), Some("fewer than 2048 bits")),
            (usual, modulus(1024), Some("fewer than 2048 bits")),
            (usual, modulus(8193), Some("more than 8192 bits")),
            (usual, modulus(16384), Some("too long")),
            (&[1], modulus(2048), Some("its exponent")),
            (&[2, 0, 0, 0, 1], modulus(2048), Some("its exponent")),
            (&[1; 256], modulus(2048), Some("its exponent")),
            (&[1, 0, 0], modulus(2048), Some("its numbers")),
            (&[], modulus(2048), Some("its numbers")),
            (&[0x80], modulus(2048), Some("its numbers")),
            (&[0, 1, 0, 1], modulus(2048), Some("no public key")),
            (usual, Vec::new(), Some("its numbers")),
            (usual, modulus(2048)[1..].to_vec(), Some("its numbers")),
            (usual, [&[0], &modulus(2048)[..]].concat(), Some("no public key")),
            (usual, [&modulus(2048)[..], &[2]].concat(), Some("its numbers")),
        ] {
            let bits = modulus.len() * 8;
            match (PublicKey::from_blob(&blob(exponent, &modulus)), why) {
                (Ok(key), None) => {
                    let line = key.to_openssh("x");
                    assert!(line.starts_with("ssh-rsa ") && PublicKey::from_openssh(&line).unwrap().0 == key);
                }
                (Err(error), Some(why)) => assert!(error.text().contains(why), "{exponent:?} {bits}: {error}"),
                (result, _) => panic!("{exponent:?} {bits}: {result:?}"),
            }
        }
        // The kinds of signatures are no kinds of keys.
        let mut other = Vec::new();
        put(&mut other, b"rsa-sha2-512");
        other.extend_from_slice(&blob(usual, &modulus(2048))[11..]);
        assert!(PublicKey::from_blob(&other).is_err());
        assert!(PublicKey::from_blob(&[blob(usual, &modulus(2048)), vec![0]].concat()).is_err());
    }
}
