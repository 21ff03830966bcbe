//! What somebody who is logged in sees and changes of the own login: the password, and the keys.
//!
//! Each change is proven once more, by the password or by keys. What keys sign names the server's key that this connection
//! was checked against, what it is for, and a number that the server has asked for just now: it is of no use elsewhere, for
//! anything else, or twice.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::connection::Client;
use super::keys::LoginKey;
use super::requests::until_final;
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::keys::{Evidence, Nonce, Proof, Purpose, Statement};
use crate::limits;
use crate::proto::{Command, Features, Reply};
use crate::secret::Secret;
use crate::tls::Pin;

/// What proves to a server once more who somebody is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Present {
    /// The password that is right now.
    Password(Secret),
    /// Keys, one of which logs in there; at most [`limits::KEY_PROOFS_MAX`].
    Keys(Vec<LoginKey>),
}

/// A key that logs one in, as the server has it. All of it is from outside: escape before showing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerKey {
    /// What it is called there.
    pub name: String,
    /// `SHA256:…`
    pub fingerprint: String,
    /// When one enrolled it; none: the server's administrator gave it.
    pub added: Option<SystemTime>,
    /// The most that its sessions may do, if that is bounded.
    pub access: Option<String>,
    /// Where it may be used from; empty: from everywhere.
    pub from: Vec<String>,
    /// When it ends.
    pub expires: Option<SystemTime>,
}

/// Somebody who proves it.
struct Prover {
    user: String,
    present: Present,
    /// Of the server's key that the connection was checked against.
    pin: Pin,
}

impl Prover {
    /// What proves it for this purpose; the server is asked for a nonce where one is needed.
    /// `beside`: bytes of the line that are neither that nor in [`limits::PROOFS_BESIDE`].
    fn evidence(self, session: &mut Session, purpose: Purpose, beside: usize) -> Result<Evidence> {
        let nonce = match self.present {
            // An old server is told of nothing that it does not know.
            Present::Password(_) => None,
            Present::Keys(_) => Some(nonce(session)?),
        };
        self.evidence_over(purpose, nonce, (session.features(), limits::LINE_MAX - limits::PROOFS_BESIDE - beside))
    }

    /// What proves it for a purpose over this nonce, to a server of these features, with so many bytes of a line for signatures.
    fn evidence_over(
        self,
        purpose: Purpose,
        nonce: Option<Nonce>,
        (features, room): (Features, usize),
    ) -> Result<Evidence> {
        let Prover { user, present, pin } = self;
        match (present, nonce) {
            (Present::Password(password), _) => Ok(Evidence::Password(password)),
            (Present::Keys(keys), Some(nonce)) => {
                let statement = Statement { purpose, nonce, user: &user, pin };
                let (keys, _) = LoginKey::at_once(&keys, features, room);
                Ok(Evidence::Keys(sign_with(&keys, &statement)?))
            }
            (Present::Keys(_), None) => Err(Error::new(Kind::Internal, "a signature over no nonce")),
        }
    }
}

impl Client {
    fn prover(&self, user: &str, present: Present) -> Result<Prover> {
        let pin = self.pin().ok_or_else(|| Error::new(Kind::Tls, "the server has shown no key"))?;
        Ok(Prover { user: user.to_owned(), present, pin })
    }

    /// Puts another password in the place of the present one of this user, who is logged in. All other sessions of the user
    /// that a password opened end; this one goes on.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`] if `present` proves nothing; [`Kind::Denied`] if the server's administrator alone sets the
    /// password, or a key is bounded; [`Kind::TooOld`]; and those of the keys.
    pub async fn change_password(&mut self, user: &str, present: Present, new: Secret) -> Result<()> {
        let prover = self.prover(user, present)?;
        self.run(move |session| {
            // Each byte may take three.
            let evidence = prover.evidence(session, Purpose::Password, 3 * new.expose().len())?;
            session.command(&Command::Passwd { new, evidence })?;
            session.expect(200).map(drop)
        })
        .await
    }

    /// The keys that log one in there, those that the administrator gave first.
    ///
    /// # Errors
    /// [`Kind::TooOld`].
    pub async fn keys(&mut self) -> Result<Vec<ServerKey>> {
        self.run(|session| {
            session.command(&Command::Keys)?;
            let mut keys = Vec::new();
            until_final(session, 113, 212, |reply| {
                if reply.is_preliminary() {
                    keys.push(server_key(reply)?);
                }
                Ok(())
            })?;
            Ok(keys)
        })
        .await
    }

    /// Lets one more key log this user in, who is logged in, under this name. The key signs too, so that nobody enrols
    /// another one's.
    ///
    /// # Errors
    /// [`Kind::Exists`] if it logs in already; [`Kind::TooMany`]; else as [`Client::change_password`].
    pub async fn enrol(&mut self, user: &str, present: Present, key: &LoginKey, name: &str) -> Result<()> {
        let prover = self.prover(user, present)?;
        let (key, name) = (key.clone(), name.to_owned());
        self.run(move |session| {
            let nonce = nonce(session)?;
            let (purpose, user) = (Purpose::Enrolled, prover.user.as_str());
            let own = key.sign(&Statement { purpose, nonce, user, pin: prover.pin })?;
            let room = limits::LINE_MAX - limits::PROOFS_BESIDE - key.proof_text_max();
            let evidence = prover.evidence_over(Purpose::Enrol, Some(nonce), (session.features(), room))?;
            session.command(&Command::Enrol { name, key: Box::new(own), evidence })?;
            session.expect(200).map(drop)
        })
        .await
    }

    /// Lets a key that this user, who is logged in, has enrolled log in no more. Sessions that it opened end, with this one
    /// if it is one.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Denied`] if the administrator gave it; else as [`Client::change_password`].
    pub async fn revoke(&mut self, user: &str, present: Present, fingerprint: &str) -> Result<()> {
        let prover = self.prover(user, present)?;
        let fingerprint = fingerprint.to_owned();
        self.run(move |session| {
            let evidence = prover.evidence(session, Purpose::Revoke, 0)?;
            session.command(&Command::Revoke { fingerprint, evidence })?;
            session.expect(200).map(drop)
        })
        .await
    }
}

fn nonce(session: &mut Session) -> Result<Nonce> {
    session.command(&Command::Nonce)?;
    session.expect(200)?.parsed("nonce")
}

/// What each of these keys signs, but for those that do not; the error of the last if none does.
///
/// # Errors
/// As [`LoginKey::sign`].
pub(super) fn sign_with(keys: &[LoginKey], statement: &Statement<'_>) -> Result<Vec<Proof>> {
    let (mut proofs, mut why) = (Vec::new(), None);
    for key in keys {
        match key.sign(statement) {
            Ok(proof) => proofs.push(proof),
            Err(error) => why = Some(error),
        }
    }
    match why {
        Some(error) if proofs.is_empty() => Err(error),
        None if proofs.is_empty() => Err(Error::new(Kind::LoginFailed, "none of the keys can be used at this server")),
        _ => Ok(proofs),
    }
}

fn server_key(reply: &Reply<'_>) -> Result<ServerKey> {
    let text = |key| reply.bytes(key).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let optional = |key| reply.get(key).map(|_| text(key)).transpose();
    let moment = |key| -> Result<Option<SystemTime>> {
        let seconds = reply.get(key).map(|_| reply.parsed(key)).transpose()?;
        Ok(seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds))))
    };
    let fingerprint = text("fingerprint")?;
    // It is compared and shown as it is.
    if !fingerprint.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::new(Kind::Protocol, "the server's key has an invalid fingerprint"));
    }
    Ok(ServerKey {
        name: text("name")?,
        fingerprint,
        added: moment("added")?,
        access: optional("access")?,
        from: optional("from")?.map_or_else(Vec::new, |list| list.split(',').map(str::to_owned).collect()),
        expires: moment("expires")?,
    })
}
