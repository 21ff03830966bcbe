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
    let Some(link) = names.last().filter(|name| LinkUrl::is_meant(name.as_bytes())) else { return Ok(()) };
    let link: LinkUrl = String::from_utf8_lossy(link.as_bytes()).parse()?;
    let text = "files are put in by a link with a browser or curl, and not by this command";
    Err(Failure::new(Kind::Usage, text, with_curl(&link)))
}

/// How curl sends a file by this link. What the link gives to whoever has it is not repeated.
pub fn with_curl(link: &LinkUrl) -> String {
    match link.pin {
        Some(pin) => {
            format!("`curl -k --pinnedpubkey '{pin}' -T FILE 'LINK'` sends one, and checks the server's key by that.")
        }
        None => "`curl -T FILE 'LINK'` sends one.".to_owned(),
    }
}
