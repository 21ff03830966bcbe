//! What has lost its place to something else and is to be removed by whoever has asked for that, with its notes.

use super::super::stand_in::Note;
use super::super::superseding::Identity;
use super::Stage;
use crate::files::RelPath;

/// Something that has lost its place to something else, and is to be removed.
pub(super) struct Superseded {
    path: RelPath,
    /// What it is: whatever else is there by then stays.
    known: Identity,
    note: Note,
    /// By that one alone a tree that has lost some of what was in it is not told from another one.
    more: Option<Note>,
}

impl Stage {
    /// What has this name was superseded: until it is removed this note is kept. If the process dies before that, a sweep does it.
    pub(in crate::store::local) fn has_superseded(&self, path: &RelPath, known: Identity, note: Note) {
        let more = if self.keeps() { None } else { Note::write(self, path).ok() };
        self.superseded.lock().push(Superseded { path: path.clone(), known, note, more });
    }

    /// What was superseded and has this name, if it is there still.
    pub(in crate::store::local) fn superseded(&self, path: &RelPath) -> Option<Identity> {
        self.superseded.lock().iter().find(|superseded| superseded.path == *path).map(|superseded| superseded.known)
    }

    /// This is removed; or it cannot be, and what was superseded is for the sweep once this session has ended, if nobody has changed it by then.
    pub(in crate::store::local) fn has_removed(&self, path: &RelPath, is_gone: bool) {
        let mut superseded = self.superseded.lock();
        let at = superseded.iter().position(|superseded| superseded.path == *path);
        let removed = at.map(|at| superseded.swap_remove(at));
        drop(superseded);
        let Some(Superseded { note, more, .. }) = removed else { return };
        drop(more);
        if !is_gone {
            note.keep();
        }
    }
}
