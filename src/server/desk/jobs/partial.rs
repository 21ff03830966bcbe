//! What is left of an interrupted upload, which is hashed if nobody knows any more what it was.

use std::ops::ControlFlow;

use super::work::{Job, Work, Worked};
use crate::error::{Error, Kind, Result};
use crate::files::{Looked, RelPath};
use crate::machine::turns;
use crate::server::desk::outcome::{Begun, Outcome};
use crate::server::desk::running::Running;
use crate::server::desk::{Desk, Earlier};

/// What is left of an upload to this path, while it is hashed.
struct PartialJob {
    path: RelPath,
    left: u64,
}

impl Job for PartialJob {
    fn left_to_hash(&self) -> u64 {
        self.left
    }

    fn step(self: Box<Self>, desk: &mut Desk, running: Running, earlier: Earlier<'_>) -> Worked {
        match desk.look_for_partial(self.path) {
            ControlFlow::Continue(job) => Worked::on(Box::new(job), running),
            ControlFlow::Break(found) => desk.done(found, running, earlier),
        }
    }
}

impl Desk {
    pub(in crate::server::desk) fn find_partial(&self, path: &RelPath, running: Running) -> Begun {
        let looked = turns::block_in_place(|| {
            // Where nothing is kept of uploads that break off, they go on where they are or not at all.
            if self.store.promises().resumes {
                self.resources.put_away(&self.principal, path);
            }
            self.look_for_partial(path.clone())
        });
        match looked {
            ControlFlow::Continue(job) => Begun::Work(Work::new(job, running)),
            ControlFlow::Break(found) => self.over(running, found),
        }
    }

    fn look_for_partial(&self, path: RelPath) -> ControlFlow<Result<Outcome>, PartialJob> {
        let missing = || Error::new(Kind::NotFound, format!("{path}: no interrupted upload is left"));
        ControlFlow::Break(match self.store.look_for_partial(&path) {
            Ok(Looked::NotYet { left }) => return ControlFlow::Continue(PartialJob { path, left }),
            Ok(Looked::Done(partial)) => partial.map(Outcome::Partial).ok_or_else(missing),
            Err(error) => Err(error),
        })
    }
}
