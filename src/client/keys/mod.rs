//! The private keys that somebody logs in with: from files, from an agent, and new ones.

mod agent;
mod container;
mod file;
mod rsa;
mod sign;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

pub use self::agent::Agent;
pub use self::file::new_key_file;
use crate::error::{Error, Kind, Result};
use crate::keys::{KeyKind, NAMESPACE, Proof, PublicKey, Statement};
use crate::limits;
use crate::proto::{Feature, Features};
use crate::secret::Secret;

/// A key that can sign. Cheap to clone; what is secret of it is wiped with the last one.
#[derive(Clone)]
pub struct LoginKey {
    public: PublicKey,
    comment: String,
    signer: Signer,
    /// The file that it was read from.
    file: Option<PathBuf>,
}

/// Where a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource<'a> {
    /// In this file.
    File(&'a Path),
    /// In the agent.
    Agent,
    /// In memory alone.
    Memory,
}

/// Who signs.
#[derive(Clone)]
enum Signer {
    /// We do: the key is in memory.
    Private(Arc<ssh_key::PrivateKey>),
    /// The agent that has it.
    Agent(Agent),
    /// `ssh-keygen`, which knows how to speak with a FIDO token; this file says which key in it.
    Token(PathBuf),
}

impl fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoginKey").field(&self.public).finish()
    }
}

impl LoginKey {
    /// Those of these keys that can sign in one command to a server that knows these features, in their order, with so many bytes for
    /// signatures, and those that cannot: beyond [`limits::KEY_PROOFS_MAX`], of a kind that the server does not know, or too long
    /// for the line.
    pub(super) fn at_once(keys: &[LoginKey], features: Features, room: usize) -> (Vec<LoginKey>, Vec<LoginKey>) {
        let (mut left, mut count) = (room, 0);
        keys.iter().cloned().partition(|key| {
            let is_known = key.public.kind() != KeyKind::Rsa || features.has(Feature::Rsa);
            let length = key.proof_text_max();
            let fits = is_known && count < limits::KEY_PROOFS_MAX && length <= left;
            if fits {
                (left, count) = (left - length, count + 1);
            }
            fits
        })
    }

    /// Reads a private key in OpenSSH's format. If it is encrypted `passphrase` is asked, which may answer that it has
    /// none. Of a key in a FIDO token the file says only which one it is: `ssh-keygen` will have it sign.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`]: of a kind that does not log in, readable by others, encrypted without a passphrase or
    /// with another one; [`Kind::BadConfig`] for what is no private key; and those of the file.
    pub fn from_file(path: &Path, passphrase: impl FnOnce() -> Result<Option<Secret>>) -> Result<LoginKey> {
        let key = file::load(path, passphrase)?;
        Ok(LoginKey { file: Some(path.to_owned()), ..key })
    }

    /// Makes a new Ed25519 key in memory.
    ///
    /// # Errors
    /// [`Kind::Internal`]: the system has no random numbers.
    pub fn generate(comment: &str) -> Result<LoginKey> {
        file::generate(comment)
    }

    fn private(key: ssh_key::PrivateKey) -> Result<LoginKey> {
        let public = PublicKey::of(key.public_key().key_data())?;
        Ok(LoginKey { public, comment: key.comment().to_owned(), signer: Signer::Private(Arc::new(key)), file: None })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The comment in its file, or what the agent calls it. May be from outside: escape before showing.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The most bytes of a line that its signature takes, as text, with what parts it from the next one.
    pub(super) fn proof_text_max(&self) -> usize {
        // No kind has a signature that is more than so much longer than its key; both are in it, beside names and lengths.
        let bytes = 2 * self.public.blob().len() + 160;
        bytes.div_ceil(3) * 4 + 1
    }

    /// Where it is.
    pub fn source(&self) -> KeySource<'_> {
        match (&self.signer, &self.file) {
            (Signer::Agent(_), _) => KeySource::Agent,
            (Signer::Private(_) | Signer::Token(_), Some(file)) => KeySource::File(file),
            (Signer::Private(_) | Signer::Token(_), None) => KeySource::Memory,
        }
    }

    /// Signs. Blocks: an agent may ask a person, and a token waits to be touched.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`]: the agent or the token did not sign.
    pub fn sign(&self, statement: &Statement<'_>) -> Result<Proof> {
        let signature = match &self.signer {
            Signer::Private(key) => sign::sign(key, &statement.to_be_signed())?,
            Signer::Agent(agent) => agent.sign(&self.public, &statement.to_be_signed())?,
            Signer::Token(path) => return self.sign_by_token(path, statement),
        };
        Ok(Proof::new(self.public.clone(), signature))
    }

    /// `ssh-keygen` says itself, on standard error, that the token is to be touched.
    fn sign_by_token(&self, path: &Path, statement: &Statement<'_>) -> Result<Proof> {
        let agent = format!("an agent (`ssh-add {}`) can hold the key instead", path.display());
        let failed = |err: std::io::Error| {
            let what = format!(
                "{}: a FIDO key in a file signs by ssh-keygen, which does not run here: {}; {agent}",
                path.display(),
                crate::error::told(&err)
            );
            Error::new(Kind::LoginFailed, what)
        };
        let mut program = Command::new("ssh-keygen");
        program.args(["-Y", "sign", "-n", NAMESPACE, "-f"]).arg(path);
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            std::io::Write::write_all(&mut stdin, &statement.message()).map_err(failed)?;
        }
        let done = child.wait_with_output().map_err(failed)?;
        let refused = || {
            let what = "ssh-keygen did not sign with this FIDO key: is the token plugged in, and was it touched?";
            Error::new(Kind::LoginFailed, format!("{}: {what} Else {agent}", path.display()))
        };
        if !done.status.success() {
            return Err(refused());
        }
        let proof = Proof::from_pem(&String::from_utf8_lossy(&done.stdout)).map_err(|_| refused())?;
        if proof.key() == &self.public { Ok(proof) } else { Err(refused()) }
    }
}
