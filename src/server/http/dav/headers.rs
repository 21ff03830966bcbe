//! The headers of WebDAV.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::HeaderName;

use super::tokens;
use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::server::desk::locks::LockToken;

/// How much of a tree a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What the URL names alone.
    Zero,
    /// That, and what is directly in it.
    One,
    /// All of it.
    Infinity,
}

impl Depth {
    /// What the request says, if it says anything.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for anything but the three words, once.
    pub fn of(headers: &HeaderMap) -> Result<Option<Depth>> {
        let Some(word) = only(headers, "depth")? else { return Ok(None) };
        match word {
            "0" => Ok(Some(Depth::Zero)),
            "1" => Ok(Some(Depth::One)),
            word if word.eq_ignore_ascii_case("infinity") => Ok(Some(Depth::Infinity)),
            _ => Err(Error::new(Kind::BadCommand, "the Depth is 0, 1 or infinity")),
        }
    }
}

/// How long a lock is to last: the first of the times that can be had.
///
/// # Errors
/// [`Kind::BadCommand`] for what is no time.
pub fn lasts(headers: &HeaderMap) -> Result<Duration> {
    let Some(text) = only(headers, "timeout")? else { return Ok(limits::LOCK_DEFAULT) };
    let bad = || Error::new(Kind::BadCommand, "the Timeout is Second-NUMBER or Infinite");
    let first = text.split(',').next().unwrap_or_default().trim();
    if first.eq_ignore_ascii_case("infinite") {
        return Ok(limits::LOCK_MAX);
    }
    let digits = first.get(..7).filter(|word| word.eq_ignore_ascii_case("second-")).and_then(|_| first.get(7..));
    let digits = digits.filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    // More digits than a number has are just more than may be had.
    let secs = digits.ok_or_else(bad)?.parse().unwrap_or(u64::MAX);
    Ok(Duration::from_secs(secs).clamp(Duration::from_secs(1), limits::LOCK_MAX))
}

/// The lock that is to be given up.
///
/// # Errors
/// [`Kind::BadCommand`] if none is named; [`Kind::Changed`] for what is no token of ours.
pub fn lock_token(headers: &HeaderMap) -> Result<LockToken> {
    let bad = || Error::new(Kind::BadCommand, "the request has no Lock-Token");
    let text = only(headers, "lock-token")?.ok_or_else(bad)?;
    let uri = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).ok_or_else(bad)?;
    tokens::parse(uri).ok_or_else(|| Error::new(Kind::Changed, "there is no such lock here"))
}

/// The value of a header that may be there once.
///
/// # Errors
/// [`Kind::BadCommand`] if it is there more often, or is no text.
pub fn only<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>> {
    let bad = |why: &str| Error::new(Kind::BadCommand, format!("the request's {name} {why}"));
    let mut all = headers.get_all(HeaderName::from_static(name)).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(|_| bad("is no text")),
        (Some(_), Some(_)) => Err(bad("is there several times")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_lasts_as_long_as_is_said_and_never_too_long() {
        let of = |value: &'static str| {
            let headers = [(HeaderName::from_static("timeout"), value.parse().unwrap())].into_iter().collect();
            lasts(&headers).map(|lasts| lasts.as_secs()).map_err(|error| error.kind())
        };
        assert_eq!(lasts(&HeaderMap::new()).unwrap(), limits::LOCK_DEFAULT);
        assert_eq!(of("Second-600"), Ok(600));
        assert_eq!(of("second-0"), Ok(1));
        for long in ["Infinite", "Infinite, Second-4100000000", "Second-4100000000", "Second-99999999999999999999999"] {
            assert_eq!(of(long), Ok(limits::LOCK_MAX.as_secs()), "{long}");
        }
        for bad in ["", "600", "Second-", "Second--1", "Second-+1", "Second-1.5", "Minute-1"] {
            assert_eq!(of(bad), Err(Kind::BadCommand), "{bad}");
        }
    }

    #[test]
    fn a_depth_is_one_of_three_words() {
        let depth = |values: &[&str]| {
            let name = HeaderName::from_static("depth");
            let headers = values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect();
            Depth::of(&headers).map_err(|error| error.kind())
        };
        assert_eq!(depth(&[]), Ok(None));
        assert_eq!(depth(&["0"]), Ok(Some(Depth::Zero)));
        assert_eq!(depth(&[" 1 "]), Ok(Some(Depth::One)));
        assert_eq!(depth(&["Infinity"]), Ok(Some(Depth::Infinity)));
        for bad in
            [&["2"][..], &["-1"], &["00"], &["1, noroot"], &[""], &["0", "1"], &["99999999999999999999"], &["\u{fc}"]]
        {
            assert_eq!(depth(bad), Err(Kind::BadCommand), "{bad:?}");
        }
    }
}
