//! The key that a server will have next. It lies beside the present one, and its pin is told to clients beforehand, so that
//! none of them has to be asked on the day it changes.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use super::files::{self, Privacy};
use super::identity::{CERTIFICATE_FILE, Identity, KEY_FILE};
use super::{Pin, pem, unfinished};
use crate::{Error, Kind, Result};

pub(super) const NEXT_CERTIFICATE_FILE: &str = "cert.next.pem";
pub(super) const NEXT_KEY_FILE: &str = "key.next.pem";

impl Identity {
    /// The pin of the next key in `dir`, if there is one. It is that of `cert.next.pem`: the key itself may be kept
    /// elsewhere until it is needed.
    ///
    /// # Errors
    /// Those of the file, and [`Kind::BadConfig`] if there is no certificate in it.
    pub fn next_pin(dir: &Path) -> Result<Option<Pin>> {
        Identity::pin_in(&dir.join(NEXT_CERTIFICATE_FILE))
    }

    /// The pin of the present key in `dir` as its certificate has it, if there is one; whether it is that of the key is another matter.
    ///
    /// # Errors
    /// As [`Identity::next_pin`].
    pub fn certificate_pin(dir: &Path) -> Result<Option<Pin>> {
        Identity::pin_in(&dir.join(CERTIFICATE_FILE))
    }

    fn pin_in(file: &Path) -> Result<Option<Pin>> {
        let bytes = match files::read(file, Privacy::Public) {
            Err(err) if err.kind() == Kind::NotFound => return Ok(None),
            read => read?,
        };
        let bad = |why: String| Error::new(Kind::BadConfig, format!("{}: {why}", file.display()));
        let chain = pem::certificates(&bytes).map_err(bad)?;
        let own = chain.first().ok_or_else(|| bad("no certificate in it".to_owned()))?;
        Pin::of_certificate(&own.0).map(Some).map_err(|err| bad(format!("the certificate cannot be used: {err}")))
    }

    /// The files in `dir` that say what a server's key is and will be.
    pub(crate) fn files(dir: &Path) -> [PathBuf; 3] {
        [KEY_FILE, CERTIFICATE_FILE, NEXT_CERTIFICATE_FILE].map(|name| dir.join(name))
    }

    /// What was being written in `dir` when a process was killed, keys perhaps, or is just now.
    ///
    /// # Errors
    /// That `dir` cannot be read.
    pub fn left_in(dir: &Path) -> Result<Vec<PathBuf>> {
        files::left_in(dir).map_err(|err| Error::file(dir.display(), err))
    }

    /// Removes that, unless nothing is there. Says how much it was.
    ///
    /// # Errors
    /// As [`Identity::left_in`].
    pub fn sweep(dir: &Path) -> Result<usize> {
        let left = Identity::left_in(dir)?.len();
        if left > 0 {
            unfinished::lock(dir)?;
        }
        Ok(left - Identity::left_in(dir)?.len().min(left))
    }

    /// When the next key in `dir` was made, if there is one.
    ///
    /// # Errors
    /// Those of the file.
    pub fn next_made(dir: &Path) -> Result<Option<SystemTime>> {
        let file = dir.join(NEXT_CERTIFICATE_FILE);
        match fs::metadata(&file).and_then(|meta| meta.modified()) {
            Ok(made) => Ok(Some(made)),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(err) => Err(Error::file(file.display(), err)),
        }
    }

    /// The next key in `dir` with its certificate.
    ///
    /// # Errors
    /// As [`Identity::load`].
    pub fn load_next(dir: &Path) -> Result<Identity> {
        Identity::load_pair(&dir.join(NEXT_CERTIFICATE_FILE), &dir.join(NEXT_KEY_FILE))
    }

    /// Writes `cert.next.pem` and `key.next.pem` into `dir`, for the owner of `dir` alone as [`Identity::save`] does.
    ///
    /// # Errors
    /// [`Kind::Exists`] when one of them is there and `replace` is false; otherwise those of the files.
    pub fn save_next(&self, dir: &Path, replace: bool) -> Result<()> {
        let locked = unfinished::lock(dir)?;
        for name in [NEXT_KEY_FILE, NEXT_CERTIFICATE_FILE] {
            if !replace && locked.has(name)? {
                return Err(Error::new(Kind::Exists, format!("{}: already exists", dir.join(name).display())));
            }
        }
        self.write_as(&locked, NEXT_KEY_FILE, NEXT_CERTIFICATE_FILE)
    }

    /// Whether a [`switch`](Identity::switch) in `dir` was cut off: the key, or the whole pair, is the next one already, and that is still
    /// there beside it. The same again completes it.
    pub fn is_half_switched(dir: &Path) -> bool {
        let (key, next) = (dir.join(KEY_FILE), dir.join(NEXT_CERTIFICATE_FILE));
        Identity::load_pair(&next, &key).is_ok()
    }

    /// Makes the next key in `dir` the present one. What it replaces is kept beside, under the names that are returned,
    /// and gives it its owner and mode. If this is broken off, the same again completes it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without a next key; as [`Identity::load`] if it cannot be used, and then nothing is changed;
    /// otherwise those of the files.
    pub fn switch(dir: &Path) -> Result<(Identity, Vec<PathBuf>)> {
        if !dir.is_dir() {
            return Err(Error::new(Kind::NotFound, format!("{}: no such folder", dir.display())));
        }
        let locked = unfinished::lock(dir)?;
        let present = Identity::load_pair(&dir.join(NEXT_CERTIFICATE_FILE), &dir.join(KEY_FILE));
        if let (Ok(now), Ok(present)) = (Identity::load(dir), present)
            && now.is_same_certificate(&present)
        {
            // It was cut off, and what it replaced is kept already.
            locked.remove(&[NEXT_KEY_FILE, NEXT_CERTIFICATE_FILE])?;
            return Ok((now, Vec::new()));
        }
        let next = Identity::load_next(dir)?;
        let kept = locked.keep_beside(&[KEY_FILE, CERTIFICATE_FILE])?;
        next.write(&locked)?;
        locked.remove(&[NEXT_KEY_FILE, NEXT_CERTIFICATE_FILE])?;
        Ok((next, kept))
    }
}
