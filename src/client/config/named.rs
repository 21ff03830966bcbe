//! What a person types to name something on a server with a name: `work:reports/x.pdf`.

use super::{Bookmark, Config};
use crate::client::target::{self, Target};
use crate::error::Result;
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
    /// first below the user's own. A host of the same name is still reached as `name/path` or in a URL.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn target(&self, typed: &[u8]) -> Result<Target> {
        let Some(Named { user, name, server, path }) = self.named(typed) else { return Target::parse(typed) };
        let user = match user {
            Some(user) => Some(target::user_name(typed, user)?),
            None => server.user.clone(),
        };
        let (folder, path) = match path.strip_prefix(b"/") {
            Some(path) => (RelPath::root(), path),
            None => (server.path.clone(), path),
        };
        let is_folder = path.is_empty() || path.ends_with(b"/");
        let path = folder.join(path.strip_suffix(b"/").unwrap_or(path))?;
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
        Some(Named { user, name, server, path: after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::config::Settings;
    use crate::error::Kind;
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
