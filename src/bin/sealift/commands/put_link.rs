//! `put FILE LINK`: files are put in by a link over HTTP, which this program does not speak.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use sealift::Kind;
use sealift::client::LinkUrl;

use crate::failure::{Failure, Outcome};

/// Refuses a link as the place to put files into, and says how it is done.
///
/// # Errors
/// [`Kind::Usage`] for one.
pub fn refuse(names: &[OsString]) -> Outcome {
    if !names.last().is_some_and(|name| LinkUrl::is_meant(name.as_bytes())) {
        return Ok(());
    }
    let text = "files are put in by a link with a browser or curl, and not by this command";
    let hint = "It is written: curl -k --pinnedpubkey 'PIN' -T FILE 'LINK', where PIN is what stands behind the link's #. It checks the \
                server's key by that.";
    Err(Failure::new(Kind::Usage, text, hint))
}
