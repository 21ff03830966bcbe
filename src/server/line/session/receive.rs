//! Uploads and new folders: into the store, then a commit that those right behind may share.

use std::sync::Arc;

use super::{Running, Session, State};
use crate::auth::Access;
use crate::error::{Error, Kind, Result};
use crate::files::{Committed, Condition, Done, Hash, Overwrite, Prepared, RelPath, Stored, Upload, UploadSpec};
use crate::limits;
use crate::machine::background::Background;
use crate::machine::lane::{Outgoing, Step};
use crate::machine::turns;
use crate::proto::{FrameDecoder, Piece, ReplyWriter, UploadArgs, Verb};
use crate::server::desk::gate;

/// An upload whose frames are coming.
pub struct Receiving {
    frames: FrameDecoder,
    /// The sender has said that it has nothing to send for now, and nothing came since.
    pub(super) pauses: bool,
    /// `None` once it was refused: what still comes is read and dropped.
    pub(super) upload: Option<(Box<dyn Upload>, Running)>,
}

/// What is done but for its commit.
pub struct Pending {
    what: Change,
    running: Running,
}

enum Change {
    /// An upload that is whole and verified.
    File(Box<dyn Upload>),
    Folder(Prepared),
}

/// A batch that another thread commits.
pub struct Committing {
    order: Vec<Unanswered>,
    outcome: Background<Outcome>,
}

/// What became of each change that was committed.
type Outcome = Vec<Result<Done>>;

struct Unanswered {
    is_file: bool,
    running: Running,
    /// Not committed, for this reason.
    refused: Option<Error>,
}

impl Pending {
    fn len(&self) -> u64 {
        match &self.what {
            Change::File(upload) => upload.len(),
            Change::Folder(_) => 0,
        }
    }

    fn is_file(&self) -> bool {
        matches!(self.what, Change::File(_))
    }
}

impl Receiving {
    /// The refused upload: its frames are dropped, so that the stream stays in step.
    pub fn dropping() -> Self {
        Receiving { frames: FrameDecoder::with_trailer(), pauses: false, upload: None }
    }

    /// The client is gone: what came so far may be resumed.
    pub fn keep(self) {
        if let Some((upload, _)) = self.upload {
            upload.keep();
        }
    }
}

impl Session {
    pub(super) fn begin_upload(&mut self, args: UploadArgs, running: Running, out: &mut Outgoing) {
        let (mtime, condition) = (args.mtime, args.condition);
        let UploadArgs { size, allocated, .. } = args;
        let mode = args.mode.map(|mode| mode.within(self.most));
        let spec = UploadSpec { size, mtime, mode, allocated, condition, overwrite: self.overwrite() };
        // Asks for what an upload right before it may have changed: the answer must not depend on how far that has got.
        let asks = args.condition != Condition::Any || args.resume.is_some();
        if asks && self.unanswered_files().any(|path| path == &args.path) {
            self.commit_pending(out);
        }
        let mut begun = self.open_upload(&args, spec);
        if begun.is_err() && self.has_unanswered() {
            // It may stand on an upload that is not committed yet: every command sees all earlier ones done.
            self.commit_pending(out);
            begun = self.open_upload(&args, spec);
        }
        let receiving = match begun {
            Ok(upload) => Receiving { upload: Some((upload, running)), ..Receiving::dropping() },
            Err(error) => {
                self.fail(running, &error, out);
                Receiving::dropping()
            }
        };
        self.state = State::Receiving(receiving);
    }

    fn open_upload(&self, args: &UploadArgs, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        match args.resume {
            None if self.store.begins_by_counting() => turns::aside(|| self.store.begin(&args.path, spec)),
            None => self.store.begin(&args.path, spec),
            Some(resume) => turns::aside(|| self.store.resume(&args.path, spec, resume.offset, resume.prefix)),
        }
    }

    pub(super) fn receive(&mut self, mut receiving: Receiving, input: &mut &[u8], out: &mut Outgoing) -> Step {
        let piece = match receiving.frames.next(input) {
            Ok(None) => {
                self.state = State::Receiving(receiving);
                return Step::Starved;
            }
            Ok(Some(piece)) => piece,
            Err(error) => {
                drop(receiving);
                return self.give_up(error, out);
            }
        };
        receiving.pauses = piece == Piece::Pause;
        match piece {
            Piece::Pause => self.state = State::Receiving(receiving),
            Piece::Data(bytes) => {
                if let Some((upload, _)) = &mut receiving.upload
                    && let Err(error) = self.append(upload, bytes)
                {
                    self.refuse_upload(receiving.upload.take(), &error, out);
                    // The sender should learn of it now, not when it has sent the rest.
                    out.hand_over();
                }
                self.state = State::Receiving(receiving);
            }
            Piece::Abort => {
                let error = Error::new(Kind::Aborted, "the upload was given up by its sender");
                self.refuse_upload(receiving.upload, &error, out);
            }
            Piece::End(trailer) => self.end_upload(receiving.upload, trailer, out),
        }
        Step::Progress
    }

    fn append(&self, upload: &mut Box<dyn Upload>, bytes: &[u8]) -> Result<()> {
        // Somebody may have moved folders meanwhile, so that it has to be done again.
        match self.store.begins_by_counting() {
            true => turns::aside(|| upload.append(bytes)),
            false => upload.append(bytes),
        }
    }

    fn end_upload(
        &mut self,
        upload: Option<(Box<dyn Upload>, Running)>,
        trailer: Option<[u8; 32]>,
        out: &mut Outgoing,
    ) {
        let Some((upload, running)) = upload else { return };
        let hash = upload.hash();
        if trailer.map(Hash::from_bytes) != Some(hash) {
            let text = "the bytes that arrived are not those that were sent: their BLAKE3 differs";
            return self.refuse_upload(Some((upload, running)), &Error::new(Kind::Integrity, text), out);
        }
        self.put_off(Change::File(upload), running, out);
    }

    /// Makes a folder, whose sync may wait like an upload's.
    pub(super) fn make_dir(&mut self, path: &RelPath, parents: bool, running: Running, out: &mut Outgoing) {
        if self.unanswered_files().any(|file| path.strip_prefix(file).is_some()) {
            self.commit_pending(out);
        }
        let mut made = self.store.begin_dir(path, parents);
        if made.is_err() && self.has_unanswered() {
            // As with an upload: it may stand on what is not committed yet. And its reply comes after theirs.
            self.commit_pending(out);
            made = self.store.begin_dir(path, parents);
        }
        match made {
            Ok(folder) => self.put_off(Change::Folder(folder), running, out),
            Err(error) => self.fail(running, &error, out),
        }
    }

    pub(super) fn refuse_upload(
        &mut self,
        upload: Option<(Box<dyn Upload>, Running)>,
        error: &Error,
        out: &mut Outgoing,
    ) {
        let Some((upload, running)) = upload else { return };
        drop(upload);
        // The replies of earlier uploads come before this one.
        self.commit_pending(out);
        self.fail(running, error, out);
    }

    /// The files that are received and not yet answered.
    fn unanswered_files(&self) -> impl Iterator<Item = &RelPath> {
        let committing = self.committing.iter().flat_map(|batch| &batch.order);
        let committing = committing.filter(|unanswered| unanswered.is_file).map(|unanswered| &unanswered.running);
        let pending = self.pending.iter().filter(|pending| pending.is_file()).map(|pending| &pending.running);
        committing.chain(pending).filter_map(|running| running.path.as_ref())
    }

    fn has_unanswered(&self) -> bool {
        self.committing.is_some() || !self.pending.is_empty()
    }

    /// Leaves a commit to be done together with those of the commands right behind.
    fn put_off(&mut self, what: Change, running: Running, out: &mut Outgoing) {
        self.pending.push(Pending { what, running });
        let bytes: u64 = self.pending.iter().map(Pending::len).sum();
        if self.pending.len() >= limits::COMMIT_BATCH || bytes >= limits::COMMIT_BATCH_BYTES {
            self.commit_aside(out);
        }
    }

    /// Commits what is pending on another thread, while the next uploads come in. One batch at a time, so that all
    /// commits stay in order.
    fn commit_aside(&mut self, out: &mut Outgoing) {
        self.acknowledge(out);
        let (changes, order) = self.take_pending();
        let store = Arc::clone(&self.store);
        let outcome = Background::start(move || store.commit(changes));
        self.committing = Some(Committing { order, outcome });
    }

    /// Commits all that is pending, in order and with shared syncs. Only after this are the uploads acknowledged.
    pub(super) fn commit_pending(&mut self, out: &mut Outgoing) {
        self.acknowledge(out);
        if !self.pending.is_empty() {
            let (changes, order) = self.take_pending();
            let outcome = turns::aside(|| self.store.commit(changes));
            self.answer(order, outcome, out);
        }
    }

    /// Waits for the batch that another thread commits, and answers it.
    pub(super) fn acknowledge(&mut self, out: &mut Outgoing) {
        let Some(Committing { order, outcome }) = self.committing.take() else { return };
        match turns::aside(|| outcome.wait()) {
            Ok(outcome) => self.answer(order, outcome, out),
            Err(error) => order.into_iter().for_each(|unanswered| self.fail(unanswered.running, &error, out)),
        }
    }

    fn take_pending(&mut self) -> (Vec<Prepared>, Vec<Unanswered>) {
        let (mut changes, mut order) = (Vec::with_capacity(self.pending.len()), Vec::with_capacity(self.pending.len()));
        let allowed = gate::check_right(&self.principal, Verb::Upload, Access::UPLOAD);
        let overwrite = self.overwrite();
        for pending in self.pending.drain(..) {
            // The right may be gone since the bytes came.
            let refused = allowed.as_ref().err().filter(|_| pending.is_file());
            let refused = refused.map(|error| Error::new(error.kind(), error.text()));
            let keep = refused.is_none();
            order.push(Unanswered { is_file: pending.is_file(), running: pending.running, refused });
            match pending.what {
                Change::File(_) if !keep => {}
                Change::File(mut upload) => {
                    // It may be no longer allowed what was when the upload began.
                    if overwrite == Overwrite::Refused {
                        upload.refuse_overwrite();
                    }
                    changes.push(upload.prepare());
                }
                Change::Folder(folder) => changes.push(folder),
            }
        }
        (changes, order)
    }

    fn answer(&mut self, order: Vec<Unanswered>, outcome: Outcome, out: &mut Outgoing) {
        let mut outcome = outcome.into_iter();
        for Unanswered { running, refused, .. } in order {
            if let Some(error) = refused {
                self.fail(running, &error, out);
                continue;
            }
            let missing = || Err(Error::new(Kind::Internal, "the store has not said what became of this"));
            match outcome.next().unwrap_or_else(missing) {
                Ok(Done::File(committed)) => self.stored(&committed, committed.size, running, out),
                Ok(Done::Folder) => self.done(running, 0, out, |r| ReplyWriter::new(r, 250, "done"), "Made."),
                Err(error) => self.fail(running, &error, out),
            }
        }
    }

    /// Acknowledges a file that is in its place; `bytes` is what came for it just now.
    pub(super) fn stored(&mut self, committed: &Committed, bytes: u64, running: Running, out: &mut Outgoing) {
        let Committed { size, hash, stored, .. } = *committed;
        let text = if stored == Stored::Same { "The same bytes are there already." } else { "Stored." };
        self.done_as(
            stored.word(),
            running,
            bytes,
            out,
            |r| ReplyWriter::new(r, 226, "done").field("size", size).field("hash", hash),
            text,
        );
    }

    /// Whether uploads may replace files now.
    pub(super) fn overwrite(&self) -> Overwrite {
        gate::overwrite(self.principal.grants())
    }
}
