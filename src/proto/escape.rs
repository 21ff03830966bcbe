//! Text on its way to people and to the wire: percent-encoding for arguments, escaping for terminals and logs.

use std::borrow::Cow;
use std::fmt::Write as _;

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
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
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

/// Renders bytes for a terminal or a log: what could move the cursor, change colours, hide or reorder text is shown
/// as `\x1b` or `\u{202e}` instead (CVE-2019-6109). Backslash itself stays, names on Unix rarely hold it.
pub fn for_people(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\0'..='\x1f' | '\x7f' => {
                    let _ = write!(out, "\\x{:02x}", c as u32);
                }
                _ if is_deceptive(c) => {
                    let _ = write!(out, "\\u{{{:x}}}", c as u32);
                }
                _ => out.push(c),
            }
        }
        for b in chunk.invalid() {
            let _ = write!(out, "\\x{b:02x}");
        }
    }
    out
}

/// Whether a character past ASCII must not reach a terminal as it is: C1 controls, line and paragraph separators, and
/// the bidirectional and invisible formatting characters.
pub fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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

    #[test]
    fn terminal_controls_are_shown_not_sent() {
        assert_eq!(for_people(b"\x1b[31mred\x07"), "\\x1b[31mred\\x07");
        assert_eq!(for_people("a\u{9b}b\u{202e}c\u{2028}".as_bytes()), "a\\u{9b}b\\u{202e}c\\u{2028}");
        assert_eq!(for_people(b"x\xffy"), "x\\xffy");
        assert_eq!(for_people("naïve 文件".as_bytes()), "naïve 文件");
    }

    proptest! {
        #[test]
        fn decode_inverts_encode_and_the_encoded_form_is_one_plain_word(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = encode(&bytes);
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic() && b != b'=' && b != b':'));
            let decoded = decode(text.as_bytes()).unwrap();
            prop_assert_eq!(decoded.as_ref(), &bytes[..]);
        }

        #[test]
        fn what_people_see_never_holds_a_control(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(!for_people(&bytes).chars().any(char::is_control));
        }
    }
}
