//! A local file to be sent.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::local_access::LocalAccess;
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{Change, FileMode, Hash, Hasher, Mtime, stamp::Stamp};
use crate::holes;
use crate::limits;

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
    pub(super) mode: FileMode,
    /// Bytes that it takes on its disk, if it has holes.
    pub(super) allocated: Option<u64>,
    /// It takes no room on any disk.
    is_nowhere: bool,
    /// As it was opened.
    stamp: Stamp,
    /// It may become longer, and is sent as long as it was.
    growing: bool,
    /// The last read came back with less than it asked for, and with all there should be.
    at_end: bool,
}

impl LocalFile {
    /// Opens a regular file.
    pub(super) fn open(path: &Path, access: &LocalAccess) -> Result<LocalFile> {
        let failed = |err: rustix::io::Errno| Error::file(path.display(), err.into());
        Self::over(access.open(path).map_err(failed)?.into(), path)
    }

    /// A file that is open, if it is a regular one; `path` is for errors.
    pub(super) fn over(file: File, path: &Path) -> Result<LocalFile> {
        let failed = |err: rustix::io::Errno| Error::file(path.display(), err.into());
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(failed(rustix::io::Errno::ISDIR)),
            _ => return Err(Error::new(Kind::NotRegular, format!("{}: not a regular file", path.display())).at(path)),
        }
        let stamp = Stamp::from(&stat);
        let (size, mtime) = (stamp.size(), stamp.mtime());
        let mode = FileMode::of(stat.st_mode);
        let allocated = holes::allocated(&file, &stat);
        let (path, is_nowhere) = (path.to_owned(), stat.st_blocks == 0);
        Ok(LocalFile { file, path, size, mtime, mode, allocated, is_nowhere, stamp, growing: false, at_end: false })
    }

    /// Lets it become longer while it is sent.
    pub(super) fn growing(self, growing: bool) -> LocalFile {
        LocalFile { growing, ..self }
    }

    /// Whether it is not as long as it says: files of `/proc` say that they are empty and are not, those of `/sys` that they
    /// have a page and end before. Then it is read to its end like a stream. A system call, for files that take no room on
    /// any disk only.
    pub(super) fn hides_its_size(&self) -> bool {
        if !self.is_nowhere {
            return false;
        }
        let (last, is_empty) = (self.size.saturating_sub(1), self.size == 0);
        let has = |at| uninterrupted(|| self.file.read_at(&mut [0], at)).map(|count| count > 0);
        // One that is written to or cut off at this moment says so by now.
        has(last).is_ok_and(|has| has == is_empty) && Stamp::of(&self.file).is_ok_and(|now| now.size() == self.size)
    }

    /// Whether the bytes sent, of this hash, are those of one file that stood still meanwhile. Where only its attributes
    /// moved, the bytes decide: all of them are read once more, and `go_on` is asked before each chunk.
    ///
    /// # Errors
    /// [`Kind::Torn`] if they are not; those of reading, and of `go_on`.
    pub(super) fn settle(&self, sent: &Hash, go_on: impl FnMut() -> Result<()>) -> Result<()> {
        // What a growing file had is what was sent, or it has not only become longer.
        let same = match self.change()? {
            Change::Nothing => true,
            Change::Attributes => self.hash_again(go_on)? == *sent && self.change()? != Change::Content,
            Change::Content => self.growing && self.hash_again(go_on)? == *sent,
        };
        if same { Ok(()) } else { Err(self.torn()) }
    }

    fn change(&self) -> Result<Change> {
        self.stamp.since(&self.file).map_err(|err| Error::file(self.path.display(), err.into()))
    }

    fn hash_again(&self, mut go_on: impl FnMut() -> Result<()>) -> Result<Hash> {
        let mut hasher = Hasher::new();
        let mut buffer = Buffer::take();
        let space = buffer.room().get_mut(..limits::CHUNK).unwrap_or_default();
        while hasher.len() < self.size {
            go_on()?;
            let left = usize::try_from(self.size - hasher.len()).unwrap_or(usize::MAX).min(space.len());
            let room = space.get_mut(..left).unwrap_or_default();
            let read = uninterrupted(|| self.file.read_at(room, hasher.len()));
            match read.map_err(|err| Error::file(self.path.display(), err))? {
                0 => return Err(self.torn()),
                count => hasher.update(room.get(..count).unwrap_or_default()),
            }
        }
        Ok(hasher.finalize())
    }

    /// Somebody changed it.
    pub(super) fn torn(&self) -> Error {
        let text = format!("{}: the file changed while it was sent", self.path.display());
        Error::new(Kind::Torn, text).at(&self.path)
    }

    /// Reads on, and notices a file that is not as long as it was. The last read asks for one byte more than should be
    /// there: that it does not come is the end, without another call.
    pub(super) fn read(&mut self, space: &mut [u8], sent: u64) -> Result<Portion> {
        if self.at_end {
            return Ok(Portion::End);
        }
        let left = self.size.saturating_sub(sent);
        if self.growing && left == 0 {
            return Ok(Portion::End);
        }
        let ask = usize::try_from(left.saturating_add(1)).unwrap_or(usize::MAX).min(space.len());
        let space = space.get_mut(..ask).unwrap_or_default();
        let count = uninterrupted(|| self.file.read(space)).map_err(|err| Error::file(self.path.display(), err))?;
        let came = count as u64;
        // What it has become longer by is not sent.
        let (came, count) = if self.growing && came > left { (left, count.saturating_sub(1)) } else { (came, count) };
        if came > left || (count == 0 && left > 0) {
            return Err(self.torn());
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
