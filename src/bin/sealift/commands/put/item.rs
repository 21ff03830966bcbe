//! What on this machine is sent, and the name it gets.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;

use sealift::client::Target;
use sealift::files::RelPath;
use sealift::{Error, Kind};

use crate::failure::{Failure, Outcome};

/// Something local to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalItem {
    /// A file, or a pipe that a name leads to.
    File { path: PathBuf, is_pipe: bool },
    /// A folder with all below it.
    Tree(PathBuf),
    /// Standard input.
    Stdin,
}

impl LocalItem {
    /// The name it has of its own. Standard input has none, and neither has what is in a folder written as `.`, `..`
    /// or `folder/.`.
    pub(super) fn name(&self) -> Option<&OsStr> {
        match self {
            LocalItem::File { path, .. } => path.file_name(),
            LocalItem::Tree(path) if path.as_os_str().as_bytes().ends_with(b"/.") => None,
            LocalItem::Tree(path) => path.file_name(),
            LocalItem::Stdin => None,
        }
    }
}

/// What this local name is. Folders are taken only if `recursive` says so.
pub(super) fn item(local: &OsStr, recursive: bool) -> Outcome<LocalItem> {
    if local == "-" {
        return Ok(LocalItem::Stdin);
    }
    let path = PathBuf::from(local);
    let shown = path.display();
    let found = fs::metadata(&path).map_err(|err| {
        let missing = || "Check the name; a file whose name begins with a dash comes after `--`.".to_owned();
        Failure::from(Error::file(shown, err).at(&path)).hinted(Kind::NotFound, missing)
    })?;
    if found.is_dir() {
        if !recursive {
            return Err(Error::new(Kind::IsDirectory, format!("{}: is a folder", path.display())).at(path).into());
        }
        return Ok(LocalItem::Tree(path));
    }
    // A pipe named on the command line is meant, as in `put <(pg_dump db) host/db.sql`.
    let is_pipe = found.file_type().is_fifo();
    if !is_pipe && !found.is_file() {
        return Err(Error::new(Kind::NotRegular, format!("{}: not a regular file", path.display())).at(path).into());
    }
    Ok(LocalItem::File { path, is_pipe })
}

/// Where this goes: into the folder that the target is, or in its place.
pub(super) fn place(source: &LocalItem, target: &Target, into_folder: bool) -> Outcome<RelPath> {
    if !into_folder {
        return Ok(target.path.clone());
    }
    match (source.name(), source) {
        (Some(name), _) => Ok(target.path.join(name.as_bytes())?),
        (None, LocalItem::Tree(_)) => Ok(target.path.clone()),
        (None, _) => {
            let hint = format!(
                "Write the name it gets, as in {}name.",
                target.to_string().trim_end_matches('/').to_owned() + "/"
            );
            Err(Failure::new(Kind::Usage, format!("{target}: is a folder, and standard input has no name"), hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(text.as_bytes()).unwrap()
    }

    fn placed(source: &LocalItem, to: &str, into_folder: bool) -> Vec<u8> {
        place(source, &target(to), into_folder).unwrap().as_bytes().to_vec()
    }

    #[test]
    fn things_arrive_under_their_own_name_or_the_one_given() {
        let file = LocalItem::File { path: "x/a b.txt".into(), is_pipe: false };
        assert_eq!(placed(&file, "h/", true), b"a b.txt");
        assert_eq!(placed(&file, "h/dir", true), b"dir/a b.txt");
        assert_eq!(placed(&file, "h/dir", false), b"dir");
        assert_eq!(placed(&LocalItem::Tree("x/tree/".into()), "h/", true), b"tree");
        for unnamed in [".", "..", "x/tree/.", "/"] {
            assert_eq!(placed(&LocalItem::Tree(unnamed.into()), "h/dir/", true), b"dir", "{unnamed}");
        }
        assert_eq!(placed(&LocalItem::Stdin, "h/name", false), b"name");
        assert_eq!(place(&LocalItem::Stdin, &target("h/dir"), true).unwrap_err().kind(), Some(Kind::Usage));
    }

    #[test]
    fn a_folder_needs_r_and_a_device_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let kind = |path: &Path, recursive| item(path.as_os_str(), recursive).map_err(|f| f.kind().unwrap());
        assert_eq!(kind(dir.path(), false), Err(Kind::IsDirectory));
        assert_eq!(kind(dir.path(), true), Ok(LocalItem::Tree(dir.path().into())));
        assert_eq!(kind(Path::new("/dev/null"), false), Err(Kind::NotRegular));
        assert_eq!(kind(&dir.path().join("x"), false), Err(Kind::NotFound));
        assert_eq!(kind(Path::new("-"), false), Ok(LocalItem::Stdin));
    }
}
