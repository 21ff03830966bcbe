//! Telling of the folders that a server did not read.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sealift::Exit;
use sealift::client::{Skip, Unread};
use sealift::escape::for_people;
use sealift::files::RelPath;

use crate::alike;
use crate::failure::{Failure, Outcome};
use crate::output::{Event, Object, Output};

/// Shows each of them; what was listed in this folder is not all there is then. Those that the user may not list are no failures.
///
/// # Errors
/// Nothing but the exit code, if some could not be read.
pub fn tell(out: Output, unread: &Unread, folder: &RelPath) -> Outcome {
    tell_denied(out, unread, folder)?;
    tell_failed(out, unread, folder)
}

/// Shows those that the user may not list.
///
/// # Errors
/// If stdout cannot be written to.
pub fn tell_denied(out: Output, unread: &Unread, folder: &RelPath) -> Outcome {
    unread.denied(folder).try_for_each(|path| skipped(out, &path, Skip::Unlistable))?;
    Ok(())
}

/// Shows those that could not be read.
///
/// # Errors
/// As [`tell`].
pub fn tell_failed(out: Output, unread: &Unread, folder: &RelPath) -> Outcome {
    let failures = unread.errors(folder);
    if failures.is_empty() {
        return Ok(());
    }
    for (_, error) in failures {
        Failure::from(error).show(out);
    }
    Err(Failure::Shown(Exit::Partial))
}

/// Says that a folder was left out, and why.
///
/// # Errors
/// If stdout cannot be written to.
pub fn skipped(out: Output, folder: &Path, why: Skip) -> sealift::Result<()> {
    let name = folder.as_os_str().as_bytes();
    if !out.json(|| Object::of(Event::Skipped).name("path", name).text("why", why.words()))? {
        let text = format!("skipped {}: {}", for_people(name), why.words());
        // What would not be told is not counted either.
        if out.may_tell() && !alike::is_enough(out, "warning:", &text) {
            out.warn(&text);
        }
    }
    Ok(())
}
