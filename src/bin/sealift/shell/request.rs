//! What one line of the conversation asks for: a command of the shell, where its output goes, or a program of this
//! machine.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use sealift::{Error, Kind, Result};

use super::Words;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// What is to be done.
    pub what: What,
    /// It began with `-`: what follows is done even if this fails.
    pub may_fail: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// `!LINE`: by the system's shell.
    Local(OsString),
    /// A command, and the command line of the system's shell that reads what it writes.
    Command {
        /// The words of the command.
        words: Words,
        /// What comes behind `|`, or `cat` with `>` and what is behind that.
        reader: Option<OsString>,
    },
}

impl Request {
    /// Takes a line apart as a shell does: quotes and backslashes protect what means something, `#` begins a comment.
    /// Nothing if there is no word in it.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a quote that is not closed, and for a `|` or `>` with nothing on one of its sides.
    pub fn read(line: &[u8]) -> Result<Option<Request>> {
        let line = line.trim_ascii();
        let (line, may_fail) = match line.strip_prefix(b"-") {
            Some(rest) => (rest.trim_ascii_start(), true),
            None => (line, false),
        };
        if let Some(local) = line.strip_prefix(b"!") {
            let what = What::Local(OsStr::from_bytes(local.trim_ascii()).to_owned());
            return Ok(Some(Request { what, may_fail }));
        }
        let (command, rest) = line.split_at(end_of_command(line));
        let words = split(command)?;
        let reader = match rest.split_first() {
            None => None,
            Some(_) if words.is_empty() => return Err(usage("there is no command before | or >")),
            Some(_) if rest.iter().all(|byte| matches!(byte, b'|' | b'>' | b' ' | b'\t')) => {
                return Err(usage("nothing is named behind | or >"));
            }
            Some((b'|', reader)) => Some(OsStr::from_bytes(reader.trim_ascii()).to_owned()),
            Some(_) => Some(OsString::from_vec([b"cat ", rest].concat())),
        };
        Ok((!words.is_empty()).then_some(Request { what: What::Command { words, reader }, may_fail }))
    }

    /// Whether the line may be remembered: not if somebody typed a password into it.
    pub fn is_harmless(&self) -> bool {
        let What::Command { words, .. } = &self.what else { return true };
        let Some(name) = words.first().map(|name| name.as_bytes().to_ascii_lowercase()) else { return false };
        match name.as_slice() {
            b"login" | b"user" => words.len() <= 2,
            b"pass" | b"password" => false,
            _ => true,
        }
    }
}

/// Where the command ends: at the first `|` or `>` that nothing protects, and not in a comment.
fn end_of_command(line: &[u8]) -> usize {
    let (mut quote, mut escaped, mut at_word) = (None, false, true);
    for (at, byte) in line.iter().copied().enumerate() {
        let begins_word = std::mem::replace(&mut at_word, byte.is_ascii_whitespace());
        match (quote, byte) {
            _ if escaped => escaped = false,
            (None | Some(b'"'), b'\\') => escaped = true,
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'|' | b'>') => return at,
            (None, b'#') if begins_word => return line.len(),
            (None, _) => {}
        }
    }
    line.len()
}

/// The words of a command.
///
/// # Errors
/// [`Kind::Usage`] for a quote that is not closed.
pub fn split(line: &[u8]) -> Result<Words> {
    let mut lexer = shlex::bytes::Shlex::new(line);
    let words: Words = lexer.by_ref().map(OsString::from_vec).collect();
    if lexer.had_error {
        return Err(usage("a quote is not closed, or the line ends with a backslash"));
    }
    Ok(words)
}

fn usage(text: &str) -> Error {
    Error::new(Kind::Usage, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Request> {
        Request::read(line.as_bytes()).unwrap()
    }

    fn command(words: &[&str], reader: Option<&str>) -> Option<Request> {
        let words = words.iter().map(OsString::from).collect();
        Some(Request { what: What::Command { words, reader: reader.map(OsString::from) }, may_fail: false })
    }

    #[test]
    fn quotes_and_backslashes_protect_what_means_something() {
        for (line, words, reader) in [
            ("get 'a b.txt' c", &["get", "a b.txt", "c"][..], None),
            ("get a\\ b \"c d\"  # a comment | less", &["get", "a b", "c d"], None),
            ("cat a | less", &["cat", "a"], Some("less")),
            ("cat a|grep 'x|y' | wc -l", &["cat", "a"], Some("grep 'x|y' | wc -l")),
            ("cat 'a|b' \"c>d\" e\\|f", &["cat", "a|b", "c>d", "e|f"], None),
            ("ls > names", &["ls"], Some("cat > names")),
            ("ls >> names", &["ls"], Some("cat >> names")),
            ("cat it\\'s | wc", &["cat", "it's"], Some("wc")),
        ] {
            assert_eq!(read(line), command(words, reader), "{line}");
        }
    }

    #[test]
    fn a_line_may_be_for_this_machine_or_be_allowed_to_fail() {
        let local = |line: &str| What::Local(line.into());
        assert_eq!(read("! ls -l | wc"), Some(Request { what: local("ls -l | wc"), may_fail: false }));
        assert_eq!(read("-!false\n"), Some(Request { what: local("false"), may_fail: true }));
        assert_eq!(read("!"), Some(Request { what: local(""), may_fail: false }));
        assert!(read("- rm x").is_some_and(|request| request.may_fail));
    }

    #[test]
    fn half_a_line_is_an_error_and_an_empty_one_is_nothing() {
        for line in ["'", "get a\\", "| less", "ls |", "ls >", "ls >>  ", "> x"] {
            assert_eq!(Request::read(line.as_bytes()).unwrap_err().kind(), Kind::Usage, "{line}");
        }
        for line in ["", "  \r\n", "# nothing"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn lines_with_a_password_are_not_remembered() {
        for (line, harmless) in [
            ("ls", true),
            ("login alice", true),
            ("login alice secret", false),
            ("USER alice secret", false),
            ("PASS secret", false),
            ("!ls", true),
        ] {
            assert_eq!(read(line).unwrap().is_harmless(), harmless, "{line}");
        }
    }
}
