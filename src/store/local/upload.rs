//! One upload: bytes into a staged file, hashed on the way.

use std::any::Any;
use std::io::Write;

use rustix::fs::{AtFlags, FallocateFlags, fallocate, statat};
use rustix::io::Errno;

use super::jail::Jail;
use super::staging::{Stage, Temp};
use crate::error::{Error, Kind, Result};
use crate::hash::{Hash, Hasher};
use crate::limits;
use crate::proto::RelPath;
use crate::store::{Condition, Upload, UploadSpec};

/// An upload to a [`super::LocalStore`].
pub(super) struct LocalUpload {
    pub(super) path: RelPath,
    pub(super) spec: UploadSpec,
    pub(super) temp: Temp,
    hasher: Hasher,
    /// A write failed: what is in the file is no longer what was hashed.
    broken: bool,
}

impl LocalUpload {
    /// [`crate::store::Store::begin`].
    pub(super) fn begin(jail: &Jail, stage: &Stage, path: &RelPath, spec: UploadSpec) -> Result<Self> {
        let (parent, name) = jail.parent(path)?;
        // Said before the bytes are sent in vain. The commit decides.
        if spec.condition == Condition::Absent && statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err(Error::file(path, Errno::EXIST.into()));
        }
        let temp = stage.create(path, &parent)?;
        let upload = LocalUpload { path: path.clone(), spec, temp, hasher: Hasher::new(), broken: false };
        match spec.size {
            Some(size) if size >= limits::RESERVE_MIN => upload.reserve(size)?,
            _ => {}
        }
        Ok(upload)
    }

    /// Takes the space now, so that a full disk says so at once. The size of the file stays what was written.
    fn reserve(&self, size: u64) -> Result<()> {
        match fallocate(&self.temp.file, FallocateFlags::KEEP_SIZE, 0, size) {
            Err(err @ (Errno::NOSPC | Errno::DQUOT)) => Err(self.failed(err.into())),
            Err(Errno::FBIG) => {
                let text = format!("{}: {size} bytes are more than a file can have on this disk", self.path);
                Err(Error::new(Kind::NoSpace, text))
            }
            // Not every file system can: then the writes will tell.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Fails unless the file is whole: every write done, as many bytes as announced.
    pub(super) fn check_whole(&self) -> Result<()> {
        if self.broken {
            return Err(Error::new(Kind::Io, format!("{}: not stored, a write failed before", self.path)));
        }
        match self.spec.size {
            Some(size) if size != self.len() => {
                let text = format!("{}: {size} bytes were announced and {} came", self.path, self.len());
                Err(Error::new(Kind::Integrity, text))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn failed(&self, err: std::io::Error) -> Error {
        Error::file(&self.path, err)
    }
}

impl Upload for LocalUpload {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let len = self.len().saturating_add(bytes.len() as u64);
        if let Some(size) = self.spec.size.filter(|size| len > *size) {
            self.broken = true;
            let text = format!("{}: more than the {size} bytes that were announced", self.path);
            return Err(Error::new(Kind::Integrity, text));
        }
        if let Err(err) = self.temp.file.write_all(bytes) {
            self.broken = true;
            return Err(self.failed(err));
        }
        self.hasher.update(bytes);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.hasher.len()
    }

    fn hash(&self) -> Hash {
        self.hasher.finalize()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
