//! Names for what is beside its place for a while: `.NAME.MARK` and an end that says why.

use super::{Hash, RelPath};
use crate::error::Result;
use crate::limits;
use crate::random;

/// Digits of a mark.
pub(crate) const MARK: usize = 2 * size_of::<u64>();

/// Digits of the hash that stands for the rest of a name that was cut.
const HASH: usize = 2 * size_of::<Hash>();

/// What is in the name of everything that is beside its place.
pub(crate) const BESIDE: &[u8] = b".sealift-";

/// How the name of something ends that was moved out of the way.
pub(crate) const ASIDE: &[u8] = b".sealift-aside";

/// How the name of a copy ends that is built up beside its place. A mirror, which puts back what another one has moved out of the way, is
/// not to take half a copy for that.
pub(crate) const COPY: &[u8] = b".sealift-copy";

/// How the name of something ends that is not whole yet.
pub(crate) const PART: &[u8] = b".sealift-part";

/// A mark that nobody can guess: 64 random bits.
///
/// # Errors
/// [`Kind::Internal`](crate::error::Kind::Internal) without random numbers; so for the others.
fn random_mark() -> Result<String> {
    Ok(format!("{:016x}", random::number()?))
}

/// A name for what is moved out of the way for a while, `.NAME.MARK.sealift-aside`.
pub(crate) fn aside_name(target: &[u8]) -> Result<Vec<u8>> {
    Ok(hidden(target, Some(&random_mark()?), ASIDE))
}

/// A path with such a name beside this one, for what is not in its place yet, or not any more.
///
/// # Errors
/// [`Kind::PathTooLong`](crate::error::Kind::PathTooLong) where there can be none.
pub(crate) fn aside_path(path: &RelPath) -> Result<RelPath> {
    path.parent().unwrap_or_default().join(&aside_name(path.file_name().unwrap_or_default())?)
}

/// A path beside this one for a copy that is not whole yet, `.NAME.MARK.sealift-copy`.
///
/// # Errors
/// As [`aside_path`].
pub(crate) fn copy_path(path: &RelPath) -> Result<RelPath> {
    let name = hidden(path.file_name().unwrap_or_default(), Some(&random_mark()?), COPY);
    path.parent().unwrap_or_default().join(&name)
}

/// Whether a name is one of a copy that is not whole yet.
pub(crate) fn is_copy(name: &[u8]) -> bool {
    name.starts_with(b".") && name.ends_with(COPY)
}

/// Whether a name is one of what was moved aside.
pub(crate) fn is_aside(name: &[u8]) -> bool {
    name.starts_with(b".") && name.ends_with(ASIDE)
}

/// A name that nothing else has, for what is not whole yet, `.NAME.MARK.sealift-part`.
pub(crate) fn part_name(target: &[u8]) -> Result<Vec<u8>> {
    Ok(hidden(target, Some(&random_mark()?), PART))
}

/// Whether a name is one of what is not whole yet.
pub(crate) fn is_part(name: &[u8]) -> bool {
    name.starts_with(b".") && name.ends_with(PART)
}

/// What is known of the name that something had before it stood aside, or that it is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before<'a> {
    /// This was it.
    Name(&'a [u8]),
    /// It was longer than this, and began so.
    Start(&'a [u8]),
}

/// What is known of the name that something had before, or is to have; a long one is told by its hash, if it is among the known ones. None: it does
/// not stand aside.
pub(crate) fn before<'a>(aside: &'a [u8], known: impl Iterator<Item = &'a [u8]>) -> Option<Before<'a>> {
    name_before(aside, known).map(Before::Name).or_else(|| {
        let (rest, _) = without_end(aside)?;
        let start = rest.get(..rest.len().checked_sub(HASH + 1 + MARK)?);
        start.filter(|_| aside.len() >= limits::NAME_MAX).map(Before::Start)
    })
}

/// The name that something had before it was moved aside, or that a copy is to have. A long one was cut then, and is only known if it is
/// among these.
pub(crate) fn name_before<'a>(aside: &'a [u8], mut known: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let (rest, end) = without_end(aside)?;
    let (name, mark) = rest.split_at(rest.iter().rposition(|b| *b == b'.')?);
    let mark = std::str::from_utf8(mark).ok()?.strip_prefix('.')?;
    let is_mark = mark.len() == MARK && mark.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_mark || name.is_empty() {
        return None;
    }
    if aside.len() < limits::NAME_MAX {
        return Some(name);
    }
    known.find(|known| hidden(known, Some(mark), end) == aside)
}

/// What is between the dot and the end of the name of what stands aside, and that end.
fn without_end(aside: &[u8]) -> Option<(&[u8], &'static [u8])> {
    let rest = aside.strip_prefix(b".")?;
    [ASIDE, COPY].into_iter().find_map(|end| Some((rest.strip_suffix(end)?, end)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn what_was_moved_aside_is_known_by_its_name_again() {
        let long = [b'a'; 255];
        for target in [&b"x"[..], b".x.y", b"x.0123456789abcdef", &long[..222], &long[..223], &long[..224], &long] {
            let aside = aside_name(target).unwrap();
            assert!(aside.len() <= 255 && is_aside(&aside) && !is_part(&aside));
            let others = [&b"other"[..], target, &long[..200]];
            assert_eq!(name_before(&aside, others.into_iter()), Some(target));
            let is_cut = aside.len() == 255;
            assert_eq!(name_before(&aside, std::iter::empty()), (!is_cut).then_some(target));
        }
        for no_mark in
            [&b".sealift-aside"[..], b".x.sealift-aside", b".x.0123.sealift-aside", b"..0123456789abcdef.sealift-aside"]
        {
            assert_eq!(name_before(no_mark, std::iter::empty()), None);
        }
    }

    #[test]
    fn a_copy_is_known_by_the_name_that_it_is_to_have_and_is_nothing_that_was_moved_aside() {
        let path = |name: &[u8]| RelPath::parse(name).unwrap();
        for name in [&b"x"[..], &[b'a'; 255]] {
            let copy = copy_path(&path(name)).unwrap();
            let copy = copy.as_bytes();
            assert!(is_copy(copy) && !is_aside(copy) && !is_part(copy));
            assert_eq!(name_before(copy, [name].into_iter()), Some(name));
            let known = before(copy, std::iter::empty()).unwrap();
            assert_eq!(known == Before::Name(name), name.len() == 1, "{known:?}");
        }
    }

    #[test]
    fn a_path_aside_is_in_the_same_folder_if_there_can_be_one() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).unwrap();
        let aside = aside_path(&path("d/x")).unwrap();
        assert_eq!(aside.parent(), Some(path("d")));
        assert_eq!(name_before(aside.file_name().unwrap(), std::iter::empty()), Some(&b"x"[..]));
        let longest = path(&vec!["n".repeat(240); 17].join("/"));
        assert_eq!(longest.as_bytes().len(), limits::PATH_MAX);
        assert_eq!(aside_path(&longest).unwrap_err().kind(), Kind::PathTooLong);
    }
}
