//! Changes that are done but for their commit, and share its syncs: uploads that are whole, new folders, and what
//! came back from the trash.
//!
//! One batch gathers while the one before it is committed on another thread; the one behind waits for that, so all commits
//! stay in the order of the operations, and so do their outcomes.

use std::sync::Arc;

use super::locking::UnderWay;
use super::running::Running;
use crate::error::{Error, Result};
use crate::files::{Done, Overwrite, Prepared, RelPath, Store, Upload, untold};
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
    results: Background<Vec<Result<Done>>>,
}

struct Unanswered {
    is_file: bool,
    running: Running,
    /// Not committed, for this reason.
    refused: Option<Error>,
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

    /// Leaves what has its name already to be committed with what is right behind it: a new folder, or what came back from the trash.
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
        let (changes, under_way, order) = self.take_pending(may);
        let store = Arc::clone(store);
        let results = Background::start(move || {
            let results = store.commit(changes);
            drop(under_way);
            results
        });
        self.committing = Some(Committing { order, results });
    }

    /// Commits all there is, in order and with shared syncs, and tells of it.
    pub(super) fn commit(&mut self, store: &Arc<dyn Store>, may: May<'_>, told: Told<'_>) {
        self.settle(told);
        if !self.pending.is_empty() {
            let (changes, under_way, order) = self.take_pending(may);
            let results = turns::block_in_place(|| store.commit(changes));
            drop(under_way);
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

    fn take_pending(&mut self, may: May<'_>) -> (Vec<Prepared>, Vec<UnderWay>, Vec<Unanswered>) {
        let mut all_under_way = Vec::new();
        let (mut changes, mut order) = (Vec::with_capacity(self.pending.len()), Vec::with_capacity(self.pending.len()));
        for Pending { what, running } in self.pending.drain(..) {
            let is_file = matches!(what, Change::File(_));
            let change = match what {
                Change::File(mut upload) => may(&running).map(|(overwrite, under_way)| {
                    all_under_way.push(under_way);
                    if overwrite == Overwrite::Refused {
                        upload.refuse_overwrite();
                    }
                    upload.prepare()
                }),
                // It is there since it was asked for, and only its sync is left.
                Change::Named(change) => Ok(change),
            };
            let refused = match change {
                Ok(change) => {
                    changes.push(change);
                    None
                }
                Err(error) => Some(error),
            };
            order.push(Unanswered { is_file, running, refused });
        }
        (changes, all_under_way, order)
    }
}

fn tell(order: Vec<Unanswered>, results: Vec<Result<Done>>, told: Told<'_>) {
    let mut results = results.into_iter();
    for Unanswered { running, refused, .. } in order {
        let result = match refused {
            Some(error) => Err(error),
            None => results.next().unwrap_or_else(|| Err(untold())),
        };
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
