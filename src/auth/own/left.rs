//! A state folder that a server has left to the next one, while it still sends what it has open: it changes nothing there any more, and
//! looks for what the next one changes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::changes::{Followed, News};
use crate::error::{Error, Kind, Result};
use crate::limits;

/// Whether it was left. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Left(Arc<AtomicBool>);

impl Left {
    /// It is from now on.
    pub(super) fn say(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_said(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// For whoever is alone with what is to be changed: who leaves has waited for those who were before.
    ///
    /// # Errors
    /// [`Kind::Stopping`] if it was left.
    pub(super) fn refuse(&self) -> Result<()> {
        let refused = || Error::new(Kind::Stopping, "this server ends; the next one keeps what users do");
        (!self.is_said()).then_some(()).ok_or_else(refused)
    }

    /// What the next server may have changed in this folder. Each file there is replaced whole or removed, and that changes the folder
    /// itself: as long as it stays the same nothing has to be read.
    pub(super) fn news(&self, folder: &Path, followed: &mut Followed) -> News {
        if !self.is_said() {
            return News::Nothing;
        }
        let changed = fs::metadata(folder).and_then(|folder| folder.modified()).ok();
        if changed.is_some() && changed == followed.changed {
            return News::Nothing;
        }
        // Of one that was changed just now nothing may tell that it is changed once more.
        followed.changed = changed.filter(|at| at.elapsed().is_ok_and(|since| since >= limits::LEFT_STATE_REST));
        News::Anything
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_is_left_is_read_again_until_it_has_been_the_same_for_long_enough() {
        let dir = tempfile::tempdir().unwrap();
        let (left, mut followed) = (Left::default(), Followed::default());
        let mut news = |left: &Left| left.news(dir.path(), &mut followed);
        let changed = |at: SystemTime| fs::File::open(dir.path()).unwrap().set_modified(at).unwrap();
        assert!(left.refuse().is_ok() && news(&left) == News::Nothing, "it is this server's own");
        left.say();
        assert_eq!(left.refuse().unwrap_err().kind(), Kind::Stopping);
        // By a clock that was set back since.
        changed(SystemTime::now() + 1000 * limits::LEFT_STATE_REST);
        assert_eq!((news(&left), news(&left)), (News::Anything, News::Anything));
        changed(SystemTime::now() - limits::LEFT_STATE_REST);
        assert_eq!((news(&left), news(&left)), (News::Anything, News::Nothing));
        fs::write(dir.path().join("f"), "").unwrap();
        assert_eq!(news(&left), News::Anything);
    }
}
