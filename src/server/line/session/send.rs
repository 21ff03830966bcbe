//! What takes more than one step to send: downloads, listings, and the hash of a large file.

use super::{Running, Session, State};
use crate::auth::Access;
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{EntryKind, Finding, Hasher, Listing, Partial, Record, RelPath, Rot, Source};
use crate::limits;
use crate::machine::lane::{Outgoing, Step};
use crate::machine::turns::{self, Class};
use crate::proto::{HashOf, ReplyWriter, Verb, escape, frame, listing};
use crate::store::{Checked, Digest, Reading};

/// Least room in a buffer that a frame of file data is begun in; below it the buffer is sent and a new one begun.
const LEAST_FRAME: usize = 16 * 1024;

/// Bytes of listing lines that make a frame.
const LIST_FRAME: usize = 32 * 1024;

/// A job that is not finished.
pub enum Sending {
    /// A file's bytes.
    File(FileJob),
    /// A file's hash.
    Hash(FileJob),
    /// The bytes of a file, to be taken as right.
    Accept(FileJob),
    /// A listing.
    List(ListJob),
}

/// A file, or a range of it, that is being read for a command.
pub struct FileJob {
    reading: Reading,
    running: Running,
}

/// What is told of a file that was hashed.
struct Hashed<'a> {
    of: &'a Reading,
    /// Whether it is as recorded, if all of it was read; not if nothing is recorded.
    record: Option<bool>,
}

/// A listing that is being sent.
pub struct ListJob {
    listing: Box<dyn Listing>,
    /// The folder, if it is to be told which files in it are rotten.
    rotten_in: Option<RelPath>,
    /// Whether the modes are to be told.
    modes: bool,
    entries: u64,
    unreadable: u64,
    /// The names of those that could not be read, as far as they fit into the reply.
    unread: Vec<Vec<u8>>,
    /// What they take there.
    unread_bytes: usize,
    running: Running,
}

impl ListJob {
    fn over(listing: Box<dyn Listing>, (rotten_in, modes): (Option<RelPath>, bool), running: Running) -> Self {
        ListJob { listing, rotten_in, modes, entries: 0, unreadable: 0, unread: Vec::new(), unread_bytes: 0, running }
    }

    /// Something could not be read. It is named as long as there is room.
    fn count_unread(&mut self, path: Vec<u8>) {
        self.unreadable += 1;
        let more = escape::list_item(&path).len() + 1;
        if self.unread_bytes + more <= limits::UNREAD_NAMES {
            self.unread_bytes += more;
            self.unread.push(path);
        }
    }
}

impl Sending {
    /// The verb, and the right it takes.
    pub(super) fn needs(&self) -> (Verb, Access) {
        match self {
            Sending::File(_) => (Verb::Download, Access::DOWNLOAD),
            Sending::Hash(_) => (Verb::Hash, Access::DOWNLOAD),
            Sending::Accept(_) => (Verb::Accept, Access::UPLOAD.union(Access::OVERWRITE)),
            Sending::List(_) => (Verb::List, Access::LIST),
        }
    }

    /// Whether data frames are being sent, which have an end of their own.
    pub(super) fn is_in_frames(&self) -> bool {
        matches!(self, Sending::File(_) | Sending::List(_))
    }

    /// The command, to be answered.
    pub(super) fn into_running(self) -> Running {
        match self {
            Sending::File(job) | Sending::Hash(job) | Sending::Accept(job) => job.running,
            Sending::List(job) => job.running,
        }
    }
}

/// Whether what is recorded of a file may stand for its hash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Whoever gets it has the bytes to compare it with, or gets them.
    Record,
    /// It must be known.
    Bytes,
}

impl FileJob {
    /// What it takes to go on: a core to hash with, but for what is done in a moment.
    pub(super) fn class(&self) -> Class {
        if self.reading.left_to_hash() <= limits::HEAVY_MIN { Class::Light } else { Class::Heavy }
    }

    /// Whether what was sent is hashed once more.
    pub(super) fn reads_again(&self) -> bool {
        self.reading.is_again()
    }
}

impl Session {
    /// Opens a file to be read, unless it is known to be rotten.
    fn open(
        &mut self,
        path: &RelPath,
        (offset, length): (u64, Option<u64>),
        trust: Trust,
        running: Running,
    ) -> Result<FileJob, (Running, Error)> {
        let source = match self.store.open(path) {
            Ok(source) => source,
            Err(error) => return Err((running, error)),
        };
        let is_whole = offset == 0 && length.is_none_or(|length| length >= source.meta().size);
        let digest = match source.record() {
            Some(Record::Rotten(rot)) => return Err((running, rotten(path, &rot))),
            Some(Record::Sound(hash)) if is_whole && trust == Trust::Record => Digest::Recorded(hash),
            _ => Digest::Computed(self.spare_hasher()),
        };
        Ok(FileJob { reading: Reading::new(source, offset, length, digest), running })
    }

    pub(super) fn begin_download(
        &mut self,
        path: &RelPath,
        range: (u64, Option<u64>),
        growing: bool,
        running: Running,
        out: &mut Outgoing,
    ) {
        match self.open(path, range, Trust::Record, running) {
            Err((running, error)) => self.fail(running, &error, out),
            Ok(FileJob { reading, running }) => {
                let job = FileJob { reading: reading.growing(growing), running };
                let meta = job.reading.source().meta();
                self.scratch.clear();
                let reply = ReplyWriter::new(&mut self.scratch, 150, "data")
                    .field("size", meta.size)
                    .field("mtime", meta.mtime)
                    .field("mode", meta.mode);
                match job.reading.source().allocated() {
                    Some(allocated) => reply.field("allocated", allocated).end(),
                    None => reply.end(),
                }
                out.put(&self.scratch);
                self.state = State::Sending(Sending::File(job));
            }
        }
    }

    pub(super) fn begin_hash(
        &mut self,
        path: &RelPath,
        length: Option<u64>,
        of: HashOf,
        running: Running,
        out: &mut Outgoing,
    ) {
        let trust = if of == HashOf::Record { Trust::Record } else { Trust::Bytes };
        match self.open(path, (0, length), trust, running) {
            Err((running, error)) => self.fail(running, &error, out),
            Ok(FileJob { reading, running }) if reading.is_recorded() => {
                self.hashed(running, Hashed { of: &reading, record: None }, out);
            }
            Ok(FileJob { reading, running }) => {
                let job = FileJob { reading: reading.growing(of == HashOf::Growing), running };
                // Earlier replies need not wait for a large file to be hashed.
                out.hand_over();
                self.state = State::Sending(Sending::Hash(job));
            }
        }
    }

    pub(super) fn begin_accept(&mut self, path: &RelPath, running: Running, out: &mut Outgoing) {
        match self.store.open(path) {
            Err(error) => self.fail(running, &error, out),
            Ok(source) => {
                let reading = Reading::new(source, 0, None, Digest::Computed(self.spare_hasher()));
                out.hand_over();
                self.state = State::Sending(Sending::Accept(FileJob { reading, running }));
            }
        }
    }

    pub(super) fn hash_partial(&mut self, path: &RelPath, running: Running, out: &mut Outgoing) {
        // After a crash it is hashed here and now.
        match turns::aside(|| self.store.partial(path)) {
            Err(error) => self.fail(running, &error, out),
            Ok(None) => {
                let text = format!("{path}: no interrupted upload is left");
                self.fail(running, &Error::new(Kind::NotFound, text), out);
            }
            Ok(Some(Partial { len, hash })) => {
                self.done(
                    running,
                    0,
                    out,
                    |r| ReplyWriter::new(r, 213, "hash").field("size", len).field("hash", hash),
                    "",
                );
            }
        }
    }

    pub(super) fn begin_list(
        &mut self,
        path: RelPath,
        recursive: bool,
        (rotten, modes): (bool, bool),
        running: Running,
        out: &mut Outgoing,
    ) {
        match self.store.list(&path, recursive) {
            Err(error) => self.fail(running, &error, out),
            Ok(listing) => {
                self.scratch.clear();
                let reply = ReplyWriter::new(&mut self.scratch, 150, "data");
                if modes {
                    reply.field("perms", self.most).end()
                } else {
                    reply.end()
                }
                out.put(&self.scratch);
                let told = (rotten.then_some(path), modes);
                self.state = State::Sending(Sending::List(ListJob::over(listing, told, running)));
            }
        }
    }

    /// One chunk of whatever is being sent.
    pub(super) fn send(&mut self, sending: Sending, out: &mut Outgoing) -> Step {
        match sending {
            Sending::File(job) => self.send_file(job, out),
            Sending::Hash(job) => self.hash_file(job, out),
            Sending::Accept(job) => self.accept_file(job, out),
            Sending::List(job) => self.send_list(job, out),
        }
        Step::Progress
    }

    fn send_file(&mut self, mut job: FileJob, out: &mut Outgoing) {
        if job.reading.left() > 0 {
            let left = usize::try_from(job.reading.left()).unwrap_or(usize::MAX);
            let buffer = out.with_room(frame::HEADER + left.min(LEAST_FRAME));
            let Some((header, room)) = buffer.room().split_first_chunk_mut::<{ frame::HEADER }>() else { return };
            match job.reading.read(room) {
                Ok(n) => {
                    *header = frame::header(n);
                    buffer.fill(frame::HEADER + n);
                    self.state = State::Sending(Sending::File(job));
                }
                Err(error) => {
                    out.put(&frame::ABORT);
                    self.fail(job.running, &error, out);
                }
            }
            return;
        }
        match job.reading.check() {
            Ok(Checked::NotYet) => {
                self.state = State::Sending(Sending::File(job));
                return;
            }
            Ok(Checked::Done(Finding::Unrecorded | Finding::Confirmed)) => {}
            Ok(Checked::Done(Finding::Rotten(rot))) => {
                out.put(&frame::ABORT);
                return self.found_rotten(job.running, &rot, out);
            }
            Err(error) => {
                out.put(&frame::ABORT);
                return self.fail(job.running, &error, out);
            }
        }
        out.put(&frame::END);
        let (bytes, hash) = (job.reading.len(), job.reading.hash());
        self.recycle(job.reading);
        self.done(
            job.running,
            bytes,
            out,
            |r| ReplyWriter::new(r, 226, "done").field("size", bytes).field("hash", hash),
            "Sent.",
        );
    }

    fn hash_file(&mut self, mut job: FileJob, out: &mut Outgoing) {
        if job.reading.left() > 0 {
            match job.reading.read(Buffer::take().room()) {
                Ok(_) => self.state = State::Sending(Sending::Hash(job)),
                Err(error) => self.fail(job.running, &error, out),
            }
            return;
        }
        let record = match job.reading.check() {
            Ok(Checked::NotYet) => {
                self.state = State::Sending(Sending::Hash(job));
                return;
            }
            Ok(Checked::Done(Finding::Rotten(rot))) => return self.found_rotten(job.running, &rot, out),
            Ok(Checked::Done(finding)) => job.reading.is_whole().then_some(finding == Finding::Confirmed),
            Err(error) => return self.fail(job.running, &error, out),
        };
        self.hashed(job.running, Hashed { of: &job.reading, record }, out);
        self.recycle(job.reading);
    }

    fn accept_file(&mut self, mut job: FileJob, out: &mut Outgoing) {
        let going_on = match job.reading.left() {
            0 => job.reading.accept().map(|done| !done),
            _ => job.reading.read(Buffer::take().room()).map(|_| true),
        };
        match going_on {
            Err(error) => self.fail(job.running, &error, out),
            Ok(true) => self.state = State::Sending(Sending::Accept(job)),
            Ok(false) => {
                let (size, hash) = (job.reading.len(), job.reading.hash());
                self.recycle(job.reading);
                if self.may_log() {
                    tracing::info!(session = %self.ticket.id(), path = job.running.shown(), %hash, "accepted");
                }
                let text = "These bytes are right from now on.";
                self.done(job.running, 0, out, |r| ReplyWriter::new(r, 250, "done").field("size", size), text);
            }
        }
    }

    /// A reading has contradicted what was recorded.
    fn found_rotten(&mut self, running: Running, rot: &Rot, out: &mut Outgoing) {
        let Rot { recorded, found } = rot;
        let user = self.principal.name();
        tracing::warn!(session = %self.ticket.id(), user, path = running.shown(), %recorded, %found, "bit rot");
        let path = running.path.clone().unwrap_or_default();
        self.fail(running, &rotten(&path, rot), out);
    }

    fn hashed(&mut self, running: Running, hashed: Hashed<'_>, out: &mut Outgoing) {
        let Hashed { of, record } = hashed;
        self.done(
            running,
            0,
            out,
            |r| {
                let reply = ReplyWriter::new(r, 213, "hash").field("size", of.len()).field("hash", of.hash());
                let reply = reply.field("mtime", of.source().meta().mtime);
                match record {
                    Some(confirmed) => reply.field("record", if confirmed { "yes" } else { "no" }),
                    None => reply,
                }
            },
            "",
        );
    }

    fn send_list(&mut self, mut job: ListJob, out: &mut Outgoing) {
        // The frame's length is known only once it is full, so its lines are put together apart.
        let mut lines = Vec::with_capacity(LIST_FRAME + listing::LINE_MAX);
        while lines.len() < LIST_FRAME {
            match job.listing.next() {
                Some(Ok(mut entry)) => {
                    if let Some(folder) = &job.rotten_in
                        && let Ok(path) = folder.join(&entry.path)
                    {
                        entry.rotten = self.is_rotten(&path, entry.kind, entry.size);
                    }
                    entry.mode = entry.mode.filter(|_| job.modes);
                    entry.render(&mut lines);
                    job.entries += 1;
                }
                Some(Err(unread)) => {
                    self.warn("not listed", &unread.error);
                    job.count_unread(unread.path);
                }
                None => return self.end_list(job, &lines, out),
            }
        }
        put_frame(&lines, out);
        self.state = State::Sending(Sending::List(job));
    }

    fn end_list(&mut self, job: ListJob, lines: &[u8], out: &mut Outgoing) {
        put_frame(lines, out);
        out.put(&frame::END);
        let ListJob { entries, unreadable, unread, running, .. } = job;
        let text = match (entries, unreadable) {
            (0, 0) => "The folder is empty.",
            (_, 0) => "That is all.",
            _ => "Some folders could not be read.",
        };
        self.done(
            running,
            0,
            out,
            |r| {
                let reply = ReplyWriter::new(r, 226, "done").field("entries", entries);
                match unreadable {
                    0 => reply,
                    _ if unread.is_empty() => reply.field("unreadable", unreadable),
                    _ => reply.field("unreadable", unreadable).list("unread", &unread),
                }
            },
            text,
        );
    }

    /// Whether this was found to be a rotten file. One that cannot be opened is not known to be.
    pub(super) fn is_rotten(&self, path: &RelPath, kind: EntryKind, size: u64) -> bool {
        let is_rotten = |source: Box<dyn Source>| matches!(source.record(), Some(Record::Rotten(_)));
        // Smaller ones have no record.
        kind == EntryKind::File && size >= limits::RECORD_MIN && self.store.open(path).is_ok_and(is_rotten)
    }

    /// A hasher, the last file's if there was one: it is large, and small files come by the thousand.
    fn spare_hasher(&mut self) -> Box<Hasher> {
        self.hasher.take().unwrap_or_default()
    }

    fn recycle(&mut self, reading: Reading) {
        if let Some(mut hasher) = reading.into_hasher() {
            hasher.reset();
            self.hasher = Some(hasher);
        }
    }
}

/// Why a rotten file is not given.
fn rotten(path: &RelPath, rot: &Rot) -> Error {
    let Rot { recorded, found } = rot;
    let text = format!(
        "{path}: the bytes on the server's disk are not those that were stored: BLAKE3 {found}, not {recorded}"
    );
    Error::new(Kind::Rotten, text)
}

fn put_frame(bytes: &[u8], out: &mut Outgoing) {
    if !bytes.is_empty() {
        out.put(&frame::header(bytes.len()));
        out.put(bytes);
    }
}
