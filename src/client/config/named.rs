//! What a person types to name something on a server with a name: `work:reports/x.pdf`.

use super::{Bookmark, Config};
use crate::client::target::{self, DEFAULT_PORT, Target};
use crate::error::{Error, Kind, Result};
use crate::escape::for_people;
use crate::files::RelPath;

/// A word that begins with the name of a server.
struct Named<'a> {
    /// Who logs in, if typed.
    user: Option<&'a [u8]>,
    name: &'a str,
    server: &'a Bookmark,
    /// What follows the colon.
    path: &'a [u8],
}

impl Config {
    /// Reads what a person typed: `[user@]name:path` if there is a server of this name, else as [`Target::parse`].
    ///
    /// What follows the colon of a name is a path, whatever it looks like: below the server's folder, or with a slash
    /// first below the user's own. A host of the same name is still reached as `name/path` or in a URL. Only where the name is the
    /// server's own host is its port a port, so that the server is found by its address, too; any other number there could
    /// be either, and is refused: a file must not go to another server than the one that was meant.
    ///
    /// # Errors
    /// As [`Target::parse`]; [`Kind::Usage`] for such a number.
    pub fn target(&self, typed: &[u8]) -> Result<Target> {
        let Some(Named { user, name, server, path }) = self.named(typed) else { return Target::parse(typed) };
        if let Some(port) = port_or_folder(name, server, path) {
            let (shown, path) = (for_people(typed), for_people(path));
            let why = format!(
                "{port} could be a port or a folder, since {name} names a server and a host: sealift://{shown} is the server at \
                 this port, {name}:/{path} is in your folder on the server that is called {name}"
            );
            return Err(Error::new(Kind::Usage, format!("{shown}: {why}")));
        }
        let user = match user {
            Some(user) => Some(target::user_name(typed, user)?),
            None => server.user.clone(),
        };
        let (folder, path) = match path.strip_prefix(b"/") {
            Some(path) => (RelPath::root(), path),
            None => (server.path.clone(), path),
        };
        let (path, is_folder) = target::path_typed(typed, path)?;
        let path = folder.join(&path)?;
        let (host, port, bookmark) = (server.host.clone(), server.settings.port, Some(name.to_owned()));
        Ok(Target { user, host, port, path, is_folder, bookmark })
    }

    /// Whether this word names something on a server with a name. A local file that is called like this is written
    /// with `./` first.
    pub fn is_named(&self, typed: &[u8]) -> bool {
        self.named(typed).is_some()
    }

    fn named<'a>(&'a self, typed: &'a [u8]) -> Option<Named<'a>> {
        let colon =
            typed.iter().position(|byte| matches!(byte, b':' | b'/')).filter(|at| typed.get(*at) == Some(&b':'))?;
        let (before, after) = (typed.get(..colon)?, typed.get(colon + 1..)?);
        // What begins with `word://` is a URL.
        if after.starts_with(b"//") {
            return None;
        }
        let (user, name) = match before.iter().rposition(|byte| *byte == b'@') {
            Some(at) => (Some(before.get(..at)?), before.get(at + 1..)?),
            None => (None, before),
        };
        let (name, server) = self.servers.get_key_value(std::str::from_utf8(name).ok()?)?;
        if port_or_folder(name, server, after) == Some(server.settings.port.unwrap_or(DEFAULT_PORT)) {
            return None;
        }
        Some(Named { user, name, server, path: after })
    }
}

/// The number with which this begins, if it is as good a port of the host that the server is named after as a folder of the server.
fn port_or_folder(name: &str, server: &Bookmark, after: &[u8]) -> Option<u16> {
    let first = after.split(|byte| *byte == b'/').next().filter(|first| first.iter().all(u8::is_ascii_digit))?;
    let port = std::str::from_utf8(first).ok()?.parse().ok().filter(|port| *port != 0)?;
    name.eq_ignore_ascii_case(&server.host).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::config::Settings;
    use proptest::prelude::*;

    fn config() -> Config {
        let mut config = Config::default();
        for (name, path) in [("work", "projects/a"), ("nas", ""), ("sealift", "")] {
            let settings = Settings { port: (name == "work").then_some(5000), ..Settings::default() };
            let (user, path) = (Some("alice".to_owned()), RelPath::parse(path.as_bytes()).unwrap());
            config.servers.insert(name.into(), Bookmark { host: format!("{name}.example"), user, path, settings });
        }
        config
    }

    fn of(typed: &str) -> String {
        let target = config().target(typed.as_bytes()).unwrap();
        assert_eq!(target.bookmark.is_some(), config().is_named(typed.as_bytes()), "{typed}");
        target.to_string()
    }

    #[test]
    fn a_name_with_a_colon_is_the_server_s_host_port_user_and_folder() {
        assert_eq!(of("work:"), "alice@work.example:5000/projects/a/");
        assert_eq!(of("work:x y/z.pdf"), "alice@work.example:5000/projects/a/x y/z.pdf");
        assert_eq!(of("work:x/"), "alice@work.example:5000/projects/a/x/");
        assert_eq!(of("work:/"), "alice@work.example:5000/");
        assert_eq!(of("work:/x"), "alice@work.example:5000/x");
        assert_eq!(of("nas:a:b@c"), "alice@nas.example/a:b@c");
        assert_eq!(of("bob@nas:x"), "bob@nas.example/x");
        assert_eq!(of("bob@corp@nas:x"), "bob@corp@nas.example/x");
    }

    #[test]
    fn what_follows_a_name_s_colon_is_never_a_port() {
        assert_eq!(of("nas:2024/report"), "alice@nas.example/2024/report");
        assert_eq!(of("nas:5000"), "alice@nas.example/5000");
    }

    #[test]
    fn a_server_named_after_its_host_is_found_by_its_address_and_no_other_number_is_guessed_at() {
        let mut config = config();
        for (name, port) in [("box", Some(5202)), ("plain", None)] {
            let (user, settings) = (Some("alice".to_owned()), Settings { port, ..Settings::default() });
            let bookmark = Bookmark { host: name.to_owned(), user, path: RelPath::root(), settings };
            config.servers.insert(name.into(), bookmark);
        }
        let read = |typed: &str| config.target(typed.as_bytes()).map(|target| target.to_string());
        assert_eq!(read("anna@box:5202/a").unwrap(), "anna@box:5202/a");
        assert_eq!(read("box:5202").unwrap(), "box:5202/");
        assert_eq!(read("plain:4456/a").unwrap(), "plain:4456/a");
        for typed in ["anna@box:5204/docs/", "box:2024", "plain:5202/a"] {
            let error = read(typed).unwrap_err();
            assert!(error.kind() == Kind::Usage && error.text().contains("a port or a folder"), "{typed}: {error}");
        }
        let error = read("box:2024/x").unwrap_err();
        for offered in ["sealift://box:2024/x", "box:/2024/x"] {
            assert!(error.text().contains(offered), "{error}");
            assert!(read(offered).is_ok(), "{offered}");
        }
        // What cannot be a port is a folder.
        for (typed, is) in [("box:2024-report/x", "2024-report/x"), ("box:70000/x", "70000/x"), ("box:0", "0")] {
            assert_eq!(read(typed).unwrap(), format!("alice@box:5202/{is}"));
        }
    }

    #[test]
    fn hosts_urls_and_paths_are_as_without_names() {
        assert_eq!(of("work/x"), "work/x");
        assert_eq!(of("work"), "work/");
        assert_eq!(of("sealift://nas:1/x"), "nas:1/x");
        assert_eq!(of("other:1/work:x"), "other:1/work:x");
        assert_eq!(of("work.example:1/x"), "work.example:1/x");
        for local in ["./work:x", "/work:x", "a/work:x"] {
            assert!(!config().is_named(local.as_bytes()), "{local}");
        }
    }

    #[test]
    fn what_is_wrong_after_a_name_is_said_as_elsewhere() {
        let kind = |typed: &str| config().target(typed.as_bytes()).unwrap_err().kind();
        assert_eq!(kind("work:../x"), Kind::BadPath);
        assert_eq!(kind("@work:x"), Kind::Usage);
        for typed in ["anna@@work:x", "anna@@work.example/x", "sealift://anna@@work.example/x"] {
            let twice = config().target(typed.as_bytes()).unwrap_err();
            assert!(twice.kind() == Kind::Usage && twice.text().contains("two `@`"), "{twice}");
        }
        let typo = config().target(b"wrok:x").unwrap_err();
        assert!(typo.kind() == Kind::Usage && typo.text().contains("after the colon comes a port"), "{typo}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_target_or_an_error(typed in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = config().target(&typed);
            let _ = config().target(&[b"work:", &typed[..]].concat());
        }
    }
}
