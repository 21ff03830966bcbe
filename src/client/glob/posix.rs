//! `[:digit:]` and its like in the brackets of a pattern: characters of ASCII, as POSIX names them.

/// Characters from one to another, both included. Where a class begins with one of these it is not `!`, which there would mean all others.
type Ranges = &'static [(u8, u8)];

const CLASSES: [(&str, Ranges); 12] = [
    ("alnum", &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')]),
    ("alpha", &[(b'A', b'Z'), (b'a', b'z')]),
    ("blank", &[(b' ', b' '), (b'\t', b'\t')]),
    ("cntrl", &[(0, 0x1f), (0x7f, 0x7f)]),
    ("digit", &[(b'0', b'9')]),
    ("graph", &[(b'"', b'~'), (b'!', b'!')]),
    ("lower", &[(b'a', b'z')]),
    ("print", &[(b' ', b'~')]),
    ("punct", &[(b':', b'@'), (b'[', b'`'), (b'{', b'~'), (b'!', b'/')]),
    ("space", &[(b' ', b' '), (b'\t', b'\r')]),
    ("upper", &[(b'A', b'Z')]),
    ("xdigit", &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')]),
];

/// The class whose name begins here, within the brackets of a pattern, and how many characters name it.
pub(in crate::client) fn class(typed: &[u32]) -> Option<(Ranges, usize)> {
    let named = CLASSES.iter().find(|(name, _)| {
        let mut written = format!("[:{name}:]").chars().map(u32::from).collect::<Vec<_>>().into_iter();
        let mut typed = typed.iter();
        written.all(|character| typed.next() == Some(&character))
    });
    named.map(|(name, ranges)| (*ranges, name.len() + "[::]".len()))
}

/// A pattern with the characters themselves in the place of such classes, for those that do not know them.
pub(in crate::client) fn spelled_out(pattern: &str) -> String {
    let typed: Vec<u32> = pattern.chars().map(u32::from).collect();
    let (mut out, mut at, mut members) = (String::new(), 0, None);
    while let Some(character) = typed.get(at).and_then(|character| char::from_u32(*character)) {
        let next = || typed.get(at + 1).and_then(|character| char::from_u32(*character));
        match (members, character) {
            (Some(_), '[') if let Some((ranges, length)) = class(typed.get(at..).unwrap_or_default()) => {
                out.extend(ranges.iter().flat_map(|(low, high)| [char::from(*low), '-', char::from(*high)]));
                at += length;
                continue;
            }
            // Right at the beginning it is one of them.
            (Some(begin), ']') if at > begin => members = None,
            (None, '[') => members = Some(at + 1 + usize::from(matches!(next(), Some('!' | '^')))),
            (None, '\\') => {
                out.push(character);
                out.extend(next());
                at += 2;
                continue;
            }
            _ => {}
        }
        out.push(character);
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_brackets_is_a_class() {
        for (pattern, meant) in [
            ("[[:digit:]]", "[0-9]"),
            ("*[![:digit:]x]", "*[!0-9x]"),
            ("[]:[:digit:]]", "[]:0-9]"),
            ("[:digit:]", "[:digit:]"),
            (r"\[[:digit:]]", r"\[0-9]"),
            ("[[:other:]]", "[[:other:]]"),
        ] {
            assert_eq!(spelled_out(pattern), meant.replace(r"\[0-9]", r"\[[:digit:]]"), "{pattern}");
        }
    }
}
