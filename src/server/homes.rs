//! The data directory, and each principal's own store in it.

use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::auth::Principal;
use crate::error::{Error, Result};
use crate::store::{Durability, LocalOptions, LocalStore, Staging, Store};

/// The directory that holds every home, opened once.
pub struct Homes {
    root: Dir,
    options: LocalOptions,
}

impl Homes {
    /// Opens the data directory, and makes it if it is missing.
    ///
    /// # Errors
    /// Those of the file system, naming the directory.
    pub fn open(data: &Path, durability: Durability) -> Result<Homes> {
        let failed = |err| Error::file(data.display(), err);
        std::fs::create_dir_all(data).map_err(failed)?;
        let root = Dir::open_ambient_dir(data, ambient_authority()).map_err(failed)?;
        Ok(Homes { root, options: LocalOptions { durability, staging: Staging::Hidden } })
    }

    /// Opens this principal's home, made if it is missing. There is no other way to a store.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open_home(&self, principal: &Principal) -> Result<Arc<dyn Store>> {
        let failed = |err| Error::file("your home folder", err);
        self.root.create_dir_all(principal.home()).map_err(failed)?;
        let home = self.root.open_dir(principal.home()).map_err(failed)?;
        Ok(Arc::new(LocalStore::open(home, self.options)?))
    }
}
