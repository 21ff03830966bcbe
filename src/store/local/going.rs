//! Folders that are being removed: in the reserved one, where no name reaches them and nobody brings them back. Nothing is open of one
//! that waits for that. What a killed server leaves of them the next sweep removes.

use std::collections::BTreeSet;
use std::io;

use cap_std::fs::Dir;
use rustix::fs::renameat;

use super::staging::random_name;
use crate::sync::Mutex;

/// How their names begin.
const GOING: &str = "gone-";

/// The names of those that this process is removing just now, which no sweep is to take for leftovers.
static GOING_NOW: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The name of a folder that is being removed as long as this lives.
pub(super) struct GoingFolder(String);

impl GoingFolder {
    /// A folder loses its name, and has this one in the reserved directory.
    ///
    /// # Errors
    /// Those of the file system: it is where it was.
    pub(super) fn take((dir, name): (&Dir, &[u8]), reserved: &Dir) -> io::Result<GoingFolder> {
        let going = GoingFolder::named(format!("{GOING}{}", random_name()?));
        renameat(dir, name, reserved, &*going.0)?;
        Ok(going)
    }

    fn named(name: String) -> GoingFolder {
        GOING_NOW.lock().insert(name.clone());
        GoingFolder(name)
    }

    pub(super) fn name(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Drop for GoingFolder {
    fn drop(&mut self) {
        GOING_NOW.lock().remove(&self.0);
    }
}

/// Whether something in the reserved directory is such a folder.
pub(super) fn is_going(name: &[u8]) -> bool {
    name.starts_with(GOING.as_bytes())
}

/// Whether it is one that a process which was killed has not removed to its end.
pub(super) fn is_left_going(name: &str) -> bool {
    is_going(name.as_bytes()) && !GOING_NOW.lock().contains(name)
}
