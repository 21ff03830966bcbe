//! Where the locks of the trees of homes are, which nodes take in turn.

use std::fs::File;
use std::io;
use std::path::Path;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags, fstat, mkdirat, openat, statat};
use rustix::io::Errno;

use crate::limits;

/// The folder of them in the reserved one.
const TREES: &str = "trees";

/// The file whose lock keeps the other nodes from changing names in a tree, by the key of the tree; made if it is not there.
pub(in crate::store) fn tree_lock(root: &Dir, key: &str) -> io::Result<File> {
    let reserved = super::reserved(root)?;
    match mkdirat(&reserved, TREES, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(err) => return Err(err.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let trees = openat(reserved, TREES, flags, Mode::empty())?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(openat(trees, key, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Whether this file is it still: others may have made another one.
pub(in crate::store) fn is_tree_lock(root: &Dir, key: &str, file: &File) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(reserved) = openat(root, limits::RESERVED_NAME, flags, Mode::empty()) else { return false };
    let Ok(there) = statat(reserved, Path::new(TREES).join(key), AtFlags::SYMLINK_NOFOLLOW) else { return false };
    fstat(file).is_ok_and(|ours| (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino))
}
