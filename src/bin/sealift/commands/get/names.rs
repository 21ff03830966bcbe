//! Which names of `get` are on servers, and which one is here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sealift::Kind;
use sealift::client::Config;
use sealift::escape::for_people;

use crate::failure::{Failure, Outcome};

/// With two or more names the last is the local one, unless it can only be a remote one.
pub(super) fn split<'a>(config: &Config, names: &'a [OsString]) -> (&'a [OsString], &'a OsStr) {
    let is_remote = |name: &OsStr| name.as_bytes().starts_with(b"sealift://") || config.is_named(name.as_bytes());
    match names {
        [remotes @ .., last] if !remotes.is_empty() && !is_remote(last) => (remotes, last),
        remotes => (remotes, OsStr::new(".")),
    }
}

/// `work:` and `host:folder` are places on a server to whoever types them, and no names for a file here.
pub(super) fn refuse_remote_destination(remotes: &[OsString], local: &OsStr) -> Outcome {
    let first = local.as_bytes().split(|byte| *byte == b'/').next().unwrap_or_default();
    let is_one_of_them = |remote: &OsString| remote.as_bytes().starts_with(first);
    if !first.contains(&b':') || remotes.iter().any(is_one_of_them) || Path::new(local).symlink_metadata().is_ok() {
        return Ok(());
    }
    let shown = for_people(local.as_bytes());
    let hint = format!(
        "The last name is the local destination: write ./{shown} for that. `sealift cp` copies within one server."
    );
    let text = format!("{shown} looks like a place on a server, and nothing has this name here");
    Err(Failure::new(Kind::Usage, text, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_name_is_local_unless_it_is_alone_or_a_url() {
        let names = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        for (words, remotes, local) in [
            (&["h/a"][..], 1, "."),
            (&["h/a", "h/b"], 1, "h/b"),
            (&["h/a", "h/b", "."], 2, "."),
            (&["h/a", "sealift://h/b"], 2, "."),
        ] {
            let names = names(words);
            let (found, last) = split(&Config::default(), &names);
            assert_eq!((found.len(), last), (remotes, OsStr::new(local)));
        }
    }
}
