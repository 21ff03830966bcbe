//! Uploads of sealift/1 by links, which are kept after a cut in the table of those of HTTP, within the same bounds.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use async_std::task::spawn;

use super::hold::Held;
use super::uploads::{Replaced, Token, Upload, Uploads};
use crate::error::{Error, Kind, Result};
use crate::files::{Partial, Resume};
use crate::server::desk::registry::Record;
use crate::server::desk::unfinished::{AtIt, GoneOn, ParkingPlace, UploadKey};
use crate::server::desk::uploads::Put;

/// A session is at an upload. Another one that comes for it ends the session.
struct ParkedUpload {
    uploads: Weak<Uploads>,
    token: Token,
    upload: Arc<Upload>,
    _held: Held,
    is_over: Arc<AtomicBool>,
    /// Something is left for whoever comes.
    is_left: bool,
}

impl ParkedUpload {
    fn new(
        uploads: &Arc<Uploads>,
        token: Token,
        upload: Arc<Upload>,
        sits: (Held, Replaced),
        at: &Arc<Record>,
    ) -> ParkedUpload {
        let (held, replaced) = sits;
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, record) = (is_over.clone(), Arc::downgrade(at));
        spawn(async move {
            let _another_or_nobody = replaced.await;
            if let Some(record) = record.upgrade().filter(|_| !over.load(Ordering::Acquire)) {
                record.end(Kind::Aborted);
            }
        });
        ParkedUpload { uploads: Arc::downgrade(uploads), token, upload, _held: held, is_over, is_left: false }
    }

    fn is_left(&mut self) {
        self.is_left = true;
        self.is_over.store(true, Ordering::Release);
        self.upload.stand_up();
    }
}

impl ParkingPlace for ParkedUpload {
    fn leave(mut self: Box<Self>, put: Put) {
        self.upload.slot.park(put);
        self.is_left();
    }

    fn done(mut self: Box<Self>, whole: Partial) {
        self.upload.stored(whole);
        self.is_left();
    }
}

impl fmt::Debug for ParkedUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ParkedUpload")
    }
}

impl Drop for ParkedUpload {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if let Some(uploads) = self.uploads.upgrade().filter(|_| !self.is_left) {
            uploads.forget(self.token);
        }
    }
}

fn missing() -> Error {
    Error::new(Kind::NotFound, "nothing is left of an upload of this name")
}

/// The one of this key, and nobody at it.
fn seize(uploads: &Uploads, key: UploadKey, at: &AtIt<'_>) -> Result<(Token, Arc<Upload>, (Held, Replaced))> {
    let token = Token::of(key);
    let upload = uploads.get(token).filter(|upload| at.principal.is_same_user(&upload.owner)).ok_or_else(missing)?;
    let busy = || Error::new(Kind::Busy, "an earlier connection is at this upload: it is ended now, try again");
    let sits = upload.sit_down().ok_or_else(busy)?;
    Ok((token, upload, sits))
}

/// [`Unfinished::begin`](crate::server::desk::unfinished::Unfinished::begin).
pub fn begin(uploads: &Arc<Uploads>, key: UploadKey, at: AtIt<'_>, size: u64) -> Option<Box<dyn ParkingPlace>> {
    let token = Token::of(key);
    // What somebody is at stays theirs.
    let is_free = uploads.get(token).is_none_or(|there| there.is_idle() && at.principal.is_same_user(&there.owner));
    if !is_free {
        return None;
    }
    let upload = Arc::new(Upload::new(at.principal.clone(), at.source, Default::default(), Some(size)));
    let sits = upload.sit_down()?;
    uploads.put_in(token, upload.clone()).ok()?;
    Some(Box::new(ParkedUpload::new(uploads, token, upload, sits, at.record)))
}

/// [`Unfinished::find`](crate::server::desk::unfinished::Unfinished::find).
pub fn find(uploads: &Uploads, key: UploadKey, at: &AtIt<'_>) -> Result<Partial> {
    let (_, upload, _sits) = seize(uploads, key, at)?;
    let left = upload.whole().or_else(|| upload.slot.part().filter(|_| upload.slot.is_for(at.path)));
    upload.stand_up();
    left.ok_or_else(missing)
}

/// [`Unfinished::go_on`](crate::server::desk::unfinished::Unfinished::go_on).
pub fn go_on(uploads: &Arc<Uploads>, key: UploadKey, at: AtIt<'_>, resume: Resume) -> Result<GoneOn> {
    let (token, upload, sits) = seize(uploads, key, &at)?;
    let wanted = Partial { len: resume.offset, hash: resume.prefix };
    let changed = || Error::new(Kind::Changed, "what came of this upload is not what the request goes on from");
    let gone_on = match upload.whole() {
        Some(whole) if whole == wanted => Ok(GoneOn::Stored(whole)),
        None if upload.slot.part() == Some(wanted) => {
            upload.slot.claim_room()?;
            let put = upload.slot.take_put().ok_or_else(changed)?;
            let parked = ParkedUpload::new(uploads, token, upload, sits, at.record);
            return Ok(GoneOn::Put(Box::new(put), Box::new(parked)));
        }
        _ => Err(changed()),
    };
    upload.stand_up();
    gone_on
}
