//! Frames that bring the bytes of a file or of a part.

use super::{Next, State, Talk};
use crate::error::{Error, Kind};
use crate::files::{Committed, Hash, Mtime, Partial, Stored};
use crate::machine::lane::{Outgoing, Step};
use crate::proto::{FrameDecoder, Piece};
use crate::server::desk::outcome::Outcome;
use crate::server::desk::parts::PartUpload;
use crate::server::desk::uploads::{Finished, Put};

/// The frames of an upload.
pub struct PutFrames {
    frames: FrameDecoder,
    /// The sender has said that it has nothing to send for now, and nothing came since.
    pauses: bool,
    /// `None` once it was refused: what still comes is read and dropped.
    put: Option<Put>,
    /// All of the file is stored already: no byte of it is to come.
    stored: Option<Partial>,
}

/// The frames of a part.
pub struct PartFrames {
    frames: FrameDecoder,
    /// `None` once it was refused: what still comes is read and dropped.
    part: Option<PartUpload>,
}

impl PutFrames {
    pub(super) fn of(put: Put) -> Self {
        PutFrames { put: Some(put), ..PutFrames::dropping() }
    }

    /// Those of a refused upload, which are dropped, so that the stream stays in step.
    pub(super) fn dropping() -> Self {
        PutFrames { frames: FrameDecoder::with_trailer(), pauses: false, put: None, stored: None }
    }

    /// Those of an upload that is stored already, and is this.
    pub(super) fn of_stored(whole: Partial) -> Self {
        PutFrames { stored: Some(whole), ..PutFrames::dropping() }
    }

    /// Whether the sender has said that it has nothing to send for now.
    pub(super) fn pauses(&self) -> bool {
        self.pauses
    }

    /// The upload, if it was not refused.
    pub(super) fn put(&self) -> Option<&Put> {
        self.put.as_ref()
    }

    /// The upload, if it was not refused.
    pub(super) fn into_put(self) -> Option<Put> {
        self.put
    }

    /// The same frames, dropped from here on; and the upload.
    pub(super) fn split(self) -> (Self, Option<Put>) {
        (PutFrames { put: None, ..self }, self.put)
    }
}

impl PartFrames {
    pub(super) fn of(part: PartUpload) -> Self {
        PartFrames { part: Some(part), ..PartFrames::dropping() }
    }

    /// Those of a refused part, which are dropped, so that the stream stays in step.
    pub(super) fn dropping() -> Self {
        PartFrames { frames: FrameDecoder::without_trailer(), part: None }
    }

    /// The part, if it was not refused.
    pub(super) fn part(&self) -> Option<&PartUpload> {
        self.part.as_ref()
    }

    /// The same frames, dropped from here on; and the part.
    pub(super) fn split(self) -> (Self, Option<PartUpload>) {
        (PartFrames { part: None, ..self }, self.part)
    }
}

impl Talk {
    pub(super) fn receive(&mut self, mut frames: PutFrames, input: &mut &[u8], out: &mut Outgoing) -> Next {
        let piece = match frames.frames.next(input) {
            Ok(None) => return (State::Put(frames), Step::Starved),
            Ok(Some(piece)) => piece,
            Err(error) => {
                drop(frames);
                return self.give_up(error, out);
            }
        };
        frames.pauses = piece == Piece::Pause;
        let state = match piece {
            Piece::Pause => State::Put(frames),
            Piece::Data(_) if frames.stored.take().is_some() => {
                self.replies.refuse(&Error::new(Kind::Integrity, "more came than was announced"), out);
                State::Put(frames)
            }
            Piece::Data(bytes) => {
                frames.put = frames.put.and_then(|put| self.append(put, bytes, out));
                State::Put(frames)
            }
            Piece::Abort => {
                let error = Error::new(Kind::Aborted, "the upload was given up by its sender");
                match frames.stored {
                    Some(_) => self.replies.refuse(&error, out),
                    None => self.drop_put(frames.put, error, out),
                }
                State::Commands
            }
            Piece::End(trailer) => match frames.stored {
                Some(whole) => self.end_stored(whole, trailer.map(Hash::from_bytes), out),
                None => self.end_put(frames.put, trailer.map(Hash::from_bytes), out),
            },
        };
        (state, Step::Progress)
    }

    fn append(&mut self, put: Put, bytes: &[u8], out: &mut Outgoing) -> Option<Put> {
        let Talk { desk, replies, .. } = self;
        match desk.append(put, bytes, &mut |_, result| replies.answer(&result, out)) {
            Ok(put) => Some(put),
            Err(error) => {
                replies.refuse(&error, out);
                // The sender should learn of it now, not when it has sent the rest.
                out.hand_over();
                None
            }
        }
    }

    /// Answers an upload that is stored already as when it was stored.
    fn end_stored(&mut self, Partial { len, hash }: Partial, trailer: Option<Hash>, out: &mut Outgoing) -> State {
        let other = || Error::new(Kind::Integrity, "other bytes are stored");
        let committed = Committed { size: len, hash, mtime: Mtime::default(), stored: Stored::Created };
        let told = (trailer == Some(hash)).then_some(Outcome::Stored { committed, came: 0 }).ok_or_else(other);
        self.replies.answer(&told, out);
        State::Commands
    }

    fn end_put(&mut self, put: Option<Put>, hash: Option<Hash>, out: &mut Outgoing) -> State {
        let Some(put) = put else { return State::Commands };
        let Some(hash) = hash else {
            self.drop_put(Some(put), Error::new(Kind::Internal, "frames without a trailer"), out);
            return State::Commands;
        };
        let Talk { desk, replies, .. } = self;
        match desk.finish(put, Some(hash), &mut |_, result| replies.answer(&result, out)) {
            Finished::Waits(_) => State::Commands,
            Finished::Work(work) => self.begin_work(*work, out),
            Finished::Done(outcome) => {
                replies.answer(&Ok(*outcome), out);
                State::Commands
            }
            Finished::Refused(error) => {
                replies.refuse(&error, out);
                State::Commands
            }
        }
    }

    /// Gives an upload up, and answers so.
    pub(super) fn drop_put(&mut self, put: Option<Put>, error: Error, out: &mut Outgoing) {
        let Some(put) = put else { return };
        let Talk { desk, replies, .. } = self;
        let error = desk.drop_put(put, error, &mut |_, result| replies.answer(&result, out));
        replies.refuse(&error, out);
    }

    pub(super) fn receive_part(&mut self, mut frames: PartFrames, input: &mut &[u8], out: &mut Outgoing) -> Next {
        let piece = match frames.frames.next(input) {
            Ok(None) => return (State::Part(frames), Step::Starved),
            Ok(Some(piece)) => piece,
            Err(error) => {
                drop(frames);
                return self.give_up(error, out);
            }
        };
        let state = match piece {
            Piece::Data(bytes) => {
                frames.part = frames.part.and_then(|part| self.append_part(part, bytes, out));
                State::Part(frames)
            }
            // Not in a part.
            Piece::Pause => State::Part(frames),
            Piece::Abort => {
                self.drop_part(frames.part, Error::new(Kind::Aborted, "the part was given up by its sender"), out);
                State::Commands
            }
            Piece::End(_) => {
                if let Some(part) = frames.part {
                    let result = self.desk.finish_part(part);
                    self.replies.answer(&result, out);
                }
                State::Commands
            }
        };
        (state, Step::Progress)
    }

    fn append_part(&mut self, part: PartUpload, bytes: &[u8], out: &mut Outgoing) -> Option<PartUpload> {
        match self.desk.append_part(part, bytes) {
            Ok(part) => Some(part),
            Err(error) => {
                self.replies.refuse(&error, out);
                // As for an upload.
                out.hand_over();
                None
            }
        }
    }

    /// Gives a part up, and answers so.
    pub(super) fn drop_part(&mut self, part: Option<PartUpload>, error: Error, out: &mut Outgoing) {
        let Some(part) = part else { return };
        let error = self.desk.drop_part(part, error);
        self.replies.refuse(&error, out);
    }
}
