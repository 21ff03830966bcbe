//! Lines that are not looked for are told from their bytes: of millions of them few are wanted.
//!
//! A line of an audit has one form, as `sealift::server` writes it: texts and whole numbers by their keys, ASCII, without a space between.
//! What is not of that form, and a text with an escape in it that counts, is left to [`Row`](super::row::Row).

use std::time::SystemTime;

use super::args::AuditArgs;
use super::row::{TAKES_ALL, failed};

/// How every line begins.
const START: &[u8] = b"{\"time\":\"";

/// Bytes of `2026-11-24T10:00:01.500Z`.
const TIME: usize = 24;

/// What may be passed over.
pub struct Sieve<'a> {
    args: &'a AuditArgs,
    /// The path that is looked for; none: any.
    path: Option<&'a [u8]>,
    /// Where the place of a line is put together.
    place: Vec<u8>,
}

/// A text.
#[derive(Clone, Copy, Default)]
enum Text<'l> {
    /// There is none.
    #[default]
    Missing,
    /// It stands there as it is.
    Plain(&'l str),
    /// It is to be parsed. Of bytes that are no text the exact form stands beside one such.
    Escaped,
}

/// What is looked at of a line.
#[derive(Default)]
struct Line<'l> {
    user: Text<'l>,
    session: Text<'l>,
    event: Text<'l>,
    action: Text<'l>,
    outcome: Text<'l>,
    home: Text<'l>,
    /// The two paths that it may be about, and the places of both.
    path: Text<'l>,
    place: Text<'l>,
    to: Text<'l>,
    place_to: Text<'l>,
}

impl<'a> Sieve<'a> {
    /// For this path, without a slash at its ends; an empty one is above all.
    pub fn new(args: &'a AuditArgs, path: Option<&'a [u8]>) -> Sieve<'a> {
        Sieve { args, path: path.filter(|path| !path.is_empty()), place: Vec::new() }
    }

    /// Whether this is a line of an audit, and none that is looked for.
    pub fn passes_over(&mut self, line: &[u8]) -> bool {
        let Some((at, line)) = read(line) else { return false };
        let AuditArgs { user, session, events, actions, failed, since, until, .. } = self.args;
        since.is_some_and(|since| at < since)
            || until.is_some_and(|until| until <= at)
            || is_none_of(line.user, user.as_slice())
            || is_none_of(line.session, session.as_slice())
            || is_none_of(line.event, events)
            || is_none_of(line.action, actions)
            || (*failed && came_to_something(&line))
            || self.is_elsewhere(&line)
    }

    /// Whether all that the line is about is another path than that which is looked for.
    fn is_elsewhere(&mut self, line: &Line<'_>) -> bool {
        let Some(wanted) = self.path else { return false };
        let takes_all = match line.action {
            Text::Plain(action) => TAKES_ALL.contains(&action),
            Text::Missing => false,
            Text::Escaped => return false,
        };
        let is_other = |at: &[u8]| {
            let at = at.strip_prefix(b"/").unwrap_or(at);
            !(is_within(at, wanted) || takes_all && is_within(wanted, at))
        };
        let place_of = &mut self.place;
        [(line.path, line.place), (line.to, line.place_to)].into_iter().all(|(path, place)| {
            let path = match path {
                Text::Plain(path) if is_other(path.as_bytes()) => Some(path),
                Text::Missing => None,
                Text::Plain(_) | Text::Escaped => return false,
            };
            match (place, path, line.home) {
                (Text::Plain(place), ..) => is_other(place.as_bytes()),
                (Text::Escaped, ..) | (Text::Missing, Some(_), Text::Escaped) => false,
                (Text::Missing, None, _) | (Text::Missing, _, Text::Missing) => true,
                (Text::Missing, Some(path), Text::Plain(home)) => {
                    place_of.clear();
                    place_of.extend_from_slice(home.as_bytes());
                    if !path.is_empty() {
                        place_of.push(b'/');
                        place_of.extend_from_slice(path.as_bytes());
                    }
                    is_other(place_of)
                }
            }
        })
    }
}

/// A line of that form, and when it was.
fn read(line: &[u8]) -> Option<(SystemTime, Line<'_>)> {
    let (time, mut rest) = line.strip_prefix(START)?.split_at_checked(TIME)?;
    let at = humantime::parse_rfc3339(std::str::from_utf8(time).ok()?).ok()?;
    rest = rest.strip_prefix(b"\"")?;
    let mut read = Line::default();
    while rest != b"}" {
        rest = rest.strip_prefix(b",\"")?;
        let (key, behind) = rest.split_at(memchr::memchr(b'"', rest)?);
        if !key.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_') {
            return None;
        }
        rest = behind.strip_prefix(b"\":")?;
        let Some(begun) = rest.strip_prefix(b"\"") else {
            rest = behind_number(rest)?;
            continue;
        };
        let value;
        (value, rest) = text(begun)?;
        let field = match key {
            b"user" => &mut read.user,
            b"session" => &mut read.session,
            b"event" => &mut read.event,
            b"action" => &mut read.action,
            b"outcome" => &mut read.outcome,
            b"home" => &mut read.home,
            b"path" => &mut read.path,
            b"to" => &mut read.to,
            b"place" => &mut read.place,
            b"place_to" => &mut read.place_to,
            _ => continue,
        };
        *field = value;
    }
    (!matches!(read.event, Text::Missing)).then_some((at, read))
}

/// What is behind a whole number.
fn behind_number(rest: &[u8]) -> Option<&[u8]> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = rest.split_at(digits);
    (digits == 1 || digits > 1 && number.first() != Some(&b'0')).then_some(rest)
}

/// A text up to the quote at its end, and what is behind that.
fn text(rest: &[u8]) -> Option<(Text<'_>, &[u8])> {
    let end = memchr::memchr2(b'"', b'\\', rest)?;
    let (plain, behind) = rest.split_at(end);
    if !is_plain(plain) {
        return None;
    }
    match behind.strip_prefix(b"\"") {
        Some(behind) => Some((Text::Plain(std::str::from_utf8(plain).ok()?), behind)),
        None => Some((Text::Escaped, behind_escapes(behind)?)),
    }
}

/// What is behind the end of a text that begins with an escape.
fn behind_escapes(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        rest = match rest.strip_prefix(b"\\")? {
            [b'"' | b'\\', rest @ ..] => rest,
            [b'u', a, b, c, d, rest @ ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => rest,
            _ => return None,
        };
        let (plain, behind) = rest.split_at(memchr::memchr2(b'"', b'\\', rest)?);
        if !is_plain(plain) {
            return None;
        }
        match behind.strip_prefix(b"\"") {
            Some(behind) => return Some(behind),
            None => rest = behind,
        }
    }
}

fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// Whether this is none of those, if any is asked for.
fn is_none_of(text: Text<'_>, asked: &[String]) -> bool {
    match text {
        _ if asked.is_empty() => false,
        Text::Missing => true,
        Text::Plain(text) => asked.iter().all(|asked| asked != text),
        Text::Escaped => false,
    }
}

/// Whether what was done did not fail.
fn came_to_something(line: &Line<'_>) -> bool {
    let text = |text| match text {
        Text::Plain(text) => Some(Some(text)),
        Text::Missing => Some(None),
        Text::Escaped => None,
    };
    // What cannot be read here may have failed.
    text(line.event).zip(text(line.outcome)).is_some_and(|(event, outcome)| !failed(event, outcome))
}

/// Whether this path is the other one, or below it.
fn is_within(path: &[u8], above: &[u8]) -> bool {
    match path.strip_prefix(above) {
        Some([] | [b'/', ..]) => !above.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::row::{Row, Wanted};
    use crate::args::{Cli, Command};

    /// Lines as a server writes them: of every kind of place, name and action.
    fn lines() -> Vec<String> {
        let fields = |home: &str, path: &str, more: &str, action: &str, outcome: &str| {
            format!(
                r#"{{"time":"2026-11-24T10:00:01.500Z","event":"change","user":"{home}","peer":"192.0.2.1:5","session":"7b430352ecddde17","action":"{action}","verb":"X","home":"{home}","path":"{path}"{more},"outcome":"{outcome}","bytes":0,"ms":3}}"#
            )
        };
        let mut lines = Vec::new();
        for home in ["alice", "bob", "team", r"b\u00f6b"] {
            for path in ["", "docs", "docs/x", "docs2", "a/docs/x", "team", r"d\u00f6cs", r#"a \"docs\""#] {
                for more in ["", r#","to":"docs/y""#, r#","place":"/srv/docs""#, r#","to":"z","place_to":"inbox/docs""#]
                {
                    for (action, outcome) in [("delete", "done"), ("upload", "created"), ("list", "denied")] {
                        lines.push(fields(home, path, more, action, outcome));
                    }
                }
            }
        }
        lines.push(fields("a", r"docs\ufffd", r#","path_encoded":"docs%FF""#, "upload", "done"));
        lines.push(r#"{"time":"2026-11-24T10:00:01.500Z","event":"login","user":"path","with":"key"}"#.to_owned());
        lines
            .push(r#"{"time":"2026-11-25T10:00:01.500Z","event":"logout","user":"bob","outcome":"kicked"}"#.to_owned());
        // As other programs write it.
        lines.push(
            r#"{"time":"2026-11-24T10:00:01.500Z","event":"change", "path": "docs", "action": "list"}"#.to_owned(),
        );
        lines
    }

    #[test]
    fn nothing_is_passed_over_that_is_looked_for_and_nearly_all_else_is() {
        let (mut found, mut passed, mut all) = (0, 0, 0);
        for words in [
            "--path docs",
            "--path docs/x/y",
            "--path alice",
            "--path alice/docs",
            "--path srv/docs",
            "--path inbox",
            "--path /",
            "--path d\u{f6}cs",
            "--path b\u{f6}b/docs",
            "--user bob",
            "--user path",
            "--event login",
            "--action delete",
            "--action list --path docs",
            "--failed",
            "--failed --path docs",
            "--since 2026-11-25",
            "--until 2026-11-25",
            "--session 7b430352ecddde17",
        ] {
            let line = format!("sealiftd audit --file - {words}");
            let Some(Command::Audit(args)) = Cli::try_parse_from(line.split_whitespace()).unwrap().command else {
                panic!("another command")
            };
            let wanted = Wanted::new(&args).unwrap();
            let mut sieve = wanted.sieve();
            for line in lines() {
                let has = wanted.has(&Row::parse(line.as_bytes()).unwrap());
                let passes_over = sieve.passes_over(line.as_bytes());
                assert!(!(has && passes_over), "{words}: {line}");
                let is_plain = !line.contains('\\') && !line.contains(", ");
                // Above all is what is about no path, too.
                assert!(has || passes_over || !is_plain || words == "--path /", "{words}: {line}");
                // What is torn is none, wherever.
                assert!(!sieve.passes_over(&line.as_bytes()[..line.len() - 1]), "{line}");
                assert!(!sieve.passes_over(format!("{line}{line}").as_bytes()), "{line}");
                (found, passed, all) = (found + u32::from(has), passed + u32::from(passes_over), all + 1);
            }
        }
        assert!(found > 100 && passed > all / 3, "{found} {passed} {all}");
    }
}
