//! What a request is about: the path of its URL, taken apart once. Nothing below looks at its spelling again.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr as _;

use hyper::header::{HOST, HeaderName};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Uri, Version};
use percent_encoding::percent_decode;

use crate::error::{Error, Kind, Result};
use crate::escape;
use crate::files::RelPath;
use crate::secret::Secret;

/// Where something goes (RFC 4918, section 10.3).
const DESTINATION: HeaderName = HeaderName::from_static("destination");

/// Below which the server's own pages, style and the like are.
pub const OWN: &str = ".sealift-web";

/// Below which in it the links are.
pub const LINK: &str = "l";

/// What a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Something in the folder of anonymous reading, or in a user's home.
    Place(Place),
    /// Something of the server's own: the rest of its path.
    Own(String),
    /// What somebody's link leads to.
    Link(LinkTarget),
}

/// A path below a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkTarget {
    /// What opens it.
    pub secret: LinkSecret,
    /// Where in what it leads to.
    pub path: RelPath,
    /// Whether the URL ends with a slash.
    pub is_folder: bool,
}

/// What opens a link, as it is in a URL. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkSecret(String);

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<&Secret> for LinkSecret {
    fn from(secret: &Secret) -> LinkSecret {
        LinkSecret(String::from_utf8_lossy(secret.expose()).into_owned())
    }
}

impl LinkSecret {
    /// To be looked up.
    pub fn to_secret(&self) -> Secret {
        Secret::new(self.0.as_bytes())
    }

    /// The path of the link's URL.
    pub fn url(&self) -> String {
        format!("/{OWN}/{LINK}/{}/", encode(self.0.as_bytes()))
    }
}

/// Whose folder a place is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// That of anonymous reading.
    Everybody,
    /// A user's home.
    User(String),
    /// What a link leads to.
    Link(LinkRoot),
}

/// What a link leads to, as its pages have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRoot {
    /// What opens it.
    pub secret: LinkSecret,
    /// What it is called where it is.
    pub name: Vec<u8>,
}

/// A path in somebody's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whose folder.
    pub whose: Whose,
    /// Where in it.
    pub path: RelPath,
    /// Whether the URL ends with a slash, as that of a folder does.
    pub is_folder: bool,
}

impl Target {
    /// Takes the path of a URL apart.
    ///
    /// # Errors
    /// [`Kind::BadCommand`] for a spelling that is never valid, and those of [`RelPath::parse`].
    pub fn parse(uri: &Uri) -> Result<Target> {
        let bad = |why: &str| Err(Error::new(Kind::BadCommand, why));
        let Some(path) = uri.path().strip_prefix('/') else {
            return bad("the path of the URL does not begin with a slash");
        };
        let (path, is_folder) = match path.strip_suffix('/') {
            Some("") => return Err(Error::new(Kind::BadPath, "the path has an empty name in it")),
            Some(path) => (path, true),
            None => (path, path.is_empty()),
        };
        let mut names = Vec::new();
        // Taken apart before anything is decoded: a slash that comes out of `%2f` is part of a name, and no name has one.
        for name in path.split('/').filter(|_| !path.is_empty()) {
            let name = decode(name)?;
            if name.contains(&b'/') {
                return Err(Error::new(Kind::BadPath, "a name in the path has a slash in it"));
            }
            names.push(name);
        }
        let mut rest = names.as_slice();
        let mut whose = Whose::Everybody;
        if let Some((first, after)) = names.split_first() {
            if let ([own, link, secret, rest @ ..], true) = (names.as_slice(), &**first == OWN.as_bytes())
                && (&**own, &**link) == (OWN.as_bytes(), LINK.as_bytes())
            {
                let secret = LinkSecret(String::from_utf8_lossy(secret).into_owned());
                return Ok(Target::Link(LinkTarget { secret, path: RelPath::parse(&rest.join(&b'/'))?, is_folder }));
            }
            if &**first == OWN.as_bytes() {
                let Ok(rest) = String::from_utf8(after.join(&b'/')) else { return bad("the path is no text") };
                return Ok(Target::Own(rest));
            }
            if let Some(name) = first.strip_prefix(b"~") {
                // No user has such a name; it is looked for all the same.
                whose = Whose::User(String::from_utf8_lossy(name).into_owned());
                rest = after;
            }
        }
        let path = RelPath::parse(&rest.join(&b'/'))?;
        let is_home = whose != Whose::Everybody;
        let is_folder = is_folder && !(is_home && rest.is_empty() && !uri.path().ends_with('/'));
        Ok(Target::Place(Place { whose, path, is_folder }))
    }
}

impl Place {
    /// Whether what has this name in this folder has a URL: in the folder for everybody, a name like those of homes or of our
    /// own pages means these. What is below is of the name that its path begins with.
    pub fn names(&self, entry: &[u8]) -> bool {
        let name = entry.split(|byte| *byte == b'/').next().unwrap_or_default();
        self.whose != Whose::Everybody || !self.path.is_root() || !(name.starts_with(b"~") || name == OWN.as_bytes())
    }

    /// Its URL's path; that of a folder ends with a slash.
    pub fn url(&self, is_folder: bool) -> String {
        let mut url = match &self.whose {
            Whose::Everybody => String::from("/"),
            Whose::User(user) => format!("/~{}/", encode(user.as_bytes())),
            Whose::Link(link) => link.secret.url(),
        };
        for (n, name) in self.path.components().enumerate() {
            if n > 0 {
                url.push('/');
            }
            url.push_str(&encode(name));
        }
        if is_folder && !url.ends_with('/') {
            url.push('/');
        }
        url
    }
}

/// What a name may not hold raw in a URL: all but the letters and marks that no part of a URL gives a meaning to.
const NAME: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',').remove(b'@');

/// One name of a path as it is in a URL.
pub fn encode(name: &[u8]) -> Cow<'_, str> {
    percent_encoding::percent_encode(name, NAME).into()
}

/// Stricter than the crate: a `%` without two hexadecimal digits is an error, not a literal.
fn decode(name: &str) -> Result<Cow<'_, [u8]>> {
    let mut rest = name.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = rest.get(at + 3..).unwrap_or_default(),
            _ => {
                return Err(Error::new(Kind::BadCommand, "a `%` in the URL is not followed by two hexadecimal digits"));
            }
        }
    }
    Ok(percent_decode(name.as_bytes()).into())
}

/// The host that a request is for, once [`check_host`] has let it pass.
pub fn host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let header = headers.get(HOST).and_then(|host| Authority::from_str(host.to_str().ok()?).ok());
    header.or_else(|| uri.authority().cloned())
}

/// Whether two hosts of https are the same.
pub fn is_same_host(a: &Authority, b: &Authority) -> bool {
    let port = |authority: &Authority| authority.port_u16().unwrap_or(443);
    a.host().eq_ignore_ascii_case(b.host()) && port(a) == port(b) && !a.as_str().contains('@')
}

/// Where a request says that something is to go: a place of this server, taken apart by the same code as its own URL.
///
/// # Errors
/// [`Kind::CrossDevice`] for another server or scheme, [`Kind::BadCommand`] for none, several, or what is no URL,
/// [`Kind::Denied`] for what is the server's own; those of [`Target::parse`].
pub fn destination(uri: &Uri, headers: &HeaderMap) -> Result<Place> {
    let bad = |why: &str| Err(Error::new(Kind::BadCommand, why));
    let mut all = headers.get_all(DESTINATION).iter();
    let destination = match (all.next(), all.next()) {
        (None, _) => return bad("the request has no Destination"),
        (_, Some(_)) => return bad("the request has several Destinations"),
        (Some(destination), None) => destination,
    };
    let Some(text) = destination.to_str().ok() else { return bad("the Destination is no URL") };
    // The parser drops a fragment, and what is left is the name of something else.
    if text.contains('#') {
        return bad("the Destination has a fragment: `#` in a name is written %23");
    }
    let Ok(destination) = text.parse::<Uri>() else { return bad("the Destination is no URL") };
    no_query(&destination)?;
    let is_here = match (destination.scheme_str(), destination.authority(), host(uri, headers)) {
        (None, None, _) => true,
        (Some("https"), Some(there), Some(here)) => is_same_host(there, &here),
        _ => false,
    };
    if !is_here {
        return Err(Error::new(Kind::CrossDevice, "the Destination is on another server"));
    }
    match Target::parse(&destination)? {
        Target::Place(place) => Ok(place),
        Target::Own(_) | Target::Link(_) => Err(Error::new(Kind::Denied, "the Destination is the server's own")),
    }
}

/// What changes something is told by its path alone: behind a `?` that its client did not encode stands the rest of a name, and what is
/// before it is the name of something else.
///
/// # Errors
/// [`Kind::BadCommand`] for a URL with a query.
pub fn no_query(uri: &Uri) -> Result<()> {
    match uri.query() {
        None => Ok(()),
        Some(_) => Err(Error::new(
            Kind::BadCommand,
            "the URL has a query, and nothing is changed by one: `?` in a name is written %3F",
        )),
    }
}

/// Checks for whom a request is meant: exactly one host is named, and it is the one that TLS was told, if it was.
///
/// # Errors
/// [`Kind::BadCommand`] where none or several are named or that is no host, [`Kind::Protocol`] for another one than TLS was
/// told.
pub fn check_host(uri: &Uri, version: Version, headers: &HeaderMap, server_name: Option<&str>) -> Result<()> {
    let bad = |why: &str| Err(Error::new(Kind::BadCommand, why));
    let mut hosts = headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return bad("the request names several hosts"),
        (None, None) => None,
        (Some(host), None) => match host.to_str().ok().and_then(|host| Authority::from_str(host).ok()) {
            Some(host) => Some(host),
            None => return bad("the request's Host is none"),
        },
    };
    let host = match (header, uri.authority()) {
        (None, None) => return bad("the request names no host"),
        // RFC 9112, section 3.2: there must be one in HTTP/1.1, whatever the URL says.
        (None, Some(_)) if version == Version::HTTP_11 => return bad("the request has no Host"),
        (Some(header), Some(authority)) if header != *authority => return bad("the request names two hosts"),
        (Some(host), _) => host,
        (None, Some(host)) => host.clone(),
    };
    if host.as_str().contains('@') || host.host().is_empty() {
        return bad("the request's Host is none");
    }
    match server_name {
        Some(name) if !name.eq_ignore_ascii_case(host.host().trim_end_matches('.')) => {
            let text =
                format!("this connection is for another host than {}", escape::for_people(host.host().as_bytes()));
            Err(Error::new(Kind::Protocol, text))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Result<Target, Kind> {
        Target::parse(&path.parse().unwrap()).map_err(|error| error.kind())
    }

    fn place(user: Option<&str>, path: &str, is_folder: bool) -> Target {
        let path = RelPath::parse(path.as_bytes()).unwrap();
        let whose = user.map_or(Whose::Everybody, |user| Whose::User(user.to_owned()));
        Target::Place(Place { whose, path, is_folder })
    }

    #[test]
    fn a_path_is_the_anonymous_folder_s_a_home_s_or_ours() {
        assert_eq!(target("/"), Ok(place(None, "", true)));
        assert_eq!(target("/a/b%20c"), Ok(place(None, "a/b c", false)));
        assert_eq!(target("/a/"), Ok(place(None, "a", true)));
        assert_eq!(target("/~alice"), Ok(place(Some("alice"), "", false)));
        assert_eq!(target("/~alice/"), Ok(place(Some("alice"), "", true)));
        assert_eq!(target("/%7Ealice/x/"), Ok(place(Some("alice"), "x", true)));
        assert_eq!(target("/.sealift-web/style.css"), Ok(Target::Own("style.css".into())));
        assert_eq!(target("https://host:4456/a?x=/y"), Ok(place(None, "a", false)));
    }

    #[test]
    fn no_spelling_climbs_out_or_names_what_is_hidden() {
        for bad in
            ["/..", "/a/../b", "/%2e%2e/x", "/%2E./x", "/a/..%2f", "/%2e", "/~alice/../bob", "/~/..", "//", "/a//b"]
        {
            assert_eq!(target(bad), Err(Kind::BadPath), "{bad}");
        }
        for bad in ["/a%2fb", "/a%2F..%2Fb", "/~alice%2fx", "/.sealift%2fx", "/a%00b", "/%0d%0aSet-Cookie:x"] {
            assert_eq!(target(bad), Err(Kind::BadPath), "{bad}");
        }
        for hidden in ["/.sealift", "/.sealift/x", "/%2Esealift/x", "/~alice/.SEALIFT/lock", "/a/.sealift/b"] {
            assert_eq!(target(hidden), Err(Kind::NotFound), "{hidden}");
        }
        for bad in ["/%", "/%4", "/%zz", "/a%2"] {
            assert_eq!(target(bad), Err(Kind::BadCommand), "{bad}");
        }
    }

    #[test]
    fn a_link_is_its_secret_and_a_path_below_it() {
        let link = |secret: &str, path: &str, is_folder| {
            let (secret, path) = (LinkSecret(secret.to_owned()), RelPath::parse(path.as_bytes()).unwrap());
            Ok(Target::Link(LinkTarget { secret, path, is_folder }))
        };
        assert_eq!(target("/.sealift-web/l/abc/"), link("abc", "", true));
        assert_eq!(target("/.sealift-web/l/abc"), link("abc", "", false));
        assert_eq!(target("/.sealift-web/l/abc/x%20y/z"), link("abc", "x y/z", false));
        assert_eq!(target("/.sealift-web/l/"), Ok(Target::Own("l".into())));
        for bad in [
            "/.sealift-web/l/abc/..",
            "/.sealift-web/l/abc/%2e%2e/x",
            "/.sealift-web/l/abc/a%2fb",
            "/.sealift-web/l/abc//x",
        ] {
            assert_eq!(target(bad), Err(Kind::BadPath), "{bad}");
        }
        assert_eq!(target("/.sealift-web/l/abc/.sealift/x"), Err(Kind::NotFound));
        let Ok(Target::Link(at)) = target("/.sealift-web/l/abc/x") else { panic!() };
        assert!(!format!("{at:?}").contains("abc"));
        let whose = Whose::Link(LinkRoot { secret: at.secret, name: b"n".to_vec() });
        assert_eq!(Place { whose, path: at.path, is_folder: true }.url(true), "/.sealift-web/l/abc/x/");
    }

    #[test]
    fn a_place_s_url_names_it_again() {
        for path in ["/", "/a/", "/~alice/", "/~alice/x%20y/z%3F%23%25", "/%FF/%C3%BC", "/%3Cscript%3E"] {
            let Ok(Target::Place(place)) = target(path) else { panic!("{path}") };
            let url = place.url(place.is_folder);
            assert_eq!(target(&url), Ok(Target::Place(place)), "{url}");
        }
    }

    #[test]
    fn a_destination_is_a_place_of_this_server_and_of_no_other() {
        let to = |destinations: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "h.example:4456".parse().unwrap());
            for destination in destinations {
                headers.append(DESTINATION, destination.parse().unwrap());
            }
            destination(&"/~alice/f".parse().unwrap(), &headers).map(Target::Place).map_err(|error| error.kind())
        };
        assert_eq!(to(&["https://h.example:4456/~alice/a%20b"]), Ok(place(Some("alice"), "a b", false)));
        assert_eq!(to(&["https://H.example:4456/~alice/g/"]), Ok(place(Some("alice"), "g", true)));
        assert_eq!(to(&["/~alice/g"]), Ok(place(Some("alice"), "g", false)));
        for foreign in [
            "http://h.example:4456/~alice/g",
            "https://h.example/~alice/g",
            "https://h.example:4457/~alice/g",
            "https://evil.example:4456/~alice/g",
            "https://h.example:4456@evil.example/~alice/g",
            "https://user@h.example:4456/~alice/g",
            "ftp://h.example:4456/x",
        ] {
            assert_eq!(to(&[foreign]), Err(Kind::CrossDevice), "{foreign}");
        }
        for bad in ["", "~alice/g", "https://", "/a b", "https:///x", "//evil.example/x", "*"] {
            assert!(to(&[bad]).is_err(), "{bad}: {:?}", to(&[bad]));
        }
        assert_eq!(to(&[]), Err(Kind::BadCommand));
        assert_eq!(to(&["/a", "/a"]), Err(Kind::BadCommand));
        assert_eq!(to(&["/~alice/../bob/x"]), Err(Kind::BadPath));
        assert_eq!(to(&["/~alice/%2e%2e/x"]), Err(Kind::BadPath));
        assert_eq!(to(&["/~alice/a%2fb"]), Err(Kind::BadPath));
        assert_eq!(to(&["/~alice/.sealift/x"]), Err(Kind::NotFound));
        assert_eq!(to(&["/.sealift-web/style.css"]), Err(Kind::Denied));
    }

    #[test]
    fn one_host_is_named_and_it_is_the_one_that_tls_was_told() {
        let check = |url: &str, version, hosts: &[&str], name| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().unwrap());
            }
            check_host(&url.parse().unwrap(), version, &headers, name).map_err(|error| error.kind())
        };
        use Version as V;
        assert_eq!(check("/", V::HTTP_11, &["h:1"], None), Ok(()));
        assert_eq!(check("/", V::HTTP_11, &["H.example.:4456"], Some("h.example")), Ok(()));
        assert_eq!(check("https://h:1/", V::HTTP_2, &[], Some("h")), Ok(()));
        assert_eq!(check("https://h:1/", V::HTTP_11, &["h:1"], None), Ok(()));
        assert_eq!(check("/", V::HTTP_11, &["[::1]:4456"], None), Ok(()));
        assert_eq!(check("/", V::HTTP_11, &["other"], Some("h.example")), Err(Kind::Protocol));
        for (url, hosts) in [
            ("/", &[][..]),
            ("/", &["a", "a"]),
            ("/", &["a/b"]),
            ("/", &["a b"]),
            ("/", &["user@a"]),
            ("/", &[""]),
            ("https://a/", &["b"]),
            ("https://a/", &[]),
        ] {
            assert_eq!(check(url, V::HTTP_11, hosts, None), Err(Kind::BadCommand), "{url} {hosts:?}");
        }
    }
}
