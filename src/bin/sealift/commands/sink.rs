//! What bytes are written into that go to no file: a device, a pipe; and what is kept beside a file.

use std::fs::File;
use std::io;
use std::path::Path;

use sealift::client::{Destination, Download, Observer as _};

use crate::format;
use crate::interrupt;
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

/// Looks what earlier tries that were cut off have left of files that are about to be fetched: says so where going on with it was not
/// asked for, and has it told if this one is interrupted before it has more.
pub fn look_at_kept(out: Output, files: &[Download], into: &Destination, goes_on: bool) {
    if let [file] = files {
        interrupt::keeps(into.kept_of(&file.to));
    }
    for file in files.iter().filter(|_| !goes_on) {
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
