//! What can be gone on with of an upload in parts that broke off, at whatever server.
//!
//! While such an upload comes, a record of it is kept in the bucket: the storage's name for it, and of each part that the storage has
//! the ETag and the BLAKE3 of its bytes. Whoever goes on with it has the storage list what it has: a part counts if it has the ETag and
//! the size that were recorded, so that its hash is known and nobody reads it again.
//!
//! Who has an upload, and may complete it or give it up, the record does not say: several may write it, and a storage may carry out late
//! what somebody wrote who has it no more. `holders` decides that. The record says what is there to go on with, and what it says is
//! compared with what the storage has.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::engine::{Call, Engine, Why, unknown};
use super::holders::{Gone, Holder, Of};
use super::names::Spot;
use super::object::odd;
use super::shared::Shared;
use super::sign::digits;
use super::upload::Multipart;
use super::xml::{Document, ListedPart};
use crate::error::{Error, Kind, Result};
use crate::files::hash::BlockHash;
use crate::files::{FileMode, Hash, Hasher, Partial, RelPath};
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
    /// Who sends, and by what ticket.
    owner: String,
    #[serde(default)]
    ticket: u32,
    /// Nobody sends any more.
    kept: bool,
    /// That of the file, where nothing else is recorded of it.
    #[serde(default)]
    mode: Option<String>,
    blocks: Vec<WrittenBlock>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenBlock {
    part: u64,
    etag: String,
    blake3: String,
}

/// What becomes of an upload, as its record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Sent,
    Kept,
}

/// What was said of an upload when it was begun.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    /// What it says to be from.
    pub(super) number: String,
    /// The mode of its file, where nothing else is recorded of it.
    pub(super) mode: Option<FileMode>,
}

/// What is left of an upload.
pub(super) struct Left {
    id: String,
    /// By what ticket somebody had it when that was written.
    ticket: u32,
    pub(super) begun: Begun,
    /// From the first on, without a gap.
    blocks: Vec<(String, BlockHash)>,
}

/// An upload that is written down while it comes.
pub(super) struct Progress {
    shared: Arc<Shared>,
    full: Spot,
    /// The record's key.
    record: String,
    holder: Holder,
    key: String,
    id: String,
    begun: Begun,
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
        begun: Begun,
        blocks: Blocks,
    ) -> Result<Option<Arc<Progress>>> {
        let holder = Holder::new(shared, full, &upload.id)?;
        if !shared.live.lock().insert(upload.id.clone()) {
            return Ok(None);
        }
        Ok(Some(Arc::new(Progress {
            shared: shared.clone(),
            full: full.clone(),
            record: shared.keys.partial(full, sender),
            holder,
            key: upload.key.clone(),
            id: upload.id.clone(),
            begun,
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
            // Whoever sends slowly looks, and says that somebody sends it, all the same.
            let is_due = |written: usize| len > written + written / 16 || self.holder.is_look_due();
            if state.over || len < limits::ENGINE_RECORDED || !written.is_none_or(is_due) {
                return;
            }
            state.written = Some(len);
            written.is_none()
        };
        let written = match is_first {
            true => {
                self.replace_older();
                self.holder.begins();
                self.write(Stage::Sent)
            }
            // Whoever has it now says how far it has come.
            false => self.holder.is_superseded().and_then(|lost| if lost { Ok(()) } else { self.write(Stage::Sent) }),
        };
        if let Err(why) = written {
            // The upload itself is none the worse.
            tracing::debug!(error = %why.at("an upload"), "how far an upload has come is not recorded");
        }
    }

    /// Writes down what is known by now. The younger record is the later one, and what is over stays so. Where that fails it is not
    /// written, unless [`Why::is_unavailable`].
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
            upload: self.begun.number.clone(),
            owner: self.holder.owner.clone(),
            ticket: self.holder.ticket(),
            kept: stage == Stage::Kept,
            mode: self.begun.mode.map(|mode| mode.to_string()),
            blocks: blocks.iter().map(block).collect(),
        };
        let text = serde_json::to_vec(&written).map_err(|err| odd(&err.to_string()))?;
        let call = Call::of("PUT", &self.record).sending(text);
        let is_unknown = |why: &Why| call.is_in_doubt() && !why.is_unavailable();
        self.shared.engine.ask_all(&call).map(drop).map_err(|why| if is_unknown(&why) { unknown() } else { why })
    }

    /// An older upload of the same name that nobody sends any more goes: one alone is kept.
    fn replace_older(&self) {
        if let Ok(Some(older)) = self.shared.engine.read::<Written>(&self.record)
            && older.kept
            && older.id != self.id
            && older.key == self.key
            && let Ok(holder) = Holder::new(&self.shared, &self.full, &older.id)
            // Else somebody has gone on with it, and whoever kept it did not know.
            && let Ok(Some(_)) = holder.claim_left((older.ticket, &older.owner))
        {
            let _goes_when_it_is_old = holder.gives_up_claimed(&Multipart::known(&older.key, &older.id));
        }
    }

    /// Takes it over. Whether that is done: not if somebody is about to complete it, or takes it over at this moment, too, or the storage
    /// has no longer what it had of it.
    fn take_over(&self, written: u32) -> Result<bool, Why> {
        let Some(superseded) = self.holder.claim(written)? else { return Ok(false) };
        let blocks = self.state.lock().blocks.clone();
        let taken = self.shared.engine.parts(&self.key, &self.id).and_then(|there| {
            let is_there = |(number, (etag, _)): (&u64, &(String, BlockHash))| is_part(&there, *number, etag);
            let is_all_there = blocks.iter().all(is_there);
            if is_all_there {
                self.state.lock().written = Some(blocks.len());
                self.write(Stage::Sent)?;
            }
            Ok(is_all_there)
        });
        match taken.as_ref().is_ok_and(|taken| *taken) {
            true => superseded.iter().for_each(|key| drop(self.shared.engine.delete(key, None))),
            false => self.holder.unclaim(),
        }
        match taken {
            Err(Why::NoUpload | Why::Missing) => Ok(false),
            taken => taken,
        }
    }

    /// It is about to become a file.
    ///
    /// # Errors
    /// [`Kind::Aborted`] if somebody else goes on with it.
    pub(super) fn begin_end(&self, path: &RelPath) -> Result<()> {
        // One that is not recorded nobody can have found.
        if !self.end() || self.holder.end().map_err(|why| why.at(path))? {
            return Ok(());
        }
        Err(Error::new(Kind::Aborted, path.said("somebody goes on with this upload at another server")))
    }

    /// Nobody sends it any more, and somebody may go on with it. Bytes from the beginning that are there for that; none if somebody
    /// else goes on with it already.
    pub(super) fn keep(&self) -> Result<u64, Why> {
        let kept = self.try_keep();
        if !matches!(kept, Ok(0)) {
            // The storage was asked for nothing that could make a file of it.
            self.step_back();
        }
        kept
    }

    /// It was about to be ended, and is not: somebody may go on with it.
    pub(super) fn step_back(&self) {
        self.holder.take_end_back();
    }

    fn try_keep(&self) -> Result<u64, Why> {
        let is_recorded = self.end();
        let blocks = self.state.lock().blocks.clone();
        let whole = (1..).zip(&blocks).take_while(|(number, (at, _))| number == *at).count() as u64;
        if whole == 0 || is_recorded && self.holder.gives_way()? {
            return Ok(0);
        }
        if !is_recorded {
            self.replace_older();
            self.state.lock().written = Some(blocks.len());
        }
        let written = self.write(Stage::Kept);
        if !is_recorded && written.as_ref().is_err_and(|why| !why.is_unavailable()) {
            // For certain nobody can find it.
            self.state.lock().written = None;
        }
        written.map(|()| whole * limits::HASH_BLOCK)
    }

    /// It has become a file: nothing is left of it.
    pub(super) fn done(&self) {
        if self.end() {
            let _stays_of_no_use = self.forget();
            self.holder.take_end_back();
        }
    }

    /// It is given up, unless somebody else has gone on with it, or may have: then it goes when it is old.
    pub(super) fn give_up(&self) {
        let upload = Multipart::known(&self.key, &self.id);
        if !self.end() {
            let _goes_when_it_is_old = upload.abort(&self.shared.engine);
        } else if self.holder.gives_up(&upload) == Gone::Yes {
            let _goes_when_it_is_old = self.forget();
        }
    }

    /// What is written of it goes, and nothing that somebody else has written.
    fn forget(&self) -> Result<(), Why> {
        let is_ours = |written: &Written| written.id == self.id && written.owner == self.holder.owner;
        self.shared.forget_partial(&self.record, is_ours)
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
        let changed = || Error::new(Kind::Changed, path.said("that is not what is left of the last upload"));
        let count = usize::try_from(from / limits::HASH_BLOCK).unwrap_or(usize::MAX);
        let hasher = self.hasher(count);
        if count == 0 || hasher.len() != from || hasher.finalize() != proven {
            return Err(changed());
        }
        let mut upload = Multipart::known(&shared.keys.file(full)?, &self.id);
        let blocks: Blocks = (1..).zip(self.blocks.into_iter().take(count)).collect();
        upload.parts = blocks.iter().map(|(number, (etag, _))| (*number, etag.clone())).collect();
        let begun = self.begun.clone();
        let progress = Progress::of(shared, (full, sender), &upload, begun, blocks)?.ok_or_else(changed)?;
        if !progress.take_over(self.ticket).map_err(|why| why.at(path))? {
            return Err(changed());
        }
        Ok(Taken { upload, begun: self.begun, hasher, progress })
    }
}

/// An upload that is gone on with.
pub(super) struct Taken {
    pub(super) upload: Multipart,
    pub(super) begun: Begun,
    pub(super) hasher: Hasher,
    pub(super) progress: Arc<Progress>,
}

impl Shared {
    /// What is left of an upload to this path, by this sender, that nobody in this process sends.
    pub(super) fn left(&self, full: &Spot, sender: &str) -> Result<Option<Left>, Why> {
        let (record, key) = (self.keys.partial(full, sender), self.keys.file(full)?);
        let Some(written) = self.engine.read::<Written>(&record)? else { return Ok(None) };
        if written.key != key || self.live.lock().contains(&written.id) || self.is_ending(full, &written.id)? {
            return Ok(None);
        }
        let there = match self.engine.parts(&key, &written.id) {
            Ok(there) => there,
            Err(Why::NoUpload | Why::Missing) => {
                // Nobody can go on with it.
                let _stays_of_no_use = self.forget_partial(&record, |now| now.id == written.id);
                return Ok(None);
            }
            Err(why) => return Err(why),
        };
        let mut blocks = Vec::new();
        for (number, block) in (1..).zip(written.blocks) {
            let is_there = is_part(&there, number, &block.etag);
            let Some(hash) = block_of(&block.blake3).filter(|_| block.part == number && is_there) else { break };
            blocks.push((block.etag, hash));
        }
        let begun = Begun { number: written.upload, mode: written.mode.and_then(|mode| mode.parse().ok()) };
        let left = Left { id: written.id, ticket: written.ticket, begun, blocks };
        Ok(Some(left).filter(|left| !left.blocks.is_empty()))
    }

    /// What is written there goes if it is that, and nobody has written something else since it was read, where the storage heeds that.
    fn forget_partial(&self, record: &str, is_it: impl Fn(&Written) -> bool) -> Result<(), Why> {
        match self.engine.read_told::<Written>(record)? {
            Some((written, etag)) if is_it(&written) => self.forget_record(record, etag.as_deref()),
            _ => Ok(()),
        }
    }

    /// Which upload this is written of; none of what an earlier version wrote of who has one.
    pub(super) fn written_of(&self, key: &str) -> Result<Option<Of>, Why> {
        self.engine.read(key)
    }
}

/// Whether the storage has this block as that part.
fn is_part(there: &BTreeMap<u64, ListedPart>, number: u64, etag: &str) -> bool {
    let is_it =
        |part: &ListedPart| part.etag.trim_matches('"') == etag.trim_matches('"') && part.size == limits::HASH_BLOCK;
    there.get(&number).is_some_and(is_it)
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
        Ok(self.read_told(key)?.map(|(read, _)| read))
    }

    /// What is written there of an upload, with its ETag.
    fn read_told<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<(T, Option<String>)>, Why> {
        match self.ask_all(&Call::of("GET", key)) {
            Ok((told, body)) => Ok(serde_json::from_slice(&body).ok().map(|read| (read, told.etag))),
            Err(Why::Missing) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// The parts that the storage has of an upload, by their numbers.
    pub(super) fn parts(&self, key: &str, id: &str) -> Result<BTreeMap<u64, ListedPart>, Why> {
        let (mut all, mut after) = (BTreeMap::new(), 0);
        loop {
            let mut call = Call::of("GET", key).asking("uploadId", id);
            if after > 0 {
                call = call.asking("part-number-marker", after.to_string());
            }
            let (_, body) = self.ask_all(&call)?;
            let said = Document::parse(&body, "ListPartsResult").map_err(|why| odd(&why))?;
            let parts = said.parts();
            let last = parts.iter().map(|(number, _)| *number).max().unwrap_or(0);
            all.extend(parts);
            match said.text("IsTruncated") {
                Some("true") if last > after && last < limits::ENGINE_PARTS => after = last,
                Some("true") => return Err(super::object::endless().into()),
                _ => return Ok(all),
            }
        }
    }
}
