//! What is left of nodes that are dead, in a directory that one server has alone from now on.

use std::io;
use std::path::Path;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::super::coherence::Coherence;
use super::{Found, is_there, look, names, open_folder};

/// Takes it away: nobody has to watch them again.
pub(in super::super) fn forget_dead(reserved: &Dir, place: &Path) -> io::Result<()> {
    let folder = match open_folder(reserved) {
        Err(Errno::NOENT) => return Ok(()),
        folder => folder?,
    };
    let dead = names(&folder)?;
    if dead.is_empty() {
        return Ok(());
    }
    let coherence = Coherence::open(reserved, place, None)?;
    for name in dead {
        if let Ok(Found::Free(file, _)) = look(&folder, &name)
            && is_there(&folder, &name.0, &file)
        {
            coherence.forget(&name);
            let _ = unlinkat(&folder, name.as_str(), AtFlags::empty());
        }
    }
    Ok(())
}
