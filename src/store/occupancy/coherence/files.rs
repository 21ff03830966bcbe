//! The files of the probes.

use std::fs::File;
use std::io;

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

use super::NodeName;

pub(super) fn said_name(number: u64, node: &NodeName) -> String {
    format!("{number:020}.{node}")
}

/// A folder there, made if it is missing.
pub(super) fn open_folder(above: &Dir, name: &str) -> io::Result<Dir> {
    match mkdirat(above, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(err) => return Err(err.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(Dir::from_std_file(File::from(openat(above, name, flags, Mode::empty())?)))
}

pub(super) fn open(folder: &Dir, name: &str, flags: OFlags) -> io::Result<File> {
    let rights = if flags.contains(OFlags::CREATE) { OFlags::RDWR } else { OFlags::RDONLY };
    let flags = flags | rights | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// What a probe is called before it is put in its place.
pub(super) fn new_name(kind: &str, node: &NodeName) -> String {
    format!("new.{kind}{node}")
}

/// What is not there, or is another by now, is as old as can be.
pub(super) fn fresh<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read.map_err(|error| (Errno::from_io_error(&error), error)) {
        Ok(read) => Ok(Some(read)),
        Err((Some(Errno::NOENT | Errno::STALE), _)) => Ok(None),
        Err((_, error)) => Err(error),
    }
}
