//! `--checksum-file`: the BLAKE3 of what was transferred, as `b3sum --check` reads it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sealift::escape::for_people;
use sealift::files::Hash;
use sealift::fresh_file::{Fresh, sweep_beside};
use sealift::{Error, Kind, Result};

use crate::output::Output;

/// Bytes by which a list is known: a backslash, a hash, two spaces, and a name.
const LINE_BEGINNING: u64 = 1 + 64 + 2 + 1;

/// As of any file: the umask says who else may read it.
const MODE: u32 = 0o666;

/// The file, and what is to be in it.
#[derive(Debug)]
pub struct Checksums {
    file: PathBuf,
    lines: Vec<u8>,
}

impl Checksums {
    /// Nothing yet; the folder of the file must be there.
    ///
    /// # Errors
    /// If it could not be written later, found out before anything is transferred; [`Kind::Exists`] if something else than
    /// a list of checksums has the name.
    pub fn new(file: &Path) -> Result<Self> {
        only_a_list(file)?;
        // What one left that was killed while it wrote the list. Where it cannot be looked for it stays.
        let _ = sweep_beside(file);
        drop(Fresh::with_mode(file, b"", MODE)?);
        Ok(Checksums { file: file.to_owned(), lines: Vec::new() })
    }

    /// A file was verified.
    pub fn add(&mut self, path: &Path, hash: Hash, out: Output) {
        let path = path.strip_prefix(".").unwrap_or(path);
        match line(&hash.to_string(), path) {
            Some(line) => self.lines.extend(line),
            None => {
                let name = for_people(path.as_os_str().as_bytes());
                out.warn(&format!("{name} is not in the checksum file: `b3sum` reads only names that are plain text"));
            }
        }
    }

    /// Puts the file in place, whole. An older list stays if there is nothing to put into a new one.
    ///
    /// # Errors
    /// Those of writing; [`Kind::Exists`] if something else than a list has the name by now: it may have been fetched.
    pub fn write(&self) -> Result<()> {
        only_a_list(&self.file)?;
        if self.lines.is_empty() && self.file.exists() {
            return Ok(());
        }
        Fresh::with_mode(&self.file, &self.lines, MODE)?.put_in_place_unsynced()
    }
}

/// Refuses to put a list in the place of anything but another one.
fn only_a_list(file: &Path) -> Result<()> {
    let failed = |err| Error::file(file.display(), err);
    let is_list = match fs::symlink_metadata(file) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => true,
        Err(err) => return Err(failed(err)),
        // Before it is opened: a pipe would be waited for.
        Ok(found) if !found.is_file() => false,
        Ok(_) => {
            let mut beginning = Vec::new();
            File::open(file).and_then(|file| file.take(LINE_BEGINNING).read_to_end(&mut beginning)).map_err(failed)?;
            let line = beginning.strip_prefix(b"\\").unwrap_or(&beginning);
            beginning.is_empty()
                || (line.len() > 66
                    && line.iter().take(64).all(u8::is_ascii_hexdigit)
                    && line.get(64..66) == Some(b"  "))
        }
    };
    match is_list {
        true => Ok(()),
        false => {
            Err(Error::new(Kind::Exists, format!("{}: is there and no list of checksums", file.display())).at(file))
        }
    }
}

/// A line; none for a name that `b3sum` does not read. A backslash and a line break are escaped, and the line then
/// begins with a backslash.
fn line(hash: &str, path: &Path) -> Option<Vec<u8>> {
    let name = path.to_str().filter(|name| !name.contains(['\0', '\r', '\u{fffd}']))?;
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n");
    let mark = if escaped == name { "" } else { "\\" };
    Some(format!("{mark}{hash}  {escaped}\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn nothing_but_another_list_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sums");
        let hash = Hash::of(b"x").to_string();
        for (content, may_be_replaced) in [
            (String::new(), true),
            (format!("{hash}  name\n"), true),
            (format!("\\{hash}  a\\\\b\n"), true),
            ("precious\n".into(), false),
        ] {
            fs::write(&file, &content).unwrap();
            assert_eq!(Checksums::new(&file).is_ok(), may_be_replaced, "{content}");
            let late = Checksums { file: file.clone(), lines: b"list".to_vec() };
            assert_eq!(late.write().is_ok(), may_be_replaced, "{content}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"precious\n");
        fs::write(&file, format!("{hash}  name\n")).unwrap();
        Checksums::new(&file).unwrap().write().unwrap();
        assert!(fs::metadata(&file).unwrap().len() > 0, "an older list stays");
        fs::remove_file(&file).unwrap();
        let left = dir.path().join(".sums.0123456789abcdef.new");
        fs::write(&left, "half").unwrap();
        Checksums::new(&file).unwrap();
        assert!(!left.exists(), "of one that was killed");
        std::os::unix::fs::symlink("/dev/null", &file).unwrap();
        assert_eq!(Checksums::new(&file).unwrap_err().kind(), Kind::Exists);
    }

    #[test]
    fn odd_names_are_escaped_and_what_is_no_text_is_left_out() {
        let of = |name: &[u8]| line("ab", Path::new(OsStr::from_bytes(name)));
        assert_eq!(of(b"a b").unwrap(), b"ab  a b\n");
        assert_eq!(of(b"a\\b\nc").unwrap(), b"\\ab  a\\\\b\\nc\n");
        assert_eq!(of(b"a\xff"), None);
        assert_eq!(of("a\u{fffd}".as_bytes()), None);
    }
}
