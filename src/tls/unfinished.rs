//! Key and certificate are two files, and no file system replaces two at once. Whoever is killed between them leaves a new key beside
//! the old certificate, or beside none. The new certificate was on the disk before the key took its place: whoever comes next under the
//! lock puts it there, so that either pair is whole.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{self, Locked, Privacy};
use super::identity::{CERTIFICATE_FILE, Identity, KEY_FILE};
use super::next::NEXT_CERTIFICATE_FILE;
use crate::{Error, Result};

/// Locks a folder of keys, made if it is not there, completes what was broken off there, and removes what else it left.
///
/// # Errors
/// Those of the folder. What can be neither completed nor removed is no error: whoever reads the pair says what is wrong with it.
pub(super) fn lock(dir: &Path) -> Result<Locked> {
    let locked = Locked::open(dir)?;
    if let Some(certificate) = certificate_of_new_key(dir) {
        // If it cannot be put in place it must stay.
        match put_in_place(&locked, dir, &certificate) {
            Ok(()) => {}
            Err(_) => return Ok(locked),
        }
    }
    locked.sweep();
    Ok(locked)
}

impl Identity {
    /// [`load`](Identity::load)s, and completes a change of the key before that was broken off between its two files, if it can: it may be
    /// that nothing can be written here.
    ///
    /// # Errors
    /// As [`Identity::load`].
    pub fn load_completed(dir: &Path) -> Result<Identity> {
        if certificate_of_new_key(dir).is_some() {
            // What was wrong is said by who reads.
            let _ = lock(dir);
        }
        Identity::load(dir)
    }

    /// Whether a change of the key in `dir` was broken off between its two files, or goes on just now. The next start or command that
    /// changes the key completes it.
    pub fn is_unfinished(dir: &Path) -> bool {
        certificate_of_new_key(dir).is_some()
    }
}

/// The certificate that was about to take its place, if the one that is there is none of the key.
fn certificate_of_new_key(dir: &Path) -> Option<PathBuf> {
    let key = dir.join(KEY_FILE);
    let is_of_key = |certificate: &Path| Identity::load_pair(certificate, &key).is_ok();
    if !key.exists() || is_of_key(&dir.join(CERTIFICATE_FILE)) {
        return None;
    }
    let staged =
        files::left_in(dir).unwrap_or_default().into_iter().filter(|left| files::is_left_of(left, CERTIFICATE_FILE));
    staged.chain([dir.join(NEXT_CERTIFICATE_FILE)]).find(|one| is_of_key(one))
}

fn put_in_place(locked: &Locked, dir: &Path, certificate: &Path) -> Result<()> {
    if certificate.ends_with(NEXT_CERTIFICATE_FILE) {
        let content = files::read(certificate, Privacy::Public)?;
        return locked.write(&[(CERTIFICATE_FILE, &content, Privacy::Public)]);
    }
    let target = dir.join(CERTIFICATE_FILE);
    fs::rename(certificate, &target).map_err(|err| Error::file(target.display(), err))?;
    locked.sync()
}
