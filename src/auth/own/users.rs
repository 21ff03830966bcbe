//! What users did themselves, taken over into the users of the file, and changed.

use std::net::IpAddr;
use std::sync::Arc;

use super::changes::{Followed, News, Turn};
use super::key::is_name;
use super::proof_basis::ProofBasis;
use super::{After, Changed, EntryTag, Invitation, Own, OwnChange, OwnKey, Record, StateFolder, for_users, used};
use crate::auth::hash::StoredHash;
use crate::auth::users::{User, Users};
use crate::auth::{Principal, Secret};
use crate::error::{Error, Kind, Result};
use crate::keys::PublicKey;
use crate::limits;

/// What is kept of a user of this entry, as another server has written it.
pub struct OwnOfAnother {
    user: String,
    entry: EntryTag,
    own: Own,
}

impl Users {
    /// Takes over what users did themselves, out of the folder where that is kept. Of users who were there `before` with the
    /// same entry it is known already; what is kept of those who are gone is removed, unless it
    /// `keeps_gone`, or other servers, whose users file may have them, keep it too. What could not be read or removed is returned.
    pub fn take_own(&mut self, folder: &StateFolder, before: Option<&Users>, keeps_gone: bool) -> Vec<Error> {
        let mut trouble = Vec::new();
        for (name, user) in &mut self.users {
            let known = before.and_then(|before| before.users.get(name));
            if let Some(known) = known.filter(|known| known.tag() == user.tag() && known.own != Own::Damaged) {
                user.own = known.own.clone();
                continue;
            }
            let is_of_another = known.is_some_and(|known| known.own == Own::Damaged && known.tag() != user.tag());
            if is_of_another && folder.is_alone() {
                trouble.extend(folder.put_aside(name).err());
            }
            let (own, error) = folder.read(user);
            user.own = own;
            trouble.extend(error);
        }
        let gone = before
            .filter(|_| !keeps_gone && folder.is_alone())
            .into_iter()
            .flat_map(|before| &before.users)
            .filter(|(name, _)| !self.users.contains_key(*name));
        trouble.extend(gone.filter_map(|(name, _)| folder.remove_readable(name).err()));
        trouble
    }

    /// Whether what is kept of somebody could not be read.
    pub fn has_damaged_own(&self) -> bool {
        self.users.values().any(|user| user.own == Own::Damaged)
    }

    /// The same users if something that could not be read can be now, or is gone: somebody has put it right.
    pub fn with_mended_own(&self, folder: &StateFolder) -> Option<Users> {
        let damaged = self.users.iter().filter(|(_, user)| user.own == Own::Damaged);
        let mended: Vec<(&String, Own)> =
            damaged.map(|(name, user)| (name, folder.read(user).0)).filter(|(_, own)| *own != Own::Damaged).collect();
        let mut users = (!mended.is_empty()).then(|| self.clone())?;
        for (name, own) in mended {
            if let Some(user) = users.users.get_mut(name) {
                user.own = own;
            }
        }
        Some(users)
    }

    /// What other servers have written since of what is kept of these users. What cannot be read just now is told later; of whoever has a
    /// turn it is damaged until it can be read.
    ///
    /// # Errors
    /// With a turn, that it is not known.
    pub fn own_of_others(
        &self,
        folder: &StateFolder,
        followed: &mut Followed,
        turn: Option<&Turn>,
    ) -> Result<Vec<OwnOfAnother>> {
        let before = followed.clone();
        let files = match folder.news(followed, turn)? {
            News::Nothing => return Ok(Vec::new()),
            News::These(files) => Some(files),
            News::Anything => None,
        };
        let is_new = |name: &str| files.as_ref().is_none_or(|files| files.contains(&folder.file_of(name)));
        let theirs = self.users.iter().filter(|(name, _)| is_new(name));
        let (mut read, mut is_all) = (Vec::new(), true);
        for (name, user) in theirs {
            let (own, trouble) = folder.read(user);
            let is_read = trouble.is_none_or(|error| error.kind() == Kind::BadConfig);
            is_all &= is_read;
            if is_read || turn.is_some() {
                read.push(OwnOfAnother { user: name.clone(), entry: user.tag(), own });
            }
        }
        if !is_all {
            *followed = before;
        }
        Ok(read)
    }

    /// The same users with this in force, if it changes anything.
    pub fn with_own_of_others(&self, all: Vec<OwnOfAnother>) -> Option<Users> {
        let is_new = |one: &OwnOfAnother| {
            self.users.get(&one.user).is_some_and(|user| user.tag() == one.entry && user.own != one.own)
        };
        let all: Vec<OwnOfAnother> = all.into_iter().filter(is_new).collect();
        let mut users = (!all.is_empty()).then(|| self.clone())?;
        for one in all {
            if let Some(user) = users.users.get_mut(&one.user) {
                user.own = one.own;
            }
        }
        Some(users)
    }

    /// Puts a password that a user has chosen, as [`crate::auth::hash_password`] returned it, in the place of the one that is right
    /// now. It is on the disk then, and in force in [`Users::with_own`].
    ///
    /// # Errors
    /// [`Kind::Denied`] if the users file does not allow it, or the principal has proven to have a key that is bounded;
    /// [`Kind::Revoked`] if this principal is not who the user is now; [`Kind::Io`] if what is kept of the user cannot be
    /// read; those of the file system.
    pub fn choose_password(&self, folder: &StateFolder, principal: &Principal, hash: &str) -> Result<OwnChange> {
        let user = self.user_of(principal)?;
        if !principal.grants().self_service.password {
            return Err(chosen_by_administrator());
        }
        let ground = ProofBasis::of(principal, user)?.for_password()?;
        own_password(folder, user, (hash, principal.from()), ground.by, None)
    }

    /// Enrols a key of the user, whom the principal has proven to be: it logs in from then on, as far as what proved it does.
    /// It is on the disk then, and in force in [`Users::with_own`].
    ///
    /// # Errors
    /// [`Kind::Denied`] if the users file does not allow it; [`Kind::Exists`] if the key logs in already;
    /// [`Kind::TooMany`] if there are [`limits::OWN_KEYS_MAX`]; [`Kind::BadCommand`] for a name that a key cannot have;
    /// else as [`Users::choose_password`].
    pub fn enrol(
        &self,
        folder: &StateFolder,
        principal: &Principal,
        (key, name): (&PublicKey, &str),
        now: u64,
    ) -> Result<OwnChange> {
        let user = self.user_of(principal)?;
        if !(user.grants.self_service.keys && principal.grants().self_service.keys) {
            return Err(given_by_administrator());
        }
        if !is_name(name) {
            let text = format!("a key's name has 1 to {} bytes and no control characters", limits::KEY_NAME_MAX);
            return Err(Error::new(Kind::BadCommand, text));
        }
        let ground = ProofBasis::of(principal, user)?;
        let mut record = record_of(folder, user)?;
        if user.key_with(key).is_some() {
            return Err(Error::new(Kind::Exists, "that key logs you in already"));
        }
        // What holds no more makes room.
        let holds = |own: &OwnKey| own.public != *key && user.key_with(&own.public).is_some();
        record.keys.retain(holds);
        if record.keys.len() >= limits::OWN_KEYS_MAX {
            let text = format!("you have {} keys already, as many as allowed: revoke one first", limits::OWN_KEYS_MAX);
            return Err(Error::new(Kind::TooMany, text));
        }
        record.keys.push(OwnKey { public: key.clone(), name: name.to_owned(), added: now, by: ground.by });
        written(folder, user, record, Changed::Keys, None)
    }

    /// Revokes the key of this fingerprint that the user enrolled: it logs in no more. Else as [`Users::enrol`].
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is none; [`Kind::Denied`] if it is the administrator's; else as [`Users::enrol`].
    pub fn revoke(&self, folder: &StateFolder, principal: &Principal, fingerprint: &str) -> Result<OwnChange> {
        let user = self.user_of(principal)?;
        if !(user.grants.self_service.keys && principal.grants().self_service.keys) {
            return Err(given_by_administrator());
        }
        let mut record = record_of(folder, user)?;
        let before = record.keys.len();
        record.keys.retain(|own| own.public.fingerprint() != fingerprint);
        match record.keys.len() < before {
            true => written(folder, user, record, Changed::Keys, None),
            false if user.given_key(fingerprint).is_some() => {
                let text = "the server's administrator gave you that key, and nobody else can remove it";
                Err(Error::new(Kind::Denied, text))
            }
            false => Err(Error::new(Kind::NotFound, "you have no key of this fingerprint")),
        }
    }

    /// Who the principal is now.
    fn user_of(&self, principal: &Principal) -> Result<&User> {
        let user = self.users.get(principal.name()).filter(|_| self.renew(principal).is_some());
        user.ok_or_else(|| Error::new(Kind::Revoked, "your account has changed since you logged in"))
    }

    /// Whether this user can use the invitation with this secret from there, as far as can be told before.
    ///
    /// # Errors
    /// [`Kind::LoginFailed`], as [`Users::verify`] for a user who may not be logged in; [`Kind::Denied`] if the users file does not allow her to choose a password.
    pub fn check_invitation(&self, folder: &StateFolder, user: &str, secret: &Secret, from: IpAddr) -> Result<()> {
        self.invitation(folder, user, secret, from).map(drop)
    }

    /// Chooses a password as [`Users::choose_password`] does, by an invitation, which is used up by that. The user's others are void then.
    ///
    /// # Errors
    /// As [`Users::check_invitation`] and [`Users::choose_password`].
    pub fn redeem(
        &self,
        folder: &StateFolder,
        user: &str,
        (secret, hash): (&Secret, &str),
        from: IpAddr,
    ) -> Result<OwnChange> {
        let (user, invitation) = self.invitation(folder, user, secret, from)?;
        // Whoever has another line, lost or sent twice, is not let in after her. Before this one counts as used: a server that is killed
        // in between leaves this one, which she has.
        folder.withdraw_others(user, invitation.id()).map_err(for_users)?;
        own_password(folder, user, (hash, from), None, Some(invitation.id().to_owned()))
    }

    fn invitation(
        &self,
        folder: &StateFolder,
        user: &str,
        secret: &Secret,
        from: IpAddr,
    ) -> Result<(&User, Invitation)> {
        let user = self.users.get(user);
        let invitation = folder.invitation_of(user, secret)?;
        let user = user.ok_or_else(used)?;
        user.admits(from).map_err(|barred| used().with_source(barred))?;
        if let Own::Is(record) = &user.own
            && record.redeemed.iter().any(|id| id == invitation.id())
        {
            return Err(used());
        }
        match user.grants.self_service.password {
            true => Ok((user, invitation)),
            false => Err(chosen_by_administrator()),
        }
    }

    /// The same users with this change in force, and if it was of the password, who the user is then who has that; none if
    /// the user is gone, or has another entry than the one it was made for.
    pub fn with_own(&self, change: OwnChange) -> Option<After> {
        let mut users = self.clone();
        let user = users.users.get_mut(&change.user).filter(|user| user.tag() == change.record.entry)?;
        user.own = Own::Is(Arc::new(change.record));
        let principal = match change.what {
            Changed::Password(from) => Some(Principal::with_password(user, user.hash()?, from)),
            Changed::Keys => None,
        };
        Some((users, principal))
    }
}

fn chosen_by_administrator() -> Error {
    Error::new(Kind::Denied, "the administrator of this server sets your password")
}

fn given_by_administrator() -> Error {
    Error::new(Kind::Denied, "the administrator of this server sets which keys log you in")
}

/// Writes down that this user's password is this one, what it stands on, and that this invitation was used for it.
fn own_password(
    folder: &StateFolder,
    user: &User,
    (hash, from): (&str, IpAddr),
    by: Option<String>,
    invitation: Option<String>,
) -> Result<OwnChange> {
    if !user.grants.self_service.password {
        return Err(chosen_by_administrator());
    }
    let password = StoredHash::parse(hash).map_err(|why| Error::new(Kind::Internal, format!("the password {why}")))?;
    let mut record = record_of(folder, user)?;
    (record.password, record.password_by) = (Some(password), by);
    record.redeemed.retain(|id| folder.has_invitation(id));
    record.redeemed.extend(invitation.clone());
    written(folder, user, record, Changed::Password(from), invitation)
}

/// What is kept of this user, to be changed: where other servers change it too, as it is there now.
fn record_of(folder: &StateFolder, user: &User) -> Result<Record> {
    if !user.can_choose() {
        let text = "your entry in the users file has neither a password nor an id: nothing tells you from a later user of your \
                    name; the server's administrator adds one (sealiftd check says how)";
        return Err(Error::new(Kind::Denied, text));
    }
    let own = if folder.is_shared() { folder.read(user).0 } else { user.own.clone() };
    match own {
        Own::Nothing => Ok(Record::new(user.tag())),
        Own::Is(record) => Ok(Record::clone(&record)),
        Own::Damaged => Err(Error::new(Kind::Io, "what the server keeps of you cannot be read")),
    }
}

fn written(
    folder: &StateFolder,
    user: &User,
    record: Record,
    what: Changed,
    invitation: Option<String>,
) -> Result<OwnChange> {
    folder.write(user.name(), &record)?;
    Ok(OwnChange { user: user.name().to_owned(), record, what, invitation })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::auth::hash::tests::cheap_hash;

    fn alice() -> (Users, Record) {
        let users = Users::parse(&format!("[users.alice]\npassword = \"{}\"\n", cheap_hash("given")), "f").unwrap();
        let record = Record::new(users.get("alice").unwrap().tag());
        (users, record)
    }

    #[test]
    fn what_is_kept_of_whom_one_of_several_servers_does_not_know_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::open_shared(dir.path(), "a", || Ok(())).unwrap();
        let (mut users, record) = alice();
        folder.write("alice", &record).unwrap();
        assert!(users.take_own(&folder, None, false).is_empty());
        let mut smaller = Users::parse("", "f").unwrap();
        assert!(smaller.take_own(&folder, Some(&users), false).is_empty());
        assert_eq!(folder.read(users.get("alice").unwrap()).0, Own::Is(Arc::new(record)));
        // Nor is it put aside by one whose file has another entry, and that could not read it.
        users.users.get_mut("alice").unwrap().own = Own::Damaged;
        let another = format!("[users.alice]\npassword = \"{}\"\nid = \"later\"\n", cheap_hash("given"));
        let mut another = Users::parse(&another, "f").unwrap();
        assert_ne!(another.get("alice").unwrap().tag(), users.get("alice").unwrap().tag());
        assert!(another.take_own(&folder, Some(&users), false).is_empty());
        assert!(folder.file_of("alice").exists());
    }

    #[test]
    fn what_cannot_be_read_of_one_who_is_gone_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::open(dir.path()).unwrap();
        let (users, record) = alice();
        folder.write("alice", &record).unwrap();
        let (file, aside) = (folder.file_of("alice"), dir.path().join("aside"));
        std::fs::rename(&file, &aside).unwrap();
        std::os::unix::fs::symlink(&file, &file).unwrap();
        let mut smaller = Users::parse("", "f").unwrap();
        assert_eq!(smaller.take_own(&folder, Some(&users), false).len(), 1);
        assert!(file.is_symlink());
        std::fs::rename(&aside, &file).unwrap();
        assert!(smaller.take_own(&folder, Some(&users), false).is_empty());
        assert!(!file.exists());
    }

    #[test]
    fn what_a_server_wrote_that_was_killed_before_it_told_of_it_is_taken_over_and_not_undone() {
        let dir = tempfile::tempdir().unwrap();
        let node = |name: &str| StateFolder::open_shared(dir.path(), name, || Ok(())).unwrap();
        let (one, other, (users, mut record)) = (node("one"), node("other"), alice());
        drop(one.alone(Instant::now()).unwrap());
        one.in_turn(one.alone(Instant::now()).unwrap()).tell("alice").unwrap();
        let mut followed = other.followed();
        record.redeemed.push("0123".to_owned());
        one.in_turn(one.alone(Instant::now()).unwrap()).write("alice", &record).unwrap();
        let read = users.own_of_others(&other, &mut followed, None).unwrap();
        let after = users.with_own_of_others(read).unwrap();
        assert_eq!(after.get("alice").unwrap().own, Own::Is(Arc::new(record.clone())));
        // Whoever has not taken it over changes it as it is there.
        assert_eq!(record_of(&one, users.get("alice").unwrap()).unwrap(), record);
        // The next one who changes something has seen it, too.
        let mut late = one.followed();
        let turn = one.alone(Instant::now()).unwrap();
        assert_eq!(users.own_of_others(&one, &mut late, turn.as_ref()).unwrap().len(), 1);
    }
}
