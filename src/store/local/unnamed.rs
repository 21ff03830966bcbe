//! Files that have no name until they are put in their places (O_TMPFILE): nobody can see or open one before, and it is
//! gone with its last handle, even if the process or the machine is stopped. Whether the file system can do that is tried
//! first ([`super::probe`]).

use std::fs::File;
use std::os::fd::AsRawFd;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use rustix::io::Errno;

/// How a file without a name can be given one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// By its handle: Linux 6.10 and later, or with CAP_DAC_READ_SEARCH.
    Handle,
    /// By the link in `/proc/self/fd`.
    Proc,
}

/// A new empty file for this directory. `None` where that cannot be done.
pub(super) fn create(dir: &Dir, mode: Mode) -> Result<Option<File>, Errno> {
    // The umask is obeyed, and so is a default list of access rights.
    match openat(dir, ".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        Ok(file) => Ok(Some(file.into())),
        // Each file system says it in its own way.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS | Errno::NOENT) => Ok(None),
        Err(err) => Err(err),
    }
}

impl Way {
    /// Gives a file of [`create`] this name if nothing has it: [`Errno::EXIST`] else.
    pub(super) fn link(self, file: &File, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
        match self {
            Way::Handle => match linkat(file, "", dir, name, AtFlags::EMPTY_PATH) {
                // Also said to a thread whose credentials are not the very ones the file was made with.
                Err(Errno::NOENT) => Way::Proc.link(file, dir, name),
                linked => linked,
            },
            Way::Proc => linkat(CWD, format!("/proc/self/fd/{}", file.as_raw_fd()), dir, name, AtFlags::SYMLINK_FOLLOW),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn a_file_appears_with_its_bytes_when_it_is_named_and_never_over_another() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        let Some(mut file) = create(&dir, mode).unwrap() else {
            return crate::not_run::not_run("this file system makes no file without a name");
        };
        file.write_all(b"whole").unwrap();
        let names = || std::fs::read_dir(place.path()).unwrap().count();
        assert_eq!(names(), 0);
        // Root of a new kernel may do it in both ways; whoever may in one has it work in that one.
        let mut made = 0;
        for (way, name) in [(Way::Handle, "handle"), (Way::Proc, "proc")] {
            match way.link(&file, &dir, name.as_bytes()) {
                Ok(()) => {
                    assert_eq!(std::fs::read(place.path().join(name)).unwrap(), b"whole");
                    assert_eq!(way.link(&file, &dir, name.as_bytes()), Err(Errno::EXIST));
                    made += 1;
                }
                Err(err) => assert!(matches!(err, Errno::NOENT | Errno::PERM), "{err}"),
            }
        }
        assert!(made > 0);
        assert_eq!(names(), made);
        drop(create(&dir, mode).unwrap());
        assert_eq!(names(), made);
    }
}
