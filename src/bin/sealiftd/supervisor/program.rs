//! The program that servers are started from, and the way back to the one before.
//!
//! What serves is kept open: whatever comes in its place on the disk, and be it nothing, the supervisor can start it again.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sealift::limits;

/// A program as it was when a server was started from it.
pub struct Program {
    file: File,
    /// What the file system tells it from all others by.
    number: (u64, u64),
}

impl Program {
    /// What has this name now, where a shell looks for it too; none if it cannot be read.
    pub fn named(name: &OsStr) -> Option<Program> {
        let file = File::open(find(name)?).ok()?;
        let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Program { number: (about.dev(), about.ino()), file })
    }

    /// By which it can be run, whatever has its name by now.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    fn is(&self, other: &Program) -> bool {
        self.number == other.number
    }
}

fn find(name: &OsStr) -> Option<PathBuf> {
    if Path::new(name).components().count() > 1 {
        return Some(name.into());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Those that matter: what runs, and what has proven itself before.
#[derive(Default)]
pub struct Programs {
    /// What the last server was started from.
    current: Option<Program>,
    /// When a server of it said that it serves.
    serves_since: Option<Instant>,
    /// What has served for long enough, or was the first to serve.
    proven: Option<Program>,
    /// Whether that is what servers are started from.
    is_back: bool,
}

impl Programs {
    /// A server is about to be started: what it is to be started from in place of what has the name, if the name is not to count.
    pub fn next(&mut self, name: &OsStr) -> Option<PathBuf> {
        self.serves_since = None;
        if let Some(proven) = self.proven.as_ref().filter(|_| self.is_back) {
            return Some(proven.path());
        }
        self.current = Program::named(name);
        None
    }

    /// The server that was started last serves.
    pub fn serves(&mut self, now: Instant) {
        self.serves_since = Some(now);
        if self.proven.is_none() {
            self.proven = self.current.take();
        }
    }

    /// Looks whether what serves has done so for long enough by now.
    pub fn look(&mut self, now: Instant) {
        let is_long = |since: Instant| now.duration_since(since) >= limits::SUPERVISED_CRASHES_WITHIN;
        if !self.is_back && self.serves_since.is_some_and(is_long) && self.current.is_some() {
            self.proven = self.current.take();
        }
    }

    /// Whether there is another one than that which does not stay.
    pub fn have_another(&self) -> bool {
        let is_another = |proven: &Program| self.current.as_ref().is_none_or(|current| !current.is(proven));
        !self.is_back && self.proven.as_ref().is_some_and(is_another)
    }

    /// Servers are started from what has proven itself, from now on.
    pub fn go_back(&mut self) {
        self.is_back = true;
        // It never served, or did not stay.
        self.current = None;
    }

    /// Somebody wants what has the name now.
    pub fn go_on(&mut self) {
        // What serves until then proves nothing for it.
        self.serves_since = None;
        self.is_back = false;
    }

    /// Whether it is an earlier program that servers are started from.
    pub fn is_back(&self) -> bool {
        self.is_back
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_never_served_is_never_gone_back_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        let install = |text: &str| {
            fs::write(dir.path().join("new"), text).unwrap();
            fs::rename(dir.path().join("new"), &path).unwrap();
        };
        let (mut programs, begin) = (Programs::default(), Instant::now());
        install("first");
        assert!(programs.next(path.as_os_str()).is_none());
        programs.serves(begin);
        install("second");
        assert!(programs.next(path.as_os_str()).is_none() && programs.have_another());
        programs.go_back();
        assert!(programs.next(path.as_os_str()).is_some() && programs.is_back());
        programs.serves(begin);
        // Long after, while the server of the first one drains for the third.
        install("third");
        programs.go_on();
        programs.look(begin + limits::SUPERVISED_CRASHES_WITHIN);
        assert!(programs.next(path.as_os_str()).is_none() && programs.have_another());
        programs.go_back();
        assert_eq!(fs::read_to_string(programs.next(path.as_os_str()).unwrap()).unwrap(), "first");
        // One that serves for long enough is what is gone back to.
        programs.go_on();
        assert!(programs.next(path.as_os_str()).is_none());
        programs.serves(begin);
        programs.look(begin + limits::SUPERVISED_CRASHES_WITHIN);
        install("fourth");
        assert!(programs.next(path.as_os_str()).is_none() && programs.have_another());
        programs.go_back();
        assert_eq!(fs::read_to_string(programs.next(path.as_os_str()).unwrap()).unwrap(), "third");
    }
}
