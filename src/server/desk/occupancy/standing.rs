//! What a running server says of itself beside its lock, for `sealiftd check`: what cannot be seen from outside.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::{LOCK, Owner, is_taken};
use crate::limits;

/// The file in [`limits::RESERVED_NAME`]; there while there is something to say.
const FILE: &str = "server.state";

/// What it is called until it is whole.
const NEW: &str = "server.state.new";

/// What about its users file a server would have an administrator know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// Why the file as it is now cannot be used, and an older one is in force.
    pub outdated: Option<String>,
    /// That its last change took most users away.
    pub lost: Option<String>,
}

impl Standing {
    pub(super) fn write(&self, root: &Dir) -> io::Result<()> {
        if *self == Standing::default() {
            forget(root);
            return Ok(());
        }
        let mut text = format!("{}\n", std::process::id());
        for (key, said) in [("outdated", &self.outdated), ("lost", &self.lost)] {
            if let Some(said) = said {
                text += &format!("{key} {}\n", said.replace(['\n', '\r'], " "));
            }
        }
        let reserved = reserved(root)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&reserved, NEW, flags, Mode::RUSR | Mode::WUSR)?;
        File::from(file).write_all(text.as_bytes())?;
        renameat(&reserved, NEW, &reserved, FILE)?;
        Ok(())
    }

    /// What was written by this process.
    fn read(file: File, by: i32) -> Option<Standing> {
        let mut text = String::new();
        file.take(limits::STATE_FILE_MAX).read_to_string(&mut text).ok()?;
        let mut lines = text.lines();
        if lines.next()?.parse() != Ok(by) {
            return None;
        }
        let mut standing = Standing::default();
        for line in lines {
            match line.split_once(' ')? {
                ("outdated", said) => standing.outdated = Some(said.to_owned()),
                ("lost", said) => standing.lost = Some(said.to_owned()),
                _ => {}
            }
        }
        Some(standing)
    }
}

/// What the server of this data directory says of itself; none if there is no server, or this account may not know.
pub fn standing(data: &Path) -> Option<Standing> {
    let root = Dir::open_ambient_dir(data, ambient_authority()).ok()?;
    if !is_taken(&root) {
        return None;
    }
    let reserved = reserved(&root).ok()?;
    let open = |name| openat(&reserved, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    let owner = Owner::read(&mut File::from(open(LOCK).ok()?))?;
    let Ok(file) = open(FILE) else { return Some(Standing::default()) };
    Some(Standing::read(File::from(file), owner.pid).unwrap_or_default())
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
