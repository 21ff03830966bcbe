//! Reads `authorized_keys` files of OpenSSH (sshd(8), AUTHORIZED_KEYS FILE FORMAT), so that who logs in there can log in here.

use std::time::SystemTime;

use super::{Access, Network, UserKey, parse_expiry};
use crate::error::{Error, Kind, Result};
use crate::keys::PublicKey;
use crate::limits;

/// What can be read of an `authorized_keys` file, or of a `.pub` file, which is one with one line.
///
/// A key comes with what bounds it there, as far as that can be said here (`from`, `expiry-time`, a `command` that reads files alone). One
/// with a bound that cannot is none of these keys, whatever other lines say of it: it would open more here than it does there.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct AuthorizedKeys {
    /// The keys, in the order of the file, each once.
    pub keys: Vec<UserKey>,
    /// Lines that give no key, counted from 1, each with the reason. No reason repeats the text.
    pub refused: Vec<(usize, Error)>,
    /// Keys of lines whose bounds are not known here. For sshd such a line is the last word on its key.
    barred: Vec<PublicKey>,
}

/// What one text gave.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Read {
    /// How many of its lines give keys, be they known already.
    pub usable: usize,
    /// As [`AuthorizedKeys::refused`].
    pub refused: Vec<(usize, Error)>,
}

impl AuthorizedKeys {
    /// Reads the text of such a file. Empty lines and comments say nothing.
    pub fn read(text: &str) -> AuthorizedKeys {
        let mut all = AuthorizedKeys::default();
        all.refused = all.read_more(text).refused;
        all
    }

    /// Reads one more text, as if it stood behind what was read before. What it does not give is in what is returned alone.
    pub fn read_more(&mut self, text: &str) -> Read {
        let mut read = Read::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match self.take(line) {
                Ok(()) => read.usable += 1,
                Err(err) => read.refused.push((number + 1, err)),
            }
        }
        read
    }

    /// Takes the key of a line. As for sshd the first line that has a key counts.
    fn take(&mut self, line: &str) -> Result<()> {
        let (unbounded, options) = parts(line)?;
        if self.barred.contains(&unbounded.public) {
            return Err(unusable("a line before it bounds this key in a way that is not known here"));
        }
        let known = self.keys.iter().find(|known| known.public == unbounded.public).cloned();
        let key = match bounded(unbounded.clone(), options) {
            Ok(key) => key,
            Err(err) => {
                if known.is_none() {
                    self.barred.push(unbounded.public);
                }
                return Err(err);
            }
        };
        match known {
            None => self.keys.push(key),
            Some(known) if known.is_bounded_as(&key) => {}
            Some(_) => return Err(unusable("a line before it has this key with other bounds, which count")),
        }
        Ok(())
    }
}

/// The key of a line, as if nothing bounded it, and its options.
fn parts(line: &str) -> Result<(UserKey, &str)> {
    let (options, behind) = if is_kind(line) { ("", line) } else { split(line, |byte| byte == b' ' || byte == b'\t') };
    let behind = behind.trim_start();
    // What is no key has no options either, and the reason is about all of the line.
    let (public, comment) = PublicKey::from_openssh(if is_kind(behind) { behind } else { line })?;
    let is_name = comment.len() <= limits::KEY_NAME_MAX && !comment.chars().any(char::is_control);
    Ok((UserKey::new(public, if is_name { &comment } else { "" }), options))
}

/// The key with what its options bound.
fn bounded(mut key: UserKey, mut options: &str) -> Result<UserKey> {
    let mut seen = Seen::default();
    while !options.is_empty() {
        let (option, others) = split(options, |byte| byte == b',');
        bound(&mut key, &mut seen, option)?;
        // Behind a comma there is another one.
        if others.is_empty() && option.len() < options.len() {
            return Err(unwritten());
        }
        options = others;
    }
    Ok(key)
}

/// Whether a line begins with the kind of a key, whether that kind logs in or not.
fn is_kind(line: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|kind| line.starts_with(kind))
}

/// What comes before the first of these bytes that is in no quotes, and what comes after it. As for sshd, a backslash says something
/// before a quote alone, whatever is before the backslash.
fn split(text: &str, ends: impl Fn(u8) -> bool) -> (&str, &str) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if !is_escaped => is_quoted = !is_quoted,
            _ if !is_quoted && ends(byte) => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
        is_escaped = byte == b'\\' && bytes.get(at + 1) == Some(&b'"');
    }
    (text, "")
}

/// Options of a line that sshd takes once.
#[derive(Default)]
struct Seen {
    from: bool,
    command: bool,
}

/// Has an option bound the key, or leaves it where it is about what there is not here: terminals, forwarding, the environment. For sshd a
/// line with one that is written otherwise is no line, so nothing of it is taken here.
fn bound(key: &mut UserKey, seen: &mut Seen, option: &str) -> Result<()> {
    let (name, value) = match option.split_once('=') {
        Some((name, value)) => (name, Some(dequoted(value).ok_or_else(unwritten)?)),
        None => (option, None),
    };
    match (name.to_ascii_lowercase().as_str(), value.as_deref()) {
        ("from", Some(_)) if std::mem::replace(&mut seen.from, true) => {
            return Err(unusable("it has several from=, which sshd does not take"));
        }
        ("command", Some(_)) if std::mem::replace(&mut seen.command, true) => {
            return Err(unusable("it has several command=, which sshd does not take"));
        }
        ("from", Some(value)) => {
            // For sshd a space is a part of the name.
            let networks: Option<Vec<Network>> = value.split(',').map(|part| part.parse().ok()).collect();
            let unclear = || {
                unusable("its from= has a name, a wildcard or a space: write addresses and networks, as 192.0.2.0/24")
            };
            key.from = networks.ok_or_else(unclear)?;
        }
        // The earliest counts.
        ("expiry-time", Some(value)) => {
            let end = moment(value)?;
            key.expires = Some(key.expires.map_or(end, |known| known.min(end)));
        }
        ("command", Some(value)) => match file_transfer(value) {
            Some(Transfer::Any) => {}
            Some(Transfer::Reading) => key.access = Some(Access::READ),
            None => return Err(unusable("its command= lets it do one thing alone, which is not known here")),
        },
        ("cert-authority", None) | ("principals", Some(_)) => {
            return Err(unusable("it is an authority of certificates, which do not log in"));
        }
        ("verify-required", None) => {
            return Err(unusable("it asks for a PIN with each use (verify-required), which is not known here"));
        }
        ("environment", Some(value)) if is_environment(value) => {}
        ("permitopen", Some(value)) if is_host_and_port(value) => {}
        ("permitlisten", Some(value)) if is_port(value) || is_host_and_port(value) => {}
        ("tunnel", Some(value)) if is_tunnel(value) => {}
        (flag, None) if FLAGS.contains(&flag) => {}
        ("from" | "command" | "expiry-time" | "principals" | "environment" | "permitopen" | "permitlisten", _)
        | ("tunnel" | "cert-authority" | "verify-required", _) => return Err(unwritten()),
        (flag, Some(_)) if FLAGS.contains(&flag) => return Err(unwritten()),
        _ => {
            return Err(unusable(
                "it has an option that is not known here: remove it if the key may be used without it",
            ));
        }
    }
    Ok(())
}

/// Options without a value that are about what there is not here.
const FLAGS: [&str; 12] = [
    "restrict",
    "no-touch-required",
    "pty",
    "user-rc",
    "agent-forwarding",
    "port-forwarding",
    "x11-forwarding",
    "no-pty",
    "no-user-rc",
    "no-agent-forwarding",
    "no-port-forwarding",
    "no-x11-forwarding",
];

fn unwritten() -> Error {
    unusable("its options are not written as sshd takes them")
}

/// `NAME=VALUE`.
fn is_environment(value: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    value.split_once('=').is_some_and(|(name, _)| is_name(name))
}

/// `HOST:PORT`, of which an address of IPv6 is in brackets.
fn is_host_and_port(value: &str) -> bool {
    let Some((host, port)) = value.rsplit_once(':') else { return false };
    let is_address =
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).is_some_and(|host| !host.is_empty());
    is_port(port) && (is_address || !host.is_empty() && !host.contains([':', '[', ']', '/']))
}

fn is_port(value: &str) -> bool {
    value == "*" || value.bytes().all(|byte| byte.is_ascii_digit()) && value.parse().is_ok_and(|port: u16| port > 0)
}

/// The number of a device of this machine.
fn is_tunnel(value: &str) -> bool {
    value == "any" || value.bytes().all(|byte| byte.is_ascii_digit()) && value.parse::<i32>().is_ok()
}

/// The value of an option, all of which is in quotes.
fn dequoted(value: &str) -> Option<String> {
    let (mut text, mut letters) = (String::new(), value.strip_prefix('"')?.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return letters.next().is_none().then_some(text),
            '\\' if letters.peek() == Some(&'"') => text.extend(letters.next()),
            _ => text.push(letter),
        }
    }
    None
}

/// What a command that moves files may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transfer {
    Any,
    /// Read-only (`-R`).
    Reading,
}

/// What moves files by OpenSSH's own code: in sshd itself, and where distributions and systems put its program. Another program of that
/// name may be anybody's, and let the key do less.
const PROGRAMS: [&str; 10] = [
    "internal-sftp",
    "/usr/lib/sftp-server",
    "/usr/lib/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/lib/misc/sftp-server",
    "/usr/lib64/misc/sftp-server",
    "/usr/libexec/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/libexec/ssh/sftp-server",
    "/usr/lib64/ssh/sftp-server",
];

/// What this command lets files be moved by, which is all that a key can do here; none for any other command, and for one that is
/// bounded in a way that is not known here (sftp-server(8): `-p` and `-P` name requests).
fn file_transfer(command: &str) -> Option<Transfer> {
    // A shell may see it. Of what means anything to one only quotes are known here.
    if command.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || b" _./:,@+=-\"'".contains(&byte))) {
        return None;
    }
    // As it is written: in quotes, or behind a space, `internal-sftp` is the name of a program.
    let (program, options) = command.split_once(' ').unwrap_or((command, ""));
    if !PROGRAMS.contains(&program) {
        return None;
    }
    let words = words(options)?;
    let mut words = words.iter().map(String::as_str);
    let mut transfer = Transfer::Any;
    while let Some(word) = words.next() {
        let mut letters = word.strip_prefix('-').filter(|letters| !letters.is_empty())?.chars();
        while let Some(letter) = letters.next() {
            match letter {
                // Where its log goes.
                'e' => {}
                'R' => transfer = Transfer::Reading,
                // To whom and how loudly it logs, the umask, and where it begins: each with a word, beside it or the next one.
                'f' | 'l' | 'u' | 'd' => {
                    if letters.as_str().is_empty() {
                        words.next()?;
                    }
                    break;
                }
                _ => return None,
            }
        }
    }
    Some(transfer)
}

/// The words of a command, which may be in quotes as a whole; none if a quote is not closed. A shell knows quotes, and for `internal-sftp`
/// sshd does not: what looks like an option to either is in none.
fn words(command: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = command.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                let is_hidden = word.is_some() || matches!(letters.peek(), None | Some('-' | '"' | '\''));
                if is_hidden {
                    return None;
                }
                quote = Some(letter);
                word = Some(String::new());
            }
            (' ', Some(_)) if letters.peek() == Some(&'-') => return None,
            (' ', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// `YYYYMMDD[HHMM[SS]]Z`. Without the Z it is a time of the machine that the file is from, wherever that is.
fn moment(text: &str) -> Result<SystemTime> {
    let unclear = || unusable("its expiry-time= cannot be read: write it with its zone, as 202701311800Z");
    let digits = text.strip_suffix(['Z', 'z']).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let digits = digits.ok_or_else(unclear)?;
    let (date, time) = digits.split_at_checked(8).ok_or_else(unclear)?;
    let (hour, minute, second) = match time.len() {
        0 => ("00", "00", "00"),
        4 => (&time[..2], &time[2..], "00"),
        6 => (&time[..2], &time[2..4], &time[4..]),
        _ => return Err(unclear()),
    };
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    parse_expiry(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok_or_else(unclear)
}

fn unusable(why: &str) -> Error {
    Error::new(Kind::BadCommand, why)
}

#[cfg(test)]
#[path = "authorized_keys_tests.rs"]
mod tests;
