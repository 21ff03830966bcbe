//! How a hint names a command: outside of the shell with the program's name and the server, in the shell as it is typed there.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::CommandFactory as _;
use sealift::escape::for_people;
use sealift::files::RelPath;
use sealift::sync::Mutex;

use super::shell::Line;

/// The server that the shell is on, as it stands before a path: `alice@host:4456/`.
static SHELL: Mutex<Option<String>> = Mutex::new(None);

/// The folder that the shell is in.
static FOLDER: Mutex<Option<RelPath>> = Mutex::new(None);

/// Says that the shell is in this folder from now on.
pub fn in_folder(folder: &RelPath) {
    *FOLDER.lock() = Some(folder.clone());
}

/// A path on the server as it can be typed where it is read: outside of the shell from the user's own folder on, in the shell from the
/// folder that it is in, or with a slash before it.
pub fn path(path: &[u8]) -> Cow<'_, [u8]> {
    match FOLDER.lock().as_ref().filter(|folder| !folder.is_root()) {
        Some(folder) => as_in(folder, path),
        None => Cow::Borrowed(path),
    }
}

fn as_in<'a>(folder: &RelPath, path: &'a [u8]) -> Cow<'a, [u8]> {
    match path.strip_prefix(folder.as_bytes()) {
        Some(b"") => Cow::Borrowed(b"."),
        Some([b'/', inside @ ..]) => Cow::Borrowed(inside),
        Some(_) | None => Cow::Owned([b"/", path].concat()),
    }
}

/// Says that hints are read in the shell from now on, on this server.
pub fn in_shell(server: &str) {
    *SHELL.lock() = Some(format!("{server}/"));
}

/// The hint as it is to be read here.
pub fn here(hint: &str) -> Cow<'_, str> {
    match &*SHELL.lock() {
        Some(server) => Cow::Owned(for_shell(hint, server)),
        None => Cow::Borrowed(hint),
    }
}

/// What happened, as it is to be read here: in the shell the server is not named before a path of it, and a path that the error is
/// about is told as it can be typed there.
pub fn said<'a>(text: &'a str, about: Option<&Path>) -> Cow<'a, str> {
    let shell = SHELL.lock();
    let Some(server) = &*shell else { return Cow::Borrowed(text) };
    let folder = FOLDER.lock().clone().unwrap_or_default();
    Cow::Owned(as_said(text, server, &folder, about))
}

fn as_said(text: &str, server: &str, folder: &RelPath, about: Option<&Path>) -> String {
    // Behind the line of a file of commands, if there is that.
    let begins = |at: usize| at == 0 || text.get(..at).is_some_and(|before| before.ends_with(": "));
    let is_root = folder.is_root();
    let there = |path: &str| {
        let path = path.trim_end_matches('/');
        let folder = RelPath::to_string(folder);
        match path.strip_prefix(&*folder).filter(|_| !is_root) {
            _ if is_root && path.is_empty() => ".".to_owned(),
            _ if is_root => path.to_owned(),
            Some("") => ".".to_owned(),
            Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/').to_owned(),
            Some(_) | None => format!("/{path}"),
        }
    };
    if let Some(at) = text.find(server).filter(|at| begins(*at)) {
        let (before, rest) = text.split_at(at);
        let rest = rest.strip_prefix(server).unwrap_or(rest);
        return match rest.split_once(": ") {
            Some((path, said)) => format!("{before}{}: {said}", there(path)),
            None => format!("{before}{}", there(rest)),
        };
    }
    let Some(path) = about.map(|path| for_people(path.as_os_str().as_bytes())).filter(|path| **path != *".") else {
        return text.to_owned();
    };
    let ends = |at: usize| text.get(at + path.len()..).is_some_and(|rest| rest.starts_with(':'));
    match text.match_indices(&*path).map(|(at, _)| at).find(|at| begins(*at) && ends(*at)) {
        Some(at) => {
            let (before, rest) = text.split_at(at);
            format!("{before}{}{}", there(&path), rest.strip_prefix(&*path).unwrap_or(rest))
        }
        None => text.to_owned(),
    }
}

/// Commands stand between backticks. Those that the shell has too are named without the program, and their paths from
/// the user's own folder on.
fn for_shell(hint: &str, server: &str) -> String {
    let shell = Line::command();
    let mut is_code = true;
    // By themselves these two are about the session, and not about a key.
    let whole = ["login", "logout"];
    let parts = hint.split('`').map(|part| {
        is_code = !is_code;
        let command = part.strip_prefix("sealift ").filter(|_| is_code);
        let name = command.and_then(|command| command.split(' ').next()).unwrap_or_default();
        match command.filter(|_| shell.find_subcommand(name).is_some() && !whole.contains(&name)) {
            Some(command) => {
                let bare = format!(" {}", server.trim_end_matches('/'));
                let command = command.replace(server, "/").replace("HOST/", "").replace(" HOST", "");
                command.replace(&bare, "")
            }
            None if is_code => part.to_owned(),
            None => part.replace(server, "/"),
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_folder_paths_are_told_as_they_are_typed_there() {
        let folder = RelPath::parse(b"a/b").unwrap();
        for (path, shown) in [("a/b/c/d", "c/d"), ("a/b", "."), ("a/bc", "/a/bc"), ("a", "/a"), ("", "/")] {
            assert_eq!(*as_in(&folder, path.as_bytes()), *shown.as_bytes(), "{path}");
        }
    }

    #[test]
    fn what_happened_is_told_of_paths_as_they_are_typed_in_the_shell() {
        let server = "alice@h:4456/";
        for (folder, about, text, there) in [
            ("", None, "alice@h:4456/a/*.q: nothing matches", "a/*.q: nothing matches"),
            ("", None, "alice@h:4456/: is your own folder", ".: is your own folder"),
            ("a", None, "alice@h:4456/a/*.q: nothing matches", "*.q: nothing matches"),
            ("a", None, "f, line 2: alice@h:4456/ab/: no: folder", "f, line 2: /ab: no: folder"),
            ("a", Some("a/x"), "a/x: no such file", "x: no such file"),
            ("a", Some("a"), "batch, line 2: a: not empty", "batch, line 2: .: not empty"),
            ("a", Some("b/x"), "b/x: no such file", "/b/x: no such file"),
            ("", Some("b/x"), "b/x: no such file", "b/x: no such file"),
            ("a", Some("a/x"), "not about a/x: that", "not about a/x: that"),
            ("a", None, "cannot connect to alice@h:4456", "cannot connect to alice@h:4456"),
        ] {
            let folder = RelPath::parse(folder.as_bytes()).unwrap();
            assert_eq!(as_said(text, server, &folder, about.map(Path::new)), there);
        }
    }

    #[test]
    fn the_shell_names_its_own_commands_as_they_are_typed_there() {
        let server = "alice@h:4456/";
        for (hint, there) in [
            ("`sealift ls` shows what is there.", "`ls` shows what is there."),
            ("`sealift mkdir -p alice@h:4456/a/b` makes it.", "`mkdir -p /a/b` makes it."),
            ("`sealift get HOST/file .` fetches.", "`get file .` fetches."),
            ("`sealift who HOST` shows it.", "`who` shows it."),
            (
                "`sealift trust list` and `sealift cat x` and sealift ls",
                "`sealift trust list` and `cat x` and sealift ls",
            ),
            ("`sealift login alice@h:4456` asks once.", "`sealift login alice@h:4456` asks once."),
            ("`sealift logout alice@h:4456` undoes it.", "`sealift logout alice@h:4456` undoes it."),
            ("`sealift link remove alice@h:4456 'a b'` ends it.", "`link remove 'a b'` ends it."),
            ("`sealift link alice@h:4456/FILE` makes one.", "`link /FILE` makes one."),
            ("Write it, as in alice@h:4456/a/name.", "Write it, as in /a/name."),
            ("nothing", "nothing"),
        ] {
            assert_eq!(for_shell(hint, server), there);
        }
    }
}
