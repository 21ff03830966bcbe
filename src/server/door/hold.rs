//! What keeps a server that ends from leaving its folders to the next one: connections by which something may still be changed. One that
//! only sends what it has open holds nothing: it goes on while the next server serves.

use std::sync::Arc;

use async_std::channel::{Receiver, Sender, bounded};

use crate::sync::Mutex;

/// That of one connection and its sessions, until all clones are gone or one of them lets go. Clones are the same.
#[derive(Clone)]
pub struct Hold(Arc<Mutex<Option<Sender<()>>>>);

/// Gives out holds.
pub struct Holds(Sender<()>);

impl Holds {
    /// Also what closes when these and all that they gave out are gone.
    pub fn new() -> (Holds, Receiver<()>) {
        let (held, gone) = bounded(1);
        (Holds(held), gone)
    }

    /// One more.
    pub fn hold(&self) -> Hold {
        Hold(Arc::new(Mutex::new(Some(self.0.clone()))))
    }
}

impl Hold {
    /// One that is not let go with this one, for what comes to its end whatever becomes of its connection.
    pub fn another(&self) -> Hold {
        Hold(Arc::new(Mutex::new(self.0.lock().clone())))
    }

    /// From now on nothing is changed, and nothing new is begun. More than once is the same as once.
    pub fn let_go(&self) {
        self.0.lock().take();
    }

    /// Whether it was let go.
    pub fn is_let_go(&self) -> bool {
        self.0.lock().is_none()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn all_is_free_when_each_is_dropped_or_let_go() {
        let (holds, gone) = Holds::new();
        let (one, other) = (holds.hold(), holds.hold());
        drop(holds);
        let (of_session, of_change) = (one.clone(), other.another());
        drop(one);
        other.let_go();
        assert!(!of_change.is_let_go() && gone.recv().now_or_never().is_none());
        drop(of_change);
        assert!(other.is_let_go() && !of_session.is_let_go());
        assert!(gone.recv().now_or_never().is_none());
        drop(of_session);
        assert!(gone.recv().now_or_never().unwrap().is_err());
    }
}
