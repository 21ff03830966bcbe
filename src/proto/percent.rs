//! Percent-encoding: how the arguments of commands and replies are written.

use std::borrow::Cow;

use memchr::memchr;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};

use crate::error::{Error, Kind, Result};

/// What an argument may not hold raw: controls, the space that separates, `%` itself, `=` that marks an option and
/// `:` that starts a reply's text. Bytes past ASCII are encoded too, so that every line is plain ASCII.
const ARGUMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'=').add(b':').add(b'"');

/// What an item of a list may not hold raw.
const ITEM: &AsciiSet = &ARGUMENT.add(b',');

/// Percent-encodes the bytes of one argument.
pub fn encode(bytes: &[u8]) -> Cow<'_, str> {
    percent_encode(bytes, ARGUMENT).into()
}

/// Percent-encodes one item of a list whose items are separated by commas.
pub fn list_item(bytes: &[u8]) -> Cow<'_, str> {
    percent_encode(bytes, ITEM).into()
}

/// Decodes one argument. Stricter than the crate: a `%` without two hexadecimal digits is an error, not a literal.
///
/// # Errors
/// [`Kind::BadCommand`].
pub fn decode(text: &[u8]) -> Result<Cow<'_, [u8]>> {
    let mut rest = text;
    while let Some(at) = memchr(b'%', rest) {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = rest.get(at + 3..).unwrap_or_default(),
            _ => {
                let text = "a `%` is not followed by two hexadecimal digits; write a percent sign as %25";
                return Err(Error::new(Kind::BadCommand, text));
            }
        }
    }
    Ok(percent_decode(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lone_percent_is_refused() {
        for bad in ["%", "100%", "%2", "%zz", "a%g0b"] {
            assert_eq!(decode(bad.as_bytes()).unwrap_err().kind(), Kind::BadCommand, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn decode_inverts_encode_and_the_encoded_form_is_one_plain_word(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = encode(&bytes);
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic() && b != b'=' && b != b':'));
            let decoded = decode(text.as_bytes()).unwrap();
            prop_assert_eq!(decoded.as_ref(), &bytes[..]);
        }
    }
}
