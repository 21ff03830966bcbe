//! Downloads: commands ahead of the data, data into a store, nothing committed that is not proven whole. Blocking.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::answers::{Ids, Transferred};
use super::jobs::{Download, Summary};
use super::observer::Observer;
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::hash::{Hash, Hasher};
use crate::limits;
use crate::mtime::Mtime;
use crate::proto::{Command, Condition, FrameDecoder, Piece, RelPath, Reply};
use crate::store::{Store, Upload, UploadSpec};

/// Fetches a range of a file, and hands on its bytes as they come.
pub(super) fn range(
    session: &mut Session,
    path: RelPath,
    offset: u64,
    length: Option<u64>,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Transferred> {
    session.command(&Command::Download { path: path.clone(), offset, length })?;
    let announced = Announced::read(&session.expect(150)?)?;
    let wanted = announced.size.saturating_sub(offset).min(length.unwrap_or(u64::MAX));
    let mut hasher = Hasher::new();
    let end = data(session, wanted, &path, |bytes| {
        hasher.update(bytes);
        each(bytes)
    })?;
    let done = finish(session, end)??;
    done.verify(&path, wanted, hasher.len(), hasher.finalize())
}

/// One file to fetch.
pub(super) struct Job {
    pub(super) file: Download,
    /// The observer was told its size before.
    pub(super) counted: bool,
}

/// Fetches many files, with as many of the next ones asked for meanwhile as hide the way to the server.
pub(super) struct Receiver<'a> {
    pub(super) session: &'a mut Session,
    pub(super) into: &'a dyn Store,
    pub(super) observer: &'a dyn Observer,
    pub(super) summary: &'a mut Summary,
}

impl Receiver<'_> {
    /// Fetches all of them. An error is one that ends the connection; the others are in the summary.
    pub(super) fn run(mut self, jobs: impl Iterator<Item = Job>) -> Result<()> {
        let mut jobs = jobs.fuse();
        let mut asked = VecDeque::with_capacity(limits::PIPELINE_FILES);
        loop {
            // In batches, so that a few large writes carry the commands, not many small ones.
            if asked.len() <= limits::PIPELINE_FILES / 2 {
                self.ask(&mut jobs, &mut asked);
            }
            // What cannot go yet because the server does not read goes later: it has been given enough to do.
            self.session.try_flush();
            let Some(job) = asked.pop_front() else { return Ok(()) };
            self.one(job)?;
        }
    }

    fn ask(&mut self, jobs: &mut impl Iterator<Item = Job>, asked: &mut VecDeque<Job>) {
        while asked.len() < limits::PIPELINE_FILES && self.session.out().filled().len() < limits::WIRE_HANDOVER {
            let Some(job) = jobs.next() else { return };
            let Download { from, to, condition } = &job.file;
            // Said before the bytes are sent in vain. The commit decides.
            if *condition == Condition::Absent && self.into.stat(to).is_ok() {
                let error = Error::new(Kind::Exists, format!("{to}: already exists"));
                self.failed(from, error);
                continue;
            }
            let command = Command::Download { path: from.clone(), offset: 0, length: None };
            match self.session.command(&command) {
                Ok(()) => asked.push_back(job),
                Err(error) => self.failed(from, error),
            }
        }
    }

    /// Takes the answer to the oldest command.
    fn one(&mut self, job: Job) -> Result<()> {
        let Download { from, to, condition } = job.file;
        let reply = self.session.reply()?;
        if reply.is_error() {
            let error = reply.to_error();
            return self.refused(&from, error);
        }
        if reply.digits != 150 {
            return Err(self.session.out_of_order());
        }
        let Announced { size, mtime } = Announced::read(&reply)?;
        if !job.counted {
            self.observer.expected(0, size);
        }
        self.observer.started(from.as_path(), Some(size));

        let spec = UploadSpec { size: Some(size), mtime: Some(mtime), condition };
        let mut local = self.into.begin(&to, spec);
        let (mut came, observer) = (0, self.observer);
        let end = data(self.session, size, &from, |bytes| {
            came += bytes.len() as u64;
            if let Ok(upload) = &mut local
                && let Err(error) = upload.append(bytes)
            {
                local = Err(error);
            }
            observer.progressed(bytes.len() as u64);
            match &mut local {
                Err(_) if size - came > limits::DROP_MAX => Err(given_up(&from)),
                _ => Ok(()),
            }
        });
        let end = match (end, local) {
            (Ok(end), local) => (end, local),
            // Our own disk's error says more than that the rest was not read.
            (Err(_), Err(error)) => {
                self.observer.failed(from.as_path(), &error);
                return Err(error);
            }
            (Err(error), Ok(_)) => return Err(error),
        };
        let (end, local) = end;
        match finish(self.session, end)? {
            Err(error) => self.refused(&from, error),
            Ok(done) => {
                match local.and_then(|upload| self.keep(&from, &done, size, upload)) {
                    Ok(done) => {
                        self.summary.files += 1;
                        self.summary.bytes += done.bytes;
                        self.observer.finished(from.as_path(), &done);
                    }
                    Err(error) => self.failed(&from, error),
                }
                Ok(())
            }
        }
    }

    /// Commits a file that is whole.
    fn keep(&self, from: &RelPath, done: &Done, size: u64, upload: Box<dyn Upload>) -> Result<Transferred> {
        let transferred = done.verify(from, size, upload.len(), upload.hash())?;
        let missing = || Error::new(Kind::Internal, "the store has not said what became of the file");
        self.into.commit(vec![upload]).pop().ok_or_else(missing)??;
        Ok(transferred)
    }

    /// A file that the server does not give. The connection may be over with it.
    fn refused(&mut self, from: &RelPath, error: Error) -> Result<()> {
        if self.session.is_broken() {
            self.observer.failed(from.as_path(), &error);
            return Err(error);
        }
        self.failed(from, error);
        Ok(())
    }

    fn failed(&mut self, from: &RelPath, error: Error) {
        self.observer.failed(from.as_path(), &error);
        self.summary.failed.push((PathBuf::from(from.as_path()), error));
    }
}

/// What a `150` says of the file.
struct Announced {
    size: u64,
    mtime: Mtime,
}

impl Announced {
    fn read(reply: &Reply<'_>) -> Result<Announced> {
        Ok(Announced { size: reply.parsed("size")?, mtime: reply.parsed("mtime")? })
    }
}

/// What a `226` says of the bytes sent.
struct Done {
    size: u64,
    hash: Hash,
    ids: Option<Ids>,
}

impl Done {
    /// Whether what came, of this length and hash, is what was sent, and all that was wanted.
    fn verify(&self, path: &RelPath, wanted: u64, len: u64, hash: Hash) -> Result<Transferred> {
        if len != wanted || self.size != len {
            let text = format!("{path}: {len} bytes came, {wanted} were announced and {} sent", self.size);
            return Err(Error::new(Kind::Integrity, text));
        }
        if self.hash != hash {
            let text = format!("{path}: the bytes that came have the BLAKE3 {hash}, those sent {}", self.hash);
            return Err(Error::new(Kind::Integrity, text));
        }
        Ok(Transferred { bytes: len, hash, ids: self.ids })
    }
}

/// How the data ended.
#[derive(PartialEq)]
enum End {
    Whole,
    Aborted,
}

/// Takes data up to its end. More than `wanted` bytes are never taken: a server may send without end.
fn data(session: &mut Session, wanted: u64, path: &RelPath, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<End> {
    let mut frames = FrameDecoder::without_trailer();
    let mut left = wanted;
    loop {
        match session.piece(&mut frames)? {
            None => {}
            Some(Piece::Data(bytes)) => {
                left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                    Error::new(
                        Kind::Integrity,
                        format!("{path}: the server sends more than the {wanted} bytes announced"),
                    )
                })?;
                each(bytes)?;
            }
            Some(Piece::End(_)) => return Ok(End::Whole),
            Some(Piece::Abort) => return Ok(End::Aborted),
        }
    }
}

/// Takes the final reply after the data: what it says was sent, or why it failed. The outer error ends the connection.
fn finish(session: &mut Session, end: End) -> Result<Result<Done>> {
    let ids = |session: &Session| session.ids();
    let reply = session.reply()?;
    if reply.is_error() {
        return Ok(Err(reply.to_error()));
    }
    if reply.digits != 226 || end == End::Aborted {
        return Err(session.out_of_order());
    }
    let (size, hash) = (reply.parsed("size")?, reply.parsed("hash")?);
    Ok(Ok(Done { size, hash, ids: ids(session) }))
}

fn given_up(path: &RelPath) -> Error {
    Error::new(Kind::Aborted, format!("{path}: given up"))
}
