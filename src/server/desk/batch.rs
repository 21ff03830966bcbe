//! Changes that are done but for their commit, and share its syncs: uploads that are whole, new folders, what came back from the trash,
//! and modes that files were given.
//!
//! One batch gathers while the one before it is committed on another thread; the one behind waits for that, so all commits
//! stay in the order of the operations, and so do their outcomes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::locking::UnderWay;
use super::running::{OperationId, Running};
use crate::error::{Error, Result};
use crate::files::{Done, Overwrite, Prepared, RelPath, Store, Upload, one_each, untold};
use crate::limits;
use crate::machine::background::Background;
use crate::machine::turns;

/// The changes of one session that are not answered yet.
#[derive(Default)]
pub struct Batch {
    /// Those that gather.
    pending: Vec<Pending>,
    /// Those before them, on their way to the disk.
    committing: Option<Committing>,
}

/// Whether a file may be put in its place now, and whether in that of another: it may be less than when the bytes came. What others wait
/// for comes with it, and is held until the file is there.
pub(super) type May<'a> = &'a dyn Fn(&Running) -> Result<(Overwrite, UnderWay)>;

/// Who is told what became of each change, in their order.
pub type Told<'a> = &'a mut dyn FnMut(Running, Result<Done>);

struct Pending {
    what: Change,
    running: Running,
}

enum Change {
    /// An upload that is whole and verified.
    File(Box<dyn Upload>),
    /// What has its name already.
    Named(Prepared),
}

/// A batch that another thread commits.
struct Committing {
    order: Vec<Unanswered>,
    results: Background<Results>,
}

struct Unanswered {
    is_file: bool,
    running: Running,
}

/// What is to be committed of each operation, or why it may not be.
struct Ready {
    changes: Vec<(OperationId, Result<Prepared>)>,
    /// Held until all of them are there.
    under_way: Vec<UnderWay>,
}

/// What became of the change of each operation.
type Results = BTreeMap<OperationId, Result<Done>>;

impl Ready {
    fn commit(self, store: &dyn Store) -> Results {
        let mut results = Results::new();
        let (mut operations, mut changes) = (Vec::new(), Vec::new());
        for (operation, change) in self.changes {
            match change {
                Ok(change) => {
                    operations.push(operation);
                    changes.push(change);
                }
                Err(refused) => {
                    results.insert(operation, Err(refused));
                }
            }
        }
        let done = one_each(store.commit(changes), operations.len());
        results.extend(operations.into_iter().zip(done));
        drop(self.under_way);
        results
    }
}

impl Pending {
    fn len(&self) -> u64 {
        match &self.what {
            Change::File(upload) => upload.len(),
            Change::Named(_) => 0,
        }
    }

    fn is_file(&self) -> bool {
        matches!(self.what, Change::File(_))
    }
}

impl Batch {
    /// Whether there is nothing that is not answered yet.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.committing.is_none()
    }

    /// The files that are received and not answered yet.
    pub fn files(&self) -> impl Iterator<Item = &RelPath> {
        let committing = self.committing.iter().flat_map(|batch| &batch.order);
        let committing = committing.filter(|unanswered| unanswered.is_file).map(|unanswered| &unanswered.running);
        let pending = self.pending.iter().filter(|pending| pending.is_file()).map(|pending| &pending.running);
        committing.chain(pending).filter_map(Running::target)
    }

    /// Leaves an upload, whole and verified, to be committed with those right behind it.
    pub fn add_file(&mut self, upload: Box<dyn Upload>, running: Running) {
        self.pending.push(Pending { what: Change::File(upload), running });
    }

    /// Leaves what has its name already to be committed with what is right behind it: a new folder, what came back from the trash, a file
    /// with another mode.
    pub fn add_named(&mut self, change: Prepared, running: Running) {
        self.pending.push(Pending { what: Change::Named(change), running });
    }

    /// Whether more would not be cheaper.
    pub fn is_full(&self) -> bool {
        self.pending.len() >= limits::COMMIT_BATCH
            || self.pending.iter().map(Pending::len).sum::<u64>() >= limits::COMMIT_BATCH_BYTES
    }

    /// Commits what has gathered on another thread, while the next uploads come in; what was on its way before is waited
    /// for and told of first.
    pub(super) fn commit_aside(&mut self, store: &Arc<dyn Store>, may: May<'_>, told: Told<'_>) {
        self.settle(told);
        let (ready, order) = self.take_pending(may);
        let store = Arc::clone(store);
        let results = Background::start(move || ready.commit(&*store));
        self.committing = Some(Committing { order, results });
    }

    /// Commits all there is, in order and with shared syncs, and tells of it.
    pub(super) fn commit(&mut self, store: &Arc<dyn Store>, may: May<'_>, told: Told<'_>) {
        self.settle(told);
        if !self.pending.is_empty() {
            let (ready, order) = self.take_pending(may);
            let results = turns::block_in_place(|| ready.commit(&**store));
            tell(order, results, told);
        }
    }

    /// Waits for what another thread commits, and tells of it.
    pub fn settle(&mut self, told: Told<'_>) {
        let Some(Committing { order, results }) = self.committing.take() else { return };
        match turns::block_in_place(|| results.wait()) {
            Ok(results) => tell(order, results, told),
            Err(error) => order.into_iter().for_each(|unanswered| told(unanswered.running, Err(copy(&error)))),
        }
    }

    /// Gives up what has gathered. Nobody is told.
    pub fn drop_pending(&mut self) {
        self.pending.clear();
    }

    fn take_pending(&mut self, may: May<'_>) -> (Ready, Vec<Unanswered>) {
        let mut ready = Ready { changes: Vec::with_capacity(self.pending.len()), under_way: Vec::new() };
        let mut order = Vec::with_capacity(self.pending.len());
        for Pending { what, running } in self.pending.drain(..) {
            let is_file = matches!(what, Change::File(_));
            let change = match what {
                Change::File(mut upload) => may(&running).map(|(overwrite, under_way)| {
                    ready.under_way.push(under_way);
                    if overwrite == Overwrite::Refused {
                        upload.refuse_overwrite();
                    }
                    upload.prepare()
                }),
                // It is there since it was asked for, and only its sync is left.
                Change::Named(change) => Ok(change),
            };
            ready.changes.push((running.id(), change));
            order.push(Unanswered { is_file, running });
        }
        (ready, order)
    }
}

fn tell(order: Vec<Unanswered>, mut results: Results, told: Told<'_>) {
    for Unanswered { running, .. } in order {
        let result = results.remove(&running.id()).unwrap_or_else(|| Err(untold()));
        told(running, result);
    }
}

/// One error for several, as it is told.
fn copy(error: &Error) -> Error {
    let (kind, text) = error.told_by_server();
    Error::new(kind, text)
}

#[cfg(test)]
mod tests;
