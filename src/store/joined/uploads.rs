//! Uploads into the folders that show in a home.

use std::sync::Arc;

use super::Joint;
use super::route::ShownPath;
use crate::error::Result;
use crate::files::{Compared, Hash, Part, Prepared, PreparedSet, Source, Staged, Store, Upload};

/// The folder that an upload is for, and where it waits for its commit.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) store: Arc<dyn Store>,
    pub(super) prepared: PreparedSet<Joint>,
    pub(super) path: ShownPath,
}

impl Way {
    fn told<T>(&self, done: Result<T>) -> Result<T> {
        done.map_err(|error| self.path.told(error))
    }
}

/// An upload into one of the folders.
pub(super) struct JoinedUpload {
    pub(super) upload: Box<dyn Upload>,
    pub(super) way: Way,
}

impl Upload for JoinedUpload {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.way.told(self.upload.append(bytes))
    }

    fn share(&mut self, source: &dyn Source) -> bool {
        self.upload.share(source)
    }

    fn copy_properties(&mut self, source: &dyn Source) {
        self.upload.copy_properties(source);
    }

    fn len(&self) -> u64 {
        self.upload.len()
    }

    fn hash(&self) -> Hash {
        self.upload.hash()
    }

    fn keep(self: Box<Self>) -> u64 {
        self.upload.keep()
    }

    fn rest(&mut self) {
        self.upload.rest();
    }

    fn claim_room(&mut self) -> Result<()> {
        self.way.told(self.upload.claim_room())
    }

    fn compare(&mut self, most: u64) -> Result<Compared> {
        self.way.told(self.upload.compare(most))
    }

    fn refuse_overwrite(&mut self) {
        self.upload.refuse_overwrite();
    }

    fn into_parts(self: Box<Self>) -> Result<Box<dyn Staged>> {
        let JoinedUpload { upload, way } = *self;
        Ok(Box::new(JoinedStaged { staged: way.told(upload.into_parts())?, way }))
    }

    fn prepare(self: Box<Self>) -> Prepared {
        let JoinedUpload { upload, way: Way { store, prepared, path } } = *self;
        prepared.add(Joint::In { store, change: upload.prepare(), path })
    }
}

/// An upload in parts into one of the folders.
struct JoinedStaged {
    staged: Box<dyn Staged>,
    way: Way,
}

impl Staged for JoinedStaged {
    fn part(&self, offset: u64, length: u64) -> Result<Box<dyn Part>> {
        let part = self.way.told(self.staged.part(offset, length))?;
        Ok(Box::new(JoinedPart { part, path: self.way.path.clone() }))
    }

    fn into_upload(self: Box<Self>) -> Result<Box<dyn Upload>> {
        let JoinedStaged { staged, way } = *self;
        Ok(Box::new(JoinedUpload { upload: way.told(staged.into_upload())?, way }))
    }

    fn keep(self: Box<Self>) -> u64 {
        self.staged.keep()
    }
}

/// One of the parts.
struct JoinedPart {
    part: Box<dyn Part>,
    path: ShownPath,
}

impl Part for JoinedPart {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.part.append(bytes).map_err(|error| self.path.told(error))
    }

    fn finish(self: Box<Self>) -> Result<u64> {
        let JoinedPart { part, path } = *self;
        part.finish().map_err(|error| path.told(error))
    }
}
