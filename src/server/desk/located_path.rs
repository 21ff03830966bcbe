//! A path that something was begun for, and the folder that it was in then.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use crate::auth::{Grants, SharedFolder};
use crate::files::{Location, RelPath};

/// A path, in the home or in a shared folder. The same path may come to be in another one while something is under way.
#[derive(Debug, Clone)]
pub struct LocatedPath {
    /// The path as its user has it.
    pub path: RelPath,
    /// None: the home.
    folder: Option<Arc<SharedFolder>>,
}

impl LocatedPath {
    /// This path as it is for somebody to whom this is granted.
    pub fn new(path: RelPath, grants: &Grants) -> LocatedPath {
        LocatedPath { folder: grants.folder_at(&path).cloned(), path }
    }

    /// Another path in the same folder.
    pub fn called(&self, path: RelPath) -> LocatedPath {
        LocatedPath { path, folder: self.folder.clone() }
    }

    /// Where a path in the same folder lies on the server, if that is a shared one: below the data folder, or from the root of the
    /// machine. In a home it is the home and the path.
    pub fn place_of(&self, path: &RelPath) -> Option<Vec<u8>> {
        let folder = self.folder.as_ref()?;
        let inside = folder.path_in(path)?;
        let mut place = match &folder.location {
            Location::Below(name) => name.clone().into_bytes(),
            Location::Elsewhere(path) => path.as_os_str().as_bytes().to_vec(),
        };
        if !inside.is_root() {
            place.push(b'/');
            place.extend_from_slice(inside.as_bytes());
        }
        Some(place)
    }

    /// Whether it is the same for somebody to whom this is granted now.
    pub fn is_still(&self, grants: &Grants) -> bool {
        match (&self.folder, grants.folder_at(&self.path)) {
            (None, None) => true,
            (Some(then), Some(now)) => then.is_same_place(now),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}
