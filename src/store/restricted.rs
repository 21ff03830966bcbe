//! Stores of which little can be used: what links give. What such a store allows is written in a file of its own; all else is refused
//! here, so that nothing is open because somebody forgot to close it.

use crate::error::{Error, Kind, Result};
use crate::files::{
    Done, FileMode, Hash, Listing, Meta, Mtime, Partial, Prepared, Promises, Properties, RelPath, Removed, Source,
    SourceMode, Store, Stored, Umask, Upload, UploadSpec,
};

/// What may be done with some of another store. Whatever is not written is refused, or, where that can be said without a refusal, is as
/// if nothing were there.
pub trait Allowed: Send + Sync {
    /// The store that it is some of.
    fn whole(&self) -> &dyn Store;

    /// What is said of this path to whoever asks for what is not allowed.
    fn refusal(&self, path: &RelPath) -> Error;

    /// [`Store::stat`].
    fn stat(&self, path: &RelPath) -> Result<Meta> {
        Err(self.refusal(path))
    }

    /// [`Store::real_path`].
    fn real_path(&self, path: &RelPath) -> Result<RelPath> {
        Ok(path.clone())
    }

    /// [`Store::open`].
    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        Err(self.refusal(path))
    }

    /// [`Store::list`].
    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        let _none_is_listed = recursive;
        Err(self.refusal(path))
    }

    /// [`Store::properties`].
    fn properties(&self, path: &RelPath) -> Result<Properties> {
        let _none_are_told = path;
        Ok(Properties::new())
    }

    /// [`Store::begins_by_counting`].
    fn begins_by_counting(&self) -> bool {
        false
    }

    /// [`Store::begin`].
    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        let _none_is_begun = spec;
        Err(self.refusal(path))
    }

    /// [`Store::partial`].
    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        Err(self.refusal(path))
    }

    /// [`Store::commit`].
    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        changes.into_iter().map(|_| Err(self.refusal(&RelPath::root()))).collect()
    }
}

/// What is said to whoever wants to change what can only be read.
pub(super) fn read_only(path: &RelPath) -> Error {
    Error::new(Kind::Denied, path.said("nothing can be changed here"))
}

/// A store in which that alone can be done which is allowed.
pub struct Restricted<A>(pub(super) A);

impl<A: Allowed> Store for Restricted<A> {
    fn promises(&self) -> Promises {
        self.0.whole().promises()
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        self.0.stat(path)
    }

    fn real_path(&self, path: &RelPath) -> Result<RelPath> {
        self.0.real_path(path)
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        self.0.open(path)
    }

    fn begins_by_counting(&self) -> bool {
        self.0.begins_by_counting()
    }

    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        self.0.begin(path, spec)
    }

    fn partial(&self, path: &RelPath) -> Result<Option<Partial>> {
        self.0.partial(path)
    }

    fn resume(&self, path: &RelPath, _spec: UploadSpec, _from: u64, _proven: Hash) -> Result<Box<dyn Upload>> {
        Err(self.0.refusal(path))
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        self.0.commit(changes)
    }

    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        self.0.list(path, recursive)
    }

    fn remove(&self, path: &RelPath, _recursive: bool) -> Result<Removed> {
        Err(self.0.refusal(path))
    }

    fn set_mode(&self, path: &RelPath, _source: SourceMode) -> Result<FileMode> {
        Err(self.0.refusal(path))
    }

    fn set_folder(&self, path: &RelPath, _mtime: Mtime, _mode: Option<FileMode>) -> Result<FileMode> {
        Err(self.0.refusal(path))
    }

    fn set_mtime(&self, path: &RelPath, _mtime: Mtime) -> Result<()> {
        Err(self.0.refusal(path))
    }

    fn properties(&self, path: &RelPath) -> Result<Properties> {
        self.0.properties(path)
    }

    fn rename(&self, from: &RelPath, _to: &RelPath, _replace: bool) -> Result<Stored> {
        Err(self.0.refusal(from))
    }

    fn begin_dir(&self, path: &RelPath, _parents: bool, _umask: Option<Umask>) -> Result<Prepared> {
        Err(self.0.refusal(path))
    }

    fn forget_handles(&self) {
        self.0.whole().forget_handles();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some of a store of which nothing is allowed.
    struct Nothing(tempfile::TempDir, crate::store::LocalStore);

    impl Allowed for Nothing {
        fn whole(&self) -> &dyn Store {
            &self.1
        }

        fn refusal(&self, path: &RelPath) -> Error {
            Error::new(Kind::Denied, path.said("not allowed"))
        }
    }

    #[test]
    fn what_is_not_allowed_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), "bytes").unwrap();
        let options = crate::store::LocalOptions::default();
        let whole = crate::store::LocalStore::open_path(folder.path(), options).unwrap();
        let (f, g) = (RelPath::parse(b"f").unwrap(), RelPath::parse(b"g").unwrap());
        let prepared = whole.begin(&g, UploadSpec::default()).unwrap().prepare();
        let store = Restricted(Nothing(folder, whole));
        let (spec, mode) = (UploadSpec::default(), SourceMode { mode: FileMode::of(0o600), perms: true });
        let refused = [
            store.stat(&f).map(drop),
            store.open(&f).map(drop),
            store.list(&RelPath::root(), true).map(drop),
            store.begin(&g, spec).map(drop),
            store.partial(&g).map(drop),
            store.look_for_partial(&g).map(drop),
            store.resume(&g, spec, 0, Hash::of(b"")).map(drop),
            store.commit(vec![prepared]).remove(0).map(drop),
            store.remove(&f, true).map(drop),
            store.set_mode(&f, mode).map(drop),
            store.set_mtime(&f, std::time::SystemTime::UNIX_EPOCH.into()),
            store.set_folder(&f, std::time::SystemTime::UNIX_EPOCH.into(), None).map(drop),
            store.rename(&f, &g, true).map(drop),
            store.supersede(&f, &g).map(drop),
            store.begin_dir(&g, true, None).map(drop),
            store.make_dir(&g, true),
            store.below(&RelPath::root()).map(drop),
        ];
        for (at, result) in refused.into_iter().enumerate() {
            assert_eq!(result.unwrap_err().kind(), Kind::Denied, "{at}");
        }
        assert_eq!(std::fs::read(store.0.0.path().join("f")).unwrap(), b"bytes");
        assert!(!store.0.0.path().join("g").exists());
    }
}
