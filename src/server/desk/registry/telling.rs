//! Who is told of what happens on a server.

use std::sync::{Arc, OnceLock};

use crate::machine::source::Source;
use crate::server::audit::AuditLog;
use crate::server::events::{Event, Listener};

/// The audit, and whoever listens.
pub struct Telling {
    /// Where it is written down, if anywhere.
    audit: Option<Arc<AuditLog>>,
    /// Who listens, if anybody does: a program may say so when the server is there.
    listener: OnceLock<Listener>,
}

impl Telling {
    /// All that happens is written down there, if anywhere.
    pub(super) fn to(audit: Option<Arc<AuditLog>>) -> Telling {
        Telling { audit, listener: OnceLock::new() }
    }

    /// From now on this one is told of what happens; the first one stays.
    pub(super) fn listen(&self, listener: Listener) {
        let _ = self.listener.set(listener);
    }

    /// Tells whoever is to know of it.
    pub fn tell(&self, event: &Event<'_>) {
        if let Some(audit) = &self.audit {
            audit.write(event);
        }
        self.tell_listener(event);
    }

    /// Tells of what this source has caused, which has a share in the audit.
    pub fn tell_of(&self, source: &Source, event: &Event<'_>) {
        if let Some(audit) = &self.audit {
            audit.write_of(source, event);
        }
        self.tell_listener(event);
    }

    fn tell_listener(&self, event: &Event<'_>) {
        if let Some(listener) = self.listener.get() {
            listener.tell(event);
        }
    }

    /// Where all that happens is written down.
    pub fn audit(&self) -> Option<&Arc<AuditLog>> {
        self.audit.as_ref()
    }
}
