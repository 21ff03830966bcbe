//! The users a server knows, and the check of a name and password against them.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::credential::Credential;
use super::hash::StoredHash;
use super::own::{self, EntryTag, Invitation, Own, OwnChange, Record, StateFolder};
use super::{Access, Grants, Principal, Secret, SelfService, Standing, UserKey, form, names, users_file};
use crate::error::{Error, Kind, Result};
use crate::limits::{ARGON2_MEMORY_KIB, PASSWORD_MAX};

/// One named user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub(super) name: String,
    pub(super) home: String,
    pub(super) access: Access,
    pub(super) admin: bool,
    pub(super) quota: Option<u64>,
    /// None: no password logs in.
    pub(super) hash: Option<StoredHash>,
    pub(super) keys: Vec<UserKey>,
    pub(super) self_service: SelfService,
    /// What the user did alone. The users file says nothing of it.
    pub(super) own: Own,
}

impl User {
    /// The name, 1 to [`crate::limits::USER_MAX`] bytes without control characters and slashes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The home, as [`Principal::home`] has it.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// The rights.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether the user may administer the server.
    pub fn is_admin(&self) -> bool {
        self.admin
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

    /// The keys that log in.
    pub fn keys(&self) -> &[UserKey] {
        &self.keys
    }

    /// What a session of this key may do: no more than the key allows, and nothing of an administrator's if it bounds
    /// anything.
    pub fn grants_of(&self, key: &UserKey) -> Grants {
        match key.access() {
            None => self.standing().grants,
            Some(bound) => {
                let access = self.access.intersection(bound);
                Grants { access, admin: false, self_service: SelfService::NONE }
            }
        }
    }

    /// What a password is checked against: the user's own if there is one, else that of the users file. None: no password
    /// is right.
    pub(super) fn hash(&self) -> Option<&StoredHash> {
        match &self.own {
            Own::Is(record) if self.self_service.password => record.password.as_ref().or(self.hash.as_ref()),
            Own::Nothing | Own::Is(_) => self.hash.as_ref(),
            Own::Damaged => None,
        }
    }

    /// Whether the entry has something that tells it from a later one of the same name: what a user chooses belongs to that.
    pub fn can_choose(&self) -> bool {
        self.hash.is_some() || !self.keys.is_empty()
    }

    /// Tells the entry of the users file from others.
    pub(super) fn tag(&self) -> EntryTag {
        EntryTag::of(&self.name, self.hash.as_ref(), &self.keys)
    }

    /// What the file says about this user.
    pub fn standing(&self) -> Standing<'_> {
        let grants = Grants { access: self.access, admin: self.admin, self_service: self.self_service };
        Standing { name: &self.name, home: &self.home, grants }
    }

    /// The most bytes in the home, as [`Principal::quota`] has it.
    pub fn quota(&self) -> Option<u64> {
        self.quota
    }
}

/// What a users file says, checked and unchangeable. To take an edited file over, load a new one.
#[derive(Debug, Clone)]
pub struct Users {
    pub(super) anonymous: Option<String>,
    pub(super) users: BTreeMap<String, User>,
    /// What users may change whose own sections say nothing of it.
    pub(super) self_service: SelfService,
    /// Checked for unknown names when there is no named user.
    nobody: StoredHash,
    /// Chooses whose hash an unknown name is checked against.
    decoys: RandomState,
}

impl Users {
    /// Reads the text of a users file; `file_name` is what errors call it.
    ///
    /// # Errors
    /// `bad-config` with `FILE:LINE: what is wrong`. No error repeats a value that may be a password.
    pub fn parse(text: &str, file_name: &str) -> Result<Users> {
        let form = form::read(text, file_name)?;
        Ok(Users {
            anonymous: form.anonymous,
            users: form.users,
            self_service: form.self_service,
            nobody: StoredHash::nobodys()?,
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

    /// The text for a first start: anonymous reading, no named user.
    pub fn starter() -> &'static str {
        include_str!("starter.toml")
    }

    /// Turns a name and a password into a principal. Blocks: exactly one argon2 run for every name that is not
    /// anonymous, known or not, with the parameters of a real user's hash, so that neither the reply nor the time it
    /// takes tells which names exist (CVE-2018-15473). It takes up to [`Users::worst_case_memory_kib`].
    ///
    /// # Errors
    /// `login-failed`: wrong user or password, anonymous reading is off, or a password over [`PASSWORD_MAX`] bytes, which
    /// is refused before hashing (CVE-2016-6515). `busy` without memory.
    pub fn verify(&self, user: &str, password: &Secret) -> Result<Principal> {
        if names::is_anonymous(user) {
            return self.anonymous_or_refused().map(Principal::anonymous);
        }
        if password.expose().len() > PASSWORD_MAX {
            return Err(Error::new(Kind::LoginFailed, format!("the password is longer than {PASSWORD_MAX} bytes")));
        }
        let known = self.users.get(user);
        let own = known.and_then(|known| Some((known, known.hash()?)));
        // Somebody who has keys alone costs what an unknown name costs.
        let hash = own.map_or_else(|| self.decoy(user), |(_, hash)| hash);
        let right = hash.matches(password)?;
        match own {
            Some((known, hash)) if right => Ok(Principal::with_password(known, hash)),
            _ => Err(Error::new(Kind::LoginFailed, "wrong user or password")),
        }
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

    /// Who somebody who has logged in is now: the same with the rights of today. None if the user is gone, or has another
    /// password, folder or quota than at the login; if the key that logged in is gone, has expired, or is not to be used
    /// from there any more; or, of anonymous, if that is off or has another folder.
    pub fn renew(&self, principal: &Principal) -> Option<Principal> {
        self.today(principal).filter(|now| now.is_same_user(principal))
    }

    /// Somebody who has proven just now who they are, with the folder, quota and rights of today. None if the user is
    /// gone or has another password by now, or the key does not log in any more; or, of anonymous, if that is off.
    pub fn admit(&self, principal: &Principal) -> Option<Principal> {
        self.today(principal).filter(|now| now.has_same_credential(principal))
    }

    fn today(&self, principal: &Principal) -> Option<Principal> {
        let user = self.users.get(principal.name());
        match principal.credential() {
            Credential::Nothing => self.anonymous.as_deref().map(Principal::anonymous),
            Credential::Password(_) => user.and_then(|user| Some(Principal::with_password(user, user.hash()?))),
            Credential::Key(login) => user.and_then(|user| {
                let now = SystemTime::now();
                let key = user.keys.iter().find(|key| key.public == login.public && key.admits(login.from, now))?;
                Some(Principal::with_key(user, key, login.from))
            }),
        }
    }

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

    /// Puts a password that a user has chosen, as [`super::hash_password`] returned it, in the place of the one that is right
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
        let user = user.ok_or_else(own::used)?;
        if let Own::Is(record) = &user.own
            && record.redeemed.iter().any(|id| id == invitation.id())
        {
            return Err(own::used());
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

    /// The named users in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &User> {
        self.users.values()
    }

    /// The named user of exactly this name.
    pub fn get(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// What the file says about a login name. Unlike [`Users::verify`] it tells which names exist: for whoever can read
    /// the file anyway.
    ///
    /// # Errors
    /// `login-failed` for anonymous where that is off; `not-found` for a name that is not in the file.
    pub fn standing(&self, name: &str) -> Result<Standing<'_>> {
        if names::is_anonymous(name) {
            return self.anonymous_or_refused().map(Standing::anonymous);
        }
        let known = self.users.get(name).map(User::standing);
        known.ok_or_else(|| Error::new(Kind::NotFound, format!("there is no user '{name}'")))
    }

    fn anonymous_or_refused(&self) -> Result<&str> {
        self.anonymous_home().ok_or_else(|| Error::new(Kind::LoginFailed, "anonymous reading is off"))
    }

    /// The home of anonymous reading, if it is on.
    pub fn anonymous_home(&self) -> Option<&str> {
        self.anonymous.as_deref()
    }

    /// The folders that more than one user reaches. That is allowed, as two users may share a folder, but worth a warning.
    /// `anonymous` is among the names if it is on.
    pub fn shared_homes(&self) -> Vec<SharedHome<'_>> {
        let anonymous = self.anonymous.as_deref().map(|home| (names::ANONYMOUS, home));
        let named = self.iter().map(|user| (user.name(), user.home()));
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

/// A folder that more than one user reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedHome<'a> {
    /// Where it is below the data directory.
    pub home: &'a str,
    /// Whose home it is, at least one; anonymous first.
    pub owners: Vec<&'a str>,
    /// Whose homes lie inside it.
    pub inside: Vec<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::super::hash::tests::{cheap_hash, take_runs};
    use super::*;
    use crate::limits::ARGON2_MEMORY_MIN_KIB;

    const CHEAP: (u32, u32, u32) = (ARGON2_MEMORY_MIN_KIB, 1, 1);

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    fn alice(anonymous: bool) -> Users {
        let hash = cheap_hash("right");
        let text = format!(
            "[anonymous]\nenabled = {anonymous}\n[users.alice]\npassword = \"{hash}\"\naccess = [\"list\"]\nadmin = true\n"
        );
        let users = Users::parse(&text, "users.toml").unwrap();
        take_runs();
        users
    }

    #[test]
    fn the_right_password_gives_the_principal_of_the_file() {
        let principal = alice(true).verify("alice", &secret("right")).unwrap();
        assert_eq!((principal.name(), principal.home(), principal.access()), ("alice", "alice", Access::LIST));
        assert!(principal.is_admin() && !principal.is_anonymous());
        assert_eq!(take_runs(), [CHEAP]);
    }

    #[test]
    fn a_standing_says_what_a_login_would_give_without_being_one() {
        let users = alice(true);
        for (name, password) in [("alice", "right"), ("anonymous", ""), ("FTP", "")] {
            let (standing, principal) = (users.standing(name).unwrap(), users.verify(name, &secret(password)).unwrap());
            assert_eq!((standing.name, standing.home), (principal.name(), principal.home()));
            assert_eq!(standing.grants, principal.grants());
        }
        assert_eq!(users.standing("Alice").unwrap_err().kind(), Kind::NotFound);
        assert_eq!(alice(false).standing("anonymous").unwrap_err().kind(), Kind::LoginFailed);
    }

    #[test]
    fn a_principal_holds_until_anything_of_its_user_changes() {
        let users = alice(true);
        let (named, anybody) =
            (users.verify("alice", &secret("right")).unwrap(), users.verify("ftp", &secret("")).unwrap());
        assert!(users.still_has(&named) && users.still_has(&anybody));
        let text = |password, more: &str| {
            format!("[users.alice]\npassword = \"{}\"\naccess = [\"list\"]\nadmin = true\n{more}", cheap_hash(password))
        };
        let of = |text: &str| Users::parse(text, "users.toml").unwrap();
        assert!(of(&text("right", "")).still_has(&named), "read again and the same");
        for changed in [
            text("other", ""),
            text("right", "home = \"elsewhere\"\n"),
            text("right", "quota = \"1 MiB\"\n"),
            text("right", "").replace("list", "upload"),
            text("right", "").replace("true", "false"),
            text("right", "").replace("alice", "bob"),
        ] {
            assert!(!of(&changed).still_has(&named), "{changed}");
            assert!(!of(&changed).still_has(&anybody), "anonymous reading is off");
        }
        // Whoever is just logging in is let in as the user is now, if the password is the one that was checked.
        let moved = of(&text("right", "home = \"elsewhere\"\n")).admit(&named);
        assert_eq!(moved.map(|now| now.home().to_owned()).as_deref(), Some("elsewhere"));
        assert_eq!(of(&text("other", "")).admit(&named), None);
        assert_eq!(of(&text("right", "").replace("alice", "bob")).admit(&named), None);
        assert_eq!(of(&text("right", "")).admit(&anybody), None);
        take_runs();
    }

    #[test]
    fn a_wrong_password_and_an_unknown_user_are_alike_in_words_and_in_work() {
        let users = alice(true);
        let outcome = |user, password| {
            let err = users.verify(user, &secret(password)).unwrap_err();
            (err.kind(), err.text().to_owned(), take_runs())
        };
        let wrong = outcome("alice", "wrong");
        assert_eq!(wrong, (Kind::LoginFailed, "wrong user or password".to_owned(), vec![CHEAP]));
        for unknown in ["bob", "Alice", "", "a/b", "../alice", "a\0"] {
            assert_eq!(outcome(unknown, "wrong"), wrong, "{unknown:?}");
            assert_eq!(
                outcome(unknown, "right"),
                wrong,
                "{unknown:?}: a real user's password is nothing for another name"
            );
        }
        assert_eq!(outcome("alice", ""), wrong);
    }

    #[test]
    fn unknown_names_cost_what_known_ones_cost_and_the_same_each_time() {
        let cheap = cheap_hash("right");
        let dearer = cheap.replace("m=7168", "m=7169");
        let text = format!("[users.a]\npassword = \"{cheap}\"\n[users.b]\npassword = \"{dearer}\"\n");
        let users = Users::parse(&text, "users.toml").unwrap();
        let names: Vec<String> = (0..20).map(|i| format!("nobody{i}")).collect();
        let memory = || -> Vec<u32> { names.iter().map(|name| users.decoy(name).memory_kib()).collect() };
        assert_eq!(memory(), memory());
        assert!(memory().iter().all(|m| [7168, 7169].contains(m)));
        let distinct: std::collections::BTreeSet<u32> =
            (0..200).map(|i| users.decoy(&i.to_string()).memory_kib()).collect();
        assert_eq!(distinct.len(), 2, "both users serve as decoys");
    }

    #[test]
    fn without_named_users_an_unknown_name_costs_what_a_new_hash_costs() {
        let users = Users::parse("", "users.toml").unwrap();
        take_runs();
        assert_eq!(users.verify("bob", &secret("x")).unwrap_err().kind(), Kind::LoginFailed);
        assert_eq!(take_runs(), [(ARGON2_MEMORY_KIB, 2, 1)]);
    }

    #[test]
    fn anonymous_reads_with_any_password_and_without_argon2() {
        let users = alice(true);
        for name in ["anonymous", "ftp", "Anonymous"] {
            for password in [String::new(), "x@example.org".into(), "x".repeat(PASSWORD_MAX + 1)] {
                let principal = users.verify(name, &Secret::new(password)).unwrap();
                assert_eq!((principal.name(), principal.home()), ("anonymous", "public"));
                assert_eq!(principal.access(), Access::READ);
                assert!(principal.is_anonymous() && !principal.is_admin());
            }
        }
        assert_eq!(take_runs(), []);
    }

    #[test]
    fn anonymous_is_refused_where_it_is_off() {
        let users = alice(false);
        let err = users.verify("anonymous", &secret("")).unwrap_err();
        assert_eq!((err.kind(), err.text()), (Kind::LoginFailed, "anonymous reading is off"));
        assert_eq!(take_runs(), []);
    }

    #[test]
    fn a_long_password_is_refused_before_hashing_whoever_it_is_for() {
        let users = alice(true);
        for name in ["alice", "bob"] {
            let err = users.verify(name, &Secret::new(vec![b'x'; PASSWORD_MAX + 1])).unwrap_err();
            assert_eq!((err.kind(), err.text()), (Kind::LoginFailed, "the password is longer than 1024 bytes"));
        }
        assert_eq!(take_runs(), []);
        users.verify("alice", &Secret::new(vec![b'x'; PASSWORD_MAX])).unwrap_err();
        assert_eq!(take_runs(), [CHEAP]);
    }

    #[test]
    fn the_worst_case_is_the_largest_hash_or_a_new_one() {
        assert_eq!(alice(true).worst_case_memory_kib(), ARGON2_MEMORY_KIB);
        let hash = cheap_hash("x").replace("m=7168", "m=65536");
        let users = Users::parse(&format!("[users.a]\npassword = \"{hash}\"\n"), "f").unwrap();
        assert_eq!(users.worst_case_memory_kib(), 65536);
    }

    #[test]
    fn the_starter_file_lets_anybody_read_and_nobody_write() {
        let users = Users::parse(Users::starter(), "users.toml").unwrap();
        assert_eq!((users.anonymous_home(), users.iter().count()), (Some("public"), 0));
    }

    #[test]
    fn shared_homes_are_found_part_by_part() {
        let hash = cheap_hash("x");
        let homes = [
            ("a", "bob"),
            ("b", "bob2"),
            ("c", "bob/docs"),
            ("d", "public"),
            ("e", "bob"),
            ("f", "bob/docs/x/y"),
            ("g", "bob-by"),
        ];
        let text = homes.map(|(name, home)| format!("[users.{name}]\npassword = \"{hash}\"\nhome = \"{home}\"\n"));
        let text = format!("[anonymous]\nenabled = true\n{}", text.concat());
        let users = Users::parse(&text, "f").unwrap();
        let shared = |home, owners: &[&'static str], inside: &[&'static str]| SharedHome {
            home,
            owners: owners.to_vec(),
            inside: inside.to_vec(),
        };
        let expected = [
            shared("bob", &["a", "e"], &["c", "f"]),
            shared("bob/docs", &["c"], &["f"]),
            shared("public", &["anonymous", "d"], &[]),
        ];
        assert_eq!(users.shared_homes(), expected);
    }

    /// With every pair compared this took minutes.
    #[test]
    fn twenty_thousand_users_are_read_and_compared() {
        let hash = cheap_hash("x");
        let user = |i: u32| format!("[users.user{i:05}]\npassword = \"{hash}\"\naccess = \"full\"\nadmin = false\n\n");
        let text: String = (0..20_000).map(user).collect();
        assert!(text.len() as u64 <= crate::limits::USERS_FILE_MAX / 2, "{}", text.len());
        let users = Users::parse(&text, "f").unwrap();
        assert_eq!((users.iter().count(), users.shared_homes().len()), (20_000, 0));
    }

    #[test]
    fn users_print_no_hash() {
        let users = alice(true);
        let printed = format!("{users:?}");
        assert!(printed.contains("alice") && !printed.contains("$argon2id"), "{printed}");
    }
}
