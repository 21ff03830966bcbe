//! What goes when it is old: uploads in parts that nobody completed, and what is written of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Call, Engine, Why};
use super::holders::Holder;
use super::names::Spot;
use super::object::{endless, odd};
use super::shared::Shared;
use super::upload::Multipart;
use super::xml::{self, Document, Unfinished};
use crate::error::Result;
use crate::files::Swept;
use crate::limits;

/// What becomes of an upload that may be old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Old {
    /// Somebody has gone on with it lately, or may yet.
    Stays,
    Removed,
    /// The storage had nothing of it.
    WasGone,
}

/// What is written of an upload.
#[derive(Debug, Default)]
struct Heard {
    /// Some of it lately.
    is_fresh: bool,
    is_written: bool,
    /// Somebody is about to end it, or was.
    has_end: bool,
}

impl Shared {
    /// Uploads in parts that nobody completed go when they are old; those of others are never known to be dead before.
    ///
    /// # Errors
    /// The first one; what that one is not about is swept all the same, unless the storage does not answer.
    pub(super) fn sweep(self: &Arc<Shared>, home: &Spot, max_age: Option<Duration>) -> Result<Swept> {
        let age = max_age.map_or(limits::PARTIAL_MAX_AGE, |age| age.max(limits::PARTIAL_MAX_AGE));
        let secs = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let (mut swept, mut first) = (Swept::default(), None);
        let listed = self.each_unfinished(&self.keys.folder(home)?, |upload| {
            let is_old = xml::seconds(&upload.begun).is_some_and(|at| self.engine.now().saturating_sub(at) > secs);
            let ended = if is_old { self.end_old(&upload.key, &upload.id, secs) } else { Ok(Old::Stays) };
            swept.removed += usize::from(matches!(ended, Ok(Old::Removed)));
            first_of(&mut first, ended.map(drop))
        });
        // Of what is written it is known without the list.
        first_of(&mut first, listed)
            .and_then(|()| self.sweep_partials(&mut first))
            .map_err(|why| why.at(home.to_string()))?;
        first.map_or(Ok(swept), |why| Err(why.at(home.to_string())))
    }

    /// Gives an upload up if nobody has gone on with it for so long.
    fn end_old(self: &Arc<Shared>, key: &str, id: &str, secs: i64) -> Result<Old, Why> {
        let upload = Multipart::known(key, id);
        if let Some(full) = self.keys.path_of_key(key) {
            if self.live.lock().contains(id) {
                return Ok(Old::Stays);
            }
            let heard = self.heard_of(&full, id, secs)?;
            // Of one that nobody could go on with nothing is written, as under a quota: its parts tell that somebody sends it.
            if heard.is_fresh || !heard.is_written && self.has_fresh_part(&upload, secs)? {
                return Ok(Old::Stays);
            }
            if heard.is_written && !upload.is_there(&self.engine)? {
                return Ok(Old::WasGone);
            }
            // Who was about to end it long ago keeps others from going on with it; else somebody may do so at this moment.
            if heard.is_written && !heard.has_end {
                let holder = Holder::new(self, &full, id)?;
                let is_gone = holder.claim(0)?.is_some() && holder.gives_up_claimed(&upload)?;
                return Ok(if is_gone { Old::Removed } else { Old::Stays });
            }
        }
        Ok(if upload.abort(&self.engine)? { Old::Removed } else { Old::WasGone })
    }

    /// Whether a part of it came within so many seconds.
    fn has_fresh_part(&self, upload: &Multipart, secs: i64) -> Result<bool, Why> {
        match self.engine.parts(&upload.key, &upload.id) {
            Ok(parts) => {
                let is_fresh = |at: i64| self.engine.now().saturating_sub(at) <= secs;
                Ok(parts.values().any(|part| xml::seconds(&part.modified).is_some_and(is_fresh)))
            }
            // Where it lists no parts, or has none, the age of the upload decides.
            Err(why) if why.is_unavailable() => Err(why),
            Err(_) => Ok(false),
        }
    }

    /// Each upload in parts to what begins with this, page by page.
    fn each_unfinished(&self, prefix: &str, mut with: impl FnMut(Unfinished) -> Result<(), Why>) -> Result<(), Why> {
        let mut after = None;
        for _ in 0..limits::ENGINE_UPLOAD_PAGES {
            let (page, next) = self.engine.unfinished(prefix, after.as_ref())?;
            // Where a storage does not heed what they are to begin with, others' uploads are among them.
            page.into_iter().filter(|upload| upload.key.starts_with(prefix)).try_for_each(&mut with)?;
            match next {
                None => return Ok(()),
                // In the order of their keys: one that goes back would go round.
                Some(next)
                    if after.as_ref().is_some_and(|(key, id)| next.0 < *key || next == (key.clone(), id.clone())) =>
                {
                    break;
                }
                next => after = next,
            }
        }
        Err(endless().into())
    }

    /// What is written of this upload, and whether any of it is younger than that.
    fn heard_of(&self, full: &Spot, id: &str, age: i64) -> Result<Heard, Why> {
        let (all, holders, mut heard) = (self.keys.partials_of(full), self.keys.holders(full, id), Heard::default());
        self.each_page(&all, |page| {
            for object in page {
                let said = object.key.strip_prefix(&holders);
                // Whose a record is nobody knows before it is read.
                let is_record = object.key.strip_prefix(&all).is_some_and(|key| key.starts_with("of-"));
                if said.is_some() || is_record && self.written_of(&object.key)?.is_some_and(|of| of.id == id) {
                    heard.is_written = true;
                    heard.is_fresh |= object.age(self.engine.now()) <= age;
                    heard.has_end |= said.is_some_and(super::holders::is_end);
                }
            }
            Ok(())
        })?;
        Ok(heard)
    }

    /// What is written of uploads goes, now and then, when it is old and the storage has nothing of the upload any more: whoever sends one
    /// goes by what others have written of it.
    fn sweep_partials(self: &Arc<Shared>, first: &mut Option<Why>) -> Result<(), Why> {
        let before = self.swept.lock().replace(Instant::now());
        if before.is_some_and(|at| at.elapsed() < limits::SWEEP_PAUSE / 2) {
            *self.swept.lock() = before;
            return Ok(());
        }
        first_of(first, self.settle_abandoned())?;
        let most = i64::try_from(limits::PARTIAL_MAX_AGE.as_secs()).unwrap_or(i64::MAX);
        let listed = self.each_page(&self.keys.partials(), |page| {
            let mut old = page.iter().filter(|object| object.age(self.engine.now()) > most);
            old.try_for_each(|object| first_of(first, self.sweep_partial(&object.key, most)))
        });
        first_of(first, listed)
    }

    fn sweep_partial(self: &Arc<Shared>, key: &str, secs: i64) -> Result<(), Why> {
        if let Some(of) = self.written_of(key)?
            && self.end_old(&of.key, &of.id, secs)? == Old::Stays
        {
            return Ok(());
        }
        self.engine.delete(key, None)
    }
}

/// Remembers the first error; a storage that does not answer is asked for nothing more.
fn first_of(first: &mut Option<Why>, done: Result<(), Why>) -> Result<(), Why> {
    match done {
        Err(why) if why.is_unavailable() => Err(why),
        Err(why) => {
            first.get_or_insert(why);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Where a page of uploads ends: the key and the id of its last one.
type Marker = (String, String);

impl Engine {
    /// A page of the uploads in parts to what begins with this, behind that key and id, and behind what the next one is.
    fn unfinished(&self, prefix: &str, after: Option<&Marker>) -> Result<(Vec<Unfinished>, Option<Marker>), Why> {
        let mut call = Call { key: None, ..Call::of("GET", "") }.asking("uploads", "").asking("prefix", prefix);
        if let Some((key, id)) = after {
            call = call.asking("key-marker", key.clone()).asking("upload-id-marker", id.clone());
        }
        let (_, body) = self.ask_all(&call)?;
        let said = Document::parse(&body, "ListMultipartUploadsResult").map_err(|why| odd(&why))?;
        let page = said.uploads();
        let next = match said.text("IsTruncated") {
            Some("true") => {
                let behind = |name| said.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
                let key = behind("NextKeyMarker").ok_or_else(|| odd("it does not say how it goes on"))?;
                Some((key, behind("NextUploadIdMarker").unwrap_or_default()))
            }
            _ => None,
        };
        Ok((page, next))
    }
}
