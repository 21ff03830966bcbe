//! One mirror at a time into one folder: two would take each other's unfinished work for strays.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use sealift::Kind;
use sealift::escape::for_people;
use sealift::files::Hash;

use super::mirror::Way;
use crate::config::config_dir;
use crate::failure::{Failure, Outcome};
use crate::login::Login;

/// Where, in the configuration folder, the locks are for folders on servers.
const LOCKS: &str = "mirrors";

/// Kept as long as a mirror works. It goes with the process, however that ends.
pub struct MirrorLock {
    _files: Vec<File>,
}

impl MirrorLock {
    /// Waits for nobody. A local folder is locked itself; for one on a server, and for a local one that is yet to be made, there is
    /// a file in the configuration folder, so that mirrors of one person on one machine know of each other. Where neither can
    /// be had there is no lock.
    ///
    /// # Errors
    /// [`Kind::Exists`] if another mirror works on the folder.
    pub fn take(way: &Way, login: &Login) -> Outcome<Option<MirrorLock>> {
        let (files, shown) = match way {
            Way::Pull { to, .. } => ([of_local(to), File::open(to).ok()], to.as_os_str().as_bytes().to_vec()),
            Way::Push { to, .. } => ([of_server(&to.path.to_string(), login), None], to.to_string().into_bytes()),
        };
        let mut locked = Vec::new();
        for file in files.into_iter().flatten() {
            match file.try_lock() {
                Ok(()) => locked.push(file),
                Err(TryLockError::WouldBlock) => {
                    let text = format!("{}: another mirror is at work on this folder", for_people(&shown));
                    let hint =
                        "Wait until it has ended. Two at once would take each other's unfinished work for strays.";
                    return Err(Failure::new(Kind::Exists, text, hint));
                }
                // Some file systems know no locks.
                Err(TryLockError::Error(_)) => {}
            }
        }
        Ok((!locked.is_empty()).then_some(MirrorLock { _files: locked }))
    }
}

/// That of a local folder, which has the same path before and after it is made.
fn of_local(folder: &Path) -> Option<File> {
    let place = match (fs::canonicalize(folder), folder.parent(), folder.file_name()) {
        (Ok(place), ..) => place,
        (Err(_), Some(parent), Some(name)) if parent.as_os_str().is_empty() => fs::canonicalize(".").ok()?.join(name),
        (Err(_), Some(parent), Some(name)) => fs::canonicalize(parent).unwrap_or(parent.to_owned()).join(name),
        (Err(_), ..) => return None,
    };
    named(Hash::of(&[b"local\n", place.as_os_str().as_bytes()].concat()))
}

fn of_server(path: &str, login: &Login) -> Option<File> {
    named(Hash::of(format!("{}\n{}\n{path}", login.server, login.name()).as_bytes()))
}

fn named(name: Hash) -> Option<File> {
    let folder = config_dir().ok()?.join(LOCKS);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    open(&folder.join(name.to_string()))
}

fn open(file: &Path) -> Option<File> {
    fs::OpenOptions::new().write(true).create(true).truncate(false).open(file).ok()
}
