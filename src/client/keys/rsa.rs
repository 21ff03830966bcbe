//! Signing with an RSA key in memory, by ring.
//!
//! OpenSSH's files lack two of the numbers that ring needs, and no crate that is here computes with secrets; it takes one division.

use ring::rand::SystemRandom;
use ring::rsa::KeyPairComponents;
use ring::signature::{RSA_PKCS1_SHA512, RsaKeyPair, RsaPublicKeyComponents};
use ssh_key::private::RsaKeypair;
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::keys::{RSA_SHA512, signature_of};

/// The key, ready to sign. ring looks whether its numbers fit together.
///
/// # Errors
/// [`Kind::LoginFailed`]: they do not, or it is of a size or an exponent that ring does not sign with.
pub(super) fn ready(pair: &RsaKeypair) -> Result<RsaKeyPair> {
    let unusable = || {
        let what =
            "is an RSA key that signs in an agent alone (`ssh-add FILE`): here those of 2048, 3072 and 4096 bits do";
        Error::new(Kind::LoginFailed, what)
    };
    let private = &pair.private;
    let numbers = [&pair.public.n, &pair.public.e, &private.d, &private.p, &private.q, &private.iqmp]
        .map(|number| number.as_positive_bytes());
    let [Some(n), Some(e), Some(d), Some(p), Some(q), Some(inverse)] = numbers else { return Err(unusable()) };
    let (of_p, of_q) = (without_one(p), without_one(q));
    let (rest_p, rest_q) = (remainder(d, &of_p), remainder(d, &of_q));
    let components = KeyPairComponents {
        public_key: RsaPublicKeyComponents { n, e },
        d,
        p,
        q,
        dP: rest_p.as_slice(),
        dQ: rest_q.as_slice(),
        qInv: inverse,
    };
    RsaKeyPair::from_components(&components).map_err(|_| unusable())
}

/// The key's signature over these bytes, beginning with its kind.
pub(super) fn sign(pair: &RsaKeypair, bytes: &[u8]) -> Result<Vec<u8>> {
    let ready = ready(pair)?;
    let mut made = vec![0; ready.public().modulus_len()];
    // It checks what it made before it gives it away.
    let signed = ready.sign(&RSA_PKCS1_SHA512, &SystemRandom::new(), bytes, &mut made);
    signed.map_err(|_| Error::new(Kind::LoginFailed, "the private key is damaged"))?;
    Ok(signature_of(RSA_SHA512, &made))
}

/// An odd number less one.
fn without_one(number: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut less = Zeroizing::new(number.to_vec());
    if let Some(last) = less.last_mut() {
        *last &= !1;
    }
    less
}

/// What is left of a number divided by another one, both big-endian. Which steps are taken depends on their lengths alone.
fn remainder(number: &[u8], divisor: &[u8]) -> Zeroizing<Vec<u8>> {
    // A byte more than the divisor has, since what is left is doubled before it is compared.
    let wide = Zeroizing::new([&[0], divisor].concat());
    let mut left = Zeroizing::new(vec![0_u8; wide.len()]);
    let mut less = Zeroizing::new(vec![0_u8; wide.len()]);
    for byte in number {
        for bit in (0..u8::BITS).rev() {
            let mut carry = (byte >> bit) & 1;
            for digit in left.iter_mut().rev() {
                let doubled = (*digit << 1) | carry;
                carry = *digit >> 7;
                *digit = doubled;
            }
            let mut borrow = 0;
            for ((less, digit), part) in less.iter_mut().zip(left.iter()).zip(wide.iter()).rev() {
                let (once, under) = digit.overflowing_sub(*part);
                let (twice, under_again) = once.overflowing_sub(borrow);
                *less = twice;
                borrow = u8::from(under | under_again);
            }
            // All ones where it would have gone below nothing.
            let keep = 0_u8.wrapping_sub(borrow);
            for (digit, less) in left.iter_mut().zip(less.iter()) {
                *digit = (*digit & keep) | (*less & !keep);
            }
        }
    }
    Zeroizing::new(left.get(1..).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_left_of_a_division_is_right(number: u128, divisor in 1..=u128::from(u64::MAX)) {
            let left = remainder(&number.to_be_bytes(), &divisor.to_be_bytes());
            prop_assert_eq!(u128::from_be_bytes(left.as_slice().try_into().unwrap()), number % divisor);
            // Digits at the top of both.
            let high = divisor | (1 << 127);
            let left = remainder(&number.to_be_bytes(), &high.to_be_bytes());
            prop_assert_eq!(u128::from_be_bytes(left.as_slice().try_into().unwrap()), number % high);
        }
    }
}
