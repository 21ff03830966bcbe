//! A local folder that downloads go into and can never leave.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, openat, readlinkat, renameat, statat, symlinkat,
    unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::files::aside::part_name;
use crate::files::{Durability, Mtime, RelPath, Store, symlink_target};
use crate::store::{LocalOptions, LocalStore, Staging};

/// A local folder, opened once; nothing a server says can make a download write outside it, whatever links are in it.
/// Cheap to clone.
///
/// Files appear in it whole or not at all; like `cp`, it does not wait until they would outlive a power cut.
#[derive(Clone)]
pub struct Destination {
    inner: Arc<Inner>,
}

struct Inner {
    root: Dir,
    store: LocalStore,
}

impl Destination {
    /// Opens an existing folder.
    ///
    /// # Errors
    /// As for any file: not found, not a folder, permission denied.
    pub fn open(folder: impl AsRef<Path>) -> Result<Destination> {
        let folder = folder.as_ref();
        let failed = |err| Error::file(folder.display(), err);
        let root = Dir::open_ambient_dir(folder, ambient_authority()).map_err(failed)?;
        let options = LocalOptions { durability: Durability::None, staging: Staging::Beside };
        let store = LocalStore::open(root.try_clone().map_err(failed)?, options)?;
        Ok(Destination { inner: Arc::new(Inner { root, store }) })
    }

    /// How many bytes of a file are kept beside the place it goes to, by a download that was cut off and that nobody goes on with just
    /// now. Whether they are those of the file to come is not looked at: that is proven when it is gone on with.
    pub fn kept_of(&self, path: &RelPath) -> u64 {
        self.inner.store.left_beside(path)
    }

    /// The folder as a store.
    pub(super) fn store(&self) -> &dyn Store {
        &self.inner.store
    }

    /// The device and inode of what has this name, whatever it is.
    pub(super) fn identity(&self, path: &RelPath) -> Option<(u64, u64)> {
        self.inner.store.identity(path)
    }

    /// Removes what has this name in a folder of it, also a name that no path can have. Never what a link leads to, and
    /// a folder only if it is empty.
    pub(super) fn remove_name(&self, folder: &RelPath, name: &[u8], is_folder: bool) -> Result<()> {
        let shown = || for_people(&[folder.as_bytes(), b"/", name].concat()).trim_start_matches('/').to_owned();
        let failed = |err: std::io::Error| Error::file(shown(), err);
        let folder = match folder.is_root() {
            true => self.inner.root.try_clone(),
            false => self.inner.root.open_dir(folder.as_path()),
        };
        let flags = if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        unlinkat(folder.map_err(failed)?, name, flags).map_err(|err| failed(err.into()))
    }

    /// Makes a link of this text at `path`, in the place of a file or link of that name if it `replaces`. Only one that leads to
    /// something in the folder `tree`, by its text and by whatever is here on the way, and in folders that are no links.
    pub(super) fn make_link(&self, tree: &RelPath, path: &RelPath, text: &[u8], replaces: bool) -> Result<Linked> {
        let failed = |err: std::io::Error| Error::file(path, err);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::new(Kind::IsDirectory, format!("{path}: is a folder")).at(path.as_path()));
        };
        let inside = folder.strip_prefix(tree);
        if inside.as_ref().is_none_or(|inside| symlink_target(inside, text).is_none()) {
            return Ok(Linked::LeadsOut);
        }
        // What is here on the way may be a link of somebody else's.
        let top = self.plain_folder(tree).map_err(failed)?;
        let inside = inside.unwrap_or_default();
        match top.canonicalize(inside.as_path().join(OsStr::from_bytes(text))) {
            Ok(_) => {}
            // Where there is nothing, or something that is no folder, it leads nowhere.
            Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(_) => return Ok(Linked::LeadsOut),
        }
        let dir = self.plain_folder(&folder).map_err(failed)?;
        let there = match statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Some(there),
            Err(Errno::NOENT) => None,
            Err(err) => return Err(failed(err.into())),
        };
        match there.map(|there| FileType::from_raw_mode(there.st_mode)) {
            None => symlinkat(text, &dir, name).map_err(|err| failed(err.into()))?,
            Some(FileType::Symlink) if is_link_of(&dir, name, text) => return Ok(Linked::Same),
            Some(_) if !replaces => return Err(failed(Errno::EXIST.into())),
            Some(FileType::RegularFile | FileType::Symlink) => {
                there.map_or(Ok(()), |there| self.inner.store.check_over(&there, (&dir, name), path))?;
                let part = part_name(name)?;
                symlinkat(text, &dir, &*part).map_err(|err| failed(err.into()))?;
                if let Err(err) = renameat(&dir, &*part, &dir, name) {
                    // What could not be renamed is of no use, and the error says what is wrong.
                    let _ = unlinkat(&dir, &*part, AtFlags::empty());
                    return Err(failed(err.into()));
                }
            }
            Some(FileType::Directory) => return Err(failed(Errno::ISDIR.into())),
            Some(_) => {
                let text = format!("{path}: a device or pipe has this name, and nothing takes its place");
                return Err(Error::new(Kind::NotRegular, text).at(path.as_path()));
            }
        }
        self.inner.store.has_put(dir, path);
        Ok(Linked::Made)
    }

    /// Whether a link of this very name has this text.
    pub(super) fn has_link(&self, path: &RelPath, text: &[u8]) -> bool {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
        self.plain_folder(&folder).is_ok_and(|dir| is_link_of(&dir, name, text))
    }

    /// Removes a link if it still has this text.
    pub(super) fn remove_link(&self, path: &RelPath, text: &[u8]) -> Result<()> {
        let failed = |err: std::io::Error| Error::file(path, err);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        let dir = self.plain_folder(&folder).map_err(failed)?;
        match is_link_of(&dir, name, text) {
            true => unlinkat(&dir, name, AtFlags::empty()).map_err(|err| failed(err.into())),
            false => Ok(()),
        }
    }

    /// Whether a file of this very name, which is no link, was modified later than this.
    pub(super) fn has_newer_file(&self, path: &RelPath, mtime: Mtime) -> bool {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
        let Ok(dir) = self.plain_folder(&folder) else { return false };
        statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|there| {
            let at = Mtime { secs: there.st_mtime, nanos: u32::try_from(there.st_mtime_nsec).unwrap_or(0) };
            FileType::from_raw_mode(there.st_mode) == FileType::RegularFile && at > mtime
        })
    }

    /// A folder in it to which no link leads.
    fn plain_folder(&self, path: &RelPath) -> std::io::Result<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut dir = self.inner.root.try_clone()?;
        for name in path.components() {
            dir = Dir::from_std_file(File::from(openat(&dir, name, flags, Mode::empty())?));
        }
        Ok(dir)
    }

    /// Gives a file or folder in it this modification time; the root path is the destination itself.
    pub(super) fn set_mtime(&self, path: &RelPath, mtime: Mtime) -> Result<()> {
        let failed = |err: std::io::Error| Error::file(path, err);
        // Not by a crate's `set_mtime`: that one panics at a time before 1970, and this time is the server's.
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() },
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return utimensat(&self.inner.root, ".", &times, AtFlags::empty()).map_err(|err| failed(err.into()));
        };
        // The parent is found inside the jail, and the name itself is no link that is followed.
        let parent = match parent.is_root() {
            true => self.inner.root.try_clone(),
            false => self.inner.root.open_dir(parent.as_path()),
        };
        utimensat(parent.map_err(failed)?, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|err| failed(err.into()))
    }
}

fn is_link_of(dir: &Dir, name: &[u8], text: &[u8]) -> bool {
    readlinkat(dir, name, Vec::new()).is_ok_and(|known| known.as_bytes() == text)
}

/// What became of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Linked {
    /// It is there.
    Made,
    /// It was there.
    Same,
    /// It would lead out of the tree, and was not made.
    LeadsOut,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_removed_only_as_long_as_it_is_the_one_that_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let destination = Destination::open(folder.path()).unwrap();
        symlink("there", folder.path().join("ours")).unwrap();
        symlink("elsewhere", folder.path().join("changed")).unwrap();
        std::fs::write(folder.path().join("file"), "somebody's").unwrap();
        for name in ["ours", "changed", "file", "missing"] {
            destination.remove_link(&RelPath::parse(name.as_bytes()).unwrap(), b"there").unwrap();
        }
        let left = ["ours", "changed", "file"].map(|name| folder.path().join(name).symlink_metadata().is_ok());
        assert_eq!(left, [false, true, true]);
    }
}
