//! What a storage knows of an object, and what we keep with it.
//!
//! A file below [`limits::RECORD_MIN`] has its hash, time and mode in its metadata, which come with every answer. Of a larger one they
//! are in a record beside, since the hash is known when its last part has come and metadata is fixed before the first, and since they
//! can be changed there without sending the bytes again. A record counts for the one object that it was written for: its ETag, its
//! size, and the number that whoever stored it chose for that upload alone.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::engine::{Call, Engine, Why};
use super::health::Outcome;
use super::xml::{Document, Listed, Page};
use crate::error::Error;
use crate::files::{EntryKind, FileIdentity, FileMode, Hash, Meta, Mtime, Record, Rot};
use crate::limits;
use crate::outgoing::{Answer, Payload};

/// The names of what is kept in metadata. `mtime` is also what rclone reads and writes.
const HASH: &str = "x-amz-meta-sealift-blake3";
const MODE: &str = "x-amz-meta-sealift-mode";
const NUMBER: &str = "x-amz-meta-sealift-upload";
const MTIME: &str = "x-amz-meta-mtime";

/// A file as it is in the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) size: u64,
    pub(super) etag: String,
    /// When the storage got it.
    pub(super) modified: Mtime,
    /// Which upload it is from; empty: not one of ours.
    pub(super) number: String,
    pub(super) kept: Kept,
}

/// What is known of a file beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Kept {
    pub(super) hash: Option<Hash>,
    pub(super) mtime: Option<Mtime>,
    pub(super) mode: Option<FileMode>,
    /// What somebody has found its bytes to be, who read all of them.
    pub(super) rotten: Option<Hash>,
}

/// What is kept with an object, as it is written beside.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    etag: String,
    size: u64,
    upload: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    blake3: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotten: Option<String>,
}

impl Object {
    fn of(answer: &Answer, size: u64) -> Object {
        let text = |name| answer.header(name).unwrap_or_default();
        let modified = httpdate::parse_http_date(text("last-modified")).ok();
        Object {
            size,
            etag: text("etag").to_owned(),
            modified: modified.map(Mtime::from).unwrap_or_default(),
            number: text(NUMBER).to_owned(),
            kept: Kept {
                hash: text(HASH).parse().ok(),
                mtime: text(MTIME).parse().ok(),
                mode: text(MODE).parse().ok(),
                rotten: None,
            },
        }
    }

    /// What a folder shows of it.
    pub(super) fn meta(&self) -> Meta {
        let mode = self.kept.mode.unwrap_or(FileMode::of(limits::SERVED_FILE_MODE));
        Meta { kind: EntryKind::File, size: self.size, mtime: self.kept.mtime.unwrap_or(self.modified), mode }
    }

    /// What listings of the storage tell it by, too. Its number is not in them.
    pub(super) fn identity(&self) -> FileIdentity {
        FileIdentity::of(self.etag.as_bytes())
    }

    /// Whether more is written beside it, or may be.
    pub(super) fn has_record(&self) -> bool {
        self.size >= limits::RECORD_MIN
    }

    /// What is recorded of its bytes.
    pub(super) fn record(&self) -> Option<Record> {
        let recorded = self.kept.hash.filter(|_| self.has_record())?;
        Some(match self.kept.rotten {
            Some(found) => Record::Rotten(Rot { recorded, found }),
            None => Record::Sound(recorded),
        })
    }
}

impl Kept {
    /// As headers of what is stored with it.
    pub(super) fn headers(&self, number: &str) -> Vec<(&'static str, String)> {
        let mut headers = vec![(NUMBER, number.to_owned())];
        headers.extend(self.hash.map(|hash| (HASH, hash.to_string())));
        headers.extend(self.mtime.map(|mtime| (MTIME, mtime.to_string())));
        headers.extend(self.mode.map(|mode| (MODE, mode.to_string())));
        headers
    }
}

/// An answer with the beginning of a file.
pub(super) struct Beginning {
    pub(super) object: Object,
    pub(super) bytes: Vec<u8>,
}

impl Engine {
    /// What is known of an object; nothing of what is written beside it.
    pub(super) fn head(&self, key: &str) -> Result<Object, Why> {
        self.head_by(&Call::of("HEAD", key))
    }

    /// What is known of an object after a change whose answer was lost.
    pub(super) fn look_up(&self, key: &str) -> Result<Object, Why> {
        self.head_by(&Call { in_any_case: true, ..Call::of("HEAD", key) })
    }

    fn head_by(&self, call: &Call<'_>) -> Result<Object, Why> {
        let answer = self.ask(call)?;
        let size = answer.header("content-length").and_then(|length| length.parse().ok());
        let object = Object::of(&answer, size.ok_or_else(|| odd("it does not say how long an object is"))?);
        // Nothing comes, and the connection can be used again.
        let _nothing = answer.read_all(0, self.body_time());
        self.health.answered();
        Ok(object)
    }

    /// An object's first bytes, so many at most, and what is known of it.
    pub(super) fn beginning(&self, key: &str, most: u64) -> Result<Beginning, Why> {
        let call = Call::of("GET", key).with("range", format!("bytes=0-{}", most.saturating_sub(1)));
        let due = Instant::now() + self.body_time();
        for _ in 0..limits::ENGINE_LIST_TRIES {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let mut answer = match self.ask(&call) {
                Ok(answer) => answer,
                // Of an object without bytes there is no first one.
                Err(Why::Range) => return self.head(key).map(|object| Beginning { object, bytes: Vec::new() }),
                Err(why) => return Err(why),
            };
            let all = match answer.header("content-range") {
                Some(range) => range.rsplit('/').next().and_then(|size| size.parse().ok()),
                None => answer.header("content-length").and_then(|length| length.parse().ok()),
            };
            let object = Object::of(&answer, all.ok_or_else(|| odd("it does not say how long an object is"))?);
            // No more than was asked for, whatever comes.
            let mut bytes = vec![0; usize::try_from(object.size.min(most)).unwrap_or(0)];
            answer.wait_at_most(left);
            let mut at = 0;
            while let Some(room) = bytes.get_mut(at..).filter(|room| !room.is_empty()) {
                match answer.read(room) {
                    Ok(n) if n > 0 => at += n,
                    Ok(_) | Err(_) => break,
                }
            }
            if at == bytes.len() {
                // To its end, if that is here, and the connection can be used again.
                let _nothing_more = if object.size <= most { answer.read(&mut [0]) } else { Ok(0) };
                self.health.answered();
                return Ok(Beginning { object, bytes });
            }
            self.health.count(&call, Outcome::Broken, None);
        }
        Err(super::engine::unavailable("the storage does not give all of a file").into())
    }

    /// The bytes of this very object from an offset on.
    pub(super) fn stream(&self, key: &str, etag: &str, from: u64, to: u64) -> Result<Answer, Why> {
        let call = Call::of("GET", key).with("range", format!("bytes={from}-{}", to.saturating_sub(1)));
        let answer = self.ask(&call.with("if-match", etag))?;
        // Some take the condition and do not heed it.
        if answer.header("etag") != Some(etag) {
            return Err(Why::Condition);
        }
        let is_range = answer.header("content-range").is_some_and(|range| range.starts_with(&format!("bytes {from}-")));
        match is_range || from == 0 {
            true => Ok(answer),
            false => Err(odd("it gives other bytes of a file than it was asked for").into()),
        }
    }

    /// Stores an object in one piece; its ETag.
    pub(super) fn put(
        &self,
        key: &str,
        (body, sha256): (Payload, String),
        headers: Vec<(&'static str, String)>,
    ) -> Result<String, Why> {
        self.put_by(Call { body, sha256, headers, ..Call::of("PUT", key) })
    }

    fn put_by(&self, call: Call<'_>) -> Result<String, Why> {
        let (told, _) = self.ask_all(&call)?;
        told.etag.ok_or_else(|| odd("it does not say the ETag of what it has stored").into())
    }

    /// Removes an object, or nothing if there is none; only that of this ETag, if one is said: then an answer that was lost is looked up.
    pub(super) fn delete(&self, key: &str, etag: Option<&str>) -> Result<(), Why> {
        let mut call = Call::of("DELETE", key);
        call.headers.extend(etag.map(|etag| ("if-match", etag.to_owned())));
        match self.ask_all(&call) {
            Ok(_) | Err(Why::Missing) => Ok(()),
            Err(_) if etag.is_some() && call.is_in_doubt() && matches!(self.look_up(key), Err(Why::Missing)) => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// One page of what begins with this; with what stands up to the next slash alone, unless all is asked for.
    pub(super) fn page(&self, prefix: &str, all: bool, most: usize, after: Option<&str>) -> Result<Page, Why> {
        let mut call = Call { key: None, ..Call::of("GET", "") }
            .asking("list-type", "2")
            .asking("encoding-type", "url")
            .asking("prefix", prefix)
            .asking("max-keys", most.to_string());
        if !all {
            call = call.asking("delimiter", "/");
        }
        if let Some(token) = after {
            call = call.asking("continuation-token", token);
        }
        let mut broken = String::new();
        for _ in 0..limits::ENGINE_LIST_TRIES {
            let (_, body) = self.ask_all(&call)?;
            match Document::parse(&body, "ListBucketResult").and_then(|document| document.page()) {
                Ok(mut page) => {
                    let encoded = page.objects.iter_mut().map(|object| &mut object.key).chain(&mut page.folders);
                    if page.is_encoded {
                        encoded.for_each(|key| *key = decode(key));
                    }
                    return Ok(page);
                }
                Err(why) => broken = why,
            }
        }
        Err(Why::Failed(super::engine::unavailable(format!("the storage's listing cannot be read: {broken}"))))
    }

    /// Whether anything begins with this.
    pub(super) fn has_any(&self, prefix: &str) -> Result<bool, Why> {
        let mut after = None;
        for _ in 0..limits::ENGINE_EMPTY_PAGES {
            let page = self.page(prefix, true, 1, after.as_deref())?;
            if !page.objects.is_empty() {
                return Ok(true);
            }
            match page.next {
                None => return Ok(false),
                next => after = next,
            }
        }
        Err(endless().into())
    }

    /// What is written beside a file, if it is of this very object.
    pub(super) fn recorded(&self, key: &str, object: &Object) -> Result<Option<Kept>, Why> {
        let body = match self.ask_all(&Call::of("GET", key)) {
            Ok((_, body)) => body,
            Err(Why::Missing) => return Ok(None),
            Err(why) => return Err(why),
        };
        let Ok(written) = serde_json::from_slice::<Written>(&body) else { return Ok(None) };
        let is_of_it = written.etag == object.etag && written.size == object.size && written.upload == object.number;
        Ok(is_of_it.then(|| Kept {
            hash: written.blake3.and_then(|text| text.parse().ok()),
            mtime: written.mtime.and_then(|text| text.parse().ok()),
            mode: written.mode.and_then(|text| text.parse().ok()),
            rotten: written.rotten.and_then(|text| text.parse().ok()),
        }))
    }

    /// Writes beside a file what it has in it: of one that is in its place already.
    pub(super) fn write_record(&self, key: &str, object: &Object) -> Result<(), Why> {
        let kept = &object.kept;
        let written = Written {
            etag: object.etag.clone(),
            size: object.size,
            upload: object.number.clone(),
            blake3: kept.hash.map(|hash| hash.to_string()),
            mtime: kept.mtime.map(|mtime| mtime.to_string()),
            mode: kept.mode.map(|mode| mode.to_string()),
            rotten: kept.rotten.map(|hash| hash.to_string()),
        };
        let text = serde_json::to_vec(&written).map_err(|err| odd(&err.to_string()))?;
        self.put_by(Call { in_any_case: true, ..Call::of("PUT", key).sending(text) }).map(drop)
    }
}

impl Listed {
    /// How many seconds ago it was stored, as the storage tells, where that takes it to be this time now.
    pub(super) fn age(&self, now: i64) -> i64 {
        super::xml::seconds(&self.modified).map_or(0, |at| now.saturating_sub(at))
    }
}

/// Some storages write a space as `+`, and none a plus.
fn decode(key: &str) -> String {
    let spaced = key.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

pub(super) fn odd(why: &str) -> Error {
    super::engine::unavailable(format!("the storage answers oddly: {why}"))
}

/// The storage goes on and on, and nothing comes.
pub(super) fn endless() -> Error {
    odd("its listing has no end")
}
