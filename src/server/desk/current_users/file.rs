//! The users file: what it was when it was read, whether what it became is whole, and why it cannot be used.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Instant, SystemTime};

use super::{State, said_of_loss};
use crate::auth::Users;
use crate::error::{Error, Result};
use crate::limits;
use crate::server::desk::users_file_trouble::UsersFileTrouble;

/// Why the file cannot be used.
pub(super) struct Trouble {
    pub(super) text: String,
    /// What could not be read; none if nothing was there to be looked at.
    pub(super) stamp: Option<Stamp>,
    pub(super) tried: Instant,
    pub(super) said: Instant,
}

/// What changes when a file is edited, replaced, or given to somebody else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Device, number, and when it was made where that is known: the number of a file that is gone is soon another's.
    file: (u64, u64, Option<SystemTime>),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// That of no file.
    pub(super) const NONE: Stamp = Stamp { file: (0, 0, None), size: 0, modified: (0, 0), changed: (0, 0) };

    pub(super) fn of(path: &Path) -> Result<Stamp> {
        let meta = std::fs::metadata(path).map_err(|err| Error::file(path.display(), err))?;
        Ok(Stamp {
            file: (meta.dev(), meta.ino(), meta.created().ok()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    /// Whether it was surely whole when it became what it is: only its owner or mode has changed since it was read, or it
    /// is another file, which got its name (that changes `changed`) after its last write, as `sealiftd user` does it.
    fn is_whole(&self, before: &Stamp) -> bool {
        if self.file == before.file {
            (self.size, self.modified) == (before.size, before.modified)
        } else {
            self.changed > self.modified
        }
    }
}

impl State {
    pub(super) fn file_trouble(&self) -> UsersFileTrouble {
        UsersFileTrouble {
            outdated: self.trouble.as_ref().map(|trouble| trouble.text.clone()),
            lost: self.lost.map(|(lost, of)| said_of_loss(lost, of)),
        }
    }

    /// Other users, if the file, which is this one, has changed and is whole.
    pub(super) fn read_changed(&mut self, path: &Path, stamp: Stamp, now: Instant) -> Result<Option<Users>> {
        if stamp == self.read {
            self.restless = None;
            self.mended(path);
            return Ok(None);
        }
        if self.was_tried(&stamp, now) || !(stamp.is_whole(&self.read) || self.rests(stamp, now)) {
            return Ok(None);
        }
        let users = Users::load(path)?;
        // Changed while it was read: it is looked at again.
        let unchanged = Stamp::of(path).is_ok_and(|after| after == stamp);
        Ok(unchanged.then_some(users))
    }

    /// Whether the file has been this one for a moment, as far as was seen.
    fn rests(&mut self, stamp: Stamp, now: Instant) -> bool {
        match self.restless {
            Some((seen, since)) if seen == stamp => now.duration_since(since) >= limits::USERS_FILE_REST,
            _ => {
                self.restless = Some((stamp, now));
                false
            }
        }
    }

    /// Whether the file is not read yet because it may still be being written.
    pub(super) fn waits(&self) -> bool {
        let tried = self.trouble.as_ref().and_then(|trouble| trouble.stamp);
        self.restless.is_some_and(|(stamp, _)| tried != Some(stamp))
    }

    /// Whether this very file could not be read a moment ago: it is not read at every command, but again soon.
    fn was_tried(&mut self, stamp: &Stamp, now: Instant) -> bool {
        let tried = self.trouble.as_ref().filter(|trouble| trouble.stamp.as_ref() == Some(stamp));
        tried.is_some_and(|trouble| now.duration_since(trouble.tried) < limits::USERS_FILE_RETRY)
    }

    /// Says that the file cannot be used, once and then every minute.
    pub(super) fn report(&mut self, error: &Error, stamp: Option<Stamp>, now: Instant) {
        let text = error.to_string();
        let known = self.trouble.as_ref().filter(|known| known.text == text && known.stamp == stamp);
        let said =
            known.map(|trouble| trouble.said).filter(|said| now.duration_since(*said) < limits::USERS_FILE_REPEAT);
        if said.is_none() {
            tracing::error!(%error, "the users file cannot be used; the last good one stays in force");
        }
        self.trouble = Some(Trouble { text, stamp, tried: now, said: said.unwrap_or(now) });
    }

    pub(super) fn mended(&mut self, path: &Path) {
        if self.trouble.take().is_some() {
            tracing::info!(file = %path.display(), "the users file can be used again");
        }
    }
}
