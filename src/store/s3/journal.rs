//! What a RENAME is about to do, written into the bucket before it does any of it, so that another server can finish it.
//!
//! There is one journal for each name that something leaves, and the storage makes sure of that: of two servers that give one file two
//! names, one has the journal, and the other finishes what that says and finds nothing at the old name then.
//!
//! What has begun to show at its new name is finished, never taken back: somebody may have seen it there, and some of it may be gone at
//! the old name. Before that nothing has happened, and the journal of a server that is gone is only removed. So a journal that the storage
//! writes late moves nothing. Whether something shows is told by the object at the new name: it says by its number which journal it is from.
//!
//! Nobody is asked for rights again: the RENAME was allowed when it began, and half of it would be worse for everybody.

use std::collections::HashSet;
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::commit::Sure;
use super::engine::{Why, unavailable};
use super::names::Spot;
use super::object::{Object, odd};
use super::shared::{Shared, a_number, full};
use crate::error::Result;
use crate::files::{Hash, RelPath};
use crate::limits;
use crate::machine::turns::block_in_place;
use crate::outgoing::Payload;
use crate::sync::Mutex;

/// Digits by which a copy names its journal; as many name what it is a copy of.
const DIGITS: usize = 16;

/// What is to be moved, and where. Paths are written as in keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Journal {
    number: String,
    /// The process that has written it.
    by: String,
    home: String,
    from: String,
    to: String,
    pub(super) is_folder: bool,
    /// Empty of a single file.
    pub(super) files: Vec<Moved>,
    pub(super) markers: Vec<Marker>,
}

/// A file that is to be moved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Moved {
    /// Behind the folder.
    pub(super) name: String,
    pub(super) etag: String,
}

/// The marker of a folder that is to go when all is moved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Marker {
    pub(super) name: String,
    /// When it was stored: one that somebody has made since stays.
    pub(super) modified: String,
}

/// The paths of a journal: the home, and what in it gets which name.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) home: Spot,
    pub(super) from: RelPath,
    pub(super) to: RelPath,
}

impl Places {
    pub(super) fn was(&self) -> Spot {
        full(&self.home, &self.from)
    }

    pub(super) fn will(&self) -> Spot {
        full(&self.home, &self.to)
    }
}

/// A journal as it is in the storage.
pub(super) struct Begun {
    pub(super) journal: Journal,
    etag: String,
    /// For how many seconds it has been there.
    age: i64,
}

/// Which journals this process is at.
#[derive(Default)]
pub(super) struct AtWork(Mutex<HashSet<String>>);

/// This process is at this journal until this is dropped.
pub(super) struct Working<'a> {
    all: &'a AtWork,
    number: String,
}

/// A journal that is in the storage, by whoever does what it says.
pub(super) struct Claim<'a> {
    pub(super) journal: Journal,
    etag: String,
    at: Instant,
    _working: Option<Working<'a>>,
}

/// What became of a RENAME that somebody else had begun.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// All is at this name now.
    Moved(Spot),
    /// Nothing has happened, or whoever has begun it has ended it.
    Over,
}

impl Journal {
    pub(super) fn of(places: &Places, by: &str, is_folder: bool) -> Result<Journal> {
        let written = |path: &RelPath| Spot::of_home(path).written();
        Ok(Journal {
            number: a_number()?,
            by: by.to_owned(),
            home: places.home.written(),
            from: written(&places.from),
            to: written(&places.to),
            is_folder,
            files: Vec::new(),
            markers: Vec::new(),
        })
    }

    pub(super) fn places(&self) -> Option<Places> {
        let path = |text: &str| RelPath::parse(&super::names::path_of(text)?).ok();
        let home = Spot::of_written(&self.home)?;
        Some(Places { home, from: path(&self.from)?, to: path(&self.to)? })
    }

    /// The number of the marker of the folder that it makes.
    pub(super) fn number(&self) -> &str {
        &self.number
    }

    /// The number of a copy of this very file.
    pub(super) fn number_of(&self, source: &Object) -> String {
        let text = |told: Option<String>| told.unwrap_or_default();
        let mtime = text(source.kept.mtime.map(|mtime| mtime.to_string()));
        let mode = text(source.kept.mode.map(|mode| mode.to_string()));
        let hash = Hash::of([&*source.etag, &*source.number, &*mtime, &*mode].join("\0").as_bytes());
        let of_source = super::sign::digits(hash.as_bytes().get(..DIGITS / 2).unwrap_or_default());
        format!("{}{of_source}", self.mark())
    }

    fn mark(&self) -> &str {
        self.number.get(..DIGITS).unwrap_or(&self.number)
    }

    /// Whether an object is a copy that was made by it.
    pub(super) fn has_made(&self, object: &Object) -> bool {
        object.number.starts_with(self.mark())
    }
}

impl Begun {
    /// Whether nobody is at it: it is this process's own from before, no other process changes the bucket, or it is old.
    fn is_abandoned(&self, shared: &Shared) -> bool {
        let most = i64::try_from(limits::ENGINE_MOVING_LEFT.as_secs()).unwrap_or(i64::MAX);
        !shared.at_work.has(&self.journal) && (self.journal.by == shared.process || shared.alone || self.age > most)
    }
}

impl AtWork {
    /// Nothing if some thread of this process is at it.
    pub(super) fn begin(&self, journal: &Journal) -> Option<Working<'_>> {
        let number = journal.number.clone();
        self.0.lock().insert(number.clone()).then_some(Working { all: self, number })
    }

    fn has(&self, journal: &Journal) -> bool {
        self.0.lock().contains(&journal.number)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.number);
    }
}

impl Claim<'_> {
    /// Whether another server takes it for left by now, or may do so before anything shows at the new name.
    pub(super) fn is_late(&self) -> bool {
        self.at.elapsed() * 2 > limits::ENGINE_MOVING_LEFT
    }
}

impl Shared {
    /// Writes a journal, and has it; nothing if there is one of what has this name already.
    pub(super) fn claim(&self, journal: Journal, old: &Spot, path: &RelPath) -> Result<Option<Claim<'_>>> {
        let (key, at) = (self.keys.journal(old), Instant::now());
        let condition = self.condition(&Sure::Absent, false, path)?;
        let told = |why: Why| why.at(path);
        if condition.is_empty() && self.begun(&key).map_err(told)?.is_some() {
            return Ok(None);
        }
        let text = serde_json::to_vec(&journal).map_err(|err| odd(&err.to_string()))?;
        let working = self.at_work.begin(&journal);
        let (sha256, body) = (super::sign::sha256(&text), Payload::Bytes(text.into()));
        let etag = match self.engine.put(&key, (body, sha256), condition) {
            Ok(etag) => etag,
            // An answer that was lost is looked up.
            Err(why) => match (self.begun(&key).map_err(told)?, why) {
                (Some(begun), _) if begun.journal.number == journal.number => begun.etag,
                (_, Why::Condition) => return Ok(None),
                (_, why) => return Err(told(why)),
            },
        };
        Ok(Some(Claim { journal, etag, at, _working: working }))
    }

    /// Whether nobody has taken it for left.
    pub(super) fn still_has(&self, claim: &Claim<'_>, old: &Spot) -> Result<bool, Why> {
        let begun = self.begun(&self.keys.journal(old))?;
        Ok(begun.is_some_and(|begun| begun.journal.number == claim.journal.number))
    }

    /// What the journal says is done, or will not be. One that cannot be removed is found again.
    pub(super) fn unclaim(&self, claim: &Claim<'_>, old: &Spot) {
        self.remove_journal(&self.keys.journal(old), &claim.etag);
    }

    fn remove_journal(&self, key: &str, etag: &str) {
        let etag = Some(etag).filter(|_| self.heeds().delete_match);
        if let Err(why) = self.engine.delete(key, etag)
            && !matches!(why, Why::Condition)
        {
            tracing::warn!(key, error = %why.at("what is written of it"), "a RENAME that has ended is looked at once more");
        }
    }

    /// The journal of this key.
    pub(super) fn begun(&self, key: &str) -> Result<Option<Begun>, Why> {
        let found = match self.engine.beginning(key, limits::ENGINE_XML as u64) {
            Ok(found) => found,
            Err(Why::Missing) => return Ok(None),
            Err(why) => return Err(why),
        };
        let Ok(journal) = serde_json::from_slice(&found.bytes) else {
            // It is of no server of this kind, and keeps nobody from what it may be about.
            tracing::warn!(key, "what is written of a RENAME cannot be read, and counts for nothing");
            return Ok(None);
        };
        // Where the storage does not say since when it has it, it is never old.
        let since = Some(found.object.modified.secs).filter(|secs| *secs > 0);
        let age = since.map_or(0, |since| self.engine.now().saturating_sub(since));
        Ok(Some(Begun { journal, etag: found.object.etag, age }))
    }

    /// Whether something shows at the new name that is from this journal.
    fn is_begun(&self, journal: &Journal, new: &Spot) -> Result<bool, Why> {
        let key = if journal.is_folder { self.keys.folder(new)? } else { self.keys.file(new)? };
        match self.engine.head(&key) {
            Ok(object) if journal.is_folder => Ok(object.number == journal.number),
            Ok(object) => Ok(journal.has_made(&object)),
            Err(Why::Missing) => Ok(false),
            Err(why) => Err(why),
        }
    }

    /// Finishes the RENAME of this key, or waits until whoever is at it has ended it, as long as for an answer. For nobody who has a lock.
    pub(super) fn settle(&self, key: &str, path: &RelPath) -> Result<Settled> {
        let due = Instant::now() + self.engine.patience();
        loop {
            let Some(begun) = self.begun(key).map_err(|why| why.at(path))? else { return Ok(Settled::Over) };
            if let Some(settled) = self.settle_begun(key, &begun).map_err(|why| why.at(path))? {
                return Ok(settled);
            }
            if Instant::now() >= due {
                return Err(unavailable(path.said("it is just being renamed")));
            }
            block_in_place(|| thread::sleep(limits::ENGINE_PAUSE));
        }
    }

    /// Nothing: whoever has begun it may be at it.
    fn settle_begun(&self, key: &str, begun: &Begun) -> Result<Option<Settled>, Why> {
        let Some(working) = self.at_work.begin(&begun.journal) else { return Ok(None) };
        let places = begun.journal.places().ok_or_else(|| odd("what is written of a RENAME names no paths"))?;
        if self.is_begun(&begun.journal, &places.will())? {
            self.go_on(&begun.journal, &places)?;
            self.remove_journal(key, &begun.etag);
            return Ok(Some(Settled::Moved(places.will())));
        }
        drop(working);
        if begun.is_abandoned(self) {
            self.remove_journal(key, &begun.etag);
            return Ok(Some(Settled::Over));
        }
        Ok(None)
    }

    /// Each journal that is there.
    fn journals(&self) -> Result<Vec<(String, Begun)>, Why> {
        let mut keys = Vec::new();
        self.each_page(&self.keys.journals(), |page| {
            keys.extend(page.iter().map(|listed| listed.key.clone()));
            Ok(())
        })?;
        let mut all = Vec::new();
        for key in keys {
            all.extend(self.begun(&key)?.map(|begun| (key, begun)));
        }
        Ok(all)
    }

    /// Finishes what was left by servers that are gone.
    pub(super) fn settle_abandoned(&self) -> Result<(), Why> {
        let mut first = Ok(());
        for (key, begun) in self.journals()? {
            if begun.is_abandoned(self) {
                let settled = self.settle_begun(&key, &begun).map(drop);
                self.forget_seen();
                first = first.and(settled);
            }
        }
        first
    }

    /// Finishes what has to do with this folder, which is to be renamed or removed as a whole; not what is written of the folder itself, which
    /// whoever renames it meets. Whether something has come into it by that.
    pub(super) fn settle_around(&self, folder: &Spot, path: &RelPath) -> Result<bool> {
        let meets = |place: &Spot| place.is_within(folder) || folder.is_within(place);
        let mut has_come = false;
        for (key, begun) in self.journals().map_err(|why| why.at(path))? {
            let Some(places) = begun.journal.places() else { continue };
            if places.was() != *folder && (meets(&places.was()) || meets(&places.will())) {
                let settled = self.settle(&key, path)?;
                has_come |= matches!(settled, Settled::Moved(new) if meets(&new));
            }
        }
        Ok(has_come)
    }
}
