//! The port file: tells other programs which port the server listens on, and that it is ready.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sealift::{Error, Result};

/// A port file that is there while the server is: dropping it removes the file.
#[derive(Debug)]
pub struct PortFile {
    path: PathBuf,
    content: String,
}

impl PortFile {
    /// Writes the port number and a newline. Whoever sees the file sees it whole.
    ///
    /// # Errors
    /// Those of the file system, naming the file.
    pub fn write(path: &Path, port: u16) -> Result<PortFile> {
        let failed = |err| Error::file(format_args!("the port file {}", path.display()), err);
        let content = format!("{port}\n");
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.new", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&temporary)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .and_then(|()| fs::rename(&temporary, path));
        if let Err(err) = written {
            let _ = fs::remove_file(&temporary);
            return Err(failed(err));
        }
        Ok(PortFile { path: path.to_owned(), content })
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
        let file = PortFile::write(&path, 4456).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "4456\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn the_port_file_of_a_newer_server_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("port");
        let old = PortFile::write(&path, 1).unwrap();
        let newer = PortFile::write(&path, 2).unwrap();
        drop(old);
        assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
        drop(newer);
    }

    #[test]
    fn a_port_file_that_cannot_be_written_names_itself_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("port")).unwrap();
        let err = PortFile::write(&dir.path().join("port"), 1).unwrap_err();
        assert!(err.text().contains("port file"), "{err}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
