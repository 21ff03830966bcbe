//! Text from outside on its way to people.

use std::fmt::Write as _;

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
    fn terminal_controls_are_shown_not_sent() {
        assert_eq!(for_people(b"\x1b[31mred\x07"), "\\x1b[31mred\\x07");
        assert_eq!(for_people("a\u{9b}b\u{202e}c\u{2028}".as_bytes()), "a\\u{9b}b\\u{202e}c\\u{2028}");
        assert_eq!(for_people(b"x\xffy"), "x\\xffy");
        assert_eq!(for_people("naïve 文件".as_bytes()), "naïve 文件");
    }

    proptest! {
        #[test]
        fn what_people_see_never_holds_a_control(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(!for_people(&bytes).chars().any(char::is_control));
        }
    }
}
