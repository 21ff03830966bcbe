//! What keeps a server that ends from leaving its folders to the next one: connections by which something may still be changed. One that
//! only sends what it has open keeps nobody from it: it goes on while the next server serves.

use std::sync::Arc;

use async_std::channel::{Receiver, Sender, bounded};

use crate::sync::Mutex;

/// That of one connection and its sessions, until all clones are gone or one of them gives it up. Clones are the same.
#[derive(Clone)]
pub struct Tenure(Arc<Mutex<Option<Sender<()>>>>);

/// Gives out tenures.
pub struct Tenures(Sender<()>);

impl Tenures {
    /// Also what closes when these and all that they gave out are gone.
    pub fn new() -> (Tenures, Receiver<()>) {
        let (held, gone) = bounded(1);
        (Tenures(held), gone)
    }

    /// One more.
    pub fn one(&self) -> Tenure {
        Tenure(Arc::new(Mutex::new(Some(self.0.clone()))))
    }
}

impl Tenure {
    /// One that is not given up with this one, for what comes to its end whatever becomes of its connection.
    pub fn another(&self) -> Tenure {
        Tenure(Arc::new(Mutex::new(self.0.lock().clone())))
    }

    /// From now on nothing is changed, and nothing new is begun. More than once is the same as once.
    pub fn give_up(&self) {
        self.0.lock().take();
    }

    /// Whether it was given up.
    pub fn is_given_up(&self) -> bool {
        self.0.lock().is_none()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn all_is_free_when_each_is_dropped_or_given_up() {
        let (tenures, gone) = Tenures::new();
        let (one, other) = (tenures.one(), tenures.one());
        drop(tenures);
        let (of_session, of_change) = (one.clone(), other.another());
        drop(one);
        other.give_up();
        assert!(!of_change.is_given_up() && gone.recv().now_or_never().is_none());
        drop(of_change);
        assert!(other.is_given_up() && !of_session.is_given_up());
        assert!(gone.recv().now_or_never().is_none());
        drop(of_session);
        assert!(gone.recv().now_or_never().unwrap().is_err());
    }
}
