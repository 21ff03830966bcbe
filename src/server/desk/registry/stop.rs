//! The switch that ends a server.

use async_std::channel::{Receiver, Sender, bounded};

/// Closing it is the signal to stop: every waiter on the receiving end sees it.
pub(super) struct StopSwitch {
    stop: Sender<()>,
    stopped: Receiver<()>,
}

impl StopSwitch {
    pub(super) fn new() -> StopSwitch {
        let (stop, stopped) = bounded(1);
        StopSwitch { stop, stopped }
    }

    /// Tells everything to stop. More than once is the same as once.
    pub(super) fn stop(&self) {
        self.stop.close();
    }

    /// Whether it was told to.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_closed()
    }

    /// Waits until it is told to.
    pub(super) async fn stopping(&self) {
        // Nothing is ever sent: only the closing ends this.
        let _ = self.stopped.recv().await;
    }
}
