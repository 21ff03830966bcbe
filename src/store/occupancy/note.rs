//! What the process that has a folder says beside its lock, to those who look from outside.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::{LOCK, Owner, is_taken};
use crate::limits;

/// The file in [`limits::RESERVED_NAME`]; there while there is something to say. Its first line is who says it.
const FILE: &str = "server.state";

/// What it is called until it is whole.
const NEW: &str = "server.state.new";

pub(super) fn write(root: &Dir, note: &str) -> io::Result<()> {
    if note.is_empty() {
        forget(root);
        return Ok(());
    }
    let reserved = reserved(root)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&reserved, NEW, flags, Mode::RUSR | Mode::WUSR)?;
    File::from(file).write_all(format!("{}\n{note}", std::process::id()).as_bytes())?;
    renameat(&reserved, NEW, &reserved, FILE)?;
    Ok(())
}

/// What the process that has this folder says of itself, empty if it says nothing; none if nobody has the folder, or
/// this account may not know.
pub fn note_of(folder: &Path) -> Option<String> {
    let root = Dir::open_ambient_dir(folder, ambient_authority()).ok()?;
    if !is_taken(&root) {
        return None;
    }
    let reserved = reserved(&root).ok()?;
    // A pipe is not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = |name| openat(&reserved, name, flags, Mode::empty());
    let owner = Owner::read(&mut File::from(open(LOCK).ok()?))?;
    let Ok(file) = open(FILE) else { return Some(String::new()) };
    let mut text = String::new();
    let read = File::from(file).take(limits::STATE_FILE_MAX).read_to_string(&mut text).is_ok();
    // Another process has left it, and was killed.
    let own = text.split_once('\n').filter(|(by, _)| read && by.parse() == Ok(owner.pid));
    Some(own.map(|(_, note)| note.to_owned()).unwrap_or_default())
}

/// Who has a folder as its data or state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody has it alone.
    Nobody,
    /// The process of this number.
    Process(i32),
    /// Somebody may: this account cannot tell, or not who.
    Unknown,
}

/// Who has this folder alone, as far as this account may know.
pub fn holder_of(folder: &Path) -> Holder {
    match holder(folder) {
        Ok(holder) => holder,
        // Where there is nothing nobody has it.
        Err(err) if matches!(Errno::from_io_error(&err), Some(Errno::NOENT | Errno::NOTDIR)) => Holder::Nobody,
        Err(_) => Holder::Unknown,
    }
}

fn holder(folder: &Path) -> io::Result<Holder> {
    let root = Dir::open_ambient_dir(folder, ambient_authority())?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let lock = openat(reserved(&root)?, LOCK, flags, Mode::empty())?;
    if !is_taken(&root) {
        return Ok(Holder::Nobody);
    }
    Ok(Owner::read(&mut File::from(lock)).map_or(Holder::Unknown, |owner| Holder::Process(owner.pid)))
}

/// Takes away what was said.
pub(super) fn forget(root: &Dir) {
    if let Ok(reserved) = reserved(root) {
        let _ = unlinkat(&reserved, FILE, AtFlags::empty());
    }
}

fn reserved(root: &Dir) -> Result<Dir, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(Dir::from_std_file(File::from(openat(root, limits::RESERVED_NAME, flags, Mode::empty())?)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Occupancy;
    use super::*;

    #[test]
    fn a_folder_is_nobodys_a_process_or_that_of_somebody_unknown() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder_of(dir.path()), Holder::Nobody);
        assert_eq!(holder_of(&dir.path().join("none")), Holder::Nobody);
        let root = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        let taken = Occupancy::take(&root, dir.path()).unwrap();
        assert_eq!(holder_of(dir.path()), Holder::Process(std::process::id().cast_signed()));
        // Somebody has it, who could not write down who that is.
        let lock = dir.path().join(limits::RESERVED_NAME).join(LOCK);
        fs::File::options().write(true).open(&lock).unwrap().set_len(0).unwrap();
        assert_eq!(holder_of(dir.path()), Holder::Unknown);
        drop(taken);
        assert_eq!(holder_of(dir.path()), Holder::Nobody);
    }
}
