//! The port file: tells other programs which port the server listens on, and that it is ready.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sealift::fresh_file::{Fresh, sweep_beside};
use sealift::{Error, Kind, Result};

/// Digits of a port's number, at most.
const DIGITS: usize = 5;

/// A port file: the port's number and a newline, there from [`PortFile::write`] until this is dropped.
#[derive(Debug)]
pub struct PortFile {
    path: PathBuf,
    content: String,
    /// What is there by now is the next server's.
    is_removed: AtomicBool,
}

impl PortFile {
    /// The port file at this path, not written yet.
    pub fn new(path: &Path, port: u16) -> PortFile {
        PortFile { path: path.to_owned(), content: format!("{port}\n"), is_removed: AtomicBool::new(false) }
    }

    /// Whether nothing is lost if a port file replaces what is there: nothing, an empty file, or what a server has left that
    /// was killed.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] if it is anything else; those of the file system, naming the file.
    pub fn prove_replaceable(path: &Path) -> Result<()> {
        let failed = |err| Error::file(format_args!("the port file {}", path.display()), err);
        let is_left = match fs::symlink_metadata(path) {
            // Writing it says what is wrong with its folder.
            Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => true,
            Err(err) => return Err(failed(err)),
            Ok(about) if about.is_file() && about.len() <= DIGITS as u64 + 1 => {
                is_port(&fs::read(path).map_err(failed)?)
            }
            Ok(_) => false,
        };
        let text = || format!("{} is there already, and is not a port file that a server has left", path.display());
        if is_left { Ok(()) } else { Err(Error::new(Kind::BadConfig, text())) }
    }

    /// Writes it. Whoever sees the file sees it whole. What one that was killed left beside it goes.
    ///
    /// # Errors
    /// As [`PortFile::prove_replaceable`]; those of the file system, naming the file.
    pub fn write(&self) -> Result<()> {
        PortFile::prove_replaceable(&self.path)?;
        // Where it cannot be looked for it stays: nobody's secret.
        let _ = sweep_beside(&self.path);
        let named =
            |error: Error| Error::new(error.kind(), format!("the port file {}", error.text())).with_source(error);
        // Anybody may read it and, whatever the umask, nobody else change it.
        Fresh::with_mode(&self.path, self.content.as_bytes(), 0o644)
            .and_then(Fresh::put_in_place_unsynced)
            .map_err(named)
    }

    /// Removes the file, unless another server has written its own port there meanwhile, or somebody has put a link there. Once: the next
    /// server may have the same port.
    pub fn remove(&self) {
        if self.is_removed.swap(true, Ordering::AcqRel) {
            return;
        }
        let is_file = fs::symlink_metadata(&self.path).is_ok_and(|about| about.is_file());
        if is_file && fs::read_to_string(&self.path).is_ok_and(|found| found == self.content) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The port in a port file that is there.
pub fn port_in(path: &Path) -> Option<u16> {
    let about = fs::symlink_metadata(path).ok().filter(|about| about.is_file() && about.len() <= DIGITS as u64 + 1)?;
    let content = fs::read(path).ok().filter(|content| content.len() as u64 == about.len() && is_port(content))?;
    std::str::from_utf8(&content).ok()?.trim_end().parse().ok().filter(|port| *port != 0)
}

/// Whether these are all of a port file's bytes, or none.
fn is_port(content: &[u8]) -> bool {
    let digits = content.strip_suffix(b"\n").unwrap_or_default();
    content.is_empty() || (!digits.is_empty() && digits.len() <= DIGITS && digits.iter().all(u8::is_ascii_digit))
}

impl Drop for PortFile {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_file_lives_as_long_as_its_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("port");
        let file = PortFile::new(&path, 4456);
        file.write().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "4456\n");
        assert_eq!(port_in(&path), Some(4456));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // What one leaves that was killed while it wrote.
        fs::write(dir.path().join(".port.0123456789abcdef.new"), "44").unwrap();
        file.write().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        drop(file);
        assert!(!path.exists());
        for (content, port) in [("1\n", Some(1)), ("0\n", None), ("65536\n", None), ("", None), ("words\n", None)] {
            fs::write(&path, content).unwrap();
            assert_eq!(port_in(&path), port, "{content:?}");
        }
    }

    #[test]
    fn the_port_file_of_a_newer_server_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("port");
        let (old, newer) = (PortFile::new(&path, 1), PortFile::new(&path, 2));
        old.write().unwrap();
        newer.write().unwrap();
        drop(old);
        assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
        drop(newer);
    }

    #[test]
    fn a_port_file_that_cannot_be_written_names_itself_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("port")).unwrap();
        let err = PortFile::new(&dir.path().join("port"), 1).write().unwrap_err();
        assert!(err.text().contains("port file"), "{err}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_what_a_server_has_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("port");
        for left in ["", "4456\n", "0\n", "65535\n"] {
            fs::write(&path, left).unwrap();
            let file = PortFile::new(&path, 1);
            file.write().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "1\n", "{left:?}");
        }
        for other in ["\n", "4456", "4456\n\n", "-1\n", "123456\n", "words\n"] {
            fs::write(&path, other).unwrap();
            let error = PortFile::new(&path, 1).write().unwrap_err();
            assert_eq!((error.kind(), fs::read_to_string(&path).unwrap().as_str()), (Kind::BadConfig, other));
        }
        fs::write(dir.path().join("other"), "1\n").unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("other", &path).unwrap();
        assert_eq!(PortFile::new(&path, 1).write().unwrap_err().kind(), Kind::BadConfig);
        assert!(path.is_symlink());
    }
}
