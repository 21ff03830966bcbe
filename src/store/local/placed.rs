//! What a store beside its targets has put in its places, on file systems that find one file by several spellings of its name: two names of
//! a server that are one here must not both count as fetched.

use std::collections::HashMap;

use rustix::fs::Stat;

use crate::error::{Error, Kind};
use crate::files::{Hash, RelPath};
use crate::sync::Mutex;

/// The files by device and inode, each with the hash of the path that it was put at: paths may be long, and files many.
#[derive(Default, Debug)]
pub(super) struct Placed(Mutex<HashMap<(u64, u64), Hash>>);

impl Placed {
    /// This is put at this path.
    pub(super) fn add(&self, file: &Stat, path: &RelPath) {
        self.0.lock().insert((file.st_dev, file.st_ino), Hash::of(path.as_bytes()));
    }

    /// It was not, after all.
    pub(super) fn forget(&self, file: &Stat, path: &RelPath) {
        let (key, hash) = ((file.st_dev, file.st_ino), Hash::of(path.as_bytes()));
        let mut all = self.0.lock();
        if all.get(&key) == Some(&hash) {
            all.remove(&key);
        }
    }

    /// Whether what was found at this path was put there under another one.
    pub(super) fn has_as_another(&self, found: &Stat, path: &RelPath) -> bool {
        let all = self.0.lock();
        !all.is_empty()
            && all.get(&(found.st_dev, found.st_ino)).is_some_and(|known| *known != Hash::of(path.as_bytes()))
    }
}

/// What is said of the second of two names.
pub(super) fn refusal(path: &RelPath) -> Error {
    let text = format!("{path}: for this file system it is the name of another file that was fetched just now");
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

    /// A store on a file system that is said to find names in other spellings. Two names of one file stand for two spellings of one.
    #[test]
    fn a_second_spelling_of_what_was_just_put_there_is_refused_and_the_same_name_is_not() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let device = rustix::fs::fstat(&dir).unwrap().st_dev;
        let known = Arc::new(FileSystems::default());
        let can = Capabilities {
            nameless: None,
            new_name: NewName::Rename,
            locks: true,
            notes: true,
            exact: false,
            syncs: true,
        };
        known.of(device, || Ok(can)).unwrap();
        let options = LocalOptions::new(Durability::None, Staging::Beside);
        let store = LocalStore::sharing(Arc::new(Root::alone(&dir).unwrap()), options, known);
        let put = |name: &str, bytes: &[u8]| -> Result<()> {
            let mut upload = store.begin(&RelPath::parse(name.as_bytes())?, UploadSpec::default())?;
            upload.append(bytes)?;
            store.commit_one(upload).map(drop)
        };
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
