//! What was deleted or replaced: looked at, brought back, removed for good.

use super::Desk;
use super::outcome::{Begun, Outcome};
use super::running::Running;
use crate::auth::Access;
use crate::error::{Kind, Result};
use crate::files::{RelPath, TrashId};
use crate::limits;
use crate::machine::turns;

impl Desk {
    pub(super) fn list_trash(&self, path: &RelPath, running: Running) -> Begun {
        let grants = self.principal.grants();
        // Of what was where somebody may not look nothing is told.
        let shown = |path: &RelPath| grants.access_at(path).contains(Access::LIST);
        let listed = turns::block_in_place(|| self.store.trash(path, limits::TRASH_LISTED, &shown));
        self.over(running, listed.map(Outcome::Trash))
    }

    pub(super) fn restore(&self, path: &RelPath, id: TrashId, to: &RelPath, running: Running) -> Begun {
        let restored = turns::block_in_place(|| self.try_restore(path, id, to, &running));
        self.over(running, restored.map(|()| Outcome::Restored))
    }

    fn try_restore(&self, path: &RelPath, id: TrashId, to: &RelPath, running: &Running) -> Result<()> {
        match self.store.restore(path, id, to) {
            // The folder it was in may have gone with it, or after it.
            Err(error) if error.kind() == Kind::NotFound => {
                let Some(folder) = to.parent().filter(|folder| !folder.is_root()) else { return Err(error) };
                if self.store.stat(&folder).is_ok() || !self.is_kept(path, id) {
                    return Err(error);
                }
                self.may_make_parents(to, true, running.name())?;
                self.store.make_dir(&folder, true)?;
                self.store.restore(path, id, to)
            }
            restored => restored,
        }
    }

    fn is_kept(&self, path: &RelPath, id: TrashId) -> bool {
        let listed = self.store.trash(path, usize::MAX, &|inner| inner == path);
        listed.is_ok_and(|list| list.entries.iter().any(|entry| entry.id == id))
    }

    pub(super) fn purge(&self, path: &RelPath, id: Option<TrashId>, running: Running) -> Begun {
        let purged = turns::block_in_place(|| self.store.purge(path, id));
        self.over(running, purged.map(|gone| Outcome::Purged { gone }))
    }
}
