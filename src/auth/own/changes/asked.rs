//! What several servers with one state folder ask of what they serve before they change or remove something.

use std::fmt;
use std::sync::Arc;

use crate::auth::own::folder::StateFolder;
use crate::error::Result;

/// Whom they ask.
#[derive(Clone)]
pub(super) struct Asked {
    /// Whether what other servers have changed is seen here at once, so that something may be written over it.
    may_change: Arc<dyn Fn() -> Result<()> + Send + Sync>,
    /// Whether what is over by this server's clock is so by those of the others.
    goes_by_age: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}

impl Asked {
    /// Until somebody says so nothing is over.
    pub(super) fn of(may_change: impl Fn() -> Result<()> + Send + Sync + 'static) -> Asked {
        Asked { may_change: Arc::new(may_change), goes_by_age: Arc::new(|| false) }
    }

    pub(super) fn may_change(&self) -> Result<()> {
        (self.may_change)()
    }

    pub(super) fn goes_by_age(&self) -> bool {
        (self.goes_by_age)()
    }
}

impl StateFolder {
    /// The same folder; where other servers have it, too, what is over goes from the disk only while this says that the clocks of all agree.
    #[must_use]
    pub fn removing_old_if(mut self, goes_by_age: impl Fn() -> bool + Send + Sync + 'static) -> StateFolder {
        if let Some(changes) = &mut self.changes {
            changes.asked.goes_by_age = Arc::new(goes_by_age);
        }
        self
    }
}
