//! Changes the groups, shared folders and anonymous reading of a users file on disk, as [`UsersFile`] changes its users.

use super::{
    AnonymousChange, FolderChange, Grants, GroupChange, Users, UsersFile, anonymous_editor, folders_editor,
    groups_editor, reader,
};
use crate::error::{Error, Result};

impl UsersFile {
    /// What is granted to whoever reads without an account, if that is on (`enabled`); what is said of it already, if it is not.
    ///
    /// # Errors
    /// As [`Users::load`].
    pub fn anonymous(&self) -> Result<Grants> {
        reader::anonymous(&self.text()?, &self.name())
    }

    /// Changes what is said of reading without an account; makes the file first if it is not there.
    ///
    /// # Errors
    /// `usage` for an unusable home; otherwise as [`UsersFile::add`].
    pub fn set_anonymous(&self, change: &AnonymousChange) -> Result<()> {
        self.change_or_make(|text, file| anonymous_editor::change(text, file, change))
    }

    /// Adds a group with these members, users and `@GROUP`s; makes the file first if it is not there.
    ///
    /// # Errors
    /// `exists`; `usage` for an unusable name; `not-found` for a member that is not there; otherwise as [`UsersFile::add`].
    pub fn add_group(&self, name: &str, members: &[String]) -> Result<()> {
        self.change_or_make(|text, file| groups_editor::add(text, file, name, members))
    }

    /// Changes who is in a group.
    ///
    /// # Errors
    /// `not-found` without such a group or member; otherwise as [`UsersFile::add_group`].
    pub fn set_group(&self, name: &str, change: &GroupChange) -> Result<()> {
        self.change(|text, file| groups_editor::change(text, file, name, change))
    }

    /// Removes a group that nothing is given to.
    ///
    /// # Errors
    /// `not-found` without such a group; `usage` if a folder is given to it, or it is in another group.
    pub fn remove_group(&self, name: &str) -> Result<()> {
        self.change(|text, file| groups_editor::remove(text, file, name))
    }

    /// Shares a folder; makes the file first if it is not there. `prove` looks at what the users would be, before anything is written.
    ///
    /// # Errors
    /// `exists`; `usage` for what no folder can be; `not-found` for somebody it is given to who is not there; otherwise as
    /// [`UsersFile::add`], and those of `prove`.
    pub fn add_folder<E: From<Error>>(
        &self,
        name: &str,
        new: &FolderChange,
        prove: impl Fn(&Users) -> Result<(), E>,
    ) -> Result<(), E> {
        self.change_or_make(|text, file| {
            let (text, users) = folders_editor::add(text, file, name, new)?;
            prove(&users).map(|()| text)
        })
    }

    /// Changes a shared folder.
    ///
    /// # Errors
    /// `not-found` without such a folder; otherwise as [`UsersFile::add_folder`].
    pub fn set_folder<E: From<Error>>(
        &self,
        name: &str,
        change: &FolderChange,
        prove: impl Fn(&Users) -> Result<(), E>,
    ) -> Result<(), E> {
        self.change(|text, file| {
            let (text, users) = folders_editor::change(text, file, name, change)?;
            prove(&users).map(|()| text)
        })
    }

    /// Shares a folder no more, with the comment right above its section. What is in it stays.
    ///
    /// # Errors
    /// `not-found` without such a folder; otherwise as [`UsersFile::add`].
    pub fn remove_folder(&self, name: &str) -> Result<()> {
        self.change(|text, file| folders_editor::remove(text, file, name))
    }
}
