//! Names that come from a list: `--files-from` of `get`, `put` and `mirror`.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use sealift::escape::for_people;
use sealift::files::RelPath;
use sealift::{Error, Kind};

use crate::failure::{Failure, Outcome};

/// A list of what to move.
#[derive(Debug, Clone, Default, Args)]
pub struct ListArgs {
    /// Move what this file lists, one path a line, each below the folder named; `-` is standard input
    ///
    /// The folders in these paths are kept, and made where they are missing. A folder in the list needs -r in `get` and `put`. What
    /// cannot be moved is named, and everything else is moved.
    #[arg(long, value_name = "FILE")]
    pub files_from: Option<OsString>,

    /// Each path of the list ends with a NUL byte, as `find -print0` writes them
    #[arg(short = '0', long = "from0", requires = "files_from")]
    pub nul: bool,
}

/// A path of a list, below the folder that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it is from there.
    pub path: RelPath,
    /// It was written with a slash at its end.
    pub is_folder: bool,
}

impl ListArgs {
    /// The paths below this folder, each once, and what is none. Nothing if no list is named.
    ///
    /// # Errors
    /// If the list cannot be read, or is to be read from where the password is.
    pub fn read(&self, below: &Path, password_stdin: bool) -> Outcome<Option<(Vec<Listed>, Vec<Failure>)>> {
        let Some(file) = &self.files_from else { return Ok(None) };
        let bytes = if file == "-" {
            if password_stdin {
                let hint = "Give the password by --password-file or SEALIFT_PASSWORD_FILE.";
                return Err(Failure::new(Kind::Usage, "standard input cannot be both the password and the list", hint));
            }
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map_err(|err| Error::file("the list", err))?;
            bytes
        } else {
            let file = PathBuf::from(file);
            fs::read(&file).map_err(|err| Error::file(file.display(), err))?
        };
        Ok(Some(read(&bytes, self.nul, below)))
    }
}

/// Whether a link of this folder is on the way to this path, which leads out of the tree that the list is of; the path's own last
/// name is no way to it.
pub fn is_behind_link(folder: &Path, path: &RelPath) -> bool {
    let above = std::iter::successors(path.parent(), RelPath::parent).filter(|above| !above.is_root());
    above.into_iter().any(|above| folder.join(above.as_path()).is_symlink())
}

/// What is to be named beside a list.
pub fn expects_folders(usage: &str) -> Failure {
    let hint = format!("It is written like this: {usage}");
    Failure::new(Kind::Usage, "with --files-from, name a folder of the server and one of this machine", hint)
}

fn read(list: &[u8], nul: bool, below: &Path) -> (Vec<Listed>, Vec<Failure>) {
    let end = if nul { 0 } else { b'\n' };
    let (mut seen, mut listed, mut failures) = (HashSet::new(), Vec::new(), Vec::new());
    for line in list.split(|byte| *byte == end) {
        // Written on another system, perhaps; a name that ends so takes -0.
        let line = if nul { line } else { line.strip_suffix(b"\r").unwrap_or(line) };
        if line.is_empty() {
            continue;
        }
        match path(line, below) {
            Ok(path) if seen.insert(path.clone()) => listed.push(Listed { path, is_folder: line.ends_with(b"/") }),
            Ok(_) => {}
            Err(error) => failures.push(Failure::from(error).about(&for_people(line))),
        }
    }
    (listed, failures)
}

/// What a line names, from the folder on: also if it names it from the root on, as `find /folder` does.
fn path(line: &[u8], below: &Path) -> Result<RelPath, Error> {
    let line = match Path::new(std::ffi::OsStr::from_bytes(line)).strip_prefix(below) {
        Ok(inside) if line.starts_with(b"/") => inside.as_os_str().as_bytes(),
        _ if line.starts_with(b"/") => {
            return Err(Error::new(Kind::BadPath, format!("it is not below {}", below.display())));
        }
        _ => line,
    };
    let parts = line.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    RelPath::parse(&parts.collect::<Vec<_>>().join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_each_path_once_from_the_folder_on() {
        let read = |list: &[u8], nul| {
            let (listed, failures) = read(list, nul, Path::new("/data"));
            let names = listed.iter().map(|one| String::from_utf8_lossy(one.path.as_bytes()).into_owned());
            (names.collect::<Vec<_>>(), failures.len())
        };
        assert_eq!(read(b"a\n./a\nb c//d\r\n\n/data/e/\n", false), (vec!["a".into(), "b c/d".into(), "e".into()], 0));
        assert_eq!(read(b"a b\0c\nd\0e\0\0", true), (vec!["a b".into(), "e".into()], 1));
        assert_eq!(read(b"../a\n/etc/passwd\nx/../y\n# no comment", false), (vec!["# no comment".into()], 3));
    }
}
