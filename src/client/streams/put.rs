//! One upload over several connections: ranges of the local file as parts of a staged one, committed by its hash.

use std::collections::VecDeque;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rustix::fs::FileType;

use super::ranges::{Next, Range, Ranges};
use super::{Streams, is_large, ping};
use crate::client::answers::Transferred;
use crate::client::jobs::{Upload, UploadSource};
use crate::client::ledger::Unsure;
use crate::client::local_access::LocalAccess;
use crate::client::local_file::LocalFile;
use crate::client::observer::Observer;
use crate::client::part_there::part_of;
use crate::client::patience::is_lost_line;
use crate::client::send::{Sender, Task};
use crate::client::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::{
    Condition, Hash, Hasher, RelPath, SourceMode, StagedId,
    hash::{Assembly, RangeHasher},
};
use crate::limits;
use crate::proto::{Command, Feature, Resume, StageArgs, frame};
use crate::sync::Mutex;

/// Takes a large local file out of what is to be sent, to be sent over several connections afterwards.
pub(in crate::client) fn set_aside(task: Task, large: &mut Option<&mut Vec<Task>>) -> Option<Task> {
    if let Some(large) = large
        && let Task::File { upload: Upload { from: UploadSource::File(path), .. }, access } = &task
        && let Ok(stat) = access.stat(path)
        && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && is_large(stat.st_size.unsigned_abs())
    {
        large.push(task);
        return None;
    }
    Some(task)
}

/// Sends these files one after the other, each over all connections. `count` tells the observer of their sizes. They are what comes
/// last: which folders for files are missing is told after them.
///
/// # Errors
/// What ended the first connection; the others are in the ledger.
pub(in crate::client) async fn put_all(mut streams: Streams<'_>, files: Vec<Task>, count: bool) -> Result<()> {
    for task in files {
        let Task::File { upload, access } = task else { continue };
        if !streams.with_ledger(|ledger| ledger.is_settled(&upload.to)) {
            put(&mut streams, upload, access, count).await?;
        }
    }
    if !streams.with_ledger(|ledger| ledger.unmade.lock().has_untold()) {
        return Ok(());
    }
    let (observer, ledger) = (Arc::clone(streams.observer), Arc::clone(streams.ledger));
    streams.client.run(move |session| ledger.lock().tell_unmade(session, &*observer)).await
}

/// What became of a file.
enum Outcome {
    Done(Transferred),
    Failed(Error),
}

async fn put(streams: &mut Streams<'_>, upload: Upload, access: LocalAccess, count: bool) -> Result<()> {
    let Upload { from: UploadSource::File(path), to, condition, mtime } = upload else { return Ok(()) };
    let again = || {
        let from = UploadSource::File(path.clone());
        Task::File { upload: Upload { from, to: to.clone(), condition, mtime }, access: access.clone() }
    };
    let file = match LocalFile::open(&path, &access) {
        Ok(file) => file,
        Err(error) => {
            failed(streams, path, &to, condition, error);
            return Ok(());
        }
    };
    if !streams.widen().await? {
        return alone(streams, again(), count).await;
    }
    let (resumes, perms) = streams.with_ledger(|ledger| (ledger.how.resumes(), ledger.how.options.perms));
    let (size, mtime_of_file, workers) = (file.size, file.mtime, streams.client.streams());
    let features = streams.client.features();
    let mode = features.has(Feature::Mode).then_some(SourceMode { mode: file.mode, perms });
    let allocated = file.allocated.filter(|_| features.has(Feature::Sparse));
    let mtime_there = mtime.or(Some(mtime_of_file));
    let mut args = StageArgs { path: to.clone(), size, mtime: mtime_there, mode, allocated, condition, resume: None };
    let told = Arc::clone(streams.observer);
    let staged = streams.client.run(move |session| stage(session, file, &mut args, resumes, &*told)).await?;
    let (id, file, resume, assembly) = match staged {
        Ok(staged) => staged,
        // The server has enough of such, or knows none.
        Err(error) if matches!(error.kind(), Kind::TooMany | Kind::UnknownVerb) => {
            return alone(streams, again(), count).await;
        }
        Err(error) => {
            failed(streams, path, &to, condition, error);
            return Ok(());
        }
    };
    let observer = Arc::clone(streams.observer);
    if count {
        observer.expected(1, size);
    }
    observer.started(&path, Some(size));
    let begin = resume.map_or(0, |resume| resume.offset);
    if begin > 0 {
        streams.with_ledger(|ledger| ledger.resumed(&to, begin));
        observer.resumed(&path, begin);
    }
    let ranges = Ranges::new(begin, size, workers);
    let hashes = Mutex::new(assembly);
    let sending = Arc::new(Sending { id, file, path, size, ranges, hashes, observer });
    let (lead, help) = (Arc::clone(&sending), Arc::clone(&sending));
    let unsure = Arc::new(Mutex::new(None));
    let sent_whole = Arc::clone(&unsure);
    let led = streams
        .together(&sending.ranges, move |session| lead.lead(session, &sent_whole), move |session| help.help(session))
        .await;
    match led {
        Ok(Outcome::Done(done)) => streams.with_ledger(|ledger| {
            ledger.sent(&sending.path, &to, &done, &*sending.observer);
        }),
        Ok(Outcome::Failed(error)) => failed(streams, sending.path.clone(), &to, condition, error),
        Err(error) => {
            // Whether it was stored matters only under a condition: without one it is simply sent again.
            let hash = unsure.lock().take();
            if let Some(hash) = hash.filter(|_| condition != Condition::Any && is_lost_line(&error)) {
                let path = sending.path.clone();
                streams.with_ledger(|ledger| ledger.unsure.push(Unsure { path, to, size, hash }));
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Sends a file over the first connection alone.
async fn alone(streams: &mut Streams<'_>, task: Task, count: bool) -> Result<()> {
    let (observer, ledger) = (Arc::clone(streams.observer), Arc::clone(streams.ledger));
    streams
        .client
        .run(move |session| {
            let mut ledger = ledger.lock();
            Sender::new(session, &*observer, &mut ledger, count).run(std::iter::once(task))
        })
        .await
}

fn failed(streams: &Streams<'_>, path: PathBuf, to: &RelPath, condition: Condition, error: Error) {
    streams.with_ledger(|ledger| ledger.not_sent(path, to, condition, error, &**streams.observer));
}

type Begun = (StagedId, LocalFile, Option<Resume>, Assembly);

/// Stages the file, after what is left of an interrupted upload of it if there is any and it may be used. The inner
/// error is the server's refusal.
fn stage(
    session: &mut Session,
    mut file: LocalFile,
    args: &mut StageArgs,
    resumes: bool,
    observer: &dyn Observer,
) -> Result<Result<Begun>> {
    let mut hasher = Hasher::new();
    if resumes {
        args.resume = match part_of(session, &args.path, &mut file, &mut hasher, observer)? {
            Ok(part) => part,
            Err(error) => return Ok(Err(error)),
        };
    }
    loop {
        session.command(&Command::Stage(args.clone()))?;
        let reply = session.reply()?;
        if !reply.is_error() {
            if reply.digits != 200 {
                return Err(session.out_of_order());
            }
            let id = reply.parsed("id")?;
            let assembly = match args.resume {
                Some(_) => Assembly::with_beginning(&hasher),
                None => Assembly::default(),
            };
            return Ok(Ok((id, file, args.resume, assembly)));
        }
        let error = reply.to_error();
        if session.is_broken() {
            return Err(error);
        }
        // Somebody else went on with it meanwhile.
        if error.kind() != Kind::Changed || args.resume.take().is_none() {
            return Ok(Err(error));
        }
    }
}

/// One file on its way over several connections.
struct Sending {
    id: StagedId,
    file: LocalFile,
    path: PathBuf,
    size: u64,
    ranges: Ranges,
    hashes: Mutex<Assembly>,
    observer: Arc<dyn Observer>,
}

/// A part that was sent, wholly or not, and is not answered yet.
struct Sent {
    range: Range,
    hasher: RangeHasher,
    /// Bytes of it that were sent.
    sent: u64,
    /// It was given up in the middle.
    aborted: bool,
}

impl Sending {
    /// The first connection's share: ranges like the others, then the commit. What it says was sent whole is put into
    /// `sent_whole` before it asks for that.
    fn lead(&self, session: &mut Session, sent_whole: &Mutex<Option<Hash>>) -> Result<Outcome> {
        self.work(session)?;
        let error = match self.ranges.failure() {
            Some(error) => error,
            None => match self.whole(session)? {
                Ok(hash) => {
                    *sent_whole.lock() = Some(hash);
                    return self.commit(session, hash);
                }
                Err(error) => error,
            },
        };
        session.command(&Command::Discard(self.id))?;
        // Answered is all that matters here.
        let _ = session.reply()?;
        Ok(Outcome::Failed(error))
    }

    /// The hash of all that was sent, if the file is still the one it was sent from. The inner error is the file's.
    fn whole(&self, session: &mut Session) -> Result<Result<Hash>> {
        let hashes = std::mem::take(&mut *self.hashes.lock());
        let Some(hasher) = hashes.whole(self.size) else { return Ok(Err(self.file.torn())) };
        let hash = hasher.finalize();
        let mut said = Instant::now();
        let mut lost = None;
        let settled = self.file.settle(&hash, || {
            if said.elapsed() >= limits::STILL_HERE {
                said = Instant::now();
                ping(session).inspect_err(|error| lost = Some(Error::new(error.kind(), error.text())))?;
            }
            Ok(())
        });
        match lost {
            Some(error) => Err(error),
            None => Ok(settled.map(|()| hash)),
        }
    }

    fn commit(&self, session: &mut Session, hash: Hash) -> Result<Outcome> {
        session.command(&Command::Commit { id: self.id, hash })?;
        let reply = session.reply()?;
        if reply.is_error() {
            let error = reply.to_error();
            return if session.is_broken() { Err(error) } else { Ok(Outcome::Failed(error)) };
        }
        if reply.digits != 226 {
            return Err(session.out_of_order());
        }
        let stored: (u64, Hash) = (reply.parsed("size")?, reply.parsed("hash")?);
        if stored != (self.size, hash) {
            let text = format!("the server has stored {} bytes with the BLAKE3 {}, not {hash}", stored.0, stored.1);
            return Ok(Outcome::Failed(Error::new(Kind::Integrity, text)));
        }
        Ok(Outcome::Done(Transferred { size: self.size, hash, ids: session.ids() }))
    }

    fn help(&self, session: &mut Session) -> Result<()> {
        let done = self.work(session);
        if let Err(error) = &done
            && !self.ranges.is_over()
        {
            self.observer.stream_lost(error);
        }
        done
    }

    /// Sends parts until there are no more, and waits for their answers. An error ends the connection; what was not
    /// answered is given back.
    fn work(&self, session: &mut Session) -> Result<()> {
        let mut unanswered = VecDeque::new();
        let done = self.send_parts(session, &mut unanswered);
        for Sent { range, sent, .. } in unanswered {
            self.ranges.give_back(range, sent);
        }
        done
    }

    fn send_parts(&self, session: &mut Session, unanswered: &mut VecDeque<Sent>) -> Result<()> {
        loop {
            while unanswered.len() >= limits::PARTS_AHEAD {
                self.settle(session, unanswered, true)?;
            }
            let next = match unanswered.is_empty() {
                true => self.ranges.next(limits::STILL_HERE),
                false => self.ranges.ahead().map_or(Next::Wait, Next::Range),
            };
            match next {
                Next::Range(range) => self.send(session, range, unanswered)?,
                Next::Wait if unanswered.is_empty() => ping(session)?,
                Next::Wait => {
                    self.hand_over(session, unanswered)?;
                    if !unanswered.is_empty() {
                        self.settle(session, unanswered, true)?;
                    }
                }
                Next::Over => return Ok(()),
            }
        }
    }

    fn send(&self, session: &mut Session, range: Range, unanswered: &mut VecDeque<Sent>) -> Result<()> {
        let hasher = RangeHasher::at_block(range.offset / limits::HASH_BLOCK);
        unanswered.push_back(Sent { range, hasher, sent: 0, aborted: false });
        if session.out().filled().len() >= limits::WIRE_HANDOVER {
            self.hand_over(session, unanswered)?;
        }
        session.command(&Command::Part { id: self.id, offset: range.offset, length: range.length })?;
        loop {
            if session.out().filled().len() >= limits::WIRE_HANDOVER {
                self.hand_over(session, unanswered)?;
            }
            // Refused and so answered already: what is left of it need not be sent.
            let Some(this) = unanswered.back_mut().filter(|sent| sent.range == range) else {
                return self.end(session, &frame::ABORT);
            };
            if this.sent == range.length {
                return self.end(session, &frame::END);
            }
            match self.fill(session, this) {
                Ok(()) => {}
                Err(error) => {
                    this.aborted = true;
                    self.ranges.fail(error);
                    return self.end(session, &frame::ABORT);
                }
            }
            if self.ranges.is_over() {
                this.aborted = true;
                return self.end(session, &frame::ABORT);
            }
        }
    }

    /// Reads a frame's worth of the file into the outgoing buffer.
    fn fill(&self, session: &mut Session, this: &mut Sent) -> Result<()> {
        let full = || Error::new(Kind::Internal, "the outgoing buffer is full");
        let (head, body) = session.out().room().split_at_mut_checked(frame::HEADER).ok_or_else(full)?;
        let left = usize::try_from(this.range.length - this.sent).unwrap_or(usize::MAX);
        let most = limits::UPLOAD_FRAME.min(body.len()).min(left);
        let body = body.get_mut(..most).unwrap_or_default();
        let read = loop {
            match self.file.file.read_at(body, this.range.offset + this.sent) {
                Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read.map_err(|err| self.failed(err))?,
            }
        };
        if read == 0 {
            return Err(self.file.torn());
        }
        this.hasher.update(body.get(..read).unwrap_or_default());
        head.copy_from_slice(&frame::header(read));
        session.out().fill(frame::HEADER + read);
        self.observer.progressed(&self.path, this.range.news(this.sent, read as u64));
        this.sent += read as u64;
        Ok(())
    }

    /// Writes what always has room.
    fn end(&self, session: &mut Session, bytes: &[u8]) -> Result<()> {
        let written = session.out().append(bytes);
        debug_assert_eq!(written, bytes.len());
        Ok(())
    }

    /// Puts the outgoing buffer on its way, and takes the answers that are there.
    fn hand_over(&self, session: &mut Session, unanswered: &mut VecDeque<Sent>) -> Result<()> {
        while !session.try_flush() {
            session.wait()?;
            while self.settle(session, unanswered, false)? {}
        }
        while self.settle(session, unanswered, false)? {}
        Ok(())
    }

    /// Takes the answer to the oldest part, and waits for it if asked to. Says whether there was one.
    fn settle(&self, session: &mut Session, unanswered: &mut VecDeque<Sent>, wait: bool) -> Result<bool> {
        if wait {
            // An answer can come only to what is on its way.
            while !session.try_flush() {
                session.wait()?;
                if self.settle(session, unanswered, false)? {
                    return Ok(true);
                }
            }
        }
        let reply = if wait { Some(session.reply()?) } else { session.try_reply()? };
        let Some(reply) = reply else { return Ok(false) };
        if reply.is_error() {
            let error = reply.to_error();
            if session.is_broken() {
                return Err(error);
            }
            let Some(sent) = unanswered.pop_front() else { return Err(session.out_of_order()) };
            self.ranges.done();
            if !sent.aborted {
                self.ranges.fail(error);
            }
            return Ok(true);
        }
        let size: u64 = if reply.digits == 226 { reply.parsed("size")? } else { 0 };
        match unanswered.pop_front() {
            Some(Sent { range, hasher, sent, .. }) if (size, sent) == (range.length, range.length) => {
                self.hashes.lock().put(hasher);
                self.ranges.done();
                Ok(true)
            }
            Some(sent) => {
                unanswered.push_front(sent);
                Err(session.out_of_order())
            }
            None => Err(session.out_of_order()),
        }
    }

    fn failed(&self, err: std::io::Error) -> Error {
        Error::file(self.path.display(), err)
    }
}
