//! Whether an open file is still what it was: what its file system says of it, at the beginning of a reading and at its end.

use std::os::fd::AsFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Stat, fstat};

use super::mtime::Mtime;

/// What a file system says of a file that moves when its content does.
///
/// It is not a proof. Two changes within one tick of the file system's clock (4 ms on many) have one time, and who
/// writes through memory gives the file its new time at the first touch of each page, which may be long before the
/// last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    mtime: Mtime,
    ctime: Mtime,
}

/// What happened to a file between two stamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing that shows.
    Nothing,
    /// Its size and time of modification are the same, and something else was changed: a name it has or had, who may
    /// read it, an attribute, or content whose time was set back. Only the bytes tell.
    Attributes,
    /// Its size or its time of modification.
    Content,
}

impl Stamp {
    /// The stamp of this open file. One system call.
    ///
    /// # Errors
    /// That of the call.
    pub fn of(file: impl AsFd) -> Result<Stamp, rustix::io::Errno> {
        fstat(file).map(|stat| Stamp::from(&stat))
    }

    /// What happened from this stamp to the later one.
    pub fn until(&self, later: &Stamp) -> Change {
        if self == later {
            return Change::Nothing;
        }
        let content = |stamp: &Stamp| (stamp.device, stamp.inode, stamp.size, stamp.mtime);
        if content(self) == content(later) { Change::Attributes } else { Change::Content }
    }

    /// What happened to this open file since. One system call.
    ///
    /// # Errors
    /// That of the call.
    pub fn since(&self, file: impl AsFd) -> Result<Change, rustix::io::Errno> {
        Stamp::of(file).map(|now| self.until(&now))
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its time of modification.
    pub fn mtime(&self) -> Mtime {
        self.mtime
    }

    /// How long ago anything about the file was changed. Nobody can set that time.
    pub fn age(&self) -> Duration {
        let at = Duration::new(u64::try_from(self.ctime.secs).unwrap_or(0), self.ctime.nanos);
        SystemTime::now().duration_since(UNIX_EPOCH + at).unwrap_or_default()
    }
}

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Stamp {
        #[allow(clippy::unnecessary_cast, reason = "the types differ between platforms")]
        let (mtime, ctime) = (
            Mtime::from_parts(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            Mtime::from_parts(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        );
        #[allow(clippy::unnecessary_cast, reason = "the types differ between platforms")]
        let (device, inode) = (stat.st_dev as u64, stat.st_ino as u64);
        Stamp { device, inode, size: u64::try_from(stat.st_size).unwrap_or(0), mtime, ctime }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{FileExt, PermissionsExt};

    use super::*;

    #[test]
    fn content_attributes_and_nothing_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "content").unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        // Long ago, so that what follows cannot fall into the same tick.
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        let before = Stamp::of(&file).unwrap();
        assert_eq!(before.since(&file).unwrap(), Change::Nothing);
        assert_eq!((before.size(), before.mtime().secs), (7, 1_000_000_000));

        // Nobody can set the time that this moves, so its tick must pass.
        while before.since(&file).unwrap() == Change::Nothing {
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        assert_eq!(before.since(&file).unwrap(), Change::Attributes);

        file.write_all_at(b"C", 0).unwrap();
        assert_eq!(before.since(&file).unwrap(), Change::Content);
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        assert_eq!(before.since(&file).unwrap(), Change::Attributes, "a time set back hides nothing");
        file.set_len(8).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        assert_eq!(before.since(&file).unwrap(), Change::Content);
    }
}
