//! What a server may write down of a login by password, to know it again after a restart.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::SystemTime;

use super::credential::Credential;
use super::hash::StoredHash;
use super::{Principal, Users};
use crate::files::Hash;

/// Tells a login by one password of one user from all others: it depends on the user's name and on the salted hash of the password,
/// so it is another one for a user who was removed and made again, even with the same password. It logs nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoginTag(Hash);

impl LoginTag {
    fn of(name: &str, password: &StoredHash) -> LoginTag {
        let mut bytes = b"sealift login by password 1".to_vec();
        let parts = password.parts();
        for part in [name.as_bytes()].into_iter().chain(parts.iter().map(Vec::as_slice)) {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        LoginTag(Hash::of(&bytes))
    }
}

impl fmt::Display for LoginTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LoginTag {
    type Err = <Hash as FromStr>::Err;

    fn from_str(text: &str) -> Result<LoginTag, Self::Err> {
        text.parse().map(LoginTag)
    }
}

impl Principal {
    /// The tag of this login; none if it was not by a password.
    pub(crate) fn login_tag(&self) -> Option<LoginTag> {
        match self.credential() {
            Credential::Password(hash) => Some(LoginTag::of(self.name(), hash)),
            Credential::Nothing | Credential::Key(_) | Credential::Link(_) => None,
        }
    }
}

impl Users {
    /// Whoever logged in from there, of which nothing but this is known any more, with the rights of today. None if the user is gone,
    /// disabled or expired, may not be logged in from there, or has another password by now.
    pub(crate) fn known_again(&self, name: &str, tag: LoginTag, from: IpAddr) -> Option<Principal> {
        let user = self.get(name)?;
        let hash = user.hash().filter(|hash| LoginTag::of(name, hash) == tag)?;
        user.grants().admits(from, SystemTime::now()).ok()?;
        Some(Principal::with_password(user, hash, from))
    }
}
