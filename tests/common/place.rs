//! The real `sealift` program in a directory of its own, and what the disk around its destination looks like.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A working directory for the client, with a folder `dest` to download to and a configuration of its own.
pub struct Place {
    dir: TempDir,
}

/// How the client ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("dest")).unwrap();
        fs::create_dir(dir.path().join("config")).unwrap();
        Place { dir }
    }

    /// The working directory; `dest` is in it.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The folder to download to.
    pub fn dest(&self) -> PathBuf {
        self.dir.path().join("dest")
    }

    /// Writes the file of known servers.
    pub fn knows(&self, port: u16, pin: impl std::fmt::Display) {
        fs::write(self.dir.path().join("config/known_servers"), format!("127.0.0.1:{port} {pin}\n")).unwrap();
    }

    /// The client, ready to be run here with these arguments, without the settings of whoever runs the tests.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SEALIFT_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.path()).env("SEALIFT_CONFIG_DIR", self.path().join("config")).env("NO_COLOR", "1");
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Runs the client to its end, and checks that it did not panic whatever else happened.
    pub fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
        Ran { code: output.status.code(), stderr }
    }

    /// Everything below the working directory.
    pub fn tree(&self) -> BTreeMap<PathBuf, Thing> {
        tree(self.path())
    }
}

/// What stands under a name: links are not followed, and a file's content counts with its mode and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    Folder { mode: u32, mtime: (i64, i64) },
    File { content: Vec<u8>, mode: u32, mtime: (i64, i64) },
    Link(PathBuf),
}

/// Everything below a folder, itself included as the empty path.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, Thing> {
    let mut found = BTreeMap::new();
    let mut left = vec![PathBuf::new()];
    while let Some(name) = left.pop() {
        let path = folder.join(&name);
        let meta = fs::symlink_metadata(&path).unwrap();
        let (mode, mtime) = (meta.permissions().mode(), (meta.mtime(), meta.mtime_nsec()));
        let thing = if meta.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| name.join(entry.unwrap().file_name())));
            Thing::Folder { mode, mtime }
        } else if meta.is_symlink() {
            Thing::Link(fs::read_link(&path).unwrap())
        } else {
            Thing::File { content: fs::read(&path).unwrap(), mode, mtime }
        };
        found.insert(name, thing);
    }
    found
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

impl Ran {
    /// Fails unless the client ended with this code and said something about it.
    #[track_caller]
    pub fn failed(&self, code: i32) -> &Ran {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains("sealift: ") && self.stderr.contains("hint: "), "{self:?}");
        self
    }

    /// Fails unless the client was content.
    #[track_caller]
    pub fn done(&self) -> &Ran {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}
