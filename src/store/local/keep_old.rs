//! Commits of those who may not replace: a name is taken only if nothing has it, and a file of the very same bytes that
//! has it counts as stored.

use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, fsync, statat};
use rustix::io::Errno;

use super::commit::{changed, failed, put_new};
use super::compare::Comparison;
use super::jail::Jail;
use super::upload::LocalUpload;
use crate::error::{Error, Kind, Result};
use crate::files::{Condition, Mtime, RelPath, Source, Upload};
use crate::limits;

/// Gives a staged file its name if nothing has it, and says where. The time of the file that stays instead, if that has
/// the same bytes.
///
/// # Errors
/// [`Kind::Denied`] if something else has the name; [`Kind::Changed`] for a hash condition that does not hold; [`Kind::Io`] where it may
/// be what was there before another server changed it.
pub(super) fn put(jail: &Jail, upload: &mut LocalUpload) -> Result<(Arc<Dir>, Option<Mtime>)> {
    let path = &upload.path.clone();
    let (mut found, may_hash) = upload.comparing.take();
    // What came there between the comparison and now may be a file of the same bytes: once it is worth reading it, which is no
    // more than was sent.
    let mut once = true;
    for _ in 0..limits::NAME_TRIES {
        if !matches!(upload.spec.condition, Condition::Hash(_)) {
            let _steady = jail.steady(path)?;
            let (dir, name) = jail.parent(path)?;
            match put_new(jail, upload, None, (&dir, name)) {
                Ok(()) => return Ok((dir, None)),
                Err(Errno::EXIST) => {}
                Err(err) => return Err(failed(path, err)),
            }
        }
        if let Condition::Hash(_) = upload.spec.condition {
            may_decide(jail, path)?;
        }
        let there = match found.take() {
            Some(there) => there,
            None => match open(jail, upload)? {
                None => continue,
                Some(there) if there.size() <= limits::COMPARE_IN_COMMIT => there.to_the_end()?,
                Some(there) if may_hash || std::mem::take(&mut once) => there.to_the_end()?,
                Some(_) => return Err(changed(path)),
            },
        };
        if let Some(dir) = is_same(jail, upload, &there)? {
            return Ok((dir, Some(there.source().meta().mtime)));
        }
    }
    Err(changed(path))
}

/// Refuses what [`put`] would surely refuse, before the bytes are sent in vain: what is there cannot be the same.
///
/// # Errors
/// [`Kind::Denied`]; [`Kind::IsDirectory`].
pub(super) fn check_target(path: &RelPath, dir: &Dir, name: &[u8], size: Option<u64>) -> Result<()> {
    let Ok(there) = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(()) };
    match FileType::from_raw_mode(there.st_mode) {
        FileType::RegularFile if size.is_none_or(|size| u64::try_from(there.st_size) == Ok(size)) => Ok(()),
        FileType::Directory => Err(Error::file(path, Errno::ISDIR.into())),
        _ => Err(denied(path)),
    }
}

/// What has the name, to be read: a recorded hash is only what its bytes once were. Nothing if nothing has the name any more.
///
/// # Errors
/// [`Kind::Denied`] if it surely has other bytes than the upload; [`Kind::Changed`] if it cannot be the expected file.
pub(super) fn open(jail: &Jail, upload: &LocalUpload) -> Result<Option<Box<Comparison>>> {
    let path = &upload.path;
    let (dir, name) = jail.parent(path)?;
    if let Condition::Hash(_) = upload.spec.condition {
        return Comparison::open_expected(jail, path, (&dir, name)).map(Some);
    }
    match Comparison::open(jail, path, (&dir, name)) {
        Ok(there) if there.size() != upload.len() => Err(denied(path)),
        Ok(there) => Ok(Some(there)),
        Err(err) if err.kind() == Kind::NotFound => Ok(None),
        Err(err) if err.kind() == Kind::NotRegular => Err(denied(path)),
        Err(err) => Err(err),
    }
}

/// Where the file is that was read, if it has the bytes of the upload and still has its name. Nothing if it was touched
/// meanwhile.
///
/// # Errors
/// As [`put`].
fn is_same(jail: &Jail, upload: &LocalUpload, there: &Comparison) -> Result<Option<Arc<Dir>>> {
    let path = &upload.path;
    let Some(hash) = there.hash() else { return Ok(None) };
    if matches!(upload.spec.condition, Condition::Hash(expected) if expected != hash) {
        return Err(changed(path));
    }
    if hash != upload.hash() {
        return Err(denied(path));
    }
    may_decide(jail, path)?;
    if upload.durable {
        // Whoever put it there may not have waited for the disk; what is acknowledged has to be on it.
        fsync(there.source().file()).map_err(|err| Error::file(path, err.into()))?;
    }
    let _steady = jail.tree().steady().map_err(|err| Error::file(path, err))?;
    let (dir, name) = jail.parent(path)?;
    Ok(there.is_at(&dir, name).then_some(dir))
}

/// Fails where another server may have put something else in the place of what is read there, and that is not seen yet: neither a
/// condition is decided by it, nor that a file is stored already.
fn may_decide(jail: &Jail, path: &RelPath) -> Result<()> {
    let (dir, _) = jail.parent(path)?;
    jail.tree().may_decide(&*dir).map_err(|err| Error::file(path, err))
}

pub(super) fn denied(path: &RelPath) -> Error {
    Error::new(Kind::Denied, path.said("is there already, and the right `overwrite` to replace it is missing"))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io;
    use std::sync::atomic::{AtomicBool, Ordering};

    use cap_std::ambient_authority;

    use super::super::{LocalOptions, LocalStore, PlaceInTree, Root, Staging, Tree, TreeLock};
    use super::*;
    use crate::files::{Durability, Hash, Overwrite, Store, UploadSpec};

    #[test]
    fn where_it_may_be_what_was_there_before_nothing_is_decided_by_it() {
        let place = tempfile::tempdir().unwrap();
        let (home, lock) = (place.path().join("home"), place.path().join("lock"));
        fs::create_dir(&home).unwrap();
        fs::write(home.join("f"), b"one").unwrap();
        let is_doubtful = Arc::new(AtomicBool::new(true));
        let doubt = is_doubtful.clone();
        let lock = TreeLock::of("tree".to_owned(), move || {
            OpenOptions::new().write(true).create(true).truncate(false).open(&lock)
        });
        let lock = lock.deciding_if(move |_| match doubt.load(Ordering::Relaxed) {
            true => Err(io::ErrorKind::ResourceBusy.into()),
            false => Ok(()),
        });
        let dir = Dir::open_ambient_dir(&home, ambient_authority()).unwrap();
        let tree = Arc::new(Tree::across(lock));
        let root = Root::within(&dir, PlaceInTree { tree, ..PlaceInTree::default() }).unwrap();
        let store = LocalStore::over(Arc::new(root), LocalOptions::new(Durability::None, Staging::Hidden));
        let path = RelPath::parse(b"f").unwrap();
        let put = |bytes: &[u8], condition: Condition| {
            let spec = UploadSpec { condition, overwrite: Overwrite::Refused, ..UploadSpec::default() };
            let mut upload = store.begin(&path, spec).unwrap();
            upload.append(bytes).unwrap();
            store.commit(vec![upload.prepare()]).pop().unwrap().map(drop).map_err(|error| error.kind())
        };
        let is_one = Condition::Hash(Hash::of(b"one"));
        for condition in [Condition::Any, is_one] {
            assert_eq!(put(b"one", condition), Err(Kind::Io), "{condition:?}");
        }
        // What would be refused anyway is.
        assert_eq!(put(b"two", Condition::Any), Err(Kind::Denied));
        is_doubtful.store(false, Ordering::Relaxed);
        for condition in [Condition::Any, is_one] {
            assert_eq!(put(b"one", condition), Ok(()), "{condition:?}");
        }
        assert_eq!(put(b"two", is_one), Err(Kind::Denied));
    }
}
