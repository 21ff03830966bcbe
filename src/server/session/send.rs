//! What takes more than one step to send: downloads, listings, and the hash of a large file.

use super::{Running, Session, State};
use crate::auth::Access;
use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::hash::{Hash, Hasher};
use crate::limits;
use crate::mtime::Mtime;
use crate::proto::{RelPath, ReplyWriter, Verb, escape, frame, listing};
use crate::server::lane::{Outgoing, Step};
use crate::server::turns::{self, Class};
use crate::store::{Change, Listing, Source};

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
    /// A listing.
    List(ListJob),
}

/// A range of an open file on its way through the hash.
pub struct FileJob {
    source: Box<dyn Source>,
    start: u64,
    at: u64,
    end: u64,
    digest: Digest,
    /// The second reading, if one is needed.
    again: Option<Again>,
    running: Running,
}

/// A second reading of the same bytes.
struct Again {
    at: u64,
    hasher: Box<Hasher>,
}

/// Whether what was read is what the file held.
enum Checked {
    /// It is.
    Sound,
    /// There is more to be read before that is known.
    NotYet,
}

/// Where the reply's hash comes from.
enum Digest {
    /// Computed on the way.
    Computed(Box<Hasher>),
    /// Recorded when the file was committed, and it has not been touched since.
    Recorded(Hash),
}

/// A listing that is being sent.
pub struct ListJob {
    listing: Box<dyn Listing>,
    entries: u64,
    unreadable: u64,
    /// The names of those that could not be read, as far as they fit into the reply.
    unread: Vec<Vec<u8>>,
    /// What they take there.
    unread_bytes: usize,
    running: Running,
}

impl ListJob {
    fn over(listing: Box<dyn Listing>, running: Running) -> Self {
        ListJob { listing, entries: 0, unreadable: 0, unread: Vec::new(), unread_bytes: 0, running }
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
            Sending::File(job) | Sending::Hash(job) => job.running,
            Sending::List(job) => job.running,
        }
    }
}

impl Digest {
    fn update(&mut self, bytes: &[u8]) {
        if let Digest::Computed(hasher) = self {
            hasher.update(bytes);
        }
    }

    fn is_known(&self) -> bool {
        matches!(self, Digest::Recorded(_))
    }

    fn value(&self) -> Hash {
        match self {
            Digest::Computed(hasher) => hasher.finalize(),
            Digest::Recorded(hash) => *hash,
        }
    }
}

impl FileJob {
    fn open(
        session: &mut Session,
        path: &RelPath,
        offset: u64,
        length: Option<u64>,
        running: Running,
    ) -> Result<Self, (Running, Error)> {
        let source = match session.store.open(path) {
            Ok(source) => source,
            Err(error) => return Err((running, error)),
        };
        let size = source.meta().size;
        let at = offset.min(size);
        let end = length.map_or(size, |length| at.saturating_add(length).min(size));
        let recorded = if at == 0 && end == size { source.recorded_hash() } else { None };
        let digest = match recorded {
            Some(hash) => Digest::Recorded(hash),
            None => Digest::Computed(session.spare_hasher()),
        };
        Ok(FileJob { source, start: at, at, end, digest, again: None, running })
    }

    /// Whether all that was read is of one file that stood still meanwhile. Where only the file's attributes moved, the
    /// bytes decide: they are read once more, a chunk with each call.
    fn check(&mut self) -> Result<Checked> {
        if self.start == self.end {
            return Ok(Checked::Sound);
        }
        let Some(again) = &mut self.again else {
            return match self.source.change()? {
                Change::Nothing => Ok(Checked::Sound),
                Change::Content => Err(torn()),
                Change::Attributes => {
                    self.again = Some(Again { at: self.start, hasher: Box::default() });
                    Ok(Checked::NotYet)
                }
            };
        };
        if again.at < self.end {
            let mut buffer = Buffer::take();
            let left = usize::try_from(self.end - again.at).unwrap_or(usize::MAX).min(limits::CHUNK);
            let room = buffer.room().get_mut(..left).unwrap_or_default();
            let n = self.source.read_at(again.at, room)?;
            if n == 0 {
                return Err(torn());
            }
            again.hasher.update(room.get(..n).unwrap_or_default());
            again.at += n as u64;
            return Ok(Checked::NotYet);
        }
        let is_same = again.hasher.finalize() == self.digest.value();
        if is_same && self.source.change()? != Change::Content { Ok(Checked::Sound) } else { Err(torn()) }
    }

    /// What it takes to hash the next chunk: a core, but for what is done in a moment.
    pub(super) fn class(&self) -> Class {
        let left = match &self.again {
            Some(again) => self.end - again.at,
            None if self.digest.is_known() => 0,
            None => self.end - self.at,
        };
        if left <= limits::HEAVY_MIN { Class::Light } else { Class::Heavy }
    }

    /// Whether what was sent is hashed once more.
    pub(super) fn reads_again(&self) -> bool {
        self.again.is_some()
    }

    /// Keeps what was found out, for the next one.
    fn record(&self) {
        let whole = self.start == 0 && self.at == self.source.meta().size;
        if let (true, Digest::Computed(hasher)) = (whole, &self.digest) {
            self.source.record_hash(&hasher.finalize());
        }
    }

    /// Reads the next bytes, as many as fit; never none.
    fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        // Whole chunks: the kernel copies what begins at a page's beginning faster than what does not.
        let want = room.len().min(left).min(limits::CHUNK);
        let room = room.get_mut(..want).unwrap_or_default();
        let n = self.source.read_at(self.at, room)?;
        if n == 0 {
            return Err(torn());
        }
        self.digest.update(room.get(..n).unwrap_or_default());
        self.at += n as u64;
        Ok(n)
    }
}

impl Session {
    pub(super) fn begin_download(
        &mut self,
        path: &RelPath,
        offset: u64,
        length: Option<u64>,
        running: Running,
        out: &mut Outgoing,
    ) {
        match FileJob::open(self, path, offset, length, running) {
            Err((running, error)) => self.fail(running, &error, out),
            Ok(job) => {
                let meta = job.source.meta();
                self.scratch.clear();
                ReplyWriter::new(&mut self.scratch, 150, "data")
                    .field("size", meta.size)
                    .field("mtime", meta.mtime)
                    .end();
                out.put(&self.scratch);
                self.state = State::Sending(Sending::File(job));
            }
        }
    }

    pub(super) fn begin_hash(&mut self, path: &RelPath, length: Option<u64>, running: Running, out: &mut Outgoing) {
        match FileJob::open(self, path, 0, length, running) {
            Err((running, error)) => self.fail(running, &error, out),
            Ok(job) => {
                // Earlier replies need not wait for a large file to be hashed.
                out.hand_over();
                self.state = State::Sending(Sending::Hash(job));
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
            Ok(Some(partial)) => self.hashed(running, partial.len, partial.hash, None, out),
        }
    }

    pub(super) fn begin_list(&mut self, path: &RelPath, recursive: bool, running: Running, out: &mut Outgoing) {
        match self.store.list(path, recursive) {
            Err(error) => self.fail(running, &error, out),
            Ok(listing) => {
                self.scratch.clear();
                ReplyWriter::new(&mut self.scratch, 150, "data").end();
                out.put(&self.scratch);
                self.state = State::Sending(Sending::List(ListJob::over(listing, running)));
            }
        }
    }

    /// One chunk of whatever is being sent.
    pub(super) fn send(&mut self, sending: Sending, out: &mut Outgoing) -> Step {
        match sending {
            Sending::File(job) => self.send_file(job, out),
            Sending::Hash(job) => self.hash_file(job, out),
            Sending::List(job) => self.send_list(job, out),
        }
        Step::Progress
    }

    fn send_file(&mut self, mut job: FileJob, out: &mut Outgoing) {
        if job.at < job.end {
            let left = usize::try_from(job.end - job.at).unwrap_or(usize::MAX);
            let buffer = out.with_room(frame::HEADER + left.min(LEAST_FRAME));
            let Some((header, room)) = buffer.room().split_first_chunk_mut::<{ frame::HEADER }>() else { return };
            match job.read(room) {
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
        match job.check() {
            Ok(Checked::Sound) => {}
            Ok(Checked::NotYet) => {
                self.state = State::Sending(Sending::File(job));
                return;
            }
            Err(error) => {
                out.put(&frame::ABORT);
                self.fail(job.running, &error, out);
                return;
            }
        }
        out.put(&frame::END);
        job.record();
        let (bytes, hash) = (job.end - job.start, job.digest.value());
        self.recycle(job.digest);
        self.done(
            job.running,
            bytes,
            out,
            |r| ReplyWriter::new(r, 226, "done").field("size", bytes).field("hash", hash),
            "Sent.",
        );
    }

    fn hash_file(&mut self, mut job: FileJob, out: &mut Outgoing) {
        if job.at < job.end && !job.digest.is_known() {
            match job.read(Buffer::take().room()) {
                Ok(_) => self.state = State::Sending(Sending::Hash(job)),
                Err(error) => self.fail(job.running, &error, out),
            }
            return;
        }
        if !job.digest.is_known() {
            match job.check() {
                Ok(Checked::Sound) => {}
                Ok(Checked::NotYet) => {
                    self.state = State::Sending(Sending::Hash(job));
                    return;
                }
                Err(error) => return self.fail(job.running, &error, out),
            }
        }
        job.record();
        let (bytes, hash, mtime) = (job.end - job.start, job.digest.value(), job.source.meta().mtime);
        self.recycle(job.digest);
        self.hashed(job.running, bytes, hash, Some(mtime), out);
    }

    fn hashed(&mut self, running: Running, bytes: u64, hash: Hash, mtime: Option<Mtime>, out: &mut Outgoing) {
        self.done(
            running,
            0,
            out,
            |r| {
                let reply = ReplyWriter::new(r, 213, "hash").field("size", bytes).field("hash", hash);
                if let Some(mtime) = mtime { reply.field("mtime", mtime) } else { reply }
            },
            "",
        );
    }

    fn send_list(&mut self, mut job: ListJob, out: &mut Outgoing) {
        // The frame's length is known only once it is full, so its lines are put together apart.
        let mut lines = Vec::with_capacity(LIST_FRAME + listing::LINE_MAX);
        while lines.len() < LIST_FRAME {
            match job.listing.next() {
                Some(Ok(entry)) => {
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

    /// A hasher, the last file's if there was one: it is large, and small files come by the thousand.
    fn spare_hasher(&mut self) -> Box<Hasher> {
        self.hasher.take().unwrap_or_default()
    }

    fn recycle(&mut self, digest: Digest) {
        if let Digest::Computed(mut hasher) = digest {
            hasher.reset();
            self.hasher = Some(hasher);
        }
    }
}

fn torn() -> Error {
    Error::new(Kind::Torn, "the file changed while it was sent")
}

fn put_frame(bytes: &[u8], out: &mut Outgoing) {
    if !bytes.is_empty() {
        out.put(&frame::header(bytes.len()));
        out.put(bytes);
    }
}
