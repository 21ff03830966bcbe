//! Files that have no name until they are put in their places (O_TMPFILE): nobody can see or open one before, and it is
//! gone with its last handle, even if the process or the machine is stopped.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use rustix::io::Errno;

/// How a file without a name can be given one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// By its handle: Linux 6.10 and later, or with CAP_DAC_READ_SEARCH.
    Handle,
    /// By the link in `/proc/self/fd`.
    Proc,
    /// Not at all.
    None,
}

/// Found out once: it depends on the kernel and on what this process may do and see.
static WAY: OnceLock<Way> = OnceLock::new();

/// A new empty file for this directory. `None` where that cannot be done, or could not be named later.
pub(super) fn create(dir: &Dir) -> Result<Option<File>, Errno> {
    if WAY.get() == Some(&Way::None) {
        return Ok(None);
    }
    // The umask is obeyed, and so is a default list of access rights.
    match openat(dir, ".", OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::from_raw_mode(0o666)) {
        Ok(file) => {
            let file = File::from(file);
            let way = *WAY.get_or_init(|| Way::find(&file, dir));
            Ok((way != Way::None).then_some(file))
        }
        // Each file system says it in its own way.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS | Errno::NOENT) => Ok(None),
        Err(err) => Err(err),
    }
}

/// Gives a file of [`create`] this name if nothing has it: [`Errno::EXIST`] else.
pub(super) fn link(file: &File, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
    WAY.get().copied().unwrap_or(Way::Handle).link(file, dir, name)
}

impl Way {
    /// Tries to link it to a name that always exists: who may link is told so.
    fn find(file: &File, dir: &Dir) -> Way {
        let may = |way: &Way| way.link(file, dir, b".") == Err(Errno::EXIST);
        [Way::Handle, Way::Proc].into_iter().find(may).unwrap_or(Way::None)
    }

    fn link(self, file: &File, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
        match self {
            Way::Handle => match linkat(file, "", dir, name, AtFlags::EMPTY_PATH) {
                // Also said to a thread whose credentials are not the very ones the file was made with.
                Err(Errno::NOENT) => Way::Proc.link(file, dir, name),
                linked => linked,
            },
            Way::Proc => linkat(CWD, format!("/proc/self/fd/{}", file.as_raw_fd()), dir, name, AtFlags::SYMLINK_FOLLOW),
            Way::None => Err(Errno::OPNOTSUPP),
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
        let Some(mut file) = create(&dir).unwrap() else { return println!("skipped: not possible here") };
        file.write_all(b"whole").unwrap();
        let names = || std::fs::read_dir(place.path()).unwrap().count();
        assert_eq!(names(), 0);
        let found = Way::find(&file, &dir);
        assert_eq!((found != Way::None, names()), (true, 0));
        // Root of a new kernel may do it in both ways; whoever may in one has it work in that one.
        let mut made = 0;
        for (way, name) in [(Way::Handle, "handle"), (Way::Proc, "proc")] {
            match way.link(&file, &dir, name.as_bytes()) {
                Ok(()) => {
                    assert_eq!(std::fs::read(place.path().join(name)).unwrap(), b"whole");
                    assert_eq!(way.link(&file, &dir, name.as_bytes()), Err(Errno::EXIST));
                    made += 1;
                }
                Err(err) => assert!(way != found, "{err}"),
            }
        }
        assert_eq!(names(), made);
        drop(create(&dir).unwrap());
        assert_eq!(names(), made);
    }
}
