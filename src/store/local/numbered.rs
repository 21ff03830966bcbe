//! Commits of those who are to learn nothing of what is there: a file whose name is taken gets it with a number.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use super::commit::{failed, put_new};
use super::jail::Jail;
use super::upload::LocalUpload;
use crate::error::{Error, Kind, Result};
use crate::files::{numbered, numbered_name};
use crate::limits;

/// The looks that it takes to find a number up to [`limits::NUMBERED_MAX`].
const LOOKS: u32 = limits::NUMBERED_MAX.ilog2();

/// Gives a staged file its name, or that with a number, and says where, and with which number: below two it is the name itself. The
/// upload's path is that one from then on.
///
/// # Errors
/// [`Kind::TooMany`] if there are as many files of that name as are counted; [`Kind::PathTooLong`] if there is no path of the name with a
/// number.
pub(super) fn put(jail: &Jail, upload: &mut LocalUpload) -> Result<(Arc<Dir>, u32)> {
    let asked = upload.path.clone();
    for _ in 0..limits::NAME_TRIES {
        let _steady = jail.steady(&asked)?;
        let (dir, name) = jail.parent(&asked)?;
        let Some(number) = free(&dir, name) else { break };
        let path = numbered(&asked, number)?;
        match put_new(jail, upload, Some(path), (&dir, &numbered_name(name, number))) {
            Ok(()) => return Ok((dir, number)),
            // Somebody has taken it just now.
            Err(Errno::EXIST) => {}
            Err(err) => return Err(failed(&asked, err)),
        }
    }
    Err(Error::new(Kind::TooMany, asked.said("there are too many files of this name")))
}

/// A number that nothing has with this name, as far as a look can tell; nothing if all that are counted are taken. It takes the same number of looks however many there are, and
/// whether there are any: how long it takes says nothing to whoever waits.
fn free(dir: &Dir, name: &[u8]) -> Option<u32> {
    let look = |number| statat(dir, &*numbered_name(name, number), AtFlags::SYMLINK_NOFOLLOW);
    let is_taken = |number| look(number).err() != Some(Errno::NOENT);
    let is_plain_free = !is_taken(1);
    let (mut taken, mut free) = (1, 1 + limits::NUMBERED_MAX);
    for _ in 0..LOOKS {
        let middle = u32::midpoint(taken, free);
        if is_taken(middle) { taken = middle } else { free = middle }
    }
    let found = if is_plain_free { 1 } else { free };
    (found <= limits::NUMBERED_MAX).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::super::{LocalOptions, LocalStore, Staging};
    use super::*;
    use crate::files::{Durability, Overwrite, RelPath, Store as _, UploadSpec};

    #[test]
    fn beyond_the_highest_number_nothing_is_put() {
        let home = tempfile::tempdir().unwrap();
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        let store = LocalStore::open_path(home.path(), options).unwrap();
        let path = RelPath::parse(b"f").unwrap();
        let put = || {
            let spec = UploadSpec { overwrite: Overwrite::Numbered, ..UploadSpec::default() };
            store.commit_one(store.begin(&path, spec).unwrap()).map(drop).map_err(|error| error.kind())
        };
        // All that are looked at where all are taken.
        let looked_at = (1..=LOOKS).map(|look| 1 + limits::NUMBERED_MAX - (limits::NUMBERED_MAX >> look));
        for number in looked_at.chain([1]) {
            let name = numbered_name(b"f", number);
            std::fs::write(home.path().join(std::str::from_utf8(&name).unwrap()), b"").unwrap();
        }
        let count = || {
            let names = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name());
            names.filter(|name| name.as_encoded_bytes().starts_with(b"f")).count()
        };
        let before = count();
        assert_eq!((put(), count()), (Err(Kind::TooMany), before));
        std::fs::remove_file(home.path().join("f")).unwrap();
        assert_eq!((put(), count()), (Ok(()), before));
    }

    #[test]
    fn what_has_no_path_with_its_number_is_not_put_there_and_told_to_have_failed() {
        let home = tempfile::tempdir().unwrap();
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        let store = LocalStore::open_path(home.path(), options).unwrap().bounded(1 << 20, "full".to_owned());
        // As long as a path may be, and its names are not.
        let names = vec!["n".repeat(240); 17];
        let path = RelPath::parse(names.join("/").as_bytes()).unwrap();
        assert_eq!(path.as_bytes().len(), limits::PATH_MAX);
        let folder = path.parent().unwrap();
        store.make_dir(&folder, true).unwrap();
        let put = || {
            let spec = UploadSpec { overwrite: Overwrite::Numbered, ..UploadSpec::default() };
            let mut upload = store.begin(&path, spec).unwrap();
            upload.append(b"text").unwrap();
            store.commit_one(upload).map(drop).map_err(|error| error.kind())
        };
        let count = || {
            std::iter::from_fn({
                let mut listing = store.list(&folder, false).unwrap();
                move || listing.next()
            })
            .count()
        };
        assert_eq!((put(), count()), (Ok(()), 1));
        assert_eq!((put(), count()), (Err(Kind::PathTooLong), 1));
    }
}
