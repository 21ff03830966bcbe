//! Whether this process can use a place, asked without touching it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

/// What is to be done at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Read the file, or make it if it is missing; its folder must be there.
    ReadOrMake,
    /// Read and change the folder, or make it, with those above it, if it is missing.
    Folder,
    /// Change the folder, or make it, with those above it, if it is missing. Its names need not be read.
    Fill,
    /// Read the folder, which is there.
    Look,
    /// Read and change the file or folder, which is there.
    Change,
    /// Make and remove this file, whether it is there or not; its folder must be there.
    Replace,
}

/// What stands in the way.
#[derive(Debug)]
pub struct Obstacle {
    /// The file or folder that does not let this process do something.
    pub path: PathBuf,
    /// What cannot be done with it: the end of a sentence.
    pub what: &'static str,
    errno: Errno,
}

impl Obstacle {
    /// Whether it is not there.
    pub fn is_missing(&self) -> bool {
        self.errno == Errno::NOENT
    }

    /// Whether this is a matter of who owns it and of its mode, which `chown` or `chmod` mends.
    pub fn is_permission(&self) -> bool {
        self.errno == Errno::ACCESS
    }

    /// Whether the disk is read-only.
    pub fn is_read_only(&self) -> bool {
        self.errno == Errno::ROFS
    }

    /// What to do about it: what mends a matter of rights, else another place is needed. What a unit of systemd closes is said there.
    pub fn next_step(&self) -> &'static str {
        let hidden = ["/home", "/root", "/run/user"];
        match self.errno {
            Errno::ROFS => READ_ONLY,
            Errno::ACCESS if hidden.iter().any(|folder| absolute(&self.path) == Path::new(folder)) => {
                "if this runs under systemd, ProtectHome= hides it: mount the files elsewhere (mount --bind), or lift that in the unit; \
                 else let the account that runs sealiftd in"
            }
            Errno::ACCESS => "give it to the account that runs sealiftd",
            _ => "choose another place",
        }
    }
}

/// What to do where the disk is read-only.
pub const READ_ONLY: &str = "if this runs under systemd, name the folder in ReadWritePaths= of the unit (systemctl edit sealiftd); else mount its disk so that it can be written to";

/// Absolute, so that whoever reads it need not know the working directory.
impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.errno == Errno::NOENT {
            return write!(f, "{} is not there", absolute(&self.path).display());
        }
        write!(f, "{} cannot be {} ({})", absolute(&self.path).display(), self.what, io::Error::from(self.errno).kind())
    }
}

/// The path without a working directory to know; itself if there is none.
pub fn absolute(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // `x/.` is what an empty parent becomes.
    absolute.components().collect()
}

/// The first thing on the way to `path`, or there, that keeps this process from it.
pub fn obstacle(path: &Path, want: Want) -> Option<Obstacle> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    let mut nearest = Path::new(".");
    for folder in above {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        // With the dot, a file is no folder that lacks a right.
        match may(&folder.join("."), Access::EXEC_OK) {
            Ok(()) => nearest = folder,
            Err(Errno::NOENT) if matches!(want, Want::Folder | Want::Fill) => return making(nearest),
            Err(errno) => return Some(Obstacle { path: folder.to_owned(), what: "entered", errno }),
        }
    }
    let (access, what) = match want {
        Want::ReadOrMake => (Access::READ_OK, "read"),
        Want::Folder => (Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK, "read and changed"),
        Want::Fill => (Access::WRITE_OK | Access::EXEC_OK, "changed"),
        Want::Look => (Access::READ_OK | Access::EXEC_OK, "read"),
        Want::Change => (Access::READ_OK | Access::WRITE_OK, "read and changed"),
        Want::Replace => return making(nearest),
    };
    match may(path, access) {
        Ok(()) => None,
        Err(Errno::NOENT) => making(nearest),
        Err(errno) => Some(Obstacle { path: path.to_owned(), what, errno }),
    }
}

/// What keeps this process from making something in a folder.
fn making(folder: &Path) -> Option<Obstacle> {
    let changed = may(folder, Access::WRITE_OK | Access::EXEC_OK);
    changed.err().map(|errno| Obstacle { path: folder.to_owned(), what: "changed", errno })
}

fn may(path: &Path, access: Access) -> Result<(), Errno> {
    accessat(CWD, path, access, AtFlags::EACCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_missing_is_as_usable_as_the_folder_above_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(obstacle(&dir.path().join("a/b/c"), Want::Folder).is_none());
        assert!(obstacle(&dir.path().join("f"), Want::ReadOrMake).is_none());
        assert!(!dir.path().join("a").exists());
    }

    #[test]
    fn a_file_on_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let found = obstacle(&dir.path().join("file/data"), Want::Folder).unwrap();
        assert!(!found.is_permission() && found.path.ends_with("file"), "{found}");
    }

    #[test]
    fn only_a_folder_is_made_with_those_above_it() {
        let dir = tempfile::tempdir().unwrap();
        for want in [Want::ReadOrMake, Want::Replace] {
            let found = obstacle(&dir.path().join("none/file"), want).unwrap();
            assert!(found.to_string().ends_with("none is not there"), "{found}");
        }
    }
}
