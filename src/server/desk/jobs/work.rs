//! Work that gives nothing before its outcome, and takes a core: hashes of files.

use super::{Trust, Wanted};
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{Finding, Looked, RelPath};
use crate::limits;
use crate::machine::turns::{self, Class};
use crate::server::desk::Desk;
use crate::server::desk::audit::Running;
use crate::server::desk::op::Hashing;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::store::{Checked, Digest, Reading};

/// Work that is not done yet. [`Desk::work`] goes on with it.
pub struct Work {
    what: What,
    running: Running,
}

enum What {
    /// A file is hashed.
    Hash(Reading),
    /// A file is hashed, to be taken as right.
    Accept(Reading),
    /// What is left of an interrupted upload is hashed: nobody knows any more what it was.
    Partial { path: RelPath, left: u64 },
}

/// How far a step of work came.
pub enum Worked {
    /// There is more to do.
    On(Work),
    /// It is over.
    Done(Result<Outcome>),
}

/// The same, of one kind of work.
enum Went {
    On(What),
    Done(Result<Outcome>),
}

impl Work {
    /// What the next step takes: a core, but for what is done in a moment.
    pub fn class(&self) -> Class {
        let left = match &self.what {
            What::Hash(reading) | What::Accept(reading) => reading.left_to_hash(),
            What::Partial { left, .. } => *left,
        };
        if left <= limits::HEAVY_MIN { Class::Light } else { Class::Heavy }
    }

    /// What it is about.
    pub fn running(&self) -> &Running {
        &self.running
    }
}

impl Desk {
    pub(in crate::server::desk) fn begin_hash(
        &mut self,
        path: &RelPath,
        length: Option<u64>,
        of: Hashing,
        running: Running,
    ) -> Begun {
        let trust = if of == Hashing::Record { Trust::Record } else { Trust::Bytes };
        let wanted = Wanted { offset: 0, length, trust, growing: of == Hashing::Growing };
        match self.open(path, wanted) {
            Ok(reading) if reading.is_recorded() => {
                let outcome = self.hashed(reading, None);
                self.over(running, Ok(outcome))
            }
            Ok(reading) => Begun::Work(Work { what: What::Hash(reading), running }),
            Err(error) => self.over(running, Err(error)),
        }
    }

    pub(in crate::server::desk) fn begin_accept(&mut self, path: &RelPath, running: Running) -> Begun {
        let opened = self.store.open(path);
        match opened {
            Ok(source) => {
                let reading = Reading::new(source, 0, None, Digest::Computed(self.spare_hasher()));
                Begun::Work(Work { what: What::Accept(reading), running })
            }
            Err(error) => self.over(running, Err(error)),
        }
    }

    pub(in crate::server::desk) fn find_partial(&self, path: &RelPath, running: Running) -> Begun {
        match turns::aside(|| self.look_for_partial(path.clone())) {
            Went::On(what) => Begun::Work(Work { what, running }),
            Went::Done(found) => self.over(running, found),
        }
    }

    fn look_for_partial(&self, path: RelPath) -> Went {
        let missing = || Error::new(Kind::NotFound, format!("{path}: no interrupted upload is left"));
        Went::Done(match self.store.look_for_partial(&path) {
            Ok(Looked::NotYet { left }) => return Went::On(What::Partial { path, left }),
            Ok(Looked::Done(partial)) => partial.map(Outcome::Partial).ok_or_else(missing),
            Err(error) => Err(error),
        })
    }

    /// One bounded step of work.
    pub fn work(&mut self, Work { what, running }: Work) -> Worked {
        let went = match what {
            What::Hash(reading) => self.hash(reading, &running),
            What::Accept(reading) => self.accept(reading, &running),
            What::Partial { path, .. } => self.look_for_partial(path),
        };
        match went {
            Went::On(what) => Worked::On(Work { what, running }),
            Went::Done(result) => Worked::Done(self.ended(running, result)),
        }
    }

    fn hash(&mut self, mut reading: Reading, running: &Running) -> Went {
        if reading.left() > 0 {
            return match reading.read(Buffer::take().room()) {
                Ok(_) => Went::On(What::Hash(reading)),
                Err(error) => Went::Done(Err(error)),
            };
        }
        Went::Done(match reading.check() {
            Ok(Checked::NotYet) => return Went::On(What::Hash(reading)),
            Ok(Checked::Done(Finding::Rotten(rot))) => Err(self.found_rotten(running, &rot)),
            Ok(Checked::Done(finding)) => {
                let record = reading.is_whole().then_some(finding == Finding::Confirmed);
                Ok(self.hashed(reading, record))
            }
            Err(error) => Err(error),
        })
    }

    fn hashed(&mut self, reading: Reading, record: Option<bool>) -> Outcome {
        let mtime = reading.source().meta().mtime;
        let (size, hash) = self.read_all(reading);
        Outcome::Hashed { size, hash, mtime, record }
    }

    fn accept(&mut self, mut reading: Reading, running: &Running) -> Went {
        let done = match reading.left() {
            0 => reading.accept(),
            _ => reading.read(Buffer::take().room()).map(|_| false),
        };
        match done {
            Err(error) => Went::Done(Err(error)),
            Ok(false) => Went::On(What::Accept(reading)),
            Ok(true) => {
                let (size, hash) = self.read_all(reading);
                self.audit.accepted(running, hash);
                Went::Done(Ok(Outcome::Accepted { size }))
            }
        }
    }

    /// Gives work up, for this reason.
    pub fn drop_work(&self, work: Work, error: Error) -> Error {
        self.failed(work.running, error)
    }
}
