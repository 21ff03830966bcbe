//! What was at a path at a moment: for changes that depend on it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::stamp::{Change, Stamp};
use super::{EntryKind, Hash, Meta, Mtime};

/// What was at a path at a moment, told from whatever else is there later. It is not for keeping: only whoever has just looked
/// compares it.
#[derive(Clone, Debug)]
pub struct Seen {
    what: What,
    /// Open as long as it is compared: no other file can get its number meanwhile.
    #[expect(dead_code, reason = "held")]
    held: Option<Arc<OwnedFd>>,
}

impl PartialEq for Seen {
    fn eq(&self, other: &Seen) -> bool {
        self.what == other.what
    }
}

impl Eq for Seen {}

/// What was seen at the path of a change, and at the other path that it has: it is made only if that is still there. None: whatever is.
#[derive(Clone, Default, Debug)]
pub struct SeenAt {
    /// At its path.
    pub path: Option<Seen>,
    /// At the other one.
    pub other: Option<Seen>,
}

impl SeenAt {
    /// Whatever is there.
    pub const ANYTHING: SeenAt = SeenAt { path: None, other: None };

    /// Whether it depends on anything.
    pub const fn is_said(&self) -> bool {
        self.path.is_some() || self.other.is_some()
    }
}

impl From<Seen> for SeenAt {
    /// At its path alone.
    fn from(seen: Seen) -> SeenAt {
        SeenAt { path: Some(seen), other: None }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    Nothing,
    /// What is in a folder is no part of what it is.
    Folder,
    /// The stamp of what has the name, and of what that leads to if it is a link.
    Stamped(Stamp, Option<Stamp>),
    /// What a storage without stamps knows of a file.
    Known(EntryKind, u64, Mtime, Option<Hash>),
}

impl Seen {
    /// There was nothing.
    pub const NOTHING: Seen = Seen { what: What::Nothing, held: None };

    /// A folder was there, whatever was in it.
    pub const FOLDER: Seen = Seen { what: What::Folder, held: None };

    /// What has this stamp, and leads to what has the other one.
    pub const fn stamped(stamp: Stamp, leads_to: Option<Stamp>) -> Seen {
        Seen { what: What::Stamped(stamp, leads_to), held: None }
    }

    /// This, with what was seen open.
    #[must_use]
    pub fn holding(self, held: OwnedFd) -> Seen {
        Seen { held: Some(Arc::new(held)), ..self }
    }

    /// This, with nothing open, for whoever keeps many: another file may get its number meanwhile.
    #[must_use]
    pub fn let_go(self) -> Seen {
        Seen { held: None, ..self }
    }

    /// Whether that is there which was there before, with the same size and time of modification. Other than with `==` its attributes
    /// may have changed since, as they do when a hash of it is recorded: for whoever knows by a hash what its bytes are.
    pub fn is_still(&self, before: &Seen) -> bool {
        let is_same = |before: &Stamp, now: &Stamp| before.until(now) != Change::Content;
        match (&before.what, &self.what) {
            (What::Stamped(before, None), What::Stamped(now, None)) => is_same(before, now),
            (What::Stamped(before, Some(led)), What::Stamped(now, Some(leads))) => {
                is_same(before, now) && is_same(led, leads)
            }
            (before, now) => before == now,
        }
    }

    /// What such a storage knows of it that has no stamps; with the hash of its bytes, if that is known.
    pub fn known(meta: &Meta, hash: Option<Hash>) -> Seen {
        match meta.kind {
            EntryKind::Directory => Seen::FOLDER,
            kind => Seen { what: What::Known(kind, meta.size, meta.mtime, hash), held: None },
        }
    }
}
