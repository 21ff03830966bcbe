//! Uploads in one piece, and new folders: into the store, then a commit that those right behind may share.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::gate;
use super::jobs::compare::{Alone, Then, Whole};
use super::jobs::resume::{Comes, Resuming};
use super::jobs::work::{Work, Worked};
use super::outcome::{Begun, Outcome};
use super::registry::Record;
use super::running::{OperationId, Running};
use super::unfinished::ParkingPlace;
use super::{Desk, Earlier};
use crate::auth::{Access, Principal};
use crate::error::{Error, Kind, Result};
use crate::files::{
    Condition, Hash, HomeTerms, Interrupted, Overwrite, Partial, RelPath, Resume, Store, Umask, Upload, UploadSpec,
};
use crate::limits;
use crate::machine::turns;

/// A file whose bytes are coming.
pub struct Put {
    upload: Box<dyn Upload>,
    running: Running,
    /// Where it goes: another session of its user may finish it.
    store: Arc<dyn Store>,
    /// What that store was told last of how the home is kept, as far as this upload knows.
    terms: HomeTerms,
    /// Another session began it, whose storage this one's commits know nothing of.
    is_of_another: bool,
}

/// What becomes of an upload that has all its bytes.
pub enum Finished {
    /// It is done but for its commit: its outcome comes with those of the batch, and is told as that of this operation.
    Waits(OperationId),
    /// A large file that is there must be read first.
    Work(Box<Work>),
    /// It is in its place.
    Done(Box<Outcome>),
    /// It is given up, for this reason, which is written down.
    Refused(Error),
}

impl From<Finished> for Begun {
    fn from(finished: Finished) -> Begun {
        match finished {
            Finished::Waits(operation) => Begun::Waits(operation),
            Finished::Work(work) => Begun::Work(*work),
            Finished::Done(outcome) => Begun::Done(Ok(*outcome)),
            Finished::Refused(error) => Begun::Done(Err(error)),
        }
    }
}

impl Put {
    pub(super) fn new(upload: Box<dyn Upload>, running: Running, desk: &Desk) -> Self {
        let (store, terms) = (Arc::clone(&desk.store), desk.principal.home_terms());
        Put { upload, running, store, terms, is_of_another: false }
    }

    /// What it is about.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Bytes that have come, with those it went on from.
    pub fn len(&self) -> u64 {
        self.upload.len()
    }

    /// What has come, and its BLAKE3.
    pub fn part(&self) -> Partial {
        Partial { len: self.upload.len(), hash: self.upload.hash() }
    }

    /// Nobody brings bytes for now: [`Upload::rest`].
    pub fn rest(&mut self) {
        self.upload.rest();
    }

    /// Somebody is about to bring the rest: [`Upload::claim_room`].
    ///
    /// # Errors
    /// As that.
    pub fn claim_room(&mut self) -> Result<()> {
        turns::block_in_place(|| self.upload.claim_room())
    }

    /// Whether it may go on with the rights of this principal.
    ///
    /// # Errors
    /// [`Kind::Denied`].
    pub fn may_go_on(&self, principal: &Principal) -> Result<()> {
        self.running.check(principal)
    }

    /// The client is gone: what came so far may be resumed.
    pub fn keep(self) {
        self.upload.keep();
    }

    /// The client is gone: what came so far may be resumed, from the place that it has to be kept at if that is wanted.
    pub(super) fn leave(mut self, wanted: bool) {
        match self.running.leaves_its_place().filter(|_| wanted && self.len() >= limits::LINK_UPLOAD_KEPT_MIN) {
            Some(place) => place.leave(self),
            None => self.keep(),
        }
    }

    /// It goes on in this session, and has that place.
    pub(super) fn goes_on(mut self, record: &Arc<Record>, place: Box<dyn ParkingPlace>) -> Put {
        self.running.told_by(record);
        self.running.set_place(Some(place));
        Put { is_of_another: true, ..self }
    }
}

impl Desk {
    pub(super) fn begin_put(
        &mut self,
        path: RelPath,
        spec: UploadSpec,
        resume: Option<Resume>,
        running: Running,
        earlier: Earlier<'_>,
    ) -> Begun {
        let spec = self.within(spec, &path);
        // Asks for what an upload right before it may have changed: the answer must not depend on how far that has got.
        let asks = spec.condition != Condition::Any || resume.is_some();
        if asks && self.batch.files().any(|file| *file == path) {
            self.commit(earlier);
        }
        let (path, running) = match resume {
            None => (path, running),
            Some(resume) => {
                let resuming = Resuming { path, spec, resume, comes: Comes::InOnePiece };
                match self.hash_partial_first(resuming, running) {
                    ControlFlow::Break(begun) => return begun,
                    ControlFlow::Continue((Resuming { path, .. }, running)) => (path, running),
                }
            }
        };
        let mut begun = self.open_upload(&path, spec, resume);
        if begun.is_err() && !self.batch.is_empty() {
            // It may stand on an upload that is not committed yet: every operation sees all earlier ones done.
            self.commit(earlier);
            begun = self.open_upload(&path, spec, resume);
        }
        match begun {
            Ok(upload) => Begun::Put(Put::new(upload, running, self)),
            Err(error) => self.over(running, Err(error)),
        }
    }

    /// What is asked for, within what this user may have.
    pub(super) fn within(&self, spec: UploadSpec, path: &RelPath) -> UploadSpec {
        let spec = UploadSpec {
            mode: spec.mode.map(|mode| mode.within(self.most)),
            umask: self.umask_at(path).map(|umask| umask.of_files_within(self.most)),
            overwrite: self.overwrite(Some(path)),
            ..spec
        };
        match spec.overwrite {
            // What is there is nobody's matter, and nothing of it is left if it breaks off.
            Overwrite::Numbered => UploadSpec {
                mode: None,
                allocated: None,
                condition: Condition::Absent,
                interrupted: Interrupted::Dropped,
                ..spec
            },
            Overwrite::Allowed | Overwrite::Refused => spec,
        }
    }

    pub(super) fn umask_at(&self, path: &RelPath) -> Option<Umask> {
        self.principal.grants().umask_at(path)
    }

    pub(super) fn open_upload(
        &self,
        path: &RelPath,
        spec: UploadSpec,
        resume: Option<Resume>,
    ) -> Result<Box<dyn Upload>> {
        match resume {
            None if self.store.begins_by_counting() => turns::block_in_place(|| self.store.begin(path, spec)),
            None => self.store.begin(path, spec),
            Some(Resume { offset, prefix }) => turns::block_in_place(|| self.store.resume(path, spec, offset, prefix)),
        }
    }

    /// The next bytes of a file.
    ///
    /// # Errors
    /// Those of the store, written down; nothing is left of the upload.
    pub fn append(&mut self, put: Put, bytes: &[u8], earlier: Earlier<'_>) -> Result<Put> {
        let mut put = self.keep_to_terms(put, earlier)?;
        match self.append_to(&mut *put.upload, bytes) {
            Ok(()) => {
                put.running.moves(bytes.len());
                Ok(put)
            }
            Err(error) => Err(self.drop_put(put, error, earlier)),
        }
    }

    /// Has an upload go by how the home is kept now: the session that began it may have ended before that changed, and nobody tells its
    /// store any more.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where its storage cannot: what came is kept, and is gone on with from its place as of now.
    fn keep_to_terms(&mut self, put: Put, earlier: Earlier<'_>) -> Result<Put> {
        let terms = self.principal.home_terms();
        if put.terms == terms || put.store.keep_by(terms) {
            return Ok(Put { terms, ..put });
        }
        let Put { upload, running, .. } = put;
        upload.keep();
        self.commit(earlier);
        let text = "there is no such upload any more: the home is kept in another way since it began";
        Err(self.failed(running, Error::new(Kind::NotFound, text)))
    }

    pub(super) fn append_to(&self, upload: &mut dyn Upload, bytes: &[u8]) -> Result<()> {
        // Somebody may have moved folders meanwhile, so that what is there has to be counted again.
        match self.store.begins_by_counting() {
            true => turns::block_in_place(|| upload.append(bytes)),
            false => upload.append(bytes),
        }
    }

    /// All bytes of a file have come, and have this BLAKE3 at the sender, if it said so.
    pub fn finish(&mut self, mut put: Put, expected: Option<Hash>, earlier: Earlier<'_>) -> Finished {
        if expected.is_some_and(|expected| expected != put.upload.hash()) {
            let text = "the bytes that arrived are not those that were sent: their BLAKE3 differs";
            return Finished::Refused(self.drop_put(put, Error::new(Kind::Integrity, text), earlier));
        }
        if put.is_of_another {
            return match self.finish_at_once(put, earlier) {
                Worked::Done(Ok(outcome)) => Finished::Done(Box::new(outcome)),
                Worked::Done(Err(error)) => Finished::Refused(error),
                Worked::On(work) => Finished::Work(Box::new(work)),
                Worked::Waits(_) | Worked::Put(_) => {
                    Finished::Refused(Error::new(Kind::Internal, "a commit came to what it cannot come to"))
                }
            };
        }
        if put.running.has_room()
            && let Err(error) = turns::block_in_place(|| put.running.counts_its_room())
        {
            return Finished::Refused(self.drop_put(put, error, earlier));
        }
        if let Err(error) = self.check_elsewhere() {
            return Finished::Refused(self.drop_put(put, error, earlier));
        }
        let Put { upload, running, .. } = put;
        // Of two files of one name the second may only repeat the first, which must be there by then.
        let repeats = self.overwrite(running.target()) == Overwrite::Refused && upload.len() > limits::HEAVY_MIN;
        if repeats && self.batch.files().any(|file| Some(file) == running.target()) {
            self.commit(earlier);
        }
        match Whole::of(upload, Then::Batch) {
            Ok(Whole::Ready(upload)) => {
                let operation = running.id();
                self.batch.add_file(upload, running);
                self.commit_if_full(earlier);
                Finished::Waits(operation)
            }
            Ok(Whole::Comparing(comparing)) => Finished::Work(Box::new(comparing.into_work(running))),
            Err(error) => {
                // As with any other refusal.
                self.commit(earlier);
                Finished::Refused(self.failed(running, error))
            }
        }
    }

    /// All bytes of a file have come, which any session of its user has begun: it is put in its place now, by the rights of now,
    /// once a large file that is there has been read, if it must be.
    pub fn finish_at_once(&mut self, put: Put, earlier: Earlier<'_>) -> Worked {
        self.commit(earlier);
        let put = match self.keep_to_terms(put, earlier) {
            Ok(put) => put,
            Err(error) => return Worked::Done(Err(error)),
        };
        let Put { upload, running, store, .. } = put;
        let mut running = running.presenting(self.preconditions.locks.clone());
        let alone = Alone { came: running.moved(), store };
        let may = running.check(&self.principal).and_then(|()| match running.has_room() {
            true => turns::block_in_place(|| running.counts_its_room()),
            false => Ok(()),
        });
        let may = may.and_then(|()| self.check_elsewhere());
        let stored = match may.and_then(|()| Whole::of(upload, Then::Alone(alone.clone()))) {
            Ok(Whole::Comparing(comparing)) => return Worked::On(comparing.into_work(running)),
            Ok(Whole::Ready(upload)) => self.commit_alone(upload, alone, &running),
            Err(error) => Err(error),
        };
        Worked::Done(self.ended(running, stored))
    }

    /// Gives an upload up, for this reason.
    pub fn drop_put(&mut self, Put { upload, running, .. }: Put, error: Error, earlier: Earlier<'_>) -> Error {
        match error.kind() {
            // What the storage has already is gone on with when it answers again.
            Kind::Unavailable => drop(upload.keep()),
            _ => drop(upload),
        }
        // The outcomes of earlier uploads come before this one.
        self.commit(earlier);
        self.failed(running, error)
    }

    /// Whether those above a new folder that are missing may be made.
    pub(super) fn may_make_parents(&self, path: &RelPath, parents: bool, name: &str) -> Result<()> {
        if !parents || self.principal.grants().is_uniform() {
            return Ok(());
        }
        let mut above = path.parent();
        while let Some(folder) = above.filter(|folder| !folder.is_root()) {
            let allowed = gate::check_at(&self.principal, Access::MKDIR, &folder, name);
            if allowed.is_err() && self.store.stat(&folder).is_err() {
                return allowed;
            }
            above = folder.parent();
        }
        Ok(())
    }

    pub(super) fn make_folder(
        &mut self,
        path: &RelPath,
        parents: bool,
        running: Running,
        earlier: Earlier<'_>,
    ) -> Begun {
        if self.batch.files().any(|file| path.strip_prefix(file).is_some()) {
            self.commit(earlier);
        }
        if let Err(error) = self.may_make_parents(path, parents, running.name()) {
            // As with any other refusal.
            self.commit(earlier);
            return self.over(running, Err(error));
        }
        let umask = self.umask_at(path);
        let mut made = self.store.begin_dir(path, parents, umask);
        if made.is_err() && !self.batch.is_empty() {
            // As with an upload: it may stand on what is not committed yet. And its outcome comes after theirs.
            self.commit(earlier);
            made = self.store.begin_dir(path, parents, umask);
        }
        match made {
            Ok(folder) => {
                let operation = running.id();
                self.batch.add_named(folder, running);
                self.commit_if_full(earlier);
                Begun::Waits(operation)
            }
            Err(error) => self.over(running, Err(error)),
        }
    }
}
