//! The users a server knows, and the check of a name and password against them.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::credential::Credential;
use super::grants::Defaults;
use super::hash::StoredHash;
use super::own::{EntryTag, Links, Own, Record};
use super::reader::{self, Contents};
use super::{Barred, Grants, PasswordRule, Principal, Secret, Shares, UserKey, names, users_file};
use crate::error::{Error, Kind, Result};
use crate::limits::{ARGON2_MEMORY_KIB, PASSWORD_MAX};

/// One named user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub(super) name: String,
    pub(super) grants: Arc<Grants>,
    /// None: no password logs in.
    pub(super) hash: Option<StoredHash>,
    pub(super) keys: Vec<UserKey>,
    /// Tells the entry from a later one of the same name.
    pub(super) id: Option<String>,
    /// What the user did alone. The users file says nothing of it.
    pub(super) own: Own,
}

impl User {
    /// The name, 1 to [`crate::limits::USER_MAX`] bytes without control characters and slashes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is granted.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether the user may be logged in from there now.
    pub(super) fn admits(&self, from: IpAddr) -> Result<(), Barred> {
        self.grants.admits(from, SystemTime::now())
    }

    /// The parameters of the password's hash (`m=7168,t=1`), if guessing it costs less than guessing one that is made
    /// today.
    pub fn weak_hash(&self) -> Option<String> {
        self.hash.as_ref().and_then(StoredHash::weak)
    }

    /// Whether a password logs in.
    pub fn has_password(&self) -> bool {
        self.hash.is_some()
    }

    /// Whether the user was invited and has not joined: no password and no key logs in yet.
    pub fn is_invited(&self) -> bool {
        self.hash().is_some_and(StoredHash::is_unchosen) && self.keys.is_empty() && self.enrolled_keys().is_empty()
    }

    /// The keys that the administrator gave.
    pub fn keys(&self) -> &[UserKey] {
        &self.keys
    }

    /// What a password is checked against: the user's own if there is one, else that of the users file. None: no password
    /// is right.
    pub(super) fn hash(&self) -> Option<&StoredHash> {
        match &self.own {
            Own::Is(record) if self.own_password_holds(record) => record.password.as_ref(),
            Own::Nothing | Own::Is(_) => self.hash.as_ref(),
            Own::Damaged => None,
        }
    }

    fn own_password_holds(&self, record: &Record) -> bool {
        let is_good = |by: &String| {
            let key = self.keys.iter().find(|key| key.public.fingerprint() == *by);
            key.is_some_and(|key| !key.is_bounded())
        };
        self.grants.self_service.password
            && record.password.is_some()
            && record.password_by.as_ref().is_none_or(is_good)
    }

    /// The administrator's key that the user's own password stands on, if it is in force and stands on one.
    pub(super) fn own_password_by(&self) -> Option<&String> {
        match &self.own {
            Own::Is(record) if self.own_password_holds(record) => record.password_by.as_ref(),
            Own::Nothing | Own::Is(_) | Own::Damaged => None,
        }
    }

    /// Whether the entry has something that tells it from a later one of the same name: what a user chooses belongs to that.
    pub fn can_choose(&self) -> bool {
        self.hash.is_some() || self.id.is_some()
    }

    /// Tells the entry of the users file from others.
    pub(super) fn tag(&self) -> EntryTag {
        EntryTag::of(&self.name, self.hash.as_ref(), self.id.as_deref())
    }

    /// What tells the entry of the users file from others, as text: for whoever writes down what belongs to this entry alone.
    pub(crate) fn entry_tag(&self) -> String {
        self.tag().to_string()
    }
}

/// What a users file says, checked and unchangeable. To take an edited file over, load a new one.
#[derive(Debug, Clone)]
pub struct Users {
    pub(super) anonymous: Option<Arc<Grants>>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) defaults: Defaults,
    pub(super) shares: Shares,
    /// Checked for unknown names when there is no named user.
    nobody: StoredHash,
    /// What others may do by way of users' rights.
    pub(super) links: Arc<Links>,
    /// Chooses whose hash an unknown name is checked against.
    decoys: RandomState,
}

impl Users {
    /// Reads the text of a users file; `file_name` is what errors call it.
    ///
    /// # Errors
    /// `bad-config` with `FILE:LINE: what is wrong`. No error repeats a value that may be a password.
    pub fn parse(text: &str, file_name: &str) -> Result<Users> {
        let Contents { anonymous, users, defaults, shares } = reader::read(text, file_name)?;
        Ok(Users {
            anonymous,
            users,
            defaults,
            shares,
            nobody: StoredHash::nobodys()?,
            links: Arc::default(),
            decoys: RandomState::new(),
        })
    }

    /// Reads a users file. Links are followed; only a regular file of at most [`crate::limits::USERS_FILE_MAX`] bytes
    /// is read.
    ///
    /// # Errors
    /// `not-found`, `denied` and the like when it cannot be opened; `bad-config` when it is no text file, empty, or its
    /// text is wrong.
    pub fn load(path: &Path) -> Result<Users> {
        let (text, file) = (users_file::read(path)?, path.display().to_string());
        // An editor that failed leaves it so. A server where nobody may log in has a file that says that.
        if text.trim().is_empty() {
            return Err(Error::new(Kind::BadConfig, format!("{file}: is empty")));
        }
        Users::parse(&text, &file)
    }

    /// What passwords have to be that are chosen from now on.
    pub fn password_rule(&self) -> PasswordRule {
        self.defaults.passwords
    }

    /// The text for a first start: anonymous reading, no named user.
    pub fn starter() -> &'static str {
        include_str!("starter.toml")
    }

    /// Turns a name and a password into a principal, for somebody who connected from there. Blocks: exactly one argon2 run for every name that is not
    /// anonymous, known or not, with the parameters of a real user's hash, so that neither the reply nor the time it
    /// takes tells which names exist (CVE-2018-15473). It takes up to [`Users::worst_case_memory_kib`].
    ///
    /// # Errors
    /// `login-failed`: wrong user or password, anonymous reading is off, or a password over [`PASSWORD_MAX`] bytes, which
    /// is refused before hashing (CVE-2016-6515). In the same words and at the same cost as a wrong password, and with a
    /// [`Barred`] as its source for the log, if the user may not be logged in now or from there. `busy` without memory.
    pub fn verify(&self, user: &str, password: &Secret, from: IpAddr) -> Result<Principal> {
        if names::is_anonymous(user) {
            return self.anonymous_or_refused().cloned().map(|grants| Principal::anonymous(grants, from));
        }
        if password.expose().len() > PASSWORD_MAX {
            return Err(Error::new(Kind::LoginFailed, format!("the password is longer than {PASSWORD_MAX} bytes")));
        }
        let known = self.users.get(user);
        let own = known.and_then(|known| Some((known, known.hash()?)));
        // Somebody who has keys alone costs what an unknown name costs.
        let hash = own.map_or_else(|| self.decoy(user), |(_, hash)| hash);
        let right = hash.matches(password)?;
        let refused = || Error::new(Kind::LoginFailed, "wrong user or password");
        let (known, hash) = own.filter(|_| right).ok_or_else(refused)?;
        known.admits(from).map_err(|barred| refused().with_source(barred))?;
        Ok(Principal::with_password(known, hash, from))
    }

    /// The hash an unknown name is checked against: a real user's, always the same one for the same name. So, where
    /// hashes differ in their parameters, unknown names cost what known ones cost, in the same proportions. That the
    /// password may fit it does not matter: an unknown name never gets a principal.
    fn decoy(&self, name: &str) -> &StoredHash {
        let hashes = || self.users.values().filter_map(User::hash);
        let choice = self.decoys.hash_one(name) % hashes().count().max(1) as u64;
        hashes().nth(choice as usize).unwrap_or(&self.nobody)
    }

    /// The most memory one [`Users::verify`] can take, in KiB: what a limit on parallel logins must reckon with. The
    /// process keeps what its busiest moment took, so that limit also bounds what it holds when nobody logs in.
    pub fn worst_case_memory_kib(&self) -> u32 {
        let hashes = self.users.values().flat_map(|user| [user.hash(), user.hash.as_ref()]).flatten();
        hashes.map(StoredHash::memory_kib).fold(ARGON2_MEMORY_KIB, u32::max)
    }

    /// Whether a login now would give the very same principal: nothing of the user has changed since, the password
    /// included.
    pub fn still_has(&self, principal: &Principal) -> bool {
        self.renew(principal).as_ref() == Some(principal)
    }

    /// Who somebody who has logged in is now: the same with the rights of today. None if the user is gone, disabled or
    /// expired, may not be logged in from there any more, or has another password or folder than at the login; if the
    /// key that logged in is gone, has expired, or is not to be used from there any more; or, of anonymous, if that is off or
    /// has another folder.
    pub fn renew(&self, principal: &Principal) -> Option<Principal> {
        self.today(principal, principal.from()).ok().filter(|now| now.is_same_user(principal))
    }

    /// Somebody who has proven who they are, and is at that address now, with the folder, quota and rights of today.
    ///
    /// # Errors
    /// [`Kind::Revoked`] if the user is gone or has another password by now, or the key does not log in any more; or, of
    /// anonymous, if that is off. [`Kind::LoginFailed`], with a [`Barred`] as its source, if the user may not be logged in now
    /// or from there.
    pub fn admit(&self, principal: &Principal, from: IpAddr) -> Result<Principal> {
        let now = self.today(principal, from)?;
        if now.has_same_credential(principal) { Ok(now) } else { Err(changed()) }
    }

    fn today(&self, principal: &Principal, from: IpAddr) -> Result<Principal> {
        let user = || self.users.get(principal.name()).ok_or_else(changed);
        let now = match principal.credential() {
            Credential::Nothing => {
                let grants = self.anonymous.clone().ok_or_else(changed)?;
                return Ok(Principal::anonymous(grants, from));
            }
            Credential::Password(_) => {
                let user = user()?;
                Principal::with_password(user, user.hash().ok_or_else(changed)?, from)
            }
            Credential::Key(login) => {
                let user = user()?;
                let key = user.key_with(&login.public).filter(|key| key.admits(from, SystemTime::now()));
                Principal::with_key(user, &key.ok_or_else(changed)?, from)
            }
            Credential::Link(link) => return self.by_link(link, from).ok_or_else(changed),
        };
        let barred = |barred| Error::new(Kind::LoginFailed, "wrong user or password").with_source(barred);
        now.grants().admits(from, SystemTime::now()).map_err(barred)?;
        Ok(now)
    }

    /// Whether a user, a key or a link has expired since that moment, up to this one.
    pub fn expired_between(&self, since: SystemTime, now: SystemTime) -> bool {
        let keys = self.users.values().flat_map(|user| &user.keys).filter_map(UserKey::expires);
        let mut all = keys.chain(self.users.values().filter_map(|user| user.grants.expires));
        all.any(|expires| since < expires && expires <= now) || self.links.expired_between(since, now)
    }

    /// The named users in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// The named user of exactly this name.
    pub fn get(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// What the file grants a login name. Unlike [`Users::verify`] it tells which names exist: for whoever can read
    /// the file anyway.
    ///
    /// # Errors
    /// `login-failed` for anonymous where that is off; `not-found` for a name that is not in the file.
    pub fn grants_of(&self, name: &str) -> Result<&Grants> {
        if names::is_anonymous(name) {
            return self.anonymous_or_refused().map(|grants| &**grants);
        }
        let known = self.users.get(name).map(User::grants);
        known.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no user '{name}'")))
    }

    fn anonymous_or_refused(&self) -> Result<&Arc<Grants>> {
        self.anonymous.as_ref().ok_or_else(|| Error::new(Kind::LoginFailed, "anonymous reading is off"))
    }

    /// The home of anonymous reading, if it is on.
    pub fn anonymous_home(&self) -> Option<&str> {
        self.anonymous.as_ref().map(|grants| grants.home.as_str())
    }

    /// The groups and the folders that are shared.
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// What the file grants a user of this name whose section says nothing.
    pub fn defaults_of(&self, name: &str) -> Grants {
        self.defaults.of(name)
    }

    /// The folders that more than one user reaches. That is allowed, as two users may share a folder, but worth a warning.
    /// `anonymous` is among the names if it is on.
    pub fn shared_homes(&self) -> Vec<SharedHome<'_>> {
        let anonymous = self.anonymous_home().map(|home| (names::ANONYMOUS, home));
        let named = self.iter().map(|user| (user.name(), user.grants.home.as_str()));
        // By their parts, so that `bob` and `bob2` are apart (CVE-2026-40876), and what is inside comes right behind.
        let mut homes: BTreeMap<Vec<&str>, SharedHome<'_>> = BTreeMap::new();
        for (name, home) in anonymous.into_iter().chain(named) {
            let fresh = || SharedHome { home, owners: Vec::new(), inside: Vec::new() };
            homes.entry(home.split('/').collect()).or_insert_with(fresh).owners.push(name);
        }
        let (mut found, mut around) = (Vec::new(), Vec::<(Vec<&str>, SharedHome<'_>)>::new());
        for (parts, shared) in homes {
            while let Some((_, done)) = around.pop_if(|(outer, _)| !parts.starts_with(outer)) {
                found.push(done);
            }
            for (_, outer) in &mut around {
                outer.inside.extend(&shared.owners);
            }
            around.push((parts, shared));
        }
        found.extend(around.into_iter().map(|(_, shared)| shared));
        found.retain(|shared| shared.owners.len() > 1 || !shared.inside.is_empty());
        found.sort_by_key(|shared| shared.home);
        found
    }
}

fn changed() -> Error {
    Error::new(Kind::Revoked, "your account has changed just now")
}

/// A folder that more than one user reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedHome<'a> {
    /// Where it is below the data directory.
    pub home: &'a str,
    /// Whose home it is, at least one; anonymous first.
    pub owners: Vec<&'a str>,
    /// Whose homes lie inside it.
    pub inside: Vec<&'a str>,
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
