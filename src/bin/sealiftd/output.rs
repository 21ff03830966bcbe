//! Writing to people. A closed standard output or error is no reason to stop serving, so failures are ignored;
//! names from outside are shown escaped.

use std::io::Write as _;

use sealift::escape::for_people;
use sealift::readable;

/// Writes text to standard output as it is: lines of our own, their names already escaped.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one line to standard error, escaped.
pub fn complain(line: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{}\n", for_people(line.as_bytes())).as_bytes());
}

/// A word of a command line as a shell reads it back, escaped.
pub fn shell_word(word: &str) -> String {
    readable::shell_word(&for_people(word.as_bytes()))
}

/// The first few of these names, and how many more there are.
pub fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] if names.len() <= SHOWN => format!("{} and {last}", first.join(", ")),
        _ => {
            let shown: Vec<&str> = names.iter().copied().take(SHOWN).collect();
            format!("{} and {} more", shown.join(", "), names.len() - SHOWN)
        }
    }
}

/// So many of them: `1 file`, `2 files`.
pub fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_a_few_and_a_number() {
        assert_eq!(some_of(&["a"]), "a");
        assert_eq!(some_of(&["a", "b"]), "a and b");
        assert_eq!(some_of(&["a", "b", "c"]), "a, b and c");
        assert_eq!(some_of(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }

    #[test]
    fn words_are_quoted_only_where_a_shell_needs_it() {
        assert_eq!(shell_word("certs/a-b_1.pem"), "certs/a-b_1.pem");
        assert_eq!(shell_word("my data"), "'my data'");
        assert_eq!(shell_word("it's"), r#""it's""#);
        assert_eq!(shell_word("a\x1bb"), r#""a\\x1bb""#);
        assert_eq!(shell_word(""), "''");
    }
}
