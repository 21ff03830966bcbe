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
            let meant = Self::parse_url(b"it", &without_its_port(rest));
            let meant = meant.map_or_else(|_| "host/path".to_owned(), |target| target.to_string());
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
        let is_folder = path.is_empty() || path.ends_with(b"/");
        let path = RelPath::parse(path.strip_suffix(b"/").unwrap_or(&path))?;
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Target {
        Target::parse(text.as_bytes()).unwrap()
    }

    fn why(text: &str) -> String {
        let err = Target::parse(text.as_bytes()).unwrap_err();
        assert_eq!(err.kind(), Kind::Usage, "{text}");
        err.text().to_owned()
    }

    #[test]
    fn every_part_may_be_left_away_but_the_host() {
        let full = parse("alice@Files.Example:5000/a b/c%20d.txt");
        assert_eq!(full.user.as_deref(), Some("alice"));
        assert_eq!((full.host.as_str(), full.port), ("files.example", Some(5000)));
        assert_eq!((full.path.as_bytes(), full.is_folder), (&b"a b/c%20d.txt"[..], false));
        for root in ["h", "h/"] {
            let target = parse(root);
            assert_eq!((target.user, target.port, target.is_folder), (None, None, true));
            assert!(target.path.is_root());
        }
        assert_eq!(parse("h/dir/").path, parse("h/dir").path);
        assert!(parse("h/dir/").is_folder && !parse("h/dir").is_folder);
    }

    #[test]
    fn colons_and_at_signs_in_a_path_are_part_of_it() {
        let target = parse("h/a:b@c");
        assert_eq!((target.user, target.path.as_bytes()), (None, &b"a:b@c"[..]));
        assert_eq!(parse("me@corp@h/x").user.as_deref(), Some("me@corp"));
    }

    #[test]
    fn ipv6_stands_in_brackets_and_has_one_spelling() {
        let target = parse("bob@[0:0::1]:4457/x");
        assert_eq!((target.host.as_str(), target.port), ("::1", Some(4457)));
        assert_eq!(target.to_string(), "bob@[::1]:4457/x");
        assert_eq!(parse("[fe80::1%eth0]/").host, "fe80::1%eth0");
        assert_eq!(parse("sealift://me@[fe80::1%25eth0]:1/x"), parse("me@[fe80:0::1%eth0]:1/x"));
        assert!(why("::1/x").contains("[::1]/path"));
        for bad in ["[::1/x", "[::1]x/", "[nonsense]/", "[::1]:0/", "[fe80::1%]/"] {
            why(bad);
        }
    }

    #[test]
    fn the_form_of_scp_is_answered_with_the_right_one() {
        for (typed, meant) in [
            ("host:docs/x.txt", "host/docs/x.txt"),
            ("host:/etc", "host/etc"),
            ("host:", "host/"),
            ("host:/", "host/"),
            ("host:x", "host/x"),
            ("host:x/", "host/x"),
            ("host:~/x", "host/x"),
            ("alice@host:/", "alice@host/"),
            ("alice@host:", "alice@host/"),
            ("alice@host:docs/x y", "alice@host/docs/x y"),
            ("alice@host://x", "alice@host/x"),
            ("me@corp@host:/x", "me@corp@host/x"),
            ("host:4456:/x", "host:4456/x"),
            ("alice@host:4457:docs/x", "alice@host:4457/docs/x"),
            ("alice@[::1]:/x", "alice@[::1]/x"),
            ("alice@[::1]:4457:x", "alice@[::1]:4457/x"),
        ] {
            let why = why(typed);
            assert_eq!(why.rsplit(": ").next(), Some(meant), "{typed}: {why}");
            assert!(!why.contains("protocol"), "{typed}: {why}");
        }
        assert!(why("host:70000/x").contains("1 to 65535"));
    }

    #[test]
    fn a_url_of_another_protocol_is_answered_with_what_it_is_here() {
        for (typed, meant) in [
            ("https://h/x", "h/x"),
            ("sftp://alice@h/docs/x", "alice@h/docs/x"),
            ("sftp://alice@h:22/x", "alice@h/x"),
            ("ftps://alice@h:4457/x%20y", "alice@h:4457/x y"),
            ("https://[::1]:443/", "[::1]/"),
            ("scp://h", "h/"),
            ("sftp://alice:canary@h/x", "host/path"),
        ] {
            let why = why(typed);
            let (scheme, _) = typed.split_once(':').unwrap();
            assert_eq!(why, format!("{scheme}:// is another protocol; here it is {meant}"));
        }
    }

    #[test]
    fn local_paths_other_protocols_and_empty_words_are_told_apart() {
        for local in ["/tmp/x", "./x", "../x", ""] {
            assert!(why(local).contains("[user@]host[:port]/path"), "{local}");
        }
        assert!(why("@h/x").contains("anonymous"));
        assert!(why("hôst/x").contains("xn--"));
        assert_eq!(Target::parse(b"h/a/../b").unwrap_err().kind(), Kind::BadPath);
    }

    #[test]
    fn a_password_in_a_target_is_refused_and_not_repeated() {
        let text = why("alice:canary@host/x");
        assert!(text.contains("password") && !text.contains("canary"));
    }

    #[test]
    fn a_url_is_percent_decoded_and_a_plain_target_is_not() {
        assert_eq!(parse("sealift://h/x%20y").path.as_bytes(), b"x y");
        assert_eq!(parse("h/x%20y").path.as_bytes(), b"x%20y");
    }

    #[test]
    fn a_url_keeps_its_rules() {
        let target = parse("SEALIFT://a%40b@h:1/x%20y%FF/");
        assert_eq!(target.user.as_deref(), Some("a@b"));
        assert_eq!((target.path.as_bytes(), target.is_folder), (&b"x y\xff"[..], true));
        assert!(why("sealift://@%2F@h/x").contains("no slash"), "it could not be written without a URL");
        assert!(why("sealift://h/100%").contains("%25"));
        assert!(why("sealift://h/a#b").contains("%23"));
        assert!(why("sealift://h/a?b").contains("%3F"));
        assert!(why("sealift:///x").contains("host"));
    }

    #[test]
    fn endpoints_take_a_default_port() {
        assert_eq!(Endpoint::parse("Host", 7).unwrap().to_string(), "host:7");
        assert_eq!(Endpoint::parse("[::1]:9", 7).unwrap().to_string(), "[::1]:9");
        assert!(Endpoint::parse("host/x", 7).is_err());
    }

    fn a_host() -> impl Strategy<Value = String> {
        prop_oneof!["[a-z0-9][a-z0-9.-]{0,20}", any::<[u16; 8]>().prop_map(|parts| Ipv6Addr::from(parts).to_string()),]
    }

    proptest! {
        #[test]
        fn parse_inverts_render(
            user in proptest::option::of("[^\\p{Cc}:/]{1,12}"),
            host in a_host(),
            port in proptest::option::of(1u16..),
            path in proptest::collection::vec("[^/\\x00-\\x1f\\x7f.]{1,8}", 0..4),
            is_folder: bool,
        ) {
            let path = RelPath::parse(path.join("/").as_bytes()).unwrap();
            let is_folder = is_folder || path.is_root();
            let target = Target { user, host, port, path, is_folder, bookmark: None };
            prop_assert_eq!(Target::parse(&target.render()).unwrap(), target);
        }

        #[test]
        fn a_url_means_what_the_plain_form_of_its_decoded_path_means(path in "[a-z %:=ü]{1,20}", is_folder: bool) {
            let plain = Target { user: None, host: "h".into(), port: None, path: RelPath::parse(path.as_bytes()).unwrap(), is_folder, bookmark: None };
            let slash = if is_folder { "/" } else { "" };
            let url = format!("sealift://h/{}{slash}", crate::proto::percent::encode(path.as_bytes()));
            prop_assert_eq!(Target::parse(url.as_bytes()).unwrap(), plain);
        }

        #[test]
        fn any_bytes_parse_or_are_refused_without_a_panic(typed in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(target) = Target::parse(&typed) {
                prop_assert_eq!(Target::parse(&target.render()).unwrap(), target);
            }
        }
    }
}
