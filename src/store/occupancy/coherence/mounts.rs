//! All that a node asks: the file systems that it serves.

use std::io;
use std::sync::Arc;

use super::{Coherence, Living, Trouble};
use crate::sync::Mutex;

/// The mounts that a node serves over, and those that its state is on.
#[derive(Debug, Default)]
pub(in crate::store) struct Mounts(pub(super) Mutex<Vec<Arc<Coherence>>>);

impl Mounts {
    pub(in crate::store::occupancy) fn all(&self) -> Vec<Arc<Coherence>> {
        self.0.lock().clone()
    }

    /// Whether this file system is tried.
    pub(in crate::store::occupancy) fn has(&self, device: u64) -> bool {
        self.0.lock().iter().any(|known| known.device == device)
    }

    /// Proves this one for a node that starts, and has it tried from now on.
    ///
    /// # Errors
    /// That it shows what was there before others changed it, or that of one of the others does.
    pub(in crate::store::occupancy) fn add(&self, coherence: Coherence, living: Living<'_>) -> Result<(), Trouble> {
        match coherence.prove_for_start(living) {
            Ok(silent) => {
                if let Some(node) = silent.into_iter().next() {
                    coherence.doubt(Some(&Trouble::Silent(node)));
                }
                self.0.lock().push(Arc::new(coherence));
                Ok(())
            }
            Err(trouble) => {
                coherence.name.iter().for_each(|name| coherence.forget(name));
                Err(trouble)
            }
        }
    }

    /// Whether on one of them that is not known.
    pub(in crate::store::occupancy) fn are_doubtful(&self) -> bool {
        self.0.lock().iter().any(|known| known.is_doubtful())
    }

    /// Whether what others have changed on this file system is seen at once.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] if it is not, or not known.
    pub(in crate::store) fn check(&self, device: u64) -> io::Result<()> {
        let why = match self.0.lock().iter().find(|known| known.device == device) {
            Some(known) if known.is_doubtful() => {
                "this server may not see at once what other servers have changed, and decides nothing by it; its log says why"
            }
            Some(_) => return Ok(()),
            None => {
                "other servers change this file system too, and whether that is seen at once is only tried on that of the data folder"
            }
        };
        Err(io::Error::new(io::ErrorKind::ResourceBusy, why))
    }
}
