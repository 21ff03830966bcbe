//! Uploads: commands and data ahead of the answers, straight from the file into the outgoing buffer. Blocking.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::answers::Transferred;
use super::input::Input;
use super::jobs::{Upload, UploadSource};
use super::ledger::{Ledger, Unsure};
use super::local_access::LocalAccess;
use super::local_file::{LocalFile, Portion};
use super::observer::{Observer, Skip};
use super::part_there::{hash_of, part_of};
use super::session::Session;
use super::unmade::Unmade;
use crate::error::{Error, Kind, Result, Side};
use crate::files::{Condition, Hash, Hasher, Mtime, RelPath, SourceMode};
use crate::limits;
use crate::proto::{Command, Feature, HashOf, Reply, Resume, UploadArgs, frame, server_of};

/// Something to do on the way through what is to be sent.
pub(super) enum Task {
    /// Make a folder with those above it.
    Directory { from: PathBuf, to: RelPath },
    /// Send a file.
    File {
        upload: Upload,
        /// How a local one is opened.
        access: LocalAccess,
    },
    /// Tell that this is left out.
    Skip(PathBuf, Skip),
    /// Tell that this cannot be sent.
    Fail(PathBuf, Error),
}

/// Sends many files, with as many unanswered as hide the way to the server.
pub(super) struct Sender<'a> {
    session: &'a mut Session,
    observer: &'a dyn Observer,
    ledger: &'a mut Ledger,
    /// What was sent and not answered, oldest first.
    unanswered: VecDeque<Sent>,
    /// The newest of them is still being sent.
    sending: bool,
    /// It comes from a file, which can be read again.
    from_file: bool,
    /// And was refused already.
    refused: bool,
    /// The observer is told of each file's size as it comes, not before.
    count: bool,
    hasher: Hasher,
    /// To be sent once more, from their beginning: uploads that went on with a part which the server had no more, and
    /// small files that changed while they were sent.
    over: Vec<Again>,
}

struct Sent {
    path: PathBuf,
    to: RelPath,
    condition: Condition,
    what: What,
    /// How to send it once more, from its beginning, if there is a reason for that.
    again: Option<Again>,
}

/// An upload to be sent once more.
struct Again {
    upload: Upload,
    access: LocalAccess,
}

enum What {
    Directory,
    /// Not all of it was sent: it still is, or was given up for this reason.
    Part(Option<Error>),
    Whole {
        size: u64,
        hash: Hash,
    },
}

impl Again {
    fn of(path: &Path, to: &RelPath, condition: Condition, mtime: Option<Mtime>, access: LocalAccess) -> Again {
        Again { upload: Upload { from: UploadSource::File(path.to_owned()), to: to.clone(), condition, mtime }, access }
    }
}

impl<'a> Sender<'a> {
    /// `count` tells the observer of each file's size as it comes; otherwise that is done elsewhere.
    pub(super) fn new(
        session: &'a mut Session,
        observer: &'a dyn Observer,
        ledger: &'a mut Ledger,
        count: bool,
    ) -> Self {
        let unanswered = VecDeque::with_capacity(limits::PIPELINE_FILES);
        let hasher = Hasher::new();
        Sender {
            session,
            observer,
            ledger,
            unanswered,
            sending: false,
            from_file: false,
            refused: false,
            count,
            hasher,
            over: Vec::new(),
        }
    }

    /// Does all of it. An error is one that ends the connection; the others are in the ledger.
    pub(super) fn run(mut self, tasks: impl Iterator<Item = Task>) -> Result<()> {
        let done = self.all(tasks);
        if done.is_err() {
            if self.sending && self.from_file {
                // What is on its way to the server is not there.
                let arrived = self.hasher.len().saturating_sub(limits::UPLOAD_ON_ITS_WAY);
                self.ledger.kept = arrived / limits::HASH_BLOCK * limits::HASH_BLOCK;
            }
            for sent in std::mem::take(&mut self.unanswered) {
                self.remember_unsure(sent);
            }
        }
        done
    }

    fn all(&mut self, tasks: impl Iterator<Item = Task>) -> Result<()> {
        self.ask_about_unsure()?;
        for task in tasks {
            match task {
                Task::Directory { to, .. } if self.ledger.is_settled(&to) => {}
                Task::File { upload, .. } if self.ledger.is_settled(&upload.to) => {}
                Task::Directory { from, to } => self.directory(from, to)?,
                Task::File { upload, access } => self.file(upload, access, true)?,
                Task::Skip(path, why) => {
                    if self.ledger.is_news(&path) {
                        self.observer.skipped(&path, why);
                        self.ledger.summary.skipped += 1;
                    }
                }
                Task::Fail(path, error) => {
                    if self.ledger.is_news(&path) {
                        self.ledger.fail(path, error, self.observer);
                    }
                }
            }
        }
        self.settle_all()?;
        for Again { upload, access } in std::mem::take(&mut self.over) {
            self.file(upload, access, false)?;
        }
        self.settle_all()
    }

    /// Waits for every answer.
    fn settle_all(&mut self) -> Result<()> {
        self.hand_over()?;
        while !self.unanswered.is_empty() {
            self.settle(true)?;
        }
        Ok(())
    }

    /// An upload whose answer will not come. Only under a condition does it matter whether it was stored: without one it
    /// is simply sent again.
    fn remember_unsure(&mut self, sent: Sent) {
        if let (true, What::Whole { size, hash }) = (sent.condition != Condition::Any, sent.what) {
            self.ledger.unsure.push(Unsure { path: sent.path, to: sent.to, size, hash });
        }
    }

    /// Asks whether uploads that were sent whole before the connection broke are there.
    fn ask_about_unsure(&mut self) -> Result<()> {
        while let Some(Unsure { path, to, size, hash }) = self.ledger.unsure.last() {
            let (path, to, size, hash) = (path.clone(), to.clone(), *size, *hash);
            if hash_of(self.session, &to, HashOf::Bytes)? == Some((size, hash)) {
                let done = Transferred { size, hash, ids: self.session.ids() };
                self.ledger.finished(&path, &to, &done, self.observer);
            }
            // Only now: if the connection breaks again, it is still unsure.
            self.ledger.unsure.pop();
        }
        Ok(())
    }

    /// What the server has of this file, if the file begins with it: its hasher and input then stand behind it. The inner error is that
    /// nobody can tell just now.
    fn part_of(&mut self, to: &RelPath, file: &mut LocalFile) -> Result<Result<Option<Resume>>> {
        self.settle_all()?;
        part_of(self.session, to, file, &mut self.hasher, self.observer)
    }

    fn directory(&mut self, from: PathBuf, to: RelPath) -> Result<()> {
        self.make_room()?;
        match self.session.command(&Command::Mkdir { path: to.clone(), parents: true }) {
            Ok(()) => {
                let (what, condition) = (What::Directory, Condition::Any);
                self.unanswered.push_back(Sent { path: from, to, condition, what, again: None });
            }
            Err(error) => self.failed(from, &to, Condition::Any, error),
        }
        Ok(())
    }

    /// Sends a file. At its `first` time it may go on with a part, if the ledger says so too, and be sent again.
    fn file(&mut self, upload: Upload, access: LocalAccess, first: bool) -> Result<()> {
        let Upload { from, to, condition, mtime } = upload;
        let (path, mut input) = match from {
            UploadSource::File(path) => match LocalFile::open(&path, &access) {
                Ok(file) if file.hides_its_size() => (path, Input::Stream(file.file)),
                Ok(file) => (path, Input::File(file.growing(self.ledger.how.options.growing))),
                Err(error) => {
                    self.failed(path, &to, condition, error);
                    return Ok(());
                }
            },
            UploadSource::Stream(file) => (PathBuf::from(to.as_path()), Input::Stream(file)),
            UploadSource::Reader(reader) => (PathBuf::from(to.as_path()), Input::Reader(reader)),
            UploadSource::Fed(fed) => (PathBuf::from(to.as_path()), Input::Fed(fed)),
            UploadSource::Memory(bytes) => (PathBuf::from(to.as_path()), Input::Memory(bytes, 0)),
            UploadSource::Spent => {
                let error = Error::new(Kind::Aborted, format!("{to}: its source was read already"));
                self.failed(PathBuf::from(to.as_path()), &to, condition, error);
                return Ok(());
            }
        };
        let of_file = match &input {
            Input::File(file) => Some(file),
            _ => None,
        };
        let (size, own_mtime) = (input.size(), of_file.map(|file| file.mtime));
        let features = self.session.features();
        let perms = self.ledger.how.options.perms;
        let mode = of_file.filter(|_| features.has(Feature::Mode)).map(|file| SourceMode { mode: file.mode, perms });
        let allocated = of_file.filter(|_| features.has(Feature::Sparse)).and_then(|file| file.allocated);
        let part = match &mut input {
            Input::File(file) if first && self.ledger.how.resumes() && file.size >= self.session.least_kept() => {
                self.part_of(&to, file)?
            }
            _ => Ok(None),
        };
        let part = match part {
            Ok(part) => part,
            Err(error) => {
                self.failed(path, &to, condition, error);
                return Ok(());
            }
        };
        if part.is_none() {
            self.hasher.reset();
        }
        self.make_room()?;
        let (path_there, mtime_there) = (to.clone(), mtime.or(own_mtime));
        let args = UploadArgs { path: path_there, size, mtime: mtime_there, mode, allocated, condition, resume: part };
        if let Err(error) = self.session.command(&Command::Upload(args)) {
            self.failed(path, &to, condition, error);
            return Ok(());
        }
        if self.count && first {
            self.observer.expected(1, size.unwrap_or(0));
        }
        self.observer.started(&path, size);
        let mut again = None;
        if let Some(Resume { offset, .. }) = part {
            self.ledger.resumed(&to, offset);
            self.observer.resumed(&path, offset);
            again = Some(Again::of(&path, &to, condition, mtime, access.clone()));
        }
        self.unanswered.push_back(Sent { path, to, condition, what: What::Part(None), again });
        (self.sending, self.refused) = (true, false);
        self.from_file = matches!(input, Input::File(_));
        let whole = self.data(&mut input)?;
        self.sending = false;
        if self.refused {
            // It is answered, and told. This cuts short what the server would read and drop.
            self.write(&frame::ABORT);
            return Ok(());
        }
        let hash = self.hasher.finalize();
        match whole.and_then(|()| input.settle(&hash)) {
            Ok(()) => {
                self.write(&frame::END);
                self.write(hash.as_bytes());
                if let Some(newest) = self.unanswered.back_mut() {
                    self.ledger.is_whole(&newest.to, hash);
                    newest.what = What::Whole { size: self.hasher.len(), hash };
                }
            }
            Err(error) => {
                self.write(&frame::ABORT);
                if let Some(newest) = self.unanswered.back_mut() {
                    let is_small = size.is_some_and(|size| size <= limits::TORN_AGAIN_MAX);
                    let repeats = first && is_small && error.kind() == Kind::Torn;
                    newest.again =
                        repeats.then(|| Again::of(&newest.path, &newest.to, newest.condition, mtime, access));
                    newest.what = What::Part(Some(error));
                }
            }
        }
        Ok(())
    }

    /// Sends the bytes, up to the end of the input or the server's refusal. The inner error is the input's.
    fn data(&mut self, input: &mut Input) -> Result<Result<()>> {
        loop {
            if self.session.out().filled().len() >= limits::WIRE_HANDOVER || input.may_wait() {
                self.hand_over()?;
            }
            self.sit_out(input)?;
            if self.refused {
                return Ok(Ok(()));
            }
            let space = self.session.out().room();
            let Some((head, body)) = space.split_at_mut_checked(frame::HEADER) else {
                return Ok(Err(Error::new(Kind::Internal, "the outgoing buffer is full")));
            };
            let largest = limits::UPLOAD_FRAME.min(body.len());
            let read = match input.read(body.get_mut(..largest).unwrap_or_default(), self.hasher.len()) {
                Ok(Portion::Bytes(count)) => count,
                Ok(Portion::End) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            };
            self.hasher.update(body.get(..read).unwrap_or_default());
            head.copy_from_slice(&frame::header(read));
            self.session.out().fill(frame::HEADER + read);
            if let Some(newest) = self.unanswered.back() {
                self.observer.progressed(&newest.path, read as u64);
            }
        }
    }

    /// Waits until the input has something to be read, and tells the server meanwhile that it will.
    fn sit_out(&mut self, input: &mut Input) -> Result<()> {
        let mut patience = limits::PAUSE_AFTER;
        while self.session.has(Feature::Pause) && !self.refused && !input.has_some(patience) {
            self.write(&frame::PAUSE);
            self.hand_over()?;
            patience = limits::STILL_HERE;
        }
        Ok(())
    }

    /// Writes what always has room: the end of a file.
    fn write(&mut self, bytes: &[u8]) {
        let written = self.session.out().append(bytes);
        debug_assert_eq!(written, bytes.len());
    }

    /// Makes room for a command and a frame, and for its answer in the queue.
    fn make_room(&mut self) -> Result<()> {
        if self.session.out().filled().len() >= limits::WIRE_HANDOVER {
            self.hand_over()?;
        }
        if self.unanswered.len() >= limits::PIPELINE_FILES {
            self.hand_over()?;
            // Half of them, so that the rest of the way goes in large steps again.
            while self.unanswered.len() > limits::PIPELINE_FILES / 2 {
                self.settle(true)?;
            }
        }
        Ok(())
    }

    /// Puts the outgoing buffer on its way, and takes the answers that are there.
    fn hand_over(&mut self) -> Result<()> {
        while !self.session.try_flush() {
            self.session.wait()?;
            while self.settle(false)? {}
        }
        while self.settle(false)? {}
        Ok(())
    }

    /// Takes the next answer, and waits for it if asked to. Says whether there was one.
    fn settle(&mut self, wait: bool) -> Result<bool> {
        let reply = if wait { Some(self.session.reply()?) } else { self.session.try_reply()? };
        let Some(reply) = reply else { return Ok(false) };
        let answer = Answer::read(&reply)?;
        let Some(sent) = self.unanswered.pop_front() else {
            let error = self.session.out_of_order();
            // All that was sent is answered, so the end of the connection takes nothing back. Whoever sends more will find it closed.
            return if error.kind() == Kind::Protocol { Err(error) } else { Ok(false) };
        };
        if let (Answer::No(error), true) = (&answer, self.session.is_broken()) {
            // It is about the connection; what is left may be tried on another one.
            let error = error.retold();
            self.unanswered.push_front(sent);
            return Err(error);
        }
        let Sent { path, to, condition, what, again } = sent;
        match (answer, what) {
            (Answer::No(error), what) => {
                let is_folder = matches!(what, What::Directory);
                self.refused = self.sending && self.unanswered.is_empty();
                let error = match what {
                    What::Part(Some(ours)) => ours,
                    _ => error,
                };
                match again.filter(|_| matches!(error.kind(), Kind::Changed | Kind::Torn)) {
                    Some(again) => self.over.push(again),
                    None if is_folder && Unmade::may_be_there(&error) => {
                        self.ledger.unmade.lock().refused(&to, path, error);
                    }
                    None => self.failed(path, &to, condition, error),
                }
            }
            (Answer::Made { folders }, What::Directory) => {
                let made = &mut self.ledger.summary.directories;
                *made = made.saturating_add(folders);
                self.ledger.settle(&to);
            }
            (Answer::Stored { size, hash }, What::Whole { size: sent, hash: ours }) if (size, hash) == (sent, ours) => {
                let done = Transferred { size, hash, ids: self.session.ids() };
                self.ledger.sent(&path, &to, &done, self.observer);
            }
            (Answer::Stored { size, hash }, What::Whole { size: sent, hash: ours }) => {
                let text =
                    format!("the server has stored {size} bytes with the BLAKE3 {hash}, not the {sent} with {ours}");
                self.failed(path, &to, condition, Error::new(Kind::Integrity, text));
            }
            _ => return Err(self.session.out_of_order()),
        }
        Ok(true)
    }

    fn failed(&mut self, path: PathBuf, to: &RelPath, condition: Condition, error: Error) {
        self.ledger.not_sent(path, to, condition, error, self.observer);
    }
}

/// The error of something that was to get this path, in other words: it need not be there, so what the server does not find is
/// the folder that it goes to. Any other error is as it was.
pub fn of_destination(error: Error, to: &RelPath) -> Error {
    let parent = to.parent().filter(|parent| !parent.is_root());
    match parent.filter(|_| error.kind() == Kind::NotFound && error.side() == Side::Server) {
        Some(parent) => {
            let text = format!("{parent}: no such folder on the server{}", server_of(error.text()));
            Error::new(Kind::NotFound, text).of_server().at(parent.as_path())
        }
        None => error,
    }
}

/// A final reply, as far as it matters here.
enum Answer {
    /// So many folders are new.
    Made {
        folders: u64,
    },
    Stored {
        size: u64,
        hash: Hash,
    },
    No(Error),
    Other,
}

impl Answer {
    fn read(reply: &Reply<'_>) -> Result<Answer> {
        Ok(match reply.digits {
            226 => Answer::Stored { size: reply.parsed("size")?, hash: reply.parsed("hash")? },
            // Older servers do not say, and count as having made the one.
            250 => Answer::Made { folders: reply.get("made").map_or(Ok(1), |_| reply.parsed("made"))? },
            _ if reply.is_error() => Answer::No(reply.to_error()),
            _ => Answer::Other,
        })
    }
}
