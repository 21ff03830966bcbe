//! What a person types to name something on a server: `[user@]host[:port]/path`.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

use super::options::Endpoint;
use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::files::RelPath;
use crate::limits;
use crate::proto::percent::decode;

/// The port of a server that names none.
pub const DEFAULT_PORT: u16 = limits::PORT;

/// What a URL begins with.
const SCHEME: &[u8] = b"sealift://";

impl Endpoint {
    /// Reads `host[:port]`; a port that is not written is `default_port`. The host gets its only spelling: a name in
    /// lower case, an IPv6 address as short as RFC 5952 writes it.
    ///
    /// # Errors
    /// [`Kind::Usage`], with the right form.
    pub fn parse(text: &str, default_port: u16) -> Result<Endpoint> {
        let meant = |host: &str| host.to_owned();
        let (host, port) = host_and_port(text.as_bytes(), b"", meant)?;
        Ok(Endpoint { host, port: port.unwrap_or(default_port) })
    }
}

/// Something on a server. The path's bytes are literal: nothing in them is decoded, except in a `sealift://` URL,
/// which is percent-encoded as every URL is.
///
/// Parsing and [`Target::render`] are inverse.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Who logs in; nobody named is anonymous.
    pub user: Option<String>,
    /// Name or address of the server, in the spelling of [`Endpoint::parse`].
    pub host: String,
    /// The port, if written.
    pub port: Option<u16>,
    /// The path below the user's own folder.
    pub path: RelPath,
    /// A slash stood at its end: a folder is meant, whether it is there or not.
    pub is_folder: bool,
    /// The name that it was written with of a server in a [`super::Config`]. Not rendered.
    pub bookmark: Option<String>,
}

impl Target {
    /// Reads what a person typed.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a bad user, host or port, and [`Kind::BadPath`] or [`Kind::NotFound`] for a path that
    /// [`RelPath::parse`] refuses.
    pub fn parse(typed: &[u8]) -> Result<Target> {
        if typed.len() >= SCHEME.len() && typed.get(..SCHEME.len()).unwrap_or_default().eq_ignore_ascii_case(SCHEME) {
            return Self::parse_url(typed, typed.get(SCHEME.len()..).unwrap_or_default());
        }
        if let Some((scheme, rest)) = other_protocol(typed) {
            let meant = match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" => of_page(rest),
                _ => Self::parse_url(b"it", &without_its_port(rest)),
            };
            let meant = meant.map_or_else(|_| "host/path".to_owned(), |target| quoted(target.to_string()));
            // Not shown as it was typed: a password may be in it.
            return Err(Error::new(Kind::Usage, format!("{scheme}:// is another protocol; here it is {meant}")));
        }
        Self::from_parts(typed, typed, Cow::Borrowed)
    }

    fn parse_url(typed: &[u8], rest: &[u8]) -> Result<Target> {
        if let Some(mark) = rest.iter().find(|b| matches!(b, b'?' | b'#')) {
            let why = format!("in a URL `{}` is written %{mark:02X}", char::from(*mark));
            return Err(usage(typed, &why));
        }
        let bad = |_| usage(typed, "in a URL a percent sign is written %25");
        decode(rest).map_err(bad)?;
        Self::from_parts(typed, rest, |part| decode(part).unwrap_or(Cow::Borrowed(part)))
    }

    /// `rest` is what follows the scheme, if there was one; `decoded` undoes a URL's encoding.
    fn from_parts<'a>(typed: &[u8], rest: &'a [u8], decoded: impl Fn(&'a [u8]) -> Cow<'a, [u8]>) -> Result<Target> {
        if rest.is_empty() {
            return Err(usage(typed, "nothing is named; a server is written [user@]host[:port]/path"));
        }
        let slash = rest.iter().position(|b| *b == b'/');
        let (authority, path) = match slash {
            Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default()),
            None => (rest, &[][..]),
        };
        if authority.is_empty() {
            return Err(usage(typed, "this is a path on this machine; a server is written [user@]host[:port]/path"));
        }
        // The last `@`: a user's name may hold one, a host's cannot.
        let (user, server) = match authority.iter().rposition(|b| *b == b'@') {
            Some(at) => (Some(authority.get(..at).unwrap_or_default()), authority.get(at + 1..).unwrap_or_default()),
            None => (None, authority),
        };
        let user = user.map(|user| user_name(typed, &decoded(user))).transpose()?;
        // Of a URL's host only a zone is encoded (RFC 6874): `[fe80::1%25eth0]`.
        let server = if server.starts_with(b"[") { decoded(server) } else { Cow::Borrowed(server) };
        let at_user = |meant: &str| match &user {
            Some(user) => format!("{}@{meant}", for_people(user.as_bytes())),
            None => meant.to_owned(),
        };
        let (host, port) = host_and_port(&server, path, at_user)?;
        let path = decoded(path);
        let (path, is_folder) = path_typed(typed, &path)?;
        let path = RelPath::parse(&path)?;
        Ok(Target { user, host, port, path, is_folder, bookmark: None })
    }

    /// The bytes that [`Target::parse`] reads back to the same target.
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(user) = &self.user {
            out.extend_from_slice(user.as_bytes());
            out.push(b'@');
        }
        out.extend_from_slice(Bracketed(&self.host).to_string().as_bytes());
        if let Some(port) = self.port {
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        out.push(b'/');
        if self.path.as_bytes().split(|b| *b == b'/').next() == Some(b"~") {
            out.extend_from_slice(b"./");
        }
        out.extend_from_slice(self.path.as_bytes());
        if self.is_folder && !self.path.is_root() {
            out.push(b'/');
        }
        out
    }
}

/// For people, as [`Target::render`] but escaped.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&for_people(&self.render()))
    }
}

/// A host with the brackets that an IPv6 address needs.
struct Bracketed<'a>(&'a str);

impl fmt::Display for Bracketed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}

fn usage(typed: &[u8], why: &str) -> Error {
    Error::new(Kind::Usage, format!("{}: {why}", for_people(typed)))
}

/// A path as a person types it, below a folder of a server: without the parts that are a dot, which say nothing, and without a slash at
/// its end, which says that it is a folder. `typed` is the whole word.
///
/// # Errors
/// [`Kind::Usage`] for a path that begins with `~`, as if it did not begin in the person's own folder anyway;
/// [`Kind::BadPath`] for one that leads out of that.
pub(super) fn path_typed(typed: &[u8], path: &[u8]) -> Result<(Vec<u8>, bool)> {
    let mut parts: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
    let before = typed.strip_suffix(path).map(for_people).unwrap_or_default();
    let meant = |rest: &[&[u8]]| format!("{before}{}", for_people(&rest.join(&b'/')));
    if let [b"~", rest @ ..] = parts.as_slice() {
        let literal = [&[&b"."[..]][..], parts.as_slice()].concat();
        let (meant, literal) = (meant(rest), meant(&literal));
        let why = format!("a path begins in your own folder: write {meant} (what is really called ~ is {literal})");
        return Err(usage(typed, &why));
    }
    let is_folder = matches!(parts.last(), None | Some(&(b"" | b".")));
    if is_folder {
        parts.pop();
    }
    parts.retain(|part| *part != b".");
    if parts.first() == Some(&&b".."[..]) {
        let why = "`.` and `..` are not names: a path begins in your own folder, and nothing is above that";
        return Err(Error::new(Kind::BadPath, format!("{}: {why}", for_people(typed))));
    }
    Ok((parts.join(&b'/'), is_folder))
}

/// The user in what was typed.
pub(super) fn user_name(typed: &[u8], name: &[u8]) -> Result<String> {
    if name.contains(&b':') {
        // Not shown again: what follows the colon is somebody's password.
        let text = "a password is never part of a target: other users of this machine can read a command line";
        return Err(Error::new(Kind::Usage, text));
    }
    let name = std::str::from_utf8(name).map_err(|_| usage(typed, "the user's name is not UTF-8"))?;
    if name.is_empty() {
        return Err(usage(typed, "there is no user before the `@`; leave it out to be anonymous"));
    }
    // Nobody is called so; whoever types two has slipped, and would be asked for the password of somebody who is not there.
    if name.ends_with('@') {
        return Err(usage(typed, "there are two `@` before the host: one is enough"));
    }
    check_user(name).map_err(|why| usage(typed, why))
}

/// Whether somebody can be called so; what is wrong, if not.
pub(super) fn check_user(name: &str) -> std::result::Result<String, &'static str> {
    if name.is_empty()
        || name.len() > limits::USER_MAX
        || name.chars().any(|c| c.is_control() || matches!(c, ':' | '/'))
    {
        return Err("a user's name has at most 64 bytes, no colon, no slash and no control characters");
    }
    Ok(name.to_owned())
}

/// The port of pages whose address names none.
const HTTPS: u16 = 443;

/// The ports that other protocols have of their own: FTP, SSH, HTTP, HTTPS, rsync, FTPS.
const PORTS_OF_OTHERS: [&[u8]; 6] = [b"21", b"22", b"80", b"443", b"873", b"990"];

/// The scheme of another protocol's URL (RFC 3986, section 3.1), and what follows `://`.
fn other_protocol(typed: &[u8]) -> Option<(&str, &[u8])> {
    let at = typed.windows(3).position(|three| three == b"://")?;
    let scheme = std::str::from_utf8(typed.get(..at)?).ok()?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme.then_some((scheme, typed.get(at + 3..)?))
}

/// What follows another protocol's scheme without the port that is only that protocol's: no Sealift server is there.
fn without_its_port(rest: &[u8]) -> Vec<u8> {
    let end = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let port = authority.iter().rposition(|b| *b == b':').map(|at| authority.split_at(at));
    match port {
        Some((server, port)) if PORTS_OF_OTHERS.contains(&port.get(1..).unwrap_or_default()) => [server, path].concat(),
        _ => rest.to_vec(),
    }
}

/// As a word of a command line, where a shell would not read it as one.
fn quoted(text: String) -> String {
    let is_special = |c: char| c.is_whitespace() || "&;()<>|$*?#!`\"\\".contains(c);
    if text.contains(is_special) && !text.contains('\'') { format!("'{text}'") } else { text }
}

/// What is at the address of a page, as a browser shows it, without the scheme: `host:port/~alice/a.txt` is of alice.
fn of_page(rest: &[u8]) -> Result<Target> {
    let end = rest.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(rest.len());
    let rest = rest.get(..end).unwrap_or_default();
    let slash = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
    let (server, path) = rest.split_at(slash);
    let Some(home) = path.strip_prefix(b"/~") else { return Target::parse_url(b"it", &without_its_port(rest)) };
    let (user, path) = home.split_at(home.iter().position(|b| *b == b'/').unwrap_or(home.len()));
    // Whoever is named before the host is the one that the browser logged in.
    let host = server.rsplit(|b| *b == b'@').next().unwrap_or_default();
    let mut target = Target::parse_url(b"it", &[user, b"@", host, path].concat())?;
    // A browser shows no port that is the usual one of pages.
    target.port = target.port.or(Some(HTTPS));
    Ok(target)
}

/// Takes `host`, `host:port`, `[v6]` or `[v6]:port` apart. `path` and `meant`, which puts the user before it, only serve
/// to show the right form.
fn host_and_port(server: &[u8], path: &[u8], meant: impl Fn(&str) -> String) -> Result<(String, Option<u16>)> {
    // A host has no `@`: here it was `user:password@host`.
    let shown = if server.contains(&b'@') { "what is named".into() } else { for_people(server) };
    let wrong = |why: String| Error::new(Kind::Usage, format!("{shown}: {why}"));
    let text = std::str::from_utf8(server)
        .ok()
        .filter(|text| text.is_ascii())
        .ok_or_else(|| wrong("a host's name is written in ASCII (xn--… for other scripts)".to_owned()))?;
    let no_port = || wrong("a port is a number from 1 to 65535".to_owned());

    let (host, after) = if let Some(rest) = text.strip_prefix('[') {
        let Some((inside, after)) = rest.split_once(']') else {
            return Err(wrong("the bracket is not closed: [::1]:4456/path".to_owned()));
        };
        let host = ipv6(inside).ok_or_else(|| wrong("between the brackets there is no IPv6 address".to_owned()))?;
        match after.strip_prefix(':') {
            None if after.is_empty() => (host, None),
            None => return Err(wrong("after the bracket comes :port or /path".to_owned())),
            Some(after) => (host, Some(after)),
        }
    } else if ipv6(text).is_some() {
        return Err(wrong(format!("an IPv6 address stands in brackets: {}", meant(&format!("[{text}]/path")))));
    } else {
        let (host, after) = text.split_once(':').map_or((text, None), |(host, after)| (host, Some(after)));
        if host.is_empty() {
            return Err(wrong("a host is missing; a server is written [user@]host[:port]/path".to_owned()));
        }
        if !is_host_name(host) {
            return Err(wrong("this is no host; a server is written [user@]host[:port]/path".to_owned()));
        }
        (host.to_ascii_lowercase(), after)
    };
    let Some(after) = after else { return Ok((host, None)) };
    match port(after) {
        Some(port) => Ok((host, Some(port))),
        None if !after.is_empty() && after.bytes().all(|b| b.is_ascii_digit()) => Err(no_port()),
        None if after.contains('@') => {
            Err(wrong("a host and a port have no `@`; a password is never part of them".to_owned()))
        }
        None => {
            let form = scp_form(&host, after, path);
            Err(wrong(format!("after the colon comes a port, and a path comes after a slash: {}", meant(&form))))
        }
    }
}

/// What is meant by `host:path` and `host:port:path`, in which other programs write where a file is. `after` is what
/// follows the first colon, up to the first slash; `path` comes after that.
fn scp_form(host: &str, after: &str, path: &[u8]) -> String {
    let (port, first) = match after.split_once(':') {
        Some((digits, rest)) if port(digits).is_some() => (format!(":{digits}"), rest),
        _ => (String::new(), after),
    };
    // The person's own folder, which is where every path begins here.
    let first = if first == "~" { "" } else { first };
    let path = path.iter().position(|b| *b != b'/').and_then(|at| path.get(at..)).unwrap_or_default();
    let slash = if first.is_empty() || path.is_empty() { "" } else { "/" };
    format!("{}{port}/{}{slash}{}", Bracketed(host), for_people(first.as_bytes()), for_people(path))
}

fn port(digits: &str) -> Option<u16> {
    // Digits only: Rust's parser would take a leading plus.
    let only_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    only_digits.then(|| digits.parse().ok()).flatten().filter(|port| *port != 0)
}

/// The address in its shortest form, with its zone (RFC 4007, `%eth0`) if it has one.
fn ipv6(text: &str) -> Option<String> {
    let (address, zone) = match text.split_once('%') {
        None => (text, None),
        Some((address, zone)) => (address, Some(zone)),
    };
    let address: Ipv6Addr = address.parse().ok()?;
    match zone {
        None => Some(address.to_string()),
        Some(zone) if is_plain(zone) => Some(format!("{address}%{zone}")),
        Some(_) => None,
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A DNS name or IPv4 address: labels of letters, digits, hyphens and underscores. `.` and `..` are local paths.
fn is_host_name(host: &str) -> bool {
    host.len() <= limits::HOST_MAX && is_plain(host) && host.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
