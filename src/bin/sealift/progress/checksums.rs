//! `--checksum-file`: the BLAKE3 of what was transferred, as `b3sum --check` reads it.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sealift::hash::Hash;
use sealift::proto::escape::for_people;
use sealift::{Error, Result};

use crate::output::Output;

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
    /// If it could not be written later, found out before anything is transferred.
    pub fn new(file: &Path) -> Result<Self> {
        let checksums = Checksums { file: file.to_owned(), lines: Vec::new() };
        let next = checksums.next();
        File::create(&next).and_then(|_| fs::remove_file(&next)).map_err(|err| Error::file(file.display(), err))?;
        Ok(checksums)
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

    /// Puts the file in place, whole.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self) -> Result<()> {
        let next = self.next();
        let written = File::create(&next)
            .and_then(|mut file| file.write_all(&self.lines).and_then(|()| file.sync_data()))
            .and_then(|()| fs::rename(&next, &self.file));
        written.map_err(|err| {
            // It may not be there.
            let _ = fs::remove_file(&next);
            Error::file(self.file.display(), err)
        })
    }

    /// Where it is written before it has its name.
    fn next(&self) -> PathBuf {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.file.file_name().unwrap_or_default());
        name.push(format!(".{}.next", std::process::id()));
        self.file.with_file_name(name)
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
    fn odd_names_are_escaped_and_what_is_no_text_is_left_out() {
        let of = |name: &[u8]| line("ab", Path::new(OsStr::from_bytes(name)));
        assert_eq!(of(b"a b").unwrap(), b"ab  a b\n");
        assert_eq!(of(b"a\\b\nc").unwrap(), b"\\ab  a\\\\b\\nc\n");
        assert_eq!(of(b"a\xff"), None);
        assert_eq!(of("a\u{fffd}".as_bytes()), None);
    }
}
