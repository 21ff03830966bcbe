//! Before a commit: a large file that has the name already is hashed if the commit has to know its bytes, a bounded step at a
//! time.

use std::sync::Arc;

use super::work::{Job, Work, Worked};
use crate::error::Result;
use crate::files::{Committed, Compared, Overwrite, Store, Upload};
use crate::limits;
use crate::server::desk::outcome::Outcome;
use crate::server::desk::running::Running;
use crate::server::desk::{Desk, Earlier, may_store};

/// An upload that has all its bytes, while what has its name is compared.
pub struct Comparing {
    upload: Box<dyn Upload>,
    /// Bytes that are to be hashed yet.
    left: u64,
    then: Then,
}

/// How an upload is committed.
#[derive(Clone)]
pub enum Then {
    /// With those right behind it.
    Batch,
    /// By itself.
    Alone(Alone),
}

/// The commit of an upload by itself.
#[derive(Clone)]
pub struct Alone {
    /// Bytes that are counted as having come with the commit: none of an upload whose parts were.
    pub came: u64,
    /// Where it was begun, which alone can commit it: another session of its user may have.
    pub store: Arc<dyn Store>,
}

/// An upload that has all its bytes.
pub enum Whole {
    /// It is ready for its commit.
    Ready(Box<dyn Upload>),
    /// Something is to be compared first.
    Comparing(Comparing),
}

impl Whole {
    /// This upload, which is to be committed so. Nothing is hashed yet.
    ///
    /// # Errors
    /// As [`Upload::compare`]; nothing is left of the upload.
    pub(in crate::server::desk) fn of(upload: Box<dyn Upload>, then: Then) -> Result<Whole> {
        Self::step(upload, then, 0)
    }

    fn step(mut upload: Box<dyn Upload>, then: Then, most: u64) -> Result<Whole> {
        Ok(match upload.compare(most)? {
            Compared::Done => Whole::Ready(upload),
            Compared::NotYet { left } => Whole::Comparing(Comparing { upload, left, then }),
        })
    }
}

impl Comparing {
    /// It as work.
    pub(in crate::server::desk) fn into_work(self, running: Running) -> Work {
        Work::new(self, running)
    }
}

impl Job for Comparing {
    fn left_to_hash(&self) -> u64 {
        self.left
    }

    fn step(self: Box<Self>, desk: &mut Desk, running: Running, earlier: Earlier<'_>) -> Worked {
        let Comparing { upload, then, .. } = *self;
        match Whole::step(upload, then.clone(), limits::CHUNK as u64) {
            Ok(Whole::Comparing(comparing)) => Worked::on(Box::new(comparing), running),
            Ok(Whole::Ready(upload)) => match then {
                Then::Batch => desk.whole(upload, running, earlier),
                Then::Alone(alone) => {
                    let stored = desk.commit_alone(upload, alone, &running);
                    desk.done(stored, running, earlier)
                }
            },
            Err(error) => desk.done(Err(error), running, earlier),
        }
    }

    fn into_upload(self: Box<Self>) -> Option<Box<dyn Upload>> {
        matches!(self.then, Then::Batch).then_some(self.upload)
    }
}

impl Desk {
    /// Commits an upload by itself.
    pub(in crate::server::desk) fn commit_alone(
        &self,
        mut upload: Box<dyn Upload>,
        Alone { came, store }: Alone,
        running: &Running,
    ) -> Result<Outcome> {
        let who = (&self.principal, &*self.users);
        let (overwrite, under_way) = may_store(who, &self.audit, &*store, running)?;
        if overwrite == Overwrite::Refused {
            upload.refuse_overwrite();
        }
        let committed: Result<Committed> = crate::machine::turns::block_in_place(|| store.commit_one(upload));
        drop(under_way);
        store.forget_handles();
        let committed = committed?;
        Ok(Outcome::Stored { committed, came })
    }
}
