//! A local file to be sent.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use crate::error::{Error, Kind, Result};
use crate::mtime::Mtime;

/// What a read brought.
pub(super) enum Portion {
    /// So many bytes.
    Bytes(usize),
    /// The end.
    End,
}

/// A local file, of the size it had when it was opened.
pub(super) struct LocalFile {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) mtime: Mtime,
    /// The last read came back with less than it asked for, and with all there should be.
    at_end: bool,
}

impl LocalFile {
    /// Opens a regular file. `O_NONBLOCK`: a pipe in its place would make the call wait for a writer.
    pub(super) fn open(path: &Path, seen: bool) -> Result<LocalFile> {
        let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        flags.set(OFlags::NOFOLLOW, seen);
        let failed = |err: rustix::io::Errno| Error::file(path.display(), err.into());
        Self::over(rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?.into(), path)
    }

    /// A file that is open, if it is a regular one; `path` is for errors.
    pub(super) fn over(file: File, path: &Path) -> Result<LocalFile> {
        let failed = |err: rustix::io::Errno| Error::file(path.display(), err.into());
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(failed(rustix::io::Errno::ISDIR)),
            _ => return Err(Error::new(Kind::NotRegular, format!("{}: not a regular file", path.display()))),
        }
        let mtime = Mtime { secs: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(LocalFile { file, path: path.to_owned(), size, mtime, at_end: false })
    }

    /// Reads on, and notices a file that is not as long as it was. The last read asks for one byte more than should be
    /// there: that it does not come is the end, without another call.
    pub(super) fn read(&mut self, space: &mut [u8], sent: u64) -> Result<Portion> {
        if self.at_end {
            return Ok(Portion::End);
        }
        let left = self.size.saturating_sub(sent);
        let ask = usize::try_from(left.saturating_add(1)).unwrap_or(usize::MAX).min(space.len());
        let space = space.get_mut(..ask).unwrap_or_default();
        let count = uninterrupted(|| self.file.read(space)).map_err(|err| Error::file(self.path.display(), err))?;
        let came = count as u64;
        if came > left || (count == 0 && left > 0) {
            let text = format!("{}: the file changed while it was sent", self.path.display());
            return Err(Error::new(Kind::Aborted, text));
        }
        self.at_end = came == left && count < ask;
        Ok(if count == 0 { Portion::End } else { Portion::Bytes(count) })
    }
}

/// Reads until no signal is in the way.
pub(super) fn uninterrupted(mut read: impl FnMut() -> std::io::Result<usize>) -> std::io::Result<usize> {
    loop {
        match read() {
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
