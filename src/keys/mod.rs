//! SSH keys as proofs of who somebody is: the bytes that are signed, the signatures over them, and the public keys that
//! check them. Pure: no sockets, no files. Private keys and the agent are the client's ([`crate::client::keys`]).
//!
//! What is signed is a [`Statement`]: it names the server's key and a nonce of the server's, so that nobody to whom a
//! signature is given can use it anywhere else, or twice. It is signed in OpenSSH's format for signatures (SSHSIG), in a
//! namespace of our own, so that no other program's signature is ever taken for one, nor ours by another program.

mod evidence;
mod fields;
mod nonce;
mod proof;
mod public;
mod rsa;
mod statement;
mod verify;

pub use evidence::Evidence;
pub(crate) use fields::{Fields, put, scalar, signature_of, two_numbers};
pub use nonce::Nonce;
pub use proof::Proof;
pub use public::{KeyKind, PublicKey};
pub(crate) use rsa::{RSA_SHA256, RSA_SHA512};
pub use statement::{NAMESPACE, Purpose, Statement};
