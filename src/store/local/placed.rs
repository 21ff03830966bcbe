//! What a store beside its targets has put in its places, on file systems that find one file by several spellings of its name: two names of
//! a server that are one here must not both count as fetched.

use std::collections::HashMap;

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Stat, StatxFlags, statx};

use crate::error::{Error, Kind};
use crate::files::{Hash, RelPath};
use crate::sync::Mutex;

/// The files by device and inode.
#[derive(Default, Debug)]
pub(super) struct Placed(Mutex<HashMap<(u64, u64), Put>>);

/// What is known of one that was put there.
#[derive(Debug, PartialEq, Eq)]
struct Put {
    /// The hash of the path: paths may be long, and files many.
    path: Hash,
    /// When the file was made, where the file system tells: once it is removed another one may get its inode.
    made: Option<Made>,
}

/// A moment as a file system has it.
type Made = (i64, u32);

/// When what has this name in this directory was made, or the directory or file itself that is open and has none there.
fn made(at: impl AsFd, name: &[u8], flags: AtFlags) -> Option<Made> {
    let found = statx(at, name, flags | AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME).ok()?;
    let is_told = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    is_told.then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec))
}

impl Placed {
    /// This open file is put at this path.
    pub(super) fn add(&self, (file, stat): (impl AsFd, &Stat), path: &RelPath) {
        self.know(stat, path, made(file, b"", AtFlags::EMPTY_PATH));
    }

    /// What has this name in this directory by now is put at this path.
    pub(super) fn add_at(&self, (dir, name): (impl AsFd, &[u8]), stat: &Stat, path: &RelPath) {
        self.know(stat, path, made(dir, name, AtFlags::empty()));
    }

    fn know(&self, stat: &Stat, path: &RelPath, made: Option<Made>) {
        self.0.lock().insert((stat.st_dev, stat.st_ino), Put { path: Hash::of(path.as_bytes()), made });
    }

    /// It was not, after all.
    pub(super) fn forget(&self, file: &Stat, path: &RelPath) {
        let (key, hash) = ((file.st_dev, file.st_ino), Hash::of(path.as_bytes()));
        let mut all = self.0.lock();
        if all.get(&key).is_some_and(|put| put.path == hash) {
            all.remove(&key);
        }
    }

    /// Whether what was found at this path, in this place, was put there under another one.
    pub(super) fn has_as_another(&self, found: &Stat, (dir, name): (impl AsFd, &[u8]), path: &RelPath) -> bool {
        let all = self.0.lock();
        let Some(put) = all.get(&(found.st_dev, found.st_ino)) else { return false };
        if put.path == Hash::of(path.as_bytes()) {
            return false;
        }
        // Mostly there is none of these, and nothing more is asked.
        put.made.zip(made(dir, name, AtFlags::empty())).is_none_or(|(then, now)| then == now)
    }
}

/// What is said of the second of two names.
pub(super) fn refusal(path: &RelPath) -> Error {
    let text = path.said("for this file system it is the name of another file that was fetched just now");
    Error::new(Kind::Exists, text).at(path.as_path())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::super::capabilities::{Capabilities, FileSystems, NewName};
    use super::super::{LocalOptions, LocalStore, Root, Staging};
    use super::*;
    use crate::error::Result;
    use crate::files::{Durability, Store as _, UploadSpec};

    /// A store on a file system that is said to find names in other spellings, or not.
    fn store(place: &std::path::Path, exact: bool) -> (LocalStore, Arc<FileSystems>) {
        let dir = Dir::open_ambient_dir(place, ambient_authority()).unwrap();
        let device = rustix::fs::fstat(&dir).unwrap().st_dev;
        let known = Arc::new(FileSystems::default());
        let (nameless, new_name) = (None, NewName::Rename);
        let can = Capabilities { nameless, new_name, locks: true, notes: true, exact, syncs: true };
        known.of(device, || Ok(can)).unwrap();
        let options = LocalOptions::new(Durability::None, Staging::Beside);
        (LocalStore::sharing(Arc::new(Root::alone(&dir).unwrap()), options, known.clone()), known)
    }

    fn put_in(store: &LocalStore, name: &str, bytes: &[u8]) -> Result<()> {
        let mut upload = store.begin(&RelPath::parse(name.as_bytes())?, UploadSpec::default())?;
        upload.append(bytes)?;
        store.commit_one(upload).map(drop)
    }

    #[test]
    fn another_file_that_has_got_the_inode_of_one_that_is_gone_is_not_taken_for_it() {
        let place = tempfile::tempdir().unwrap();
        let (store, _) = store(place.path(), false);
        fs::write(place.path().join("other"), "of another program").unwrap();
        let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let found = rustix::fs::statat(&dir, "other", AtFlags::empty()).unwrap();
        let path = |name: &str| RelPath::parse(name.as_bytes()).unwrap();
        let placed = &store.stage.placed;
        // The one that was put there was made long ago, and is gone.
        placed.know(&found, &path("first"), Some((1, 0)));
        assert!(!placed.has_as_another(&found, (&dir, b"other"), &path("other")));
        put_in(&store, "other", b"fetched").unwrap();
        // Where nobody tells when files were made it may be that one.
        placed.know(&found, &path("first"), None);
        assert!(placed.has_as_another(&found, (&dir, b"other"), &path("other")));
    }

    /// On one file system folders may differ in that. This kernel need not have any such: the folder is said to be one.
    #[test]
    fn a_folder_that_folds_case_is_known_beside_one_that_does_not() {
        let place = tempfile::tempdir().unwrap();
        let (store, known) = store(place.path(), true);
        for folder in ["plain", "folds"] {
            fs::create_dir(place.path().join(folder)).unwrap();
        }
        let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(place.path().join("folds")).unwrap());
        known.folding.lock().push(inode);
        let second = |folder: &str| {
            let (one, other) = (format!("{folder}/README"), format!("{folder}/readme"));
            put_in(&store, &one, b"first").unwrap();
            fs::hard_link(place.path().join(one), place.path().join(&other)).unwrap();
            put_in(&store, &other, b"second").map_err(|error| error.kind())
        };
        assert_eq!((second("folds"), second("plain")), (Err(Kind::Exists), Ok(())));
    }

    /// Two names of one file stand for two spellings of one.
    #[test]
    fn a_second_spelling_of_what_was_just_put_there_is_refused_and_the_same_name_is_not() {
        let place = tempfile::tempdir().unwrap();
        let (store, _) = store(place.path(), false);
        let put = |name: &str, bytes: &[u8]| put_in(&store, name, bytes);
        let at = |name: &str| place.path().join(name);
        // What was here before gives way to the first.
        fs::write(at("README"), "before").unwrap();
        put("README", b"first").unwrap();
        fs::hard_link(at("README"), at("readme")).unwrap();
        assert_eq!(put("readme", b"second").unwrap_err().kind(), Kind::Exists);
        assert_eq!(fs::read(at("README")).unwrap(), b"first");
        // A later fetch of the very name.
        put("README", b"first again").unwrap();
        assert_eq!(fs::read(at("README")).unwrap(), b"first again");
    }
}
