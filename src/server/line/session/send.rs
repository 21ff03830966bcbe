//! What takes more than one step to send: the frames of downloads and listings, and answers that take work.

use super::answer::how_much;
use super::frames::PutFrames;
use super::{State, Talk};
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::machine::lane::Outgoing;
use crate::machine::turns::Class;
use crate::proto::{ReplyWriter, frame, listing};
use crate::server::desk::downloads::{Asked, Counted, USED_UP};
use crate::server::desk::jobs::download::{Download, Pulled};
use crate::server::desk::jobs::listing::{ListJob, ListStep, NextEntry};
use crate::server::desk::jobs::work::{Work, Worked};

impl Talk {
    /// `offset` is where in the file it begins.
    pub(super) fn begin_download(&mut self, job: Download, offset: u64, out: &mut Outgoing) -> State {
        let (meta, allocated) = (job.meta(), job.allocated());
        match self.count(&job, offset) {
            Ok(counted) => self.counted = counted,
            Err(error) => {
                let error = self.desk.drop_download(job, error);
                self.replies.refuse(&error, out);
                return State::Commands;
            }
        }
        let write = |line: &mut Vec<u8>| {
            let reply = ReplyWriter::new(line, 150, "data")
                .field("size", meta.size)
                .field("mtime", meta.mtime)
                .field("mode", meta.mode);
            match allocated {
                Some(allocated) => reply.field("allocated", allocated).end(),
                None => reply.end(),
            }
        };
        self.replies.preliminary(write, out);
        State::Download(job)
    }

    /// Takes a place for a download, where a link allows so many.
    fn count(&self, job: &Download, offset: u64) -> Result<Option<Counted>> {
        let Some(downloads) = self.desk.downloads() else { return Ok(None) };
        let (left, size) = (job.left(), job.meta().size);
        let asked = if left < size { Asked::range(offset, left, size) } else { Asked::WHOLE };
        self.desk.take_place(downloads, job, asked).map_err(|error| match error.kind() {
            Kind::LoginFailed => Error::new(Kind::Denied, USED_UP),
            _ => error,
        })
    }

    /// One frame of a file.
    pub(super) fn send_file(&mut self, job: Download, out: &mut Outgoing) -> State {
        let pulled = if job.left() > 0 {
            let left = usize::try_from(job.left()).unwrap_or(usize::MAX);
            let buffer = out.with_room(frame::HEADER + left.min(limits::FRAME_BEGUN_MIN));
            let (header, room) = match buffer.room().split_first_chunk_mut::<{ frame::HEADER }>() {
                Some(parts) => parts,
                // A buffer of no size: there is none.
                None => return State::Download(job),
            };
            match self.desk.pull(job, room) {
                Pulled::Bytes(job, n) => {
                    *header = frame::header(n);
                    buffer.fill(frame::HEADER + n);
                    job.gives(n);
                    return State::Download(job);
                }
                pulled @ Pulled::Done(_) => pulled,
            }
        } else {
            self.desk.pull(job, &mut [])
        };
        match pulled {
            // It is read once more.
            Pulled::Bytes(job, _) => State::Download(job),
            Pulled::Done(result) => {
                if let Some(counted) = self.counted.take().filter(|_| result.is_ok()) {
                    counted.finish();
                }
                out.put(if result.is_ok() { &frame::END } else { &frame::ABORT });
                self.replies.answer(&result, out);
                State::Commands
            }
        }
    }

    pub(super) fn begin_list(&mut self, job: ListJob, out: &mut Outgoing) -> State {
        let modes = job.modes();
        let write = |line: &mut Vec<u8>| {
            let reply = ReplyWriter::new(line, 150, "data");
            match modes {
                Some(most) => reply.field("perms", most).end(),
                None => reply.end(),
            }
        };
        self.replies.preliminary(write, out);
        State::List(job)
    }

    /// One frame of a listing.
    pub(super) fn send_list(&mut self, mut job: ListJob, out: &mut Outgoing) -> State {
        // The frame's length is known only once it is full, so its lines are put together apart.
        let mut lines = Vec::with_capacity(limits::LIST_FRAME + listing::LINE_MAX);
        let mut step = ListStep::new();
        while lines.len() < limits::LIST_FRAME {
            match self.desk.next_entry(&mut job, &mut step) {
                NextEntry::Entry(entry) => entry.render(&mut lines),
                NextEntry::NotYet => break,
                NextEntry::Over => {
                    put_frame(&lines, out);
                    match self.desk.listed(job) {
                        Ok(outcome) => {
                            out.put(&frame::END);
                            self.replies.answer(&Ok(outcome), out);
                        }
                        Err(error) => self.abort_data(&error, out),
                    }
                    return State::Commands;
                }
            }
        }
        put_frame(&lines, out);
        State::List(job)
    }

    pub(super) fn begin_work(&mut self, work: Work, out: &mut Outgoing) -> State {
        if work.class() == Class::Heavy {
            // Earlier uploads and their replies need not wait for a large file to be hashed.
            self.commit(out);
            out.hand_over();
        }
        State::Work(Box::new(work))
    }

    /// One step of an answer that takes work.
    pub(super) fn work(&mut self, work: Work, out: &mut Outgoing) -> State {
        let Talk { desk, replies, progress, .. } = self;
        match desk.work(work, &mut |_, result| replies.answer(&result, out)) {
            Worked::On(work) => {
                // It is told where it got on.
                if let Some(before) = progress
                    && let Some(gone) = desk.gone_so_far(&work).filter(|gone| gone != before)
                {
                    *before = gone;
                    let write = |line: &mut Vec<u8>| how_much(ReplyWriter::new(line, 117, "progress"), gone).end();
                    replies.preliminary(write, out);
                }
                State::Work(Box::new(work))
            }
            Worked::Waits(_) => State::Commands,
            Worked::Put(Ok(put)) => State::Put(PutFrames::of(put)),
            Worked::Put(Err(error)) => {
                replies.refuse(&error, out);
                State::Put(PutFrames::dropping())
            }
            Worked::Done(result) => {
                replies.answer(&result, out);
                State::Commands
            }
        }
    }

    /// Gives work up, and answers so.
    pub(super) fn drop_work(&mut self, work: Work, error: Error, out: &mut Outgoing) {
        let Talk { desk, replies, .. } = self;
        let error = desk.drop_work(work, error, &mut |_, result| replies.answer(&result, out));
        replies.refuse(&error, out);
    }

    /// Breaks off the data that is being sent, with this answer.
    pub(super) fn abort_data(&mut self, error: &Error, out: &mut Outgoing) {
        out.put(&frame::ABORT);
        self.replies.refuse(error, out);
    }
}

fn put_frame(bytes: &[u8], out: &mut Outgoing) {
    if !bytes.is_empty() {
        out.put(&frame::header(bytes.len()));
        out.put(bytes);
    }
}
