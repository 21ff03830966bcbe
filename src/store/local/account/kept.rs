//! What of all that counts is kept in the trash and of interrupted uploads.

use super::super::jail::Jail;
use super::super::{partial_room, trash_room};
use super::Bound;
use crate::files::{Hash, KeptUsage};
use crate::limits;

impl Bound {
    /// How much that is, here and in shared folders; nothing if it is more than is looked through at once.
    pub(in super::super) fn kept(&self) -> Option<KeptUsage> {
        let mut looks = limits::TRASH_LOOKED;
        let mut held = |jail: &Jail, whose: Option<&Hash>| {
            let trash = trash_room::bytes(jail, whose, &mut looks)?;
            Some(KeptUsage { trash, interrupted: partial_room::held(jail, whose).bytes })
        };
        let mut all = held(&self.jail, None)?;
        for share in self.account.shares() {
            let KeptUsage { trash, interrupted } = held(&share.jail, Some(&self.account.owner))?;
            all.trash = all.trash.saturating_add(trash);
            all.interrupted = all.interrupted.saturating_add(interrupted);
        }
        Some(all)
    }
}
