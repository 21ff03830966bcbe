//! Where the files of a server are, for whoever asks how that is.

use std::sync::{Arc, Weak};

use crate::files::{NodePlace, StorageHealth, Vault};
use crate::store::NodeName;

/// The storage, and what this server is called among those that serve it. It is not kept from its end by who only asks how it is.
#[derive(Default)]
pub struct KeptIn {
    /// None: it is not known.
    vault: Option<Weak<dyn Vault>>,
    /// None: this server serves it alone.
    node: Option<NodeName>,
}

impl KeptIn {
    /// This storage, which a server of this name serves, if it is one of several.
    pub fn new(vault: &Arc<dyn Vault>, node: Option<NodeName>) -> KeptIn {
        KeptIn { vault: Some(Arc::downgrade(vault)), node }
    }

    /// What this server is called among those that serve the same folder.
    pub fn node(&self) -> Option<&NodeName> {
        self.node.as_ref()
    }

    /// How it is placed among them.
    pub fn node_place(&self) -> Option<NodePlace> {
        self.node.as_ref().and_then(|_| self.vault()?.node_place())
    }

    /// How the storage answers, where it is not on this machine.
    pub fn health(&self) -> Option<StorageHealth> {
        self.vault()?.health()
    }

    fn vault(&self) -> Option<Arc<dyn Vault>> {
        self.vault.as_ref()?.upgrade()
    }
}
