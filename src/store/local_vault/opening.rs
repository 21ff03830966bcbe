//! Opening a data directory: making it, and trying what it is on.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use cap_std::fs::Dir;

use super::super::LocalStore;
use crate::error::{Error, Kind, Result};
use crate::files::Durability;

/// Tries what the file system of the data directory does, and says in the log what has to be done without. Whether it has locks, if it could be tried.
pub(super) fn try_out(root: &Dir, data: &Path, durability: Durability) -> Result<Option<bool>> {
    match LocalStore::try_out(root, durability) {
        Ok(found) => {
            for trial in found.trials().iter().filter(|trial| !trial.works) {
                tracing::warn!(
                    data = %data.display(),
                    "this file system is without {}: {}", trial.what, trial.without
                );
            }
            Ok(Some(found.has_locks()))
        }
        // A place to read from, or a full one, which may be emptied.
        Err(error) if matches!(error.kind(), Kind::Denied | Kind::NoSpace | Kind::Quota) => {
            tracing::warn!(data = %data.display(), %error, "not tried what this file system does");
            Ok(None)
        }
        Err(error) => Err(Error::new(error.kind(), format!("{}: {}", data.display(), error.text())).with_source(error)),
    }
}

/// Makes a directory, with those above it. Each new name is synced: a file that is acknowledged must not go with the
/// folder it is in.
pub(super) fn make(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).collect();
    for directory in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err),
            _ => {}
        }
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}
