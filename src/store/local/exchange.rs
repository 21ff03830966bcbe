//! Two names that come to stand for each other's files or folders.

use rustix::fs::{AtFlags, RenameFlags, renameat_with, statat};
use rustix::io::Errno;

use super::names::{check_below, count, meta_of_file, sync};
use super::staging::Stage;
use crate::error::{Error, Kind, Result};
use crate::files::RelPath;

/// [`crate::files::Store::exchange`].
pub(super) fn exchange(stage: &Stage, durable: bool, one: &RelPath, other: &RelPath) -> Result<bool> {
    let within = |inner: &RelPath, outer: &RelPath| inner.strip_prefix(outer).is_some();
    if within(one, other) || within(other, one) {
        return Err(Error::new(Kind::BadPath, format!("{one}: nothing takes the place of what it is in")));
    }
    let jail = stage.jail();
    let alone = jail.tree().alone();
    let (one_dir, one_name) = jail.parent(one)?;
    let (other_dir, other_name) = jail.parent(other)?;
    let look = |path: &RelPath, dir, name: &[u8]| {
        statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| Error::file(path, err.into()))
    };
    let (one_was, other_was) = (look(one, &one_dir, one_name)?, look(other, &other_dir, other_name)?);
    let is_folder = |stat| super::source::meta(stat).kind == crate::files::EntryKind::Directory;
    if is_folder(&one_was) {
        check_below(one, other, &one_dir, one_name)?;
    }
    if is_folder(&other_was) {
        check_below(other, one, &other_dir, other_name)?;
    }
    match renameat_with(&one_dir, one_name, &other_dir, other_name, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        // A file system, or a kernel, that does not know it.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => return Ok(false),
        Err(Errno::XDEV) => {
            return Err(Error::new(Kind::CrossDevice, format!("{one}: {other} is on another file system")));
        }
        Err(err) => return Err(Error::file(other, err.into())),
    }
    jail.tree().arrived();
    jail.tree().moved();
    for (from, to, was) in [(one, other, &one_was), (other, one, &other_was)] {
        count(jail, (from, to), (!is_folder(was)).then(|| meta_of_file(was)), 0);
    }
    drop(alone);
    if durable {
        sync(other, &other_dir)?;
        sync(one, &one_dir)?;
    }
    Ok(true)
}
