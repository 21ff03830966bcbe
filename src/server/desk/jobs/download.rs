//! The bytes of a file, or of a range of it, pulled by whoever sends them.

use crate::error::{Error, Result};
use crate::files::{FileIdentity, Finding, Hash, Meta, RelPath, Source};
use crate::limits;
use crate::machine::turns::Class;
use crate::server::desk::Desk;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::running::Running;
use crate::store::{Checked, Digest, Reading};

/// A file that is being sent. [`Desk::pull`] goes on with it.
pub struct Download {
    reading: Reading,
    running: Running,
}

/// What pulling at a download came to.
pub enum Pulled {
    /// So many bytes are in the room that was given. None if all were given already, and some are read once more before it is
    /// known that they were of one file.
    Bytes(Download, usize),
    /// It is over. What was given is worth something only if this is no error.
    Done(Result<Outcome>),
}

impl Download {
    /// What the file was when it was opened.
    pub fn meta(&self) -> Meta {
        self.reading.source().meta()
    }

    /// Bytes that the file takes where it is kept, if it has holes.
    pub fn allocated(&self) -> Option<u64> {
        self.reading.source().allocated()
    }

    /// The BLAKE3 that was recorded of all of the file, if that is what is being sent.
    pub fn recorded(&self) -> Option<Hash> {
        self.reading.is_recorded().then(|| self.reading.hash())
    }

    /// What tells the file from those that had its name before it, if the store knows that.
    pub fn identity(&self) -> Option<FileIdentity> {
        self.reading.source().identity()
    }

    /// Bytes that are yet to be given.
    pub fn left(&self) -> u64 {
        self.reading.left()
    }

    /// What the next step takes: a core if its bytes are hashed on the way or once more, but for what is done in a moment.
    pub fn class(&self) -> Class {
        if self.reading.left_to_hash() <= limits::HEAVY_MIN { Class::Light } else { Class::Heavy }
    }

    /// The open file alone, for whoever only looks whether it stands still. Nothing is written down.
    pub fn into_source(self) -> Box<dyn Source> {
        self.running.forget();
        self.reading.into_source()
    }

    /// Lets go of it before anything was given. Nothing is written down.
    pub fn forget(self) {
        self.running.forget();
    }

    /// So many of the bytes that were pulled are on their way to whoever asked for them: they count from now on. All count once it is over
    /// and right.
    pub fn gives(&self, bytes: usize) {
        self.running.moves(bytes);
    }

    /// What it is about.
    pub fn running(&self) -> &Running {
        &self.running
    }
}

impl Desk {
    pub(in crate::server::desk) fn begin_read(
        &mut self,
        path: &RelPath,
        (offset, length): (u64, Option<u64>),
        growing: bool,
        running: Running,
    ) -> Begun {
        match self.open(path) {
            Ok((source, recorded)) => {
                let is_whole = offset == 0 && length.is_none_or(|length| length >= source.meta().size);
                // Whoever gets all bytes compares them with what is recorded.
                let digest = self.digest(recorded.filter(|_| is_whole));
                let reading = Reading::new(source, offset, length, digest).growing(growing);
                Begun::Download(Download { reading, running })
            }
            Err(error) => self.over(running, Err(error)),
        }
    }

    /// This file from its first byte on, or this range of it, for a protocol whose clients cannot compare hashes: its bytes are hashed
    /// here, whatever is recorded.
    pub fn hashing(&mut self, job: Download, (offset, length): (u64, u64)) -> Download {
        let Download { reading, running } = job;
        let digest = Digest::Computed(self.spare_hasher());
        Download { reading: Reading::new(reading.into_source(), offset, Some(length), digest), running }
    }

    /// The next bytes, at most as many as there is room for and [`limits::CHUNK`]. There must be room as long as some are
    /// left. To be called until it is over: only then it is known whether the file stood still.
    pub fn pull(&mut self, mut job: Download, room: &mut [u8]) -> Pulled {
        if job.left() > 0 {
            return match job.reading.read(room) {
                Ok(n) => Pulled::Bytes(job, n),
                Err(error) => Pulled::Done(Err(self.drop_download(job, error))),
            };
        }
        let Download { mut reading, running } = job;
        let result = match reading.check() {
            Ok(Checked::NotYet) => return Pulled::Bytes(Download { reading, running }, 0),
            Ok(Checked::Done(Finding::Unrecorded | Finding::Confirmed)) => {
                let (size, hash) = self.read_all(reading);
                Ok(Outcome::Read { size, hash })
            }
            Ok(Checked::Done(Finding::Rotten(rot))) => Err(self.found_rotten(&running, &rot)),
            Err(error) => Err(error),
        };
        Pulled::Done(self.ended(running, result))
    }

    /// Gives a download up, for this reason.
    pub fn drop_download(&self, job: Download, error: Error) -> Error {
        self.failed(job.running, error)
    }
}
