//! Key and certificate are two files, and no file system replaces two at once. Whoever is killed between them leaves a new key beside
//! the old certificate, or beside none. The new certificate was on the disk before the key took its place: whoever comes next under the
//! lock puts it there, so that either pair is whole.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{self, Locked, Privacy};
use super::identity::{CERTIFICATE_FILE, Identity, KEY_FILE};
use super::next::{NEXT_CERTIFICATE_FILE, NEXT_KEY_FILE};
use crate::{Error, Result};

/// Locks a folder of keys, made if it is not there, completes what was broken off there, and removes what else it left.
///
/// # Errors
/// Those of the folder. What can be neither completed nor removed is no error: whoever reads the pair says what is wrong with it.
pub(super) fn lock(dir: &Path) -> Result<Locked> {
    let locked = Locked::open(dir)?;
    let completed = unfinished(dir).iter().all(|one| one.complete(&locked, dir).is_ok());
    // What cannot be put in place now must stay.
    if completed {
        locked.sweep();
    }
    Ok(locked)
}

impl Identity {
    /// [`load`](Identity::load)s, and completes a change of a key before that was broken off between its two files, if it can: it may be
    /// that nothing can be written here.
    ///
    /// # Errors
    /// As [`Identity::load`].
    pub fn load_completed(dir: &Path) -> Result<Identity> {
        if Identity::is_unfinished(dir) {
            // What was wrong is said by who reads.
            let _ = lock(dir);
        }
        Identity::load(dir)
    }

    /// Whether a change of the key in `dir`, or of the next one, was broken off between its two files, or goes on just now. The next start
    /// or command that changes a key completes it.
    pub fn is_unfinished(dir: &Path) -> bool {
        !unfinished(dir).is_empty()
    }
}

/// A certificate that was about to take its place beside a key that has its own already.
struct Unfinished {
    certificate: PathBuf,
    /// The name that it is to have.
    name: &'static str,
}

/// Of the present key and of the next one: what is there beside them is none of theirs.
fn unfinished(dir: &Path) -> Vec<Unfinished> {
    let of = |key: &str, name: &'static str, also: Option<&str>| {
        let key = dir.join(key);
        let is_of_key = |certificate: &Path| Identity::load_pair(certificate, &key).is_ok();
        if !key.exists() || is_of_key(&dir.join(name)) {
            return None;
        }
        let left = files::left_in(dir).unwrap_or_default().into_iter().filter(|left| files::is_left_of(left, name));
        let certificate = left.chain(also.map(|also| dir.join(also))).find(|one| is_of_key(one))?;
        Some(Unfinished { certificate, name })
    };
    // A switch has the present key's certificate also in its own file.
    let both =
        [of(KEY_FILE, CERTIFICATE_FILE, Some(NEXT_CERTIFICATE_FILE)), of(NEXT_KEY_FILE, NEXT_CERTIFICATE_FILE, None)];
    both.into_iter().flatten().collect()
}

impl Unfinished {
    fn complete(&self, locked: &Locked, dir: &Path) -> Result<()> {
        if self.certificate.ends_with(NEXT_CERTIFICATE_FILE) {
            let content = files::read(&self.certificate, Privacy::Public)?;
            return locked.write(&[(self.name, &content, Privacy::Public)]);
        }
        let target = dir.join(self.name);
        fs::rename(&self.certificate, &target).map_err(|err| Error::file(target.display(), err))?;
        locked.sync()
    }
}
