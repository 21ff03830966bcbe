//! What is kept of interrupted uploads in a home, as it counts in a quota and gives way to what comes: the oldest first.

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Stat, statat};
use rustix::io::Errno;

use super::account::Sum;
use super::jail::{Jail, entries, open_directory};
use super::names::sum_of_file;
use super::owned::owner_of;
use super::partial::{self, DATA};
use super::source::mtime;
use super::staging::open_reserved;
use crate::files::Hash;

/// An interrupted upload.
struct Left {
    key: String,
    stat: Stat,
}

/// All that are in this reserved folder.
fn all(reserved: &Dir) -> Result<Vec<Left>, Errno> {
    let mut all = Vec::new();
    for entry in entries(open_directory(reserved, b".")?)? {
        let entry = entry?;
        // All of ours are ASCII.
        let Some(key) = entry.file_name().to_str().ok().and_then(|name| name.strip_prefix(DATA)) else { continue };
        match statat(reserved, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                all.push(Left { key: key.to_owned(), stat });
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(err) => return Err(err),
        }
    }
    Ok(all)
}

/// Those of this home, of this owner alone if one is named, with the folder: none where they do not count. What cannot be read holds nothing.
fn of(jail: &Jail, whose: Option<&Hash>) -> Option<(Dir, Vec<Left>)> {
    if !jail.keeps_partials() {
        return None;
    }
    let reserved = open_reserved(&*jail.root().ok()?).ok()?;
    let mut all = all(&reserved).ok()?;
    if let Some(owner) = whose {
        all.retain(|left| owner_of(&reserved, format!("{DATA}{}", left.key).as_bytes()).as_ref() == Some(owner));
    }
    Some((reserved, all))
}

/// How much they are in this reserved folder.
pub(super) fn sum(reserved: &Dir) -> Result<Sum, Errno> {
    Ok(all(reserved)?.iter().fold(Sum::NONE, |sum, left| sum.plus(sum_of_file(&left.stat))))
}

/// How much they are in this home, of this owner alone if one is named.
pub(super) fn held(jail: &Jail, whose: Option<&Hash>) -> Sum {
    let Some((_, all)) = of(jail, whose) else { return Sum::NONE };
    all.iter().fold(Sum::NONE, |sum, left| sum.plus(sum_of_file(&left.stat)))
}

/// Removes the oldest of them in all these homes, of the owner alone where one is named, until so much is gone, for nobody who holds a
/// lock of a tree. Says how many went.
pub(super) fn make_room(homes: &[(&Jail, Option<&Hash>)], room: Sum) -> usize {
    let found: Vec<_> = homes.iter().filter_map(|(jail, whose)| Some((*jail, of(jail, *whose)?))).collect();
    let mut all: Vec<_> =
        found.iter().flat_map(|(jail, (reserved, all))| all.iter().map(move |left| (*jail, reserved, left))).collect();
    all.sort_by_key(|(.., left)| mtime(&left.stat));
    let (mut gone, mut freed) = (0, Sum::NONE);
    for (jail, reserved, Left { key, stat }) in all {
        if freed.has_all_of(room) {
            break;
        }
        if partial::remove(Some(jail), reserved, key) {
            gone += 1;
            freed = freed.plus(sum_of_file(stat));
        }
    }
    gone
}
