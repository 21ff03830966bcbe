//! Keys in FIDO tokens, played by software: the token's part is made by hand as PROTOCOL.u2f has it, and OpenSSH's own
//! check says whether that was done right.

use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use sealift::keys::{KeyKind, Proof, PublicKey, Statement};

use super::openssh::{statement, verifies};

pub enum Token {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend_from_slice(bytes);
}

const APPLICATION: &[u8] = b"ssh:";

impl Token {
    pub fn both() -> [Token; 2] {
        let random = SystemRandom::new();
        let seed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        [
            Token::Ed25519(Ed25519KeyPair::from_pkcs8(seed.as_ref()).unwrap()),
            Token::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref(), &random).unwrap()),
        ]
    }

    fn kind(&self) -> &'static str {
        match self {
            Token::Ed25519(_) => "sk-ssh-ed25519@openssh.com",
            Token::P256(_) => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    pub fn public(&self) -> PublicKey {
        let mut blob = Vec::new();
        put(&mut blob, self.kind().as_bytes());
        match self {
            Token::Ed25519(key) => put(&mut blob, key.public_key().as_ref()),
            Token::P256(key) => {
                put(&mut blob, b"nistp256");
                put(&mut blob, key.public_key().as_ref());
            }
        }
        put(&mut blob, APPLICATION);
        PublicKey::from_blob(&blob).unwrap()
    }

    /// Signs, saying these flags.
    pub fn sign(&self, statement: &Statement<'_>, flags: u8) -> Proof {
        let said = [&[flags][..], &7u32.to_be_bytes()].concat();
        let hash = |bytes: &[u8]| digest(&SHA256, bytes);
        let bytes = statement.to_be_signed();
        let signed = [hash(APPLICATION).as_ref(), &said, hash(&bytes).as_ref()].concat();
        let mut signature = Vec::new();
        put(&mut signature, self.kind().as_bytes());
        match self {
            Token::Ed25519(key) => put(&mut signature, key.sign(&signed).as_ref()),
            Token::P256(key) => {
                let both = key.sign(&SystemRandom::new(), &signed).unwrap();
                let mut numbers = Vec::new();
                for number in both.as_ref().chunks(32) {
                    let digits = &number[number.iter().take_while(|byte| **byte == 0).count()..];
                    let zero: &[u8] = if digits[0] & 0x80 != 0 { &[0] } else { &[] };
                    put(&mut numbers, &[zero, digits].concat());
                }
                put(&mut signature, &numbers);
            }
        }
        signature.extend(said);
        Proof::new(self.public(), signature)
    }
}

#[test]
fn what_a_touched_token_signs_is_accepted_and_without_a_touch_it_is_not() {
    for token in Token::both() {
        let (statement, public) = (statement("alice"), token.public());
        assert!(public.kind().needs_touch() && matches!(public.kind(), KeyKind::SkEd25519 | KeyKind::SkEcdsaP256));
        for (flags, accepted) in [(0x01, true), (0x05, true), (0x00, false), (0x04, false)] {
            let proof = token.sign(&statement, flags);
            assert_eq!(proof.is_over(&statement), accepted, "{public:?} {flags:#x}");
            let again = Proof::from_text(&proof.to_text()).unwrap();
            assert_eq!(again.is_over(&statement), accepted);
            // OpenSSH agrees on the format. Of a touch `ssh-keygen -Y verify` asks nothing; sshd does.
            let line = public.to_openssh("alice@token");
            assert!(verifies(&line, &statement.message(), &proof.to_pem()), "{public:?} {flags:#x}");
        }
    }
}

#[test]
fn what_a_token_says_of_its_touch_is_signed_too() {
    for token in Token::both() {
        let statement = statement("alice");
        let mut bytes = token.sign(&statement, 0).to_bytes();
        let flags = bytes.len() - 5;
        bytes[flags] = 1;
        assert!(!Proof::from_bytes(&bytes).unwrap().is_over(&statement));
    }
}
