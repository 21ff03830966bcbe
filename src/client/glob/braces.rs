//! `{a,b}`: one word that stands for several.

use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::limits;

/// All alternatives, from left to right. Braces without a comma between them stand for themselves, as in a shell.
pub(super) fn expand(typed: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut done = Vec::new();
    // Those not looked at yet, the next one last.
    let mut open = vec![typed.to_vec()];
    while let Some(word) = open.pop() {
        if done.len() + open.len() >= limits::ALTERNATIVES_MAX {
            let text = format!("{}: these are more than {} names", for_people(typed), limits::ALTERNATIVES_MAX);
            return Err(Error::new(Kind::Usage, text));
        }
        match first(&word) {
            None => done.push(word),
            Some(Braces { before, choices, after }) => {
                open.extend(choices.iter().rev().map(|choice| [before, choice, after].concat()));
            }
        }
    }
    Ok(done)
}

/// A pair of braces with a comma, between what is before it and what is after.
struct Braces<'a> {
    before: &'a [u8],
    choices: Vec<&'a [u8]>,
    after: &'a [u8],
}

/// The first of them.
fn first(word: &[u8]) -> Option<Braces<'_>> {
    let mut at = 0;
    while let Some(byte) = word.get(at) {
        match byte {
            b'\\' => at += 1,
            b'{' => {
                if let Some((choices, end)) = choices(word, at + 1) {
                    return Some(Braces { before: word.get(..at)?, choices, after: word.get(end..)? });
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// What is between the commas from here to the closing brace, and where what follows that begins.
fn choices(word: &[u8], from: usize) -> Option<(Vec<&[u8]>, usize)> {
    let (mut choices, mut begin, mut depth, mut at) = (Vec::new(), from, 0, from);
    loop {
        match word.get(at)? {
            b'\\' => at += 1,
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b',' if depth == 0 => {
                choices.push(word.get(begin..at)?);
                begin = at + 1;
            }
            b'}' => {
                choices.push(word.get(begin..at)?);
                return (choices.len() > 1).then_some((choices, at + 1));
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(typed: &str) -> Vec<String> {
        expand(typed.as_bytes()).unwrap().into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn alternatives_come_in_their_order_and_may_be_nested_or_empty() {
        for (typed, all) in [
            ("a", &["a"][..]),
            ("{a,b}", &["a", "b"]),
            ("x{a,b}{1,2}", &["xa1", "xa2", "xb1", "xb2"]),
            ("a{,.bak}", &["a", "a.bak"]),
            ("{a,{b,c}d}", &["a", "bd", "cd"]),
            ("{a/x,b/y}/z", &["a/x/z", "b/y/z"]),
        ] {
            assert_eq!(expanded(typed), all);
        }
    }

    #[test]
    fn what_is_no_list_stands_for_itself() {
        for typed in ["{a}", "{}", "{a,b", "a,b}", r"\{a,b}", r"{a\,b}"] {
            assert_eq!(expanded(typed), [typed]);
        }
        assert_eq!(expanded("{a}{b,c}"), ["{a}b", "{a}c"]);
        assert_eq!(expanded("{x{b,c}"), ["{xb", "{xc"]);
    }

    #[test]
    fn there_is_an_end_to_them() {
        let many = "{a,b}".repeat(100);
        assert_eq!(expand(many.as_bytes()).unwrap_err().kind(), Kind::Usage);
        expand("{".repeat(4000).as_bytes()).unwrap();
    }
}
