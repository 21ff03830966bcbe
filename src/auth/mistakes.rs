//! All that is wrong with the text of a users file, as far as one mistake does not hide another. What a server goes by is
//! `reader`, which ends at the first.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::folders_table;
use super::grants::Defaults;
use super::own::Own;
use super::reader::{self, ROOT};
use super::shared::Group;
use super::users::User;
use super::{grants_table, names};
use crate::error::{Error, Result};
use crate::toml_form::{Section, parse_all};

/// What a section has to say: that it is missing is no mistake of its own where it was there and wrong.
const REQUIRED: &[&str] = &["password", "keys", "access", "members", "enabled"];

/// What is wrong, in the order of the lines; `file` is the name that errors carry.
pub(super) fn mistakes(text: &str, file: &str) -> Vec<Error> {
    let (root, wrong) = parse_all(text, file);
    if !wrong.is_empty() {
        return wrong;
    }
    let root = Section::root(text, file, &root);
    let mut found = Vec::new();
    read_all(&root, &mut found, |root| root.allow_only(ROOT));
    for (key, name) in [("anonymous", "[anonymous]"), ("defaults", "[defaults]")] {
        if let Some(section) = section(&root, key, name, &mut found) {
            read_all(&section, &mut found, |section| match key {
                "anonymous" => reader::read_anonymous(section).map(drop),
                _ => grants_table::read_defaults(section).map(drop),
            });
        }
    }
    let users = users(&root, &mut found);
    let groups = groups(&root, &users, &mut found);
    for (name, folder) in sections(&root, "folders", &mut found) {
        found.extend(folder.name_is(folders_table::check_name(name), &format!("the folder name '{name}'")));
        let at = folder.at.clone();
        read_all(&folder, &mut found, |folder| {
            folders_table::read_section(folder, (name, at.clone()), (&groups, &users), None)
        });
    }
    // What is no matter of one section, such as a group in a circle, or folders that meet.
    if let Err(error) = reader::read(text, file)
        && !found.iter().any(|known| known.text() == error.text())
    {
        found.push(error);
    }
    found.sort_by_key(|error| root.place.said(error));
    found
}

/// The users, also those with mistakes: others may name them.
fn users(root: &Section<'_>, found: &mut Vec<Error>) -> BTreeMap<String, User> {
    let defaults = root.section("defaults", "[defaults]").ok().flatten();
    let defaults = defaults.and_then(|section| grants_table::read_defaults(&section).ok());
    let defaults = defaults.unwrap_or_else(Defaults::none);
    let mut users = BTreeMap::new();
    for (name, section) in sections(root, "users", found) {
        found.extend(section.name_is(names::check_user(name), &format!("the user name '{name}'")));
        let read = read_all(&section, found, |section| reader::read_user(section, name, &defaults));
        let nobody = || {
            let (grants, name) = (Arc::new(defaults.of(name)), name.to_owned());
            User { name, grants, hash: None, keys: Vec::new(), id: None, own: Own::Nothing }
        };
        users.insert(name.to_owned(), read.unwrap_or_else(nobody));
    }
    users
}

/// The groups, also those with mistakes.
fn groups(root: &Section<'_>, users: &BTreeMap<String, User>, found: &mut Vec<Error>) -> BTreeMap<String, Group> {
    let mut listed = BTreeMap::new();
    for (name, section) in sections(root, "groups", found) {
        found.extend(section.name_is(names::check_user(name), &format!("the group name '{name}'")));
        let at = section.at.clone();
        let read = read_all(&section, found, |section| {
            let members = folders_table::read_group(section, at.clone())?.members;
            Ok(members.into_iter().map(|(member, at)| (member.to_owned(), at)).collect::<Vec<_>>())
        });
        listed.insert(name, read.unwrap_or_default());
    }
    let strangers = listed.values().flat_map(|group| {
        group.iter().filter_map(|(member, at)| {
            folders_table::check_member(root, member, at, (&listed.keys().copied().collect(), users)).err()
        })
    });
    found.extend(strangers);
    listed.keys().map(|name| ((*name).to_owned(), Group::default())).collect()
}

/// The section of this name, if it is one.
fn section<'a>(root: &Section<'a>, key: &str, name: &str, found: &mut Vec<Error>) -> Option<Section<'a>> {
    root.section(key, name).unwrap_or_else(|error| {
        found.push(error);
        None
    })
}

/// The sections of a kind, by name.
fn sections<'a>(root: &Section<'a>, kind: &str, found: &mut Vec<Error>) -> Vec<(&'a str, Section<'a>)> {
    let all = section(root, kind, &format!("[{kind}]"), found);
    let each = all.iter().flat_map(|all| all.table.iter()).filter_map(|(key, value)| {
        let name = key.get_ref().as_ref();
        let called = if kind == "users" { format!("user '{name}'") } else { format!("[{kind}.{name}]") };
        match root.place.section(key, value, &called) {
            Ok(section) => Some((name, section)),
            Err(error) => {
                found.push(error);
                None
            }
        }
    });
    each.collect()
}

/// Reads a section, and again without the lines that are wrong until nothing is; what it comes to then, if something.
fn read_all<T>(section: &Section<'_>, found: &mut Vec<Error>, read: impl Fn(&Section<'_>) -> Result<T>) -> Option<T> {
    let mut table = section.table.clone();
    let mut has_lost = false;
    loop {
        let (place, name, at) = (section.place, section.name.clone(), section.at.clone());
        let error = match read(&Section { place, name, at, table: &table }) {
            Ok(read) => return Some(read),
            Err(error) => error,
        };
        let line = section.place.said(&error);
        let wrong = table.iter().filter(|(key, value)| {
            let end = value.span().end.max(key.span().end);
            let lines = section.place.line(&key.span())..=section.place.line(&(end..end));
            line.is_some_and(|line| lines.contains(&line))
        });
        let wrong: Vec<_> = wrong.map(|(key, _)| key.clone()).collect();
        // That something is missing is said of the section itself.
        if wrong.is_empty() {
            found.extend(Some(error).filter(|_| !has_lost));
            return None;
        }
        found.push(error);
        for key in wrong {
            has_lost |= REQUIRED.contains(&key.get_ref().as_ref());
            table.remove(&key);
        }
    }
}

#[cfg(test)]
#[path = "mistakes_tests.rs"]
mod tests;
