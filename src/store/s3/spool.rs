//! Bytes of an upload until they are sent: few in memory, more in a file of this machine that has no name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{Context, SHA256};

use super::sign::digits;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::outgoing::Payload;

/// The bytes of one part, or of a small file.
pub(super) struct Spool {
    folder: Arc<PathBuf>,
    memory: Vec<u8>,
    file: Option<Arc<File>>,
    len: u64,
    sha256: Context,
}

impl Spool {
    /// An empty one, whose file is made in this folder if it takes one.
    pub(super) fn new(folder: &Arc<PathBuf>) -> Spool {
        Spool { folder: folder.clone(), memory: Vec::new(), file: None, len: 0, sha256: Context::new(&SHA256) }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        match &self.file {
            None if self.memory.len() + bytes.len() <= limits::SPOOL_MEMORY => self.memory.extend_from_slice(bytes),
            None => {
                let file = unnamed(&self.folder)?;
                write(&file, &self.memory, 0)?;
                write(&file, bytes, self.memory.len() as u64)?;
                self.memory = Vec::new();
                self.file = Some(Arc::new(file));
            }
            Some(file) => write(file, bytes, self.len)?,
        }
        self.len += bytes.len() as u64;
        self.sha256.update(bytes);
        Ok(())
    }

    /// All of it, with its SHA-256.
    pub(super) fn finish(self) -> (Payload, String) {
        let payload = match self.file {
            Some(file) => Payload::File(file, self.len),
            None => Payload::Bytes(self.memory.into()),
        };
        (payload, digits(self.sha256.finish().as_ref()))
    }
}

fn write(file: &File, bytes: &[u8], at: u64) -> Result<()> {
    file.write_all_at(bytes, at).map_err(|err| match err.kind() {
        // Of this machine: no matter of the user's.
        std::io::ErrorKind::StorageFull => {
            Error::new(Kind::Unavailable, "this server has no room on its own disk for uploads on their way")
        }
        _ => Error::file("an upload on its way", err),
    })
}

/// A file that nobody else finds and that is gone with whoever has it.
fn unnamed(folder: &Path) -> Result<File> {
    let failed = |err| Error::file("a file for an upload on its way", err);
    let path = folder.join(format!("{:016x}", crate::random::number()?));
    let make = || OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = match make() {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).and_then(|()| make())
        }
        made => made,
    };
    let file = file.map_err(failed)?;
    fs::remove_file(&path).map_err(failed)?;
    Ok(file)
}
