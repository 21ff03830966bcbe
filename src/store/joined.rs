//! One store put together of several: a home, and folders that show in it and are kept elsewhere.
//!
//! The first names of a path say which store it is for. What is in the home under a name that such a folder has is hidden by
//! it. The folders themselves, and those above them, are not the user's to remove, rename or replace.

mod lease;
mod listing;
mod names;
mod removal;
mod route;
mod source;
#[cfg(test)]
mod tests;
mod trash;
mod uploads;

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

pub use self::lease::{Lease, WeakLease};
use self::listing::JoinedListing;
use self::removal::JoinedRemoving;
use self::route::{Route, ShownListing, ShownPath};
use self::source::ShownSource;
use self::uploads::{JoinedUpload, Way};
use crate::error::{Error, Kind, Result};
use crate::files::{
    Done, Entry, EntryKind, FileMode, Hash, HomeTerms, Keep, KeptUsage, Listing, Looked, Mark, Meta, Mtime, NewMode,
    Partial, Prepared, PreparedSet, Promises, Properties, RelPath, Removal, Removed, Seen, SeenAt, Source, SourceMode,
    StandInNote, Store, Stored, TrashId, TrashList, Umask, Unread, Upload, UploadSpec, Usage, UsageNow, one_each,
};

/// A folder that shows in a home.
#[derive(Clone)]
pub struct Mount {
    /// Where; never the home itself, and not inside of another one.
    pub at: RelPath,
    /// What it is; why it cannot be used, if it cannot.
    pub store: Result<Lease, Unusable>,
}

/// Why a folder cannot be used: it shows, and says this to whatever is done in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong.
    pub kind: Kind,
    /// In words.
    pub text: String,
}

/// The store of a home with the folders in it.
pub struct JoinedStore {
    home: Arc<dyn Store>,
    mounts: Vec<Mount>,
    /// What is prepared in the folders, each with the store it is for. What is prepared in the home is the home's own: sessions
    /// that get their first folder have some already.
    prepared: PreparedSet<Joint>,
}

enum Joint {
    /// To be committed by this store, which calls the path so.
    In { store: Arc<dyn Store>, change: Prepared, path: ShownPath },
    /// Nothing has to be done.
    Nothing,
}

/// Changes right behind each other in one store.
struct Run {
    store: Arc<dyn Store>,
    changes: Vec<Prepared>,
    /// What each is of, in a folder that shows in the home.
    paths: Vec<Option<ShownPath>>,
}

impl JoinedStore {
    /// This home with these folders in it.
    pub fn new(home: Arc<dyn Store>, mounts: Vec<Mount>) -> JoinedStore {
        JoinedStore { home, mounts, prepared: PreparedSet::default() }
    }

    /// This home with other folders in it; what was prepared in those that were there before can still be committed.
    pub fn sharing(&self, mounts: Vec<Mount>) -> JoinedStore {
        JoinedStore { home: self.home.clone(), mounts, prepared: self.prepared.clone() }
    }

    /// Those of the folders that can be used.
    fn stores(&self) -> impl Iterator<Item = Arc<dyn Store>> {
        self.mounts.iter().filter_map(|mount| mount.store.as_ref().ok()?.get())
    }

    fn route(&self, path: &RelPath) -> Result<Route<'_>> {
        for mount in &self.mounts {
            let Some(inside) = path.strip_prefix(&mount.at) else { continue };
            return match &mount.store {
                Ok(lease) => Ok(Route { store: lease.store(path)?, path: inside, at: Some(&mount.at) }),
                Err(Unusable { kind, text }) => Err(Error::new(*kind, path.said(text))),
            };
        }
        Ok(Route { store: self.home.clone(), path: path.clone(), at: None })
    }

    fn at<T>(&self, path: &RelPath, done: impl FnOnce(&dyn Store, &RelPath) -> Result<T>) -> Result<T> {
        self.route(path)?.with(done)
    }

    /// Whether this is a folder that shows here, or one above such a folder: there is one, whatever the home has there.
    fn is_fixed(&self, path: &RelPath) -> bool {
        self.mounts.iter().any(|mount| mount.at.is_within(path))
    }

    /// Fails if this path is not the user's to replace, rename or remove.
    fn refuse_fixed(&self, path: &RelPath) -> Result<()> {
        match self.mounts.iter().find(|mount| mount.at.is_within(path)) {
            Some(mount) if mount.at == *path => {
                let text = format!("{path} is a shared folder: only what is in it can be changed");
                Err(Error::new(Kind::Denied, text))
            }
            Some(mount) => {
                let text = path.said(format_args!(
                    "the shared folder {} is in it: only what else is in it can be changed",
                    mount.at
                ));
                Err(Error::new(Kind::Denied, text))
            }
            None => Ok(()),
        }
    }

    /// Fails if a file is to come where a folder shows, or one above it.
    fn refuse_folder(&self, path: &RelPath) -> Result<()> {
        match self.is_fixed(path) {
            true => Err(Error::new(Kind::IsDirectory, path.said("is a folder"))),
            false => Ok(()),
        }
    }

    /// Folders above those that show here need not be in the home. What comes into one makes it.
    fn make_room(&self, path: &RelPath) -> Result<()> {
        let Some(folder) = path.parent().filter(|folder| !folder.is_root()) else { return Ok(()) };
        let is_above = self.mounts.iter().any(|mount| mount.at != folder && mount.at.is_within(&folder));
        match is_above {
            true => self.home.make_dir(&folder, true),
            false => Ok(()),
        }
    }

    /// Starts an upload where it belongs.
    fn upload(
        &self,
        path: &RelPath,
        begin: impl FnOnce(&dyn Store, &RelPath) -> Result<Box<dyn Upload>>,
    ) -> Result<Box<dyn Upload>> {
        self.refuse_folder(path)?;
        self.make_room(path)?;
        let route = self.route(path)?;
        let upload = route.with(begin)?;
        let Some(path) = route.shown() else { return Ok(upload) };
        let way = Way { store: route.store, prepared: self.prepared.clone(), path };
        Ok(Box::new(JoinedUpload { upload, way }))
    }

    /// What the one store that this is in has in this folder.
    fn list_one(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        let route = self.route(path)?;
        let listing = route.with(|store, path| store.list(path, recursive))?;
        Ok(match route.shown() {
            None => listing,
            Some(folder) => Box::new(ShownListing { listing, folder }),
        })
    }

    /// What shows right in this folder: the names, with what they lead to.
    fn shown_in(&self, folder: &RelPath) -> Vec<(Vec<u8>, RelPath)> {
        let mut shown: Vec<(Vec<u8>, RelPath)> = Vec::new();
        for mount in &self.mounts {
            let Some(inside) = mount.at.strip_prefix(folder) else { continue };
            let Some(name) = inside.components().next().map(<[u8]>::to_vec) else { continue };
            if !shown.iter().any(|(known, _)| *known == name)
                && let Ok(path) = folder.join(&name)
            {
                shown.push((name, path));
            }
        }
        shown
    }
}

impl Store for JoinedStore {
    fn promises(&self) -> Promises {
        self.home.promises()
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        let found = self.at(path, |store, path| store.stat(path));
        match found {
            Ok(meta) if meta.kind == EntryKind::Directory => Ok(meta),
            _ if !path.is_root() && self.is_fixed(path) => Ok(shown_folder()),
            found => found,
        }
    }

    fn real_path(&self, path: &RelPath) -> Result<RelPath> {
        let route = self.route(path)?;
        let real = route.with(|store, path| store.real_path(path))?;
        match route.at {
            None => Ok(real),
            Some(at) => at.join(real.as_bytes()),
        }
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        self.refuse_folder(path)?;
        let route = self.route(path)?;
        let source = route.with(|store, path| store.open(path))?;
        Ok(match route.shown() {
            None => source,
            Some(path) => Box::new(ShownSource { source, path }),
        })
    }

    fn keep_by(&self, terms: HomeTerms) -> bool {
        self.stores().for_each(|store| store.count_by(terms));
        self.home.keep_by(terms)
    }

    fn begins_by_counting(&self) -> bool {
        self.home.begins_by_counting() || self.stores().any(|store| store.begins_by_counting())
    }

    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        self.upload(path, |store, path| store.begin(path, spec))
    }

    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        self.refuse_folder(path)?;
        self.at(path, |store, path| store.partial(path))
    }

    fn look_for_partial(&self, path: &RelPath) -> Result<Looked> {
        self.refuse_folder(path)?;
        self.at(path, |store, path| store.look_for_partial(path))
    }

    fn resume(&self, path: &RelPath, spec: UploadSpec, from: u64, proven: Hash) -> Result<Box<dyn Upload>> {
        self.upload(path, |store, path| store.resume(path, spec, from, proven))
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        let mut results = Vec::with_capacity(changes.len());
        // Those right behind each other in one store share their syncs, and all are done in order.
        let mut run: Option<Run> = None;
        let end = |run: Option<Run>, results: &mut Vec<Result<Done>>| {
            if let Some(Run { store, changes, paths }) = run {
                let done = one_each(store.commit(changes), paths.len()).into_iter().zip(paths);
                let told = |(done, path): (Result<Done>, Option<ShownPath>)| match path {
                    None => done,
                    Some(path) => done.map_err(|error| path.told(error)),
                };
                results.extend(done.map(told));
            }
        };
        for change in changes {
            let joint = match self.prepared.owns(&change) {
                true => self.prepared.take(change).map(|joint| match joint {
                    Joint::In { store, change, path } => Some((store, change, Some(path))),
                    Joint::Nothing => None,
                }),
                false => Ok(Some((self.home.clone(), change, None))),
            };
            match joint {
                Ok(Some((store, change, path))) => match &mut run {
                    Some(run) if Arc::ptr_eq(&run.store, &store) => {
                        run.changes.push(change);
                        run.paths.push(path);
                    }
                    _ => {
                        let next = Run { store, changes: vec![change], paths: vec![path] };
                        end(run.replace(next), &mut results);
                    }
                },
                Ok(None) => {
                    end(run.take(), &mut results);
                    results.push(Ok(Done::Folder { made: 0 }));
                }
                Err(error) => {
                    end(run.take(), &mut results);
                    results.push(Err(error));
                }
            }
        }
        end(run, &mut results);
        results
    }

    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        let shown = self.shown_in(path);
        let listed = self.list_one(path, recursive);
        if shown.is_empty() {
            return listed;
        }
        let listing = match listed {
            Ok(listing) => Some(listing),
            // Nothing of the home is there, or no folder: what shows is all there is.
            Err(error) if !path.is_root() && matches!(error.kind(), Kind::NotFound | Kind::NotDirectory) => None,
            Err(error) => return Err(error),
        };
        let mut first: VecDeque<Result<Entry, Unread>> = VecDeque::new();
        let mut later = VecDeque::new();
        for (name, shown) in &shown {
            let meta = self.stat(shown).unwrap_or_else(|_| shown_folder());
            first.push_back(Ok(Entry {
                kind: EntryKind::Directory,
                size: meta.size,
                mtime: meta.mtime,
                mode: Some(meta.mode),
                rotten: false,
                mark: self.mounts.iter().any(|mount| mount.at == *shown).then_some(Mark::Shared),
                identity: None,
                path: name.clone(),
            }));
            if recursive {
                match self.list(shown, true) {
                    Ok(listing) => later.push_back((name.clone(), listing)),
                    Err(error) => first.push_back(Err(Unread { path: name.clone(), error })),
                }
            }
        }
        let names = shown.into_iter().map(|(name, _)| name).collect();
        Ok(Box::new(JoinedListing { names, first, listing, later }))
    }

    fn remove(&self, path: &RelPath, recursive: bool) -> Result<Removed> {
        self.refuse_fixed(path)?;
        self.at(path, |store, path| store.remove(path, recursive))
    }

    fn seen(&self, path: &RelPath) -> Result<Seen> {
        match self.is_fixed(path) {
            true => Ok(Seen::FOLDER),
            false => self.at(path, |store, path| store.seen(path)),
        }
    }

    fn remove_seen(&self, path: &RelPath, recursive: bool, seen: &Seen) -> Result<Removed> {
        self.refuse_fixed(path)?;
        self.at(path, |store, path| store.remove_seen(path, recursive, seen))
    }

    fn remove_keeping(&self, path: &RelPath, recursive: bool, keep: Keep<'_>, seen: Option<&Seen>) -> Result<Removed> {
        self.keeping(path, keep, |store, path, keep| store.remove_keeping(path, recursive, keep, seen))
    }

    fn begin_removal(&self, path: &RelPath, recursive: bool, keep: Keep<'_>, seen: Option<&Seen>) -> Result<Removal> {
        // Before anything is gone: the folder may be shared no more when it is.
        let shown = self.route(path)?.shown();
        let removal = self.keeping(path, keep, |store, path, keep| store.begin_removal(path, recursive, keep, seen))?;
        Ok(match (removal, shown) {
            (Removal::Going(removing), Some(path)) => Removal::Going(Box::new(JoinedRemoving { removing, path })),
            (removal, _) => removal,
        })
    }

    fn set_mode(&self, path: &RelPath, source: SourceMode) -> Result<FileMode> {
        self.refuse_folder(path)?;
        self.at(path, |store, path| store.set_mode(path, source))
    }

    fn begin_mode(&self, path: &RelPath, source: SourceMode) -> Result<NewMode> {
        self.refuse_folder(path)?;
        let route = self.route(path)?;
        Ok(match (route.with(|store, path| store.begin_mode(path, source))?, route.shown()) {
            (NewMode::Waits(change), Some(path)) => {
                NewMode::Waits(self.prepared.add(Joint::In { store: route.store, change, path }))
            }
            (begun, _) => begun,
        })
    }

    fn set_mtime(&self, path: &RelPath, mtime: Mtime) -> Result<()> {
        self.refuse_folder(path)?;
        self.at(path, |store, path| store.set_mtime(path, mtime))
    }

    fn set_folder(&self, path: &RelPath, mtime: Mtime, mode: Option<FileMode>) -> Result<FileMode> {
        self.at(path, |store, path| store.set_folder(path, mtime, mode))
    }

    fn properties(&self, path: &RelPath) -> Result<Properties> {
        self.at(path, |store, path| store.properties(path))
    }

    fn change_properties(&self, path: &RelPath, changes: &[(String, Option<String>)]) -> Result<()> {
        self.at(path, |store, path| store.change_properties(path, changes))
    }

    fn free(&self) -> Result<Option<u64>> {
        self.home.free()
    }

    fn free_at(&self, path: &RelPath) -> Result<Option<u64>> {
        self.at(path, |store, path| store.free_at(path))
    }

    fn usage(&self) -> Result<Option<Usage>> {
        self.home.usage()
    }

    fn usage_at(&self, path: &RelPath) -> Result<Option<Usage>> {
        self.at(path, |store, path| store.usage_at(path))
    }

    fn kept_usage_at(&self, path: &RelPath) -> Result<Option<KeptUsage>> {
        self.at(path, |store, path| store.kept_usage_at(path))
    }

    fn usage_now_at(&self, path: &RelPath) -> Result<UsageNow> {
        self.at(path, |store, path| store.usage_now_at(path))
    }

    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<Stored> {
        self.give_name((from, to), replace, &SeenAt::ANYTHING)
    }

    fn rename_seen(&self, from: &RelPath, to: &RelPath, replace: bool, seen: &SeenAt) -> Result<Stored> {
        self.give_name((from, to), replace, seen)
    }

    fn supersede(&self, from: &RelPath, to: &RelPath) -> Result<(Stored, Option<RelPath>)> {
        self.put_in_place((from, to), &SeenAt::ANYTHING)
    }

    fn supersede_seen(&self, from: &RelPath, to: &RelPath, seen: &SeenAt) -> Result<(Stored, Option<RelPath>)> {
        self.put_in_place((from, to), seen)
    }

    fn note_stand_in(&self, path: &RelPath) -> Result<Option<Box<dyn StandInNote>>> {
        self.at(path, |store, path| store.note_stand_in(path))
    }

    fn trash(&self, path: &RelPath, most: usize, shown: &dyn Fn(&RelPath) -> bool) -> Result<TrashList> {
        self.list_trash(path, most, shown)
    }

    fn begin_restore(&self, path: &RelPath, id: TrashId, to: &RelPath) -> Result<Prepared> {
        self.bring_back(path, id, to)
    }

    fn is_kept(&self, path: &RelPath, id: TrashId) -> bool {
        self.at(path, |store, path| Ok(store.is_kept(path, id))).unwrap_or(false)
    }

    fn purge(&self, path: &RelPath, id: Option<TrashId>, shown: &dyn Fn(&RelPath) -> bool) -> Result<u64> {
        self.purge_all(path, id, shown)
    }

    fn begin_dir(&self, path: &RelPath, parents: bool, umask: Option<Umask>) -> Result<Prepared> {
        if self.is_fixed(path) {
            return match parents {
                true => Ok(self.prepared.add(Joint::Nothing)),
                false => Err(Error::new(Kind::Exists, path.said("already exists"))),
            };
        }
        self.make_room(path)?;
        let route = self.route(path)?;
        let change = route.with(|store, path| store.begin_dir(path, parents, umask))?;
        Ok(match route.shown() {
            None => change,
            Some(path) => self.prepared.add(Joint::In { store: route.store, change, path }),
        })
    }

    fn forget_handles(&self) {
        self.home.forget_handles();
        self.stores().for_each(|store| store.forget_handles());
    }
}

/// A folder above one that shows here, or one that cannot be used. It is on no disk and has no time: it counts as old as this program's
/// first look at one, since people take 1970 for a fault.
fn shown_folder() -> Meta {
    static FIRST_SHOWN: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);
    let mode = FileMode::of(crate::limits::SERVED_FOLDER_MODE);
    Meta { kind: EntryKind::Directory, size: 0, mtime: Mtime::from(*FIRST_SHOWN), mode }
}
