//! Downloads: commands ahead of the data, data into a store, nothing committed that is not proven whole. Blocking.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::answers::{Ids, Transferred};
use super::jobs::Download;
use super::ledger::Ledger;
use super::many;
use super::observer::Observer;
use super::session::Session;
use crate::error::{Error, Kind, Result};
use crate::files::{
    Condition, EntryKind, FileMode, Hash, Hasher, Mtime, Partial, RelPath, SourceMode, Store, Upload, UploadSpec,
};
use crate::limits;
use crate::proto::{Command, Feature, FrameDecoder, HashOf, Piece, Reply};

/// Fetches a range of a file, tells what is announced of it, and hands on its bytes as they come.
pub(super) fn range(
    session: &mut Session,
    path: RelPath,
    offset: u64,
    length: Option<u64>,
    growing: bool,
    begun: impl FnOnce(Announced),
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<Transferred> {
    let growing = growing && session.has(Feature::Growing);
    session.command(&Command::Download { path: path.clone(), offset, length, growing })?;
    let announced = Announced::read(&session.expect(150)?)?;
    begun(announced);
    let wanted = announced.size.saturating_sub(offset).min(length.unwrap_or(u64::MAX));
    let mut hasher = Hasher::new();
    let end = data(session, wanted, &path, |bytes| {
        hasher.update(bytes);
        each(bytes)
    })?;
    let done = finish(session, end)??;
    match done.verify(&path, wanted, hasher.len(), hasher.finalize()) {
        Err(error) if offset == 0 && length.is_none() => Err(look_into(session, &path, error)?),
        verified => verified,
    }
}

/// One file to fetch.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) file: Download,
    /// The observer was told its size before.
    pub(super) counted: bool,
    /// It is not known to be too small for a part of it to be kept.
    pub(super) resumable: bool,
}

/// Fetches many files, with as many of the next ones asked for meanwhile as hide the way to the server.
pub(super) struct Receiver<'a> {
    pub(super) session: &'a mut Session,
    pub(super) into: &'a dyn Store,
    pub(super) observer: &'a dyn Observer,
    pub(super) ledger: &'a mut Ledger,
}

/// What is settled when all others are.
#[derive(Default)]
struct Later {
    /// Small files that changed while they were sent: to be fetched once more.
    torn: Vec<Job>,
    /// They are being fetched once more.
    is_last: bool,
    /// Files whose bytes were not those that the server said.
    wrong: Vec<(Job, Error)>,
}

/// A file that did not come, of the size that was announced if that much was said.
struct Missed {
    error: Error,
    size: Option<u64>,
}

/// A file whose bytes have all come.
struct Fetched {
    upload: Box<dyn Upload>,
    done: Done,
    /// Its whole size.
    size: u64,
}

impl Receiver<'_> {
    /// Fetches all of them, those once more that are small and changed on the server while they were sent. An error is
    /// one that ends the connection; the others are in the ledger.
    pub(super) fn run(mut self, jobs: impl Iterator<Item = Job>) -> Result<()> {
        let mut later = Later::default();
        self.pass(jobs, &mut later)?;
        if !later.torn.is_empty() {
            let torn = std::mem::take(&mut later.torn);
            later.is_last = true;
            self.pass(torn.into_iter(), &mut later)?;
        }
        for (job, error) in later.wrong {
            let error = look_into(self.session, &job.file.from, error)?;
            self.failed(&job, error);
        }
        Ok(())
    }

    /// Fetches all of them, and puts aside what cannot be settled while others are on their way.
    fn pass(&mut self, jobs: impl Iterator<Item = Job>, later: &mut Later) -> Result<()> {
        let mut jobs = jobs.fuse();
        let mut asked = VecDeque::with_capacity(limits::PIPELINE_FILES);
        // A file to go on with takes questions of its own, so it waits until nothing else is on its way.
        let mut held = None;
        loop {
            // In batches, so that a few large writes carry the commands, not many small ones.
            if held.is_none() && asked.len() <= limits::PIPELINE_FILES / 2 {
                held = self.ask(&mut jobs, &mut asked);
            }
            // What cannot go yet because the server does not read goes later: it has been given enough to do.
            self.session.try_flush();
            match (asked.pop_front(), held.take()) {
                (Some(job), waiting) => {
                    held = waiting;
                    self.one(job, later)?;
                }
                (None, Some((job, partial))) => self.go_on(job, partial, later)?,
                (None, None) => return Ok(()),
            }
        }
    }

    /// Asks for the next files, up to one of which there is a part already.
    fn ask(&mut self, jobs: &mut impl Iterator<Item = Job>, asked: &mut VecDeque<Job>) -> Option<(Job, Partial)> {
        while asked.len() < limits::PIPELINE_FILES && self.session.out().filled().len() < limits::WIRE_HANDOVER {
            let job = jobs.next()?;
            if self.ledger.is_settled(&job.file.to) {
                continue;
            }
            // Said before the bytes are sent in vain. The commit decides.
            if let Some(error) = self.no_place_for(&job) {
                self.failed(&job, error);
                continue;
            }
            // A part that cannot be read is none: then the file is fetched from its beginning.
            if self.ledger.how.resumes()
                && job.resumable
                && let Ok(Some(partial)) = self.into.partial(&job.file.to)
            {
                return Some((job, partial));
            }
            match self.session.command(&self.download(&job, 0)) {
                Ok(()) => asked.push_back(job),
                Err(error) => self.failed(&job, error),
            }
        }
        None
    }

    /// What is in the place of a file, if that is known to keep it from coming there. Whether it is a folder is looked at only of those
    /// whose bytes may be many.
    fn no_place_for(&self, job: &Job) -> Option<Error> {
        let Download { to, condition, .. } = &job.file;
        if *condition != Condition::Absent && !job.resumable {
            return None;
        }
        let found = self.into.stat(to).ok()?;
        let (kind, what) = match (condition, found.kind) {
            (Condition::Absent, _) => (Kind::Exists, "already exists"),
            (_, EntryKind::Directory) => (Kind::IsDirectory, "is a folder"),
            _ => return None,
        };
        Some(Error::new(kind, format!("{to}: {what}")).at(to.as_path()))
    }

    /// Takes the answer to the oldest command.
    fn one(&mut self, job: Job, later: &mut Later) -> Result<()> {
        match self.fetch(&job, None)? {
            Err(Missed { error, size }) => {
                let is_small = size.is_some_and(|size| size <= limits::TORN_AGAIN_MAX);
                match error.kind() {
                    Kind::Torn if is_small && !later.is_last => later.torn.push(Job { counted: true, ..job }),
                    _ => self.failed(&job, error),
                }
            }
            Ok(Fetched { upload, done, size }) => {
                match done.verify(&job.file.from, size, upload.len(), upload.hash()) {
                    Err(error) => later.wrong.push((job, error)),
                    Ok(done) => match self.commit(upload, done) {
                        Ok(done) => self.finished(&job, &done),
                        Err(error) => self.failed(&job, error),
                    },
                }
            }
        }
        Ok(())
    }

    /// Goes on with a file of which there is a part, if the file on the server is proven to be the same; else fetches
    /// it from its beginning. What proves it, and why, is told at [`super::retry::Transfer`].
    fn go_on(&mut self, job: Job, partial: Partial, later: &mut Later) -> Result<()> {
        let Partial { len, hash } = partial;
        let path = job.file.from.clone();
        self.observer.proving(path.as_path(), 0, len);
        let growing = self.grows();
        let of = if growing { HashOf::Growing } else { HashOf::Bytes };
        self.session.command(&Command::Hash { path: path.clone(), length: Some(len), of })?;
        if hashed(self.session)?.is_ok_and(|first| first == (len, hash)) {
            self.session.command(&self.download(&job, len))?;
            if !growing {
                self.session.command(&whole_hash(self.session, path.clone()))?;
            }
            let fetched = self.fetch(&job, Some(partial))?;
            if growing {
                // As long as it was when the rest was sent, which is known only now.
                let length = fetched.as_ref().ok().map(|fetched| fetched.size);
                self.session.command(&Command::Hash { path, length, of })?;
            }
            let whole = match hashed(self.session) {
                Ok(whole) => whole,
                Err(error) => {
                    if let Ok(fetched) = fetched {
                        self.keep(fetched.upload, &error);
                    }
                    return Err(error);
                }
            };
            if let (Ok(Fetched { upload, done, size }), Ok(whole)) = (fetched, whole)
                && upload.len() == size
                && (upload.len(), upload.hash()) == whole
            {
                let done = Transferred { size, hash: upload.hash(), ids: done.ids };
                match self.commit(upload, done) {
                    Ok(done) => self.finished(&job, &done),
                    Err(error) => self.failed(&job, error),
                }
                return Ok(());
            }
        }
        self.session.command(&self.download(&job, 0))?;
        // Its size has been told of if it was begun.
        self.one(job, later)
    }

    /// Takes a file's data, from its beginning or after a part, up to the final reply. The inner error is the file's,
    /// the outer one ends the connection.
    fn fetch(&mut self, job: &Job, after: Option<Partial>) -> Result<Result<Fetched, Missed>> {
        let Download { from, to, condition } = &job.file;
        let reply = self.session.reply()?;
        if reply.is_error() {
            let error = reply.to_error();
            return self.refused(error, None);
        }
        if reply.digits != 150 {
            return Err(self.session.out_of_order());
        }
        let Announced { size, mtime, mode, allocated } = Announced::read(&reply)?;
        if !job.counted {
            self.observer.expected(0, size);
        }
        self.observer.started(from.as_path(), Some(size));

        let (size_here, mtime, condition) = (Some(size), Some(mtime), *condition);
        let perms = self.ledger.how.options.perms;
        let mode = mode.map(|mode| SourceMode { mode, perms });
        let spec = UploadSpec { size: size_here, mtime, mode, allocated, condition, ..UploadSpec::default() };
        let mut local = match after {
            None => begin(self.into, to, spec, self.ledger.how.options.parents),
            Some(Partial { len, hash }) => {
                self.ledger.resumed(to, len);
                self.observer.resumed(from.as_path(), len);
                self.into.resume(to, spec, len, hash)
            }
        };
        let wanted = size.saturating_sub(after.map_or(0, |partial| partial.len));
        let (mut came, observer) = (0, self.observer);
        let end = data(self.session, wanted, from, |bytes| {
            came += bytes.len() as u64;
            if let Ok(upload) = &mut local
                && let Err(error) = upload.append(bytes)
            {
                local = Err(error);
            }
            observer.progressed(from.as_path(), bytes.len() as u64);
            match &mut local {
                Err(_) if wanted - came > limits::DROP_MAX => Err(given_up(from)),
                _ => Ok(()),
            }
        });
        let finished = match end {
            Ok(end) => finish(self.session, end),
            Err(error) => Err(error),
        };
        match (finished, local) {
            (Ok(Ok(done)), Ok(upload)) => Ok(Ok(Fetched { upload, done, size })),
            (Ok(Err(error)), local) => {
                // Also if the server has ended the session with it, as an administrator has it do.
                if let Ok(upload) = local {
                    self.keep(upload, &error);
                }
                self.refused(error, Some(size))
            }
            (Ok(Ok(_)), Err(error)) => Ok(Err(Missed { error, size: Some(size) })),
            // Our own disk's error says more than that the rest was not read. It is this file's alone: the others come over another
            // connection, if there is a way to one.
            (Err(_), Err(error)) => {
                let ended = error.retold();
                self.failed(job, error);
                self.ledger.gave_up = true;
                Err(ended)
            }
            (Err(error), Ok(upload)) => {
                self.keep(upload, &error);
                Err(error)
            }
        }
    }

    /// Whether files may become longer while they are fetched. An old server sends those alone that do not.
    fn grows(&self) -> bool {
        self.ledger.how.options.growing && self.session.has(Feature::Growing)
    }

    fn download(&self, job: &Job, offset: u64) -> Command {
        Command::Download { path: job.file.from.clone(), offset, length: None, growing: self.grows() }
    }

    /// Commits a file that is whole.
    fn commit(&self, upload: Box<dyn Upload>, transferred: Transferred) -> Result<Transferred> {
        self.into.commit_one(upload)?;
        Ok(transferred)
    }

    /// Keeps what came before this error if it is to be gone on with.
    fn keep(&mut self, upload: Box<dyn Upload>, error: &Error) {
        if self.ledger.keeps_after(error) {
            self.ledger.kept = upload.keep();
        }
    }

    /// A file that the server does not give. The connection may be over with it.
    fn refused<T>(&mut self, error: Error, size: Option<u64>) -> Result<Result<T, Missed>> {
        if self.session.is_broken() { Err(error) } else { Ok(Err(Missed { error, size })) }
    }

    fn finished(&mut self, job: &Job, done: &Transferred) {
        self.ledger.is_whole(&job.file.to, done.hash);
        self.ledger.finished(job.file.from.as_path(), &job.file.to, done, self.observer);
    }

    fn failed(&mut self, job: &Job, error: Error) {
        let Download { from, to, condition } = &job.file;
        self.ledger.failed(PathBuf::from(from.as_path()), to, *condition, error, self.observer);
    }
}

/// Begins a file that is to be `to`, and makes the folder that it goes into if that is missing and is to be made.
pub(super) fn begin(into: &dyn Store, to: &RelPath, spec: UploadSpec, makes_parents: bool) -> Result<Box<dyn Upload>> {
    match into.begin(to, spec) {
        Err(error) if makes_parents && error.kind() == Kind::NotFound => {
            into.make_dir(&to.parent().unwrap_or_default(), true)?;
            into.begin(to, spec)
        }
        begun => begun,
    }
}

/// Asks for the hash of a whole file, of which bytes have come or will come to be compared with it: what is recorded
/// will do. A server that cannot tell reads it.
pub(super) fn whole_hash(session: &Session, path: RelPath) -> Command {
    Command::Hash { path, length: None, of: many::recorded(session) }
}

/// Why what came of a whole file is not what the server said: has it read its file and look. Its hash may be a record,
/// and the file rotten. To be called only when nothing is unanswered; the outer error ends the connection.
fn look_into(session: &mut Session, path: &RelPath, error: Error) -> Result<Error> {
    if error.kind() != Kind::Integrity || !session.has(Feature::Record) {
        return Ok(error);
    }
    session.command(&Command::Hash { path: path.clone(), length: None, of: HashOf::Bytes })?;
    Ok(match hashed(session)? {
        Err(found) if found.kind() == Kind::Rotten => found,
        _ => error,
    })
}

/// Takes the answer to a HASH: length and hash, or why there is none. The outer error ends the connection.
pub(super) fn hashed(session: &mut Session) -> Result<Result<(u64, Hash)>> {
    let reply = session.reply()?;
    if reply.is_error() {
        let error = reply.to_error();
        return if session.is_broken() { Err(error) } else { Ok(Err(error)) };
    }
    if reply.digits != 213 {
        return Err(session.out_of_order());
    }
    Ok(Ok((reply.parsed("size")?, reply.parsed("hash")?)))
}

/// What a `150` says of the file.
#[derive(Clone, Copy)]
pub(super) struct Announced {
    pub(super) size: u64,
    pub(super) mtime: Mtime,
    /// A first server does not say, and no listing does.
    pub(super) mode: Option<FileMode>,
    /// Bytes that it takes on the server's disk, if it has holes.
    pub(super) allocated: Option<u64>,
}

impl Announced {
    pub(super) fn read(reply: &Reply<'_>) -> Result<Announced> {
        let mode = reply.get("mode").map(|_| reply.parsed("mode")).transpose()?;
        let allocated = reply.get("allocated").map(|_| reply.parsed("allocated")).transpose()?;
        Ok(Announced { size: reply.parsed("size")?, mtime: reply.parsed("mtime")?, mode, allocated })
    }

    /// Whether both may be said of one file. What it takes on a disk is not looked at: that moves by itself.
    pub(super) fn agrees_with(&self, other: &Announced) -> bool {
        (self.size, self.mtime, self.mode) == (other.size, other.mtime, other.mode)
    }
}

/// What a `226` says of the bytes sent.
pub(super) struct Done {
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
        Ok(Transferred { size: len, hash, ids: self.ids })
    }
}

/// How the data ended.
#[derive(PartialEq)]
pub(super) enum End {
    Whole,
    Aborted,
}

/// Takes data up to its end. More than `wanted` bytes are never taken: a server may send without end.
pub(super) fn data(
    session: &mut Session,
    wanted: u64,
    path: &RelPath,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<End> {
    let mut frames = FrameDecoder::without_trailer();
    let mut left = wanted;
    loop {
        match session.piece(&mut frames)? {
            None | Some(Piece::Pause) => {}
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
pub(super) fn finish(session: &mut Session, end: End) -> Result<Result<Done>> {
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
