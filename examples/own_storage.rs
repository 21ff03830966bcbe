//! A server whose files are not on a disk: every home is a shelf of objects with plain names, as in a table of a database or a
//! bucket, and no folders. It ends when standard input does.
//!
//! ```sh
//! SEALIFT_PASSWORD=... cargo run --example own_storage
//! ```
//! What a storage of your own has to do is what `sealift::testing::conformance` checks, one check at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sealift::auth::{Grants, UsersFile, hash_password};
use sealift::files::{
    Change, Committed, Condition, Done, Entry, EntryKind, FileIdentity, FileMode, Finding, Hash, Hasher, HomeTerms,
    Listing, Meta, Mtime, Overwrite, Partial, Prepared, PreparedSet, Promises, Record, RelPath, Removed, Source,
    SourceMode, Staged, Store, Stored, Swept, Umask, Unread, Upload, UploadSpec, Vault,
};
use sealift::server::Server;
use sealift::tls::Identity;
use sealift::{Error, Kind, Result};

const MODE: FileMode = FileMode::of(0o640);

/// A stored object. It is never changed, only replaced: who reads one reads it to its end.
#[derive(Clone)]
struct Object {
    bytes: Arc<Vec<u8>>,
    hash: Hash,
    mtime: Mtime,
}

impl Object {
    fn meta(&self) -> Meta {
        Meta { kind: EntryKind::File, size: self.bytes.len() as u64, mtime: self.mtime, mode: MODE }
    }
}

type Objects = BTreeMap<RelPath, Object>;

/// A home.
#[derive(Clone, Default)]
struct Shelf {
    objects: Arc<Mutex<Objects>>,
    prepared: PreparedSet<Box<Incoming>>,
}

impl Shelf {
    /// Everything that is decided is decided under this one lock.
    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, path: &RelPath) -> Result<Object> {
        self.lock().get(path).cloned().ok_or_else(|| missing(path))
    }

    /// Puts an upload in its place, if what it depends on holds.
    fn put(&self, upload: Incoming) -> Result<Committed> {
        let Incoming { path, spec, bytes, .. } = upload;
        let hash = upload.hasher.finalize();
        if let Some(size) = spec.size.filter(|size| *size != bytes.len() as u64) {
            return Err(Error::new(
                Kind::Integrity,
                format!("{path}: {size} bytes were announced, {} came", bytes.len()),
            ));
        }
        let mut objects = self.lock();
        let there = objects.get(&path);
        let stored = if there.is_some() { Stored::Replaced } else { Stored::Created };
        let holds = match spec.condition {
            Condition::Any => true,
            Condition::Absent if there.is_some() => {
                return Err(Error::new(Kind::Exists, path.said("is there already")));
            }
            Condition::Absent => true,
            Condition::Hash(expected) => there.is_some_and(|there| there.hash == expected),
        };
        if !holds {
            return Err(Error::new(Kind::Changed, path.said("not the file that was to be replaced")));
        }
        let mtime = spec.mtime.unwrap_or_else(|| SystemTime::now().into());
        let committed = Committed { size: bytes.len() as u64, hash, mtime, stored };
        if let (Overwrite::Refused, Some(there)) = (spec.overwrite, there) {
            if there.hash == hash {
                return Ok(Committed { mtime: there.mtime, stored: Stored::Same, ..committed });
            }
            return Err(Error::new(Kind::Denied, path.said("you may not replace what is there")));
        }
        objects.insert(path, Object { bytes: Arc::new(bytes), hash, mtime });
        Ok(committed)
    }
}

fn missing(path: &RelPath) -> Error {
    Error::new(Kind::NotFound, path.said("there is nothing of that name"))
}

fn no_folders(path: &RelPath) -> Error {
    Error::new(Kind::Denied, path.said("there are no folders here"))
}

impl Store for Shelf {
    fn promises(&self) -> Promises {
        let mut promises = Promises::of_one_process();
        promises.resumes = false;
        promises
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        if path.is_root() {
            let mtime = SystemTime::now().into();
            return Ok(Meta { kind: EntryKind::Directory, size: 0, mtime, mode: FileMode::of(0o750) });
        }
        self.object(path).map(|object| object.meta())
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        Ok(Box::new(Reading(self.object(path)?)))
    }

    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        if path.components().count() != 1 {
            return Err(no_folders(path));
        }
        let (path, bytes, hasher) = (path.clone(), Vec::new(), Hasher::new());
        Ok(Box::new(Incoming { prepared: self.prepared.clone(), path, spec, bytes, hasher }))
    }

    fn partial(&self, _path: &RelPath) -> Result<Option<Partial>> {
        Ok(None)
    }

    fn resume(&self, path: &RelPath, _spec: UploadSpec, _from: u64, _proven: Hash) -> Result<Box<dyn Upload>> {
        Err(Error::new(Kind::Changed, path.said("nothing of it was kept")))
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        let put = |prepared| self.prepared.take(prepared).and_then(|upload| self.put(*upload)).map(Done::File);
        changes.into_iter().map(put).collect()
    }

    fn list(&self, path: &RelPath, _recursive: bool) -> Result<Box<dyn Listing>> {
        if !path.is_root() {
            let meta = self.stat(path)?;
            return Err(Error::new(Kind::NotDirectory, path.said(format_args!("a file of {} bytes", meta.size))));
        }
        Ok(Box::new(Entries(self.lock().clone().into_iter())))
    }

    fn remove(&self, path: &RelPath, _recursive: bool) -> Result<Removed> {
        self.lock().remove(path).map(|_| Removed::FILE).ok_or_else(|| missing(path))
    }

    fn set_mode(&self, path: &RelPath, _source: SourceMode) -> Result<FileMode> {
        self.object(path).map(|_| MODE)
    }

    fn set_mtime(&self, path: &RelPath, mtime: Mtime) -> Result<()> {
        let mut objects = self.lock();
        objects.get_mut(path).map(|object| object.mtime = mtime).ok_or_else(|| missing(path))
    }

    fn rename(&self, from: &RelPath, to: &RelPath, replace: bool) -> Result<Stored> {
        if to.components().count() != 1 {
            return Err(no_folders(to));
        }
        let mut objects = self.lock();
        let object = objects.get(from).cloned().ok_or_else(|| missing(from))?;
        if from == to {
            return Ok(Stored::Same);
        }
        if objects.contains_key(to) && !replace {
            return Err(Error::new(Kind::Exists, to.said("is there already")));
        }
        objects.remove(from);
        let replaced = objects.insert(to.clone(), object);
        Ok(if replaced.is_some() { Stored::Replaced } else { Stored::Created })
    }

    fn begin_dir(&self, path: &RelPath, _parents: bool, _umask: Option<Umask>) -> Result<Prepared> {
        Err(no_folders(path))
    }

    fn forget_handles(&self) {}
}

/// An open object.
struct Reading(Object);

impl Source for Reading {
    /// Nothing but its bytes.
    fn identity(&self) -> Option<FileIdentity> {
        None
    }

    fn meta(&self) -> Meta {
        self.0.meta()
    }

    fn allocated(&self) -> Option<u64> {
        None
    }

    fn change(&self) -> Result<Change> {
        Ok(Change::Nothing)
    }

    fn record(&self) -> Option<Record> {
        Some(Record::Sound(self.0.hash))
    }

    fn compare(&self, _hash: &Hash) -> Finding {
        Finding::Confirmed
    }

    fn accept(&self, _hash: &Hash) -> Result<()> {
        Ok(())
    }

    fn forget_cached(&self) {}

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.bytes.get(offset..)).unwrap_or_default();
        let some = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(some)
    }
}

/// Bytes on their way to a name.
struct Incoming {
    prepared: PreparedSet<Box<Incoming>>,
    path: RelPath,
    spec: UploadSpec,
    bytes: Vec<u8>,
    hasher: Hasher,
}

impl Upload for Incoming {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        self.hasher.update(bytes);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn hash(&self) -> Hash {
        self.hasher.finalize()
    }

    fn keep(self: Box<Self>) -> u64 {
        0
    }

    fn refuse_overwrite(&mut self) {
        if self.spec.overwrite == Overwrite::Allowed {
            self.spec.overwrite = Overwrite::Refused;
        }
    }

    fn into_parts(self: Box<Self>) -> Result<Box<dyn Staged>> {
        Err(Error::new(Kind::Denied, self.path.said("comes in one piece or not at all")))
    }

    fn prepare(self: Box<Self>) -> Prepared {
        self.prepared.clone().add(self)
    }
}

/// The objects of a shelf, as they were when somebody asked.
struct Entries(std::collections::btree_map::IntoIter<RelPath, Object>);

impl Listing for Entries {
    fn next(&mut self) -> Option<Result<Entry, Unread>> {
        let (path, object) = self.0.next()?;
        let Meta { kind, size, mtime, mode } = object.meta();
        let path = path.as_bytes().to_vec();
        Some(Ok(Entry { kind, size, mtime, mode: Some(mode), rotten: false, mark: None, identity: None, path }))
    }
}

/// All shelves, by the names of the homes.
#[derive(Default)]
struct Shelves(Mutex<BTreeMap<String, Shelf>>);

impl Shelves {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Shelf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for Shelves {
    fn open(&self, home: &str, _terms: HomeTerms) -> Result<Arc<dyn Store>> {
        Ok(Arc::new(self.lock().entry(home.to_owned()).or_default().clone()))
    }

    fn prepare(&self, _home: &str) -> Result<()> {
        Ok(())
    }

    fn names(&self) -> Result<BTreeSet<String>> {
        Ok(self.lock().keys().cloned().collect())
    }

    fn sweep(&self, _home: &str, _max_age: Option<Duration>) -> Result<Swept> {
        Ok(Swept::default())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = tempfile::tempdir()?;
    let users = UsersFile::new(place.path().join("users.toml"));
    users.create()?;
    let password = std::env::var("SEALIFT_PASSWORD").map_err(|_| "SEALIFT_PASSWORD is not set")?;
    users.add("alice", &hash_password(&password.into())?, Grants::new("alice"))?;
    let server = Server::builder(Identity::generate(&["localhost".to_owned()])?)
        .users(place.path().join("users.toml"))
        .vault(Shelves::default())
        .listen("127.0.0.1:0".parse()?)
        .bind()?;
    for address in server.addresses() {
        println!("{address} {}", server.pin());
    }
    let handle = server.handle();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        handle.stop();
    });
    Ok(async_std::task::block_on(server.serve())?)
}
