//! What users did themselves, taken over into the users of the file, and changed.

use std::sync::Arc;

use super::{Invitation, Own, OwnChange, Record, StateFolder, used};
use crate::auth::hash::StoredHash;
use crate::auth::users::{User, Users};
use crate::auth::{Principal, Secret};
use crate::error::{Error, Kind, Result};

impl Users {
    /// Takes over what users did themselves, out of the folder where that is kept. Of users who were there `before` with the
    /// same entry it is known already; what is kept of those who are gone is removed, unless it
    /// `keeps_gone`. What could not be read or removed is returned.
    pub fn take_own(&mut self, folder: &StateFolder, before: Option<&Users>, keeps_gone: bool) -> Vec<Error> {
        let mut trouble = Vec::new();
        for (name, user) in &mut self.users {
            let known = before.and_then(|before| before.users.get(name));
            if let Some(known) = known.filter(|known| known.tag() == user.tag() && known.own != Own::Damaged) {
                user.own = known.own.clone();
                continue;
            }
            if known.is_some_and(|known| known.own == Own::Damaged && known.tag() != user.tag()) {
                trouble.extend(folder.put_aside(name).err());
            }
            let (own, error) = folder.read(user);
            user.own = own;
            trouble.extend(error);
        }
        let gone = before
            .filter(|_| !keeps_gone)
            .into_iter()
            .flat_map(|before| before.users.keys())
            .filter(|name| !self.users.contains_key(*name));
        trouble.extend(gone.filter_map(|name| folder.remove(name).err()));
        trouble
    }

    /// Puts a password that a user has chosen, as [`crate::auth::hash_password`] returned it, in the place of the one that is right
    /// now. It is on the disk then, and in force in [`Users::with_own`].
    ///
    /// # Errors
    /// [`Kind::Denied`] if the users file does not allow it; [`Kind::Revoked`] if this principal is not who the user is
    /// now; [`Kind::Io`] if what is kept of the user cannot be read; those of the file system.
    pub fn choose_password(&self, folder: &StateFolder, principal: &Principal, hash: &str) -> Result<OwnChange> {
        let user = self.users.get(principal.name()).filter(|_| self.renew(principal).is_some());
        let user = user.ok_or_else(|| Error::new(Kind::Revoked, "your account has changed since you logged in"))?;
        own_password(folder, user, hash, None)
    }

    /// Whether this user can use the invitation with this secret, as far as can be told before.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`]; [`Kind::Denied`] if the users file does not allow her to choose a password.
    pub fn check_invitation(&self, folder: &StateFolder, user: &str, secret: &Secret) -> Result<()> {
        self.invitation(folder, user, secret).map(drop)
    }

    /// The same as [`Users::choose_password`] for whoever has an invitation, which is used up by that.
    ///
    /// # Errors
    /// As [`Users::check_invitation`] and [`Users::choose_password`].
    pub fn redeem(&self, folder: &StateFolder, user: &str, secret: &Secret, hash: &str) -> Result<OwnChange> {
        let (user, invitation) = self.invitation(folder, user, secret)?;
        own_password(folder, user, hash, Some(invitation.id().to_owned()))
    }

    fn invitation(&self, folder: &StateFolder, user: &str, secret: &Secret) -> Result<(&User, Invitation)> {
        let user = self.users.get(user);
        let invitation = folder.invitation_of(user, secret)?;
        let user = user.ok_or_else(used)?;
        if let Own::Is(record) = &user.own
            && record.redeemed.iter().any(|id| id == invitation.id())
        {
            return Err(used());
        }
        match user.self_service.password {
            true => Ok((user, invitation)),
            false => Err(chosen_by_administrator()),
        }
    }

    /// The same users with this change in force, and who the user is then; none if the user is gone, or has another entry
    /// than the one it was made for.
    pub fn with_own(&self, change: OwnChange) -> Option<(Users, Principal)> {
        let mut users = self.clone();
        let user = users.users.get_mut(&change.user).filter(|user| user.tag() == change.record.entry)?;
        user.own = Own::Is(Arc::new(change.record));
        let principal = Principal::with_password(user, user.hash()?);
        Some((users, principal))
    }
}

fn chosen_by_administrator() -> Error {
    Error::new(Kind::Denied, "the administrator of this server sets your password")
}

/// Writes down that this user's password is this one, and that this invitation was used for it.
fn own_password(folder: &StateFolder, user: &User, hash: &str, invitation: Option<String>) -> Result<OwnChange> {
    if !user.self_service.password {
        return Err(chosen_by_administrator());
    }
    if !user.can_choose() {
        let text = "the users file has neither a password nor a key of yours: nothing tells you from a later user of your name";
        return Err(Error::new(Kind::Denied, text));
    }
    let password = StoredHash::parse(hash).map_err(|why| Error::new(Kind::Internal, format!("the password {why}")))?;
    let mut record = match &user.own {
        Own::Nothing => Record::new(user.tag()),
        Own::Is(record) => Record::clone(record),
        Own::Damaged => return Err(Error::new(Kind::Io, "what the server keeps of you cannot be read")),
    };
    record.password = Some(password);
    record.redeemed.retain(|id| folder.has_invitation(id));
    record.redeemed.extend(invitation.clone());
    folder.write(user.name(), &record)?;
    Ok(OwnChange { user: user.name().to_owned(), record, invitation })
}
