//! The agent that keeps a person's keys (draft-ietf-sshm-ssh-agent): which ones it has, and to have it sign.
//!
//! Two questions over a socket are all that is needed. The clients for it that there are bring the crate `rsa` along, which has an
//! advisory.

use std::env;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{LoginKey, Signer};
use crate::error::{Error, Kind, Result};
use crate::keys::{Fields, KeyKind, PublicKey, RSA_SHA256, RSA_SHA512, put};
use crate::limits;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGNATURE: u8 = 14;

/// Has an agent sign with an RSA key and SHA-512 (RFC 8332). Without it SHA-1 is what it takes.
const RSA_SHA2_512: u32 = 4;

/// An agent, by the socket that it listens on.
#[derive(Debug, Clone)]
pub struct Agent {
    socket: PathBuf,
}

impl Agent {
    /// The one that `SSH_AUTH_SOCK` names.
    pub fn of_environment() -> Option<Agent> {
        let socket = PathBuf::from(env::var_os("SSH_AUTH_SOCK")?);
        socket.is_absolute().then_some(Agent { socket })
    }

    /// The one that listens there.
    pub fn at(socket: &Path) -> Agent {
        Agent { socket: socket.to_owned() }
    }

    /// Its keys of kinds that log in, in its order. Blocks, with a bound.
    ///
    /// # Errors
    /// [`Kind::Io`] and the like: the agent is not there, or does not answer as one.
    pub fn keys(&self) -> Result<Vec<LoginKey>> {
        let answer = self.ask(&[REQUEST_IDENTITIES], limits::AGENT_TIMEOUT)?;
        let found = answer.strip_prefix(&[IDENTITIES]).and_then(identities);
        let keys = found.ok_or_else(|| self.odd("its list of keys makes no sense"))?;
        let usable = keys.into_iter().filter_map(|(blob, comment)| {
            let public = PublicKey::from_blob(blob).ok()?;
            let comment = String::from_utf8_lossy(comment).into_owned();
            Some(LoginKey { public, comment, signer: Signer::Agent(self.clone()), file: None })
        });
        Ok(usable.collect())
    }

    /// The signature of one of its keys, beginning with its kind.
    pub(super) fn sign(&self, key: &PublicKey, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut question = vec![SIGN_REQUEST];
        put(&mut question, &key.blob());
        put(&mut question, bytes);
        let is_rsa = key.kind() == KeyKind::Rsa;
        let flags = if is_rsa { RSA_SHA2_512 } else { 0 };
        question.extend_from_slice(&flags.to_be_bytes());
        // A person may be asked, or has to touch a token.
        let answer = self.ask(&question, limits::LOGIN_TIMEOUT)?;
        if answer == [FAILURE] {
            let text = format!("the agent refused to sign with {}", key.fingerprint());
            return Err(Error::new(Kind::LoginFailed, text));
        }
        let mut fields = Fields::new(answer.strip_prefix(&[SIGNATURE]).unwrap_or_default());
        let signature = fields.string().ok_or_else(|| self.odd("what it says is no signature"))?;
        let counts = |kind: &[u8]| [RSA_SHA512, RSA_SHA256].iter().any(|known| known.as_bytes() == kind);
        if is_rsa && !Fields::new(signature).string().is_some_and(counts) {
            let text =
                format!("the agent signs with the RSA key {} by SHA-1 alone, which counts nowhere", key.fingerprint());
            return Err(Error::new(Kind::LoginFailed, text));
        }
        Ok(signature.to_vec())
    }

    fn ask(&self, question: &[u8], patience: Duration) -> Result<Vec<u8>> {
        let failed = |err| Error::file(format_args!("the agent at {}", self.socket.display()), err);
        let mut stream = UnixStream::connect(&self.socket).map_err(failed)?;
        stream.set_write_timeout(Some(limits::AGENT_TIMEOUT)).map_err(failed)?;
        stream.set_read_timeout(Some(patience)).map_err(failed)?;
        let mut framed = Vec::with_capacity(question.len() + 4);
        put(&mut framed, question);
        stream.write_all(&framed).map_err(failed)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length).map_err(failed)?;
        let length = u64::from(u32::from_be_bytes(length));
        if length > limits::AGENT_ANSWER_MAX {
            return Err(self.odd("its answer is too long"));
        }
        let mut answer = Vec::new();
        stream.take(length).read_to_end(&mut answer).map_err(failed)?;
        if answer.len() as u64 == length { Ok(answer) } else { Err(self.odd("its answer is cut off")) }
    }

    fn odd(&self, what: &str) -> Error {
        Error::new(Kind::Io, format!("the agent at {}: {what}", self.socket.display()))
    }
}

/// Public keys and their comments.
fn identities(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut fields = Fields::new(bytes);
    let mut found = Vec::new();
    for _ in 0..fields.number()? {
        // What is not there ends it: the number alone reserves nothing.
        found.push((fields.string()?, fields.string()?));
    }
    Some(found)
}
