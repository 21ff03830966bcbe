//! Whether the clocks of nodes agree. No lock depends on them, but what goes by its age does: the trash, and uploads that nobody went on
//! with. Where two clocks differ nobody knows which is right, and nothing goes by its age at either.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::node::NodeName;
use super::owner::Owner;
use crate::limits;

/// What is known of the others' clocks.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// The last beat of each that was looked at, and by how many seconds its clock differs, once it has been seen to beat.
    others: HashMap<NodeName, (Option<u64>, Option<u64>)>,
    /// It was told that they differ.
    is_told: bool,
}

impl Clocks {
    /// Looks at what these others say now, at this time.
    pub(super) fn look(&mut self, others: impl IntoIterator<Item = (NodeName, Owner)>, now: u64) {
        let before = std::mem::take(&mut self.others);
        for (name, owner) in others {
            let (beat, differs) = before.get(&name).copied().unwrap_or((owner.beat, None));
            // What it said long ago, before it was killed or stood still, was said by the clock of then.
            let differs = if beat == owner.beat { differs } else { owner.at.map(|at| at.abs_diff(now)) };
            self.others.insert(name, (owner.beat, differs));
        }
        let differing = self.others.iter().find(|(_, (_, differs))| differs.is_some_and(is_much));
        match differing {
            Some((node, (_, differs))) if !self.is_told => tracing::warn!(
                %node,
                seconds = differs.unwrap_or_default(),
                "the clocks of this server and of another one differ: nothing that is old is removed from the trash, or of uploads that were cut off, until they do not"
            ),
            None if self.is_told => tracing::info!("the clocks of all servers of this folder agree again"),
            Some(_) | None => {}
        }
        self.is_told = differing.is_some();
    }

    /// Whether they agree, as far as is known.
    pub(super) fn agree(&self) -> bool {
        !self.is_told
    }
}

fn is_much(seconds: u64) -> bool {
    seconds >= limits::CLOCKS_DIFFER.as_secs()
}

/// Seconds since 1970, by the clock of this machine.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_differs_counts_once_its_node_has_been_seen_to_beat_and_until_it_does_not() {
        let (mut clocks, day) = (Clocks::default(), 24 * 60 * 60);
        let said = |beat, at| {
            let owner = Owner { beat: Some(beat), at: Some(at), ..Owner::own() };
            [("b".parse::<NodeName>().unwrap(), owner)]
        };
        let now = 1_000_000_000;
        // Killed three days ago.
        clocks.look(said(7, now - 3 * day), now);
        clocks.look(said(7, now - 3 * day), now + 1);
        assert!(clocks.agree());
        clocks.look(said(8, now + 2 - 3 * day), now + 2);
        assert!(!clocks.agree());
        // It stands still, and its clock is as wrong as before.
        clocks.look(said(8, now + 2 - 3 * day), now + 9);
        assert!(!clocks.agree());
        clocks.look(said(9, now + 10), now + 10);
        assert!(clocks.agree());
        clocks.look(said(10, now + 10 + day), now + 11);
        assert!(!clocks.agree());
        clocks.look([], now + 12);
        assert!(clocks.agree());
    }
}
