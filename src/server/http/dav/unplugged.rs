//! What WebDAV makes of bytes from outside, without a server: for whoever fuzzes or tests it.

use super::condition::Lists;
use super::properties::{More, Resource};
use super::{lock, propfind, proppatch};
use crate::files::{EntryKind, Mtime, RelPath};

/// Reads a body in each of the ways in which one is read, and this as an `If` header. Gives what would be answered to it as a
/// PROPFIND of a file, if it is one.
pub fn told(header: &str, body: &[u8]) -> Option<String> {
    // That nothing panics is what is looked for.
    let _ = (Lists::parse(header), lock::asked_for(body), proppatch::wishes(body));
    let wanted = propfind::wanted(body).ok()?;
    let (href, path) = (String::from("/x"), RelPath::root());
    let file =
        Resource { href, path, kind: EntryKind::File, size: 1, mtime: Mtime::default(), more: More::default() };
    let mut told = String::new();
    file.respond(&wanted, &mut told);
    Some(told)
}
