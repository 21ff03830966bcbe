//! Files in a directory of this machine.

mod account;
mod across;
mod across_nodes;
mod beside;
mod bring_back;
mod capabilities;
mod commit;
mod compare;
mod folder_look;
mod going;
mod jail;
mod keep_old;
mod listing;
mod may_come;
mod measure;
mod mode;
mod mtime;
mod names;
mod numbered;
mod owned;
mod partial;
mod partial_room;
mod parts;
mod placed;
mod probe;
mod properties;
mod record;
mod remove;
mod replace;
mod root;
mod seen;
mod source;
pub(super) mod staging;
mod stand_in;
mod supersede;
mod superseding;
mod sweep;
mod sync;
mod taking;
mod taking_note;
mod temp;
mod terms;
mod trash;
mod trash_room;
mod tree;
mod unnamed;
mod upload;
mod waiting;
mod whole;

#[cfg(test)]
mod fault_tests;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Stat, statat};

use crate::error::{Error, Kind, Result};
#[cfg(feature = "server")]
use crate::files::HomeTerms;
use crate::files::{
    Done, Durability, FileMode, Hash, Keep, KeptUsage, Listing, Looked, Meta, Mtime, NewMode, Partial, Prepared,
    Promises, Properties, RelPath, Removal, Removed, Seen, SeenAt, Source, SourceMode, StandInNote, Store, Stored,
    Swept, TrashId, TrashList, Umask, Upload, UploadSpec, Usage, UsageNow,
};
use crate::limits;
use crate::sync::RwLock;
pub use account::Limits;
use account::{Bound, Sum};
pub use across_nodes::TreeLock;
pub use capabilities::{Capabilities, FileSystems, Trial};
use jail::Jail;
pub use owned::Share;
#[cfg(test)]
pub(crate) use remove::hold_unattended;
pub use root::{Elsewhere, PlaceInTree, Root};
use staging::Stage;
pub use tree::{LeftToNext, Tree};
pub use waiting::Staging;

/// How a [`LocalStore`] works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct LocalOptions {
    /// What an acknowledged change outlives.
    pub durability: Durability,
    /// Where uploads wait.
    pub staging: Staging,
}

impl LocalOptions {
    /// This durability, and uploads that wait there.
    pub const fn new(durability: Durability, staging: Staging) -> Self {
        LocalOptions { durability, staging }
    }
}

/// A directory as a [`Store`]. Nothing outside it is reachable through it, whatever links are in it and whoever
/// swaps directories for links meanwhile.
pub struct LocalStore {
    jail: Arc<Jail>,
    stage: Stage,
    options: LocalOptions,
    /// Changes while the store is used ([`Store::keep_by`]).
    bound: RwLock<Option<Arc<Bound>>>,
    /// Where what is put here counts, if that is in a home elsewhere.
    #[cfg(feature = "server")]
    counted_in: Option<terms::CountedIn>,
}

impl LocalStore {
    /// How many bytes an upload to this path left beside it that was cut off, and that nobody writes.
    pub(crate) fn left_beside(&self, path: &RelPath) -> u64 {
        partial::left_beside(&self.stage, path)
    }

    /// The device and inode of what has this very name, which no link is followed from.
    pub(crate) fn identity(&self, path: &RelPath) -> Option<(u64, u64)> {
        let (dir, name) = self.jail.parent(path).ok()?;
        let found = statat(&*dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some((found.st_dev, found.st_ino))
    }

    /// Refuses to put something over what this store has put there under another path, as may be where a file system finds one file by
    /// several spellings of its name.
    ///
    /// # Errors
    /// [`Kind::Exists`].
    pub(crate) fn check_over(&self, there: &Stat, place: (&Dir, &[u8]), path: &RelPath) -> Result<()> {
        if self.stage.placed.has_as_another(there, place, path) { Err(placed::refusal(path)) } else { Ok(()) }
    }

    /// Remembers a link that was put there for [`LocalStore::check_over`].
    pub(crate) fn has_put(&self, dir: Dir, path: &RelPath) {
        let dir = Arc::new(dir);
        if self.stage.can(&dir).is_ok_and(|can| !can.exact)
            && let Some(name) = path.file_name()
            && let Ok(found) = statat(&*dir, name, AtFlags::SYMLINK_NOFOLLOW)
        {
            self.stage.placed.add_at((&*dir, name), &found, path);
        }
    }

    /// Removes what those left here who were killed while they tried what its file system can do, for a store that stages beside targets.
    pub(crate) fn clear_trials(root: &Path) {
        if let Ok(root) = Dir::open_ambient_dir(root, ambient_authority()) {
            probe::clear(&root);
        }
    }

    /// A store over a directory that is already open.
    ///
    /// # Errors
    /// That it may not be read.
    pub fn open(root: Dir, options: LocalOptions) -> Result<LocalStore> {
        Ok(Self::over(Arc::new(Root::alone(&root)?), options))
    }

    /// A store over a root that others may share: an open file each would otherwise bound the number of idle sessions.
    pub fn over(root: Arc<Root>, options: LocalOptions) -> LocalStore {
        Self::sharing(root, options, Arc::default())
    }

    /// A store over a root that others may share, with what is known of file systems already, so that not each of many stores tries them.
    pub fn sharing(root: Arc<Root>, options: LocalOptions, file_systems: Arc<FileSystems>) -> LocalStore {
        let jail = Arc::new(Jail::new(root));
        let durable = options.durability == Durability::Full;
        let stage = Stage::new(Arc::clone(&jail), options.staging, durable, file_systems);
        LocalStore {
            jail,
            stage,
            options,
            bound: RwLock::default(),
            #[cfg(feature = "server")]
            counted_in: None,
        }
    }

    /// This store for this one of several senders, of whom each finds only what is left of the own interrupted uploads.
    pub fn sent_by(mut self, sender: &str) -> LocalStore {
        self.stage.sender = Some(Hash::of(sender.as_bytes()));
        self
    }

    /// Removes for good what was deleted or replaced longer ago than this. How many things that were.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sweep_trash(&self, max_age: Duration) -> Result<usize> {
        trash::sweep(&self.jail, max_age)
    }

    /// A store over the directory at this path of the machine.
    ///
    /// # Errors
    /// That it is not there, is no directory, or may not be opened.
    pub fn open_path(root: &Path, options: LocalOptions) -> Result<LocalStore> {
        let dir = Dir::open_ambient_dir(root, ambient_authority()).map_err(|err| Error::file(root.display(), err))?;
        Self::open(dir, options)
    }

    /// Clears what dead processes left in the staging folder: a long enough upload that was cut off becomes a partial
    /// that can be resumed, the rest is removed, and so are partials untouched for `max_age`. Without one no partials are
    /// made nor left, as where the home is bounded. For a server's start;
    /// uploads of other stores and processes are safe meanwhile. A store that stages beside its targets has nothing
    /// to sweep: what is left there is taken up or replaced by the next upload of the same file.
    ///
    /// # Errors
    /// That the staging folder cannot be read. Single files that cannot be removed are left.
    pub fn sweep(&self, max_age: Option<Duration>) -> Result<Swept> {
        sweep::sweep(&self.stage, max_age).map_err(|err| Error::file(crate::limits::RESERVED_NAME, err))
    }

    /// Tries what the file system of this directory does of all that a store with [`Staging::Hidden`] relies on: with
    /// files in [`crate::limits::RESERVED_NAME`] that are removed again.
    ///
    /// # Errors
    /// The name of what no store can do without, and those of a directory that cannot be written to.
    pub fn try_out(root: &Dir, durability: Durability) -> Result<Capabilities> {
        let failed = |err| Error::file(crate::limits::RESERVED_NAME, err);
        let tried = staging::try_hidden(root, durability == Durability::Full, false).map_err(failed)?;
        match tried.missing() {
            None => Ok(tried),
            Some(what) => {
                Err(Error::new(Kind::Io, format!("this file system does not do what a server needs: {what}")))
            }
        }
    }

    fn durable(&self) -> bool {
        self.options.durability == Durability::Full
    }
}

impl Store for LocalStore {
    fn promises(&self) -> Promises {
        let mut promises = Promises::of_one_process();
        promises.resumes = self.jail.keeps_partials();
        promises
    }

    #[cfg(feature = "server")]
    fn keep_by(&self, terms: HomeTerms) -> bool {
        self.go_by(terms);
        true
    }

    #[cfg(feature = "server")]
    fn count_by(&self, terms: HomeTerms) {
        self.count_in_home_by(terms);
    }

    fn begins_by_counting(&self) -> bool {
        let may_wait = |bound: &Bound| !bound.is_measured() || bound.has_news() || bound.is_nearly_full();
        self.bound().as_deref().is_some_and(may_wait)
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        source::stat(&self.jail, path)
    }

    fn real_path(&self, path: &RelPath) -> Result<RelPath> {
        self.jail.real_path(path)
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        Ok(Box::new(source::LocalSource::open(&self.jail, path)?))
    }

    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        let promise = self.promise(path, spec.size.unwrap_or(0))?;
        let upload = upload::LocalUpload::begin(&self.stage, path, spec, self.durable())?;
        Ok(Box::new(upload.with(promise)))
    }

    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        self.count_first(path)?;
        partial::look(&self.stage, path)
    }

    fn look_for_partial(&self, path: &RelPath) -> Result<Looked> {
        self.count_first(path)?;
        partial::look_on(&self.stage, path, limits::PARTIAL_STEP)
    }

    fn resume(&self, path: &RelPath, spec: UploadSpec, from: u64, proven: Hash) -> Result<Box<dyn Upload>> {
        let sum = Sum::file(spec.size.unwrap_or(0).max(from));
        // What was counted of it already needs no room, and is not to be what gives way to the rest of it.
        let promise = self.count_first(path)?;
        let upload = partial::resume(&self.stage, path, spec, (from, proven), self.durable())?;
        let mut upload = upload.with(promise);
        if let Some(Err(err)) = upload.promise.as_mut().map(|promise| promise.secure(path, sum)) {
            partial::keep(upload);
            return Err(err);
        }
        Ok(Box::new(upload))
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        commit::commit((&self.jail, self.bound().as_ref()), &self.stage, self.durable(), changes)
    }

    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        Ok(Box::new(listing::LocalListing::open(&self.jail, self.options.staging, path, recursive)?))
    }

    fn remove(&self, path: &RelPath, recursive: bool) -> Result<Removed> {
        self.remove_keeping(path, recursive, Keep::As(path), None)
    }

    fn seen(&self, path: &RelPath) -> Result<Seen> {
        seen::look(&self.jail, path)
    }

    fn remove_seen(&self, path: &RelPath, recursive: bool, seen: &Seen) -> Result<Removed> {
        self.remove_keeping(path, recursive, Keep::As(path), Some(seen))
    }

    fn remove_keeping(&self, path: &RelPath, recursive: bool, keep: Keep<'_>, seen: Option<&Seen>) -> Result<Removed> {
        remove::remove(&self.jail, &self.stage, path, recursive, keep, seen)
    }

    fn begin_removal(&self, path: &RelPath, recursive: bool, keep: Keep<'_>, seen: Option<&Seen>) -> Result<Removal> {
        remove::count_what_goes((&self.jail, &self.stage), self.bound().as_ref(), path, (recursive, keep));
        remove::begin((&self.jail, &self.stage), path, recursive, keep, seen)
    }

    fn set_mode(&self, path: &RelPath, source: SourceMode) -> Result<FileMode> {
        mode::set(&self.jail, self.durable(), path, source)
    }

    fn begin_mode(&self, path: &RelPath, source: SourceMode) -> Result<NewMode> {
        let given = mode::give(&self.jail, path, source)?;
        Ok(match self.durable() {
            true => NewMode::Waits(self.stage.prepared().add(commit::Change::Mode(given))),
            false => NewMode::Kept(given.mode),
        })
    }

    fn set_mtime(&self, path: &RelPath, mtime: Mtime) -> Result<()> {
        mtime::set(&self.jail, self.durable(), path, mtime)
    }

    fn set_folder(&self, path: &RelPath, mtime: Mtime, mode: Option<FileMode>) -> Result<FileMode> {
        folder_look::set(&self.jail, self.durable(), path, (mtime, mode))
    }

    fn properties(&self, path: &RelPath) -> Result<Properties> {
        properties::load(&self.jail, path)
    }

    fn change_properties(&self, path: &RelPath, changes: &[(String, Option<String>)]) -> Result<()> {
        properties::change(&self.jail, self.durable(), path, changes)
    }

    fn free(&self) -> Result<Option<u64>> {
        let root = self.jail.root().map_err(|err| Error::file("your home folder", err))?;
        let disk = rustix::fs::fstatvfs(&*root).map_err(|err| Error::file("your home folder", err.into()))?;
        Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize)))
    }

    fn usage(&self) -> Result<Option<Usage>> {
        let Some(bound) = self.bound() else { return Ok(None) };
        // Where nothing can be written nothing was left over either.
        let _asked = bound.ask(&self.stage);
        bound.usage()
    }

    fn kept_usage_at(&self, _: &RelPath) -> Result<Option<KeptUsage>> {
        Ok(self.bound().and_then(|bound| bound.kept()))
    }

    fn usage_now_at(&self, _: &RelPath) -> Result<UsageNow> {
        Ok(self.bound().map_or(UsageNow::Known(None), |bound| bound.usage_now()))
    }

    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<Stored> {
        names::rename(&self.stage, self.durable(), (from, to), replace, &SeenAt::ANYTHING)
    }

    fn rename_seen(&self, from: &RelPath, to: &RelPath, replace: bool, seen: &SeenAt) -> Result<Stored> {
        names::rename(&self.stage, self.durable(), (from, to), replace, seen)
    }

    fn rename_from(
        &self,
        other: &dyn Store,
        from: &RelPath,
        to: &RelPath,
        replace: bool,
        seen: &SeenAt,
    ) -> Result<Stored> {
        let Some(other) = other.as_any().and_then(|other| other.downcast_ref::<LocalStore>()) else {
            return Err(Error::new(Kind::OtherFolder, from.said_from_other(to, "is in another shared folder")));
        };
        let ends = (
            across::End { stage: &other.stage, path: from, of_other: true },
            across::End { stage: &self.stage, path: to, of_other: false },
        );
        across::rename((&ends.0, &ends.1), seen, self.bound().as_ref(), self.durable(), replace)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn supersede(&self, from: &RelPath, to: &RelPath) -> Result<(Stored, Option<RelPath>)> {
        supersede::supersede(&self.stage, self.durable(), (from, to), &SeenAt::ANYTHING)
    }

    fn supersede_seen(&self, from: &RelPath, to: &RelPath, seen: &SeenAt) -> Result<(Stored, Option<RelPath>)> {
        supersede::supersede(&self.stage, self.durable(), (from, to), seen)
    }

    fn below(&self, path: &RelPath) -> Result<Arc<dyn Store>> {
        let (dir, place) = self.jail.inside(path)?;
        Ok(Arc::new(LocalStore::over(Arc::new(Root::within(&dir, place)?), self.options)))
    }

    fn trash(&self, path: &RelPath, most: usize, shown: &dyn Fn(&RelPath) -> bool) -> Result<TrashList> {
        trash::list(&self.jail, path, most, shown)
    }

    fn begin_restore(&self, path: &RelPath, id: TrashId, to: &RelPath) -> Result<Prepared> {
        let touched = bring_back::bring_back(&self.stage, path, id, to)?;
        Ok(self.stage.prepared().add(commit::Change::Restored(touched)))
    }

    fn is_kept(&self, path: &RelPath, id: TrashId) -> bool {
        bring_back::find(&self.stage, path, id).is_ok()
    }

    fn purge(&self, path: &RelPath, id: Option<TrashId>, shown: &dyn Fn(&RelPath) -> bool) -> Result<u64> {
        trash::purge(&self.jail, path, id, shown)
    }

    fn note_stand_in(&self, path: &RelPath) -> Result<Option<Box<dyn StandInNote>>> {
        stand_in::note(&self.stage, path)
    }

    fn begin_dir(&self, path: &RelPath, parents: bool, umask: Option<Umask>) -> Result<Prepared> {
        let made = names::make_dir(&self.jail, self.options.staging.folder_modes(umask), path, parents)?;
        Ok(self.stage.prepared().add(commit::Change::Folder(made)))
    }

    fn forget_handles(&self) {
        self.jail.forget();
    }
}
