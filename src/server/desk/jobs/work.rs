//! Work that gives nothing before its outcome, and takes a core: files are hashed for it. Each kind of it is a [`Job`] in a file of
//! its own.

use crate::error::{Error, Result};
use crate::files::Upload;
use crate::limits;
use crate::machine::turns::Class;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::running::{OperationId, Running};
use crate::server::desk::uploads::Put;
use crate::server::desk::{Desk, Earlier};

/// Work that is not done yet. [`Desk::work`] goes on with it.
pub struct Work {
    job: Box<dyn Job>,
    running: Running,
}

/// One kind of work. Dropped before it is over it leaves nothing half done behind.
pub(super) trait Job: Send {
    /// Bytes that are to be hashed yet: what the next step takes.
    fn left_to_hash(&self) -> u64;

    /// One bounded step. `earlier` is told of operations before it that are over by the time it is.
    fn step(self: Box<Self>, desk: &mut Desk, running: Running, earlier: Earlier<'_>) -> Worked;

    /// Whether the rest of an upload comes right behind what asked for it.
    fn awaits_bytes(&self) -> bool {
        false
    }

    /// It is given up for this reason; what is to be said of that.
    fn given_up(self: Box<Self>, why: Error) -> Error {
        why
    }

    /// The upload that waits for it, if one does that came in one piece.
    fn into_upload(self: Box<Self>) -> Option<Box<dyn Upload>> {
        None
    }
}

/// How far a step of work came.
pub enum Worked {
    /// There is more to do.
    On(Work),
    /// It is done but for its commit: its outcome comes with those of the batch, and is told as that of this operation.
    Waits(OperationId),
    /// The rest of an upload is to come; if it was refused, it is to be dropped.
    Put(Result<Put>),
    /// It is over.
    Done(Result<Outcome>),
}

impl Worked {
    /// There is more to do of this.
    pub(super) fn on(job: Box<dyn Job>, running: Running) -> Worked {
        Worked::On(Work { job, running })
    }
}

impl From<Worked> for Begun {
    fn from(worked: Worked) -> Begun {
        match worked {
            Worked::On(work) => Begun::Work(work),
            Worked::Waits(operation) => Begun::Waits(operation),
            Worked::Put(Ok(put)) => Begun::Put(put),
            Worked::Put(Err(error)) => Begun::Done(Err(error)),
            Worked::Done(done) => Begun::Done(done),
        }
    }
}

impl Work {
    pub(super) fn new(job: impl Job + 'static, running: Running) -> Self {
        Work { job: Box::new(job), running }
    }

    /// What the next step takes: a core, but for what is done in a moment.
    pub fn class(&self) -> Class {
        if self.job.left_to_hash() <= limits::HEAVY_MIN { Class::Light } else { Class::Heavy }
    }

    /// What it is about.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Whether the rest of an upload comes right behind what asked for it: if it is given up, that is to be dropped.
    pub fn awaits_bytes(&self) -> bool {
        self.job.awaits_bytes()
    }
}

impl Desk {
    /// One bounded step of work. `earlier` is told of operations before it that are over by the time it is.
    pub fn work(&mut self, Work { job, running }: Work, earlier: Earlier<'_>) -> Worked {
        job.step(self, running, earlier)
    }

    /// The upload that waits for this work, if one does.
    pub fn put_of(&self, Work { job, running }: Work) -> Option<Put> {
        job.into_upload().map(|upload| Put::new(upload, running, self))
    }

    /// Gives work up, for this reason.
    pub fn drop_work(&mut self, Work { job, running }: Work, error: Error, earlier: Earlier<'_>) -> Error {
        let error = job.given_up(error);
        self.commit(earlier);
        self.failed(running, error)
    }

    /// A file is whole, and waits for its commit.
    pub(super) fn whole(&mut self, upload: Box<dyn Upload>, running: Running, earlier: Earlier<'_>) -> Worked {
        let operation = running.id();
        self.batch.add_file(upload, running);
        self.commit_if_full(earlier);
        Worked::Waits(operation)
    }

    /// Work is over, and all that came before it.
    pub(super) fn done(&mut self, result: Result<Outcome>, running: Running, earlier: Earlier<'_>) -> Worked {
        self.commit(earlier);
        Worked::Done(self.ended(running, result))
    }
}
