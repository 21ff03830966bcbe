//! A key that logs a user in, what bounds it, and the check of signatures against the keys that users have.

use std::net::IpAddr;
use std::time::SystemTime;

use super::{Access, Network, Principal, User, Users};
use crate::error::{Error, Kind, Result};
use crate::keys::{Proof, PublicKey, Statement};

/// One key of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserKey {
    pub(super) public: PublicKey,
    pub(super) name: String,
    pub(super) access: Option<Access>,
    pub(super) from: Vec<Network>,
    pub(super) expires: Option<SystemTime>,
}

impl UserKey {
    /// A key without bounds. The name is for people; an empty one becomes the key's fingerprint.
    pub fn new(public: PublicKey, name: &str) -> UserKey {
        let name = if name.is_empty() { public.fingerprint() } else { name.to_owned() };
        UserKey { public, name, access: None, from: Vec::new(), expires: None }
    }

    /// The key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What it is called: its `name`, else its comment, else its fingerprint.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The most rights that a session of this key has; none: those of the user. A key that bounds them never administers.
    pub fn access(&self) -> Option<Access> {
        self.access
    }

    /// Where it may be used from; empty: from everywhere.
    pub fn from(&self) -> &[Network] {
        &self.from
    }

    /// The first moment at which it does not log in any more.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// Whether it is for some rights, some places, or some time only.
    pub fn is_bounded(&self) -> bool {
        self.access.is_some() || !self.from.is_empty() || self.expires.is_some()
    }

    /// Whether it has the same bounds as that one.
    pub fn is_bounded_as(&self, other: &UserKey) -> bool {
        self.access == other.access && self.from == other.from && self.expires == other.expires
    }

    /// Whether it logs in from there at that time.
    pub fn admits(&self, from: IpAddr, now: SystemTime) -> bool {
        let is_near = self.from.is_empty() || self.from.iter().any(|network| network.contains(from));
        is_near && self.expires.is_none_or(|expires| now < expires)
    }
}

impl Users {
    /// Turns signatures over a statement, which names the user, into a principal, for somebody who connected from there.
    /// Every signature is checked, whether the user is known or not, so neither the reply nor the time it takes tells which
    /// names exist or whose a key is. Of several right ones the first of the user's keys counts that logs in now.
    ///
    /// # Errors
    /// `login-failed`: no such user, none of their keys, no right signature, or a key that logs in elsewhere or not any
    /// more; and as [`Users::verify`] for a user who may not be logged in.
    pub fn verify_keys(&self, statement: &Statement<'_>, proofs: &[Proof], from: IpAddr) -> Result<Principal> {
        let right: Vec<&PublicKey> = proofs.iter().filter(|proof| proof.is_over(statement)).map(Proof::key).collect();
        let known = self.users.get(statement.user);
        let now = SystemTime::now();
        let fits = |key: &UserKey| right.contains(&key.public()) && key.admits(from, now);
        let key_of = |user: &User| {
            let given = user.keys.iter().find(|key| fits(key)).cloned();
            given.or_else(|| user.enrolled_keys().into_iter().map(|enrolled| enrolled.key).find(fits))
        };
        let refused = || Error::new(Kind::LoginFailed, "wrong user or key");
        let (user, key) = known.and_then(|user| Some((user, key_of(user)?))).ok_or_else(refused)?;
        user.admits(from).map_err(|barred| refused().with_source(barred))?;
        Ok(Principal::with_key(user, &key, from))
    }
}
