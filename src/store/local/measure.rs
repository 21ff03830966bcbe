//! How much and how deep: walks down a tree that hold few files open, whatever its depth. What is reserved is left out.

use std::cell::{Cell, RefCell};
use std::os::fd::AsFd;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::account::Sum;
use super::jail::{entries, open_directory};
use super::owned::{Sums, owner_of};
use super::partial::DATA;
use super::source::meta;
use super::trash::{TRASH, is_note};
use crate::limits;

/// Whether a folder's entry is one of those that a walk passes over.
pub(super) fn is_dot(name: &[u8]) -> bool {
    name == b"." || name == b".."
}

/// Whether this is where a home keeps what is not in its place.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(limits::RESERVED_NAME.as_bytes())
}

/// An open folder and its name.
type Level = (rustix::fs::Dir, Vec<u8>);

/// All regular files in a folder and their bytes, each under each of its names. A folder that cannot be read holds nothing
/// that was put there through a store. What is reserved is told, and of what is in it the trash counts. For each file and folder it is said that
/// this `goes_on`.
pub(super) fn sum(folder: &Dir, reserved: &mut dyn FnMut(&Dir), goes_on: &dyn Fn()) -> Result<Sum, Errno> {
    let mut sum = Sum::NONE;
    let mut add = |level: &rustix::fs::Dir, name: &[u8]| {
        goes_on();
        sum = sum.plus(file(level, name)?);
        Ok(())
    };
    walk(folder, false, &mut Looks { reserved, file: &mut add, enter: &mut || goes_on() })?;
    Ok(sum)
}

/// What there is of each who has put something there, in the trash and of interrupted uploads too; and whether there is anything
/// of nobody. For each file and folder it is said that this `goes_on`.
pub(super) fn owners(folder: &Dir, goes_on: &dyn Fn()) -> Result<(Sums, bool), Errno> {
    let (sums, is_nobodys) = (RefCell::new(Sums::new()), Cell::new(false));
    let look = |dir: &dyn AsFd, name: &[u8], sum: Sum| {
        if sum == Sum::NONE {
            return;
        }
        match owner_of(dir.as_fd(), name) {
            Some(owner) => {
                let mut sums = sums.borrow_mut();
                let there = sums.entry(owner).or_default();
                *there = there.plus(sum);
            }
            None => is_nobodys.set(true),
        }
    };
    let mut partials = |reserved: &Dir| {
        let Ok(mut level) = open_directory(reserved, b".").and_then(entries) else { return };
        while let Ok(Some((name, kind))) = next(&mut level) {
            goes_on();
            if kind == FileType::RegularFile && name.starts_with(DATA.as_bytes()) {
                look(reserved, &name, file(&level, &name).unwrap_or(Sum::NONE));
            }
        }
    };
    let mut each = |level: &rustix::fs::Dir, name: &[u8]| {
        goes_on();
        look(&level.fd()?, name, file(level, name)?);
        Ok(())
    };
    walk(folder, false, &mut Looks { reserved: &mut partials, file: &mut each, enter: &mut || goes_on() })?;
    Ok((sums.into_inner(), is_nobodys.get()))
}

/// Does this with all regular files in their places in a folder: the folder each is in, and its name; and that before a folder is
/// gone into.
pub(super) fn each(folder: &Dir, enter: &mut dyn FnMut(), work: &mut OfFile<'_>) -> Result<(), Errno> {
    walk(folder, false, &mut Looks { reserved: &mut |_| {}, file: work, enter })
}

/// What is done with a regular file: the folder it is in, and its name.
type OfFile<'a> = dyn FnMut(&rustix::fs::Dir, &[u8]) -> Result<(), Errno> + 'a;

/// What is done on the way.
struct Looks<'a> {
    reserved: &'a mut dyn FnMut(&Dir),
    file: &'a mut OfFile<'a>,
    enter: &'a mut dyn FnMut(),
}

fn walk(folder: &Dir, is_trash: bool, looks: &mut Looks<'_>) -> Result<(), Errno> {
    // Folders deeper than what is held open at once, by the names that lead to them.
    let mut deep: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
    while let Some(way) = deep.pop() {
        let Some(first) = follow(folder, &way)? else { continue };
        let mut levels: Vec<Level> = vec![(first, Vec::new())];
        loop {
            let depth = levels.len();
            let Some((level, _)) = levels.last_mut() else { break };
            let Some((name, kind)) = next(level)? else {
                levels.pop();
                continue;
            };
            if kind == FileType::Directory {
                (looks.enter)();
            }
            match kind {
                FileType::RegularFile if is_trash && way.is_empty() && depth == 1 && is_note(&name) => {}
                FileType::RegularFile => (looks.file)(level, &name)?,
                FileType::Directory if is_reserved(&name) => {
                    if let Ok(dir) = level.fd().and_then(|level| open_directory(level, &name)) {
                        (looks.reserved)(&dir);
                        match open_directory(&dir, TRASH.as_bytes()) {
                            Ok(trash) => walk(&trash, true, looks)?,
                            Err(Errno::NOENT) => {}
                            Err(err) => drop(readable::<()>(Err(err))?),
                        }
                    }
                }
                FileType::Directory if depth >= limits::DEPTH_MAX => {
                    let passed = levels.iter().skip(1).map(|(_, name)| name.clone());
                    deep.push(way.iter().cloned().chain(passed).chain([name]).collect());
                }
                FileType::Directory => {
                    let opened = open(level, &name)?;
                    levels.extend(opened.map(|opened| (opened, name)));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// What is in a folder, at any depth.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Contents {
    /// Files, and what else is no folder.
    pub(super) files: u64,
    pub(super) folders: u64,
    /// Of the regular files.
    pub(super) bytes: u64,
}

/// What is in this folder, unless that is more than may still be looked at, or deeper than a path can be: nothing then. What was
/// looked at is taken off `looks` in any case.
pub(super) fn contents(folder: Dir, looks: &mut u64) -> Result<Option<Contents>, Errno> {
    let mut levels = vec![entries(folder)?];
    let mut contents = Contents::default();
    while let Some(level) = levels.last_mut() {
        let Some((name, kind)) = next(level)? else {
            levels.pop();
            continue;
        };
        if is_reserved(&name) {
            continue;
        }
        let Some(left) = looks.checked_sub(1) else { return Ok(None) };
        *looks = left;
        match kind {
            FileType::Directory => {
                contents.folders += 1;
                let opened = open(level, &name)?;
                levels.extend(opened);
            }
            FileType::RegularFile => {
                contents.files += 1;
                contents.bytes = contents.bytes.saturating_add(file(level, &name)?.bytes);
            }
            _ => contents.files += 1,
        }
        if levels.len() > limits::DEPTH_MAX {
            return Ok(None);
        }
    }
    Ok(Some(contents))
}

/// What there may be of a path below a folder.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) components: usize,
    /// With the slash before each component.
    pub(super) bytes: usize,
}

/// Whether all that is in the folder of this name has paths below it for which there is room; else which bound is
/// passed.
pub(super) fn fits(parent: &Dir, name: &[u8], room: Room) -> Result<Result<(), Beyond>, Errno> {
    let first = entries(open_directory(parent, name)?)?;
    // With the length of the path to each.
    let mut levels = vec![(first, 0)];
    loop {
        let depth = levels.len();
        let Some((level, above)) = levels.last_mut() else { return Ok(Ok(())) };
        let Some((name, kind)) = next(level)? else {
            levels.pop();
            continue;
        };
        if is_reserved(&name) {
            continue;
        }
        let len = *above + 1 + name.len();
        if depth > room.components {
            return Ok(Err(Beyond::Depth));
        }
        if len > room.bytes {
            return Ok(Err(Beyond::Length));
        }
        if kind == FileType::Directory {
            let opened = open(level, &name)?;
            levels.extend(opened.map(|opened| (opened, len)));
        }
    }
}

/// The bound that a path would pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beyond {
    Depth,
    Length,
}

/// Opens the folder that these names lead to, from single names; nothing if it is there no more.
fn follow(folder: &Dir, way: &[Vec<u8>]) -> Result<Option<rustix::fs::Dir>, Errno> {
    let mut dir = open_directory(folder, b".")?;
    for name in way {
        dir = match readable(open_directory(&dir, name))? {
            Some(dir) => dir,
            None => return Ok(None),
        };
    }
    entries(dir).map(Some)
}

fn open(level: &rustix::fs::Dir, name: &[u8]) -> Result<Option<rustix::fs::Dir>, Errno> {
    readable(level.fd().and_then(|dir| open_directory(dir, name)).and_then(entries))
}

/// Nothing for what is gone, swapped for something else, or not ours to read.
fn readable<T>(opened: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match opened {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => Ok(None),
        opened => opened.map(Some),
    }
}

/// The next entry and what it is.
fn next(level: &mut rustix::fs::Dir) -> Result<Option<(Vec<u8>, FileType)>, Errno> {
    loop {
        let entry = match level.read() {
            // What a removed folder says.
            None | Some(Err(Errno::NOENT)) => return Ok(None),
            Some(entry) => entry?,
        };
        let name = entry.file_name().to_bytes().to_vec();
        if is_dot(&name) {
            continue;
        }
        // Not every file system tells in its listing.
        let kind = match entry.file_type() {
            FileType::Unknown => match level.fd().and_then(|dir| statat(dir, &*name, AtFlags::SYMLINK_NOFOLLOW)) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(err) => return Err(err),
            },
            kind => kind,
        };
        return Ok(Some((name, kind)));
    }
}

fn file(level: &rustix::fs::Dir, name: &[u8]) -> Result<Sum, Errno> {
    match level.fd().and_then(|dir| statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)) {
        Ok(stat) => Ok(Sum::file(meta(&stat).size)),
        Err(Errno::NOENT) => Ok(Sum::NONE),
        Err(err) => Err(err),
    }
}
