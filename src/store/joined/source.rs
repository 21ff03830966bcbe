//! Files of the folders that show in a home.

use std::fs::File;

use super::route::ShownPath;
use crate::error::Result;
use crate::files::{Change, FileIdentity, Finding, Hash, Meta, Record, Source};

/// An open file of one of the folders.
pub(super) struct ShownSource {
    pub(super) source: Box<dyn Source>,
    pub(super) path: ShownPath,
}

impl Source for ShownSource {
    fn meta(&self) -> Meta {
        self.source.meta()
    }

    fn allocated(&self) -> Option<u64> {
        self.source.allocated()
    }

    fn identity(&self) -> Option<FileIdentity> {
        self.source.identity()
    }

    fn change(&self) -> Result<Change> {
        self.source.change().map_err(|error| self.path.told(error))
    }

    fn record(&self) -> Option<Record> {
        self.source.record()
    }

    fn compare(&self, hash: &Hash) -> Finding {
        self.source.compare(hash)
    }

    fn accept(&self, hash: &Hash) -> Result<()> {
        self.source.accept(hash).map_err(|error| self.path.told(error))
    }

    fn as_file(&self) -> Option<&File> {
        self.source.as_file()
    }

    fn expect(&mut self, offset: u64, length: u64) {
        self.source.expect(offset, length);
    }

    fn forget_cached(&self) {
        self.source.forget_cached();
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.source.read_at(offset, buffer).map_err(|error| self.path.told(error))
    }
}
