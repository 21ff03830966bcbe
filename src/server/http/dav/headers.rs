//! The headers of WebDAV.

use hyper::HeaderMap;
use hyper::header::HeaderName;

use crate::error::{Error, Kind, Result};

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
