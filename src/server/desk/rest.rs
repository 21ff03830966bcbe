//! What a desk keeps from one operation for the next one, and when it goes.

use super::Desk;

/// How a desk rests.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// More waits to be done at it than what was begun last.
    more_waits: bool,
    /// It was to rest, and did not for that reason.
    is_owed: bool,
}

impl Desk {
    /// Nothing is under way, and the client is waited for: what was kept for the next operation goes. Where the next one waits already
    /// ([`Desk::more_waits`]) it goes once nothing does.
    pub fn rest(&mut self) {
        self.audit.rest();
        self.rest.is_owed = self.rest.more_waits;
        if !self.rest.is_owed {
            self.let_go();
        }
    }

    /// Whether more waits to be done here than what is begun now. Whoever says so says when nothing does any more ([`Desk::is_left`]).
    pub fn more_waits(&mut self, more: bool) {
        self.rest.more_waits = more;
    }

    /// Nothing waits to be done here.
    pub fn is_left(&mut self) {
        self.rest.more_waits = false;
        if std::mem::take(&mut self.rest.is_owed) {
            self.let_go();
        }
    }

    fn let_go(&mut self) {
        self.rested = true;
        self.store.forget_handles();
        self.hasher = None;
    }
}
