//! What clients keep with a file or folder, in an extended attribute of it: so it goes where the file goes, and nothing is left
//! of it when the file is gone. An upload that takes the place of a file is that file with other bytes (RFC 4918, section 9.7.1),
//! and keeps what that kept; a copy keeps what its source does (section 9.8.2).

use std::os::fd::{AsFd, BorrowedFd};

use cap_std::fs::Dir;
use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr, fsync};
use rustix::io::Errno;

use super::jail::Jail;
use super::source::LocalSource;
use super::tree::Steady;
use crate::error::{Error, Kind, Result};
use crate::files::{Properties, RelPath};
use crate::limits;
use crate::sync::Mutex;

const ATTRIBUTE: &str = "user.sealift.properties";

/// Between names and values, in neither of which it is.
const END: char = '\0';

/// What is read, changed and written is so by one at a time, in all trees: two may have one file in them. Those that other nodes serve too
/// have one each ([`super::tree::Tree::changing`]).
static CHANGING: Mutex<()> = Mutex::new(());

/// [`crate::files::Store::properties`].
pub(super) fn load(jail: &Jail, path: &RelPath) -> Result<Properties> {
    let steady = jail.tree().steady().map_err(|err| Error::file(path, err))?;
    on(jail, path, steady, |file| load_of(file, path))
}

/// [`crate::files::Store::change_properties`].
pub(super) fn change(jail: &Jail, durable: bool, path: &RelPath, changes: &[(String, Option<String>)]) -> Result<()> {
    let failed = |err: Errno| Error::file(path, err.into());
    // A file system of several machines may not answer whoever has it.
    let across = jail.tree().changing().map_err(|err| Error::file(path, err))?;
    let changed = on(jail, path, jail.steady(path)?, |file| {
        let _one_at_a_time = across.is_none().then(|| CHANGING.lock());
        let mut kept = load_of(file, path)?;
        for (name, value) in changes {
            match value {
                Some(value) => drop(kept.insert(name.clone(), value.clone())),
                None => drop(kept.remove(name)),
            }
        }
        store_of(file, path, &kept)?;
        file.try_clone_to_owned().map_err(|err| Error::file(path, err))
    })?;
    drop(across);
    // Nobody waits for the disk with it.
    if durable { fsync(changed).map_err(failed) } else { Ok(()) }
}

/// Lets a file that nobody else has yet keep what this one does. Says whether that is anything. Where there is no room for it, it
/// keeps nothing.
pub(super) fn copy(from: impl AsFd, to: impl AsFd) -> bool {
    let mut bytes = [0; limits::PROPERTIES_MAX];
    let kept = match fgetxattr(from, ATTRIBUTE, &mut bytes[..]) {
        Ok(len) => bytes.get(..len).unwrap_or_default(),
        Err(_) => return false,
    };
    !kept.is_empty() && fsetxattr(to, ATTRIBUTE, kept, XattrFlags::empty()).is_ok()
}

/// Lets a file that nobody else has yet keep what the file of this name in this directory does, which it is to take the place of. Says
/// whether that is anything.
pub(super) fn copy_of(dir: &Dir, name: &[u8], to: impl AsFd) -> bool {
    LocalSource::open_bare(dir, name).is_ok_and(|from| copy(from, to))
}

fn load_of(file: BorrowedFd<'_>, path: &RelPath) -> Result<Properties> {
    // Of most files there is nothing: that takes no memory.
    let mut bytes = [0; limits::PROPERTIES_MAX];
    match fgetxattr(file, ATTRIBUTE, &mut bytes[..]) {
        Ok(len) => Ok(decode(bytes.get(..len).unwrap_or_default())),
        // Of a file system without attributes, or written by somebody else.
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(Properties::new()),
        Err(err) => Err(Error::file(path, err.into())),
    }
}

fn store_of(file: BorrowedFd<'_>, path: &RelPath, properties: &Properties) -> Result<()> {
    let bytes = encode(properties);
    let no_room = || Error::new(Kind::NoSpace, path.said("there is no room for so many properties"));
    let set = match bytes.len() {
        0 => fremovexattr(file, ATTRIBUTE),
        1..=limits::PROPERTIES_MAX => fsetxattr(file, ATTRIBUTE, &bytes, XattrFlags::empty()),
        _ => return Err(no_room()),
    };
    match set {
        Ok(()) => Ok(()),
        Err(Errno::NODATA | Errno::NOTSUP) if bytes.is_empty() => Ok(()),
        Err(Errno::NOTSUP | Errno::NOSPC | Errno::TOOBIG | Errno::DQUOT) => Err(no_room()),
        Err(err) => Err(Error::file(path, err.into())),
    }
}

/// Does this with the file or folder, which is opened for it while nothing else gets its name.
fn on<T>(
    jail: &Jail,
    path: &RelPath,
    _steady: Steady<'_>,
    work: impl FnOnce(BorrowedFd<'_>) -> Result<T>,
) -> Result<T> {
    match jail.parent(path).and_then(|(dir, name)| LocalSource::open_real(path, &dir, name)) {
        Ok(opened) => work(opened.file().as_fd()),
        Err(error) if error.kind() == Kind::IsDirectory || path.is_root() => work(jail.directory(path)?.as_fd()),
        Err(error) => Err(error),
    }
}

fn encode(properties: &Properties) -> Vec<u8> {
    let mut text = String::new();
    for (name, value) in properties {
        text.extend([name.as_str(), value.as_str()].into_iter().flat_map(|part| part.chars().chain([END])));
    }
    text.into_bytes()
}

fn decode(bytes: &[u8]) -> Properties {
    let Ok(text) = str::from_utf8(bytes) else { return Properties::new() };
    let mut parts = text.split_terminator(END);
    let mut properties = Properties::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        properties.insert(name.to_owned(), value.to_owned());
    }
    properties
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::path::Path;
    use std::sync::Arc;

    use super::super::{LocalOptions, LocalStore, PlaceInTree, Root, Staging, Tree, TreeLock};
    use super::*;
    use crate::files::{Durability, Store as _};

    /// A store of a tree that other nodes serve, too.
    fn across(place: &Path) -> (LocalStore, Arc<Tree>) {
        let (home, lock) = (place.join("home"), place.join("lock"));
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("f"), b"one").unwrap();
        let open = move || OpenOptions::new().write(true).create(true).truncate(false).open(&lock);
        let tree = Arc::new(Tree::across(TreeLock::of("tree".to_owned(), open)));
        let dir = Dir::open_ambient_dir(&home, cap_std::ambient_authority()).unwrap();
        let root = Root::within(&dir, PlaceInTree { tree: tree.clone(), ..PlaceInTree::default() }).unwrap();
        (LocalStore::over(Arc::new(root), LocalOptions::new(Durability::None, Staging::Hidden)), tree)
    }

    #[test]
    fn who_changes_them_and_does_not_come_back_keeps_nobody_from_names_nor_from_what_is_in_another_tree() {
        let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [(one, tree), (other, _)] = places.each_ref().map(|place| across(place.path()));
        let path = RelPath::parse(b"f").unwrap();
        let change = |store: &LocalStore| {
            let changes = [("{u}x".to_owned(), Some("v".to_owned()))];
            store.change_properties(&path, &changes).map_err(|error| error.kind())
        };
        let kept = change(&one);
        let hangs = tree.changing().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| change(&one));
            while !waiting.is_finished() {
                drop(tree.alone().unwrap());
                assert_eq!(change(&other), kept);
            }
            assert_eq!(waiting.join().unwrap(), Err(Kind::Io));
        });
        assert_eq!(change(&one), Err(Kind::Io));
        drop(hangs);
        assert_eq!(change(&one), kept);
    }

    #[test]
    fn what_is_written_is_read_again_and_rubbish_is_nothing() {
        let of = |pairs: &[(&str, &str)]| -> Properties {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        for properties in [of(&[]), of(&[("a", "")]), of(&[("{u}x", "<v>"), ("{u}y", "ü")])] {
            assert_eq!(decode(&encode(&properties)), properties);
        }
        assert!(decode(b"\xff\0x\0").is_empty() && decode(b"only a name").is_empty());
    }
}
