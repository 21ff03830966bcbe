//! Going on with an interrupted upload of which nobody knows any more what it was: it is hashed first, a bounded step at a time.

use std::ops::ControlFlow;

use super::work::{Job, Work, Worked};
use crate::files::{Looked, RelPath, Resume, UploadSpec};
use crate::machine::turns;
use crate::server::desk::outcome::Begun;
use crate::server::desk::running::Running;
use crate::server::desk::uploads::Put;
use crate::server::desk::{Desk, Earlier};

/// An upload that is to go on with a partial.
pub struct Resuming {
    pub(in crate::server::desk) path: RelPath,
    pub(in crate::server::desk) spec: UploadSpec,
    pub(in crate::server::desk) resume: Resume,
    pub(in crate::server::desk) comes: Comes,
}

/// How the rest of it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comes {
    /// In one piece, right behind the command.
    InOnePiece,
    /// In parts.
    InParts,
}

/// An upload that goes on, while what is there of it is hashed.
struct ResumeJob {
    resuming: Resuming,
    left: u64,
}

impl Job for ResumeJob {
    fn left_to_hash(&self) -> u64 {
        self.left
    }

    fn step(mut self: Box<Self>, desk: &mut Desk, running: Running, earlier: Earlier<'_>) -> Worked {
        if let Ok(Looked::NotYet { left }) = desk.store.look_for_partial(&self.resuming.path) {
            self.left = left;
            return Worked::on(self, running);
        }
        let Resuming { path, spec, resume, comes } = self.resuming;
        match comes {
            Comes::InParts => {
                desk.commit(earlier);
                Worked::Done(desk.open_staged(path, spec, Some(resume), running))
            }
            Comes::InOnePiece => Worked::Put(match desk.open_upload(&path, spec, Some(resume)) {
                Ok(upload) => Ok(Put::new(upload, running, desk)),
                Err(error) => {
                    desk.commit(earlier);
                    Err(desk.failed(running, error))
                }
            }),
        }
    }

    fn awaits_bytes(&self) -> bool {
        self.resuming.comes == Comes::InOnePiece
    }
}

impl Desk {
    /// Begins with hashing what is there, if that is not known.
    pub(in crate::server::desk) fn hash_partial_first(
        &self,
        resuming: Resuming,
        running: Running,
    ) -> ControlFlow<Begun, (Resuming, Running)> {
        match turns::block_in_place(|| self.store.look_for_partial(&resuming.path)) {
            Ok(Looked::NotYet { left }) => {
                ControlFlow::Break(Begun::Work(Work::new(ResumeJob { resuming, left }, running)))
            }
            // Going on with it fails in the same way.
            Ok(Looked::Done(_)) | Err(_) => ControlFlow::Continue((resuming, running)),
        }
    }
}
