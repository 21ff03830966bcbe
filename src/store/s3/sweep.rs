//! What goes when it is old: uploads in parts that nobody completed, and what is written of them.

use std::time::{Duration, Instant};

use super::engine::{Call, Engine, Why};
use super::names::Spot;
use super::object::{endless, odd};
use super::shared::Shared;
use super::xml::{self, Document};
use crate::error::Result;
use crate::files::Swept;
use crate::limits;

/// An upload in parts that is not completed.
struct Unfinished {
    key: String,
    id: String,
    /// When it was begun, as the storage writes it.
    begun: String,
}

impl Shared {
    /// Uploads in parts that nobody completed go when they are old; those of others are never known to be dead before.
    ///
    /// # Errors
    /// The first one; what that one is not about is swept all the same, unless the storage does not answer.
    pub(super) fn sweep(&self, home: &Spot, max_age: Option<Duration>) -> Result<Swept> {
        let age = max_age.map_or(limits::PARTIAL_MAX_AGE, |age| age.max(limits::PARTIAL_MAX_AGE));
        let (mut swept, mut first) = (Swept::default(), None);
        self.each_unfinished(&self.keys.folder(home)?, |upload| match self.sweep_one(&upload, age) {
            Ok(removed) => {
                swept.removed += usize::from(removed);
                Ok(())
            }
            Err(why) if why.is_unavailable() => Err(why),
            Err(why) => {
                first.get_or_insert(why);
                Ok(())
            }
        })
        .map_err(|why| why.at(home))?;
        self.sweep_partials().map_err(|why| why.at("what is left of uploads"))?;
        first.map_or(Ok(swept), |why| Err(why.at(home)))
    }

    /// Whether it was old, and is gone now.
    fn sweep_one(&self, upload: &Unfinished, age: Duration) -> Result<bool, Why> {
        let secs = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        let is_old = xml::seconds(&upload.begun).is_some_and(|at| self.engine.now().saturating_sub(at) > secs);
        let path = self.keys.path_of_key(&upload.key);
        if !is_old || path.map_or(Ok(false), |path| self.is_gone_on_with(&path, &upload.id, secs))? {
            return Ok(false);
        }
        let call = Call::of("DELETE", &upload.key).asking("uploadId", upload.id.clone());
        match self.engine.ask_all(&call) {
            Ok(_) => Ok(true),
            Err(Why::NoUpload | Why::Missing) => Ok(false),
            Err(why) => Err(why),
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

    /// Whether somebody has gone on with this upload lately.
    fn is_gone_on_with(&self, full: &Spot, id: &str, age: i64) -> Result<bool, Why> {
        if self.live.lock().contains(id) {
            return Ok(true);
        }
        let (holders, mut goes_on) = (self.keys.holders(full, id), false);
        // Whose it is nobody knows.
        self.each_page(&self.keys.partials_of(full), |page| {
            for object in page.iter().filter(|object| object.age(self.engine.now()) <= age) {
                goes_on |= object.key.starts_with(&holders) || self.recorded_id(&object.key)?.as_deref() == Some(id);
            }
            Ok(())
        })?;
        Ok(goes_on)
    }

    /// What is written of uploads that nobody went on with for so long goes, now and then: of some that is all there is.
    fn sweep_partials(&self) -> Result<(), Why> {
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
        let page = said.uploads().into_iter().map(|(key, id, begun)| Unfinished { key, id, begun }).collect();
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
