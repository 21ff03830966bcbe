//! The bytes of a file or of some ranges of it, for an answer: pulled from the desk a chunk at a time, and the last one of each
//! range kept back until it is known that the file stood still.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::open_at_desk::GiveUp;
use super::web_session::{Waiting, begin, unexpected};
use crate::budget::Account;
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{Change, RelPath, Source};
use crate::limits;
use crate::random;
use crate::server::desk::Desk;
use crate::server::desk::jobs::download::{Download, Pulled};
use crate::server::desk::op::Op;
use crate::server::desk::outcome::Begun;

/// What a step came to.
pub enum Step {
    /// The next bytes.
    Piece(Piece),
    /// Nothing yet: call again.
    NotYet,
}

/// Some bytes of an answer's body.
pub struct Piece {
    /// They.
    pub bytes: Bytes,
    /// Those of them that are counted when they are handed on: not the heads of parts, and not the last ones of a range, which are
    /// counted with all of it.
    counted: usize,
}

/// Counts what was handed on to whoever is sent it, also while the reader is at the desk. Clones are the same.
#[derive(Clone, Default)]
pub struct HandedOn(Arc<AtomicUsize>);

impl HandedOn {
    /// This piece too.
    pub fn add(&self, piece: &Piece) {
        self.0.fetch_add(piece.counted, Ordering::Relaxed);
    }
}

/// What is left of a file that is read for an answer.
pub struct Reader {
    /// The range that is being read.
    now: Option<Download>,
    /// Its last chunk, while the file is checked.
    kept: Option<Buffer>,
    /// What was handed on of it and is not entered in the job yet.
    handed_on: HandedOn,
    /// Where there are several.
    several: Option<Several>,
    /// Bytes of the answer's body.
    length: u64,
    is_over: bool,
}

struct Several {
    path: RelPath,
    /// The file that all ranges are of, open as long as they are read: each range is opened anew, and only by this one it is
    /// known that none of them is of another state.
    file: Box<dyn Source>,
    method: &'static str,
    boundary: String,
    kind: &'static str,
    /// The next one last.
    ranges: Vec<(u64, u64)>,
}

impl Reader {
    /// Of this range.
    pub fn one(download: Download) -> Reader {
        Reader {
            length: download.left(),
            now: Some(download),
            kept: None,
            handed_on: HandedOn::default(),
            several: None,
            is_over: false,
        }
    }

    /// Of several ranges, none of them past the end, of this file, which was opened at this path. `kind` is told in the heads
    /// of all.
    ///
    /// # Errors
    /// [`Kind::Internal`] without random numbers.
    pub fn several(
        (path, file): (RelPath, Box<dyn Source>),
        method: &'static str,
        mut ranges: Vec<(u64, u64)>,
        kind: &'static str,
    ) -> Result<Reader> {
        let random = random::number()?;
        ranges.reverse();
        let several = Several { path, file, method, boundary: format!("sealift-{random:016x}"), kind, ranges };
        let heads = several.ranges.iter().map(|range| several.head(*range).len() as u64 + range.1).sum::<u64>();
        let length = heads + several.end().len() as u64;
        Ok(Reader {
            now: None,
            kept: None,
            handed_on: HandedOn::default(),
            several: Some(several),
            length,
            is_over: false,
        })
    }

    /// Bytes of the answer's body.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What separates the parts, if there are several.
    pub fn boundary(&self) -> Option<&str> {
        self.several.as_ref().map(|several| several.boundary.as_str())
    }

    /// Whether one turn is likely to be all.
    pub fn fits_in_one(&self) -> bool {
        self.several.is_none() && self.length <= limits::WEB_AT_ONCE
    }

    /// Whether all of it was given out.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Where the pieces are told that are handed on.
    pub fn handed_on(&self) -> &HandedOn {
        &self.handed_on
    }

    /// No more of it: the range that was being read, if it was in the middle of one.
    pub fn give_up(&mut self) -> Option<Download> {
        self.is_over = true;
        self.now.take().inspect(|job| self.count(job))
    }

    /// No more of it: all that it has open.
    pub fn leave(&mut self) -> Option<Left> {
        let (now, file) = (self.give_up(), self.several.take().map(|several| several.file));
        (now.is_some() || file.is_some()).then_some(Left { now, _file: file })
    }

    fn count(&self, job: &Download) {
        job.gives(self.handed_on.0.swap(0, Ordering::Relaxed));
    }

    /// [`Reader::step`] until there are bytes, or nothing is left.
    ///
    /// # Errors
    /// As [`Reader::step`].
    pub fn step_to_bytes(&mut self, desk: &mut Desk, account: &Arc<Account>) -> Result<Option<Piece>> {
        while !self.is_over {
            if let Step::Piece(piece) = self.step(desk, account)? {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// The next pieces, as many as may wait to be sent: one, and where memory is plenty more, so that one turn is worth the waking of
    /// two threads. What was read before it failed is in `pieces` too.
    ///
    /// # Errors
    /// As [`Reader::step`].
    pub fn read_ahead(&mut self, desk: &mut Desk, account: &Arc<Account>, pieces: &mut VecDeque<Piece>) -> Result<()> {
        // What was handed on of one range must not be counted with the next one.
        let most = if self.several.is_some() { 1 } else { limits::OUTBOX_BUFFERS };
        while pieces.len() < most && (pieces.is_empty() || account.is_rich()) {
            let Some(piece) = self.step_to_bytes(desk, account)? else { break };
            pieces.push_back(piece);
        }
        Ok(())
    }

    /// Reads the next chunk, into a buffer of this account. Blocks.
    ///
    /// # Errors
    /// [`Kind::Torn`] if the file did not stand still, [`Kind::Rotten`] if it is not what was stored, [`Kind::Denied`], and
    /// those of reading.
    pub fn step(&mut self, desk: &mut Desk, account: &Arc<Account>) -> Result<Step> {
        let Some(job) = self.now.take() else { return self.next_range(desk) };
        self.count(&job);
        if let Err(error) = desk.may_go_on(job.running()) {
            return Err(desk.drop_download(job, error));
        }
        let left = job.left();
        let mut buffer = if left > 0 { Buffer::take_for_some(account, left) } else { Buffer::none() };
        match desk.pull(job, buffer.room()) {
            Pulled::Done(Err(error)) => Err(error),
            Pulled::Done(Ok(_)) => {
                self.is_over = self.several.is_none();
                Ok(self.kept.take().map_or(Step::NotYet, |buffer| piece(buffer, 0)))
            }
            Pulled::Bytes(job, n) => {
                buffer.fill(n);
                let is_last = job.left() == 0;
                self.now = Some(job);
                if n == 0 {
                    return Ok(Step::NotYet);
                }
                if is_last {
                    self.kept = Some(buffer);
                    return Ok(Step::NotYet);
                }
                Ok(piece(buffer, n))
            }
        }
    }

    /// The head of the next range, or the end.
    fn next_range(&mut self, desk: &mut Desk) -> Result<Step> {
        let Some(several) = &mut self.several else {
            self.is_over = true;
            return Ok(Step::NotYet);
        };
        let torn = || Error::new(Kind::Torn, "the file changed while it was sent");
        if several.file.change()? != Change::Nothing {
            return Err(torn());
        }
        let Some((offset, length)) = several.ranges.pop() else {
            self.is_over = true;
            let end = several.end();
            // The file is closed in this turn, which may wait for it.
            self.several = None;
            return Ok(head(end));
        };
        let op = Op::Read { path: several.path.clone(), offset, length: Some(length), growing: false };
        let Begun::Download(job) = begin(desk, op, several.method)? else { return Err(unexpected()) };
        if job.meta() != several.file.meta() {
            return Err(desk.drop_download(job, torn()));
        }
        self.now = Some(job);
        Ok(head(several.head((offset, length))))
    }
}

/// What a reader had open when it was left.
pub struct Left {
    now: Option<Download>,
    _file: Option<Box<dyn Source>>,
}

impl GiveUp for Left {
    fn give_up(self, desk: &mut Desk, _: &mut Waiting, why: Error) {
        if let Some(job) = self.now {
            drop(desk.drop_download(job, why));
        }
    }
}

impl Several {
    fn head(&self, (offset, length): (u64, u64)) -> String {
        let Several { boundary, kind, file, .. } = self;
        let last = (offset + length).saturating_sub(1);
        let size = file.meta().size;
        format!("\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: bytes {offset}-{last}/{size}\r\n\r\n")
    }

    fn end(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

fn piece(buffer: Buffer, counted: usize) -> Step {
    Step::Piece(Piece { bytes: Bytes::from_owner(Owned(buffer)), counted })
}

fn head(text: String) -> Step {
    Step::Piece(Piece { bytes: Bytes::from(text), counted: 0 })
}

/// A buffer whose bytes are on their way; it goes back when they have left.
struct Owned(Buffer);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        self.0.filled()
    }
}
