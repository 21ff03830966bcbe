//! The server's own state folder, held by one server at a time, or by those that serve the same homes.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::auth::StateFolder;
use crate::error::{Error, Kind, Result};
use crate::store::{LocalVault, NodeName, Occupancy, SharedFolder};
use crate::sync::Mutex;

/// The folder, for as long as this server lives, or until it leaves it to the next one.
pub struct OccupiedState {
    folder: StateFolder,
    occupancy: Mutex<Option<Occupied>>,
}

/// What keeps other servers out, or those that do not share.
#[expect(dead_code, reason = "held")]
enum Occupied {
    Alone(Box<Occupancy>),
    Shared(SharedFolder),
}

impl OccupiedState {
    /// Opens the folder, and makes it if it is missing, for the server's account alone; or for several servers that share it.
    ///
    /// # Errors
    /// [`crate::Kind::Busy`] if another server has it; as [`StateFolder::open`].
    pub fn open(path: &Path, node: Option<(&NodeName, &LocalVault)>) -> Result<OccupiedState> {
        StateFolder::make(path)?;
        let failed = |err| Error::file(path.display(), err);
        let root = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
        // Before anything in it is looked at: what another server is writing there is not left over.
        let occupancy = match node {
            None => Occupancy::take(&root, path).map(|occupancy| Occupied::Alone(Box::new(occupancy))),
            Some(_) => SharedFolder::enter(&root, path).map(Occupied::Shared),
        };
        let occupancy = occupancy.map_err(|err| match err.kind() {
            Kind::Busy => Error::new(Kind::Busy, format!("{} (this server's own state)", err.text())),
            _ => err,
        })?;
        let folder = match node {
            None => StateFolder::open(path)?,
            Some((node, vault)) => {
                let folder = StateFolder::open_shared(path, &node.to_string(), vault.also_prove(&root, path)?)?;
                folder.removing_old_if(vault.goes_by_age())
            }
        };
        Ok(OccupiedState { folder, occupancy: Mutex::new(Some(occupancy)) })
    }

    /// The next server may have it from now on.
    pub fn leave(&self) {
        let left = self.occupancy.lock().take();
        drop(left);
    }

    /// Where things are in it.
    pub fn folder(&self) -> StateFolder {
        self.folder.clone()
    }
}
