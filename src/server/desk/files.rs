//! Operations on files that are over in one step: what is there, modes, other names.

use super::outcome::{Begun, Outcome, Room};
use super::running::Running;
use super::{Desk, Earlier};
use crate::auth::Access;
use crate::error::{Error, Kind, Result};
use crate::files::{
    EntryKind, FileIdentity, Hash, Keep, KeptUsage, Mtime, NewMode, Properties, Record, RelPath, Source, SourceMode,
    Usage, UsageNow,
};
use crate::limits;
use crate::machine::turns;

impl Desk {
    pub(super) fn stat(&self, path: &RelPath, with_room: bool, running: Running) -> Begun {
        let found = self.meta(path, Access::LIST, running.name());
        let found = found.map(|meta| {
            let room = if with_room { self.room(path) } else { None };
            Outcome::Found { meta, rotten: self.is_rotten(path, meta.kind, meta.size), room }
        });
        self.over(running, found)
    }

    /// How much room there is in the folder that this is in, for its users alone: of a link it is its maker's.
    fn room(&self, path: &RelPath) -> Option<Box<Room>> {
        let grants = self.principal.grants();
        let may_fill = grants.access_at(path).contains(Access::UPLOAD);
        let free = || turns::block_in_place(|| self.store.free_at(path)).ok().flatten();
        self.principal.is_user().then(|| {
            let shared = grants.folder_at(path).map(|folder| folder.at.clone());
            let (usage, free) = (self.usage(path), may_fill.then(free).flatten());
            let kept = usage.and_then(|_| self.kept_at(shared.as_ref().unwrap_or(&RelPath::root())));
            Box::new(Room { shared, usage, kept, free })
        })
    }

    /// What is kept in a folder that is bounded: it is told as what a folder in the trash holds is, to whoever may list all of it.
    pub fn kept_at(&self, folder: &RelPath) -> Option<KeptUsage> {
        let kept = || turns::block_in_place(|| self.store.kept_usage_at(folder)).ok().flatten();
        self.may_list_all(folder).then(kept).flatten()
    }

    pub(super) fn set_mode(
        &mut self,
        path: &RelPath,
        mode: SourceMode,
        running: Running,
        earlier: Earlier<'_>,
    ) -> Begun {
        // What was sent before it has its name first.
        if self.batch.files().next().is_some() {
            self.commit(earlier);
        }
        let kept = match turns::block_in_place(|| self.store.begin_mode(path, mode.within(self.most))) {
            Ok(NewMode::Waits(change)) => {
                let operation = running.id();
                if !self.may_be_told(&running, &Ok(Outcome::ModeSet(None))) {
                    running.leave_untold();
                }
                self.batch.add_named(change, running);
                self.commit_if_full(earlier);
                return Begun::Waits(operation);
            }
            Ok(NewMode::Kept(mode)) => Ok(mode),
            Err(error) => Err(error),
        };
        self.commit(earlier);
        self.over(running, kept.map(|mode| Outcome::ModeSet(Some(mode))))
    }

    /// Gives a folder the time of its source, and if that was asked for the mode.
    pub(super) fn set_folder(
        &mut self,
        path: &RelPath,
        (mtime, mode): (Mtime, SourceMode),
        running: Running,
        earlier: Earlier<'_>,
    ) -> Begun {
        // What was put into it before would change its time.
        self.commit(earlier);
        let mode = mode.perms.then(|| mode.of_folder(self.most));
        let set = turns::block_in_place(|| self.store.set_folder(path, mtime, mode));
        self.over(running, set.map(|mode| Outcome::ModeSet(Some(mode))))
    }

    pub(super) fn set_properties(
        &self,
        path: &RelPath,
        changes: &[(String, Option<String>)],
        mtime: Option<Mtime>,
        running: Running,
    ) -> Begun {
        let set = turns::block_in_place(|| {
            let before = mtime.map(|_| self.store.properties(path)).transpose()?;
            self.store.change_properties(path, changes)?;
            // Last: a time that was set and had to be taken back could be that of a file that came meanwhile. What is kept with a file
            // stays whatever bytes come.
            let set = mtime.map_or(Ok(()), |mtime| self.set_time(path, mtime));
            if set.is_err()
                && let Some(before) = before
                && let Err(error) = self.store.change_properties(path, &as_before(changes, &before))
            {
                self.audit.warn("keeps other properties", &error);
            }
            set
        });
        self.over(running, set.map(|()| Outcome::PropertiesSet))
    }

    /// Gives a file this time. A folder stays as it is.
    fn set_time(&self, path: &RelPath, mtime: Mtime) -> Result<()> {
        match self.store.set_mtime(path, mtime) {
            Err(error) if error.kind() == Kind::IsDirectory => Ok(()),
            set => set,
        }
    }

    /// What clients keep with a file or folder. Nothing, if it may not be read.
    ///
    /// # Errors
    /// That nobody can tell just now: who keeps something there is not to take it for gone.
    pub fn properties(&self, path: &RelPath) -> Result<Properties> {
        match self.store.properties(path) {
            Err(error) if matches!(error.kind(), Kind::Busy | Kind::Io) => Err(error),
            kept => Ok(kept.unwrap_or_default()),
        }
    }

    /// What the folder that this is in, the home or a shared one, holds, and how much it may, where it is bounded: for users alone.
    pub fn usage(&self, path: &RelPath) -> Option<Usage> {
        if !self.principal.is_user() {
            return None;
        }
        turns::block_in_place(|| self.store.usage_at(path)).ok().flatten()
    }

    /// What the folder that this is in, the home or a shared one, holds, and how much it may, if that is known without counting.
    pub fn usage_now(&self, path: &RelPath) -> UsageNow {
        if !self.principal.is_user() {
            return UsageNow::Known(None);
        }
        turns::block_in_place(|| self.store.usage_now_at(path)).unwrap_or(UsageNow::Known(None))
    }

    /// What counts the folders of these paths elsewhere than at this desk, which others may have meanwhile, one after the other; the usage
    /// of the first.
    pub fn counter(&self, paths: Vec<RelPath>) -> impl FnOnce() -> Option<Usage> + Send + use<> {
        let store = self.store.clone();
        move || {
            turns::block_in_place(|| {
                let mut counted = paths.iter().map(|path| store.usage_at(path).ok().flatten());
                let first = counted.next().flatten();
                counted.for_each(drop);
                first
            })
        }
    }

    /// What the storage has left for everybody, for whoever may put something there; nothing if that is not known.
    pub fn free(&self) -> Option<u64> {
        let may_fill = self.principal.access().contains(Access::UPLOAD);
        may_fill.then(|| turns::block_in_place(|| self.store.free())).and_then(|free| free.ok().flatten())
    }

    pub(super) fn rename(&self, from: &RelPath, to: &RelPath, replace: bool, running: Running) -> Begun {
        let renamed = turns::block_in_place(|| match running.seen() {
            None => self.store.rename(from, to, replace),
            Some(seen) => self.store.rename_seen(from, to, replace, seen),
        });
        if renamed.is_ok() {
            self.forget_locks(from);
        }
        self.over(running, renamed.map(Outcome::Renamed))
    }

    pub(super) fn supersede(&self, from: &RelPath, to: &RelPath, running: Running) -> Begun {
        let superseded = turns::block_in_place(|| {
            let (stored, old) = match running.seen() {
                None => self.store.supersede(from, to)?,
                Some(seen) => self.store.supersede_seen(from, to, seen)?,
            };
            Ok((stored, old.and_then(|old| self.remove_superseded(&old, to))))
        });
        if let Ok((_, left)) = &superseded {
            self.forget_locks(from);
            self.forget_locks(to);
            left.iter().for_each(|error| self.audit.warn("left aside", error));
        }
        self.over(running, superseded.map(|(stored, _)| Outcome::Renamed(stored)))
    }

    /// Removes what had this place before: what is in it goes without whoever has replaced it. What is in the place is there, whatever keeps
    /// the old one from being removed or kept.
    pub(super) fn remove_superseded(&self, old: &RelPath, place: &RelPath) -> Option<Error> {
        self.store.begin_removal(old, true, Keep::As(place), None).err()
    }

    /// The BLAKE3 that is recorded of the bytes of this file of so many, and what tells it from those that had its name before it, for
    /// whoever may read it; nothing is read for it. A listing may have `told` the latter.
    pub fn told_apart(
        &self,
        path: &RelPath,
        (kind, size): (EntryKind, u64),
        told: Option<FileIdentity>,
    ) -> (Option<Hash>, Option<FileIdentity>) {
        let may_read = self.principal.grants().access_at(path).contains(Access::DOWNLOAD)
            && self.check_real(path, Access::DOWNLOAD, "").is_ok();
        if !may_read || kind != EntryKind::File {
            return (None, None);
        }
        if size < limits::RECORD_MIN && told.is_some() {
            return (None, told);
        }
        let Ok(source) = self.store.open(path) else { return (None, told) };
        match source.record() {
            Some(Record::Sound(hash)) => (Some(hash), source.identity()),
            Some(Record::Rotten(_)) | None => (None, source.identity()),
        }
    }

    /// Whether this was found to be a rotten file. One that cannot be opened is not known to be.
    pub(super) fn is_rotten(&self, path: &RelPath, kind: EntryKind, size: u64) -> bool {
        let is_rotten = |source: Box<dyn Source>| matches!(source.record(), Some(Record::Rotten(_)));
        // Smaller ones have no record.
        kind == EntryKind::File && size >= limits::RECORD_MIN && self.store.open(path).is_ok_and(is_rotten)
    }
}

/// What undoes these changes of what was so before.
fn as_before(changes: &[(String, Option<String>)], before: &Properties) -> Vec<(String, Option<String>)> {
    changes.iter().map(|(name, _)| (name.clone(), before.get(name).cloned())).collect()
}
