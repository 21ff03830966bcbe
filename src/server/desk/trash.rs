//! What was deleted or replaced: looked at, brought back, removed for good.

use std::cell::Cell;
use std::collections::HashSet;

use super::gate::{self, Demand, Extent};
use super::outcome::{Begun, Outcome};
use super::running::Running;
use super::{Desk, Earlier};
use crate::auth::Access;
use crate::error::{Kind, Result};
use crate::files::{EntryKind, Prepared, RelPath, TrashId, Trashed};
use crate::limits;
use crate::machine::turns;

impl Desk {
    /// Whether what is deleted or replaced is kept nowhere in this home, nor in what is shared into it.
    fn keeps_nothing_deleted(&self) -> bool {
        let grants = self.principal.grants();
        grants.terms.trash.is_none() && grants.folders.iter().all(|folder| folder.terms.trash.is_none())
    }

    pub(super) fn list_trash(&self, path: &RelPath, running: Running) -> Begun {
        let grants = self.principal.grants();
        // Of what was where somebody may not look, or only reads, nothing is told.
        let shown = |path: &RelPath| gate::tells_of_gone(grants, path);
        let listed = turns::block_in_place(|| self.store.trash(path, limits::TRASH_LISTED, &shown));
        let listed = listed.map(|mut list| {
            list.entries.iter_mut().for_each(|thing| self.tell_no_sums(thing));
            Outcome::Trash(list, self.keeps_nothing_deleted())
        });
        self.over(running, listed)
    }

    /// Of a folder with anything in it that may not be listed it is not told how much it holds: that would tell how much that is.
    fn tell_no_sums(&self, thing: &mut Trashed) {
        let looking = Demand { rights: Access::LIST, path: Some(&thing.path), extent: Extent::Tree };
        let is_told = gate::rights_at(self.principal.grants(), looking).contains(Access::LIST);
        if thing.kind == EntryKind::Directory && !is_told {
            (thing.size, thing.files) = (0, None);
        }
    }

    pub(super) fn restore(
        &mut self,
        path: &RelPath,
        id: TrashId,
        to: &RelPath,
        running: Running,
        earlier: Earlier<'_>,
    ) -> Begun {
        // What was sent before it has its name first.
        if self.batch.files().next().is_some() {
            self.commit(earlier);
        }
        match turns::block_in_place(|| self.try_restore(path, id, to, &running)) {
            Ok(change) => {
                let operation = running.id();
                self.batch.add_named(change, running);
                self.commit_if_full(earlier);
                Begun::Waits(operation)
            }
            Err(error) => {
                // As with any other refusal.
                self.commit(earlier);
                self.over(running, Err(error))
            }
        }
    }

    fn try_restore(&self, path: &RelPath, id: TrashId, to: &RelPath, running: &Running) -> Result<Prepared> {
        match self.store.begin_restore(path, id, to) {
            // The folder it was in may have gone with it, or after it.
            Err(error) if error.kind() == Kind::NotFound => {
                let Some(folder) = to.parent().filter(|folder| !folder.is_root()) else { return Err(error) };
                if self.store.stat(&folder).is_ok() || !self.store.is_kept(path, id) {
                    return Err(error);
                }
                self.may_make_parents(to, true, running.name())?;
                let made = self.store.begin_dir(&folder, true, self.umask_at(&folder))?;
                self.store.commit(vec![made]).into_iter().try_for_each(|done| done.map(drop))?;
                self.store.begin_restore(path, id, to)
            }
            restored => restored,
        }
    }

    pub(super) fn purge(&self, path: &RelPath, id: Option<TrashId>, running: Running) -> Begun {
        let purged = turns::block_in_place(|| match id {
            Some(_) => {
                // Whoever names it knows of it.
                let purged = |gone| Outcome::Purged { gone, unlisted: 0, is_part: false, left: 0, unreached: 0 };
                self.store.purge(path, id, &|_| true).map(purged)
            }
            None => self.purge_all(path),
        });
        self.over(running, purged)
    }

    /// Removes for good what may go of all that came from there. The rest stays.
    fn purge_all(&self, path: &RelPath) -> Result<Outcome> {
        let grants = self.principal.grants();
        let is_told = |inner: &RelPath| gate::tells_of_gone(grants, inner);
        let (mut gone, mut unlisted, mut failed, mut stayed, mut why) = (0, 0, HashSet::new(), 0, None);
        let kept = loop {
            let kept = Cell::new(0);
            let shown = |inner: &RelPath| match self.may_purge(inner) {
                true => true,
                false => {
                    kept.set(kept.get() + u64::from(is_told(inner)));
                    false
                }
            };
            let list = self.store.trash(path, limits::TRASH_LISTED, &shown)?;
            let before = gone;
            for thing in list.entries {
                if failed.contains(&thing.id) {
                    continue;
                }
                match self.store.purge(&thing.path, Some(thing.id), &|_| true) {
                    Ok(one) => {
                        gone += one;
                        unlisted += if is_told(&thing.path) { 0 } else { one };
                    }
                    // Somebody else was faster.
                    Err(error) if error.kind() == Kind::NotFound => {}
                    Err(error) => {
                        failed.insert(thing.id);
                        // What may not be listed is not named either.
                        if is_told(&thing.path) {
                            stayed += 1;
                            why.get_or_insert(error);
                        }
                    }
                }
            }
            // What is left of so many that fail is not looked for behind them.
            if !list.is_cut || gone == before {
                break kept.get();
            }
        };
        if self.may_purge(path) && failed.is_empty() {
            // Also what nobody knows the path of any more. A folder that cannot be reached is counted below.
            let more = self.store.purge(path, None, &|inner| self.may_purge(inner)).unwrap_or(0);
            gone += more;
            unlisted += if is_told(path) { 0 } else { more };
        }
        match why {
            Some(error) if gone == 0 => Err(error),
            Some(_) | None => {
                let looking = Demand { rights: Access::LIST, path: Some(path), extent: Extent::Tree };
                let is_part = !gate::rights_at(grants, looking).contains(Access::LIST);
                let (left, unreached) = (kept + stayed, self.unreached(path));
                Ok(Outcome::Purged { gone, unlisted, is_part, left, unreached })
            }
        }
    }

    /// Whether all may go that was called so, with what was in it.
    fn may_purge(&self, path: &RelPath) -> bool {
        let grants = self.principal.grants();
        let access = if grants.is_uniform() { grants.access } else { grants.access_below(path).all };
        access.contains(Access::DELETE)
    }

    /// How many shared folders that show there keep what cannot even be looked at.
    fn unreached(&self, path: &RelPath) -> u64 {
        let folders = self.principal.grants().folders.iter().filter(|folder| folder.at.is_within(path));
        let open = folders.filter(|folder| folder.access.contains(Access::DELETE));
        open.filter(|folder| self.store.trash(&folder.at, 0, &|_| true).is_err()).count() as u64
    }
}
