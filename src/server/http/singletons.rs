//! Headers that a request may have once. Of two of one name, one part of a program looks at the first and another at the last: what
//! changes the meaning of a request is refused twice, whatever it says, before anything looks at it. (RFC 9110, section 5.3: what is no
//! list is not sent several times.) Those that are lists (`If-Match`, `If-None-Match`, `Accept`) may come in several lines.

use hyper::HeaderMap;

use crate::error::{Error, Kind, Result};

/// All that this server looks at and that is no list.
const SINGLETONS: [&str; 25] = [
    "authorization",
    "content-length",
    "content-range",
    "content-type",
    "depth",
    "destination",
    "host",
    "if",
    "if-modified-since",
    "if-range",
    "if-unmodified-since",
    "lock-token",
    "origin",
    "overwrite",
    "range",
    "sealift-prefix",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "timeout",
    "upload-complete",
    "upload-length",
    "upload-offset",
    "x-expected-entity-length",
    "x-oc-mtime",
];

/// Refuses what is there twice and may be once.
///
/// # Errors
/// [`Kind::BadCommand`].
pub fn check(headers: &HeaderMap) -> Result<()> {
    let is_twice = |name: &&&str| headers.get_all(**name).iter().nth(1).is_some();
    match SINGLETONS.iter().find(is_twice) {
        None => Ok(()),
        Some(name) => Err(Error::new(Kind::BadCommand, format!("the request's {name} is there several times"))),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn twice(name: &str, values: [&str; 2]) -> Result<(), Kind> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        check(&headers).map_err(|error| error.kind())
    }

    #[test]
    fn what_is_no_list_is_there_once() {
        for name in SINGLETONS {
            assert_eq!(twice(name, ["0", "1"]), Err(Kind::BadCommand), "{name}");
            assert_eq!(twice(name, ["0", "0"]), Err(Kind::BadCommand), "{name}: nor the same twice");
        }
        for list in ["if-match", "if-none-match", "accept", "cookie", "repr-digest", "x-anything"] {
            assert_eq!(twice(list, ["\"a\"", "\"b\""]), Ok(()), "{list}");
        }
    }
}
