//! Going on with an interrupted upload of which nobody knows any more what it was: it is hashed first, a bounded step at a time.

use std::ops::ControlFlow;

use super::work::{What, Work, Worked};
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

impl Desk {
    /// Begins with hashing what is there, if that is not known.
    pub(in crate::server::desk) fn hash_partial_first(
        &self,
        resuming: Resuming,
        running: Running,
    ) -> ControlFlow<Begun, (Resuming, Running)> {
        match turns::block_in_place(|| self.store.look_for_partial(&resuming.path)) {
            Ok(Looked::NotYet { left }) => {
                ControlFlow::Break(Begun::Work(Work::new(What::Resume { resuming, left }, running)))
            }
            // Going on with it fails in the same way.
            Ok(Looked::Done(_)) | Err(_) => ControlFlow::Continue((resuming, running)),
        }
    }

    pub(super) fn go_on_resuming(&mut self, resuming: Resuming, running: Running, earlier: Earlier<'_>) -> Worked {
        if let Ok(Looked::NotYet { left }) = self.store.look_for_partial(&resuming.path) {
            return Worked::On(Work::new(What::Resume { resuming, left }, running));
        }
        let Resuming { path, spec, resume, comes } = resuming;
        match comes {
            Comes::InParts => {
                self.commit(earlier);
                Worked::Done(self.open_staged(path, spec, Some(resume), running))
            }
            Comes::InOnePiece => Worked::Put(match self.open_upload(&path, spec, Some(resume)) {
                Ok(upload) => Ok(Put::new(upload, running, &self.store)),
                Err(error) => {
                    self.commit(earlier);
                    Err(self.failed(running, error))
                }
            }),
        }
    }
}
