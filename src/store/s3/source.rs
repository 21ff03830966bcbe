//! Reading a file of a bucket: a small one is had whole when it is opened, a large one streams, and every byte is of the one object
//! that was opened.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::engine::{Call, Why, unavailable};
use super::health::Outcome;
use super::names::Spot;
use super::object::{Kept, Object};
use super::shared::Shared;
use crate::error::{Error, Kind, Result};
use crate::files::{Change, FileIdentity, Finding, Hash, Meta, Record, RelPath, Rot, Source};
use crate::limits;
use crate::outgoing::Answer;
use crate::sync::Mutex;

/// An open file.
pub(super) struct S3Source {
    shared: Arc<Shared>,
    full: Spot,
    path: RelPath,
    object: Mutex<Object>,
    size: u64,
    /// Its first bytes.
    beginning: Vec<u8>,
    /// Bytes that come, and where the next one is in the file.
    stream: Option<(u64, Answer)>,
    /// Where what is wanted ends.
    wanted: u64,
}

impl S3Source {
    pub(super) fn open(shared: &Arc<Shared>, full: Spot, path: &RelPath) -> Result<S3Source, Why> {
        let is_room = shared.held.load(Ordering::Relaxed) + limits::RECORD_MIN <= limits::ENGINE_AHEAD;
        let most = if is_room { limits::RECORD_MIN } else { limits::ENGINE_AHEAD_MIN };
        let mut found = shared.engine.beginning(&shared.keys.file(&full)?, most)?;
        shared.complete(&full, &mut found.object)?;
        shared.held.fetch_add(found.bytes.len() as u64, Ordering::Relaxed);
        Ok(S3Source {
            shared: shared.clone(),
            full,
            path: path.clone(),
            size: found.object.size,
            wanted: found.object.size,
            object: Mutex::new(found.object),
            beginning: found.bytes,
            stream: None,
        })
    }

    /// Reads what comes next of the stream that is there, or of one from this offset on.
    fn next(&mut self, offset: u64, room: &mut [u8]) -> Result<usize> {
        let (at, mut answer) = match self.stream.take() {
            Some((at, answer)) if at == offset => (at, answer),
            _ => {
                let to = if self.wanted > offset { self.wanted } else { self.size };
                let (key, etag) = (self.shared.keys.file(&self.full)?, self.object.lock().etag.clone());
                let begun = self.shared.engine.stream(&key, &etag, offset, to);
                (offset, begun.map_err(|why| self.torn(why))?)
            }
        };
        // What is at its end, or broke off because nobody read for long, is not gone on with.
        let n = answer.read(room).unwrap_or(0);
        if n > 0 {
            self.shared.engine.health.answered();
            self.stream = Some((at + n as u64, answer));
        }
        Ok(n)
    }

    /// Whoever is past the beginning does not need it any more, unless it is all there is.
    fn let_go(&mut self) {
        if !self.beginning.is_empty() && (self.beginning.len() as u64) < self.size {
            self.shared.held.fetch_sub(std::mem::take(&mut self.beginning).len() as u64, Ordering::Relaxed);
        }
    }

    /// Whoever reads is told that the file is another one by now, or gone.
    fn torn(&self, why: Why) -> Error {
        match why {
            Why::Condition | Why::Missing | Why::Range => {
                Error::new(Kind::Torn, self.path.said("was replaced or removed while it was read"))
            }
            why => why.at(&self.path),
        }
    }

    /// The storage has broken its answer off, once more.
    fn no_more(&self) -> Error {
        self.shared.engine.health.count(&Call::of("GET", ""), Outcome::Broken, None);
        unavailable(self.path.said("the storage gives no more of it"))
    }

    /// Writes down what was found while somebody read it. When the next server has the bucket that is for whoever reads it there.
    fn note(&self, change: impl Fn(&mut Kept)) {
        if !self.shared.changers.have_left()
            && let Err(error) = self.write(change)
        {
            tracing::warn!(path = %self.full, %error, "what was found of a file is not recorded");
        }
    }

    /// Writes down what is known of its bytes, for whoever opens it next, beside what is written of it by now: its mode and time may be
    /// others than when it was opened. Of another file that has its name by now nothing is written.
    fn write(&self, change: impl Fn(&mut Kept)) -> Result<()> {
        let _waited_for = self.shared.changers.begin()?;
        let _held = self.shared.lock(&self.full, None);
        let mut object = self.object.lock();
        change(&mut object.kept);
        let mut now = match self.shared.file(&self.full) {
            Ok(now) if (&now.etag, &now.number) == (&object.etag, &object.number) => now,
            Ok(_) | Err(Why::Missing) => return Ok(()),
            Err(why) => return Err(why.at(&self.path)),
        };
        change(&mut now.kept);
        let written = self.shared.engine.write_record(&self.shared.keys.record(&self.full), &now);
        written.map_err(|why| why.at(&self.path))
    }
}

impl Drop for S3Source {
    fn drop(&mut self) {
        self.shared.held.fetch_sub(self.beginning.len() as u64, Ordering::Relaxed);
    }
}

impl Source for S3Source {
    fn meta(&self) -> Meta {
        self.object.lock().meta()
    }

    fn allocated(&self) -> Option<u64> {
        None
    }

    fn identity(&self) -> Option<FileIdentity> {
        Some(self.object.lock().identity())
    }

    /// Whatever takes its name: what was read is of the object that was opened, or reading has failed.
    fn change(&self) -> Result<Change> {
        Ok(Change::Nothing)
    }

    fn record(&self) -> Option<Record> {
        self.object.lock().record()
    }

    fn compare(&self, hash: &Hash) -> Finding {
        if !self.object.lock().has_record() {
            return Finding::Unrecorded;
        }
        match self.record() {
            None => {
                self.note(|kept| kept.hash = Some(*hash));
                Finding::Unrecorded
            }
            Some(Record::Rotten(rot)) => Finding::Rotten(rot),
            Some(Record::Sound(recorded)) if recorded == *hash => Finding::Confirmed,
            Some(Record::Sound(recorded)) => {
                self.note(|kept| kept.rotten = Some(*hash));
                Finding::Rotten(Rot { recorded, found: *hash })
            }
        }
    }

    fn accept(&self, hash: &Hash) -> Result<()> {
        self.write(|kept| (kept.hash, kept.rotten) = (Some(*hash), None))
    }

    fn expect(&mut self, offset: u64, length: u64) {
        self.wanted = offset.saturating_add(length).min(self.size);
        if self.stream.as_ref().is_some_and(|(at, _)| *at != offset) {
            self.stream = None;
        }
    }

    fn forget_cached(&self) {}

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let room = buffer.get_mut(done..).unwrap_or_default();
            let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
            let most = room.len().min(left);
            if most == 0 {
                break;
            }
            let room = room.get_mut(..most).unwrap_or_default();
            let from = usize::try_from(at).unwrap_or(usize::MAX);
            done += match self.beginning.get(from..).filter(|there| !there.is_empty()) {
                Some(there) => {
                    let some = there.len().min(most);
                    let (room, there) = (room.get_mut(..some), there.get(..some));
                    room.unwrap_or_default().copy_from_slice(there.unwrap_or_default());
                    some
                }
                None => {
                    self.let_go();
                    let room = buffer.get_mut(done..done + most).unwrap_or_default();
                    match self.next(at, room)? {
                        0 => match self.next(at, room)? {
                            0 => return Err(self.no_more()),
                            n => n,
                        },
                        n => n,
                    }
                }
            };
        }
        Ok(done)
    }
}
