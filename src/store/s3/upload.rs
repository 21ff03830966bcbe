//! A file on its way into a bucket: in one piece if it is small, else in parts, each a block of the hash.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use super::engine::{Call, Engine, Why, unavailable, unknown};
use super::names::Spot;
use super::object::{Object, odd};
use super::partial::{Begun, Blocks, Progress, Taken};
use super::parts::S3Staged;
use super::quota::Promise;
use super::shared::{Found, Looked, Shared};
use super::spool::Spool;
use super::xml::Document;
use crate::error::{Error, Kind, Result};
use crate::files::{
    FileMode, Hash, Hasher, Interrupted, Mtime, Overwrite, Prepared, PreparedSet, RelPath, Staged, Upload, UploadSpec,
};
use crate::limits;
use crate::machine::turns::block_in_place;
use crate::outgoing::Payload;
use crate::store::bounds::{Promised, Sum};

/// What a store has prepared.
pub(super) enum Change {
    File(Box<S3Upload>),
    /// There already; so many were made for it.
    Folder {
        made: u64,
    },
}

/// An upload in parts, as the storage knows it.
pub(super) struct Multipart {
    pub(super) key: String,
    pub(super) id: String,
    /// The ETags of what came, by the parts' numbers.
    pub(super) parts: BTreeMap<u64, String>,
}

/// These bytes as a body, with their SHA-256.
pub(super) fn whole(bytes: &'static str) -> (Payload, String) {
    (Payload::Bytes(bytes.into()), super::sign::sha256(bytes.as_bytes()))
}

impl Multipart {
    pub(super) fn create(engine: &Engine, key: &str, headers: Vec<(&'static str, String)>) -> Result<Multipart, Why> {
        let mut call = Call::of("POST", key).asking("uploads", "");
        call.headers = headers;
        let (_, body) = engine.ask_all(&call)?;
        let said = Document::parse(&body, "InitiateMultipartUploadResult").map_err(|why| odd(&why))?;
        let id = said.text("UploadId").filter(|id| !id.is_empty()).ok_or_else(|| odd("an upload without an id"))?;
        Ok(Multipart { key: key.to_owned(), id: id.to_owned(), parts: BTreeMap::new() })
    }

    /// One that was begun before.
    pub(super) fn known(key: &str, id: &str) -> Multipart {
        Multipart { key: key.to_owned(), id: id.to_owned(), parts: BTreeMap::new() }
    }

    /// Another handle on the same upload, for a part of it.
    pub(super) fn handle(&self) -> Multipart {
        Multipart::known(&self.key, &self.id)
    }

    pub(super) fn send(&mut self, engine: &Engine, number: u64, body: (Payload, String)) -> Result<(), Why> {
        let mut call =
            Call::of("PUT", &self.key).asking("partNumber", number.to_string()).asking("uploadId", self.id.clone());
        (call.body, call.sha256) = body;
        let (told, _) = engine.ask_all(&call)?;
        self.parts.insert(number, told.etag.ok_or_else(|| odd("a part without an ETag"))?);
        Ok(())
    }

    /// Has the storage copy these bytes of an object of this ETag as a part.
    pub(super) fn copy(
        &mut self,
        engine: &Engine,
        number: u64,
        (from, etag): (&str, &str),
        range: Option<(u64, u64)>,
    ) -> Result<(), Why> {
        let source = format!("/{}/{}", super::names::encode(&engine.bucket, false), super::names::encode(from, true));
        let mut call = Call::of("PUT", &self.key)
            .asking("partNumber", number.to_string())
            .asking("uploadId", self.id.clone())
            .with("x-amz-copy-source", source)
            .with("x-amz-copy-source-if-match", etag);
        call.is_assembled = true;
        call.headers.extend(
            range.map(|(from, to)| ("x-amz-copy-source-range", format!("bytes={from}-{}", to.saturating_sub(1)))),
        );
        let (_, body) = engine.ask_all(&call)?;
        let said = Document::parse(&body, "CopyPartResult").map_err(|why| odd(&why))?;
        let etag = said.text("ETag").ok_or_else(|| odd("a part without an ETag"))?;
        self.parts.insert(number, etag.to_owned());
        Ok(())
    }

    /// Makes an object of the parts. [`Why::is_unavailable`] if nobody knows what became of that; [`Why::NoUpload`] if it was done before,
    /// or given up.
    pub(super) fn complete(&self, engine: &Engine, condition: Vec<(&'static str, String)>) -> Result<(), Why> {
        let mut text = String::from("<CompleteMultipartUpload>");
        for (number, etag) in &self.parts {
            let etag = etag.replace('&', "&amp;").replace('<', "&lt;");
            text.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
        }
        text.push_str("</CompleteMultipartUpload>");
        let mut call = Call::of("POST", &self.key).asking("uploadId", self.id.clone()).sending(text);
        (call.headers, call.is_assembled) = (condition, true);
        // All of it has come.
        call.in_any_case = true;
        // Whatever is said to a later attempt: the first one may be done yet.
        let is_unknown = |why: &Why| call.is_in_doubt() && !why.is_unavailable();
        let told = engine.ask_all(&call).map_err(|why| if is_unknown(&why) { unknown() } else { why });
        let (_, body) = told?;
        Document::parse(&body, "CompleteMultipartUploadResult").map(drop).map_err(|why| odd(&why).into())
    }

    /// Gives it up, as far as the storage can be told: what is left there goes after some days. Whether there was anything;
    /// [`Why::is_unavailable`] if nobody knows what became of that.
    pub(super) fn abort(&self, engine: &Engine) -> Result<bool, Why> {
        if engine.is_silent() {
            return Err(unavailable("the storage does not answer").into());
        }
        let call = Call::of("DELETE", &self.key).asking("uploadId", self.id.clone());
        match engine.ask_all(&call) {
            Ok(_) => Ok(true),
            Err(Why::NoUpload | Why::Missing) => Ok(false),
            Err(why) if call.is_in_doubt() && !why.is_unavailable() => Err(unknown()),
            Err(why) => Err(why),
        }
    }

    /// Whether the storage has it, and nobody has ended it.
    pub(super) fn is_there(&self, engine: &Engine) -> Result<bool, Why> {
        let call = Call::of("GET", &self.key).asking("uploadId", self.id.clone()).asking("max-parts", "1");
        match engine.ask_all(&call) {
            Ok(_) => Ok(true),
            Err(Why::NoUpload | Why::Missing) => Ok(false),
            Err(why) => Err(why),
        }
    }
}

/// Bytes on their way to a name.
pub(super) struct S3Upload {
    pub(super) shared: Arc<Shared>,
    pub(super) prepared: PreparedSet<Change>,
    /// From the beginning of all homes.
    pub(super) full: Spot,
    /// As its user knows it.
    pub(super) path: RelPath,
    pub(super) home: Spot,
    /// Who sends it, as its store says.
    sender: String,
    pub(super) spec: UploadSpec,
    /// Told from every other upload by it.
    pub(super) number: String,
    pub(super) hasher: Hasher,
    pub(super) spool: Option<Spool>,
    /// None: nothing was sent yet.
    pub(super) parts: Option<Multipart>,
    /// What is written down of it, where somebody may go on with it.
    pub(super) progress: Option<Arc<Progress>>,
    /// Room for its bytes, where that is bounded.
    pub(super) promise: Option<Promise>,
    /// Parts on their way, while the next one gathers.
    under_way: VecDeque<JoinHandle<Result<BTreeMap<u64, String>, Why>>>,
    /// When the folder that it goes into was looked at.
    pub(super) looked: Looked,
    /// Something went wrong, and it may hold less than was hashed.
    pub(super) broken: bool,
}

impl S3Upload {
    pub(super) fn new(
        shared: &Arc<Shared>,
        prepared: PreparedSet<Change>,
        (home, path, sender): (&Spot, &RelPath, &str),
        spec: UploadSpec,
    ) -> Result<S3Upload> {
        Ok(S3Upload {
            shared: shared.clone(),
            prepared,
            full: super::shared::full(home, path),
            path: path.clone(),
            home: home.clone(),
            sender: sender.to_owned(),
            spec,
            number: super::shared::a_number()?,
            hasher: Hasher::new(),
            spool: Some(Spool::new(&shared.spool)),
            parts: None,
            progress: None,
            promise: None,
            under_way: VecDeque::new(),
            looked: shared.begins_to_look(),
            broken: false,
        })
    }

    /// Looks at the folder again that it goes into, if that is some time ago or something has gone since: one that has become a file
    /// meanwhile would hide it. One that is gone comes back with the file.
    pub(super) fn check_folder(&self) -> Result<()> {
        if self.shared.is_lately(self.looked) {
            return Ok(());
        }
        match self.shared.check_parent(&self.home, &self.path) {
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            checked => checked,
        }
    }

    /// Sends what has gathered as the part of this number.
    pub(super) fn send_part(&mut self, number: u64) -> Result<()> {
        let Some(spool) = self.spool.replace(Spool::new(&self.shared.spool)) else { return Ok(()) };
        if let Some(promise) = &self.promise {
            promise.freshen();
        }
        let mut handle = self.in_parts()?.handle();
        self.wait(limits::ENGINE_PARTS_AHEAD)?;
        let hash =
            usize::try_from(number).ok().and_then(|number| self.hasher.blocks().get(number.checked_sub(1)?).copied());
        let (shared, progress, body) = (self.shared.clone(), self.progress.clone(), spool.finish());
        let send = move || {
            handle.send(&shared.engine, number, body)?;
            if let (Some(progress), Some(etag), Some(hash)) = (progress, handle.parts.get(&number), hash) {
                progress.note(number, etag, hash);
            }
            Ok(handle.parts)
        };
        let sending = thread::Builder::new().spawn(send).map_err(|err| Error::file("a thread to send a part", err))?;
        self.under_way.push_back(sending);
        Ok(())
    }

    /// Waits until so many parts at most are on their way.
    pub(super) fn wait(&mut self, most: usize) -> Result<()> {
        while self.under_way.len() > most {
            let Some(sending) = self.under_way.pop_front() else { break };
            let panicked = |_| Error::new(Kind::Internal, self.path.said("sending a part has panicked"));
            let sent = block_in_place(|| sending.join()).map_err(panicked)?;
            let mut sent = sent.map_err(|why| why.at(&self.path))?;
            if let Some(parts) = &mut self.parts {
                parts.parts.append(&mut sent);
            }
        }
        Ok(())
    }

    /// What comes is the rest of this one.
    pub(super) fn go_on_with(&mut self, taken: Taken) {
        let Taken { upload, begun, hasher, progress } = taken;
        (self.parts, self.number, self.hasher, self.progress) = (Some(upload), begun.number, hasher, Some(progress));
    }

    /// Refuses to go on with what was begun with another mode, as if it were not there: where nothing else comes to be recorded the file
    /// would be open to more than it may be by now.
    pub(super) fn check_begun(&self, begun: &Begun) -> Result<()> {
        let mode = self.mode_now()?;
        match begun.mode.is_some_and(|begun| begun.bits() & !mode.bits() == 0) {
            true => Ok(()),
            false => {
                let text = self.path.said("what is left of the last upload is open to more than the file is");
                Err(Error::new(Kind::Changed, text))
            }
        }
    }

    /// The mode that it has if it takes its place now.
    fn mode_now(&self) -> Result<FileMode> {
        Ok(match self.shared.look(&self.full, &self.path)? {
            Found::File(old) => self.mode_over(&old),
            Found::Folder | Found::Nothing => super::commit::new_mode(self.spec.mode, self.spec.umask),
        })
    }

    /// Leaves the whole blocks for somebody who goes on with them; how many bytes.
    pub(super) fn keep_blocks(&mut self) -> Result<u64> {
        if self.spec.interrupted == Interrupted::Dropped {
            return Ok(0);
        }
        let in_vain = &self.shared.keeps_in_vain;
        if in_vain.load(Ordering::Relaxed) && self.shared.engine.is_silent() {
            // Many may be kept one after the other, and each would wait for an answer. All is as it was recorded.
            self.progress.iter().for_each(|progress| progress.step_back());
            self.let_go();
            return Err(unavailable(self.path.said("the storage does not answer")));
        }
        if !self.broken && self.spool.as_ref().is_some_and(|spool| spool.len() == limits::HASH_BLOCK) {
            self.send_part(self.hasher.len() / limits::HASH_BLOCK)?;
        }
        // One that fails is a gap.
        while !self.under_way.is_empty() {
            let _is_noted_if_it_came = self.wait(self.under_way.len() - 1);
        }
        let Some(progress) = &self.progress else { return Ok(0) };
        let kept = progress.keep();
        self.shared.keeps_in_vain.store(kept.as_ref().is_err_and(Why::is_unavailable), Ordering::Relaxed);
        // What is not known to be written down now is as it was recorded before.
        if *kept.as_ref().unwrap_or(&0) > 0 || kept.is_err() && progress.is_recorded() {
            self.let_go();
        }
        kept.map_err(|why| why.at(&self.path))
    }

    /// From here on it is neither given up nor done: both would take away what somebody may go on with.
    pub(super) fn let_go(&mut self) {
        self.progress = None;
        self.parts = None;
    }

    /// The upload in parts, begun if it is not.
    pub(super) fn in_parts(&mut self) -> Result<&Multipart> {
        self.check_in_parts()?;
        if self.parts.is_none() {
            // The record says more, if it can be written: without it the file is open to no more than the one it replaces.
            let mode = Some(self.mode_now()?);
            let kept = super::object::Kept { mtime: Some(self.mtime()), mode, ..Default::default() };
            let key = self.shared.keys.file(&self.full)?;
            let begun = Multipart::create(&self.shared.engine, &key, kept.headers(&self.number));
            let begun = begun.map_err(|why| why.at(&self.path))?;
            if self.spec.interrupted == Interrupted::Kept {
                let place = (&self.full, self.sender.as_str());
                let known = Begun { number: self.number.clone(), mode };
                self.progress = Progress::of(&self.shared, place, &begun, known, Blocks::new())?;
            }
            self.parts = Some(begun);
        }
        self.parts.as_ref().ok_or_else(|| Error::new(Kind::Internal, "an upload that was begun is not there"))
    }

    /// Refuses what cannot be done in parts.
    pub(super) fn check_in_parts(&self) -> Result<()> {
        if self.spec.overwrite == Overwrite::Numbered {
            let text = self.path.said("files of more than 16 MiB are not put in under a free name in this storage");
            return Err(Error::new(Kind::Unsupported, text));
        }
        self.shared.refuse_condition(&self.spec, true, &self.path)
    }

    /// The mode of what takes the place of this.
    pub(super) fn mode_over(&self, old: &Object) -> FileMode {
        let mode = old.meta().mode;
        self.spec.mode.map_or(mode, |source| source.over(mode))
    }

    pub(super) fn mtime(&self) -> Mtime {
        self.spec.mtime.unwrap_or_else(|| Mtime::from(std::time::SystemTime::now()))
    }

    fn try_append(&mut self, mut bytes: &[u8]) -> Result<()> {
        let len = self.len().saturating_add(bytes.len() as u64);
        if let Some(size) = self.spec.size.filter(|size| len > *size) {
            let text = self.path.said(format_args!("more than the {size} bytes that were announced"));
            return Err(Error::new(Kind::Integrity, text));
        }
        check_size(len, &self.path)?;
        if let Some(promise) = &mut self.promise {
            promise.raise(&self.path, Sum::file(len))?;
        }
        while !bytes.is_empty() {
            let there = self.spool.as_ref().map_or(0, Spool::len);
            if there == limits::HASH_BLOCK {
                self.send_part(self.hasher.len() / limits::HASH_BLOCK)?;
                continue;
            }
            let room = usize::try_from(limits::HASH_BLOCK - there).unwrap_or(usize::MAX);
            let (some, rest) = bytes.split_at(room.min(bytes.len()));
            if let Some(spool) = &mut self.spool {
                spool.append(some)?;
            }
            self.hasher.update(some);
            bytes = rest;
        }
        Ok(())
    }
}

/// Refuses what has more parts than an upload can have.
pub(super) fn check_size(size: u64, path: &RelPath) -> Result<()> {
    if size > limits::ENGINE_PARTS * limits::HASH_BLOCK {
        let text = path.said("files of more than 156 GiB are not kept in this storage");
        return Err(Error::new(Kind::Unsupported, text));
    }
    Ok(())
}

impl Drop for S3Upload {
    fn drop(&mut self) {
        // What comes after the end of an upload would stay in the storage, and nobody would know of it.
        for sending in self.under_way.drain(..) {
            drop(block_in_place(|| sending.join()));
        }
        match (self.parts.take(), self.progress.take()) {
            (Some(_), Some(progress)) => progress.give_up(),
            (Some(parts), None) => drop(parts.abort(&self.shared.engine)),
            (None, Some(progress)) => progress.done(),
            (None, None) => {}
        }
    }
}

impl Upload for S3Upload {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let done = if self.broken {
            Err(Error::new(Kind::Io, self.path.said("a write failed before")))
        } else {
            self.try_append(bytes)
        };
        self.broken |= done.is_err();
        done
    }

    fn len(&self) -> u64 {
        self.hasher.len()
    }

    fn hash(&self) -> Hash {
        self.hasher.finalize()
    }

    fn keep(mut self: Box<Self>) -> u64 {
        self.keep_blocks().unwrap_or_else(|error| {
            tracing::warn!(path = %self.full, %error, "what came of an upload is not kept");
            0
        })
    }

    fn rest(&mut self) {
        let came = self.len();
        if let Some(promise) = &mut self.promise {
            promise.rest(came);
        }
    }

    fn claim_room(&mut self) -> Result<()> {
        let (announced, came) = (self.spec.size, self.len());
        self.promise.as_mut().map_or(Ok(()), |promise| promise.claim_rest(&self.path, announced, came))
    }

    fn refuse_overwrite(&mut self) {
        if self.spec.overwrite == Overwrite::Allowed {
            self.spec.overwrite = Overwrite::Refused;
        }
    }

    fn into_parts(self: Box<Self>) -> Result<Box<dyn Staged>> {
        Ok(Box::new(S3Staged::over(*self)?))
    }

    fn prepare(self: Box<Self>) -> Prepared {
        let prepared = self.prepared.clone();
        prepared.add(Change::File(self))
    }
}
