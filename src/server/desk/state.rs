//! The server's own state folder, held by one server at a time.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::auth::StateFolder;
use crate::error::{Error, Kind, Result};
use crate::store::Occupancy;

/// The folder, for as long as this server lives.
pub struct State {
    folder: StateFolder,
    _occupancy: Occupancy,
}

impl State {
    /// Opens the folder, and makes it if it is missing, for the server's account alone.
    ///
    /// # Errors
    /// [`crate::Kind::Busy`] if another server has it; as [`StateFolder::open`].
    pub fn open(path: &Path) -> Result<State> {
        StateFolder::make(path)?;
        let failed = |err| Error::file(path.display(), err);
        let root = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
        // Before anything in it is looked at: what another server is writing there is not left over.
        let occupancy = Occupancy::take(&root, path).map_err(|err| match err.kind() {
            Kind::Busy => Error::new(Kind::Busy, format!("{} (this server's own state)", err.text())),
            _ => err,
        })?;
        Ok(State { folder: StateFolder::open(path)?, _occupancy: occupancy })
    }

    /// Where things are in it.
    pub fn folder(&self) -> StateFolder {
        self.folder.clone()
    }
}
