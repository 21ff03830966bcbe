//! Reading a range of a file so that what was read is known to be of one file that stood still, and its hash.

use crate::buffers::Buffer;
use crate::error::{Error, Kind, Result};
use crate::files::{Change, Finding, Hash, Hasher, Source};
use crate::limits;

/// A range of an open file on its way through the hash, a chunk at a time.
pub struct Reading {
    source: Box<dyn Source>,
    start: u64,
    at: u64,
    end: u64,
    digest: Digest,
    /// The file may become longer meanwhile.
    growing: bool,
    /// Its size or time moved, so nothing recorded is of these bytes.
    moved: bool,
    /// The second reading, if one is needed.
    again: Option<Again>,
}

/// Where the hash of the range comes from.
pub enum Digest {
    /// Computed on the way.
    Computed(Box<Hasher>),
    /// Recorded when the file was stored: whoever gets the bytes computes it and compares.
    Recorded(Hash),
    /// Whoever gets the bytes computes it, and says it when nothing is left ([`Reading::learn`]).
    Elsewhere(Option<Hash>),
}

/// A second reading of the same bytes.
struct Again {
    at: u64,
    hasher: Box<Hasher>,
}

/// Whether what was read is what the file held.
enum Settled {
    Sound,
    /// There is more to be read before that is known.
    NotYet,
    /// The bytes have this hash, and not the one that was recorded.
    Contradiction(Hash),
}

/// How far the check of a reading is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checked {
    /// There is more to be read before anything is known.
    NotYet,
    /// The file stood still, and this is what comparing it with its record came to.
    Done(Finding),
}

impl Reading {
    /// Begins to read this range, cut at the end of the file.
    pub fn new(mut source: Box<dyn Source>, offset: u64, length: Option<u64>, digest: Digest) -> Self {
        let size = source.meta().size;
        let start = offset.min(size);
        let end = length.map_or(size, |length| start.saturating_add(length).min(size));
        source.expect(start, end - start);
        Reading { source, start, at: start, end, digest, growing: false, moved: false, again: None }
    }

    /// Lets the file become longer meanwhile. The bytes of the range are read a second time then, and must be the same.
    pub fn growing(self, growing: bool) -> Self {
        Reading { growing, ..self }
    }

    /// The file.
    pub fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// The file, to be read in another way.
    pub fn into_source(self) -> Box<dyn Source> {
        self.source
    }

    /// Bytes of the range.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether the range is all of the file.
    pub fn is_whole(&self) -> bool {
        self.len() == self.source.meta().size
    }

    /// Bytes that are to be hashed yet, as far as is known now.
    pub fn left_to_hash(&self) -> u64 {
        match (&self.again, &self.digest) {
            (Some(again), _) => self.end - again.at,
            (None, Digest::Computed(_) | Digest::Elsewhere(_)) => self.left(),
            (None, Digest::Recorded(_)) => 0,
        }
    }

    /// Whether all was read and it is read once more.
    pub fn is_again(&self) -> bool {
        self.again.is_some()
    }

    /// Whether the hash is known without reading.
    pub fn is_recorded(&self) -> bool {
        matches!(self.digest, Digest::Recorded(_))
    }

    /// Bytes that are not read yet.
    pub fn left(&self) -> u64 {
        self.end - self.at
    }

    /// The hash of the bytes read, or the recorded one of all bytes.
    pub fn hash(&self) -> Hash {
        match &self.digest {
            Digest::Computed(hasher) => hasher.finalize(),
            Digest::Recorded(hash) | Digest::Elsewhere(Some(hash)) => *hash,
            // Of no bytes: nobody takes it for that of any.
            Digest::Elsewhere(None) => Hasher::new().finalize(),
        }
    }

    /// The bytes that were read have this hash, as whoever got them computed it.
    pub fn learn(&mut self, hash: Hash) {
        if let Digest::Elsewhere(known) = &mut self.digest {
            *known = Some(hash);
        }
    }

    /// The hasher, to be used again.
    pub fn into_hasher(self) -> Option<Box<Hasher>> {
        match self.digest {
            Digest::Computed(hasher) => Some(hasher),
            Digest::Recorded(_) | Digest::Elsewhere(_) => None,
        }
    }

    /// Reads the next bytes, as many as fit; never none while some are left.
    ///
    /// # Errors
    /// [`Kind::Torn`] if the file has become shorter; those of reading.
    pub fn read(&mut self, room: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        // Whole chunks: the kernel copies what begins at a page's beginning faster than what does not.
        let want = room.len().min(left).min(limits::CHUNK);
        let room = room.get_mut(..want).unwrap_or_default();
        let n = self.source.read_at(self.at, room)?;
        if n == 0 {
            return Err(torn());
        }
        if let Digest::Computed(hasher) = &mut self.digest {
            hasher.update(room.get(..n).unwrap_or_default());
        }
        self.at += n as u64;
        Ok(n)
    }

    /// Whether all that was read is of one file that stood still meanwhile, and if it is all of the file, how it
    /// compares with its record. To be called when nothing is left, until the answer is [`Checked::Done`].
    ///
    /// # Errors
    /// [`Kind::Torn`] if the file did not stand still; those of reading.
    pub fn check(&mut self) -> Result<Checked> {
        Ok(match self.settle()? {
            Settled::NotYet => Checked::NotYet,
            Settled::Sound => Checked::Done(match &self.digest {
                Digest::Computed(hasher) if self.is_whole() && !self.moved => self.source.compare(&hasher.finalize()),
                Digest::Elsewhere(Some(hash)) if self.is_whole() && !self.moved => self.source.compare(hash),
                _ => Finding::Unrecorded,
            }),
            Settled::Contradiction(_) if self.moved => return Err(torn()),
            Settled::Contradiction(hash) => match self.source.compare(&hash) {
                Finding::Rotten(rot) => Checked::Done(Finding::Rotten(rot)),
                Finding::Unrecorded | Finding::Confirmed => return Err(torn()),
            },
        })
    }

    /// As [`Reading::check`], but what was read becomes the record. Says whether that is done.
    ///
    /// # Errors
    /// As [`Reading::check`], and those of recording.
    pub fn accept(&mut self) -> Result<bool> {
        match self.settle()? {
            Settled::NotYet => Ok(false),
            Settled::Sound => self.source.accept(&self.hash()).map(|()| true),
            Settled::Contradiction(_) => Err(torn()),
        }
    }

    /// Where only the file's attributes moved, or it may become longer, the bytes decide: they are read once more, a chunk with each call.
    fn settle(&mut self) -> Result<Settled> {
        if self.is_empty() {
            return Ok(Settled::Sound);
        }
        let Some(again) = &mut self.again else {
            return match self.source.change()? {
                Change::Nothing => Ok(Settled::Sound),
                Change::Content if !self.growing => Err(torn()),
                change => {
                    self.moved = change == Change::Content;
                    self.again = Some(Again { at: self.start, hasher: Box::default() });
                    Ok(Settled::NotYet)
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
            return Ok(Settled::NotYet);
        }
        let hash = again.hasher.finalize();
        match &self.digest {
            _ if !self.growing && self.source.change()? == Change::Content => Err(torn()),
            _ if hash == self.hash() => Ok(Settled::Sound),
            Digest::Computed(_) | Digest::Elsewhere(_) => Err(torn()),
            Digest::Recorded(_) => Ok(Settled::Contradiction(hash)),
        }
    }
}

fn torn() -> Error {
    Error::new(Kind::Torn, "the file changed while it was sent")
}
