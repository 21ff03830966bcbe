//! Files over several connections: TOKEN for the connections, STAGE, PART, COMMIT and DISCARD for uploads in parts.

use zeroize::Zeroize;

use super::{Running, Session, State};
use crate::error::{Error, Kind, Result};
use crate::files::{Committed, Hash, Overwrite, Part, RelPath, StagedId, Upload, UploadSpec};
use crate::limits;
use crate::machine::lane::{Outgoing, Step};
use crate::machine::turns;
use crate::proto::{FrameDecoder, Piece, ReplyWriter, StageArgs};

/// A part whose frames are coming.
pub struct Incoming {
    frames: FrameDecoder,
    /// `None` once it was refused: what still comes is read and dropped.
    pub(super) part: Option<(Box<dyn Part>, Running)>,
}

impl Incoming {
    /// The refused part: its frames are dropped, so that the stream stays in step.
    pub fn dropping() -> Self {
        Incoming { frames: FrameDecoder::without_trailer(), part: None }
    }
}

impl Session {
    pub(super) fn tokens(&mut self, count: u32, running: Running, out: &mut Outgoing) {
        let tokens = match self.ties.tokens(&self.principal, count) {
            Ok(tokens) => tokens,
            Err(error) => return self.fail(running, &error, out),
        };
        let seconds = limits::TOKEN_LIFETIME.as_secs();
        // Apart from `done`, so that the bytes can be wiped everywhere they were.
        self.log(&running, "done", 0);
        let mut list = Vec::with_capacity(tokens.len() * (limits::TOKEN_DIGITS + 1));
        for token in &tokens {
            if !list.is_empty() {
                list.push(b',');
            }
            list.extend_from_slice(token.expose());
        }
        // Room for all of it from the start: a growing vector would leave copies behind.
        let mut line = Vec::with_capacity(2 * list.len() + limits::LINE_MAX);
        ReplyWriter::new(&mut line, 200, "tokens")
            .verbatim("tokens", &list)
            .field("expires", seconds)
            .rendered(&self.ids)
            .text("Each opens one more connection, by JOIN.");
        out.put_secret(&line);
        list.zeroize();
        line.zeroize();
    }

    pub(super) fn stage(&mut self, args: StageArgs, mut running: Running, out: &mut Outgoing) {
        match self.try_stage(args) {
            Err(error) => self.fail(running, &error, out),
            Ok(id) => {
                running.staged = Some(id);
                self.done(running, 0, out, |r| ReplyWriter::new(r, 200, "staged").field("id", id), "Send its parts.");
            }
        }
    }

    fn try_stage(&self, args: StageArgs) -> Result<StagedId> {
        let spec = UploadSpec {
            size: Some(args.size),
            mtime: args.mtime,
            mode: args.mode.map(|mode| mode.within(self.most)),
            allocated: args.allocated,
            condition: args.condition,
            overwrite: self.overwrite(),
        };
        let upload = match args.resume {
            None if self.store.begins_by_counting() => turns::aside(|| self.store.begin(&args.path, spec))?,
            None => self.store.begin(&args.path, spec)?,
            Some(resume) => turns::aside(|| self.store.resume(&args.path, spec, resume.offset, resume.prefix))?,
        };
        self.ties.stage(&self.principal, args.path, upload.into_parts()?)
    }

    pub(super) fn begin_part(
        &mut self,
        id: StagedId,
        (offset, length): (u64, u64),
        mut running: Running,
        out: &mut Outgoing,
    ) {
        let incoming = match self.ties.part(id, &self.principal, offset, length) {
            Ok((path, part)) => {
                running.about(&self.ticket, id, path);
                Incoming { frames: FrameDecoder::without_trailer(), part: Some((part, running)) }
            }
            Err(error) => {
                self.fail(running, &error, out);
                Incoming::dropping()
            }
        };
        self.state = State::Part(incoming);
    }

    pub(super) fn receive_part(&mut self, mut incoming: Incoming, input: &mut &[u8], out: &mut Outgoing) -> Step {
        let piece = match incoming.frames.next(input) {
            Ok(None) => {
                self.state = State::Part(incoming);
                return Step::Starved;
            }
            Ok(Some(piece)) => piece,
            Err(error) => {
                drop(incoming);
                return self.give_up(error, out);
            }
        };
        match piece {
            Piece::Data(bytes) => {
                if let Some((part, _)) = &mut incoming.part
                    && let Err(error) = part.append(bytes)
                {
                    self.refuse_part(incoming.part.take(), &error, out);
                    // The sender should learn of it now, not when it has sent the rest.
                    out.hand_over();
                }
                self.state = State::Part(incoming);
            }
            // Not in a part.
            Piece::Pause => self.state = State::Part(incoming),
            Piece::Abort => {
                let error = Error::new(Kind::Aborted, "the part was given up by its sender");
                self.refuse_part(incoming.part, &error, out);
            }
            Piece::End(_) => {
                let Some((part, running)) = incoming.part else { return Step::Progress };
                match turns::aside(|| part.finish()) {
                    Ok(size) => {
                        self.done(running, size, out, |r| ReplyWriter::new(r, 226, "done").field("size", size), "");
                    }
                    Err(error) => self.fail(running, &error, out),
                }
            }
        }
        Step::Progress
    }

    pub(super) fn refuse_part(&mut self, part: Option<(Box<dyn Part>, Running)>, error: &Error, out: &mut Outgoing) {
        let Some((part, running)) = part else { return };
        drop(part);
        self.fail(running, error, out);
    }

    pub(super) fn commit_staged(&mut self, id: StagedId, hash: Hash, mut running: Running, out: &mut Outgoing) {
        match self.ties.take(id) {
            Err(error) => self.fail(running, &error, out),
            Ok((path, staged)) => {
                running.about(&self.ticket, id, path.clone());
                // From here on it is committed or gone.
                // Its bytes were counted with its parts.
                match turns::aside(|| staged.into_upload().and_then(|upload| self.try_commit(&path, upload, hash))) {
                    Err(error) => self.fail(running, &error, out),
                    Ok(committed) => self.stored(&committed, 0, running, out),
                }
            }
        }
    }

    fn try_commit(&self, path: &RelPath, mut upload: Box<dyn Upload>, expected: Hash) -> Result<Committed> {
        if upload.hash() != expected {
            let text = format!("{path}: the bytes that arrived are not those that were sent: their BLAKE3 differs");
            return Err(Error::new(Kind::Integrity, text));
        }
        if self.overwrite() == Overwrite::Refused {
            upload.refuse_overwrite();
        }
        self.store.commit_one(upload)
    }

    pub(super) fn discard(&mut self, id: StagedId, mut running: Running, out: &mut Outgoing) {
        match self.ties.take(id) {
            Err(error) => self.fail(running, &error, out),
            Ok((path, staged)) => {
                running.about(&self.ticket, id, path);
                drop(staged);
                self.done(running, 0, out, |r| ReplyWriter::new(r, 250, "done"), "Given up.");
            }
        }
    }
}
