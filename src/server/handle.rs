//! A server from outside: ended, asked and told from anywhere in the program that it runs in.

use std::sync::{Arc, Weak};
use std::time::Duration;

#[cfg(doc)]
use super::Server;
use super::desk::registry::Registry;
use super::live::LiveOptions;
use super::reloaded::Reloaded;
use super::{Shared, door};
use crate::error::{Error, Kind, Result};
use crate::limits;

/// Ends a server from anywhere, and asks it. It does not keep the server's folders: those are free when [`Server::serve`] is over.
#[derive(Clone)]
pub struct Handle {
    registry: Arc<Registry>,
    shared: Weak<Shared>,
}

impl Handle {
    /// That of this server.
    pub(super) fn new(shared: &Arc<Shared>) -> Handle {
        Handle { registry: shared.registry.clone(), shared: Arc::downgrade(shared) }
    }

    /// Accepts nothing more, lets running transfers finish within the grace period, and makes [`Server::serve`] return.
    pub fn stop(&self) {
        self.registry.stop();
    }

    /// Waits until the server is told to stop, by this or by an administrator.
    pub async fn stopping(&self) {
        self.registry.stopping().await;
    }

    /// How long running transfers may go on after the server was told to stop.
    pub fn grace(&self) -> Duration {
        self.shared.upgrade().map(|shared| shared.live().pace.grace).unwrap_or_default()
    }

    /// Connections now.
    pub fn connections(&self) -> usize {
        self.registry.connections()
    }

    /// Waits until the server has shown that it can serve: that it accepts connections, and goes on with those there are.
    /// Whoever waits says how long that may take.
    ///
    /// # Errors
    /// [`crate::Kind::Internal`]: what does not go on any more.
    pub async fn prove_life(&self) -> Result<()> {
        let over = || Error::new(Kind::Internal, "the server is over");
        let shared = self.shared.upgrade().ok_or_else(over)?;
        door::liveness::prove_life(&shared, &door::liveness::own()).await
    }

    /// Goes by these options from now on. Connections that there are go on by those that they began with; whoever is in stays.
    /// More connections than there is memory for are not let in, whatever the options say.
    pub fn change(&self, options: &LiveOptions) {
        if let Some(shared) = self.shared.upgrade() {
            shared.change(options);
        }
    }

    /// Before the process ends without waiting for [`Server::serve`]: has what was told to the audit written, but waits for that
    /// no longer than [`limits::AUDIT_FLUSH_AT_ONCE`]. Nothing is written down after it.
    pub fn close_audit(&self) {
        if let Some(audit) = self.registry.telling().audit() {
            audit.close_within(limits::AUDIT_FLUSH_AT_ONCE);
        }
    }

    /// Calls this when the server is about to leave its folders to the next one, because nothing is left to be done but to send what is
    /// open: that goes on until [`Server::serve`] is over. The last one counts.
    pub fn on_leaving(&self, told: impl FnOnce() + Send + 'static) {
        if let Some(shared) = self.shared.upgrade() {
            shared.told_of_leaving.lock().before = Some(Box::new(told));
        }
    }

    /// Calls this once it has left them. The last one counts. It is not called if they cannot be left before the server ends.
    pub fn on_left(&self, told: impl FnOnce() + Send + 'static) {
        if let Some(shared) = self.shared.upgrade() {
            shared.told_of_leaving.lock().after = Some(Box::new(told));
        }
    }

    /// Opens the audit anew, and reads the users, the server's key and the certificate for browsers again now; says what came of each.
    /// (By itself the server looks every few seconds whether those have changed.)
    pub fn reload(&self) -> Vec<Reloaded> {
        self.shared.upgrade().map_or_else(Vec::new, |shared| shared.reload())
    }

    /// From now on this is what an administrator has done from afar (RELOAD): what [`Handle::reload`] does, and more of the program's
    /// own. The last one counts.
    pub fn on_reload(&self, reload: impl Fn() -> Vec<Reloaded> + Send + Sync + 'static) {
        self.registry.on_reload(reload);
    }
}
