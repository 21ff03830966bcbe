//! What ends the connections of a login from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_std::channel::Sender;

use crate::error::{Error, Kind};
use crate::sync::Mutex;

/// Ends a connection at once, whatever is being done over it: that call then fails with [`Kind::Aborted`], after it has
/// removed what it has not finished. Cheap to clone, and may outlive the connection.
#[derive(Debug, Clone, Default)]
pub struct Stopper {
    told: Arc<AtomicBool>,
    /// Those of all connections of one login.
    stops: Arc<Mutex<Vec<Sender<()>>>>,
}

impl Stopper {
    /// Ends the connection.
    pub fn stop(&self) {
        let stops = self.stops.lock();
        self.told.store(true, Ordering::Relaxed);
        for stop in &*stops {
            stop.close();
        }
    }

    /// Whether there is nothing left to end.
    pub(super) fn is_over(&self) -> bool {
        self.stops.lock().iter().all(Sender::is_closed)
    }

    /// Ends this connection too, at once if it was told to before.
    pub(super) fn add(&self, stop: &Sender<()>) {
        let mut stops = self.stops.lock();
        stops.retain(|stop| !stop.is_closed());
        stops.push(stop.clone());
        if self.told.load(Ordering::Relaxed) {
            stop.close();
        }
    }
}

/// Whether a connection was ended from this side: with all others of its login, by a [`Stopper`]; or alone, because a future that used it
/// was dropped.
#[derive(Debug, Clone, Default)]
pub(super) struct Stopped {
    told: Arc<AtomicBool>,
    dropped: Arc<AtomicBool>,
}

impl Stopped {
    /// Of a connection that ends with this stopper.
    pub(super) fn with(stopper: &Stopper) -> Stopped {
        Stopped { told: Arc::clone(&stopper.told), dropped: Arc::default() }
    }

    /// The same connection ends with this stopper from now on.
    pub(super) fn follow(&mut self, stopper: &Stopper) {
        self.told = Arc::clone(&stopper.told);
    }

    /// A future that used the connection was dropped.
    pub(super) fn set_dropped(&self) {
        self.dropped.store(true, Ordering::Relaxed);
    }

    /// Whether it was.
    pub(super) fn is_so(&self) -> bool {
        self.told.load(Ordering::Relaxed) || self.dropped.load(Ordering::Relaxed)
    }

    /// What a connection failed with: if it was ended from here, it did not fail by itself.
    pub(super) fn explain(&self, error: Error) -> Error {
        if error.kind() == Kind::Network && self.is_so() {
            return Error::new(Kind::Aborted, "the connection was ended from here").with_source(error);
        }
        error
    }
}
