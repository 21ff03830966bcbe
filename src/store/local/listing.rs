//! Reading folders, one entry at a time. What is held is one open directory and one buffer of the kernel's entries
//! for each level, whatever the number of entries.

use rustix::fs::readlinkat;
use rustix::io::Errno;

use super::Staging;
use super::jail::{Jail, entries, open_directory};
use super::source::look;
use crate::error::{Error, Kind, Message, Result};
use crate::files::aside::is_part;
use crate::files::{Entry, EntryKind, Listing, Mark, Meta, RelPath, Unread, is_reserved_name, symlink_target};
use crate::limits;

/// One open folder.
struct Level {
    entries: rustix::fs::Dir,
    /// How much of the path is this folder's.
    path_len: usize,
}

/// A listing of a [`super::LocalStore`].
pub(super) struct LocalListing {
    staging: Staging,
    base: RelPath,
    recursive: bool,
    /// Components of the listed folder.
    base_depth: usize,
    levels: Vec<Level>,
    /// The folder being read, relative to the listed one, with a slash at its end unless empty.
    path: Vec<u8>,
    /// Said after the folder it is about.
    trouble: Option<Unread>,
}

impl LocalListing {
    /// [`crate::files::Store::list`].
    pub(super) fn open(jail: &Jail, staging: Staging, path: &RelPath, recursive: bool) -> Result<Self> {
        let entries = entries(jail.directory(path)?).map_err(|err| Error::file(path, err.into()))?;
        let base_depth = path.components().count();
        let levels = vec![Level { entries, path_len: 0 }];
        Ok(LocalListing { staging, base: path.clone(), recursive, base_depth, levels, path: Vec::new(), trouble: None })
    }

    fn hidden(&self, name: &[u8]) -> bool {
        name == b"." || name == b".." || is_reserved_name(name) || (self.staging == Staging::Beside && is_part(name))
    }

    /// The path from the root.
    fn full(&self, path: &[u8]) -> Vec<u8> {
        if self.base.is_root() { path.to_vec() } else { [self.base.as_bytes(), b"/", path].concat() }
    }

    fn failed(&self, path: &[u8], err: Errno) -> Unread {
        Unread { path: path.to_vec(), error: Error::file(Message::path(&self.full(path)), err.into()) }
    }

    /// One entry of the folder being read; nothing if it vanished meanwhile.
    fn entry(&self, dir: &rustix::fs::Dir, name: &[u8]) -> Option<Result<Entry, Unread>> {
        let path = [&*self.path, name].concat();
        let (found, identity) = match dir.fd().and_then(|dir| look(dir, name)) {
            Ok(found) => found,
            Err(Errno::NOENT) => return None,
            Err(err) => return Some(Err(self.failed(&path, err))),
        };
        let mark = if found.kind == EntryKind::Link { self.text(dir, name) } else { None };
        let Meta { kind, size, mtime, mode } = found;
        Some(Ok(Entry { path, kind, size, mtime, mode: Some(mode), rotten: false, mark, identity }))
    }

    /// The text of this link in the folder being read, if it leads to something below the root.
    fn text(&self, dir: &rustix::fs::Dir, name: &[u8]) -> Option<Mark> {
        let folder = self.base.join(self.path.strip_suffix(b"/").unwrap_or(&self.path)).ok()?;
        let text = readlinkat(dir.fd().ok()?, name, Vec::new()).ok()?.into_bytes();
        symlink_target(&folder, &text).map(|_| Mark::Symlink(text))
    }

    /// Goes back to the folder above.
    fn leave(&mut self) {
        self.levels.pop();
        self.path.truncate(self.levels.last().map_or(0, |level| level.path_len));
    }

    /// Goes into this folder of the one being read. It was listed already: one that is gone since, or swapped for something
    /// else, is not to be taken for an empty one.
    fn enter(&mut self, name: &[u8]) -> Result<(), Unread> {
        let path = [&*self.path, name].concat();
        let Some(level) = self.levels.last() else { return Ok(()) };
        let opened = level.entries.fd().and_then(|dir| open_directory(dir, name)).and_then(entries);
        let mut entries = opened.map_err(|err| self.failed(&path, err))?;
        if self.base_depth + self.levels.len() >= limits::DEPTH_MAX {
            let is_empty = std::iter::from_fn(|| entries.read())
                .all(|entry| entry.is_ok_and(|entry| self.hidden(entry.file_name().to_bytes())));
            if is_empty {
                return Ok(());
            }
            let why = format_args!("not listed, what is in it is deeper than {} folders", limits::DEPTH_MAX);
            let text = Message::path(&self.full(&path)).words(": ").words(why);
            return Err(Unread { path, error: Error::new(Kind::PathTooLong, text) });
        }
        self.path = [&*path, b"/"].concat();
        self.levels.push(Level { entries, path_len: self.path.len() });
        Ok(())
    }
}

impl Listing for LocalListing {
    fn next(&mut self) -> Option<Result<Entry, Unread>> {
        if let Some(trouble) = self.trouble.take() {
            return Some(Err(trouble));
        }
        loop {
            let level = self.levels.last_mut()?;
            let name = match level.entries.read() {
                Some(Ok(entry)) => entry.file_name().to_bytes().to_vec(),
                ended => {
                    let failed = ended.map(|entry| {
                        entry.err().map(|err| {
                            let folder = self.path.strip_suffix(b"/").unwrap_or(&self.path);
                            self.failed(folder, err)
                        })
                    });
                    self.leave();
                    if let Some(Some(err)) = failed {
                        return Some(Err(err));
                    }
                    continue;
                }
            };
            if self.hidden(&name) {
                continue;
            }
            let dir = &self.levels.last()?.entries;
            let Some(entry) = self.entry(dir, &name) else { continue };
            if self.recursive && matches!(&entry, Ok(entry) if entry.kind == EntryKind::Directory) {
                self.trouble = self.enter(&name).err();
            }
            return Some(entry);
        }
    }

    fn skip(&mut self, folder: &[u8]) {
        // It is gone into as soon as it is given, where that can be done.
        if self.path.strip_suffix(b"/") == Some(folder) {
            self.leave();
        }
        self.trouble = self.trouble.take().filter(|trouble| trouble.path != folder);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use cap_std::ambient_authority;

    use super::super::Root;
    use super::super::source::LocalSource;
    use super::*;
    use crate::files::Source as _;

    #[test]
    fn what_is_in_a_folder_that_is_skipped_is_not_given_and_all_else_is() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["base/a/deep", "base/b", "base/c/in"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("file"), b"").unwrap();
        }
        let root = cap_std::fs::Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        let jail = Arc::new(Jail::new(Arc::new(Root::alone(&root).unwrap())));
        let base = RelPath::parse(b"base").unwrap();
        let all = |skipped: &[&str]| {
            let mut listing = LocalListing::open(&jail, Staging::Hidden, &base, true).unwrap();
            let mut paths = Vec::new();
            while let Some(entry) = listing.next() {
                let path = String::from_utf8(entry.unwrap().path).unwrap();
                if skipped.contains(&path.as_str()) {
                    listing.skip(path.as_bytes());
                }
                paths.push(path);
            }
            paths.sort();
            paths
        };
        assert_eq!(all(&["a"]), ["a", "b", "b/file", "c", "c/in", "c/in/file"]);
        assert_eq!(all(&["a/deep", "b", "c/in/file"]), ["a", "a/deep", "b", "c", "c/in", "c/in/file"]);
        assert_eq!(all(&["a", "b", "c"]), ["a", "b", "c"]);
    }

    #[test]
    fn a_file_is_told_by_what_it_is_told_by_when_it_is_opened_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("folder")).unwrap();
        fs::write(dir.path().join("file"), b"some").unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        let root = cap_std::fs::Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        let jail = Arc::new(Jail::new(Arc::new(Root::alone(&root).unwrap())));
        let mut listing = LocalListing::open(&jail, Staging::Hidden, &RelPath::root(), false).unwrap();
        let mut found: Vec<_> = std::iter::from_fn(|| listing.next()).map(Result::unwrap).collect();
        found.sort_by(|one, other| one.path.cmp(&other.path));
        let opened = LocalSource::open(&jail, &RelPath::parse(b"file").unwrap()).unwrap();
        assert!(opened.identity().is_some());
        let told: Vec<_> = found.iter().map(|entry| (&*entry.path, entry.identity)).collect();
        assert_eq!(told, [(&b"file"[..], opened.identity()), (b"folder", None), (b"link", None)]);
        let stat = super::super::source::stat(&jail, &RelPath::parse(b"file").unwrap()).unwrap();
        let file = &found[0];
        assert_eq!((file.kind, file.size, file.mtime, file.mode), (stat.kind, stat.size, stat.mtime, Some(stat.mode)));
    }

    #[test]
    fn a_folder_that_is_renamed_or_swapped_after_it_was_listed_is_unread_and_not_empty() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("base/there/inner")).unwrap();
        fs::write(dir.path().join("base/file"), b"").unwrap();
        std::os::unix::fs::symlink("there", dir.path().join("base/link")).unwrap();
        let root = cap_std::fs::Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        let jail = Arc::new(Jail::new(Arc::new(Root::alone(&root).unwrap())));
        let base = RelPath::parse(b"base").unwrap();
        let mut listing = LocalListing::open(&jail, Staging::Hidden, &base, true).unwrap();
        for (gone, kind) in [("renamed", Kind::NotFound), ("file", Kind::NotDirectory), ("link", Kind::NotDirectory)] {
            let unread = listing.enter(gone.as_bytes()).unwrap_err();
            assert_eq!((unread.path, unread.error.kind()), (gone.as_bytes().to_vec(), kind));
        }
        // What is there is listed all the same.
        let mut paths: Vec<_> = std::iter::from_fn(|| listing.next()).map(|entry| entry.unwrap().path).collect();
        paths.sort();
        assert_eq!(paths, [&b"file"[..], b"link", b"there", b"there/inner"]);
    }
}
