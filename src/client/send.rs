//! Uploads: commands and data ahead of the answers, straight from the file into the outgoing buffer. Blocking.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use super::answers::Transferred;
use super::jobs::{Source, Summary, Upload};
use super::observer::{Observer, Skip};
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::hash::{Hash, Hasher};
use crate::limits;
use crate::mtime::Mtime;
use crate::proto::{Command, RelPath, Reply, UploadArgs, frame};

/// Something to do on the way through what is to be sent.
pub(super) enum Task {
    /// Make a folder with those above it.
    Directory { from: PathBuf, to: RelPath },
    /// Send a file.
    File {
        upload: Upload,
        /// It was seen to be a file, so a link in its place now is not followed.
        seen: bool,
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
    summary: &'a mut Summary,
    /// What was sent and not answered, oldest first.
    unanswered: VecDeque<Sent>,
    /// The newest of them is still being sent.
    sending: bool,
    /// And was refused already.
    refused: bool,
    /// The observer is told of each file's size as it comes, not before.
    count: bool,
    hasher: Hasher,
}

struct Sent {
    path: PathBuf,
    what: What,
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

impl<'a> Sender<'a> {
    /// `count` tells the observer of each file's size as it comes; otherwise that is done elsewhere.
    pub(super) fn new(
        session: &'a mut Session,
        observer: &'a dyn Observer,
        summary: &'a mut Summary,
        count: bool,
    ) -> Self {
        let unanswered = VecDeque::with_capacity(limits::PIPELINE_FILES);
        let hasher = Hasher::new();
        Sender { session, observer, summary, unanswered, sending: false, refused: false, count, hasher }
    }

    /// Does all of it. An error is one that ends the connection; the others are in the summary.
    pub(super) fn run(mut self, tasks: impl Iterator<Item = Task>) -> Result<()> {
        for task in tasks {
            match task {
                Task::Directory { from, to } => self.directory(from, to)?,
                Task::File { upload, seen } => self.file(upload, seen)?,
                Task::Skip(path, why) => {
                    self.observer.skipped(&path, why);
                    self.summary.skipped += 1;
                }
                Task::Fail(path, error) => self.failed(path, error),
            }
        }
        self.hand_over()?;
        while !self.unanswered.is_empty() {
            self.settle(true)?;
        }
        Ok(())
    }

    fn directory(&mut self, from: PathBuf, to: RelPath) -> Result<()> {
        self.make_room()?;
        match self.session.command(&Command::Mkdir { path: to, parents: true }) {
            Ok(()) => self.unanswered.push_back(Sent { path: from, what: What::Directory }),
            Err(error) => self.failed(from, error),
        }
        Ok(())
    }

    fn file(&mut self, upload: Upload, seen: bool) -> Result<()> {
        let Upload { from, to, condition, mtime } = upload;
        let (path, mut input) = match from {
            Source::File(path) => match LocalFile::open(&path, seen) {
                Ok(file) => (path, Input::File(file)),
                Err(error) => {
                    self.failed(path, error);
                    return Ok(());
                }
            },
            Source::Reader(reader) => (PathBuf::from(to.as_path()), Input::Reader(reader)),
        };
        let (size, own_mtime) = match &input {
            Input::File(file) => (Some(file.size), Some(file.mtime)),
            Input::Reader(_) => (None, None),
        };
        self.make_room()?;
        let args = UploadArgs { path: to, size, mtime: mtime.or(own_mtime), condition, resume: None };
        if let Err(error) = self.session.command(&Command::Upload(args)) {
            self.failed(path, error);
            return Ok(());
        }
        if self.count {
            self.observer.expected(1, size.unwrap_or(0));
        }
        self.observer.started(&path, size);
        self.unanswered.push_back(Sent { path, what: What::Part(None) });
        (self.sending, self.refused) = (true, false);
        self.hasher.reset();
        let whole = self.data(&mut input)?;
        self.sending = false;
        if self.refused {
            // It is answered, and told. This cuts short what the server would read and drop.
            self.write(&frame::ABORT);
            return Ok(());
        }
        let what = match whole {
            Ok(()) => {
                let hash = self.hasher.finalize();
                self.write(&frame::END);
                self.write(hash.as_bytes());
                What::Whole { size: self.hasher.len(), hash }
            }
            Err(error) => {
                self.write(&frame::ABORT);
                What::Part(Some(error))
            }
        };
        if let Some(newest) = self.unanswered.back_mut() {
            newest.what = what;
        }
        Ok(())
    }

    /// Sends the bytes, up to the end of the input or the server's refusal. The inner error is the input's.
    fn data(&mut self, input: &mut Input) -> Result<Result<()>> {
        loop {
            if self.session.out().filled().len() >= limits::WIRE_HANDOVER || input.may_wait() {
                self.hand_over()?;
            }
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
            self.observer.progressed(read as u64);
        }
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
        let Some(Sent { path, what }) = self.unanswered.pop_front() else { return Err(self.session.out_of_order()) };
        match (answer, what) {
            (Answer::No(error), what) => {
                self.refused = self.sending && self.unanswered.is_empty();
                let error = match what {
                    What::Part(Some(ours)) => ours,
                    _ => error,
                };
                if self.session.is_broken() {
                    self.observer.failed(&path, &error);
                    return Err(error);
                }
                self.failed(path, error);
            }
            (Answer::Made, What::Directory) => self.summary.directories += 1,
            (Answer::Stored { size, hash }, What::Whole { size: sent, hash: ours }) if (size, hash) == (sent, ours) => {
                self.summary.files += 1;
                self.summary.bytes += size;
                self.observer.finished(&path, &Transferred { bytes: size, hash, ids: self.session.ids() });
            }
            (Answer::Stored { size, hash }, What::Whole { size: sent, hash: ours }) => {
                let text =
                    format!("the server has stored {size} bytes with the BLAKE3 {hash}, not the {sent} with {ours}");
                self.failed(path, Error::new(Kind::Integrity, text));
            }
            _ => return Err(self.session.out_of_order()),
        }
        Ok(true)
    }

    fn failed(&mut self, path: PathBuf, error: Error) {
        self.observer.failed(&path, &error);
        self.summary.failed.push((path, error));
    }
}

/// A final reply, as far as it matters here.
enum Answer {
    Made,
    Stored { size: u64, hash: Hash },
    No(Error),
    Other,
}

impl Answer {
    fn read(reply: &Reply<'_>) -> Result<Answer> {
        Ok(match reply.digits {
            226 => Answer::Stored { size: reply.parsed("size")?, hash: reply.parsed("hash")? },
            250 => Answer::Made,
            _ if reply.is_error() => Answer::No(reply.to_error()),
            _ => Answer::Other,
        })
    }
}

/// Where the bytes come from.
enum Input {
    File(LocalFile),
    Reader(Box<dyn Read + Send>),
}

enum Portion {
    Bytes(usize),
    End,
}

impl Input {
    /// Whether the next read may take long, so that what is ready should not wait for it.
    fn may_wait(&self) -> bool {
        matches!(self, Input::Reader(_))
    }

    /// Reads on, `sent` bytes having been read before.
    fn read(&mut self, space: &mut [u8], sent: u64) -> Result<Portion> {
        match self {
            Input::File(file) => file.read(space, sent),
            Input::Reader(reader) => match uninterrupted(|| reader.read(space)) {
                Ok(0) => Ok(Portion::End),
                Ok(count) => Ok(Portion::Bytes(count.min(space.len()))),
                Err(err) => Err(Error::file("reading what is to be sent", err)),
            },
        }
    }
}

/// A local file, of the size it had when it was opened.
struct LocalFile {
    file: File,
    path: PathBuf,
    size: u64,
    mtime: Mtime,
    /// The last read came back with less than it asked for, and with all there should be.
    at_end: bool,
}

impl LocalFile {
    /// Opens a regular file. `O_NONBLOCK`: a pipe in its place would make the call wait for a writer.
    fn open(path: &Path, seen: bool) -> Result<LocalFile> {
        let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        flags.set(OFlags::NOFOLLOW, seen);
        let failed = |err: rustix::io::Errno| Error::file(path.display(), err.into());
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(failed(rustix::io::Errno::ISDIR)),
            _ => return Err(Error::new(Kind::NotRegular, format!("{}: not a regular file", path.display()))),
        }
        let mtime = Mtime { secs: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(LocalFile { file: file.into(), path: path.to_owned(), size, mtime, at_end: false })
    }

    /// Reads on, and notices a file that is not as long as it was. The last read asks for one byte more than should be
    /// there: that it does not come is the end, without another call.
    fn read(&mut self, space: &mut [u8], sent: u64) -> Result<Portion> {
        if self.at_end {
            return Ok(Portion::End);
        }
        let left = self.size.saturating_sub(sent);
        let ask = usize::try_from(left.saturating_add(1)).unwrap_or(usize::MAX).min(space.len());
        let space = space.get_mut(..ask).unwrap_or_default();
        let count = uninterrupted(|| self.file.read(space)).map_err(|err| Error::file(self.path.display(), err))?;
        let came = count as u64;
        if came > left || (count == 0 && left > 0) {
            let text = format!("{}: the file changed while it was sent", self.path.display());
            return Err(Error::new(Kind::Aborted, text));
        }
        self.at_end = came == left && count < ask;
        Ok(if count == 0 { Portion::End } else { Portion::Bytes(count) })
    }
}

fn uninterrupted(mut read: impl FnMut() -> std::io::Result<usize>) -> std::io::Result<usize> {
    loop {
        match read() {
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
