//! Users from elsewhere than a users file: out of a database, or a program's own memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::hash::StoredHash;
use super::own::Own;
use super::{Grants, RateLimits, User, UserKey, Users, names};
use crate::error::{Error, Kind, Result};
use crate::limits;

/// Who may log in, wherever that is kept. Called from several threads at once.
///
/// It gives entries, with hashes of passwords and keys, and decides nothing: how a login is checked, what an unknown name
/// costs, how guesses are slowed down and what a refusal says are the server's, as with a users file. What it changes counts
/// as soon as it has given it: whoever is gone, disabled or has another password by then has no session any more. Commands and
/// logins wait for that for [`limits::USERS_DIRECTORY_WAIT`] at most, and go on with the users in force.
///
/// ```
/// use std::sync::Mutex;
///
/// use sealift::auth::{Grants, User, UserDirectory, Users, hash_password};
///
/// /// Users in memory, and how often they have changed.
/// struct InMemory(Mutex<(u64, Vec<User>)>);
///
/// impl UserDirectory for InMemory {
///     fn version(&self) -> u64 {
///         self.0.lock().unwrap().0
///     }
///
///     fn users(&self) -> sealift::Result<Users> {
///         Users::new(self.0.lock().unwrap().1.iter().cloned())
///     }
/// }
///
/// # fn main() -> sealift::Result<()> {
/// let alice = User::new("alice", Grants::new("alice"))?.with_password(&hash_password(&"a secret".into())?)?;
/// let directory = InMemory(Mutex::new((0, vec![alice])));
/// assert!(directory.users()?.get("alice").is_some());
/// # Ok(())
/// # }
/// ```
pub trait UserDirectory: Send + Sync + 'static {
    /// Another number after each change. It is asked for at every login, and every few seconds beside, so it waits for nothing.
    fn version(&self) -> u64;

    /// All users as they are now, which the server then holds in memory. Asked for once after each change, on a thread of its own
    /// and not twice at once: it may wait.
    ///
    /// # Errors
    /// That they cannot be had: those who were there stay in force, and it is asked again soon.
    fn users(&self) -> Result<Users>;
}

/// Where a server has its users from: a path is that of a users file.
#[derive(Clone)]
#[non_exhaustive]
pub enum UsersFrom {
    /// A users file, read again whenever it changes.
    File(PathBuf),
    /// Whoever knows them.
    Directory(Arc<dyn UserDirectory>),
}

impl From<PathBuf> for UsersFrom {
    fn from(path: PathBuf) -> Self {
        UsersFrom::File(path)
    }
}

impl From<&Path> for UsersFrom {
    fn from(path: &Path) -> Self {
        UsersFrom::File(path.to_owned())
    }
}

impl From<&str> for UsersFrom {
    fn from(path: &str) -> Self {
        UsersFrom::File(path.into())
    }
}

impl<D: UserDirectory> From<D> for UsersFrom {
    fn from(directory: D) -> Self {
        UsersFrom::Directory(Arc::new(directory))
    }
}

impl<D: UserDirectory> From<Arc<D>> for UsersFrom {
    fn from(directory: Arc<D>) -> Self {
        UsersFrom::Directory(directory)
    }
}

impl User {
    /// A user of this name, who has yet no password and no key to log in with.
    ///
    /// # Errors
    /// [`Kind::BadConfig`]: a name that no user can have, or a home that none can be in.
    pub fn new(name: &str, grants: Grants) -> Result<User> {
        names::check_user(name).map_err(|why| wrong(format!("the user name '{name}' {why}")))?;
        names::check_home(&grants.home).map_err(|why| wrong(format!("the home of '{name}' {why}")))?;
        let (name, grants) = (name.to_owned(), Arc::new(grants));
        Ok(User { name, grants, hash: None, keys: Vec::new(), id: None, own: Own::Nothing })
    }

    /// This user with a password that logs in, as [`hash_password`](super::hash_password) hashed it.
    ///
    /// # Errors
    /// [`Kind::BadConfig`]: it is no such hash, or asks for more than is safe. The error does not repeat it.
    pub fn with_password(mut self, hash: &str) -> Result<User> {
        let hash = StoredHash::parse(hash);
        self.hash = Some(hash.map_err(|why| wrong(format!("the password of '{}' {why}", self.name)))?);
        Ok(self)
    }

    /// This user, with one more key that logs in.
    ///
    /// # Errors
    /// [`Kind::BadConfig`]: the user has this key already, or its name cannot be shown.
    pub fn with_key(mut self, key: UserKey) -> Result<User> {
        if self.keys.iter().any(|known| known.public == key.public) {
            return Err(wrong(format!("'{}' has the key {} twice", self.name, key.public.fingerprint())));
        }
        if key.name.len() > limits::KEY_NAME_MAX || key.name.chars().any(char::is_control) {
            return Err(wrong(format!("the name of a key of '{}' is too long or has a control character", self.name)));
        }
        self.keys.push(key);
        Ok(self)
    }

    /// This user with what tells this entry from a later one of the same name: needed for whoever has no password here, but may choose one.
    ///
    /// # Errors
    /// [`Kind::BadConfig`]: not 1 to [`limits::ENTRY_ID_MAX`] bytes.
    pub fn with_id(mut self, id: &str) -> Result<User> {
        if id.is_empty() || id.len() > limits::ENTRY_ID_MAX {
            return Err(wrong(format!("the id of '{}' has 1 to {} bytes", self.name, limits::ENTRY_ID_MAX)));
        }
        self.id = Some(id.to_owned());
        Ok(self)
    }
}

impl Users {
    /// These users and nobody else: no anonymous reading, and no folders that are shared. ([`Users::parse`] makes them of a text
    /// that says all that a users file can.)
    ///
    /// # Errors
    /// [`Kind::BadConfig`]: two have one name.
    pub fn new(users: impl IntoIterator<Item = User>) -> Result<Users> {
        let mut named = BTreeMap::new();
        for user in users {
            match named.entry(user.name.clone()) {
                Entry::Vacant(place) => drop(place.insert(user)),
                Entry::Occupied(place) => return Err(wrong(format!("two users are called '{}'", place.key()))),
            }
        }
        let mut all = Users::parse("", "no users")?;
        all.users = named;
        Ok(all)
    }

    /// These users, and anybody may read what is in this home.
    ///
    /// # Errors
    /// [`Kind::BadConfig`]: nobody's home can be there.
    pub fn with_anonymous(mut self, home: &str) -> Result<Users> {
        names::check_home(home).map_err(|why| wrong(format!("the home of anonymous reading {why}")))?;
        self.anonymous = Some(Arc::new(Grants::anonymous(home.to_owned(), RateLimits::default())));
        Ok(self)
    }
}

fn wrong(text: String) -> Error {
    Error::new(Kind::BadConfig, text)
}
