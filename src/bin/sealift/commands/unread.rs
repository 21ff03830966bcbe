//! Telling of the folders that a server could not read.

use sealift::Exit;
use sealift::client::Unread;
use sealift::files::RelPath;

use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Shows each of them; what was listed in this folder is not all there is then.
///
/// # Errors
/// Nothing but the exit code, if there are any.
pub fn tell(out: Output, unread: &Unread, folder: &RelPath) -> Outcome {
    let failures = unread.errors(folder);
    if failures.is_empty() {
        return Ok(());
    }
    for (_, error) in failures {
        Failure::from(error).show(out);
    }
    Err(Failure::Shown(Exit::Partial))
}
