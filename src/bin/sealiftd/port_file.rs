//! The port file: tells other programs which port the server listens on, and that it is ready.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sealift::{Error, Result};

/// A port file: the port's number and a newline, there from [`PortFile::write`] until this is dropped.
#[derive(Debug)]
pub struct PortFile {
    path: PathBuf,
    content: String,
}

impl PortFile {
    /// The port file at this path, not written yet.
    pub fn new(path: &Path, port: u16) -> PortFile {
        PortFile { path: path.to_owned(), content: format!("{port}\n") }
    }

    /// Writes it. Whoever sees the file sees it whole.
    ///
    /// # Errors
    /// Those of the file system, naming the file.
    pub fn write(&self) -> Result<()> {
        let mut temporary = self.path.as_os_str().to_owned();
        temporary.push(format!(".{}.new", std::process::id()));
        let temporary = PathBuf::from(temporary);
        // Left by a crashed process of the same number; or a link laid by somebody else, which is not to be followed.
        let _ = fs::remove_file(&temporary);
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            // Anybody may read it and, whatever the umask, nobody else change it.
            .mode(0o644)
            .open(&temporary)
            .and_then(|mut file| file.write_all(self.content.as_bytes()))
            .and_then(|()| fs::rename(&temporary, &self.path));
        written.map_err(|err| {
            let _ = fs::remove_file(&temporary);
            Error::file(format_args!("the port file {}", self.path.display()), err)
        })
    }

    /// Removes the file, unless another server has written its own port there meanwhile.
    pub fn remove(&self) {
        if fs::read_to_string(&self.path).is_ok_and(|found| found == self.content) {
            let _ = fs::remove_file(&self.path);
        }
    }
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
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        drop(file);
        assert!(!path.exists());
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
}
