//! What one line of the conversation asks for: a command of the shell, where its output goes, or a program of this
//! machine.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use sealift::Kind;
use sealift::client::glob;
use sealift::stray_secrets::{Stray, is_like_a_command};

use super::Words;
use crate::failure::{Failure, Outcome};

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
    /// Takes a line apart as a shell does: quotes and backslashes protect what means something, `;` ends a command, `#` begins
    /// a comment. What comes behind `!` and `|` belongs to the system's shell up to the end of the line. Nothing if there is no
    /// word in it.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a quote that is not closed, and for a `|` or `>` with nothing on one of its sides: then nothing of
    /// the line is to be done.
    pub fn read(line: &[u8]) -> Outcome<Vec<Request>> {
        // What was pasted may be several lines.
        let mut requests = Vec::new();
        for line in lines(line) {
            requests.extend(Self::read_line(line)?);
        }
        Ok(requests)
    }

    fn read_line(line: &[u8]) -> Outcome<Vec<Request>> {
        let (mut requests, mut rest) = (Vec::new(), line);
        loop {
            let is_local = |line: &[u8]| line.strip_prefix(b"-").unwrap_or(line).trim_ascii_start().starts_with(b"!");
            let end = match is_local(rest.trim_ascii_start()) {
                true => rest.len(),
                false => end_of_command(rest),
            };
            if rest.get(end) != Some(&b';') {
                requests.extend(Self::read_one(rest)?);
                return Ok(requests);
            }
            let (one, behind) = rest.split_at(end);
            requests.extend(Self::read_one(one)?);
            rest = behind.get(1..).unwrap_or_default();
        }
    }

    fn read_one(line: &[u8]) -> Outcome<Option<Request>> {
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
            Some(_) if words.is_empty() => return Err(usage("there is no command before | or >", PIPES)),
            Some(_) if rest.iter().all(|byte| matches!(byte, b'|' | b'>' | b' ' | b'\t')) => {
                return Err(usage("nothing is named behind | or >", PIPES));
            }
            Some((b'|', reader)) => Some(OsStr::from_bytes(reader.trim_ascii()).to_owned()),
            Some(_) => Some(OsString::from_vec([b"cat ", rest].concat())),
        };
        Ok((!words.is_empty()).then_some(Request { what: What::Command { words, reader }, may_fail }))
    }

    /// Whether the line may be remembered: not if somebody typed a password into it.
    pub fn is_harmless(&self) -> bool {
        let words = match &self.what {
            What::Command { words, .. } => words,
            What::Local(line) => return Stray::within(line.as_bytes()).is_none(),
        };
        let Some(name) = words.first().map(|name| name.to_string_lossy().to_ascii_lowercase()) else { return false };
        match &*name {
            "login" | "user" => words.len() <= 2,
            "pass" | "password" | "passwd" => false,
            // What is no command at all may be a password, or a line of a key.
            name => is_like_a_command(name) && Stray::among(words).is_none(),
        }
    }
}

/// The lines of a text. In quotes, and behind a backslash, a line goes on.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quote, mut escaped, mut in_comment, mut at_word) = (None, false, false, true);
    text.split(move |byte| {
        let begins_word = std::mem::replace(&mut at_word, byte.is_ascii_whitespace());
        match (quote, *byte) {
            (None, b'\n') if !escaped => {
                in_comment = false;
                return true;
            }
            _ if in_comment => {}
            _ if escaped => escaped = false,
            (None | Some(b'"'), b'\\') => escaped = true,
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(*byte),
            (None, b'#') if begins_word => in_comment = true,
            (None, _) => {}
        }
        false
    })
}

/// Where the command ends: at the first `|`, `>` or `;` that nothing protects, and not in a comment.
pub fn end_of_command(line: &[u8]) -> usize {
    let (mut quote, mut escaped, mut at_word) = (None, false, true);
    for (at, byte) in line.iter().copied().enumerate() {
        let begins_word = std::mem::replace(&mut at_word, byte.is_ascii_whitespace());
        match (quote, byte) {
            _ if escaped => escaped = false,
            (None | Some(b'"'), b'\\') => escaped = true,
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'|' | b'>' | b';') => return at,
            (None, b'#') if begins_word => return line.len(),
            (None, _) => {}
        }
    }
    line.len()
}

/// How output is led elsewhere.
const PIPES: &str =
    "It is written like `ls | less` or `cat notes.txt > copy.txt`; a name with | or > in it stands in quotes.";

/// What stands for a protected wildcard while the words are taken apart: no path and no command has such characters.
const PROTECTED: [(u8, u8); 5] = [(1, b'*'), (2, b'?'), (3, b'['), (4, b'{'), (5, b'\\')];

/// The words of a command. In one with a wildcard, what quotes and backslashes protect has a backslash before it:
/// [`literal`] takes that away, and a pattern keeps its meaning until the command is known that it is for.
///
/// # Errors
/// [`Kind::Usage`] for a quote that is not closed.
pub fn split(line: &[u8]) -> Outcome<Words> {
    if line.iter().any(|byte| PROTECTED.iter().any(|(mark, _)| mark == byte)) {
        return Err(usage("a control character is in the line", "A name that has one is matched by ? or *."));
    }
    let marked = marked(line);
    let mut lexer = shlex::bytes::Shlex::new(&marked);
    let words: Words = lexer.by_ref().map(|word| OsString::from_vec(unmarked(&word))).collect();
    if lexer.had_error {
        let hint = "A name with a quote or a blank in it stands in the other kind of quotes, or has a backslash before each: \"it's\" or it\\'s.";
        return Err(usage("a quote is not closed, or the line ends with a backslash", hint));
    }
    Ok(words)
}

/// The line with marks in place of what is protected.
fn marked(line: &[u8]) -> Vec<u8> {
    let mark = |byte: u8| PROTECTED.iter().find(|(_, own)| *own == byte).map(|(mark, _)| *mark);
    let (mut out, mut quote, mut bytes) = (Vec::with_capacity(line.len()), None, line.iter().copied().peekable());
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None | Some(b'"'), b'\\') => match bytes.peek().copied() {
                // In double quotes a backslash protects itself, and leaves a wildcard and itself as they are.
                Some(next) if next == b'\\' || (quote.is_none() && mark(next).is_some()) => {
                    out.extend(mark(next));
                    bytes.next();
                }
                Some(next) => {
                    let stays = quote.is_some() && !matches!(next, b'"' | b'$' | b'`' | b'\n');
                    out.push(if stays { 5 } else { b'\\' });
                    if !stays || mark(next).is_none() {
                        out.push(next);
                        bytes.next();
                    }
                }
                None => out.push(byte),
            },
            (Some(open), close) if open == close => {
                quote = None;
                out.push(byte);
            }
            (Some(_), byte) => out.push(mark(byte).unwrap_or(byte)),
            (None, b'\'' | b'"') => {
                quote = Some(byte);
                out.push(byte);
            }
            (None, byte) => out.push(byte),
        }
    }
    out
}

/// A word with what its marks stand for.
fn unmarked(word: &[u8]) -> Vec<u8> {
    let own = |byte: u8| PROTECTED.iter().find(|(mark, _)| *mark == byte).map(|(_, own)| *own);
    let plain: Vec<u8> = word.iter().map(|byte| own(*byte).unwrap_or(*byte)).collect();
    if !glob::is_special(&plain) {
        return plain;
    }
    word.iter()
        .flat_map(|byte| own(*byte).map_or([None, Some(*byte)], |own| [Some(b'\\'), Some(own)]))
        .flatten()
        .collect()
}

/// A word as it stands: without the backslashes that [`split`] has put into one with wildcards.
pub fn literal(word: &OsStr) -> OsString {
    match glob::is_special(word.as_bytes()) {
        true => OsString::from_vec(glob::unescape(word.as_bytes())),
        false => word.to_owned(),
    }
}

fn usage(text: &str, hint: &str) -> Failure {
    Failure::new(Kind::Usage, text, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Request> {
        let mut requests = Request::read(line.as_bytes()).unwrap();
        assert!(requests.len() < 2, "{line}: {requests:?}");
        requests.pop()
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
    fn a_semicolon_ends_a_command_but_not_one_of_the_systems_shell() {
        let read = |line: &str| Request::read(line.as_bytes()).map_err(|failure| failure.kind());
        let all = |requests: Vec<Option<Request>>| Ok(requests.into_iter().flatten().collect::<Vec<_>>());
        assert_eq!(
            read("ls a; cd b ;pwd;"),
            all(vec![command(&["ls", "a"], None), command(&["cd", "b"], None), command(&["pwd"], None)])
        );
        assert_eq!(read("ls 'a;b' c\\;d"), all(vec![command(&["ls", "a;b", "c;d"], None)]));
        assert_eq!(read("cat a | wc; ls"), all(vec![command(&["cat", "a"], Some("wc; ls"))]));
        assert_eq!(read("ls # a; b"), all(vec![command(&["ls"], None)]));
        let local = Request { what: What::Local("a; b".into()), may_fail: false };
        assert_eq!(read("pwd; !a; b"), all(vec![command(&["pwd"], None), Some(local)]));
        assert!(read("-rm a; ls").unwrap()[0].may_fail);
        assert_eq!(read("ls; 'x").unwrap_err(), Some(Kind::Usage));
    }

    #[test]
    fn what_is_pasted_is_a_command_a_line() {
        let all = |requests: Vec<Option<Request>>| requests.into_iter().flatten().collect::<Vec<_>>();
        let read = |text: &str| Request::read(text.as_bytes()).unwrap();
        let local = Request { what: What::Local("ls -l".into()), may_fail: false };
        assert_eq!(
            read("rm a\nls keep # it's kept\n!ls -l\ncat x | less\npwd\n"),
            all(vec![
                command(&["rm", "a"], None),
                command(&["ls", "keep"], None),
                Some(local),
                command(&["cat", "x"], Some("less")),
                command(&["pwd"], None)
            ])
        );
        assert_eq!(read("ls 'a\nb'"), all(vec![command(&["ls", "a\nb"], None)]));
        assert!(Request::read(b"rm a\n'").is_err(), "nothing of it is done");
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
            assert_eq!(Request::read(line.as_bytes()).unwrap_err().kind(), Some(Kind::Usage), "{line}");
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
            ("hunter2", false),
            ("get sealift://alice@h:1/#secret", false),
            ("get 'https://h:1/.sealift-web/l/secret/#sha256//pin'", false),
            ("!sealift get https://h:1/.sealift-web/l/secret/", false),
            ("'-----BEGIN OPENSSH PRIVATE KEY-----'", false),
            ("b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ", false),
            ("!sealift join 'sealift://alice@h:1/#secret'", false),
        ] {
            assert_eq!(read(line).unwrap().is_harmless(), harmless, "{line}");
        }
    }

    #[test]
    fn what_is_protected_is_no_wildcard() {
        for (typed, word, plain) in [
            ("*.txt", "*.txt", "*.txt"),
            ("'*.txt'", r"\*.txt", "*.txt"),
            (r"\*.txt", r"\*.txt", "*.txt"),
            ("\"a b*\"*", r"a b\**", "a b**"),
            (r"a\\b", r"a\b", r"a\b"),
            (r"'a\b'*", r"a\\b*", r"a\b*"),
            (r"[a]\[b]", r"[a]\[b]", "[a][b]"),
            ("it\\'s{a,'b'}", "it's{a,b}", "it's{a,b}"),
            ("\"a\\\"b\"", "a\"b", "a\"b"),
            ("\"a\\b\"", r"a\b", r"a\b"),
        ] {
            let words = split(typed.as_bytes()).unwrap();
            assert_eq!(words, [OsString::from(word)], "{typed}");
            assert_eq!(literal(&words[0]), OsString::from(plain), "{typed}");
        }
    }
}
