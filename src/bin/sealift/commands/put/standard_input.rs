//! Standard input as a file to be sent.

use std::io;
use std::os::fd::AsFd as _;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, makedev};
use sealift::Kind;
use sealift::client::Upload;
use sealift::files::RelPath;

use crate::failure::{Failure, Outcome};

/// Fails if there is no standard input. Where it was closed, what stands in its place at the start of a program is /dev/null, to be read
/// and written; somebody who means an empty file gives one that is read.
fn prove_open() -> Outcome {
    let stdin = io::stdin();
    let is_null = fstat(&stdin).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == makedev(1, 3)
    });
    let is_for_both = fcntl_getfl(&stdin).is_ok_and(|flags| flags.contains(OFlags::RDWR));
    if is_null && is_for_both {
        let hint = "Nothing is stored then. `< /dev/null` stores an empty file.";
        return Err(Failure::new(
            Kind::Usage,
            "standard input is closed, or /dev/null opened for writing as well",
            hint,
        ));
    }
    Ok(())
}

/// Standard input as it was handed to this program, so that it can be known whether it has something.
///
/// # Errors
/// [`Kind::Usage`] if it was closed: what would be sent is nothing, and would take the place of something.
pub(super) fn standard_input(to: RelPath) -> Outcome<Upload> {
    prove_open()?;
    Ok(match io::stdin().as_fd().try_clone_to_owned() {
        Ok(stdin) => Upload::stream(stdin.into(), to),
        Err(_) => Upload::reader(io::stdin(), to),
    })
}
