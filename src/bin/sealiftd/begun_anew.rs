//! A place where a server has run and its users file or its data is missing: a typing error in a path, a lost file, or a disk of its own that
//! is not mounted. To make it anew, as a first start does, would let anonymous readers in where they were shut out, or write below the place of the disk.

use std::path::Path;

use sealift::{Error, Kind, limits};

use crate::args::Places;
use crate::failure::Failure;
use crate::output::shell_word;

/// Fails if a server has run here, and its users file or its data folder is not there. `has_data` says that files are kept in the data
/// folder, and not in a bucket.
///
/// # Errors
/// [`Kind::NotFound`], with what to do.
pub fn refuse(places: &Places, has_data: bool) -> Result<(), Failure> {
    refuse_users(places)?;
    if has_data && has_run(places) && is_missing(&places.data) {
        let data = shell_word(&places.data.to_string_lossy());
        let hint = format!("If its disk is not mounted, mount it. To begin with an empty one: mkdir -m 700 {data}");
        return Err(missing(places, &places.data).hint(hint));
    }
    Ok(())
}

/// Fails if a server has run here, and its users file is not there: before anything that would make one, in which anonymous readers are let in.
///
/// # Errors
/// [`Kind::NotFound`], with what to do.
pub fn refuse_users(places: &Places) -> Result<(), Failure> {
    if !has_run(places) || !is_missing(&places.users) {
        return Ok(());
    }
    let users = shell_word(&places.users.to_string_lossy());
    let hint = format!(
        "Name the users file of before (--users, or `users` in the settings), or put it back. To begin with nobody, as the server's \
         account: sealiftd --users {users} user set anonymous --enabled no"
    );
    Err(missing(places, &places.users).hint(hint))
}

fn is_missing(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(err) if err.kind() == std::io::ErrorKind::NotFound)
}

fn missing(places: &Places, path: &Path) -> Failure {
    let state = places.state();
    let text =
        format!("{} is not there, though a server has run here: {} is its state", path.display(), state.display());
    Failure::from(Error::new(Kind::NotFound, text))
}

/// Whether the data folder has nothing in it, not even what each server keeps there, though a server has run here: its disk may not be
/// mounted.
pub fn is_data_empty(places: &Places) -> bool {
    has_run(places) && places.data.read_dir().is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether a server has run here: only one that serves has a place of its own in the state folder.
pub fn has_run(places: &Places) -> bool {
    places.state().join(limits::RESERVED_NAME).is_dir()
}
