//! Uploads: frames into the store, then a commit that the uploads right behind may share.

use super::{Running, Session, State};
use crate::error::{Error, Kind, Result};
use crate::hash::Hash;
use crate::limits;
use crate::proto::{Condition, FrameDecoder, Piece, ReplyWriter, UploadArgs};
use crate::server::lane::{Outgoing, Step};
use crate::store::{Upload, UploadSpec};

/// An upload whose frames are coming.
pub struct Receiving {
    frames: FrameDecoder,
    /// `None` once it was refused: what still comes is read and dropped.
    upload: Option<(Box<dyn Upload>, Running)>,
}

/// An upload that is whole and verified, and not committed yet.
pub struct Pending {
    upload: Box<dyn Upload>,
    running: Running,
}

impl Receiving {
    /// The refused upload: its frames are dropped, so that the stream stays in step.
    pub fn dropping() -> Self {
        Receiving { frames: FrameDecoder::with_trailer(), upload: None }
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
        let spec = UploadSpec { size: args.size, mtime: args.mtime, condition: args.condition };
        // Asks for what an upload right before it may have changed: the answer must not depend on how far that has got.
        let asks = args.condition != Condition::Any || args.resume.is_some();
        if asks && self.pending.iter().any(|pending| pending.running.path.as_ref() == Some(&args.path)) {
            self.commit_pending(out);
        }
        let mut begun = self.open_upload(&args, spec);
        if begun.is_err() && !self.pending.is_empty() {
            // It may stand on an upload that is not committed yet: every command sees all earlier ones done.
            self.commit_pending(out);
            begun = self.open_upload(&args, spec);
        }
        let receiving = match begun {
            Ok(upload) => Receiving { frames: FrameDecoder::with_trailer(), upload: Some((upload, running)) },
            Err(error) => {
                self.fail(running, &error, out);
                Receiving::dropping()
            }
        };
        self.state = State::Receiving(receiving);
    }

    fn open_upload(&self, args: &UploadArgs, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        match args.resume {
            None => self.store.begin(&args.path, spec),
            Some(resume) => self.store.resume(&args.path, spec, resume.offset, resume.prefix),
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
        match piece {
            Piece::Data(bytes) => {
                if let Some((upload, _)) = &mut receiving.upload
                    && let Err(error) = upload.append(bytes)
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
        self.pending.push(Pending { upload, running });
        let bytes: u64 = self.pending.iter().map(|pending| pending.upload.len()).sum();
        if self.pending.len() >= limits::COMMIT_BATCH || bytes >= limits::COMMIT_BATCH_BYTES {
            self.commit_pending(out);
        }
    }

    fn refuse_upload(&mut self, upload: Option<(Box<dyn Upload>, Running)>, error: &Error, out: &mut Outgoing) {
        let Some((upload, running)) = upload else { return };
        drop(upload);
        // The replies of earlier uploads come before this one.
        self.commit_pending(out);
        self.fail(running, error, out);
    }

    /// Commits what is pending, in order and with shared syncs. Only after this are the uploads acknowledged.
    pub(super) fn commit_pending(&mut self, out: &mut Outgoing) {
        if self.pending.is_empty() {
            return;
        }
        let (uploads, running): (Vec<_>, Vec<_>) =
            self.pending.drain(..).map(|pending| (pending.upload, pending.running)).unzip();
        let results = self.store.commit(uploads);
        debug_assert_eq!(results.len(), running.len());
        for (running, result) in running.into_iter().zip(results) {
            match result {
                Ok(committed) => self.done(
                    running,
                    committed.size,
                    out,
                    |r| ReplyWriter::new(r, 226, "done").field("size", committed.size).field("hash", committed.hash),
                    "Stored.",
                ),
                Err(error) => self.fail(running, &error, out),
            }
        }
    }
}
