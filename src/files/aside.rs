//! Names for what is beside its place for a while: `.NAME.MARK` and an end that says why.

use super::Hash;
use crate::limits;

/// Digits of a mark.
pub(crate) const MARK: usize = 2 * size_of::<u64>();

/// Digits of the hash that stands for the rest of a name that was cut.
const HASH: usize = 2 * size_of::<Hash>();

/// How the name of something ends that was moved out of the way, or is built up beside its place.
pub(crate) const ASIDE: &[u8] = b".sealift-aside";

/// What is known of the name that something had before it stood aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before<'a> {
    /// This was it.
    Name(&'a [u8]),
    /// It was longer than this, and began so.
    Start(&'a [u8]),
}

/// What is known of the name that something had before; a long one is told by its hash, if it is among the known ones. None: it does
/// not stand aside.
pub(crate) fn before<'a>(aside: &'a [u8], known: impl Iterator<Item = &'a [u8]>) -> Option<Before<'a>> {
    name_before(aside, known).map(Before::Name).or_else(|| {
        let rest = aside.strip_prefix(b".")?.strip_suffix(ASIDE)?;
        let start = rest.get(..rest.len().checked_sub(HASH + 1 + MARK)?);
        start.filter(|_| aside.len() >= limits::NAME_MAX).map(Before::Start)
    })
}

/// The name that something had before it was moved aside. A long one was cut then, and is only known if it is among these.
pub(crate) fn name_before<'a>(aside: &'a [u8], mut known: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let rest = aside.strip_prefix(b".")?.strip_suffix(ASIDE)?;
    let (name, mark) = rest.split_at(rest.iter().rposition(|b| *b == b'.')?);
    let mark = std::str::from_utf8(mark).ok()?.strip_prefix('.')?;
    let is_mark = mark.len() == MARK && mark.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_mark || name.is_empty() {
        return None;
    }
    if aside.len() < limits::NAME_MAX {
        return Some(name);
    }
    known.find(|known| hidden(known, Some(mark), ASIDE) == aside)
}

/// `.NAME.MARK` and this end. A name that does not fit is cut, and its hash takes the place.
pub(crate) fn hidden(target: &[u8], mark: Option<&str>, end: &[u8]) -> Vec<u8> {
    let mark = mark.map_or(String::new(), |mark| format!(".{mark}"));
    let room = limits::NAME_MAX.saturating_sub(1 + mark.len() + end.len());
    let start = match target.get(..room) {
        Some(_) if target.len() > room => {
            let hash = Hash::of(target).to_string();
            let (kept, _) = target.split_at(room.saturating_sub(hash.len()));
            [kept, hash.as_bytes()].concat()
        }
        _ => target.to_vec(),
    };
    [b".", &*start, mark.as_bytes(), end].concat()
}
