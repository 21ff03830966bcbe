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
    let open = |name| openat(&reserved, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let owner = Owner::read(&mut File::from(open(LOCK).ok()?))?;
    let Ok(file) = open(FILE) else { return Some(String::new()) };
    let mut text = String::new();
    let read = File::from(file).take(limits::STATE_FILE_MAX).read_to_string(&mut text).is_ok();
    // Another process has left it, and was killed.
    let own = text.split_once('\n').filter(|(by, _)| read && by.parse() == Ok(owner.pid));
    Some(own.map(|(_, note)| note.to_owned()).unwrap_or_default())
}

/// The number of the process that has this folder; none if nobody has it alone, or this account may not know.
pub fn holder_of(folder: &Path) -> Option<i32> {
    let root = Dir::open_ambient_dir(folder, ambient_authority()).ok()?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = openat(reserved(&root).ok()?, LOCK, flags, Mode::empty()).ok()?;
    is_taken(&root).then(|| Owner::read(&mut File::from(lock)))?.map(|owner| owner.pid)
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
