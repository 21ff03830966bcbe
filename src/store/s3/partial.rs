//! What can be gone on with of an upload in parts that broke off, at whatever server.
//!
//! While such an upload comes, a record of it is kept in the bucket: the storage's name for it, and of each part that the storage has
//! the ETag and the BLAKE3 of its bytes. Whoever goes on with it has the storage list what it has: a part counts if it has the ETag and
//! the size that were recorded, so that its hash is known and nobody reads it again.
//!
//! An upload has one holder: who began it, or who took it over last, which a mark beside the record says. Storages need heed no
//! condition for that. Whoever is about to complete it writes so and then looks for the mark; whoever takes it over writes the mark and
//! then looks whether somebody is about to complete it: of two, at least one sees the other, and gives way. The mark stays when the
//! file is there, for whoever had the upload before and does not know yet; it goes when it is old. So no two complete one
//! upload, and what a storage answers to that is about the parts of who asked, also where it answers the same a second time.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::engine::{Call, Engine, Why};
use super::names::Spot;
use super::object::odd;
use super::shared::{Shared, a_number};
use super::sign::digits;
use super::upload::Multipart;
use super::xml::Document;
use crate::error::{Error, Kind, Result};
use crate::files::hash::BlockHash;
use crate::files::{Hash, Hasher, Partial, RelPath};
use crate::limits;
use crate::machine::turns::block_in_place;
use crate::sync::Mutex;

/// A part that the storage has, by its number.
pub(super) type Blocks = BTreeMap<u64, (String, BlockHash)>;

/// The record, as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    /// The whole key: names of records are hashes.
    key: String,
    /// What the storage calls the upload.
    id: String,
    /// What it says to be from.
    upload: String,
    /// Who sends.
    owner: String,
    /// Nobody sends any more.
    kept: bool,
    /// Somebody is about to make a file of it: nobody else goes on with it any more.
    ending: bool,
    blocks: Vec<WrittenBlock>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenBlock {
    part: u64,
    etag: String,
    blake3: String,
}

/// Who has taken an upload over.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    id: String,
    owner: String,
}

/// What becomes of an upload, as its record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Sent,
    Kept,
    Ending,
}

/// What is left of an upload.
pub(super) struct Left {
    id: String,
    number: String,
    /// From the first on, without a gap.
    blocks: Vec<(String, BlockHash)>,
}

/// An upload that is written down while it comes.
pub(super) struct Progress {
    shared: Arc<Shared>,
    full: Spot,
    /// Who sends it, as its store says.
    sender: String,
    /// The record's key.
    record: String,
    /// That of the mark.
    mark: String,
    key: String,
    id: String,
    number: String,
    owner: String,
    state: Mutex<State>,
    writing: Mutex<()>,
}

#[derive(Default)]
struct State {
    blocks: Blocks,
    /// How many of them the last record had; none: there is none.
    written: Option<usize>,
    /// Nothing is written any more.
    over: bool,
}

/// Uploads that somebody in this process sends.
pub(super) type Live = Mutex<HashSet<String>>;

impl Progress {
    /// Of an upload that has these parts. None if somebody in this process sends it already.
    pub(super) fn of(
        shared: &Arc<Shared>,
        (full, sender): (&Spot, &str),
        upload: &Multipart,
        number: &str,
        blocks: Blocks,
    ) -> Result<Option<Arc<Progress>>> {
        let owner = a_number()?;
        if !shared.live.lock().insert(upload.id.clone()) {
            return Ok(None);
        }
        Ok(Some(Arc::new(Progress {
            shared: shared.clone(),
            full: full.clone(),
            sender: sender.to_owned(),
            record: shared.keys.partial(full, sender),
            mark: shared.keys.taken(full, &upload.id),
            key: upload.key.clone(),
            id: upload.id.clone(),
            number: number.to_owned(),
            owner,
            state: Mutex::new(State { blocks, ..State::default() }),
            writing: Mutex::default(),
        })))
    }

    /// The storage has this part. From the second on that is written down, less often the more there are: killed at any moment, a
    /// sixteenth is lost and the last part.
    pub(super) fn note(&self, number: u64, etag: &str, hash: BlockHash) {
        let is_first = {
            let mut state = self.state.lock();
            state.blocks.insert(number, (etag.to_owned(), hash));
            let (len, written) = (state.blocks.len(), state.written);
            let is_due = len >= limits::ENGINE_RECORDED && written.is_none_or(|written| len > written + written / 16);
            if state.over || !is_due {
                return;
            }
            state.written = Some(len);
            written.is_none()
        };
        if is_first {
            self.replace_older();
        }
        if let Err(why) = self.write(Stage::Sent) {
            // The upload itself is none the worse.
            tracing::debug!(error = %why.at("an upload"), "how far an upload has come is not recorded");
        }
    }

    /// Writes down what is known by now. The younger record is the later one, and what is over stays so.
    fn write(&self, stage: Stage) -> Result<(), Why> {
        let _one_alone = block_in_place(|| self.writing.lock());
        let blocks = {
            let state = self.state.lock();
            if state.over && stage == Stage::Sent {
                return Ok(());
            }
            state.blocks.clone()
        };
        let block = |(part, (etag, hash)): (&u64, &(String, BlockHash))| WrittenBlock {
            part: *part,
            etag: etag.clone(),
            blake3: digits(&hash.to_bytes()),
        };
        let written = Written {
            key: self.key.clone(),
            id: self.id.clone(),
            upload: self.number.clone(),
            owner: self.owner.clone(),
            kept: stage == Stage::Kept,
            ending: stage == Stage::Ending,
            blocks: blocks.iter().map(block).collect(),
        };
        let text = serde_json::to_vec(&written).map_err(|err| odd(&err.to_string()))?;
        self.shared.engine.ask_all(&Call::of("PUT", &self.record).sending(text)).map(drop)
    }

    /// An older upload of the same name that nobody sends any more goes: one alone is kept.
    fn replace_older(&self) {
        let engine = &self.shared.engine;
        if let Ok(Some(older)) = engine.read::<Written>(&self.record)
            && older.kept
            && older.id != self.id
            && older.key == self.key
            && let Ok(mark) = engine.read::<Mark>(&self.shared.keys.taken(&self.full, &older.id))
            // Else somebody has gone on with it, and whoever kept it did not know.
            && mark.is_none_or(|mark| mark.id != older.id || mark.owner == older.owner)
        {
            Multipart::known(&older.key, &older.id).abort(engine);
        }
    }

    /// Takes it over. Whether that is done: not if somebody is about to complete it, or takes it over at this moment, too.
    pub(super) fn take_over(&self) -> Result<bool, Why> {
        let engine = &self.shared.engine;
        let mark = Mark { id: self.id.clone(), owner: self.owner.clone() };
        let text = serde_json::to_vec(&mark).map_err(|err| odd(&err.to_string()))?;
        engine.ask_all(&Call::of("PUT", &self.mark).sending(text))?;
        match engine.read::<Written>(&self.record)? {
            Some(written) if written.id == self.id && !written.ending => {}
            _ => return Ok(false),
        }
        {
            let mut state = self.state.lock();
            state.written = Some(state.blocks.len());
        }
        self.write(Stage::Sent)?;
        self.is_taken().map(|taken| !taken)
    }

    /// Whether somebody else has taken it over.
    fn is_taken(&self) -> Result<bool, Why> {
        let mark = self.shared.engine.read::<Mark>(&self.mark)?;
        Ok(mark.is_some_and(|mark| mark.id == self.id && mark.owner != self.owner))
    }

    /// It is about to become a file.
    ///
    /// # Errors
    /// [`Kind::Aborted`] if somebody else goes on with it.
    pub(super) fn begin_end(&self, path: &RelPath) -> Result<()> {
        if !self.end() {
            // Nobody can have found it.
            return Ok(());
        }
        let taken = self.write(Stage::Ending).and_then(|()| self.is_taken()).map_err(|why| why.at(path))?;
        match taken {
            true => {
                Err(Error::new(Kind::Aborted, format!("{path}: somebody goes on with this upload at another server")))
            }
            false => Ok(()),
        }
    }

    /// Nobody sends it any more, and somebody may go on with it. Bytes from the beginning that are there for that; none if somebody
    /// else goes on with it already.
    pub(super) fn keep(&self) -> Result<u64, Why> {
        let is_recorded = self.end();
        let blocks = self.state.lock().blocks.clone();
        let whole = (1..).zip(&blocks).take_while(|(number, (at, _))| number == *at).count() as u64;
        if whole == 0 || is_recorded && self.is_taken()? {
            return Ok(0);
        }
        self.write(Stage::Kept)?;
        Ok(whole * limits::HASH_BLOCK)
    }

    /// It has become a file: nothing is left of it.
    pub(super) fn done(&self) {
        if self.end() {
            let _stays_of_no_use = self.shared.forget_partial(&self.full, &self.sender, &self.id);
        }
    }

    /// It is given up, unless somebody else has gone on with it, or may have: then it goes when it is old.
    pub(super) fn give_up(&self) {
        // Whoever takes it over marks it and then looks for the record: of both, one at least sees the other.
        let is_ours = || {
            self.shared
                .forget_partial(&self.full, &self.sender, &self.id)
                .and_then(|()| self.is_taken().map(|taken| !taken))
        };
        if !self.end() || is_ours().unwrap_or(false) {
            Multipart::known(&self.key, &self.id).abort(&self.shared.engine);
        }
    }

    /// Whether it is written down how far it has come.
    pub(super) fn is_recorded(&self) -> bool {
        self.state.lock().written.is_some()
    }

    /// Nothing more is written while it comes. Whether there is a record.
    fn end(&self) -> bool {
        let mut state = self.state.lock();
        state.over = true;
        state.written.is_some()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.shared.live.lock().remove(&self.id);
    }
}

impl Left {
    pub(super) fn partial(&self) -> Partial {
        let hasher = self.hasher(self.blocks.len());
        Partial { len: hasher.len(), hash: hasher.finalize() }
    }

    /// Of the first so many blocks.
    fn hasher(&self, count: usize) -> Hasher {
        Hasher::from_blocks(self.blocks.iter().take(count).map(|(_, hash)| *hash).collect())
    }

    /// The first bytes, so many as the sender has proven to have too; what comes behind them counts no more.
    pub(super) fn proven(
        self,
        shared: &Arc<Shared>,
        (full, sender): (&Spot, &str),
        (from, proven): (u64, Hash),
        path: &RelPath,
    ) -> Result<Taken> {
        let changed = || Error::new(Kind::Changed, format!("{path}: that is not what is left of the last upload"));
        let count = usize::try_from(from / limits::HASH_BLOCK).unwrap_or(usize::MAX);
        let hasher = self.hasher(count);
        if count == 0 || hasher.len() != from || hasher.finalize() != proven {
            return Err(changed());
        }
        let mut upload = Multipart::known(&shared.keys.file(full)?, &self.id);
        let blocks: Blocks = (1..).zip(self.blocks.into_iter().take(count)).collect();
        upload.parts = blocks.iter().map(|(number, (etag, _))| (*number, etag.clone())).collect();
        let progress = Progress::of(shared, (full, sender), &upload, &self.number, blocks)?.ok_or_else(changed)?;
        if !progress.take_over().map_err(|why| why.at(path))? {
            return Err(changed());
        }
        Ok(Taken { upload, number: self.number, hasher, progress })
    }
}

/// An upload that is gone on with.
pub(super) struct Taken {
    pub(super) upload: Multipart,
    pub(super) number: String,
    pub(super) hasher: Hasher,
    pub(super) progress: Arc<Progress>,
}

impl Shared {
    /// What is left of an upload to this path, by this sender, that nobody in this process sends.
    pub(super) fn left(&self, full: &Spot, sender: &str) -> Result<Option<Left>, Why> {
        let (record, key) = (self.keys.partial(full, sender), self.keys.file(full)?);
        let Some(written) = self.engine.read::<Written>(&record)? else { return Ok(None) };
        if written.key != key || written.ending || self.live.lock().contains(&written.id) {
            return Ok(None);
        }
        let there = match self.engine.parts(&key, &written.id) {
            Ok(there) => there,
            Err(Why::NoUpload | Why::Missing) => {
                // Nobody can go on with it.
                let _stays_of_no_use = self.forget_partial(full, sender, &written.id);
                return Ok(None);
            }
            Err(why) => return Err(why),
        };
        let mut blocks = Vec::new();
        for (number, block) in (1..).zip(written.blocks) {
            let is_there = there.get(&number).is_some_and(|(etag, size)| {
                etag.trim_matches('"') == block.etag.trim_matches('"') && *size == limits::HASH_BLOCK
            });
            let Some(hash) = block_of(&block.blake3).filter(|_| block.part == number && is_there) else { break };
            blocks.push((block.etag, hash));
        }
        let left = Left { id: written.id, number: written.upload, blocks };
        Ok(Some(left).filter(|left| !left.blocks.is_empty()))
    }

    /// Whether somebody has gone on with this upload lately.
    pub(super) fn is_gone_on_with(&self, full: &Spot, id: &str, age: i64) -> Result<bool, Why> {
        if self.live.lock().contains(id) {
            return Ok(true);
        }
        let mut goes_on = false;
        // Whose it is nobody knows.
        self.each_page(&self.keys.partials_of(full), |page| {
            for object in page.iter().filter(|object| object.age(self.engine.now()) <= age) {
                let written = self.engine.read::<Written>(&object.key)?;
                goes_on |= written.is_some_and(|written| written.id == id);
            }
            Ok(())
        })?;
        Ok(goes_on)
    }

    /// What is written of uploads that nobody went on with for so long goes, now and then: of some that is all there is.
    pub(super) fn sweep_partials(&self) -> Result<(), Why> {
        let before = self.swept.lock().replace(Instant::now());
        if before.is_some_and(|at| at.elapsed() < limits::SWEEP_PAUSE / 2) {
            *self.swept.lock() = before;
            return Ok(());
        }
        let most = i64::try_from(limits::PARTIAL_MAX_AGE.as_secs()).unwrap_or(i64::MAX);
        self.each_page(&self.keys.partials(), |page| {
            let old = page.iter().filter(|object| object.age(self.engine.now()) > most);
            old.into_iter().try_for_each(|object| self.engine.delete(&object.key, None))
        })
    }

    /// An upload is gone: so is what is written of it, and nothing that is of another one.
    pub(super) fn forget_partial(&self, full: &Spot, sender: &str, id: &str) -> Result<(), Why> {
        let record = self.keys.partial(full, sender);
        match self.engine.read::<Written>(&record)? {
            Some(written) if written.id == id => self.engine.delete(&record, None),
            _ => Ok(()),
        }
    }
}

fn block_of(text: &str) -> Option<BlockHash> {
    let digit = |at: usize| text.get(2 * at..2 * at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let bytes: Vec<u8> = (0..BlockHash::LEN).map_while(digit).collect();
    let bytes: [u8; BlockHash::LEN] = bytes.try_into().ok().filter(|_| text.len() == 2 * BlockHash::LEN)?;
    Some(BlockHash::from_bytes(&bytes))
}

impl Engine {
    /// What is written there of an upload.
    fn read<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Why> {
        match self.ask_all(&Call::of("GET", key)) {
            Ok((_, body)) => Ok(serde_json::from_slice(&body).ok()),
            Err(Why::Missing) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// The parts that the storage has of an upload: their ETags and sizes, by their numbers.
    fn parts(&self, key: &str, id: &str) -> Result<BTreeMap<u64, (String, u64)>, Why> {
        let (mut all, mut after) = (BTreeMap::new(), 0);
        loop {
            let mut call = Call::of("GET", key).asking("uploadId", id);
            if after > 0 {
                call = call.asking("part-number-marker", after.to_string());
            }
            let (_, body) = self.ask_all(&call)?;
            let said = Document::parse(&body, "ListPartsResult").map_err(|why| odd(&why))?;
            let parts = said.parts();
            let last = parts.iter().map(|(number, ..)| *number).max().unwrap_or(0);
            all.extend(parts.into_iter().map(|(number, etag, size)| (number, (etag, size))));
            match said.text("IsTruncated") {
                Some("true") if last > after && last < limits::ENGINE_PARTS => after = last,
                Some("true") => return Err(super::object::endless().into()),
                _ => return Ok(all),
            }
        }
    }
}
