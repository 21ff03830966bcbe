//! Who is at an upload that can be gone on with.

use std::sync::Arc;

use async_lock::MutexGuardArc;

use super::receiving::Slot;

/// The right to be the only request that is at an upload, as long as anybody has it.
pub type Held = Arc<Hold>;

/// That right. Once nobody has it nobody brings bytes, and the upload holds no room for what has not come.
pub struct Hold {
    slot: Slot,
    _only: MutexGuardArc<()>,
}

impl Hold {
    /// That of what lies here.
    pub fn of(slot: &Slot, only: MutexGuardArc<()>) -> Held {
        Arc::new(Hold { slot: slot.clone(), _only: only })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.slot.rest();
    }
}
