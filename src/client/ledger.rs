//! What became of each file of a transfer, over all the connections it takes.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::answers::Transferred;
use super::jobs::Summary;
use super::observer::{Observer, Skip};
use super::retry::TransferOptions;
use super::send::of_destination;
use super::session::Session;
use super::stopper::Stopped;
use super::unmade::Unmade;
use crate::error::{Error, Kind, Result, Side};
use crate::files::{Condition, Hash, RelPath};
use crate::sync::Mutex;

/// How one connection's share of a transfer is done.
#[derive(Clone, Default)]
pub(super) struct How {
    /// What was asked for.
    pub(super) options: TransferOptions,
    /// What it is a share of.
    pub(super) of: ShareOf,
    /// Other connections do theirs at the same time, so what is settled must be remembered.
    pub(super) is_shared: bool,
    /// A file that the server cannot reach just now is tried again later, over the same connection.
    pub(super) puts_off: bool,
    /// The connection was ended from here.
    pub(super) stopped: Stopped,
}

/// What a share is of: by that it is known what of it is kept for what comes after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ShareOf {
    /// Of what is done once, over this connection.
    #[default]
    Once,
    /// Of a transfer that takes as many connections as it needs; `again`: an earlier one was cut off.
    Transfer { again: bool },
    /// Of a mirror, which is done again when it was cut off, and then goes on with the file it was at.
    Mirror,
}

impl How {
    /// Whether it goes on with what is left of an earlier attempt.
    pub(super) fn resumes(&self) -> bool {
        self.options.resume || matches!(self.of, ShareOf::Transfer { again: true } | ShareOf::Mirror)
    }

    /// From now on it does.
    pub(super) fn goes_on(&mut self) {
        if let ShareOf::Transfer { again } = &mut self.of {
            *again = true;
        }
    }

    /// Whether what came of a download that was cut off is kept, also if it was ended from here.
    fn keeps(&self) -> bool {
        self.of != ShareOf::Once
    }

    /// Whether what is settled is remembered: it may be tried again.
    fn remembers(&self) -> bool {
        self.is_shared || matches!(self.of, ShareOf::Transfer { .. })
    }

    /// Whether what files failed of is noted with their targets.
    fn notes_failures(&self) -> bool {
        self.of == ShareOf::Mirror
    }
}

/// An upload that was sent whole on a connection which broke before the answer.
pub(super) struct Unsure {
    pub(super) path: PathBuf,
    pub(super) to: RelPath,
    pub(super) size: u64,
    pub(super) hash: Hash,
}

/// A file that the server could not reach in its storage, and what it said.
pub(super) struct PutOff {
    path: PathBuf,
    to: RelPath,
    error: Error,
}

/// A file that failed by itself.
pub(super) struct Failed {
    pub(super) path: PathBuf,
    pub(super) to: RelPath,
    pub(super) error: Error,
}

/// The summary so far, and what must not be done or told again. Files are known by their targets, which must differ.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) how: How,
    pub(super) summary: Summary,
    /// Done, failed or skipped.
    settled: HashSet<RelPath>,
    /// Files that were whole in their places before anything was moved are settled: what has come there since is this transfer's
    /// own.
    pub(super) has_looked: bool,
    /// What has no target and was told of.
    told: HashSet<PathBuf>,
    /// Folders of a tree that were not there before anything came.
    pub(super) new_folders: HashSet<RelPath>,
    pub(super) unsure: Vec<Unsure>,
    /// Of all connections.
    pub(super) unmade: Arc<Mutex<Unmade>>,
    put_off: Vec<PutOff>,
    /// If that is asked for: the files that failed.
    pub(super) failures: Vec<Failed>,
    /// From where a file was last gone on with.
    resumed: HashMap<RelPath, u64>,
    steps: u64,
    /// A connection was ended for a file that had no place here, whose rest was too long to be read for nothing.
    pub(super) gave_up: bool,
    /// If that is asked for: the files whose bytes all went to where they belong, each with their hash, also where the
    /// answer did not come any more.
    pub(super) whole: Option<Vec<(RelPath, Hash)>>,
    /// Bytes of the file that was cut off by the last lost connection which can be gone on with.
    pub(super) kept: u64,
}

impl Ledger {
    /// Grows with every file settled and with every file gone on with farther than before; so it can only grow
    /// finitely often, and a transfer that is tried again as long as it grows comes to an end.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Adds what became of other files, over another connection.
    pub(super) fn absorb(&mut self, other: Ledger) {
        self.summary.add(other.summary);
        self.settled.extend(other.settled);
        self.told.extend(other.told);
        self.unsure.extend(other.unsure);
        self.put_off.extend(other.put_off);
        self.failures.extend(other.failures);
        self.resumed.extend(other.resumed);
        self.steps += other.steps;
        self.gave_up |= other.gave_up;
        if let (Some(whole), Some(more)) = (&mut self.whole, other.whole) {
            whole.extend(more);
        }
        self.kept = self.kept.max(other.kept);
    }

    /// Whether files that are whole in their places already, as their hashes prove, are looked for: before anything was moved.
    pub(super) fn looks_for_whole(&self) -> bool {
        self.how.options.resume && matches!(self.how.of, ShareOf::Transfer { .. }) && !self.has_looked
    }

    pub(super) fn is_settled(&self, to: &RelPath) -> bool {
        self.settled.contains(to)
    }

    /// Whether something without a target is new. It counts as told from now on.
    pub(super) fn is_news(&mut self, path: &Path) -> bool {
        !self.how.remembers() || self.told.insert(path.to_owned())
    }

    /// A file is gone on with from here.
    pub(super) fn resumed(&mut self, to: &RelPath, from: u64) {
        let before = self.resumed.insert(to.clone(), from).unwrap_or(0);
        self.steps += u64::from(from > before);
    }

    /// Whether what came of a download is kept after this error: however the connection or the session ended, unless the error says that
    /// the bytes are not those of the file. Whoever goes on with them proves them first.
    pub(super) fn keeps_after(&self, error: &Error) -> bool {
        let is_wrong = matches!(error.kind(), Kind::Integrity | Kind::Torn | Kind::Changed | Kind::Rotten);
        self.how.keeps() && !is_wrong
    }

    pub(super) fn settle(&mut self, to: &RelPath) {
        self.steps += 1;
        if self.how.remembers() {
            self.settled.insert(to.clone());
        }
    }

    /// All bytes of a file are where they belong, or on their way there.
    pub(super) fn is_whole(&mut self, to: &RelPath, hash: Hash) {
        if let Some(whole) = &mut self.whole {
            whole.push((to.clone(), hash));
        }
    }

    pub(super) fn finished(&mut self, path: &Path, to: &RelPath, done: &Transferred, observer: &dyn Observer) {
        self.summary.files += 1;
        self.summary.bytes = self.summary.bytes.saturating_add(done.size);
        self.settle(to);
        observer.finished(path, to, done);
    }

    /// A file is on the server, so the folders that it is in are there, too.
    pub(super) fn sent(&mut self, path: &Path, to: &RelPath, done: &Transferred, observer: &dyn Observer) {
        self.unmade.lock().came(to);
        self.finished(path, to, done, observer);
    }

    /// A file could not be sent: that the folder for it is missing is told first, if it is why.
    pub(super) fn not_sent(
        &mut self,
        path: PathBuf,
        to: &RelPath,
        condition: Condition,
        error: Error,
        observer: &dyn Observer,
    ) {
        let (folder, error) = self.unmade.lock().explained(to, error);
        if let Some((path, error)) = folder
            && let Some(to) = to.parent()
        {
            self.failed(path, &to, Condition::Any, error, observer);
        }
        self.failed(path, to, condition, of_destination(error, to), observer);
    }

    /// Tells of the folders that are missing because the user may not make them, as far as nothing did that was to go into them: all of
    /// that has been tried.
    ///
    /// # Errors
    /// Those that end the connection.
    pub(super) fn tell_unmade(&mut self, session: &mut Session, observer: &dyn Observer) -> Result<()> {
        let missing = self.unmade.lock().missing(session)?;
        for (to, path, error) in missing {
            self.failed(path, &to, Condition::Any, error, observer);
        }
        Ok(())
    }

    /// A link like one of the source was made.
    pub(super) fn linked(&mut self, path: &Path, to: &RelPath, observer: &dyn Observer) {
        self.summary.links += 1;
        self.settle(to);
        observer.linked(path, to);
    }

    /// A file need not move, because what is in its place is as new, or the same.
    pub(super) fn unchanged(&mut self, path: &Path, to: &RelPath, size: u64, observer: &dyn Observer) {
        if !self.is_settled(to) {
            self.settle(to);
            self.summary.unchanged += 1;
            observer.unchanged(path, size);
        }
    }

    /// A file would be moved.
    pub(super) fn planned(&mut self, path: &Path, to: &RelPath, size: u64, observer: &dyn Observer) {
        self.settle(to);
        self.summary.files += 1;
        // A server may list anything.
        self.summary.bytes = self.summary.bytes.saturating_add(size);
        observer.planned(path, to, size);
    }

    /// A link like one of the source would be made.
    pub(super) fn planned_link(&mut self, path: &Path, to: &RelPath, observer: &dyn Observer) {
        self.settle(to);
        self.summary.links += 1;
        observer.planned(path, to, 0);
    }

    /// A file could not be transferred, or was not to be.
    pub(super) fn failed(
        &mut self,
        path: PathBuf,
        to: &RelPath,
        condition: Condition,
        error: Error,
        observer: &dyn Observer,
    ) {
        // Under a condition it may be there by now, and count as somebody else's.
        if self.how.puts_off && condition == Condition::Any && is_put_off(&error) {
            self.put_off.push(PutOff { path, to: to.clone(), error });
            return;
        }
        self.settle(to);
        if self.how.options.skip_existing && condition == Condition::Absent && error.kind() == Kind::Exists {
            self.summary.skipped += 1;
            observer.skipped(&path, Skip::Exists);
        } else {
            self.note_failure(&path, to, &error);
            self.fail(path, error, observer);
        }
    }

    fn note_failure(&mut self, path: &Path, to: &RelPath, error: &Error) {
        if self.how.notes_failures() {
            self.failures.push(Failed { path: path.to_owned(), to: to.clone(), error: error.retold() });
        }
    }

    /// Whether some file was put off.
    pub(super) fn has_put_off(&self) -> bool {
        !self.put_off.is_empty()
    }

    /// Why a file was put off, if one was. All are to be tried again.
    pub(super) fn take_put_off(&mut self) -> Option<Error> {
        let error = self.put_off.pop().map(|first| first.error);
        self.put_off.clear();
        error
    }

    /// Nothing is tried again: what was put off has failed.
    pub(super) fn give_up(&mut self, observer: &dyn Observer) {
        for PutOff { path, to, error } in std::mem::take(&mut self.put_off) {
            self.settle(&to);
            self.note_failure(&path, &to, &error);
            self.fail(path, error, observer);
        }
    }

    /// What was put off is for somebody else to try again, and nobody is told that it has failed. Where each came from, and why.
    pub(super) fn hand_over_put_off(&mut self) -> Vec<(PathBuf, Error)> {
        std::mem::take(&mut self.put_off).into_iter().map(|PutOff { path, error, .. }| (path, error)).collect()
    }

    /// Something without a target, or a folder, failed.
    pub(super) fn fail(&mut self, path: PathBuf, error: Error, observer: &dyn Observer) {
        observer.failed(&path, &error);
        self.summary.failed.push((path, error));
    }
}

/// Whether the server says that what it keeps its files in does not answer just now: the same may succeed later.
pub fn is_put_off(error: &Error) -> bool {
    error.kind() == Kind::Unavailable && error.side() == Side::Server
}
