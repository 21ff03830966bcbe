//! What a change stands on: whoever proves who they are by a key that is bounded, or may be taken away, must not come out
//! with a password or another key that is neither.

use crate::auth::credential::Credential;
use crate::auth::{Principal, User};
use crate::error::{Error, Kind, Result};

/// What somebody has proven to have, for a change that stands on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProofBasis {
    /// The fingerprint of the administrator's key that it comes down to; none: a password of the entry.
    pub(super) by: Option<String>,
    /// Whether that key is for some places, some time, or some rights only.
    is_bounded: bool,
}

impl ProofBasis {
    /// That of this principal, who is this user now.
    ///
    /// # Errors
    /// [`Kind::Denied`] for nobody in particular, and for a key that is gone.
    pub(super) fn of(principal: &Principal, user: &User) -> Result<ProofBasis> {
        let gone = || Error::new(Kind::Denied, "that proves nothing of this user");
        match principal.credential() {
            Credential::Nothing | Credential::Link(_) => Err(gone()),
            Credential::Password(_) => Ok(ProofBasis { by: user.own_password_by().cloned(), is_bounded: false }),
            Credential::Key(login) => {
                let key = user.key_with(&login.public).ok_or_else(gone)?;
                let own = user.own_keys().iter().find(|own| own.public == login.public);
                let is_given = user.keys.iter().any(|given| given.public == login.public);
                let by = if is_given { Some(key.public.fingerprint()) } else { own.and_then(|own| own.by.clone()) };
                Ok(ProofBasis { by, is_bounded: key.is_bounded() })
            }
        }
    }

    /// Proof for a change of the password, which no bounds can follow.
    ///
    /// # Errors
    /// [`Kind::Denied`] for a bounded key.
    pub(super) fn for_password(self) -> Result<ProofBasis> {
        match self.is_bounded {
            false => Ok(self),
            true => {
                let text = "a key that is bounded in the users file chooses no password: give the present password";
                Err(Error::new(Kind::Denied, text))
            }
        }
    }
}
