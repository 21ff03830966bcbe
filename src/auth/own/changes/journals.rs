//! The files of the journals: one for each number, and of two who write the same one the first has it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::random;

/// How the name of a journal begins that is being written.
pub(super) const NEW: &str = "new";

/// What a journal is called.
pub(super) fn name_of(number: u64) -> String {
    format!("{number:020}")
}

/// The numbers of the journals that are there: the last one, and for a moment the one before.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    Ok(numbers)
}

/// Writes the journal of this number. A file of its own each time: a name that nobody has seen yet leads to what it was given to,
/// whatever a mount keeps of others.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if somebody else has written it, or a later one: then this one was written by nobody. Those of the file
/// system.
pub(super) fn publish(folder: &Path, number: u64, text: &str) -> io::Result<()> {
    let new = folder.join(format!("{NEW}-{:016x}", random::number().map_err(io::Error::other)?));
    let published = try_to_publish(folder, &new, &folder.join(name_of(number)), text);
    if published.is_err() {
        let _ = fs::remove_file(&new);
        return published;
    }
    if numbers(folder)?.into_iter().any(|other| other > number) {
        // Another one has the lock, and this number was free again since that one had written it.
        let _ = fs::remove_file(folder.join(name_of(number)));
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    File::open(folder)?.sync_all()?;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let is_before = |name: &str| name.parse::<u64>().is_ok_and(|other| other < number) || name.starts_with(NEW);
        if name.to_str().is_some_and(is_before) {
            // What one that was killed was writing, too. If it stays the next one takes it away.
            let _ = fs::remove_file(folder.join(name));
        }
    }
    Ok(())
}

fn try_to_publish(folder: &Path, new: &Path, to: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(text.as_bytes())?;
    // It is other machines that are to see it.
    file.sync_all()?;
    match renameat_with(CWD, new, CWD, to, RenameFlags::NOREPLACE) {
        // Not by this file system.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        renamed => return Ok(renamed?),
    }
    match fs::hard_link(new, to).map_err(|err| (Errno::from_io_error(&err), err)) {
        Err((Some(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP), _)) => {}
        Err((_, err)) => return Err(err),
        Ok(()) => return fs::remove_file(new),
    }
    // Neither: then it is looked for, and the lock is all that there is between the look and this.
    match numbers(folder)?.iter().any(|number| to.ends_with(name_of(*number))) {
        true => Err(io::ErrorKind::AlreadyExists.into()),
        false => fs::rename(new, to),
    }
}
