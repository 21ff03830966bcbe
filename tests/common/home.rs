//! Helpers of the store's tests.
#![allow(dead_code, reason = "each test file uses some of them")]
#![allow(clippy::unwrap_used, reason = "test code outside of a test function")]

use sealift::Result;
use sealift::files::{Committed, Condition, RelPath, Store, UploadSpec};
use sealift::store::{LocalOptions, LocalStore};
use tempfile::TempDir;

/// A store over a fresh directory.
pub struct Home {
    pub store: LocalStore,
    pub dir: TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self::with(LocalOptions::default())
    }

    pub fn with(options: LocalOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Home { store: LocalStore::open_path(dir.path(), options).unwrap(), dir }
    }
}

pub fn p(path: &str) -> RelPath {
    RelPath::parse(path.as_bytes()).unwrap()
}

pub fn put(store: &dyn Store, path: &str, bytes: &[u8]) -> Result<Committed> {
    put_if(store, path, bytes, Condition::Any)
}

pub fn put_if(store: &dyn Store, path: &str, bytes: &[u8], condition: Condition) -> Result<Committed> {
    let spec = UploadSpec { size: Some(bytes.len() as u64), condition, ..UploadSpec::default() };
    let mut upload = store.begin(&p(path), spec)?;
    upload.append(bytes)?;
    store.commit_one(upload)
}

pub fn read(store: &dyn Store, path: &str) -> Result<Vec<u8>> {
    let mut source = store.open(&p(path))?;
    let mut bytes = vec![0; usize::try_from(source.meta().size).unwrap() + 1];
    let read = source.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The paths of a listing, sorted, errors left out.
pub fn list(store: &dyn Store, path: &str, recursive: bool) -> Vec<String> {
    let mut listing = store.list(&p(path), recursive).unwrap();
    let mut paths = Vec::new();
    while let Some(entry) = listing.next() {
        paths.extend(entry.ok().map(|entry| String::from_utf8_lossy(&entry.path).into_owned()));
    }
    paths.sort();
    paths
}
