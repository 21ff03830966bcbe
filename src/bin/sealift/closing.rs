//! Whether what was written to standard output is where it was to go: a file system of a network may say only at a close that a quota or a
//! disk was full, and the end of a program hears nothing.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use sealift::Result;

use crate::output::stdout_failed;

/// Writes out what waits for standard output, and closes another handle of it. It stays open.
///
/// # Errors
/// What the file system says.
pub fn stdout() -> Result<()> {
    let mut stdout = io::stdout();
    stdout.flush().map_err(stdout_failed)?;
    let another = stdout.as_fd().try_clone_to_owned().map_err(stdout_failed)?;
    nix::unistd::close(another).map_err(|err| stdout_failed(err.into()))
}
