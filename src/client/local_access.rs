//! How a local file or folder that is to be sent is opened. Whoever may write in a tree while it is sent could put a symbolic link in the
//! place of a folder, and have files sent that the one who sends may read and they may not (as rsync's CVE-2024-12747): on the way
//! to what is in a tree no link is followed, unless it was asked for.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags, Stat, openat, openat2, statat};
use rustix::io::Errno;

use crate::error::Error;

/// How something local is opened, by its path.
#[derive(Debug, Clone)]
pub(super) enum LocalAccess {
    /// A person named it: links are followed.
    Named,
    /// It was seen, and was no link itself; on the way to it links are followed.
    Seen,
    /// It was seen below this folder; no link is followed on the way from there.
    Below(Arc<TreeTop>),
}

/// The top of a tree that is sent, open as long as anything of the tree is.
#[derive(Debug)]
pub(super) struct TreeTop {
    folder: OwnedFd,
    path: PathBuf,
}

/// A local folder that what is sent lies below: on the way from it no link is followed, so whoever may write there cannot have anything
/// sent from elsewhere. Open as long as it lives; cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalBase(Arc<TreeTop>);

impl LocalBase {
    /// The folder at this path, which itself may be a link.
    ///
    /// # Errors
    /// As for any file: not found, not a folder, permission denied.
    pub fn open(folder: impl AsRef<Path>) -> Result<LocalBase, Error> {
        let folder = folder.as_ref();
        TreeTop::new(folder).map(LocalBase).map_err(|err| Error::file(folder.display(), err.into()))
    }

    /// Opens what is at this path, which begins with that of the folder. For a pipe it waits until somebody writes into it.
    ///
    /// # Errors
    /// As for any file, and for a link on the way.
    pub fn open_waiting(&self, path: &Path) -> Result<File, Error> {
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        self.0.resolve(path, flags).map(File::from).map_err(|err| Error::file(path.display(), err.into()))
    }

    pub(super) fn access(&self) -> LocalAccess {
        LocalAccess::Below(Arc::clone(&self.0))
    }
}

const OPEN: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

impl LocalAccess {
    /// What is below this folder, which itself may be a link: a person named it.
    ///
    /// # Errors
    /// If it cannot be opened as a folder.
    pub(super) fn below(top: &Path) -> Result<LocalAccess, Errno> {
        TreeTop::new(top).map(LocalAccess::Below)
    }

    /// Opens a file to be read. A pipe in its place is not waited for.
    pub(super) fn open(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open_with(path, OFlags::RDONLY)
    }

    /// Opens a folder to be listed.
    pub(super) fn open_folder(&self, path: &Path) -> Result<Dir, Errno> {
        let folder = match self {
            // A link to a folder was found to be one that is followed.
            LocalAccess::Seen => LocalAccess::Named.open_with(path, FOLDER)?,
            access => access.open_with(path, FOLDER)?,
        };
        Dir::new(folder)
    }

    /// What the file system says of it.
    pub(super) fn stat(&self, path: &Path) -> Result<Stat, Errno> {
        match self {
            LocalAccess::Named => rustix::fs::stat(path),
            LocalAccess::Seen => rustix::fs::lstat(path),
            LocalAccess::Below(top) => {
                let (folder, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
                statat(top.open(folder, OFlags::PATH | OFlags::DIRECTORY)?, name, AtFlags::SYMLINK_NOFOLLOW)
            }
        }
    }

    fn open_with(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        match self {
            LocalAccess::Named => rustix::fs::open(path, OPEN | flags, Mode::empty()),
            LocalAccess::Seen => rustix::fs::open(path, OPEN | flags | OFlags::NOFOLLOW, Mode::empty()),
            LocalAccess::Below(top) => top.open(path, flags),
        }
    }
}

impl TreeTop {
    fn new(top: &Path) -> Result<Arc<TreeTop>, Errno> {
        let folder = rustix::fs::open(top, OFlags::CLOEXEC | OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Arc::new(TreeTop { folder, path: top.to_owned() }))
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        // openat2 takes no other flags with a path alone.
        let flags = if flags.contains(OFlags::PATH) { flags } else { OPEN | flags };
        self.resolve(path, OFlags::CLOEXEC | OFlags::NOFOLLOW | flags)
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let inside = path.strip_prefix(&self.path).map_err(|_| Errno::XDEV)?;
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        match openat2(&self.folder, inside, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
            // Before Linux 5.6, and in containers whose rules are older than that.
            Err(Errno::NOSYS | Errno::PERM) => self.step_by_step(inside, flags),
            opened => opened,
        }
    }

    fn step_by_step(&self, inside: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut folder = None;
        let mut names = inside.components().peekable();
        while let Some(name) = names.next() {
            let Component::Normal(name) = name else {
                continue;
            };
            let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let (at, is_last) = (folder.as_ref().unwrap_or(&self.folder), names.peek().is_none());
            let opened = openat(at, name, if is_last { flags } else { step }, Mode::empty())?;
            if is_last {
                return Ok(opened);
            }
            folder = Some(opened);
        }
        openat(&self.folder, ".", flags, Mode::empty())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_below_a_folder_is_opened_by_no_link_either_way() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, secret) = (dir.path().join("tree"), dir.path().join("secret"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir_all(secret.join("b")).unwrap();
        fs::write(tree.join("a/b/file"), "ours").unwrap();
        fs::write(secret.join("b/file"), "theirs").unwrap();
        let LocalAccess::Below(top) = LocalAccess::below(&tree).unwrap() else { panic!("no top") };
        let access = LocalAccess::Below(Arc::clone(&top));
        let (file, inside) = (tree.join("a/b/file"), Path::new("a/b/file"));
        access.open(&file).unwrap();
        assert_eq!(access.stat(&file).unwrap().st_size, 4);
        top.step_by_step(inside, OPEN | OFlags::NOFOLLOW).unwrap();
        top.step_by_step(Path::new("."), OPEN | FOLDER).unwrap();

        fs::rename(tree.join("a"), tree.join("was")).unwrap();
        symlink(&secret, tree.join("a")).unwrap();
        assert_eq!(access.open(&file).unwrap_err(), Errno::LOOP);
        assert_eq!(access.open_folder(&tree.join("a")).unwrap_err(), Errno::NOTDIR);
        assert_eq!(access.stat(&file).unwrap_err(), Errno::LOOP);
        assert_eq!(top.step_by_step(inside, OPEN | OFlags::NOFOLLOW).unwrap_err(), Errno::NOTDIR);
        assert_eq!(LocalAccess::Seen.stat(&file).unwrap().st_size, 6);
    }
}
