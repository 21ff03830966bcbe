//! What else may meet a data directory: other servers, folders elsewhere, homes that lead out of it; as `sealiftd check` looks for it.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::super::occupancy;
use super::{homes, refuse_taken};
use crate::error::{Error, Kind, Result};
use crate::limits;

/// What would keep a server of this data directory, which may still be missing, with these homes from starting: that it lies in the data
/// directory of another one, or that one of these lies in it. Makes nothing.
pub fn look_at_neighbours(data: &Path, homes: &BTreeSet<&str>) -> Vec<Error> {
    let mut found: Vec<Error> = occupancy::refuse_inside(data).err().into_iter().collect();
    let Ok(root) = Dir::open_ambient_dir(data, ambient_authority()) else { return found };
    let mut places: BTreeSet<String> = BTreeSet::new();
    for entry in root.entries().into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name() != limits::RESERVED_NAME {
            places.extend(entry.file_name().into_string().ok());
        }
    }
    for home in homes {
        places.extend(Path::new(home).ancestors().filter_map(Path::to_str).map(str::to_owned));
    }
    places.remove("");
    let taken = places.iter().filter_map(|place| refuse_taken(homes::open(&root, place).ok()?, place).err());
    found.extend(taken);
    if found.is_empty() {
        found.extend(occupancy::refuse_around(data).err());
    }
    found
}

/// Fails if a folder elsewhere is the data directory, around it or in it: what is there would be reached past the rights of
/// whose it is.
///
/// # Errors
/// [`Kind::BadConfig`], and that one of them cannot be found.
pub fn refuse_meeting(data: &Path, folder: &Path) -> Result<()> {
    let real = |path: &Path| path.canonicalize().map_err(|err| Error::file(path.display(), err));
    let (data_is, folder_is) = (real(data)?, real(folder)?);
    if data_is.starts_with(&folder_is) || folder_is.starts_with(&data_is) {
        let text =
            format!("{} and the data folder {} are the same, or one is in the other", folder.display(), data.display());
        return Err(Error::new(Kind::BadConfig, text));
    }
    Ok(())
}

/// Opens this home below the data directory, found as a login finds it; nothing if it is not there. Makes nothing.
///
/// # Errors
/// What would make that login fail: something else has its name, it cannot be opened, a link is on the way to it that is not followed,
/// or it is a link that leads out of the data directory or nowhere.
pub fn open_home(data: &Path, home: &str) -> Result<Option<Dir>> {
    let called = data.join(home);
    let failed = |err| Error::file(called.display(), err);
    let root = match Dir::open_ambient_dir(data, ambient_authority()) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    match homes::open(&root, home) {
        Ok(dir) => Ok(Some(dir)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => match root.symlink_metadata(home) {
            Ok(_) => Err(Error::new(Kind::NotDirectory, format!("{}: is a link to nothing", called.display()))),
            Err(_) => Ok(None),
        },
        Err(err) => Err(failed(err)),
    }
}

/// Whether this home is there.
///
/// # Errors
/// As [`open_home`].
pub fn look_at_home(data: &Path, home: &str) -> Result<bool> {
    open_home(data, home).map(|home| home.is_some())
}
