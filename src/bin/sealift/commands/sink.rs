//! What bytes are written into that go to no file: a device, a pipe; and what is kept beside a file.

use std::fs::File;
use std::io;
use std::path::Path;

use sealift::client::{Destination, Download, Observer as _};

use crate::format;
use crate::output::Output;
use crate::progress::Progress;

/// Counts what is written, and remembers what went wrong here.
pub struct Sink<'a> {
    /// What they go into.
    pub file: File,
    /// The file that is fetched.
    pub path: &'a Path,
    /// Who is told.
    pub progress: &'a Progress,
    /// Why a write failed.
    pub failed: Option<io::Error>,
}

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write(bytes) {
            Ok(count) => {
                self.progress.progressed(self.path, count as u64);
                Ok(count)
            }
            Err(err) if err.kind() == io::ErrorKind::Interrupted => Err(err),
            Err(err) => {
                let told = io::Error::from(err.kind());
                self.failed = Some(err);
                Err(told)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether there is nothing that could be synced: a pipe, a terminal, a file system without disk.
pub fn cannot_sync(err: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(err), Some(Errno::INVAL | Errno::ROFS | Errno::OPNOTSUPP | Errno::NOSYS))
}

/// Says what is kept of files that are about to be fetched and could be gone on with, where that was not asked for.
pub fn tell_kept(out: Output, files: &[Download], into: &Destination) {
    for file in files {
        let kept = into.kept_of(&file.to);
        if kept > 0 {
            out.note(&format!(
                "{}: {} of an earlier try that was cut off are kept; -c goes on with them. Without -c it starts over, and they go once it \
                 is whole.",
                file.from,
                format::size(kept)
            ));
        }
    }
}
