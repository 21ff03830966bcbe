//! A folder in which a node keeps its state, on the file system of the data folder. Whether others that live have theirs in the same one is
//! not told by that file system, so each has a file of its name there.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::{NodeName, open};

/// The folder of these files in the hidden one of the state folder.
const HERE: &str = "here";

#[derive(Debug)]
pub(super) struct StatePlace {
    folder: Dir,
    /// For messages.
    place: PathBuf,
    /// Since when there are others that live.
    since: Option<Instant>,
    /// It is known by now, and was said.
    is_known: bool,
}

impl StatePlace {
    /// This node is one of those here.
    pub(super) fn enter(reserved: &Dir, place: &Path, name: &NodeName) -> io::Result<StatePlace> {
        match mkdirat(reserved, HERE, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(err) => return Err(err.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = Dir::from_std_file(openat(reserved, HERE, flags, Mode::empty())?.into());
        drop(open(&folder, name.as_str(), OFlags::CREATE)?);
        Ok(StatePlace { folder, place: place.to_owned(), since: None, is_known: false })
    }

    /// Looks whether any of these others that live is here. One that begins may be so only a moment later: that none of them is here, for as
    /// long as one takes to begin, is said once.
    pub(super) fn look(&mut self, living: &[NodeName], to_begin: Duration) -> bool {
        if self.is_known || living.is_empty() {
            return false;
        }
        let is_here = |node: &NodeName| statat(&self.folder, node.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok();
        let since = *self.since.get_or_insert_with(Instant::now);
        let is_alone = !living.iter().any(is_here);
        self.is_known = !is_alone || since.elapsed() >= to_begin;
        is_alone && self.is_known
    }

    pub(super) fn say_alone(&self) {
        say_alone(&self.place);
    }

    /// Nothing of this node is left, or of another that is dead.
    pub(super) fn forget(&self, node: &NodeName) {
        let _ = unlinkat(&self.folder, node.as_str(), AtFlags::empty());
    }
}

pub(super) fn say_alone(place: &Path) {
    tracing::warn!(
        folder = %place.display(),
        "no other server that lives has its state here: passwords that users choose, keys and links are of this one alone"
    );
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn that_no_other_one_has_its_state_here_is_said_once_and_only_when_the_others_have_begun() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = |name: &str| name.parse::<NodeName>().unwrap();
        let enter = |place: &tempfile::TempDir, node: &str| {
            let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
            StatePlace::enter(&dir, place.path(), &name(node)).unwrap()
        };
        let (now, long) = (Duration::ZERO, Duration::MAX);
        let (mut a, mut b) = (enter(&one, "a"), enter(&other, "b"));
        assert!(!a.look(&[], now));
        assert!(!a.look(&[name("b")], long), "it may be about to begin");
        assert!(a.look(&[name("b")], now) && !a.look(&[name("b")], now));
        assert!(!b.look(&[name("a"), name("c")], long));
        let c = enter(&other, "c");
        assert!(!b.look(&[name("a"), name("c")], now) && !b.look(&[name("a")], now));
        let mut d = enter(&other, "d");
        [&b, &c].into_iter().zip(["b", "c"]).for_each(|(place, node)| place.forget(&name(node)));
        assert!(d.look(&[name("c")], now), "it has gone elsewhere");
    }
}
