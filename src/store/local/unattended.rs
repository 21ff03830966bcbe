//! Removals that nobody takes the steps of any more, because whoever asked for them has left or was kicked. What has lost its name is
//! gone for everybody, and its room is to be had again: one thread of the process removes the rest, one tree after the other, and ends
//! with the last of them. What a killed server leaves of them the next sweep removes.

use std::collections::VecDeque;

use super::remove::TreeRemoval;
use crate::sync::Mutex;

static WAITING: Mutex<Waiting> = Mutex::new(Waiting { removals: VecDeque::new(), has_thread: false });

struct Waiting {
    /// As many as there are trees that had a name and a client to remove them.
    removals: VecDeque<TreeRemoval>,
    has_thread: bool,
}

/// Removes the rest beside whatever the caller does next.
pub(super) fn finish(removal: TreeRemoval) {
    let mut waiting = WAITING.lock();
    waiting.removals.push_back(removal);
    if std::mem::replace(&mut waiting.has_thread, true) {
        return;
    }
    drop(waiting);
    if std::thread::Builder::new().name("removal".into()).spawn(work).is_err() {
        // Then when the next one comes.
        WAITING.lock().has_thread = false;
    }
}

fn work() {
    while let Some(mut removal) = next() {
        // Of an error nobody is left to be told. What is left has its name again, or waits for the next sweep.
        while matches!(removal.step(), Ok(false)) {}
    }
}

/// The next one, or that this thread ends.
fn next() -> Option<TreeRemoval> {
    let mut waiting = WAITING.lock();
    let next = waiting.removals.pop_front();
    waiting.has_thread = next.is_some();
    next
}
