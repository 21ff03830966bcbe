//! One mirror at a time into one folder: two would take each other's unfinished work for strays.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use sealift::Kind;
use sealift::files::Hash;
use sealift::proto::escape::for_people;

use super::mirror::Way;
use crate::config::config_dir;
use crate::failure::{Failure, Outcome};
use crate::login::Login;

/// Where, in the configuration folder, the locks are for folders on servers.
const LOCKS: &str = "mirrors";

/// Kept as long as a mirror works. It goes with the process, however that ends.
pub struct MirrorLock {
    _file: File,
}

impl MirrorLock {
    /// Waits for nobody. A local folder is locked itself; for one on a server there is a file in the configuration folder, so
    /// that mirrors of one person on one machine know of each other. Where neither can be had there is no lock.
    ///
    /// # Errors
    /// [`Kind::Exists`] if another mirror works on the folder.
    pub fn take(way: &Way, login: &Login) -> Outcome<Option<MirrorLock>> {
        let (file, shown) = match way {
            Way::Pull { to, .. } => (File::open(to).ok(), to.as_os_str().as_bytes().to_vec()),
            Way::Push { to, .. } => (of_server(&to.path.to_string(), login), to.to_string().into_bytes()),
        };
        let Some(file) = file else { return Ok(None) };
        match file.try_lock() {
            Ok(()) => Ok(Some(MirrorLock { _file: file })),
            Err(TryLockError::WouldBlock) => {
                let text = format!("{}: another mirror is at work on this folder", for_people(&shown));
                let hint = "Wait until it has ended. Two at once would take each other's unfinished work for strays.";
                Err(Failure::new(Kind::Exists, text, hint))
            }
            // Some file systems know no locks.
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }
}

fn of_server(path: &str, login: &Login) -> Option<File> {
    let folder = config_dir().ok()?.join(LOCKS);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    let name = Hash::of(format!("{}\n{}\n{path}", login.server, login.name()).as_bytes()).to_string();
    open(&folder.join(name))
}

fn open(file: &Path) -> Option<File> {
    fs::OpenOptions::new().write(true).create(true).truncate(false).open(file).ok()
}
