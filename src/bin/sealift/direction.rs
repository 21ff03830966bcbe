//! Which names are meant for this machine and which for a server, where a command takes both: so that a `get` that was meant as a
//! `put` is answered with that, and the other way round.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sealift::Kind;
use sealift::client::Config;
use sealift::escape::for_people;

use super::failure::{Failure, Outcome};

/// On which side a folder is, by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It begins with a slash or dot, or has no mark of a server and either is there, or would be in a folder that is, or is a plain name.
    Here,
    /// It has a mark of a server: a user or port; of what is not there, also a dot, or a slash inside.
    There,
    /// A plain name and a slash, as a server's top or a new folder here is written: the other one decides.
    Either,
}

/// What a name says of the side that it is on, where a command takes one folder of each.
pub fn side(name: &OsStr) -> Side {
    let (bytes, first) = (name.as_bytes(), first_part(name));
    if bytes.starts_with(b"sealift://") {
        return Side::There;
    }
    if matches!(first, b"" | b"." | b"..") {
        return Side::Here;
    }
    let path = Path::new(name);
    let is_placed = || path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && folder.is_dir());
    let is_plain = bytes.split(|b| *b == b'/').skip(1).all(<[u8]>::is_empty);
    match bytes.len() == first.len() {
        _ if is_marked(first) => Side::There,
        _ if path.exists() || is_placed() => Side::Here,
        _ if first.contains(&b'.') || !is_plain => Side::There,
        true => Side::Here,
        false => Side::Either,
    }
}

/// Whether it has the mark of a server.
pub fn has_mark(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"sealift://") || is_marked(first_part(name))
}

/// Whether it can only be meant as something of this machine: it begins as a path does, or has no mark of a server and is there.
pub fn is_local(name: &OsStr) -> bool {
    let first = first_part(name);
    matches!(first, b"" | b"." | b".." | b"~") || (!is_marked(first) && is_there(name))
}

/// Whether it can only be meant as a place on a server: it has the marks of one, and nothing here is called so.
pub fn is_remote(config: &Config, name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let is_named = bytes.starts_with(b"sealift://") || config.is_named(bytes) || is_marked(first_part(name));
    is_named && !is_there(name)
}

/// Refuses to fetch what is here to a place on a server.
///
/// # Errors
/// [`Kind::Usage`], with the `put` that was meant.
pub fn refuse_put_as_get(config: &Config, names: &[OsString]) -> Outcome {
    let [sources @ .., last] = names else { return Ok(()) };
    let Some(local) = sources.iter().find(|name| is_local(name)).filter(|_| is_remote(config, last)) else {
        return Ok(());
    };
    let text = format!("`get` fetches from a server, and {} is on this machine", shown(local));
    Err(Failure::new(Kind::Usage, text, format!("`sealift put {} {}` sends it there.", shown(local), shown(last))))
}

/// Refuses to send what is on a server.
///
/// # Errors
/// [`Kind::Usage`], with the `get` that was meant.
pub fn refuse_get_as_put(config: &Config, names: &[OsString]) -> Outcome {
    let [sources @ .., last] = names else { return Ok(()) };
    let Some(remote) = sources.iter().find(|name| is_remote(config, name)) else { return Ok(()) };
    let text = format!("`put` sends what is on this machine, and {} reads like a place on a server", shown(remote));
    let hint = match is_remote(config, last) {
        true => {
            "`sealift cp` copies within one server; to copy from one to another, use `get` and then `put`.".to_owned()
        }
        false => format!("`sealift get {} {}` fetches it.", shown(remote), shown(last)),
    };
    Err(Failure::new(Kind::Usage, text, hint))
}

fn first_part(name: &OsStr) -> &[u8] {
    name.as_bytes().split(|byte| *byte == b'/').next().unwrap_or_default()
}

fn is_marked(first: &[u8]) -> bool {
    first.iter().any(|byte| matches!(byte, b'@' | b':'))
}

fn is_there(name: &OsStr) -> bool {
    Path::new(name).symlink_metadata().is_ok()
}

fn shown(name: &OsStr) -> String {
    for_people(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(refused: Outcome) -> Option<String> {
        match refused {
            Ok(()) => None,
            Err(Failure::Error { hint, .. }) => hint,
            Err(shown) => panic!("{shown:?}"),
        }
    }

    #[test]
    fn arguments_that_were_mixed_up_are_answered_with_the_command_that_was_meant() {
        let config = Config::default();
        let names = |names: &[&str]| names.iter().map(OsString::from).collect::<Vec<_>>();
        for (typed, meant) in [
            (&["./f", "alice@h/"][..], Some("`sealift put ./f alice@h/`")),
            (&["/", "h:1/x"], Some("`sealift put / h:1/x`")),
            (&["h/f", "here"], None),
            (&["alice@h/f", "alice@h/g"], None),
            (&["h/f"], None),
        ] {
            let hint = hint(refuse_put_as_get(&config, &names(typed)));
            assert_eq!(hint.is_some(), meant.is_some(), "{typed:?}");
            assert!(hint.unwrap_or_default().contains(meant.unwrap_or_default()), "{typed:?}");
        }
        for (typed, meant) in [
            (&["alice@h/f", "."][..], Some("`sealift get alice@h/f .`")),
            (&["sealift://h/f", "copy"], Some("`sealift get sealift://h/f copy`")),
            (&["alice@h/f", "bob@h/"], Some("`sealift cp`")),
            (&["f", "alice@h/"], None),
            (&["-", "alice@h/x"], None),
        ] {
            let hint = hint(refuse_get_as_put(&config, &names(typed)));
            assert_eq!(hint.is_some(), meant.is_some(), "{typed:?}");
            assert!(hint.unwrap_or_default().contains(meant.unwrap_or_default()), "{typed:?}");
        }
    }
}
