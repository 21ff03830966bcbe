//! A folder of somebody's home as whoever comes by a link sees it: without what the folders that are shared with that somebody hide in it.

use std::sync::Arc;

use super::restricted::{Allowed, Restricted, read_only};
use crate::error::{Error, Kind, Result};
use crate::files::{Entry, Listing, Meta, Partial, Properties, RelPath, Source, Store, Unread};

/// Where other folders show by now.
type Hidden = dyn Fn() -> Vec<RelPath> + Send + Sync;

/// A folder, to be read, in which other folders show to whose it is: what lies there under their names is nobody's to see.
pub struct Covered {
    folder: Arc<dyn Store>,
    hidden: Arc<Hidden>,
}

impl Covered {
    /// All of this folder but what is at these paths, or below them.
    pub fn over(
        folder: Arc<dyn Store>,
        hidden: impl Fn() -> Vec<RelPath> + Send + Sync + 'static,
    ) -> Restricted<Covered> {
        Restricted(Covered { folder, hidden: Arc::new(hidden) })
    }

    /// Fails if this is hidden, or a link on its way leads to what is.
    fn check(&self, path: &RelPath) -> Result<()> {
        let hidden = (self.hidden)();
        let leads_there = || self.folder.real_path(path).is_ok_and(|real| is_hidden(&hidden, &real));
        match !hidden.is_empty() && (is_hidden(&hidden, path) || leads_there()) {
            true => Err(Error::new(Kind::NotFound, path.said("no such file or folder"))),
            false => Ok(()),
        }
    }
}

fn is_hidden(hidden: &[RelPath], path: &RelPath) -> bool {
    hidden.iter().any(|at| path.is_within(at))
}

/// What is in a folder, without what is hidden.
struct Seen {
    listing: Box<dyn Listing>,
    /// The folder without links on its way.
    folder: RelPath,
    hidden: Arc<Hidden>,
}

impl Listing for Seen {
    fn next(&mut self) -> Option<Result<Entry, Unread>> {
        loop {
            let found = self.listing.next()?;
            let path = match &found {
                Ok(entry) => &entry.path,
                Err(unread) => &unread.path,
            };
            if !self.folder.join(path).is_ok_and(|path| is_hidden(&(self.hidden)(), &path)) {
                return Some(found);
            }
            self.listing.skip(path);
        }
    }

    fn skip(&mut self, folder: &[u8]) {
        self.listing.skip(folder);
    }
}

impl Allowed for Covered {
    fn whole(&self) -> &dyn Store {
        &*self.folder
    }

    fn refusal(&self, path: &RelPath) -> Error {
        read_only(path)
    }

    fn stat(&self, path: &RelPath) -> Result<Meta> {
        self.check(path)?;
        self.folder.stat(path)
    }

    fn real_path(&self, path: &RelPath) -> Result<RelPath> {
        self.check(path)?;
        self.folder.real_path(path)
    }

    fn open(&self, path: &RelPath) -> Result<Box<dyn Source>> {
        self.check(path)?;
        self.folder.open(path)
    }

    fn list(&self, path: &RelPath, recursive: bool) -> Result<Box<dyn Listing>> {
        self.check(path)?;
        let listing = self.folder.list(path, recursive)?;
        let folder = self.folder.real_path(path)?;
        Ok(Box::new(Seen { listing, folder, hidden: self.hidden.clone() }))
    }

    fn properties(&self, path: &RelPath) -> Result<Properties> {
        self.check(path)?;
        self.folder.properties(path)
    }

    fn partial(&self, _path: &RelPath) -> Result<Option<Partial>> {
        Ok(None)
    }
}
