//! A folder that files can be put into, and nothing else be done with: what a link that files are put in by gives.

use std::sync::Arc;

use super::restricted::{Allowed, Restricted};
use crate::error::{Error, Kind, Result};
use crate::files::{Done, Overwrite, Prepared, RelPath, Store, Upload, UploadSpec};

/// A folder of another store, for new files to be put right into.
pub struct Inbox {
    store: Arc<dyn Store>,
    /// What it is called.
    folder: RelPath,
    /// Where it is in the other store.
    inside: RelPath,
}

impl Inbox {
    /// The folder of this store that is there (`inside`), and called so.
    pub fn of(store: Arc<dyn Store>, folder: RelPath, inside: RelPath) -> Restricted<Inbox> {
        Restricted(Inbox { store, folder, inside })
    }
}

impl Allowed for Inbox {
    fn whole(&self) -> &dyn Store {
        &*self.store
    }

    fn refusal(&self, path: &RelPath) -> Error {
        Error::new(Kind::Denied, path.said("files can be put in here, and nothing else"))
    }

    fn begins_by_counting(&self) -> bool {
        self.store.begins_by_counting()
    }

    fn begin(&self, path: &RelPath, spec: UploadSpec) -> Result<Box<dyn Upload>> {
        // Whoever asks for anything else would learn what is there.
        let name = path.file_name().filter(|_| path.parent().as_ref() == Some(&self.folder));
        match name.filter(|_| spec.overwrite == Overwrite::Numbered) {
            Some(name) => self.store.begin(&self.inside.join(name)?, spec),
            None => Err(self.refusal(path)),
        }
    }

    fn commit(&self, changes: Vec<Prepared>) -> Vec<Result<Done>> {
        self.store.commit(changes)
    }
}
