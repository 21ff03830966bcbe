//! What a session may change about its own user's login. Whoever changes it proves once more who they are, by the password
//! or by a key, which is checked as at a login: in the same queue, and with the same penalty if it is wrong. That the
//! session is logged in proves nothing here: a token opens one too.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use async_std::task::{block_on, sleep};

use super::accounts::Accounts;
use super::admission::{Admission, Offence};
use crate::auth::{OwnChange, Principal, StateFolder, Users, hash_password};
use crate::error::{Error, Kind, Result};
use crate::keys::{Evidence, Nonce, Proof, Purpose, Statement};
use crate::limits;
use crate::machine::source::Source;
use crate::secret::Secret;
use crate::tls::Pin;

/// What is to be changed.
pub enum Change {
    /// The password, to this one.
    Password(Secret),
    /// One more key is to log in: the one that made this signature.
    Enrol {
        /// What it is called.
        name: String,
        /// Its signature.
        key: Box<Proof>,
    },
    /// The key of this fingerprint is to log in no more.
    Revoke(String),
}

impl Change {
    fn purpose(&self) -> Purpose {
        match self {
            Change::Password(_) => Purpose::Password,
            Change::Enrol { .. } => Purpose::Enrol,
            Change::Revoke(_) => Purpose::Revoke,
        }
    }
}

/// Who says so, and by what.
pub struct Claim {
    /// Who.
    pub user: String,
    /// By what.
    pub evidence: Evidence,
    /// What signatures must be over: none if the session has asked for none since it used the last one.
    pub nonce: Option<Nonce>,
}

/// The way of one session to the accounts.
pub struct SelfService {
    accounts: Arc<Accounts>,
    admission: Arc<Admission>,
    peer: IpAddr,
    /// Of the key that the connection's handshake was made with.
    pin: Pin,
}

impl SelfService {
    /// That of a session whose client is at this address, over a connection with this pin.
    pub fn new(accounts: Arc<Accounts>, admission: Arc<Admission>, peer: IpAddr, pin: Pin) -> SelfService {
        SelfService { accounts, admission, peer, pin }
    }

    /// Who is let in at the door, for what administrators ask about it.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The hash of a link's password. Blocks for its turn, and for as long as that takes.
    ///
    /// # Errors
    /// [`Kind::Busy`].
    pub fn hash(&self, password: Secret) -> Result<String> {
        block_on(self.accounts.hash(self.peer, password))
    }

    /// Makes a change as [`SelfService::changing`] does. Blocks for as long as the check, a hash and the disk take.
    ///
    /// # Errors
    /// As [`SelfService::changing`].
    pub fn change(
        &self,
        claim: Claim,
        change: Change,
        renewed: impl FnOnce(Option<&Principal>) + Send + 'static,
    ) -> Result<Option<Principal>> {
        block_on(self.changing(claim, change, renewed))
    }

    /// Makes a change. `renewed` is told who the user is then who has the new password, before sessions end because of it; nobody, if
    /// it was no password that changed.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`], [`Kind::Busy`], [`Kind::Denied`], [`Kind::Revoked`], [`Kind::BadSequence`] without a nonce where
    /// one is needed, those of [`Users::enrol`] and [`Users::revoke`], and those of the disk.
    pub async fn changing(
        &self,
        claim: Claim,
        change: Change,
        renewed: impl FnOnce(Option<&Principal>) + Send + 'static,
    ) -> Result<Option<Principal>> {
        // By the address, as at a login: guesses wait behind those that are made there.
        let (source, from, pin) = (Source::from(self.peer), self.peer, self.pin);
        let hashes = matches!(claim.evidence, Evidence::Password(_)) || matches!(change, Change::Password(_));
        let check = move |users: &Users| prepared(users, claim, change, (from, pin));
        let changed = self.accounts.change_own(&source, hashes, check, renewed).await;
        if changed.as_ref().is_err_and(|error| error.kind() == Kind::LoginFailed) {
            self.admission.penalise(self.peer, Offence::LoginFailed, Instant::now());
            sleep(limits::LOGIN_FAILED_PAUSE).await;
        }
        changed
    }
}

/// What is left to do when it is proven who says so: to write it down.
type Writing = Box<dyn FnOnce(&Users, &StateFolder) -> Result<OwnChange> + Send>;

/// Checks who says so, and does what takes long before anything is locked.
fn prepared(users: &Users, claim: Claim, change: Change, (from, pin): (IpAddr, Pin)) -> Result<Writing> {
    let Claim { user, evidence, nonce } = claim;
    let statement = |purpose| {
        let nonce = nonce.ok_or_else(|| Error::new(Kind::BadSequence, "NONCE comes before a signature"))?;
        Ok::<_, Error>(Statement { purpose, nonce, user: &user, pin })
    };
    // Before anything that takes long: it can be right or wrong whoever says it.
    if let Change::Enrol { key, .. } = &change
        && !key.is_over(&statement(Purpose::Enrolled)?)
    {
        return Err(Error::new(
            Kind::BadCommand,
            "the key that is to be enrolled has not signed this connection's nonce",
        ));
    }
    if let Change::Password(new) = &change {
        users.password_rule().check(&user, new).map_err(|why| Error::new(Kind::BadCommand, why))?;
    }
    let proven = match evidence {
        Evidence::Password(present) => users.verify(&user, &present, from)?,
        Evidence::Keys(proofs) => users.verify_keys(&statement(change.purpose())?, &proofs, from)?,
    };
    Ok(match change {
        Change::Password(new) => {
            let hash = hash_password(&new)?;
            Box::new(move |users, folder| users.choose_password(folder, &proven, &hash))
        }
        Change::Enrol { name, key } => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            Box::new(move |users, folder| users.enrol(folder, &proven, (key.key(), &name), now))
        }
        Change::Revoke(fingerprint) => Box::new(move |users, folder| users.revoke(folder, &proven, &fingerprint)),
    })
}
