//! Uploads in parts: staged, filled by parts over any sessions of the user, committed or discarded.

use std::ops::ControlFlow;

use super::Desk;
use super::jobs::compare::{Alone, Then, Whole};
use super::jobs::resume::{Comes, Resuming};
use super::outcome::{Begun, Outcome};
use super::running::Running;
use crate::error::{Error, Kind, Result};
use crate::files::{Hash, Part, RelPath, Resume, StagedId, Upload, UploadSpec};
use crate::machine::turns;

/// A part whose bytes are coming.
pub struct PartUpload {
    part: Box<dyn Part>,
    running: Running,
}

impl PartUpload {
    /// What it is about.
    pub fn running(&self) -> &Running {
        &self.running
    }
}

impl Desk {
    /// Whether uploads that are cut off are kept in this home, to be gone on with.
    pub fn keeps_uploads(&self) -> bool {
        self.store.promises().resumes
    }

    pub(super) fn stage(&self, path: RelPath, spec: UploadSpec, resume: Option<Resume>, running: Running) -> Begun {
        let spec = self.within(spec, &path);
        let (path, running) = match resume {
            None => (path, running),
            Some(resume) => {
                let resuming = Resuming { path, spec, resume, comes: Comes::InParts };
                match self.hash_partial_first(resuming, running) {
                    ControlFlow::Break(begun) => return begun,
                    ControlFlow::Continue((Resuming { path, .. }, running)) => (path, running),
                }
            }
        };
        Begun::Done(self.open_staged(path, spec, resume, running))
    }

    pub(super) fn open_staged(
        &self,
        path: RelPath,
        spec: UploadSpec,
        resume: Option<Resume>,
        running: Running,
    ) -> Result<Outcome> {
        let staged = self
            .open_upload(&path, spec, resume)
            .and_then(Upload::into_parts)
            .and_then(|staged| self.resources.stage(&self.principal, path, staged));
        match staged {
            Ok(id) => self.ended(running.of_staged(id), Ok(Outcome::Staged(id))),
            Err(error) => self.ended(running, Err(error)),
        }
    }

    pub(super) fn begin_part(&self, id: StagedId, (offset, length): (u64, u64), running: Running) -> Begun {
        match self.resources.part(id, &self.principal, offset, length) {
            Ok((located, part)) => {
                let running = self.audit.about(running, id, located);
                match running.check(&self.principal) {
                    Ok(()) => Begun::Part(PartUpload { part, running }),
                    Err(error) => self.over(running, Err(error)),
                }
            }
            Err(error) => self.over(running, Err(error)),
        }
    }

    /// The next bytes of a part.
    ///
    /// # Errors
    /// Those of the store, written down; the range of the part is free again.
    pub fn append_part(&self, mut part: PartUpload, bytes: &[u8]) -> Result<PartUpload> {
        match part.part.append(bytes) {
            Ok(()) => {
                part.running.moves(bytes.len());
                Ok(part)
            }
            Err(error) => Err(self.drop_part(part, error)),
        }
    }

    /// All bytes of a part have come.
    ///
    /// # Errors
    /// As [`Part::finish`], written down.
    pub fn finish_part(&self, PartUpload { part, running }: PartUpload) -> Result<Outcome> {
        let came = turns::block_in_place(|| part.finish());
        self.ended(running, came.map(|size| Outcome::PartCame { size }))
    }

    /// Gives a part up, for this reason.
    pub fn drop_part(&self, PartUpload { part, running }: PartUpload, error: Error) -> Error {
        drop(part);
        self.failed(running, error)
    }

    pub(super) fn commit_staged(&self, id: StagedId, hash: Hash, running: Running) -> Begun {
        match self.resources.take(id) {
            Err(error) => self.over(running, Err(error)),
            Ok((located, staged)) => {
                let path = located.path.clone();
                let running = self.audit.about(running, id, located);
                let alone = Alone { came: 0, store: self.store.clone() };
                // From here on it is committed or gone.
                let whole = running
                    .check(&self.principal)
                    .and_then(|()| turns::block_in_place(|| staged.into_upload()))
                    .and_then(|upload| checked(&path, upload, hash))
                    .and_then(|upload| Whole::of(upload, Then::Alone(alone.clone())));
                match whole {
                    Ok(Whole::Comparing(comparing)) => Begun::Work(comparing.into_work(running)),
                    Ok(Whole::Ready(upload)) => {
                        let stored = self.commit_alone(upload, alone, &running);
                        self.over(running, stored)
                    }
                    Err(error) => self.over(running, Err(error)),
                }
            }
        }
    }

    pub(super) fn discard(&self, id: StagedId, running: Running) -> Begun {
        match self.resources.take(id) {
            Err(error) => self.over(running, Err(error)),
            Ok((located, staged)) => {
                let running = self.audit.about(running, id, located);
                drop(staged);
                self.over(running, Ok(Outcome::Discarded))
            }
        }
    }
}

/// The same upload, if its bytes are those that were sent.
fn checked(path: &RelPath, upload: Box<dyn Upload>, expected: Hash) -> Result<Box<dyn Upload>> {
    if upload.hash() == expected {
        return Ok(upload);
    }
    let text = format!("{path}: the bytes that arrived are not those that were sent: their BLAKE3 differs");
    Err(Error::new(Kind::Integrity, text))
}
