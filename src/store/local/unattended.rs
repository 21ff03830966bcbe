//! Removals that nobody takes the steps of any more, because whoever asked for them has left or was kicked. What has lost its name is
//! gone for everybody, and its room is to be had again: a thread removes the rest, one tree after the other, and ends with the last of
//! them. Each disk has one, so that none waits for another one that hangs. What a killed server leaves of them the next sweep removes.

use std::collections::{BTreeMap, VecDeque};

use super::remove::TreeRemoval;
use crate::sync::Mutex;

/// Those that wait, by the disk that they are on. One that is in here has a thread.
static WAITING: Mutex<BTreeMap<u64, VecDeque<TreeRemoval>>> = Mutex::new(BTreeMap::new());

/// Removes the rest beside whatever the caller does next.
pub(super) fn finish(removal: TreeRemoval) {
    let disk = removal.disk();
    let mut waiting = WAITING.lock();
    if let Some(queue) = waiting.get_mut(&disk) {
        return queue.push_back(removal);
    }
    waiting.insert(disk, VecDeque::from([removal]));
    let spawned = std::thread::Builder::new().name("removal".into()).spawn(move || work(disk));
    let unspawned = if spawned.is_err() { waiting.remove(&disk) } else { None };
    drop(waiting);
    unspawned.into_iter().flatten().for_each(TreeRemoval::leave);
}

fn work(disk: u64) {
    while let Some(mut removal) = next(disk) {
        // Of an error nobody is left to be told. What is left has its name again, or waits for the next sweep.
        while matches!(removal.step(), Ok(false)) {}
    }
}

/// The next one, or that this thread ends.
fn next(disk: u64) -> Option<TreeRemoval> {
    let mut waiting = WAITING.lock();
    let next = waiting.get_mut(&disk)?.pop_front();
    if next.is_none() {
        waiting.remove(&disk);
    }
    next
}
