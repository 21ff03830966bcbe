//! What is made beside its place until it is whole. Whoever reads the log and the audit wants to know what it is to be, not what it is
//! called until then.

use std::sync::Arc;

use super::Desk;
use super::action::Action;
use super::op::Op;
use super::outcome::Begun;
use super::running::Running;
use crate::error::{Error, Kind, Result};
use crate::files::{Keep, RelPath, StandInNote, Store};
use crate::machine::turns;

/// Something that is made beside its place.
#[derive(Debug, Clone)]
pub struct StandIn {
    /// What it is called until it is whole.
    pub beside: RelPath,
    /// What it is a copy of.
    pub from: RelPath,
    /// What it is to be.
    pub to: RelPath,
}

/// What an operation is told as.
#[derive(Debug)]
pub struct Told {
    /// What it was.
    pub action: Action,
    /// What it was about.
    pub path: Option<RelPath>,
    /// The other path.
    pub to: Option<RelPath>,
}

/// What somebody makes beside its place, in the store in which it is begun: if it does not get there it is taken away in that one,
/// whatever its user may do by then, and see. Dropped when it has its place. That may wait for a disk.
pub struct Standing {
    store: Arc<dyn Store>,
    path: RelPath,
    /// If the process dies it is taken away by this.
    note: Option<Box<dyn StandInNote>>,
}

impl Standing {
    /// It could not be taken away: if it is there, its note is for the next sweep. (A folder that is shared no more is not found either.)
    pub fn stays(self) {
        self.note.into_iter().for_each(StandInNote::leave);
    }
}

impl Desk {
    /// What gets this name stands beside its place from now on.
    ///
    /// # Errors
    /// Those of the store.
    pub fn stands_beside(&self, path: &RelPath) -> Result<Standing> {
        let note = turns::block_in_place(|| self.store.note_stand_in(path))?;
        Ok(Standing { store: self.store.clone(), path: path.clone(), note })
    }

    /// Whether nothing has this name.
    pub fn is_gone(&self, path: &RelPath) -> bool {
        let is_missing = |error: Error| matches!(error.kind(), Kind::NotFound | Kind::NotDirectory);
        turns::block_in_place(|| self.store.stat(path)).is_err_and(is_missing)
    }

    /// Takes it away: it will not get its place, and never was anything. Nobody is asked for that, neither for rights nor for locks.
    pub fn take_away(&self, standing: &Standing, name: &'static str) -> Begun {
        let Standing { store, path, .. } = standing;
        let op = Op::Remove { path: path.clone(), recursive: true, for_good: true };
        let mut running = Running::new(&op, name, self.principal.grants()).unasked();
        self.audit.begin(&mut running);
        self.begin_removing(&**store, path, true, Keep::Nothing, running)
    }
}

impl StandIn {
    /// What an operation on it is told as; none if it is about something else, or takes it away again.
    pub fn tell(&self, action: Action, path: Option<&RelPath>, to: Option<&RelPath>) -> Option<Told> {
        let is_taken_away = action == Action::Delete;
        let goes_to_its_place = matches!(action, Action::Rename | Action::Supersede) && path == Some(&self.beside);
        if goes_to_its_place {
            return Some(Told { action: Action::Copy, path: Some(self.from.clone()), to: to.cloned() });
        }
        let named = |path: &RelPath| self.to.join(path.strip_prefix(&self.beside)?.as_bytes()).ok();
        let (path_named, to_named) = (path.and_then(named), to.and_then(named));
        if is_taken_away || (path_named.is_none() && to_named.is_none()) {
            return None;
        }
        Some(Told { action, path: path_named.or_else(|| path.cloned()), to: to_named.or_else(|| to.cloned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Durability;
    use crate::store::{JoinedStore, Lease, LocalOptions, LocalStore, Mount, Staging};

    #[test]
    fn what_could_not_be_taken_away_since_its_folder_is_shared_no_more_goes_with_a_sweep_of_that() {
        let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = LocalOptions::new(Durability::None, Staging::Hidden);
        let store = |place: &tempfile::TempDir| LocalStore::open_path(place.path(), options).unwrap();
        let lease = Lease::of(Arc::new(store(&folder)));
        let (shared, at) = (lease.weak(), RelPath::parse(b"team").unwrap());
        let joined = JoinedStore::new(Arc::new(store(&home)), vec![Mount { at, store: Ok(lease) }]);
        let path = RelPath::parse(b"team/.x.0123456789abcdef.sealift-copy").unwrap();
        let note = joined.note_stand_in(&path).unwrap();
        joined.make_dir(&path, false).unwrap();
        let standing = Standing { store: Arc::new(joined), path: path.clone(), note };
        drop(shared.end());
        assert!(standing.store.remove(&path, true).is_err());
        standing.stays();
        let copy = folder.path().join(".x.0123456789abcdef.sealift-copy");
        assert!(copy.exists());
        store(&folder).sweep(None).unwrap();
        assert!(!copy.exists());
    }

    #[test]
    fn what_is_made_beside_is_told_of_by_the_name_that_it_gets() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).unwrap();
        let stand_in = StandIn { beside: path("d/aside"), from: path("a"), to: path("d/b") };
        let tell = |action, at: &str, to: Option<&str>| {
            let (at, to) = (path(at), to.map(path));
            let told = stand_in.tell(action, Some(&at), to.as_ref())?;
            Some((told.action, told.path.map(|path| path.to_string()), told.to.map(|path| path.to_string())))
        };
        let said = |path: &str| Some(path.to_owned());
        assert_eq!(tell(Action::MakeFolder, "d/aside/x", None), Some((Action::MakeFolder, said("d/b/x"), None)));
        assert_eq!(tell(Action::Copy, "a/x", Some("d/aside/x")), Some((Action::Copy, said("a/x"), said("d/b/x"))));
        assert_eq!(tell(Action::Supersede, "d/aside", Some("d/b")), Some((Action::Copy, said("a"), said("d/b"))));
        assert_eq!(tell(Action::Delete, "d/aside", None), None);
        assert_eq!(tell(Action::Upload, "d/asides", None), None);
    }
}
