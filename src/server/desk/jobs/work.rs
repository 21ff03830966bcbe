//! Work that gives nothing before its outcome, and takes a core: hashes of files.

use std::ops::ControlFlow;

use super::compare::Comparing;
use super::copy::Copying;
use super::resume::{Comes, Resuming};
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{Finding, Looked, RelPath, Upload};
use crate::limits;
use crate::machine::turns::{self, Class};
use crate::server::desk::op::Hashing;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::running::Running;
use crate::server::desk::uploads::Put;
use crate::server::desk::{Desk, Earlier};
use crate::store::{Checked, Reading};

/// Work that is not done yet. [`Desk::work`] goes on with it.
pub struct Work {
    what: What,
    running: Running,
}

pub(super) enum What {
    /// A file is hashed.
    Hash(Reading),
    /// A file is hashed, to be taken as right.
    Accept(Reading),
    /// What is left of an interrupted upload is hashed: nobody knows any more what it was.
    Partial { path: RelPath, left: u64 },
    /// The same, to be gone on with.
    Resume { resuming: Resuming, left: u64 },
    /// A file is copied.
    Copy(Copying),
    /// What has the name of an upload is hashed.
    Compare(Comparing),
}

/// How far a step of work came.
pub enum Worked {
    /// There is more to do.
    On(Work),
    /// It is done but for its commit: its outcome comes with those of the batch.
    Waits,
    /// The rest of an upload is to come; if it was refused, it is to be dropped.
    Put(Result<Put>),
    /// It is over.
    Done(Result<Outcome>),
}

/// The same, of one kind of work.
pub(super) enum Went {
    On(What),
    /// A file is whole, and waits for its commit.
    Whole(Box<dyn Upload>),
    Done(Result<Outcome>),
}

impl Work {
    pub(super) fn new(what: What, running: Running) -> Self {
        Work { what, running }
    }

    /// What the next step takes: a core, but for what is done in a moment.
    pub fn class(&self) -> Class {
        let left = match &self.what {
            What::Hash(reading) | What::Accept(reading) => reading.left_to_hash(),
            What::Partial { left, .. } | What::Resume { left, .. } => *left,
            What::Copy(copying) => copying.left_to_hash(),
            What::Compare(comparing) => comparing.left(),
        };
        if left <= limits::HEAVY_MIN { Class::Light } else { Class::Heavy }
    }

    /// What it is about.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Whether the rest of an upload comes right behind what asked for it: if it is given up, that is to be dropped.
    pub fn awaits_bytes(&self) -> bool {
        matches!(&self.what, What::Resume { resuming, .. } if resuming.comes == Comes::InOnePiece)
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
        match self.open(path) {
            Ok((source, recorded)) => {
                let is_whole = length.is_none_or(|length| length >= source.meta().size);
                let digest = self.digest(recorded.filter(|_| is_whole && of == Hashing::Record));
                let reading = Reading::new(source, 0, length, digest).growing(of == Hashing::Growing);
                if reading.is_recorded() {
                    let outcome = self.hashed(reading, None);
                    return self.over(running, Ok(outcome));
                }
                Begun::Work(Work { what: What::Hash(reading), running })
            }
            Err(error) => self.over(running, Err(error)),
        }
    }

    pub(in crate::server::desk) fn begin_accept(&mut self, path: &RelPath, running: Running) -> Begun {
        let opened = self.store.open(path);
        match opened {
            Ok(source) => {
                let reading = Reading::new(source, 0, None, self.digest(None));
                Begun::Work(Work { what: What::Accept(reading), running })
            }
            Err(error) => self.over(running, Err(error)),
        }
    }

    pub(in crate::server::desk) fn find_partial(&self, path: &RelPath, running: Running) -> Begun {
        let looked = turns::block_in_place(|| {
            // Where nothing is kept of uploads that break off, they go on where they are or not at all.
            if self.store.promises().resumes {
                self.ties.put_away(&self.principal, path);
            }
            self.look_for_partial(path.clone())
        });
        match looked {
            ControlFlow::Continue(what) => Begun::Work(Work { what, running }),
            ControlFlow::Break(found) => self.over(running, found),
        }
    }

    fn look_for_partial(&self, path: RelPath) -> ControlFlow<Result<Outcome>, What> {
        let missing = || Error::new(Kind::NotFound, format!("{path}: no interrupted upload is left"));
        ControlFlow::Break(match self.store.look_for_partial(&path) {
            Ok(Looked::NotYet { left }) => return ControlFlow::Continue(What::Partial { path, left }),
            Ok(Looked::Done(partial)) => partial.map(Outcome::Partial).ok_or_else(missing),
            Err(error) => Err(error),
        })
    }

    /// The upload that waits for this work, if one does.
    pub fn put_of(&self, Work { what, running }: Work) -> Option<Put> {
        match what {
            What::Compare(comparing) => comparing.into_upload().map(|upload| Put::new(upload, running, &self.store)),
            What::Hash(_) | What::Accept(_) | What::Partial { .. } | What::Resume { .. } | What::Copy(_) => None,
        }
    }

    /// One bounded step of work. `earlier` is told of operations before it that are over by the time it is.
    pub fn work(&mut self, Work { what, running }: Work, earlier: Earlier<'_>) -> Worked {
        let went = match what {
            What::Hash(reading) => self.hash(reading, &running),
            What::Accept(reading) => self.accept(reading, &running),
            What::Partial { path, .. } => match self.look_for_partial(path) {
                ControlFlow::Continue(what) => Went::On(what),
                ControlFlow::Break(found) => Went::Done(found),
            },
            What::Resume { resuming, .. } => return self.go_on_resuming(resuming, running, earlier),
            What::Copy(copying) => self.copy(copying, &running),
            What::Compare(comparing) => self.compare(comparing, &running),
        };
        match went {
            Went::On(what) => Worked::On(Work { what, running }),
            Went::Whole(upload) => {
                self.batch.add_file(upload, running);
                self.commit_if_full(earlier);
                Worked::Waits
            }
            Went::Done(result) => {
                self.commit(earlier);
                Worked::Done(self.ended(running, result))
            }
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
    pub fn drop_work(&mut self, Work { what, running }: Work, error: Error, earlier: Earlier<'_>) -> Error {
        drop(what);
        self.commit(earlier);
        self.failed(running, error)
    }
}
