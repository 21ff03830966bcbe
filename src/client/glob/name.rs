//! `*`, `?` and `[…]` within one name. Names are bytes that mostly are UTF-8: `?` is one character of it, or one byte
//! that is none. (`globset`, which filters whole paths elsewhere, takes `?` as one byte.)

use super::posix;

/// A pattern for one name.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
    /// It may match what begins with a dot: because it does so, or because that was asked for.
    is_hidden: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Any number of characters.
    Any,
    /// One character.
    One,
    /// This character.
    Only(u32),
    /// One of those between these, both included, or one of all others.
    Class { ranges: Vec<(u32, u32)>, others: bool },
}

impl Token {
    fn takes(&self, character: u32) -> bool {
        match self {
            Token::Any | Token::One => true,
            Token::Only(own) => *own == character,
            Token::Class { ranges, others } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *others
            }
        }
    }
}

/// Characters as numbers; bytes that are no text have some beyond all of Unicode.
fn characters(bytes: &[u8]) -> Vec<u32> {
    const NO_TEXT: u32 = 0x11_0000;
    let mut out = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.extend(chunk.valid().chars().map(u32::from));
        out.extend(chunk.invalid().iter().map(|byte| NO_TEXT + u32::from(*byte)));
    }
    out
}

const fn code(c: char) -> u32 {
    c as u32
}

impl Pattern {
    /// Whether it stands for more than one name.
    pub(super) fn is_one(typed: &[u8]) -> bool {
        tokens(&characters(typed)).iter().any(|token| !matches!(token, Token::Only(_)))
    }

    pub(super) fn parse(typed: &[u8]) -> Pattern {
        let tokens = tokens(&characters(typed));
        let is_hidden = tokens.first() == Some(&Token::Only(code('.')));
        Pattern { tokens, is_hidden }
    }

    /// This pattern, which stands for what begins with a dot too.
    pub(super) fn with_hidden(self) -> Pattern {
        Pattern { is_hidden: true, ..self }
    }

    pub(super) fn matches(&self, name: &[u8]) -> bool {
        if name.starts_with(b".") && !self.is_hidden {
            return false;
        }
        let name = characters(name);
        let (mut token, mut at) = (0, 0);
        // Where to go on after the last star if the rest does not match: with one more character of its own.
        let mut star: Option<(usize, usize)> = None;
        loop {
            match (self.tokens.get(token), name.get(at)) {
                (Some(Token::Any), _) => {
                    star = Some((token + 1, at));
                    token += 1;
                    continue;
                }
                (Some(one), Some(character)) if one.takes(*character) => {
                    token += 1;
                    at += 1;
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            match &mut star {
                Some((after, taken)) if *taken < name.len() => {
                    *taken += 1;
                    (token, at) = (*after, *taken);
                }
                _ => return false,
            }
        }
    }
}

fn tokens(typed: &[u32]) -> Vec<Token> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(character) = typed.get(at) {
        at += 1;
        let token = match char::from_u32(*character) {
            // Two of them are no more than one.
            Some('*') if out.last() == Some(&Token::Any) => continue,
            Some('*') => Token::Any,
            Some('?') => Token::One,
            Some('[') => match class(typed, at) {
                Some((class, end)) => {
                    at = end;
                    class
                }
                None => Token::Only(*character),
            },
            Some('\\') => {
                let meant = typed.get(at).copied().unwrap_or(*character);
                at += 1;
                Token::Only(meant)
            }
            _ => Token::Only(*character),
        };
        out.push(token);
    }
    out
}

/// The class from here on, and where what follows its bracket begins; nothing if that is not closed.
fn class(typed: &[u32], from: usize) -> Option<(Token, usize)> {
    let is = |at: usize, c: char| typed.get(at) == Some(&code(c));
    let others = is(from, '!') || is(from, '^');
    let begin = from + usize::from(others);
    let (mut ranges, mut at) = (Vec::new(), begin);
    // A bracket right at the beginning is one of the class.
    while at == begin || !is(at, ']') {
        if let Some((named, length)) = posix::class(typed.get(at..).unwrap_or_default()) {
            ranges.extend(named.iter().map(|(low, high)| (u32::from(*low), u32::from(*high))));
            at += length;
            continue;
        }
        let (low, after) = member(typed, at)?;
        at = after;
        let mut high = low;
        if is(at, '-') && !is(at + 1, ']') {
            (high, at) = member(typed, at + 1)?;
        }
        ranges.push((low, high));
    }
    Some((Token::Class { ranges, others }, at + 1))
}

fn member(typed: &[u32], at: usize) -> Option<(u32, usize)> {
    match typed.get(at)? {
        character if *character == code('\\') => Some((*typed.get(at + 1)?, at + 2)),
        character => Some((*character, at + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &[u8]) -> bool {
        Pattern::parse(pattern.as_bytes()).matches(name)
    }

    #[test]
    fn wildcards_mean_what_they_mean_in_a_shell() {
        for (pattern, name, does) in [
            ("*", "a", true),
            ("*", "", true),
            ("a*", "a", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("*.tar.*", "x.tar.gz", true),
            ("a**b", "ab", true),
            ("?", "ü", true),
            ("?", "文", true),
            ("??", "ü", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[ä-ü]", "ö", true),
            ("x[[:digit:]_]", "x7", true),
            ("x[[:digit:]_]", "x_", true),
            ("x[![:digit:]]", "x7", false),
            ("[]]", "]", true),
            ("[!]]", "a", true),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            (r"[\]]", "]", true),
            (r"[a\-z]", "m", false),
            ("[abc", "[abc", true),
            ("[", "[", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            (r"a\", r"a\", true),
            ("*[0-9]", "a9", true),
            ("[z-a]", "m", false),
        ] {
            assert_eq!(matches(pattern, name.as_bytes()), does, "{pattern} {name}");
        }
    }

    #[test]
    fn a_byte_that_is_no_text_is_one_character() {
        assert!(matches("?.bin", b"\xff.bin") && matches("*.bin", b"\xff\xfe.bin") && !matches("?", b"\xff\xfe"));
        let exact = Pattern::parse(b"\xff*");
        assert!(exact.matches(b"\xffx") && !exact.matches(b"\xfex"));
    }

    #[test]
    fn many_stars_take_no_more_than_a_moment() {
        let name = vec![b'a'; 255];
        assert!(!matches(&"*a".repeat(100), &[&name[..], b"b"].concat()));
    }
}
