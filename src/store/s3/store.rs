//! One home of a bucket.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustix::io::Errno;

use super::engine::Why;
use super::listing::S3Listing;
use super::names::Spot;
use super::partial::Left;
use super::quota::{Bound, Promise};
use super::shared::{Found, Shared, failed, full, of_a_folder};
use super::source::S3Source;
use super::upload::{Change, S3Upload};
use crate::error::{Error, Kind, Result};
use crate::files::{
    Decided, Done, FileMode, Hash, Interrupted, Listing, Meta, Mtime, Partial, Prepared, PreparedSet, Promises,
    RelPath, Removed, Seen, SeenAt, Source, SourceMode, Store, Stored, Umask, Upload, UploadSpec, Usage,
};
use crate::store::bounds::Sum;

/// One home of a [`super::S3Vault`].
pub(super) struct S3Store {
    shared: Arc<Shared>,
    home: Spot,
    /// Who has come into a folder that several people share: a slash, and their home. Empty in their own.
    sender: String,
    prepared: PreparedSet<Change>,
    bound: Option<Arc<Bound>>,
    /// A part of a home: how much all of it holds is not for whoever was given that alone.
    is_part: bool,
}

impl S3Store {
    pub(super) fn new(shared: Arc<Shared>, home: Spot) -> S3Store {
        S3Store { shared, home, sender: String::new(), prepared: PreparedSet::default(), bound: None, is_part: false }
    }

    /// This store for this sender.
    pub(super) fn sent_by(self, sender: String) -> S3Store {
        S3Store { sender, ..self }
    }

    /// This store with this bound.
    pub(super) fn bounded(self, bound: Option<Arc<Bound>>) -> S3Store {
        S3Store { bound, ..self }
    }

    fn upload(&self, path: &RelPath, spec: UploadSpec) -> Result<S3Upload> {
        self.shared.keys.fits(&full(&self.home, path))?;
        let place = (&self.home, path, self.sender.as_str());
        S3Upload::new(&self.shared, self.prepared.clone(), place, spec)
    }

    /// Whether what is at this path counts in a quota that somebody has.
    fn is_counted(&self, path: &RelPath) -> bool {
        // Of the home itself it is the folder that counts.
        let key = self.shared.keys.folder(&full(&self.home, path));
        self.bound.is_some() || key.is_ok_and(|key| self.shared.ledger.is_counted(&key))
    }

    /// Room for so many bytes of an upload, where there is a bound.
    fn promise(&self, path: &RelPath, bytes: u64) -> Result<Option<Promise>> {
        self.bound.as_ref().map(|bound| Promise::of(bound, path, Sum::file(bytes))).transpose()
    }

    fn found(&self, path: &RelPath) -> Result<Found> {
        match self.shared.look(&full(&self.home, path), path)? {
            Found::Nothing => Err(self.shared.why_absent(&self.home, path)),
            found => Ok(found),
        }
    }
}

impl S3Store {
    /// Does what changes something, unless the next server has the bucket.
    fn changing<T>(&self, work: impl FnOnce(&Arc<Shared>) -> Result<T>) -> Result<T> {
        let _waited_for = self.shared.changers.begin()?;
        work(&self.shared)
    }

    /// Does what takes something away from where it is.
    fn moving<T>(&self, work: impl FnOnce(&Arc<Shared>) -> Result<T>) -> Result<T> {
        let done = self.changing(work);
        self.shared.forget_seen();
        done
    }
}

impl Store for S3Store {
    fn promises(&self) -> Promises {
        let mut promises = Promises::of_the_storage();
        if !self.shared.heeds().all() {
            promises.decided = Decided::InThisProcess;
        }
        promises.resumes = !self.is_counted(&RelPath::root());
        promises
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        if path.is_root() {
            return Ok(of_a_folder());
        }
        Ok(match self.found(path)? {
            Found::File(object) => object.meta(),
            Found::Folder | Found::Nothing => of_a_folder(),
        })
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        if path.is_root() {
            return Err(failed(path, Errno::ISDIR));
        }
        match S3Source::open(&self.shared, full(&self.home, path), path) {
            Ok(source) => Ok(Box::new(source)),
            Err(Why::Missing) => {
                self.found(path)?;
                Err(failed(path, Errno::ISDIR))
            }
            Err(why) => Err(why.at(path)),
        }
    }

    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        // What is kept of interrupted uploads is not counted: where that matters there are none.
        let interrupted = if self.is_counted(path) { Interrupted::Dropped } else { spec.interrupted };
        let spec = UploadSpec { interrupted, ..spec };
        let mut upload = self.upload(path, spec)?;
        if let Some(size) = spec.size {
            super::upload::check_size(size, path)?;
        }
        upload.check_target()?;
        upload.promise = self.promise(path, spec.size.unwrap_or(0))?;
        Ok(Box::new(upload))
    }

    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        if self.is_counted(path) {
            return Ok(None);
        }
        let left = self.shared.left(&full(&self.home, path), &self.sender).map_err(|why| why.at(path))?;
        Ok(left.as_ref().map(Left::partial))
    }

    fn resume(&self, path: &RelPath, spec: UploadSpec, from: u64, proven: Hash) -> Result<Box<dyn Upload>> {
        if let Some(size) = spec.size {
            super::upload::check_size(size, path)?;
            if size < from {
                let text = path.said(format_args!("{size} bytes were announced, less than what is there already"));
                return Err(Error::new(Kind::Integrity, text));
            }
        }
        let mut upload = self.upload(path, spec)?;
        upload.check_target()?;
        upload.check_in_parts()?;
        let none = || Error::new(Kind::Changed, path.said("nothing is left of the last upload"));
        if self.is_counted(path) {
            return Err(none());
        }
        let left = self.shared.left(&upload.full, &self.sender).map_err(|why| why.at(path))?;
        let left = left.ok_or_else(none)?;
        upload.check_begun(&left.begun)?;
        let taken = self.changing(|shared| left.proven(shared, (&upload.full, &self.sender), (from, proven), path))?;
        upload.go_on_with(taken);
        Ok(Box::new(upload))
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        let taken: Vec<Result<Change>> = changes.into_iter().map(|prepared| self.prepared.take(prepared)).collect();
        // Those of one name in their order, of different names side by side. A file and what is in it cannot both be; their order
        // then says which.
        let names: Vec<Spot> = taken.iter().flatten().filter_map(Change::place).cloned().collect();
        let meet = names.iter().any(|one| names.iter().any(|other| one != other && one.is_within(other)));
        let mut groups: BTreeMap<Spot, Vec<(usize, Box<S3Upload>)>> = BTreeMap::new();
        let mut done: Vec<(usize, Result<Done>)> = Vec::new();
        for (at, change) in taken.into_iter().enumerate() {
            match change {
                Err(error) => done.push((at, Err(error))),
                Ok(Change::Folder { made }) => done.push((at, Ok(Done::Folder { made }))),
                Ok(Change::File(upload)) => {
                    // A number may be that of another's own name.
                    let is_alone = meet || upload.spec.overwrite == crate::files::Overwrite::Numbered;
                    let group = if is_alone { self.home.clone() } else { upload.full.clone() };
                    groups.entry(group).or_default().push((at, upload));
                }
            }
        }
        let groups: Vec<_> = groups.into_values().map(|group| crate::sync::Mutex::new(Some(group))).collect();
        let committed = self.shared.side_by_side(&groups, |group| {
            let group = group.lock().take().unwrap_or_default();
            group
                .into_iter()
                .map(|(at, upload)| (at, self.changing(|_| upload.commit()).map(Done::File)))
                .collect::<Vec<_>>()
        });
        done.extend(committed.into_iter().flatten());
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, result)| result).collect()
    }

    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        let place = full(&self.home, path);
        if !path.is_root()
            && let Found::File(_) = self.found(path)?
        {
            return Err(failed(path, Errno::NOTDIR));
        }
        Ok(Box::new(S3Listing::new(&self.shared, (place, path), recursive)?))
    }

    fn remove(&self, path: &RelPath, recursive: bool) -> Result<Removed> {
        self.moving(|shared| shared.remove(&self.home, path, recursive, None))
    }

    fn seen(&self, path: &RelPath) -> Result<Seen> {
        self.shared.seen(&self.home, path)
    }

    fn remove_seen(&self, path: &RelPath, recursive: bool, seen: &Seen) -> Result<Removed> {
        self.moving(|shared| shared.remove(&self.home, path, recursive, Some(seen)))
    }

    fn usage(&self) -> Result<Option<Usage>> {
        self.bound.as_ref().filter(|_| !self.is_part).map_or(Ok(None), |bound| bound.usage())
    }

    fn set_mode(&self, path: &RelPath, source: SourceMode) -> Result<FileMode> {
        self.changing(|shared| shared.set_mode(&self.home, path, source))
    }

    /// None of it is kept: nobody waits for the storage for nothing.
    fn set_folder(&self, _path: &RelPath, _mtime: Mtime, _mode: Option<FileMode>) -> Result<FileMode> {
        Ok(of_a_folder().mode)
    }

    fn set_mtime(&self, path: &RelPath, mtime: Mtime) -> Result<()> {
        self.changing(|shared| shared.set_mtime(&self.home, path, mtime))
    }

    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<Stored> {
        self.moving(|shared| shared.rename(&self.home, (from, to), replace, &SeenAt::ANYTHING))
    }

    fn rename_seen(&self, from: &RelPath, to: &RelPath, replace: bool, seen: &SeenAt) -> Result<Stored> {
        self.moving(|shared| shared.rename(&self.home, (from, to), replace, seen))
    }

    fn supersede(&self, from: &RelPath, to: &RelPath) -> Result<(Stored, Option<RelPath>)> {
        self.moving(|shared| shared.supersede(&self.home, (from, to), &SeenAt::ANYTHING))
    }

    fn supersede_seen(&self, from: &RelPath, to: &RelPath, seen: &SeenAt) -> Result<(Stored, Option<RelPath>)> {
        self.moving(|shared| shared.supersede(&self.home, (from, to), seen))
    }

    fn below(&self, path: &RelPath) -> Result<Arc<dyn Store>> {
        if !path.is_root()
            && let Found::File(_) = self.found(path)?
        {
            return Err(failed(path, Errno::NOTDIR));
        }
        let part = S3Store::new(self.shared.clone(), full(&self.home, path)).sent_by(self.sender.clone());
        Ok(Arc::new(S3Store { is_part: true, ..part.bounded(self.bound.clone()) }))
    }

    fn begin_dir(&self, path: &RelPath, parents: bool, _umask: Option<Umask>) -> Result<Prepared> {
        let made = self.changing(|shared| shared.make_dir(&self.home, path, parents))?;
        Ok(self.prepared.add(Change::Folder { made }))
    }

    fn forget_handles(&self) {}
}

impl Change {
    /// The name that it is for.
    fn place(&self) -> Option<&Spot> {
        match self {
            Change::File(upload) => Some(&upload.full),
            Change::Folder { .. } => None,
        }
    }
}
