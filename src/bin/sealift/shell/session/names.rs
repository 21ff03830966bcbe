//! What names typed in the shell mean on the server.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use sealift::client::{Target, glob};
use sealift::files::RelPath;
use sealift::{Client, Result};

use crate::expand::{self, Meant};
use crate::failure::Outcome;
use crate::output::Output;
use crate::shell::request::literal;

/// A name typed in the current folder.
pub(super) struct Word {
    pub(super) target: Target,
    pub(super) is_pattern: bool,
    /// It ends with `/.`.
    pub(super) is_contents: bool,
}

impl Word {
    /// All that it stands for.
    ///
    /// # Errors
    /// As [`expand::expand_quoted`].
    pub(super) async fn meant(&self, out: Output, client: &mut Client) -> Outcome<Meant> {
        match self.is_pattern {
            true => expand::expand_quoted(out, client, &self.target).await,
            false if self.is_contents => Ok(expand::as_it_stands(&self.target).contents()),
            false => Ok(expand::as_it_stands(&self.target)),
        }
    }
}

/// The name with all its wildcards protected.
pub(super) fn protected(name: &OsStr) -> OsString {
    let plain = literal(name);
    if glob::is_special(plain.as_bytes()) { OsString::from_vec(glob::escape(plain.as_bytes())) } else { plain }
}

/// These names, or the current folder if there are none.
pub(super) fn or_here(names: &[OsString]) -> Vec<OsString> {
    if names.is_empty() { vec![OsString::from(".")] } else { names.to_vec() }
}

/// What a name typed in this folder means, and whether it can only be a folder. A leading slash is the user's own
/// folder, and `..` leads no further up than that.
pub(super) fn resolve(folder: &RelPath, typed: &[u8]) -> Result<(RelPath, bool)> {
    // In a conversation too a path from the person's own folder on may begin with `~`; what is called so is `./~`.
    let (typed, is_of_own) = match typed.strip_prefix(b"~") {
        Some(rest) if matches!(rest.first(), None | Some(b'/')) => (rest, true),
        _ => (typed, false),
    };
    let mut path = if is_of_own || typed.starts_with(b"/") { RelPath::root() } else { folder.clone() };
    let mut is_folder = true;
    for name in typed.split(|byte| *byte == b'/') {
        is_folder = matches!(name, b"" | b"." | b"..");
        match name {
            b"" | b"." => {}
            b".." => path = path.parent().unwrap_or_default(),
            name => path = path.join(name)?,
        }
    }
    Ok((path, is_folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift::Kind;

    #[test]
    fn names_are_resolved_in_the_current_folder_and_never_above_the_own_one() {
        let folder = RelPath::parse(b"a/b").unwrap();
        for (typed, path, is_folder) in [
            ("c", "a/b/c", false),
            ("c/", "a/b/c", true),
            (".", "a/b", true),
            ("..", "a", true),
            ("../../../x", "x", false),
            ("/", "", true),
            ("/x/./y", "x/y", false),
            ("c//d", "a/b/c/d", false),
            ("~", "", true),
            ("~/x", "x", false),
            ("~x", "a/b/~x", false),
            ("./~/x", "a/b/~/x", false),
        ] {
            let (found, folder) = resolve(&folder, typed.as_bytes()).unwrap();
            assert_eq!((found.as_bytes(), folder), (path.as_bytes(), is_folder), "{typed}");
        }
        assert_eq!(resolve(&folder, b".sealift/x").unwrap_err().kind(), Kind::NotFound);
    }
}
