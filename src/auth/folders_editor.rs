//! Adds shared folders to a users file, changes them and takes them out; comments and layout stay.

use std::ops::Range;
use std::time::Duration;

use toml_edit::{InlineTable, Item, Table, TableLike, value};

use super::editor::{by_hand, insert_section, open, remove_section, sections_of};
use super::folders_table::{check_name, read_location, unknown};
use super::grants_table::{NO_BOUND, of_access, put, render_trash_age};
use super::shared::{Definition, EVERYBODY};
use super::users::{User, Users};
use super::{Access, Grants, names};
use crate::byte_size::render_size;
use crate::error::{Error, Kind, Result};
use crate::files::{HomeTerms, Location, RelPath, Umask};

/// The kind of section.
const FOLDERS: &str = "folders";

/// What of a shared folder is to be different. What is none stays as it is.
#[derive(Debug, Clone, Default)]
pub struct FolderChange {
    /// Where it is: a path below the data folder, or one that begins with a slash.
    pub path: Option<String>,
    /// Where it shows in homes.
    pub at: Option<String>,
    /// To whom it is given ([`Definition::access`]), and with which rights; none: that entry goes.
    pub access: Vec<(String, Option<Access>)>,
    /// The most bytes in it, if there is a bound.
    pub quota: Option<Option<u64>>,
    /// The most files in it, if there is a bound.
    pub quota_files: Option<Option<u64>>,
    /// For how long what is deleted or replaced in it is kept, if it is.
    pub trash: Option<Option<Duration>>,
    /// What is made in it is not open to, if that is said.
    pub umask: Option<Option<Umask>>,
}

/// The text with one more shared folder, and the users that it has then.
pub(super) fn add(text: &str, file: &str, name: &str, new: &FolderChange) -> Result<(String, Users)> {
    let before = Users::parse(text, file)?;
    check_name(name).map_err(|why| usage(format!("the folder name '{name}' {why}")))?;
    if before.shares.folder(name).is_some() {
        return Err(Error::new(Kind::Exists, format!("the folder {name} is shared already in {file}")));
    }
    let terms = HomeTerms::none().keeping(before.defaults.of("").terms.trash);
    let mut wanted = Definition {
        name: name.to_owned(),
        at: RelPath::parse(name.as_bytes())?,
        location: Location::Below(name.to_owned()),
        terms,
        umask: None,
        access: [].into(),
        line: 0,
        span: Range::default(),
    };
    new.apply(&mut wanted, &before)?;
    let mut section = Table::new();
    new.write(&mut section, name, terms.trash, file)?;
    let mut document = open(text, file)?;
    insert_section(&mut document, file, (FOLDERS, name), section)?;
    checked(document.to_string(), file, &before, (name, Some(&wanted)))
}

/// The text with a shared folder changed so, and the users that it has then.
pub(super) fn change(text: &str, file: &str, name: &str, change: &FolderChange) -> Result<(String, Users)> {
    let before = Users::parse(text, file)?;
    let mut wanted = before.shares.folder(name).cloned().ok_or_else(|| absent(&before, name, file))?;
    change.apply(&mut wanted, &before)?;
    let mut document = open(text, file)?;
    let item = sections_of(&mut document, file, FOLDERS)?.get_mut(name).ok_or_else(|| by_hand(file))?;
    let section = item.as_table_like_mut().ok_or_else(|| by_hand(file))?;
    change.write(section, name, before.defaults.of("").terms.trash, file)?;
    tidy(item);
    checked(document.to_string(), file, &before, (name, Some(&wanted)))
}

/// The text without a shared folder.
pub(super) fn remove(text: &str, file: &str, name: &str) -> Result<String> {
    let before = Users::parse(text, file)?;
    before.shares.folder(name).ok_or_else(|| absent(&before, name, file))?;
    let mut document = open(text, file)?;
    remove_section(&mut document, file, (FOLDERS, name))?;
    let text = document.to_string();
    // An empty file is one that something went wrong with.
    let text = if text.trim().is_empty() { "# Nobody may log in.\n".to_owned() } else { text };
    checked(text, file, &before, (name, None)).map(|(text, _)| text)
}

impl FolderChange {
    /// What the folder comes to.
    fn apply(&self, folder: &mut Definition, users: &Users) -> Result<()> {
        if let Some(path) = &self.path {
            folder.location = read_location(path).map_err(|why| usage(format!("the path '{path}' {why}")))?;
        }
        if let Some(at) = &self.at {
            names::check_home(at).map_err(|why| usage(format!("the place '{at}' in homes {why}")))?;
            folder.at = RelPath::parse(at.as_bytes())?;
        }
        for (to, access) in &self.access {
            match access {
                Some(access) => {
                    known(users, to)?;
                    folder.access.insert(to.clone(), *access);
                }
                None => {
                    let gone = folder.access.remove(to);
                    let why = || format!("the folder {} is not given to '{to}'", folder.name);
                    gone.ok_or_else(|| Error::new(Kind::NotFound, why()))?;
                }
            }
        }
        self.quota.into_iter().for_each(|quota| folder.terms.quota = quota);
        self.quota_files.into_iter().for_each(|files| folder.terms.quota_files = files);
        self.trash.into_iter().for_each(|trash| folder.terms.trash = trash);
        self.umask.into_iter().for_each(|umask| folder.umask = umask);
        Ok(())
    }

    /// Writes it into the folder's section. Where that says nothing of the trash it is the default one.
    fn write(
        &self,
        section: &mut dyn TableLike,
        name: &str,
        default_trash: Option<Duration>,
        file: &str,
    ) -> Result<()> {
        for (key, said) in [("path", &self.path), ("as", &self.at)] {
            match said {
                Some(said) if said != name => put(section, key, value(said)),
                Some(_) => drop(section.remove(key)),
                None => {}
            }
        }
        if !section.contains_key("access") {
            section.insert("access", value(InlineTable::new()));
        }
        let access = section.get_mut("access").ok_or_else(|| by_hand(file))?;
        write_access(access, &self.access).ok_or_else(|| by_hand(file))?;
        let mut put = |key: &str, changed: bool, item: Option<Item>| match item {
            _ if !changed => {}
            Some(item) => put(section, key, item),
            None => drop(section.remove(key)),
        };
        let quota = self.quota.flatten().map(|quota| value(render_size(quota)));
        put("quota", self.quota.is_some(), quota);
        let files = self.quota_files.flatten().and_then(|files| i64::try_from(files).ok()).map(value);
        put("quota_files", self.quota_files.is_some(), files);
        let trash = self.trash.flatten().map(|age| value(render_trash_age(age)));
        let trash = trash.or_else(|| default_trash.map(|_| value(NO_BOUND)));
        put("trash", self.trash.is_some(), trash);
        put("umask", self.umask.is_some(), self.umask.flatten().map(|umask| value(umask.to_string())));
        Ok(())
    }
}

fn write_access(item: &mut Item, changes: &[(String, Option<Access>)]) -> Option<()> {
    let table = item.as_table_like_mut()?;
    for (to, access) in changes {
        match access {
            Some(access) => put(table, to, of_access(*access)),
            None => drop(table.remove(to)),
        }
    }
    tidy(item);
    Some(())
}

/// What is all on one line has no comments to lose, and would else have a blank before a comma.
fn tidy(item: &mut Item) {
    if let Some(table) = item.as_inline_table_mut().filter(|table| !table.to_string().contains('\n')) {
        table.fmt();
    }
}

/// Fails if a folder cannot be given to somebody of this name: nobody is called so.
fn known(users: &Users, to: &str) -> Result<()> {
    if to == EVERYBODY || names::is_anonymous(to) {
        return Ok(());
    }
    match unknown(to, users.shares.groups.keys().map(String::as_str), users.users.keys().map(String::as_str)) {
        Some(what) => Err(Error::new(Kind::NotFound, what)),
        None => Ok(()),
    }
}

fn usage(what: String) -> Error {
    Error::new(Kind::Usage, what)
}

fn absent(users: &Users, name: &str, file: &str) -> Error {
    let names = || users.shares.folders().iter().map(Definition::name);
    let near = super::folders_table::nearest(name, names()).map(|near| format!(": did you mean '{near}'?"));
    let text = format!("no shared folder '{name}' in {file}{}", near.unwrap_or_default());
    Error::new(Kind::NotFound, text)
}

/// The text and the users in it, if that one folder is what is wanted and all else is what it was.
fn checked(
    text: String,
    file: &str,
    before: &Users,
    (name, wanted): (&str, Option<&Definition>),
) -> Result<(String, Users)> {
    let after = Users::parse(&text, file).map_err(|err| without_place(err, file))?;
    let others = |users: &Users| -> Vec<Definition> {
        users.shares.folders.iter().filter(|folder| folder.name != name).cloned().collect()
    };
    let (old, new) = (others(before), others(&after));
    let is_wanted = match (after.shares.folder(name), wanted) {
        (Some(folder), Some(wanted)) => folder.is_same(wanted),
        (folder, wanted) => folder.is_none() && wanted.is_none(),
    };
    let is_same = old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| old.is_same(new));
    match is_wanted && is_same && before.shares.groups == after.shares.groups && own(before) == own(&after) {
        true => Ok((text, after)),
        false => Err(by_hand(file)),
    }
}

/// What the users and anonymous have of their own, whatever is shared with them.
pub(super) fn own(users: &Users) -> (Vec<User>, Option<(String, super::RateLimits)>) {
    let bare = |user: &User| {
        let (folders, home_folder, home_umask) = (Vec::new(), HomeTerms::none(), None);
        let grants = Grants { folders, home_folder, home_umask, ..Grants::clone(&user.grants) };
        User { grants: grants.into(), ..user.clone() }
    };
    let anonymous = users.anonymous.as_ref().map(|grants| (grants.home.clone(), grants.limit_rate));
    (users.iter().map(bare).collect(), anonymous)
}

/// What is wrong with a text that was never written, without the line there.
pub(super) fn without_place(error: Error, file: &str) -> Error {
    let text = error.text();
    let rest = text.strip_prefix(file).and_then(|rest| rest.strip_prefix(':')?.split_once(": "));
    match rest {
        Some((line, what)) if line.bytes().all(|byte| byte.is_ascii_digit()) => usage(what.to_owned()),
        _ => error,
    }
}

#[cfg(test)]
#[path = "folders_editor_tests.rs"]
mod tests;
