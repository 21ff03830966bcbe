//! The users file on disk: read with bounds, and changed under a lock by replacing it whole.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags};

use super::editor::{self, NewUser};
use super::{Grants, HiddenRule, PasswordRule, UserKey, Users, groups_editor, reader};
use crate::error::{Error, Kind, Result};
use crate::files::Location;
use crate::fresh_file::{Fresh, beside, failed, remove_beside, sync_parent};
use crate::limits::USERS_FILE_MAX;
use crate::random;

/// Changes a users file. Each change happens whole or not at all, keeps comments and layout, and waits for any other
/// change of the same file to end. A running server notices at once.
#[derive(Debug, Clone)]
pub struct UsersFile {
    path: PathBuf,
}

impl UsersFile {
    /// The users file at this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> UsersFile {
        UsersFile { path: path.into() }
    }

    /// Writes [`Users::starter`] with mode 0600 if there is no file yet; whether it did so.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(&self) -> Result<bool> {
        let fresh = Fresh::beside(&self.path, Users::starter())?;
        // A hard link, not a rename, since it never replaces: somebody else may be making the file just now.
        match fs::hard_link(&fresh.path, &self.path) {
            Ok(()) => sync_parent(&self.path).map(|()| true),
            // Whoever made it may have swept away what this one wrote.
            Err(err) if err.kind() == std::io::ErrorKind::AlreadyExists || self.path.exists() => Ok(false),
            Err(err) => Err(failed(&self.path, err)),
        }
    }

    /// Whether [`UsersFile::add`] would take this name and home: to be known before a password is asked for. What was
    /// read for it need not be read again by [`Checked::add_new`].
    ///
    /// # Errors
    /// As [`UsersFile::add`].
    pub fn check_new(&self, name: &str, home: &str) -> Result<Checked<'_>> {
        let text = match self.path.exists() {
            // An empty one is filled, though no server takes it as it is.
            true => read(&self.path)?,
            false => Users::starter().to_owned(),
        };
        let file = self.path.display().to_string();
        let users = Users::parse(&text, &file)?;
        editor::check_new(&users, &file, name, home)?;
        Ok(Checked { file: self, text, users })
    }

    /// Adds a user with a password; makes the file first if it is not there. `hash` is what [`super::hash_password`]
    /// returned.
    ///
    /// # Errors
    /// As [`UsersFile::add_new`].
    pub fn add(&self, name: &str, hash: &str, grants: Grants) -> Result<()> {
        self.add_new(&NewUser { name, hash: Some(hash), keys: &[], groups: &[], grants })
    }

    /// Adds a user, with keys or a password or both; makes the file first if it is not there.
    ///
    /// # Errors
    /// `exists`; `usage` for an unusable name, home, hash or key; `not-found` for a group that is not there; `bad-config` when the file
    /// is wrong already; and what the file system says.
    pub fn add_new(&self, new: &NewUser<'_>) -> Result<()> {
        self.insert(None, new)
    }

    /// Adds a user to a file that had this text and these users a moment ago.
    fn insert(&self, known: Option<(String, Users)>, new: &NewUser<'_>) -> Result<()> {
        if !self.path.exists() {
            self.create()?;
        }
        let id = fresh_id()?;
        self.change(|text, file| {
            let text = match known {
                Some((then, users)) if then == text => editor::add_to(users, text, file, new)?,
                _ => editor::add(text, file, new)?,
            };
            let text = match new.groups {
                [] => text,
                groups => groups_editor::set(&text, file, new.name, groups)?,
            };
            match new.hash {
                Some(_) => Ok(text),
                None => editor::tell_apart(text, file, new.name, &id),
            }
        })
    }

    /// Gives a user more keys: those of these that the user has not, no two of which are the same.
    ///
    /// # Errors
    /// `not-found` without such a user or file; `exists` if the user has all of them; otherwise as [`UsersFile::add_new`].
    pub fn add_keys(&self, name: &str, keys: &[UserKey]) -> Result<()> {
        let id = fresh_id()?;
        self.change(|text, file| editor::tell_apart(editor::add_keys(text, file, name, keys)?, file, name, &id))
    }

    /// Takes a key from a user: the one of this name or fingerprint.
    ///
    /// # Errors
    /// `not-found` without such a user, key or file; `usage` if several keys have the name; otherwise as
    /// [`UsersFile::add`].
    pub fn remove_key(&self, name: &str, key: &str) -> Result<()> {
        self.change(|text, file| editor::remove_key(text, file, name, key))
    }

    /// Gives a user another password hash.
    ///
    /// # Errors
    /// `not-found` without such a user or file; otherwise as [`UsersFile::add`].
    pub fn passwd(&self, name: &str, hash: &str) -> Result<()> {
        self.change(|text, file| editor::passwd(text, file, name, hash))
    }

    /// Changes what a user is granted. What was said of it in `[defaults]` stays, and the user's section says the other.
    ///
    /// # Errors
    /// `not-found` without such a user or file; `usage` for an unusable home; otherwise as [`UsersFile::add`].
    pub fn set(&self, name: &str, change: impl FnOnce(&mut Grants)) -> Result<()> {
        self.change(|text, file| editor::set(text, file, name, change))
    }

    /// Changes what a user is granted, and makes the user a member of these groups and of no others.
    ///
    /// # Errors
    /// As [`UsersFile::set`]; `not-found` for a group that is not there.
    pub fn set_with_groups(&self, name: &str, groups: &[String], change: impl FnOnce(&mut Grants)) -> Result<()> {
        self.change(|text, file| groups_editor::set(&editor::set(text, file, name, change)?, file, name, groups))
    }

    /// Removes a user, with the comment right above the user's section. The files in the home stay.
    ///
    /// # Errors
    /// `not-found` without such a user or file; otherwise as [`UsersFile::add`].
    pub fn remove(&self, name: &str) -> Result<()> {
        self.change(|text, file| editor::remove(text, file, name))
    }

    /// The users that are in the file now.
    ///
    /// # Errors
    /// As [`Users::load`].
    pub fn list(&self) -> Result<Users> {
        Users::load(&self.path)
    }

    /// All that is wrong with the file, as far as one mistake does not hide another: empty if a server takes it.
    pub fn mistakes(&self) -> Vec<Error> {
        let text = match read(&self.path) {
            Ok(text) => text,
            Err(error) => return vec![error],
        };
        let found = super::mistakes::mistakes(&text, &self.path.display().to_string());
        match found.is_empty() {
            true => self.list().err().into_iter().collect(),
            false => found,
        }
    }

    /// The rules for paths that do not count as they say, since others of the same user stand before them.
    ///
    /// # Errors
    /// As [`Users::load`].
    pub fn hidden_rules(&self) -> Result<Vec<HiddenRule>> {
        reader::hidden_rules(&self.text()?, &self.name())
    }

    /// What is in it.
    pub(super) fn text(&self) -> Result<String> {
        read(&self.path)
    }

    /// What errors call it.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Removes what was left beside the file by processes that were killed while they changed it: each has all password hashes
    /// of then. Says how many there were.
    ///
    /// # Errors
    /// What the file system says, such as that this account may not.
    pub fn sweep(&self) -> Result<usize> {
        // Mostly there is nothing, and nobody is waited for.
        let left = self.left_beside()?.len();
        if left > 0 {
            let target = fs::canonicalize(&self.path).map_err(|err| failed(&self.path, err))?;
            let _locked = lock(&target)?;
            remove_beside(&target).map_err(|err| failed(&target, err))?;
        }
        Ok(left)
    }

    /// What [`UsersFile::sweep`] would remove, and what is being written just now.
    ///
    /// # Errors
    /// What the file system says.
    pub fn left_beside(&self) -> Result<Vec<PathBuf>> {
        let target = fs::canonicalize(&self.path).map_err(|err| failed(&self.path, err))?;
        beside(&target).map_err(|err| failed(&target, err))
    }

    /// Replaces the file by what an edit of its text, under the name that errors carry, gives; an edit that fails changes nothing.
    pub(super) fn change<E: From<Error>>(&self, edit: impl FnOnce(&str, &str) -> Result<String, E>) -> Result<(), E> {
        // Where the path is a link, the file it leads to is replaced and the link stays.
        let target = fs::canonicalize(&self.path).map_err(|err| failed(&self.path, err))?;
        let (file, meta) = lock(&target)?;
        // Nobody else writes under this lock: those that wrote these were killed. The change itself is worth more.
        let _ = remove_beside(&target);
        let text = edit(&read_text(&file, &self.path)?, &self.path.display().to_string())?;
        let fresh = Fresh::beside(&target, &text)?;
        fresh.take_owner_and_mode(&target, &meta)?;
        Ok(fresh.put_in_place()?)
    }

    /// Replaces the file by what an edit of its text gives, as `change` does; one that is not there is made first, if what is made can be
    /// edited so.
    pub(super) fn change_or_make<E: From<Error>>(
        &self,
        edit: impl Fn(&str, &str) -> Result<String, E>,
    ) -> Result<(), E> {
        if !self.path.exists() {
            edit(Users::starter(), &self.path.display().to_string())?;
            self.create()?;
        }
        self.change(edit)
    }
}

/// What no entry has had so far.
fn fresh_id() -> Result<String> {
    let id = random::number()?;
    Ok(format!("{id:016x}"))
}

/// A users file to which a user may be added, as it was read to find that out.
#[derive(Debug)]
pub struct Checked<'f> {
    file: &'f UsersFile,
    text: String,
    users: Users,
}

impl Checked<'_> {
    /// What the file grants a new user of this name whose section says nothing.
    pub fn defaults_of(&self, name: &str) -> Grants {
        self.users.defaults_of(name)
    }

    /// What a new user's password has to be.
    pub fn password_rule(&self) -> PasswordRule {
        self.users.password_rule()
    }

    /// Fails if one of these groups is not there.
    ///
    /// # Errors
    /// `not-found`, naming it.
    pub fn refuse_unknown(&self, groups: &[String]) -> Result<()> {
        match groups.iter().find(|group| self.users.shares().group(group).is_none()) {
            Some(unknown) => Err(Error::new(Kind::NotFound, format!("there is no group '{unknown}'"))),
            None => Ok(()),
        }
    }

    /// Fails if a home of this name is a folder that others have, holds one or lies in one: a shared folder of the file, or where
    /// anonymous reads. A user whose home it is has all rights over it.
    ///
    /// # Errors
    /// `usage`, naming what is there.
    pub fn refuse_common(&self, home: &str) -> Result<()> {
        let own = Location::Below(home.to_owned());
        let meets = |other: &Location| own.contains(other) || other.contains(&own);
        let anonymous = self.users.anonymous_home();
        let what = match self.users.shares().folders().iter().find(|folder| meets(folder.location())) {
            Some(folder) => format!("the shared folder {} ({})", folder.name(), folder.location()),
            None => match anonymous.filter(|home| meets(&Location::Below((*home).to_owned()))) {
                Some(home) => format!("where anonymous reads ({home})"),
                None => return Ok(()),
            },
        };
        Err(Error::new(
            Kind::Usage,
            format!("a home called '{home}' would be, or meet, {what}, with all rights over it"),
        ))
    }

    /// [`UsersFile::add_new`]. If the file has changed meanwhile it is read again.
    ///
    /// # Errors
    /// As there.
    pub fn add_new(self, new: &NewUser<'_>) -> Result<()> {
        self.file.insert(Some((self.text, self.users)), new)
    }
}

/// What about the file on disk, with a named user in it or not, deserves a warning: full sentences, empty if all is well.
///
/// # Errors
/// What the file system says.
pub fn file_warnings(path: &Path, any_user: bool) -> Result<Vec<String>> {
    let mode = fs::metadata(path).map_err(|err| failed(path, err))?.mode() & 0o7777;
    let mut warnings = Vec::new();
    let mut warn = |who_can: &str| {
        let path = path.display();
        warnings.push(format!("{path} can be {who_can} (mode {mode:03o}): run `chmod 600 {path}`."));
    };
    if mode & 0o022 != 0 {
        warn("changed by other users of this machine, who could let themselves in");
    }
    if mode & 0o004 != 0 && any_user {
        warn("read by every user of this machine, who could guess passwords from the hashes");
    }
    Ok(warnings)
}

/// The text of the users file at `path`.
pub(super) fn read(path: &Path) -> Result<String> {
    read_text(&open(path)?.0, path)
}

/// Opens a regular file. A pipe is refused and not waited for.
fn open(path: &Path) -> Result<(File, Metadata)> {
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|err| failed(path, err))?;
    let meta = file.metadata().map_err(|err| failed(path, err))?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "a folder" } else { "a device or pipe" };
        return Err(Error::new(Kind::BadConfig, format!("{}: is {what}, not a users file", path.display())));
    }
    Ok((file, meta))
}

fn read_text(file: &File, path: &Path) -> Result<String> {
    let wrong = |what: String| Error::new(Kind::BadConfig, format!("{}{what}", path.display()));
    let mut bytes = Vec::new();
    file.take(USERS_FILE_MAX + 1).read_to_end(&mut bytes).map_err(|err| failed(path, err))?;
    if bytes.len() as u64 > USERS_FILE_MAX {
        return Err(wrong(format!(": is larger than {USERS_FILE_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|err| {
        let good = err.as_bytes().iter().take(err.utf8_error().valid_up_to());
        let line = 1 + good.filter(|byte| **byte == b'\n').count();
        wrong(format!(":{line}: is not UTF-8 text"))
    })
}

/// Opens the file under an exclusive lock, held until it is closed. The lock is on the file that has the name now: one
/// that was replaced while this waited is let go, and the new one is locked instead.
fn lock(path: &Path) -> Result<(File, Metadata)> {
    loop {
        let (file, meta) = open(path)?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::LockExclusive))
            .map_err(|err| failed(path, err.into()))?;
        let now = fs::metadata(path).map_err(|err| failed(path, err))?;
        if (now.dev(), now.ino()) == (meta.dev(), meta.ino()) {
            return Ok((file, meta));
        }
    }
}

#[cfg(test)]
#[path = "users_file_tests.rs"]
mod tests;
