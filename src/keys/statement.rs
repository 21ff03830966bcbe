//! The bytes that somebody signs to prove who they are. PROTOCOL.md fixes them.

use super::fields::put;
use super::nonce::Nonce;
use crate::tls::{ALPN, Pin};

/// The namespace of the signatures (PROTOCOL.sshsig): a signature made for anything else has another one.
pub const NAMESPACE: &str = "sealift";

/// What a signature is good for, and for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Logging in.
    Login,
    /// Choosing another password.
    Password,
    /// Enrolling another key.
    Enrol,
    /// Revoking a key.
    Revoke,
    /// Saying that one has this key, which is to be enrolled.
    Enrolled,
}

impl Purpose {
    /// The word that is signed.
    pub const fn word(self) -> &'static str {
        match self {
            Purpose::Login => "login",
            Purpose::Password => "passwd",
            Purpose::Enrol => "enrol",
            Purpose::Revoke => "revoke",
            Purpose::Enrolled => "enrolled",
        }
    }
}

/// Who says what to whom.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// What for.
    pub purpose: Purpose,
    /// The server's, of this connection and this attempt.
    pub nonce: Nonce,
    /// Who.
    pub user: &'a str,
    /// The pin of the key that the server has used for this very connection.
    pub pin: Pin,
}

impl Statement<'_> {
    /// The message to be signed: five strings of SSH's wire format, one behind the other.
    pub fn message(&self) -> Vec<u8> {
        let mut message = Vec::with_capacity(256);
        put(&mut message, ALPN.as_bytes());
        put(&mut message, self.purpose.word().as_bytes());
        put(&mut message, self.nonce.as_bytes());
        put(&mut message, self.user.as_bytes());
        put(&mut message, self.pin.as_bytes());
        message
    }

    /// What a key signs in SSHSIG: the namespace and the SHA-512 of the message.
    pub fn to_be_signed(&self) -> Vec<u8> {
        super::proof::to_be_signed(&self.message(), super::proof::Digest::Sha512)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_what_the_protocol_says_to_the_byte() {
        let nonce: Nonce = "ab".repeat(32).parse().unwrap();
        let pin: Pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap();
        let statement = Statement { purpose: Purpose::Login, nonce, user: "alice", pin };
        let expected = [
            b"\0\0\0\x09sealift/1\0\0\0\x05login\0\0\0\x20".as_slice(),
            &[0xab; 32],
            b"\0\0\0\x05alice\0\0\0\x20",
            &[0; 32],
        ]
        .concat();
        assert_eq!(statement.message(), expected);
    }

    #[test]
    fn no_two_statements_have_the_same_message() {
        let nonce = Nonce::fresh().unwrap();
        let pin: Pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".parse().unwrap();
        let one = Statement { purpose: Purpose::Login, nonce, user: "a", pin };
        let longer = Statement { user: "ab", ..one };
        let another = Statement { nonce: Nonce::fresh().unwrap(), ..one };
        assert_ne!(one.message(), longer.message());
        assert_ne!(one.message(), another.message());
        let all = [Purpose::Login, Purpose::Password, Purpose::Enrol, Purpose::Revoke, Purpose::Enrolled];
        let messages: std::collections::BTreeSet<Vec<u8>> =
            all.iter().map(|purpose| Statement { purpose: *purpose, ..one }.message()).collect();
        assert_eq!(messages.len(), all.len());
    }
}
