//! Which names of `get` are on servers, and which one is here.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sealift::Kind;
use sealift::client::{Config, Target};
use sealift::escape::for_people;
use sealift::readable::shell_word;

use crate::context::Context;
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

/// Where the last name is a folder of another server, or the same file there, it is meant as the destination: both would come here.
///
/// # Errors
/// [`Kind::Usage`], with the way from one to the other.
pub(super) fn refuse_between_servers(ctx: &Context, names: &[OsString], recursive: bool) -> Outcome {
    let [sources @ .., last] = names else { return Ok(()) };
    let (remotes, _) = split(ctx.config()?, names);
    if sources.is_empty() || remotes.len() < names.len() {
        return Ok(());
    }
    let to = ctx.target(last)?;
    let there = ctx.login_for(&to)?.server;
    let from = ctx.targets(sources)?;
    let is_folder = to.path.is_root() || to.is_folder;
    let is_meant = |one: &Target| is_folder || one.path.as_path().file_name() == to.path.as_path().file_name();
    if !from.iter().all(|(login, one)| login.server != there && is_meant(one)) {
        return Ok(());
    }
    let shown = for_people(last.as_bytes());
    let hint = match (sources, from.as_slice()) {
        ([typed], [(_, one)]) if !recursive && !one.is_folder => {
            let name = one.path.as_path().file_name().map(|name| for_people(name.as_bytes())).unwrap_or_default();
            let place = match is_folder {
                true if shown.ends_with([':', '/']) => format!("{shown}{name}"),
                true => format!("{shown}/{name}"),
                false => shown.to_string(),
            };
            let typed = shell_word(&for_people(typed.as_bytes()));
            format!("`sealift get {typed} - | sealift put - {}` copies it from one to the other.", shell_word(&place))
        }
        _ => format!(
            "Fetch it into a folder here, and then send that there. If {shown} is to be fetched too, write . behind it."
        ),
    };
    let text = format!("`get` fetches from servers to this machine, and {shown} is on another server");
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
