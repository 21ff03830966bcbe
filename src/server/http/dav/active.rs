//! How an answer tells of locks (RFC 4918, section 15.8).

use std::fmt::Write as _;

use super::tokens;
use super::xml;
use crate::server::desk::Desk;
use crate::server::desk::locks::{Lock, Scope};
use crate::server::http::target::Place;

/// All locks that are over this place.
pub fn all(desk: &Desk, place: &Place, is_folder: bool) -> String {
    let mut out = String::new();
    for lock in desk.locks_over(&place.path) {
        one(desk, &lock, place, is_folder, &mut out);
    }
    out
}

/// A lock that is over this place. Its token is told to the user who has it, and to nobody else.
pub fn one(desk: &Desk, lock: &Lock, place: &Place, is_folder: bool, out: &mut String) {
    let scope = match lock.terms.scope {
        Scope::Exclusive => "exclusive",
        Scope::Shared => "shared",
    };
    let depth = if lock.terms.deep { "infinity" } else { "0" };
    let _ = write!(
        out,
        "<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:{scope}/></D:lockscope><D:depth>{depth}</D:depth>"
    );
    if !lock.terms.owner.is_empty() {
        let _ = write!(out, "<D:owner>{}</D:owner>", lock.terms.owner);
    }
    let _ = write!(out, "<D:timeout>Second-{}</D:timeout>", lock.left.as_secs().max(1));
    if lock.user == desk.principal().name() {
        let _ = write!(out, "<D:locktoken><D:href>{}</D:href></D:locktoken>", tokens::uri(lock.token));
    }
    let path = desk.path_of_lock(lock, &place.path);
    let is_folder = is_folder || path != place.path;
    out.push_str("<D:lockroot><D:href>");
    xml::escape(&Place { path, ..place.clone() }.url(is_folder), out);
    out.push_str("</D:href></D:lockroot></D:activelock>");
}
